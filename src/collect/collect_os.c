// collect_os.c: node_os_info and node_os_version from os-release.
#include "base/num.h"
#include "base/str.h"
#include "collect/collect_run.h"

enum { KEYS = 12, KEY_ID = 1, KEY_ID_LIKE = 2, KEY_NAME = 5, KEY_VERSION_ID = 11 };

static const str keys[KEYS] = {
    STR("BUILD_ID"),      STR("ID"),      STR("ID_LIKE"),          STR("IMAGE_ID"),
    STR("IMAGE_VERSION"), STR("NAME"),    STR("PRETTY_NAME"),      STR("VARIANT"),
    STR("VARIANT_ID"),    STR("VERSION"), STR("VERSION_CODENAME"), STR("VERSION_ID")};
static const struct family os_info = {
    STR("node_os_info"),
    METRIC_GAUGE,
    STR("A metric with a constant '1' value labeled by build_id, id, id_like, image_id, "
        "image_version, name, pretty_name, variant, variant_id, version, version_codename, "
        "version_id."),
    {STR("build_id"), STR("id"), STR("id_like"), STR("image_id"), STR("image_version"), STR("name"),
     STR("pretty_name"), STR("variant"), STR("variant_id"), STR("version"), STR("version_codename"),
     STR("version_id")}};
static const struct family os_version = {
    STR("node_os_version"),
    METRIC_GAUGE,
    STR("Metric containing the major.minor part of the OS version."),
    {STR("id"), STR("id_like"), STR("name")}};

static str unquote(str v)
{
    v = str_trim(v);
    bool quoted =
        v.len >= 2 && (v.ptr[0] == '"' || v.ptr[0] == '\'') && v.ptr[v.len - 1] == v.ptr[0];
    return quoted ? str_sub(v, 1, v.len - 1) : v;
}

static void line_take(str line, str values[KEYS])
{
    size_t equals = str_find(line, '=');
    for (int i = 0; equals != STR_NONE && i < KEYS; i++) {
        if (str_eq(str_sub(line, 0, equals), keys[i])) {
            values[i] = unquote(str_sub(line, equals + 1, line.len));
        }
    }
}

// "12.04.5" is 12.04; no number at the front is no version.
static bool version_parse(str v, f64 *out)
{
    size_t n = 0;
    bool point = false;
    while (n < v.len &&
           ((v.ptr[n] >= '0' && v.ptr[n] <= '9') || (v.ptr[n] == '.' && n && !point))) {
        point = point || v.ptr[n] == '.';
        n++;
    }
    return n > 0 && num_parse(str_sub(v, 0, n), out);
}

static bool os_collect(struct run *r, UNUSED void *state, struct error *e)
{
    struct attr a;
    str values[KEYS] = {{0}};
    str line;
    f64 version = 0;
    if (!run_attr(r, ROOT_FS, "etc/os-release", &a, NULL) &&
        !run_attr(r, ROOT_FS, "usr/lib/os-release", &a, e)) {
        return false;
    }
    while (line_next(&a.value, &line)) {
        line_take(line, values);
    }
    if (!rows_add(r->rows, &os_info, values, 1, e)) {
        return false;
    }
    const str few[] = {values[KEY_ID], values[KEY_ID_LIKE], values[KEY_NAME]};
    return !version_parse(values[KEY_VERSION_ID], &version) ||
           rows_add(r->rows, &os_version, few, version, e);
}

const struct collector collector_os = {"os", 0, os_collect};
