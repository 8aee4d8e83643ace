/* Tables for people: columns as wide as they need, the last one cut at the edge of the terminal.
 * Cells are made harmless when they are added. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdint.h>
#include <stdio.h>

struct table;

/* `titles`: names of the columns, ended by NULL, static; one that begins with '>' is aligned to the
 * right. */
struct table *table_new(const char *const *titles);
void table_free(struct table *t);
void table_cell(struct table *t, const char *text); /* the next one; copied; NULL: "-" */
/* `width` columns, 0: no edge. */
void table_print(const struct table *t, FILE *to, size_t width);

size_t table_terminal(FILE *to); /* its width, 0 when it is no terminal */

enum { TEXT_TIME_SIZE = 32 };
/* "2026-11-24 16:40:12" in local time, "-" for 0; "1.24 s" "3 m 02 s"; "-" for less than 0. */
const char *text_time(int64_t ms, char text[TEXT_TIME_SIZE]);
const char *text_span(int64_t ms, char text[TEXT_TIME_SIZE]);

#endif
