// rng.c: xoshiro256** seeded through splitmix64, and the kernel's generator.
#include "os/rng.h"

#include <errno.h>
#include <sys/random.h>

static u64 splitmix64(u64 *x)
{
    u64 z = *x += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

void rng_init(struct rng *r, u64 seed)
{
    *r = (struct rng){.system = false};
    for (size_t i = 0; i < ARRAY_LEN(r->state); i++) {
        r->state[i] = splitmix64(&seed); // Never all zero.
    }
}

void rng_init_system(struct rng *r)
{
    *r = (struct rng){.system = true};
}

static void system_fill(void *out, size_t len)
{
    u8 *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        CHECK(got > 0 && "the kernel gives no random bytes");
        at += got;
        len -= (size_t)got;
    }
}

static u64 rotl(u64 v, u32 by)
{
    return (v << by) | (v >> (64 - by));
}

u64 rng_u64(struct rng *r)
{
    if (r->system) {
        u64 v = 0;
        system_fill(&v, sizeof(v));
        return v;
    }
    u64 *s = r->state;
    u64 result = rotl(s[1] * 5, 7) * 9;
    u64 t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

u64 rng_below(struct rng *r, u64 n)
{
    CHECK(n > 0);
    // Values under this threshold would favour the low results.
    u64 threshold = (0 - n) % n;
    u64 v = rng_u64(r);
    while (v < threshold) {
        v = rng_u64(r);
    }
    return v % n;
}

f64 rng_unit(struct rng *r)
{
    return (f64)(rng_u64(r) >> 11) * 0x1p-53;
}

void rng_fill(struct rng *r, void *out, size_t len)
{
    if (r->system) {
        system_fill(out, len);
        return;
    }
    u8 *at = out;
    while (len > 0) {
        u64 v = rng_u64(r);
        size_t count = MIN(len, sizeof(v));
        memcpy(at, &v, count);
        at += count;
        len -= count;
    }
}
