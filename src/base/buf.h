/* A growing byte buffer that cannot be made without a maximum. A write beyond it sets `full`,
 * leaves what is there untouched, and every later write fails too, so that a sequence of writes is
 * checked once at its end. The data is always NUL-terminated. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL until the first write; owned */
    size_t len;
    size_t cap;
    size_t max; /* bytes of data at most */
    bool full;  /* a write did not fit */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  /* frees; the buffer may be used again after buf_init */
void buf_clear(struct buf *b); /* keeps the memory */
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_str(struct buf *b, const char *text);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_varint(struct buf *b, uint64_t value); /* LEB128, 1 to 10 bytes */
char *buf_steal(struct buf *b, size_t *len);    /* the caller frees; the buffer is empty after */

#endif
