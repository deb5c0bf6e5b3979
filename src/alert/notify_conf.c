// notify_conf.c: an alertmanager.yml as tables; what is not built is refused by name.
#include "alert/notify_inner.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "os/fs.h"
#include "wire/yaml.h"

#define URL_FILE_MAX ((size_t)4096)

static const struct conf_field webhook_fields[] = {
    CONF_FIELD(webhook_section, "url", CONF_SECRET, url),
    CONF_FIELD(webhook_section, "url_file", CONF_STR, url_file),
    CONF_FIELD(webhook_section, "send_resolved", CONF_BOOL, send_resolved, .fallback = "true"),
    CONF_FIELD(webhook_section, "max_alerts", CONF_U64, max_alerts),
    CONF_FIELD(webhook_section, "timeout", CONF_DURATION, timeout_ms),
    CONF_REFUSED("http_config"),
    CONF_REFUSED("payload"),
};
static const struct conf_struct webhook_conf =
    CONF_TABLE(webhook_section, "webhook_config", webhook_fields);

static const struct conf_field receiver_fields[] = {
    CONF_FIELD(receiver_section, "name", CONF_STR, name, .required = true),
    CONF_LIST(receiver_section, "webhook_configs", CONF_STRUCT_LIST, webhooks, webhook_count,
              .sub = &webhook_conf),
    CONF_REFUSED("labels"),
    CONF_REFUSED("discord_configs"),
    CONF_REFUSED("email_configs"),
    CONF_REFUSED("incidentio_configs"),
    CONF_REFUSED("jira_configs"),
    CONF_REFUSED("mattermost_configs"),
    CONF_REFUSED("msteams_configs"),
    CONF_REFUSED("msteamsv2_configs"),
    CONF_REFUSED("opsgenie_configs"),
    CONF_REFUSED("pagerduty_configs"),
    CONF_REFUSED("pushover_configs"),
    CONF_REFUSED("rocketchat_configs"),
    CONF_REFUSED("slack_configs"),
    CONF_REFUSED("sns_configs"),
    CONF_REFUSED("telegram_configs"),
    CONF_REFUSED("victorops_configs"),
    CONF_REFUSED("webex_configs"),
    CONF_REFUSED("wechat_configs"),
};
static const struct conf_struct receiver_conf =
    CONF_TABLE(receiver_section, "receiver", receiver_fields);

static const struct conf_field route_fields[] = {
    CONF_FIELD(route_section, "receiver", CONF_STR, receiver, .required = true),
    CONF_LIST(route_section, "group_by", CONF_STR_LIST, group_by, group_by_count),
    CONF_FIELD(route_section, "group_wait", CONF_DURATION, group_wait_ms, .fallback = "30s"),
    CONF_FIELD(route_section, "group_interval", CONF_DURATION, group_interval_ms, .fallback = "5m"),
    CONF_FIELD(route_section, "repeat_interval", CONF_DURATION, repeat_interval_ms,
               .fallback = "4h"),
    CONF_REFUSED("routes"),
    CONF_REFUSED("matchers"),
    CONF_REFUSED("match"),
    CONF_REFUSED("match_re"),
    CONF_REFUSED("continue"),
    CONF_REFUSED("labels"),
    CONF_REFUSED("mute_time_intervals"),
    CONF_REFUSED("active_time_intervals"),
};
static const struct conf_struct route_conf = CONF_TABLE(route_section, "route", route_fields);

static const struct conf_field global_fields[] = {
    CONF_FIELD(global_section, "resolve_timeout", CONF_DURATION, resolve_timeout_ms,
               .fallback = "5m"),
    CONF_REFUSED("http_config"),
    CONF_REFUSED("smtp_from"),
    CONF_REFUSED("smtp_smarthost"),
    CONF_REFUSED("smtp_hello"),
    CONF_REFUSED("smtp_auth_username"),
    CONF_REFUSED("smtp_auth_password"),
    CONF_REFUSED("smtp_auth_password_file"),
    CONF_REFUSED("smtp_auth_secret"),
    CONF_REFUSED("smtp_auth_identity"),
    CONF_REFUSED("smtp_require_tls"),
    CONF_REFUSED("smtp_tls_config"),
    CONF_REFUSED("slack_api_url"),
    CONF_REFUSED("slack_api_url_file"),
    CONF_REFUSED("pagerduty_url"),
    CONF_REFUSED("opsgenie_api_key"),
    CONF_REFUSED("opsgenie_api_key_file"),
    CONF_REFUSED("opsgenie_api_url"),
    CONF_REFUSED("victorops_api_key"),
    CONF_REFUSED("victorops_api_url"),
    CONF_REFUSED("wechat_api_url"),
    CONF_REFUSED("wechat_api_secret"),
    CONF_REFUSED("wechat_api_corp_id"),
    CONF_REFUSED("telegram_api_url"),
    CONF_REFUSED("webex_api_url"),
    CONF_REFUSED("jira_api_url"),
    CONF_REFUSED("rocketchat_api_url"),
};
static const struct conf_struct global_conf = CONF_TABLE(global_section, "global", global_fields);

static const struct conf_field top_fields[] = {
    CONF_FIELD(notify_conf, "global", CONF_STRUCT, global, .sub = &global_conf),
    CONF_FIELD(notify_conf, "route", CONF_STRUCT, route, .sub = &route_conf, .required = true),
    CONF_LIST(notify_conf, "receivers", CONF_STRUCT_LIST, receivers, receiver_count,
              .sub = &receiver_conf, .required = true),
    CONF_REFUSED("inhibit_rules"),
    CONF_REFUSED("mute_time_intervals"),
    CONF_REFUSED("time_intervals"),
    CONF_REFUSED("templates"),
    CONF_REFUSED("tracing"),
};
static const struct conf_struct top_conf =
    CONF_TABLE(notify_conf, "alertmanager configuration", top_fields);

// Entry i of the receivers, as the file has it.
static const struct yaml_node *receiver_node(const struct yaml_node *root, u32 i)
{
    return &conf_value(root, "receivers")->items[i];
}

static bool receivers_check(struct notify_plan *p, const struct yaml_node *root, struct error *e)
{
    const struct notify_conf *c = &p->conf;
    for (u32 i = 0; i < c->receiver_count; i++) {
        for (u32 k = 0; k < i; k++) {
            if (str_eq(c->receivers[i].name, c->receivers[k].name)) {
                return conf_error(e, conf_value(receiver_node(root, i), "name"),
                                  "notification config name \"%.*s\" is not unique",
                                  STR_ARG(c->receivers[i].name));
            }
        }
        if (str_eq(c->receivers[i].name, c->route.receiver)) {
            p->receiver = &c->receivers[i];
        }
    }
    if (!p->receiver) {
        return conf_error(e, conf_value(conf_value(root, "route"), "receiver"),
                          "undefined receiver \"%.*s\" used in route", STR_ARG(c->route.receiver));
    }
    return true;
}

static bool route_check(struct notify_plan *p, const struct yaml_node *root, struct error *e)
{
    const struct route_section *r = &p->conf.route;
    const struct yaml_node *node = yaml_get(root, STR("route"));
    if (r->group_interval_ms <= 0) {
        return conf_error(e, conf_value(node, "group_interval"), "group_interval cannot be zero");
    }
    if (r->repeat_interval_ms <= 0) {
        return conf_error(e, conf_value(node, "repeat_interval"), "repeat_interval cannot be zero");
    }
    for (u32 i = 0; i < r->group_by_count; i++) {
        p->group_by_all = p->group_by_all || str_eq(r->group_by[i], STR("..."));
        for (u32 k = 0; k < i; k++) {
            if (str_eq(r->group_by[i], r->group_by[k])) {
                return conf_error(e, &conf_value(node, "group_by")->items[i],
                                  "duplicated label \"%.*s\" in group_by", STR_ARG(r->group_by[i]));
            }
        }
    }
    if (p->group_by_all && r->group_by_count > 1) {
        return conf_error(
            e, conf_value(node, "group_by"),
            "cannot have the wildcard group_by (...) and other labels at the same time");
    }
    return true;
}

bool integration_slot_make(struct notify *n, const struct integration *in, struct page_slot *slot,
                           struct error *e)
{
    const struct http_target_opts opts = {.url = in->url, .bytes_max = 64U << 10, .gzip = false};
    http_target_free(slot->http);
    slot->http = http_target_new(n->deps.http, &opts, e);
    slot->generation = in->generation;
    if (!slot->http && e->code == ERR_INVALID) {
        return err_set(e, ERR_INVALID, "the webhook's URL cannot be used"); // And is a secret.
    }
    return slot->http != NULL;
}

static bool url_read(struct notify *n, struct integration *in, struct error *e)
{
    struct arena *memory = arena_new(4 * URL_FILE_MAX);
    str url;
    if (!fs_read_file(n->deps.fs, in->url_path, URL_FILE_MAX, memory, &url, e)) {
        arena_free(memory);
        return false;
    }
    url = str_trim(url);
    if (in->url_memory && str_eq(url, in->url)) {
        arena_free(memory);
        return true;
    }
    arena_free(in->url_memory);
    in->url_memory = memory;
    in->url = url;
    in->generation++;
    return true;
}

void integration_url_look(struct notify *n, struct integration *in)
{
    if (!in->url_path) {
        return;
    }
    struct error e = {0};
    const bool ok = url_read(n, in, &e);
    if (!ok && !in->url_fails) {
        LOGF(n->deps.log, LOG_ERROR, "what url_file held before goes on to be used: %s", e.text);
    }
    in->url_fails = !ok;
}

// A path as the configuration has it: relative ones start where its file is, as everywhere.
static const char *path_below(struct arena *a, str config, str path)
{
    const size_t slash = str_find_last(config, '/');
    if (path.ptr[0] == '/' || slash == STR_NONE) {
        return arena_cstr(a, path);
    }
    return arena_cstr(
        a, arena_printf(a, "%.*s/%.*s", STR_ARG(str_sub(config, 0, slash)), STR_ARG(path)));
}

static bool integration_make(struct notify *n, struct notify_plan *p, struct integration *in,
                             const struct yaml_node *root, struct error *e)
{
    const struct yaml_node *receiver = receiver_node(root, (u32)(p->receiver - p->conf.receivers));
    const struct yaml_node *node = &conf_value(receiver, "webhook_configs")->items[in->index];
    struct error why = {0};
    in->url = secret_reveal(in->section->url);
    if (in->url.len > 0 && in->section->url_file.len > 0) {
        return conf_error(e, conf_value(node, "url_file"),
                          "receiver \"%.*s\": at most one of url and url_file may be set",
                          STR_ARG(p->receiver->name));
    }
    if (in->section->url_file.len > 0) {
        in->url_path = path_below(p->memory, root->doc->file, in->section->url_file);
        if (!url_read(n, in, &why)) {
            return conf_error(e, conf_value(node, "url_file"), "receiver \"%.*s\": %s",
                              STR_ARG(p->receiver->name), why.text);
        }
    }
    if (in->url.len == 0) {
        return conf_error(e, node, "receiver \"%.*s\": one of url and url_file must be set",
                          STR_ARG(p->receiver->name));
    }
    return integration_slot_make(n, in, &in->slots[0], &why) ||
           conf_error(e, conf_value(node, in->url_path ? "url_file" : "url"),
                      "receiver \"%.*s\": %s", STR_ARG(p->receiver->name), why.text);
}

// A webhook's URL is a secret: an error that quotes its line must not tell it.
static void urls_mask(const struct yaml_node *node, struct error *e)
{
    for (u32 i = 0; i < node->count; i++) {
        const struct yaml_node *item = &node->items[i];
        if (node->kind == YAML_MAP && str_eq(node->keys[i].scalar, STR("url")) &&
            item->kind == YAML_SCALAR && item->scalar.len > 0) {
            const size_t at = str_find_str(str_c(e->text), item->scalar);
            for (size_t k = 0; at != STR_NONE && k < item->scalar.len; k++) {
                e->text[at + k] = '*';
            }
        }
        urls_mask(item, e); // Bounded by YAML_DEPTH_MAX.
    }
}

struct notify_plan *notify_prepare(struct notify *n, str path, str text, struct error *e)
{
    struct notify_plan *p = MEM_NEW(struct notify_plan);
    p->memory = arena_new(NOTIFY_CONF_MAX + 64 * text.len);
    if (path.len == 0) {
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
        p->integration_count++;
        ok = integration_make(n, p, &p->integrations[i], doc->root, e);
    }
    if (!ok) {
        if (doc && e) {
            urls_mask(doc->root, e);
        }
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
        for (u32 k = 0; k < NOTIFY_SLOTS; k++) {
            http_target_free(p->integrations[i].slots[k].http);
        }
        arena_free(p->integrations[i].url_memory);
    }
    arena_free(p->memory);
    mem_free(p);
}
