#include "tsdb/import_rig.h"

#include "base/error.h"
#include "base/str.h"
#include "tsdb/tsdb_files.h"

static struct import_rig *rig_of(struct tsdb_import_source *s)
{
    return CONTAINER_OF(s, struct import_rig, base);
}

static void rig_begin(struct tsdb_import_source *s)
{
    rig_of(s)->at = 0;
    rig_of(s)->passes_begun++;
}

static bool rig_next(struct tsdb_import_source *s, struct tsdb_import_sample *out)
{
    struct import_rig *r = rig_of(s);
    if (r->at == r->n) {
        return false;
    }
    const struct rig_sample *v = &r->samples[r->at++];
    *out = (struct tsdb_import_sample){
        .series = str_c(v->series), .t_ms = v->t_ms, .value = v->value, .line = r->at};
    return true;
}

static bool rig_labels(struct tsdb_import_source *s, UNUSED struct arena *a, struct labels *out,
                       UNUSED struct error *e)
{
    struct import_rig *r = rig_of(s);
    *out = fixture_labels(r->samples[r->at - 1].series, r->items, r->bytes);
    return true;
}

static bool rig_end(struct tsdb_import_source *s, struct error *e)
{
    struct import_rig *r = rig_of(s);
    r->passes_ended++;
    return !r->fails || err_set(e, ERR_INVALID, "%s:%u: broken", s->name, r->at + 1);
}

void import_rig_init(struct import_rig *r, const struct fixture *f,
                     const struct rig_sample *samples, u32 n)
{
    static const struct tsdb_import_ops ops = {
        .begin = rig_begin, .next = rig_next, .labels = rig_labels, .end = rig_end};
    static struct rng chance;
    rng_init(&chance, 7);
    *r = (struct import_rig){.base = {.ops = &ops, .name = "rig"}, .samples = samples, .n = n};
    r->opts = (struct tsdb_import_opts){.fs = f->fs,
                                        .clk = f->clk,
                                        .rng = &chance,
                                        .dir = f->opts.dir,
                                        .block_range_ms = FIXTURE_RANGE};
}

bool import_rig_run(struct import_rig *r, struct error *e)
{
    const bool ok = tsdb_import(&r->opts, &r->base, &r->done, e);
    assert_int_equal(r->passes_begun, r->passes_ended);
    assert_true(!ok || r->passes_begun == r->done.passes);
    return ok;
}
