// ingest.h: from foreign bytes to staged samples: exposition pages and remote-write requests.
//
// Parsers are pull cursors over a whole body: nothing is copied, every str points into the body or
// the parser's scratch. Errors name line and reason. Nothing is appended here for scrapes: the
// scrape loop owns the appender, so that a page commits all or nothing. For pushes, ingest_push
// does the whole of it.
// Threads: a parser is owned; the rest is pure.
#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include "base/base.h"
#include "base/error.h"
#include "model/labels.h"
#include "model/sample.h"
#include "storage/storage.h"

struct arena;

// ---- exposition ----

enum expo_format { EXPO_NONE, EXPO_TEXT, EXPO_OPENMETRICS };

// From a Content-Type header; EXPO_NONE if missing or unknown (then the fallback, if any, holds).
enum expo_format expo_format_of(str content_type);
// The Accept header a scrape sends, q falling from 0.6, closed by */*.
str expo_accept_header(void);

enum expo_kind { EXPO_SAMPLE, EXPO_TYPE, EXPO_HELP, EXPO_UNIT, EXPO_COMMENT };

// What the cursor stands on. series is the raw text of the series (name and labels, as in the
// page): the key of the scrape cache; labels are parsed only when asked (expo_labels).
struct expo_entry {
    enum expo_kind kind;
    u32 line; // 1-based.
    str series;
    f64 value;
    i64 t_ms;
    bool has_t;
    bool is_created; // OpenMetrics _created line: counted, not a sample.
    bool has_exemplar;
    struct exemplar exemplar;
    str family; // TYPE, HELP and UNIT.
    str text;   // HELP (unescaped) and UNIT.
    enum metric_type type;
};

struct expo;
struct expo *expo_open(str body, enum expo_format format);
bool expo_next(struct expo *x, struct expo_entry *out); // false: the end or an error.
// Something that an earlier page of the same format had: a series, by the text of its entry, or a
// run of whole # lines without # EOF.
struct expo_piece {
    str text;
    u32 lines;   // Of a run; 0 = a series.
    bool typed;  // One of them is a TYPE line,
    bool united; // a UNIT line.
};
// Takes the pieces that the page goes on with, in this order, up to the first that does not stand
// there; expo_next shall see what does. Behind a series stand one space and a short number, neither
// time nor exemplar: values[i], where pieces[i] is one. Returns how many were taken.
u32 expo_known(struct expo *x, const struct expo_piece *pieces, u32 n, f64 *values);
struct expo_place {
    size_t at;
    u32 line; // Lines before it.
};
struct expo_place expo_place(const struct expo *x); // Of what expo_next sees.
// Parses the labels of entry->series into the arena, sorted, __name__ included; le and quantile
// normalised as floats (1 → 1.0). blank (may be NULL) gets, unsorted, the labels that stand there
// with an empty value: they are no labels, but with honor_labels they keep the target's out.
bool expo_labels(struct expo *x, const struct expo_entry *entry, struct arena *a,
                 struct labels *out, struct labels *blank, struct error *e) MUST_USE;
// What the page says of the family that a sample of this name belongs to, for a series of the entry
// read last: METRIC_UNKNOWN and an empty unit where it says nothing. *unit is borrowed of the body.
void expo_schema(const struct expo *x, str name, enum metric_type *type, str *unit);
// ERR_INVALID with line and reason if the walk ended early. *error_line (may be NULL) is 1-based.
bool expo_close(struct expo *x, u32 *error_line, struct error *e);

// ---- push ----

// What pushes have spelt, so that known series cost little; at most bytes_max of memory. One serves
// one storage, whatever the tenant, and one set of limits. Threads: guarded inside.
struct push_cache;
struct push_cache *push_cache_new(size_t bytes_max) MUST_USE;
void push_cache_free(struct push_cache *c);    // Accepts NULL.
size_t push_cache_bytes(struct push_cache *c); // Held from the system.

// Threads: frozen; one for all requests.
struct push_opts {
    struct storage *storage;
    struct push_cache *cache; // NULL = every label is read.
    struct tenant_id tenant;
    struct labels_limits limits;
    u64 decoded_bytes_max; // 32 MiB.
};

struct push_result {
    u64 outcomes[APPEND_OUTCOME_COUNT]; // Samples of the request, each once (W4).
    u64 samples;
    u64 histograms; // Native ones: of samples.
    u64 histograms_stored;
    u64 exemplars;
    u64 series_bad_labels;
    u64 wal_position;         // What the answer has to wait for.
    struct error first_error; // Of the first sample refused for limit or invalid, for the text.
};

// Decodes and stages one snappy-compressed remote write 1.0 request and commits it
// DURABILITY_SYNC. false: nothing was stored and *out is untouched (bad snappy or protobuf:
// ERR_INVALID; too large: ERR_LIMIT; disk full: ERR_NO_SPACE; …), or not all of it and it should be
// sent again (ERR_UNAVAILABLE, ERR_NO_SPACE, ERR_IO): *out counts the outcomes that stand, and what
// was stored is a duplicate then.
bool push_remote_write_1(const struct push_opts *opts, str body, struct arena *a,
                         struct push_result *out, struct error *e) MUST_USE;

#endif
