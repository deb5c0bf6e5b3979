// wal_entry.h: what the log says, as payloads of records: series, rows, single samples, metadata.
//
// A fragment is part of a row of one column group, coded against what the group's series were told
// before: nothing for an equal value, a small difference for a counter, else the bits that changed.
// A base fragment leans on nothing before it; every other on the one before (its sequence is one
// more), so a lost record costs one group up to its next base and nobody else.
// Cost: encode and decode O(values). Bytes: docs/format/wal.md.
// Threads: encoders run with the shard's turn; a decoder's state is owned by the replay.
#ifndef TSDB_WAL_ENTRY_H
#define TSDB_WAL_ENTRY_H

#include "base/base.h"
#include "model/labels.h"
#include "model/sample.h"

struct arena;
struct buf;
struct error;
struct head;
struct head_plan;

#define WAL_ROWS_PER_BASE 60U

// Adds records for the series the log does not know yet.
void wal_put_series(struct buf *out, const struct head *h, const u32 *ordinals, u32 n, u32 salt);
// Adds a record for ordinals whose series left for cold blocks: what the log says of them is there.
#define WAL_GONE_MAX 4096U
void wal_put_gone(struct buf *out, const u32 *ordinals, u32 n, u32 salt);
// Adds records for a plan. place: the log's restatement period; a group's first fragment in it is
// a base.
void wal_put_plan(struct buf *out, struct head *h, const struct head_plan *plan, u64 place,
                  u32 salt);
void wal_put_metadata(struct buf *out, struct tenant_id tenant, const struct metadata *m, u32 n,
                      u32 salt);
// Tells the series by its labels, so that the record leans on nothing.
void wal_put_exemplar(struct buf *out, struct tenant_id tenant, struct labels set,
                      const struct exemplar *x, u32 salt);
void wal_put_synced(struct buf *out, u64 segment, u64 offset, u32 salt);

// Values of series at one time. Threads: owned by the call.
struct wal_row {
    i64 t;
    const u32 *ordinals; // Rising.
    const f64 *values;
    u32 n;
};
#define WAL_ROWS_AT_ONCE 32U
// Rows with values of the same series. Threads: owned by the call.
struct wal_rows {
    const i64 *t; // Rising.
    u32 rows;     // At most WAL_ROWS_AT_ONCE.
    const u32 *ordinals;
    u32 n;
    const f64 *values; // Row after row,
    u32 stride;        // so far from each other.
};
// What the decoders hand out. Threads: owned by the replay.
struct wal_sink {
    void *ctx;
    // false: the definition cannot be used (its ordinal is taken). An empty set: see wal_put_gone.
    bool (*series)(void *ctx, struct tenant_id tenant, struct labels set, u32 ordinal);
    void (*sample)(void *ctx, u32 ordinal, i64 t, f64 value);
    void (*row)(void *ctx, const struct wal_row *row);
    void (*box)(void *ctx, u32 ordinal, i64 t, str bytes); // The bytes of a good one.
    void (*metadata)(void *ctx, struct tenant_id tenant, const struct metadata *m);
    void (*exemplar)(void *ctx, struct tenant_id tenant, struct labels set,
                     const struct exemplar *x);
};

// A group's chain as the reader sees it. Threads: owned by the replay.
struct wal_chain {
    u32 sequence;
    i64 t_row;
    bool whole; // Nothing is missing since its last base.
};

// Threads: owned by the replay.
struct wal_decoder {
    struct wal_sink sink;
    u32 slots_max; // No ordinal and no group at or above it is believed: it bounds the memory.
    struct arena *scratch; // Reset for each record.
    struct wal_chain *chains;
    u32 chain_count;
    f64 *values; // By ordinal: what the log last said.
    u32 value_count;
    i64 t_max; // The newest sample met; whoever reads resets it.
    u64 samples;
    u64 samples_lost; // In fragments that could not be read for a missing one before.
    u64 series_refused;
};
void wal_decoder_init(struct wal_decoder *d, struct wal_sink sink, u32 slots_max);
// A segment that leans on nothing before it begins: so do all chains.
void wal_decoder_segment(struct wal_decoder *d);
void wal_decoder_fini(struct wal_decoder *d);
// false with ERR_CORRUPT: the payload contradicts itself although its checksum is right; ERR_LIMIT:
// there is no memory to read it, and it may be good.
bool wal_decode(struct wal_decoder *d, u8 kind, str payload, struct error *e) MUST_USE;
bool wal_get_synced(str payload, u64 *segment, u64 *offset) MUST_USE;

#endif
