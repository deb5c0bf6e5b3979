// collect_bench.c: what a collection of this very host costs: CPU, wall time and memory.
//
// With the argument "page" it prints one collection as a text page instead, for comparison with
// other exporters.
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "collect/collect.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/clk.h"
#include "os/fs.h"
#include "storage/storage.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 200, SERIES_MAX = 100000 };

// A store that takes everything and keeps, at most, the labels and values of the last commit.
struct sink {
    struct storage storage;
    struct storage_appender appender;
    bool keep;
    struct arena *arena;
    struct labels sets[SERIES_MAX];
    f64 values[SERIES_MAX];
    u32 series;
    struct buf heads; // "# HELP" and "# TYPE" lines.
};

static struct sink *sink_of(struct storage_appender *a)
{
    return CONTAINER_OF(a, struct sink, appender);
}

static void sink_resolve(struct storage_appender *a, const struct labels *sets, u32 n,
                         struct series_ref *refs, u8 *outcomes)
{
    struct sink *s = sink_of(a);
    for (u32 i = 0; i < n; i++) {
        CHECK(s->series < SERIES_MAX - 1);
        refs[i] = (struct series_ref){++s->series, 1};
        outcomes[i] = APPEND_STORED;
        if (s->keep) {
            s->sets[s->series] = labels_copy(s->arena, sets[i]);
        }
    }
}

static bool sink_append(struct storage_appender *a, const struct append_batch *b,
                        UNUSED struct error *e)
{
    struct sink *s = sink_of(a);
    for (u32 i = 0; i < b->n; i++) {
        s->values[b->refs[i].ordinal] = b->values[i];
        b->outcomes[i] = APPEND_STORED;
    }
    return true;
}

static bool sink_metadata(struct storage_appender *a, const struct metadata *m, u32 n,
                          UNUSED struct error *e)
{
    struct sink *s = sink_of(a);
    for (u32 i = 0; s->keep && i < n; i++) {
        const char *type = m[i].type == METRIC_UNKNOWN ? "untyped" : metric_type_text(m[i].type);
        buf_printf(&s->heads, "# HELP %.*s %.*s\n# TYPE %.*s %s\n", STR_ARG(m[i].name),
                   STR_ARG(m[i].help), STR_ARG(m[i].name), type);
    }
    return true;
}

static bool sink_commit(UNUSED struct storage_appender *a, UNUSED enum durability d, u64 *position,
                        UNUSED struct error *e)
{
    *position = 1;
    return true;
}

static void sink_rollback(UNUSED struct storage_appender *a)
{
}

static const struct storage_appender_ops sink_ops = {.resolve = sink_resolve,
                                                     .append = sink_append,
                                                     .metadata = sink_metadata,
                                                     .commit = sink_commit,
                                                     .rollback = sink_rollback,
                                                     .close = sink_rollback};

static struct storage_appender *sink_open(struct storage *st, UNUSED struct tenant_id tenant,
                                          UNUSED enum storage_stream stream, UNUSED struct error *e)
{
    struct sink *s = CONTAINER_OF(st, struct sink, storage);
    s->appender.ops = &sink_ops;
    return &s->appender;
}

static const struct storage_ops sink_storage_ops = {.appender = sink_open};

static struct sink sink;

static struct collect *collect_make(void)
{
    struct error e = {0};
    const struct collect_opts opts = {.storage = &sink.storage, .fs = fs_real(), .clk = clk_real()};
    sink.storage.ops = &sink_storage_ops;
    struct collect *c = collect_new(&opts, &e);
    if (!c || !collect_once(c, clk_wall_ms(clk_real()), &e)) {
        (void)fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    return c;
}

static void page_print(void)
{
    struct buf line;
    buf_init(&line, 16 << 20);
    for (u32 i = 1; i <= sink.series; i++) {
        char text[NUM_TEXT_MAX];
        labels_print(&line, sink.sets[i]);
        buf_byte(&line, ' ');
        buf_add(&line, text, num_go(text, sink.values[i]));
        buf_byte(&line, '\n');
    }
    printf("%.*s%.*s", STR_ARG(buf_get(&sink.heads)), STR_ARG(buf_get(&line)));
    buf_fini(&line);
}

static int i64_compare(const void *a, const void *b)
{
    i64 x = *(const i64 *)a;
    i64 y = *(const i64 *)b;
    return (x > y) - (x < y);
}

static void cost_print(struct collect *c, size_t heap_before)
{
    static i64 cpu_ns[ROUNDS];
    struct collect_status s;
    struct error e = {0};
    for (int i = 0; i < ROUNDS; i++) {
        i64 start = clk_thread_cpu_ns();
        CHECK(collect_once(c, clk_wall_ms(clk_real()), &e));
        cpu_ns[i] = clk_thread_cpu_ns() - start;
    }
    const size_t heap = mallinfo2().uordblks - heap_before;
    collect_status(c, &s);
    qsort(cpu_ns, ROUNDS, sizeof(i64), i64_compare);
    const i64 p50 = cpu_ns[ROUNDS / 2];
    const i64 p99 = cpu_ns[ROUNDS * 99 / 100];
    printf("collect: %u rows, CPU p50 %.3f ms p99 %.3f ms, heap %.0f KiB\n", s.rows, (f64)p50 / 1e6,
           (f64)p99 / 1e6, (f64)heap / 1024);
    for (u32 i = 0; i < s.collector_count; i++) {
        printf("  %-12s %4u rows  %7.1f us  %s\n", s.collectors[i].name, s.collectors[i].rows,
               s.collectors[i].duration_s * 1e6, s.collectors[i].error);
    }
}

int main(int argc, char **argv)
{
    const bool page = argc > 1 && strcmp(argv[1], "page") == 0;
    const size_t heap_before = mallinfo2().uordblks;
    buf_init(&sink.heads, 16 << 20);
    if (page) {
        sink.keep = true;
        sink.arena = arena_new(64 << 20);
    }
    struct collect *c = collect_make();
    if (page) {
        page_print();
    } else {
        cost_print(c, heap_before);
    }
    collect_free(c);
    arena_free(sink.arena);
    buf_fini(&sink.heads);
    return 0;
}
