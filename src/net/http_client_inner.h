// http_client_inner.h: what the clients share behind http_client.h.
#ifndef NET_HTTP_CLIENT_INNER_H
#define NET_HTTP_CLIENT_INNER_H

#include "net/http_client.h"

struct arena;

struct http_pair *http_pairs_copy(struct arena *a, const struct http_pair *pairs, u32 count);
// Deep; fills in the default of bytes_max.
struct http_target_opts http_target_opts_copy(struct arena *a, const struct http_target_opts *o);
void http_target_opts_wipe(const struct http_target_opts *o); // Secrets and header values.

#endif
