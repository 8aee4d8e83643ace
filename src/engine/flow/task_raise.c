/* raise: an error of the document's own. */
#include "base/json.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

static const char *const keys[] = {"raise", NULL};

struct expr *compile_error(struct compiler *c, json_t *value, const char *pointer)
{
    static const char *const error_keys[] = {"type", "status", "title", "detail", "instance", NULL};
    json_t *status;

    value = use_resolve(c, value, "errors", &pointer);
    if (value == NULL)
        return NULL;
    if (!json_is_object(value)) {
        report(c, pointer, "write {type: …, status: …}, or a name from use.errors",
               "an error must be an object or a name");
        return NULL;
    }
    check_keys(c, value, pointer, error_keys, NULL);
    get_string(c, value, pointer, "type", true);
    get_string(c, value, pointer, "title", false);
    get_string(c, value, pointer, "detail", false);
    status = json_object_get(value, "status");
    if (status == NULL)
        report(c, pointer, "add \"status\"", "\"status\" is missing");
    else if (!json_is_integer(status) &&
             !(json_is_string(status) && expr_is_marked(json_string_value(status))))
        report(c, ptr_key(c, pointer, "status"), "write a number like 503",
               "\"status\" must be an integer");
    return expr_template(c->f->exprs, value, pointer, c->names);
}

static void compile(struct compiler *c, struct task *t)
{
    static const char *const raise_keys[] = {"error", NULL};
    const char *pointer = ptr_key(c, t->pointer, "raise");
    json_t *def = get_object(c, t->def, t->pointer, "raise", true);

    t->local = true;
    if (def == NULL)
        return;
    check_keys(c, def, pointer, raise_keys, NULL);
    if (json_object_get(def, "error") == NULL)
        report(c, pointer, "add error:", "\"error\" is missing");
    else
        t->spec = compile_error(c, json_object_get(def, "error"), ptr_key(c, pointer, "error"));
}

/* What the expressions gave must be an error that others can rely on. */
static bool well_formed(const json_t *error)
{
    static const char *const texts[] = {"title", "detail", NULL};

    for (const char *const *k = texts; *k != NULL; k++) {
        const json_t *value = json_object_get(error, *k);

        if (value != NULL && !json_is_string(value) && !json_is_null(value))
            return false;
    }
    return json_is_string(json_object_get(error, "type")) &&
           json_is_integer(json_object_get(error, "status"));
}

static void begin(struct frame *f)
{
    json_t *value, *error;

    if (!frame_eval(f, (struct expr *)(uintptr_t)f->task->spec, f->input, &value))
        return;
    if (!well_formed(value)) {
        json_decref(value);
        frame_fault(f, problem_new("expression", 400, "Not an error",
                                   "the error's type, title and detail must be strings and its "
                                   "status an integer"));
        return;
    }
    error = json_copy(value);
    json_decref(value);
    json_object_del(error, "instance"); /* the runtime says where */
    frame_fault(f, error);
}

const struct task_kind task_raise = {
    .name = "raise", .keys = keys, .compile = compile, .begin = begin};
