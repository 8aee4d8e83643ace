/* Inside the reading of documents: the source as its readers (YAML, JSON) fill it. */
#ifndef FLOW_SOURCE_INTERNAL_H
#define FLOW_SOURCE_INTERNAL_H

#include <stdarg.h>
#include <stdint.h>

#include "engine/flow/source.h"

struct place;

struct source {
    char *file;
    json_t *root;
    int line, column;     /* of the root, 0: unknown */
    struct place *places; /* of the parts, by parent and last segment: as small as the text */
    uint32_t place_count;
    struct finding *findings;
    size_t count, cap, dropped;
    bool failed;
};

/* Where a reader is in the tree: the pointer for messages, and the place for its children. */
struct trail {
    struct source *s;
    struct buf pointer;
    uint32_t place;
};
struct trail_mark {
    size_t len;
    uint32_t place;
};

void trail_init(struct trail *t, struct source *s);
void trail_fini(struct trail *t);
/* Goes to a child and notes its place. A pointer that exists keeps its first place. */
struct trail_mark trail_push(struct trail *t, const char *segment, int line, int column);
struct trail_mark trail_push_index(struct trail *t, size_t index, int line, int column);
void trail_pop(struct trail *t, struct trail_mark mark);

void trail_error(struct trail *t, int line, int column, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void source_add(struct source *s, bool warning, int line, int column, const char *pointer,
                const char *remedy, const char *fmt, va_list ap);
/* Line and column (in characters, from 1) of a byte. */
void source_locate(const char *text, size_t at, int *line, int *column);

enum { SOURCE_NODES_MAX = 20000 };

/* Fill s->root and the places. With findings that make it unreadable the root stays NULL; JSON says
 * so by false as well. */
void source_read_yaml(struct source *s, const char *text, size_t len);
bool source_read_json(struct source *s, const char *text, size_t len);

#endif
