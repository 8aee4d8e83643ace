/* call: a built-in kind of call, or a function of use.functions. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/flow/frame.h"

static const char *const keys[] = {"call", "with", NULL};

const struct call_kind *const call_kinds[] = {&call_http, &call_agent, &call_log, NULL};

struct call_spec {
    const struct call_kind *kind; /* NULL: a function */
    const void *spec;
    const struct function *function;
    struct expr *with;
};

static const struct call_kind *find_kind(const char *name)
{
    for (size_t i = 0; call_kinds[i] != NULL; i++) {
        if (strcmp(call_kinds[i]->name, name) == 0)
            return call_kinds[i];
    }
    return NULL;
}

static const struct function *find_function(const struct flow *f, const char *name)
{
    for (size_t i = 0; i < f->function_count; i++) {
        if (strcmp(f->functions[i].name, name) == 0)
            return &f->functions[i];
    }
    return NULL;
}

static void unknown_call(struct compiler *c, struct task *t, const char *name)
{
    static const char *const later[] = {"openapi", "grpc",     "asyncapi", "a2a",
                                        "mcp",     "approval", NULL};
    const char *names[104] = {NULL};
    size_t count = 0;

    for (const char *const *k = later; *k != NULL; k++) {
        if (strcmp(*k, name) == 0) {
            report(c, ptr_key(c, t->pointer, "call"), "use call: http or call: agent",
                   "call: %s is not supported by this runtime", name);
            return;
        }
    }
    for (size_t i = 0; call_kinds[i] != NULL; i++)
        names[count++] = call_kinds[i]->name;
    for (size_t i = 0; i < c->f->function_count && count < 103; i++)
        names[count++] = c->f->functions[i].name;
    report(c, ptr_key(c, t->pointer, "call"), remedy_closest(c, name, names),
           "there is no function \"%.100s\" in use.functions, and no such kind of call", name);
}

static void compile(struct compiler *c, struct task *t)
{
    const char *name = get_string(c, t->def, t->pointer, "call", true);
    const char *pointer = ptr_key(c, t->pointer, "with");
    struct call_spec *call = flow_alloc(c->f, sizeof *call);
    json_t *with = json_object_get(t->def, "with");

    t->spec = call;
    if (name == NULL)
        return;
    call->function = find_function(c->f, name); /* the document's own wins */
    if (call->function != NULL) {
        call->with = get_template(c, t->def, t->pointer, "with");
        return;
    }
    call->kind = find_kind(name);
    if (call->kind == NULL) {
        unknown_call(c, t, name);
        return;
    }
    t->local = call->kind->local;
    if (!json_is_object(with)) {
        report(c, t->pointer, "add with: {…}", "call: %s needs its arguments in \"with\"", name);
        return;
    }
    check_keys(c, with, pointer, call->kind->keys, NULL);
    call->spec = call->kind->compile(c, with, pointer);
}

static void begin_function(struct frame *f, const struct call_spec *call)
{
    json_t *input = json_incref(f->input);
    struct frame *child;

    if (call->with != NULL) {
        json_decref(input);
        if (!frame_eval(f, call->with, f->input, &input))
            return;
    }
    /* The reference goes on with the function's name, escaped as in its pointer. */
    f->base_own =
        mem_printf("%.*s%s", (int)f->ref_len, f->key, strrchr(call->function->task->pointer, '/'));
    child = frame_new(f->run, f, call->function->task, input, NULL, f->path);
    child->slot = 0;
    json_decref(input);
}

static void begin(struct frame *f)
{
    const struct call_spec *call = f->task->spec;

    if (call->function != NULL)
        begin_function(f, call);
    else
        call->kind->run(f, call->spec);
}

static void answered(struct frame *f, json_t *output, json_t *error)
{
    if (error != NULL)
        frame_fault(f, json_incref(error));
    else
        frame_complete(f, output);
}

static void child_done(struct frame *f, size_t slot, json_t *output, bool end)
{
    (void)slot;
    frame_end_with(f, output, end);
}

const struct task_kind task_call = {.name = "call",
                                    .keys = keys,
                                    .compile = compile,
                                    .begin = begin,
                                    .answered = answered,
                                    .child_done = child_done};
