/* Text of others made harmless for a terminal, by the one function that every display goes through.
 * What moves the cursor, hides or reorders text (control characters, C1, bidirectional marks, zero
 * width and unassignable characters) and what is no UTF-8 becomes a visible escape: \x1b, \u202e.
 * The result is valid UTF-8, and doing it twice changes nothing. Pure; any thread. */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum printable_mode {
    PRINTABLE_LINE, /* one line: \n and \t are escaped as well */
    PRINTABLE_TEXT, /* \n and \t stay; a \r does not */
    PRINTABLE_JSON, /* `text` is JSON: the escapes are JSON's, so that the value stays the same */
};

/* Appends; false when the buffer's maximum is reached. */
bool printable_add(struct buf *b, const char *text, size_t len, enum printable_mode mode);

/* The same on the heap; the caller frees. NULL is "". */
char *printable_line(const char *text);

/* Columns that a harmless text takes on a terminal: wide and combining characters are counted so.
 */
size_t printable_width(const char *text);

/* Reads one character; returns its bytes, 0 when there is no valid one at `text`. */
size_t printable_decode(const char *text, size_t len, uint32_t *c);
bool printable_is_hostile(uint32_t c);

#endif
