// api_metrics.c: /metrics: what this server counts about itself, in the format that is asked for.
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/str.h"
#include "client/tidemark.h"

static bool take(void *ctx, const char *bytes, size_t n)
{
    return http_write(ctx, (str){bytes, n});
}

void api_metrics(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const str accept = http_header_get(rq, STR("Accept"));
    const enum tmk_format format =
        tmk_format_accepted(accept.len > 0 ? arena_cstr(rq->arena, accept) : NULL);
    (void)http_header_set(rs, STR("Content-Type"), str_c(tmk_content_type(format)));
    if (!tmk_expose(api->opts.registry, format, take, rs)) {
        http_fail(rs, "the exposition could not be written");
    }
}
