// head_tokens.h: what the tokens of an open chunk say, and reading them.
//
// A value is told by what changed: nothing (counted beside the chunk, so that no cell is touched
// until it moves again), a small difference of integers or of decimals at the chunk's exponent, or
// the bits that differ. Every form is verified while it is chosen, so what comes out is what went
// in, bit for bit.
//
//   00-7F  the value before again, 1 … 128 times          80-BF  14-bit difference (1 byte follows)
//   C0-DF  5-bit difference    E0-EF  20-bit difference (2 follow)    F0-F7  1 … 8 bytes follow
//   F8     exponent and a whole integer     F9  eight raw bytes       FA     new shift
//   FB     rows passed over                 FC-FE  the lowest 5, 6, 7 bytes of the XOR
//
// Differences are zigzag, of integers shifted right; F8 sets the shift to zero.
// Cost: O(bytes and values). Threads: pure functions.
#ifndef TSDB_HEAD_TOKENS_H
#define TSDB_HEAD_TOKENS_H

#include "base/base.h"

enum token {
    TOKEN_14 = 0x80,
    TOKEN_5 = 0xC0,
    TOKEN_20 = 0xE0,
    TOKEN_BYTES = 0xF0,
    TOKEN_WHOLE = 0xF8,
    TOKEN_RAW = 0xF9,
    TOKEN_SHIFT = 0xFA,
    TOKEN_GAP = 0xFB,
    TOKEN_XOR = 0xFC, // And the lowest 5 bytes; one more for each of the next two.
};

// Writes n values from copied tokens, and, unless NULL, the bits of their rows (PRESENCE_BYTES,
// zeroed by the caller) counted from `first`.
void open_tokens_decode(str tokens, u32 n, f64 *values, u8 *present, u32 first);
// The n values as integers over 10^*exponent, if the tokens say so of all of them, no row is passed
// over and each is below 2^52, as chunk_pack_whole wants them. Writes n of them and returns n, or
// one and 1 if all are the same; 0: they do not.
u32 open_tokens_whole(str tokens, u32 n, i64 *ints, u32 *exponent);

// ---- head_tokens_avx2.c ----
// What the first bytes of four tokens of two bytes say.
#define FOUR_FIRST 0x00c000c000c000c0ULL
#define FOUR_WIDE  0x0080008000800080ULL
// A row of tokens of two bytes. Threads: owned by the call.
struct tokens_wide {
    const u8 *at;
    const u8 *end;
    i64 whole; // The value before.
    u32 shift;
};
// As long as four of them follow each other, at most n values, as integers; how many. What it does
// not take, the caller does. Where avx2_here.
u32 tokens_wide_avx2(struct tokens_wide *w, u32 n, f64 *values);

#endif
