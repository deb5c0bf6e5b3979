// http_pack.c: answers are sent as they are until the gzip notation is there.
#include "net/http_pack.h"
bool http_pack_wanted(UNUSED const struct http_response *rs)
{
    return false;
}
void http_pack_headers(UNUSED struct http_response *rs)
{
}
bool http_pack_whole(UNUSED struct http_response *rs, UNUSED struct buf *out)
{
    return false;
}
struct http_pack *http_pack_new(void)
{
    return NULL;
}
void http_pack_free(UNUSED struct http_pack *p)
{
}
bool http_pack_write(UNUSED struct http_pack *p, UNUSED str bytes, UNUSED bool end,
                     UNUSED bool (*out)(void *ctx, str packed), UNUSED void *ctx)
{
    return false;
}
