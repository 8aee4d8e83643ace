/* A document as text: YAML 1.2 (core schema) or JSON, read into a JSON value that remembers where
 * each part stood, and the list of everything found wrong with it. Pure; any thread. */
#ifndef FLOW_SOURCE_H
#define FLOW_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { SOURCE_BYTES_MAX = 256 * 1024, SOURCE_PROBLEMS_MAX = 100, SOURCE_DEPTH_MAX = 256 };

struct source;

/* One finding. Texts are owned by the source. */
struct finding {
    bool warning;
    int line, column;    /* from 1; 0 when there is no place */
    const char *pointer; /* JSON pointer */
    const char *text;    /* what is wrong */
    const char *remedy;  /* what to do; may be "" */
};

/* Never NULL. `file` is used in messages. A text that cannot be read gives a source whose root is
 * NULL and whose findings say why (bad YAML, duplicate keys, over SOURCE_BYTES_MAX, nesting beyond
 * SOURCE_DEPTH_MAX (a task takes four levels), tags, more than 20,000 values or 1 MiB of text after
 * the expansion of aliases, several documents, not UTF-8). Plain scalars follow
 * the YAML 1.2 core schema: `on`, `yes`, dates, 1_000 and 12:30:00 are strings, 0o17 is octal;
 * quoted ones are strings. */
struct source *source_read(const char *file, const char *text, size_t len);
void source_free(struct source *s);

json_t *source_root(const struct source *s); /* borrowed; NULL when unreadable */
const char *source_file(const struct source *s);

/* The place of the part at a JSON pointer (of its key where it has one), or of its nearest parent.
 */
void source_place(const struct source *s, const char *pointer, int *line, int *column);

/* Adds a finding at a pointer. Beyond SOURCE_PROBLEMS_MAX they are counted only. */
void source_error(struct source *s, const char *pointer, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void source_warn(struct source *s, const char *pointer, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

size_t source_findings(const struct source *s, const struct finding **list); /* ordered by place */
bool source_failed(const struct source *s); /* some finding is an error */

/* "FILE:LINE:COL: error: TEXT\n    remedy: …\n" for each. */
void source_report(const struct source *s, struct buf *out);

#endif
