// log.h: one line per event: logfmt (default) or JSON; the sink and the clock are injected.
//
// A line: time, level, source (folder/file:line), msg, then key=value pairs. CR, LF and control
// bytes are escaped. A line has at most LOG_LINE_MAX bytes; more is cut with "…" and counted.
// The same call site is limited to 10 lines a second (burst 100); what is held back is counted and
// told in the next line that passes (repeats=N).
// Threads: struct log is guarded by its own lock; the sink is called under it with one whole line
// and must not log.
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

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
void log_free(struct log *l);
void log_set_level(struct log *l, enum log_level level);
u64 log_lines_held_back(const struct log *l);

// One pair: a key and one printf-formatted value. A line takes up to 12.
struct log_pair {
    const char *key;
    str value;
};
#define LOG_STR(k, s) ((struct log_pair){(k), (s)})

// The macros add file and line. pairs may be empty: LOG_INFO_(l, "ready").
// A NULL log drops the line.
void log_write(struct log *l, enum log_level level, const char *file, int line, str msg,
               const struct log_pair *pairs, size_t pair_count);
// printf-formatted message without pairs.
void log_printf(struct log *l, enum log_level level, const char *file, int line,
                const char *format, ...) PRINTF_LIKE(5, 6);

#define LOG_AT(l, level, msg, ...)                                                                 \
    log_write((l), (level), __FILE__, __LINE__, str_c_(msg),                                       \
              (const struct log_pair[]){{0}, ##__VA_ARGS__} + 1,                                   \
              sizeof((const struct log_pair[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_pair) - 1)
#define LOGF(l, level, ...) log_printf((l), (level), __FILE__, __LINE__, __VA_ARGS__)

static inline str str_c_(const char *cstr)
{
    return (str){cstr, strlen(cstr)};
}

bool log_level_parse(str s, enum log_level *out);   // debug info warn error
bool log_format_parse(str s, enum log_format *out); // logfmt json

#endif
