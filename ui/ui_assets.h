// The pages of the web interface, compressed and sealed inside the binary.
//
// ui_asset_get    O(assets), about 15. Finds what a request path (less the route prefix) asks for:
//                 the page paths (/, /query, /alerts, …) give index.html; a path whose end is
//                 assets/<name> gives that asset wherever it stands, because a page at
//                 /dashboards/host asks for /dashboards/assets/<name>; else its last name counts.
// ui_asset_index  index.html, for a caller with page paths of its own.
//
// Memory: none; everything points into the binary.
// Invariants:
//   I1. Bytes, etag and type of an asset never change while the process runs.
//   I2. An immutable asset has its content hash in its name and may be cached for ever; the others
//       must be asked for again each time (etag).
//   I3. What is found depends on the path alone; a path never leads outside of the table.
// Threads: frozen; any thread may call.
#ifndef UI_ASSETS_H
#define UI_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

// The policy that the pages work under; send it with every page and asset.
#define UI_CONTENT_SECURITY_POLICY                                                                 \
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "            \
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Threads: frozen.
struct ui_asset {
    const char *path;        // without a leading slash: "index.html", "assets/index-1a2b3c4d.js"
    const char *type;        // Content-Type
    const char *etag;        // with its quotes
    bool immutable;          // I2
    const unsigned char *br; // the whole body, brotli
    size_t br_bytes;
    const unsigned char *gz; // the same body, gzip; inflate it once for a client that takes neither
    size_t gz_bytes;
};

// NULL if nothing is there. The path is the request's, without its query; it needs no end mark.
const struct ui_asset *ui_asset_get(const char *path, size_t path_bytes);

// index.html; NULL if the pages were not built.
const struct ui_asset *ui_asset_index(void);

// False in a binary that was built with -Dui=disabled.
bool ui_assets_built(void);

#endif
