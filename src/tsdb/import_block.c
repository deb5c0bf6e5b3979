#include "tsdb/import_block.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/str.h"
#include "tsdb/block_page.h"
#include "tsdb/index_file.h"

// Writes the symbols that the series in use have, and numbers them.
static bool symbols_write(struct import_block *b, const u8 *used, struct error *e)
{
    const struct import_series *t = b->table;
    u32 number = 0;
    for (u32 i = 0; i < t->count; i++) {
        const struct import_row *r = &t->rows[i];
        for (u32 k = 0; (used[i / 8] >> (i % 8) & 1) && k < 2 * r->count; k++) {
            b->numbers[r->pairs[k]] = 1;
        }
    }
    for (u32 i = 0; i < t->symbol_count; i++) {
        if (b->numbers[i] == 0) {
            continue;
        }
        b->numbers[i] = number++;
        if (!index_writer_symbol(&b->index, t->sorted[i], e)) {
            return false;
        }
    }
    index_writer_symbols_end(&b->index);
    return true;
}

bool import_block_begin(struct import_block *b, struct fs *fs, const char *blocks, const u8 *used,
                        struct error *e)
{
    char path[BLOCK_PATH];
    b->numbers = MEM_NEW_N(u32, b->table->symbol_count + 1ULL);
    if (!block_dir_make(&b->dir, fs, blocks, &b->meta, e)) {
        return false;
    }
    block_dir_file(&b->dir, "index", path);
    if (!index_writer_open(&b->index, fs, path, e)) {
        return false;
    }
    block_dir_file(&b->dir, "data", path);
    return data_writer_open(&b->data, fs, path, 0, e) && symbols_write(b, used, e);
}

// The column of these times: one of the last ones, or a new one.
static u32 column_of(struct import_block *b, const i64 *t_ms, u32 n)
{
    for (u32 i = 0; i < IMPORT_COLUMNS_KEPT; i++) {
        const struct import_column *c = &b->columns[i];
        if (c->n == n && memcmp(c->t_ms, t_ms, n * sizeof(i64)) == 0) {
            return c->column;
        }
    }
    struct import_column *c = &b->columns[b->column_next++ % IMPORT_COLUMNS_KEPT];
    c->column = data_writer_column(&b->data, t_ms, n);
    c->n = n;
    memcpy(c->t_ms, t_ms, n * sizeof(i64));
    return c->column;
}

static void chunk_write(struct import_block *b, const struct import_sample *samples, u32 n)
{
    static const struct box_list no_boxes;
    i64 t_ms[COLUMN_ROWS_MAX];
    f64 values[COLUMN_ROWS_MAX];
    for (u32 i = 0; i < n; i++) {
        t_ms[i] = samples[i].t_ms;
        values[i] = samples[i].value;
    }
    struct chunk_rows rows = {.column = column_of(b, t_ms, n), .span = n, .n = n, .whole = true};
    data_writer_chunk(&b->data, b->ordinal, &rows, values, &no_boxes);
}

// Of equal ones the first stays; *n becomes how many are left.
static bool twins_drop(const struct import_block *b, struct import_sample *samples, u64 *n,
                       struct error *e)
{
    u64 kept = 0;
    for (u64 i = 0; i < *n; i++) {
        if (kept == 0 || samples[kept - 1].t_ms != samples[i].t_ms) {
            samples[kept++] = samples[i];
        } else if (bits_of_f64(samples[kept - 1].value) != bits_of_f64(samples[i].value)) {
            return err_set(e, ERR_INVALID,
                           "%s:%u: another value of the same series at the same time is in line %u",
                           b->source, samples[i].line, samples[kept - 1].line);
        }
    }
    *n = kept;
    return true;
}

bool import_block_series(struct import_block *b, u32 rank, struct import_sample *samples, u64 n,
                         struct error *e)
{
    const struct import_row *r = &b->table->rows[rank];
    u32 pairs[2 * (IMPORT_LABELS_MAX + 1)];
    for (u32 i = 0; i < 2 * r->count; i++) {
        pairs[i] = b->numbers[r->pairs[i]];
    }
    if (!twins_drop(b, samples, &n, e) || !index_writer_series(&b->index, pairs, r->count, e)) {
        return false;
    }
    for (u64 at = 0; at < n; at += COLUMN_ROWS_MAX) {
        chunk_write(b, samples + at, (u32)MIN(n - at, COLUMN_ROWS_MAX));
    }
    b->ordinal++;
    return true;
}

bool import_block_end(struct import_block *b, struct error *e)
{
    return block_dir_finish(&b->dir, &b->index, &b->data, &b->meta, e);
}

void import_block_fini(struct import_block *b)
{
    index_writer_close(&b->index);
    data_writer_close(&b->data);
    mem_free(b->numbers);
    b->numbers = NULL;
}
