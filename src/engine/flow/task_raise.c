/* raise: an error of the document's own. */
#include "base/json.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

static const char *const keys[] = {"raise", NULL};

struct expr *compile_error(struct compiler *c, json_t *value, const char *pointer)
{
    static const char *const error_keys[] = {"type", "status", "title", "detail", "instance", NULL};

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
    if (json_object_get(value, "status") == NULL)
        report(c, pointer, "add \"status\"", "\"status\" is missing");
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

static void begin(struct frame *f)
{
    json_t *value, *error;

    if (!frame_eval(f, (struct expr *)(uintptr_t)f->task->spec, f->input, &value))
        return;
    error = json_copy(value);
    json_decref(value);
    json_object_del(error, "instance"); /* the runtime says where */
    if (!json_is_integer(json_object_get(error, "status")))
        json_object_set_new(error, "status", json_integer(500));
    frame_fault(f, error);
}

const struct task_kind task_raise = {
    .name = "raise", .keys = keys, .compile = compile, .begin = begin};
