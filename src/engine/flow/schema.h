/* JSON Schema through valijson (drafts 4 to 7; a 2020-12 schema is read as draft 7, which documents
 * use in the part that is the same). Remote references are refused. */
#ifndef FLOW_SCHEMA_H
#define FLOW_SCHEMA_H

#include <jansson.h>

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

struct schema;

/* ERR_INVALID with valijson's words when the schema itself is wrong. */
enum errcode schema_new(const json_t *document, struct schema **out, struct err *err);
void schema_free(struct schema *s);

/* ERR_INVALID; the text names up to five places (JSON pointer and what was expected). Thread-safe.
 */
enum errcode schema_check(const struct schema *s, const json_t *value, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
