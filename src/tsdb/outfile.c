#include "tsdb/outfile.h"

#include "base/hash.h"
#include "os/fs.h"

#include <stdio.h>

bool outfile_open(struct outfile *o, struct fs *fs, const char *path, struct error *e)
{
    *o = (struct outfile){.fs = fs};
    o->file = fs_open(fs, path, FS_TRUNCATE, e);
    if (!o->file) {
        return false;
    }
    o->buffer = MEM_NEW_N(u8, OUTFILE_BUFFER);
    return true;
}

static void flush(struct outfile *o)
{
    if (o->used == 0 || o->failed) {
        return;
    }
    str bytes = {(const char *)o->buffer, o->used};
    if (!fs_write_at(o->fs, o->file, o->written, bytes, &o->error)) {
        o->failed = true;
        return;
    }
    o->written += o->used;
    o->used = 0;
}

void outfile_add(struct outfile *o, const void *bytes, size_t len)
{
    const u8 *from = bytes;
    o->crc = crc32c(o->crc, bytes, len);
    while (len > 0 && !o->failed) {
        size_t part = MIN(len, OUTFILE_BUFFER - o->used);
        memcpy(o->buffer + o->used, from, part);
        o->used += part;
        from += part;
        len -= part;
        if (o->used == OUTFILE_BUFFER) {
            flush(o);
        }
    }
}

u64 outfile_offset(const struct outfile *o)
{
    return o->written + o->used;
}

u32 outfile_crc(struct outfile *o)
{
    u32 crc = o->crc;
    o->crc = 0;
    return crc;
}

bool outfile_finish(struct outfile *o, struct error *e)
{
    flush(o);
    if (!o->failed && !fs_sync(o->fs, o->file, &o->error)) {
        o->failed = true;
    }
    if (o->failed && e) {
        *e = o->error;
    }
    return !o->failed;
}

void outfile_close(struct outfile *o)
{
    if (o->file) {
        fs_close(o->fs, o->file);
    }
    mem_free(o->buffer);
    *o = (struct outfile){0};
}

void folder_parent(const char *path, char *out, size_t size)
{
    (void)snprintf(out, size, "%s", path);
    for (size_t len = strlen(out); len > 1 && out[len - 1] == '/'; len--) {
        out[len - 1] = '\0';
    }
    char *slash = strrchr(out, '/');
    if (!slash) {
        (void)snprintf(out, size, ".");
    } else {
        slash[slash == out] = '\0';
    }
}
