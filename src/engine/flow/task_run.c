/* run: other workflows. Processes and containers come with a later release. */
#include <string.h>

#include "base/json.h"
#include "engine/flow/frame.h"

static const char *const keys[] = {"run", NULL};

struct child {
    const char *service; /* NAMESPACE.NAME[@VERSION] */
    struct expr *input;  /* NULL: the task's */
    bool await, none;    /* none: the output is null whatever the child gave */
};

static void compile_workflow(struct compiler *c, struct child *child, json_t *def,
                             const char *pointer)
{
    static const char *const workflow_keys[] = {"namespace", "name", "version", "input", NULL};
    const char *ns, *name, *version;

    check_keys(c, def, pointer, workflow_keys, NULL);
    ns = get_string(c, def, pointer, "namespace", true);
    name = get_string(c, def, pointer, "name", true);
    version = get_string(c, def, pointer, "version", false);
    if (version != NULL && strcmp(version, "latest") == 0)
        version = NULL;
    if (ns != NULL && name != NULL)
        child->service = flow_printf(c->f, "%s.%s%s%s", ns, name, version != NULL ? "@" : "",
                                     version != NULL ? version : "");
    child->input = get_template(c, def, pointer, "input");
}

/* What a process would return; of a workflow only `none` makes a difference. */
static void compile_return(struct compiler *c, struct child *child, json_t *def,
                           const char *pointer)
{
    static const char *const known[] = {"stdout", "stderr", "code", "all", "none", NULL};
    const char *text = get_string(c, def, pointer, "return", false);

    if (text == NULL)
        return;
    child->none = strcmp(text, "none") == 0;
    for (const char *const *k = known; *k != NULL; k++) {
        if (strcmp(text, *k) == 0)
            return;
    }
    report(c, ptr_key(c, pointer, "return"), remedy_closest(c, text, known),
           "\"return\" cannot be \"%.40s\"", text);
}

static void compile(struct compiler *c, struct task *t)
{
    static const char *const run_keys[] = {"workflow", "await", "return", NULL};
    static const char *const later[] = {"container", "script", "shell", NULL};
    const char *pointer = ptr_key(c, t->pointer, "run");
    json_t *def = get_object(c, t->def, t->pointer, "run", true), *workflow;
    struct child *child = flow_alloc(c->f, sizeof *child);

    t->spec = child;
    if (def == NULL)
        return;
    for (const char *const *k = later; *k != NULL; k++) {
        if (json_object_get(def, *k) != NULL) {
            report(c, ptr_key(c, pointer, *k), "this comes with a later release",
                   "run.%s is not supported", *k);
            return;
        }
    }
    check_keys(c, def, pointer, run_keys, NULL);
    child->await = get_bool(c, def, pointer, "await", true);
    compile_return(c, child, def, pointer);
    workflow = get_object(c, def, pointer, "workflow", true);
    if (workflow != NULL)
        compile_workflow(c, child, workflow, ptr_key(c, pointer, "workflow"));
}

static void begin(struct frame *f)
{
    const struct child *child = f->task->spec;
    json_t *input = json_incref(f->input);

    if (child->input != NULL) {
        json_decref(input);
        if (!frame_eval(f, child->input, f->input, &input))
            return;
    }
    if (child->await) {
        frame_wait(f, WAIT_ANSWER, turn_call(f->run->turn, f->key, child->service, input));
    } else {
        turn_send(f->run->turn, f->key, child->service, input);
        frame_complete(f, f->input);
    }
    json_decref(input);
}

static void answered(struct frame *f, json_t *output, json_t *error)
{
    const struct child *child = f->task->spec;

    if (error != NULL)
        frame_fault(f, json_incref(error));
    else
        frame_complete(f, child->none ? json_null() : output); /* json_null() is static */
}

const struct task_kind task_run = {
    .name = "run", .keys = keys, .compile = compile, .begin = begin, .answered = answered};
