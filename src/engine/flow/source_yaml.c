/* YAML events to JSON values. Plain scalars follow the core schema of YAML 1.2; libyaml itself only
 * splits the text. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <yaml.h>

#include "base/mem.h"
#include "engine/flow/source_internal.h"

enum { EXPANDED_MAX = 1 << 20 };

struct anchor {
    char *name;
    json_t *value;
    UT_hash_handle hh;
};

struct reader {
    struct trail trail;
    yaml_parser_t parser;
    yaml_event_t event;
    struct anchor *anchors;
    int nodes, depth;
    size_t expanded; /* bytes of text that aliases have added */
    bool stop;
};

__attribute__((format(printf, 5, 6))) static void fail(struct reader *r, yaml_mark_t mark,
                                                       const char *remedy, bool stop,
                                                       const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    trail_error(&r->trail, (int)mark.line + 1, (int)mark.column + 1, remedy, "%s", text);
    r->stop = r->stop || stop;
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
    static const char *const specials[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                           "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                           ".NaN",  ".NAN",  NULL};

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

/* Only the tags that say "text" are known: ! and !!str. */
static void check_scalar(struct reader *r, const char *what)
{
    const yaml_event_t *e = &r->event;
    const char *tag = (const char *)e->data.scalar.tag;

    if (tag != NULL && strcmp(tag, "!") != 0 && strcmp(tag, "tag:yaml.org,2002:str") != 0)
        fail(r, e->start_mark, "remove the tag", false, "tags like %.60s are not allowed", tag);
    if (memchr(e->data.scalar.value, '\0', e->data.scalar.length) != NULL)
        fail(r, e->start_mark, "remove it", false, "a %s holds U+0000", what);
}

static json_t *scalar(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    const char *text = (const char *)e->data.scalar.value;

    check_scalar(r, "text");
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && e->data.scalar.tag == NULL)
        return plain(r, e->start_mark, text);
    json_t *value = json_string(text);
    return value != NULL ? value : json_null();
}

/* ---- nodes --------------------------------------------------------------------------------------
 */

static void refuse_text(struct reader *r, const char *text)
{
    yaml_mark_t mark = r->parser.problem_mark;
    int line, column;

    if (r->parser.error == YAML_READER_ERROR) { /* has no mark, only a byte */
        source_locate(text, r->parser.problem_offset, &line, &column);
        mark.line = (size_t)line - 1;
        mark.column = (size_t)column - 1;
    }
    fail(r, mark, "check indentation, quotes and brackets here and on the line before", true,
         "not valid YAML: %.200s%s%.200s", r->parser.problem != NULL ? r->parser.problem : "error",
         r->parser.context != NULL ? " " : "", r->parser.context != NULL ? r->parser.context : "");
}

static bool next_event(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event) == 1)
        return true;
    refuse_text(r, (const char *)r->parser.input.string.start);
    return false;
}

static json_t *node(struct reader *r);

/* The key of a member, checked; its place is on the trail. Heap. */
static char *member_key(struct reader *r, json_t *object, struct trail_mark *mark)
{
    const yaml_event_t *e = &r->event;
    const char *text = (const char *)e->data.scalar.value;
    yaml_mark_t at = e->start_mark;
    char *key = mem_strdup(text);

    *mark = trail_push(&r->trail, key, (int)at.line + 1, (int)at.column + 1);
    check_scalar(r, "key");
    if (strcmp(key, "<<") == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        fail(r, at, "write the keys out", false, "merge keys are not part of YAML 1.2");
    if (json_object_get(object, key) != NULL)
        fail(r, at, "keep one of them", false, "the key \"%.100s\" is there twice", key);
    return key;
}

static json_t *mapping(struct reader *r)
{
    json_t *object = json_object();
    struct trail_mark mark;

    while (!r->stop && next_event(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT) {
            fail(r, r->event.start_mark, "write the key as text", true, "a key must be a scalar");
            break;
        }
        char *key = member_key(r, object, &mark);
        if (next_event(r))
            json_object_set_new(object, key, node(r));
        trail_pop(&r->trail, mark);
        free(key);
    }
    return object;
}

static json_t *sequence(struct reader *r)
{
    json_t *array = json_array();

    while (!r->stop && next_event(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        yaml_mark_t at = r->event.start_mark;
        struct trail_mark mark = trail_push_index(&r->trail, json_array_size(array),
                                                  (int)at.line + 1, (int)at.column + 1);

        json_array_append_new(array, node(r));
        trail_pop(&r->trail, mark);
    }
    return array;
}

struct extent {
    int nodes, depth;
    size_t bytes;
};

/* What an alias stands for, so that a short text cannot become a huge value. */
static void measure(const json_t *value, int depth, struct extent *x)
{
    size_t i;
    const char *key;
    json_t *part;

    x->nodes++;
    x->bytes += json_string_length(value);
    if (depth > x->depth)
        x->depth = depth;
    json_array_foreach(value, i, part) measure(part, depth + 1, x);
    json_object_foreach((json_t *)(uintptr_t)value, key, part)
    {
        x->bytes += strlen(key);
        measure(part, depth + 1, x);
    }
}

static json_t *alias(struct reader *r)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    struct extent x = {0};
    struct anchor *a;

    HASH_FIND_STR(r->anchors, name, a);
    if (a == NULL) {
        fail(r, r->event.start_mark, "define it before it is used", false,
             "there is no anchor \"%.60s\"", name);
        return json_null();
    }
    measure(a->value, 0, &x);
    r->nodes += x.nodes;
    r->expanded += x.bytes;
    if (r->depth + x.depth > SOURCE_DEPTH_MAX)
        fail(r, r->event.start_mark, "nest less", true, "aliases nest deeper than %d levels",
             SOURCE_DEPTH_MAX);
    else if (r->nodes > SOURCE_NODES_MAX || r->expanded > EXPANDED_MAX)
        fail(r, r->event.start_mark, "use fewer aliases", true,
             "aliases make more than %d values or %d KiB of text", SOURCE_NODES_MAX,
             EXPANDED_MAX / 1024);
    else
        return json_deep_copy(a->value);
    return json_null();
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

static void free_anchors(struct reader *r)
{
    struct anchor *a, *next;

    HASH_ITER(hh, r->anchors, a, next)
    {
        HASH_DEL(r->anchors, a);
        json_decref(a->value);
        free(a->name);
        free(a);
    }
}

/* The anchor of a node, heap; reports the tag of a collection (a scalar's is looked at there). */
static char *properties(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    }
    if (tag != NULL)
        fail(r, e->start_mark, "remove the tag", false, "tags like %.60s are not allowed",
             (const char *)tag);
    return anchor != NULL ? mem_strdup((const char *)anchor) : NULL;
}

static json_t *node(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    char *anchor = properties(r);
    json_t *value = NULL;

    if (++r->nodes > SOURCE_NODES_MAX)
        fail(r, e->start_mark, "split the document", true, "more than %d values", SOURCE_NODES_MAX);
    else if (++r->depth > SOURCE_DEPTH_MAX)
        fail(r, e->start_mark, "nest less", true, "nested deeper than %d levels", SOURCE_DEPTH_MAX);
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

static json_t *document(struct reader *r)
{
    json_t *root;

    if (!next_event(r) || !next_event(r)) /* stream start, document start */
        return NULL;
    if (r->event.type != YAML_DOCUMENT_START_EVENT) {
        fail(r, r->event.start_mark, "write a workflow", true, "the file is empty");
        return NULL;
    }
    if (!next_event(r))
        return NULL;
    r->trail.s->line = (int)r->event.start_mark.line + 1;
    r->trail.s->column = (int)r->event.start_mark.column + 1;
    root = node(r);
    if (!r->stop && next_event(r) && next_event(r) && r->event.type != YAML_STREAM_END_EVENT)
        fail(r, r->event.start_mark, "put each workflow into a file of its own", true,
             "the file holds several documents");
    return root;
}

void source_read_yaml(struct source *s, const char *text, size_t len)
{
    struct reader r = {.stop = false};

    trail_init(&r.trail, s);
    if (yaml_parser_initialize(&r.parser) == 0)
        abort(); /* no memory */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(len > 0 ? text : ""), len);
    s->root = document(&r);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    free_anchors(&r);
    trail_fini(&r.trail);
    if (r.stop) {
        json_decref(s->root);
        s->root = NULL;
    }
}
