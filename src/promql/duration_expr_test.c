// duration_expr_test.c: what computed ranges and offsets come to.
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/duration_expr.h"
#include "promql/parse.h"

#define ARENA_BYTES_MAX (1 << 20)

static const struct duration_env env = {.step_ms = 5000, .range_ms = 60000};

static bool resolve(const char *text, i64 *ms, struct error *e)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    const struct expr *x = parse_expr(a, str_c(text), NULL, &pe);
    if (!x) {
        fail_msg("%s: %s", text, pe.text);
    }
    const bool is_range = x->kind == EXPR_MATRIX;
    const struct duration *d = is_range ? &x->matrix.range : &x->vector.shift.offset;
    const bool ok = duration_resolve(d, &env, !is_range, ms, e);
    arena_free(a);
    return ok;
}

TEST(duration_resolve_computes)
{
    static const struct {
        const char *text;
        i64 ms;
    } cases[] = {
        {"a[5m]", 300000},
        {"a[1.5]", 1500},
        {"a[5m + 1]", 301000},
        {"a[2 ^ 3 ^ 2]", 512000},
        {"a[-5m + 10m]", 300000},
        {"a[1h30m % 1h]", 1800000},
        {"a[10m / 4]", 150000},
        {"a[step()]", 5000},
        {"a[range() / 8]", 7500},
        {"a[min_of(step(), 3)]", 3000},
        {"a[max_of(step(), 3)]", 5000},
        {"a[1m - 30s - 15s]", 15000},
        {"a[1m - (30s - 15s)]", 45000},
        {"a[1.0019]", 1001},
        {"a offset -(step() * 2)", -10000},
        {"a offset -1.0019", -1001},
        {"a offset (1 - 1)", 0},
        {"a offset -(1m) ", -60000},
        {"a[2 * -(3) + 10]", 4000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        i64 ms = 0;
        struct error e = {0};
        ASSERT_OK(resolve(cases[i].text, &ms, &e), e);
        if (ms != cases[i].ms) {
            fail_msg("%s: got %lld", cases[i].text, (long long)ms);
        }
    }
}

TEST(duration_resolve_refuses)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"a[1m - 1m]", "2:9: duration must be greater than 0"},
        {"a[-(5m)]", "2:7: duration must be greater than 0"},
        {"a[1 / (2 - 2)]", "2:12: division by zero"},
        {"a[1 % (2 - 2)]", "2:12: modulo by zero"},
        {"a[(0 - 1) ^ 0.5]", "3:15: duration is NaN or infinite"},
        {"a[10 ^ 999]", "2:10: duration is NaN or infinite"},
        {"a offset (10 ^ 12)", "10:17: duration is out of range"},
        {"a offset -(10 ^ 12)", "9:18: duration is out of range"},
        {"a[1 / 10000]", "2:11: duration must be greater than 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        i64 ms = -7;
        struct error e = {0};
        assert_false(resolve(cases[i].text, &ms, &e));
        assert_int_equal(e.code, ERR_INVALID);
        ASSERT_STR_EQ(str_c(e.text), str_c(cases[i].error));
        assert_int_equal(ms, -7); // Untouched.
    }
}
