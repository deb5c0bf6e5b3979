// client_bench.c: what one increment costs, alone and with every processor on the same metric.
//
// A clock costs as much as an increment, so batches of 50 are timed; p99 is that of the batches.
#include "client/tidemark.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 50, BATCHES = 40000, THREADS_MAX = 8 };

enum op { INC, ADD_DOUBLE, OBSERVE, GAUGE_SET, GAUGE_ADD, OPS };

// Threads: frozen while the benchmark runs.
struct metrics {
    struct tmk_counter *counter;
    struct tmk_gauge *gauge;
    struct tmk_histogram *histogram;
};

// Threads: owned by its thread.
struct run {
    const struct metrics *metrics;
    enum op op;
    double ns[BATCHES];
};

static const char *const op_names[OPS] = {"counter inc", "counter add_double", "histogram observe",
                                          "gauge set", "gauge add"};

static void batch_run(const struct metrics *m, enum op op)
{
    switch (op) {
    case INC:
        for (int i = 0; i < BATCH; i++) {
            tmk_counter_inc(m->counter);
        }
        break;
    case ADD_DOUBLE:
        for (int i = 0; i < BATCH; i++) {
            tmk_counter_add_double(m->counter, 0.5);
        }
        break;
    case OBSERVE:
        for (int i = 0; i < BATCH; i++) {
            tmk_histogram_observe(m->histogram, 0.01 * i);
        }
        break;
    case GAUGE_SET:
        for (int i = 0; i < BATCH; i++) {
            tmk_gauge_set(m->gauge, i);
        }
        break;
    case GAUGE_ADD:
        for (int i = 0; i < BATCH; i++) {
            tmk_gauge_add(m->gauge, 1);
        }
        break;
    case OPS:
        break;
    }
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *run_all(void *ctx)
{
    struct run *r = ctx;
    for (int i = 0; i < BATCHES; i++) {
        double start = now_ns();
        batch_run(r->metrics, r->op);
        r->ns[i] = (now_ns() - start) / BATCH;
    }
    return NULL;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const struct metrics *m, enum op op, int threads)
{
    static struct run runs[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    for (int i = 0; i < threads; i++) {
        runs[i].metrics = m;
        runs[i].op = op;
        if (pthread_create(&ids[i], NULL, run_all, &runs[i]) != 0) {
            exit(1);
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
    }
    qsort(runs[0].ns, BATCHES, sizeof(double), double_compare);
    const size_t p50 = BATCHES / 2;
    const size_t p99 = BATCHES / 100 * (size_t)99;
    printf("%-20s %d thread%s  p50 %6.1f ns  p99 %6.1f ns\n", op_names[op], threads,
           threads == 1 ? " " : "s", runs[0].ns[p50], runs[0].ns[p99]);
}

int main(void)
{
    static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
    struct tmk_registry *r = tmk_registry_new(NULL);
    struct metrics m;
    m.counter = tmk_counter_register(r, "c_total", "C.", NULL);
    m.gauge = tmk_gauge_register(r, "g", "G.", NULL);
    m.histogram = tmk_histogram_register(r, "h_seconds", "H.", bounds, 11, NULL);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int many = cpus < 2 ? 2 : cpus > THREADS_MAX ? THREADS_MAX : (int)cpus;
    for (int op = 0; op < OPS; op++) {
        report(&m, (enum op)op, 1);
        report(&m, (enum op)op, many);
    }
    tmk_registry_free(r);
    return 0;
}
