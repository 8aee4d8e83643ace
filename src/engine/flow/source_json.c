/* JSON that libyaml does not take: jansson makes the value, and a walk over the text, which is
 * valid by then, finds the places. */
#include <string.h>

#include "base/mem.h"
#include "engine/flow/source_internal.h"

struct walk {
    struct trail trail;
    const char *at, *end;
    int line, column; /* of `at` */
    int nodes, depth;
    bool stop;
};

static void advance(struct walk *w)
{
    unsigned char c = (unsigned char)*w->at++;

    if (c == '\n') {
        w->line++;
        w->column = 1;
    } else if ((c & 0xc0) != 0x80) {
        w->column++;
    }
}

static void blank(struct walk *w)
{
    while (w->at < w->end && strchr(" \t\r\n", *w->at) != NULL)
        advance(w);
}

static void string(struct walk *w)
{
    advance(w);
    while (w->at < w->end && *w->at != '"') {
        if (*w->at == '\\')
            advance(w);
        advance(w);
    }
    advance(w);
}

static void value(struct walk *w);

/* One member: key, colon, value. `seen` has the keys before it. */
static void member(struct walk *w, json_t *seen)
{
    const char *from = w->at;
    int line = w->line, column = w->column;

    string(w);
    json_t *key = json_loadb(from, (size_t)(w->at - from), JSON_DECODE_ANY, NULL);
    const char *text = key != NULL ? json_string_value(key) : "";
    struct trail_mark mark = trail_push(&w->trail, text, line, column);
    if (json_object_get(seen, text) != NULL)
        trail_error(&w->trail, line, column, "keep one of them",
                    "the key \"%.100s\" is there twice", text);
    json_object_set_new(seen, text, json_true());
    json_decref(key);
    blank(w);
    advance(w); /* : */
    blank(w);
    value(w);
    trail_pop(&w->trail, mark);
}

/* Members or elements up to the closing bracket. */
static void collection(struct walk *w)
{
    bool object = *w->at == '{';
    json_t *seen = object ? json_object() : NULL;
    size_t index = 0;

    advance(w);
    blank(w);
    while (!w->stop && *w->at != (object ? '}' : ']')) {
        if (object) {
            member(w, seen);
        } else {
            struct trail_mark mark = trail_push_index(&w->trail, index++, w->line, w->column);

            value(w);
            trail_pop(&w->trail, mark);
        }
        blank(w);
        if (*w->at == ',')
            advance(w);
        blank(w);
    }
    if (!w->stop)
        advance(w);
    json_decref(seen);
}

static void stop(struct walk *w, const char *remedy, const char *what, int limit)
{
    trail_error(&w->trail, w->line, w->column, remedy, what, limit);
    w->stop = true;
}

static void value(struct walk *w)
{
    if (w->stop)
        return;
    if (++w->nodes > SOURCE_NODES_MAX)
        stop(w, "split the document", "more than %d values", SOURCE_NODES_MAX);
    else if (++w->depth > SOURCE_DEPTH_MAX)
        stop(w, "nest less", "nested deeper than %d levels", SOURCE_DEPTH_MAX);
    else if (*w->at == '{' || *w->at == '[')
        collection(w);
    else if (*w->at == '"')
        string(w);
    else
        while (w->at < w->end && strchr(",]} \t\r\n", *w->at) == NULL)
            advance(w);
    w->depth--;
}

bool source_read_json(struct source *s, const char *text, size_t len)
{
    struct walk w = {.at = text, .end = text + len, .line = 1, .column = 1};
    json_error_t at;

    trail_init(&w.trail, s);
    s->root = json_loadb(text, len, 0, &at);
    if (s->root == NULL) {
        trail_error(&w.trail, at.line, at.column > 0 ? at.column : 1,
                    "check quotes, commas and brackets here and before", "not valid JSON: %.200s",
                    at.text);
    } else {
        blank(&w);
        s->line = w.line;
        s->column = w.column;
        value(&w);
    }
    trail_fini(&w.trail);
    if (w.stop) {
        json_decref(s->root);
        s->root = NULL;
    }
    return s->root != NULL;
}
