// append_outcome.h: what became of a sample, or of a series that was asked for.
//
// A limit is named by the outcome itself, so that counters, answers and log lines can tell which
// one it was without asking the store again.
// Threads: values.
#ifndef STORAGE_APPEND_OUTCOME_H
#define STORAGE_APPEND_OUTCOME_H

#include "base/base.h"

enum append_outcome {
    APPEND_STORED,
    APPEND_STORED_OOO,   // Stored behind the newest, within the out-of-order window.
    APPEND_DUPLICATE,    // Same time, same value: already there.
    APPEND_CONFLICT,     // Same time, other value: the first write stays.
    APPEND_OUT_OF_ORDER, // Behind the newest, no window.
    APPEND_TOO_OLD,      // Behind what the head may still take.
    APPEND_TOO_NEW,      // Further ahead of the clock than allowed (5 min).
    // A limit refused a new series,
    APPEND_LIMIT_SERIES,  // of all series,
    APPEND_LIMIT_TENANT,  // of one tenant's,
    APPEND_LIMIT_JOB,     // of one job's,
    APPEND_LIMIT_METRIC,  // of one metric's,
    APPEND_LIMIT_MEMORY,  // of the memory of all series,
    APPEND_LIMIT_STARTS,  // while the store comes back from crashes,
    APPEND_LIMIT_SYMBOLS, // of the texts of all labels,
    APPEND_LIMIT_LABELS,  // of the labels of one series;
    // or samples of series that are there,
    APPEND_LIMIT_HISTOGRAMS, // of the memory of histograms,
    APPEND_LIMIT_WINDOWS,    // of block ranges that are written at once.
    APPEND_INVALID,          // Dead ref, bad labels, bad histogram.
    APPEND_OUTCOME_COUNT
};
const char *append_outcome_text(enum append_outcome o); // "stored", "series_limit", …
static inline bool append_is_stored(enum append_outcome o)
{
    return o == APPEND_STORED || o == APPEND_STORED_OOO;
}
static inline bool append_is_limited(enum append_outcome o)
{
    return o >= APPEND_LIMIT_SERIES && o <= APPEND_LIMIT_WINDOWS;
}
// What the limit is and what sets it, for people; outcome: append_is_limited.
const char *append_limit_text(enum append_outcome o);

// Adds up n outcomes.
void append_outcomes_add(const u8 *outcomes, u32 n, u64 counts[APPEND_OUTCOME_COUNT]);
// Of samples counted by outcome: how many a limit refused, and by which most were.
u64 append_limited_count(const u64 counts[APPEND_OUTCOME_COUNT], enum append_outcome *most);

#endif
