// ast_test.c: trees as JSON and over several lines; places and children of nodes.
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/test.h"
#include "promql/ast.h"
#include "promql/parse.h"

#define ARENA_BYTES_MAX (64 << 20)

static const struct expr *parsed(struct arena *a, const char *text)
{
    struct parse_error pe;
    const struct expr *x = parse_expr(a, str_c(text), NULL, &pe);
    if (!x) {
        fail_msg("%s: %s", text, pe.text);
    }
    return x;
}

struct json_case {
    const char *text;
    const char *json; // ' stands for ", $foo and $bar for the plain selectors of these names.
};

// What upstream's parse_query answers for each.
static const struct json_case json_cases[] = {
    {"1h", "{'type':'numberLiteral','val':'3600'}"},
    {"-foo", "{'expr':$foo,'op':'-','type':'unaryExpr'}"},
    {"(foo{a=\"b\"})",
     "{'expr':{'anchored':false,'matchers':[{'name':'a','type':'=','value':'b'},{'name':'__name__',"
     "'type':'=','value':'foo'}],'name':'foo','offset':0,'offsetExpr':null,'smoothed':false,'"
     "startOrEnd':null,'timestamp':null,'type':'vectorSelector'},'type':'parenExpr'}"},
    {"foo[5m] offset -1m @ end()",
     "{'anchored':false,'matchers':[{'name':'__name__','type':'=','value':'foo'}],'name':'foo','"
     "offset':-60000,'offsetExpr':null,'range':300000,'rangeExpr':null,'smoothed':false,'"
     "startOrEnd':'end','timestamp':null,'type':'matrixSelector'}"},
    {"rate(foo{a!~\"x|y\"}[step() * (2)] anchored @ 1.5)",
     "{'args':[{'anchored':true,'matchers':[{'name':'a','type':'!~','value':'x|y'},{'name':'__name_"
     "_','type':'=','value':'foo'}],'name':'foo','offset':0,'offsetExpr':null,'range':0,'rangeExpr'"
     ":{'lhs':{'lhs':null,'op':'step','rhs':null,'type':'durationExpr','wrapped':false},'op':'*','"
     "rhs':{'lhs':null,'op':'+','rhs':{'duration':false,'type':'numberLiteral','val':'2'},'type':'"
     "durationExpr','wrapped':true},'type':'durationExpr','wrapped':false},'smoothed':false,'"
     "startOrEnd':null,'timestamp':1500,'type':'matrixSelector'}],'func':{'argTypes':['matrix'],'"
     "name':'rate','returnType':'vector','variadic':0},'type':'call'}"},
    {"sum by (a, b) (foo offset -(1m))",
     "{'expr':{'anchored':false,'matchers':[{'name':'__name__','type':'=','value':'foo'}],'name':'"
     "foo','offset':0,'offsetExpr':{'lhs':null,'op':'-','rhs':{'lhs':null,'op':'+','rhs':{'"
     "duration':true,'type':'numberLiteral','val':'60'},'type':'durationExpr','wrapped':true},'"
     "type':'durationExpr','wrapped':false},'smoothed':false,'startOrEnd':null,'timestamp':null,'"
     "type':'vectorSelector'},'grouping':['a','b'],'op':'sum','param':null,'type':'aggregation','"
     "without':false}"},
    {"topk without (a) (3, foo)", "{'expr':$foo,'grouping':['a'],'op':'topk','param':{'type':'"
                                  "numberLiteral','val':'3'},'type':'aggregation','without':true}"},
    {"foo / on(a) group_left(b) fill_left(1.5) bar",
     "{'bool':false,'lhs':$foo,'matching':{'card':'many-to-one','fillValues':{'lhs':1.5,'rhs':null}"
     ",'include':['b'],'labels':['a'],'on':true},'op':'/','rhs':$bar,'type':'binaryExpr'}"},
    {"foo == bool 1", "{'bool':true,'lhs':$foo,'matching':null,'op':'==','rhs':{'type':'"
                      "numberLiteral','val':'1'},'type':'binaryExpr'}"},
    {"foo[1h:5m] @ start()",
     "{'expr':$foo,'offset':0,'offsetExpr':null,'range':3600000,'rangeExpr':null,'startOrEnd':'"
     "start','step':300000,'stepExpr':null,'timestamp':null,'type':'subquery'}"},
    {"foo[min_of(1m, range()):]",
     "{'expr':$foo,'offset':0,'offsetExpr':null,'range':0,'rangeExpr':{'lhs':{'duration':true,'"
     "type':'numberLiteral','val':'60'},'op':'min_of','rhs':{'lhs':null,'op':'range','rhs':null,'"
     "type':'durationExpr','wrapped':false},'type':'durationExpr','wrapped':false},'startOrEnd':"
     "null,'step':0,'stepExpr':null,'timestamp':null,'type':'subquery'}"},
    {"foo and bar",
     "{'bool':false,'lhs':$foo,'matching':{'card':'many-to-many','fillValues':{'lhs':null,'rhs':"
     "null},'include':[],'labels':[],'on':false},'op':'and','rhs':$bar,'type':'binaryExpr'}"},
    {"label_join(foo, \"a\", \"b\")",
     "{'args':[$foo,{'type':'stringLiteral','val':'a'},{'type':'stringLiteral','val':'b'}],'func':{"
     "'argTypes':['vector','string','string','string'],'name':'label_join','returnType':'vector','"
     "variadic':-1},'type':'call'}"},
};

static void add_selector(struct buf *out, const char *name)
{
    buf_printf(out,
               "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\","
               "\"value\":\"%s\"}],\"name\":\"%s\",\"offset\":0,\"offsetExpr\":null,"
               "\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,"
               "\"type\":\"vectorSelector\"}",
               name, name);
}

static void add_wanted(struct buf *out, const char *json)
{
    for (const char *c = json; *c; c++) {
        if (*c == '$') {
            add_selector(out, c[1] == 'f' ? "foo" : "bar");
            c += 3;
        } else {
            buf_byte(out, *c == '\'' ? '"' : (u8)*c);
        }
    }
}

TEST(ast_json_is_what_clients_draw)
{
    for (size_t i = 0; i < ARRAY_LEN(json_cases); i++) {
        struct arena *a = arena_new(ARENA_BYTES_MAX);
        struct buf got;
        struct buf want;
        buf_init(&got, 1 << 16);
        buf_init(&want, 1 << 16);
        expr_print_json(&got, parsed(a, json_cases[i].text));
        add_wanted(&want, json_cases[i].json);
        ASSERT_STR_EQ(buf_get(&got), buf_get(&want));
        buf_fini(&got);
        buf_fini(&want);
        arena_free(a);
    }
}

TEST(ast_json_escapes_what_json_must)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct buf got;
    buf_init(&got, 1 << 16);
    expr_print_json(&got, parsed(a, "\"\\\"\\\\\\n\\xff\\000é\""));
    ASSERT_STR_EQ(buf_get(&got), STR("{\"type\":\"stringLiteral\",\"val\":"
                                     "\"\\\"\\\\\\u000a\\ufffd\\u0000é\"}"));
    buf_clear(&got);
    expr_print_json(&got, parsed(a, "foo + fill(Inf) bar"));
    assert_true(str_contains(buf_get(&got), STR("{\"lhs\":null,\"rhs\":null}")));
    buf_fini(&got);
    arena_free(a);
}

struct pretty_case {
    const char *text;
    const char *pretty;
};

// What upstream's format_query answers for each.
static const struct pretty_case pretty_cases[] = {
    {"foo", "foo"},
    {"(foo + bar)", "(foo + bar)"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
     "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
     "+\n"
     "  bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
    {"sum by (job, instance) "
     "(rate(http_requests_total{code=~\"5..\",handler=\"/api/v1/query\"}[5m])) / on (job) "
     "group_left sum by (job) (rate(http_requests_total[5m]))",
     "  sum by (job, instance) "
     "(rate(http_requests_total{code=~\"5..\",handler=\"/api/v1/query\"}[5m]))\n"
     "/ on (job) group_left ()\n"
     "  sum by (job) (rate(http_requests_total[5m]))"},
    {"histogram_quantile(0.99, sum by (le, handler) "
     "(rate(prometheus_http_request_duration_seconds_bucket{handler!=\"\"}[5m])))",
     "histogram_quantile(\n"
     "  0.99,\n"
     "  sum by (le, handler) "
     "(rate(prometheus_http_request_duration_seconds_bucket{handler!=\"\"}[5m]))\n"
     ")"},
    {"-(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)",
     "-(\n"
     "    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
     "  +\n"
     "    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
     ")"},
    {"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)[5m:1m] offset 1h",
     "(\n"
     "    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
     "  +\n"
     "    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
     ")[5m:1m] offset 1h"},
    {"topk(5, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa * "
     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb == bool on (a) cccccccccc)",
     "topk(\n"
     "  5,\n"
     "      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
     "    *\n"
     "      bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
     "  == bool on (a)\n"
     "    cccccccccc\n"
     ")"},
    {"label_replace(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, \"destination\", "
     "\"$1\", \"source\", \"(.*)\")",
     "label_replace(\n"
     "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\n"
     "  \"destination\",\n"
     "  \"$1\",\n"
     "  \"source\",\n"
     "  \"(.*)\"\n"
     ")"},
};

TEST(ast_pretty_splits_what_passes_a_line)
{
    for (size_t i = 0; i < ARRAY_LEN(pretty_cases); i++) {
        struct arena *a = arena_new(ARENA_BYTES_MAX);
        struct buf got;
        struct buf again;
        buf_init(&got, 1 << 16);
        buf_init(&again, 1 << 16);
        expr_print_pretty(&got, parsed(a, pretty_cases[i].text));
        ASSERT_STR_EQ(buf_get(&got), str_c(pretty_cases[i].pretty));
        expr_print_pretty(&again, parsed(a, pretty_cases[i].pretty));
        ASSERT_STR_EQ(buf_get(&again), buf_get(&got));
        buf_fini(&got);
        buf_fini(&again);
        arena_free(a);
    }
}

static str spanned(const char *text, struct text_span span)
{
    return str_sub(str_c(text), span.start, span.end);
}

TEST(ast_nodes_know_their_places)
{
    static const char text[] =
        " sum by (a) ( rate(foo{b=\"c\"}[5m] offset 1m) ) / on(a) 2 ^ -bar @ 5";
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    const struct expr *x = parsed(a, text);
    ASSERT_STR_EQ(spanned(text, x->span), str_trim(str_c(text)));
    ASSERT_STR_EQ(spanned(text, x->binary.op_span), STR("/ on(a)"));
    const struct expr *sum = x->binary.left;
    ASSERT_STR_EQ(spanned(text, sum->span), STR("sum by (a) ( rate(foo{b=\"c\"}[5m] offset 1m) )"));
    const struct expr *rate = sum->aggregate.inner;
    ASSERT_STR_EQ(spanned(text, rate->span), STR("rate(foo{b=\"c\"}[5m] offset 1m)"));
    const struct expr *range = rate->call.args[0];
    ASSERT_STR_EQ(spanned(text, range->span), STR("foo{b=\"c\"}[5m] offset 1m"));
    ASSERT_STR_EQ(spanned(text, range->matrix.vector->span), STR("foo{b=\"c\"}"));
    const struct expr *power = x->binary.right;
    ASSERT_STR_EQ(spanned(text, power->span), STR("2 ^ -bar @ 5"));
    ASSERT_STR_EQ(spanned(text, power->binary.right->span), STR("-bar @ 5"));
    ASSERT_STR_EQ(spanned(text, power->binary.right->unary.inner->span), STR("bar @ 5"));
    arena_free(a);
}

static u32 count_nodes(const struct expr *x, enum expr_kind kind)
{
    u32 n = x->kind == kind;
    u16 height = 0;
    for (u32 i = 0; i < expr_child_count(x); i++) {
        n += count_nodes(expr_child(x, i), kind);
        height = MAX(height, expr_child(x, i)->height);
    }
    assert_int_equal(x->height, height + 1);
    return n;
}

TEST(ast_children_reach_every_node)
{
    static const char text[] = "topk(2, -(foo[5m:] + 1)) + max_over_time(rate(bar[5m])[1h:1m]) * "
                               "count_values(\"x\", baz)";
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    struct parse_error pe;
    assert_null(parse_expr(a, str_c(text), NULL, &pe)); // A range is no operand.
    static const char right[] =
        "topk(2, -(sum_over_time(foo[5m:]) + 1)) + max_over_time(rate(bar[5m])[1h:1m]) * "
        "count_values(\"x\", baz)";
    const struct expr *x = parsed(a, right);
    assert_int_equal(count_nodes(x, EXPR_VECTOR), 3);
    assert_int_equal(count_nodes(x, EXPR_NUMBER), 2);
    assert_int_equal(count_nodes(x, EXPR_STRING), 1);
    assert_int_equal(count_nodes(x, EXPR_MATRIX), 1);
    assert_int_equal(count_nodes(x, EXPR_SUBQUERY), 2);
    assert_int_equal(count_nodes(x, EXPR_CALL), 3);
    assert_int_equal(count_nodes(x, EXPR_AGGREGATE), 2);
    assert_int_equal(count_nodes(x, EXPR_BINARY), 3);
    assert_int_equal(count_nodes(x, EXPR_UNARY), 1);
    assert_int_equal(count_nodes(x, EXPR_PAREN), 1);
    assert_int_equal(expr_unwrap(parsed(a, "((foo))"))->kind, EXPR_VECTOR);
    arena_free(a);
}

static void assert_type(struct arena *a, const char *text, enum value_type want)
{
    assert_int_equal(parsed(a, text)->type, want);
}

TEST(ast_types_follow_from_the_operands)
{
    struct arena *a = arena_new(ARENA_BYTES_MAX);
    assert_type(a, "1 + 2", TYPE_SCALAR);
    assert_type(a, "1 + foo", TYPE_VECTOR);
    assert_type(a, "(foo) * (bar)", TYPE_VECTOR);
    assert_type(a, "-(1)", TYPE_SCALAR);
    assert_type(a, "-foo", TYPE_VECTOR);
    assert_type(a, "foo[5m]", TYPE_MATRIX);
    assert_type(a, "(foo[5m:])", TYPE_MATRIX);
    assert_type(a, "\"x\"", TYPE_STRING);
    assert_type(a, "scalar(foo)", TYPE_SCALAR);
    assert_type(a, "sum(foo)", TYPE_VECTOR);
    assert_null(parsed(a, "1 + foo")->binary.matching);
    assert_non_null(parsed(a, "foo + bar")->binary.matching);
    assert_int_equal(parsed(a, "foo or bar")->binary.matching->card, CARD_MANY_TO_MANY);
    arena_free(a);
}
