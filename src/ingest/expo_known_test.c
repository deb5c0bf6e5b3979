// expo_known_test.c: the short ways over a page must come to what the long ones come to.
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/num.h"
#include "base/str.h"
#include "base/test.h"
#include "ingest/expo_decimal.h"
#include "ingest/ingest.h"
#include "os/rng.h"

// What stands behind a number, and how much of it there is, must not matter.
static void expect_number(const char *text)
{
    f64 quick = 0;
    f64 slow = 0;
    f64 followed = 0;
    char line[2 * NUM_TEXT_MAX] = {0};
    const size_t len = strlen(text);
    const char *end = text + len;
    const char *stop = decimal_read(text, end, &quick);
    memcpy(line, text, len);
    memcpy(line + len, "\n12345678", 9);
    const char *line_stop = decimal_read(line, line + len + 9 + 64, &followed);
    if ((stop == NULL) != (line_stop == NULL) || bits_of_f64(quick) != bits_of_f64(followed) ||
        (stop && stop - text != line_stop - line)) {
        fail_msg("%s: another number with a line behind it", text);
    }
    if (!stop) {
        return;
    }
    const str taken = str_make(text, (size_t)(stop - text));
    if (!num_parse(taken, &slow) || bits_of_f64(quick) != bits_of_f64(slow)) {
        fail_msg("%s: %.17g, not %.17g", text, quick, slow);
    }
    if (stop < end && *stop >= '0' && *stop <= '9') {
        fail_msg("%s: a number is cut", text);
    }
}

static bool is_quick(const char *text)
{
    f64 v;
    const char *end = text + strlen(text);
    return decimal_read(text, end, &v) == end;
}

TEST(decimal_reads_as_num_parse_does)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (u32 i = 0; i < 200000; i++) {
        char text[NUM_TEXT_MAX + 1] = {0};
        const f64 v = rng_below(&rng, 2)
                          ? f64_of_bits(rng_u64(&rng))
                          : (f64)(i64)rng_u64(&rng) / (f64)(1 + rng_below(&rng, 1ULL << 40));
        const u64 form = rng_below(&rng, 6);
        size_t len = form == 0   ? num_go(text, v)
                     : form == 1 ? num_plain(text, v)
                                 : num_fixed(text, v, "efge"[form - 2], (int)rng_below(&rng, 18));
        text[len] = 0;
        expect_number(text);
        for (size_t k = 0; form == 5 && k < len; k++) { // Digits without an exponent, up to 19.
            text[k] = text[k] == 'e' || k > 18 ? 0 : text[k];
        }
        expect_number(text);
        text[rng_below(&rng, len)] = "0.e-+9 "[rng_below(&rng, 7)];
        expect_number(text);
    }
    assert_true(is_quick("0") && is_quick("-0") && is_quick("1.5e+09") && is_quick("123456.789"));
    assert_true(is_quick("9007199254740992") && is_quick("1e22") && is_quick("1e-22"));
    assert_false(is_quick("9007199254740993") || is_quick("1e23") || is_quick("1.") ||
                 is_quick(".5") || is_quick("1e") || is_quick("+1") || is_quick("NaN") ||
                 is_quick("0x10") || is_quick("") || is_quick("0000000000000000001") ||
                 is_quick("1.0000000000000000000") || is_quick("1e0001"));
    assert_true(is_quick("000000000000000001") && is_quick("0.00000000000000001"));
}

// ---- pages ----

static void chance_line(struct rng *rng, struct buf *b)
{
    static const char *const series[] = {"up",
                                         "a{x=\"1\"}",
                                         "a {x=\"1\"}",
                                         "a",
                                         "a{x=\"} 1\"}",
                                         "{\"a.b\",c=\"d\"}",
                                         "c_created{x=\"\\\"\"}",
                                         "c_created",
                                         "c_bucket{le=\"1\"}",
                                         "c_s",
                                         "{\"c_created\"}",
                                         "c_created {le=\"1\"}",
                                         "broken{x="};
    static const char *const values[] = {"1",   "2.5",  "1e+06", "NaN",   "-0",       "+Inf",
                                         "1_0", "0x1p", "1 17",  "1 1.5", "1 # {} 2", ""};
    if (rng_below(rng, 6) == 0) {
        static const char *const lines[] = {"# TYPE c counter",   "# HELP a text",
                                            "# TYPE c histogram", "# TYPE c gauge",
                                            "# UNIT c_s s",       "# TYPE c_s gauge"};
        buf_c(b, lines[rng_below(rng, ARRAY_LEN(lines))]);
    } else {
        const bool usual = rng_below(rng, 4) > 0;
        buf_c(b, series[rng_below(rng, ARRAY_LEN(series) - usual)]);
        buf_c(b, rng_below(rng, 8) ? " " : "\t ");
        buf_c(b, values[rng_below(rng, usual ? 3 : ARRAY_LEN(values))]);
    }
    buf_c(b, rng_below(rng, 20) ? "\n" : " \r\n");
}

// Threads: owned.
struct walked {
    struct expo_piece pieces[64];
    u32 count;
    struct buf text;
};

static void walked_piece(struct walked *w, struct expo_piece p)
{
    if (w->count < ARRAY_LEN(w->pieces)) {
        w->pieces[w->count++] = p;
    }
}

static void walked_sample(struct walked *w, u32 line, str series, f64 value, const char *rest)
{
    buf_printf(&w->text, "%u %.*s %016llx%s\n", line, STR_ARG(series),
               (unsigned long long)bits_of_f64(value), rest);
    walked_piece(w, (struct expo_piece){.text = series});
}

// Some of the pieces that another walk found, mostly those that come next. Returns how many.
static u32 guesses_take(const struct walked *w, const struct walked *from, struct rng *rng,
                        struct expo_piece *out)
{
    const u32 n = 1 + (u32)rng_below(rng, 4);
    const bool next = rng_below(rng, 3) > 0;
    for (u32 i = 0; i < n; i++) {
        const u32 at = next ? w->count + i : (u32)rng_below(rng, from->count);
        if (at >= from->count) {
            return i;
        }
        out[i] = from->pieces[at];
    }
    return n;
}

// Takes what fits of some guesses. Returns how much that was.
static u32 guesses_try(struct walked *w, struct expo *x, struct rng *rng, const struct walked *from)
{
    struct expo_piece guesses[4] = {0};
    f64 values[4];
    if (from->count == 0) {
        return 0;
    }
    const u32 wanted = guesses_take(w, from, rng, guesses);
    u32 line = expo_place(x).line;
    const u32 n = expo_known(x, guesses, wanted, values);
    for (u32 i = 0; i < n; i++) {
        if (guesses[i].lines > 0) {
            line += guesses[i].lines;
            walked_piece(w, guesses[i]);
        } else {
            walked_sample(w, ++line, guesses[i].text, values[i], "");
        }
    }
    assert_int_equal(expo_place(x).line, line);
    return n;
}

// A sample and what it says under the type of its family.
static void sample_walk(struct walked *w, struct expo *x, const struct expo_entry *entry)
{
    const bool usual = !entry->has_t && !entry->has_exemplar && !entry->is_created;
    struct arena *a = arena_new(1 << 20);
    struct labels ls = {0};
    const bool ok = expo_labels(x, entry, a, &ls, NULL, NULL);
    const str le = ok ? labels_get(ls, LABEL_LE) : STR("broken");
    enum metric_type type;
    str unit;
    expo_schema(x, labels_get(ls, LABEL_NAME), &type, &unit);
    walked_sample(w, entry->line, entry->series, entry->value,
                  entry->is_created ? " created"
                  : usual           ? ""
                                    : " more");
    if (!usual) { // Those that are guessed have no labels read.
        buf_printf(&w->text, "le %.*s %d %.*s\n", STR_ARG(le), (int)type, STR_ARG(unit));
    }
    arena_free(a);
}

// Walks a page; before each line some guesses are tried, if there are any. Returns how many fit.
static u32 page_walk(struct walked *w, str page, enum expo_format format, struct rng *rng,
                     const struct walked *guesses)
{
    struct expo *x = expo_open(page, format);
    struct expo_entry entry;
    struct error e = {0};
    u32 line = 0;
    u32 fitted = 0;
    for (;;) {
        const u32 n = guesses ? guesses_try(w, x, rng, guesses) : 0;
        const struct expo_place from = expo_place(x);
        fitted += n;
        if (n > 0) {
            continue;
        }
        if (!expo_next(x, &entry)) {
            break;
        }
        const struct expo_place to = expo_place(x);
        const str text = str_sub(page, from.at, to.at);
        if (entry.kind == EXPO_SAMPLE) {
            sample_walk(w, x, &entry);
        } else if (!str_eq(text, STR("# EOF\n"))) {
            walked_piece(w, (struct expo_piece){text, to.line - from.line, entry.kind == EXPO_TYPE,
                                                entry.kind == EXPO_UNIT});
        }
    }
    if (!expo_close(x, &line, &e)) {
        buf_printf(&w->text, "failed at %u: %s\n", line, e.text);
    }
    return fitted;
}

// One page by chance, walked both ways; how many lines the short one took.
static u32 page_compare(struct rng *rng, enum expo_format format)
{
    struct walked plain = {0};
    struct walked quick = {0};
    struct buf page;
    buf_init(&page, 1 << 16);
    buf_init(&plain.text, 1 << 16);
    buf_init(&quick.text, 1 << 16);
    for (u64 n = rng_below(rng, 12); n > 0; n--) {
        chance_line(rng, &page);
    }
    buf_c(&page, format == EXPO_OPENMETRICS && rng_below(rng, 9) ? "# EOF\n" : "a 1");
    (void)page_walk(&plain, buf_get(&page), format, rng, NULL);
    const u32 fitted = page_walk(&quick, buf_get(&page), format, rng, &plain);
    ASSERT_STR_EQ(buf_get(&quick.text), buf_get(&plain.text));
    buf_fini(&page);
    buf_fini(&plain.text);
    buf_fini(&quick.text);
    return fitted;
}

TEST(expo_known_takes_what_expo_next_would)
{
    struct rng rng;
    u32 fitted = 0;
    rng_init(&rng, 11);
    for (u32 round = 0; round < 4000; round++) {
        fitted += page_compare(&rng, round % 2 ? EXPO_TEXT : EXPO_OPENMETRICS);
    }
    assert_true(fitted > 1000);
}
