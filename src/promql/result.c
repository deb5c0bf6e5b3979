// result.c: see result.h; also the texts that the API shows.
#include "promql/result.h"

#include "base/arena.h"
#include "base/buf.h"
#include "model/hist.h"
#include "promql/query_run.h"

#include <stdlib.h>

const char *promql_type_text(enum promql_type t)
{
    switch (t) {
    case PROMQL_SCALAR:
        return "scalar";
    case PROMQL_VECTOR:
        return "vector";
    case PROMQL_MATRIX:
        return "matrix";
    case PROMQL_STRING:
        return "string";
    }
    return "";
}

const char *promql_phase_text(enum promql_phase p)
{
    static const char *const texts[PROMQL_PHASE_COUNT] = {"evalTotalTime",        "resultSortTime",
                                                          "queryPreparationTime", "innerEvalTime",
                                                          "execQueueTime",        "execTotalTime"};
    CHECK(p < PROMQL_PHASE_COUNT);
    return texts[p];
}

const char *promql_error_type(enum err code)
{
    switch ((int)code) {
    case ERR_INVALID:
        return "bad_data";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CANCELLED:
        return "canceled";
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_INTERNAL:
        return "internal";
    default:
        return "execution";
    }
}

void result_begin(struct result *res, struct run *r)
{
    res->arena = arena_new(r->bytes_limit + RUN_SLACK_BYTES);
}

static bool room(const struct result *res, struct run *r, u64 bytes)
{
    u64 held = arena_bytes(res->arena);
    if (bytes > r->bytes_limit || held > r->bytes_limit - bytes) {
        return run_fail(r, ERR_LIMIT,
                        "the answer needs more than %llu bytes of memory" RUN_SHARE "; %s",
                        (unsigned long long)r->bytes_limit, run_advice(r));
    }
    return true;
}

static u64 labels_bytes(struct labels ls)
{
    u64 bytes = 64;
    for (u32 i = 0; i < ls.count; i++) {
        bytes += sizeof(struct label) + ls.items[i].name.len + ls.items[i].value.len + 2;
    }
    return bytes;
}

static struct promql_series *new_series(struct result *res, struct run *r, struct labels ls,
                                        u32 points)
{
    struct promql_result *answer = res->answer;
    if (!room(res, r, labels_bytes(ls) + (u64)points * sizeof(struct promql_point))) {
        return NULL;
    }
    if (answer->series_count == res->cap) {
        u32 cap = MAX(16U, res->cap * 2);
        if (!room(res, r, (u64)cap * sizeof(struct promql_series))) {
            return NULL;
        }
        answer->series =
            arena_grow(res->arena, answer->series, res->cap, cap, sizeof(*answer->series));
        res->cap = cap;
    }
    struct promql_series *s = &answer->series[answer->series_count++];
    *s = (struct promql_series){.labels = labels_copy(res->arena, ls),
                                .points = ARENA_NEW_N(res->arena, struct promql_point, points)};
    return s;
}

static bool add_point(struct result *res, struct run *r, struct promql_series *s,
                      struct promql_point p)
{
    if (p.hist) {
        u64 buckets = (u64)p.hist->positive.bucket_count + p.hist->negative.bucket_count +
                      p.hist->custom_bound_count;
        if (!room(res, r, sizeof(*p.hist) + 3 * buckets * sizeof(f64))) {
            return false;
        }
        p.hist = hist_copy(res->arena, p.hist);
    }
    s->points[s->count++] = p;
    return true;
}

bool result_add(struct result *res, struct run *r, struct labels ls, const struct promql_point *ps,
                u32 count)
{
    struct promql_series *s = new_series(res, r, ls, count);
    for (u32 i = 0; s && i < count; i++) {
        if (!add_point(res, r, s, ps[i])) {
            return false;
        }
    }
    return s && run_hold(r, count);
}

static bool take_column(struct result *res, struct run *r, const struct op *root, struct labels ls,
                        const struct column *c)
{
    u32 count = column_count(c);
    if (count == 0) {
        return true;
    }
    struct promql_series *s = new_series(res, r, ls, count);
    if (!s || !run_hold(r, count)) {
        return false;
    }
    for (u32 i = 0; i < c->steps; i++) {
        struct promql_point p = {
            .t_ms = grid_time(&root->grid, i), .value = c->values[i], .hist = column_hist(c, i)};
        if (column_has(c, i) && !add_point(res, r, s, p)) {
            return false;
        }
    }
    return true;
}

bool result_take(struct result *res, struct run *r, struct op *root)
{
    struct column c;
    if (!column_init(r, &c, root->grid.steps)) {
        return false;
    }
    for (u32 i = 0; i < root->series_count; i++) {
        if (!op_next(root, r, &c) || !take_column(res, r, root, root->series[i].labels, &c)) {
            return false;
        }
    }
    return true;
}

bool result_string(struct result *res, struct run *r, str s)
{
    if (!room(res, r, s.len + 1)) {
        return false;
    }
    res->answer->string = arena_str(res->arena, s);
    return true;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct promql_series *)a)->labels,
                      ((const struct promql_series *)b)->labels);
}

void result_sort(struct result *res)
{
    if (res->answer->series_count > 1) {
        qsort(res->answer->series, res->answer->series_count, sizeof(struct promql_series),
              by_labels);
    }
}

void result_notes(struct result *res, struct run *r, str query)
{
    struct promql_result *answer = res->answer;
    const str *own;
    u32 own_count;
    notes_print(&r->notes, NOTE_WARNING, query, res->arena, &own, &own_count);
    notes_print(&r->notes, NOTE_INFO, query, res->arena, &answer->infos, &answer->info_count);
    str *all = ARENA_NEW_N(res->arena, str, own_count + WARNINGS_MAX);
    for (u32 i = 0; i < r->storage_warnings.count; i++) {
        all[answer->warning_count++] = arena_str(res->arena, r->storage_warnings.texts[i]);
    }
    for (u32 i = 0; i < own_count; i++) {
        all[answer->warning_count++] = own[i];
    }
    answer->warnings = all;
    answer->partial = r->storage_warnings.partial;
}

static void free_arena(void *arg)
{
    arena_free(arg);
}

void result_hand_over(struct result *res, struct arena *a)
{
    arena_on_free(a, free_arena, res->arena);
}
