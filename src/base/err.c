#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    const char *name;
    int http;
    bool retryable;
} table[ERR_COUNT] = {
#define X(code, name, http, retryable) [code] = {name, http, retryable},
    ERR_TABLE(X)
#undef X
};

enum errcode err_set(struct err *err, enum errcode code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list ap;

        err->code = code;
        va_start(ap, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return code;
}

const char *err_name(enum errcode code)
{
    return table[code].name;
}

int err_http_status(enum errcode code)
{
    return table[code].http;
}

bool err_retryable(enum errcode code)
{
    return table[code].retryable;
}
