// notes.h: annotations: what a query should be told besides its answer.
//
// A text is kept once, wherever and however often it came up; the place that is told is that of the
// operator which is last in upstream's order of evaluation.
// At most NOTES_MAX different texts, the first ones; more are counted, each once, by their hashes.
// Memory: of the run; 16 bytes or more of each text that is only counted.
// Threads: owned by the run.
#ifndef PROMQL_NOTES_H
#define PROMQL_NOTES_H

#include "base/base.h"
#include "promql/operators.h"

struct arena;
struct run;

#define NOTES_MAX           256
#define NOTE_TEXT_BYTES_MAX 2048

enum note_kind { NOTE_WARNING, NOTE_INFO };

// How far histogram_quantile had to bend its input.
struct note_bend {
    i64 min_ms;
    i64 max_ms;
    f64 min_bucket;
    f64 max_bucket;
    f64 max_diff;
    u32 samples;
};

struct note {
    enum note_kind kind;
    str text; // Without "PromQL warning: " and without the place.
    struct text_span span;
    u32 order; // Of the operator that told it last.
    u64 key;   // Of kind and text; never 0.
    bool has_bend;
    struct note_bend bend;
};

// What was told last by the notes below: they come up at every step of a series alike, and putting
// a text together costs more than the step.
struct note_memo {
    const void *what; // A metric's text, an operator's name, or NULL for a quantile.
    f64 value;
    u32 place;
    u32 order;
};

struct notes {
    struct note *items;
    struct note_memo memo;
    u32 count;
    u32 omitted[2];  // Texts by kind,
    u64 *other_keys; // and their keys, each where it belongs or behind; 0: free.
    u32 other_cap;   // A power of two.
};

void note_warning(struct run *r, struct text_span at, const char *format, ...) PRINTF_LIKE(3, 4);
void note_info(struct run *r, struct text_span at, const char *format, ...) PRINTF_LIKE(3, 4);
void note_bent(struct run *r, struct text_span at, str metric, const struct note_bend *bend);
// "ignored histograms in a range …", "encountered a mix …": texts that several operators share.
void note_ignored_hist_in_range(struct run *r, struct text_span at, str metric);
void note_ignored_hist_in_aggregation(struct run *r, struct text_span at, const char *op);
// Tells again what others were told, by the operators that told it.
void notes_again(struct run *r, const struct notes *told);
void note_mixed_range(struct run *r, struct text_span at, str metric);
void note_bad_quantile(struct run *r, struct text_span at, f64 q);

// The whole texts of one kind, with prefix and place, in the arena.
void notes_print(const struct notes *ns, enum note_kind kind, str query, struct arena *a,
                 const str **texts, u32 *count);

// A Go %q and a %g in the run's scratch, for the texts of notes and errors.
const char *run_quoted(struct run *r, str s);
const char *run_number(struct run *r, f64 v);

#endif
