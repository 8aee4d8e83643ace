/* The documents of this process: each compiled once, found by the digest of its source, kept until
 * the engine is gone. Files of directories, single files, and what the store holds from before.
 * Loop thread only. */
#ifndef DOCUMENTS_H
#define DOCUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/flow/flow.h"

struct documents;

struct documents *documents_new(void);
void documents_free(struct documents *d); /* after the engine */

engine_revive documents_revive; /* arg: the documents */

/* Reads a regular file of at most SOURCE_BYTES_MAX bytes, or standard input ("-"). The caller
 * frees. ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_INVALID (not a file). */
enum errcode documents_read(const char *path, char **text, size_t *len, struct err *err);

/* Compiles a file and registers it. ERR_PARSE: it is not valid, `report` (may be NULL) has the
 * findings; ERR_CONFLICT: this version was loaded with other content. `*out` is borrowed. */
enum errcode documents_load(struct documents *d, struct engine *e, const char *path,
                            struct buf *report, const struct flow **out, struct err *err);

/* All *.yaml, *.yml and *.json of a directory, in the order of their names. What is wrong is
 * logged, and the rest is loaded all the same. Returns how many are usable; -1: no such directory.
 */
int documents_load_dir(struct documents *d, struct engine *e, const char *dir);

/* The names that documents_load_dir looks at. */
bool documents_is_name(const char *file);

/* Builds the expressions of one document that was loaded without; false when none is left. */
bool documents_prepare(struct documents *d);

#endif
