// feature_flags.h: the names that --enable-feature and --disable-feature know.
//
// What upstream still calls experimental is on from the start where it is built; who wants to be
// told of its use switches it off by name. Lists are comma separated; the one that disables wins.
// Threads: frozen.
#ifndef CMD_FEATURE_FLAGS_H
#define CMD_FEATURE_FLAGS_H

#include "base/base.h"

enum feature_state {
    FEATURE_ALWAYS,  // Part of the server.
    FEATURE_ON,      // Can be switched off.
    FEATURE_OFF,     // Can be switched on.
    FEATURE_UNBUILT, // Known to upstream alone.
};

struct feature {
    const char *name;
    enum feature_state state;
};

u32 features_count(void);
const struct feature *feature_get(u32 index);
const struct feature *feature_find(str name); // NULL if there is none.
bool feature_list_next(str *list, str *name); // Names without the blanks around them.
bool feature_is_on(const char *name, str enabled, str disabled); // Of one that can be switched.

#endif
