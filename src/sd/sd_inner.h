// sd_inner.h: the provider's vtable. Threads: as sd.h says.
#ifndef SD_SD_INNER_H
#define SD_SD_INNER_H

#include "sd/sd.h"

struct sd_provider_ops {
    void (*poll)(struct sd_provider *p, i64 mono_ms, bool *changed, const struct sd_group **groups,
                 u32 *count);
    void (*free)(struct sd_provider *p);
};
// Threads: owned by the thread that polls.
struct sd_provider {
    const struct sd_provider_ops *ops;
};

#endif
