// url.h: absolute URLs apart and together again, and percent-decoding that decodes once.
//
// Everything is O(length). Parts of a parsed URL are borrowed from the text; what is decoded or
// joined is made in the caller's arena.
// Invariants:
//   (I1) What url_parse takes, url_print gives back in one canonical form that parses to the same.
//   (I2) Nothing is decoded twice; a broken escape is an error, never passed through.
// Threads: values.
#ifndef NET_URL_H
#define NET_URL_H

#include "base/base.h"

struct arena;
struct buf;
struct error;

#define URL_BYTES_MAX 8192

// scheme://userinfo@host:port/path?query#fragment, each part still escaped. host has no brackets.
struct url {
    str scheme; // Lower case.
    str userinfo;
    str host;
    u16 port; // 0: the scheme's own.
    str path; // Empty or begins with '/'.
    str query;
    str fragment;
    bool is_ipv6; // host is printed in brackets.
    bool has_query;
};

// Absolute URLs only; white space, control bytes and bytes that no URL may hold are refused.
bool url_parse(str text, struct arena *a, struct url *out, struct error *e) MUST_USE;
void url_print(struct buf *out, const struct url *u);
// The reference ref (absolute, //host, /path, path, ?query, #fragment) seen from base, RFC 3986.
bool url_join(const struct url *base, str ref, struct arena *a, struct url *out,
              struct error *e) MUST_USE;
u16 url_port(const struct url *u); // The given port, or 80 and 443 of http and https.
bool url_same_origin(const struct url *a, const struct url *b);
str url_host_port(const struct url *u, struct arena *a); // As a Host header has it.

// Percent-decodes; plus says whether '+' is a space (queries and forms). NUL is refused.
bool url_decode(str text, bool plus, struct arena *a, str *out, struct error *e) MUST_USE;
// Escapes all but A-Z a-z 0-9 - . _ ~ (and '/' if keep_slash).
void url_encode(struct buf *out, str text, bool keep_slash);

// Walks the segments of a path: "/a//b" gives "a", "", "b". Segments are still escaped.
// *rest is the path to begin with.
bool url_segment_next(str *rest, str *segment);

#endif
