// tool_print.h: what the API answers to queries, printed as promtool prints it.
//
// Threads: stateless.
#ifndef CMD_TOOL_PRINT_H
#define CMD_TOOL_PRINT_H

#include "base/base.h"

struct arena;
struct buf;
struct json_value;

// A value of the API's JSON as compact JSON again.
void tool_print_json(struct buf *out, const struct json_value *v);
// data of query and query_range: lines of "labels => value @[time]". false: it is none.
bool tool_print_result(struct buf *out, const struct json_value *data, struct arena *a);
// A label set: {__name__="up", job="a"}.
void tool_print_labels(struct buf *out, const struct json_value *labels, struct arena *a);

#endif
