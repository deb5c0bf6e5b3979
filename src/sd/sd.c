#include "sd/sd.h"

#include "sd/sd_inner.h"

const char *sd_kind(u32 index)
{
    static const char *const kinds[] = {"file", "static"};
    return index < ARRAY_LEN(kinds) ? kinds[index] : NULL;
}

void sd_poll(struct sd_provider *p, i64 mono_ms, bool *changed, const struct sd_group **groups,
             u32 *count)
{
    p->ops->poll(p, mono_ms, changed, groups, count);
}

void sd_free(struct sd_provider *p)
{
    if (p) {
        p->ops->free(p);
    }
}
