// api_rules.c: rules, their alerts, and what became of the alerts.
#include "alert/alerting.h"
#include "api/api_inner.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/str.h"
#include "rules/rules.h"

#include <stdio.h>

static const char *health_text(enum rule_health h)
{
    switch (h) {
    case RULE_UNKNOWN:
        return "unknown";
    case RULE_OK:
        return "ok";
    case RULE_ERR:
        return "err";
    }
    return "unknown";
}

static void alert_write(struct jsonw *w, const struct rules_alert_info *a)
{
    char value[NUM_TEXT_MAX];
    jsonw_object(w);
    jsonw_key(w, STR("labels"));
    api_write_labels(w, a->labels);
    jsonw_key(w, STR("annotations"));
    api_write_labels(w, a->annotations);
    jsonw_pair_str(w, STR("state"), str_c(alert_state_text(a->state)));
    jsonw_key(w, STR("activeAt"));
    api_write_time(w, a->active_at_ms);
    if (a->keep_firing_since_ms != 0) {
        jsonw_key(w, STR("keepFiringSince"));
        api_write_time(w, a->keep_firing_since_ms);
    }
    jsonw_pair_str(w, STR("value"), (str){value, num_exp(value, a->value)});
    jsonw_object_end(w);
}

static bool is_active(const struct rules_alert_info *a)
{
    return a->state == ALERT_PENDING || a->state == ALERT_FIRING;
}

static void alerts_write(struct jsonw *w, const struct rules_rule_info *r)
{
    for (u32 i = 0; i < r->alert_count; i++) {
        if (is_active(&r->alerts[i])) {
            alert_write(w, &r->alerts[i]);
        }
    }
}

static void rule_write(struct jsonw *w, const struct rules_rule_info *r, bool with_alerts)
{
    const bool alerting = r->kind == RULE_ALERTING;
    jsonw_object(w);
    if (alerting) {
        jsonw_pair_str(w, STR("state"), str_c(alert_state_text(r->state)));
    }
    jsonw_pair_str(w, STR("name"), r->name);
    jsonw_pair_str(w, STR("query"), r->query);
    if (alerting) {
        jsonw_key(w, STR("duration"));
        jsonw_f64(w, (f64)r->for_ms / 1000);
        jsonw_key(w, STR("keepFiringFor"));
        jsonw_f64(w, (f64)r->keep_firing_for_ms / 1000);
    }
    jsonw_key(w, STR("labels"));
    api_write_labels(w, r->labels);
    if (alerting) {
        jsonw_key(w, STR("annotations"));
        api_write_labels(w, r->annotations);
        jsonw_key(w, STR("alerts"));
        jsonw_array(w);
        if (with_alerts) {
            alerts_write(w, r);
        }
        jsonw_array_end(w);
    }
    jsonw_pair_str(w, STR("health"), str_c(health_text(r->health)));
    if (r->last_error.len > 0) {
        jsonw_pair_str(w, STR("lastError"), r->last_error);
    }
    jsonw_key(w, STR("evaluationTime"));
    jsonw_f64(w, r->evaluation_s);
    jsonw_key(w, STR("lastEvaluation"));
    api_write_time(w, r->last_evaluation_ms);
    jsonw_pair_str(w, STR("type"), alerting ? STR("alerting") : STR("recording"));
    jsonw_key(w, STR("line")); // Ours from here on.
    jsonw_u64(w, r->line);
    jsonw_key(w, STR("samples"));
    jsonw_u64(w, r->samples);
    jsonw_object_end(w);
}

// What a request wants to see. Threads: owned.
struct rule_filter {
    bool recording;
    bool alerting;
    bool with_alerts;
    struct api_matchers *sets;
    u32 set_count;
    u32 group_limit;
    str next_token;
};

static bool filter_take(struct http_request *rq, struct http_response *rs, struct rule_filter *f)
{
    const str type = http_param_get(rq, STR("type"));
    const str exclude = http_param_get(rq, STR("exclude_alerts"));
    if (type.len > 0 && !str_eq_nocase(type, STR("alert")) && !str_eq_nocase(type, STR("record"))) {
        api_error(rs, API_BAD_DATA, "invalid parameter \"type\": not supported value \"%.*s\"",
                  (int)MIN(type.len, 100), type.ptr);
        return false;
    }
    if (exclude.len > 0 && !str_eq_nocase(exclude, STR("true")) &&
        !str_eq_nocase(exclude, STR("false")) && !str_eq_c(exclude, "1") &&
        !str_eq_c(exclude, "0")) {
        api_error(rs, API_BAD_DATA,
                  "invalid parameter \"exclude_alerts\": \"%.*s\" is neither true nor false",
                  (int)MIN(exclude.len, 100), exclude.ptr);
        return false;
    }
    f->recording = type.len == 0 || str_eq_nocase(type, STR("record"));
    f->alerting = type.len == 0 || str_eq_nocase(type, STR("alert"));
    f->with_alerts = !str_eq_nocase(exclude, STR("true")) && !str_eq_c(exclude, "1");
    f->next_token = http_param_get(rq, STR("group_next_token"));
    if (!api_param_u32(rq, rs, "group_limit", 0, &f->group_limit)) {
        return false;
    }
    if (f->next_token.len > 0 && f->group_limit == 0) {
        api_error(rs, API_BAD_DATA,
                  "invalid parameter \"group_limit\": group_limit needs to be present in order to "
                  "paginate over the groups");
        return false;
    }
    return api_param_matchers_bare(rq, rs, &f->sets, &f->set_count);
}

static bool rule_is_wanted(const struct http_request *rq, const struct rule_filter *f,
                           const struct rules_rule_info *r)
{
    bool matches = f->set_count == 0;
    if (!(r->kind == RULE_ALERTING ? f->alerting : f->recording) ||
        !api_name_listed(&rq->params, "rule_name[]", r->name)) {
        return false;
    }
    for (u32 i = 0; i < f->set_count; i++) {
        matches = matches || matchers_match(f->sets[i].ms, f->sets[i].count, r->labels);
    }
    return matches;
}

static void group_token(const struct rules_group_info *g, char out[24])
{
    u64 h = hash_fnv64a(HASH_FNV64A_INIT, g->file.ptr, g->file.len);
    h = hash_fnv64a(h, ";", 1);
    (void)snprintf(out, 24, "%016llx",
                   (unsigned long long)hash_fnv64a(h, g->name.ptr, g->name.len));
}

static bool group_write(struct api_out *o, const struct http_request *rq,
                        const struct rule_filter *f, const struct rules_group_info *g)
{
    jsonw_object(&o->w);
    jsonw_pair_str(&o->w, STR("name"), g->name);
    jsonw_pair_str(&o->w, STR("file"), g->file);
    jsonw_key(&o->w, STR("rules"));
    jsonw_array(&o->w);
    for (u32 i = 0; i < g->rule_count; i++) {
        if (rule_is_wanted(rq, f, &g->rules[i])) {
            rule_write(&o->w, &g->rules[i], f->with_alerts);
        }
        if (!api_out_flush(o)) {
            return false;
        }
    }
    jsonw_array_end(&o->w);
    jsonw_key(&o->w, STR("interval"));
    jsonw_f64(&o->w, (f64)g->interval_ms / 1000);
    jsonw_key(&o->w, STR("limit"));
    jsonw_u64(&o->w, g->limit);
    jsonw_key(&o->w, STR("evaluationTime"));
    jsonw_f64(&o->w, g->evaluation_s);
    jsonw_key(&o->w, STR("lastEvaluation"));
    api_write_time(&o->w, g->last_evaluation_ms);
    jsonw_key(&o->w, STR("nextEvaluation")); // Ours from here on.
    api_write_time(&o->w, g->next_evaluation_ms);
    jsonw_key(&o->w, STR("iterationsMissed"));
    jsonw_u64(&o->w, g->iterations_missed);
    jsonw_object_end(&o->w);
    return true;
}

static bool group_is_wanted(const struct http_request *rq, const struct rule_filter *f,
                            const struct rules_group_info *g)
{
    const bool filtered = form_has(&rq->params, STR("rule_name[]")) || f->set_count > 0 ||
                          !f->recording || !f->alerting;
    bool any = !filtered;
    if (!api_name_listed(&rq->params, "rule_group[]", g->name) ||
        !api_name_listed(&rq->params, "file[]", g->file)) {
        return false;
    }
    for (u32 i = 0; i < g->rule_count; i++) {
        any = any || rule_is_wanted(rq, f, &g->rules[i]);
    }
    return any;
}

// Writes the page of groups; token is that of the first group of the next page, or empty.
static bool groups_write(struct api_out *o, const struct http_request *rq,
                         const struct rule_filter *f, const struct rules_group_info *groups,
                         u32 count, char token[24])
{
    u32 written = 0;
    bool begun = f->next_token.len == 0;
    token[0] = '\0';
    jsonw_array(&o->w);
    for (u32 i = 0; i < count; i++) {
        char own[24];
        group_token(&groups[i], own);
        begun = begun || str_eq_c(f->next_token, own);
        if (!begun || !group_is_wanted(rq, f, &groups[i])) {
            continue;
        }
        if (f->group_limit > 0 && written == f->group_limit) {
            memcpy(token, own, 24);
            break;
        }
        if (!group_write(o, rq, f, &groups[i])) {
            return false;
        }
        written++;
    }
    jsonw_array_end(&o->w);
    return true;
}

static bool token_is_known(const struct rule_filter *f, const struct rules_group_info *groups,
                           u32 count)
{
    char own[24];
    for (u32 i = 0; i < count; i++) {
        group_token(&groups[i], own);
        if (str_eq_c(f->next_token, own)) {
            return true;
        }
    }
    return f->next_token.len == 0;
}

static void left_out_warn(struct api_out *o, struct arena *a, u64 left_out)
{
    if (left_out > 0) {
        api_out_warn(o,
                     arena_printf(a, "%llu active alerts are left out: together they are too large",
                                  (unsigned long long)left_out));
    }
}

void api_rules(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct rule_filter f = {0};
    struct rules_group_info *groups = NULL;
    u32 count = 0;
    u64 left_out = 0;
    char token[24];
    struct api_out o;
    if (svc == NULL || !filter_take(rq, rs, &f)) {
        return;
    }
    if (svc->rules != NULL) {
        left_out = rules_snapshot_take(svc->rules, rq->arena, &groups, &count);
    }
    if (!token_is_known(&f, groups, count)) {
        api_error(rs, API_BAD_DATA,
                  "invalid parameter \"group_next_token\": the group it names is gone: start over");
        return;
    }
    api_out_begin(&o, rs);
    left_out_warn(&o, rq->arena, left_out);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("groups"));
    if (!groups_write(&o, rq, &f, groups, count, token)) {
        api_out_abort(&o, "the answer could not be sent");
        return;
    }
    if (token[0] != '\0') {
        jsonw_pair_str(&o.w, STR("groupNextToken"), str_c(token));
    }
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

void api_alerts(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct rules_group_info *groups = NULL;
    u32 count = 0;
    u64 left_out = 0;
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    if (svc->rules != NULL) {
        left_out = rules_snapshot_take(svc->rules, rq->arena, &groups, &count);
    }
    api_out_begin(&o, rs);
    left_out_warn(&o, rq->arena, left_out);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("alerts"));
    jsonw_array(&o.w);
    for (u32 i = 0; i < count; i++) {
        for (u32 j = 0; j < groups[i].rule_count; j++) {
            alerts_write(&o.w, &groups[i].rules[j]);
            (void)api_out_flush(&o);
        }
    }
    jsonw_array_end(&o.w);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

void api_alertmanagers(struct http_request *rq, struct http_response *rs)
{
    const struct api *api = rq->ctx;
    const struct api_control *control = &api->opts.control;
    str *urls = NULL;
    struct api_out o;
    if (api_ready(rq, rs) == NULL) {
        return;
    }
    const u32 count =
        control->alertmanagers ? control->alertmanagers(control->ctx, rq->arena, &urls) : 0;
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("activeAlertmanagers"));
    jsonw_array(&o.w);
    for (u32 i = 0; i < count; i++) {
        jsonw_object(&o.w);
        jsonw_pair_str(&o.w, STR("url"), urls[i]);
        jsonw_object_end(&o.w);
    }
    jsonw_array_end(&o.w);
    jsonw_key(&o.w, STR("droppedAlertmanagers"));
    jsonw_array(&o.w);
    jsonw_array_end(&o.w);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}

static const char *delivery_text(enum delivery_status s)
{
    switch (s) {
    case DELIVERY_OK:
        return "ok";
    case DELIVERY_FAILED:
        return "failed";
    case DELIVERY_RETRYING:
        return "retrying";
    }
    return "failed";
}

static void delivery_write(struct jsonw *w, const struct delivery *d)
{
    jsonw_object(w);
    jsonw_key(w, STR("time"));
    api_write_time(w, d->t_ms);
    jsonw_pair_str(w, STR("receiver"), d->receiver);
    jsonw_pair_str(w, STR("integration"), d->integration);
    jsonw_pair_str(w, STR("status"), str_c(delivery_text(d->status)));
    jsonw_key(w, STR("code"));
    jsonw_u64(w, d->code);
    jsonw_key(w, STR("attempt"));
    jsonw_u64(w, d->attempt);
    jsonw_pair_str(w, STR("error"), d->error);
    jsonw_pair_str(w, STR("groupKey"), d->group_key);
    jsonw_key(w, STR("alerts"));
    jsonw_array(w);
    for (u32 i = 0; i < d->alert_count; i++) {
        char fingerprint[24];
        (void)snprintf(fingerprint, sizeof(fingerprint), "%016llx",
                       (unsigned long long)d->alerts[i].fingerprint);
        jsonw_object(w);
        jsonw_pair_str(w, STR("fingerprint"), str_c(fingerprint));
        jsonw_pair_str(w, STR("status"), d->alerts[i].firing ? STR("firing") : STR("resolved"));
        jsonw_key(w, STR("labels"));
        api_write_labels(w, d->alerts[i].labels);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object_end(w);
}

void api_deliveries(struct http_request *rq, struct http_response *rs)
{
    const struct api_services *svc = api_ready(rq, rs);
    struct delivery *all = NULL;
    u32 count = 0;
    struct api_out o;
    if (svc == NULL) {
        return;
    }
    if (svc->notify != NULL) {
        notify_deliveries(svc->notify, rq->arena, &all, &count);
    }
    api_out_begin(&o, rs);
    jsonw_object(&o.w);
    jsonw_key(&o.w, STR("deliveries"));
    jsonw_array(&o.w);
    for (u32 i = 0; i < count; i++) {
        delivery_write(&o.w, &all[i]);
        (void)api_out_flush(&o);
    }
    jsonw_array_end(&o.w);
    jsonw_object_end(&o.w);
    api_out_end(&o);
}
