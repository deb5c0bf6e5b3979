#include "cmd/tool_blocks.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "cmd/import_page.h"
#include "cmd/server.h"
#include "cmd/tool_args.h"
#include "cmd/tool_tsdb.h"
#include "os/clk.h"
#include "os/fs.h"
#include "os/rng.h"
#include "tsdb/tsdb_files.h"
#include "tsdb/tsdb_status.h"

#include <stdio.h>

#define TOOL_BYTES_MAX ((size_t)1 << 30)
#define LIMIT_DEFAULT  20

static int words_fail(const struct error *e)
{
    return tool_tsdb_misused(e->text);
}

static int run_fail(const struct error *e)
{
    (void)fprintf(stderr, "tidemark: %s\n", e->text);
    return EXIT_RUNTIME;
}

void tool_blocks_head(void)
{
    (void)printf("%-26s %5s %15s %15s %10s %10s %13s %13s %s\n", "block", "level", "from_ms",
                 "to_ms", "series", "chunks", "samples", "bytes", "state");
}

void tool_blocks_line(const struct tsdb_block_info *b)
{
    (void)printf("%-26.*s %5u %15lld %15lld %10llu %10llu %13llu %13llu %s\n", STR_ARG(b->id),
                 b->level, (long long)b->min_ms, (long long)b->max_ms,
                 (unsigned long long)b->series, (unsigned long long)b->chunks,
                 (unsigned long long)b->samples, (unsigned long long)b->bytes,
                 b->damaged ? "damaged" : "good");
}

// ---- create-blocks-from openmetrics ----

// What is told of an import while it runs. Threads: owned.
struct making {
    bool quiet;
    u32 blocks;
};

static void block_made(void *ctx, const struct tsdb_block_info *b)
{
    struct making *m = ctx;
    if (!m->quiet && m->blocks++ == 0) {
        tool_blocks_head();
    }
    if (!m->quiet) {
        tool_blocks_line(b);
    }
}

static bool size_read(str text, const char *flag, u64 *out, struct error *e)
{
    i64 mebibytes;
    if (text.len == 0) {
        return true;
    }
    if (!parse_i64(text, &mebibytes) || mebibytes < 1 || mebibytes > (1 << 20)) {
        return err_set(e, ERR_INVALID, "--%s wants a number from 1 to %d", flag, 1 << 20);
    }
    *out = (u64)mebibytes << 20;
    return true;
}

static int create_run(struct fs *fs, const char *file, bool quiet, struct tsdb_import_opts opts)
{
    struct import_page p;
    struct making making = {.quiet = quiet};
    struct error e = {0};
    struct tsdb_imported done;
    struct rng rng;
    rng_init_system(&rng);
    opts.fs = fs;
    opts.clk = clk_real();
    opts.rng = &rng;
    opts.made = block_made;
    opts.ctx = &making;
    if (!import_page_open(&p, fs, file, &e)) {
        return run_fail(&e);
    }
    const bool ok = tsdb_import(&opts, &p.base, &done, &e);
    import_page_close(&p);
    if (!ok) {
        return run_fail(&e);
    }
    if (!quiet) {
        (void)printf("%llu samples of %llu series in %u blocks\n", (unsigned long long)done.samples,
                     (unsigned long long)done.series, done.blocks);
    }
    return EXIT_OK;
}

int tool_blocks_create(struct fs *fs, int argc, char **argv)
{
    bool quiet = false;
    struct tsdb_import_opts opts = {0};
    struct error e = {0};
    struct tool_words words = {0};
    str memory = STR_EMPTY;
    const struct tool_flag flags[] = {{.name = "quiet", .letter = 'q', .is_set = &quiet},
                                      {.name = "memory", .value = &memory}};
    if (!tool_args_parse(argc, argv, flags, ARRAY_LEN(flags), &words, &e) ||
        !size_read(memory, "memory", &opts.sample_bytes_max, &e)) {
        return words_fail(&e);
    }
    if (words.count != 3 || !str_eq(words.items[0], STR("openmetrics"))) {
        (void)err_set(&e, ERR_INVALID, "create-blocks-from wants: openmetrics FILE DIR");
        return words_fail(&e);
    }
    opts.dir = words.items[2].ptr; // Words of the command line end in a NUL.
    return create_run(fs, words.items[1].ptr, quiet, opts);
}

// ---- analyze ----

static void top_print(const char *title, const struct tsdb_top *top)
{
    (void)printf("\n%s:\n", title);
    for (u32 i = 0; i < top->count; i++) {
        (void)printf("%llu %.*s\n", (unsigned long long)top->items[i].value,
                     STR_ARG(top->items[i].name));
    }
}

static f64 per(u64 bytes, u64 n)
{
    return n == 0 ? 0 : (f64)bytes / (f64)n;
}

static void bytes_print(const struct tsdb_analysis *z)
{
    const u64 all = z->value_bytes + z->time_bytes + z->index_bytes;
    (void)printf("Bytes: %llu (values %llu, times %llu, index %llu)\n", (unsigned long long)all,
                 (unsigned long long)z->value_bytes, (unsigned long long)z->time_bytes,
                 (unsigned long long)z->index_bytes);
    (void)printf("Bytes per series: %.1f, per sample: %.2f\n", per(all, z->block.series),
                 per(all, z->block.samples));
}

static void analysis_print(const struct tsdb_analysis *z)
{
    const i64 seconds = (z->block.max_ms - z->block.min_ms + 999) / 1000;
    (void)printf("Block ID: %.*s\n", STR_ARG(z->block.id));
    (void)printf("Duration: %lldh%lldm%llds\n", (long long)(seconds / 3600),
                 (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    (void)printf("Total Series: %llu\n", (unsigned long long)z->block.series);
    (void)printf("Label names: %llu\n", (unsigned long long)z->label_names);
    (void)printf("Postings (unique label pairs): %llu\n", (unsigned long long)z->pairs);
    (void)printf("Postings entries (total label pairs): %llu\n", (unsigned long long)z->entries);
    bytes_print(z);
    if (z->has_before) {
        (void)printf("Churn: %llu series are not in the block before (%.*s), %llu of that one are "
                     "gone\n",
                     (unsigned long long)z->fresh, STR_ARG(z->before.id),
                     (unsigned long long)z->gone);
        top_print("Label pairs most involved in churning", &z->tops[TOP_FRESH_PAIRS]);
        top_print("Label names most involved in churning", &z->tops[TOP_FRESH_NAMES]);
    } else {
        (void)printf("Churn: there is no block before it\n");
    }
    top_print("Most common label pairs", &z->tops[TOP_PAIRS]);
    top_print("Label names with highest cumulative label value length",
              &z->tops[TOP_VALUE_LENGTHS]);
    top_print("Highest cardinality labels", &z->tops[TOP_VALUES]);
    top_print("Highest cardinality metric names", &z->tops[TOP_METRICS]);
    top_print("Metric names with most bytes", &z->tops[TOP_METRIC_BYTES]);
    top_print("Series with most bytes", &z->tops[TOP_SERIES_BYTES]);
}

int tool_blocks_analyze(struct fs *fs, int argc, char **argv)
{
    struct error e = {0};
    struct tool_words words = {0};
    str limit_text = STR_EMPTY;
    i64 limit = LIMIT_DEFAULT;
    const struct tool_flag flags[] = {{.name = "limit", .value = &limit_text}};
    if (!tool_args_parse(argc, argv, flags, ARRAY_LEN(flags), &words, &e)) {
        return words_fail(&e);
    }
    if (limit_text.len > 0 &&
        (!parse_i64(limit_text, &limit) || limit < 1 || limit > (i64)ANALYSIS_LIMIT_MAX)) {
        (void)err_set(&e, ERR_INVALID, "--limit wants a number from 1 to %u", ANALYSIS_LIMIT_MAX);
        return words_fail(&e);
    }
    if (words.count < 1 || words.count > 2) {
        (void)err_set(&e, ERR_INVALID, "analyze wants: DIR, and maybe a block's id");
        return words_fail(&e);
    }
    const struct tsdb_analyze_opts wanted = {
        .fs = fs, .dir = words.items[0].ptr, .id = words.items[1], .limit = (u32)limit};
    struct tsdb_analysis z;
    struct arena *a = arena_new(TOOL_BYTES_MAX);
    const bool ok = tsdb_analyze(&wanted, a, &z, &e);
    if (ok) {
        analysis_print(&z);
    }
    arena_free(a);
    return ok ? EXIT_OK : run_fail(&e);
}
