// expo.c: the cursor over an exposition page, text 0.0.4 and OpenMetrics 1.0.
//
// One pass, nothing copied: a line is looked at once for its end, the series is scanned but not
// parsed (the scrape cache knows it by its text). Scratch (help texts and exemplar labels with
// escapes) lives in an arena that is reset for each entry.
// (I1) Every expo_next consumes at least one byte or stops. Threads: owned.
#include "base/arena.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "base/utf8.h"
#include "ingest/expo_decimal.h"
#include "ingest/expo_labels.h"
#include "ingest/ingest.h"

#include <math.h>

#define SCRATCH_BYTES_MAX       (256U << 10)
#define EXEMPLAR_CHARACTERS_MAX 128

struct expo {
    str body;
    size_t at;
    enum expo_format format;
    u32 line;
    bool failed;
    bool ended; // OpenMetrics: # EOF was read.
    enum metric_type type;
    str type_family; // The family that `type` belongs to.
    str unit;
    str unit_family; // The one of `unit`.
    str typed;       // Known lines with a newer TYPE than that, not yet read; in the body.
    str united;      // The same with a newer UNIT.
    struct arena *scratch;
    struct error error;
};

struct expo *expo_open(str body, enum expo_format format)
{
    CHECK(format != EXPO_NONE);
    struct expo *x = MEM_NEW(struct expo);
    x->body = body;
    x->format = format;
    x->scratch = arena_new(SCRATCH_BYTES_MAX + 2 * body.len);
    return x;
}

bool expo_close(struct expo *x, u32 *error_line, struct error *e)
{
    if (!x) {
        return true;
    }
    const bool ok = !x->failed;
    if (!ok && e) {
        *e = x->error;
    }
    if (!ok && error_line) {
        *error_line = x->line;
    }
    arena_free(x->scratch);
    mem_free(x);
    return ok;
}

static bool fail(struct expo *x, const char *reason, str got)
{
    const str shown = str_sub(got, 0, 40);
    x->failed = true;
    if (shown.len > 0) {
        return err_set(&x->error, ERR_INVALID, "line %u: %s, got \"%.*s\"", x->line, reason,
                       STR_ARG(shown));
    }
    return err_set(&x->error, ERR_INVALID, "line %u: %s", x->line, reason);
}

static bool is_openmetrics(const struct expo *x)
{
    return x->format == EXPO_OPENMETRICS;
}

static str trim_blanks(const struct expo *x, str s)
{
    if (is_openmetrics(x)) {
        return s; // Exactly one space everywhere.
    }
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = str_sub(s, 1, s.len);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

// Cuts the first word off *rest.
static str word(const struct expo *x, str *rest)
{
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != ' ' && rest->ptr[end] != '\t') {
        end++;
    }
    const str w = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, end, rest->len);
    if (is_openmetrics(x)) {
        *rest = str_sub(*rest, 1, rest->len);
    } else {
        *rest = trim_blanks(x, *rest);
    }
    return w;
}

static bool number(str s, f64 *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == 'p' || s.ptr[i] == 'P' || s.ptr[i] == '_') {
            return false; // Go's hexadecimal and underscored forms are not exposition.
        }
    }
    return num_parse(s, out);
}

static bool timestamp(const struct expo *x, str s, i64 *t_ms)
{
    if (!is_openmetrics(x)) {
        return parse_i64(s, t_ms);
    }
    f64 seconds;
    if (!number(s, &seconds) || !(fabs(seconds) < 9e15)) {
        return false;
    }
    *t_ms = (i64)(seconds * 1000); // Upstream cuts, it does not round.
    return true;
}

// ---- # lines ----

// The text of a name in quotes: backslashes undone.
static str name_unescape(struct expo *x, str s)
{
    char *out = ARENA_NEW_N(x->scratch, char, s.len);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 1 < s.len) {
            i++;
            out[len++] = (char)(s.ptr[i] == 'n' ? '\n' : s.ptr[i]);
        } else {
            out[len++] = s.ptr[i];
        }
    }
    return str_make(out, len);
}

static str help_unescape(struct expo *x, str s)
{
    if (str_find(s, '\\') == STR_NONE) {
        return s;
    }
    char *out = ARENA_NEW_N(x->scratch, char, s.len);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\\' && i + 1 < s.len) {
            const char next = s.ptr[i + 1];
            if (next == 'n' || next == '\\' || (next == '"' && is_openmetrics(x))) {
                c = next == 'n' ? '\n' : next;
                i++;
            }
        }
        out[len++] = c;
    }
    return str_make(out, len);
}

// The family name of a # line: bare, or in quotes.
static bool family(struct expo *x, str *rest, str *out)
{
    if (rest->len && rest->ptr[0] == '"') {
        size_t close = 1;
        bool escaped = false;
        while (close < rest->len && rest->ptr[close] != '"') {
            escaped = escaped || rest->ptr[close] == '\\';
            close += rest->ptr[close] == '\\' ? 2 : 1;
        }
        if (close >= rest->len) {
            return fail(x, "the metric name has no closing quote", *rest);
        }
        *out = str_sub(*rest, 1, close);
        *out = escaped ? name_unescape(x, *out) : *out;
        *rest = trim_blanks(x, str_sub(*rest, close + 1, rest->len));
        if (is_openmetrics(x)) {
            *rest = str_sub(*rest, 1, rest->len);
        }
    } else {
        *out = word(x, rest);
    }
    if (out->len == 0) {
        return fail(x, "expected a metric name", *rest);
    }
    return true;
}

// A name that is compared with those of later lines: what was unescaped dies with its entry.
static str lasting(const struct expo *x, str name)
{
    const bool on_page = name.ptr >= x->body.ptr && name.ptr < x->body.ptr + x->body.len;
    return on_page ? name : STR_EMPTY;
}

static bool type_line(struct expo *x, struct expo_entry *out, str rest)
{
    out->kind = EXPO_TYPE;
    if (!family(x, &rest, &out->family)) {
        return false;
    }
    if (str_eq(rest, STR("untyped")) && !is_openmetrics(x)) {
        out->type = METRIC_UNKNOWN;
    } else if (!metric_type_parse(rest, &out->type)) {
        return fail(x, "invalid metric type", rest);
    }
    x->type = out->type;
    x->type_family = lasting(x, out->family);
    return true;
}

static bool help_line(struct expo *x, struct expo_entry *out, str rest)
{
    out->kind = EXPO_HELP;
    if (!family(x, &rest, &out->family)) {
        return false;
    }
    if (!utf8_valid(rest)) {
        return fail(x, "help text is not valid UTF-8", STR_EMPTY);
    }
    out->text = help_unescape(x, rest);
    return true;
}

static bool unit_line(struct expo *x, struct expo_entry *out, str rest)
{
    out->kind = EXPO_UNIT;
    if (!family(x, &rest, &out->family)) {
        return false;
    }
    out->text = rest;
    if (rest.len > 0) {
        const size_t from = out->family.len - MIN(out->family.len, rest.len + 1);
        if (!str_ends(out->family, rest) || rest.len + 1 > out->family.len ||
            out->family.ptr[from] != '_') {
            return fail(x, "unit is not a suffix of its metric name", rest);
        }
    }
    x->unit = rest;
    x->unit_family = lasting(x, out->family);
    return true;
}

static bool hash_line(struct expo *x, struct expo_entry *out, str line)
{
    str rest = trim_blanks(x, str_sub(line, 1, line.len));
    if (is_openmetrics(x)) {
        if (rest.len == 0 || rest.ptr[0] != ' ') {
            return fail(x, "expected a space after #", line);
        }
        rest = str_sub(rest, 1, rest.len);
    }
    const str whole = rest;
    const str keyword = word(x, &rest);
    if (!is_openmetrics(x) && (rest.len == 0 || whole.ptr == line.ptr + 1)) {
        out->kind = EXPO_COMMENT; // "# HELP" alone, "#TYPE …": comments, as upstream reads them.
        return true;
    }
    if (str_eq(keyword, STR("TYPE"))) {
        return type_line(x, out, rest);
    }
    if (str_eq(keyword, STR("HELP"))) {
        return help_line(x, out, rest);
    }
    if (!is_openmetrics(x)) {
        out->kind = EXPO_COMMENT;
        return true;
    }
    if (str_eq(keyword, STR("UNIT"))) {
        return unit_line(x, out, rest);
    }
    if (str_eq(whole, STR("EOF"))) {
        x->ended = true;
        out->kind = EXPO_COMMENT;
        return true;
    }
    return fail(x, "expected HELP, TYPE, UNIT or EOF after #", whole);
}

// ---- samples ----

static size_t characters(str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++) {
        count += ((u8)s.ptr[i] & 0xC0U) != 0x80U; // All but continuation bytes.
    }
    return count;
}

static bool exemplar(struct expo *x, struct expo_entry *out, str rest)
{
    if (!str_starts(rest, STR("# {"))) {
        return fail(x, "expected an exemplar", rest);
    }
    rest = str_sub(rest, 2, rest.len);
    struct error why = {0};
    const size_t end = label_block_parse(rest, x->scratch, &out->exemplar.labels, &why);
    if (end == 0) {
        return fail(x, why.text[0] ? why.text : "broken exemplar labels", STR_EMPTY);
    }
    size_t characters_count = 0;
    for (u32 i = 0; i < out->exemplar.labels.count; i++) {
        const struct label *l = &out->exemplar.labels.items[i];
        characters_count += characters(l->name) + characters(l->value);
    }
    if (characters_count > EXEMPLAR_CHARACTERS_MAX) {
        return fail(x, "exemplar labels are longer than 128 characters", STR_EMPTY);
    }
    rest = str_sub(rest, end, rest.len);
    if (rest.len == 0 || rest.ptr[0] != ' ') {
        return fail(x, "expected a value after the exemplar's labels", rest);
    }
    rest = str_sub(rest, 1, rest.len);
    if (!number(word(x, &rest), &out->exemplar.value)) {
        return fail(x, "invalid exemplar value", rest);
    }
    if (rest.len > 0) {
        out->exemplar.has_t = true;
        if (!timestamp(x, rest, &out->exemplar.t_ms)) {
            return fail(x, "invalid exemplar timestamp", rest);
        }
    }
    out->has_exemplar = true;
    return true;
}

// A name that ends in _created under a family that may have one.
static bool created_line(const struct expo *x, str series)
{
    if (!is_openmetrics(x) || (x->type != METRIC_COUNTER && x->type != METRIC_HISTOGRAM &&
                               x->type != METRIC_SUMMARY && x->type != METRIC_GAUGEHISTOGRAM)) {
        return false;
    }
    const str name = series_name(series);
    const str suffix = STR("_created");
    return str_ends(name, suffix) &&
           str_eq(str_sub(name, 0, name.len - suffix.len), x->type_family);
}

static bool sample_line(struct expo *x, struct expo_entry *out, str line)
{
    const char *reason = NULL;
    const size_t end = series_scan(line, &reason);
    if (end == 0) {
        return fail(x, reason, line);
    }
    out->kind = EXPO_SAMPLE;
    out->series = str_sub(line, 0, end);
    str rest = str_sub(line, end, line.len);
    if (rest.len == 0 || (rest.ptr[0] != ' ' && (is_openmetrics(x) || rest.ptr[0] != '\t'))) {
        if (rest.len > 0 && line.ptr[end - 1] != '}') {
            return fail(x, "expected a space after the metric name", rest);
        }
        if (rest.len == 0 || is_openmetrics(x)) {
            return fail(x, "expected a value after the series", rest);
        }
    }
    rest = is_openmetrics(x) ? str_sub(rest, 1, rest.len) : trim_blanks(x, rest);
    const str value = word(x, &rest);
    if (!number(value, &out->value)) {
        return fail(x, "invalid value", value);
    }
    if (isnan(out->value)) {
        out->value = normal_nan(); // No page may say "stale".
    }
    if (rest.len > 0 && !(is_openmetrics(x) && rest.ptr[0] == '#')) {
        const str t = word(x, &rest);
        out->has_t = true;
        if (!timestamp(x, t, &out->t_ms)) {
            return fail(x, "invalid timestamp", t);
        }
    }
    if (rest.len > 0) {
        return is_openmetrics(x)
                   ? exemplar(x, out, rest)
                   : fail(x, "expected the end of the line after the timestamp", rest);
    }
    out->is_created = created_line(x, out->series);
    return true;
}

// ---- the walk ----

// The next line without its end; false at the end of the page (or a page that ends too early).
static bool next_line(struct expo *x, str *line)
{
    while (x->at < x->body.len) {
        const str rest = str_sub(x->body, x->at, x->body.len);
        size_t end = str_find(rest, '\n');
        x->line++;
        if (end == STR_NONE) {
            if (is_openmetrics(x) && !str_eq(rest, STR("# EOF"))) {
                return fail(x, "the last line has no end", rest);
            }
            end = rest.len;
        }
        x->at += MIN(end + 1, rest.len);
        *line = str_sub(rest, 0, end);
        if (is_openmetrics(x)) {
            if (x->ended) {
                return fail(x, "unexpected text after # EOF", *line);
            }
            return line->len > 0 || fail(x, "an empty line is not allowed", STR_EMPTY);
        }
        if (line->len && line->ptr[line->len - 1] == '\r') {
            line->len--;
        }
        *line = trim_blanks(x, *line);
        if (line->len > 0) {
            return true;
        }
    }
    if (is_openmetrics(x) && !x->ended) {
        return fail(x, "the page does not end with # EOF", STR_EMPTY);
    }
    return false;
}

// What known lines say. They were good on an earlier page, and are here.
static void lines_read(const struct expo *x, str text, struct expo *out)
{
    struct expo_entry entry = {0};
    str line = STR_EMPTY;
    *out = (struct expo){.body = text, .format = x->format, .scratch = x->scratch};
    while (next_line(out, &line) && hash_line(out, &entry, line)) {
        entry = (struct expo_entry){0};
    }
}

// The last TYPE and the last UNIT of the lines that were passed unread.
static void catch_up(struct expo *x)
{
    struct expo lines;
    if (x->typed.len > 0) {
        lines_read(x, x->typed, &lines);
        x->type = lines.type;
        x->type_family = lines.type_family;
        x->typed = STR_EMPTY;
    }
    if (x->united.len > 0) {
        lines_read(x, x->united, &lines);
        x->unit = lines.unit;
        x->unit_family = lines.unit_family;
        x->united = STR_EMPTY;
    }
}

bool expo_next(struct expo *x, struct expo_entry *out)
{
    str line = STR_EMPTY;
    if (x->failed || !next_line(x, &line) || !line.ptr) {
        return false;
    }
    catch_up(x);
    if (arena_bytes(x->scratch) > 0) {
        arena_reset(x->scratch);
    }
    *out = (struct expo_entry){.line = x->line};
    return line.ptr[0] == '#' ? hash_line(x, out, line) : sample_line(x, out, line);
}

// Whether created_line has to look at a known series. Blanks and quotes are left to it.
static bool maybe_created(str series)
{
    const size_t brace = str_find(series, '{');
    const str name = str_sub(series, 0, brace == STR_NONE ? series.len : brace);
    return name.len == 0 || name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t' ||
           str_ends(name, STR("_created"));
}

// What expo_next would make of a line is the same: a series ends where it ended before unless a
// brace follows its name, and here a number does.
u32 expo_known(struct expo *x, const struct expo_piece *pieces, u32 n, f64 *values)
{
    const char *at = x->body.ptr + x->at;
    const char *end = x->body.ptr + x->body.len;
    u32 line = x->line;
    u32 i = 0;
    for (; i < n && !x->failed && !x->ended; i++) {
        const struct expo_piece *p = &pieces[i];
        if ((size_t)(end - at) < p->text.len + (p->lines ? 0 : 3) ||
            memcmp(at, p->text.ptr, p->text.len) != 0) {
            break;
        }
        const char *stop = at + p->text.len;
        if (p->lines > 0) {
            x->typed = p->typed ? str_make(at, p->text.len) : x->typed;
            x->united = p->united ? str_make(at, p->text.len) : x->united;
            line += p->lines;
            at = stop;
            continue;
        }
        stop = *stop == ' ' ? decimal_read(stop + 1, end, &values[i]) : NULL;
        if (!stop || stop == end || *stop != '\n' ||
            (is_openmetrics(x) && maybe_created(p->text))) {
            break;
        }
        line++;
        at = stop + 1;
    }
    x->line = line;
    x->at = (size_t)(at - x->body.ptr);
    return i;
}

struct expo_place expo_place(const struct expo *x)
{
    return (struct expo_place){x->at, x->line};
}

// ---- labels ----

// 1 → 1.0, as OpenMetrics writes bucket bounds and quantiles.
static bool float_text(str *value, struct arena *a)
{
    f64 v;
    if (!number(*value, &v)) {
        return true;
    }
    char text[NUM_TEXT_MAX + 2];
    size_t len = num_go(text, v);
    bool plain = true;
    for (size_t i = 0; i < len; i++) {
        plain = plain && (text[i] == '-' || (text[i] >= '0' && text[i] <= '9'));
    }
    if (plain) {
        text[len++] = '.';
        text[len++] = '0';
    }
    char *copy = arena_try(a, len, 1);
    if (copy) {
        memcpy(copy, text, len);
        *value = str_make(copy, len);
    }
    return copy;
}

bool expo_labels(struct expo *x, const struct expo_entry *entry, struct arena *a,
                 struct labels *out, struct labels *blank, struct error *e)
{
    if (!series_parse(entry->series, a, out, blank, e)) {
        return err_in(e, "line %u", entry->line);
    }
    const str bound = x->type == METRIC_HISTOGRAM || x->type == METRIC_GAUGEHISTOGRAM ? LABEL_LE
                      : x->type == METRIC_SUMMARY ? LABEL_QUANTILE
                                                  : STR_EMPTY;
    for (u32 i = 0; bound.len && i < out->count; i++) {
        if (str_eq(out->items[i].name, bound)) {
            struct label *items = arena_try(a, out->count, sizeof(*items));
            if (items) {
                memcpy(items, out->items, out->count * sizeof(*items));
            }
            if (!items || !float_text(&items[i].value, a)) {
                return labels_full_tell(e) || err_in(e, "line %u", entry->line);
            }
            out->items = items;
            break;
        }
    }
    return true;
}

// ---- families ----

// What stands behind the family's name in the names of its samples, by type.
static bool suffix_fits(enum metric_type type, str suffix)
{
    static const char *const all[METRIC_TYPE_COUNT][3] = {
        [METRIC_COUNTER] = {"_total"},
        [METRIC_HISTOGRAM] = {"_bucket", "_sum", "_count"},
        [METRIC_GAUGEHISTOGRAM] = {"_bucket", "_gsum", "_gcount"},
        [METRIC_SUMMARY] = {"_sum", "_count"},
        [METRIC_INFO] = {"_info"},
    };
    for (size_t i = 0; i < ARRAY_LEN(all[type]); i++) {
        if (all[type][i] && str_eq_c(suffix, all[type][i])) {
            return true;
        }
    }
    return suffix.len == 0;
}

static bool is_of_family(enum metric_type type, str family, str name)
{
    return family.len > 0 && str_starts(name, family) &&
           suffix_fits(type, str_sub(name, family.len, name.len));
}

void expo_schema(const struct expo *x, str name, enum metric_type *type, str *unit)
{
    const bool typed = is_of_family(x->type, x->type_family, name);
    *type = typed ? x->type : METRIC_UNKNOWN;
    *unit = is_of_family(*type, x->unit_family, name) ? x->unit : STR_EMPTY;
}

// ---- negotiation ----

str expo_accept_header(void)
{
    return STR("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
               "application/openmetrics-text;version=0.0.1;q=0.5,"
               "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
               "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
}

enum expo_format expo_format_of(str content_type)
{
    const size_t semicolon = str_find(content_type, ';');
    const str type =
        str_trim(str_sub(content_type, 0, semicolon == STR_NONE ? content_type.len : semicolon));
    if (str_eq_nocase(type, STR("text/plain"))) {
        return EXPO_TEXT;
    }
    if (str_eq_nocase(type, STR("application/openmetrics-text"))) {
        return EXPO_OPENMETRICS;
    }
    return EXPO_NONE;
}
