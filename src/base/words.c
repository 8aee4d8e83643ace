#include "base/words.h"

#include <string.h>

enum { WORD_MAX = 63 };

/* Levenshtein's distance, with one row. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], len = strlen(b);

    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[len];
}

const char *words_closest(const char *word, const char *const *names, size_t count)
{
    size_t len = strlen(word),
           best = len / 3 + 2; /* one slip in a short word, more in a long one */
    const char *found = NULL;

    if (len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);

        if (name_len > WORD_MAX)
            continue;
        size_t d = len >= 3 && strncmp(word, names[i], len) == 0 ? 1 : distance(word, names[i]);
        if (d < best && d < name_len) {
            best = d;
            found = names[i];
        }
    }
    return found;
}
