// mixins.h: the rule files shipped inside the binary (generated from mixins/). Threads: frozen.
#ifndef CMD_MIXINS_H
#define CMD_MIXINS_H

#include "base/base.h"

struct mixin {
    const char *name; // "mixins/host/alerts.yml"
    const char *text;
};
extern const struct mixin mixins[];
extern const u32 mixins_count;

#endif
