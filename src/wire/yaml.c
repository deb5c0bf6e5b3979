// yaml.c: the only file that knows libfyaml: its events become a tree of ours.
//
// Nodes that are done wait in one stack, `pending`. When a collection ends, what was pushed since
// its start becomes its items and moves to the arena in one piece.

#include "wire/yaml.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "wire/yaml_inner.h"

#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>

struct frame {
    struct yaml_node node; // What is known of the collection so far.
    size_t start;          // Its first item in pending.
    str anchor;
};

struct anchor {
    str name;
    struct yaml_node node;
};

// Threads: owned.
struct builder {
    struct arena *arena;
    struct yaml_doc *doc;
    struct error *e;
    struct fy_parser *parser;
    struct yaml_node *pending;
    size_t pending_count;
    size_t pending_cap;
    struct anchor *anchors;
    u32 anchor_count;
    struct frame frames[YAML_DEPTH_MAX];
    u32 depth;
    u32 documents;
    u64 nodes;             // With aliases followed.
    struct yaml_spot last; // Where the newest node stands: the place of what has none.
};

static bool fail(struct builder *b, struct yaml_spot spot, enum err code, const char *message)
{
    return yaml_error_at(b->e, b->doc, spot, code, message);
}

static bool fail_memory(struct builder *b)
{
    return err_set(b->e, ERR_LIMIT, "%.*s: YAML needs more memory than its arena may hold",
                   STR_ARG(b->doc->file));
}

static bool charge(struct builder *b, u64 nodes, struct yaml_spot spot)
{
    b->nodes += nodes;
    if (b->nodes > YAML_NODES_MAX) {
        return fail(b, spot, ERR_LIMIT, "more than 200000 nodes, counting what aliases stand for");
    }
    static_assert(YAML_NODES_MAX == 200000, "the message says so");
    return true;
}

// Whether so many levels fit below what is open.
static bool depth_check(struct builder *b, u32 height, struct yaml_spot spot)
{
    static_assert(YAML_DEPTH_MAX == 64, "the message says so");
    return b->depth + height <= YAML_DEPTH_MAX || fail(b, spot, ERR_LIMIT, "nested deeper than 64");
}

// Never fails; yields true, so that it may end a chain.
static bool push(struct builder *b, const struct yaml_node *n)
{
    if (b->pending_count == b->pending_cap) {
        b->pending_cap *= 2;
        b->pending = MEM_GROW(b->pending, b->pending_cap, struct yaml_node);
    }
    b->pending[b->pending_count++] = *n;
    return true;
}

static bool text_copy(struct builder *b, str s, str *to)
{
    if (s.len == 0) {
        *to = STR("");
        return true;
    }
    char *copy = arena_try(b->arena, s.len, 1);
    if (!copy) {
        return fail_memory(b);
    }
    memcpy(copy, s.ptr, s.len);
    *to = (str){copy, s.len};
    return true;
}

static str token_text(struct fy_token *t)
{
    size_t len = 0;
    const char *text = t ? fy_token_get_text(t, &len) : NULL;
    return text ? (str){text, len} : STR_EMPTY;
}

static struct yaml_spot spot_of(struct builder *b, struct fy_token *t)
{
    const struct fy_mark *m = t ? fy_token_start_mark(t) : NULL;
    if (m && m->line >= 0 && m->column >= 0) {
        b->last = (struct yaml_spot){(u32)m->line + 1, (u32)m->column + 1};
    }
    return b->last;
}

// ---- anchors -----------------------------------------------------------------------------------

static bool anchor_put(struct builder *b, str name, const struct yaml_node *n)
{
    if (name.len == 0) {
        return true;
    }
    for (u32 i = 0; i < b->anchor_count; i++) {
        if (str_eq(b->anchors[i].name, name)) {
            b->anchors[i].node = *n; // Given again, it means the newer from here on.
            return true;
        }
    }
    if (b->anchor_count == YAML_ANCHORS_MAX) {
        return fail(b, (struct yaml_spot){n->line, n->column}, ERR_LIMIT, "more than 1000 anchors");
    }
    static_assert(YAML_ANCHORS_MAX == 1000, "the message says so");
    if (!b->anchors) {
        b->anchors = MEM_NEW_N(struct anchor, YAML_ANCHORS_MAX);
    }
    b->anchors[b->anchor_count++] = (struct anchor){name, *n};
    return true;
}

static bool on_alias(struct builder *b, const struct fy_event *event)
{
    struct yaml_spot spot = spot_of(b, event->alias.anchor);
    spot.column -= spot.column > 1; // The library's mark stands behind the '*'.
    const str name = token_text(event->alias.anchor);
    for (u32 i = 0; i < b->anchor_count; i++) {
        const struct yaml_node *n = &b->anchors[i].node;
        if (str_eq(b->anchors[i].name, name)) {
            return depth_check(b, n->height, spot) && charge(b, n->weight, spot) && push(b, n);
        }
    }
    return fail(b, spot, ERR_INVALID, "alias of an anchor that is not known here");
}

// ---- scalars -----------------------------------------------------------------------------------

// A literal block's marks name the first line but not the column where its text begins.
static void block_place(struct yaml_node *n, struct fy_token *token)
{
    const struct fy_mark *start = fy_token_start_mark(token);
    const str text = n->doc->text;
    str raw = str_sub(text, start->input_pos, text.len);
    str rest = n->scalar;
    str raw_line;
    str line;
    while (str_split_next(&raw, '\n', &raw_line) && str_split_next(&rest, '\n', &line)) {
        const str bare = str_trim(line);
        if (bare.len > 0) {
            const size_t shift = str_find_str(raw_line, bare);
            const size_t inside = str_find_str(line, bare);
            n->column = shift == STR_NONE || inside > shift ? 1 : (u32)(shift - inside) + 1;
            return;
        }
    }
}

static bool tag_is_string(struct fy_token *tag)
{
    const str text = token_text(tag);
    return str_eq(text, STR("tag:yaml.org,2002:str")) || str_eq(text, STR("!"));
}

static bool on_scalar(struct builder *b, const struct fy_event *event)
{
    struct fy_token *token = event->scalar.value;
    const struct yaml_spot spot = spot_of(b, token);
    struct yaml_node n = {.kind = YAML_SCALAR,
                          .line = spot.line,
                          .column = spot.column,
                          .weight = 1,
                          .height = 1,
                          .doc = b->doc};
    str anchor;
    if (!depth_check(b, 1, spot) || !charge(b, 1, spot) ||
        !text_copy(b, token_text(token), &n.scalar) ||
        !text_copy(b, token_text(event->scalar.anchor), &anchor)) {
        return false;
    }
    if (token) {
        const enum fy_scalar_style style = fy_token_scalar_style(token);
        n.quoted = style != FYSS_PLAIN;
        if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) {
            n.column -= n.column > 1; // The library's mark stands behind the quote.
        }
        n.block = style == FYSS_LITERAL;
        if (n.block) {
            block_place(&n, token);
        }
    }
    if (event->scalar.tag && tag_is_string(event->scalar.tag)) {
        n.quoted = true;
    }
    return anchor_put(b, anchor, &n) && push(b, &n);
}

// ---- collections -------------------------------------------------------------------------------

static bool open_collection(struct builder *b, enum yaml_kind kind, struct fy_token *token,
                            struct fy_token *anchor)
{
    const struct yaml_spot spot = spot_of(b, token);
    if (!depth_check(b, 1, spot)) {
        return false;
    }
    struct frame *f = &b->frames[b->depth];
    *f = (struct frame){.start = b->pending_count};
    f->node =
        (struct yaml_node){.kind = kind, .line = spot.line, .column = spot.column, .doc = b->doc};
    if (!charge(b, 1, spot) || !text_copy(b, token_text(anchor), &f->anchor)) {
        return false;
    }
    b->depth++;
    return true;
}

static bool close_collection(struct builder *b, struct frame *f)
{
    b->depth--;
    b->pending_count = f->start;
    return anchor_put(b, f->anchor, &f->node) && push(b, &f->node);
}

static bool nodes_copy(struct builder *b, const struct yaml_node *from, u32 count, u32 step,
                       const struct yaml_node **to)
{
    if (count == 0) {
        *to = NULL;
        return true;
    }
    struct yaml_node *nodes = arena_try(b->arena, count, sizeof(*nodes));
    if (!nodes) {
        return fail_memory(b);
    }
    for (u32 i = 0; i < count; i++) {
        nodes[i] = from[(size_t)i * step];
    }
    *to = nodes;
    return true;
}

static void measure(struct yaml_node *n, const struct yaml_node *children, u32 count)
{
    n->weight = 1; // charge() bounds every sum long before it could overflow.
    n->height = 1;
    for (u32 i = 0; i < count; i++) {
        n->weight += children[i].weight;
        n->height = MAX(n->height, children[i].height + 1);
    }
}

static bool on_seq_end(struct builder *b)
{
    struct frame *f = &b->frames[b->depth - 1];
    const struct yaml_node *items = b->pending + f->start;
    f->node.count = (u32)(b->pending_count - f->start);
    measure(&f->node, items, f->node.count);
    return nodes_copy(b, items, f->node.count, 1, &f->node.items) && close_collection(b, f);
}

static bool is_merge_key(const struct yaml_node *key)
{
    return !key->quoted && str_eq(key->scalar, STR("<<"));
}

static bool push_pairs(struct builder *b, const struct yaml_node *map, struct yaml_spot spot)
{
    if (map->kind != YAML_MAP) {
        return fail(b, spot, ERR_INVALID, "<< takes a mapping or a list of mappings");
    }
    for (u32 i = 0; i < map->count; i++) {
        // The values' weight was charged where the alias stood; the keys and the copy are new.
        if (!charge(b, (u64)map->items[i].weight + 1, spot) || !push(b, &map->keys[i]) ||
            !push(b, &map->items[i])) {
            return false;
        }
    }
    return true;
}

// Puts the pairs that a << brings behind the mapping's own, and takes the << itself out.
static bool merge(struct builder *b, size_t start, size_t *own)
{
    size_t kept = 0;
    for (size_t i = 0; i < *own; i++) {
        const struct yaml_node key = b->pending[start + 2 * i];
        const struct yaml_node value = b->pending[start + 2 * i + 1];
        if (!is_merge_key(&key)) {
            b->pending[start + 2 * kept] = key;
            b->pending[start + 2 * kept + 1] = value;
            kept++;
            continue;
        }
        const struct yaml_spot spot = {key.line, key.column};
        if (value.kind != YAML_SEQ) {
            if (!push_pairs(b, &value, spot)) {
                return false;
            }
            continue;
        }
        for (u32 j = 0; j < value.count; j++) {
            if (!push_pairs(b, &value.items[j], spot)) {
                return false;
            }
        }
    }
    const size_t brought = b->pending_count - (start + 2 * *own);
    memmove(b->pending + start + 2 * kept, b->pending + start + 2 * *own,
            brought * sizeof(b->pending[0]));
    b->pending_count = start + 2 * kept + brought;
    *own = kept;
    return true;
}

static int pair_order(const void *left, const void *right, void *pairs)
{
    const size_t a = *(const size_t *)left;
    const size_t b = *(const size_t *)right;
    const struct yaml_node *nodes = pairs;
    const int order = str_cmp(nodes[2 * a].scalar, nodes[2 * b].scalar);
    return order != 0 ? order : (a > b) - (a < b);
}

// Sorted by key, equal ones stand together in the order of the text: two of the mapping's own are
// an error, one that << brought yields to the earlier.
static bool pairs_unique(struct builder *b, size_t start, size_t own)
{
    struct yaml_node *pairs = b->pending + start;
    const size_t count = (b->pending_count - start) / 2;
    size_t *order = MEM_NEW_N(size_t, MAX(count, 1U));
    bool *gone = MEM_NEW_N(bool, MAX(count, 1U));
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    qsort_r(order, count, sizeof(order[0]), pair_order, pairs);
    bool ok = true;
    for (size_t i = 1; i < count && ok; i++) {
        const struct yaml_node *key = &pairs[2 * order[i]];
        if (!str_eq(pairs[2 * order[i - 1]].scalar, key->scalar)) {
            continue;
        }
        gone[order[i]] = true;
        if (order[i] < own) {
            char message[160];
            (void)snprintf(message, sizeof(message), "key \"%.*s\" is given twice",
                           STR_ARG(str_sub(key->scalar, 0, 100)));
            ok = fail(b, (struct yaml_spot){key->line, key->column}, ERR_INVALID, message);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!gone[i]) {
            pairs[2 * kept] = pairs[2 * i];
            pairs[2 * kept + 1] = pairs[2 * i + 1];
            kept++;
        }
    }
    b->pending_count = start + 2 * kept;
    mem_free(order);
    mem_free(gone);
    return ok;
}

static bool on_map_end(struct builder *b)
{
    struct frame *f = &b->frames[b->depth - 1];
    size_t own = (b->pending_count - f->start) / 2;
    bool merges = false;
    for (size_t i = 0; i < own; i++) {
        const struct yaml_node *key = &b->pending[f->start + 2 * i];
        if (key->kind != YAML_SCALAR) {
            return fail(b, (struct yaml_spot){key->line, key->column}, ERR_INVALID,
                        "a key must be a scalar");
        }
        merges = merges || is_merge_key(key);
    }
    if ((merges && !merge(b, f->start, &own)) || !pairs_unique(b, f->start, own)) {
        return false;
    }
    const struct yaml_node *pairs = b->pending + f->start;
    f->node.count = (u32)((b->pending_count - f->start) / 2);
    measure(&f->node, pairs, 2 * f->node.count);
    return nodes_copy(b, pairs, f->node.count, 2, &f->node.keys) &&
           nodes_copy(b, pairs + 1, f->node.count, 2, &f->node.items) && close_collection(b, f);
}

// ---- the run -----------------------------------------------------------------------------------

static bool on_event(struct builder *b, const struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (++b->documents > 1) {
            return fail(b, spot_of(b, event->document_start.document_start), ERR_INVALID,
                        "a second document; only one is read");
        }
        return true;
    case FYET_MAPPING_START:
        return open_collection(b, YAML_MAP, event->mapping_start.mapping_start,
                               event->mapping_start.anchor);
    case FYET_MAPPING_END:
        return on_map_end(b);
    case FYET_SEQUENCE_START:
        return open_collection(b, YAML_SEQ, event->sequence_start.sequence_start,
                               event->sequence_start.anchor);
    case FYET_SEQUENCE_END:
        return on_seq_end(b);
    case FYET_SCALAR:
        return on_scalar(b, event);
    case FYET_ALIAS:
        return on_alias(b, event);
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        return true;
    }
    return true;
}

static bool fail_syntax(struct builder *b, struct fy_diag *diag)
{
    void *at = NULL;
    const struct fy_diag_error *found = fy_diag_errors_iterate(diag, &at);
    if (!found) {
        return fail(b, b->last, ERR_INVALID, "not valid YAML");
    }
    const struct yaml_spot spot = {(u32)MAX(found->line, 1), (u32)MAX(found->column, 1)};
    return fail(b, spot, ERR_INVALID, found->msg);
}

static bool run(struct builder *b, struct fy_diag *diag)
{
    struct fy_event *event;
    while ((event = fy_parser_parse(b->parser)) != NULL) {
        const bool ok = on_event(b, event);
        fy_parser_event_free(b->parser, event);
        if (!ok) {
            return false;
        }
    }
    return !fy_parser_get_stream_error(b->parser) || fail_syntax(b, diag);
}

// What the library lets pass: size, encoding, control characters.
static bool check_text(struct builder *b)
{
    const str text = b->doc->text;
    if (text.len > YAML_BYTES_MAX) {
        return err_set(b->e, ERR_LIMIT, "%.*s: %zu bytes are more than %d", STR_ARG(b->doc->file),
                       text.len, YAML_BYTES_MAX);
    }
    struct yaml_spot spot = {1, 1};
    size_t pos = 0;
    while (pos < text.len) {
        u32 c;
        if (!utf8_next(text, &pos, &c)) {
            return fail(b, spot, ERR_INVALID, "not UTF-8");
        }
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return fail(b, spot, ERR_INVALID, "a control character");
        }
        spot.column++;
        if (c == '\n') {
            spot = (struct yaml_spot){spot.line + 1, 1};
        }
    }
    return true;
}

static bool build(struct builder *b)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    CHECK(diag != NULL);
    fy_diag_set_collect_errors(diag, true);
    const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = diag};
    b->parser = fy_parser_create(&cfg);
    CHECK(b->parser != NULL);
    bool ok = fy_parser_set_string(b->parser, b->doc->text.ptr, b->doc->text.len) == 0 ||
              err_set(b->e, ERR_INTERNAL, "the YAML library takes no text");
    ok = ok && run(b, diag);
    fy_parser_destroy(b->parser);
    fy_diag_destroy(diag);
    return ok;
}

const struct yaml_doc *yaml_parse(struct arena *a, str file, str text, struct error *e)
{
    struct yaml_doc *doc = ARENA_NEW(a, struct yaml_doc);
    struct builder *b = MEM_NEW(struct builder);
    *b = (struct builder){.arena = a, .doc = doc, .e = e, .last = {1, 1}, .pending_cap = 64};
    b->pending = MEM_NEW_N(struct yaml_node, b->pending_cap);
    doc->file = arena_str(a, file);
    doc->text = text;
    bool ok = check_text(b) && text_copy(b, text, &doc->text);
    if (ok && text.len > 0) {
        ok = build(b);
    }
    if (ok && b->pending_count == 0) {
        const struct yaml_node nothing = {
            .scalar = STR(""), .line = 1, .column = 1, .weight = 1, .height = 1, .doc = doc};
        ok = push(b, &nothing);
    }
    if (ok) {
        ok = nodes_copy(b, b->pending, 1, 1, &doc->root);
    }
    mem_free(b->pending);
    mem_free(b->anchors);
    mem_free(b);
    return ok ? doc : NULL;
}
