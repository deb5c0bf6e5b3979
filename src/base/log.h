// log.h: one line per event: logfmt (default) or JSON; the sink and the clock are injected.
//
// A line: time, level, source (folder/file:line), msg, then key=value pairs. CR, LF and control
// bytes are escaped. A line has at most LOG_LINE_MAX bytes: a value that does not fit is cut with
// "…", what follows it is left out, and the line is counted.
// The same call site is limited to 10 lines a second (burst 100); what is held back is counted and
// told in the next line that passes (repeats=N). Sites beyond the 509th share one allowance.
// Threads: struct log is guarded by its own lock; the sink is called under it with one whole line
// and must not log.
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };
#define LOG_LINE_MAX 4096

struct log;

struct log_opts {
    enum log_level level;
    enum log_format format;
    void (*sink)(void *ctx, str line); // line ends in '\n'.
    void *sink_ctx;
    i64 (*now_ms)(void *ctx); // Unix milliseconds.
    void *now_ctx;
};

struct log *log_new(struct log_opts opts);
void log_free(struct log *l); // Accepts NULL.
void log_set_level(struct log *l, enum log_level level);
bool log_is_on(const struct log *l, enum log_level level); // Would such a line be written?
u64 log_lines_held_back(const struct log *l);
u64 log_lines_cut(const struct log *l);

// A key, which is a plain word of ours, and a value, which may be any bytes.
struct log_pair {
    const char *key;
    str value;
};
#define LOG_STR(k, s)  ((struct log_pair){(k), (s)})
#define LOG_CSTR(k, c) ((struct log_pair){(k), str_c(c)})

// Where a line comes from.
struct log_site {
    const char *file;
    int line;
    enum log_level level;
};
#define LOG_SITE(level) ((struct log_site){__FILE__, __LINE__, (level)})

// A NULL log drops the line.
void log_write(struct log *l, struct log_site site, str msg, const struct log_pair *pairs,
               size_t pair_count);
// A printf-formatted message without pairs.
void log_printf(struct log *l, struct log_site site, const char *format, ...) PRINTF_LIKE(3, 4);

// LOG_AT(l, LOG_INFO, "ready") or LOG_AT(l, LOG_WARN, "scrape failed", LOG_STR("job", job), …).
// The list begins with one empty pair so that it may be empty; it is not passed on.
#define LOG_AT(l, level, msg, ...)                                                                 \
    log_write((l), LOG_SITE(level), str_c(msg),                                                    \
              (const struct log_pair[]){{NULL, STR_EMPTY}, ##__VA_ARGS__} + 1,                     \
              sizeof((const struct log_pair[]){{NULL, STR_EMPTY}, ##__VA_ARGS__}) /                \
                      sizeof(struct log_pair) -                                                    \
                  1)
#define LOGF(l, level, ...) log_printf((l), LOG_SITE(level), __VA_ARGS__)

bool log_level_parse(str s, enum log_level *out);   // debug info warn error
bool log_format_parse(str s, enum log_format *out); // logfmt json

#endif
