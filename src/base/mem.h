/* Allocation for small things that the program cannot go on without: these abort with a message
 * when there is no memory (crash-only recovery is tested daily; half-initialised state is not).
 * What grows with a request goes through base/buf.h, which has a maximum. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_array(void *old, size_t count, size_t size); /* realloc(count * size), overflow checked */
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc));

/* Makes room for one more element: doubles `*cap`, returns the (moved) array. */
void *mem_grow(void *array, size_t count, size_t *cap, size_t size);

#endif
