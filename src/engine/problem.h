/* An error as workflows see it: RFC 7807, kept as a JSON object {type, status, instance?, title,
 * detail?}. Types are the specification's (https://serverlessworkflow.io/spec/1.0.0/errors/NAME) or
 * our own (https://ultramcp.dev/restate/errors/NAME, NAME from base/err.h). */
#ifndef ENGINE_PROBLEM_H
#define ENGINE_PROBLEM_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

#define PROBLEM_SPEC "https://serverlessworkflow.io/spec/1.0.0/errors/"
#define PROBLEM_OURS "https://ultramcp.dev/restate/errors/"
enum { PROBLEM_DETAIL_MAX = 4096 };

/* New reference. `name` is the last segment of a specification type: configuration, validation,
 * expression, authentication, authorization, timeout, communication, runtime. */
json_t *problem_new(const char *name, int status, const char *title, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
json_t *problem_from_err(const struct err *err); /* one of ours; status from the error table */

/* The same type whatever of the four known prefixes it is spelled with (dsl-digest D14). */
bool problem_same_type(const char *a, const char *b);

#endif
