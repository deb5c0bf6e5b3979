// notify_payload.c: the webhook body, byte for byte what receivers of Alertmanager parse, version
// 4.
#include "alert/notify_inner.h"
#include "base/str.h"
#include "model/duration.h"
#include "wire/json.h"

static void put_time(struct jsonw *w, str key, i64 t_ms)
{
    char text[40];
    jsonw_key(w, key);
    if (t_ms == 0) {
        jsonw_str(w, STR("0001-01-01T00:00:00Z")); // Go's zero time: not known.
        return;
    }
    jsonw_str(w, str_make(text, time_print_rfc3339(text, t_ms)));
}

static void put_labels(struct jsonw *w, str key, struct labels ls)
{
    jsonw_key(w, key);
    jsonw_object(w);
    for (u32 i = 0; i < ls.count; i++) {
        jsonw_pair_str(w, ls.items[i].name, ls.items[i].value);
    }
    jsonw_object_end(w);
}

static void put_alert(struct jsonw *w, const struct held_alert *a, i64 now_ms)
{
    char fingerprint[24];
    const bool resolved = held_alert_is_resolved(a, now_ms);
    struct buf hex;
    buf_init(&hex, sizeof(fingerprint));
    buf_printf(&hex, "%016llx", (unsigned long long)a->fingerprint);
    jsonw_object(w);
    jsonw_pair_str(w, STR("status"), resolved ? STR("resolved") : STR("firing"));
    put_labels(w, STR("labels"), a->labels);
    put_labels(w, STR("annotations"), a->annotations);
    put_time(w, STR("startsAt"), a->starts_at_ms);
    put_time(w, STR("endsAt"), resolved ? a->ends_at_ms : 0);
    jsonw_pair_str(w, STR("generatorURL"), a->generator_url);
    jsonw_pair_str(w, STR("fingerprint"), buf_get(&hex));
    jsonw_object_end(w);
    buf_fini(&hex);
}

// The pairs that all alerts share. Borrowed from the first alert.
static void put_common(struct jsonw *w, str key, struct held_alert **alerts, u32 count,
                       bool annotations)
{
    jsonw_key(w, key);
    jsonw_object(w);
    const struct labels first = count == 0    ? (struct labels){0}
                                : annotations ? alerts[0]->annotations
                                              : alerts[0]->labels;
    for (u32 i = 0; i < first.count; i++) {
        bool common = true;
        for (u32 k = 1; k < count && common; k++) {
            const struct labels other = annotations ? alerts[k]->annotations : alerts[k]->labels;
            common = str_eq(labels_get(other, first.items[i].name), first.items[i].value);
        }
        if (common) {
            jsonw_pair_str(w, first.items[i].name, first.items[i].value);
        }
    }
    jsonw_object_end(w);
}

void notify_payload(struct notify *n, const struct alert_group *g, struct held_alert **alerts,
                    u32 count, u32 truncated, struct buf *out)
{
    const i64 now_ms = g->flush_t_ms;
    struct jsonw w;
    bool firing = false;
    for (u32 i = 0; i < count; i++) {
        firing = firing || !held_alert_is_resolved(alerts[i], now_ms);
    }
    jsonw_init(&w, out);
    jsonw_object(&w);
    jsonw_pair_str(&w, STR("receiver"), n->plan->receiver->name);
    jsonw_pair_str(&w, STR("status"), firing ? STR("firing") : STR("resolved"));
    jsonw_key(&w, STR("alerts"));
    jsonw_array(&w);
    for (u32 i = 0; i < count; i++) {
        put_alert(&w, alerts[i], now_ms);
    }
    jsonw_array_end(&w);
    put_labels(&w, STR("groupLabels"), g->labels);
    put_common(&w, STR("commonLabels"), alerts, count, false);
    put_common(&w, STR("commonAnnotations"), alerts, count, true);
    jsonw_pair_str(&w, STR("externalURL"), n->deps.external_url);
    jsonw_pair_str(&w, STR("version"), STR("4"));
    jsonw_pair_str(&w, STR("groupKey"), g->key);
    jsonw_key(&w, STR("truncatedAlerts"));
    jsonw_u64(&w, truncated);
    jsonw_object_end(&w);
}
