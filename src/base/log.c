// log.c: see log.h. A line is put together in the log's own buffer, under its lock.
#include "base/log.h"

#include "base/checked.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define SITES        512 // A power of two; the last few stay free so that probing ends.
#define SITES_USED   509
#define LINE         1000 // Credit is counted in thousandths of a line:
#define BURST        ((i64)100 * LINE)
#define LINES_PER_S  10 // which makes it so many a millisecond.
#define TAIL_RESERVE 48 // Kept for the mark of a cut, repeats=N, the closing and the line feed.
#define MARK         "\xE2\x80\xA6" // "…"

// How much a call site has written lately. Threads: guarded by the log's lock.
struct site {
    const char *file; // NULL: free.
    int line;
    i64 credit;
    i64 seen_ms;
    u64 held_back; // Since the last line that passed.
};

// Threads: guarded by lock, but for the two counts and the level, which are atomic.
struct log {
    _Atomic(int) level;
    _Atomic(u64) held_back;
    _Atomic(u64) cut;
    struct log_opts opts; // Frozen.
    pthread_mutex_t lock;
    struct site sites[SITES];
    u32 site_count;
    struct site shared; // For the sites beyond SITES_USED.
    char line[LOG_LINE_MAX];
    size_t len;
    bool line_cut;
};

struct log *log_new(struct log_opts opts)
{
    CHECK(opts.sink && opts.now_ms);
    struct log *l = MEM_NEW(struct log);
    l->opts = opts;
    l->shared.credit = BURST;
    atomic_init(&l->level, (int)opts.level);
    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    return l;
}

void log_free(struct log *l)
{
    if (l) {
        CHECK(pthread_mutex_destroy(&l->lock) == 0);
        mem_free(l);
    }
}

void log_set_level(struct log *l, enum log_level level)
{
    atomic_store(&l->level, (int)level);
}

bool log_is_on(const struct log *l, enum log_level level)
{
    return l && (int)level >= atomic_load(&l->level);
}

u64 log_lines_held_back(const struct log *l)
{
    return atomic_load(&l->held_back);
}

u64 log_lines_cut(const struct log *l)
{
    return atomic_load(&l->cut);
}

static struct site *site_of(struct log *l, const char *file, int line)
{
    u64 mixed = ((u64)(uintptr_t)file * 31 + (u64)line) * 0x9E3779B97F4A7C15ULL;
    size_t at = (size_t)(mixed >> 32) & (SITES - 1);
    while (l->sites[at].file && (l->sites[at].file != file || l->sites[at].line != line)) {
        at = (at + 1) & (SITES - 1);
    }
    if (l->sites[at].file) {
        return &l->sites[at];
    }
    if (l->site_count >= SITES_USED) {
        return &l->shared;
    }
    l->site_count++;
    l->sites[at] = (struct site){.file = file, .line = line, .credit = BURST};
    return &l->sites[at];
}

// Takes one line's worth of the site's allowance; false if it is used up.
static bool site_allows(struct log *l, struct site *s, i64 now_ms)
{
    if (now_ms > s->seen_ms) {
        i64 passed = MIN(sat_sub_i64(now_ms, s->seen_ms), BURST);
        s->credit = MIN(s->credit + passed * LINES_PER_S, BURST);
    }
    s->seen_ms = now_ms;
    if (s->credit < LINE) {
        s->held_back++;
        atomic_fetch_add(&l->held_back, 1);
        return false;
    }
    s->credit -= LINE;
    return true;
}

// Appends all of it or, if that would pass the limit, nothing.
static bool put(struct log *l, str s, size_t limit)
{
    if (l->len + s.len > limit) {
        return false;
    }
    memcpy(l->line + l->len, s.ptr, s.len);
    l->len += s.len;
    return true;
}

// The escape of one character of a value, or the character itself.
static str escaped(enum log_format format, str s, size_t *pos, char out[8])
{
    size_t from = *pos;
    u32 c = 0;
    bool good = utf8_next(s, pos, &c);
    static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    int len = 0;
    if (!good && format == LOG_JSON) {
        return STR("\\ufffd");
    }
    if (!good) {
        len = snprintf(out, 8, "\\x%02x", (unsigned)(u8)s.ptr[from]);
    } else if (c < sizeof(named) && named[c]) {
        len = snprintf(out, 8, "\\%c", named[c]);
    } else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029) {
        len = snprintf(out, 8, "\\u%04x", (unsigned)c);
    } else {
        return str_sub(s, from, *pos);
    }
    return (str){out, (size_t)len};
}

static bool needs_quotes(str value)
{
    if (value.len == 0) {
        return true;
    }
    for (size_t i = 0; i < value.len; i++) {
        u8 c = (u8)value.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F) {
            return true;
        }
    }
    return false;
}

// A value with its quotes, cut if it does not fit. limit leaves room for the mark and a quote.
static void put_value(struct log *l, str value, size_t limit)
{
    bool quotes = l->opts.format == LOG_JSON || needs_quotes(value);
    if (quotes) {
        l->line[l->len++] = '"';
    }
    for (size_t pos = 0; pos < value.len;) {
        char text[8];
        if (!put(l, escaped(l->opts.format, value, &pos, text), limit)) {
            l->line_cut = true;
            CHECK(put(l, STR(MARK), LOG_LINE_MAX));
            break;
        }
    }
    if (quotes) {
        l->line[l->len++] = '"';
    }
}

static void put_pair(struct log *l, const char *key, str value, size_t limit)
{
    str name = str_c(key);
    if (l->line_cut || l->len + name.len + 6 > limit) {
        l->line_cut = true;
        return;
    }
    bool json = l->opts.format == LOG_JSON;
    bool ok = (l->len == 0 || put(l, json ? STR(",") : STR(" "), limit)) &&
              (!json || put(l, STR("\""), limit)) && put(l, name, limit) &&
              put(l, json ? STR("\":") : STR("="), limit);
    CHECK(ok);
    put_value(l, value, limit);
}

// The last two parts of a path.
static str short_path(const char *file)
{
    str path = str_c(file);
    size_t slash = str_find_last(path, '/');
    if (slash == STR_NONE) {
        return path;
    }
    size_t before = str_find_last(str_sub(path, 0, slash), '/');
    return before == STR_NONE ? path : str_sub(path, before + 1, path.len);
}

static str put_time(char out[40], i64 unix_ms)
{
    i64 s = unix_ms / 1000 - (unix_ms % 1000 < 0);
    time_t seconds = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) {
        return STR("-");
    }
    size_t len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    int more = snprintf(out + len, 40 - len, ".%03dZ", (int)(unix_ms - s * 1000));
    return (str){out, len + (size_t)more};
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return "DEBUG";
    case LOG_INFO:
        return "INFO";
    case LOG_WARN:
        return "WARN";
    case LOG_ERROR:
        return "ERROR";
    }
    return "UNKNOWN";
}

static void begin_line(struct log *l, struct log_site site, i64 now_ms)
{
    char text[128];
    l->len = 0;
    l->line_cut = false;
    size_t limit = LOG_LINE_MAX - TAIL_RESERVE;
    if (l->opts.format == LOG_JSON) {
        l->line[l->len++] = '{';
    }
    // After '{' the first pair must not begin with a comma, so time is written by hand.
    char stamp[40];
    str time = put_time(stamp, now_ms);
    bool ok = put(l, l->opts.format == LOG_JSON ? STR("\"time\":") : STR("time="), limit);
    CHECK(ok);
    put_value(l, time, limit);
    put_pair(l, "level", str_c(level_name(site.level)), limit);
    str path = short_path(site.file);
    int len = snprintf(text, sizeof(text), "%.*s:%d", (int)MIN(path.len, 100), path.ptr, site.line);
    put_pair(l, "source", (str){text, (size_t)len}, limit);
}

static void end_line(struct log *l, u64 repeats)
{
    if (repeats > 0) {
        char text[24];
        int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)repeats);
        bool cut = l->line_cut;
        l->line_cut = false; // TAIL_RESERVE has room for this one.
        put_pair(l, "repeats", (str){text, (size_t)len}, LOG_LINE_MAX - 4);
        l->line_cut = cut;
    }
    bool ok = put(l, l->opts.format == LOG_JSON ? STR("}\n") : STR("\n"), LOG_LINE_MAX);
    CHECK(ok);
    if (l->line_cut) {
        atomic_fetch_add(&l->cut, 1);
    }
}

void log_write(struct log *l, struct log_site site, str msg, const struct log_pair *pairs,
               size_t pair_count)
{
    if (!log_is_on(l, site.level)) {
        return;
    }
    i64 now_ms = l->opts.now_ms(l->opts.now_ctx);
    CHECK(pthread_mutex_lock(&l->lock) == 0);
    struct site *s = site_of(l, site.file, site.line);
    if (site_allows(l, s, now_ms)) {
        u64 repeats = s->held_back;
        s->held_back = 0;
        begin_line(l, site, now_ms);
        put_pair(l, "msg", msg, LOG_LINE_MAX - TAIL_RESERVE);
        for (size_t i = 0; i < pair_count; i++) {
            put_pair(l, pairs[i].key, pairs[i].value, LOG_LINE_MAX - TAIL_RESERVE);
        }
        end_line(l, repeats);
        l->opts.sink(l->opts.sink_ctx, (str){l->line, l->len});
    }
    CHECK(pthread_mutex_unlock(&l->lock) == 0);
}

void log_printf(struct log *l, struct log_site site, const char *format, ...)
{
    if (!log_is_on(l, site.level)) {
        return;
    }
    char text[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    CHECK(len >= 0);
    log_write(l, site, (str){text, MIN((size_t)len, sizeof(text) - 1)}, NULL, 0);
}

bool log_level_parse(str s, enum log_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(s, names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(str s, enum log_format *out)
{
    if (str_eq_c(s, "logfmt")) {
        *out = LOG_LOGFMT;
    } else if (str_eq_c(s, "json")) {
        *out = LOG_JSON;
    } else {
        return false;
    }
    return true;
}
