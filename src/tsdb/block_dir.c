#include "tsdb/block_dir.h"

#include "base/error.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/tombstone.h"

#include <stdio.h>

void block_id_make(struct clk *clk, struct rng *rng, char out[BLOCK_ID_LEN + 1])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    u64 ms = (u64)clk_wall_ms(clk);
    for (u32 i = 0; i < 10; i++) {
        out[9 - i] = digits[ms >> (5 * i) & 31];
    }
    for (u32 i = 10; i < BLOCK_ID_LEN; i++) {
        out[i] = digits[rng_u64(rng) & 31];
    }
    out[BLOCK_ID_LEN] = '\0';
}

bool block_dir_make(struct block_dir *d, struct fs *fs, const char *dir, const struct block_meta *m,
                    struct error *e)
{
    char name[BLOCK_NAME];
    block_name(m, name);
    d->fs = fs;
    d->dir = dir;
    (void)snprintf(d->path, sizeof(d->path), "%.300s/%s", dir, name);
    (void)snprintf(d->tmp, sizeof(d->tmp), "%s.tmp", d->path);
    return fs_make_dir(fs, d->tmp, e);
}

void block_dir_file(const struct block_dir *d, const char *name, char out[BLOCK_PATH])
{
    (void)snprintf(out, BLOCK_PATH, "%s/%.40s", d->tmp, name);
}

bool block_dir_finish(const struct block_dir *d, struct index_writer *index,
                      struct data_writer *data, struct block_meta *m, struct error *e)
{
    char path[BLOCK_PATH];
    if (!data_writer_finish(data, &m->data_bytes, e) || !index_writer_finish(index, e)) {
        return false;
    }
    m->index_bytes = outfile_offset(&index->file);
    m->series = index->series_count;
    m->chunks = data->chunks;
    m->samples = data->samples;
    m->columns = data->columns;
    block_dir_file(d, "meta", path);
    return block_meta_write(d->fs, path, m, e);
}

bool block_dir_dead(const struct block_dir *d, struct tombstone_list *dead, struct error *e)
{
    char path[BLOCK_PATH];
    struct tombstones *t = tombstones_make(dead);
    block_dir_file(d, "tombstones", path);
    bool ok = !t || tombstones_write(d->fs, path, t, e);
    tombstones_unref(t);
    return ok;
}

bool block_dir_exemplars(const struct block_dir *d, const struct exemplar_group *groups, u32 n,
                         struct error *e)
{
    char path[BLOCK_PATH];
    struct exemplar_writer w;
    bool ok = true;
    block_dir_file(d, "exemplars", path);
    exemplar_writer_init(&w, d->fs, path);
    for (u32 i = 0; ok && i < n; i++) {
        ok = exemplar_writer_add(&w, &groups[i], e);
    }
    ok = ok && exemplar_writer_finish(&w, e);
    exemplar_writer_close(&w);
    return ok;
}

bool block_dir_exemplars_of(const struct block_dir *d, struct block *const *blocks, u32 n,
                            struct error *e)
{
    char path[BLOCK_PATH];
    struct exemplar_writer w;
    struct exemplar_file *files[BLOCK_SOURCES_MAX];
    CHECK(n <= BLOCK_SOURCES_MAX);
    for (u32 i = 0; i < n; i++) {
        if (blocks[i]->exemplars_damaged) {
            return err_set(e, ERR_CORRUPT, "%s/exemplars is damaged", blocks[i]->path);
        }
        files[i] = &blocks[i]->exemplars;
    }
    block_dir_file(d, "exemplars", path);
    exemplar_writer_init(&w, d->fs, path);
    bool ok = exemplar_files_merge(files, n, &w, e) && exemplar_writer_finish(&w, e);
    exemplar_writer_close(&w);
    return ok;
}

bool block_dir_list(const struct block_dir *d, struct error *e)
{
    struct error ignored; // What cannot be removed now is swept at the next start.
    if (!fs_sync_dir(d->fs, d->tmp, e) || !fs_rename(d->fs, d->tmp, d->path, e)) {
        block_dir_drop(d);
        return false;
    }
    if (!fs_sync_dir(d->fs, d->dir, e)) {
        (void)!fs_remove_tree(d->fs, d->path, &ignored);
        return false;
    }
    return true;
}

void block_dir_drop(const struct block_dir *d)
{
    struct error ignored;
    (void)!fs_remove_tree(d->fs, d->tmp, &ignored);
}
