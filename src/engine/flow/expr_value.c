/* jq 1.6's operations on values, over json_t. Integers stay exact over all 64 bits, where jq would
 * round them beyond 2^53; what jq answers in a way of its own (infinities, searching an array in
 * an array, splitting strings) is deferred to jq. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/flow/expr_internal.h"

bool value_truth(const json_t *v)
{
    return !json_is_null(v) && !json_is_false(v);
}

const char *value_kind(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static int rank(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        return 0;
    case JSON_FALSE:
        return 1;
    case JSON_TRUE:
        return 2;
    case JSON_INTEGER:
    case JSON_REAL:
        return 3;
    case JSON_STRING:
        return 4;
    case JSON_ARRAY:
        return 5;
    case JSON_OBJECT:
        break;
    }
    return 6;
}

/* An integer against a double without rounding either. */
static int compare_mixed(json_int_t i, double d)
{
    if (d >= 9223372036854775808.0)
        return -1;
    if (d < -9223372036854775808.0)
        return 1;
    json_int_t whole = (json_int_t)d; /* towards zero */
    double rest = d - (double)whole;

    if (i != whole)
        return i < whole ? -1 : 1;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static int compare_numbers(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);

        return x < y ? -1 : x > y ? 1 : 0;
    }
    if (json_is_integer(a))
        return compare_mixed(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_mixed(json_integer_value(b), json_real_value(a));
    double x = json_real_value(a), y = json_real_value(b);

    return x < y ? -1 : x > y ? 1 : 0;
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return r != 0 ? r : a_len < b_len ? -1 : a_len > b_len ? 1 : 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_keys(const json_t *o)
{
    const char **keys = mem_array(NULL, json_object_size(o) + 1, sizeof *keys);
    const char *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach((json_t *)o, key, value) keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_text);
    return keys;
}

/* First the sorted keys as arrays, then the values in that order. */
static int compare_objects(const json_t *a, const json_t *b)
{
    size_t a_size = json_object_size(a), b_size = json_object_size(b);
    size_t least = a_size < b_size ? a_size : b_size;
    const char **a_keys = sorted_keys(a), **b_keys = sorted_keys(b);
    int r = 0;

    for (size_t i = 0; r == 0 && i < least; i++)
        r = strcmp(a_keys[i], b_keys[i]);
    if (r == 0)
        r = a_size < b_size ? -1 : a_size > b_size ? 1 : 0;
    for (size_t i = 0; r == 0 && i < a_size; i++)
        r = value_compare(json_object_get(a, a_keys[i]), json_object_get(b, a_keys[i]));
    free(a_keys);
    free(b_keys);
    return r;
}

static int compare_arrays(const json_t *a, const json_t *b)
{
    size_t a_size = json_array_size(a), b_size = json_array_size(b);

    for (size_t i = 0; i < a_size && i < b_size; i++) {
        int r = value_compare(json_array_get(a, i), json_array_get(b, i));

        if (r != 0)
            return r;
    }
    return a_size < b_size ? -1 : a_size > b_size ? 1 : 0;
}

int value_compare(const json_t *a, const json_t *b)
{
    int d = rank(a) - rank(b);

    if (d != 0 || a == b)
        return d;
    if (json_is_number(a))
        return compare_numbers(a, b);
    switch (json_typeof(a)) {
    case JSON_STRING:
        return compare_bytes(json_string_value(a), json_string_length(a), json_string_value(b),
                             json_string_length(b));
    case JSON_ARRAY:
        return compare_arrays(a, b);
    case JSON_OBJECT:
        return compare_objects(a, b);
    default:
        return 0;
    }
}

bool value_shallow(const json_t *v, int depth)
{
    const char *key;
    json_t *child;
    size_t i;

    if (!json_is_array(v) && !json_is_object(v))
        return true;
    if (depth == 0)
        return false;
    json_array_foreach(v, i, child) if (!value_shallow(child, depth - 1)) return false;
    json_object_foreach((json_t *)v, key, child) if (!value_shallow(child, depth - 1)) return false;
    return true;
}

/* The beginning of a value as text, as jq shows it in its messages. */
static void show(struct buf *out, const json_t *v)
{
    struct buf text, problem;
    struct turn t = {.message = &problem};

    buf_init(&text, EXPR_BYTES_MAX);
    buf_init(&problem, ERR_TEXT_MAX);
    if (json_is_string(v)) {
        jv quoted = jv_dump_string(jv_string(json_string_value(v)), 0);

        buf_str(&text, jv_string_value(quoted));
        jv_free(quoted);
    } else if (value_text((json_t *)v, &text, &t) != OUTCOME_OK) {
        buf_str(&text, "…");
    }
    if (text.len > 14) {
        size_t cut = 11;

        while (cut > 0 && ((unsigned char)text.data[cut] & 0xC0) == 0x80)
            cut--;
        buf_printf(out, " (%.*s...)", (int)cut, text.data);
    } else {
        buf_printf(out, " (%s)", text.data);
    }
    buf_fini(&problem);
    buf_fini(&text);
}

enum outcome value_error(struct turn *t, const json_t *v, const char *what)
{
    buf_clear(t->message);
    buf_str(t->message, value_kind(v));
    show(t->message, v);
    buf_printf(t->message, " %s", what);
    return OUTCOME_FAILED;
}

static enum outcome error_pair(struct turn *t, const json_t *a, const json_t *b, const char *what)
{
    buf_clear(t->message);
    buf_str(t->message, value_kind(a));
    show(t->message, a);
    buf_printf(t->message, " and %s", value_kind(b));
    show(t->message, b);
    buf_printf(t->message, " %s", what);
    return OUTCOME_FAILED;
}

enum outcome value_number(double d, json_t **out)
{
    if (!isfinite(d))
        return OUTCOME_DEFER;
    *out = d == rint(d) && fabs(d) <= (double)EXPR_INTEGER_MAX ? json_integer((json_int_t)d)
                                                               : json_real(d);
    return OUTCOME_OK;
}

static enum outcome index_array(const json_t *of, const json_t *key, json_t **out)
{
    double at = json_number_value(key);

    *out = json_null();
    if (at != rint(at) || fabs(at) > 1e9) /* jq: no element at a fraction */
        return fabs(at) > 1e9 ? OUTCOME_DEFER : OUTCOME_OK;
    if (at < 0)
        at += (double)json_array_size(of);
    if (at >= 0 && at < (double)json_array_size(of))
        *out = json_incref(json_array_get(of, (size_t)at));
    return OUTCOME_OK;
}

enum outcome value_index(json_t *of, const json_t *key, struct turn *t, json_t **out)
{
    if (json_is_string(key) && (json_is_object(of) || json_is_null(of))) {
        json_t *found = json_object_getn(of, json_string_value(key), json_string_length(key));

        *out = found != NULL ? json_incref(found) : json_null();
        return OUTCOME_OK;
    }
    if (json_is_number(key) && json_is_array(of))
        return index_array(of, key, out);
    if (json_is_number(key) && json_is_null(of)) {
        *out = json_null();
        return OUTCOME_OK;
    }
    if (json_is_object(key) || json_is_array(key))
        return OUTCOME_DEFER;
    buf_clear(t->message);
    if (json_is_string(key))
        buf_printf(t->message, "Cannot index %s with string \"%.200s\"", value_kind(of),
                   json_string_value(key));
    else
        buf_printf(t->message, "Cannot index %s with %s", value_kind(of), value_kind(key));
    return OUTCOME_FAILED;
}

static enum outcome too_large(struct turn *t)
{
    buf_clear(t->message);
    buf_str(t->message, "the result is larger than 16 MiB");
    return OUTCOME_FAILED;
}

static enum outcome add_strings(const json_t *a, const json_t *b, struct turn *t, json_t **out)
{
    size_t a_len = json_string_length(a), b_len = json_string_length(b);

    if (a_len + b_len > EXPR_BYTES_MAX)
        return too_large(t);
    char *text = mem_array(NULL, a_len + b_len + 1, 1);

    memcpy(text, json_string_value(a), a_len);
    memcpy(text + a_len, json_string_value(b), b_len);
    *out = json_stringn_nocheck(text, a_len + b_len);
    free(text);
    return OUTCOME_OK;
}

/* Here and not in jq, which goes on to 2 GiB. */
static enum outcome repeat(const json_t *text, const json_t *times, struct turn *t, json_t **out)
{
    double count = json_number_value(times);
    size_t len = json_string_length(text);
    struct buf all;

    if (count <= 0) {
        *out = json_null();
        return OUTCOME_OK;
    }
    if (count < 1)
        count = 1;
    if (count > EXPR_BYTES_MAX || floor(count) * (double)len > EXPR_BYTES_MAX) {
        buf_clear(t->message);
        buf_str(t->message, "Repeat string result too long");
        return OUTCOME_FAILED;
    }
    buf_init(&all, EXPR_BYTES_MAX);
    for (size_t i = (size_t)count; i > 0; i--)
        buf_add(&all, json_string_value(text), len);
    *out = json_stringn_nocheck(all.data, all.len);
    buf_fini(&all);
    return OUTCOME_OK;
}

static enum outcome add_containers(json_t *a, json_t *b, struct turn *t, json_t **out)
{
    if (json_array_size(a) + json_array_size(b) > EXPR_BYTES_MAX / 16)
        return too_large(t);
    json_t *sum = json_copy(a);

    if (json_is_array(a))
        json_array_extend(sum, b);
    else
        json_object_update(sum, b);
    *out = sum;
    return OUTCOME_OK;
}

static json_t *without(const json_t *a, const json_t *b)
{
    json_t *rest = json_array(), *x, *y;
    size_t i, j;

    json_array_foreach(a, i, x)
    {
        bool keep = true;

        json_array_foreach(b, j, y) if (value_compare(x, y) == 0)
        {
            keep = false;
            break;
        }
        if (keep)
            json_array_append(rest, x);
    }
    return rest;
}

static json_t *merged(json_t *a, json_t *b)
{
    json_t *sum = json_copy(a), *value;
    const char *key;

    json_object_foreach(b, key, value)
    {
        json_t *old = json_object_get(sum, key);

        if (json_is_object(old) && json_is_object(value))
            json_object_set_new(sum, key, merged(old, value));
        else
            json_object_set(sum, key, value);
    }
    return sum;
}

static bool whole_arith(enum node_kind op, json_int_t a, json_int_t b, json_int_t *out)
{
    switch (op) {
    case NODE_ADD:
        return !__builtin_add_overflow(a, b, out);
    case NODE_SUB:
        return !__builtin_sub_overflow(a, b, out);
    case NODE_MUL:
        return !__builtin_mul_overflow(a, b, out);
    default: /* a quotient stays exact where there is no rest */
        if (b == -1)
            return !__builtin_sub_overflow((json_int_t)0, a, out);
        *out = a / b;
        return a % b == 0;
    }
}

static bool rounded(const json_t *v)
{
    return json_is_integer(v) &&
           (json_integer_value(v) > EXPR_INTEGER_MAX || json_integer_value(v) < -EXPR_INTEGER_MAX);
}

static enum outcome number_arith(enum node_kind op, const json_t *a, const json_t *b,
                                 struct turn *t, json_t **out)
{
    if (op == NODE_DIV && json_number_value(b) == 0.0)
        return error_pair(t, a, b, "cannot be divided because the divisor is zero");
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t whole;

        if (whole_arith(op, json_integer_value(a), json_integer_value(b), &whole)) {
            *out = json_integer(whole);
            return OUTCOME_OK;
        }
    }
    if (rounded(a) || rounded(b)) {
        buf_clear(t->message);
        buf_str(t->message, "an integer beyond 2^53 would be rounded; keep it as a string");
        return OUTCOME_FAILED;
    }
    double x = json_number_value(a), y = json_number_value(b);

    return value_number(op == NODE_ADD   ? x + y
                        : op == NODE_SUB ? x - y
                        : op == NODE_MUL ? x * y
                                         : x / y,
                        out);
}

enum outcome value_arith(enum node_kind op, json_t *a, json_t *b, struct turn *t, json_t **out)
{
    static const char *const failures[] = {
        [NODE_ADD] = "cannot be added",
        [NODE_SUB] = "cannot be subtracted",
        [NODE_MUL] = "cannot be multiplied",
        [NODE_DIV] = "cannot be divided",
    };

    if (json_is_number(a) && json_is_number(b))
        return number_arith(op, a, b, t, out);
    if (op == NODE_ADD && (json_is_null(a) || json_is_null(b))) {
        *out = json_incref(json_is_null(a) ? b : a);
        return OUTCOME_OK;
    }
    bool same = json_typeof(a) == json_typeof(b);

    if (op == NODE_ADD && same && json_is_string(a))
        return add_strings(a, b, t, out);
    if (op == NODE_ADD && same && (json_is_array(a) || json_is_object(a)))
        return add_containers(a, b, t, out);
    if (op == NODE_SUB && same && json_is_array(a)) {
        *out = without(a, b);
        return OUTCOME_OK;
    }
    if (op == NODE_MUL && same && json_is_object(a)) {
        *out = merged(a, b);
        return OUTCOME_OK;
    }
    if (op == NODE_MUL && json_is_string(a) && json_is_number(b))
        return repeat(a, b, t, out);
    if (op == NODE_MUL && json_is_number(a) && json_is_string(b))
        return repeat(b, a, t, out);
    if (op == NODE_DIV && same && json_is_string(a))
        return OUTCOME_DEFER; /* splits a string */
    return error_pair(t, a, b, failures[op]);
}

enum outcome value_negate(const json_t *v, struct turn *t, json_t **out)
{
    if (json_is_integer(v)) {
        json_int_t i = json_integer_value(v), minus;

        if (__builtin_sub_overflow((json_int_t)0, i, &minus))
            return value_error(t, v, "cannot be negated without rounding");
        *out = json_integer(minus);
        return OUTCOME_OK;
    }
    if (json_is_real(v))
        return value_number(-json_real_value(v), out);
    return value_error(t, v, "cannot be negated");
}

enum outcome value_length(const json_t *v, struct turn *t, json_t **out)
{
    size_t n = 0;

    switch (json_typeof(v)) {
    case JSON_INTEGER:
    case JSON_REAL:
        if (json_number_value(v) < 0)
            return value_negate(v, t, out);
        *out = json_incref((json_t *)v);
        return OUTCOME_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        return value_error(t, v, "has no length");
    case JSON_STRING: /* characters, not bytes */
        for (size_t i = 0; i < json_string_length(v); i++)
            n += ((unsigned char)json_string_value(v)[i] & 0xC0) != 0x80;
        break;
    case JSON_ARRAY:
        n = json_array_size(v);
        break;
    case JSON_OBJECT:
        n = json_object_size(v);
        break;
    case JSON_NULL:
        break;
    }
    *out = json_integer((json_int_t)n);
    return OUTCOME_OK;
}

enum outcome value_text(json_t *v, struct buf *out, struct turn *t)
{
    bool ok;

    if (json_is_string(v)) {
        ok = buf_add(out, json_string_value(v), json_string_length(v));
    } else if (json_is_integer(v)) {
        ok = buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else {
        jv copy = expr_to_jv(v, t->message);

        if (!jv_is_valid(copy)) {
            jv_free(copy);
            return OUTCOME_FAILED;
        }
        jv text = jv_dump_string(copy, 0);

        ok = buf_add(out, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
        jv_free(text);
    }
    return ok ? OUTCOME_OK : too_large(t);
}
