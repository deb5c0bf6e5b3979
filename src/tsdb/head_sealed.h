// head_sealed.h: the sealed chunks of a window, in extents that leave anonymous memory when full.
//
//   position ─► extent ─► chunk ─► (older) ─► chunk of the same series before it ─► …
//   extents:  │ mapped file │ mapped file │ memory, full │ memory, being filled │
//
// A chunk never changes and never moves within its extent. Full extents are written to a file by
// the background, mapped back and compared, and only then swapped: whoever found a chunk in memory
// goes on reading there, since the memory is freed once no reader from before the swap is left.
// The file keeps its name for as long as the window lives: a head image (head_image.h) names it
// instead of repeating what is in it; the log holds every sample in it too. Where the file cannot
// be written, the extents stay in memory.
// Costs: add O(bytes); a chunk by position O(1), without a lock.
// Invariants:
//   (I1) Every chunk carries a CRC32C over itself, which readers check before they believe it.
//   (I2) An extent is written to a file only once nothing is added to it any more.
// Memory: what is in memory, 8 bytes for each extent.
// Threads: add is guarded by the shard's lock; spill and reap are called by the background alone;
// sealed_at may be called by whoever learnt the position under the lock.
#ifndef TSDB_HEAD_SEALED_H
#define TSDB_HEAD_SEALED_H

#include "base/base.h"

#include <stdatomic.h>

struct error;
struct fs;

#define SEALED_SUFFIX ".chunks"

#ifdef TIDEMARK_SMALL
#    define EXTENT_BITS 11
#    define SPILL_MIN   2U
#else
#    define EXTENT_BITS 18
#    define SPILL_MIN   16U // Full extents that are worth a file.
#endif
#define EXTENT_BYTES       (1U << EXTENT_BITS)
#define EXTENT_PAGE        256U
#define EXTENT_PAGES       512U
#define SEALED_EXTENTS_MAX (EXTENT_PAGE * EXTENT_PAGES)
#define SPILL_MAX          256U // Extents of one file.
#define SEALED_NONE        0U
#define PRESENCE_BYTES     16

// Threads: frozen.
struct sealed {
    u32 crc;     // Of all that follows.
    u32 older;   // Position of the same series' chunk before; SEALED_NONE at the end.
    u32 segment; // Its place among the window's: see window_segment_at.
    u16 bytes;   // Packed.
    u8 n;
    u8 first;
    u8 last;
    u8 zero[3];
    u8 data[]; // PRESENCE_BYTES if n < last - first + 1, then the packed chunk.
};

// Threads: bytes is atomic, the rest is the background's.
struct extent {
    _Atomic(const u8 *) bytes;
};

struct sealed_file;

// Threads: guarded by the shard's lock, but for what the background owns.
struct sealed_store {
    struct extent *pages[EXTENT_PAGES];
    u32 extents;
    u8 *last;                  // The extent being filled.
    u32 used;                  // Bytes of it.
    u64 chunks;                // Ever added.
    u32 spilled;               // Of the background: extents that are in files.
    _Atomic u32 reaped;        // Extents whose memory was freed.
    const u8 **old;            // Of the background: memory of extents in [reaped, spilled).
    struct fs *fs;             // Of the files.
    struct sealed_file *files; // Of the background, newest first.
    u32 file_next;             // Number of the next one.
};

void sealed_store_init(struct sealed_store *s);
void sealed_store_fini(struct sealed_store *s);       // The files stay.
void sealed_store_remove(struct sealed_store *s);     // With the files.
u64 sealed_store_bytes(const struct sealed_store *s); // In memory. Of the background.

// What is to be added. Threads: owned by the call.
struct sealed_new {
    u32 segment;
    str packed;
    const u8 *present; // NULL = every row from first to last.
    u32 older;
    u8 n;
    u8 first;
    u8 last;
};
u32 sealed_add(struct sealed_store *s, const struct sealed_new *v); // Its position.

// The chunk at a position; NULL if it is damaged.
const struct sealed *sealed_at(const struct sealed_store *s, u32 position);
bool sealed_within(const struct sealed_store *s, u64 position); // Whether it may be one.
const u8 *sealed_presence(const struct sealed *c); // NULL = every row from first to last.
str sealed_bytes(const struct sealed *c);
// Whether every chunk is what was added.
bool sealed_check(const struct sealed_store *s, struct error *e) MUST_USE;
bool sealed_damaged(struct error *e); // The error that says so; false.

u32 sealed_full(const struct sealed_store *s); // Extents to which nothing is added any more.
// Moves extents of the first `full` into a file named stem-NUMBER.chunks, if those still in memory
// are worth one. *did: they were. false: the system refused, and nothing has changed.
bool sealed_spill(struct sealed_store *s, u32 full, struct fs *fs, const char *stem, bool *did,
                  struct error *e) MUST_USE;
void sealed_reap(struct sealed_store *s); // No reader is left from before the last spill.

// What an image says of a file. Threads: a value.
struct sealed_part {
    u32 number;
    u32 extents;
    u32 crc; // Of the whole file.
};
// The files, oldest first: how many there are; writes at most max. Of the background.
u32 sealed_parts(const struct sealed_store *s, struct sealed_part *out, u32 max);
bool sealed_uses(const struct sealed_store *s,
                 str name); // Whether a file in its folder is its own.
bool sealed_sync(struct sealed_store *s, struct error *e) MUST_USE; // All files are on disk.
const u8 *sealed_extent(const struct sealed_store *s, u32 i);       // Its bytes. Of the background.
// While the store is being made, before any reader: first the files, then what was in memory, each
// full but the last. ERR_CORRUPT: the file is not the one that the image speaks of.
bool sealed_load_file(struct sealed_store *s, struct fs *fs, const char *stem,
                      const struct sealed_part *part, struct error *e) MUST_USE;
void sealed_load_extent(struct sealed_store *s, str bytes);
// The next sound chunk from a place on, which moves behind it; NULL at the end.
const struct sealed *sealed_walk(const struct sealed_store *s, u64 *place);

#endif
