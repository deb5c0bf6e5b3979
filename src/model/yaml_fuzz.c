// yaml_fuzz.c: any text parses within its bounds or is refused; what parses decodes or is refused,
// prints, and prints the same again.

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "model/conf.h"
#include "model/relabel.h"
#include "wire/yaml.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct fuzz_target {
    struct relabel *rules;
    u32 rule_count;
    str *list;
    u32 list_count;
    struct labels map;
    i64 duration_ms;
    u64 bytes;
    f64 number;
    bool flag;
    struct secret password;
};
#define AT(member) .offset = offsetof(struct fuzz_target, member)
static const struct conf_field fuzz_fields[] = {
    {.name = "r",
     .type = CONF_STRUCT_LIST,
     AT(rules),
     .count_offset = offsetof(struct fuzz_target, rule_count),
     .sub = &relabel_conf},
    {.name = "l",
     .type = CONF_STR_LIST,
     AT(list),
     .count_offset = offsetof(struct fuzz_target, list_count)},
    {.name = "m", .type = CONF_STR_MAP, AT(map)},
    {.name = "d", .type = CONF_DURATION, AT(duration_ms)},
    {.name = "b", .type = CONF_BYTES, AT(bytes)},
    {.name = "n", .type = CONF_F64, AT(number)},
    {.name = "f", .type = CONF_BOOL, AT(flag)},
    {.name = "p", .type = CONF_SECRET, AT(password)},
};
static const struct conf_struct fuzz_conf = {.name = "fuzz",
                                             .bytes = sizeof(struct fuzz_target),
                                             .fields = fuzz_fields,
                                             .field_count = ARRAY_LEN(fuzz_fields)};

static void check_walk(const struct yaml_node *n, u32 depth)
{
    CHECK(depth < YAML_DEPTH_MAX);
    CHECK(n->weight <= YAML_NODES_MAX && n->height + depth <= YAML_DEPTH_MAX);
    for (u32 i = 0; i < n->count; i++) {
        check_walk(&n->items[i], depth + 1);
    }
}

static void check_print(const struct yaml_doc *doc, struct arena *a)
{
    struct buf once;
    struct buf twice;
    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    yaml_print(&once, doc->root);
    struct error e;
    const struct yaml_doc *again = NULL;
    if (buf_ok(&once)) {
        again = yaml_parse(a, STR("again"), buf_get(&once), &e);
    }
    if (again) {
        yaml_print(&twice, again->root);
        CHECK(str_eq(buf_get(&once), buf_get(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
}

// libfyaml 0.7.12 forgets some tokens of texts that it refuses; our own leaks still count.
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size > 1 << 16) {
        return 0;
    }
    struct arena *a = arena_new((size_t)64 << 20);
    struct error e;
    const struct yaml_doc *doc = yaml_parse(a, STR("f.yml"), (str){(const char *)data, size}, &e);
    if (doc) {
        check_walk(doc->root, 0);
        check_print(doc, a);
        struct fuzz_target t = {0};
        (void)conf_decode(&fuzz_conf, doc->root, &t, a, &e);
    }
    arena_free(a);
    return 0;
}
