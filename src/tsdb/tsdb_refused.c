// tsdb_refused.c: what limits refused, counted by reason, tenant and job.
#include "tsdb/tsdb_refused.h"

#include "base/str.h"
#include "client/tidemark.h"
#include "tsdb/head.h"
#include "tsdb/index_select.h"
#include "tsdb/tsdb_inner.h"

#define CHILDREN_MAX 1000U // Label sets of each family; what is more is its overflow.

void tsdb_refused_register(struct tsdb *db)
{
    static const char *const labels[] = {"reason", "tenant", "job"};
    struct tmk_desc d = {.kind = TMK_COUNTER,
                         .labels = labels,
                         .label_count = ARRAY_LEN(labels),
                         .children_max = CHILDREN_MAX};
    d.name = "tidemark_tsdb_series_refused_total";
    d.help = "New series refused by a limit.";
    db->refused[0] = tmk_family_register(db->opts.registry, &d, NULL);
    d.name = "tidemark_tsdb_samples_refused_total";
    d.help = "Samples of known series refused by a limit.";
    db->refused[1] = tmk_family_register(db->opts.registry, &d, NULL);
}

// Equal refusals in a row are one. Threads: owned by the call.
struct refused_run {
    struct tmk_family *family;
    struct tenant_id tenant;
    str job;
    u8 outcome;
    u64 n;
};

static void run_count(const struct refused_run *r)
{
    char tenant[16];
    char tenant_text[17];
    char job[TMK_VALUE_BYTES_MAX + 1];
    if (r->n == 0 || !r->family) {
        return;
    }
    const str id = index_tenant(r->tenant, tenant);
    const size_t len = MIN(r->job.len, (size_t)TMK_VALUE_BYTES_MAX);
    memcpy(tenant_text, id.ptr, id.len);
    tenant_text[id.len] = '\0';
    memcpy(job, r->job.ptr ? r->job.ptr : "", len);
    job[len] = '\0';
    const char *const values[] = {append_outcome_text((enum append_outcome)r->outcome), tenant_text,
                                  job};
    tmk_counter_add(tmk_counter_with(r->family, values, ARRAY_LEN(values)), r->n);
}

static void run_add(struct refused_run *r, u8 outcome, str job)
{
    if (r->n > 0 && (r->outcome != outcome || !str_eq(r->job, job))) {
        run_count(r);
        r->n = 0;
    }
    r->outcome = outcome;
    r->job = job;
    r->n++;
}

void tsdb_refused_sets(struct tsdb *db, struct tenant_id tenant, const struct labels *sets,
                       const u8 *outcomes, u32 n)
{
    struct refused_run r = {.family = db->refused[0], .tenant = tenant};
    for (u32 i = 0; i < n; i++) {
        if (append_is_limited((enum append_outcome)outcomes[i])) {
            run_add(&r, outcomes[i], labels_get(sets[i], LABEL_JOB));
        }
    }
    run_count(&r);
}

void tsdb_refused_batch(struct tsdb *db, struct head *h, struct tenant_id tenant,
                        const struct append_batch *b)
{
    struct refused_run r = {.family = db->refused[1], .tenant = tenant};
    for (u32 i = 0; i < b->n; i++) {
        if (!append_is_limited((enum append_outcome)b->outcomes[i])) {
            continue;
        }
        lock_take(&h->lock);
        // A job's text stays in the symbols when its series leaves.
        const bool alive = head_ref_alive(h, tenant, b->refs[i]);
        const str job = alive ? head_job(h, b->refs[i].ordinal) : STR_EMPTY;
        lock_drop(&h->lock);
        run_add(&r, b->outcomes[i], job);
    }
    run_count(&r);
}
