// http_msg_test.c: messages, routes and the fake exchange.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "net/http_fake.h"
#include "net/http_msg.h"

static bool accepts(const char *header, const char *coding)
{
    const struct http_pair pairs[] = {{STR("accept-encoding"), str_c(header)}};
    const struct http_request rq = {.headers = pairs, .header_count = 1};
    return http_accepts(&rq, str_c(coding));
}

TEST(msg_reads_accept_encoding)
{
    assert_true(accepts("gzip", "gzip"));
    assert_true(accepts("br;q=1.0, GZip;q=0.8, *;q=0.1", "gzip"));
    assert_true(accepts("deflate,gzip", "gzip"));
    assert_false(accepts("gzip;q=0", "gzip"));
    assert_false(accepts("gzip; q=0.000", "gzip"));
    assert_false(accepts("xgzip", "gzip"));
    assert_false(accepts("", "gzip"));
    const struct http_pair pairs[] = {
        {STR("Accept-Encoding"), STR("gzip;q=0.5, ZSTD ; q=0.125, br, x;q=2, y;q=-1")}};
    const struct http_request rq = {.headers = pairs, .header_count = 1};
    assert_int_equal(http_accept_weight(&rq, STR("gzip")), 500);
    assert_int_equal(http_accept_weight(&rq, STR("zstd")), 125);
    assert_int_equal(http_accept_weight(&rq, STR("br")), 1000);
    assert_int_equal(http_accept_weight(&rq, STR("x")), 1000);
    assert_int_equal(http_accept_weight(&rq, STR("y")), 1000);
    assert_int_equal(http_accept_weight(&rq, STR("deflate")), 0);
}

static void headers(UNUSED struct http_request *rq, struct http_response *rs)
{
    assert_true(http_header_set(rs, STR("X-A"), STR("1")));
    assert_true(http_header_set(rs, STR("x-a"), STR("2")));
    assert_false(http_header_set(rs, STR("X-B"), STR("a\r\nX-C: b")));
    assert_false(http_header_set(rs, STR("X\n"), STR("a")));
    assert_false(http_header_set(rs, STR("X-D"), STR("a\0b")));
    (void)http_write(rs, STR("ok"));
}

static void large(UNUSED struct http_request *rq, struct http_response *rs)
{
    for (int i = 0; i < 100000; i++) {
        (void)http_write(rs, STR("0123456789"));
    }
}

static void cut(struct http_request *rq, struct http_response *rs)
{
    large(rq, rs);
    http_fail(rs, "no");
}

static void early_fail(UNUSED struct http_request *rq, struct http_response *rs)
{
    (void)http_write(rs, STR("half"));
    http_fail(rs, "no");
}

static void rest(struct http_request *rq, struct http_response *rs)
{
    (void)http_write(rs, http_route_param(rq, STR("rest")));
}

static void named(UNUSED struct http_request *rq, struct http_response *rs)
{
    (void)http_write(rs, STR("exact"));
}

static const struct http_route table[] = {
    {HTTP_GET, "/headers", 0, 0, HTTP_READ, 0, 0, headers, NULL},
    {HTTP_GET, "/large", 0, 0, HTTP_READ, 0, 0, large, NULL},
    {HTTP_GET, "/cut", 0, 0, HTTP_READ, 0, 0, cut, NULL},
    {HTTP_GET, "/early", 0, 0, HTTP_READ, 0, 0, early_fail, NULL},
    {HTTP_GET, "/files/*rest", 0, 0, HTTP_READ, 0, 0, rest, NULL},
    {HTTP_GET, "/files/:rest/x", 0, 0, HTTP_READ, 0, 0, rest, NULL},
    {HTTP_GET, "/files/known/x", 0, 0, HTTP_READ, 0, 0, named, NULL},
    {HTTP_PUT, "/files/known/x", 0, 0, HTTP_READ, 0, 0, named, NULL},
};

static struct http_fake *get(const char *target)
{
    const struct http_router r = {table, ARRAY_LEN(table), STR("/base")};
    const struct http_fake_opts opts = {.method = "GET", .target = target};
    return http_fake_run(&r, &opts);
}

static void expect_body(const char *target, u32 status, const char *body)
{
    struct http_fake *f = get(target);
    assert_int_equal(http_fake_status(f), status);
    ASSERT_STR_EQ(http_fake_body(f), str_c(body));
    http_fake_free(f);
}

TEST(msg_keeps_line_ends_out_of_headers)
{
    struct http_fake *f = get("/base/headers");
    ASSERT_STR_EQ(http_fake_header(f, STR("X-A")), STR("2"));
    assert_int_equal(http_fake_header(f, STR("X-C")).len, 0);
    http_fake_free(f);
}

TEST(msg_streams_what_is_large_and_cuts_what_fails)
{
    struct http_fake *f = get("/base/large");
    assert_int_equal(http_fake_body(f).len, 1000000);
    assert_false(http_fake_was_cut(f));
    http_fake_free(f);
    f = get("/base/cut");
    assert_true(http_fake_was_cut(f));
    http_fake_free(f);
    expect_body("/base/early", 500, "no\n");
}

TEST(route_prefers_the_exact_row)
{
    expect_body("/base/files/known/x", 200, "exact");
    expect_body("/base/files/a%2Fb/x", 200, "a/b");
    expect_body("/base/files/a/b/c", 200, "a/b/c");
    expect_body("/base/files/", 200, "");
    expect_body("/base/nothing", 404, "404 page not found\n");
    expect_body("/basement/headers", 404, "404 page not found\n");
    expect_body("/headers", 404, "404 page not found\n");
    expect_body("/base/%", 400, "malformed path\n");
}

TEST(route_tells_what_is_allowed)
{
    const struct http_router r = {table, ARRAY_LEN(table), STR_EMPTY};
    const struct http_fake_opts opts = {.method = "POST", .target = "/files/known/x"};
    struct http_fake *f = http_fake_run(&r, &opts);
    assert_int_equal(http_fake_status(f), 405);
    ASSERT_STR_EQ(http_fake_header(f, STR("Allow")), STR("GET, HEAD, PUT"));
    http_fake_free(f);
}

TEST(route_table_is_checked)
{
    static const struct http_route twice[] = {
        {HTTP_GET | HTTP_POST, "/a", 0, 0, HTTP_READ, 0, 0, named, NULL},
        {HTTP_POST, "/a", 0, 0, HTTP_READ, 0, 0, named, NULL},
    };
    static const struct http_route lane[] = {{HTTP_GET, "/a", 3, 0, HTTP_READ, 0, 0, named, NULL}};
    static const struct http_route star[] = {
        {HTTP_GET, "/*a/b", 0, 0, HTTP_READ, 0, 0, named, NULL}};
    const struct http_router routers[] = {
        {twice, 2, STR_EMPTY}, {lane, 1, STR_EMPTY}, {star, 1, STR_EMPTY}};
    struct error e = {0};
    for (size_t i = 0; i < ARRAY_LEN(routers); i++) {
        assert_false(http_routes_check(&routers[i], 2, &e));
    }
    const struct http_router good = {table, ARRAY_LEN(table), STR_EMPTY};
    ASSERT_OK(http_routes_check(&good, 1, &e), e);
}
