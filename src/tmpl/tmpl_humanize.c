// tmpl_humanize.c: numbers for people, digit for digit as upstream writes them.
#include "base/buf.h"
#include "base/num.h"
#include "tmpl/tmpl.h"

#include <math.h>

static void four_digits(struct buf *out, f64 v)
{
    char text[NUM_TEXT_MAX];
    buf_add(out, text, num_fixed(text, v, 'g', 4));
}

void tmpl_humanize(struct buf *out, f64 v)
{
    static const char *const large[] = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
    static const char *const small[] = {"", "m", "u", "n", "p", "f", "a", "z", "y"};
    if (v == 0 || !isfinite(v)) {
        four_digits(out, v);
        return;
    }
    u32 i = 0;
    if (fabs(v) >= 1) {
        for (; i + 1 < ARRAY_LEN(large) && fabs(v) >= 1000; i++) {
            v /= 1000;
        }
        four_digits(out, v);
        buf_c(out, large[i]);
        return;
    }
    for (; i + 1 < ARRAY_LEN(small) && fabs(v) < 1; i++) {
        v *= 1000;
    }
    four_digits(out, v);
    buf_c(out, small[i]);
}

void tmpl_humanize_1024(struct buf *out, f64 v)
{
    static const char *const units[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    u32 i = 0;
    if (isfinite(v) && fabs(v) > 1) {
        for (; i + 1 < ARRAY_LEN(units) && fabs(v) >= 1024; i++) {
            v /= 1024;
        }
    }
    four_digits(out, v);
    buf_c(out, units[i]);
}

static void whole_seconds(struct buf *out, f64 v)
{
    const char *sign = v < 0 ? "-" : "";
    const i64 total = (i64)fabs(v);
    const long long seconds = total % 60;
    const long long minutes = total / 60 % 60;
    const long long hours = total / 3600 % 24;
    const long long days = total / 86400;
    if (days != 0) {
        buf_printf(out, "%s%lldd %lldh %lldm %llds", sign, days, hours, minutes, seconds);
    } else if (hours != 0) {
        buf_printf(out, "%s%lldh %lldm %llds", sign, hours, minutes, seconds);
    } else if (minutes != 0) {
        buf_printf(out, "%s%lldm %llds", sign, minutes, seconds);
    } else {
        buf_c(out, sign);
        four_digits(out, fabs(v));
        buf_byte(out, 's');
    }
}

void tmpl_humanize_duration(struct buf *out, f64 seconds)
{
    static const char *const small[] = {"", "m", "u", "n", "p", "f", "a", "z", "y"};
    if (!isfinite(seconds)) {
        four_digits(out, seconds);
    } else if (seconds == 0 || fabs(seconds) >= 9e18) { // Or beyond what i64 can count.
        four_digits(out, seconds);
        buf_byte(out, 's');
    } else if (fabs(seconds) >= 1) {
        whole_seconds(out, seconds);
    } else {
        u32 i = 0;
        for (; i + 1 < ARRAY_LEN(small) && fabs(seconds) < 1; i++) {
            seconds *= 1000;
        }
        four_digits(out, seconds);
        buf_c(out, small[i]);
        buf_byte(out, 's');
    }
}

void tmpl_humanize_percentage(struct buf *out, f64 v)
{
    four_digits(out, v * 100);
    buf_byte(out, '%');
}
