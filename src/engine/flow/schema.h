/* JSON Schema through valijson, which reads draft 7. Drafts 4 and 2019-09 to 2020-12 (what holds
 * without $schema) are rewritten to it; what it cannot say (unevaluatedProperties, minContains,
 * $dynamicRef) is refused, and so are references to elsewhere and those in a circle. Patterns are
 * Oniguruma's, 1 KiB at most, with a limit on backtracking; uniqueItems looks at 2,000 items. */
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
