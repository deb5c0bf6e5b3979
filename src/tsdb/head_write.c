// head_write.c: how a sample enters the head: judged, staged in a plan, applied, sealed, frozen.
#include "tsdb/head_write.h"

#include "base/bits.h"
#include "base/checked.h"
#include "base/error.h"
#include "tsdb/chunk_pack.h"
#include "tsdb/head.h"
#include "tsdb/head_cold.h"
#include "tsdb/head_settle.h"

#define STAGED_WALK_MAX  4096U // How far back in one commit an equal late sample is looked for.
#define PRIVATE_ROWS_MIN (ROWS_MAX < 16 ? ROWS_MAX : 16)
#define T_OLDEST         (-((i64)1 << 60)) // Windows and sums stay far from overflow.
#define PREFETCH_AHEAD   40U
#define APPLY_AHEAD      8U

i64 window_floor(i64 t, i64 range_ms)
{
    i64 rest = t % range_ms;
    return t - rest - (rest < 0 ? range_ms : 0);
}

struct head_window *head_window_at(const struct head *h, i64 t)
{
    for (u32 i = h->window_count; i > 0; i--) {
        struct head_window *w = h->windows[i - 1];
        if (LIKELY(t >= w->start_ms)) {
            return t < w->end_ms ? w : NULL;
        }
    }
    return NULL;
}

struct head_window *head_window_ensure(struct head *h, i64 t)
{
    struct head_window *there = head_window_at(h, t);
    if (there || h->window_count == HEAD_WINDOWS_MAX) {
        return there;
    }
    i64 start = window_floor(t, h->range_ms);
    struct head_window *w = window_new(start, start + h->range_ms);
    w->boxes.held = &h->limits->box_bytes[h->id];
    lock_take(&h->lock);
    u32 at = h->window_count++;
    for (; at > 0 && h->windows[at - 1]->start_ms > start; at--) {
        h->windows[at] = h->windows[at - 1];
    }
    h->windows[at] = w;
    lock_drop(&h->lock);
    return w;
}

// With the turn: whether there is memory for the boxes of the plan, of which one is for t. Scrapes
// and pushes leave an eighth to rules.
static bool boxes_room(const struct head *h, const struct head_plan *plan, i64 t)
{
    struct head_limits *l = h->limits;
    if (!box_store_room(&head_window_at(h, t)->boxes)) {
        return false;
    }
    const u64 mine = atomic_load(&l->box_bytes[h->id]) + plan->bytes.len;
    const u64 all = mine + atomic_load(&l->box_bytes[!h->id]);
    return l->box_bytes_max == 0 || mine <= h->box_own_min ||
           (mine <= h->box_own_max && all <= l->box_bytes_max);
}

void head_plan_init(struct head_plan *p, size_t box_bytes_max)
{
    *p = (struct head_plan){0};
    buf_init(&p->bytes, box_bytes_max);
}

void head_plan_fini(struct head_plan *p)
{
    mem_free(p->writes);
    mem_free(p->boxes);
    buf_fini(&p->bytes);
}

bool head_plan_box(struct head_plan *p, const struct box *b, f64 *ref)
{
    size_t at = p->bytes.len;
    box_encode(b, &p->bytes);
    if (!buf_ok(&p->bytes)) {
        return false;
    }
    if (p->box_count == p->box_cap) {
        p->box_cap = MAX(64U, p->box_cap * 2);
        p->boxes = MEM_GROW(p->boxes, p->box_cap, struct head_box);
    }
    p->boxes[p->box_count] = (struct head_box){.at = at, .len = p->bytes.len - at};
    *ref = box_ref(BOX_PLANNED, p->box_count++);
    return true;
}

static void plan_empty(struct head_plan *p)
{
    p->n = 0;
    p->from = 0; // Windows leave between two turns.
    p->to = 0;
    p->box_count = 0;
    buf_clear(&p->bytes);
}

// A value of some time, as whoever looks at it has it.
struct value_at {
    const struct head *head;
    const struct head_plan *plan; // NULL: nothing of it is planned.
    i64 t;
};

// The bytes of a box; none if its window has left.
static str box_bytes(const struct value_at *at, f64 ref)
{
    if (box_is_planned(ref)) {
        return head_plan_bytes(at->plan, ref);
    }
    const struct head_window *w = head_window_at(at->head, at->t);
    return w ? box_store_get(&w->boxes, ref) : STR_EMPTY;
}

static bool boxes_same(const struct value_at *at, f64 a, f64 b)
{
    if (!is_box(a)) {
        return box_is_float(box_bytes(at, b), a);
    }
    return is_box(b) ? box_same(box_bytes(at, a), box_bytes(at, b))
                     : box_is_float(box_bytes(at, a), b);
}

static bool value_same(const struct value_at *at, f64 a, f64 b)
{
    if (is_box(a) || is_box(b)) {
        return boxes_same(at, a, b);
    }
    return bits_of_f64(a) == bits_of_f64(b);
}

// The value at a row if the presence says there is one. first ≤ row ≤ last is checked here.
static bool rows_value(const u8 *present, u32 first, u32 last, const f64 *values, u32 row,
                       f64 *value)
{
    if (row < first || row > last || (present && !presence_has(present, row))) {
        return false;
    }
    u32 at = 0;
    for (u32 r = first; r < row; r++) {
        at += !present || presence_has(present, r);
    }
    *value = values[at];
    return true;
}

// A damaged chunk is passed over here: whoever reads it tells.
static bool chunks_find(const struct head_window *w, u32 ordinal, i64 t, f64 *value)
{
    const struct sealed *c;
    for (u32 at = window_chunk(w, ordinal); at != SEALED_NONE; at = c->older) {
        c = sealed_at(&w->sealed, at);
        if (!c) {
            return false;
        }
        int row = segment_row(window_segment_at(w, c->segment), t);
        if (row < 0 || row < c->first || row > c->last) {
            continue;
        }
        f64 values[ROWS_MAX];
        CHECK(chunk_pack_decode(sealed_bytes(c), c->n, values, NULL));
        if (rows_value(sealed_presence(c), c->first, c->last, values, (u32)row, value)) {
            return true;
        }
    }
    return false;
}

static bool open_find(const struct head *h, u32 ordinal, i64 t, f64 *value)
{
    UNINIT u8 tokens[OPEN_BYTES_MAX];
    UNINIT f64 values[ROWS_MAX];
    u8 present[PRESENCE_BYTES] = {0};
    const struct open_chunk *o = &h->rows[ordinal].open;
    int row = o->segment && o->n > 0 ? segment_row(o->segment, t) : -1;
    if (row < 0) {
        return false;
    }
    open_chunk_copy(&h->cells, o, tokens);
    open_tokens_decode((str){(const char *)tokens, o->bytes}, o->n, values, present, o->first);
    return rows_value(present, o->first, o->last, values, (u32)row, value);
}

bool head_stored_find(const struct head *h, const struct head_plan *plan, u32 ordinal, i64 t,
                      f64 *value)
{
    u32 at = h->rows[ordinal].staged;
    for (u32 i = 0; plan && i < STAGED_WALK_MAX && at > 0; i++) {
        const struct head_write *w = &plan->writes[at - 1];
        if (w->t == t) {
            *value = w->value;
            return true;
        }
        at = w->older;
    }
    if (open_find(h, ordinal, t, value)) {
        return true;
    }
    const struct head_window *w = head_window_at(h, t);
    if (!w) {
        return false;
    }
    const struct late_run *late = window_late(w, ordinal);
    for (u32 i = 0; late && i < late->n; i++) {
        if (late->t[i] == t) {
            *value = late->values[i];
            return true;
        }
    }
    return chunks_find(w, ordinal, t, value);
}

static void plan_reserve(struct head_plan *p, u32 more)
{
    if (p->cap - p->n < more) {
        p->cap = MAX(256U, MAX(p->cap * 2, p->n + more));
        p->writes = MEM_GROW(p->writes, p->cap, struct head_write);
    }
}

// There is room for it.
static inline __attribute__((always_inline)) void plan_add(struct head_plan *p, struct head_row *r,
                                                           u32 ordinal, i64 t, f64 value, bool late)
{
    const bool first = p->n == 0;
    struct head_write *w = &p->writes[p->n++];
    *w = (struct head_write){.t = t,
                             .value = value,
                             .t_was = r->t_last,
                             .v_was = r->v_last,
                             .ordinal = ordinal,
                             .older = r->staged,
                             .group = r->group,
                             .late = late};
    p->t_max = first ? t : MAX(p->t_max, t);
    p->strewn = (!first && (p->strewn || !head_write_follows(w - 1, w))) || head_write_single(w);
    head_row_plan(r, p->n);
    if (!late) {
        head_row_plan_sample(r, t, value);
    }
}

bool head_ref_alive(const struct head *h, struct tenant_id tenant, struct series_ref ref)
{
    return head_live(h, ref.ordinal) && h->rows[ref.ordinal].generation == ref.generation &&
           h->rows[ref.ordinal].tenant == tenant.v;
}

// A time up to where the series ended. APPEND_STORED_OOO: it may be stored.
static enum append_outcome late_check(const struct value_at *place, i64 ooo_window_ms, u32 at,
                                      i64 end, f64 value)
{
    const struct head *h = place->head;
    const i64 t = place->t;
    f64 there;
    if (ooo_window_ms == 0) {
        return t < h->t_floor ? APPEND_TOO_OLD : APPEND_OUT_OF_ORDER;
    }
    if (t < sat_sub_i64(end, ooo_window_ms) || t < h->t_floor) {
        return APPEND_TOO_OLD;
    }
    if (head_stored_find(h, place->plan, at, t, &there)) {
        return value_same(place, there, value) ? APPEND_DUPLICATE : APPEND_CONFLICT;
    }
    return head_end_covers(h, at, t) ? APPEND_TOO_OLD : APPEND_STORED_OOO;
}

// Counted whether it is kept or not, but not what is too old where nothing late is kept anyway.
static void late_tell(const struct head *h, struct head_plan *plan, const struct head_rules *rules,
                      i64 t)
{
    if (t < h->t_max && (rules->ooo_window_ms > 0 || t >= h->t_floor)) {
        metric_tally_add(&plan->late, &metric_tally_late_seconds,
                         (f64)sat_sub_i64(h->t_max, t) / 1000);
    }
}

// Whether its newest sample is one of a cold block, of which only the time is known.
static bool is_ended(const struct head_row *r)
{
    return (r->open.flags & ROW_COLD) && r->staged == 0;
}

// What its series says to a time. APPEND_STORED, APPEND_STORED_OOO: nothing.
static enum append_outcome order_check(const struct head *h, struct head_plan *plan,
                                       const struct head_rules *rules, u32 at, i64 t, f64 value)
{
    const struct head_row *r = &h->rows[at];
    const struct value_at place = {h, plan, t};
    if (r->t_last != T_NEVER && t == r->t_last && !is_ended(r)) {
        return value_same(&place, r->v_last, value) ? APPEND_DUPLICATE : APPEND_CONFLICT;
    }
    const i64 last = t < h->t_short ? head_end_of(h, at, r->t_last) : r->t_last;
    if (t < last || t < h->t_floor) { // T_NEVER is below every time.
        late_tell(h, plan, rules, t);
    }
    return last != T_NEVER && t <= last ? late_check(&place, rules->ooo_window_ms, at, last, value)
                                        : APPEND_STORED;
}

enum append_outcome head_check(struct head *h, struct head_plan *plan,
                               const struct head_rules *rules, struct series_ref ref, i64 t,
                               f64 value)
{
    if (!head_ref_alive(h, rules->tenant, ref)) {
        return APPEND_INVALID;
    }
    if (t > rules->t_newest) {
        return APPEND_TOO_NEW;
    }
    const u32 at = ref.ordinal;
    const enum append_outcome outcome = order_check(h, plan, rules, at, t, value);
    if (!append_is_stored(outcome)) {
        return outcome;
    }
    if (t < h->t_floor || t < T_OLDEST) {
        return APPEND_TOO_OLD;
    }
    const struct head_window *w = head_window_ensure(h, t);
    if (!w) {
        return APPEND_LIMIT_WINDOWS;
    }
    plan->from = MAX(MAX(w->start_ms, h->t_short), MAX(h->t_floor, T_OLDEST));
    plan->to = w->end_ms;
    if (is_box(value) && !boxes_room(h, plan, t)) {
        return APPEND_LIMIT_HISTOGRAMS;
    }
    const enum append_outcome awake =
        h->rows[at].open.flags & ROW_IDLE ? head_wake(h, at, rules->reserve) : APPEND_STORED;
    if (awake != APPEND_STORED) {
        return awake;
    }
    plan_reserve(plan, 1);
    struct head_row *r = &h->rows[at];
    plan_add(plan, r, at, t, value, t < r->t_last);
    return outcome;
}

// The usual sample by far: the next one of a series that is there, in the window found last. What
// head_check would find good. t_top: the newest time of that window, or that may be stored.
static inline bool check_quick(const struct head_row *r, const struct head_plan *plan,
                               const struct head_rules *rules, u32 generation, i64 t, i64 t_top)
{
    return r->own != 0 && r->generation == generation && r->tenant == rules->tenant.v &&
           t > r->t_last && t >= plan->from && t <= t_top && !(r->open.flags & ROW_IDLE);
}

// Those of a batch that are as usual, up to the first that is not: its index, or that behind all.
static u32 floats_run(struct head *h, struct head_plan *plan, const struct head_rules *rules,
                      const struct append_batch *b, u32 from)
{
    struct head_plan p = *plan; // A copy, which no store to a row might change.
    const struct head_rules r = *rules;
    const i64 t_top = p.to > r.t_newest ? r.t_newest : p.to - 1;
    const u32 count = h->count;
    struct head_row *rows = h->rows; // Stays: no series is made during the turn.
    u32 i = from;
    for (; i < b->n; i++) {
        const struct series_ref ref = b->refs[i];
        const u32 ahead = b->refs[MIN(i + PREFETCH_AHEAD, b->n - 1)].ordinal;
        if (LIKELY(ahead < count)) {
            __builtin_prefetch(&rows[ahead], 1);
        }
        if (UNLIKELY(is_box(b->values[i]) || ref.ordinal >= count ||
                     !check_quick(&rows[ref.ordinal], &p, &r, ref.generation, b->t_ms[i], t_top))) {
            break;
        }
        plan_add(&p, &rows[ref.ordinal], ref.ordinal, b->t_ms[i], b->values[i], false);
    }
    memset(b->outcomes + from, APPEND_STORED, i - from);
    *plan = p;
    return i;
}

u32 head_check_floats(struct head *h, struct head_plan *plan, const struct head_rules *rules,
                      const struct append_batch *batch, u32 from)
{
    const struct append_batch b = *batch; // What is stored to might be part of the original.
    plan_reserve(plan, b.n - from);
    for (u32 i = from; i < b.n; i++) {
        i = floats_run(h, plan, rules, &b, i);
        if (i == b.n || is_box(b.values[i])) {
            return i;
        }
        b.outcomes[i] = (u8)head_check(h, plan, rules, b.refs[i], b.t_ms[i], b.values[i]);
    }
    return b.n;
}

void head_unplan(struct head *h, struct head_plan *plan)
{
    while (plan->n > 0) {
        lock_take(&h->lock); // For readers of rows.
        for (u32 i = 0; i < HEAD_SLICE && plan->n > 0; i++) {
            const struct head_write *w = &plan->writes[--plan->n];
            h->rows[w->ordinal].t_last = w->t_was;
            h->rows[w->ordinal].v_last = w->v_was;
            h->rows[w->ordinal].staged = w->older;
        }
        lock_drop(&h->lock);
    }
    plan_empty(plan);
}

// Groups begin a window with fewer rows, each with another part of them, so that their series are
// sealed at different times: the cells of some then serve the others, and no commit seals them all.
static u32 segment_rows(u32 group, bool first)
{
    return first ? (1 + group % FIRST_SIZES) * ROWS_MAX / FIRST_SIZES : ROWS_MAX;
}

// The row of t in segments before the group's newest, whatever their window: series of a target may
// come one after the other, each with many rows. NULL: none has one, and none can get it any more.
static struct segment *group_row_past(const struct head_group *g, const struct head_window *w,
                                      i64 t, u32 *row)
{
    for (u32 i = 0; i < GROUP_PAST && g->past[i]; i++) {
        const int at = g->past[i]->window == w ? segment_row(g->past[i], t) : -1;
        if (at >= 0) {
            *row = (u32)at;
            return g->past[i];
        }
    }
    return NULL;
}

static void group_past_push(struct head_group *g, struct segment *s)
{
    for (u32 i = GROUP_PAST - 1; i > 0; i--) {
        g->past[i] = g->past[i - 1];
    }
    g->past[0] = s;
}

struct segment *head_group_row(struct head *h, u32 group, struct head_window *w, i64 t, u32 *row)
{
    struct head_group *g = &h->groups[group - 1];
    struct segment *s = g->now;
    const int at = s && s->window == w ? segment_row(s, t) : -1;
    if (at >= 0) {
        *row = (u32)at;
        return s;
    }
    if (s && t < s->t[s->n - 1]) {
        return group_row_past(g, w, t, row);
    }
    if (!s || s->window != w || s->n == s->cap) {
        const u32 rows = segment_rows(group, !s || s->window != w);
        group_past_push(g, s);
        s = g->now = window_segment(w, ++h->segment_id, group, rows);
    }
    *row = s->n;
    s->t[s->n++] = t;
    return s;
}

static struct segment *private_row(struct head *h, u32 ordinal, struct head_window *w, i64 t,
                                   u32 *row)
{
    struct segment *s = h->rows[ordinal].open.segment;
    bool mine = s && s->group == 0 && s->window == w;
    if (!mine || s->n == s->cap) {
        u32 cap = mine ? MIN(ROWS_MAX, s->cap * 2U) : PRIVATE_ROWS_MIN;
        s = window_segment(w, ++h->segment_id, 0, cap);
    }
    *row = s->n;
    s->t[s->n++] = t;
    return s;
}

void head_value_add(struct head *h, u32 ordinal, struct head_sample before, struct head_sample now,
                    struct row_at *at)
{
    if (at->t != now.t || !at->window) {
        *at = (struct row_at){.t = now.t, .window = head_window_at(h, now.t)};
        CHECK(at->window); // head_window_ensure made it.
    }
    struct head_row *r = &h->rows[ordinal];
    struct open_chunk *o = &r->open;
    struct segment *s = NULL;
    u32 row = 0;
    o->flags &= before.t < at->window->start_ms ? ROW_YOUNG : ROW_YOUNG | ROW_ALONE;
    if (r->group != 0 && !(o->flags & ROW_ALONE)) {
        if (r->group != at->group) {
            at->group = r->group;
            at->segment = head_group_row(h, r->group, at->window, now.t, &at->row);
        }
        s = at->segment;
        row = at->row;
        if (!s) {
            o->flags |= ROW_ALONE;
        }
    }
    if (!s) {
        s = private_row(h, ordinal, at->window, now.t, &row);
    }
    if (o->segment != s) {
        head_seal(h, ordinal);
        o->segment = s;
    }
    open_chunk_add(&h->cells, o, row, before.value, now.value);
    if (row + 1U == s->cap) {
        head_seal(h, ordinal);
    }
}

// false: a late sample that was there already.
static inline bool write_apply(struct head *h, const struct head_write *w, u32 number, bool note,
                               struct row_at *at)
{
    struct head_row *r = &h->rows[w->ordinal];
    if (r->staged == number) { // Else more of the series is planned, which readers must not see.
        r->staged = 0;
    }
    r->open.flags &= ROW_AGE - 1; // It came now, whatever its time.
    if (!w->late) {
        if (!head_value_next(h, r, w, at)) {
            head_value_add(h, w->ordinal, (struct head_sample){w->t_was, w->v_was},
                           (struct head_sample){w->t, w->value}, at);
        }
    } else if (!window_late_add(head_window_at(h, w->t), w->ordinal, w->t, w->value)) {
        return false;
    }
    if (note) {
        pins_note(&h->pins, w->ordinal, w->t, &h->note[w->ordinal]);
    }
    return true;
}

// Longer than HEAD_SLICE: a reader that could come between two slices makes every sample cost a
// note, and the usual push or scrape fits in one.
#ifdef TIDEMARK_SMALL
#    define APPLY_SLICE HEAD_SLICE
#else
#    define APPLY_SLICE 2048U
#endif

// Boxes move into their windows, and what refers to them learns where they are. With turn and lock.
static void boxes_keep(struct head *h, struct head_plan *plan)
{
    for (u32 i = 0; i < plan->n; i++) {
        const struct head_write *w = &plan->writes[i];
        if (is_box(w->value)) {
            struct head_box *b = &plan->boxes[box_index(w->value)];
            b->kept =
                box_store_add(&head_window_at(h, w->t)->boxes, head_plan_bytes(plan, w->value));
        }
    }
    for (u32 i = 0; i < plan->n; i++) {
        struct head_write *w = &plan->writes[i];
        f64 *refs[] = {&w->value, &w->v_was, &h->rows[w->ordinal].v_last};
        for (size_t k = 0; k < ARRAY_LEN(refs); k++) {
            if (box_is_planned(*refs[k])) {
                *refs[k] = plan->boxes[box_index(*refs[k])].kept;
            }
        }
    }
}

// What the check touched has left the nearest cache again by now.
static inline void apply_prefetch(const struct head *h, const struct head_plan *plan, u32 i)
{
    const u32 far = plan->writes[MIN(i + 2 * APPLY_AHEAD, plan->n - 1)].ordinal;
    const struct head_write *near = &plan->writes[MIN(i + APPLY_AHEAD, plan->n - 1)];
    __builtin_prefetch(&h->rows[far], 1);
    if (bits_of_f64(near->value) != bits_of_f64(near->v_was)) {
        open_chunk_prefetch(&h->cells, &h->rows[near->ordinal].open);
    }
}

// The row before was the last of its segment, so that the next series are sealed as well, which
// reads all their cells.
static inline void seal_prefetch(const struct head *h, const struct head_plan *plan, u32 i,
                                 const struct row_at *at, struct cells_ahead *ahead)
{
    if (at->segment && at->row + 1U == at->segment->cap) {
        const bool more = plan->n - i > CELLS_AHEAD;
        cells_ahead_step(ahead, &h->cells, i,
                         more ? &h->rows[plan->writes[i + CELLS_AHEAD].ordinal].open : NULL);
    }
}

// With the lock.
static void slice_apply(struct head *h, const struct head_plan *plan, u32 from, u32 to,
                        struct row_at *at)
{
    const bool note = h->pins.readers > 0;
    struct cells_ahead ahead;
    cells_ahead_init(&ahead);
    i64 t_max = h->t_max;
    u32 stored = 0;
    for (u32 i = from; i < to; i++) {
        const struct head_write *w = &plan->writes[i];
        apply_prefetch(h, plan, i);
        seal_prefetch(h, plan, i, at, &ahead);
        if (write_apply(h, w, i + 1, note, at)) {
            t_max = MAX(t_max, w->t);
            stored++;
        }
    }
    h->t_max = t_max;
    h->stored_total += stored;
}

void head_apply(struct head *h, struct head_plan *plan)
{
    lock_take(&h->lock);
    if (plan->box_count > 0) {
        boxes_keep(h, plan);
    }
    struct row_at at = {0}; // Good from slice to slice: only the turn's holder makes rows.
    bool sliced = plan->n > APPLY_SLICE;
    if (sliced) {
        (void)pins_open(&h->pins); // Keeps the notes while a reader may open between slices.
    }
    for (u32 i = 0; i < plan->n; i += APPLY_SLICE) {
        if (i > 0) {
            lock_drop(&h->lock);
            lock_take(&h->lock);
        }
        slice_apply(h, plan, i, MIN(plan->n, i + APPLY_SLICE), &at);
    }
    h->pins.commit++;
    if (sliced) {
        pins_close(&h->pins);
    }
    lock_drop(&h->lock);
    plan_empty(plan);
}
