#include "cmd/tool_tsdb.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "cmd/server.h"
#include "cmd/tool_args.h"
#include "cmd/tool_blocks.h"
#include "model/match.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "promql/promql.h"
#include "storage/storage.h"
#include "tsdb/tsdb.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define TOOL_BYTES_MAX ((size_t)1 << 30)
#define LINE_BYTES_MAX ((size_t)64 << 20)
#define FLUSH_BYTES    ((size_t)64 << 10)

const char tool_tsdb_usage[] =
    "       tidemark tool tsdb verify DIR   looks at every checksum; a line for each damage\n"
    "       tidemark tool tsdb list DIR     the blocks and what is in them\n"
    "       tidemark tool tsdb dump DIR [--match=SELECTOR] [--min-time=MS] [--max-time=MS]\n"
    "                                       every sample: labels, value, time\n"
    "       tidemark tool tsdb restore SNAPSHOT DIR\n"
    "                                       makes the data folder DIR of a snapshot that is "
    "whole;\n"
    "                                       DIR is absent or empty\n"
    "       tidemark tool tsdb analyze DIR [BLOCK] [--limit=20]\n"
    "                                       labels, values, churn and bytes of a block: the "
    "newest\n"
    "       tidemark tool tsdb create-blocks-from openmetrics FILE DIR [--quiet] [--memory=MIB]\n"
    "                                       makes blocks of a file whose samples have times; "
    "DIR is\n"
    "                                       absent, empty, or a store whose samples are newer\n"
    "DIR is the folder of a store or a snapshot. verify, list and analyze change nothing; dump "
    "and\n"
    "create-blocks-from open the store, which no server may have open then.\n";

// Threads: owned.
struct tool {
    struct fs *fs;
    struct arena *arena;
    const char *dir;
    const char *to; // restore only.
    str match;
    i64 min_ms;
    i64 max_ms;
};

// Threads: frozen.
struct verb {
    const char *name;
    int (*run)(const struct tool *t);
};

static int tool_fail(const struct error *e)
{
    (void)fprintf(stderr, "tidemark: %s\n", e->text);
    return EXIT_RUNTIME;
}

static void damage_print(UNUSED void *ctx, str line)
{
    (void)printf("%.*s\n", STR_ARG(line));
}

static int verify_run(const struct tool *t)
{
    struct tsdb_verify v = {.damage = damage_print};
    struct error e = {0};
    if (!tsdb_verify(t->fs, t->dir, &v, &e)) {
        return tool_fail(&e);
    }
    (void)printf("%llu blocks, %llu segments of the log, %llu bytes: %llu damaged places\n",
                 (unsigned long long)v.blocks, (unsigned long long)v.segments,
                 (unsigned long long)v.bytes, (unsigned long long)v.damages);
    return v.damages == 0 ? EXIT_OK : EXIT_RUNTIME;
}

static int restore_run(const struct tool *t)
{
    struct tsdb_verify v = {.damage = damage_print};
    struct error e = {0};
    if (!tsdb_restore(t->fs, t->dir, t->to, &v, &e)) {
        return tool_fail(&e);
    }
    (void)printf("%s: %llu blocks, %llu segments of the log, %llu bytes\n", t->to,
                 (unsigned long long)v.blocks, (unsigned long long)v.segments,
                 (unsigned long long)v.bytes);
    return EXIT_OK;
}

static int list_run(const struct tool *t)
{
    struct tsdb_block_info *infos;
    struct error e = {0};
    u32 n;
    if (!tsdb_blocks_list(t->fs, t->dir, t->arena, &infos, &n, &e)) {
        return tool_fail(&e);
    }
    tool_blocks_head();
    for (u32 i = 0; i < n; i++) {
        tool_blocks_line(&infos[i]);
    }
    return EXIT_OK;
}

static bool out_flush(struct buf *out, size_t keep)
{
    const str text = buf_get(out);
    if (text.len <= keep) {
        return true;
    }
    const bool ok = buf_ok(out) && fwrite(text.ptr, 1, text.len, stdout) == text.len;
    buf_clear(out);
    return ok;
}

// One series' samples, a line each. false: standard output is gone, or a line too long.
static bool series_dump(struct series_cursor *c, struct buf *out, u64 *unprinted)
{
    const struct labels ls = c->ops->labels(c);
    struct series_run run;
    while (c->ops->run(c, &run)) {
        if (run.kind != SAMPLE_FLOAT) {
            *unprinted += run.n;
            continue;
        }
        for (u32 i = 0; i < run.n; i++) {
            char value[NUM_TEXT_MAX];
            const size_t len = num_go(value, run.values[i]);
            labels_print(out, ls);
            buf_printf(out, " %.*s %lld\n", (int)len, value, (long long)run.t_ms[i]);
            if (!out_flush(out, FLUSH_BYTES)) {
                return false;
            }
        }
    }
    return true;
}

static bool store_dump(const struct tool *t, struct storage *s, struct error *e)
{
    const struct select_hints h = {.start_ms = t->min_ms, .end_ms = t->max_ms, .sorted = true};
    const struct matcher *ms = NULL;
    u32 count = 0;
    if (t->match.len > 0 && !promql_selector(t->arena, t->match, false, &ms, &count, e)) {
        return err_in(e, "--match");
    }
    struct storage_querier *q = storage_querier_open(s, TENANT_DEFAULT, t->min_ms, t->max_ms, e);
    if (!q) {
        return false;
    }
    struct buf out;
    buf_init(&out, LINE_BYTES_MAX);
    struct storage_warnings w = {0};
    u64 unprinted = 0;
    bool written = true;
    struct series_cursor *c = q->ops->select(q, ms, count, &h, NULL, e);
    while (c && written && c->ops->next(c)) {
        written = series_dump(c, &out, &unprinted);
    }
    bool ok = c && c->ops->close(c, &w, e);
    written = written && out_flush(&out, 0) && fflush(stdout) == 0;
    for (u32 i = 0; i < w.count; i++) {
        (void)fprintf(stderr, "tidemark: %.*s\n", STR_ARG(w.texts[i]));
    }
    if (unprinted > 0) {
        (void)fprintf(stderr,
                      "tidemark: %llu native histograms have no such line and are left out\n",
                      (unsigned long long)unprinted);
    }
    buf_fini(&out);
    storage_querier_close(q);
    if (ok && !written) {
        return err_set(e, ERR_IO, "standard output cannot be written");
    }
    return ok && w.partial ? err_set(e, ERR_CORRUPT, "the dump is not whole") : ok;
}

static int dump_run(const struct tool *t)
{
    struct error e = {0};
    struct rng rng;
    rng_init_system(&rng);
    const struct tsdb_opts opts = {
        .fs = t->fs, .clk = clk_real(), .rng = &rng, .dir = t->dir, .compact_off = true};
    struct tsdb_block_info *ignored;
    u32 n;
    if (!tsdb_blocks_list(t->fs, t->dir, t->arena, &ignored, &n, &e)) { // Opening would make it.
        return tool_fail(&e);
    }
    struct tsdb *db = tsdb_open(&opts, &e);
    if (!db) {
        return tool_fail(&e);
    }
    const bool ok = store_dump(t, tsdb_storage(db), &e);
    struct error closing = {0};
    const bool closed = tsdb_close(db, &closing);
    if (!ok || !closed) {
        return tool_fail(ok ? &closing : &e);
    }
    return EXIT_OK;
}

int tool_tsdb_misused(const char *why)
{
    (void)fprintf(stderr, "tidemark: %s\nusage:\n%s", why, tool_tsdb_usage);
    return EXIT_USAGE;
}

static bool time_read(str word, const char *flag, i64 *out, struct error *e)
{
    return word.len == 0 || parse_i64(word, out) ||
           err_set(e, ERR_INVALID, "--%s wants milliseconds since 1970, not \"%.*s\"", flag,
                   STR_ARG(word));
}

static bool words_read(struct tool *t, int argc, char **argv, const struct verb *v, struct error *e)
{
    str from = STR_EMPTY;
    str to = STR_EMPTY;
    struct tool_words words = {0};
    const struct tool_flag flags[] = {{.name = "match", .value = &t->match},
                                      {.name = "min-time", .value = &from},
                                      {.name = "max-time", .value = &to}};
    const u32 flag_count = v->run == dump_run ? ARRAY_LEN(flags) : 0;
    if (!tool_args_parse(argc, argv, flags, flag_count, &words, e) ||
        !time_read(from, "min-time", &t->min_ms, e) || !time_read(to, "max-time", &t->max_ms, e)) {
        return false;
    }
    const bool has_to = v->run == restore_run;
    if (words.count != (has_to ? 2 : 1)) {
        return err_set(e, ERR_INVALID, "%s wants %s", v->name,
                       has_to ? "a SNAPSHOT and the DIR to make of it" : "one DIR");
    }
    t->dir = words.items[0].ptr; // A word of argv, so it ends with a NUL.
    t->to = has_to ? words.items[1].ptr : NULL;
    return true;
}

int tool_tsdb_run(struct fs *fs, int argc, char **argv)
{
    static const struct verb verbs[] = {
        {"verify", verify_run}, {"list", list_run}, {"dump", dump_run}, {"restore", restore_run}};
    struct error e = {0};
    if (argc > 0 && str_eq(str_c(argv[0]), STR("analyze"))) {
        return tool_blocks_analyze(fs, argc - 1, argv + 1);
    }
    if (argc > 0 && str_eq(str_c(argv[0]), STR("create-blocks-from"))) {
        return tool_blocks_create(fs, argc - 1, argv + 1);
    }
    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(verbs); i++) {
        struct tool t = {.fs = fs, .min_ms = INT64_MIN, .max_ms = INT64_MAX};
        if (!str_eq_c(str_c(argv[0]), verbs[i].name)) {
            continue;
        }
        if (!words_read(&t, argc - 1, argv + 1, &verbs[i], &e)) {
            return tool_tsdb_misused(e.text);
        }
        t.arena = arena_new(TOOL_BYTES_MAX);
        const int code = verbs[i].run(&t);
        arena_free(t.arena);
        return code;
    }
    return tool_tsdb_misused(
        "there are tsdb verify, list, dump, restore, analyze and create-blocks-from");
}
