/* for: iterations one after the other, each on the output of the one before (D8). */
#include "base/json.h"
#include "base/mem.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

#include <stdlib.h>

static const char *const keys[] = {"for", "while", "do", NULL};

struct loop {
    const char *each, *at;
    struct expr *in, *condition;
    const struct task_list *list;
};

struct loop_state {
    json_t *items;
    size_t index;
};

static void compile(struct compiler *c, struct task *t)
{
    static const char *const for_keys[] = {"each", "in", "at", NULL};
    const char *const *outer = c->names;
    const char *pointer = ptr_key(c, t->pointer, "for");
    json_t *def = get_object(c, t->def, t->pointer, "for", true), *in;
    struct loop *loop = flow_alloc(c->f, sizeof *loop);

    t->spec = loop;
    if (def == NULL)
        return;
    check_keys(c, def, pointer, for_keys, NULL);
    loop->each = get_string(c, def, pointer, "each", false);
    loop->at = get_string(c, def, pointer, "at", false);
    loop->each = loop->each != NULL ? loop->each : "item";
    loop->at = loop->at != NULL ? loop->at : "index";
    in = json_object_get(def, "in");
    if (in == NULL)
        report(c, pointer, "add in: '${ .list }'", "\"in\" is missing");
    loop->in =
        json_is_array(in) ? get_template(c, def, pointer, "in") : get_bare(c, def, pointer, "in");
    scope_add(c, loop->each);
    scope_add(c, loop->at);
    loop->condition = get_bare(c, t->def, t->pointer, "while");
    if (json_object_get(t->def, "do") == NULL)
        report(c, t->pointer, "add do:", "\"do\" is missing");
    else
        loop->list =
            compile_list(c, json_object_get(t->def, "do"), ptr_key(c, t->pointer, "do"), false);
    c->names = outer;
}

static void iterate(struct frame *f, json_t *data)
{
    const struct loop *loop = f->task->spec;
    struct loop_state *state = f->state;
    json_t *locals, *index;
    bool yes = true;

    if (state->index == json_array_size(state->items)) {
        frame_complete(f, data);
        return;
    }
    locals = json_with(f->locals, loop->each, json_array_get(state->items, state->index));
    index = json_integer((json_int_t)state->index);
    json_object_set_new(locals, loop->at, index);
    if (loop->condition == NULL || frame_test_with(f, loop->condition, data, locals, &yes)) {
        if (yes) {
            char *path = path_add(f->path, state->index);

            list_open(f, loop->list, data, path, locals, false);
            free(path);
        } else {
            frame_complete(f, data);
        }
    }
    json_decref(locals);
}

static void begin(struct frame *f)
{
    const struct loop *loop = f->task->spec;
    json_t *items;

    if (!frame_eval(f, loop->in, f->input, &items))
        return;
    if (json_is_null(items)) {
        json_decref(items);
        frame_complete(f, f->input);
        return;
    }
    if (!json_is_array(items)) {
        json_decref(items);
        frame_fault(f, problem_new("expression", 400, "Not a list",
                                   "for.in must give an array, and gave something else"));
        return;
    }
    struct loop_state *state = mem_zalloc(sizeof *state);
    state->items = items;
    f->state = state;
    iterate(f, f->input);
}

static void list_done(struct frame *f, json_t *output, bool end)
{
    struct loop_state *state = f->state;

    if (end) {
        frame_end_with(f, output, true);
        return;
    }
    state->index++;
    iterate(f, output);
}

static void fini(struct frame *f)
{
    struct loop_state *state = f->state;

    json_decref(state->items);
}

const struct task_kind task_for = {.name = "for",
                                   .keys = keys,
                                   .compile = compile,
                                   .begin = begin,
                                   .list_done = list_done,
                                   .fini = fini};
