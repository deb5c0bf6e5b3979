// The pages of a binary that was built with -Dui=disabled: none.
#include "ui_assets_table.h"

const struct ui_asset ui_asset_table[] = {{NULL, NULL, NULL, false, NULL, 0, NULL, 0}};
const size_t ui_asset_count = 0;
