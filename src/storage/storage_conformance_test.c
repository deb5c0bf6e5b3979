// storage_conformance_test.c: all checks in a row; see storage_conformance.h.
#include "storage/conform_rig.h"

void storage_conformance_run(const struct storage_factory *f)
{
    const struct storage_check_list *lists[] = {
        &conform_append_checks, &conform_select_checks, &conform_hist_checks,
        &conform_label_checks,  &conform_slice_checks,  &conform_newest_checks,
    };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (u32 k = 0; k < lists[i]->count; k++) {
            print_message("# storage check: %s\n", lists[i]->items[k].name);
            lists[i]->items[k].run(f);
        }
    }
}
