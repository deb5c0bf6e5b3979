// label_texts.h: copies of labels in a run's memory that share their texts.
//
// The series of a selector have few different texts: names, a job, bounds of buckets. Each is kept
// once as long as it comes again soon, so that who groups series or compares their names may look
// at where a text stands before he looks at what it is (str_same). Texts that are equal need not
// be the same. Who wants but some labels of each series says which: the others are not looked at,
// and what many series have of those stands once, too: such sets may share their labels.
// Cost: O(text); nothing is looked up for what the series before has at the same place. Memory: of
// the run, LABEL_TEXTS places.
// Threads: owned by the run.
#ifndef PROMQL_LABEL_TEXTS_H
#define PROMQL_LABEL_TEXTS_H

#include "model/labels.h"

struct run;

#define LABEL_TEXTS  256U
#define LABEL_SETS   64U
#define LABEL_WANTED 8U // So many names are told apart by their first bytes; more are merged.

// Threads: owned.
struct label_texts {
    str *kept; // At their hash mod LABEL_TEXTS; NULL before the first.
    struct labels last;
    const str *wanted; // By name, sorted; NULL: all.
    u32 wanted_count;
    str *names;              // The same in the run's memory,
    u64 heads[LABEL_WANTED]; // how they begin,
    struct labels *sets;     // and what some series have of them, by where their values stand.
};

// Those that are wanted. false: the run has failed.
bool label_texts_copy(struct label_texts *t, struct run *r, struct labels ls,
                      struct labels *out) MUST_USE;

#endif
