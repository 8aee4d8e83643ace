/* A recursive-descent parser for the part of jq 1.6's grammar that is evaluated in place: every
 * form here has exactly one result and ends. What it accepts, jq accepts with the same structure;
 * where in doubt it gives up and the text goes to jq. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/flow/expr_internal.h"

struct parser {
    const struct lexed *l;
    size_t at;
    int depth;
    const struct name *names;
    size_t name_count;
};

static struct node *parse_pipe(struct parser *p);
static struct node *parse_sum(struct parser *p);
static struct node *parse_product(struct parser *p);
static struct node *parse_term(struct parser *p);

void expr_node_free(struct node *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->count; i++) {
        expr_node_free(n->sub[i]);
    }
    free(n->sub);
    json_decref(n->value);
    free(n);
}

static struct node *leaf(enum node_kind kind, json_t *value)
{
    struct node *n = mem_zalloc(sizeof *n);

    n->kind = kind;
    n->height = 1;
    n->value = value;
    return n;
}

/* Takes `child`, which may be NULL (then so is the result). */
static struct node *adopt(struct node *n, struct node *child)
{
    if (n == NULL || child == NULL || child->height >= EXPR_HEIGHT_MAX) {
        expr_node_free(n);
        expr_node_free(child);
        return NULL;
    }
    n->sub = mem_array(n->sub, n->count + 1, sizeof(struct node *));
    n->sub[n->count++] = child;
    if (n->height <= child->height)
        n->height = child->height + 1;
    return n;
}

static struct node *pair(enum node_kind kind, struct node *a, struct node *b)
{
    struct node *n = adopt(leaf(kind, NULL), a);

    if (n == NULL) {
        expr_node_free(b);
        return NULL;
    }
    return adopt(n, b);
}

static const struct token *next(const struct parser *p)
{
    return p->at < p->l->count ? &p->l->list[p->at] : NULL;
}

static bool take(struct parser *p, enum token_kind kind, const char *text)
{
    const struct token *t = next(p);

    if (t == NULL || !expr_token_is(t, kind, text))
        return false;
    p->at++;
    return true;
}

static bool take_op(struct parser *p, const char *text)
{
    return take(p, TOKEN_OP, text);
}

static json_t *slice_json(struct slice s)
{
    return json_stringn(s.at, s.len);
}

/* Decodes a stretch of a string. NULL for \u escapes beyond plain letters and unknown escapes. */
static json_t *decode(struct slice s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *text = mem_zalloc(s.len + 1);
    size_t n = 0;
    json_t *value = NULL;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];

        if (c == '\\') {
            const char *found = i + 1 < s.len ? strchr(from, s.at[i + 1]) : NULL;

            if (found == NULL || *found == '\0')
                goto out;
            c = to[found - from];
            i++;
        }
        text[n++] = c;
    }
    value = json_stringn(text, n);
out:
    free(text);
    return value;
}

static struct node *parse_splice(struct parser *p)
{
    struct node *inner = parse_pipe(p);

    if (inner != NULL && !take(p, TOKEN_SPLICE_END, ")")) {
        expr_node_free(inner);
        return NULL;
    }
    return inner;
}

/* A string after its opening quote: a literal, or parts to join. */
static struct node *parse_string(struct parser *p)
{
    struct node *n = leaf(NODE_STRING, NULL);
    const struct token *t;

    for (; n != NULL && (t = next(p)) != NULL && t->kind != TOKEN_QUOTE;) {
        p->at++;
        if (t->kind == TOKEN_SPLICE) {
            n = adopt(n, parse_splice(p));
            continue;
        }
        json_t *text = t->kind == TOKEN_TEXT ? decode(t->text) : NULL;

        n = adopt(n, text != NULL ? leaf(NODE_LITERAL, text) : NULL);
    }
    p->at++; /* the closing quote; the lexer saw it */
    if (n == NULL)
        return NULL;
    if (n->count == 0 ||
        (n->count == 1 && n->sub[0]->kind == NODE_LITERAL && json_is_string(n->sub[0]->value))) {
        json_t *value = n->count == 0 ? json_string("") : json_incref(n->sub[0]->value);

        expr_node_free(n);
        return leaf(NODE_LITERAL, value);
    }
    return n;
}

static struct node *parse_number(const struct token *t)
{
    char text[64];
    char *end = NULL;

    if (t->text.len >= sizeof text)
        return NULL;
    memcpy(text, t->text.at, t->text.len);
    text[t->text.len] = '\0';
    if (strspn(text, "0123456789") == t->text.len) {
        errno = 0;
        long long value = strtoll(text, &end, 10);

        return errno == 0 ? leaf(NODE_LITERAL, json_integer(value)) : NULL;
    }
    json_t *value = NULL;
    double d = strtod(text, &end);

    if (*end != '\0' || value_number(d, &value) != OUTCOME_OK)
        return NULL;
    return leaf(NODE_LITERAL, value);
}

static struct node *parse_variable(const struct parser *p, const struct token *t)
{
    for (size_t i = 0; i < p->name_count; i++)
        if (expr_token_is(t, TOKEN_VAR, p->names[i].text)) {
            struct node *n = leaf(NODE_NAME, NULL);

            n->name = &p->names[i];
            return n;
        }
    return NULL;
}

static struct node *parse_if(struct parser *p)
{
    struct node *n = adopt(leaf(NODE_IF, NULL), parse_pipe(p));

    if (n == NULL || !take(p, TOKEN_NAME, "then"))
        goto fail;
    n = adopt(n, parse_pipe(p));
    if (n == NULL)
        return NULL;
    if (take(p, TOKEN_NAME, "elif"))
        return ++p->depth > EXPR_DEPTH_MAX ? (expr_node_free(n), NULL) : adopt(n, parse_if(p));
    if (!take(p, TOKEN_NAME, "else"))
        goto fail;
    n = adopt(n, parse_pipe(p));
    if (n == NULL || !take(p, TOKEN_NAME, "end"))
        goto fail;
    return n;
fail:
    expr_node_free(n);
    return NULL;
}

static struct node *parse_word(const struct token *t)
{
    static const struct {
        const char *word;
        enum node_kind kind;
    } words[] = {{"not", NODE_NOT},
                 {"length", NODE_LENGTH},
                 {"type", NODE_TYPE},
                 {"tostring", NODE_TOSTRING},
                 {"now", NODE_NOW}};

    if (expr_token_is(t, TOKEN_NAME, "null"))
        return leaf(NODE_LITERAL, json_null());
    if (expr_token_is(t, TOKEN_NAME, "true"))
        return leaf(NODE_LITERAL, json_true());
    if (expr_token_is(t, TOKEN_NAME, "false"))
        return leaf(NODE_LITERAL, json_false());
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (expr_token_is(t, TOKEN_NAME, words[i].word))
            return leaf(words[i].kind, NULL);
    return NULL;
}

/* [a, b]: a pipe after a comma would take all of them as its left side. */
static struct node *parse_array(struct parser *p)
{
    struct node *n = leaf(NODE_ARRAY, NULL);

    if (take_op(p, "]"))
        return n;
    n = adopt(n, parse_pipe(p));
    while (n != NULL && take_op(p, ","))
        n = adopt(n, parse_pipe(p));
    if (n == NULL || !take_op(p, "]")) {
        expr_node_free(n);
        return NULL;
    }
    for (size_t i = 0; n->count > 1 && i < n->count; i++)
        if (n->sub[i]->kind == NODE_PIPE) {
            expr_node_free(n);
            return NULL;
        }
    return n;
}

/* jq 1.6 takes only a term, a negated one, or a pipe of such, as a value in braces. */
static struct node *parse_value(struct parser *p)
{
    struct node *n = take_op(p, "-") ? adopt(leaf(NODE_NEG, NULL), parse_term(p)) : parse_term(p);

    if (n != NULL && take_op(p, "|"))
        return ++p->depth > EXPR_DEPTH_MAX ? (expr_node_free(n), NULL)
                                           : pair(NODE_PIPE, n, parse_value(p));
    return n;
}

/* One entry up to its value: the key, and the value where the key implies it. */
static struct node *parse_key(struct parser *p, struct node **implied)
{
    const struct token *t = next(p);

    if (t == NULL)
        return NULL;
    p->at++;
    if (t->kind == TOKEN_VAR) {
        *implied = parse_variable(p, t);
        return *implied != NULL ? leaf(NODE_LITERAL, slice_json(t->text)) : NULL;
    }
    if (expr_token_is(t, TOKEN_OP, "(")) {
        struct node *key = parse_pipe(p);

        if (key != NULL && key->kind != NODE_LITERAL && take_op(p, ")"))
            return key;
        expr_node_free(key);
        return NULL;
    }
    struct node *key = t->kind == TOKEN_QUOTE  ? parse_string(p)
                       : t->kind == TOKEN_NAME ? leaf(NODE_LITERAL, slice_json(t->text))
                                               : NULL;

    if (key != NULL && key->kind == NODE_LITERAL && next(p) != NULL &&
        !expr_token_is(next(p), TOKEN_OP, ":"))
        *implied = adopt(leaf(NODE_FIELD, json_incref(key->value)), leaf(NODE_DOT, NULL));
    return key;
}

/* {and} is no key without a value. */
static bool keyword(const struct token *t)
{
    static const char *const words[] = {"and",    "or",      "not",     "if",     "then",
                                        "else",   "elif",    "end",     "as",     "def",
                                        "reduce", "foreach", "try",     "catch",  "label",
                                        "import", "include", "__loc__", "module", "break"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (expr_token_is(t, TOKEN_NAME, words[i]))
            return true;
    return false;
}

static struct node *parse_object(struct parser *p)
{
    struct node *n = leaf(NODE_OBJECT, NULL);

    if (take_op(p, "}"))
        return n;
    do {
        const struct token *first = next(p);
        struct node *value = NULL, *key = parse_key(p, &value);

        if (key == NULL) {
            expr_node_free(value);
            goto fail;
        }
        if (value == NULL)
            value = take_op(p, ":") ? parse_value(p) : NULL;
        else if (first->kind == TOKEN_NAME && keyword(first)) {
            expr_node_free(value);
            value = NULL;
        }
        n = adopt(n, key);
        if (n == NULL) {
            expr_node_free(value);
            return NULL;
        }
        n = adopt(n, value);
    } while (n != NULL && take_op(p, ","));
    if (n != NULL && take_op(p, "}"))
        return n;
fail:
    expr_node_free(n);
    return NULL;
}

/* What may follow a term: .name ."name" [key]. Not [] and not slices, which have other results. */
static struct node *parse_postfix(struct parser *p, struct node *n)
{
    while (n != NULL) {
        const struct token *t = next(p);
        struct node *key = NULL;

        if (t != NULL && t->kind == TOKEN_FIELD) {
            p->at++;
            key = leaf(NODE_LITERAL, slice_json(t->text));
        } else if (t != NULL && expr_token_is(t, TOKEN_OP, ".")) {
            p->at++;
            key =
                next(p) != NULL && next(p)->kind == TOKEN_QUOTE ? (p->at++, parse_string(p)) : NULL;
        } else if (t != NULL && expr_token_is(t, TOKEN_OP, "[")) {
            p->at++;
            key = parse_pipe(p);
            if (!take_op(p, "]")) {
                expr_node_free(key);
                key = NULL;
            }
        } else {
            return n;
        }
        if (key != NULL && key->kind == NODE_LITERAL && json_is_string(key->value)) {
            struct node *field = adopt(leaf(NODE_FIELD, json_incref(key->value)), n);

            expr_node_free(key);
            n = field;
        } else {
            n = pair(NODE_AT, n, key);
        }
    }
    return NULL;
}

static struct node *parse_primary(struct parser *p, const struct token *t)
{
    switch (t->kind) {
    case TOKEN_FIELD:
        return adopt(leaf(NODE_FIELD, slice_json(t->text)), leaf(NODE_DOT, NULL));
    case TOKEN_VAR:
        return parse_variable(p, t);
    case TOKEN_NUMBER:
        return parse_number(t);
    case TOKEN_QUOTE:
        return parse_string(p);
    case TOKEN_NAME:
        return parse_word(t);
    default:
        break;
    }
    if (expr_token_is(t, TOKEN_OP, "[") || expr_token_is(t, TOKEN_OP, "{"))
        return t->text.at[0] == '[' ? parse_array(p) : parse_object(p);
    if (expr_token_is(t, TOKEN_OP, "(")) {
        struct node *n = parse_pipe(p);

        if (n != NULL && take_op(p, ")"))
            return n;
        expr_node_free(n);
        return NULL;
    }
    if (!expr_token_is(t, TOKEN_OP, "."))
        return NULL;
    struct node *dot = leaf(NODE_DOT, NULL);

    if (next(p) == NULL || next(p)->kind != TOKEN_QUOTE)
        return dot;
    p->at++;
    struct node *key = parse_string(p);

    return key != NULL ? pair(NODE_AT, dot, key) : (expr_node_free(dot), NULL);
}

static struct node *parse_term(struct parser *p)
{
    const struct token *t = next(p);

    if (t == NULL || p->depth >= EXPR_DEPTH_MAX)
        return NULL;
    p->at++;
    p->depth++;
    struct node *n = parse_postfix(p, parse_primary(p, t));

    p->depth--;
    return n;
}

/* An operand: a term, an `if`, or the negation of what binds tighter than "-". */
static struct node *parse_operand(struct parser *p)
{
    int depth = p->depth;
    struct node *n = NULL;

    if (++p->depth <= EXPR_DEPTH_MAX) {
        if (take_op(p, "-"))
            n = adopt(leaf(NODE_NEG, NULL), parse_product(p));
        else
            n = take(p, TOKEN_NAME, "if") ? parse_if(p) : parse_term(p);
    }
    p->depth = depth;
    return n;
}

static struct node *parse_product(struct parser *p)
{
    struct node *n = parse_operand(p);

    while (n != NULL) {
        if (take_op(p, "*"))
            n = pair(NODE_MUL, n, parse_operand(p));
        else if (take_op(p, "/"))
            n = pair(NODE_DIV, n, parse_operand(p));
        else
            break;
    }
    return n;
}

static struct node *parse_sum(struct parser *p)
{
    struct node *n = parse_product(p);

    while (n != NULL) {
        if (take_op(p, "+"))
            n = pair(NODE_ADD, n, parse_product(p));
        else if (take_op(p, "-"))
            n = pair(NODE_SUB, n, parse_product(p));
        else
            break;
    }
    return n;
}

static struct node *parse_test(struct parser *p)
{
    static const struct {
        const char *text;
        enum node_kind kind;
    } ops[] = {{"==", NODE_EQ}, {"!=", NODE_NE}, {"<", NODE_LT},
               {"<=", NODE_LE}, {">", NODE_GT},  {">=", NODE_GE}};
    struct node *n = parse_sum(p);

    for (size_t i = 0; n != NULL && i < sizeof ops / sizeof *ops; i++)
        if (take_op(p, ops[i].text))
            return pair(ops[i].kind, n, parse_sum(p)); /* does not associate: a == b == c */
    return n;
}

static struct node *parse_and(struct parser *p)
{
    struct node *n = parse_test(p);

    while (n != NULL && take(p, TOKEN_NAME, "and"))
        n = pair(NODE_AND, n, parse_test(p));
    return n;
}

static struct node *parse_or(struct parser *p)
{
    struct node *n = parse_and(p);

    while (n != NULL && take(p, TOKEN_NAME, "or"))
        n = pair(NODE_OR, n, parse_and(p));
    return n;
}

static struct node *parse_alternative(struct parser *p)
{
    struct node *n = parse_or(p);

    if (n == NULL || !take_op(p, "//"))
        return n;
    struct node *rest = ++p->depth <= EXPR_DEPTH_MAX ? parse_alternative(p) : NULL;

    p->depth--;
    return pair(NODE_ALT, n, rest);
}

static struct node *parse_pipe(struct parser *p)
{
    struct node *n = parse_alternative(p);

    if (n == NULL || !take_op(p, "|"))
        return n;
    struct node *rest = ++p->depth <= EXPR_DEPTH_MAX ? parse_pipe(p) : NULL;

    p->depth--;
    return pair(NODE_PIPE, n, rest);
}

struct node *expr_parse(const struct lexed *l, const struct name *names, size_t name_count)
{
    struct parser p = {.l = l, .names = names, .name_count = name_count};
    struct node *n = parse_pipe(&p);

    if (n != NULL && p.at != l->count) {
        expr_node_free(n);
        return NULL;
    }
    return n;
}

bool expr_node_plain(const struct node *n)
{
    switch (n->kind) {
    case NODE_LITERAL:
    case NODE_DOT:
    case NODE_NAME:
        return true;
    case NODE_FIELD:
        return expr_node_plain(n->sub[0]);
    case NODE_AT:
        return expr_node_plain(n->sub[0]) && n->sub[1]->kind == NODE_LITERAL;
    default:
        return false;
    }
}
