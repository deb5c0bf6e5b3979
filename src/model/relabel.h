// relabel.h: relabelling: all actions, upstream's semantics.
//
// Threads: a struct relabel is frozen after relabel_compile.
#ifndef MODEL_RELABEL_H
#define MODEL_RELABEL_H

#include "base/base.h"
#include "model/labels.h"

struct error;
struct re;

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEPEQUAL,
    RELABEL_DROPEQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_ACTION_COUNT
};

// As decoded from YAML: model/conf.h fills it through RELABEL_CONF (relabel_conf in relabel.c).
struct relabel {
    str *source_labels;
    u32 source_label_count;
    str separator;
    str regex;
    u64 modulus;
    str target_label;
    str replacement;
    enum relabel_action action;
    struct re *re; // Set by relabel_compile.
};

struct conf_struct;
extern const struct conf_struct relabel_conf; // One relabel rule's table for conf_decode.

// Checks the combination of fields and compiles the expression; names the field that is wrong.
bool relabel_compile(struct relabel *r, struct arena *a, struct error *e) MUST_USE;
// Applies the rules in order to the builder; false: the target or series is dropped.
// *dropped_by (may be NULL) gets the index of the rule that dropped it.
bool relabel_apply(const struct relabel *rules, u32 count, struct labels_builder *b,
                   u32 *dropped_by) MUST_USE;

#endif
