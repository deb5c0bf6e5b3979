#include "wire/snappy_block.h"

#include "base/str.h"

#define LENGTH_BYTES_MAX 5U
#define LITERAL_SHORT    60U // A longer one has its length in 1 to 4 bytes of its own.
#define WIDE             16U
#define STEP             8U

// Where an unpacking stands. Threads: owned by the call.
struct unpacking {
    const u8 *at;
    const u8 *end;
    u8 *out;
    u8 *start;
    u8 *stop;
};

bool snappy_block_open(str in, size_t *len, str *elements)
{
    u64 v = 0;
    for (u32 i = 0; i < LENGTH_BYTES_MAX && i < in.len; i++) {
        const u8 byte = (u8)in.ptr[i];
        v |= (u64)(byte & 0x7fU) << (7 * i);
        if (byte < 0x80) {
            *len = (size_t)v;
            *elements = str_make(in.ptr + i + 1, in.len - i - 1);
            return v <= UINT32_MAX;
        }
    }
    return false;
}

// Moves more than n bytes where there is room for them.
static inline void wide_copy(u8 *to, const u8 *from, size_t n)
{
    for (size_t i = 0; i < n; i += WIDE) {
        u64 two[2];
        memcpy(two, from + i, sizeof(two));
        memcpy(to + i, two, sizeof(two));
    }
}

static inline void step_copy(u8 *to, const u8 *from)
{
    u64 word;
    memcpy(&word, from, sizeof(word));
    memcpy(to, &word, sizeof(word));
}

// n bytes from so far back, which may be among them: then they repeat. There is room for WIDE more.
static inline void back_copy(u8 *out, size_t offset, size_t n)
{
    const u8 *from = out - offset;
    const u8 *end = out + n;
    if (LIKELY(offset >= WIDE)) {
        wide_copy(out, from, n);
        return;
    }
    while (out < end && (size_t)(out - from) < STEP) { // What is right doubles each time.
        const size_t right = (size_t)(out - from);
        step_copy(out, from);
        out += right;
    }
    for (; out < end; out += STEP, from += STEP) {
        step_copy(out, from);
    }
}

// A literal of this tag.
static inline bool literal_unpack(struct unpacking *u, u32 tag)
{
    size_t n = (tag >> 2) + 1;
    const size_t in = (size_t)(u->end - u->at);
    const size_t room = (size_t)(u->stop - u->out);
    if (LIKELY(n <= LITERAL_SHORT && in >= n + WIDE && room >= n + WIDE)) {
        wide_copy(u->out, u->at, n);
        u->at += n;
        u->out += n;
        return true;
    }
    if (n > LITERAL_SHORT) {
        const size_t bytes = n - LITERAL_SHORT;
        if (in < bytes) {
            return false;
        }
        n = 0;
        for (size_t i = 0; i < bytes; i++) {
            n |= (size_t)*u->at++ << (8 * i);
        }
        n++;
    }
    if (n > (size_t)(u->end - u->at) || n > room) {
        return false;
    }
    memcpy(u->out, u->at, n);
    u->at += n;
    u->out += n;
    return true;
}

// A copy of this tag, whose offset has so many bytes.
static inline bool copy_unpack(struct unpacking *u, u32 tag, u32 bytes)
{
    if ((size_t)(u->end - u->at) < bytes) {
        return false;
    }
    size_t n = (tag >> 2) + 1;
    size_t offset = u->at[0];
    if (bytes == 1) {
        n = 4 + (tag >> 2 & 7);
        offset |= (size_t)(tag >> 5) << 8;
    } else if (bytes == 2) {
        offset |= (size_t)u->at[1] << 8;
    } else {
        offset |= (size_t)u->at[1] << 8 | (size_t)u->at[2] << 16 | (size_t)u->at[3] << 24;
    }
    u->at += bytes;
    const size_t room = (size_t)(u->stop - u->out);
    if (offset == 0 || offset > (size_t)(u->out - u->start) || n > room) {
        return false;
    }
    if (LIKELY(room >= n + WIDE)) {
        back_copy(u->out, offset, n);
    } else {
        for (size_t i = 0; i < n; i++) {
            u->out[i] = (u->out - offset)[i];
        }
    }
    u->out += n;
    return true;
}

#define ELEMENT_MAX 64U // Bytes of a copy or a short literal,
#define TAG_MAX     5U  // and of what says which.

// What each tag says: bytes moved (7 bits), bytes that follow the tag (3, from bit 8), high bits of
// an offset (3, from bit 11); RARE: a literal that has a length of its own.
#define RARE            0x8000U
#define ELEMENT_N(e)    ((e)&0x7fU)
#define ELEMENT_SKIP(e) ((e) >> 8 & 7U)
#define ELEMENT_FAR(e)  (((e)&0x3800U) >> 3)
static const u16 elements_of[256] = {
    0x0001, 0x0104, 0x0201, 0x0401, 0x0002, 0x0105, 0x0202, 0x0402, 0x0003, 0x0106, 0x0203, 0x0403,
    0x0004, 0x0107, 0x0204, 0x0404, 0x0005, 0x0108, 0x0205, 0x0405, 0x0006, 0x0109, 0x0206, 0x0406,
    0x0007, 0x010a, 0x0207, 0x0407, 0x0008, 0x010b, 0x0208, 0x0408, 0x0009, 0x0904, 0x0209, 0x0409,
    0x000a, 0x0905, 0x020a, 0x040a, 0x000b, 0x0906, 0x020b, 0x040b, 0x000c, 0x0907, 0x020c, 0x040c,
    0x000d, 0x0908, 0x020d, 0x040d, 0x000e, 0x0909, 0x020e, 0x040e, 0x000f, 0x090a, 0x020f, 0x040f,
    0x0010, 0x090b, 0x0210, 0x0410, 0x0011, 0x1104, 0x0211, 0x0411, 0x0012, 0x1105, 0x0212, 0x0412,
    0x0013, 0x1106, 0x0213, 0x0413, 0x0014, 0x1107, 0x0214, 0x0414, 0x0015, 0x1108, 0x0215, 0x0415,
    0x0016, 0x1109, 0x0216, 0x0416, 0x0017, 0x110a, 0x0217, 0x0417, 0x0018, 0x110b, 0x0218, 0x0418,
    0x0019, 0x1904, 0x0219, 0x0419, 0x001a, 0x1905, 0x021a, 0x041a, 0x001b, 0x1906, 0x021b, 0x041b,
    0x001c, 0x1907, 0x021c, 0x041c, 0x001d, 0x1908, 0x021d, 0x041d, 0x001e, 0x1909, 0x021e, 0x041e,
    0x001f, 0x190a, 0x021f, 0x041f, 0x0020, 0x190b, 0x0220, 0x0420, 0x0021, 0x2104, 0x0221, 0x0421,
    0x0022, 0x2105, 0x0222, 0x0422, 0x0023, 0x2106, 0x0223, 0x0423, 0x0024, 0x2107, 0x0224, 0x0424,
    0x0025, 0x2108, 0x0225, 0x0425, 0x0026, 0x2109, 0x0226, 0x0426, 0x0027, 0x210a, 0x0227, 0x0427,
    0x0028, 0x210b, 0x0228, 0x0428, 0x0029, 0x2904, 0x0229, 0x0429, 0x002a, 0x2905, 0x022a, 0x042a,
    0x002b, 0x2906, 0x022b, 0x042b, 0x002c, 0x2907, 0x022c, 0x042c, 0x002d, 0x2908, 0x022d, 0x042d,
    0x002e, 0x2909, 0x022e, 0x042e, 0x002f, 0x290a, 0x022f, 0x042f, 0x0030, 0x290b, 0x0230, 0x0430,
    0x0031, 0x3104, 0x0231, 0x0431, 0x0032, 0x3105, 0x0232, 0x0432, 0x0033, 0x3106, 0x0233, 0x0433,
    0x0034, 0x3107, 0x0234, 0x0434, 0x0035, 0x3108, 0x0235, 0x0435, 0x0036, 0x3109, 0x0236, 0x0436,
    0x0037, 0x310a, 0x0237, 0x0437, 0x0038, 0x310b, 0x0238, 0x0438, 0x0039, 0x3904, 0x0239, 0x0439,
    0x003a, 0x3905, 0x023a, 0x043a, 0x003b, 0x3906, 0x023b, 0x043b, 0x003c, 0x3907, 0x023c, 0x043c,
    0x803d, 0x3908, 0x023d, 0x043d, 0x803e, 0x3909, 0x023e, 0x043e, 0x803f, 0x390a, 0x023f, 0x043f,
    0x8040, 0x390b, 0x0240, 0x0440,
};
static const u32 offset_masks[] = {0, 0xff, 0xffff, 0, UINT32_MAX}; // By bytes that follow.

static inline void sixteen_copy(u8 *to, const u8 *from)
{
    u64 two[2];
    memcpy(two, from, sizeof(two));
    memcpy(to, two, sizeof(two));
}

// Unpacks elements while both ends are far. Which kind comes next nobody can guess, so that none of
// it is a branch: whatever it is, 64 bytes are moved. Stops before what is rare or wrong.
static void usual_unpack(struct unpacking *u)
{
    const struct unpacking v = *u; // What is written might be part of the original.
    const u8 *at = v.at;
    u8 *out = v.out;
    while ((size_t)(v.end - at) >= ELEMENT_MAX + TAG_MAX && (size_t)(v.stop - out) >= ELEMENT_MAX) {
        const u32 tag = at[0];
        const u32 element = elements_of[tag];
        const size_t literal = 0 - (size_t)((tag & 3) == 0); // All bits, or none.
        u32 offset;
        memcpy(&offset, at + 1, sizeof(offset));
        offset = (offset & offset_masks[ELEMENT_SKIP(element)]) | ELEMENT_FAR(element);
        if (UNLIKELY((offset | (literal & WIDE)) < WIDE || offset > (size_t)(out - v.start) ||
                     element >= RARE)) {
            break;
        }
        at++;
        const u8 *from = literal ? at : out - offset; // One instruction, no branch.
        sixteen_copy(out, from);
        sixteen_copy(out + 16, from + 16);
        sixteen_copy(out + 32, from + 32);
        sixteen_copy(out + 48, from + 48);
        const size_t n = ELEMENT_N(element);
        out += n;
        at += (n & literal) + ELEMENT_SKIP(element);
    }
    u->at = at;
    u->out = out;
}

bool snappy_block_unpack(str elements, u8 *out, size_t len)
{
    struct unpacking u = {.at = (const u8 *)elements.ptr};
    u.end = u.at + elements.len;
    u.out = out;
    u.start = out;
    u.stop = out + len;
    bool ok = true;
    while (ok) {
        usual_unpack(&u);
        if (u.at == u.end) {
            break;
        }
        const u32 tag = *u.at++;
        ok = (tag & 3) == 0 ? literal_unpack(&u, tag) : copy_unpack(&u, tag, 1U << ((tag & 3) - 1));
    }
    return ok && u.out == u.stop;
}
