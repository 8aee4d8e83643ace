/* Expressions as a document has them: a text that stands alone, or a value with texts in it. */
#include "engine/flow/expr.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/flow/expr_internal.h"

enum part_kind { PART_LITERAL, PART_SITE, PART_OBJECT, PART_ARRAY };

/* A value of which at least one leaf is an expression, or a literal part of such. */
struct part {
    enum part_kind kind;
    json_t *literal; /* owned; for an object its keys in order, as an array */
    struct site *site;
    struct part *sub; /* owned, `count` of them */
    size_t count;
};

struct expr {
    struct expr_set *set;
    struct part root;
    unsigned uses;
    bool bounded;
};

struct expr_set {
    struct site **sites;
    size_t site_count, site_cap;
    struct expr **exprs;
    size_t expr_count, expr_cap;
    struct programs programs;
    bool compiled;
};

static void site_free(struct site *s)
{
    for (size_t i = 0; i < s->name_count; i++)
        free(s->names[i].text);
    free(s->names);
    expr_node_free(s->native);
    free(s->text);
    free(s->pointer);
    free(s->problem);
    free(s);
}

static void part_fini(struct part *p)
{
    for (size_t i = 0; i < p->count; i++)
        part_fini(&p->sub[i]);
    free(p->sub);
    json_decref(p->literal);
}

struct expr_set *expr_set_new(void)
{
    return mem_zalloc(sizeof(struct expr_set));
}

void expr_set_free(struct expr_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->expr_count; i++) {
        part_fini(&set->exprs[i]->root);
        free(set->exprs[i]);
    }
    for (size_t i = 0; i < set->site_count; i++)
        site_free(set->sites[i]);
    expr_programs_fini(&set->programs);
    free(set->exprs);
    free(set->sites);
    free(set);
}

/* ---- reading ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice trim(const char *text, size_t len)
{
    while (len > 0 && blank(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && blank(text[len - 1]))
        len--;
    return (struct slice){text, len};
}

/* The inside of ${ … }; false when the text is not marked. */
static bool unwrap(const char *text, struct slice *inside)
{
    struct slice s = trim(text, strlen(text));

    if (s.len < 4 || s.at[0] != '$' || s.at[1] != '{' || s.at[s.len - 1] != '}')
        return false;
    *inside = (struct slice){s.at + 2, s.len - 3};
    return true;
}

bool expr_is_marked(const char *text)
{
    struct slice inside;

    return unwrap(text, &inside);
}

static const struct {
    const char *name;
    enum slot slot;
    unsigned bit;
} outer[] = {
    {"context", SLOT_CONTEXT, EXPR_CONTEXT},    {"input", SLOT_INPUT, EXPR_INPUT},
    {"output", SLOT_OUTPUT, EXPR_OUTPUT},       {"secrets", SLOT_SECRETS, EXPR_SECRETS},
    {"secret", SLOT_SECRETS, EXPR_SECRETS}, /* as the Java implementation has it */
    {"authorization", SLOT_AUTHORIZATION, 0},   {"task", SLOT_TASK, EXPR_TASK},
    {"workflow", SLOT_WORKFLOW, EXPR_WORKFLOW}, {"runtime", SLOT_RUNTIME, EXPR_RUNTIME},
};

static bool resolve(const struct token *t, const char *const *locals, enum slot *slot)
{
    for (size_t i = 0; locals != NULL && locals[i] != NULL; i++)
        if (expr_token_is(t, TOKEN_VAR, locals[i])) {
            *slot = SLOT_LOCAL;
            return true;
        }
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++)
        if (expr_token_is(t, TOKEN_VAR, outer[i].name)) {
            *slot = outer[i].slot;
            return true;
        }
    return false;
}

/* Collects the outer names that are read. One that is bound inside (`as $x`) is left to jq. */
static bool collect_names(struct site *s, const struct lexed *l, const char *const *locals)
{
    s->names = mem_zalloc(EXPR_VARS_MAX * sizeof *s->names);
    for (size_t i = 0; i < l->count; i++) {
        const struct token *t = &l->list[i];
        enum slot slot;
        bool seen = false;

        if (t->kind != TOKEN_VAR || !resolve(t, locals, &slot))
            continue;
        for (size_t j = 0; !seen && j < s->name_count; j++)
            seen = expr_token_is(t, TOKEN_VAR, s->names[j].text);
        if (seen)
            continue;
        if (s->name_count == EXPR_VARS_MAX)
            return false;
        s->names[s->name_count++] =
            (struct name){.slot = slot, .text = mem_strndup(t->text.at, t->text.len)};
    }
    s->names = mem_array(s->names, s->name_count, sizeof *s->names);
    return true;
}

static void read_site(struct site *s, const char *const *locals)
{
    struct slice text = {s->text, s->len};
    struct lexed l;
    struct buf problem;

    buf_init(&problem, ERR_TEXT_MAX);
    if (!expr_lex(text, &l, &problem)) {
        if (memmem(s->text, s->len, "${", 2) != NULL)
            buf_str(&problem, "; several ${ } in one text are not joined, write ${ \"\\(.a) …\" }");
        s->problem = buf_steal(&problem, NULL);
        goto out;
    }
    if (!collect_names(s, &l, locals)) {
        s->problem = mem_strdup("the expression reads more than 32 names");
        goto out;
    }
    s->native = expr_parse(&l, s->names, s->name_count);
    s->plain = s->native != NULL && expr_node_plain(s->native);
    s->bounded = s->native != NULL || expr_lex_bounded(&l);
    if (s->native == NULL && !expr_lex_exact(&l))
        s->problem = mem_strdup("an integer beyond 2^53 would be rounded; keep it as a string");
out:
    buf_fini(&problem);
    expr_lex_fini(&l);
}

static struct site *site_new(struct expr *e, struct slice text, const char *pointer,
                             const char *const *locals)
{
    struct expr_set *set = e->set;
    struct site *s = mem_zalloc(sizeof *s);

    text = trim(text.at, text.len);
    s->len = text.len;
    s->text = mem_strndup(text.at, text.len <= EXPR_TEXT_MAX ? text.len : EXPR_TEXT_MAX);
    s->pointer = mem_strdup(pointer);
    if (text.len > EXPR_TEXT_MAX) {
        s->len = EXPR_TEXT_MAX;
        s->problem = mem_strdup("the expression is longer than 16 KiB");
    } else {
        read_site(s, locals);
    }
    for (size_t i = 0; i < s->name_count; i++)
        for (size_t j = 0; j < sizeof outer / sizeof *outer; j++)
            if (s->names[i].slot == outer[j].slot)
                e->uses |= outer[j].bit;
    e->bounded = e->bounded && s->bounded;
    set->sites = mem_grow(set->sites, set->site_count, &set->site_cap, sizeof(struct site *));
    set->sites[set->site_count++] = s;
    set->compiled = false;
    return s;
}

static struct expr *expr_new(struct expr_set *set)
{
    struct expr *e = mem_zalloc(sizeof *e);

    e->set = set;
    e->bounded = true;
    set->exprs = mem_grow(set->exprs, set->expr_count, &set->expr_cap, sizeof(struct expr *));
    set->exprs[set->expr_count++] = e;
    return e;
}

struct expr *expr_bare(struct expr_set *set, const char *text, const char *pointer,
                       const char *const *names)
{
    struct expr *e = expr_new(set);
    struct slice inside = {text, strlen(text)};

    unwrap(text, &inside);
    e->root.kind = PART_SITE;
    e->root.site = site_new(e, inside, pointer, names);
    return e;
}

/* What a template's reader carries down. */
struct reading {
    struct expr *e;
    const char *const *names;
    struct buf pointer;
};

static void read_part(struct reading *r, json_t *value, struct part *p, int depth);

static void enter_key(struct reading *r, const char *key)
{
    buf_str(&r->pointer, "/");
    for (; *key != '\0'; key++)
        if (*key == '~' || *key == '/')
            buf_str(&r->pointer, *key == '~' ? "~0" : "~1");
        else
            buf_add(&r->pointer, key, 1);
}

static void read_child(struct reading *r, const char *key, json_t *value, struct part *p, int depth)
{
    size_t len = r->pointer.len;

    enter_key(r, key);
    read_part(r, value, p, depth - 1);
    r->pointer.full = false;
    r->pointer.len = len;
    r->pointer.data[len] = '\0';
}

static void read_object(struct reading *r, json_t *value, struct part *p, int depth)
{
    const char *key;
    json_t *child;

    p->kind = PART_OBJECT;
    p->literal = json_array();
    p->sub = mem_zalloc(json_object_size(value) * sizeof *p->sub);
    json_object_foreach(value, key, child)
    {
        json_array_append_new(p->literal, json_string(key));
        read_child(r, key, child, &p->sub[p->count++], depth);
    }
}

static void read_array(struct reading *r, json_t *value, struct part *p, int depth)
{
    json_t *child;
    size_t i;

    p->kind = PART_ARRAY;
    p->sub = mem_zalloc(json_array_size(value) * sizeof *p->sub);
    json_array_foreach(value, i, child)
    {
        char key[24];

        snprintf(key, sizeof key, "%zu", i);
        read_child(r, key, child, &p->sub[p->count++], depth);
    }
}

static void read_part(struct reading *r, json_t *value, struct part *p, int depth)
{
    struct slice inside;
    bool all_literal = true;

    if (json_is_string(value) && unwrap(json_string_value(value), &inside)) {
        p->kind = PART_SITE;
        p->site = site_new(r->e, inside, r->pointer.data != NULL ? r->pointer.data : "", r->names);
        return;
    }
    if (depth > 0 && json_is_object(value))
        read_object(r, value, p, depth);
    else if (depth > 0 && json_is_array(value))
        read_array(r, value, p, depth);
    for (size_t i = 0; all_literal && i < p->count; i++)
        all_literal = p->sub[i].kind == PART_LITERAL;
    if (all_literal) {
        part_fini(p);
        *p = (struct part){.kind = PART_LITERAL, .literal = json_incref(value)};
    }
}

struct expr *expr_template(struct expr_set *set, json_t *value, const char *pointer,
                           const char *const *names)
{
    struct reading r = {.e = expr_new(set), .names = names};

    buf_init(&r.pointer, 64 * 1024);
    buf_str(&r.pointer, pointer);
    read_part(&r, value, &r.e->root, EXPR_DEPTH_MAX);
    buf_fini(&r.pointer);
    return r.e;
}

bool expr_is_literal(const struct expr *e)
{
    return e->root.kind == PART_LITERAL;
}

unsigned expr_uses(const struct expr *e)
{
    return e->uses;
}

bool expr_bounded(const struct expr *e)
{
    return e->bounded;
}

/* ---- compiling ---- */

/* Builds a program of the sites that need one: those without a tree, or all that have more than a
 * path (`rare`: something came up that the tree leaves to jq). */
static void build(struct expr_set *set, bool rare)
{
    struct site **list = mem_array(NULL, set->site_count, sizeof *list);
    size_t count = 0;

    for (size_t i = 0; i < set->site_count; i++) {
        struct site *s = set->sites[i];

        if (s->problem == NULL && s->program == NULL && (s->native != NULL) == rare && !s->plain)
            list[count++] = s;
    }
    expr_programs_build(&set->programs, list, count);
    free(list);
}

bool expr_set_compile(struct expr_set *set, expr_report *report, void *arg)
{
    bool ok = true;

    if (!set->compiled)
        build(set, false);
    set->compiled = true;
    for (size_t i = 0; i < set->site_count; i++)
        if (set->sites[i]->problem != NULL) {
            ok = false;
            if (report != NULL)
                report(arg, set->sites[i]->pointer, set->sites[i]->problem);
        }
    return ok;
}

/* ---- evaluating ---- */

static enum errcode failed(const struct site *s, const char *message, struct err *err)
{
    size_t cut = s->len < 120 ? s->len : 120;

    while (cut > 0 && cut < s->len && ((unsigned char)s->text[cut] & 0xC0) == 0x80)
        cut--;
    return err_set(err, ERR_EXPRESSION, "%.300s, in ${ %.*s%s }", message, (int)cut, s->text,
                   cut < s->len ? " …" : "");
}

static bool run_jq(struct site *s, json_t *dot, const struct expr_vars *vars, json_t **out,
                   struct expr_set *set, struct buf *problem)
{
    if (s->program == NULL && s->problem == NULL) {
        build(set, s->native != NULL);
        set->compiled = set->compiled || s->native == NULL;
    }
    if (s->problem != NULL) {
        buf_clear(problem);
        buf_str(problem, s->problem);
        return false;
    }
    return expr_jq_run(s, dot, vars, out, problem);
}

static enum errcode run_site(struct expr_set *set, struct site *s, json_t *dot,
                             const struct expr_vars *vars, json_t **out, struct err *err)
{
    struct buf message;
    struct turn t = {.vars = vars, .message = &message};
    enum outcome r = OUTCOME_DEFER;
    enum errcode code = ERR_OK;

    if (s->problem != NULL)
        return failed(s, s->problem, err);
    buf_init(&message, ERR_TEXT_MAX);
    if (s->native != NULL)
        r = expr_native(s->native, dot, &t, out);
    if (r == OUTCOME_DEFER)
        r = run_jq(s, dot, vars, out, set, &message) ? OUTCOME_OK : OUTCOME_FAILED;
    if (r == OUTCOME_FAILED)
        code = failed(s, message.len > 0 ? message.data : "evaluation failed", err);
    buf_fini(&message);
    return code;
}

static enum errcode run_part(struct expr_set *set, const struct part *p, json_t *dot,
                             const struct expr_vars *vars, json_t **out, struct err *err)
{
    if (p->kind == PART_LITERAL) {
        *out = json_incref(p->literal);
        return ERR_OK;
    }
    if (p->kind == PART_SITE)
        return run_site(set, p->site, dot, vars, out, err);
    json_t *whole = p->kind == PART_OBJECT ? json_object() : json_array();

    for (size_t i = 0; i < p->count; i++) {
        json_t *value = NULL;
        enum errcode code = run_part(set, &p->sub[i], dot, vars, &value, err);

        if (code != ERR_OK) {
            json_decref(whole);
            return code;
        }
        if (p->kind == PART_ARRAY) {
            json_array_append_new(whole, value);
        } else {
            const json_t *key = json_array_get(p->literal, i);

            json_object_setn_new_nocheck(whole, json_string_value(key), json_string_length(key),
                                         value);
        }
    }
    *out = whole;
    return ERR_OK;
}

enum errcode expr_eval(struct expr *e, json_t *dot, const struct expr_vars *vars, json_t **out,
                       struct err *err)
{
    const struct part *root = &e->root;
    json_t *value = NULL;

    *out = NULL;
    enum errcode code = run_part(e->set, root, dot != NULL ? dot : json_null(), vars, &value, err);

    if (code != ERR_OK)
        return code;
    /* Only what makes containers can make a value deeper than those that it was given. */
    bool shares = root->kind == PART_LITERAL || (root->kind == PART_SITE && root->site->plain);

    if (!shares && !value_shallow(value, EXPR_DEPTH_MAX)) {
        json_decref(value);
        return err_set(err, ERR_EXPRESSION, "the value is nested deeper than 64");
    }
    *out = value;
    return ERR_OK;
}

enum errcode expr_test(struct expr *e, json_t *dot, const struct expr_vars *vars, bool *out,
                       struct err *err)
{
    json_t *value = NULL;
    enum errcode code = expr_eval(e, dot, vars, &value, err);

    *out = code == ERR_OK && value_truth(value);
    json_decref(value);
    return code;
}
