// http_pack.h: answers packed with zstd or gzip when the client takes it and it pays.
//
// Whole answers from HTTP_PACK_BYTES_MIN on are packed at once, streams piece by piece.
// Threads: owned by the thread that writes the answer.
#ifndef NET_HTTP_PACK_H
#define NET_HTTP_PACK_H

#include "net/http_msg.h"

#define HTTP_PACK_BYTES_MIN 1024U

struct http_pack;

// The client accepts one of them, the answer may have a body and is not packed already.
bool http_pack_wanted(const struct http_response *rs);
void http_pack_headers(struct http_response *rs); // Content-Encoding, Vary
// Packs rs->body into out and sets the headers; false: not worth it, nothing was changed.
bool http_pack_whole(struct http_response *rs, struct buf *out);

struct http_pack *http_pack_new(const struct http_request *rq);
void http_pack_free(struct http_pack *p); // Accepts NULL.
// Packs bytes and hands on what is ready; end closes the packed stream. false: out said no.
bool http_pack_write(struct http_pack *p, str bytes, bool end, bool (*out)(void *ctx, str packed),
                     void *ctx);

#endif
