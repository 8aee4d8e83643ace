/* Expressions of a document: jq 1.6, all of a document compiled as one program that picks the
 * expression by number (compiling costs 13 ms whatever the size). Literals, paths, constructors,
 * arithmetic, tests and interpolation are evaluated without jq, with the same results. Loop thread
 * only after expr_set_compile. */
#ifndef FLOW_EXPR_H
#define FLOW_EXPR_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

struct expr_set; /* all expressions of one document */
struct expr;     /* one of them; owned by its set */

/* The names in scope; each value may be NULL (null). Borrowed. */
struct expr_vars {
    json_t *context, *input, *output, *secrets, *authorization, *task, *workflow, *runtime;
    json_t *locals; /* object: for.each/at, catch.as, forEach; may be NULL */
    int64_t now_ms; /* what `now` answers: journaled time of the turn */
};

struct expr_set *expr_set_new(void);
void expr_set_free(struct expr_set *set);

/* An expression that stands where only an expression can (`if`, `when`, `in`, …): with or without
 * ${ }. `names` are the locals in scope, NULL-terminated, each without "$". Never NULL; syntax is
 * checked by compile. */
struct expr *expr_bare(struct expr_set *set, const char *text, const char *pointer,
                       const char *const *names);

/* A value with expressions in it (set, body, headers, input.from as an object): every string leaf
 * that as a whole is ${ … } is one, the rest is literal; keys are literal. */
struct expr *expr_template(struct expr_set *set, json_t *value, const char *pointer,
                           const char *const *names);

bool expr_is_marked(const char *text);      /* the whole string is ${ … } */
bool expr_is_literal(const struct expr *e); /* a template without any expression */

/* Checks every expression and builds the program. Calls `report` for each one that does not
 * compile, with its pointer; refused as well: input, inputs, debug, stderr, input_filename, halt,
 * halt_error, import, include, $__loc__, unknown $names, and text that would close the wrapper.
 * `env` and $ENV are {}. May be put off until first use, or run on another thread while no one
 * evaluates. */
typedef void expr_report(void *arg, const char *pointer, const char *message);
bool expr_set_compile(struct expr_set *set, expr_report *report, void *arg);

/* Evaluates with `.` = dot (borrowed). `*out` is a new reference: null for no result, an array for
 * several. ERR_EXPRESSION with jq's message and the text; also where an integer beyond 2^53 would
 * be rounded, beyond 100,000 results, 16 MiB or 64 levels, and for infinities (NaN is null). A
 * plain path keeps the value itself (shared reference, exact integers). Compiles the set on first
 * need. */
enum errcode expr_eval(struct expr *e, json_t *dot, const struct expr_vars *vars, json_t **out,
                       struct err *err);
/* jq's truth: all but false and null. */
enum errcode expr_test(struct expr *e, json_t *dot, const struct expr_vars *vars, bool *out,
                       struct err *err);

/* RFC 6570 simple expansion of {name} from the top level of `data` (dsl-digest, section 3). New
 * heap string. */
enum errcode expr_uri(const char *template_text, json_t *data, char **out, struct err *err);

/* Which outer names an expression may read, as bits, so that the caller makes only those values. */
enum {
    EXPR_CONTEXT = 1,
    EXPR_INPUT = 2,
    EXPR_OUTPUT = 4,
    EXPR_TASK = 8,
    EXPR_WORKFLOW = 16,
    EXPR_RUNTIME = 32,
    EXPR_SECRETS = 64
};
unsigned expr_uses(const struct expr *e);

/* True when every part is evaluated in place, or by jq with nothing that may run much longer than
 * its input is large (def, recurse, range, until, regular expressions) or bring libjq 1.6 down
 * (assignment to a huge index, slices by NaN). libjq cannot be interrupted: what is not bounded
 * belongs into a process that may be killed. */
bool expr_bounded(const struct expr *e);

#endif
