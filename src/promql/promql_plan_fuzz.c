// promql_plan_fuzz.c: right queries, made of bytes by the grammar, so that each of them reaches the
// planner and operators. A query answers the same, bit for bit, on the plain engine, on one whose
// selectors several threads read and, as its canonical text, on one without fast paths and without
// shared parts.
//
// promql_plan_planted_fuzz is this file with a reader that believes answers to have three series,
// promql_plan_tree_planted_fuzz, which only plans, with one that believes plans to be at most four
// levels high: a run that does not find it has not looked deep enough to count.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "model/hist_reset.h"
#include "os/thr.h"
#include "promql/eval_fuzz_store.h"
#include "promql/function_table.h"
#include "promql/promql.h"

#include <string.h>

#define DEPTH_MAX 5
#define TEXT_MAX  4096

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct promql_engine *plain;
static struct promql_engine *helped;
static struct promql_engine *slow;

// Threads: owned.
struct source {
    const u8 *data;
    size_t size;
    size_t at;
    struct buf text;
};

// A choice below n; 0 once the bytes are used up, so that every text ends.
static u32 choose(struct source *s, u32 n)
{
    return s->at < s->size ? s->data[s->at++] % n : 0;
}

static void say(struct source *s, const char *text)
{
    buf_add(&s->text, text, strlen(text));
}

static void pick(struct source *s, const char *const *of, u32 n)
{
    say(s, of[choose(s, n)]);
}

#define PICK(s, ...)                                                                               \
    do {                                                                                           \
        static const char *const of[] = {__VA_ARGS__};                                             \
        pick(s, of, (u32)ARRAY_LEN(of));                                                           \
    } while (0)

static void make(struct source *s, enum value_type type, u32 depth);

static void make_selector(struct source *s)
{
    PICK(s, "a", "b_total", "h", "{__name__=~\".+\"}", "a{instance=\"1\"}", "h{instance!=\"1\"}",
         "b_total{le=~\"1|.Inf\"}", "nothing", "a{le!~\"1\"}", "{job=\"j\",__name__!=\"h\"}");
}

static void make_moved(struct source *s)
{
    PICK(s, "", "", "", "", " offset 1m", " offset -30s", " @ 400", " @ start()", " @ end()",
         " offset 10s @ 500", " offset (step())");
}

static void make_range(struct source *s, u32 depth)
{
    if (depth > 0 && choose(s, 4) == 1) {
        say(s, "(");
        make(s, TYPE_VECTOR, depth - 1);
        say(s, ")");
        PICK(s, "[1m:10s]", "[3m:]", "[2m:30s]", "[100s:7s]", "[1s:1ms]");
    } else {
        make_selector(s);
        PICK(s, "[1m]", "[20s]", "[5m]", "[10m]", "[15s]", "[range() / 2 + 1]");
        PICK(s, "", "", "", "", " anchored", " smoothed");
    }
    make_moved(s);
}

static void make_scalar(struct source *s, u32 depth)
{
    if (depth > 0 && choose(s, 6) == 1) {
        say(s, "scalar(");
        make(s, TYPE_VECTOR, depth - 1);
        say(s, ")");
        return;
    }
    PICK(s, "1", "0", "-1", "0.5", "Inf", "NaN", "2", "1e3", "time()", "pi()", "0.9", "3", "-0",
         "start()", "step()");
}

static void make_grouping(struct source *s)
{
    PICK(s, "", " by (instance)", " by (le, job)", " without (instance)", " by ()", " without ()",
         " by (__name__)", " by (nothing)");
}

static void make_aggregate(struct source *s, u32 depth)
{
    static const char *const plain_ones[] = {"sum",   "avg",   "min",    "max",
                                             "count", "group", "stddev", "stdvar"};
    static const char *const with_number[] = {"topk", "bottomk", "quantile", "limitk",
                                              "limit_ratio"};
    const u32 which = choose(s, 14);
    if (which < 8) {
        say(s, plain_ones[which]);
        make_grouping(s);
        say(s, " (");
    } else if (which < 13) {
        say(s, with_number[which - 8]);
        make_grouping(s);
        say(s, " (");
        make_scalar(s, depth);
        say(s, ", ");
    } else {
        say(s, "count_values");
        make_grouping(s);
        say(s, " (\"v\", ");
    }
    make(s, TYPE_VECTOR, depth - 1);
    say(s, ")");
}

static void make_binary(struct source *s, u32 depth)
{
    say(s, "(");
    make(s, choose(s, 4) == 1 ? TYPE_SCALAR : TYPE_VECTOR, depth - 1);
    say(s, ") ");
    const bool is_set = choose(s, 4) == 1;
    if (is_set) {
        PICK(s, "and", "or", "unless");
    } else {
        PICK(s, "+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "== bool", "> bool",
             "atan2", "</", ">/");
    }
    PICK(s, "", "", "", "", " on (instance)", " ignoring (le)", " on ()",
         " on (instance) group_left", " ignoring (instance) group_right (le)",
         " on (instance) fill (0)");
    say(s, " (");
    make(s, TYPE_VECTOR, depth - 1);
    say(s, ")");
}

static void make_string(struct source *s)
{
    PICK(s, "\"v\"", "\"instance\"", "\"$1x\"", "\"(.).*\"", "\"\"", "\"le\"", "\"__name__\"");
}

static void make_call(struct source *s, u32 depth)
{
    const struct function *f = function_get((enum fn_id)choose(s, FN_COUNT));
    if (f->type != TYPE_VECTOR) {
        make_selector(s);
        return;
    }
    const u32 least = f->variadic == 0 ? f->arg_count : f->arg_count - 1U;
    const u32 more = f->variadic == 0 ? 0 : f->variadic < 0 ? 3 : (u32)f->variadic;
    const u32 count = least + choose(s, more + 1);
    buf_add(&s->text, f->name.ptr, f->name.len);
    say(s, "(");
    for (u32 i = 0; i < count; i++) {
        say(s, i > 0 ? ", " : "");
        make(s, function_arg_type(f, i), depth - 1);
    }
    say(s, ")");
}

static void make_vector(struct source *s, u32 depth)
{
    const u32 which = depth == 0 ? 0 : choose(s, 9);
    if (which == 0) {
        make_selector(s);
        make_moved(s);
    } else if (which < 5) {
        make_call(s, depth);
    } else if (which < 7) {
        make_aggregate(s, depth);
    } else {
        make_binary(s, depth);
    }
}

static void make(struct source *s, enum value_type type, u32 depth)
{
    switch (type) {
    case TYPE_SCALAR:
        make_scalar(s, depth);
        return;
    case TYPE_STRING:
        make_string(s);
        return;
    case TYPE_MATRIX:
        make_range(s, depth);
        return;
    default:
        make_vector(s, depth);
        return;
    }
}

// Threads: owned.
struct answer {
    struct arena *arena;
    struct promql_result result;
    struct error e;
    bool ok;
};

static void ask(struct promql_engine *g, const struct promql_request *r, bool is_range,
                struct answer *out)
{
    out->arena = arena_new((size_t)64 << 20);
    out->ok = is_range ? promql_range(g, r, out->arena, &out->result, &out->e)
                       : promql_instant(g, r, out->arena, &out->result, &out->e);
}

static bool same_point(const struct promql_point *a, const struct promql_point *b)
{
    if (a->t_ms != b->t_ms || (a->hist == NULL) != (b->hist == NULL)) {
        return false;
    }
    return a->hist ? hist_same(a->hist, b->hist)
                   : memcmp(&a->value, &b->value, sizeof(a->value)) == 0;
}

static bool same_series(const struct promql_series *a, const struct promql_series *b)
{
    bool same = labels_eq(a->labels, b->labels) && a->count == b->count;
    for (u32 i = 0; same && i < a->count; i++) {
        same = same_point(&a->points[i], &b->points[i]);
    }
    return same;
}

// Limits are met at other places by other plans: whoever met one says nothing.
static bool met_a_limit(const struct answer *a)
{
    return !a->ok && (a->e.code == ERR_LIMIT || a->e.code == ERR_TIMEOUT);
}

static void check_same(const struct answer *a, const struct answer *b)
{
    if (met_a_limit(a) || met_a_limit(b)) {
        return;
    }
    CHECK(a->ok == b->ok);
    if (!a->ok) {
        CHECK(a->e.code == b->e.code);
        return;
    }
    CHECK(a->result.type == b->result.type && a->result.series_count == b->result.series_count);
    for (u32 i = 0; i < a->result.series_count; i++) {
        CHECK(same_series(&a->result.series[i], &b->result.series[i]));
    }
    CHECK(str_eq(a->result.string, b->result.string));
}

// What a careless caller would do with an answer.
static void answer_keep(const struct answer *a)
{
#ifdef TIDEMARK_PLANTED_FAULT
    u32 points[3] = {0};
    for (u32 i = 0; a->ok && i < a->result.series_count; i++) {
        points[i] = a->result.series[i].count;
    }
    CHECK(points[0] < 1000);
#else
    CHECK(!a->ok || a->result.series_count == 0 || a->result.series);
#endif
}

// What a careless caller would do with a plan; level: of its node.
// NOLINTNEXTLINE(misc-no-recursion): as high as the tree, which the grammar here bounds
static void plan_keep(const struct promql_plan *p, const struct promql_plan **path, u32 level)
{
#ifdef TIDEMARK_PLANTED_PLAN
    path[level] = p;
    CHECK(path[0]->op.len > 0);
#else
    CHECK(path[0] == NULL);
    CHECK(p->op.len > 0 && (p->child_count == 0 || p->children));
#endif
    for (u32 i = 0; i < p->child_count; i++) {
        plan_keep(&p->children[i], path, level + 1);
    }
}

// The plan alone, before anything is read.
static void plan_look(const struct promql_query *q)
{
    const struct promql_request r = {.storage = eval_fuzz_store(),
                                     .query = q,
                                     .start_ms = 300000,
                                     .end_ms = 600000,
                                     .step_ms = 60000};
    const struct promql_plan *path[4] = {NULL};
    struct promql_plan *plan;
    struct error e;
    struct arena *a = arena_new((size_t)16 << 20);
    if (promql_explain(plain, &r, a, &plan, &e)) {
        plan_keep(plan, path, 0);
    }
    arena_free(a);
}

static void compare(const struct promql_query *q, const struct promql_query *other)
{
#ifdef TIDEMARK_PLANTED_PLAN
    if (q != other) {
        return;
    }
#endif
    struct promql_request r = {.storage = eval_fuzz_store(),
                               .query = q,
                               .start_ms = 300000,
                               .end_ms = 600000,
                               .step_ms = 60000};
    for (u32 is_range = 0; is_range < 2; is_range++) {
        struct answer a;
        struct answer b;
        struct answer c;
        r.query = q;
        ask(plain, &r, is_range, &a);
        ask(helped, &r, is_range, &c);
        r.query = other;
        ask(slow, &r, is_range, &b);
        answer_keep(&a);
        check_same(&a, &b);
        check_same(&a, &c);
        arena_free(a.arena);
        arena_free(b.arena);
        arena_free(c.arena);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (!plain) {
        struct promql_engine_opts opts = {.samples_max = 100000, .bytes_max = (u64)8 << 20};
        plain = promql_engine_new(opts);
        opts.pool = pool_new("fuzz", 2, 64, NULL);
        opts.helpers_max = 2;
        opts.helped_samples = 1;
        helped = promql_engine_new(opts);
        opts.pool = NULL;
        opts.window_by_window = true;
        opts.no_sharing = true;
        slow = promql_engine_new(opts);
    }
    struct source s = {.data = data, .size = size};
    buf_init(&s.text, TEXT_MAX);
    make(&s, TYPE_VECTOR, DEPTH_MAX);
    struct error e;
    struct promql_query *q =
        buf_ok(&s.text) ? promql_query_new(plain, buf_get(&s.text), NULL, &e) : NULL;
    if (q) {
        struct buf printed;
        buf_init(&printed, 4U * TEXT_MAX);
        promql_query_print(&printed, q);
        struct promql_query *again = promql_query_new(slow, buf_get(&printed), NULL, &e);
        CHECK(again != NULL);
        plan_look(q);
        compare(q, again);
        promql_query_free(again);
        buf_fini(&printed);
    }
    promql_query_free(q);
    buf_fini(&s.text);
    return 0;
}
