/* Finds patterns: how the code is built, what smells, and what stands there twice. */
#include "analysis.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

enum { WINDOW = 8, WINDOWS_MAX = 400000, EXAMPLES = 10, TRIVIAL = 4 };

static const struct rule pattern_rules[] = {
    {"goto-cleanup", "info", "One exit label", "goto",
     "(^|[^_a-z])goto[ ]+(out|fail|done|end|err|error|cleanup|exit)[ ]*;", FAMILY_C, false},
    {"opaque-type", "info", "Opaque type", "struct", "^(typedef[ ]+)?struct[ ]+[a-z0-9_]+[ ]*;",
     FAMILY_C, false},
    {"table", "info", "Behaviour in a constant table", "static const",
     "^static const struct [a-z0-9_]+ [a-z0-9_]+\\[", FAMILY_C, false},
    {"singleton", "info", "Singleton", "instance", "getInstance[ ]*\\(|[^a-z]_instance[^a-z]",
     FAMILY_ANY, false},
    {"factory", "info", "Factory", NULL, "(class|function|def|func)[ ]+[a-z0-9_]*factory",
     FAMILY_ANY, false},
    {"observer", "info", "Observers", NULL, "[.](subscribe|addEventListener|addListener)[ ]*\\(",
     FAMILY_ANY, false},
    {"async", "info", "Asynchronous functions", "async", "(^|[^_a-z])async[ ]+(def|function|fn)",
     FAMILY_ANY, false},
    {"py-swallowed", "medium", "Swallows every error", "except",
     "except([ ]+Exception)?[ ]*:[ ]*pass", FAMILY_PYTHON, false},
    {"py-bare-except", "low", "Catches everything", "except", "except[ ]*:", FAMILY_PYTHON, false},
    {"empty-catch", "medium", "Swallows an error", "catch", "catch[ ]*(\\([^)]*\\))?[ ]*\\{[ ]*\\}",
     FAMILY_JS | FAMILY_JVM | FAMILY_C, false},
    {"global-state", "low", "Global variable", "global", "^[ ]*global[ ]+[a-z_]", FAMILY_PYTHON,
     false},
    {"many-parameters", "low", "More than seven parameters", ",",
     "^[a-z_].*\\(([^,()]+,){7,}[^()]*\\)", FAMILY_ANY & ~FAMILY_TEXT, false},
    {"deep-nesting", "low", "Nested deeper than six levels", NULL,
     "^(\t{7}|[ ]{28})[ ]*(if|for|while|switch)[ ]*\\(", FAMILY_C | FAMILY_JS | FAMILY_JVM, false},
    {"left-to-do", "low", "Work left for later", NULL,
     "(^|[^a-z])(TO"
     "DO|FIX"
     "ME|XX"
     "X)([^a-z]|$)",
     0, false},
};

/* A window of lines that was seen, by hash. */
struct window {
    uint64_t hash;
    char *file;
    long line;
    UT_hash_handle hh;
};

struct patterns {
    struct ruleset *rules;
    struct window *seen;
    json_t *examples;
    long blocks, lines;
};

/* The next line of code with its spaces taken out; false at the end. Lines that say nothing (a
 * brace) are passed over. */
static bool next_line(const char **text, long *line_no, uint64_t *hash)
{
    while (**text != '\0') {
        const char *c = *text;
        bool directive = *c == '#'; /* includes are alike everywhere */
        size_t words = 0;

        *hash = 0xcbf29ce484222325ULL;
        for (; *c != '\0' && *c != '\n'; c++) {
            if (isspace((unsigned char)*c))
                continue;
            *hash = (*hash ^ (unsigned char)*c) * 0x100000001b3ULL;
            words += isalnum((unsigned char)*c) ? 1 : 0;
        }
        *text = *c == '\n' ? c + 1 : c;
        (*line_no)++;
        if (words >= TRIVIAL && !directive)
            return true;
    }
    return false;
}

static bool seen_before(struct patterns *p, uint64_t hash, const char *file, long line)
{
    struct window *w;

    HASH_FIND(hh, p->seen, &hash, sizeof hash, w);
    if (w != NULL && strcmp(w->file, file) == 0 && line < w->line + WINDOW)
        return false; /* a list that is like itself */
    if (w != NULL) {
        if (json_array_size(p->examples) < EXAMPLES)
            json_array_append_new(p->examples, json_pack("{s:o, s:I, s:o, s:I}", "file",
                                                         safe_string(file, strlen(file), 512),
                                                         "line", (json_int_t)line, "like",
                                                         safe_string(w->file, strlen(w->file), 512),
                                                         "likeLine", (json_int_t)w->line));
        return true;
    }
    if (HASH_COUNT(p->seen) < WINDOWS_MAX) {
        w = mem_zalloc(sizeof *w);
        w->hash = hash;
        w->file = mem_strdup(file);
        w->line = line;
        HASH_ADD(hh, p->seen, hash, sizeof w->hash, w);
    }
    return false;
}

/* Slides a window of WINDOW lines over the code; after a hit it moves on behind it. */
static void find_duplicates(struct patterns *p, const char *file, const char *code)
{
    uint64_t hashes[WINDOW];
    long lines[WINDOW];
    size_t count = 0;
    long line_no = 0;
    uint64_t hash;

    while (next_line(&code, &line_no, &hash)) {
        if (count == WINDOW) {
            memmove(hashes, hashes + 1, (WINDOW - 1) * sizeof *hashes);
            memmove(lines, lines + 1, (WINDOW - 1) * sizeof *lines);
            count--;
        }
        hashes[count] = hash;
        lines[count++] = line_no;
        if (count < WINDOW)
            continue;
        if (seen_before(p, agent_hash((const char *)hashes, sizeof hashes, 0), file, lines[0])) {
            p->blocks++;
            p->lines += WINDOW;
            count = 0;
        }
    }
}

static void pattern_file(void *arg, const struct walk_file *file)
{
    struct patterns *p = arg;
    struct line_counts counts;

    if (file->language == NULL)
        return;
    char *code = source_code_only(file->language, file->text, file->len, &counts);
    ruleset_apply(p->rules, file, code);
    if ((file->language->family & FAMILY_TEXT) == 0)
        find_duplicates(p, file->path, code);
    free(code);
}

enum errcode find_patterns(struct agents *a, const char *root, json_t **out, struct err *err)
{
    struct patterns p = {.examples = json_array()};
    struct walk_totals totals;
    struct window *w, *next;

    p.rules = ruleset_new(pattern_rules, sizeof pattern_rules / sizeof *pattern_rules);
    enum errcode code = walk_tree(a, root, pattern_file, &p, &totals, err);
    if (code == ERR_OK)
        *out = json_pack("{s:I, s:b, s:o, s:{s:I, s:I, s:O}}", "files", (json_int_t)totals.files,
                         "cut", totals.cut, "patterns", ruleset_result(p.rules), "duplication",
                         "blocks", (json_int_t)p.blocks, "lines", (json_int_t)p.lines, "examples",
                         p.examples);
    HASH_ITER(hh, p.seen, w, next)
    {
        HASH_DEL(p.seen, w);
        free(w->file);
        free(w);
    }
    json_decref(p.examples);
    ruleset_free(p.rules);
    return code;
}
