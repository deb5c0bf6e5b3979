// api_hist.c: native histograms as the query API shows them: count, sum and the buckets that hold
// something, from the most negative to the most positive:
//   [rule, low, high, count]; rule 0 = (low,high], 1 = [low,high), 2 = open, 3 = closed
#include "api/api_inner.h"
#include "model/hist_bucket.h"

static void bucket_write(struct jsonw *w, f64 low, f64 high, f64 count, bool *begun)
{
    const bool low_inclusive = low < 0;
    const bool high_inclusive = high > 0;
    if (count == 0) {
        return;
    }
    if (!*begun) {
        jsonw_key(w, STR("buckets"));
        jsonw_array(w);
        *begun = true;
    }
    jsonw_array(w);
    jsonw_u64(w, low_inclusive ? (high_inclusive ? 3 : 1) : (high_inclusive ? 0 : 2));
    jsonw_f64_text(w, low);
    jsonw_f64_text(w, high);
    jsonw_f64_text(w, count);
    jsonw_array_end(w);
}

// Calls back for each bucket of a side, in rising or falling order of index.
static void side_write(struct jsonw *w, const struct hist *h, bool negative, bool *begun)
{
    const struct hist_side *side = negative ? &h->negative : &h->positive;
    i64 end = 0; // Index behind the last bucket of the spans so far.
    for (u32 i = 0; i < side->span_count; i++) {
        end += side->spans[i].offset + (i64)side->spans[i].length;
    }
    u32 at = negative ? side->bucket_count : 0;
    i64 index = negative ? end : 0;
    for (u32 i = 0; i < side->span_count; i++) {
        const struct hist_span *span = &side->spans[negative ? side->span_count - 1 - i : i];
        index += negative ? 0 : span->offset;
        for (u32 j = 0; j < span->length; j++) {
            index -= negative;
            at -= negative;
            const f64 outer = hist_bound(h, index);
            const f64 inner = hist_bound(h, index - 1);
            const f64 count = at < side->bucket_count ? side->buckets[at] : 0;
            bucket_write(w, negative ? -outer : inner, negative ? -inner : outer, count, begun);
            index += !negative;
            at += !negative;
        }
        index -= negative ? span->offset : 0;
    }
}

void api_write_hist(struct jsonw *w, const struct hist *h)
{
    bool begun = false;
    jsonw_object(w);
    jsonw_key(w, STR("count"));
    jsonw_f64_text(w, h->count);
    jsonw_key(w, STR("sum"));
    jsonw_f64_text(w, h->sum);
    side_write(w, h, true, &begun);
    if (h->zero_count > 0) { // Never one that arithmetic has made negative or NaN, as upstream.
        bucket_write(w, -h->zero_threshold, h->zero_threshold, h->zero_count, &begun);
    }
    side_write(w, h, false, &begun);
    if (begun) {
        jsonw_array_end(w);
    }
    jsonw_object_end(w);
}
