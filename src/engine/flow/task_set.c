/* set: the output is what is given; it replaces the data. */
#include "engine/flow/frame.h"

static const char *const keys[] = {"set", NULL};

static void compile(struct compiler *c, struct task *t)
{
    json_t *value = json_object_get(t->def, "set");

    t->local = true;
    if (json_is_object(value) ? json_object_size(value) == 0
                              : !json_is_string(value) || !expr_is_marked(json_string_value(value)))
        report(c, ptr_key(c, t->pointer, "set"), "write set: {name: value} or set: '${ … }'",
               "\"set\" must be an object with at least one key, or an expression");
    t->spec = get_template(c, t->def, t->pointer, "set");
}

static void begin(struct frame *f)
{
    json_t *output;

    if (!frame_eval(f, (struct expr *)(uintptr_t)f->task->spec, f->input, &output))
        return;
    frame_complete(f, output);
    json_decref(output);
}

const struct task_kind task_set = {.name = "set", .keys = keys, .compile = compile, .begin = begin};
