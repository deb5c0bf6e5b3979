// label_reader.h: the labels of a block's series; a text that many of them share is decoded once.
//
//   series ─► numbers of symbols ─► slot: number mod LABEL_SLOTS ─┬► holds it: the text as it is
//                                                                 └► else: decoded, put there
//
// Neighbours differ in one or two of their labels, and each text takes up to 16 steps to decode.
// Cost: some ns a text that is in its slot. Memory: the slots and LABEL_TEXT_BYTES, and beyond
// those the texts of one series. Threads: owned.
#ifndef TSDB_LABEL_READER_H
#define TSDB_LABEL_READER_H

#include "model/labels.h"
#include "tsdb/index_file.h"

struct arena;
struct error;

#define LABEL_SLOTS      1024U // A power of two.
#define LABEL_TEXT_BYTES (256U << 10)

// Threads: owned.
struct label_reader {
    struct symbol_reader symbols;
    struct arena *texts;
    struct label_slot {
        u32 number; // Of the symbol, + 1; 0 = empty.
        str text;
    } * slots;
};
void label_reader_init(struct label_reader *r, const struct index_file *x);
void label_reader_fini(struct label_reader *r); // Accepts zeroed.

// The labels of a series without the hidden one. The array is in the arena, the texts are the
// reader's until it is told to forget.
bool label_reader_get(struct label_reader *r, u32 ordinal, struct arena *a, struct labels *out,
                      struct error *e) MUST_USE;
// Between two series: drops the texts if they are many.
void label_reader_forget(struct label_reader *r);

#endif
