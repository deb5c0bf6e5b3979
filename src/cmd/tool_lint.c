// tool_lint.c: see tool_lint.h.
#include "cmd/tool_lint.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/str.h"
#include "cmd/server.h"
#include "cmd/tool_args.h"
#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_BYTES_MAX ((size_t)64 << 20)
#define MEMORY_MAX     ((size_t)4 << 30)

// Threads: owned.
struct family {
    str name;
    enum metric_type type;
    bool has_help;
    u64 samples;
    bool has_le;
    bool has_quantile;
    bool has_camel_label;
};

// Threads: owned.
struct lint {
    struct arena *arena;
    struct map map;
    struct family *families;
    u32 family_count;
    u32 family_cap;
    struct lint_problem *problems;
    u32 count;
    u32 cap;
};

// ---- families ----

static bool family_eq(const void *ctx, u32 index, const void *key)
{
    const struct lint *l = ctx;
    return str_eq(l->families[index].name, *(const str *)key);
}

static u64 family_hash(const void *ctx, u32 index)
{
    const struct lint *l = ctx;
    return hash_str(l->families[index].name);
}

static const struct map_ops family_ops = {family_eq, family_hash};

static struct family *family_find(const struct lint *l, str name)
{
    const u32 i = map_get(&l->map, hash_str(name), &name);
    return i == MAP_NONE ? NULL : &l->families[i];
}

static struct family *family_get(struct lint *l, str name)
{
    struct family *known = family_find(l, name);
    if (known != NULL) {
        return known;
    }
    if (l->family_count == l->family_cap) {
        const u32 cap = MAX(256U, l->family_cap * 2);
        l->families = arena_grow(l->arena, l->families, l->family_cap, cap, sizeof(*l->families));
        l->family_cap = cap;
    }
    CHECK(l->families != NULL);
    l->families[l->family_count] = (struct family){.name = arena_str(l->arena, name)};
    map_put(&l->map, hash_str(name), l->family_count);
    return &l->families[l->family_count++];
}

// The family of a sample: h of h_bucket, if h is known to be a histogram.
static struct family *family_of(struct lint *l, str name)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    for (u32 i = 0; i < ARRAY_LEN(suffixes); i++) {
        if (!str_ends(name, str_c(suffixes[i]))) {
            continue;
        }
        struct family *f = family_find(l, str_sub(name, 0, name.len - strlen(suffixes[i])));
        if (f != NULL && (f->type == METRIC_HISTOGRAM || (f->type == METRIC_SUMMARY && i > 0))) {
            return f;
        }
    }
    return family_get(l, name);
}

static bool is_camel(str s)
{
    for (size_t i = 1; i < s.len; i++) {
        const char before = s.ptr[i - 1];
        if (before >= 'a' && before <= 'z' && s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

static void sample_see(struct lint *l, struct labels ls)
{
    struct family *f = family_of(l, labels_get(ls, LABEL_NAME));
    f->samples++;
    for (u32 i = 0; i < ls.count; i++) {
        const str name = ls.items[i].name;
        f->has_le = f->has_le || str_eq_c(name, "le");
        f->has_quantile = f->has_quantile || str_eq_c(name, "quantile");
        f->has_camel_label = f->has_camel_label || is_camel(name);
    }
}

static bool page_read(struct lint *l, str page, struct error *e)
{
    struct expo *x = expo_open(page, EXPO_TEXT);
    struct arena *labels = arena_new((size_t)64 << 20);
    struct expo_entry entry;
    bool ok = true;
    while (ok && expo_next(x, &entry)) {
        struct labels ls;
        switch (entry.kind) {
        case EXPO_TYPE:
            family_get(l, entry.family)->type = entry.type;
            break;
        case EXPO_HELP:
            family_get(l, entry.family)->has_help = entry.text.len > 0;
            break;
        case EXPO_SAMPLE:
            arena_reset(labels);
            ok = expo_labels(x, &entry, labels, &ls, NULL, e);
            if (ok) {
                sample_see(l, ls);
            }
            break;
        case EXPO_UNIT:
        case EXPO_COMMENT:
            break;
        }
    }
    arena_free(labels);
    struct error closing = {0};
    if (!expo_close(x, NULL, &closing) && ok) {
        return err_set(e, closing.code, "%s", closing.text);
    }
    return ok;
}

// ---- rules ----

static void problem_add(struct lint *l, const struct family *f, str text)
{
    if (l->count == l->cap) {
        const u32 cap = MAX(256U, l->cap * 2);
        l->problems = arena_grow(l->arena, l->problems, l->cap, cap, sizeof(*l->problems));
        l->cap = cap;
    }
    CHECK(l->problems != NULL);
    l->problems[l->count++] = (struct lint_problem){f->name, text};
}

static const struct {
    const char *unit;
    const char *base;
} units[] = {
    {"amperes", "amperes"},    {"bytes", "bytes"},     {"celsius", "celsius"},
    {"grams", "grams"},        {"joules", "joules"},   {"kelvin", "kelvin"},
    {"meters", "meters"},      {"metres", "metres"},   {"seconds", "seconds"},
    {"volts", "volts"},        {"minutes", "seconds"}, {"hours", "seconds"},
    {"days", "seconds"},       {"weeks", "seconds"},   {"kelvins", "kelvin"},
    {"fahrenheit", "celsius"}, {"rankine", "celsius"}, {"inches", "meters"},
    {"yards", "meters"},       {"miles", "meters"},    {"bits", "bytes"},
    {"calories", "joules"},    {"pounds", "grams"},    {"ounces", "grams"},
};
static const char *const prefixes[] = {"",     "pico",  "nano", "micro", "milli", "centi", "deci",
                                       "deca", "hecto", "kilo", "kibi",  "mega",  "mibi",  "giga",
                                       "gibi", "tera",  "tebi", "peta",  "pebi"};

// The base unit of a word that is a unit, with or without a prefix; NULL: it is none.
static const char *base_of(str word)
{
    for (u32 u = 0; u < ARRAY_LEN(units); u++) {
        const str unit = str_c(units[u].unit);
        if (!str_ends(word, unit)) {
            continue;
        }
        const str prefix = str_sub(word, 0, word.len - unit.len);
        for (u32 p = 0; p < ARRAY_LEN(prefixes); p++) {
            if (str_eq_c(prefix, prefixes[p])) {
                return units[u].base;
            }
        }
    }
    return NULL;
}

static void units_check(struct lint *l, const struct family *f)
{
    str rest = f->name;
    str word;
    while (str_split_next(&rest, '_', &word)) {
        const char *base = base_of(word);
        if (base != NULL) {
            if (!str_eq_c(word, base)) {
                problem_add(l, f,
                            arena_printf(l->arena, "use base unit \"%s\" instead of \"%.*s\"", base,
                                         STR_ARG(word)));
            }
            return;
        }
    }
}

static void total_check(struct lint *l, const struct family *f)
{
    const bool is_total = str_ends(f->name, STR("_total"));
    if (f->type == METRIC_COUNTER && !is_total) {
        problem_add(l, f, STR("counter metrics should have \"_total\" suffix"));
    } else if (f->type != METRIC_COUNTER && f->type != METRIC_UNKNOWN && is_total) {
        problem_add(l, f, STR("non-counter metrics should not have \"_total\" suffix"));
    }
}

static void reserved_check(struct lint *l, const struct family *f)
{
    const bool is_hist = f->type == METRIC_HISTOGRAM;
    const bool is_summary = f->type == METRIC_SUMMARY;
    if (f->type == METRIC_UNKNOWN) {
        return;
    }
    if (!is_hist && str_ends(f->name, STR("_bucket"))) {
        problem_add(l, f, STR("non-histogram metrics should not have \"_bucket\" suffix"));
    }
    if (!is_hist && !is_summary && str_ends(f->name, STR("_count"))) {
        problem_add(l, f,
                    STR("non-histogram and non-summary metrics should not have \"_count\" suffix"));
    }
    if (!is_hist && !is_summary && str_ends(f->name, STR("_sum"))) {
        problem_add(l, f,
                    STR("non-histogram and non-summary metrics should not have \"_sum\" suffix"));
    }
    if (!is_hist && f->has_le) {
        problem_add(l, f, STR("non-histogram metrics should not have \"le\" label"));
    }
    if (!is_summary && f->has_quantile) {
        problem_add(l, f, STR("non-summary metrics should not have \"quantile\" label"));
    }
}

// word as one of the words of a name, but not its first.
static bool has_word(struct lint *l, str name, const char *word)
{
    const str inner = arena_printf(l->arena, "_%s_", word);
    return str_contains(name, inner) || str_ends(name, str_sub(inner, 0, inner.len - 1));
}

static void words_check(struct lint *l, const struct family *f)
{
    static const char *const types[] = {"counter", "gauge", "summary", "histogram",
                                        "gauge_histogram"};
    static const char *const short_units[] = {"s",  "ms", "us", "ns", "sec", "b", "kb",
                                              "mb", "gb", "tb", "pb", "m",   "h", "d"};
    char *lower = ARENA_NEW_N(l->arena, char, f->name.len + 1);
    for (size_t i = 0; i < f->name.len; i++) {
        const char c = f->name.ptr[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    const str name = {lower, f->name.len};
    for (u32 i = 0; i < ARRAY_LEN(types); i++) {
        if (has_word(l, name, types[i])) {
            problem_add(
                l, f, arena_printf(l->arena, "metric name should not include type '%s'", types[i]));
        }
    }
    for (u32 i = 0; i < ARRAY_LEN(short_units); i++) {
        if (has_word(l, name, short_units[i])) {
            problem_add(l, f, STR("metric names should not contain abbreviated units"));
        }
    }
}

static void family_check(struct lint *l, const struct family *f)
{
    if (!f->has_help) {
        problem_add(l, f, STR("no help text"));
    }
    if (str_find(f->name, ':') != STR_NONE) {
        problem_add(l, f, STR("metric names should not contain ':'"));
    }
    if (is_camel(f->name)) {
        problem_add(l, f, STR("metric names should be written in 'snake_case' not 'camelCase'"));
    }
    if (f->has_camel_label) {
        problem_add(l, f, STR("label names should be written in 'snake_case' not 'camelCase'"));
    }
    units_check(l, f);
    total_check(l, f);
    reserved_check(l, f);
    words_check(l, f);
}

static int problem_order(const void *a, const void *b)
{
    const struct lint_problem *x = a;
    const struct lint_problem *y = b;
    const int order = str_cmp(x->metric, y->metric);
    return order != 0 ? order : str_cmp(x->text, y->text);
}

static u32 each_once(struct lint_problem *problems, u32 count)
{
    u32 kept = 0;
    if (count > 0) {
        qsort(problems, count, sizeof(*problems), problem_order);
    }
    for (u32 i = 0; i < count; i++) {
        if (kept == 0 || problem_order(&problems[kept - 1], &problems[i]) != 0) {
            problems[kept++] = problems[i];
        }
    }
    return kept;
}

bool tool_lint(str page, struct arena *a, struct lint_problem **problems, u32 *count,
               struct error *e)
{
    struct lint l = {.arena = a};
    map_init(&l.map, &family_ops, &l);
    const bool ok = page_read(&l, page, e);
    for (u32 i = 0; ok && i < l.family_count; i++) {
        if (l.families[i].samples > 0) {
            family_check(&l, &l.families[i]);
        }
    }
    map_fini(&l.map);
    if (ok) {
        *problems = l.problems;
        *count = each_once(l.problems, l.count);
    }
    return ok;
}

static int series_order(const void *a, const void *b)
{
    const struct lint_series *x = a;
    const struct lint_series *y = b;
    const int order = (x->count < y->count) - (x->count > y->count);
    return order != 0 ? order : str_cmp(x->metric, y->metric);
}

bool tool_lint_series(str page, struct arena *a, struct lint_series **series, u32 *count,
                      struct error *e)
{
    struct lint l = {.arena = a};
    map_init(&l.map, &family_ops, &l);
    const bool ok = page_read(&l, page, e);
    map_fini(&l.map);
    if (!ok) {
        return false;
    }
    struct lint_series *all = ARENA_NEW_N(a, struct lint_series, l.family_count + 1ULL);
    u32 n = 0;
    for (u32 i = 0; i < l.family_count; i++) {
        if (l.families[i].samples > 0) {
            all[n++] = (struct lint_series){l.families[i].name, l.families[i].samples};
        }
    }
    if (n > 0) {
        qsort(all, n, sizeof(*all), series_order);
    }
    *series = all;
    *count = n;
    return true;
}

// ---- standard input ----

static bool input_read(struct buf *page, struct error *e)
{
    char bytes[65536];
    size_t n;
    while ((n = fread(bytes, 1, sizeof(bytes), stdin)) > 0) {
        buf_add(page, bytes, n);
    }
    if (ferror(stdin)) {
        return err_set(e, ERR_IO, "standard input cannot be read");
    }
    return buf_ok(page) ||
           err_set(e, ERR_LIMIT, "the page has more than %zu bytes", PAGE_BYTES_MAX);
}

static bool problems_print(str page, struct arena *a, u32 *count)
{
    struct lint_problem *problems = NULL;
    struct error e = {0};
    if (!tool_lint(page, a, &problems, count, &e)) {
        (void)fprintf(stderr, "error while linting: %s\n", e.text);
        return false;
    }
    for (u32 i = 0; i < *count; i++) {
        (void)fprintf(stderr, "%.*s %.*s\n", STR_ARG(problems[i].metric),
                      STR_ARG(problems[i].text));
    }
    return true;
}

#define COLUMN_GAP 4

static int digits(u64 n)
{
    int count = 1;
    while (n >= 10) {
        n /= 10;
        count++;
    }
    return count;
}

// Columns as wide as promtool's, whose last one is filled up, too.
static bool series_print(str page, struct arena *a)
{
    static const char *const heads[] = {"Metric", "Cardinality", "Percentage"};
    struct lint_series *all = NULL;
    struct error e = {0};
    u32 count = 0;
    u64 total = 0;
    if (!tool_lint_series(page, a, &all, &count, &e)) {
        (void)fprintf(stderr, "error while parsing text to metric families: %s\n", e.text);
        return false;
    }
    int name_width = (int)strlen(heads[0]);
    for (u32 i = 0; i < count; i++) {
        total += all[i].count;
        name_width = MAX(name_width, (int)MIN(all[i].metric.len, (size_t)10000));
    }
    name_width += COLUMN_GAP;
    const int count_width = MAX((int)strlen(heads[1]), digits(total)) + COLUMN_GAP;
    const int share_width = (int)strlen(heads[2]) + COLUMN_GAP;
    (void)printf("%-*s%-*s%-*s\n", name_width, heads[0], count_width, heads[1], share_width,
                 heads[2]);
    for (u32 i = 0; i < count; i++) {
        char share[32];
        (void)snprintf(share, sizeof(share), "%.2f%%", 100.0 * (f64)all[i].count / (f64)total);
        (void)printf("%-*.*s%-*llu%-*s\n", name_width, STR_ARG(all[i].metric), count_width,
                     (unsigned long long)all[i].count, share_width, share);
    }
    (void)printf("%-*s%-*llu%-*s\n", name_width, "Total", count_width, (unsigned long long)total,
                 share_width, "100%");
    return true;
}

int tool_lint_run(int argc, char **argv, struct error *e)
{
    bool extended = false;
    str lint = STR("all");
    struct tool_words words = {.count = 0};
    const struct tool_flag flags[] = {{.name = "extended", .is_set = &extended},
                                      {.name = "lint", .value = &lint}};
    if (!tool_args_parse(argc, argv, flags, ARRAY_LEN(flags), &words, e)) {
        return EXIT_USAGE;
    }
    const bool lints = str_eq(lint, STR("all"));
    const char *trouble = words.count > 0 ? "the page is read from standard input"
                          : !lints && !str_eq(lint, STR("none")) ? "--lint is all or none"
                          : !lints && !extended
                              ? "--lint=none leaves nothing to do without --extended"
                              : NULL;
    if (trouble != NULL) {
        (void)err_set(e, ERR_INVALID, "%s", trouble);
        return EXIT_USAGE;
    }
    struct arena *a = arena_new(MEMORY_MAX);
    struct buf page;
    u32 problems = 0;
    buf_init(&page, PAGE_BYTES_MAX);
    bool ok = input_read(&page, e);
    if (!ok) {
        (void)fprintf(stderr, "%s\n", e->text);
    }
    ok = ok && (!lints || problems_print(buf_get(&page), a, &problems));
    ok = ok && (!extended || series_print(buf_get(&page), a));
    buf_fini(&page);
    arena_free(a);
    if (!ok) {
        return EXIT_RUNTIME;
    }
    return problems > 0 ? EXIT_CONFIG : EXIT_OK;
}
