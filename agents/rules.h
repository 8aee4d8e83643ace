/* Rules: regular expressions that are looked for line by line, in the text or in the code alone. */
#ifndef AGENTS_RULES_H
#define AGENTS_RULES_H

#include <jansson.h>

#include "walk.h"

struct rule {
    const char *id;
    const char *severity; /* critical high medium low info */
    const char *title;
    const char *needle;  /* lower case; a line without it is not looked at further; or NULL */
    const char *pattern; /* POSIX extended, case ignored */
    unsigned family;     /* language_family bits; 0: every text file, raw text */
    bool secret;         /* what matched is redacted */
};

enum { FINDINGS_MAX = 200 };

/* Compiled rules and what they found; used by one thread. */
struct ruleset;

struct ruleset *ruleset_new(const struct rule *rules, size_t count);
void ruleset_free(struct ruleset *s);

/* `code` is source_code_only of the file, or NULL when it has no language. */
void ruleset_apply(struct ruleset *s, const struct walk_file *file, const char *code);

/* The same as a callback of walk_tree: `ruleset` is the set; comments are taken out first. */
void ruleset_file(void *ruleset, const struct walk_file *file);

/* {findings: [{rule, severity, title, file, line, context}], total, bySeverity: {…}, byRule: {…}};
 * the worst FINDINGS_MAX findings, the worst first. */
json_t *ruleset_result(const struct ruleset *s);

#endif
