/* The table of task kinds, and what compiling a task means whatever its kind. Adding a kind: a file
 * task_NAME.c, a line in flow_internal.h and a row here. */
#include <string.h>

#include "base/json.h"
#include "engine/flow/flow_internal.h"

const struct task_kind *const task_kinds[] = {
    &task_call, &task_do,     &task_for, &task_fork, &task_raise, &task_run,
    &task_set,  &task_switch, &task_try, &task_wait, NULL,
};

static const char *const later_kinds[] = {"emit", "listen", NULL};
static const char *const common_keys[] = {
    "if", "input", "output", "export", "timeout", "then", "metadata", NULL,
};

/* The kind of a task. `for` also has a `do`, so that it is asked first. */
static const struct task_kind *kind_of(struct compiler *c, json_t *def, const char *pointer)
{
    const struct task_kind *found = NULL;
    const char *names[32], *key;
    json_t *value;
    size_t count = 0;

    for (const char *const *later = later_kinds; *later != NULL; later++) {
        if (json_object_get(def, *later) == NULL)
            continue;
        report(c, ptr_key(c, pointer, *later), "this kind comes with a later release",
               "tasks of kind \"%s\" are not supported", *later);
        return NULL;
    }
    if (json_object_get(def, task_for.name) != NULL)
        return &task_for;
    for (size_t i = 0; task_kinds[i] != NULL; i++) {
        names[count++] = task_kinds[i]->name;
        if (json_object_get(def, task_kinds[i]->name) == NULL)
            continue;
        if (found != NULL) {
            report(c, pointer, "make two tasks of it", "a task cannot be both \"%s\" and \"%s\"",
                   found->name, task_kinds[i]->name);
            return NULL;
        }
        found = task_kinds[i];
    }
    names[count] = NULL;
    if (found != NULL)
        return found;
    json_object_foreach(def, key, value)
    {
        const char *remedy = remedy_closest(c, key, names);

        if (*remedy != '\0') {
            report(c, ptr_key(c, pointer, key), remedy, "unknown property \"%.100s\"", key);
            return NULL;
        }
    }
    report(c, pointer, "give it one of call, do, for, fork, raise, run, set, switch, try, wait",
           "the task has no kind");
    return NULL;
}

static bool find_target(struct compiler *c, const char *name, size_t *index)
{
    for (size_t i = 0; c->list != NULL && i < c->list->count; i++) {
        if (strcmp(c->list->tasks[i]->name, name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

struct then compile_then(struct compiler *c, json_t *owner, const char *pointer)
{
    static const char *const directives[] = {"continue", "exit", "end", NULL};
    struct then then = {THEN_CONTINUE, 0};
    const char *name = get_string(c, owner, pointer, "then", false);

    if (name == NULL || strcmp(name, "continue") == 0)
        return then;
    if (strcmp(name, "exit") == 0) {
        then.kind = THEN_EXIT;
    } else if (strcmp(name, "end") == 0) {
        then.kind = THEN_END;
    } else if (find_target(c, name, &then.target)) {
        then.kind = THEN_GOTO;
        if (then.target <= c->index)
            c->jumps->jumps_back = true;
    } else {
        const char *names[FLOW_TASKS_MAX + 4] = {NULL};
        size_t count = 0;

        for (const char *const *d = directives; *d != NULL; d++)
            names[count++] = *d;
        for (size_t i = 0; c->list != NULL && i < c->list->count; i++)
            names[count++] = c->list->tasks[i]->name;
        report(c, ptr_key(c, pointer, "then"), remedy_closest(c, name, names),
               c->list != NULL ? "\"%.100s\" is no task of the same list"
                               : "\"%.100s\": only continue, exit and end are possible here",
               name);
    }
    return then;
}

static void compile_metadata(struct compiler *c, struct task *t)
{
    json_t *metadata = get_object(c, t->def, t->pointer, "metadata", false);

    if (json_object_get(metadata, "compensate") != NULL)
        source_warn(c->s, ptr_key(c, ptr_key(c, t->pointer, "metadata"), "compensate"),
                    "catch the error and undo the work in catch.do",
                    "compensation comes with a later release; nothing will be undone");
}

void compile_task(struct compiler *c, struct task *t, json_t *def)
{
    json_t *timeout;

    t->def = def;
    t->ref = t->pointer + c->root_len;
    if (++c->tasks > FLOW_TASKS_MAX) {
        report(c, "/do", "split the document into several", "more than %d tasks", FLOW_TASKS_MAX);
        return;
    }
    if (c->depth >= FLOW_NESTING_MAX) {
        report(c, t->pointer, "move inner tasks into use.functions or a document of their own",
               "tasks are nested deeper than %d levels", FLOW_NESTING_MAX);
        return;
    }
    if (!json_is_object(def)) {
        report(c, t->pointer, "", "a task must be an object");
        return;
    }
    t->kind = kind_of(c, def, t->pointer);
    if (t->kind == NULL)
        return;
    check_keys(c, def, t->pointer, common_keys, t->kind->keys);
    t->cond = get_bare(c, def, t->pointer, "if");
    compile_filter(c, def, t->pointer, "input", &t->input);
    compile_filter(c, def, t->pointer, "output", &t->output);
    compile_filter(c, def, t->pointer, "export", &t->export);
    timeout = json_object_get(def, "timeout");
    if (timeout != NULL)
        t->timeout = compile_timeout(c, timeout, ptr_key(c, t->pointer, "timeout"));
    t->then = compile_then(c, def, t->pointer);
    compile_metadata(c, t);
    c->depth++;
    t->kind->compile(c, t);
    c->depth--;
}

/* Makes the task of item `i` with its name; its body is compiled when all names are known. */
static struct task *name_task(struct compiler *c, const struct task_list *list, json_t *item,
                              const char *pointer, size_t i)
{
    struct task *t = flow_alloc(c->f, sizeof *t);

    pointer = ptr_index(c, pointer, i);
    t->name = "";
    t->pointer = pointer;
    if (!json_is_object(item) || json_object_size(item) != 1) {
        report(c, pointer, "write - name: {…}",
               "an item of a task list must be an object with exactly one key, the task's name");
        return t;
    }
    t->name = json_object_iter_key(json_object_iter(item));
    t->pointer = ptr_key(c, pointer, t->name);
    for (size_t j = 0; j < i; j++)
        if (strcmp(list->tasks[j]->name, t->name) == 0)
            report(c, t->pointer, "give each task of a list its own name",
                   "the list has two tasks named \"%.100s\"", t->name);
    return t;
}

struct task_list *compile_list(struct compiler *c, json_t *value, const char *pointer,
                               bool branches)
{
    struct task_list *list = flow_alloc(c->f, sizeof *list);
    struct compiler outer = *c;
    size_t count = json_array_size(value);

    if (!json_is_array(value)) {
        report(c, pointer, "write - name: {…} for each task", "a task list must be an array");
        return list;
    }
    if (c->tasks + (int)count > FLOW_TASKS_MAX) {
        report(c, "/do", "split the document into several", "more than %d tasks", FLOW_TASKS_MAX);
        return list;
    }
    list->tasks = flow_alloc(c->f, (count + 1) * sizeof(struct task *));
    for (size_t i = 0; i < count; i++)
        list->tasks[i] = name_task(c, list, json_array_get(value, i), pointer, i);
    list->count = count;
    c->list = branches ? NULL : list;
    c->jumps = branches ? NULL : list;
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(value, i);

        c->index = i;
        if (json_is_object(item) && json_object_size(item) == 1)
            compile_task(c, list->tasks[i], json_object_iter_value(json_object_iter(item)));
    }
    c->list = outer.list;
    c->jumps = outer.jumps;
    c->index = outer.index;
    return list;
}
