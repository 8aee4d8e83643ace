#include <string.h>

#include "engine/flow/expr_internal.h"

enum { URI_MAX = 16 * 1024 };

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* In the text between expressions a URI's own punctuation stands for itself (RFC 6570, 3.1). */
static bool literal(char c)
{
    return unreserved(c) || (c != '\0' && strchr(":/?#[]@!$&'()*+,;=%", c) != NULL);
}

static void encode(struct buf *out, const char *text, size_t len, bool (*stays)(char))
{
    for (size_t i = 0; i < len; i++) {
        if (stays(text[i]))
            buf_add(out, text + i, 1);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)text[i]);
    }
}

static enum errcode expand(struct buf *out, const char *name, size_t len, const json_t *data,
                           struct err *err)
{
    const json_t *value = json_object_getn(data, name, len);

    if (value == NULL || json_is_null(value))
        return ERR_OK;
    if (json_is_object(value) || json_is_array(value))
        return err_set(err, ERR_EXPRESSION,
                       "{%.*s} in a URI template is an %s; it must be a string, a number or a "
                       "boolean",
                       (int)(len < 100 ? len : 100), name, value_kind(value));
    struct buf text, problem;
    struct turn t = {.message = &problem};

    buf_init(&text, URI_MAX);
    buf_init(&problem, ERR_TEXT_MAX);
    enum outcome r = value_text((json_t *)value, &text, &t);

    encode(out, text.data, text.len, unreserved);
    buf_fini(&problem);
    buf_fini(&text);
    if (r != OUTCOME_OK)
        return err_set(err, ERR_EXPRESSION, "{%.*s} in a URI template is too long",
                       (int)(len < 100 ? len : 100), name);
    return ERR_OK;
}

enum errcode expr_uri(const char *template_text, json_t *data, char **out, struct err *err)
{
    struct buf uri;
    enum errcode code = ERR_OK;
    const char *at = template_text;

    *out = NULL;
    buf_init(&uri, URI_MAX);
    while (code == ERR_OK && *at != '\0') {
        size_t len = strcspn(at, "{}");

        encode(&uri, at, len, literal);
        at += len;
        if (*at == '\0')
            break;
        size_t name = strcspn(at + 1, "{}");

        if (*at == '}' || at[1 + name] != '}') {
            code = err_set(err, ERR_EXPRESSION,
                           "the braces of the URI template %.200s do not match", template_text);
            break;
        }
        code = expand(&uri, at + 1, name, data, err);
        at += name + 2;
    }
    if (code == ERR_OK && uri.full)
        code = err_set(err, ERR_EXPRESSION, "a URI is longer than 16 KiB: %.200s", template_text);
    if (code == ERR_OK)
        *out = buf_steal(&uri, NULL);
    buf_fini(&uri);
    return code;
}
