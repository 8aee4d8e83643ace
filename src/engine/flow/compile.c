/* What the compilers of documents, tasks and calls share: places, keys, values by type. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/words.h"
#include "engine/flow/duration.h"
#include "engine/flow/flow_internal.h"

struct block {
    struct block *next;
    max_align_t data[];
};

void *flow_alloc(struct flow *f, size_t size)
{
    struct block *b = mem_zalloc(sizeof *b + size);

    b->next = f->arena;
    f->arena = b;
    return b->data;
}

void flow_arena_free(struct flow *f)
{
    while (f->arena != NULL) {
        struct block *next = f->arena->next;

        free(f->arena);
        f->arena = next;
    }
}

char *flow_printf(struct flow *f, const char *fmt, ...)
{
    va_list ap;
    int len;
    char *text;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    text = flow_alloc(f, (size_t)len + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return text;
}

/* RFC 6901: ~ and / of a key are written ~0 and ~1. */
const char *ptr_key(struct compiler *c, const char *pointer, const char *key)
{
    size_t at = strlen(pointer);
    char *text = flow_alloc(c->f, at + 2 * strlen(key) + 2);

    memcpy(text, pointer, at);
    text[at++] = '/';
    for (; *key != '\0'; key++) {
        if (*key == '~' || *key == '/') {
            text[at++] = '~';
            text[at++] = *key == '~' ? '0' : '1';
        } else {
            text[at++] = *key;
        }
    }
    return text;
}

const char *ptr_index(struct compiler *c, const char *pointer, size_t index)
{
    return flow_printf(c->f, "%s/%zu", pointer, index);
}

static bool known_finding(struct compiler *c, const char *pointer, const char *text)
{
    const struct finding *list;
    size_t count = source_findings(c->s, &list);

    for (size_t i = 0; i < count; i++)
        if (list[i].pointer != NULL && strcmp(list[i].pointer, pointer) == 0 &&
            strcmp(list[i].text, text) == 0)
            return true;
    return false;
}

void report(struct compiler *c, const char *pointer, const char *remedy, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!known_finding(c, pointer, text))
        source_error(c->s, pointer, remedy, "%s", text);
}

void report_warning(struct compiler *c, const char *pointer, const char *remedy, const char *text)
{
    if (!known_finding(c, pointer, text))
        source_warn(c->s, pointer, remedy, "%s", text);
}

const char *remedy_closest(struct compiler *c, const char *word, const char *const *names)
{
    size_t count = 0;

    while (names != NULL && names[count] != NULL)
        count++;
    const char *name = words_closest(word, names, count);

    return name != NULL ? flow_printf(c->f, "did you mean \"%s\"?", name) : "";
}

static bool is_one_of(const char *word, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(word, *names) == 0)
            return true;
    return false;
}

void check_keys(struct compiler *c, json_t *object, const char *pointer, const char *const *known,
                const char *const *more)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        const char *remedy;

        if (is_one_of(key, known) || is_one_of(key, more))
            continue;
        remedy = remedy_closest(c, key, known);
        if (*remedy == '\0')
            remedy = remedy_closest(c, key, more);
        if (*remedy == '\0')
            remedy = "remove it, or keep your own keys under metadata";
        report(c, ptr_key(c, pointer, key), remedy, "unknown property \"%.100s\"", key);
    }
}

static json_t *get(struct compiler *c, json_t *object, const char *pointer, const char *key,
                   bool required)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL && required)
        report(c, pointer, flow_printf(c->f, "add \"%s\"", key), "\"%s\" is missing", key);
    return value;
}

json_t *get_object(struct compiler *c, json_t *object, const char *pointer, const char *key,
                   bool required)
{
    json_t *value = get(c, object, pointer, key, required);

    if (value != NULL && !json_is_object(value)) {
        report(c, ptr_key(c, pointer, key), "", "\"%s\" must be an object", key);
        return NULL;
    }
    return value;
}

const char *get_string(struct compiler *c, json_t *object, const char *pointer, const char *key,
                       bool required)
{
    json_t *value = get(c, object, pointer, key, required);

    if (value != NULL && !json_is_string(value)) {
        report(c, ptr_key(c, pointer, key), "put it in quotes if it is meant as text",
               "\"%s\" must be a string", key);
        return NULL;
    }
    return json_string_value(value);
}

bool get_bool(struct compiler *c, json_t *object, const char *pointer, const char *key,
              bool fallback)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL)
        return fallback;
    if (!json_is_boolean(value))
        report(c, ptr_key(c, pointer, key), "", "\"%s\" must be true or false", key);
    return json_is_true(value);
}

struct expr *get_bare(struct compiler *c, json_t *object, const char *pointer, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL)
        return NULL;
    /* `if: true` is not in the specification but harmless, and its meaning cannot be mistaken. */
    if (json_is_boolean(value))
        return expr_bare(c->f->exprs, json_is_true(value) ? "true" : "false",
                         ptr_key(c, pointer, key), c->names);
    if (!json_is_string(value)) {
        report(c, ptr_key(c, pointer, key), "", "\"%s\" must be an expression", key);
        return NULL;
    }
    return expr_bare(c->f->exprs, json_string_value(value), ptr_key(c, pointer, key), c->names);
}

struct expr *get_template(struct compiler *c, json_t *object, const char *pointer, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL)
        return NULL;
    return expr_template(c->f->exprs, value, ptr_key(c, pointer, key), c->names);
}

bool compile_span(struct compiler *c, json_t *value, const char *pointer, struct span *span)
{
    struct err err;

    if (json_is_string(value) && expr_is_marked(json_string_value(value))) {
        span->expr = expr_template(c->f->exprs, value, pointer, c->names);
        return true;
    }
    if (duration_parse(value, &span->ms, &err) == ERR_OK)
        return true;
    report(c, pointer, "write {seconds: 30} or PT30S", "%s", err.text);
    return false;
}

json_t *use_resolve(struct compiler *c, json_t *value, const char *section, const char **pointer)
{
    json_t *all = json_object_get(c->use, section), *found, *other;
    const char *names[101] = {NULL}, *name = json_string_value(value), *key;
    size_t count = 0;

    if (name == NULL)
        return value;
    found = json_object_get(all, name);
    if (found == NULL) {
        json_object_foreach(all, key, other)
        {
            if (count < 100)
                names[count++] = key;
        }
        report(c, *pointer, remedy_closest(c, name, names), "use.%s has no \"%.100s\"", section,
               name);
        return NULL;
    }
    *pointer = ptr_key(c, ptr_key(c, "/use", section), name);
    return found;
}

struct span *compile_timeout(struct compiler *c, json_t *value, const char *pointer)
{
    static const char *const keys[] = {"after", NULL};
    struct span *span = flow_alloc(c->f, sizeof *span);
    json_t *after;

    value = use_resolve(c, value, "timeouts", &pointer);
    if (value == NULL)
        return NULL;
    if (!json_is_object(value)) {
        report(c, pointer, "write {after: {seconds: 30}}, or a name from use.timeouts",
               "a timeout must be an object or a name");
        return NULL;
    }
    check_keys(c, value, pointer, keys, NULL);
    after = get(c, value, pointer, "after", true);
    if (after == NULL || !compile_span(c, after, ptr_key(c, pointer, "after"), span))
        return NULL;
    return span;
}

static struct schema *compile_schema(struct compiler *c, json_t *value, const char *pointer)
{
    static const char *const keys[] = {"format", "document", "resource", NULL};
    const char *format;
    struct schema *schema = NULL;
    json_t *document;
    struct err err;

    if (!json_is_object(value)) {
        report(c, pointer, "write {document: {…}}", "a schema must be an object");
        return NULL;
    }
    check_keys(c, value, pointer, keys, NULL);
    format = get_string(c, value, pointer, "format", false);
    if (format != NULL && strcmp(format, "json") != 0 && strncmp(format, "json:", 5) != 0)
        report(c, ptr_key(c, pointer, "format"), "use json", "schema format \"%.60s\" is unknown",
               format);
    if (json_object_get(value, "resource") != NULL) {
        report(c, ptr_key(c, pointer, "resource"),
               "put the schema inline under document; resources come with a later release",
               "schemas from elsewhere are not supported");
        return NULL;
    }
    document = get(c, value, pointer, "document", true);
    if (document == NULL)
        return NULL;
    if (schema_new(document, &schema, &err) != ERR_OK) {
        report(c, ptr_key(c, pointer, "document"), "", "%s", err.text);
        return NULL;
    }
    c->f->schemas =
        mem_grow(c->f->schemas, c->f->schema_count, &c->f->schema_cap, sizeof(struct schema *));
    c->f->schemas[c->f->schema_count++] = schema;
    return schema;
}

void compile_filter(struct compiler *c, json_t *owner, const char *pointer, const char *key,
                    struct filter *filter)
{
    const char *const from = strcmp(key, "input") == 0 ? "from" : "as";
    const char *const keys[] = {"schema", from, NULL};
    json_t *value = get_object(c, owner, pointer, key, false), *mapping, *schema;

    if (value == NULL)
        return;
    pointer = ptr_key(c, pointer, key);
    check_keys(c, value, pointer, keys, NULL);
    mapping = json_object_get(value, from);
    if (json_is_string(mapping))
        filter->expr = get_bare(c, value, pointer, from);
    else if (json_is_object(mapping))
        filter->expr = get_template(c, value, pointer, from);
    else if (mapping != NULL)
        report(c, ptr_key(c, pointer, from), "", "\"%s\" must be an expression or an object", from);
    schema = json_object_get(value, "schema");
    if (schema != NULL)
        filter->schema = compile_schema(c, schema, ptr_key(c, pointer, "schema"));
}

void scope_add(struct compiler *c, const char *name)
{
    size_t count = 0;
    const char **names;

    while (c->names[count] != NULL)
        count++;
    names = flow_alloc(c->f, (count + 2) * sizeof *names);
    memcpy(names, c->names, count * sizeof *names);
    names[count] = name;
    c->names = names;
}
