// tidemark.h: count, gauge and time things inside a program, and show them to whoever asks.
//
// C99, no dependency but libc and pthread; may be included from C++. Everything hangs on an
// explicit registry: there is no global list. The rule of the house is that measuring never harms
// what is measured: nothing here aborts, blocks an increment, or grows without a bound. A
// registration that cannot be made answers NULL and says why; every operation accepts NULL and then
// does nothing, so a program whose metric was refused runs on, unmeasured.
//
// Operations and costs:
//   inc, add of whole numbers   wait-free, one fetch-add on a cache line of its own
//   add of fractions, observe   wait-free, one store into a cell that only this thread writes
//                               (beyond 1,024 live threads: lock-free, on a shared cell)
//   gauge set / add             wait-free / lock-free
//   *_with                      a hash look-up under a lock: resolve once, keep the pointer
//   expose                      O(series); takes no lock that an increment could wait for
// Memory: a line or two per series, 8 bytes per thread and series for fractions; never more than
// families_max families, series_max series, and children_max label sets in a family. What comes
// after that shares one overflow series, and is counted in
// tidemark_client_label_sets_dropped_total{family}.
// Invariants:
//   (I1) A counter never goes down between two expositions.
//   (I2) A histogram's count is the sum of its buckets in every exposition.
//   (I3) A pointer answered by register or with is valid until tmk_registry_free.
// Threads: atomic: every function may be called from any thread, except new and free.
#ifndef CLIENT_TIDEMARK_H
#define CLIENT_TIDEMARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tmk_registry;
struct tmk_family;
struct tmk_counter;
struct tmk_gauge;
struct tmk_histogram;

// Why a registration was refused, for a log line. Pass NULL if nobody reads it.
// Threads: owned by the caller.
struct tmk_error {
    char text[200];
};

// Zero means the default, which is also said here.
// Threads: owned by the caller; copied.
struct tmk_opts {
    size_t families_max; // 1024
    size_t series_max;   // 65536, which is also the most; a histogram counts once
    bool created;        // add _created lines to OpenMetrics
};

enum tmk_kind { TMK_COUNTER, TMK_GAUGE, TMK_HISTOGRAM };

enum {
    TMK_LABELS_MAX = 16,
    TMK_BOUNDS_MAX = 128,
    TMK_NAME_BYTES_MAX = 200,
    TMK_HELP_BYTES_MAX = 1000,
    TMK_VALUE_BYTES_MAX = 500,
    TMK_CHILDREN_DEFAULT = 200,
    TMK_CHILDREN_MAX = 20000
};

// The value of every label of a family's overflow series.
#define TMK_OVERFLOW "__overflow__"

// What a family is. All strings and arrays are copied. A counter's name ends in _total and no
// other's does; with a unit, the name (before _total) ends in _unit. Bounds are the histogram's
// upper bounds, rising, without +Inf.
// Threads: owned by the caller; copied.
struct tmk_desc {
    enum tmk_kind kind;
    const char *name;
    const char *help;
    const char *unit;          // or NULL
    const char *const *labels; // label names, or NULL
    size_t label_count;
    size_t children_max; // label sets before overflow; 0: TMK_CHILDREN_DEFAULT
    const double *bounds;
    size_t bound_count;
};

// NULL only if memory is out. opts may be NULL.
struct tmk_registry *tmk_registry_new(const struct tmk_opts *opts);
void tmk_registry_free(
    struct tmk_registry *r); // No other thread may use r or its metrics any more.

// Registering the same description again answers the same family; a different one under a name that
// is taken is refused.
struct tmk_family *tmk_family_register(struct tmk_registry *r, const struct tmk_desc *desc,
                                       struct tmk_error *e);

// The metric of one label set, values in the order of the family's labels (NULL, 0 without labels).
// Never NULL for a family of that kind: a full family, a wrong number of values, a value too long
// or not UTF-8 answers the overflow series.
struct tmk_counter *tmk_counter_with(struct tmk_family *f, const char *const *values, size_t count);
struct tmk_gauge *tmk_gauge_with(struct tmk_family *f, const char *const *values, size_t count);
struct tmk_histogram *tmk_histogram_with(struct tmk_family *f, const char *const *values,
                                         size_t count);

// tmk_counter_with(family, TMK_VALUES("GET", "200")), in C only.
#ifndef __cplusplus
#    define TMK_VALUES(...)                                                                        \
        (const char *const[]){__VA_ARGS__},                                                        \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
#endif

// Families without labels, and their one metric, in one call.
struct tmk_counter *tmk_counter_register(struct tmk_registry *r, const char *name, const char *help,
                                         struct tmk_error *e);
struct tmk_gauge *tmk_gauge_register(struct tmk_registry *r, const char *name, const char *help,
                                     struct tmk_error *e);
struct tmk_histogram *tmk_histogram_register(struct tmk_registry *r, const char *name,
                                             const char *help, const double *bounds,
                                             size_t bound_count, struct tmk_error *e);

void tmk_counter_inc(struct tmk_counter *c);
void tmk_counter_add(struct tmk_counter *c, uint64_t n);
void tmk_counter_add_double(struct tmk_counter *c,
                            double v); // Negative, NaN, Inf: refused, counted.
double tmk_counter_get(const struct tmk_counter *c);

void tmk_gauge_set(struct tmk_gauge *g, double v);
void tmk_gauge_add(struct tmk_gauge *g, double v);
double tmk_gauge_get(const struct tmk_gauge *g);

void tmk_histogram_observe(struct tmk_histogram *h, double v); // NaN: refused, counted.
// What the caller has counted itself: a number per bucket (n is bounds + 1; the last one is +Inf's)
// and the sum of the values. Another n, or a sum that is NaN: refused, counted.
void tmk_histogram_add(struct tmk_histogram *h, const uint64_t *counts, size_t n, double sum);
uint64_t tmk_histogram_count(const struct tmk_histogram *h);
double tmk_histogram_sum(const struct tmk_histogram *h);

// Values computed when somebody looks. NaN means that there is no value now: no line is written.
// Callbacks run one at a time, on the thread that exposes; they must not call tmk_fn_remove or
// tmk_expose. Registering the same label set again replaces its callback.
typedef double tmk_value_fn(void *ctx);
bool tmk_gauge_fn(struct tmk_registry *r, const char *name, const char *help, tmk_value_fn *fn,
                  void *ctx, struct tmk_error *e);
bool tmk_counter_fn(struct tmk_registry *r, const char *name, const char *help, tmk_value_fn *fn,
                    void *ctx, struct tmk_error *e);
bool tmk_family_fn(struct tmk_family *f, const char *const *values, size_t count, tmk_value_fn *fn,
                   void *ctx, struct tmk_error *e);
// Runs before each exposition, for callbacks that share one costly look (pool sizes, /proc).
typedef void tmk_hook_fn(void *ctx);
bool tmk_hook_register(struct tmk_registry *r, tmk_hook_fn *fn, void *ctx, struct tmk_error *e);
// Removes every callback and hook registered with this ctx; none runs once this has returned.
void tmk_fn_remove(struct tmk_registry *r, const void *ctx);

// process_*: CPU, memory, file descriptors, threads, start time of this process, from /proc/self.
bool tmk_process_register(struct tmk_registry *r, struct tmk_error *e);

enum tmk_format { TMK_TEXT, TMK_OPENMETRICS };
// Takes the next bytes of the page; false ends the exposition.
typedef bool tmk_write_fn(void *ctx, const char *bytes, size_t n);
bool tmk_expose(struct tmk_registry *r, enum tmk_format format, tmk_write_fn *write, void *ctx);
const char *tmk_content_type(enum tmk_format format);
// The format that an Accept header asks for; NULL: text.
enum tmk_format tmk_format_accepted(const char *accept);

#ifdef __cplusplus
}
#endif

#endif
