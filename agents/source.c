#include "source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct language languages[] = {
    {"C", ".c .h ", "//", "/*", "*/", "\"'", FUNCTIONS_BRACES, FAMILY_C},
    {"C++", ".cpp .cc .cxx .hpp .hh ", "//", "/*", "*/", "\"'", FUNCTIONS_BRACES, FAMILY_C},
    {"Python", ".py ", "#", NULL, NULL, "\"'", FUNCTIONS_INDENT, FAMILY_PYTHON},
    {"JavaScript", ".js .mjs .cjs .jsx ", "//", "/*", "*/", "\"'`", FUNCTIONS_BRACES, FAMILY_JS},
    {"TypeScript", ".ts .tsx ", "//", "/*", "*/", "\"'`", FUNCTIONS_BRACES, FAMILY_JS},
    {"Java", ".java ", "//", "/*", "*/", "\"'", FUNCTIONS_BRACES, FAMILY_JVM},
    {"Kotlin", ".kt .kts ", "//", "/*", "*/", "\"'", FUNCTIONS_BRACES, FAMILY_JVM},
    {"C#", ".cs ", "//", "/*", "*/", "\"'", FUNCTIONS_BRACES, FAMILY_JVM},
    {"Go", ".go ", "//", "/*", "*/", "\"'`", FUNCTIONS_BRACES, FAMILY_GO},
    {"Rust", ".rs ", "//", "/*", "*/", "\"", FUNCTIONS_BRACES, FAMILY_RUST},
    {"PHP", ".php ", "//", "/*", "*/", "\"'", FUNCTIONS_BRACES, FAMILY_PHP},
    {"Ruby", ".rb ", "#", NULL, NULL, "\"'", FUNCTIONS_NONE, FAMILY_RUBY},
    {"Shell", ".sh .bash ", "#", NULL, NULL, "\"'", FUNCTIONS_NONE, FAMILY_SHELL},
    {"SQL", ".sql ", "--", "/*", "*/", "'", FUNCTIONS_NONE, FAMILY_TEXT},
    {"YAML", ".yaml .yml ", "#", NULL, NULL, "", FUNCTIONS_NONE, FAMILY_TEXT},
    {"TOML", ".toml ", "#", NULL, NULL, "\"", FUNCTIONS_NONE, FAMILY_TEXT},
    {"JSON", ".json ", NULL, NULL, NULL, "", FUNCTIONS_NONE, FAMILY_TEXT},
    {"Markdown", ".md ", NULL, NULL, NULL, "", FUNCTIONS_NONE, FAMILY_TEXT},
    {"HTML", ".html .htm ", NULL, "<!--", "-->", "", FUNCTIONS_NONE, FAMILY_TEXT},
    {"CSS", ".css .scss ", NULL, "/*", "*/", "\"'", FUNCTIONS_NONE, FAMILY_TEXT},
    {"Makefile", "Makefile GNUmakefile .mk ", "#", NULL, NULL, "", FUNCTIONS_NONE, FAMILY_TEXT},
    {"Dockerfile", "Dockerfile Containerfile ", "#", NULL, NULL, "", FUNCTIONS_NONE, FAMILY_TEXT},
};

const struct language *language_of(const char *file)
{
    const char *base = strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file;
    const char *dot = strrchr(base, '.');
    const char *wanted = dot != NULL ? dot : base;
    size_t len = strlen(wanted);

    for (size_t i = 0; len > 1 && i < sizeof languages / sizeof *languages; i++) {
        for (const char *name = languages[i].names; *name != '\0'; name = strchr(name, ' ') + 1)
            if (strncmp(name, wanted, len) == 0 && name[len] == ' ')
                return &languages[i];
    }
    return NULL;
}

enum mode { MODE_CODE, MODE_LINE, MODE_BLOCK, MODE_STRING };

struct lexer {
    const struct language *l;
    const char *text;
    size_t len, at;
    char *code;
    enum mode mode;
    char quote;
    bool triple;            /* Python's """ */
    bool has_code, has_any; /* on this line */
    struct line_counts counts;
};

static bool starts(const struct lexer *x, const char *word)
{
    size_t len = word != NULL ? strlen(word) : 0;

    return len > 0 && x->len - x->at >= len && memcmp(x->text + x->at, word, len) == 0;
}

static void skip(struct lexer *x, size_t count)
{
    for (size_t i = 0; i < count && x->at < x->len; i++)
        x->code[x->at++] = ' ';
}

static bool tripled(const struct lexer *x)
{
    return (x->l->family & FAMILY_PYTHON) != 0 && x->len - x->at >= 3 &&
           x->text[x->at + 1] == x->text[x->at] && x->text[x->at + 2] == x->text[x->at];
}

static void in_code(struct lexer *x)
{
    char c = x->text[x->at];
    bool word_before = x->at > 0 && !isspace((unsigned char)x->text[x->at - 1]);

    /* In a shell `$#` and `a#b` are no comments. */
    if (starts(x, x->l->line) && !(x->l->line[0] == '#' && word_before)) {
        x->mode = MODE_LINE;
        skip(x, strlen(x->l->line));
    } else if (starts(x, x->l->open)) {
        x->mode = MODE_BLOCK;
        skip(x, strlen(x->l->open));
    } else if (strchr(x->l->quotes, c) != NULL) {
        x->mode = MODE_STRING;
        x->quote = c;
        x->triple = tripled(x);
        x->has_code = true;
        skip(x, x->triple ? 3 : 1);
    } else {
        if (!isspace((unsigned char)c))
            x->has_code = true;
        x->code[x->at++] = c;
    }
}

static void in_string(struct lexer *x)
{
    char c = x->text[x->at];

    if (c == '\\') {
        /* An escaped line end stays a line end. */
        skip(x, x->len - x->at > 1 && x->text[x->at + 1] != '\n' ? 2 : 1);
    } else if (c == x->quote && (!x->triple || tripled(x))) {
        skip(x, x->triple ? 3 : 1);
        x->mode = MODE_CODE;
    } else {
        skip(x, 1);
    }
}

static void end_line(struct lexer *x)
{
    x->counts.lines++;
    if (!x->has_any)
        x->counts.blank++;
    else if (x->has_code)
        x->counts.code++;
    else
        x->counts.comment++;
    x->has_any = false;
    x->has_code = x->mode == MODE_STRING && (x->triple || x->quote == '`');
    if (x->mode == MODE_LINE || (x->mode == MODE_STRING && !x->triple && x->quote != '`'))
        x->mode = MODE_CODE; /* an unclosed string ends with its line: a stray ' costs one line */
}

char *source_code_only(const struct language *l, const char *text, size_t len,
                       struct line_counts *counts)
{
    struct lexer x = {.l = l, .text = text, .len = len, .code = mem_zalloc(len + 1)};

    while (x.at < len) {
        char c = text[x.at];

        if (c == '\n') {
            x.code[x.at++] = '\n';
            end_line(&x);
            continue;
        }
        if (!isspace((unsigned char)c))
            x.has_any = true;
        if (x.mode == MODE_CODE) {
            in_code(&x);
        } else if (x.mode == MODE_STRING) {
            in_string(&x);
        } else if (x.mode == MODE_BLOCK && starts(&x, l->close)) {
            skip(&x, strlen(l->close));
            x.mode = MODE_CODE;
        } else {
            skip(&x, 1);
        }
    }
    if (len > 0 && text[len - 1] != '\n')
        end_line(&x);
    *counts = x.counts;
    return x.code;
}

enum { NEST_MAX = 128 };

struct brace {
    bool function;
    const char *name;
    size_t name_len;
    long line;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static bool is_keyword(const char *word, size_t len)
{
    static const char keywords[] = " if for while switch catch return else do sizeof match ";
    char spaced[24];

    if (len == 0 || len > sizeof spaced - 3)
        return len == 0;
    spaced[0] = ' ';
    memcpy(spaced + 1, word, len);
    spaced[len + 1] = ' ';
    spaced[len + 2] = '\0';
    return strstr(keywords, spaced) != NULL;
}

/* The name of the function whose body opens after `header`: the word before the first parenthesis.
 */
static bool header_name(const char *header, const char *end, const char **name, size_t *name_len)
{
    const char *paren = memchr(header, '(', (size_t)(end - header));
    const char *word;

    /* An initialiser is no function. */
    if (paren == NULL || memchr(header, '=', (size_t)(paren - header)) != NULL)
        return false;
    while (paren > header && isspace((unsigned char)paren[-1]))
        paren--;
    for (word = paren; word > header && is_word(word[-1]); word--)
        continue;
    *name = word;
    *name_len = (size_t)(paren - word);
    return !is_keyword(word, *name_len);
}

/* Where what stands before the next brace begins. */
struct header {
    const char *at, *end;
    long line;
};

/* Moves to the first word from `c` on, which is on `line`. */
static void header_from(struct header *h, const char *c, long line)
{
    for (; c < h->end && isspace((unsigned char)*c); c++)
        line += *c == '\n';
    h->at = c;
    h->line = line;
}

static void brace_functions(const char *code, size_t len, function_found *found, void *arg)
{
    struct brace stack[NEST_MAX];
    struct header header = {.end = code + len};
    size_t depth = 0;
    long line = 1;
    bool inside = false; /* a function */

    header_from(&header, code, line);
    for (const char *c = code; c < code + len; c++) {
        if (*c == '{') {
            struct brace b = {.line = header.line};

            b.function =
                !inside && header.at < c && header_name(header.at, c, &b.name, &b.name_len);
            inside = inside || b.function;
            if (depth < NEST_MAX)
                stack[depth] = b;
            depth++;
        } else if (*c == '}' && depth > 0) {
            depth--;
            if (depth < NEST_MAX && stack[depth].function) {
                const struct brace *b = &stack[depth];

                found(arg, b->name, b->name_len, b->line, line - b->line + 1);
                inside = false;
            }
        }
        if (strchr("{};", *c) != NULL ||
            (*c == '\n' && c > header.at && header.at[0] == '#' && c[-1] != '\\'))
            header_from(&header, c + 1, line + (*c == '\n'));
        line += *c == '\n';
    }
}

static long indent_of(const char *line)
{
    long n = 0;

    for (; *line == ' ' || *line == '\t'; line++)
        n += *line == '\t' ? 8 : 1;
    return n;
}

static void report_def(const char *def, long first, long last, function_found *found, void *arg)
{
    const char *name = def + strspn(def, " \t");
    size_t len = 0;

    if (strncmp(name, "async ", 6) == 0)
        name += 6;
    name += 4;
    while (is_word(name[len]))
        len++;
    if (len > 0)
        found(arg, name, len, first, last - first + 1);
}

/* Outermost functions: a `def` reaches to the last line that is indented deeper. */
static void indent_functions(const char *code, function_found *found, void *arg)
{
    const char *def = NULL;
    long line = 1, first = 0, last = 0;

    for (const char *c = code; c != NULL && *c != '\0'; line++) {
        const char *end = strchr(c, '\n');
        const char *word = c + strspn(c, " \t\r");
        bool blank = *word == '\n' || *word == '\0';

        if (!blank && def != NULL && indent_of(c) <= indent_of(def)) {
            report_def(def, first, last, found, arg);
            def = NULL;
        }
        if (def == NULL &&
            (strncmp(word, "def ", 4) == 0 || strncmp(word, "async def ", 10) == 0)) {
            def = c;
            first = line;
        }
        if (!blank)
            last = line;
        c = end != NULL ? end + 1 : NULL;
    }
    if (def != NULL)
        report_def(def, first, last, found, arg);
}

void source_functions(const struct language *l, const char *code, size_t len, function_found *found,
                      void *arg)
{
    if (l->functions == FUNCTIONS_BRACES)
        brace_functions(code, len, found, arg);
    else if (l->functions == FUNCTIONS_INDENT)
        indent_functions(code, found, arg);
}
