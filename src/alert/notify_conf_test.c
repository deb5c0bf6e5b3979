#include "alert/notify_inner.h"
#include "base/str.h"
#include "base/test.h"
#include "os/clk.h"
#include "os/fs.h"

static void no_answer(UNUSED void *ctx, UNUSED const struct http_target_opts *t,
                      UNUSED const struct http_fetch *f, UNUSED struct http_reply *reply)
{
    fail_msg("nothing is to be sent");
}

static void refuse(const char *yaml, const char *place, const char *why)
{
    struct error e = {0};
    struct http_client *http = http_client_fake_new(no_answer, NULL);
    struct fs *fs = fs_mem_new(1 << 20);
    const struct notify_deps deps = {.clk = clk_real(), .fs = fs, .http = http};
    struct notify *n = notify_new(&deps, &e);
    assert_null(notify_prepare(n, STR("am.yml"), str_c(yaml), &e));
    if (str_find_str(str_c(e.text), str_c(place)) == STR_NONE ||
        str_find_str(str_c(e.text), str_c(why)) == STR_NONE) {
        fail_msg("want %s and %s, got %s", place, why, e.text);
    }
    assert_true(str_find_str(str_c(e.text), STR("s3cr3t")) == STR_NONE);
    notify_free(n);
    fs_mem_free(fs);
    http_client_fake_free(http);
}

#define HOOK "receivers: [{name: a, webhook_configs: [{url: 'http://x/s3cr3t'}]}]\n"

TEST(notify_refuses_configurations_by_name_and_place)
{
    refuse("", "am.yml:1:", "lacks 'route'"); // Paging must not end without a word.
    refuse("# nothing yet\n", "am.yml:1:", "lacks 'route'");
    refuse("route: {receiver: b}\n" HOOK, "am.yml:1:19:", "undefined receiver \"b\"");
    refuse("route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n",
           "am.yml:2:31:", "\"a\" is not unique");
    refuse("route: {receiver: a, routes: []}\n" HOOK, "am.yml:1:", "routes");
    refuse("route: {receiver: a}\ninhibit_rules: []\n" HOOK, "am.yml:2:", "inhibit_rules");
    refuse("route: {receiver: a}\nreceivers: [{name: a, slack_configs: []}]\n",
           "am.yml:2:", "slack_configs");
    refuse("route: {receiver: a, group_by: [x, x]}\n" HOOK,
           "am.yml:1:36:", "duplicated label \"x\"");
    refuse("route: {receiver: a, group_by: [x, '...']}\n" HOOK, "am.yml:1:32:", "wildcard");
    refuse("route: {receiver: a, group_interval: 0s}\n" HOOK,
           "am.yml:1:38:", "group_interval cannot be zero");
    refuse("route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{}]}]\n",
           "am.yml:2:41:", "one of url and url_file");
    refuse("route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url_file: /no}]}]\n",
           "am.yml:2:52:", "/no");
    refuse("route: {receiver: a}\nreceivers:\n- {name: b, webhook_configs: [{url: http://x}]}\n"
           "- name: a\n  webhook_configs:\n  - url: http://y/\n  - url: 's3cr3t'\n",
           "am.yml:7:10:", "\"a\": the webhook's URL cannot be used");
    refuse("route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: 'http://s3cr3t/', "
           "url_file: x}]}]\n",
           "am.yml:2:75:", "at most one of url and url_file");
    refuse("route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: "
           "'http://x:s3cr3t/'}]}]\n",
           "am.yml:2:47:", "URL cannot be used");
    refuse("route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [{url: s3cr3t}]}]\n",
           "am.yml:2:47:", "URL cannot be used");
    refuse(HOOK, "am.yml:", "route");
}

TEST(notify_names_all_that_is_not_built_at_once)
{
    refuse("route:\n  receiver: a\n  routes: []\n" HOOK "inhibit_rules: []\ntemplates: [x]\n",
           "am.yml:3:3: key 'routes'",
           "not built either: 'inhibit_rules' (5:1), 'templates' (6:1)");
}
