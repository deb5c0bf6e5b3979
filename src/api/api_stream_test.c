// api_stream_test.c: an answer of a million points goes out in pieces: what is held is told by what
// the response was given at once.
#include "api/api_rig.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"

#include <string.h>

#define TERMS        25U // Of 4 series each.
#define STEPS        10001U
#define PIECE_MAX    ((size_t)64 << 10) // The answer's buffer is sent when it holds 32 KiB.
#define REQUEST_MAX  ((size_t)64 << 20)
#define ANSWER_LEAST ((u64)20 << 20)

// A client that reads all and keeps nothing. Threads: owned.
struct reader {
    struct http_request rq;
    struct http_response rs;
    u64 bytes;
    u64 points;
    size_t piece_most;
    size_t body_most;
};

static struct reader *reader_of(struct http_response *rs)
{
    return CONTAINER_OF(rs, struct reader, rs);
}

static bool on_begin(struct http_response *rs)
{
    return rs != NULL;
}

static bool on_write(struct http_response *rs, str bytes)
{
    struct reader *r = reader_of(rs);
    r->bytes += bytes.len;
    r->piece_most = MAX(r->piece_most, bytes.len);
    r->body_most = MAX(r->body_most, rs->body.len);
    for (size_t i = 0; i + 1 < bytes.len; i++) {
        r->points += bytes.ptr[i] == '[' && bytes.ptr[i + 1] == '1';
    }
    return true;
}

static void on_complete(UNUSED struct http_response *rs)
{
}

static const struct http_response_ops reader_ops = {on_begin, on_write, on_complete};

// 100 series at 10,001 steps.
static str target_of(struct arena *a)
{
    struct buf b;
    buf_init(&b, 65536);
    buf_c(&b, "/base/api/v1/query_range?start=1599999400&end=1600000000&step=0.06&query=");
    for (u32 i = 0; i < TERMS; i++) {
        buf_c(&b, i > 0 ? "%20or%20" : "");
        buf_printf(
            &b, "label_replace({__name__=~%%22.%%2B%%22},%%22n%%22,%%22%u%%22,%%22%%22,%%22%%22)",
            i);
    }
    const str target = arena_str(a, buf_get(&b));
    buf_fini(&b);
    return target;
}

TEST(api_streams_a_million_points_through_small_buffers)
{
    struct api_rig *rig = api_rig_new();
    struct reader *r = MEM_NEW(struct reader);
    struct error e = {0};
    u32 allowed;
    r->rq.method = HTTP_GET;
    r->rq.arena = arena_new(REQUEST_MAX);
    r->rq.target = target_of(r->rq.arena);
    r->rq.peer = STR("127.0.0.1");
    http_response_init(&r->rs, &r->rq, &reader_ops);
    assert_int_equal(http_route_match(&rig->router, &r->rq, &allowed), HTTP_MATCH_FOUND);
    ASSERT_OK(http_params_decode(&r->rq, &e), e);
    r->rq.route->handler(&r->rq, &r->rs);
    if (!r->rs.streaming) {
        fail_msg("%.*s", STR_ARG(str_sub(buf_get(&r->rs.body), 0, 500)));
    }
    http_complete(&r->rs);
    assert_int_equal(r->rs.status, 200);
    assert_true(r->bytes > ANSWER_LEAST);
    assert_true(r->points >= (u64)STEPS * TERMS * 4 - 1000); // Some stand across two pieces.
    assert_true(r->piece_most <= HTTP_WHOLE_BYTES_MAX + PIECE_MAX);
    assert_true(r->body_most <= HTTP_WHOLE_BYTES_MAX + PIECE_MAX);
    assert_true(arena_bytes(r->rq.arena) < (size_t)1 << 20); // Nothing of it stays in the request.
    http_response_fini(&r->rs);
    arena_free(r->rq.arena);
    mem_free(r);
    api_rig_free(rig);
}
