#include "tsdb/stored_file.h"

#include "base/arena.h"
#include "base/error.h"
#include "os/fs.h"

bool stored_file_read(struct fs *fs, const char *path, size_t bytes_max, struct arena *a, str *out,
                      struct error *e)
{
    struct error why = {0};
    if (fs_read_file(fs, path, bytes_max, a, out, &why)) {
        return true;
    }
    const bool too_large = why.code == ERR_LIMIT && !arena_was_full(a);
    return err_set(e, too_large ? ERR_CORRUPT : why.code, "%s", why.text);
}
