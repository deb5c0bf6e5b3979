// client_header_check_cxx.cc: the public header compiles and links from C++; part of the test.
#include "client/tidemark.h"

extern "C" double client_header_check_cxx(struct tmk_registry *r);

extern "C" double client_header_check_cxx(struct tmk_registry *r)
{
    const char *const labels[] = {"a"};
    const char *const values[] = {"x"};
    struct tmk_desc d = {};
    d.kind = TMK_GAUGE;
    d.name = "cxx_level";
    d.help = "From C++.";
    d.labels = labels;
    d.label_count = 1;
    struct tmk_gauge *g = tmk_gauge_with(tmk_family_register(r, &d, nullptr), values, 1);
    tmk_gauge_set(g, 2.5);
    return tmk_gauge_get(g);
}
