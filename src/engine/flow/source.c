/* YAML events to JSON values, with the place of each part kept by its JSON pointer. */
#include "engine/flow/source.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <yaml.h>

#include "base/json.h"
#include "base/mem.h"

enum { NODES_MAX = 20000, TEXT_MAX = 600 };

struct place {
    char *pointer;
    int line, column;
    UT_hash_handle hh;
};

struct anchor {
    char *name;
    json_t *value;
    UT_hash_handle hh;
};

struct source {
    char *file;
    json_t *root;
    struct place *places;
    struct finding *findings;
    size_t count, cap, dropped;
    bool failed;
};

struct reader {
    struct source *s;
    yaml_parser_t parser;
    yaml_event_t event;
    struct anchor *anchors;
    struct buf pointer;
    int nodes, depth;
    bool stop;
};

/* ---- findings -----------------------------------------------------------------------------------
 */

static void add_finding(struct source *s, bool warning, int line, int column, const char *pointer,
                        const char *remedy, const char *fmt, va_list ap)
{
    char text[TEXT_MAX];

    s->failed = s->failed || !warning;
    if (s->count == SOURCE_PROBLEMS_MAX) {
        s->dropped++;
        return;
    }
    vsnprintf(text, sizeof text, fmt, ap);
    s->findings = mem_grow(s->findings, s->count, &s->cap, sizeof *s->findings);
    s->findings[s->count++] = (struct finding){.warning = warning,
                                               .line = line,
                                               .column = column,
                                               .pointer = mem_strdup(pointer),
                                               .text = mem_strdup(text),
                                               .remedy = mem_strdup(remedy)};
}

__attribute__((format(printf, 5, 6))) static void fail(struct reader *r, yaml_mark_t mark,
                                                       const char *remedy, bool stop,
                                                       const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add_finding(r->s, false, (int)mark.line + 1, (int)mark.column + 1,
                r->pointer.data != NULL ? r->pointer.data : "", remedy, fmt, ap);
    va_end(ap);
    r->stop = r->stop || stop;
}

void source_error(struct source *s, const char *pointer, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    int line, column;

    source_place(s, pointer, &line, &column);
    va_start(ap, fmt);
    add_finding(s, false, line, column, pointer, remedy, fmt, ap);
    va_end(ap);
}

void source_warn(struct source *s, const char *pointer, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    int line, column;

    source_place(s, pointer, &line, &column);
    va_start(ap, fmt);
    add_finding(s, true, line, column, pointer, remedy, fmt, ap);
    va_end(ap);
}

static int by_place(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

size_t source_findings(const struct source *s, const struct finding **list)
{
    if (s->count > 1)
        qsort(s->findings, s->count, sizeof *s->findings, by_place);
    *list = s->findings;
    return s->count;
}

bool source_failed(const struct source *s)
{
    return s->failed;
}

void source_report(const struct source *s, struct buf *out)
{
    const struct finding *list;
    size_t count = source_findings(s, &list);

    for (size_t i = 0; i < count; i++) {
        const struct finding *f = &list[i];

        buf_printf(out, "%s:%d:%d: %s: %s\n", s->file, f->line, f->column,
                   f->warning ? "warning" : "error", f->text);
        if (f->remedy[0] != '\0')
            buf_printf(out, "    remedy: %s\n", f->remedy);
    }
    if (s->dropped > 0)
        buf_printf(out, "%s: and %zu more\n", s->file, s->dropped);
}

/* ---- places -------------------------------------------------------------------------------------
 */

static void put_place(struct reader *r, yaml_mark_t mark)
{
    const char *pointer = r->pointer.data != NULL ? r->pointer.data : "";
    struct place *p;

    HASH_FIND_STR(r->s->places, pointer, p);
    if (p != NULL)
        return;
    p = mem_zalloc(sizeof *p);
    p->pointer = mem_strdup(pointer);
    p->line = (int)mark.line + 1;
    p->column = (int)mark.column + 1;
    HASH_ADD_KEYPTR(hh, r->s->places, p->pointer, strlen(p->pointer), p);
}

void source_place(const struct source *s, const char *pointer, int *line, int *column)
{
    char *at = mem_strdup(pointer);
    struct place *p;

    for (;;) {
        HASH_FIND_STR(s->places, at, p);
        char *cut = strrchr(at, '/');
        if (p != NULL || cut == NULL)
            break;
        *cut = '\0';
    }
    free(at);
    *line = p != NULL ? p->line : 0;
    *column = p != NULL ? p->column : 0;
}

static size_t push(struct reader *r, const char *key, size_t index)
{
    size_t before = r->pointer.len;

    buf_str(&r->pointer, "/");
    if (key == NULL)
        buf_printf(&r->pointer, "%zu", index);
    for (; key != NULL && *key != '\0'; key++) {
        if (*key == '~')
            buf_str(&r->pointer, "~0");
        else if (*key == '/')
            buf_str(&r->pointer, "~1");
        else
            buf_add(&r->pointer, key, 1);
    }
    return before;
}

static void pop(struct reader *r, size_t before)
{
    r->pointer.len = before;
    if (r->pointer.data != NULL)
        r->pointer.data[before] = '\0';
}

/* ---- scalars: the core schema of YAML 1.2 -------------------------------------------------------
 */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

/* [-+]?[0-9]+ */
static bool is_integer(const char *t)
{
    t += *t == '-' || *t == '+';
    size_t digits = strspn(t, "0123456789");
    return digits > 0 && t[digits] == '\0';
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *t)
{
    t += *t == '-' || *t == '+';
    size_t whole = strspn(t, "0123456789"), part = 0;

    t += whole;
    if (*t == '.') {
        part = strspn(t + 1, "0123456789");
        if (whole == 0 && part == 0)
            return false;
        t += 1 + part;
    } else if (whole == 0) {
        return false;
    }
    if (*t == 'e' || *t == 'E') {
        t++;
        t += *t == '-' || *t == '+';
        size_t digits = strspn(t, "0123456789");
        if (digits == 0)
            return false;
        t += digits;
    }
    return *t == '\0';
}

static json_t *number(struct reader *r, yaml_mark_t mark, const char *t, int base)
{
    char *end;

    errno = 0;
    long long value = strtoll(base == 10 ? t : t + 2, &end, base);
    if (errno == ERANGE) {
        fail(r, mark, "put it in quotes if it is an id", false, "the integer %.40s is too large",
             t);
        return json_null();
    }
    return json_integer(value);
}

static json_t *plain(struct reader *r, yaml_mark_t mark, const char *t)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    static const char *const specials[] = {".inf",  ".Inf", ".INF", "+.inf", "-.inf", "-.Inf",
                                           "-.INF", ".nan", ".NaN", ".NAN",  NULL};

    if (one_of(t, nulls))
        return json_null();
    if (one_of(t, trues))
        return json_true();
    if (one_of(t, falses))
        return json_false();
    if (is_integer(t))
        return number(r, mark, t, 10);
    if (strncmp(t, "0o", 2) == 0 && t[2] != '\0' && t[2 + strspn(t + 2, "01234567")] == '\0')
        return number(r, mark, t, 8);
    if (strncmp(t, "0x", 2) == 0 && t[2] != '\0' &&
        t[2 + strspn(t + 2, "0123456789abcdefABCDEF")] == '\0')
        return number(r, mark, t, 16);
    if (one_of(t, specials) || (is_float(t) && !isfinite(strtod(t, NULL)))) {
        fail(r, mark, "put it in quotes if it is text", false,
             "%.40s is a number that JSON does not have", t);
        return json_null();
    }
    return is_float(t) ? json_real(strtod(t, NULL)) : json_string(t);
}

static json_t *scalar(struct reader *r)
{
    yaml_event_t *e = &r->event;
    const char *text = (const char *)e->data.scalar.value;
    const char *tag = (const char *)e->data.scalar.tag;
    size_t len = e->data.scalar.length;

    if (tag != NULL && strcmp(tag, "!") != 0 && strcmp(tag, "tag:yaml.org,2002:str") != 0)
        fail(r, e->start_mark, "remove the tag", false, "tags like %.60s are not allowed", tag);
    if (memchr(text, '\0', len) != NULL)
        fail(r, e->start_mark, "remove it", false, "a text holds U+0000");
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && tag == NULL)
        return plain(r, e->start_mark, text);
    json_t *value = json_string(text);
    return value != NULL ? value : json_null();
}

/* ---- nodes --------------------------------------------------------------------------------------
 */

static bool next_event(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event) == 1)
        return true;
    yaml_mark_t mark = r->parser.problem_mark;
    if (r->parser.error == YAML_READER_ERROR)
        fail(r, mark, "save the file as UTF-8", true, "the text is not valid UTF-8 (byte %zu)",
             r->parser.problem_offset);
    else
        fail(r, mark, "check indentation, quotes and brackets here and on the line before", true,
             "not valid YAML: %.200s%s%.200s",
             r->parser.problem != NULL ? r->parser.problem : "error",
             r->parser.context != NULL ? " " : "",
             r->parser.context != NULL ? r->parser.context : "");
    return false;
}

static json_t *node(struct reader *r);

static json_t *mapping(struct reader *r)
{
    json_t *object = json_object();

    while (!r->stop && next_event(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT) {
            fail(r, r->event.start_mark, "write the key as text", true, "a key must be a scalar");
            break;
        }
        char *key = mem_strdup((const char *)r->event.data.scalar.value);
        yaml_mark_t mark = r->event.start_mark;
        size_t before = push(r, key, 0);

        if (strcmp(key, "<<") == 0 && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
            fail(r, mark, "write the keys out", false, "merge keys are not part of YAML 1.2");
        if (json_object_get(object, key) != NULL)
            fail(r, mark, "keep one of them", false, "the key \"%.100s\" is there twice", key);
        put_place(r, mark);
        if (next_event(r))
            json_object_set_new(object, key, node(r));
        pop(r, before);
        free(key);
    }
    return object;
}

static json_t *sequence(struct reader *r)
{
    json_t *array = json_array();

    while (!r->stop && next_event(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        size_t before = push(r, NULL, json_array_size(array));

        put_place(r, r->event.start_mark);
        json_array_append_new(array, node(r));
        pop(r, before);
    }
    return array;
}

/* Counts what an alias stands for, so that a short text cannot become a huge value. */
static int count_nodes(const json_t *value)
{
    int n = 1;
    size_t i;
    const char *key;
    json_t *part;

    json_array_foreach(value, i, part) n += count_nodes(part);
    json_object_foreach((json_t *)(uintptr_t)value, key, part) n += count_nodes(part);
    return n;
}

static json_t *alias(struct reader *r)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    struct anchor *a;

    HASH_FIND_STR(r->anchors, name, a);
    if (a == NULL) {
        fail(r, r->event.start_mark, "define it before it is used", false,
             "there is no anchor \"%.60s\"", name);
        return json_null();
    }
    r->nodes += count_nodes(a->value);
    if (r->nodes > NODES_MAX) {
        fail(r, r->event.start_mark, "use fewer aliases", true,
             "aliases make more than %d values of the document", NODES_MAX);
        return json_null();
    }
    return json_deep_copy(a->value);
}

static void keep_anchor(struct reader *r, const char *name, json_t *value)
{
    struct anchor *a;

    HASH_FIND_STR(r->anchors, name, a);
    if (a == NULL) {
        a = mem_zalloc(sizeof *a);
        a->name = mem_strdup(name);
        HASH_ADD_KEYPTR(hh, r->anchors, a->name, strlen(a->name), a);
    }
    json_decref(a->value);
    a->value = json_incref(value);
}

static json_t *node(struct reader *r)
{
    yaml_event_t *e = &r->event;
    const char *given = e->type == YAML_SCALAR_EVENT          ? (char *)e->data.scalar.anchor
                        : e->type == YAML_MAPPING_START_EVENT ? (char *)e->data.mapping_start.anchor
                        : e->type == YAML_SEQUENCE_START_EVENT
                            ? (char *)e->data.sequence_start.anchor
                            : NULL;
    char *anchor = given != NULL ? mem_strdup(given) : NULL;
    json_t *value = NULL;

    if (++r->nodes > NODES_MAX)
        fail(r, e->start_mark, "split the document", true, "more than %d values", NODES_MAX);
    else if (++r->depth > JSON_DEPTH_MAX * 4)
        fail(r, e->start_mark, "nest less", true, "nested too deeply");
    else if (e->type == YAML_SCALAR_EVENT)
        value = scalar(r);
    else if (e->type == YAML_MAPPING_START_EVENT)
        value = mapping(r);
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        value = sequence(r);
    else if (e->type == YAML_ALIAS_EVENT)
        value = alias(r);
    r->depth--;
    if (value == NULL)
        value = json_null();
    if (anchor != NULL)
        keep_anchor(r, anchor, value);
    free(anchor);
    return value;
}

static void read_stream(struct reader *r)
{
    if (!next_event(r) || !next_event(r)) /* stream start, document start */
        return;
    if (r->event.type != YAML_DOCUMENT_START_EVENT) {
        fail(r, r->event.start_mark, "write a workflow", true, "the file is empty");
        return;
    }
    if (!next_event(r))
        return;
    put_place(r, r->event.start_mark);
    r->s->root = node(r);
    if (!r->stop && next_event(r) && next_event(r) && r->event.type != YAML_STREAM_END_EVENT)
        fail(r, r->event.start_mark, "put each workflow into a file of its own", true,
             "the file holds several documents");
}

struct source *source_read(const char *file, const char *text, size_t len)
{
    struct source *s = mem_zalloc(sizeof *s);
    struct reader r = {.s = s};
    struct anchor *a, *next;

    s->file = mem_strdup(file);
    if (len > SOURCE_BYTES_MAX) {
        source_error(s, "", "split it, or shorten it", "the document is larger than %d KiB",
                     SOURCE_BYTES_MAX / 1024);
        return s;
    }
    buf_init(&r.pointer, 1 << 20);
    yaml_parser_initialize(&r.parser);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    memset(&r.event, 0, sizeof r.event);
    read_stream(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    HASH_ITER(hh, r.anchors, a, next)
    {
        HASH_DEL(r.anchors, a);
        json_decref(a->value);
        free(a->name);
        free(a);
    }
    buf_fini(&r.pointer);
    if (r.stop) {
        json_decref(s->root);
        s->root = NULL;
    }
    return s;
}

void source_free(struct source *s)
{
    struct place *p, *next;

    if (s == NULL)
        return;
    HASH_ITER(hh, s->places, p, next)
    {
        HASH_DEL(s->places, p);
        free(p->pointer);
        free(p);
    }
    for (size_t i = 0; i < s->count; i++) {
        free((char *)(uintptr_t)s->findings[i].pointer);
        free((char *)(uintptr_t)s->findings[i].text);
        free((char *)(uintptr_t)s->findings[i].remedy);
    }
    free(s->findings);
    json_decref(s->root);
    free(s->file);
    free(s);
}

json_t *source_root(const struct source *s)
{
    return s->root;
}

const char *source_file(const struct source *s)
{
    return s->file;
}
