/* JSON at the borders: strict and bounded. Values inside the program are jansson's json_t, treated
 * as immutable once made and shared by reference; loop thread only. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 64 };

/* Parses one JSON text of `len` bytes (any value, not only objects). Refuses: nesting beyond
 * JSON_DEPTH_MAX, duplicate keys, U+0000, invalid UTF-8, anything after the value. `*out` is a new
 * reference, NULL on failure. `what` names the text in the message ("request body"). */
enum errcode json_parse(const char *text, size_t len, const char *what, json_t **out,
                        struct err *err);

/* Compact text, shortest numbers that read back the same (0.1, not 0.10000000000000001). False when
 * the buffer's maximum is reached. */
bool json_write(struct buf *b, const json_t *value);
char *json_text(const json_t *value); /* the same on the heap; the caller frees */

/* Lookups with a default, for objects that were validated or come from ourselves. */
const char *json_str(const json_t *object, const char *key, const char *fallback); /* borrowed */
int64_t json_int(const json_t *object, const char *key, int64_t fallback);
bool json_bool(const json_t *object, const char *key, bool fallback);

#endif
