/* TOML texts through toml++, as a flat list of settings in the order of the text. Any thread. */
#ifndef BASE_TOML_H
#define BASE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TOML_PATH_MAX = 6 };

enum toml_kind {
    TOML_STRING,
    TOML_INTEGER,
    TOML_REAL,
    TOML_BOOLEAN,
    TOML_LIST,  /* an array of strings, or an empty one */
    TOML_TABLE, /* a table without keys */
    TOML_OTHER  /* dates, arrays of other things */
};

/* One leaf of the tree. Everything in it is borrowed for the duration of the visit. Strings are
 * UTF-8 without U+0000. */
struct toml_leaf {
    const char *path[TOML_PATH_MAX]; /* keys from the root */
    size_t depth;
    enum toml_kind kind;
    const char *text; /* TOML_STRING */
    int64_t integer;  /* TOML_INTEGER */
    double real;      /* TOML_REAL; may be infinite or not a number */
    bool truth;       /* TOML_BOOLEAN */
    const char *const *items;
    size_t count;     /* TOML_LIST */
    int line, column; /* of the key, from 1 */
};

typedef enum errcode toml_visit(void *arg, const struct toml_leaf *leaf, struct err *err);

/* Visits every leaf until a visit fails. ERR_CONFIG "FILE:LINE:COLUMN: what" for a text that is no
 * TOML or nests deeper than TOML_PATH_MAX. */
enum errcode toml_read(const char *file, const char *text, size_t len, toml_visit *visit, void *arg,
                       struct err *err);

#ifdef __cplusplus
}
#endif

#endif
