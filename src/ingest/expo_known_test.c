// expo_known_test.c: the short ways over a page must come to what the long ones come to.
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
    static const char *const series[] = {
        "up",           "a{x=\"1\"}",        "a {x=\"1\"}",           "a",
        "a{x=\"} 1\"}", "{\"a.b\",c=\"d\"}", "c_created{x=\"\\\"\"}", "c_created",
        "broken{x="};
    static const char *const values[] = {"1",   "2.5",  "1e+06", "NaN",   "-0",       "+Inf",
                                         "1_0", "0x1p", "1 17",  "1 1.5", "1 # {} 2", ""};
    if (rng_below(rng, 6) == 0) {
        buf_c(b, rng_below(rng, 2) ? "# TYPE c counter" : "# HELP a text");
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
    str series[64];
    u32 series_count;
    struct buf text;
};

static void walked_add(struct walked *w, u32 line, str series, f64 value, const char *rest)
{
    buf_printf(&w->text, "%u %.*s %016llx%s\n", line, STR_ARG(series),
               (unsigned long long)bits_of_f64(value), rest);
    if (w->series_count < ARRAY_LEN(w->series)) {
        w->series[w->series_count++] = series;
    }
}

// Walks a page; before each line the guesses are tried, if there are any. Returns how many fit.
static u32 page_walk(struct walked *w, str page, enum expo_format format, struct rng *rng,
                     const struct walked *guesses)
{
    struct expo *x = expo_open(page, format);
    struct expo_entry entry;
    struct error e = {0};
    u32 line = 0;
    u32 fitted = 0;
    for (;;) {
        f64 value;
        const u32 n = guesses ? guesses->series_count : 0;
        str guess = n > 0 ? guesses->series[rng_below(rng, n)] : STR_EMPTY;
        if (n > 0 && rng_below(rng, 3) > 0 && w->series_count < n) {
            guess = guesses->series[w->series_count];
        }
        if (guess.len > 0 && expo_known(x, guess, &value)) {
            walked_add(w, ++line, guess, value, "");
            fitted++;
            continue;
        }
        if (!expo_next(x, &entry)) {
            break;
        }
        line = entry.line;
        if (entry.kind == EXPO_SAMPLE) {
            const bool usual = !entry.has_t && !entry.has_exemplar && !entry.is_created;
            walked_add(w, line, entry.series, entry.value, usual ? "" : " more");
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
