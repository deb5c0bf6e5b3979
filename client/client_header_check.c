// client_header_check.c: the public header compiles alone as strict C99; part of the test.
#include "client/tidemark.h"

double client_header_check_c(struct tmk_registry *r);

double client_header_check_c(struct tmk_registry *r)
{
    static const char *const labels[] = {"a", "b"};
    struct tmk_desc d = {TMK_COUNTER, "c99_total", "From C99.", NULL, labels, 2, 0, NULL, 0};
    struct tmk_counter *c =
        tmk_counter_with(tmk_family_register(r, &d, NULL), TMK_VALUES("x", "y"));
    tmk_counter_add(c, 2);
    return tmk_counter_get(c);
}
