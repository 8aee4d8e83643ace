#include "engine/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

json_t *problem_new(const char *name, int status, const char *title, const char *fmt, ...)
{
    char type[128], detail[PROBLEM_DETAIL_MAX];
    va_list ap;

    snprintf(type, sizeof type, PROBLEM_SPEC "%s", name);
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    json_t *problem = json_pack("{s:s, s:i, s:s}", "type", type, "status", status, "title", title);
    json_t *text = json_string(detail);
    /* A text that is not UTF-8, or was cut inside a character, is kept as far as it can be read. */
    for (size_t len = strlen(detail); text == NULL && len > 0; len--)
        text = json_stringn(detail, len - 1);
    json_object_set_new(problem, "detail", text);
    return problem;
}

json_t *problem_from_err(const struct err *err)
{
    json_t *problem =
        problem_new("runtime", err_http_status(err->code), err_name(err->code), "%s", err->text);
    char type[128];

    snprintf(type, sizeof type, PROBLEM_OURS "%s", err_name(err->code));
    json_object_set_new(problem, "type", json_string(type));
    return problem;
}

/* What follows one of the known prefixes; NULL for a type of somebody else. */
static const char *last_segment(const char *type)
{
    static const char *const prefixes[] = {
        PROBLEM_SPEC,
        "https://serverlessworkflow.io/dsl/errors/types/",
        "https://open-workflow-specification.org/spec/1.0.0/errors/",
        "https://open-workflow-specification.org/dsl/errors/types/",
    };

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);

        if (strncmp(type, prefixes[i], len) == 0)
            return type + len;
    }
    return NULL;
}

bool problem_same_type(const char *a, const char *b)
{
    const char *x = last_segment(a), *y = last_segment(b);

    return strcmp(a, b) == 0 || (x != NULL && y != NULL && strcmp(x, y) == 0);
}
