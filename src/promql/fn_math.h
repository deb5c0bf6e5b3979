// fn_math.h: pure arithmetic on one value: mathematics, rounding, calendar.
//
// Where C's library and upstream's language differ (NaN in minimum and maximum, numbers beyond
// 64-bit integers), upstream's answer is given. Threads: stateless.
#ifndef PROMQL_FN_MATH_H
#define PROMQL_FN_MATH_H

#include "base/base.h"
#include "promql/function_table.h"

typedef f64 math_fn(f64 v);
math_fn *math_fn_get(enum fn_id id); // NULL if it is not value for value without arguments.

// NaN if either is; +0 is greater than -0.
f64 max_of(f64 a, f64 b);
f64 min_of(f64 a, f64 b);
f64 round_to(f64 v, f64 to_nearest);

// minute, hour, day_of_week, day_of_month, day_of_year, days_in_month, month, year.
bool is_date_fn(enum fn_id id);
f64 date_part(enum fn_id id, i64 unix_seconds);
i64 seconds_of(f64 v); // Cut towards zero; INT64_MIN beyond 64 bits and for NaN.

#endif
