/* jansson's values to jq's and back, by walking them: through text it costs three times as much. */
#include <math.h>

#include "engine/flow/expr_internal.h"

static jv refuse(struct buf *problem, const char *why)
{
    buf_clear(problem);
    buf_str(problem, why);
    return jv_invalid();
}

static jv to_jv(json_t *v, int depth, struct buf *problem);

static jv array_to_jv(json_t *v, int depth, struct buf *problem)
{
    jv array = jv_array_sized((int)json_array_size(v));
    json_t *item;
    size_t i;

    json_array_foreach(v, i, item)
    {
        jv copy = to_jv(item, depth - 1, problem);

        if (!jv_is_valid(copy)) {
            jv_free(array);
            return copy;
        }
        array = jv_array_append(array, copy);
    }
    return array;
}

static jv object_to_jv(json_t *v, int depth, struct buf *problem)
{
    jv object = jv_object();

    for (void *at = json_object_iter(v); at != NULL; at = json_object_iter_next(v, at)) {
        jv copy = to_jv(json_object_iter_value(at), depth - 1, problem);

        if (!jv_is_valid(copy)) {
            jv_free(object);
            return copy;
        }
        object = jv_object_set(
            object, jv_string_sized(json_object_iter_key(at), (int)json_object_iter_key_len(at)),
            copy);
    }
    return object;
}

static jv to_jv(json_t *v, int depth, struct buf *problem)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        return jv_null();
    case JSON_TRUE:
        return jv_true();
    case JSON_FALSE:
        return jv_false();
    case JSON_REAL:
        return jv_number(json_real_value(v));
    case JSON_INTEGER:
        if (json_integer_value(v) > EXPR_INTEGER_MAX || json_integer_value(v) < -EXPR_INTEGER_MAX) {
            buf_clear(problem);
            buf_printf(problem,
                       "the integer %" JSON_INTEGER_FORMAT
                       " is beyond 2^53 and would be rounded; keep it as a string",
                       json_integer_value(v));
            return jv_invalid();
        }
        return jv_number((double)json_integer_value(v));
    case JSON_STRING:
        return jv_string_sized(json_string_value(v), (int)json_string_length(v));
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    if (depth == 0)
        return refuse(problem, "a value is nested deeper than 64");
    return json_is_array(v) ? array_to_jv(v, depth, problem) : object_to_jv(v, depth, problem);
}

jv expr_to_jv(json_t *value, struct buf *problem)
{
    return to_jv(value, EXPR_DEPTH_MAX, problem);
}

/* One walk back. */
struct back {
    size_t *budget;
    struct buf *problem;
};

static json_t *from_jv(jv v, int depth, struct back *b);

static json_t *fail(struct back *b, const char *why)
{
    buf_clear(b->problem);
    buf_str(b->problem, why);
    return NULL;
}

static bool spend(struct back *b, size_t bytes)
{
    if (*b->budget < bytes) {
        fail(b, "the result is larger than 16 MiB");
        return false;
    }
    *b->budget -= bytes;
    return true;
}

static json_t *number_from_jv(double d, struct back *b)
{
    if (isnan(d))
        return json_null(); /* as jq writes it */
    if (isinf(d))
        return fail(b, "the result is an infinite number, which JSON does not have");
    if (d == rint(d) && fabs(d) <= (double)EXPR_INTEGER_MAX)
        return json_integer((json_int_t)d);
    return json_real(d);
}

/* `s` is borrowed. */
static json_t *string_from_jv(jv s, struct back *b)
{
    const char *text = jv_string_value(s);
    size_t len = (size_t)jv_string_length_bytes(jv_copy(s));

    if (!spend(b, len))
        return NULL;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0')
            return fail(b, "the result holds the character U+0000");
    json_t *value = json_stringn(text, len);

    return value != NULL ? value : fail(b, "the result holds text that is not UTF-8");
}

static json_t *array_from_jv(jv v, int depth, struct back *b)
{
    json_t *array = json_array();
    int count = jv_array_length(jv_copy(v));

    for (int i = 0; i < count; i++) {
        json_t *item = from_jv(jv_array_get(jv_copy(v), i), depth - 1, b);

        if (item == NULL) {
            json_decref(array);
            return NULL;
        }
        json_array_append_new(array, item);
    }
    return array;
}

static json_t *object_from_jv(jv v, int depth, struct back *b)
{
    json_t *object = json_object();

    for (int i = jv_object_iter(v); jv_object_iter_valid(v, i); i = jv_object_iter_next(v, i)) {
        jv key = jv_object_iter_key(v, i);
        json_t *name = string_from_jv(key, b), *item = NULL;

        jv_free(key);
        if (name != NULL)
            item = from_jv(jv_object_iter_value(v, i), depth - 1, b);
        if (item != NULL)
            json_object_setn_new_nocheck(object, json_string_value(name), json_string_length(name),
                                         item);
        json_decref(name);
        if (item == NULL) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* Frees `v`. */
static json_t *from_jv(jv v, int depth, struct back *b)
{
    jv_kind kind = jv_get_kind(v);
    json_t *value = NULL;

    if (!spend(b, 16))
        goto out;
    switch (kind) {
    case JV_KIND_TRUE:
        value = json_true();
        break;
    case JV_KIND_FALSE:
        value = json_false();
        break;
    case JV_KIND_NUMBER:
        value = number_from_jv(jv_number_value(v), b);
        break;
    case JV_KIND_STRING:
        value = string_from_jv(v, b);
        break;
    case JV_KIND_ARRAY:
    case JV_KIND_OBJECT:
        if (depth == 0)
            value = fail(b, "the result is nested deeper than 64");
        else
            value =
                kind == JV_KIND_ARRAY ? array_from_jv(v, depth, b) : object_from_jv(v, depth, b);
        break;
    case JV_KIND_NULL:
    case JV_KIND_INVALID:
        value = json_null();
    }
out:
    jv_free(v);
    return value;
}

json_t *expr_from_jv(jv v, size_t *budget, struct buf *problem)
{
    struct back b = {.budget = budget, .problem = problem};

    return from_jv(v, EXPR_DEPTH_MAX, &b);
}
