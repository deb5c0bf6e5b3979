// tmk_accept.c: which of our two formats an Accept header prefers.
//
// The header comes from outside: nothing is copied, every step stays inside the range.
#include "client/tmk_inner.h"

#include <string.h>
#include <strings.h>

// The parameter's value inside one media range (";name=value"), or NULL.
static const char *range_param(const char *range, size_t n, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (range[i] != ';') {
            continue;
        }
        size_t at = i + 1;
        while (at < n && (range[at] == ' ' || range[at] == '\t')) {
            at++;
        }
        if (n - at > len && strncasecmp(range + at, name, len) == 0 && range[at + len] == '=') {
            return range + at + len + 1;
        }
    }
    return NULL;
}

// q as thousandths: "1", "0.75"; 0 for anything else.
static int range_quality(const char *q, const char *end)
{
    if (q == end || *q == '1') {
        return q == end ? 0 : 1000;
    }
    int quality = 0;
    int scale = 100;
    if (end - q > 2 && q[0] == '0' && q[1] == '.') {
        for (q += 2; q < end && *q >= '0' && *q <= '9' && scale > 0; q++, scale /= 10) {
            quality += (*q - '0') * scale;
        }
    }
    return quality;
}

static bool word_ends(const char *p, const char *end)
{
    return p >= end || *p == ';' || *p == ' ' || *p == '\t';
}

// How much the range wants this type; 0: not at all. Another version than ours does not count.
static int range_weight(const char *range, size_t n, const char *type, const char *version)
{
    const char *end = range + n;
    size_t len = strlen(type);
    if (n < len || strncasecmp(range, type, len) != 0 || !word_ends(range + len, end)) {
        return 0;
    }
    const char *v = range_param(range, n, "version");
    size_t vn = strlen(version);
    if (v && ((size_t)(end - v) < vn || strncmp(v, version, vn) != 0 || !word_ends(v + vn, end))) {
        return 0;
    }
    const char *q = range_param(range, n, "q");
    return q ? range_quality(q, end) : 1000;
}

enum tmk_format tmk_format_accepted(const char *accept)
{
    int text = 0;
    int om = 0;
    for (const char *p = accept; p && *p;) {
        p += strspn(p, " \t,");
        size_t n = strcspn(p, ",");
        int t = range_weight(p, n, "text/plain", "0.0.4");
        int o = range_weight(p, n, "application/openmetrics-text", "1.0.0");
        text = t > text ? t : text;
        om = o > om ? o : om;
        p += n;
    }
    return om > 0 && om >= text ? TMK_OPENMETRICS : TMK_TEXT;
}
