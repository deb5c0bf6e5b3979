#include "tsdb/wal_replay.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/fs.h"
#include "tsdb/head_image.h"
#include "tsdb/tsdb_status.h"
#include "tsdb/wal_batch.h"

#include <stdio.h>

#define LIMIT_NONE UINT64_MAX

// A segment as the first pass sees it. Threads: owned by the replay.
struct found {
    u64 number;
    u64 bytes;
    u64 limit; // Records at or behind it are void.
    struct wal_header header;
    bool bad_header;
};

// Threads: owned by the replay.
struct replay {
    struct fs *fs;
    struct log *log;
    const char *dir;
    u32 stream;
    struct arena *arena;
    struct wal_decoder *decoder;
    struct wal_batch batch;
    struct found *segments;
    u32 count;
    u64 checkpoint; // 0 = none.
    u64 mark_segment;
    u64 mark_offset;
    struct wal_replayed *out;
    bool failed; // The system refused to show a file: not damage, and nothing is decided on it.
    struct error error;
};

bool wal_name_parse(str name, str kind, u64 *number)
{
    return str_starts(name, kind) && name.len > kind.len + 1 && name.ptr[kind.len] == '-' &&
           parse_u64(str_sub(name, kind.len + 1, name.len), number);
}

static bool map_segment(struct replay *r, const char *kind, u64 number, struct fs_map *map)
{
    char path[512];
    wal_path(r->dir, kind, number, path);
    r->failed = r->failed || !fs_map_open(r->fs, path, map, &r->error);
    return !r->failed;
}

// false: pages of it were not shown, so that what was read is not what stands there.
static bool unmap_segment(struct replay *r, const char *kind, u64 number, struct fs_map *map)
{
    const u32 holes = fs_map_holes(map);
    fs_map_close(r->fs, map);
    if (holes > 0 && !r->failed) {
        r->failed = !err_set(&r->error, ERR_IO,
                             "%s/%s-%08llu: %u of its pages cannot be read; see the system's log",
                             r->dir, kind, (unsigned long long)number, holes);
    }
    return holes == 0;
}

static str map_str(const struct fs_map *map)
{
    return (str){(const char *)map->bytes, map->len};
}

// A file of the other stream, or under another number than it was written with, names series that
// are not its own: it is no better than a damaged one.
static bool header_decode(const struct replay *r, const struct fs_map *map, u64 number,
                          struct wal_header *out, struct error *e)
{
    struct wal_header h;
    if (!wal_header_decode(map_str(map), &h, e)) {
        return false;
    }
    if (h.stream != r->stream || h.number != number) {
        return err_set(e, ERR_CORRUPT, "it was written as number %llu of stream %u",
                       (unsigned long long)h.number, h.stream);
    }
    *out = h;
    return true;
}

static void unlink_name(struct replay *r, str name)
{
    char path[512];
    struct error ignored;
    (void)snprintf(path, sizeof(path), "%s/%.*s", r->dir, STR_ARG(name));
    (void)!fs_unlink(r->fs, path, &ignored);
}

// The newest checkpoint whose header is good.
static bool checkpoint_pick(struct replay *r, const struct fs_info *infos, size_t n,
                            struct error *e)
{
    for (size_t i = n; i > 0; i--) {
        u64 number;
        struct fs_map map;
        struct wal_header header = {0};
        struct error why = {0};
        if (r->checkpoint != 0 || !wal_name_parse(infos[i - 1].name, STR("ckpt"), &number)) {
            continue;
        }
        if (!map_segment(r, "ckpt", number, &map)) {
            return false;
        }
        bool good = header_decode(r, &map, number, &header, &why) && header.checkpoint;
        if (!unmap_segment(r, "ckpt", number, &map)) {
            return false;
        }
        if (good) {
            r->checkpoint = number;
        } else if (why.code == ERR_UNSUPPORTED) {
            return err_set(e, why.code, "%s/%.*s: %s", r->dir, STR_ARG(infos[i - 1].name),
                           why.text);
        } else {
            r->out->corruptions++;
            LOGF(r->log, LOG_WARN, "wal: checkpoint %llu is damaged: %s",
                 (unsigned long long)number, why.text);
        }
    }
    return true;
}

static bool segments_list(struct replay *r, struct error *e)
{
    struct fs_info *infos;
    size_t n;
    if (!fs_list(r->fs, r->dir, r->arena, &infos, &n, e) || !checkpoint_pick(r, infos, n, e)) {
        return false;
    }
    r->segments = ARENA_NEW_N(r->arena, struct found, n + 1);
    for (size_t i = 0; i < n; i++) {
        u64 number;
        if (wal_name_parse(infos[i].name, STR("ckpt"), &number)) {
            r->out->next_number = MAX(r->out->next_number, number);
            if (number < r->checkpoint) {
                unlink_name(r, infos[i].name); // Superseded; the newer one is whole.
            }
        } else if (str_ends(infos[i].name, STR(".tmp"))) {
            unlink_name(r, infos[i].name); // Never finished, never listed.
        } else if (wal_name_parse(infos[i].name, STR("seg"), &number)) {
            r->out->next_number = MAX(r->out->next_number, number + 1);
            if (number < r->checkpoint) {
                unlink_name(r, infos[i].name); // A truncation was interrupted.
                continue;
            }
            u32 at = r->count++;
            for (; at > 0 && r->segments[at - 1].number > number; at--) {
                r->segments[at] = r->segments[at - 1]; // Names of 9 digits sort behind 8.
            }
            r->segments[at] =
                (struct found){.number = number, .bytes = infos[i].bytes, .limit = LIMIT_NONE};
        }
    }
    return true;
}

static bool headers_read(struct replay *r, struct error *e)
{
    for (u32 i = 0; i < r->count; i++) {
        struct found *s = &r->segments[i];
        struct fs_map map;
        struct error why = {0};
        if (!map_segment(r, "seg", s->number, &map)) {
            return false;
        }
        s->bytes = map.len;
        s->bad_header = !header_decode(r, &map, s->number, &s->header, &why);
        if (!unmap_segment(r, "seg", s->number, &map)) {
            return false;
        }
        if (why.code == ERR_UNSUPPORTED) {
            return err_set(e, why.code, "%s/seg-%08llu: %s", r->dir, (unsigned long long)s->number,
                           why.text);
        }
        for (u32 k = 0; k < i && !s->bad_header; k++) { // What a later header calls void.
            struct found *old = &r->segments[k];
            if (s->header.resume_segment == 0 || old->number < s->header.resume_segment) {
                continue;
            }
            u64 limit = old->number == s->header.resume_segment ? s->header.resume_offset : 0;
            old->limit = MIN(old->limit, limit);
        }
    }
    return true;
}

static void marks_read(struct replay *r, const struct found *s)
{
    struct fs_map map;
    if (s->bad_header || s->limit == 0 || !map_segment(r, "seg", s->number, &map)) {
        return;
    }
    struct wal_reader reader;
    wal_reader_init(&reader, map_str(&map), s->limit, s->header.salt);
    while (wal_reader_next(&reader)) {
        u64 segment;
        u64 offset;
        if (reader.kind != WAL_SYNCED || !wal_get_synced(reader.payload, &segment, &offset)) {
            continue;
        }
        if (segment > r->mark_segment || (segment == r->mark_segment && offset > r->mark_offset)) {
            r->mark_segment = segment;
            r->mark_offset = offset;
        }
    }
    (void)unmap_segment(r, "seg", s->number, &map); // The run has failed then.
}

// Whether a bad place was once whole on disk.
static bool was_synced(const struct replay *r, u64 segment, u64 offset)
{
    return segment < r->mark_segment || (segment == r->mark_segment && offset < r->mark_offset);
}

static void cut_from(struct replay *r, u32 index, u64 offset)
{
    struct found *s = &r->segments[index];
    u64 bytes = s->bytes > offset ? s->bytes - offset : 0;
    s->limit = MIN(s->limit, offset);
    for (u32 i = index + 1; i < r->count; i++) {
        bytes += r->segments[i].bytes;
        r->segments[i].limit = 0;
    }
    r->out->resume_segment = s->number;
    r->out->resume_offset = offset;
    r->out->void_bytes = bytes;
    LOGF(r->log, LOG_INFO, "wal: cut a torn tail of %llu bytes at %s/seg-%08llu:%llu",
         (unsigned long long)bytes, r->dir, (unsigned long long)s->number,
         (unsigned long long)offset);
}

static void damage_tell(struct replay *r, u64 segment, u64 offset, u64 bytes)
{
    r->out->corruptions++;
    LOGF(r->log, LOG_WARN,
         "wal: %s/seg-%08llu is damaged at offset %llu (%llu bytes passed over); its column group "
         "misses rows up to its next full one",
         r->dir, (unsigned long long)segment, (unsigned long long)offset,
         (unsigned long long)bytes);
}

// A segment that ends earlier than the next one says lost its end, although at a record's edge:
// nothing else tells. false once the tail has been cut.
static bool whole_before(struct replay *r, u32 index, u64 bytes)
{
    const struct found *s = &r->segments[index];
    if (MIN(bytes, s->limit) <= s->bytes) {
        return true;
    }
    if (!was_synced(r, s->number, s->bytes)) {
        cut_from(r, index, s->bytes);
        return false;
    }
    damage_tell(r, s->number, s->bytes, bytes - s->bytes);
    return true;
}

// Looks for bad places in order; false once the tail has been cut.
static bool segment_judge(struct replay *r, u32 index)
{
    struct found *s = &r->segments[index];
    u64 expected = index > 0 ? r->segments[index - 1].number : 0;
    u64 previous = s->bad_header ? expected : s->header.previous;
    bool missing = index > 0 ? previous > expected : previous != 0 && previous >= r->checkpoint;
    if (missing) {
        if (!was_synced(r, previous, 0)) {
            cut_from(r, index, 0);
            return false;
        }
        damage_tell(r, previous, 0, 0);
    }
    if (s->limit == 0) {
        return true;
    }
    if (index > 0 && !s->bad_header && previous == expected &&
        !whole_before(r, index - 1, s->header.previous_bytes)) {
        return false;
    }
    struct fs_map map;
    if (s->bad_header) {
        if (!was_synced(r, s->number, 0)) {
            cut_from(r, index, 0);
            return false;
        }
        damage_tell(r, s->number, 0, s->bytes);
        s->limit = 0;
        return true;
    }
    if (!map_segment(r, "seg", s->number, &map)) {
        return false;
    }
    struct wal_reader reader;
    wal_reader_init(&reader, map_str(&map), s->limit, s->header.salt);
    bool more = true;
    bool whole = true;
    while (more && whole) {
        more = wal_reader_next(&reader);
        if (fs_map_holes(&map) > 0) {
            break;
        }
        if (reader.bad_bytes == 0) {
            continue;
        }
        whole = was_synced(r, s->number, reader.bad_at);
        if (whole) {
            damage_tell(r, s->number, reader.bad_at, reader.bad_bytes);
        } else {
            cut_from(r, index, reader.bad_at);
        }
    }
    return unmap_segment(r, "seg", s->number, &map) && whole;
}

static void record_apply(struct replay *r, const char *name, u8 kind, str payload, u64 at)
{
    struct error why = {0};
    if (r->failed || wal_decode(r->decoder, kind, payload, &why)) {
        return;
    }
    if (why.code == ERR_LIMIT) { // It is good: who goes on without it loses it.
        r->failed = !err_set(&r->error, why.code, "%s/%s: %s", r->dir, name, why.text);
    } else {
        r->out->corruptions++;
        LOGF(r->log, LOG_WARN, "wal: %s/%s at offset %llu: %s", r->dir, name,
             (unsigned long long)at, why.text);
    }
}

static void batch_apply(struct replay *r, const char *name)
{
    wal_batch_sort(&r->batch);
    for (u32 i = 0; i < r->batch.n; i++) {
        const struct wal_waiting *w = &r->batch.items[i];
        record_apply(r, name, WAL_FRAGMENT, (str){w->payload, w->len}, w->record_at);
    }
    r->batch.n = 0;
}

// Fragments wait until something is told that they must not be mixed up with.
static void records_apply(struct replay *r, const struct fs_map *map, u64 limit, u32 salt,
                          const char *name)
{
    struct wal_reader reader;
    wal_reader_init(&reader, map_str(map), limit, salt);
    while (wal_reader_next(&reader)) {
        const u8 kind = (u8)reader.kind;
        if (kind == WAL_FRAGMENT && wal_batch_add(&r->batch, reader.payload, reader.record_at)) {
            continue;
        }
        if (kind != WAL_SYNCED && kind != WAL_METADATA && kind != WAL_EXEMPLARS) {
            batch_apply(r, name);
        }
        record_apply(r, name, kind, reader.payload, reader.record_at);
    }
    batch_apply(r, name);
}

static void checkpoint_apply(struct replay *r)
{
    struct fs_map map;
    struct wal_header header = {0};
    struct error why = {0};
    if (r->checkpoint == 0) {
        return;
    }
    if (!map_segment(r, "ckpt", r->checkpoint, &map)) {
        return;
    }
    if (header_decode(r, &map, r->checkpoint, &header, &why)) {
        struct wal_reader reader;
        wal_reader_init(&reader, map_str(&map), LIMIT_NONE, header.salt);
        bool more = true;
        while (more) {
            more = wal_reader_next(&reader) && fs_map_holes(&map) == 0;
            if (reader.bad_bytes > 0 && fs_map_holes(&map) == 0) {
                r->out->corruptions++;
                LOGF(r->log, LOG_WARN, "wal: %s/ckpt-%08llu is damaged at offset %llu", r->dir,
                     (unsigned long long)r->checkpoint, (unsigned long long)reader.bad_at);
            }
        }
        records_apply(r, &map, LIMIT_NONE, header.salt, "checkpoint");
    }
    (void)unmap_segment(r, "ckpt", r->checkpoint, &map);
}

static void segment_apply(struct replay *r, const struct found *s)
{
    struct fs_map map;
    char name[64];
    (void)snprintf(name, sizeof(name), "seg-%08llu", (unsigned long long)s->number);
    r->decoder->t_max = INT64_MIN;
    if (s->limit != 0 && !s->header.continues) { // A void one is as if it had never been.
        wal_decoder_segment(r->decoder);
    }
    if (s->limit != 0 && map_segment(r, "seg", s->number, &map)) {
        records_apply(r, &map, s->limit, s->header.salt, name);
        (void)unmap_segment(r, "seg", s->number, &map);
    }
    r->out->kept[r->out->kept_count++] =
        (struct wal_kept){.number = s->number,
                          .bytes = MIN(s->bytes, s->limit),
                          .t_max = r->decoder->t_max,
                          .continues = !s->bad_header && s->header.continues};
}

static bool replay_failed(const struct replay *r, struct error *e)
{
    if (r->failed && e) {
        *e = r->error;
    }
    return false;
}

static const struct wal_kept *kept_find(const struct head_image_file *image, u64 number)
{
    for (u32 i = 0; i < image->kept_count; i++) {
        if (image->kept[i].number == number) {
            return &image->kept[i];
        }
    }
    return NULL;
}

// Whether the log says nothing about what lies before the image's first segment.
static bool image_fits(const struct replay *r, const struct head_image_file *image)
{
    if (image->first <= r->checkpoint) {
        return false; // Ordinals that it names may have new owners.
    }
    for (u32 i = 0; i < r->count; i++) {
        const struct found *s = &r->segments[i];
        if (s->number < image->first) {
            if (!kept_find(image, s->number)) {
                return false;
            }
            continue;
        }
        bool begins = s->number == image->first;
        if (s->bad_header || (begins && s->header.continues) ||
            (s->header.resume_segment != 0 && s->header.resume_segment < image->first)) {
            return false;
        }
    }
    return true;
}

// Segments before the image's first are not looked at any more, only remembered.
static void image_take(struct replay *r, const struct head_image_file *image)
{
    u32 n = 0;
    while (n < r->count && r->segments[n].number < image->first) {
        r->out->kept[r->out->kept_count++] = *kept_find(image, r->segments[n].number);
        n++;
    }
    memmove(r->segments, r->segments + n, (r->count - n) * sizeof(struct found));
    r->count -= n;
    r->checkpoint = image->first; // As if it were one.
    r->out->next_number = MAX(r->out->next_number, image->first);
    r->out->from_image = true;
}

// Pass one: what of the segments counts.
static bool segments_look(struct replay *r)
{
    for (u32 i = 0; i < r->count; i++) {
        marks_read(r, &r->segments[i]);
    }
    for (u32 i = 0; i < r->count && segment_judge(r, i); i++) {
    }
    return !r->failed;
}

// A process that was killed left room behind its newest segment that it had set aside: 64 MiB for
// each start would fill a disk in a circle of crashes.
static void room_release(const struct replay *r)
{
    char path[512];
    struct error ignored; // Then it stays until the log is truncated.
    const struct found *s = r->count > 0 ? &r->segments[r->count - 1] : NULL;
    if (!s) {
        return;
    }
    wal_path(r->dir, "seg", s->number, path);
    struct file *f = fs_open(r->fs, path, FS_WRITE, &ignored);
    if (f) {
        (void)!fs_truncate(r->fs, f, s->bytes, &ignored);
        fs_close(r->fs, f);
    }
}

static void segments_apply(struct replay *r, const struct wal_replay_job *job)
{
    if (!r->out->from_image) {
        checkpoint_apply(r);
    }
    for (u32 i = 0; i < r->count; i++) {
        if (job->progress) {
            job->progress->segment_now = (i64)r->segments[i].number;
        }
        segment_apply(r, &r->segments[i]);
        if (job->between) {
            job->between(job->ctx, r->decoder);
        }
    }
    wal_batch_fini(&r->batch);
}

bool wal_replay(const struct wal_replay_job *job, struct wal_replayed *out, struct error *e)
{
    struct tsdb_replay_progress *progress = job->progress;
    *out = (struct wal_replayed){.next_number = 1};
    struct replay r = {.fs = job->fs,
                       .log = job->log,
                       .dir = job->dir,
                       .stream = job->stream,
                       .arena = job->arena,
                       .decoder = job->decoder,
                       .out = out};
    if (!segments_list(&r, e) || !headers_read(&r, e)) {
        return replay_failed(&r, e);
    }
    out->kept = ARENA_NEW_N(r.arena, struct wal_kept, r.count + 1);
    if (job->image && image_fits(&r, job->image) && job->image_load(job->ctx)) {
        image_take(&r, job->image);
    }
    if (progress && r.count > 0) {
        progress->segment_min = (i64)r.segments[0].number;
        progress->segment_max = (i64)r.segments[r.count - 1].number;
        progress->segment_now = progress->segment_min; // It is judged before it is applied.
    }
    if (!segments_look(&r)) {
        return replay_failed(&r, e);
    }
    segments_apply(&r, job);
    if (r.failed) {
        return replay_failed(&r, e);
    }
    room_release(&r);
    return true;
}
