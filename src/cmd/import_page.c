#include "cmd/import_page.h"

#include "base/error.h"
#include "base/str.h"
#include "tsdb/tsdb_files.h"

#include <stdio.h>

static struct import_page *page_of(struct tsdb_import_source *s)
{
    return CONTAINER_OF(s, struct import_page, base);
}

// What a parser says of a line ("line 7: why"), as "file:7: why".
static bool place_tell(const struct import_page *p, u32 line, const struct error *why,
                       struct error *e)
{
    char prefix[32];
    const int n = snprintf(prefix, sizeof(prefix), "line %u: ", line);
    const bool has = strncmp(why->text, prefix, (size_t)n) == 0;
    return err_set(e, why->code, "%s:%u: %s", p->base.name, line, why->text + (has ? n : 0));
}

static void page_begin(struct tsdb_import_source *s)
{
    struct import_page *p = page_of(s);
    p->timeless = 0;
    p->x = expo_open((str){(const char *)p->map.bytes, p->map.len}, EXPO_OPENMETRICS);
}

static bool page_next(struct tsdb_import_source *s, struct tsdb_import_sample *out)
{
    struct import_page *p = page_of(s);
    while (p->timeless == 0 && expo_next(p->x, &p->entry)) {
        if (p->entry.kind != EXPO_SAMPLE) {
            continue;
        }
        if (!p->entry.has_t) {
            p->timeless = p->entry.line;
            continue;
        }
        *out = (struct tsdb_import_sample){.series = p->entry.series,
                                           .t_ms = p->entry.t_ms,
                                           .value = p->entry.value,
                                           .line = p->entry.line};
        return true;
    }
    return false;
}

static bool page_labels(struct tsdb_import_source *s, struct arena *a, struct labels *out,
                        struct error *e)
{
    struct import_page *p = page_of(s);
    struct error why = {0};
    return expo_labels(p->x, &p->entry, a, out, NULL, &why) ||
           place_tell(p, p->entry.line, &why, e);
}

static bool page_end(struct tsdb_import_source *s, struct error *e)
{
    struct import_page *p = page_of(s);
    struct error why = {0};
    u32 line = 0;
    const bool ok = expo_close(p->x, &line, &why);
    p->x = NULL;
    if (fs_map_holes(&p->map) > 0) {
        return err_set(e, ERR_IO, "%s cannot be read to its end any more", p->base.name);
    }
    if (p->timeless > 0) {
        return err_set(e, ERR_INVALID, "%s:%u: the sample has no time", p->base.name, p->timeless);
    }
    return ok || place_tell(p, line, &why, e);
}

bool import_page_open(struct import_page *p, struct fs *fs, const char *path, struct error *e)
{
    static const struct tsdb_import_ops ops = {
        .begin = page_begin, .next = page_next, .labels = page_labels, .end = page_end};
    *p = (struct import_page){.base = {.ops = &ops, .name = path}, .fs = fs};
    return fs_map_open(fs, path, &p->map, e);
}

void import_page_close(struct import_page *p)
{
    fs_map_close(p->fs, &p->map);
}
