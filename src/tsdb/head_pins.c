#include "tsdb/head_pins.h"

#include "base/arena.h"
#include "base/error.h"

void pins_init(struct head_pins *p)
{
    *p = (struct head_pins){.first = 1, .next = 1};
}

void pins_fini(struct head_pins *p)
{
    mem_free(p->notes);
    *p = (struct head_pins){0};
}

u64 pins_open(struct head_pins *p)
{
    p->readers++;
    return p->commit;
}

void pins_close(struct head_pins *p)
{
    CHECK(p->readers > 0);
    p->readers--;
    if (p->readers == 0) {
        p->first = p->next; // Nobody is left who could ask.
    }
}

static bool ring_full(const struct head_pins *p)
{
    return p->next - p->first == p->cap;
}

static void ring_grow(struct head_pins *p)
{
    u32 cap = p->cap ? p->cap * 2 : 1024;
    struct pin_note *wider = MEM_NEW_N(struct pin_note, cap);
    for (u64 i = p->first; p->cap > 0 && i < p->next; i++) {
        wider[i % cap] = p->notes[i % p->cap];
    }
    mem_free(p->notes);
    p->notes = wider;
    p->cap = cap;
}

// The note whose number ends in these bits: the newest of them.
static u64 note_number(const struct head_pins *p, u32 low)
{
    return p->next - 1 - (u32)((u32)(p->next - 1) - low);
}

void pins_note(struct head_pins *p, u32 ordinal, i64 t, u32 *newest)
{
    if (ring_full(p) && p->cap < PIN_NOTES_MAX) {
        ring_grow(p);
    }
    if (ring_full(p)) {
        p->lost_commit = p->notes[p->first % p->cap].commit;
        p->first++;
    }
    p->notes[p->next % p->cap] = (struct pin_note){
        .t = t, .commit = p->commit + 1, .older = note_number(p, *newest), .ordinal = ordinal};
    *newest = (u32)p->next++;
}

bool pins_all_seen(const struct head_pins *p, const struct pin_ask *ask)
{
    const u64 newest = note_number(p, ask->newest);
    if (p->lost_commit > ask->commit || newest < p->first || newest >= p->next) {
        return p->lost_commit <= ask->commit;
    }
    const struct pin_note *note = &p->notes[newest % p->cap];
    return note->ordinal != ask->ordinal || note->commit <= ask->commit;
}

// Notes stand in the order of their commits: the newest tells for all.
bool pins_none_after(const struct head_pins *p, u64 commit)
{
    return p->lost_commit <= commit &&
           (p->next == p->first || p->notes[(p->next - 1) % p->cap].commit <= commit);
}

// What was stored of a commit that goes on was noted, since a reader may come in between.
u64 pins_commit_next(const struct head_pins *p)
{
    return p->commit + !pins_none_after(p, p->commit);
}

bool pins_hidden(const struct head_pins *p, const struct pin_ask *ask, struct arena *a,
                 struct pin_hidden *out, struct error *e)
{
    if (p->lost_commit > ask->commit) {
        return err_set(e, ERR_UNAVAILABLE,
                       "the head took in more than %u samples while the query waited; ask again",
                       PIN_NOTES_MAX);
    }
    u32 count = 0;
    const u64 newest = note_number(p, ask->newest);
    for (u64 at = newest; at >= p->first && at < p->next; at = p->notes[at % p->cap].older) {
        const struct pin_note *note = &p->notes[at % p->cap];
        if (note->ordinal != ask->ordinal || note->commit <= ask->commit) {
            break;
        }
        count++;
    }
    out->n = count;
    out->t = count ? ARENA_NEW_N(a, i64, count) : NULL;
    u64 at = newest;
    for (u32 i = 0; i < count; i++) {
        out->t[i] = p->notes[at % p->cap].t;
        at = p->notes[at % p->cap].older;
    }
    return true;
}
