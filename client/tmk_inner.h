// tmk_inner.h: the registry as its own files see it.
//
//   registry ── families (append-only list, in order of registration)
//      │           └── children (append-only list; hash chains for look-up, under the lock)
//      │                  └── cells: the numbers, alone on their cache lines
//      └── slots[thread] ── pages ── a double per child with fractions, written by that thread
//
// Lists are published by a release store of the next pointer and nothing is ever unlinked, so that
// an exposition walks them without a lock.
// Threads: as said at each struct; the order of the two locks is fn_lock before lock.
#ifndef CLIENT_TMK_INNER_H
#define CLIENT_TMK_INNER_H

// Before any header of libc: strnlen, strdup and clocks, also when compiled as plain C99.
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE 1
#endif

#include "client/tidemark.h"

#include <pthread.h>

enum {
    TMK_LINE_BYTES = 64,
    TMK_SLOTS_MAX = 1024,
    TMK_SERIES_LIMIT = 65536,
    TMK_FAMILIES_LIMIT = 16384,
    TMK_PAGE_CELLS = 128,
    TMK_PAGES_MAX = TMK_SERIES_LIMIT / TMK_PAGE_CELLS,
    TMK_HOOKS_MAX = 64,
    TMK_KEY_BYTES_MAX = TMK_LABELS_MAX * (TMK_VALUE_BYTES_MAX + 1),
    TMK_NUMBER_BYTES_MAX = 40
};

// One label set of a family. The cells hold, for a counter, the whole part; for a gauge, the bits
// of the double; for a histogram, one count per bucket, the one to +Inf last.
// Threads: cells and spare atomic; fn and fn_ctx guarded by fn_lock; the rest frozen once linked.
struct tmk_child {
    struct tmk_child *next;
    struct tmk_child *chain;
    struct tmk_family *family;
    char *key; // the values, each with its NUL
    size_t key_bytes;
    double created_s;
    tmk_value_fn *fn;
    void *fn_ctx;
    uint32_t id;    // of its cell in each thread's pages
    bool used;      // atomic: an overflow series is shown only once it was needed
    uint64_t spare; // fractions of threads that have no slot or no memory for a page
    uint64_t *cells;
};

// The public names of a child, so that the compiler tells the kinds apart.
struct tmk_counter {
    struct tmk_child child;
};
struct tmk_gauge {
    struct tmk_child child;
};
struct tmk_histogram {
    struct tmk_child child;
};

// Threads: chains and last guarded by lock; dropped atomic; next and first published; the rest
// frozen once linked.
struct tmk_family {
    struct tmk_family *next;
    struct tmk_registry *registry;
    enum tmk_kind kind;
    char *name; // as registered: a counter's ends in _total
    char *help;
    char *unit;
    char *labels[TMK_LABELS_MAX];
    size_t label_count;
    double *bounds;
    size_t bound_count;
    size_t children_max;
    struct tmk_child *first;
    struct tmk_child *last;
    struct tmk_child *overflow; // made at birth, so that with never fails; NULL without labels
    struct tmk_child **chains;
    size_t chain_mask;
    size_t child_count;
    uint64_t dropped;
};

// One thread's cells of one registry. Pages are made by the thread that owns the slot.
// Threads: pages published; each cell written by the slot's thread only, read by all.
struct tmk_slot {
    uint64_t *pages[TMK_PAGES_MAX];
};

// Threads: guarded by fn_lock.
struct tmk_hook {
    tmk_hook_fn *fn;
    void *ctx;
};

// Threads: slots, slot_high, first and refused atomic; hooks and process guarded by fn_lock; last
// and the counts guarded by lock; limits frozen.
struct tmk_registry {
    size_t families_max;
    size_t series_max;
    bool created;
    struct tmk_slot *slots[TMK_SLOTS_MAX];
    int slot_high; // above the highest slot in use: keeps sums short
    uint64_t refused;
    struct tmk_family *first;

    pthread_mutex_t fn_lock; // held while callbacks run: see tmk_fn_remove
    struct tmk_hook hooks[TMK_HOOKS_MAX];
    size_t hook_count;
    struct tmk_process *process;

    pthread_mutex_t lock;
    struct tmk_family *last;
    size_t family_count;
    size_t series_count;
};

// tmk_slot.c: a small number for each live thread, given back when it ends; -1: all are taken.
int tmk_slot_get(void);

// tmk_metric.c
void tmk_cell_add(struct tmk_child *c, double v);
double tmk_cell_sum(const struct tmk_child *c);
double tmk_bits_double(uint64_t bits);
uint64_t tmk_double_bits(double v);

// tmk_name.c: what the exposition formats allow.
bool tmk_utf8_valid(const char *s, size_t n);
bool tmk_error_set(struct tmk_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool tmk_desc_check(const struct tmk_desc *d, struct tmk_error *e);
// Whether two families would write the same sample or family name in one of the formats.
bool tmk_name_clash(const char *a, enum tmk_kind a_kind, const char *b, enum tmk_kind b_kind);
size_t tmk_name_base(const char *name, enum tmk_kind kind); // bytes before _total

// tmk_number.c: NUL-terminated, the fewest of 15 to 17 digits that read back as v. Returns its
// bytes.
size_t tmk_number_format(double v, char out[TMK_NUMBER_BYTES_MAX]);
size_t tmk_number_unlocalise(char *s); // any decimal separator becomes a point

// tmk_process.c
void tmk_process_free(struct tmk_process *p);

#endif
