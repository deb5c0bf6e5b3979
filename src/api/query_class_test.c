// query_class_test.c: who is of which class, and what each class may have.
#include "api/api_rig.h"
#include "api/query_class.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/test.h"

static enum query_class class_of(struct api_rig *rig, const char *target,
                                 const struct http_pair *headers, u32 count)
{
    struct http_request rq = {.method = HTTP_GET,
                              .target = str_c(target),
                              .headers = headers,
                              .header_count = count,
                              .arena = arena_new(65536)};
    u32 allowed;
    assert_int_equal(http_route_match(&rig->router, &rq, &allowed), HTTP_MATCH_FOUND);
    const struct http_lane *lane = &api_lanes(rig->api, &allowed)[rq.route->lane];
    const struct http_place place = lane->place(&rq);
    assert_int_equal(place.class_index, query_class_of(&rq));
    assert_string_equal(lane->classes[place.class_index].name,
                        query_class_text((enum query_class)place.class_index));
    arena_free(rq.arena);
    return (enum query_class)place.class_index;
}

TEST(query_class_is_what_header_or_route_say)
{
    struct api_rig *rig = api_rig_new();
    const struct http_pair grafana[] = {{STR("x-dashboard-uid"), STR("abc")}};
    const struct http_pair said[] = {{STR("X-Dashboard-Uid"), STR("abc")},
                                     {STR("X-Tidemark-Lane"), STR("export")}};
    const struct http_pair ours[] = {{STR("X-Tidemark-Lane"), STR("dashboard")}};
    const struct http_pair nonsense[] = {{STR("X-Tidemark-Lane"), STR("first")}};
    assert_int_equal(class_of(rig, "/base/api/v1/query?query=up", NULL, 0), QUERY_ADHOC);
    assert_int_equal(class_of(rig, "/base/api/v1/query_range", grafana, 1), QUERY_DASHBOARD);
    assert_int_equal(class_of(rig, "/base/api/v1/query_range", said, 2), QUERY_EXPORT);
    assert_int_equal(class_of(rig, "/base/api/v1/query", ours, 1), QUERY_DASHBOARD);
    assert_int_equal(class_of(rig, "/base/api/v1/query", nonsense, 1), QUERY_ADHOC);
    assert_int_equal(class_of(rig, "/base/api/v1/series", NULL, 0), QUERY_EXPORT);
    assert_int_equal(class_of(rig, "/base/api/v1/series", grafana, 1), QUERY_DASHBOARD);
    assert_int_equal(class_of(rig, "/base/api/v1/query_exemplars", NULL, 0), QUERY_EXPORT);
    assert_int_equal(class_of(rig, "/base/federate", NULL, 0), QUERY_EXPORT);
    api_rig_free(rig);
}

TEST(query_classes_leave_room_for_dashboards)
{
    static const struct {
        u32 threads;
        u32 queue_max;
        u32 running[QUERY_CLASS_COUNT];
        u32 waiting[QUERY_CLASS_COUNT];
    } cases[] = {{4, 64, {4, 3, 2}, {64, 48, 16}},
                 {1, 1, {1, 1, 1}, {1, 1, 1}},
                 {2, 3, {2, 2, 1}, {3, 3, 1}},
                 {64, 4096, {64, 48, 32}, {4096, 3072, 1024}}};
    for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_class classes[QUERY_CLASS_COUNT];
        query_classes_fill(classes, &(struct query_room){.threads = cases[i].threads,
                                                         .queue_max = cases[i].queue_max});
        for (u32 c = 0; c < QUERY_CLASS_COUNT; c++) {
            assert_int_equal(classes[c].running_max, cases[i].running[c]);
            assert_int_equal(classes[c].waiting_max, cases[i].waiting[c]);
            assert_int_equal(classes[c].tenant_running_max, 0);
            assert_int_equal(classes[c].tenant_waiting_max, 0);
        }
        // A tenant who may have everything has what the class has; one place is one of each.
        query_classes_fill(classes, &(struct query_room){.threads = 64,
                                                         .queue_max = 4096,
                                                         .tenant_threads = cases[i].threads,
                                                         .tenant_queue_max = cases[i].queue_max});
        for (u32 c = 0; c < QUERY_CLASS_COUNT; c++) {
            assert_int_equal(classes[c].tenant_running_max, cases[i].running[c]);
            assert_int_equal(classes[c].tenant_waiting_max, cases[i].waiting[c]);
        }
        assert_int_equal(classes[QUERY_DASHBOARD].weight, 4);
        assert_int_equal(classes[QUERY_ADHOC].weight, 2);
        assert_int_equal(classes[QUERY_EXPORT].weight, 1);
    }
}

static void expect_told(const struct http_lane *lane, u32 status, const char *text, str body)
{
    struct http_request rq = {.arena = arena_new(65536)};
    struct http_response rs;
    http_response_init(&rs, &rq, NULL);
    http_status_set(&rs, status);
    lane->tell(&rs, text);
    assert_int_equal(rs.status, status);
    ASSERT_STR_EQ(buf_get(&rs.body), body);
    assert_true(str_eq(http_response_header(&rs, STR("Content-Type")), STR("application/json")));
    http_response_fini(&rs);
    arena_free(rq.arena);
}

TEST(api_tells_a_refusal_of_its_lane_as_clients_parse_it)
{
    struct api_rig *rig = api_rig_new();
    u32 count;
    const struct http_lane *lane = &api_lanes(rig->api, &count)[0];
    expect_told(lane, 503, "no \"room\"",
                STR("{\"status\":\"error\",\"errorType\":\"unavailable\","
                    "\"error\":\"no \\\"room\\\"\"}"));
    expect_told(lane, 429, "no more", // Of a tenant who has too many.
                STR("{\"status\":\"error\",\"errorType\":\"too_many_requests\","
                    "\"error\":\"no more\"}"));
    api_rig_free(rig);
}
