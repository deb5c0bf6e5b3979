// function_table_test.c: the rows stand where their ids say, and can be found.
#include "base/str.h"
#include "base/test.h"
#include "promql/function_table.h"

TEST(function_table_rows_stand_in_order)
{
    for (u32 i = 0; i < FN_COUNT; i++) {
        const struct function *f = function_get((enum fn_id)i);
        assert_int_equal(f->id, i);
        assert_true(f->name.len > 0);
        assert_true(i == 0 || str_cmp(function_get((enum fn_id)(i - 1))->name, f->name) < 0);
        assert_ptr_equal(function_find(f->name), f);
        assert_true(f->type == TYPE_VECTOR || f->type == TYPE_SCALAR);
        assert_true(f->arg_count <= FUNCTION_ARGS_MAX);
        assert_true(f->arg_count > 0 || f->variadic == 0);
        for (u32 j = 0; j < FUNCTION_ARGS_MAX; j++) {
            assert_int_equal(f->args[j] == TYPE_NONE, j >= f->arg_count);
        }
    }
}

TEST(function_find_knows_no_others)
{
    static const char *const names[] = {"", "ab", "absx", "zzz", "Rate", "rate ", "holt_winters"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_null(function_find(str_c(names[i])));
    }
}

TEST(function_ids_mean_what_they_say)
{
    assert_int_equal(function_find(STR("abs"))->id, FN_ABS);
    assert_int_equal(function_find(STR("rate"))->id, FN_RATE);
    assert_int_equal(function_find(STR("sort_desc"))->id, FN_SORT_DESC);
    assert_int_equal(function_find(STR("sort_by_label_desc"))->id, FN_SORT_BY_LABEL_DESC);
    assert_int_equal(function_find(STR("days_in_month"))->id, FN_DAYS_IN_MONTH);
    assert_int_equal(function_find(STR("year"))->id, FN_YEAR);
}

TEST(function_arg_type_repeats_the_last)
{
    const struct function *f = function_get(FN_LABEL_JOIN);
    assert_int_equal(function_arg_type(f, 0), TYPE_VECTOR);
    assert_int_equal(function_arg_type(f, 3), TYPE_STRING);
    assert_int_equal(function_arg_type(f, 99), TYPE_STRING);
    f = function_get(FN_QUANTILE_OVER_TIME);
    assert_int_equal(function_arg_type(f, 0), TYPE_SCALAR);
    assert_int_equal(function_arg_type(f, 1), TYPE_MATRIX);
}

TEST(function_table_marks_the_experiments)
{
    u32 n = 0;
    for (u32 i = 0; i < FN_COUNT; i++) {
        n += function_get((enum fn_id)i)->experimental;
    }
    assert_int_equal(n, 17);
    assert_true(function_get(FN_INFO)->experimental);
    assert_false(function_get(FN_RATE)->experimental);
}
