// md5.c: MD5 by way of GnuTLS.

#include "wire/md5.h"

#include <gnutls/crypto.h>

void md5_of(str s, u8 out[16])
{
    // Machines in FIPS mode forbid MD5 for security; sharding is none.
    GNUTLS_FIPS140_SET_LAX_MODE();
    const int failed = gnutls_hash_fast(GNUTLS_DIG_MD5, s.ptr ? s.ptr : "", s.len, out);
    GNUTLS_FIPS140_SET_STRICT_MODE();
    CHECK(failed == 0);
}
