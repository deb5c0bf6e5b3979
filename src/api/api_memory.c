// api_memory.c: what the API holds in memory beside its answers.
#include "api/api_inner.h"
#include "api/query_watch.h"
#include "ingest/ingest.h"

u64 api_memory(const struct api *api, enum api_pool pool)
{
    switch (pool) {
    case API_POOL_QUERIES:
        return api->watch ? query_watch_bytes(api->watch) : 0;
    case API_POOL_PUSH_CACHE:
        return api->write_cache ? push_cache_bytes(api->write_cache) : 0;
    }
    return 0;
}
