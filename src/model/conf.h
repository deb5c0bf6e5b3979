// conf.h: the one decoder of configuration: tables over wire's YAML tree.
//
// Each service exports the table of its section; cmd/config.c joins them. Unknown keys, wrong
// types, keys given twice and values out of range are errors with file:line:col and a hint
// (nearest name, allowed values). Upstream keys that exist but are not built are listed with
// CONF_UNBUILT and refused by name, those of a whole file at once (at most CONF_UNBUILT_TOLD of
// them). Strings are copied into the arena. Absent keys, and keys whose
// value is null, take the default text. Depth is bounded by the tables' own nesting; an arena that
// is full is ERR_LIMIT.
// Threads: tables are frozen constants.
#ifndef MODEL_CONF_H
#define MODEL_CONF_H

#include "base/base.h"

struct arena;
struct error;
struct yaml_node; // wire/yaml.h

enum conf_type {
    CONF_STR,         // str
    CONF_SECRET,      // struct secret: never printed
    CONF_BOOL,        // bool
    CONF_U64,         // u64
    CONF_I64,         // i64
    CONF_F64,         // f64
    CONF_DURATION,    // i64 milliseconds
    CONF_BYTES,       // u64: 16MB, 1GiB, 0; a thousand is 1024 in both spellings, as upstream
    CONF_ENUM,        // int: the index in `names`; upper and lower case are the same
    CONF_STR_LIST,    // str *, u32 count at count_offset
    CONF_STR_MAP,     // struct labels: sorted pairs
    CONF_STRUCT,      // embedded struct, `sub`
    CONF_STRUCT_PTR,  // struct *, NULL when absent, `sub`
    CONF_STRUCT_LIST, // struct *, u32 count at count_offset, `sub`
    CONF_STR_LISTS,   // struct conf_strings *, u32 count: a mapping of names to lists of strings
    CONF_NODE,        // const struct yaml_node *: left as it is, for another table; NULL if absent
    CONF_NODE_LIST,   // const struct yaml_node **, u32 count: the items of a sequence, as they are;
                      // `sub`, if given, says which of their keys are not built
    CONF_MATCHERS,    // str *, count: kept as text for the section to parse
    CONF_UNBUILT      // known upstream, refused by name
};

// Its bytes have no printable form but through secret_reveal.
struct secret {
    str hidden;
};
static inline str secret_reveal(struct secret s)
{
    return s.hidden;
}

struct conf_field {
    const char *name;
    enum conf_type type;
    bool required;
    size_t offset;
    size_t count_offset;      // Lists.
    const char *fallback;     // Default as text; NULL = zero.
    const char *const *names; // CONF_ENUM, NULL-terminated.
    const struct conf_struct *sub;
    const char *help;
};

struct conf_struct {
    const char *name; // "scrape_config"
    size_t bytes;
    const struct conf_field *fields;
    u32 field_count;
    // Optional: after all fields are set; checks what spans fields. node gives line:col.
    bool (*check)(void *target, const struct yaml_node *node, struct arena *a, struct error *e);
    // Optional: where in the target to keep the node's struct conf_place; 0 or SIZE_MAX if nowhere,
    // so a place may not be the first member.
    size_t place_offset;
};

// Rows of a table: CONF_FIELD(scrape_config, "job_name", CONF_STR, job_name, .required = true).
#define CONF_FIELD(s, key, t, member, ...)                                                         \
    {                                                                                              \
        .name = (key), .type = (t), .offset = offsetof(struct s, member), __VA_ARGS__              \
    }
#define CONF_LIST(s, key, t, member, n, ...)                                                       \
    {                                                                                              \
        .name = (key), .type = (t), .offset = offsetof(struct s, member),                          \
        .count_offset = offsetof(struct s, n), __VA_ARGS__                                         \
    }
#define CONF_REFUSED(key)                                                                          \
    {                                                                                              \
        .name = (key), .type = CONF_UNBUILT                                                        \
    }
// With what to do instead: CONF_REFUSED_FOR("alerting", "the built-in notifier is …").
#define CONF_REFUSED_FOR(key, instead)                                                             \
    {                                                                                              \
        .name = (key), .type = CONF_UNBUILT, .help = (instead)                                     \
    }
#define CONF_TABLE(s, label, list)                                                                 \
    {                                                                                              \
        .name = (label), .bytes = sizeof(struct s), .fields = (list),                              \
        .field_count = ARRAY_LEN(list), .place_offset = SIZE_MAX                                   \
    }

enum { CONF_UNBUILT_TOLD = 10 }; // Keys that one error names.

struct conf_strings {
    str name;
    str *values;
    u32 value_count;
};

struct conf_place {
    u32 line;
    u32 column;
};

// Fills target (zeroed by the caller, t->bytes long) from a mapping node.
bool conf_decode(const struct conf_struct *t, const struct yaml_node *node, void *target,
                 struct arena *a, struct error *e) MUST_USE;
// Sets every default of the table, as if an empty mapping had been decoded.
bool conf_defaults(const struct conf_struct *t, void *target, struct arena *a,
                   struct error *e) MUST_USE;
// "file:line:col: " + message + the line with a caret; the way every configuration error reads.
bool conf_error(struct error *e, const struct yaml_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
// Where the value of a key stands, for errors about it; the mapping itself if the key is absent.
const struct yaml_node *conf_value(const struct yaml_node *map, const char *key);
// Both keys given, of which at most one may be: false, with the place of the second.
bool conf_not_both(const struct yaml_node *map, const char *section, const char *one,
                   const char *other, struct error *e) MUST_USE;

#endif
