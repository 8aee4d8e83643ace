/* What the files of the expression room share. One expression of a document is a `site`: its text,
 * the outer names that it reads, and one of two ways to evaluate it. What cannot loop and needs no
 * more than paths, constructors, arithmetic and tests is a tree of `node`s over json_t; the rest is
 * a branch of a jq program. */
#ifndef FLOW_EXPR_INTERNAL_H
#define FLOW_EXPR_INTERNAL_H

#include <jansson.h>
#include <jv.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/flow/expr.h"

enum {
    EXPR_TEXT_MAX = 16 * 1024, /* bytes of one expression */
    EXPR_TOKENS_MAX = 4096,
    EXPR_DEPTH_MAX = 64, /* brackets in the text, and containers in a value */
    EXPR_HEIGHT_MAX = 64,
    EXPR_VARS_MAX = 32,            /* outer names that one expression reads */
    EXPR_RESULTS_MAX = 100 * 1000, /* results of one evaluation */
    EXPR_BYTES_MAX = 16 << 20      /* of one result, roughly as JSON text */
};

#define EXPR_INTEGER_MAX ((json_int_t)1 << 53) /* what a double, and so jq, holds exactly */

/* A text with its length; borrowed. */
struct slice {
    const char *at;
    size_t len;
};

/* ---- expr_lex.c: jq 1.6's tokens ---- */

enum token_kind {
    TOKEN_OP, /* punctuation, operators and brackets outside strings */
    TOKEN_FIELD,
    TOKEN_NAME, /* identifiers and keywords */
    TOKEN_VAR,  /* "$" and the name after it; text is the name alone */
    TOKEN_NUMBER,
    TOKEN_FORMAT,    /* @base64 */
    TOKEN_QUOTE,     /* opens or closes a string */
    TOKEN_TEXT,      /* a stretch of a string, escapes not yet decoded */
    TOKEN_SPLICE,    /* \( in a string */
    TOKEN_SPLICE_END /* its ) */
};

struct token {
    enum token_kind kind;
    bool key; /* stands where an object's key does */
    struct slice text;
};

struct lexed {
    struct token *list;
    size_t count, cap;
    bool computed_slice; /* has .[a:b] with anything but numbers */
};

/* Splits a text into tokens. False when it is no expression that may be compiled: unbalanced,
 * too long, too deep, or naming something that a flow may not use; `problem` then says why.
 * A text that passes cannot close a parenthesis that was opened before it. */
bool expr_lex(struct slice text, struct lexed *out, struct buf *problem);
void expr_lex_fini(struct lexed *l);
bool expr_token_is(const struct token *t, enum token_kind kind, const char *text);
/* Every integer literal is below 2^53, so that jq does not round it. */
bool expr_lex_exact(const struct lexed *l);
/* Nothing in it can run longer than a small multiple of the size of its input. */
bool expr_lex_bounded(const struct lexed *l);

/* ---- names ---- */

enum slot {
    SLOT_CONTEXT,
    SLOT_INPUT,
    SLOT_OUTPUT,
    SLOT_SECRETS,
    SLOT_AUTHORIZATION,
    SLOT_TASK,
    SLOT_WORKFLOW,
    SLOT_RUNTIME,
    SLOT_LOCAL
};

struct name {
    enum slot slot;
    char *text; /* without "$"; owned */
};

/* What a name stands for; borrowed, null where it has no value. */
json_t *expr_name_value(const struct name *n, const struct expr_vars *vars);

/* ---- expr_parse.c: the part of jq that is evaluated in place ---- */

enum node_kind {
    NODE_LITERAL, /* value */
    NODE_DOT,
    NODE_NAME,  /* name */
    NODE_NOW,   /* the time of the turn in seconds */
    NODE_FIELD, /* a . value */
    NODE_AT,    /* a [ b ] */
    NODE_PIPE,  /* a | b */
    NODE_ALT,   /* a // b */
    NODE_AND,
    NODE_OR,
    NODE_EQ,
    NODE_NE,
    NODE_LT,
    NODE_LE,
    NODE_GT,
    NODE_GE,
    NODE_ADD,
    NODE_SUB,
    NODE_MUL,
    NODE_DIV,
    NODE_NEG,
    NODE_IF,     /* a then b else c */
    NODE_ARRAY,  /* items */
    NODE_OBJECT, /* items: key, value, key, value, … */
    NODE_STRING, /* items: parts of an interpolated string */
    NODE_NOT,
    NODE_LENGTH,
    NODE_TYPE,
    NODE_TOSTRING
};

struct node {
    enum node_kind kind;
    int height;        /* of the tree below; EXPR_HEIGHT_MAX bounds the evaluator's stack */
    struct node **sub; /* a, b, c or the items; owned */
    size_t count;
    json_t *value;           /* owned */
    const struct name *name; /* borrowed from the site */
};

/* NULL when the text is anything but that part; never an error, jq then has the word. */
struct node *expr_parse(const struct lexed *l, const struct name *names, size_t name_count);
void expr_node_free(struct node *n);
bool expr_node_plain(const struct node *n); /* a literal, or a path that only shares */

/* ---- expr_native.c, expr_value.c: evaluating it ---- */

enum outcome {
    OUTCOME_OK,
    OUTCOME_FAILED, /* as jq would; the text says why */
    OUTCOME_DEFER   /* a case that only jq answers as jq does */
};

struct turn {
    const struct expr_vars *vars;
    struct buf *message; /* why it failed; a small maximum */
};

enum outcome expr_native(const struct node *n, json_t *dot, struct turn *t, json_t **out);

bool value_truth(const json_t *v);
int value_compare(const json_t *a, const json_t *b); /* jq's order */
const char *value_kind(const json_t *v);             /* jq's word for the type */
enum outcome value_index(json_t *of, const json_t *key, struct turn *t, json_t **out);
enum outcome value_arith(enum node_kind op, json_t *a, json_t *b, struct turn *t, json_t **out);
enum outcome value_length(const json_t *v, struct turn *t, json_t **out);
enum outcome value_negate(const json_t *v, struct turn *t, json_t **out);
enum outcome value_number(double d, json_t **out); /* an integer where it is one */
enum outcome value_text(json_t *v, struct buf *out, struct turn *t); /* as in "\(…)" */
enum outcome value_error(struct turn *t, const json_t *v, const char *what);
bool value_shallow(const json_t *v, int depth); /* no deeper than that */

/* ---- expr_jv.c ---- */

/* The same value for jq. Invalid, with `problem` filled, where an integer would be rounded or the
 * value is too deep. */
jv expr_to_jv(json_t *value, struct buf *problem);
/* And back; frees `v`. NULL, with `problem` filled, where it is no JSON value within the limits;
 * `*budget` is what is left of EXPR_BYTES_MAX. */
json_t *expr_from_jv(jv v, size_t *budget, struct buf *problem);

/* ---- expr_jq.c ---- */

struct program;

struct site {
    char *text; /* the inside of ${ } */
    size_t len;
    char *pointer;
    char *problem; /* why it cannot be evaluated; NULL */
    struct node *native;
    bool plain, bounded;
    struct name *names; /* what it reads; owned, with their texts */
    size_t name_count;
    struct program *program; /* NULL until needed; owned by the set */
    int index;               /* in the program */
};

/* Builds one program, or a few where one would be too large for jq, of the sites of the list and
 * appends them to `programs`. A site that does not compile gets its problem. */
struct programs {
    struct program **list;
    size_t count, cap;
};
void expr_programs_build(struct programs *p, struct site **sites, size_t count);
void expr_programs_fini(struct programs *p);

/* Evaluates a site of a built program. */
bool expr_jq_run(struct site *s, json_t *dot, const struct expr_vars *vars, json_t **out,
                 struct buf *problem);

#endif
