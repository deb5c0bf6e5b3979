#include "tsdb/head_open.h"

#include "base/bits.h"
#include "tsdb/chunk_form.h"
#include "tsdb/head_tokens.h"

#include <math.h>

#define INT_LIMIT  9007199254740992.0 // 2^53
#define SHIFT_MIN  8U                 // A smaller one saves less than its token costs.
#define TRIM_SHARE 4U                 // One cell in so many is free: some may go.
#define TRIM_SLACK 16U                // One more for so many in use stays.
#define RETRY_MASK 7U                 // Among raw values, one in so many looks for an exponent.

enum open_form {
    FORM_INT, // The last value is an integer over 10^exponent.
    FORM_RAW,
};

void open_cells_init(struct open_cells *c)
{
    *c = (struct open_cells){.free = CELL_NONE, .keep = CELL_NONE, .spare = CELL_NONE};
}

void open_cells_fini(struct open_cells *c)
{
    for (u32 i = 0; i < c->block_count; i++) {
        mem_free(c->blocks[i]);
    }
    mem_free(c->blocks);
    open_cells_init(c);
}

u64 open_cells_bytes(const struct open_cells *c)
{
    return (u64)c->block_count * (CELLS_BLOCK * sizeof(struct open_cell) + sizeof(void *));
}

static inline struct open_cell *cell_at(const struct open_cells *c, u32 cell)
{
    return &c->blocks[cell / CELLS_BLOCK][cell % CELLS_BLOCK];
}

static u32 cell_take(struct open_cells *c)
{
    u32 cell = c->free;
    if (cell != CELL_NONE) {
        c->free = cell_at(c, cell)->previous;
        c->free_count--;
        return cell;
    }
    cell = c->spare;
    if (cell != CELL_NONE) {
        c->spare = cell_at(c, cell)->previous;
        c->spare_count--;
        return cell;
    }
    if (c->used == c->block_count * CELLS_BLOCK) {
        CHECK(c->used < CELL_NONE - CELLS_BLOCK);
        c->blocks = MEM_GROW(c->blocks, c->block_count + 1, struct open_cell *);
        c->blocks[c->block_count++] = MEM_GROW(NULL, CELLS_BLOCK, struct open_cell);
    }
    return c->used++;
}

static inline void cell_give(struct open_cells *c, u32 cell)
{
    const bool goes = cell >= c->keep;
    u32 *list = goes ? &c->spare : &c->free;
    cell_at(c, cell)->previous = *list;
    *list = cell;
    c->spare_count += goes;
    c->free_count += !goes;
}

// A chain of them, from its end on.
static void cells_give(struct open_cells *c, u32 cell)
{
    while (cell != CELL_NONE) {
        const u32 next = cell_at(c, cell)->previous;
        cell_give(c, cell);
        cell = next;
    }
}

bool open_cells_trim_begin(struct open_cells *c)
{
    const u32 live = c->used - c->free_count;
    const u32 keep = (live + live / TRIM_SLACK + CELLS_BLOCK - 1) / CELLS_BLOCK * CELLS_BLOCK;
    if (c->free_count < c->used / TRIM_SHARE || keep >= c->used) {
        return false;
    }
    const u32 cell = c->free;
    c->keep = keep;
    c->free = CELL_NONE;
    c->free_count = 0;
    cells_give(c, cell);
    return true;
}

void open_chunk_move(struct open_cells *c, struct open_chunk *o)
{
    u32 *link = &o->tail;
    while (o->n > 0 && *link != CELL_NONE) {
        const u32 cell = *link;
        if (cell >= c->keep && c->free != CELL_NONE) {
            *link = cell_take(c);
            *cell_at(c, *link) = *cell_at(c, cell);
            cell_give(c, cell);
        }
        link = &cell_at(c, *link)->previous;
    }
}

void open_cells_trim_end(struct open_cells *c)
{
    const u32 blocks = c->keep / CELLS_BLOCK;
    const bool all = c->spare_count == c->used - c->keep;
    c->keep = CELL_NONE;
    while (all && c->block_count > blocks) {
        mem_free(c->blocks[--c->block_count]);
        c->used = blocks * CELLS_BLOCK;
    }
    const u32 cell = all ? CELL_NONE : c->spare;
    c->spare = CELL_NONE;
    c->spare_count = 0;
    cells_give(c, cell);
}

#define TOKENS_FEW  4U // Bytes of most values.
#define TOKENS_WORD 8U

// Tokens on their way into a chunk: at most a run, a gap, a shift and eight bytes.
struct token_bytes {
    u8 bytes[24];
    u32 n;
};

static inline void token_byte(struct token_bytes *t, u32 byte)
{
    t->bytes[t->n++] = (u8)byte;
}

static inline void token_low(struct token_bytes *t, u64 bits, u32 bytes)
{
    memcpy(t->bytes + t->n, &bits, sizeof(bits)); // n is at most 6 here.
    t->n += bytes;
}

static inline void byte_put(struct open_cells *c, struct open_chunk *o, u8 byte)
{
    if (o->used == CELL_BYTES) {
        u32 cell = cell_take(c);
        cell_at(c, cell)->previous = o->tail;
        o->tail = cell;
        o->used = 0;
    }
    cell_at(c, o->tail)->bytes[o->used++] = byte;
}

// Over the end of the cell, or near it.
static __attribute__((noinline)) void word_spread(struct open_cells *c, struct open_chunk *o,
                                                  u64 word, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        byte_put(c, o, (u8)(word >> (8 * i)));
    }
}

// Tokens that fit into a word, which is written whole as far as the cell goes on for as long. They
// come in a register: what was written byte by byte cannot be read as one word without a wait.
static inline void token_word_put(struct open_cells *c, struct open_chunk *o, u64 word, u32 n)
{
    u8 *at = cell_at(c, o->tail)->bytes + o->used;
    if (LIKELY(n <= TOKENS_FEW && o->used + TOKENS_FEW <= CELL_BYTES)) {
        memcpy(at, &word, TOKENS_FEW);
    } else if (o->used + TOKENS_WORD <= CELL_BYTES) {
        memcpy(at, &word, TOKENS_WORD);
    } else {
        word_spread(c, o, word, n);
        return;
    }
    o->used = (u8)(o->used + n);
}

// To the nearest, without a call; what it makes of the largest numbers does not matter, since
// everything is verified.
static inline i64 rounded(f64 scaled)
{
    return (i64)(scaled + copysign(0.5, scaled));
}

// The integer that is v times 10^exponent, if dividing it gives v back bit for bit.
static inline bool whole_at(f64 v, u32 exponent, i64 *out)
{
    f64 scaled = v * chunk_pow10[exponent];
    if (!(scaled > -INT_LIMIT && scaled < INT_LIMIT)) {
        return false;
    }
    i64 i = rounded(scaled);
    f64 back = (f64)i / chunk_pow10[exponent]; // By one as well: cheaper than a wrong guess.
    if (bits_of_f64(back) != bits_of_f64(v)) {
        return false;
    }
    *out = i;
    return true;
}

static bool exponent_find(f64 v, u32 skip, u32 *exponent, i64 *whole)
{
    for (u32 e = 0; e <= EXPONENT_MAX && fabs(v) * chunk_pow10[e] < INT_LIMIT; e++) {
        if (e != skip && whole_at(v, e, whole)) {
            *exponent = e;
            return true;
        }
    }
    return false;
}

static void token_whole(struct token_bytes *t, struct open_chunk *o, u32 exponent, i64 whole)
{
    u64 z = bits_zigzag(whole);
    u32 bytes = (bits_width(z) + 7) / 8;
    token_byte(t, TOKEN_WHOLE);
    token_byte(t, exponent | bytes << 5);
    token_low(t, z, bytes);
    o->exponent = (u8)exponent;
    o->shift = 0;
    o->form = FORM_INT;
}

// How a difference of so many bits is told: what its first byte says beside the highest bits, and
// how many bytes follow it.
static const struct difference_form {
    u8 first;
    u8 bytes;
} difference_forms[] = {
    {TOKEN_5, 0},         {TOKEN_5, 0},         {TOKEN_5, 0},         {TOKEN_5, 0},
    {TOKEN_5, 0},         {TOKEN_5, 0},         {TOKEN_14, 1},        {TOKEN_14, 1},
    {TOKEN_14, 1},        {TOKEN_14, 1},        {TOKEN_14, 1},        {TOKEN_14, 1},
    {TOKEN_14, 1},        {TOKEN_14, 1},        {TOKEN_14, 1},        {TOKEN_20, 2},
    {TOKEN_20, 2},        {TOKEN_20, 2},        {TOKEN_20, 2},        {TOKEN_20, 2},
    {TOKEN_20, 2},        {TOKEN_BYTES + 2, 3}, {TOKEN_BYTES + 2, 3}, {TOKEN_BYTES + 2, 3},
    {TOKEN_BYTES + 2, 3}, {TOKEN_BYTES + 3, 4}, {TOKEN_BYTES + 3, 4}, {TOKEN_BYTES + 3, 4},
    {TOKEN_BYTES + 3, 4}, {TOKEN_BYTES + 3, 4}, {TOKEN_BYTES + 3, 4}, {TOKEN_BYTES + 3, 4},
    {TOKEN_BYTES + 3, 4}, {TOKEN_BYTES + 4, 5}, {TOKEN_BYTES + 4, 5}, {TOKEN_BYTES + 4, 5},
    {TOKEN_BYTES + 4, 5}, {TOKEN_BYTES + 4, 5}, {TOKEN_BYTES + 4, 5}, {TOKEN_BYTES + 4, 5},
    {TOKEN_BYTES + 4, 5}, {TOKEN_BYTES + 5, 6}, {TOKEN_BYTES + 5, 6}, {TOKEN_BYTES + 5, 6},
    {TOKEN_BYTES + 5, 6}, {TOKEN_BYTES + 5, 6}, {TOKEN_BYTES + 5, 6}, {TOKEN_BYTES + 5, 6},
    {TOKEN_BYTES + 5, 6}, {TOKEN_BYTES + 6, 7}, {TOKEN_BYTES + 6, 7}, {TOKEN_BYTES + 6, 7},
    {TOKEN_BYTES + 6, 7}, {TOKEN_BYTES + 6, 7}, {TOKEN_BYTES + 6, 7}, {TOKEN_BYTES + 6, 7},
    {TOKEN_BYTES + 6, 7},
};
#define DIFFERENCE_BITS_MAX 55U // Of two integers below INT_LIMIT, zigzag.
static_assert(ARRAY_LEN(difference_forms) > DIFFERENCE_BITS_MAX, "each of them has a form");

// The token as a word, lowest byte first, and how many bytes of it count. No branch depends on how
// large the difference is, which nobody can guess.
static inline u64 token_difference(u64 z, u32 *n)
{
    const struct difference_form f = difference_forms[bits_width(z)];
    *n = 1U + f.bytes;
    return (f.first | z >> (8U * f.bytes)) | z << 8;
}

// Whether the shift is not right for the difference.
static inline bool shift_changes(const struct open_chunk *o, i64 difference)
{
    const u32 zeroes = (u32)__builtin_ctzll((u64)difference);
    return zeroes < o->shift || (o->shift == 0 && zeroes >= SHIFT_MIN);
}

static void token_raw(struct token_bytes *t, struct open_chunk *o, u64 before, u64 bits)
{
    u32 bytes = o->n > 0 ? (bits_width(bits ^ before) + 7) / 8 : 8;
    if (bytes == 8) {
        token_byte(t, TOKEN_RAW);
        token_low(t, bits, 8);
    } else {
        bytes = MAX(bytes, 5U);
        token_byte(t, TOKEN_XOR + bytes - 5);
        token_low(t, bits ^ before, bytes);
    }
    o->form = FORM_RAW;
}

static void token_other(struct token_bytes *t, struct open_chunk *o, f64 before, f64 value)
{
    i64 whole;
    u32 exponent = o->exponent;
    bool raw = o->n > 0 && o->form == FORM_RAW;
    if (raw && whole_at(value, exponent, &whole)) {
        token_whole(t, o, exponent, whole);
        return;
    }
    if ((!raw || (o->n & RETRY_MASK) == 0) &&
        exponent_find(value, o->n > 0 ? exponent : EXPONENT_MAX + 1, &exponent, &whole)) {
        token_whole(t, o, exponent, whole);
        return;
    }
    token_raw(t, o, bits_of_f64(before), bits_of_f64(value));
}

// A difference, after the shift that it needs.
static void token_shifted(struct token_bytes *t, struct open_chunk *o, i64 difference)
{
    u32 n = 0;
    if (shift_changes(o, difference)) {
        const u32 zeroes = (u32)__builtin_ctzll((u64)difference);
        o->shift = (u8)(zeroes < SHIFT_MIN ? 0 : zeroes);
        token_byte(t, TOKEN_SHIFT);
        token_byte(t, o->shift);
    }
    const u64 word = token_difference(bits_zigzag(difference >> o->shift), &n);
    token_low(t, word, n);
}

// How far the value is from the one before, both as integers over 10^exponent; false: it is none,
// or the chunk is raw now.
static inline bool difference_at(const struct open_chunk *o, f64 before, f64 value, i64 *difference)
{
    i64 whole;
    if (o->form != FORM_INT || !whole_at(value, o->exponent, &whole)) {
        return false;
    }
    // The value before was verified when it came.
    *difference = whole - rounded(before * chunk_pow10[o->exponent]);
    return true;
}

// Whatever is not usual: the first value, after a gap, with another shift or form.
static __attribute__((noinline)) void value_put(struct open_cells *c, struct open_chunk *o, u32 row,
                                                f64 before, f64 value)
{
    struct token_bytes t = {.n = 0};
    i64 difference;
    const bool first = o->n == 0;
    const bool same = !first && bits_of_f64(before) == bits_of_f64(value);
    const u32 pending = o->repeats > 0;
    if (first) {
        o->first = (u8)row;
        o->tail = CELL_NONE;
        o->used = CELL_BYTES; // Of no cell: the first byte takes one.
        o->exponent = 0;
    }
    if (pending) {
        token_byte(&t, o->repeats - 1U);
        o->repeats = 0;
    }
    if (!first && row != o->last + 1U) {
        token_byte(&t, TOKEN_GAP);
        token_byte(&t, row - o->last - 1U);
    }
    if (same) {
        o->repeats = 1;
    } else if (first || !difference_at(o, before, value, &difference)) {
        token_other(&t, o, before, value);
    } else {
        token_shifted(&t, o, difference);
    }
    o->bytes = (u16)(o->bytes + t.n - pending + same);
    for (u32 i = 0; i < t.n; i++) {
        byte_put(c, o, t.bytes[i]);
    }
}

// The value moved, by a difference of the usual form; false: it did not.
static inline bool value_moves(struct open_cells *c, struct open_chunk *o, f64 before, f64 value)
{
    i64 difference;
    u32 n;
    if (UNLIKELY(!difference_at(o, before, value, &difference) || shift_changes(o, difference))) {
        return false;
    }
    u64 word = token_difference(bits_zigzag(difference >> o->shift), &n);
    const u32 pending = o->repeats > 0;
    if (UNLIKELY(n + pending > TOKENS_WORD)) {
        return false;
    }
    o->bytes = (u16)(o->bytes + n);
    word = pending ? word << 8 | (o->repeats - 1U) : word;
    o->repeats = 0;
    token_word_put(c, o, word, n + pending);
    return true;
}

void open_chunk_add(struct open_cells *c, struct open_chunk *o, u32 row, f64 before, f64 value)
{
    DCHECK(row < ROWS_MAX && (o->n == 0 || row > o->last));
    const bool next = o->n > 0 && row == o->last + 1U;
    if (next && bits_of_f64(before) == bits_of_f64(value)) {
        o->bytes = (u16)(o->bytes + (o->repeats == 0));
        o->repeats++; // Of rows, of which there are few enough.
    } else if (!next || !value_moves(c, o, before, value)) {
        value_put(c, o, row, before, value);
    }
    o->n++;
    o->last = (u8)row;
}

void open_chunk_reset(struct open_cells *c, struct open_chunk *o)
{
    cells_give(c, o->n > 0 ? o->tail : CELL_NONE);
    *o = (struct open_chunk){.flags = o->flags};
}

void open_chunk_copy(const struct open_cells *c, const struct open_chunk *o, u8 *out)
{
    u32 at = o->bytes;
    CHECK(at <= OPEN_BYTES_MAX);
    if (o->repeats > 0) {
        out[--at] = (u8)(o->repeats - 1U);
    }
    if (at == 0) {
        return;
    }
    const struct open_cell *cell = cell_at(c, o->tail);
    at -= o->used;
    memcpy(out + at, cell->bytes, o->used);
    while (at > 0) { // Those before are full.
        cell = cell_at(c, cell->previous);
        at -= CELL_BYTES;
        memcpy(out + at, cell->bytes, CELL_BYTES);
    }
}
