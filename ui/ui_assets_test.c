// The embedded pages: found by every path that must find them, and by no other.
#include "base/test.h"
#include "ui_assets.h"

#include <string.h>

static const struct ui_asset *get(const char *path)
{
    return ui_asset_get(path, strlen(path));
}

TEST(ui_assets_pages_give_the_index)
{
    static const char *const pages[] = {"/",       "/query", "/graph", "/dashboards",
                                        "/alerts", "/rules", "/flags", "/dashboards/host",
                                        "/status", "/query/"};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        assert_ptr_equal(get(pages[i]), ui_asset_index());
    assert_int_equal(ui_assets_built(), ui_asset_index() != NULL);
}

TEST(ui_assets_strangers_find_nothing)
{
    static const char *const paths[] = {"",
                                        "/nothing",
                                        "/assets/",
                                        "/assets/../index.html.x",
                                        "/../../etc/passwd",
                                        "/assets/nothing.js",
                                        "assets",
                                        "/queryx"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_null(get(paths[i]));
}

TEST(ui_assets_path_needs_no_end_mark)
{
    assert_ptr_equal(ui_asset_get("/queryxyz", 6), ui_asset_index());
    assert_null(ui_asset_get("/query", 5));
    assert_null(ui_asset_get("", 0));
}

TEST(ui_assets_are_whole)
{
    const struct ui_asset *index = ui_asset_index();
    if (index == NULL)
        return; // -Dui=disabled
    assert_string_equal(index->type, "text/html; charset=utf-8");
    assert_false(index->immutable);
    assert_true(strlen(index->etag) > 8 && index->etag[0] == '"');
    assert_true(index->br_bytes > 100 && index->gz_bytes > 100);
    assert_int_equal(index->gz[0], 0x1f);
    assert_int_equal(index->gz[1], 0x8b);
    const struct ui_asset *icon = get("/icon.svg");
    assert_non_null(icon);
    assert_string_equal(icon->type, "image/svg+xml");
    assert_ptr_equal(get("/prefix/dashboards/icon.svg"), icon);
}
