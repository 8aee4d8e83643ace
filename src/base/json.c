#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nesting is checked before jansson sees the text: its own limit (2048) is compiled in. */
static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

enum errcode json_parse(const char *text, size_t len, const char *what, json_t **out,
                        struct err *err)
{
    json_error_t at;

    *out = NULL;
    if (too_deep(text, len))
        return err_set(err, ERR_PARSE, "%s: nested deeper than %d levels", what, JSON_DEPTH_MAX);
    if (len > 0 && memchr(text, '\0', len) != NULL) /* jansson overlooks one behind a number */
        return err_set(err, ERR_PARSE, "%s is not valid JSON: it holds a NUL byte", what);
    *out = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &at);
    if (*out == NULL)
        return err_set(err, ERR_PARSE, "%s is not valid JSON: line %d, column %d: %.300s", what,
                       at.line, at.column, at.text);
    return ERR_OK;
}

static bool write_real(struct buf *b, double value)
{
    char text[40];

    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (strpbrk(text, ".eE") == NULL && isfinite(value))
        strcat(text, ".0");
    return buf_str(b, text);
}

static bool write_string(struct buf *b, const char *s, size_t len)
{
    size_t from = 0;

    buf_add(b, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_add(b, s + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_str(b, "\\n");
        else if (c == '\t')
            buf_str(b, "\\t");
        else
            buf_printf(b, "\\u%04x", c);
    }
    buf_add(b, s + from, len - from);
    return buf_add(b, "\"", 1);
}

static bool write_members(struct buf *b, json_t *object)
{
    const char *key;
    json_t *member;
    const char *comma = "";

    buf_add(b, "{", 1);
    json_object_foreach(object, key, member)
    {
        buf_str(b, comma);
        write_string(b, key, strlen(key));
        buf_add(b, ":", 1);
        json_write(b, member);
        comma = ",";
    }
    return buf_add(b, "}", 1);
}

bool json_write(struct buf *b, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        return buf_str(b, "null");
    case JSON_TRUE:
        return buf_str(b, "true");
    case JSON_FALSE:
        return buf_str(b, "false");
    case JSON_INTEGER: {
        char text[24];
        int n = snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));

        return buf_add(b, text, (size_t)n);
    }
    case JSON_REAL:
        return write_real(b, json_real_value(value));
    case JSON_STRING:
        return write_string(b, json_string_value(value), json_string_length(value));
    case JSON_ARRAY:
        buf_add(b, "[", 1);
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0)
                buf_add(b, ",", 1);
            json_write(b, json_array_get(value, i));
        }
        return buf_add(b, "]", 1);
    case JSON_OBJECT:
        return write_members(b, (json_t *)(uintptr_t)value);
    }
    return false;
}

char *json_text(const json_t *value)
{
    struct buf b;

    buf_init(&b, SIZE_MAX / 2);
    json_write(&b, value);
    return buf_steal(&b, NULL);
}

const char *json_str(const json_t *object, const char *key, const char *fallback)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : fallback;
}

int64_t json_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : fallback;
}
