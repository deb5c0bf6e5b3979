// head_image_parts.h: the series of a head image that share the labels of their target: each part
// of labels is told once in the file, a series is two numbers. Others stand as in the log.
//
// Cost: writing and reading O(parts' labels + series). Memory: writing 4 bytes for each part the
// head ever had; reading 40 for each part and 16 for each of its labels.
// (I1) A part that was told is held until the image is written, so that its number names no other.
// Bytes: docs/format/head-image.md. Threads: owned by the call that writes or reads.
#ifndef TSDB_HEAD_IMAGE_PARTS_H
#define TSDB_HEAD_IMAGE_PARTS_H

#include "base/base.h"

struct buf;
struct head;

// Threads: owned by the writer.
struct image_parts_out {
    struct head *head;
    u32 *numbers; // By part of the head: its number in the file, + 1.
    u32 cap;
    u32 *names; // By name of the index: likewise.
    u32 name_cap;
    u32 name_count;
    u32 *held; // By number.
    u32 held_cap;
    u32 count;
};
void image_parts_out_init(struct image_parts_out *p, struct head *h);
void image_parts_out_fini(struct image_parts_out *p); // Takes the turn by slices.
// With the turn: records for live series, which rise; at most SLICE_MAX of them.
#define IMAGE_SLICE_MAX 256U
void image_parts_put(struct image_parts_out *p, struct buf *out, const u32 *ordinals, u32 n,
                     u32 salt);

struct image_part;
#define IMAGE_SHAPES 16U // Remembered: more of them cost time.

// Threads: owned by the reader.
struct image_parts_in {
    struct head *head;
    u32 slots_max; // No ordinal at or above it is believed,
    u32 slots_min; // and none below it: of an earlier slice.
    str *names;
    u32 name_count;
    u32 name_cap;
    struct image_part *parts;
    u32 count;
    u32 cap;
    u64 *hashes; // Of names and values, in turn.
    u32 hash_count;
    u32 hash_cap;
    u32 shape;                // The newest; targets of the same one have the same names.
    u32 shapes[IMAGE_SHAPES]; // A target's part of each of the newest, by shape.
};
void image_parts_in_init(struct image_parts_in *p, struct head *h, u32 slots_max);
void image_parts_in_fini(struct image_parts_in *p);
bool image_parts_get(struct image_parts_in *p, str payload) MUST_USE;
bool image_series_get(struct image_parts_in *p, str payload) MUST_USE;
// At the end: each part has a series, or is what its group offers.
bool image_parts_whole(const struct image_parts_in *p);

#endif
