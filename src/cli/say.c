/* What the command line says: messages, values, exits. All of it harmless for a terminal. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "documents.h"

enum { OUT_MAX = 64 << 20, VALUE_DEPTH = 64 };

static void put(FILE *to, const char *text, size_t len, enum printable_mode mode)
{
    struct buf b;

    buf_init(&b, OUT_MAX);
    printable_add(&b, text, len, mode);
    if (b.len > 0)
        fwrite(b.data, 1, b.len, to);
    buf_fini(&b);
}

void cli_put(FILE *to, const char *text)
{
    put(to, text, strlen(text), PRINTABLE_TEXT);
}

void cli_say(const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fputs("ultramcp-restate: ", stderr);
    put(stderr, text, strlen(text), PRINTABLE_TEXT);
    fputc('\n', stderr);
}

int cli_exit_of(enum errcode code)
{
    switch (code) {
    case ERR_OK:
        return CLI_OK;
    case ERR_USAGE:
    case ERR_CONFIG:
    case ERR_PARSE:
    case ERR_INVALID:
    case ERR_EXPRESSION:
    case ERR_TOO_LARGE:
        return CLI_USAGE;
    case ERR_CANCELLED:
    case ERR_KILLED:
        return CLI_CANCELLED;
    case ERR_COMMUNICATION:
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
    case ERR_STORE:
    case ERR_STORE_DAMAGED:
    case ERR_STORE_FULL:
    case ERR_STORE_LOCKED:
    case ERR_STORE_NEWER:
        return CLI_UNREACHABLE;
    default:
        return CLI_FAILED;
    }
}

int cli_fail(const struct err *err)
{
    cli_say("%s", err->text);
    return cli_exit_of(err->code);
}

void cli_json(const json_t *value)
{
    struct buf b;

    buf_init(&b, OUT_MAX);
    if (json_write(&b, value))
        put(stdout, b.data, b.len, PRINTABLE_JSON);
    putchar('\n');
    buf_fini(&b);
}

static void pretty(struct buf *b, const json_t *value, int depth)
{
    json_t *object = (json_t *)(uintptr_t)value; /* jansson's iterators take no const */
    const char *key;
    json_t *item;
    size_t i, n = 0;

    if (json_array_size(value) + json_object_size(value) == 0 || depth > VALUE_DEPTH) {
        json_write(b, value);
        return;
    }
    buf_str(b, json_is_array(value) ? "[" : "{");
    json_array_foreach(value, i, item)
    {
        buf_printf(b, "%s\n%*s", n++ > 0 ? "," : "", depth * 2 + 2, "");
        pretty(b, item, depth + 1);
    }
    json_object_foreach(object, key, item)
    {
        json_t *name = json_string(key);

        buf_printf(b, "%s\n%*s", n++ > 0 ? "," : "", depth * 2 + 2, "");
        json_write(b, name);
        buf_str(b, ": ");
        pretty(b, item, depth + 1);
        json_decref(name);
    }
    buf_printf(b, "\n%*s%s", depth * 2, "", json_is_array(value) ? "]" : "}");
}

void cli_pretty(const json_t *value)
{
    struct buf b;

    buf_init(&b, OUT_MAX);
    pretty(&b, value, 0);
    if (b.data != NULL)
        put(stdout, b.data, b.len, PRINTABLE_TEXT);
    putchar('\n');
    buf_fini(&b);
}

enum errcode cli_value(const char *text, const char *what, json_t *fallback, json_t **out,
                       struct err *err)
{
    char *read = NULL;
    size_t len = 0;
    enum errcode code = ERR_OK;

    if (text == NULL) {
        *out = fallback;
        return ERR_OK;
    }
    json_decref(fallback);
    *out = NULL;
    if (text[0] == '@')
        code = documents_read(text + 1, &read, &len, err);
    else if (strcmp(text, "-") == 0)
        code = documents_read("-", &read, &len, err);
    if (code == ERR_OK)
        code = read != NULL ? json_parse(read, len, what, out, err)
                            : json_parse(text, strlen(text), what, out, err);
    free(read);
    return code;
}
