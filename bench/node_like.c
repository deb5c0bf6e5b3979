#include "bench/node_like.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "os/clk.h"
#include "storage/storage.h"

enum { PER_TARGET = 1000, LABELS = 10, RESOLVE_BATCH = 2000 };

f64 node_like_value(u32 series, u32 row)
{
    u32 metric = series % PER_TARGET;
    u64 kind = hash_mix(metric, 17) % 100;
    u64 noise = hash_mix(series, row);
    u64 base = hash_mix(series, 3);
    if (kind < 58) {
        return (f64)(base % 100000); // Never moves.
    }
    if (kind < 68) { // A counter that moves at times.
        return (f64)(base % 1000000 + (u64)row / 8 * (base % 7));
    }
    if (kind < 76) { // A busy counter.
        return (f64)(base % 1000000 + (u64)row * (base % 900 + 50) + noise % (base % 40 + 2));
    }
    if (kind < 88) { // Seconds with two digits, rising.
        return (f64)(base % 1000000 + (u64)row * 1480 + noise % 20) / 100;
    }
    if (kind < 98) { // Bytes in pages.
        return (f64)((base % 4000000 + noise % 2000) * 4096);
    }
    return (f64)(noise >> 11) * 0x1p-53;
}

struct labels node_like_labels(struct arena *a, u32 series)
{
    u32 target = series / PER_TARGET;
    u32 metric = series % PER_TARGET;
    struct label *l = ARENA_NEW_N(a, struct label, LABELS);
    u32 n = 0;
    l[n++] = (struct label){LABEL_NAME, arena_printf(a, "node_family_%03u_total", metric / 4)};
    l[n++] = (struct label){STR("cluster"), arena_printf(a, "cluster-%u", target % 3)};
    l[n++] = (struct label){STR("device"), arena_printf(a, "dev%u", metric % 4)};
    l[n++] = (struct label){STR("env"), target % 5 ? STR("production") : STR("staging")};
    l[n++] = (struct label){LABEL_INSTANCE, arena_printf(a, "10.%u.%u.%u:9100", target / 65536,
                                                         target / 256 % 256, target % 256)};
    l[n++] = (struct label){LABEL_JOB, arena_printf(a, "node-%u", target % 7)};
    l[n++] = (struct label){STR("mode"), arena_printf(a, "mode%u", metric / 4 % 9)};
    l[n++] = (struct label){STR("region"), arena_printf(a, "region-%u", target % 4)};
    l[n++] = (struct label){STR("type"), arena_printf(a, "t%u", metric % 4 * 3 % 5)};
    l[n++] = (struct label){STR("zone"), arena_printf(a, "zone-%u", target % 11)};
    CHECK(n == LABELS);
    return (struct labels){.items = l, .count = n};
}

static bool batch_resolve(struct storage_appender *a, const struct labels *sets, u32 n,
                          struct series_ref *refs, struct error *e)
{
    u8 outcomes[RESOLVE_BATCH];
    u64 position;
    a->ops->resolve(a, sets, n, refs, outcomes);
    if (!a->ops->commit(a, DURABILITY_PERIODIC, &position, e)) {
        return false;
    }
    for (u32 i = 0; i < n; i++) {
        if (outcomes[i] != APPEND_STORED) {
            return err_set(e, ERR_LIMIT, "a new series: %s",
                           append_outcome_text((enum append_outcome)outcomes[i]));
        }
    }
    return true;
}

bool node_like_resolve(struct storage_appender *a, u32 from, u32 n, struct series_ref *refs,
                       u64 *cpu_ns, struct error *e)
{
    struct arena *arena = arena_new((size_t)64 << 20);
    bool ok = true;
    for (u32 at = 0; ok && at < n; at += RESOLVE_BATCH) {
        const u32 batch = MIN(RESOLVE_BATCH, n - at);
        struct labels *sets = ARENA_NEW_N(arena, struct labels, batch);
        for (u32 i = 0; i < batch; i++) {
            sets[i] = node_like_labels(arena, from + at + i);
        }
        const u64 begun = (u64)clk_process_cpu_ns();
        ok = batch_resolve(a, sets, batch, refs + at, e);
        if (cpu_ns) {
            *cpu_ns += (u64)clk_process_cpu_ns() - begun;
        }
        arena_reset(arena);
    }
    arena_free(arena);
    return ok;
}
