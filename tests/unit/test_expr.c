/* Expressions: what is evaluated in place must agree with libjq; what is hostile must be refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/flow/expr.h"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *v = json_loads(text, JSON_DECODE_ANY, &error);

    if (v == NULL)
        fail_msg("%s: %s", text, error.text);
    return v;
}

struct fixture {
    struct expr_vars vars;
    json_t *context, *input, *locals;
};

static const char *const locals_in_scope[] = {"item", "at", NULL};

static void setup(struct fixture *f)
{
    *f = (struct fixture){
        .context = parse("{\"x\": 7, \"list\": [1, 2, 3], \"log\": []}"),
        .input = parse("{\"q\": \"why\"}"),
        .locals = parse("{\"item\": {\"n\": 2}, \"at\": 1}"),
    };
    f->vars = (struct expr_vars){
        .context = f->context, .input = f->input, .locals = f->locals, .now_ms = 1700000000250};
}

static void teardown(struct fixture *f)
{
    json_decref(f->context);
    json_decref(f->input);
    json_decref(f->locals);
}

/* Evaluates one text on its own; NULL, and `err` filled, when it fails. */
static json_t *eval(const char *text, const char *dot_text, struct err *err)
{
    struct fixture f;
    struct expr_set *set = expr_set_new();
    json_t *dot = parse(dot_text), *out = NULL;
    struct err own;

    setup(&f);
    enum errcode code = expr_eval(expr_bare(set, text, "/x", locals_in_scope), dot, &f.vars, &out,
                                  err != NULL ? err : &own);

    assert_true((code == ERR_OK) == (out != NULL));
    json_decref(dot);
    expr_set_free(set);
    teardown(&f);
    return out;
}

static void assert_json(json_t *got, const char *want_text)
{
    json_t *want = parse(want_text);

    assert_non_null(got);
    if (!json_equal(got, want)) {
        char *text = json_dumps(got, JSON_ENCODE_ANY);

        fail_msg("got %s, want %s", text, want_text);
    }
    json_decref(want);
    json_decref(got);
}

static void gives(const char *text, const char *dot, const char *want)
{
    struct err err = {0};
    json_t *got = eval(text, dot, &err);

    if (got == NULL)
        fail_msg("%s: %s", text, err.text);
    assert_json(got, want);
}

static void fails(const char *text, const char *dot, const char *part)
{
    struct err err = {0};
    json_t *got = eval(text, dot, &err);

    if (got != NULL)
        fail_msg("%s gave a value", text);
    assert_int_equal(err.code, ERR_EXPRESSION);
    if (strstr(err.text, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, part);
}

/* ---- in place and jq agree ---- */

/* Equal as jq sees it: numbers by value. */
static bool same(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b)) {
        json_array_foreach(a, i, value) if (!same(value, json_array_get(b, i))) return false;
        return true;
    }
    if (json_is_object(a) && json_is_object(b) && json_object_size(a) == json_object_size(b)) {
        json_object_foreach((json_t *)a, key,
                            value) if (json_object_get(b, key) == NULL ||
                                       !same(value, json_object_get(b, key))) return false;
        return true;
    }
    return json_equal(a, b);
}

static const char *const dots[] = {
    "null",
    "true",
    "3",
    "-2.5",
    "\"text\"",
    "[1, [2], \"x\", {\"a\": 1}]",
    "{\"a\": 1, \"b\": {\"c\": [1, 2]}, \"n\": -7}",
    "{\"a\": \"x\", \"b\": \"é\\n\\\"\", \"n\": 0.1}",
    "{\"a\": [1, 2, 1], \"b\": [1], \"n\": 1e300}",
    "{\"a\": {\"p\": {\"q\": 1}}, \"b\": {\"p\": {\"r\": 2}}, \"n\": null}",
    "{\"a\": false, \"b\": null, \"n\": 1e17}",
};

static const char *const pieces[] = {".",          ".a",          ".b",    ".a.b",    "null",
                                     "true",       "2",           "\"x\"", "[1, .a]", "{a: .b}",
                                     "$context.x", "$item",       ".n",    "length",  "(.a|not)",
                                     "-1",         "\"\\(.a)-\"", "1.5",   ".[0]"};

static const char *const operators[] = {"+",  "-",  "*", "/",  "==",  "!=", "<",
                                        "<=", ">=", ">", "//", "and", "or", "|"};

static const char *const whole[] = {
    "-.n",
    "- .n + 2 * 3",
    "2 * -.n",
    "1 - 2 - 3",
    "12 / 2 / 3",
    "1 + 2 * 3 == 7 and true or false",
    ".a // .b // 5",
    "null // false // (1 | . + 1)",
    ".a == .b | not",
    "if .a then 1 elif .b then 2 else 3 end",
    "if .a == 1 then .b else {a: .a, \"k y\": .b, $at, (\"z\\(.n)\"): 1} end",
    "{a, \"b\", n}",
    "{a: -1, b: .a | length}",
    "{\"a\\(1 + 1)\": .n, if: 1, and: 2}",
    "[.a, .b, [.n], []] | length",
    "[.a] + [.b] - [null, 1]",
    "\"n=\\(.n) a=\\(.a) b=\\(.b) all=\\(.)\"",
    "\"\\(1) \\(-0.5) \\(1.0) \\(\"in\\(.n)\")\"",
    ".a.b.c",
    ".b.c[1]",
    ".b.c[-1]",
    ".b.c[5]",
    ".b.c[0.5]",
    ".b[\"c\"][$at]",
    ".[1][0]",
    ".[\"a\"]",
    ".\"a\"",
    ".a.\"p\".q",
    ".b.\"\\(\"c\")\"",
    ".[.a]",
    ".[\"a\", \"b\"]",
    ".a[.b]",
    "type",
    "tostring",
    ".n | tostring",
    ".a | length",
    "$context.list[$at]",
    "$context | .x + 1",
    "$item.n * $at",
    "$nothing",
    "$output",
    "{$item, at: $at}",
    "[[]] | .[0]",
    "\"\\u00e9\\u0041\" + \"\\n\\t\\\\\"",
    "(1, 2)",
    "empty",
    ".[]?",
    ". as $x | [$x, $x]",
    "[.[]?] | length",
    "{a: 1} * {a: {b: 2}}",
    "1 == 1.0",
    "[1, 2] < [1, 3]",
    "{a: 1} < {b: 0}",
    "{a: 2, b: 1} > {a: 1, b: 5}",
    "\"a\" < \"B\"",
    "\"a\" * 3",
    "[\"ab\" * 0.5, \"ab\" * 1.9, \"ab\" * 2.5, 3 * \"ab\"]",
    "[\"ab\" * 0, \"ab\" * -1, \"\" * 5]",
    "\"a,b\" / \",\"",
    "[1, 2, 1, 2] | .[[1, 2]]",
    "1e300 * 1e300 > 5",
    "not | not",
    "now",
    "now | floor",
    "# a comment )\n .n # another ) | (",
    "$ENV",
    "env",
    "@base64 \"x\\(.n)\"",
};

struct twins {
    struct expr *mine, *jqs;
    char *text;
    bool same_words; /* of the error; else several may fail, and jq starts at another end */
};

static void compare(const struct twins *t, json_t *dot, const char *dot_text,
                    const struct expr_vars *vars)
{
    json_t *a = NULL, *b = NULL;
    struct err err_a = {0}, err_b = {0};

    expr_eval(t->mine, dot, vars, &a, &err_a);
    expr_eval(t->jqs, dot, vars, &b, &err_b);
    if ((a == NULL) != (b == NULL) || (a != NULL && !same(a, b))) {
        char *x = a != NULL ? json_dumps(a, JSON_ENCODE_ANY) : NULL;
        char *y = b != NULL ? json_dumps(b, JSON_ENCODE_ANY) : NULL;

        fail_msg("%s on %s: in place %s, jq %s", t->text, dot_text, x != NULL ? x : err_a.text,
                 y != NULL ? y : err_b.text);
    }
    if (a == NULL && t->same_words) {
        char *where = strstr(err_a.text, ", in ${");

        assert_non_null(where);
        if (strncmp(err_a.text, err_b.text, (size_t)(where - err_a.text)) != 0)
            fail_msg("%s on %s: in place \"%s\", jq \"%s\"", t->text, dot_text, err_a.text,
                     err_b.text);
    }
    json_decref(a);
    json_decref(b);
}

static void add_twins(struct expr_set *set, struct twins *t, char *text, bool same_words)
{
    /* `first` is not evaluated in place; it passes one result, and `[…]` keeps none and many. */
    char *wrapped = mem_printf("[%s\n] | if length == 1 then .[0] elif length == 0 then null else "
                               "first(.) end",
                               text);

    *t = (struct twins){.mine = expr_bare(set, text, "/mine", locals_in_scope),
                        .jqs = expr_bare(set, wrapped, "/jq", locals_in_scope),
                        .text = text,
                        .same_words = same_words};
    free(wrapped);
}

static void in_place_agrees_with_jq(void **state)
{
    enum { WHOLE = sizeof whole / sizeof *whole, PIECES = sizeof pieces / sizeof *pieces };
    enum { OPERATORS = sizeof operators / sizeof *operators };
    enum { COUNT = WHOLE + PIECES * PIECES * OPERATORS };
    struct twins *all = calloc(COUNT, sizeof *all);
    struct expr_set *sets[1 + PIECES];
    struct fixture f;
    size_t n = 0;

    (void)state;
    setup(&f);
    sets[0] = expr_set_new();
    for (size_t i = 0; i < WHOLE; i++)
        add_twins(sets[0], &all[n++], mem_strdup(whole[i]), false);
    for (size_t i = 0; i < PIECES; i++) {
        sets[1 + i] = expr_set_new();
        for (size_t j = 0; j < PIECES; j++)
            for (size_t k = 0; k < OPERATORS; k++)
                add_twins(sets[1 + i], &all[n++],
                          mem_printf("%s %s %s", pieces[i], operators[k], pieces[j]), true);
    }
    for (size_t d = 0; d < sizeof dots / sizeof *dots; d++) {
        json_t *dot = parse(dots[d]);

        for (size_t i = 0; i < n; i++)
            compare(&all[i], dot, dots[d], &f.vars);
        json_decref(dot);
    }
    for (size_t i = 0; i < n; i++)
        free(all[i].text);
    for (size_t i = 0; i < 1 + PIECES; i++)
        expr_set_free(sets[i]);
    free(all);
    teardown(&f);
}

/* What the parser takes must be jq 1.6, not a larger language. */
static void only_jq_1_6_is_taken(void **state)
{
    static const char *const wrong[] = {"1 == 1 == 1",
                                        "{a: 1 + 2}",
                                        "{(1): 2}",
                                        "if . then 1 end",
                                        ".a.[0]",
                                        ". and",
                                        "{a: if . then 1 else 2 end}",
                                        "if . then .a else .b end.a"};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        fails(wrong[i], "{}", "");
}

/* ---- values ---- */

static void plain_paths_share(void **state)
{
    struct expr_set *set = expr_set_new();
    json_t *dot = parse("{\"a\": {\"b\": [9007199254740993]}}"), *out = NULL;

    (void)state;
    assert_int_equal(expr_eval(expr_bare(set, ".a[\"b\"]", "", NULL), dot, NULL, &out, NULL), 0);
    assert_ptr_equal(out, json_object_get(json_object_get(dot, "a"), "b"));
    json_decref(out);
    json_decref(dot);
    expr_set_free(set);
}

static void integers_stay_exact_or_fail(void **state)
{
    (void)state;
    gives(".a", "{\"a\": 9007199254740993}", "9007199254740993");
    gives(".a + 1", "{\"a\": 9007199254740993}", "9007199254740994");
    gives(".a == 9007199254740993", "{\"a\": 9007199254740993}", "true");
    gives(".a == 9007199254740992.0", "{\"a\": 9007199254740993}", "false");
    gives("\"\\(.a)\"", "{\"a\": 9007199254740993}", "\"9007199254740993\"");
    gives("map(. + 1)", "[9007199254740991]", "[9007199254740992]");
    fails("map(.)", "[9007199254740993]", "9007199254740993 is beyond 2^53");
    fails(".a | first(9007199254740993)", "null", "beyond 2^53");
    fails(".a + 1", "{\"a\": 9223372036854775807}", "beyond 2^53");
    fails(".a * 0.5", "{\"a\": 9007199254740993}", "beyond 2^53");
    gives("map(.)", "[1.0, 2.5, 1e3]", "[1, 2.5, 1000]");
    gives(".a / 2", "{\"a\": 3}", "1.5");
    gives(".a / 2", "{\"a\": 4}", "2");
}

static void results_are_none_one_or_many(void **state)
{
    (void)state;
    gives("empty", "1", "null");
    gives(".[]", "[1, 2]", "[1, 2]");
    gives(".[]", "[1]", "1");
    gives("[range(3)]", "null", "[0, 1, 2]");
    fails("range(100001)", "null", "100,000 results");
    gives("[range(100000)] | length", "null", "100000");
    gives("nan", "null", "null");
    fails("infinite", "null", "infinite");
    fails("[limit(100; repeat([.]))] | [.[]] | reduce range(70) as $i (0; [.])", "1", "deeper");
    fails("\"\\u0000\"", "null", "U+0000");
    fails("\"x\" * 20000000", "null", "too long");
    fails("first(\"x\" * 20000000)", "null", "larger than 16 MiB");
    fails(".a * .n", "{\"a\": \"x\", \"n\": 1e18}", "too long");
    gives("limit(2; .[])", "[1, 2, 3]", "[1, 2]");
}

static void errors_name_the_expression(void **state)
{
    (void)state;
    fails("error(\"no luck\")", "null", "no luck, in ${ error(\"no luck\") }");
    fails("error({code: 1})", "null", "{\"code\":1}");
    fails(".a.b", "{\"a\": 1}", "Cannot index number with string \"b\"");
    fails(".a + \"x\"", "{\"a\": 1}", "number (1) and string (\"x\") cannot be added");
    fails("$unknown", "null", "$unknown is not defined");
    fails("nonsense(1)", "null", "nonsense/1 is not defined");
    fails("1 +", "null", "syntax error");
}

static void time_is_the_turns(void **state)
{
    (void)state;
    gives("now", "null", "1700000000.25");
    gives("now | floor", "null", "1700000000");
    gives("now | todate", "null", "\"2023-11-14T22:13:20Z\"");
    fails("1e18 | todate", "null", ""); /* aborts in jq 1.6 itself */
    fails("nan | strftime(\"%Y\")", "null", "");
}

/* ---- hostile texts ---- */

static void what_a_flow_may_not_use_is_refused(void **state)
{
    static const char *const names[] = {"input",
                                        "[inputs]",
                                        "debug",
                                        "stderr",
                                        "input_filename",
                                        "halt",
                                        "halt_error",
                                        "$__loc__",
                                        "builtins",
                                        "input_line_number",
                                        "modulemeta",
                                        "get_search_list",
                                        "$ __loc__",
                                        "[.[] | debug]",
                                        "\"\\(input)\"",
                                        "import \"a\" as a; 1",
                                        "include \"a\"; 1",
                                        "{a: input}",
                                        "{(debug): 1}",
                                        "def f: halt; f",
                                        "$__d",
                                        "$__v",
                                        "__utc(1)",
                                        "$a::b"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        fails(names[i], "null", "not available");
    gives("{input: .debug, halt: 1} | .input", "{\"debug\": 4}", "4");
    gives("{input} | .input", "{\"input\": 5}", "5");
    gives(".input.debug", "{\"input\": {\"debug\": 6}}", "6");
    gives("$ENV | length", "null", "0");
    gives("[env, $ENV.PATH] | first", "null", "{}");
    gives("\"input debug ) halt\" | first(.)", "null", "\"input debug ) halt\"");
    gives("{__typename: 1} | .__typename", "null", "1");
}

static void nothing_closes_the_wrapper(void **state)
{
    static const char *const texts[] = {".) | (.",
                                        "1)) else (1",
                                        ") | (",
                                        "(",
                                        "[1",
                                        "{a: 1",
                                        "\"",
                                        "\"\\(1\"",
                                        "\"\\(\"",
                                        "]",
                                        "\"\\(1]\"",
                                        "(]",
                                        "# only a comment",
                                        "",
                                        "   ",
                                        "1 # )\n)",
                                        "\"\\\\\" )",
                                        "`",
                                        "\"a\\\"",
                                        "$",
                                        "\xff",
                                        "(\"\\(\")\")"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        fails(texts[i], "null", "");
    gives("first(1) # )", "null", "1");
    gives("first(\")\\\\\") # \"", "null", "\")\\\\\"");
    gives("first(\"\\(\")\" # )\n)\")", "null", "\")\"");
}

static char *repeated(const char *head, const char *unit, size_t count, const char *tail)
{
    size_t unit_len = strlen(unit), at = strlen(head);
    char *text = mem_zalloc(at + unit_len * count + strlen(tail) + 1);

    memcpy(text, head, at);
    for (size_t i = 0; i < count; i++, at += unit_len)
        memcpy(text + at, unit, unit_len);
    memcpy(text + at, tail, strlen(tail));
    return text;
}

static void fails_repeated(const char *head, const char *unit, size_t count, const char *tail)
{
    char *text = repeated(head, unit, count, tail);

    fails(text, "null", "");
    free(text);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    fails_repeated("", "(", 10000, "");
    fails_repeated("1", ")", 10000, "");
    fails_repeated("", "[", 65, "");
    fails_repeated("1", " ", 1 << 20, "+ 1");
    fails_repeated("\"", "x", 1 << 20, "\"");
    fails_repeated("\"", "\\(\"", 100, "");
    fails_repeated("1", " + 1", 4000, "");
    fails_repeated("{}", " | {a: .}", 65, "");

    char *text = repeated("0", " + .", 1000, "");

    gives(text, "1", "1000");
    free(text);
    text = repeated(".", "|.", 1500, "");
    gives(text, "1", "1");
    free(text);
    text = repeated("", "if . then 1 else ", 60, "2");
    fails(text, "null", "");
    free(text);
    text = repeated("", "-", 200, "1");
    gives(text, "null", "1");
    free(text);
}

/* ---- templates and sets ---- */

static void templates_evaluate_their_leaves(void **state)
{
    struct fixture f;
    struct expr_set *set = expr_set_new();
    json_t *text =
        parse("{\"n\": \"${ .n + 1 }\", \"s\": \"Hi ${ .n }\", \"t\": [1, \" ${ .list[] } \"],"
              " \"${ .n }\": \"${}\", \"deep\": {\"lit\": [true]}}");
    json_t *literal = parse("{\"a\": [\"x\", {\"b\": \"${\"}]}");
    json_t *dot = parse("{\"n\": 1, \"list\": [4, 5]}"), *out = NULL;

    (void)state;
    setup(&f);
    struct expr *e = expr_template(set, text, "/do/0/set", NULL);
    struct expr *l = expr_template(set, literal, "", NULL);

    assert_false(expr_is_literal(e));
    assert_true(expr_is_literal(l));
    assert_int_equal(expr_eval(e, dot, &f.vars, &out, NULL), ERR_OK);
    assert_ptr_equal(json_object_get(out, "deep"), json_object_get(text, "deep"));
    assert_json(out, "{\"n\": 2, \"s\": \"Hi ${ .n }\", \"t\": [1, [4, 5]], \"${ .n }\": \"${}\","
                     " \"deep\": {\"lit\": [true]}}");
    assert_int_equal(expr_eval(l, dot, &f.vars, &out, NULL), ERR_OK);
    assert_ptr_equal(out, literal);
    json_decref(out);
    json_decref(dot);
    json_decref(text);
    json_decref(literal);
    expr_set_free(set);
    teardown(&f);
}

static void marks_are_whole_strings(void **state)
{
    (void)state;
    assert_true(expr_is_marked("${ .a }"));
    assert_true(expr_is_marked(" \n${.a}\n"));
    assert_false(expr_is_marked("a ${ .a }"));
    assert_false(expr_is_marked("${ .a } b"));
    assert_false(expr_is_marked("${}"));
    assert_false(expr_is_marked(""));
    gives(" ${ .a }\n", "{\"a\": 1}", "1");
    gives("${\n.a\n|\nfirst(.) # end\n}", "{\"a\": 1}", "1");
    fails("${ .a } and ${ .b }", "{}", "");
    fails("${ .a }, ${ .b }", "{}", "several");
}

static void note(void *arg, const char *pointer, const char *message)
{
    char **all = arg;
    char *more = mem_printf("%s%s: %s\n", *all, pointer, message);

    free(*all);
    *all = more;
}

static void compile_reports_each_wrong_one(void **state)
{
    struct expr_set *set = expr_set_new();
    char *found = mem_strdup("");
    json_t *value =
        parse("{\"a/b\": [\"${ map( }\"], \"c~\": \"${ map(.x }\", \"d\": \"${ $nope }\"}");

    (void)state;
    expr_bare(set, ".a | map(.)", "/ok", NULL);
    expr_bare(set, "map(. +)", "/bad", NULL);
    expr_bare(set, ".[] | select(.a)", "/fine", NULL);
    expr_template(set, value, "/t", NULL);
    assert_false(expr_set_compile(set, note, &found));
    assert_non_null(strstr(found, "/bad: syntax error"));
    assert_non_null(strstr(found, "/t/a~1b/0: "));
    assert_non_null(strstr(found, "/t/c~0: "));
    assert_non_null(strstr(found, "/t/d: $nope is not defined"));
    assert_null(strstr(found, "/ok"));
    assert_null(strstr(found, "/fine"));
    assert_null(strstr(found, "__"));
    free(found);
    json_decref(value);
    expr_set_free(set);
}

static void large_sets_become_several_programs(void **state)
{
    enum { COUNT = 1000 };
    struct expr_set *set = expr_set_new();
    struct expr *all[COUNT];
    json_t *dot = parse("{\"list\": [1, 2, 3]}");

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        char *text = mem_printf(
            ".list | map({a: ., b: (. * %zu), c: \"n\\(.)\", d: [., ., .]}) | map(.b) | add", i);

        all[i] = expr_bare(set, text, "", NULL);
        free(text);
    }
    assert_true(expr_set_compile(set, NULL, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        json_t *out = NULL;

        assert_int_equal(expr_eval(all[i], dot, NULL, &out, NULL), ERR_OK);
        assert_int_equal(json_integer_value(out), 6 * i);
        json_decref(out);
    }
    json_decref(dot);
    expr_set_free(set);
}

static void uses_and_bounds_are_known(void **state)
{
    static const char *const names[] = {"input", NULL};
    static const char *const loose[] = {"range(1e18)", "def f: f; f",   "[recurse]",
                                        "..",          "test(\"a\")",   "\"x\" * 1e9 | first(.)",
                                        ".[1e9] = 1",  "first(.[.a:])", "until(.; .)",
                                        ". |= 1",      "[limit(3; .)]"};
    struct expr_set *set = expr_set_new();

    (void)state;
    assert_int_equal(expr_uses(expr_bare(set, "$context.a + $workflow.id", "", NULL)),
                     EXPR_CONTEXT | EXPR_WORKFLOW);
    assert_int_equal(expr_uses(expr_bare(set, "[.[] | \"\\($task.name) $input\"]", "", NULL)),
                     EXPR_TASK);
    assert_int_equal(expr_uses(expr_bare(set, "$input", "", names)), 0);
    assert_int_equal(expr_uses(expr_bare(set, "$secret.k", "", NULL)), EXPR_SECRETS);
    assert_true(expr_bounded(expr_bare(set, ".a * 3", "", NULL)));
    assert_true(expr_bounded(expr_bare(set, "[.l[] | select(.a >= 2) | .b[1:-2]]", "", NULL)));
    for (size_t i = 0; i < sizeof loose / sizeof *loose; i++)
        if (expr_bounded(expr_bare(set, loose[i], "", NULL)))
            fail_msg("%s", loose[i]);
    expr_set_free(set);
}

static void names_are_scoped_to_their_expression(void **state)
{
    static const char *const one[] = {"item", NULL};
    struct fixture f;
    struct expr_set *set = expr_set_new();
    json_t *out = NULL;
    bool yes = false;

    (void)state;
    setup(&f);
    struct expr *in = expr_bare(set, "[$item.n, $context.x] | add", "", one);
    struct expr *no = expr_bare(set, "first($item)", "", NULL);
    struct expr *own = expr_bare(set, "first(5 as $context | $context)", "", NULL);

    assert_int_equal(expr_eval(in, NULL, &f.vars, &out, NULL), ERR_OK);
    assert_json(out, "9");
    assert_int_equal(expr_eval(no, NULL, &f.vars, &out, NULL), ERR_EXPRESSION);
    assert_int_equal(expr_eval(own, NULL, &f.vars, &out, NULL), ERR_OK);
    assert_json(out, "5");
    assert_int_equal(expr_eval(in, NULL, NULL, &out, NULL), ERR_OK);
    assert_json(out, "null");
    assert_int_equal(expr_test(expr_bare(set, "0", "", NULL), NULL, NULL, &yes, NULL), ERR_OK);
    assert_true(yes);
    assert_int_equal(expr_test(expr_bare(set, "empty", "", NULL), NULL, NULL, &yes, NULL), ERR_OK);
    assert_false(yes);
    expr_set_free(set);
    teardown(&f);
}

/* ---- URI templates ---- */

static void uri(const char *text, const char *data_text, const char *want)
{
    json_t *data = parse(data_text);
    char *out = NULL;
    enum errcode code = expr_uri(text, data, &out, NULL);

    if (want == NULL) {
        assert_int_equal(code, ERR_EXPRESSION);
        assert_null(out);
    } else {
        assert_int_equal(code, ERR_OK);
        assert_string_equal(out, want);
    }
    free(out);
    json_decref(data);
}

static void uri_templates_expand(void **state)
{
    (void)state;
    uri("http://h/pets/{id}?a=b", "{\"id\": 7}", "http://h/pets/7?a=b");
    uri("http://h/{a b}/x", "{\"a b\": \"c d/é\"}", "http://h/c%20d%2F%C3%A9/x");
    uri("http://h/{a.b}", "{\"a\": {\"b\": 1}, \"a.b\": \"v\"}", "http://h/v");
    uri("http://h/{gone}/{none}", "{\"none\": null}", "http://h//");
    uri("http://h/{t}{n}", "{\"t\": true, \"n\": 0.5}", "http://h/true0.5");
    uri("http://h/{big}", "{\"big\": 9007199254740993}", "http://h/9007199254740993");
    uri("http://h/{o}", "{\"o\": {}}", NULL);
    uri("http://h/{o}", "{\"o\": []}", NULL);
    uri("http://h/{id", "{}", NULL);
    uri("http://h/id}", "{}", NULL);
    uri("http://h/{{id}}", "{}", NULL);
    uri("http://h/ü x%20", "3", "http://h/%C3%BC%20x%20");
    uri("", "{}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_place_agrees_with_jq),
        cmocka_unit_test(only_jq_1_6_is_taken),
        cmocka_unit_test(plain_paths_share),
        cmocka_unit_test(integers_stay_exact_or_fail),
        cmocka_unit_test(results_are_none_one_or_many),
        cmocka_unit_test(errors_name_the_expression),
        cmocka_unit_test(time_is_the_turns),
        cmocka_unit_test(what_a_flow_may_not_use_is_refused),
        cmocka_unit_test(nothing_closes_the_wrapper),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(templates_evaluate_their_leaves),
        cmocka_unit_test(marks_are_whole_strings),
        cmocka_unit_test(compile_reports_each_wrong_one),
        cmocka_unit_test(large_sets_become_several_programs),
        cmocka_unit_test(uses_and_bounds_are_known),
        cmocka_unit_test(names_are_scoped_to_their_expression),
        cmocka_unit_test(uri_templates_expand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
