// push_fixture.h: remote-write requests put together by hand, and pushed; for this folder's tests.
// Threads: pure functions.
#ifndef INGEST_PUSH_FIXTURE_H
#define INGEST_PUSH_FIXTURE_H

#include "base/base.h"
#include "ingest/ingest.h"

struct buf;
struct error;

void fixture_label(struct buf *b, const char *name, const char *value);
void fixture_sample(struct buf *b, f64 value, i64 t_ms);
// Packs the request; opts needs no decoded_bytes_max.
bool fixture_push(struct push_opts opts, const struct buf *request, struct push_result *out,
                  struct error *e) MUST_USE;

#endif
