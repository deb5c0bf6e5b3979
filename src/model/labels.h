// labels.h: a label set: name=value pairs sorted by name, no empty values, no name twice.
//
// A struct labels is a borrowed view; labels_copy puts one, bytes and all, into an arena as one
// block. Comparison and hash go over names and values in order; __name__ is an ordinary label.
// Threads: views are frozen.
#ifndef MODEL_LABELS_H
#define MODEL_LABELS_H

#include "base/base.h"

struct arena;
struct buf;
struct error;

struct label {
    str name;
    str value;
};

struct labels {
    const struct label *items;
    u32 count;
};

#define LABEL_NAME     STR("__name__")
#define LABEL_JOB      STR("job")
#define LABEL_INSTANCE STR("instance")
#define LABEL_LE       STR("le")
#define LABEL_QUANTILE STR("quantile")

str labels_get(struct labels ls, str name); // Empty str if absent.
bool labels_has(struct labels ls, str name);
bool labels_eq(struct labels a, struct labels b);
int labels_cmp(struct labels a, struct labels b); // Upstream's order: pair by pair, then count.
// The same of two sets whose first so many labels are known to be equal.
int labels_cmp_from(struct labels a, struct labels b, u32 from);
u64 labels_hash(struct labels ls); // Fast; may change between releases.
// Over the labels whose name is (or is not) in names (sorted); the joins' and groups' key.
u64 labels_hash_with(struct labels ls, const str *names, u32 count);
u64 labels_hash_without(struct labels ls, const str *names, u32 count); // Also drops __name__.
u64 labels_fingerprint(struct labels ls); // Alertmanager's FNV-1a fingerprint, frozen.

struct labels labels_copy(struct arena *a, struct labels ls);
// Those whose name is (or is not) in names (sorted); strings stay borrowed.
struct labels labels_keep(struct arena *a, struct labels ls, const str *names, u32 count);
struct labels labels_drop(struct arena *a, struct labels ls, const str *names, u32 count);
// Sorted copy of any pairs; the last of equal names wins, empty values vanish.
struct labels labels_from(struct arena *a, const struct label *pairs, u32 count);

// x{a="b", c="d"}; a metric name that needs quotes goes inside: {"x.y", a="b"}; {} if empty.
void labels_print(struct buf *out, struct labels ls);

// Edits: set and delete by name, then take the result. O(count) each.
struct labels_builder {
    struct arena *arena;
    struct label *items; // Unsorted edits applied in place, kept sorted.
    u32 count;
    u32 cap;
};
void labels_builder_init(struct labels_builder *b, struct arena *a, struct labels base);
void labels_builder_set(struct labels_builder *b, str name, str value); // Empty value deletes.
void labels_builder_del(struct labels_builder *b, str name);
str labels_builder_get(const struct labels_builder *b, str name);
struct labels labels_builder_take(struct labels_builder *b); // Strings stay borrowed.

// What may enter from outside.
struct labels_limits {
    u32 labels_max; // 0 = no limit, as everywhere here.
    u32 name_bytes_max;
    u32 value_bytes_max;
};
// Sorted, unique, non-empty UTF-8 names, UTF-8 values, within limits; names the offender.
bool labels_check(struct labels ls, const struct labels_limits *limits, struct error *e) MUST_USE;
bool label_name_valid_legacy(str name);  // [a-zA-Z_][a-zA-Z0-9_]*
bool metric_name_valid_legacy(str name); // [a-zA-Z_:][a-zA-Z0-9_:]*
bool label_name_valid(str name);         // Any non-empty UTF-8.

#endif
