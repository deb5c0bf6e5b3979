// fs_mem_crash.c: what a loss of power leaves of a mem_tree.
//
// Names: none, all, the first few or any of the changes not yet covered by a folder's sync (I3).
// Bytes: a page cache writes sectors back in any order, each as it stood at some moment. So every
// sector of 512 or 4096 bytes gets a version of its own between the last sync and now: writes are
// dropped, reordered and torn. The length has a version of its own too.
#include "os/fs_mem_tree.h"
#include "os/rng.h"

enum crash_mode { CRASH_LOSE_ALL, CRASH_KEEP_ALL, CRASH_KEEP_FIRST, CRASH_ANY, CRASH_MODES };

static enum crash_mode mode_pick(struct rng *rng)
{
    return (enum crash_mode)rng_below(rng, CRASH_MODES);
}

static bool side_has(const struct mem_side *s, u64 stamp)
{
    return s->dir->stamp == stamp || (s->node && s->node->stamp == stamp) ||
           (s->old && s->old->stamp == stamp);
}

static void side_mark(const struct mem_side *s, u64 stamp)
{
    if (s->node) {
        s->node->stamp = stamp;
    }
    if (s->old) {
        s->old->stamp = stamp;
    }
}

static void crash_names(struct mem_tree *t, struct rng *rng)
{
    enum crash_mode mode = mode_pick(rng);
    size_t first = rng_below(rng, t->change_count + 1);
    u64 lost = ++t->stamps;
    for (size_t i = 0; i < t->change_count; i++) {
        struct mem_change *c = &t->changes[i];
        bool keep = mode == CRASH_KEEP_ALL || (mode == CRASH_KEEP_FIRST && i < first) ||
                    (mode == CRASH_ANY && rng_below(rng, 2) == 0);
        for (u32 k = 0; k < c->side_count; k++) {
            keep = keep && !side_has(&c->sides[k], lost); // (I3)
        }
        if (keep) {
            memchange_apply(t, c);
        }
        for (u32 k = 0; !keep && k < c->side_count; k++) {
            side_mark(&c->sides[k], lost);
        }
        memchange_fini(t, c);
    }
    t->change_count = 0;
}

// How many of the writes since the last sync a sector (or the length) has seen.
static size_t version_pick(const struct mem_node *n, struct rng *rng, enum crash_mode mode,
                           size_t first)
{
    switch (mode) {
    case CRASH_LOSE_ALL:
        return 0;
    case CRASH_KEEP_ALL:
        return n->write_count;
    case CRASH_KEEP_FIRST:
        // The writes up to first are whole, the next one is torn.
        return MIN(first + rng_below(rng, 2), n->write_count);
    case CRASH_ANY:
    case CRASH_MODES:
        break;
    }
    return rng_below(rng, n->write_count + 1);
}

// The sectors of a file, in the order of the versions picked for them.
// Threads: owned by the caller's frame.
struct sector_plan {
    u64 sector;    // Bytes.
    size_t *order; // Sector numbers: those of version v stand from start[v] to start[v + 1].
    size_t *start;
};

static void plan_init(struct sector_plan *p, const size_t *versions, size_t sectors, size_t writes)
{
    p->order = MEM_NEW_N(size_t, sectors);
    p->start = MEM_NEW_N(size_t, writes + 3);
    for (size_t i = 0; i < sectors; i++) {
        p->start[versions[i] + 2]++;
    }
    for (size_t v = 2; v < writes + 3; v++) {
        p->start[v] += p->start[v - 1];
    }
    for (size_t i = 0; i < sectors; i++) {
        p->order[p->start[versions[i] + 1]++] = i;
    }
}

static void plan_fini(struct sector_plan *p)
{
    mem_free(p->order);
    mem_free(p->start);
}

// Copies the sectors whose version is the one that image stands at.
static void plan_take(const struct sector_plan *p, size_t version, struct mem_image *result,
                      const struct mem_image *image)
{
    u64 common = MIN(result->len, image->len);
    for (size_t i = p->start[version]; i < p->start[version + 1]; i++) {
        u64 at = p->order[i] * p->sector;
        if (at < common) {
            memcpy(result->bytes + at, image->bytes + at, MIN(p->sector, common - at));
        }
    }
}

// The length after the first so many writes.
static u64 len_after(const struct mem_node *n, size_t writes)
{
    u64 len = n->disk.len;
    for (size_t i = 0; i < writes; i++) {
        const struct mem_write *w = &n->writes[i];
        len = w->bytes ? MAX(len, w->offset + w->len) : w->offset;
    }
    return len;
}

static void crash_bytes(struct mem_node *n, struct rng *rng)
{
    enum crash_mode mode = mode_pick(rng);
    size_t first = rng_below(rng, n->write_count + 1);
    struct sector_plan plan = {.sector = rng_below(rng, 2) ? 512 : 4096};
    struct mem_image result = {0};
    memimage_resize(&result, len_after(n, version_pick(n, rng, mode, first)));
    size_t sectors = (size_t)((result.len + plan.sector - 1) / plan.sector);
    size_t *versions = MEM_NEW_N(size_t, sectors);
    for (size_t i = 0; i < sectors; i++) {
        versions[i] = version_pick(n, rng, mode, first);
    }
    plan_init(&plan, versions, sectors, n->write_count);
    plan_take(&plan, 0, &result, &n->disk);
    for (size_t i = 0; i < n->write_count; i++) {
        memimage_write(&n->disk, &n->writes[i]);
        plan_take(&plan, i + 1, &result, &n->disk);
    }
    plan_fini(&plan);
    mem_free(versions);
    mem_free(n->disk.bytes);
    n->disk = result;
    memnode_clear_writes(n);
}

static void crash_file(struct mem_node *n, struct rng *rng)
{
    if (n->write_count > 0) {
        crash_bytes(n, rng);
    }
    memimage_resize(&n->seen, 0);
    memimage_write(&n->seen, &(struct mem_write){.len = n->disk.len, .bytes = n->disk.bytes});
}

// Makes the disk's state the one that is seen, below one folder. Depth ≤ MEM_DEPTH_MAX.
static void settle(struct mem_tree *t, struct mem_node *dir, struct rng *rng, u64 met)
{
    memnames_copy(t, &dir->names_seen, &dir->names_disk);
    for (size_t i = 0; i < dir->names_seen.count; i++) {
        struct mem_node *n = dir->names_seen.items[i].node;
        bool again = n->stamp == met; // A second name of the same file.
        n->stamp = met;
        n->links = again ? n->links + 1 : 1;
        if (again) {
            continue;
        }
        n->opens = 0;
        n->locked = false;
        n->reserved = 0;
        if (n->is_dir) {
            settle(t, n, rng, met);
        } else {
            crash_file(n, rng);
        }
        memnode_charge(t, n);
    }
}

void memtree_crash(struct mem_tree *t, struct rng *rng)
{
    crash_names(t, rng);
    settle(t, t->root, rng, ++t->stamps);
}
