// notify_conf.c: an alertmanager.yml as tables; what is not built is refused by name.
#include "alert/notify_inner.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/fs.h"
#include "wire/yaml.h"

#define FIELD(s, key, t, member, ...)                                                              \
    {                                                                                              \
        .name = (key), .type = (t), .offset = offsetof(struct s, member), __VA_ARGS__              \
    }
#define LIST(s, key, t, member, n, ...)                                                            \
    {                                                                                              \
        .name = (key), .type = (t), .offset = offsetof(struct s, member),                          \
        .count_offset = offsetof(struct s, n), __VA_ARGS__                                         \
    }
#define UNBUILT(key)                                                                               \
    {                                                                                              \
        .name = (key), .type = CONF_UNBUILT                                                        \
    }
#define TABLE(s, label, list)                                                                      \
    {                                                                                              \
        .name = (label), .bytes = sizeof(struct s), .fields = (list),                              \
        .field_count = ARRAY_LEN(list), .place_offset = SIZE_MAX                                   \
    }

static const struct conf_field webhook_fields[] = {
    FIELD(webhook_section, "url", CONF_SECRET, url),
    FIELD(webhook_section, "url_file", CONF_STR, url_file),
    FIELD(webhook_section, "send_resolved", CONF_BOOL, send_resolved, .fallback = "true"),
    FIELD(webhook_section, "max_alerts", CONF_U64, max_alerts),
    FIELD(webhook_section, "timeout", CONF_DURATION, timeout_ms),
    UNBUILT("http_config"),
    UNBUILT("payload"),
};
static const struct conf_struct webhook_conf =
    TABLE(webhook_section, "webhook_config", webhook_fields);

static const struct conf_field receiver_fields[] = {
    FIELD(receiver_section, "name", CONF_STR, name, .required = true),
    LIST(receiver_section, "webhook_configs", CONF_STRUCT_LIST, webhooks, webhook_count,
         .sub = &webhook_conf),
    UNBUILT("labels"),
    UNBUILT("discord_configs"),
    UNBUILT("email_configs"),
    UNBUILT("incidentio_configs"),
    UNBUILT("jira_configs"),
    UNBUILT("mattermost_configs"),
    UNBUILT("msteams_configs"),
    UNBUILT("msteamsv2_configs"),
    UNBUILT("opsgenie_configs"),
    UNBUILT("pagerduty_configs"),
    UNBUILT("pushover_configs"),
    UNBUILT("rocketchat_configs"),
    UNBUILT("slack_configs"),
    UNBUILT("sns_configs"),
    UNBUILT("telegram_configs"),
    UNBUILT("victorops_configs"),
    UNBUILT("webex_configs"),
    UNBUILT("wechat_configs"),
};
static const struct conf_struct receiver_conf =
    TABLE(receiver_section, "receiver", receiver_fields);

static const struct conf_field route_fields[] = {
    FIELD(route_section, "receiver", CONF_STR, receiver, .required = true),
    LIST(route_section, "group_by", CONF_STR_LIST, group_by, group_by_count),
    FIELD(route_section, "group_wait", CONF_DURATION, group_wait_ms, .fallback = "30s"),
    FIELD(route_section, "group_interval", CONF_DURATION, group_interval_ms, .fallback = "5m"),
    FIELD(route_section, "repeat_interval", CONF_DURATION, repeat_interval_ms, .fallback = "4h"),
    UNBUILT("routes"),
    UNBUILT("matchers"),
    UNBUILT("match"),
    UNBUILT("match_re"),
    UNBUILT("continue"),
    UNBUILT("labels"),
    UNBUILT("mute_time_intervals"),
    UNBUILT("active_time_intervals"),
};
static const struct conf_struct route_conf = TABLE(route_section, "route", route_fields);

static const struct conf_field global_fields[] = {
    FIELD(global_section, "resolve_timeout", CONF_DURATION, resolve_timeout_ms, .fallback = "5m"),
    UNBUILT("http_config"),
    UNBUILT("smtp_from"),
    UNBUILT("smtp_smarthost"),
    UNBUILT("smtp_hello"),
    UNBUILT("smtp_auth_username"),
    UNBUILT("smtp_auth_password"),
    UNBUILT("smtp_auth_password_file"),
    UNBUILT("smtp_auth_secret"),
    UNBUILT("smtp_auth_identity"),
    UNBUILT("smtp_require_tls"),
    UNBUILT("smtp_tls_config"),
    UNBUILT("slack_api_url"),
    UNBUILT("slack_api_url_file"),
    UNBUILT("pagerduty_url"),
    UNBUILT("opsgenie_api_key"),
    UNBUILT("opsgenie_api_key_file"),
    UNBUILT("opsgenie_api_url"),
    UNBUILT("victorops_api_key"),
    UNBUILT("victorops_api_url"),
    UNBUILT("wechat_api_url"),
    UNBUILT("wechat_api_secret"),
    UNBUILT("wechat_api_corp_id"),
    UNBUILT("telegram_api_url"),
    UNBUILT("webex_api_url"),
    UNBUILT("jira_api_url"),
    UNBUILT("rocketchat_api_url"),
};
static const struct conf_struct global_conf = TABLE(global_section, "global", global_fields);

static const struct conf_field top_fields[] = {
    FIELD(notify_conf, "global", CONF_STRUCT, global, .sub = &global_conf),
    FIELD(notify_conf, "route", CONF_STRUCT, route, .sub = &route_conf, .required = true),
    LIST(notify_conf, "receivers", CONF_STRUCT_LIST, receivers, receiver_count,
         .sub = &receiver_conf, .required = true),
    UNBUILT("inhibit_rules"),
    UNBUILT("mute_time_intervals"),
    UNBUILT("time_intervals"),
    UNBUILT("templates"),
    UNBUILT("tracing"),
};
static const struct conf_struct top_conf =
    TABLE(notify_conf, "alertmanager configuration", top_fields);

static bool receivers_check(struct notify_plan *p, const struct yaml_node *root, struct error *e)
{
    const struct notify_conf *c = &p->conf;
    for (u32 i = 0; i < c->receiver_count; i++) {
        for (u32 k = 0; k < i; k++) {
            if (str_eq(c->receivers[i].name, c->receivers[k].name)) {
                return conf_error(e, root, "notification config name \"%.*s\" is not unique",
                                  STR_ARG(c->receivers[i].name));
            }
        }
        if (str_eq(c->receivers[i].name, c->route.receiver)) {
            p->receiver = &c->receivers[i];
        }
    }
    if (!p->receiver) {
        return conf_error(e, yaml_get(root, STR("route")),
                          "undefined receiver \"%.*s\" used in route", STR_ARG(c->route.receiver));
    }
    return true;
}

static bool route_check(struct notify_plan *p, const struct yaml_node *root, struct error *e)
{
    const struct route_section *r = &p->conf.route;
    const struct yaml_node *node = yaml_get(root, STR("route"));
    if (r->group_interval_ms <= 0 || r->repeat_interval_ms <= 0) {
        return conf_error(e, node, "group_interval and repeat_interval cannot be zero");
    }
    for (u32 i = 0; i < r->group_by_count; i++) {
        p->group_by_all = p->group_by_all || str_eq(r->group_by[i], STR("..."));
        for (u32 k = 0; k < i; k++) {
            if (str_eq(r->group_by[i], r->group_by[k])) {
                return conf_error(e, node, "duplicated label \"%.*s\" in group_by",
                                  STR_ARG(r->group_by[i]));
            }
        }
    }
    if (p->group_by_all && r->group_by_count > 1) {
        return conf_error(
            e, node, "cannot have the wildcard group_by (...) and other labels at the same time");
    }
    return true;
}

static bool integration_make(struct notify *n, struct notify_plan *p, struct integration *in,
                             const struct yaml_node *root, struct error *e)
{
    in->url = secret_reveal(in->section->url);
    if (in->section->url_file.len > 0) {
        const char *path = arena_cstr(p->memory, in->section->url_file);
        if (!fs_read_file(n->deps.fs, path, 4096, p->memory, &in->url, e)) {
            return err_in(e, "receiver %.*s", STR_ARG(p->receiver->name));
        }
        in->url = str_trim(in->url);
    }
    if (in->url.len == 0) {
        return conf_error(e, root, "receiver \"%.*s\": one of url and url_file must be set",
                          STR_ARG(p->receiver->name));
    }
    const struct http_target_opts opts = {.url = in->url, .bytes_max = 64U << 10, .gzip = false};
    struct error why = {0};
    in->http = http_target_new(n->deps.http, &opts, &why);
    if (!in->http) {
        // The URL is a secret: it is not said again.
        return conf_error(e, root, "receiver \"%.*s\": its webhook url cannot be used",
                          STR_ARG(p->receiver->name));
    }
    return true;
}

struct notify_plan *notify_prepare(struct notify *n, str path, str text, struct error *e)
{
    struct notify_plan *p = MEM_NEW(struct notify_plan);
    p->memory = arena_new(NOTIFY_CONF_MAX + 64 * text.len);
    if (text.len == 0) {
        return p;
    }
    const struct yaml_doc *doc = yaml_parse(p->memory, path, text, e);
    bool ok = doc && conf_decode(&top_conf, doc->root, &p->conf, p->memory, e) &&
              receivers_check(p, doc->root, e) && route_check(p, doc->root, e);
    if (ok) {
        p->has_receivers = true;
        p->integrations =
            ARENA_NEW_N(p->memory, struct integration, p->receiver->webhook_count + 1U);
    }
    for (u32 i = 0; ok && i < p->receiver->webhook_count; i++) {
        p->integrations[i] = (struct integration){.section = &p->receiver->webhooks[i], .index = i};
        ok = integration_make(n, p, &p->integrations[i], doc->root, e);
        p->integration_count += ok;
    }
    if (!ok) {
        notify_plan_free(p);
        return NULL;
    }
    return p;
}

void notify_plan_free(struct notify_plan *p)
{
    if (!p) {
        return;
    }
    for (u32 i = 0; i < p->integration_count; i++) {
        http_target_free(p->integrations[i].http);
    }
    arena_free(p->memory);
    mem_free(p);
}
