/* Evaluates a tree of nodes. Values are shared, never changed; the stack is bounded by the height
 * of the tree, which the parser bounds. */
#include <stdlib.h>

#include "engine/flow/expr_internal.h"

json_t *expr_name_value(const struct name *n, const struct expr_vars *vars)
{
    json_t *v = NULL;

    if (vars != NULL)
        switch (n->slot) {
        case SLOT_CONTEXT:
            v = vars->context;
            break;
        case SLOT_INPUT:
            v = vars->input;
            break;
        case SLOT_OUTPUT:
            v = vars->output;
            break;
        case SLOT_SECRETS:
            v = vars->secrets;
            break;
        case SLOT_AUTHORIZATION:
            v = vars->authorization;
            break;
        case SLOT_TASK:
            v = vars->task;
            break;
        case SLOT_WORKFLOW:
            v = vars->workflow;
            break;
        case SLOT_RUNTIME:
            v = vars->runtime;
            break;
        case SLOT_LOCAL:
            v = json_object_get(vars->locals, n->text);
            break;
        }
    return v != NULL ? v : json_null();
}

static enum outcome run_array(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    json_t *array = json_array();
    enum outcome r = OUTCOME_OK;

    for (size_t i = 0; r == OUTCOME_OK && i < n->count; i++) {
        json_t *item = NULL;

        r = expr_native(n->sub[i], dot, t, &item);
        if (r == OUTCOME_OK)
            json_array_append_new(array, item);
    }
    if (r == OUTCOME_OK)
        *out = array;
    else
        json_decref(array);
    return r;
}

static enum outcome run_entry(const struct node *n, size_t i, json_t *dot, struct turn *t,
                              json_t *object)
{
    json_t *key = NULL, *value = NULL;
    enum outcome r = expr_native(n->sub[i], dot, t, &key);

    if (r == OUTCOME_OK && !json_is_string(key)) {
        buf_clear(t->message);
        buf_str(t->message, "Object keys must be strings");
        r = OUTCOME_FAILED;
    }
    if (r == OUTCOME_OK)
        r = expr_native(n->sub[i + 1], dot, t, &value);
    if (r == OUTCOME_OK)
        json_object_setn_new_nocheck(object, json_string_value(key), json_string_length(key),
                                     value);
    json_decref(key);
    return r;
}

static enum outcome run_object(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    json_t *object = json_object();
    enum outcome r = OUTCOME_OK;

    for (size_t i = 0; r == OUTCOME_OK && i < n->count; i += 2)
        r = run_entry(n, i, dot, t, object);
    if (r == OUTCOME_OK)
        *out = object;
    else
        json_decref(object);
    return r;
}

static enum outcome run_string(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    struct buf text;
    enum outcome r = OUTCOME_OK;

    buf_init(&text, EXPR_BYTES_MAX);
    for (size_t i = 0; r == OUTCOME_OK && i < n->count; i++) {
        json_t *part = NULL;

        r = expr_native(n->sub[i], dot, t, &part);
        if (r == OUTCOME_OK)
            r = value_text(part, &text, t);
        json_decref(part);
    }
    if (r == OUTCOME_OK)
        *out = json_stringn_nocheck(text.data != NULL ? text.data : "", text.len);
    buf_fini(&text);
    return r;
}

static json_t *tested(enum node_kind op, const json_t *a, const json_t *b)
{
    int d = value_compare(a, b);
    bool yes = op == NODE_EQ   ? d == 0
               : op == NODE_NE ? d != 0
               : op == NODE_LT ? d < 0
               : op == NODE_LE ? d <= 0
               : op == NODE_GT ? d > 0
                               : d >= 0;

    return json_boolean(yes);
}

/* Both sides; jq takes the right one first, which decides whose error is seen. */
static enum outcome run_binary(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    json_t *a = NULL, *b = NULL;
    enum outcome r = expr_native(n->sub[1], dot, t, &b);

    if (r == OUTCOME_OK)
        r = expr_native(n->sub[0], dot, t, &a);
    if (r == OUTCOME_OK) {
        if (n->kind >= NODE_EQ && n->kind <= NODE_GE)
            *out = tested(n->kind, a, b);
        else if (n->kind == NODE_AT)
            r = value_index(a, b, t, out);
        else
            r = value_arith(n->kind, a, b, t, out);
    }
    json_decref(a);
    json_decref(b);
    return r;
}

/* What looks at its left side before it evaluates another. */
static enum outcome run_choice(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    json_t *first = NULL;
    enum outcome r = expr_native(n->sub[0], dot, t, &first);

    if (r != OUTCOME_OK)
        return r;
    bool truth = value_truth(first);

    if (n->kind == NODE_ALT && truth) {
        *out = first;
        return OUTCOME_OK;
    }
    json_decref(first);
    if (n->kind == NODE_ALT)
        return expr_native(n->sub[1], dot, t, out);
    if (n->kind == NODE_IF)
        return expr_native(n->sub[truth ? 1 : 2], dot, t, out);
    if (truth == (n->kind == NODE_AND)) {
        json_t *second = NULL;

        r = expr_native(n->sub[1], dot, t, &second);
        if (r != OUTCOME_OK)
            return r;
        truth = value_truth(second);
        json_decref(second);
    }
    *out = json_boolean(truth);
    return OUTCOME_OK;
}

/* One value in, one value out: what stands in a path or after a pipe. */
static enum outcome run_unary(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    json_t *v = NULL;
    enum outcome r = expr_native(n->sub[0], dot, t, &v);

    if (r != OUTCOME_OK)
        return r;
    if (n->kind == NODE_FIELD)
        r = value_index(v, n->value, t, out);
    else if (n->kind == NODE_PIPE)
        r = expr_native(n->sub[1], v, t, out);
    else
        r = value_negate(v, t, out);
    json_decref(v);
    return r;
}

static enum outcome run_tostring(json_t *dot, struct turn *t, json_t **out)
{
    struct buf text;

    if (json_is_string(dot)) {
        *out = json_incref(dot);
        return OUTCOME_OK;
    }
    buf_init(&text, EXPR_BYTES_MAX);
    enum outcome r = value_text(dot, &text, t);

    if (r == OUTCOME_OK)
        *out = json_stringn_nocheck(text.data, text.len);
    buf_fini(&text);
    return r;
}

enum outcome expr_native(const struct node *n, json_t *dot, struct turn *t, json_t **out)
{
    switch (n->kind) {
    case NODE_LITERAL:
        *out = json_incref(n->value);
        return OUTCOME_OK;
    case NODE_DOT:
        *out = json_incref(dot);
        return OUTCOME_OK;
    case NODE_NAME:
        *out = json_incref(expr_name_value(n->name, t->vars));
        return OUTCOME_OK;
    case NODE_NOW:
        return value_number(t->vars != NULL ? (double)t->vars->now_ms / 1000.0 : 0.0, out);
    case NODE_FIELD:
    case NODE_PIPE:
    case NODE_NEG:
        return run_unary(n, dot, t, out);
    case NODE_ALT:
    case NODE_AND:
    case NODE_OR:
    case NODE_IF:
        return run_choice(n, dot, t, out);
    case NODE_ARRAY:
        return run_array(n, dot, t, out);
    case NODE_OBJECT:
        return run_object(n, dot, t, out);
    case NODE_STRING:
        return run_string(n, dot, t, out);
    case NODE_NOT:
        *out = json_boolean(!value_truth(dot));
        return OUTCOME_OK;
    case NODE_LENGTH:
        return value_length(dot, t, out);
    case NODE_TYPE:
        *out = json_string(value_kind(dot));
        return OUTCOME_OK;
    case NODE_TOSTRING:
        return run_tostring(dot, t, out);
    default:
        return run_binary(n, dot, t, out);
    }
}
