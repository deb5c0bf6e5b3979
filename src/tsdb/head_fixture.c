#include "tsdb/head_fixture.h"

#include "base/str.h"
#include "base/test.h"
#include "tsdb/head.h"

#include <stdio.h>

struct series_ref fixture_series(struct head *h, struct labels set)
{
    const struct head_asker asker = {.tenant = TENANT_DEFAULT};
    struct series_ref ref;
    u8 outcome = APPEND_INVALID;
    head_resolve(h, &asker, &set, 1, &ref, &outcome);
    assert_int_equal(outcome, APPEND_STORED);
    return ref;
}

void fixture_targets(struct head *h, u32 targets, u32 each, struct series_ref *refs)
{
    for (u32 i = 0; i < targets * each; i++) {
        char name[16];
        char instance[16];
        (void)snprintf(name, sizeof(name), "m%u", i % each);
        (void)snprintf(instance, sizeof(instance), "host-%u", i / each);
        const struct label items[] = {
            {LABEL_NAME, str_c(name)}, {LABEL_INSTANCE, str_c(instance)}, {LABEL_JOB, STR("node")}};
        refs[i] = fixture_series(h, (struct labels){.items = items, .count = ARRAY_LEN(items)});
    }
}
