/* A document as a whole: header, use, the root task; and what the rest of the program asks of it.
 */
#include "engine/flow/flow.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/flow/frame.h"

/* ---- the workflow as a task
 * ---------------------------------------------------------------------- */

static void workflow_begin(struct frame *f)
{
    list_open(f, f->task->spec, f->input, NULL, NULL, false);
}

static void workflow_list_done(struct frame *f, json_t *output, bool end)
{
    (void)end; /* it ends in either case */
    frame_complete(f, output);
}

const struct task_kind task_workflow = {
    .name = "workflow", .begin = workflow_begin, .list_done = workflow_list_done};

/* ---- checks of the header
 * ------------------------------------------------------------------------ */

static bool is_label(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && *text != '-')
            return false;
    }
    return true;
}

static bool is_semver(const char *t)
{
    for (int part = 0; part < 3; part++) {
        size_t digits = strspn(t, "0123456789");

        if (digits == 0 || digits > 9)
            return false;
        t += digits;
        if (part < 2 && *t++ != '.')
            return false;
    }
    return *t == '\0' ||
           ((*t == '-' || *t == '+') && t[1] != '\0' &&
            t[1 +
              strspn(t + 1, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+")] ==
                '\0');
}

static void check_header(struct compiler *c, json_t *document)
{
    static const char *const keys[] = {"dsl",     "namespace", "name",     "version", "title",
                                       "summary", "tags",      "metadata", NULL};
    json_t *header = get_object(c, document, "", "document", true);
    const char *dsl, *text;

    if (header == NULL)
        return;
    check_keys(c, header, "/document", keys, NULL);
    dsl = get_string(c, header, "/document", "dsl", true);
    if (dsl != NULL && strncmp(dsl, "1.0.", 4) != 0)
        report(c, "/document/dsl", "write dsl: '1.0.3'", "DSL version \"%.30s\" is not supported",
               dsl);
    text = get_string(c, header, "/document", "namespace", true);
    if (text != NULL && !is_label(text))
        report(c, "/document/namespace", "use letters, digits and -, at most 63",
               "\"%.80s\" is no valid namespace", text);
    text = get_string(c, header, "/document", "name", true);
    if (text != NULL && !is_label(text))
        report(c, "/document/name", "use letters, digits and -, at most 63",
               "\"%.80s\" is no valid name", text);
    text = get_string(c, header, "/document", "version", true);
    if (text != NULL && !is_semver(text))
        report(c, "/document/version", "write it in quotes, like '1.0.0'",
               "\"%.40s\" is no semantic version", text);
    get_string(c, header, "/document", "title", false);
    get_string(c, header, "/document", "summary", false);
}

static void check_evaluate(struct compiler *c, json_t *document)
{
    static const char *const keys[] = {"language", "mode", NULL};
    json_t *evaluate = get_object(c, document, "", "evaluate", false);
    const char *language, *mode;

    if (evaluate == NULL)
        return;
    check_keys(c, evaluate, "/evaluate", keys, NULL);
    language = get_string(c, evaluate, "/evaluate", "language", false);
    if (language != NULL && strcmp(language, "jq") != 0)
        report(c, "/evaluate/language", "use jq", "expression language \"%.40s\" is not supported",
               language);
    mode = get_string(c, evaluate, "/evaluate", "mode", false);
    if (mode != NULL && strcmp(mode, "strict") != 0)
        report(c, "/evaluate/mode", "use strict, with ${ } around expressions",
               "evaluation mode \"%.40s\" is not supported", mode);
}

/* ---- use ----------------------------------------------------------------------------------------
 */

static void name_functions(struct compiler *c)
{
    json_t *functions = json_object_get(c->use, "functions"), *def;
    const char *name;

    c->f->functions = flow_alloc(c->f, (json_object_size(functions) + 1) * sizeof *c->f->functions);
    json_object_foreach(functions, name, def)
    {
        struct task *t = flow_alloc(c->f, sizeof *t);

        t->name = name;
        t->pointer = ptr_key(c, "/use/functions", name);
        c->f->functions[c->f->function_count++] = (struct function){.name = name, .task = t};
    }
}

static void compile_functions(struct compiler *c)
{
    json_t *functions = json_object_get(c->use, "functions");

    for (size_t i = 0; i < c->f->function_count; i++) {
        struct task *t = c->f->functions[i].task;

        c->root_len = strlen(t->pointer);
        compile_task(c, t, json_object_get(functions, c->f->functions[i].name));
    }
    c->root_len = 0;
}

static void compile_use(struct compiler *c, json_t *document)
{
    static const char *const keys[] = {"authentications", "catalogs",  "errors",
                                       "extensions",      "functions", "retries",
                                       "secrets",         "timeouts",  NULL};
    static const char *const later[] = {"authentications", "catalogs", "extensions", "secrets",
                                        NULL};
    static const char *const maps[] = {"errors", "functions", "retries", "timeouts", NULL};

    c->use = get_object(c, document, "", "use", false);
    if (c->use == NULL)
        return;
    check_keys(c, c->use, "/use", keys, NULL);
    for (const char *const *k = later; *k != NULL; k++) {
        if (json_object_get(c->use, *k) != NULL)
            report(c, ptr_key(c, "/use", *k), "this comes with a later release",
                   "use.%s is not supported", *k);
    }
    for (const char *const *k = maps; *k != NULL; k++)
        get_object(c, c->use, "/use", *k, false);
    name_functions(c);
    compile_functions(c);
}

/* ---- compile ------------------------------------------------------------------------------------
 */

static void compile_root(struct compiler *c, json_t *document)
{
    struct task *root = flow_alloc(c->f, sizeof *root);
    json_t *list = json_object_get(document, "do"), *timeout;

    root->kind = &task_workflow;
    root->name = root->pointer = root->ref = "";
    root->def = document;
    c->f->root = root;
    compile_filter(c, document, "", "input", &root->input);
    compile_filter(c, document, "", "output", &root->output);
    timeout = json_object_get(document, "timeout");
    if (timeout != NULL)
        root->timeout = compile_timeout(c, timeout, "/timeout");
    if (json_object_get(document, "schedule") != NULL)
        report(c, "/schedule", "start it through the API or a timer of your system",
               "schedules come with a later release");
    if (list == NULL)
        report(c, "", "add do: with a list of tasks", "\"do\" is missing");
    else
        root->spec = compile_list(c, list, "/do", false);
}

static void report_expression(void *arg, const char *pointer, const char *message)
{
    report(arg, pointer, "see the jq 1.6 manual", "%s", message); /* a policy may be used twice */
}

static void log_expression(void *arg, const char *pointer, const char *message)
{
    const struct flow *f = arg;

    log_error("flow", "%s: %s: %s", f->file, pointer, message);
}

static json_t *runtime_value(void)
{
    return json_pack("{s:s, s:s, s:{}}", "name", "ultramcp-restate", "version", VERSION,
                     "metadata");
}

struct flow *flow_compile(const char *file, const char *text, size_t len, bool check_expressions,
                          struct source **source)
{
    static const char *const no_names[] = {NULL};
    struct source *s = source_read(file, text, len);
    struct flow *f;
    json_t *document = source_root(s);

    *source = s;
    if (document == NULL)
        return NULL;
    if (!json_is_object(document)) {
        source_error(s, "", "begin with document:", "a workflow document must be an object");
        return NULL;
    }
    f = mem_zalloc(sizeof *f);
    f->document = json_incref(document);
    f->file = mem_strdup(file);
    f->exprs = expr_set_new();
    f->runtime = runtime_value();
    struct compiler c = {.f = f, .s = s, .names = no_names};
    check_header(&c, document);
    check_evaluate(&c, document);
    compile_use(&c, document);
    compile_root(&c, document);
    f->input_schema =
        json_object_get(json_object_get(json_object_get(document, "input"), "schema"), "document");
    if (check_expressions && expr_set_compile(f->exprs, report_expression, &c))
        f->prepared = true;
    if (!source_failed(s))
        return f;
    flow_free(f);
    return NULL;
}

void flow_free(struct flow *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->schema_count; i++)
        schema_free(f->schemas[i]);
    free(f->schemas);
    expr_set_free(f->exprs);
    flow_arena_free(f);
    json_decref(f->runtime);
    json_decref(f->document);
    free(f->file);
    free(f);
}

bool flow_prepare(struct flow *f)
{
    if (!f->prepared) {
        f->broken = !expr_set_compile(f->exprs, log_expression, f);
        f->prepared = true;
    }
    return !f->broken;
}

static const char *header(const struct flow *f, const char *key)
{
    return json_str(json_object_get(f->document, "document"), key, NULL);
}

const char *flow_namespace(const struct flow *f)
{
    return header(f, "namespace");
}

const char *flow_name(const struct flow *f)
{
    return header(f, "name");
}

const char *flow_version(const struct flow *f)
{
    return header(f, "version");
}

const char *flow_title(const struct flow *f)
{
    return header(f, "title");
}

const char *flow_summary(const struct flow *f)
{
    return header(f, "summary");
}

json_t *flow_document(const struct flow *f)
{
    return f->document;
}

json_t *flow_input_schema(const struct flow *f)
{
    return f->input_schema;
}

enum errcode flow_check_input(const struct flow *f, json_t *input, struct err *err)
{
    const struct schema *schema = f->root->input.schema;

    return schema != NULL ? schema_check(schema, input, err) : ERR_OK;
}
