// push_native.h: what remote write 1.0 carries beside floats: native histograms and exemplars.
//
//   Histogram  { uint64 count_int = 1; double count_float = 2; double sum = 3; sint32 schema = 4;
//                double zero_threshold = 5; uint64 zero_count_int = 6; double zero_count_float = 7;
//                BucketSpan negative_spans = 8; sint64 negative_deltas = 9;
//                double negative_counts = 10; positive: 11, 12, 13; ResetHint reset_hint = 14;
//                int64 timestamp = 15; double custom_values = 16 }
//   BucketSpan { sint32 offset = 1; uint32 length = 2 }
//   Label      { string name = 1; string value = 2 }
//   Exemplar   { Label labels = 1; double value = 2; int64 timestamp = 3 }
//
// Operations: one walk over the message, O(bytes). Memory: the arena given, which is asked for,
// never passed: what does not fit is PUSH_FULL. Whether a histogram makes sense is not judged here.
// Threads: pure functions.
#ifndef INGEST_PUSH_NATIVE_H
#define INGEST_PUSH_NATIVE_H

#include "base/base.h"
#include "model/labels.h"
#include "model/sample.h"

struct arena;
struct hist;
struct pb_reader;

enum push_read { PUSH_READ, PUSH_BROKEN, PUSH_FULL };

// The message that outer stands at.
enum push_read push_hist_read(struct pb_reader *outer, struct arena *a, const struct hist **out,
                              i64 *t_ms);
// One label, borrowed from the message; and how a set is sorted: struct label by name.
bool push_label_read(struct pb_reader *outer, struct label *out);
int push_label_order(const void *a, const void *b);
// Labels are borrowed from the message, sorted, without empty ones.
enum push_read push_exemplar_read(struct pb_reader *outer, struct arena *a, struct exemplar *out);

#endif
