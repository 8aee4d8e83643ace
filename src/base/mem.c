#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p)
{
    if (p == NULL) {
        fputs("ultramcp-restate: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_zalloc(size_t size)
{
    return check(calloc(1, size > 0 ? size : 1));
}

void *mem_array(void *old, size_t count, size_t size)
{
    return check(reallocarray(old, count > 0 ? count : 1, size));
}

char *mem_strdup(const char *text)
{
    return check(strdup(text));
}

char *mem_strndup(const char *text, size_t len)
{
    return check(strndup(text, len));
}

char *mem_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    return check(n < 0 ? NULL : text);
}

void *mem_grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap > 0 ? *cap * 2 : 8;
    return mem_array(array, *cap, size);
}
