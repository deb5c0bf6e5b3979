// The table behind ui_assets.h: made by tools/embed.mjs, or empty (ui_assets_none.c).
// Threads: frozen.
#ifndef UI_ASSETS_TABLE_H
#define UI_ASSETS_TABLE_H

#include "ui_assets.h"

extern const struct ui_asset ui_asset_table[];
extern const size_t ui_asset_count;

#endif
