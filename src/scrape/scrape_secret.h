// scrape_secret.h: what a job's requests prove themselves with; some of it in files that change.
// Threads: as the pool that has it.
#ifndef SCRAPE_SCRAPE_SECRET_H
#define SCRAPE_SCRAPE_SECRET_H

#include "base/base.h"

struct arena;
struct error;
struct scrape_pool;
struct yaml_node;

struct scrape_secrets {
    struct arena *memory; // Of what came from files.
    u64 hash;
    u32 files;
    u32 generation; // Rises when one of them has changed.
    i64 next_look_mono_ms;
    bool fails; // The last look did.
};

// Puts what the configuration names into the pool's http; false leaves the pool as it was. node is
// the job's entry, for the place of the key that names an unreadable file; NULL once it is gone.
bool scrape_secrets_read(struct scrape_pool *p, const struct yaml_node *node,
                         struct error *e) MUST_USE;
void scrape_secrets_look(struct scrape_pool *p, i64 mono_ms); // Whether a file has changed.

#endif
