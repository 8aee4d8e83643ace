/* jq 1.6's lexer once more, because an expression is pasted into a larger program: what passes here
 * has balanced brackets exactly as jq sees them (in strings, interpolations and comments too), so
 * that no text can end the parentheses around it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/flow/expr_internal.h"

/* Bracket that opened a nesting; a string that waits for the end of its \( … ) is 's'. */
struct lexer {
    struct slice text;
    size_t at;
    char open[EXPR_DEPTH_MAX];
    size_t depth;
    bool in_string;
    struct lexed *out;
    struct buf *problem;
};

static bool name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool name_char(char c)
{
    return name_start(c) || digit(c);
}

static char peek(const struct lexer *x, size_t ahead)
{
    return x->at + ahead < x->text.len ? x->text.at[x->at + ahead] : '\0';
}

static bool refuse(struct lexer *x, const char *why)
{
    buf_clear(x->problem);
    buf_str(x->problem, why);
    return false;
}

static bool add(struct lexer *x, enum token_kind kind, size_t skip, size_t len)
{
    struct lexed *l = x->out;

    if (l->count == EXPR_TOKENS_MAX)
        return refuse(x, "the expression has more than 4096 tokens");
    l->list = mem_grow(l->list, l->count, &l->cap, sizeof *l->list);
    l->list[l->count++] =
        (struct token){.kind = kind, .text = {x->text.at + x->at + skip, len - skip}};
    x->at += len;
    return true;
}

static bool enter(struct lexer *x, char bracket)
{
    if (x->depth == EXPR_DEPTH_MAX)
        return refuse(x, "the expression is nested deeper than 64");
    x->open[x->depth++] = bracket;
    return true;
}

static bool leave(struct lexer *x, char bracket)
{
    char want = bracket == ')' ? '(' : bracket == ']' ? '[' : '{';
    char have = x->depth > 0 ? x->open[x->depth - 1] : '\0';

    if (have == 's' && bracket == ')') {
        x->depth--;
        x->in_string = true;
        return add(x, TOKEN_SPLICE_END, 0, 1);
    }
    if (have != want)
        return refuse(x, "a closing bracket matches no opening one");
    x->depth--;
    return add(x, TOKEN_OP, 0, 1);
}

/* Inside a string: text up to its end or to a \( . */
static bool lex_string(struct lexer *x)
{
    size_t n = 0;

    for (;; n++) {
        char c = peek(x, n);

        if (x->at + n >= x->text.len)
            return refuse(x, "a string is not closed");
        if (c == '"' || (c == '\\' && peek(x, n + 1) == '('))
            break;
        if (c == '\\')
            n++;
    }
    if (n > 0 && !add(x, TOKEN_TEXT, 0, n))
        return false;
    x->in_string = false;
    if (peek(x, 0) == '"')
        return add(x, TOKEN_QUOTE, 0, 1);
    return enter(x, 's') && add(x, TOKEN_SPLICE, 0, 2);
}

static size_t number_length(const struct lexer *x)
{
    size_t n = 0;

    while (digit(peek(x, n)))
        n++;
    if (peek(x, n) == '.') {
        n++;
        while (digit(peek(x, n)))
            n++;
    }
    if (peek(x, n) == 'e' || peek(x, n) == 'E') {
        size_t e = n + 1;

        if (peek(x, e) == '+' || peek(x, e) == '-')
            e++;
        if (digit(peek(x, e))) {
            while (digit(peek(x, e)))
                e++;
            n = e;
        }
    }
    return n;
}

static size_t name_length(const struct lexer *x, size_t from)
{
    size_t n = from;

    while (name_char(peek(x, n)) ||
           (peek(x, n) == ':' && peek(x, n + 1) == ':' && name_start(peek(x, n + 2))))
        n += peek(x, n) == ':' ? 2 : 1;
    return n - from;
}

static size_t operator_length(const struct lexer *x)
{
    static const char *const ops[] = {
        "?//", "//=", "!=", "==", "//", "|=", "+=", "-=", "*=", "/=", "%=", "<=", ">=", ".."};

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        size_t len = strlen(ops[i]);

        if (x->text.len - x->at >= len && memcmp(x->text.at + x->at, ops[i], len) == 0)
            return len;
    }
    return 1;
}

static void skip_blank(struct lexer *x)
{
    while (x->at < x->text.len) {
        char c = x->text.at[x->at];

        if (c == '#')
            while (x->at < x->text.len && x->text.at[x->at] != '\n')
                x->at++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            x->at++;
        else
            return;
    }
}

/* jq takes "$" and the name as two tokens, with anything blank between them. */
static bool lex_variable(struct lexer *x)
{
    x->at++;
    skip_blank(x);
    size_t len = name_start(peek(x, 0)) ? name_length(x, 0) : 0;

    if (len == 0)
        return refuse(x, "a $ is not followed by a name");
    return add(x, TOKEN_VAR, 0, len);
}

static bool lex_one(struct lexer *x)
{
    char c = peek(x, 0);

    if (name_start(c))
        return add(x, TOKEN_NAME, 0, name_length(x, 0));
    if (c == '.' && name_start(peek(x, 1))) {
        size_t n = 1;

        while (name_char(peek(x, n)))
            n++;
        return add(x, TOKEN_FIELD, 1, n);
    }
    if (digit(c) || (c == '.' && digit(peek(x, 1))))
        return add(x, TOKEN_NUMBER, 0, number_length(x));
    switch (c) {
    case '$':
        return lex_variable(x);
    case '"':
        x->in_string = true;
        return add(x, TOKEN_QUOTE, 0, 1);
    case '(':
    case '[':
    case '{':
        return enter(x, c) && add(x, TOKEN_OP, 0, 1);
    case ')':
    case ']':
    case '}':
        return leave(x, c);
    case '@':
        if (name_char(peek(x, 1)))
            return add(x, TOKEN_FORMAT, 0, 1 + name_length(x, 1));
        break;
    default:
        if (c != '\0' && strchr(".?=;,:|+-*/%<>!", c) != NULL)
            return add(x, TOKEN_OP, 0, operator_length(x));
    }
    return refuse(x, "a character is not part of the jq language");
}

bool expr_token_is(const struct token *t, enum token_kind kind, const char *text)
{
    return t->kind == kind && strlen(text) == t->text.len &&
           memcmp(t->text.at, text, t->text.len) == 0;
}

static bool any_of(const struct token *t, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (expr_token_is(t, t->kind, names[i]))
            return true;
    return false;
}

/* A name after `{` or `,` inside braces, before `:`, `,` or `}`, is a key and means nothing. */
static bool is_key(const struct lexed *l, size_t i)
{
    if (i == 0 || i + 1 >= l->count)
        return false;
    const struct token *before = &l->list[i - 1], *after = &l->list[i + 1];

    return (expr_token_is(before, TOKEN_OP, "{") || expr_token_is(before, TOKEN_OP, ",")) &&
           (expr_token_is(after, TOKEN_OP, ":") || expr_token_is(after, TOKEN_OP, ",") ||
            expr_token_is(after, TOKEN_OP, "}"));
}

/* The `:` of a slice whose ends are not written out as numbers: NaN there aborts jq 1.6. */
static bool is_computed_slice(const struct lexed *l, size_t i)
{
    const struct token *before = &l->list[i - 1], *after = &l->list[i + 1];

    if (after->kind == TOKEN_OP && after->text.at[0] == '-')
        after++;
    return !(before->kind == TOKEN_NUMBER || expr_token_is(before, TOKEN_OP, "[")) ||
           !(after->kind == TOKEN_NUMBER || expr_token_is(after, TOKEN_OP, "]"));
}

/* What a token means depends on the bracket around it. */
static void mark(struct lexed *l)
{
    char open[EXPR_DEPTH_MAX + 1] = {0};
    size_t depth = 0;

    for (size_t i = 0; i < l->count; i++) {
        struct token *t = &l->list[i];
        char c = t->kind == TOKEN_OP || t->kind == TOKEN_NAME ? t->text.at[0] : '\0';

        if (t->kind == TOKEN_SPLICE)
            open[++depth] = 's';
        else if (t->kind == TOKEN_SPLICE_END)
            depth--;
        else if (t->kind == TOKEN_NAME)
            t->key = open[depth] == '{' && is_key(l, i);
        else if (c == '(' || c == '[' || c == '{')
            open[++depth] = c;
        else if (c == ')' || c == ']' || c == '}')
            depth--;
        else if (c == ':' && open[depth] == '[')
            l->computed_slice = l->computed_slice || is_computed_slice(l, i);
    }
}

/* 2^53 + 1 and more as a literal would be rounded by jq without a word. */
static bool number_exact(struct slice s)
{
    size_t digits = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (!digit(s.at[i]))
            return true;
        if (digits > 0 || s.at[i] != '0')
            digits++;
    }
    if (digits != 16)
        return digits < 16;
    return memcmp(s.at + s.len - 16, "9007199254740992", 16) <= 0;
}

static bool check_token(struct lexer *x, const struct token *t)
{
    /* What reads the outside world, ends the process, or reads files. */
    static const char *const refused[] = {
        "input",      "inputs",  "debug",    "stderr",          "input_filename",
        "halt",       "import",  "include",  "module",          "input_line_number",
        "halt_error", "__loc__", "builtins", "get_search_list", "modulemeta"};

    if (t->kind == TOKEN_NAME && !t->key && any_of(t, refused, sizeof refused / sizeof *refused)) {
        buf_clear(x->problem);
        buf_printf(x->problem, "%.*s is not available in expressions", (int)t->text.len,
                   t->text.at);
        return false;
    }
    bool hidden = t->text.len >= 2 && memcmp(t->text.at, "__", 2) == 0;

    if (hidden && (t->kind == TOKEN_VAR || (t->kind == TOKEN_NAME && !t->key)))
        return refuse(x, "names that begin with __ are not available in expressions");
    if (t->kind == TOKEN_VAR && memchr(t->text.at, ':', t->text.len) != NULL)
        return refuse(x, "modules are not available in expressions");
    return true;
}

bool expr_lex(struct slice text, struct lexed *out, struct buf *problem)
{
    struct lexer x = {.text = text, .out = out, .problem = problem};

    *out = (struct lexed){0};
    if (text.len > EXPR_TEXT_MAX)
        return refuse(&x, "the expression is longer than 16 KiB");
    for (;;) {
        if (!x.in_string)
            skip_blank(&x);
        if (x.at >= text.len)
            break;
        if (!(x.in_string ? lex_string(&x) : lex_one(&x)))
            return false;
    }
    if (x.in_string)
        return refuse(&x, "a string is not closed");
    if (x.depth > 0)
        return refuse(&x, "an opening bracket is not closed");
    if (out->count == 0)
        return refuse(&x, "the expression is empty");
    mark(out);
    for (size_t i = 0; i < out->count; i++)
        if (!check_token(&x, &out->list[i]))
            return false;
    return true;
}

void expr_lex_fini(struct lexed *l)
{
    free(l->list);
    *l = (struct lexed){0};
}

bool expr_lex_exact(const struct lexed *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->list[i].kind == TOKEN_NUMBER && !number_exact(l->list[i].text))
            return false;
    return true;
}

/* What jq finishes in a time that the size of its input bounds. */
// clang-format off
static const char *const bounded[] = {
    "if", "then", "else", "elif", "end", "and", "or", "not", "as", "null", "true", "false",
    "length", "type", "map", "map_values", "select", "keys", "values", "has", "in", "add", "any",
    "all", "first", "last", "min", "max", "min_by", "max_by", "unique", "unique_by", "sort",
    "sort_by", "group_by", "reverse", "floor", "ceil", "round", "fabs", "tostring", "tonumber",
    "tojson", "fromjson", "empty", "error", "contains", "inside", "startswith", "endswith",
    "ltrimstr", "rtrimstr", "split", "join", "to_entries", "try", "catch", "with_entries",
    "from_entries", "ascii_downcase", "index", "rindex", "ascii_upcase", "now", "env", "arrays",
    "objects", "strings", "numbers", "booleans", "scalars", "nulls", "utf8bytelength", "iterables",
    "keys_unsorted", "todate", "flatten",
};
// clang-format on

bool expr_lex_bounded(const struct lexed *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct token *t = &l->list[i];

        if (t->kind == TOKEN_NAME && !t->key &&
            !any_of(t, bounded, sizeof bounded / sizeof *bounded))
            return false;
        /* "x" * 1e9 repeats, .. recurs, and .[1e9] = 1 makes a place for every element. */
        if (t->kind == TOKEN_OP && (t->text.at[0] == '*' || expr_token_is(t, TOKEN_OP, "..")))
            return false;
        if (t->kind == TOKEN_OP && t->text.at[t->text.len - 1] == '=' &&
            strchr("=<>!", t->text.at[0]) == NULL)
            return false;
        if (expr_token_is(t, TOKEN_OP, "="))
            return false;
    }
    return !l->computed_slice;
}
