// Finds assets by path; see ui_assets.h.
#include "ui_assets_table.h"

#include <string.h>

// Pages of ours, and upstream's paths that lead to them. src/model/url.ts knows the same list; the
// tests hold both to it.
static const char *const page_paths[] = {
    "/",
    "/query",
    "/graph",
    "/dashboards",
    "/dashboards/host",
    "/alerts",
    "/rules",
    "/targets",
    "/status",
    "/flags",
    "/config",
    "/tsdb-status",
    "/service-discovery",
};

static const struct ui_asset *table_find(const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < ui_asset_count; i++) {
        const char *path = ui_asset_table[i].path;
        if (strlen(path) == name_bytes && memcmp(path, name, name_bytes) == 0)
            return &ui_asset_table[i];
    }
    return NULL;
}

static bool is_page(const char *path, size_t path_bytes)
{
    // "/query/" is "/query".
    if (path_bytes > 1 && path[path_bytes - 1] == '/')
        path_bytes--;
    for (size_t i = 0; i < sizeof page_paths / sizeof page_paths[0]; i++) {
        if (strlen(page_paths[i]) == path_bytes && memcmp(page_paths[i], path, path_bytes) == 0)
            return true;
    }
    return false;
}

// The end of the path that names an asset ("assets/x.js", "icon.svg"), at its last folder.
static size_t name_start(const char *path, size_t path_bytes)
{
    static const char folder[] = "/assets/";
    const size_t folder_bytes = sizeof folder - 1;
    size_t file = 0;
    for (size_t i = 0; i < path_bytes; i++) {
        if (path[i] == '/')
            file = i + 1;
    }
    if (file >= folder_bytes && memcmp(path + file - folder_bytes, folder, folder_bytes) == 0)
        return file - folder_bytes + 1;
    return file;
}

const struct ui_asset *ui_asset_get(const char *path, size_t path_bytes)
{
    if (is_page(path, path_bytes))
        return ui_asset_index();
    size_t start = name_start(path, path_bytes);
    return table_find(path + start, path_bytes - start);
}

const struct ui_asset *ui_asset_index(void)
{
    return table_find("index.html", strlen("index.html"));
}

bool ui_assets_built(void)
{
    return ui_asset_count > 0;
}
