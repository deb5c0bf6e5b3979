// tmpl.h: the templates of alert labels and annotations (Go text/template's language, the parts
// that Prometheus and Alertmanager users write).
//
// Built: text, {{ }} with trimming, $labels $value $externalLabels $externalURL, .Labels .Value,
// pipelines, literals, variables, if/else/range/with, and the table of functions. A query function
// comes in as a callback. Steps, depth and output are bounded.
// Threads: a compiled template is frozen.
#ifndef TMPL_TMPL_H
#define TMPL_TMPL_H

#include "base/base.h"
#include "model/labels.h"

struct arena;
struct buf;
struct error;

struct tmpl;

struct tmpl_query_sample {
    struct labels labels;
    f64 value;
};

struct tmpl_data {
    struct labels labels;
    struct labels external_labels;
    str external_url;
    f64 value;
    i64 now_ms;
    // Optional: evaluates an instant query; results live in the arena.
    bool (*query)(void *ctx, str expr, struct arena *a, struct tmpl_query_sample **out, u32 *count,
                  struct error *e);
    void *query_ctx;
};

// Parses; errors carry line:col inside the text. The template lives in the arena.
struct tmpl *tmpl_compile(struct arena *a, str text, struct error *e);
// Runs into out (bounded by its max).
bool tmpl_run(const struct tmpl *t, const struct tmpl_data *data, struct arena *a, struct buf *out,
              struct error *e) MUST_USE;

const char *tmpl_function_name(u32 index); // Sorted; NULL past the last.

// Upstream's number humanisers, also used by the UI's texts.
void tmpl_humanize(struct buf *out, f64 v);
void tmpl_humanize_1024(struct buf *out, f64 v);
void tmpl_humanize_duration(struct buf *out, f64 seconds);
void tmpl_humanize_percentage(struct buf *out, f64 v);

#endif
