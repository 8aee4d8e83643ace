/* "Did you mean …": the known word that a mistyped one is most likely to stand for. Pure; any
 * thread. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

/* The one of `count` names that is closest to `word`: a few letters changed, added or left out, or
 * a beginning of it. NULL when none is close, or `word` is longer than 63 bytes. Borrowed from
 * `names`. */
const char *words_closest(const char *word, const char *const *names, size_t count);

#endif
