// head_pins.h: what lets a reader see the head as it was when it opened (W1).
//
// Every commit of a shard has a number. While readers are open, each stored sample is also noted
// in a ring: (series, time, commit), chained per series. A reader that was pinned at commit p
// copies a series and leaves out the times noted after p. Without readers nothing is noted.
// Cost: 32 bytes written per sample while a reader is open; hidden O(samples of the series since).
// Memory: the ring grows to PIN_NOTES_MAX. What it overwrites makes older pins blind: their next
// copy fails with ERR_UNAVAILABLE, it never answers wrongly (I4).
// Threads: guarded by the shard's lock.
#ifndef TSDB_HEAD_PINS_H
#define TSDB_HEAD_PINS_H

#include "base/base.h"

struct arena;
struct error;

#ifdef TIDEMARK_SMALL
#    define PIN_NOTES_MAX 4096U
#else
#    define PIN_NOTES_MAX (1U << 20)
#endif

// Threads: guarded by the shard's lock.
struct pin_note {
    i64 t;
    u64 commit;
    u64 older; // Number of the series' note before.
    u32 ordinal;
};

// Threads: guarded by the shard's lock.
struct head_pins {
    struct pin_note *notes;
    u32 cap;
    u64 first; // Numbers of the notes kept: [first, next); note 0 is never given out.
    u64 next;
    u64 lost_commit; // The newest commit of which a note was overwritten.
    u64 commit;      // The last finished commit.
    u32 readers;
};

void pins_init(struct head_pins *p);
void pins_fini(struct head_pins *p);
u64 pins_open(struct head_pins *p); // Returns the commit that is pinned.
void pins_close(struct head_pins *p);

// newest is the low half of the series' last note number, kept by the table; updated. What it
// names is believed only if it is this series' note.
void pins_note(struct head_pins *p, u32 ordinal, i64 t, u32 *newest);
// A question: what of a series must a reader pinned at commit not see? newest is as in note.
struct pin_ask {
    u64 commit;
    u32 newest;
    u32 ordinal;
};
// Whether a reader pinned at commit sees every sample of the series; false if that is not known.
bool pins_all_seen(const struct head_pins *p, const struct pin_ask *ask);
// The same of every series at once.
bool pins_none_after(const struct head_pins *p, u64 commit);
// The commit as of which a reader sees all that is stored now: an apply may be under way.
u64 pins_commit_next(const struct head_pins *p);
struct pin_hidden {
    i64 *t; // In the arena.
    u32 n;
};
bool pins_hidden(const struct head_pins *p, const struct pin_ask *ask, struct arena *a,
                 struct pin_hidden *out, struct error *e) MUST_USE;

#endif
