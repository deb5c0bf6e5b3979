// collect_run.c: reading files of the host, bounded, and cutting them into lines and words.
#include "collect/collect_run.h"

#include "base/num.h"
#include "base/str.h"
#include "os/fs.h"

#include <stdio.h>

static bool path_join(const struct run *r, enum root root, const char *path,
                      char out[RUN_PATH_BYTES_MAX], struct error *e)
{
    int n = snprintf(out, RUN_PATH_BYTES_MAX, "%s/%s", r->roots[root], path);
    if (n < 0 || n >= RUN_PATH_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "path longer than %d bytes: %.60s", RUN_PATH_BYTES_MAX, path);
    }
    return true;
}

// Reads until the end or until the text is full; asks one byte more than the maximum, to tell.
static bool text_fill(struct run *r, struct file *f, const char *path, struct error *e)
{
    r->text_len = 0;
    for (;;) {
        if (r->text_len == r->text_cap) {
            size_t most = RUN_FILE_BYTES_MAX + 1;
            r->text_cap = r->text_cap ? MIN(r->text_cap * 2, most) : 16384;
            r->text = MEM_GROW(r->text, r->text_cap, char);
        }
        size_t got = 0;
        size_t room = r->text_cap - r->text_len;
        if (!fs_read_at(r->fs, f, r->text_len, r->text + r->text_len, room, &got, e)) {
            return false;
        }
        r->text_len += got;
        if (r->text_len > RUN_FILE_BYTES_MAX) {
            return err_set(e, ERR_LIMIT, "%s is longer than %d bytes", path, RUN_FILE_BYTES_MAX);
        }
        if (got < room) {
            return true;
        }
    }
}

bool run_read(struct run *r, enum root root, const char *path, str *out, struct error *e)
{
    char full[RUN_PATH_BYTES_MAX];
    if (!path_join(r, root, path, full, e)) {
        return false;
    }
    if (strcmp(full, r->path) != 0) {
        r->path[0] = '\0';
        struct file *f = fs_open(r->fs, full, FS_READ, e);
        if (!f) {
            return false;
        }
        bool ok = text_fill(r, f, full, e);
        fs_close(r->fs, f);
        if (!ok) {
            return false;
        }
        memcpy(r->path, full, sizeof(full));
    }
    *out = str_make(r->text, r->text_len);
    return true;
}

bool run_attr(struct run *r, enum root root, const char *path, struct attr *out, struct error *e)
{
    char full[RUN_PATH_BYTES_MAX];
    if (!path_join(r, root, path, full, e)) {
        return false;
    }
    struct file *f = fs_open(r->fs, full, FS_READ, e);
    if (!f) {
        return false;
    }
    size_t got = 0;
    bool ok = fs_read_at(r->fs, f, 0, out->bytes, sizeof(out->bytes), &got, e);
    fs_close(r->fs, f);
    if (ok && got == sizeof(out->bytes)) {
        return err_set(e, ERR_LIMIT, "%s is longer than %zu bytes", full, got - 1);
    }
    out->value = ok ? str_trim(str_make(out->bytes, got)) : STR_EMPTY;
    return ok;
}

void run_fini(struct run *r)
{
    mem_free(r->text);
    r->text = NULL;
}

bool run_add(struct run *r, const struct family *f, f64 v, struct error *e)
{
    return rows_add(r->rows, f, NULL, v, e);
}

bool line_next(str *rest, str *line)
{
    if (!rest->len) {
        return false;
    }
    size_t at = str_find(*rest, '\n');
    size_t end = at == STR_NONE ? rest->len : at;
    *line = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, end + 1, rest->len);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool word_next(str *rest, str *word)
{
    size_t from = 0;
    while (from < rest->len && is_blank(rest->ptr[from])) {
        from++;
    }
    size_t to = from;
    while (to < rest->len && !is_blank(rest->ptr[to])) {
        to++;
    }
    *word = str_sub(*rest, from, to);
    *rest = str_sub(*rest, to, rest->len);
    return word->len > 0;
}

bool word_u64(str *rest, const char *what, u64 *out, struct error *e)
{
    str word;
    if (!word_next(rest, &word) || !parse_u64(word, out)) {
        return err_set(e, ERR_CORRUPT, "%s: \"%.*s\" is not a whole number", what,
                       (int)MIN(word.len, 40), word.ptr ? word.ptr : "");
    }
    return true;
}

bool word_f64(str *rest, const char *what, f64 *out, struct error *e)
{
    str word;
    if (!word_next(rest, &word) || !num_parse(word, out)) {
        return err_set(e, ERR_CORRUPT, "%s: \"%.*s\" is not a number", what, (int)MIN(word.len, 40),
                       word.ptr ? word.ptr : "");
    }
    return true;
}

bool hex_u64(str word, u64 *out)
{
    u64 v = 0;
    if (word.len < 1 || word.len > 16) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        const char c = word.ptr[i];
        if (c >= '0' && c <= '9') {
            v = v * 16 + (u64)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v * 16 + (u64)(c - 'a') + 10;
        } else {
            return false;
        }
    }
    *out = v;
    return true;
}
