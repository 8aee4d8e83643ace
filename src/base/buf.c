#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

/* Makes room for `len` more bytes and the NUL. */
static bool reserve(struct buf *b, size_t len)
{
    if (b->full || len > b->max - b->len) {
        b->full = true;
        return false;
    }
    if (b->len + len + 1 > b->cap) {
        size_t cap = b->cap > 0 ? b->cap : 64;

        while (cap < b->len + len + 1)
            cap *= 2;
        b->data = mem_array(b->data, cap, 1);
        b->cap = cap;
    }
    return true;
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return false;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool buf_str(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    bool ok = n >= 0 && reserve(b, (size_t)n);
    if (ok) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return ok;
}

bool buf_varint(struct buf *b, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;

    while (value >= 0x80) {
        bytes[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (unsigned char)value;
    return buf_add(b, bytes, n);
}

char *buf_steal(struct buf *b, size_t *len)
{
    char *data = b->data != NULL ? b->data : mem_strdup("");

    if (len != NULL)
        *len = b->len;
    *b = (struct buf){.max = b->max};
    return data;
}
