// head_open.h: the open chunk: the values of one series that are still being collected, as tokens.
//
//   row of the series ─► last cell ─► cell before ─► … (28 bytes of tokens each)
//
// Adding a value is O(1) and needs only the value before it. What the tokens say stands in
// head_tokens.h. Cells have one size, so that whatever a sealed chunk gave back serves the next
// one, whichever series that is.
// Memory: cells of 32 bytes in blocks, which are kept until they are trimmed.
// Threads: guarded by the shard's lock; the functions on copied bytes are pure.
#ifndef TSDB_HEAD_OPEN_H
#define TSDB_HEAD_OPEN_H

#include "tsdb/head_tokens.h"
#include "tsdb/head_window.h"

#define CELL_BYTES     28U
#define CELL_NONE      UINT32_MAX
#define CELLS_BLOCK    4096U
#define OPEN_BYTES_MAX (ROWS_MAX * 12U) // A shift and eight bytes, and a gap before it.

// Threads: guarded by the shard's lock.
struct open_cell {
    u32 previous; // Of the same chunk, or the next free one.
    u8 bytes[CELL_BYTES];
};
static_assert(sizeof(struct open_cell) == 32, "two to a cache line");

// Threads: guarded by the shard's lock.
struct open_cells {
    struct open_cell **blocks;
    u32 block_count;
    u32 used; // Cells ever given out.
    u32 free; // Chained; CELL_NONE at the end.
    u32 free_count;
    u32 keep;  // While cells are trimmed: those from here on are to go; else CELL_NONE.
    u32 spare; // And the free ones among them.
    u32 spare_count;
};
void open_cells_init(struct open_cells *c);
void open_cells_fini(struct open_cells *c);
u64 open_cells_bytes(const struct open_cells *c);

// Gives blocks back if many cells are free: begin (false: it is not worth it), then move every
// chunk, then end, which keeps all if cells that were to go were taken meanwhile. Begin needs the
// turn alone, since readers never look at free cells. O(free cells), each chunk O(its cells).
bool open_cells_trim_begin(struct open_cells *c);
void open_cells_trim_end(struct open_cells *c);

// One value of a series is being collected here. Threads: guarded by the shard's lock.
struct open_chunk {
    struct segment *segment; // NULL = nothing open.
    u32 tail;                // Cell; of no meaning while n is 0.
    u16 bytes;               // Of all tokens, that of the repeats among them.
    u8 used;                 // Bytes of the tail.
    u8 n;
    u8 first; // Rows of the segment.
    u8 last;
    u8 exponent;
    u8 shift;
    u8 form;    // enum open_form
    u8 flags;   // Of the series table, not of the chunk.
    u8 repeats; // Of the last value, which no cell tells yet.
};

// The next value will be written there. While the turn is held.
static inline void open_chunk_prefetch(const struct open_cells *c, const struct open_chunk *o)
{
    if (o->n > 0) {
        __builtin_prefetch(&c->blocks[o->tail / CELLS_BLOCK][o->tail % CELLS_BLOCK], 1);
    }
}
// The same for reading: the cell before this one, which must have come by now, is on its way.
static inline u32 open_cell_prefetch(const struct open_cells *c, u32 cell)
{
    u32 before = c->blocks[cell / CELLS_BLOCK][cell % CELLS_BLOCK].previous;
    if (before != CELL_NONE) {
        __builtin_prefetch(&c->blocks[before / CELLS_BLOCK][before % CELLS_BLOCK]);
    }
    return before;
}
// Of a walk over many chunks: each cell tells where the one before it is, so with each chunk that
// is read one cell more is asked for of each of the next ones. Threads: owned.
#define CELLS_AHEAD 8U
struct cells_ahead {
    u32 cells[CELLS_AHEAD]; // Of chunk i at i % CELLS_AHEAD: how far its cells have come.
};
static inline void cells_ahead_init(struct cells_ahead *a)
{
    memset(a, 0xff, sizeof(*a)); // CELL_NONE
}
// Before the chunk at `at` is read; next is the one CELLS_AHEAD behind it, NULL: there is none.
static inline void cells_ahead_step(struct cells_ahead *a, const struct open_cells *c, u32 at,
                                    const struct open_chunk *next)
{
    for (u32 i = 0; i < CELLS_AHEAD; i++) {
        if (a->cells[i] != CELL_NONE) {
            a->cells[i] = open_cell_prefetch(c, a->cells[i]);
        }
    }
    a->cells[at % CELLS_AHEAD] = CELL_NONE;
    if (next && next->n > 0) {
        open_chunk_prefetch(c, next);
        a->cells[at % CELLS_AHEAD] = next->tail;
    }
}
// Adds a value at a row past the last one. before: the value added last (of no meaning at first).
void open_chunk_add(struct open_cells *c, struct open_chunk *o, u32 row, f64 before, f64 value);
void open_chunk_reset(struct open_cells *c, struct open_chunk *o);
void open_chunk_move(struct open_cells *c, struct open_chunk *o); // Out of cells that are to go.
// Copies the tokens: o->bytes of them, at most OPEN_BYTES_MAX.
void open_chunk_copy(const struct open_cells *c, const struct open_chunk *o, u8 *out);
static inline bool open_chunk_gaps(const struct open_chunk *o)
{
    return o->n != o->last - o->first + 1;
}

#endif
