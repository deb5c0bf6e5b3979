// promql_features.c: what the engine speaks, by the names of upstream's list of features.
#include "base/str.h"
#include "promql/function_table.h"
#include "promql/operators.h"
#include "promql/promql.h"

// Part of the language since long: never off.
static const char *const always[] = {"at_modifier",
                                     "bool",
                                     "by",
                                     "group_left",
                                     "group_right",
                                     "ignoring",
                                     "on",
                                     "offset",
                                     "subqueries",
                                     "negative_offset",
                                     "per_query_lookback_delta",
                                     "per_step_stats",
                                     "without"};
static const char *const matcher_ops[] = {"!~", "=~", "@"}; // The others are operators, too.

void promql_features(const struct promql_engine *g, promql_feature_fn *fn, void *ctx)
{
    const struct promql_engine_opts *o = promql_engine_get_opts(g);
    const bool experimental = !o->no_experimental_functions;
    const struct {
        const char *name;
        bool on;
    } switched[] = {{"anchored", !o->no_extended_ranges},
                    {"smoothed", !o->no_extended_ranges},
                    {"duration_expr", !o->no_duration_exprs},
                    {"fill", !o->no_fill},
                    {"fill_left", !o->no_fill},
                    {"fill_right", !o->no_fill},
                    {"delayed_name_removal", o->delayed_name_removal},
                    {"type_and_unit_labels", o->type_labels}};
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        fn(ctx, "promql", str_c(always[i]), true);
    }
    for (size_t i = 0; i < ARRAY_LEN(switched); i++) {
        fn(ctx, "promql", str_c(switched[i].name), switched[i].on);
    }
    for (u32 i = 0; i < FN_COUNT; i++) {
        const struct function *f = function_get((enum fn_id)i);
        fn(ctx, "promql_functions", f->name, experimental || !f->experimental);
    }
    for (size_t i = 0; i < ARRAY_LEN(matcher_ops); i++) {
        fn(ctx, "promql_operators", str_c(matcher_ops[i]), true);
    }
    for (u32 i = 0; i < OP_COUNT; i++) {
        fn(ctx, "promql_operators", str_c(binary_op_text((enum binary_op)i)), true);
    }
    for (u32 i = 0; i < AGG_COUNT_OF; i++) {
        const enum aggregate_op op = (enum aggregate_op)i;
        fn(ctx, "promql_operators", str_c(aggregate_op_text(op)),
           experimental || !aggregate_op_is_experimental(op));
    }
}
