// expo_labels.h: the series part of an exposition line: name{label="value",…}.
//
// Private to ingest. series_scan finds where the series ends without building anything;
// series_parse builds sorted labels. Both accept the quoted names of UTF-8 exposition:
// {"metric.name","label.x"="v"}.
#ifndef INGEST_EXPO_LABELS_H
#define INGEST_EXPO_LABELS_H

#include "base/base.h"
#include "model/labels.h"

struct arena;
struct error;

#define EXPO_LABELS_MAX 1024 // Of one line; more is refused.

// Length of the series at the start of s (blanks behind it not counted); 0 with *reason set.
size_t series_scan(str s, const char **reason);
// The metric name inside series, as far as it needs no unescaping (for _created and units).
str series_name(str series);
// blank (may be NULL) gets the labels that the page spells with an empty value; out has none.
bool series_parse(str series, struct arena *a, struct labels *out, struct labels *blank,
                  struct error *e) MUST_USE;
bool labels_full_tell(struct error *e); // Yields false, as err_set.
// A label block {…} alone, as exemplars have it; returns its length, 0 on error.
size_t label_block_parse(str s, struct arena *a, struct labels *out, struct error *e);

#endif
