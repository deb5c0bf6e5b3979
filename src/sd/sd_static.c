// sd_static.c: static_configs: the groups never change.
#include "base/arena.h"
#include "base/str.h"
#include "model/conf.h"
#include "sd/sd_inner.h"

#define STATIC_BYTES_MAX ((size_t)64 << 20)

static const struct conf_field fields[] = {
    {.name = "targets",
     .type = CONF_STR_LIST,
     .offset = offsetof(struct sd_static_config, targets),
     .count_offset = offsetof(struct sd_static_config, target_count)},
    {.name = "labels", .type = CONF_STR_MAP, .offset = offsetof(struct sd_static_config, labels)},
};
const struct conf_struct sd_static_conf = {.name = "static_config",
                                           .bytes = sizeof(struct sd_static_config),
                                           .fields = fields,
                                           .field_count = ARRAY_LEN(fields),
                                           .place_offset = SIZE_MAX};

// Threads: as sd.h says.
struct sd_static {
    struct sd_provider provider;
    struct arena *memory;
    struct sd_group *groups;
    u32 count;
    bool told;
};

static void static_poll(struct sd_provider *p, UNUSED i64 mono_ms, bool *changed,
                        const struct sd_group **groups, u32 *count)
{
    struct sd_static *s = CONTAINER_OF(p, struct sd_static, provider);
    *changed = !s->told;
    s->told = true;
    *groups = s->groups;
    *count = s->count;
}

static void static_free(struct sd_provider *p)
{
    struct sd_static *s = CONTAINER_OF(p, struct sd_static, provider);
    arena_free(s->memory);
    mem_free(s);
}

static const struct sd_provider_ops static_ops = {static_poll, static_free};

static struct sd_group group_of(struct sd_static *s, const struct sd_static_config *c, u32 index)
{
    struct labels *targets = ARENA_NEW_N(s->memory, struct labels, c->target_count + 1U);
    for (u32 i = 0; i < c->target_count; i++) {
        const struct label pair = {STR("__address__"), c->targets[i]};
        targets[i] = labels_copy(s->memory, (struct labels){&pair, 1});
    }
    return (struct sd_group){.source = arena_printf(s->memory, "static:%u", index),
                             .labels = labels_copy(s->memory, c->labels),
                             .targets = targets,
                             .target_count = c->target_count};
}

struct sd_provider *sd_static_new(const struct sd_static_config *configs, u32 count)
{
    struct sd_static *s = MEM_NEW(struct sd_static);
    s->provider.ops = &static_ops;
    s->memory = arena_new(STATIC_BYTES_MAX);
    s->groups = ARENA_NEW_N(s->memory, struct sd_group, count + 1U);
    s->count = count;
    for (u32 i = 0; i < count; i++) {
        s->groups[i] = group_of(s, &configs[i], i);
    }
    return &s->provider;
}
