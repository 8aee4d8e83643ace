/* fork: branches in parallel (D10); with metadata.forEach one branch for each element of a list. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

static const char *const keys[] = {"fork", NULL};

struct fork {
    const struct task_list *branches;
    bool compete, collect;
    const char *each, *at; /* each NULL: static branches */
    struct expr *in, *concurrency;
};

struct fork_state {
    json_t *items;   /* NULL: static branches */
    json_t *outputs; /* array, in the order of branches */
    json_t *error;   /* compete: the first one */
    size_t total, next, running, done, failed, limit;
};

static void compile_each(struct compiler *c, struct task *t, struct fork *fork, json_t *def)
{
    static const char *const each_keys[] = {"each", "at", "in", "concurrency", "onError", NULL};
    const char *pointer = ptr_key(c, ptr_key(c, t->pointer, "metadata"), "forEach");
    const char *on_error;

    check_keys(c, def, pointer, each_keys, NULL);
    fork->each = get_string(c, def, pointer, "each", false);
    fork->at = get_string(c, def, pointer, "at", false);
    fork->each = fork->each != NULL ? fork->each : "item";
    fork->at = fork->at != NULL ? fork->at : "index";
    fork->in = get_bare(c, def, pointer, "in");
    if (fork->in == NULL)
        report(c, pointer, "add in: '${ .list }'", "\"in\" is missing");
    fork->concurrency = get_template(c, def, pointer, "concurrency");
    if (fork->concurrency != NULL && expr_is_literal(fork->concurrency) &&
        json_integer_value(json_object_get(def, "concurrency")) < 1)
        report(c, ptr_key(c, pointer, "concurrency"), "leave it out for no limit",
               "\"concurrency\" must be a whole number from 1");
    on_error = get_string(c, def, pointer, "onError", false);
    fork->collect = on_error != NULL && on_error[0] == 'c';
    if (on_error != NULL && strcmp(on_error, "collect") != 0 && strcmp(on_error, "fail") != 0)
        report(c, ptr_key(c, pointer, "onError"), "use fail or collect",
               "\"%.40s\" is neither fail nor collect", on_error);
}

static void compile(struct compiler *c, struct task *t)
{
    static const char *const fork_keys[] = {"branches", "compete", NULL};
    const char *const *outer = c->names;
    const char *pointer = ptr_key(c, t->pointer, "fork");
    json_t *def = get_object(c, t->def, t->pointer, "fork", true);
    json_t *each = json_object_get(json_object_get(t->def, "metadata"), "forEach");
    struct fork *fork = flow_alloc(c->f, sizeof *fork);

    t->spec = fork;
    if (def == NULL)
        return;
    check_keys(c, def, pointer, fork_keys, NULL);
    fork->compete = get_bool(c, def, pointer, "compete", false);
    if (json_is_object(each)) {
        compile_each(c, t, fork, each);
        scope_add(c, fork->each);
        scope_add(c, fork->at);
    }
    if (json_object_get(def, "branches") == NULL)
        report(c, pointer, "add branches:", "\"branches\" is missing");
    else
        fork->branches = compile_list(c, json_object_get(def, "branches"),
                                      ptr_key(c, pointer, "branches"), true);
    if (fork->each != NULL && fork->branches != NULL && fork->branches->count != 1)
        report(c, pointer, "put the tasks of the branch under one do:",
               "a fork with forEach needs exactly one branch, its template");
    c->names = outer;
}

static void start_branch(struct frame *f, const struct fork *fork, size_t i)
{
    struct fork_state *state = f->state;
    json_t *locals = json_incref(f->locals);
    char *path = NULL;
    struct frame *child;

    if (fork->each != NULL) {
        json_decref(locals);
        locals = json_with(f->locals, fork->each, json_array_get(state->items, i));
        json_object_set_new(locals, fork->at, json_integer((json_int_t)i));
        path = path_add(f->path, i);
    }
    child = frame_new(f->run, f, fork->branches->tasks[fork->each != NULL ? 0 : i], f->input,
                      locals, path != NULL ? path : f->path);
    child->slot = i;
    state->running++;
    json_decref(locals);
    free(path);
}

static void start_more(struct frame *f)
{
    struct fork_state *state = f->state;

    while (state->next < state->total && state->running < state->limit)
        start_branch(f, f->task->spec, state->next++);
}

static bool read_limit(struct frame *f, const struct fork *fork, size_t *limit)
{
    json_t *value;

    *limit = SIZE_MAX;
    if (fork->concurrency == NULL)
        return true;
    if (!frame_eval(f, fork->concurrency, f->input, &value))
        return false;
    json_int_t n = json_integer_value(value);
    json_decref(value);
    if (n >= 1) {
        *limit = (size_t)n;
        return true;
    }
    frame_fault(f, problem_new("expression", 400, "Not a number of branches",
                               "forEach.concurrency must be a whole number from 1"));
    return false;
}

static bool read_items(struct frame *f, const struct fork *fork, json_t **items)
{
    *items = NULL;
    if (fork->each == NULL)
        return true;
    if (!frame_eval(f, fork->in, f->input, items))
        return false;
    if (json_is_array(*items))
        return true;
    json_decref(*items);
    frame_fault(f, problem_new("expression", 400, "Not a list",
                               "forEach.in must give an array, and gave something else"));
    return false;
}

static void begin(struct frame *f)
{
    const struct fork *fork = f->task->spec;
    struct fork_state *state;
    json_t *items;
    size_t limit;

    if (!read_limit(f, fork, &limit) || !read_items(f, fork, &items))
        return;
    f->state = state = mem_zalloc(sizeof *state);
    state->items = items;
    state->limit = limit;
    state->total = items != NULL ? json_array_size(items) : fork->branches->count;
    state->outputs = json_array();
    for (size_t i = 0; i < state->total; i++)
        json_array_append_new(state->outputs, json_null());
    if (state->total == 0)
        frame_complete(f, state->outputs);
    else
        start_more(f);
}

static void settle(struct frame *f)
{
    struct fork_state *state = f->state;

    if (state->done == state->total)
        frame_complete(f, state->outputs);
    else
        start_more(f);
}

static void child_done(struct frame *f, size_t slot, json_t *output, bool end)
{
    const struct fork *fork = f->task->spec;
    struct fork_state *state = f->state;

    state->running--;
    state->done++;
    if (fork->compete) {
        frame_drop_children(f);
        frame_end_with(f, output, end);
        return;
    }
    json_array_set(state->outputs, slot, output);
    if (end) {
        frame_drop_children(f);
        frame_end_with(f, state->outputs, true);
        return;
    }
    settle(f);
}

static void child_faulted(struct frame *f, size_t slot, json_t *error)
{
    const struct fork *fork = f->task->spec;
    struct fork_state *state = f->state;

    state->running--;
    state->done++;
    if (fork->compete) {
        if (state->error == NULL)
            state->error = json_incref(error);
        if (state->done == state->total)
            frame_fault(f, json_incref(state->error));
        else
            start_more(f);
    } else if (fork->collect) {
        json_array_set(state->outputs, slot, error);
        settle(f);
    } else {
        frame_fault(f, json_incref(error));
    }
}

static void fini(struct frame *f)
{
    struct fork_state *state = f->state;

    json_decref(state->items);
    json_decref(state->outputs);
    json_decref(state->error);
}

const struct task_kind task_fork = {.name = "fork",
                                    .keys = keys,
                                    .compile = compile,
                                    .begin = begin,
                                    .child_done = child_done,
                                    .child_faulted = child_faulted,
                                    .fini = fini};
