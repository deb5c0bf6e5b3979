// api_ui.c: the pages: sealed, pre-compressed assets with strict headers.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "ui_assets.h"
#include "wire/gzip.h"

#define ASSET_BYTES_MAX ((size_t)16 << 20)

static void page_headers(struct http_response *rs)
{
    (void)http_header_set(rs, STR("Content-Security-Policy"), STR(UI_CONTENT_SECURITY_POLICY));
    (void)http_header_set(rs, STR("X-Content-Type-Options"), STR("nosniff"));
    (void)http_header_set(rs, STR("X-Frame-Options"), STR("DENY"));
    (void)http_header_set(rs, STR("Referrer-Policy"), STR("no-referrer"));
    (void)http_header_set(rs, STR("Cross-Origin-Opener-Policy"), STR("same-origin"));
}

// If-None-Match: one of the tags listed, or *.
static bool is_unchanged(const struct http_request *rq, str etag)
{
    str rest = http_header_get(rq, STR("If-None-Match"));
    str tag;
    if (rest.len == 0) {
        return false;
    }
    while (str_split_next(&rest, ',', &tag)) {
        tag = str_trim(tag);
        tag = str_starts(tag, STR("W/")) ? str_sub(tag, 2, tag.len) : tag;
        if (str_eq(tag, etag) || str_eq_c(tag, "*")) {
            return true;
        }
    }
    return false;
}

static void asset_send(const struct http_request *rq, struct http_response *rs,
                       const struct ui_asset *asset)
{
    const str br = {(const char *)asset->br, asset->br_bytes};
    const str gz = {(const char *)asset->gz, asset->gz_bytes};
    struct buf plain;
    struct error e;
    if (http_accepts(rq, STR("br"))) {
        (void)http_header_set(rs, STR("Content-Encoding"), STR("br"));
        http_body_fixed(rs, br, true);
        return;
    }
    if (http_accepts(rq, STR("gzip"))) {
        (void)http_header_set(rs, STR("Content-Encoding"), STR("gzip"));
        http_body_fixed(rs, gz, true);
        return;
    }
    rs->plain = true;
    buf_init(&plain, ASSET_BYTES_MAX);
    if (gzip_decode(gz, ASSET_BYTES_MAX, &plain, &e)) {
        (void)http_write(rs, buf_get(&plain));
    } else {
        http_fail(rs, e.text);
    }
    buf_fini(&plain);
}

void api_page(struct http_request *rq, struct http_response *rs)
{
    const str path = rq->path;
    const struct ui_asset *asset = ui_asset_get(path.ptr, path.len);
    if (asset == NULL && path.len == 1 && !ui_assets_built()) {
        http_text(rs, 200,
                  "Tidemark. This binary was built without the pages (-Dui=disabled); the "
                  "API is under /api/v1.");
        return;
    }
    if (asset == NULL || str_starts(path, STR("/api/"))) {
        http_text(rs, 404, "404 page not found");
        return;
    }
    page_headers(rs);
    (void)http_header_set(rs, STR("Content-Type"), str_c(asset->type));
    (void)http_header_set(rs, STR("ETag"), str_c(asset->etag));
    (void)http_header_set(rs, STR("Vary"), STR("Accept-Encoding"));
    (void)http_header_set(rs, STR("Cache-Control"),
                          asset->immutable ? STR("public, max-age=31536000, immutable")
                                           : STR("no-cache"));
    if (is_unchanged(rq, str_c(asset->etag))) {
        http_status_set(rs, 304);
        return;
    }
    asset_send(rq, rs, asset);
}

// The address that old bookmarks have; its parameters mean the same on the query page.
void api_graph(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const size_t mark = str_find(rq->target, '?');
    const str query = mark == STR_NONE ? STR_EMPTY : str_sub(rq->target, mark, rq->target.len);
    (void)http_header_set(
        rs, STR("Location"),
        arena_printf(rq->arena, "%.*s/query%.*s", STR_ARG(api->opts.prefix), STR_ARG(query)));
    http_text(rs, 302, "Found");
}
