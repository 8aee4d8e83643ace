/* A document's findings and places. The place of each part is kept as a tree, a node for each key
 * or index: full pointers would take the square of the text when long keys nest. */
#include "engine/flow/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"
#include "base/printable.h"
#include "engine/flow/source_internal.h"

enum { TEXT_MAX = 600, POINTER_MAX = 1 << 20 };

struct place {
    uint32_t id; /* from 1; the root is 0 */
    int line, column;
    size_t key_len;
    UT_hash_handle hh;
    char key[]; /* the parent's id (4 bytes), then the segment */
};

/* ---- findings -----------------------------------------------------------------------------------
 */

void source_add(struct source *s, bool warning, int line, int column, const char *pointer,
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
                                               .text = printable_line(text),
                                               .remedy = mem_strdup(remedy)};
}

void trail_error(struct trail *t, int line, int column, const char *remedy, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    source_add(t->s, false, line, column, t->pointer.data != NULL ? t->pointer.data : "", remedy,
               fmt, ap);
    va_end(ap);
}

void source_error(struct source *s, const char *pointer, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    int line, column;

    source_place(s, pointer, &line, &column);
    va_start(ap, fmt);
    source_add(s, false, line, column, pointer, remedy, fmt, ap);
    va_end(ap);
}

void source_warn(struct source *s, const char *pointer, const char *remedy, const char *fmt, ...)
{
    va_list ap;
    int line, column;

    source_place(s, pointer, &line, &column);
    va_start(ap, fmt);
    source_add(s, true, line, column, pointer, remedy, fmt, ap);
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

static struct place *find_place(const struct source *s, const char *key, size_t len)
{
    struct place *p;

    HASH_FIND(hh, s->places, key, len, p);
    return p;
}

static uint32_t put_place(struct source *s, uint32_t parent, const char *segment, int line,
                          int column)
{
    size_t len = sizeof parent + strlen(segment);
    struct place *p = mem_zalloc(sizeof *p + len + 1);

    memcpy(p->key, &parent, sizeof parent);
    memcpy(p->key + sizeof parent, segment, len - sizeof parent);
    p->key_len = len;
    struct place *old = find_place(s, p->key, len);
    if (old != NULL) {
        free(p);
        return old->id;
    }
    p->id = ++s->place_count;
    p->line = line;
    p->column = column;
    HASH_ADD_KEYPTR(hh, s->places, p->key, p->key_len, p);
    return p->id;
}

/* Copies one segment without its escapes behind `key`; returns what follows it. */
static const char *read_segment(const char *pointer, struct buf *key)
{
    for (; *pointer != '\0' && *pointer != '/'; pointer++) {
        char c = *pointer;

        if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
            c = *++pointer == '0' ? '~' : '/';
        buf_add(key, &c, 1);
    }
    return pointer;
}

void source_place(const struct source *s, const char *pointer, int *line, int *column)
{
    struct buf key;
    uint32_t parent = 0;

    *line = s->line;
    *column = s->column;
    buf_init(&key, POINTER_MAX);
    while (*pointer == '/') {
        buf_clear(&key);
        buf_add(&key, &parent, sizeof parent);
        pointer = read_segment(pointer + 1, &key);
        const struct place *p = find_place(s, key.data, key.len);
        if (p == NULL)
            break;
        parent = p->id;
        *line = p->line;
        *column = p->column;
    }
    buf_fini(&key);
}

void source_locate(const char *text, size_t at, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if ((text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

/* ---- the trail of a reader ----------------------------------------------------------------------
 */

void trail_init(struct trail *t, struct source *s)
{
    *t = (struct trail){.s = s};
    buf_init(&t->pointer, POINTER_MAX);
}

void trail_fini(struct trail *t)
{
    buf_fini(&t->pointer);
}

struct trail_mark trail_push(struct trail *t, const char *segment, int line, int column)
{
    struct trail_mark mark = {t->pointer.len, t->place};

    buf_add(&t->pointer, "/", 1);
    for (const char *c = segment; *c != '\0'; c++) {
        if (*c == '~' || *c == '/')
            buf_str(&t->pointer, *c == '~' ? "~0" : "~1");
        else
            buf_add(&t->pointer, c, 1);
    }
    t->place = put_place(t->s, t->place, segment, line, column);
    return mark;
}

struct trail_mark trail_push_index(struct trail *t, size_t index, int line, int column)
{
    char text[24];

    snprintf(text, sizeof text, "%zu", index);
    return trail_push(t, text, line, column);
}

void trail_pop(struct trail *t, struct trail_mark mark)
{
    t->pointer.len = mark.len;
    t->pointer.full = false;
    if (t->pointer.data != NULL)
        t->pointer.data[mark.len] = '\0';
    t->place = mark.place;
}

/* ---- reading ------------------------------------------------------------------------------------
 */

/* What no reader accepts, found before either sees it, with its place. */
static bool is_text(struct source *s, const char *text, size_t len)
{
    struct trail t;
    int line, column;

    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t n = printable_decode(text + at, len - at, &c);

        if (n > 0 && (c >= 0x20 || c == '\t' || c == '\n' || c == '\r')) {
            at += n;
            continue;
        }
        source_locate(text, at, &line, &column);
        trail_init(&t, s);
        if (n == 0)
            trail_error(&t, line, column, "save the file as UTF-8",
                        "the text is not valid UTF-8 (byte %zu)", at);
        else
            trail_error(&t, line, column, "remove it", "a control character (U+%04X)", c);
        trail_fini(&t);
        return false;
    }
    return true;
}

static struct source *source_new(const char *file)
{
    struct source *s = mem_zalloc(sizeof *s);

    s->file = mem_strdup(file);
    return s;
}

/* Begins with a brace, and with a quote behind it when `surely`. */
static bool is_json(const char *text, size_t len, bool surely)
{
    static const char blank[] = " \t\r\n";
    size_t at = 0;

    while (at < len && strchr(blank, text[at]) != NULL)
        at++;
    if (at == len || text[at++] != '{')
        return false;
    while (at < len && strchr(blank, text[at]) != NULL)
        at++;
    return !surely || (at < len && text[at] == '"');
}

/* JSON is YAML but for surrogates, tabs and long keys, which libyaml refuses: what begins as an
 * object and is no YAML is read again as JSON, and what looks like JSON is told its faults so. */
struct source *source_read(const char *file, const char *text, size_t len)
{
    struct source *yaml = source_new(file), *json;

    if (len > SOURCE_BYTES_MAX) {
        source_error(yaml, "", "split it, or shorten it", "the document is larger than %d KiB",
                     SOURCE_BYTES_MAX / 1024);
        return yaml;
    }
    if (!is_text(yaml, text, len))
        return yaml;
    source_read_yaml(yaml, text, len);
    if (yaml->root != NULL || !is_json(text, len, false))
        return yaml;
    json = source_new(file);
    if (source_read_json(json, text, len) || is_json(text, len, true)) {
        source_free(yaml);
        return json;
    }
    source_free(json);
    return yaml;
}

void source_free(struct source *s)
{
    struct place *p, *next;

    if (s == NULL)
        return;
    HASH_ITER(hh, s->places, p, next)
    {
        HASH_DEL(s->places, p);
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
