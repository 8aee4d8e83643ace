/* Source code as text: which language a file is in, which of its lines are code, and the code alone
 * with comments and strings blanked, so that what looks for calls does not find them in prose. */
#ifndef AGENTS_SOURCE_H
#define AGENTS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

enum function_style { FUNCTIONS_NONE, FUNCTIONS_BRACES, FUNCTIONS_INDENT };

enum language_family { /* bits: which rules apply */
                       FAMILY_C = 1,
                       FAMILY_PYTHON = 2,
                       FAMILY_JS = 4,
                       FAMILY_JVM = 8,
                       FAMILY_GO = 16,
                       FAMILY_SHELL = 32,
                       FAMILY_PHP = 64,
                       FAMILY_RUST = 128,
                       FAMILY_RUBY = 256,
                       FAMILY_TEXT = 512,
                       FAMILY_ANY = 1023
};

struct language {
    const char *name;
    const char *names; /* ".c .h Makefile ": extensions and whole names, each followed by a space */
    const char *line;  /* line comment, or NULL */
    const char *open, *close; /* block comment, or NULL */
    const char *quotes;       /* characters that open a string */
    enum function_style functions;
    unsigned family;
};

/* By the file's name; NULL when it is no language that is counted. */
const struct language *language_of(const char *file);

struct line_counts {
    long lines, blank, comment, code;
};

/* Counts lines and returns the code alone: as long as the text, with every byte of comments and
 * strings (not line ends) made a space. The caller frees. */
char *source_code_only(const struct language *l, const char *text, size_t len,
                       struct line_counts *counts);

/* Calls `found` for each function: its name (not NUL-terminated), first line and number of lines.
 */
typedef void function_found(void *arg, const char *name, size_t name_len, long line, long lines);
void source_functions(const struct language *l, const char *code, size_t len, function_found *found,
                      void *arg);

#endif
