/* jq programs. Compiling costs 13 ms whatever the text, because jq binds its built-ins each time;
 * so all expressions share one program that picks by number in a binary tree:
 *
 *     . as [$__i, $__d, $__n] | {} as $ENV | def env: {}; def now: $__n;
 *     if $__i < 1 then (. as [$__i, $__d, $__n, $context] | $__d | (
 *     EXPRESSION 0
 *     )) else … end
 *
 * fed with [number, dot, now, values of the names that this one reads…]. The newlines end a
 * comment; that no expression closes its parenthesis is the lexer's promise. */
#include <jq.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/flow/expr_internal.h"

enum { PROGRAM_TEXT_MAX = 4 << 20, PROBLEM_MAX = 400, PROBLEMS_MAX = 20 };

struct program {
    jq_state *jq;
};

static const char prelude[] =
    ". as [$__i, $__d, $__n] | {} as $ENV | def env: {}; def now: $__n;\n"
    /* jq 1.6 asserts that a number of seconds is a date, and aborts where it is not. */
    "def __date(f): if type == \"number\" then f else . end;\n"
    "def __utc(f): strftime(f); def strftime(f): __date(gmtime) | __utc(f);\n"
    "def __local(f): strflocaltime(f); def strflocaltime(f): __date(localtime) | __local(f);\n"
    "def todateiso8601: strftime(\"%Y-%m-%dT%H:%M:%SZ\"); def todate: todateiso8601;\n"
    "def dateadd(u; n): . + n; def datesub(u; n): . - n; def date: todate;\n";

static bool write_branch(struct buf *out, const struct site *s)
{
    buf_str(out, "(. as [$__i, $__d, $__n");
    for (size_t i = 0; i < s->name_count; i++)
        buf_printf(out, ", $%s", s->names[i].text);
    buf_str(out, "] | $__d | (\n");
    buf_add(out, s->text, s->len);
    return buf_str(out, "\n))");
}

static bool write_tree(struct buf *out, struct site **sites, size_t from, size_t to)
{
    size_t middle = from + (to - from) / 2;

    if (to - from == 1)
        return write_branch(out, sites[from]);
    buf_printf(out, "if $__i < %zu then ", middle);
    write_tree(out, sites, from, middle);
    buf_str(out, " else ");
    write_tree(out, sites, middle, to);
    return buf_str(out, " end");
}

/* Keeps the first message, without jq's own framing: the line is one of our program. */
static void on_error(void *arg, jv message)
{
    static const char noise[] = " (Unix shell quoting issues?)";
    struct buf *out = arg;

    if (out->len == 0 && jv_get_kind(message) == JV_KIND_STRING) {
        const char *text = jv_string_value(message);
        const char *start = strncmp(text, "jq: error: ", 11) == 0 ? text + 11 : text;
        const char *end = strstr(start, " at <");
        size_t len = end != NULL ? (size_t)(end - start) : strcspn(start, "\n");
        const char *cut = memmem(start, len, noise, sizeof noise - 1);

        if (cut != NULL)
            len = (size_t)(cut - start);
        buf_add(out, start, len < PROBLEM_MAX ? len : PROBLEM_MAX);
    }
    jv_free(message);
}

static jq_state *compile(struct site **sites, size_t count, struct buf *problem)
{
    jq_state *jq = jq_init();
    struct buf text;

    if (jq == NULL) {
        buf_str(problem, "jq does not start");
        return NULL;
    }
    buf_init(&text, PROGRAM_TEXT_MAX);
    buf_str(&text, prelude);
    write_tree(&text, sites, 0, count);
    jq_set_error_cb(jq, on_error, problem);
    if (text.full || jq_compile(jq, text.data) == 0)
        jq_teardown(&jq); /* sets it to NULL */
    else
        jq_set_error_cb(jq, NULL, NULL);
    buf_fini(&text);
    return jq;
}

static void keep(struct programs *p, jq_state *jq, struct site **sites, size_t count)
{
    struct program *program = mem_zalloc(sizeof *program);

    program->jq = jq;
    p->list = mem_grow(p->list, p->count, &p->cap, sizeof(struct program *));
    p->list[p->count++] = program;
    for (size_t i = 0; i < count; i++) {
        sites[i]->program = program;
        sites[i]->index = (int)i;
    }
}

/* A program that does not compile is halved: so the wrong ones are found, and one that is only too
 * large (65,535 words of byte code in a function) becomes two. */
static void build(struct programs *p, struct site **sites, size_t count, int *problems)
{
    struct buf problem;

    if (count == 0)
        return;
    if (*problems >= PROBLEMS_MAX) {
        for (size_t i = 0; i < count; i++)
            sites[i]->problem = mem_strdup("not checked, after so many wrong ones");
        return;
    }
    buf_init(&problem, PROBLEM_MAX + 1);
    jq_state *jq = compile(sites, count, &problem);

    if (jq != NULL) {
        keep(p, jq, sites, count);
    } else if (count > 1) {
        build(p, sites, count / 2, problems);
        build(p, sites + count / 2, count - count / 2, problems);
    } else {
        sites[0]->problem = buf_steal(&problem, NULL);
        ++*problems;
    }
    buf_fini(&problem);
}

void expr_programs_build(struct programs *p, struct site **sites, size_t count)
{
    int problems = 0;

    build(p, sites, count, &problems);
}

void expr_programs_fini(struct programs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        jq_teardown(&p->list[i]->jq);
        free(p->list[i]);
    }
    free(p->list);
    *p = (struct programs){0};
}

/* [number, dot, now, values…] */
static jv make_input(const struct site *s, json_t *dot, const struct expr_vars *vars,
                     struct buf *problem)
{
    jv input = jv_array_sized(3 + (int)s->name_count);
    jv value = expr_to_jv(dot, problem);

    input = jv_array_append(input, jv_number(s->index));
    if (!jv_is_valid(value))
        goto fail;
    input = jv_array_append(input, value);
    input = jv_array_append(input, jv_number(vars != NULL ? (double)vars->now_ms / 1000.0 : 0.0));
    for (size_t i = 0; i < s->name_count; i++) {
        value = expr_to_jv(expr_name_value(&s->names[i], vars), problem);
        if (!jv_is_valid(value))
            goto fail;
        input = jv_array_append(input, value);
    }
    return input;
fail:
    jv_free(input);
    return value;
}

/* What jq ended with: an error's text, or nothing. Frees `end`. */
static bool ended_well(jv end, struct buf *problem)
{
    if (!jv_invalid_has_msg(jv_copy(end))) {
        jv_free(end);
        return true;
    }
    jv message = jv_invalid_get_msg(end);

    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    size_t len = (size_t)jv_string_length_bytes(jv_copy(message));

    buf_clear(problem);
    buf_add(problem, jv_string_value(message), len < PROBLEM_MAX ? len : PROBLEM_MAX);
    jv_free(message);
    return false;
}

bool expr_jq_run(struct site *s, json_t *dot, const struct expr_vars *vars, json_t **out,
                 struct buf *problem)
{
    jq_state *jq = s->program->jq;
    jv input = make_input(s, dot, vars, problem), result;
    size_t budget = EXPR_BYTES_MAX, count = 0;
    json_t *single = NULL, *many = NULL;

    *out = NULL;
    if (!jv_is_valid(input)) {
        jv_free(input);
        return false;
    }
    jq_start(jq, input, 0);
    while (jv_is_valid(result = jq_next(jq))) {
        json_t *value = count < EXPR_RESULTS_MAX ? expr_from_jv(result, &budget, problem)
                                                 : (jv_free(result), NULL);

        if (value == NULL) {
            if (count == EXPR_RESULTS_MAX) {
                buf_clear(problem);
                buf_str(problem, "the expression has more than 100,000 results");
            }
            goto fail;
        }
        if (++count == 2) {
            many = json_array();
            json_array_append_new(many, single);
            single = NULL;
        }
        if (many != NULL)
            json_array_append_new(many, value);
        else
            single = value;
    }
    if (!ended_well(result, problem))
        goto fail;
    *out = many != NULL ? many : single != NULL ? single : json_null();
    return true;
fail:
    json_decref(single);
    json_decref(many);
    return false;
}
