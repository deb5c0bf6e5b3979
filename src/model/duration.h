// duration.h: Prometheus durations: 1y2w3d4h5m6s7ms, each unit once, in falling order; "0" alone.
#ifndef MODEL_DURATION_H
#define MODEL_DURATION_H

#include "base/base.h"

struct error;
struct buf;

bool duration_parse(str s, i64 *ms, struct error *e) MUST_USE; // ≥ 0; overflow is an error.
void duration_print(struct buf *out, i64 ms);                  // Upstream's shortest form.
// Unix seconds as float, or RFC 3339 with fractions; to milliseconds.
bool time_parse(str s, i64 *t_ms, struct error *e) MUST_USE;
// The smallest round step (1s, 2s, 5s … 12h, whole days) of at least so much, for advice.
i64 duration_round_up(i64 least_ms); // least_ms ≤ INT64_MAX / 2
// 2026-01-02T15:04:05.123Z, as Go's RFC3339Nano prints in UTC (no fraction when zero).
size_t time_print_rfc3339(char out[40], i64 t_ms);

#endif
