// chunk_form.h: the constants that whoever writes a packed chunk shares with whoever reads one.
//
// Bytes: docs/format/chunk.md. Threads: constants.
#ifndef TSDB_CHUNK_FORM_H
#define TSDB_CHUNK_FORM_H

#include "base/base.h"

// First byte of a chunk: transform in the two high bits, the exception flag, then the header bits
// of its integer column.
enum transform { TRANSFORM_INT, TRANSFORM_DEC, TRANSFORM_ULP, TRANSFORM_BITS };
#define TRANSFORM_SHIFT  6
#define CHUNK_EXCEPTIONS 0x20U
#define EXPONENT_MAX     17U

// Header bits of an integer column.
enum int_plan { INT_CONST, INT_LIN, INT_FOR, INT_D1, INT_D2, INT_S1, INT_S2 };
#define INT_PACK_PLAN   0x07U
#define INT_PACK_GCD    0x08U
#define INT_PACK_MB     0x10U
#define INT_PACK_HEADER 0x1FU

// Residuals: groups of 8 share a width. One above 57 bits is stored as 64, so that any narrower
// value can be read by one unaligned load of 8 bytes.
enum { GROUP = 8, WIDTH_DIRECT_MAX = 57, WIDTH_MAX = 64 };
#define RESIDUAL_BASED 0x80U // In the byte of the width: a base follows.
#define STEP_BITS      6     // In the byte of the step; above them the size of the codes.
#define CODE_LOG_MAX   2U    // Codes of 1, 2 or 4 bits.

static inline u32 width_stored(u32 width)
{
    return width > WIDTH_DIRECT_MAX ? (u32)WIDTH_MAX : width;
}

static inline u32 group_count(u32 values)
{
    return (values + GROUP - 1) / GROUP;
}

// Exact powers of ten: a decimal is i / chunk_pow10[e], never i * 10^-e.
static const f64 chunk_pow10[EXPONENT_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,
                                                  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

#endif
