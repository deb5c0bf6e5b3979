// fs_mem_tree.c: see fs_mem_tree.h.
#include "os/fs_mem_tree.h"

#include "base/str.h"

#include <errno.h>

void memimage_resize(struct mem_image *m, u64 len)
{
    if (len > m->cap) {
        u64 cap = MAX(len, MAX(m->cap * 2, 64));
        m->bytes = mem_grow(m->bytes, cap, 1);
        memset(m->bytes + m->cap, 0, cap - m->cap);
        m->cap = cap;
    }
    if (len < m->len) {
        memset(m->bytes + len, 0, m->len - len);
    }
    m->len = len;
}

void memimage_write(struct mem_image *m, const struct mem_write *w)
{
    if (!w->bytes) {
        memimage_resize(m, w->offset);
        return;
    }
    if (w->offset + w->len > m->len) {
        memimage_resize(m, w->offset + w->len);
    }
    memcpy(m->bytes + w->offset, w->bytes, w->len);
}

static void image_copy(struct mem_image *to, const struct mem_image *from)
{
    memimage_resize(to, from->len);
    if (from->len > 0) {
        memcpy(to->bytes, from->bytes, from->len);
    }
}

// Index of name, or of where it would stand.
static size_t names_at(const struct mem_names *names, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->items[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < names->count && strcmp(names->items[low].name, name) == 0;
    return low;
}

struct mem_node *memnames_get(const struct mem_names *names, const char *name)
{
    bool found = false;
    size_t at = names_at(names, name, &found);
    return found ? names->items[at].node : NULL;
}

static char *name_copy(const char *name)
{
    size_t bytes = strlen(name) + 1;
    return memcpy(mem_new(bytes, 1), name, bytes);
}

static void names_set(struct mem_tree *t, struct mem_names *names, const char *name,
                      struct mem_node *node)
{
    bool found = false;
    size_t at = names_at(names, name, &found);
    struct mem_node *old = found ? names->items[at].node : NULL;
    if (node) {
        memnode_ref(node);
    }
    size_t behind = names->count - at;
    if (found && node) {
        names->items[at].node = node;
    } else if (found) {
        mem_free(names->items[at].name);
        memmove(&names->items[at], &names->items[at + 1], (behind - 1) * sizeof(*names->items));
        names->count--;
    } else if (node) {
        if (names->count == names->cap) {
            names->cap = MAX(names->cap * 2, 8);
            names->items = MEM_GROW(names->items, names->cap, struct mem_name);
        }
        memmove(&names->items[at + 1], &names->items[at], behind * sizeof(*names->items));
        names->items[at] = (struct mem_name){name_copy(name), node};
        names->count++;
    }
    memnode_unref(t, old);
}

static void names_clear(struct mem_tree *t, struct mem_names *names)
{
    struct mem_names gone = *names;
    *names = (struct mem_names){0};
    for (size_t i = 0; i < gone.count; i++) {
        mem_free(gone.items[i].name);
        memnode_unref(t, gone.items[i].node);
    }
    mem_free(gone.items);
}

void memnames_copy(struct mem_tree *t, struct mem_names *to, const struct mem_names *from)
{
    names_clear(t, to);
    for (size_t i = 0; i < from->count; i++) {
        names_set(t, to, from->items[i].name, from->items[i].node);
    }
}

void memnode_clear_writes(struct mem_node *n)
{
    for (size_t i = 0; i < n->write_count; i++) {
        mem_free(n->writes[i].bytes);
    }
    n->write_count = 0;
    n->write_bytes = 0;
}

struct mem_node *memnode_new(struct mem_tree *t, bool is_dir)
{
    struct mem_node *n = MEM_NEW(struct mem_node);
    n->refs = 1;
    n->is_dir = is_dir;
    n->inode = ++t->inodes;
    n->mtime_ms = ++t->ticks;
    return n;
}

void memnode_ref(struct mem_node *n)
{
    n->refs++;
}

// Depth is bounded: no path is deeper than MEM_DEPTH_MAX, and a folder has one parent.
void memnode_unref(struct mem_tree *t, struct mem_node *n)
{
    if (!n || --n->refs > 0) {
        return;
    }
    t->used -= n->charged;
    names_clear(t, &n->names_seen);
    names_clear(t, &n->names_disk);
    memnode_clear_writes(n);
    mem_free(n->writes);
    mem_free(n->seen.bytes);
    mem_free(n->disk.bytes);
    mem_free(n);
}

void memnode_charge(struct mem_tree *t, struct mem_node *n)
{
    bool lives = n->links > 0 || n->opens > 0;
    u64 wanted = lives ? MAX(n->seen.len, n->reserved) : 0;
    t->used = t->used - n->charged + wanted;
    n->charged = wanted;
}

void memtree_init(struct mem_tree *t, u64 capacity)
{
    *t = (struct mem_tree){.capacity = capacity};
    t->root = memnode_new(t, true);
}

void memtree_fini(struct mem_tree *t)
{
    for (size_t i = 0; i < t->change_count; i++) {
        memchange_fini(t, &t->changes[i]);
    }
    mem_free(t->changes);
    memnode_unref(t, t->root);
}

// Cuts the next component off; 0, or an errno. An empty name means the path is at its end.
static int path_next(str *rest, char name[MEM_NAME_MAX + 1])
{
    str part = STR_EMPTY;
    while (str_split_next(rest, '/', &part)) {
        if (part.len == 0 || str_eq(part, STR("."))) {
            continue;
        }
        if (str_eq(part, STR(".."))) {
            return EINVAL; // Nobody of ours asks for it, so it is a mistake.
        }
        if (part.len > MEM_NAME_MAX) {
            return ENAMETOOLONG;
        }
        memcpy(name, part.ptr, part.len);
        name[part.len] = '\0';
        return 0;
    }
    name[0] = '\0';
    return 0;
}

int memtree_find_parent(struct mem_tree *t, const char *path, struct mem_node **dir,
                        char name[MEM_NAME_MAX + 1])
{
    str rest = str_c(path);
    *dir = t->root;
    int status = path_next(&rest, name);
    for (u32 depth = 0; status == 0; depth++) {
        char next[MEM_NAME_MAX + 1];
        status = path_next(&rest, next);
        if (status != 0 || next[0] == '\0') {
            return status;
        }
        struct mem_node *n = memnames_get(&(*dir)->names_seen, name);
        if (!n) {
            return ENOENT;
        }
        if (!n->is_dir) {
            return ENOTDIR;
        }
        if (depth >= MEM_DEPTH_MAX) {
            return ENAMETOOLONG;
        }
        *dir = n;
        memcpy(name, next, sizeof(next));
    }
    return status;
}

int memtree_find(struct mem_tree *t, const char *path, struct mem_node **node)
{
    struct mem_node *dir = NULL;
    char name[MEM_NAME_MAX + 1];
    int status = memtree_find_parent(t, path, &dir, name);
    if (status != 0) {
        return status;
    }
    *node = name[0] ? memnames_get(&dir->names_seen, name) : t->root;
    return *node ? 0 : ENOENT;
}

static void node_log(struct mem_tree *t, struct mem_node *n, struct mem_write w)
{
    n->mtime_ms = ++t->ticks;
    if (n->write_bytes + w.len > MEM_PENDING_BYTES_MAX) {
        mem_free(w.bytes);
        memnode_sync(n); // The kernel writes back by itself in the end.
        return;
    }
    if (n->write_count == n->write_cap) {
        n->write_cap = MAX(n->write_cap * 2, 8);
        n->writes = MEM_GROW(n->writes, n->write_cap, struct mem_write);
    }
    n->writes[n->write_count++] = w;
    n->write_bytes += w.len + sizeof(w);
}

int memnode_write(struct mem_tree *t, struct mem_node *n, u64 offset, const void *bytes, u64 len)
{
    u64 end = 0;
    if (__builtin_add_overflow(offset, len, &end) || end > INT64_MAX) {
        return EFBIG;
    }
    if (len == 0) {
        return 0;
    }
    // As a kernel does, a full disk takes what still fits.
    u64 fits = MAX(n->seen.len, n->reserved) + (t->capacity - MIN(t->used, t->capacity));
    int status = end > fits ? ENOSPC : 0;
    u64 taken = end <= fits ? len : fits > offset ? fits - offset : 0;
    if (taken > 0) {
        struct mem_write w = {.offset = offset, .len = taken, .bytes = mem_new(taken, 1)};
        memcpy(w.bytes, bytes, taken);
        memimage_write(&n->seen, &w);
        node_log(t, n, w);
        memnode_charge(t, n);
    }
    return status;
}

int memnode_truncate(struct mem_tree *t, struct mem_node *n, u64 len)
{
    u64 fits = MAX(n->seen.len, n->reserved) + (t->capacity - MIN(t->used, t->capacity));
    if (len > fits) {
        return ENOSPC;
    }
    memimage_resize(&n->seen, len);
    n->reserved = MIN(n->reserved, len);
    node_log(t, n, (struct mem_write){.offset = len});
    memnode_charge(t, n);
    return 0;
}

static struct mem_side side_make(struct mem_node *dir, const char *name, struct mem_node *node)
{
    struct mem_side s = {dir, name_copy(name), node, memnames_get(&dir->names_seen, name)};
    memnode_ref(dir);
    if (s.node) {
        memnode_ref(s.node);
    }
    if (s.old) {
        memnode_ref(s.old);
    }
    return s;
}

void memchange_fini(struct mem_tree *t, struct mem_change *c)
{
    for (u32 i = 0; i < c->side_count; i++) {
        struct mem_side *s = &c->sides[i];
        mem_free(s->name);
        memnode_unref(t, s->dir);
        memnode_unref(t, s->node);
        memnode_unref(t, s->old);
    }
}

// Shows the change and keeps it until it is durable.
static void tree_change(struct mem_tree *t, struct mem_change c)
{
    for (u32 i = 0; i < c.side_count; i++) {
        struct mem_side *s = &c.sides[i];
        CHECK(s->dir != NULL);
        if (s->node) {
            s->node->links++;
        }
        names_set(t, &s->dir->names_seen, s->name, s->node);
        s->dir->mtime_ms = ++t->ticks;
        if (s->old) {
            s->old->links--;
        }
    }
    for (u32 i = 0; i < c.side_count; i++) {
        if (c.sides[i].old) {
            memnode_charge(t, c.sides[i].old);
        }
    }
    if (t->change_count == t->change_cap) {
        t->change_cap = MAX(t->change_cap * 2, 8);
        t->changes = MEM_GROW(t->changes, t->change_cap, struct mem_change);
    }
    t->changes[t->change_count++] = c;
}

void memtree_set(struct mem_tree *t, struct mem_node *dir, const char *name, struct mem_node *node)
{
    tree_change(t, (struct mem_change){.sides = {side_make(dir, name, node)}, .side_count = 1});
}

void memtree_move(struct mem_tree *t, struct mem_node *from_dir, const char *from,
                  struct mem_node *to_dir, const char *to)
{
    struct mem_node *node = memnames_get(&from_dir->names_seen, from);
    CHECK(node);
    tree_change(t, (struct mem_change){
                       .sides = {side_make(to_dir, to, node), side_make(from_dir, from, NULL)},
                       .side_count = 2});
}

void memnode_sync(struct mem_node *n)
{
    image_copy(&n->disk, &n->seen);
    memnode_clear_writes(n); // (I1)
}

void memchange_apply(struct mem_tree *t, const struct mem_change *c)
{
    for (u32 i = 0; i < c->side_count; i++) {
        names_set(t, &c->sides[i].dir->names_disk, c->sides[i].name, c->sides[i].node);
    }
}

// Does the change touch dir, or a node that a later durable change touches?
static bool change_needed(const struct mem_change *c, const struct mem_node *dir, u64 stamp)
{
    for (u32 i = 0; i < c->side_count; i++) {
        const struct mem_side *s = &c->sides[i];
        if (s->dir == dir || (s->node && s->node->stamp == stamp) ||
            (s->old && s->old->stamp == stamp)) {
            return true;
        }
    }
    return false;
}

void memtree_sync_dir(struct mem_tree *t, struct mem_node *dir)
{
    u64 stamp = ++t->stamps;
    bool *needed = MEM_NEW_N(bool, t->change_count);
    // Backwards: earlier changes of the same nodes must not come after later ones (I2).
    for (size_t i = t->change_count; i-- > 0;) {
        struct mem_change *c = &t->changes[i];
        needed[i] = change_needed(c, dir, stamp);
        for (u32 k = 0; needed[i] && k < c->side_count; k++) {
            if (c->sides[k].node) {
                c->sides[k].node->stamp = stamp;
            }
            if (c->sides[k].old) {
                c->sides[k].old->stamp = stamp;
            }
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < t->change_count; i++) {
        if (needed[i]) {
            memchange_apply(t, &t->changes[i]);
            memchange_fini(t, &t->changes[i]);
        } else {
            t->changes[kept++] = t->changes[i];
        }
    }
    t->change_count = kept;
    mem_free(needed);
}
