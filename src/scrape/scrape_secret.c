// scrape_secret.c: what a job's requests prove themselves with: passwords, tokens, keys, some of
// them in files that change while the server runs.
//
// Files are looked at again at most once in LOOK_EVERY_MS, before the job's targets are started;
// when one has changed its targets connect anew, each before its next scrape. While a file cannot
// be read what it held last goes on to be used, and that is told once.
// Threads: the scheduler's, once the pool is made.
#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "os/fs.h"
#include "scrape/scrape_inner.h"

#define SECRET_BYTES_MAX  ((size_t)64 << 10)
#define SECRETS_BYTES_MAX ((size_t)1 << 20)
#define LOOK_EVERY_MS     1000

// One round of reading.
struct secret_round {
    struct scrape_pool *pool;
    struct arena *memory;
    const struct yaml_node *node; // NULL: no place is known any more.
    u64 hash;                     // Of what came from files.
    u32 files;
};

// Where a secret comes from: the section, the key of its file, and what that names.
struct secret_file {
    const char *section;
    const char *key;
    str path;
};

static str path_below(const struct secret_round *r, str path)
{
    const str dir = r->pool->owner->deps.config_dir;
    if (path.ptr[0] == '/' || dir.len == 0) {
        return path;
    }
    return arena_printf(r->memory, "%.*s/%.*s", STR_ARG(dir), STR_ARG(path));
}

// The value itself, or the trimmed content of the file named beside it.
static bool secret_read(struct secret_round *r, struct secret inlined, struct secret_file file,
                        str *out, struct error *e)
{
    if (file.path.len == 0) {
        *out = secret_reveal(inlined);
        return true;
    }
    const char *path = arena_cstr(r->memory, path_below(r, file.path));
    struct error why = {0};
    if (!fs_read_file(r->pool->owner->deps.fs, path, SECRET_BYTES_MAX, r->memory, out, &why)) {
        (void)err_in(&why, "job %.*s: %s", STR_ARG(r->pool->config->job_name), file.key);
        return r->node ? conf_error(e, conf_value(conf_value(r->node, file.section), file.key),
                                    "%s", why.text)
                       : err_set(e, why.code, "%s", why.text);
    }
    *out = str_trim(*out);
    r->hash = hash_mix(r->hash, hash_str(*out));
    r->files++;
    return true;
}

static bool auth_read(struct secret_round *r, struct http_target_opts *http, struct error *e)
{
    const struct scrape_basic_auth *basic = r->pool->config->basic_auth;
    const struct scrape_authorization *bearer = r->pool->config->authorization;
    if (basic) {
        http->user = basic->username;
        const struct secret_file file = {"basic_auth", "password_file", basic->password_file};
        return secret_read(r, basic->password, file, &http->password, e);
    }
    if (bearer) {
        const struct secret_file file = {"authorization", "credentials_file",
                                         bearer->credentials_file};
        return secret_read(r, bearer->credentials, file, &http->bearer, e);
    }
    return true;
}

static bool tls_read(struct secret_round *r, struct http_target_opts *http, struct error *e)
{
    const struct scrape_tls *tls = r->pool->config->tls;
    if (!tls) {
        return true;
    }
    http->tls.server_name = tls->server_name;
    http->tls.insecure = tls->insecure_skip_verify;
    http->tls.min_version = tls->min_version ? (u32)tls->min_version + 9 : 0;
    const struct secret_file ca = {"tls_config", "ca_file", tls->ca_file};
    const struct secret_file cert = {"tls_config", "cert_file", tls->cert_file};
    const struct secret_file key = {"tls_config", "key_file", tls->key_file};
    return secret_read(r, tls->ca, ca, &http->tls.ca_pem, e) &&
           secret_read(r, tls->cert, cert, &http->tls.cert_pem, e) &&
           secret_read(r, tls->key, key, &http->tls.key_pem, e);
}

bool scrape_secrets_read(struct scrape_pool *p, const struct yaml_node *node, struct error *e)
{
    struct http_target_opts http = p->http;
    struct secret_round r = {.pool = p, .memory = arena_new(SECRETS_BYTES_MAX), .node = node};
    if (!auth_read(&r, &http, e) || !tls_read(&r, &http, e)) {
        arena_free(r.memory);
        return false;
    }
    if (p->secrets.memory && r.hash == p->secrets.hash) {
        arena_free(r.memory);
        return true;
    }
    arena_free(p->secrets.memory); // Targets have copies of their own.
    p->http = http;
    p->secrets.memory = r.memory;
    p->secrets.hash = r.hash;
    p->secrets.files = r.files;
    p->secrets.generation++;
    return true;
}

void scrape_secrets_look(struct scrape_pool *p, i64 mono_ms)
{
    if (p->secrets.files == 0 || mono_ms < p->secrets.next_look_mono_ms) {
        return;
    }
    struct error e = {0};
    p->secrets.next_look_mono_ms = mono_ms + LOOK_EVERY_MS;
    const bool ok = scrape_secrets_read(p, NULL, &e);
    if (!ok && !p->secrets.fails) {
        LOGF(p->owner->deps.log, LOG_ERROR, "what was read before goes on to be used: %s", e.text);
    }
    p->secrets.fails = !ok;
}
