// metric_type.c: the names of metric types, as exposition and metadata spell them.

#include "base/str.h"
#include "model/sample.h"

static const char *const type_texts[METRIC_TYPE_COUNT] = {
    [METRIC_UNKNOWN] = "unknown",
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
    [METRIC_GAUGEHISTOGRAM] = "gaugehistogram",
    [METRIC_SUMMARY] = "summary",
    [METRIC_INFO] = "info",
    [METRIC_STATESET] = "stateset",
};

const char *metric_type_text(enum metric_type t)
{
    CHECK(t < METRIC_TYPE_COUNT);
    return type_texts[t];
}

bool metric_type_parse(str s, enum metric_type *out)
{
    for (u32 t = 0; t < METRIC_TYPE_COUNT; t++) {
        if (str_eq_c(s, type_texts[t])) {
            *out = (enum metric_type)t;
            return true;
        }
    }
    return false;
}
