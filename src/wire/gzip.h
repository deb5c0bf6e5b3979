// gzip.h: gzip (RFC 1952), whole runs of bytes and streams.
//
// Whole runs go through libdeflate, which is twice as fast; streams (HTTP bodies) through zlib.
// Every unpacking has a maximum: a bomb costs its own size and the maximum, and the error names it.
// Several members in a row are one run; anything else behind a member is an error.
#ifndef WIRE_GZIP_H
#define WIRE_GZIP_H

#include "base/base.h"

struct buf;
struct error;

// Appends bytes packed at level 1 (fast) to 12 (small); ask buf_ok of out.
void gzip_encode(str bytes, int level, struct buf *out);
// Appends what in unpacks to; ERR_LIMIT beyond bytes_max or out's maximum, ERR_CORRUPT on damage.
// out keeps its length on failure.
bool gzip_decode(str in, size_t bytes_max, struct buf *out, struct error *e) MUST_USE;

// A stream to unpack, fed piece by piece. About 44 KB. Threads: owned.
struct gunzip;
struct gunzip *gunzip_new(u64 bytes_max);
void gunzip_free(struct gunzip *g); // Accepts NULL.
// Appends what the piece yields. After a failure every later call fails in the same way.
bool gunzip_feed(struct gunzip *g, str piece, struct buf *out, struct error *e) MUST_USE;
// True if what was fed is whole; ERR_CORRUPT if the stream breaks off.
bool gunzip_end(struct gunzip *g, struct error *e) MUST_USE;

// A stream to pack. About 270 KB. Threads: owned.
struct gzipper;
struct gzipper *gzipper_new(int level); // 1 to 9
void gzipper_free(struct gzipper *g);   // Accepts NULL.
// Append what is ready; ask buf_ok of out. flush makes all that was fed readable; end closes the
// stream, after which nothing may be fed.
void gzipper_feed(struct gzipper *g, str piece, struct buf *out);
void gzipper_flush(struct gzipper *g, struct buf *out);
void gzipper_end(struct gzipper *g, struct buf *out);

#endif
