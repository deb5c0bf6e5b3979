// int_pack_layout.h: how the residuals of one plan are packed, and what that costs.
//
// Residuals are mapped to unsigned (as they are, by zigzag, or less their minimum) and packed in
// groups of 8: PF gives all groups one width; MB gives each group a code of 1, 2 or 4 bits,
// width = smallest + code · step. Sizes come from the histogram of the groups' widths; nothing is
// encoded on trial, and what cannot be the smallest any more is not looked at.
// Threads: pure functions.
#ifndef TSDB_INT_PACK_LAYOUT_H
#define TSDB_INT_PACK_LAYOUT_H

#include "base/base.h"

struct buf;

enum residual_map { RESIDUAL_PLAIN, RESIDUAL_ZIGZAG, RESIDUAL_LESS_BASE };

// Threads: a value.
struct residual_layout {
    size_t bytes; // Of the whole block.
    i64 base;     // RESIDUAL_LESS_BASE only.
    u32 width_min;
    u32 step;     // MB only, 1 to 64.
    u32 code_log; // MB only: codes of 1 << code_log bits.
    bool mb;
    enum residual_map map;
};

// The smallest layout of signed residuals whose minimum is base; of unsigned ones. below: one that
// is not smaller than this is of no use, and need not be the smallest; its bytes are true.
struct residual_layout residual_layout_signed(const i64 *values, u32 count, i64 base, size_t below);
struct residual_layout residual_layout_plain(const u64 *values, u32 count, size_t below);
// One of signed residuals by zigzag alone.
struct residual_layout residual_layout_quick(const i64 *values, u32 count);
void residual_write(const struct residual_layout *l, const i64 *values, u32 count, struct buf *out);

#endif
