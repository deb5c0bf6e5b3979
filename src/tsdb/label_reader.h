// label_reader.h: the labels of a block's series; a text that many of them share is decoded once.
//
//   series ─► numbers of symbols ─► slots: number mod cap, ─┬► one holds it: the text as it is
//                                   and its neighbour       └► else: decoded, kept, put there
//
// Neighbours differ in one or two of their labels, mostly the last: what the bytes of a series have
// in common with those of the one before is not read again. Each text takes up to 16 steps to
// decode.
// There are two slots that a text may be in, so that two which all series have, or one that passes
// by, do not drive each other out all the time.
// What readers of several blocks decode goes into one struct symbol_texts: the same text has one
// address there, as long as another of its hash does not take its place, and who compares labels
// of several blocks need not look at bytes.
// Cost: some ns a text that is in its slot. Memory: slots and places, LABEL_TEXT_BYTES, and beyond
// those the texts of one step. Threads: owned.
#ifndef TSDB_LABEL_READER_H
#define TSDB_LABEL_READER_H

#include "model/labels.h"
#include "tsdb/index_file.h"

struct arena;
struct error;

#define LABEL_SLOTS      1024U // At most; a power of two.
#define LABEL_PLACES     4096U // At most; a power of two.
#define LABEL_TEXT_BYTES ((size_t)1 << 20)
#define LABELS_KEPT      16U // Of a series, for the next one.

// Threads: owned.
struct symbol_texts {
    struct arena *arena;
    str *places;    // By hash; the newest of those that meet.
    u32 cap;        // Of places; a power of two. They are few as long as texts are.
    u32 put;        // Texts, since there were so many places.
    u32 generation; // Goes up when texts are dropped. Never 0.
};
void symbol_texts_init(struct symbol_texts *t);
void symbol_texts_fini(struct symbol_texts *t); // Accepts zeroed.
// When nobody holds one any more: drops the texts if they are many.
bool symbol_texts_are_many(const struct symbol_texts *t);
void symbol_texts_drop(struct symbol_texts *t);

// The series that was read before. Threads: owned.
struct label_before {
    str bytes;             // In the index.
    u32 count;             // Labels that are known here, the first ones.
    u32 ends[LABELS_KEPT]; // Of its bytes, behind each.
    struct label items[LABELS_KEPT];
};

// Threads: owned.
struct label_reader {
    struct symbol_reader symbols;
    u32 generation; // Of the texts in the slots, and of the series before.
    u32 same;       // First labels of the series at hand that are those of the one before.
    struct label_before before;
    u32 cap; // Of slots; a power of two. They are few as long as texts are.
    u32 put; // Texts, since there were so many slots.
    struct label_slot {
        u32 number; // Of the symbol, + 1; 0 = empty.
        str text;
    } * slots;
};
void label_reader_init(struct label_reader *r, const struct index_file *x);
void label_reader_fini(struct label_reader *r); // Accepts zeroed.

// The labels of a series without the hidden one. The array is in the arena, the texts are in t,
// which is the same one each time.
bool label_reader_get(struct label_reader *r, u32 ordinal, struct symbol_texts *t, struct arena *a,
                      struct labels *out, struct error *e) MUST_USE; // Sets r->same.

#endif
