// options_doubts.c: what the user wrote and what nothing reads: variables of the environment,
// features. Upstream warns of such features and goes on; so do we.
#include "base/arena.h"
#include "base/str.h"
#include "cmd/feature_flags.h"
#include "cmd/options.h"

enum { DOUBTS_MAX = 100, VALUE_SHOWN_MAX = 80 };

// Threads: owned.
struct doubts {
    struct arena *arena;
    str *texts;
    u32 count;
};

static void doubt_add(struct doubts *d, str text)
{
    if (d->count < DOUBTS_MAX) {
        d->texts[d->count++] = text;
    }
}

// What a list says that changes nothing. states: those that the flag speaks of, as bits.
static void feature_look(struct doubts *d, const char *flag, str name, u32 states)
{
    const struct feature *f = feature_find(name);
    if (f && (states & 1U << f->state) != 0) {
        return;
    }
    if (f) {
        doubt_add(d, arena_printf(d->arena,
                                  "--%s=%s changes nothing: it is known to Prometheus but %s", flag,
                                  f->name,
                                  f->state == FEATURE_ALWAYS ? "always on here"
                                                             : "not built in this release"));
        return;
    }
    str *names = ARENA_NEW_N(d->arena, str, features_count());
    for (u32 i = 0; i < features_count(); i++) {
        names[i] = str_c(feature_get(i)->name);
    }
    const str near = str_nearest(name, names, features_count());
    doubt_add(d, arena_printf(d->arena, "--%s: unknown feature \"%.*s\"%s%.*s%s", flag,
                              STR_ARG(str_sub(name, 0, VALUE_SHOWN_MAX)),
                              near.len > 0 ? ": did you mean " : "", STR_ARG(near),
                              near.len > 0 ? "?" : ""));
}

static void features_look(struct doubts *d, const char *flag, str list, u32 states)
{
    str name;
    while (feature_list_next(&list, &name)) {
        feature_look(d, flag, name, states);
    }
}

static void variable_look(struct doubts *d, str name)
{
    str *names = ARENA_NEW_N(d->arena, str, options_count);
    u32 count = 0;
    for (u32 i = 0; i < options_count; i++) {
        char env[128];
        option_env_name(&options_table[i], env, sizeof(env));
        if (str_eq_c(name, env)) {
            return;
        }
        if (options_table[i].type != OPTION_UNBUILT) {
            names[count++] = arena_str(d->arena, str_c(env));
        }
    }
    const str near = str_nearest(name, names, count);
    doubt_add(d, arena_printf(d->arena, "no flag reads the environment variable %.*s%s%.*s%s",
                              STR_ARG(str_sub(name, 0, VALUE_SHOWN_MAX)),
                              near.len > 0 ? ": did you mean " : "", STR_ARG(near),
                              near.len > 0 ? "?" : ""));
}

u32 options_doubts(const struct options *o, char *const *variables, struct arena *a, str **texts)
{
    struct doubts d = {.arena = a, .texts = ARENA_NEW_N(a, str, DOUBTS_MAX)};
    const u32 switched = 1U << FEATURE_ON | 1U << FEATURE_OFF;
    features_look(&d, "enable-feature", o->enable_feature, switched | 1U << FEATURE_ALWAYS);
    features_look(&d, "disable-feature", o->disable_feature, switched);
    for (u32 i = 0; variables && variables[i] && d.count < DOUBTS_MAX; i++) {
        const str text = str_c(variables[i]);
        const str variable = str_sub(text, 0, str_find(text, '='));
        if (str_starts(variable, STR("TIDEMARK_"))) {
            variable_look(&d, variable);
        }
    }
    *texts = d.texts;
    return d.count;
}
