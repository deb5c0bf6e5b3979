// example.c: a small program that measures itself and shows the page on standard output.
//
// Build it alone: cc -std=c99 -I. client/tmk_*.c client/example.c -lpthread; or run
// build/client/client_example. Give it "openmetrics" to see the other format.
#include "client/tidemark.h"

#include <stdio.h>
#include <string.h>

static bool page_write(void *ctx, const char *bytes, size_t n)
{
    return fwrite(bytes, 1, n, ctx) == n;
}

static double queue_depth(void *ctx)
{
    const int *depth = ctx;
    return *depth;
}

int main(int argc, char **argv)
{
    static const char *const labels[] = {"method", "code"};
    static const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1};
    int depth = 3;
    struct tmk_error e = {""};
    struct tmk_opts opts = {0, 0, true};
    struct tmk_registry *r = tmk_registry_new(&opts);

    struct tmk_desc requests = {.kind = TMK_COUNTER,
                                .name = "example_requests_total",
                                .help = "Requests answered.",
                                .labels = labels,
                                .label_count = 2,
                                .children_max = 50};
    struct tmk_family *f = tmk_family_register(r, &requests, &e);
    // Resolved once, here; the loop below only counts.
    struct tmk_counter *ok = tmk_counter_with(f, TMK_VALUES("GET", "200"));
    struct tmk_counter *missing = tmk_counter_with(f, TMK_VALUES("GET", "404"));
    struct tmk_histogram *took = tmk_histogram_register(r, "example_request_duration_seconds",
                                                        "Time to answer.", bounds, 8, &e);
    struct tmk_gauge *temperature =
        tmk_gauge_register(r, "example_temperature_celsius", "Of the machine room.", &e);
    if (!tmk_gauge_fn(r, "example_queue_depth", "Requests waiting.", queue_depth, &depth, &e) ||
        !tmk_process_register(r, &e)) {
        (void)fprintf(stderr, "not measured: %s\n", e.text);
    }

    for (int i = 0; i < 1000; i++) {
        tmk_counter_inc(i % 10 ? ok : missing);
        tmk_histogram_observe(took, 0.001 * (i % 300));
    }
    tmk_gauge_set(temperature, 21.5);

    enum tmk_format format =
        argc > 1 && strcmp(argv[1], "openmetrics") == 0 ? TMK_OPENMETRICS : TMK_TEXT;
    bool written = tmk_expose(r, format, page_write, stdout);
    tmk_registry_free(r);
    return written ? 0 : 1;
}
