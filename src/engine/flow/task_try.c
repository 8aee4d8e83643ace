/* try: errors of its tasks are caught, retried, handled (dsl-digest, section 6 and D11). */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

static const char *const keys[] = {"try", "catch", NULL};

struct guard {
    const struct task_list *list, *handler; /* handler NULL: none */
    json_t *with;                           /* NULL: any error */
    const char *as;
    struct expr *when, *except_when;
    struct retry *retry; /* NULL: none */
    struct then then;
    bool has_then;
};

struct guard_state {
    struct retry_state retry;
    json_t *locals; /* with the error, once there was one */
    bool handling;
};

static void compile_errors(struct compiler *c, struct guard *g, json_t *def, const char *pointer)
{
    static const char *const error_keys[] = {"with", NULL};
    static const char *const with_keys[] = {"type",   "status",  "instance", "title",
                                            "detail", "details", NULL};
    json_t *errors = get_object(c, def, pointer, "errors", false);

    if (errors == NULL)
        return;
    pointer = ptr_key(c, pointer, "errors");
    check_keys(c, errors, pointer, error_keys, NULL);
    g->with = get_object(c, errors, pointer, "with", false);
    if (g->with != NULL)
        check_keys(c, g->with, ptr_key(c, pointer, "with"), with_keys, NULL);
}

static void compile_catch(struct compiler *c, struct guard *g, json_t *def, const char *pointer)
{
    static const char *const catch_keys[] = {"errors", "as", "when", "exceptWhen",
                                             "retry",  "do", "then", NULL};

    check_keys(c, def, pointer, catch_keys, NULL);
    compile_errors(c, g, def, pointer);
    g->as = get_string(c, def, pointer, "as", false);
    g->as = g->as != NULL ? g->as : "error";
    g->has_then = json_object_get(def, "then") != NULL;
    g->then = compile_then(c, def, pointer);
    scope_add(c, g->as);
    g->when = get_bare(c, def, pointer, "when");
    g->except_when = get_bare(c, def, pointer, "exceptWhen");
    if (json_object_get(def, "retry") != NULL)
        g->retry = compile_retry(c, json_object_get(def, "retry"), ptr_key(c, pointer, "retry"));
    if (json_object_get(def, "do") != NULL)
        g->handler = compile_list(c, json_object_get(def, "do"), ptr_key(c, pointer, "do"), false);
}

static void compile(struct compiler *c, struct task *t)
{
    const char *const *outer = c->names;
    json_t *def = get_object(c, t->def, t->pointer, "catch", true);
    struct guard *g = flow_alloc(c->f, sizeof *g);

    t->spec = g;
    g->list = compile_list(c, json_object_get(t->def, "try"), ptr_key(c, t->pointer, "try"), false);
    if (def != NULL)
        compile_catch(c, g, def, ptr_key(c, t->pointer, "catch"));
    c->names = outer;
}

/* The path of an attempt's tasks. The first attempt of a try has no number of its own, so that what
 * goes well keeps a plain key; inside of another try that retries it has one, else attempt 1 of the
 * outer and attempt 1 of the inner would share their keys. */
static char *attempt_path(const struct frame *f)
{
    const struct guard *g = f->task->spec;
    const struct guard_state *state = f->state;

    if (state->retry.retries > 0 || (g->retry != NULL && f->tried))
        return path_add(f->path, state->retry.retries);
    return f->path != NULL ? mem_strdup(f->path) : NULL;
}

static void attempt(struct frame *f)
{
    const struct guard *g = f->task->spec;
    const struct span *limit = g->retry != NULL ? retry_attempt_limit(g->retry) : NULL;
    char *path;
    int64_t ms;

    if (limit != NULL) {
        if (!frame_span(f, limit, &ms))
            return;
        frame_wait(f, WAIT_ATTEMPT, turn_sleep(f->run->turn, f->key, turn_now(f->run->turn) + ms));
    }
    path = attempt_path(f);
    list_open(f, g->list, f->input, path, f->locals, g->retry != NULL);
    free(path);
}

static void begin(struct frame *f)
{
    struct guard_state *state = mem_zalloc(sizeof *state);

    f->state = state;
    state->retry.first_at = turn_now(f->run->turn);
    attempt(f);
}

/* After the delay of a retry. */
static void answered(struct frame *f, json_t *output, json_t *error)
{
    (void)output, (void)error;
    attempt(f);
}

static bool matches(const struct guard *g, const json_t *error)
{
    const char *key;
    json_t *want;

    json_object_foreach(g->with, key, want)
    {
        const json_t *have = json_object_get(error, strcmp(key, "details") == 0 ? "detail" : key);

        if (strcmp(key, "type") == 0 && json_is_string(want) && json_is_string(have)) {
            if (!problem_same_type(json_string_value(want), json_string_value(have)))
                return false;
        } else if (have == NULL || !json_equal(want, have)) {
            return false;
        }
    }
    return true;
}

/* Whether the error is caught. false with *gone: the frame faulted over an expression. */
static bool catches(struct frame *f, const json_t *error, bool *gone)
{
    const struct guard *g = f->task->spec;
    struct guard_state *state = f->state;
    bool yes = true, except = false;

    *gone = false;
    if (!matches(g, error))
        return false;
    *gone = true;
    if (g->when != NULL && !frame_test_with(f, g->when, f->input, state->locals, &yes))
        return false;
    if (g->except_when != NULL &&
        !frame_test_with(f, g->except_when, f->input, state->locals, &except))
        return false;
    *gone = false;
    return yes && !except;
}

static void handle(struct frame *f, json_t *error)
{
    const struct guard *g = f->task->spec;
    struct guard_state *state = f->state;

    if (g->has_then)
        f->then = &g->then;
    if (g->handler != NULL) {
        state->handling = true;
        list_open(f, g->handler, f->input, f->path, state->locals, false);
    } else if (g->retry != NULL) {
        frame_fault(f, json_incref(error));
    } else {
        frame_complete(f, f->input);
    }
}

static void child_faulted(struct frame *f, size_t slot, json_t *error)
{
    const struct guard *g = f->task->spec;
    struct guard_state *state = f->state;
    int64_t delay;
    bool gone;

    (void)slot;
    if (state->handling) {
        frame_fault(f, json_incref(error));
        return;
    }
    frame_unwait(f, WAIT_ATTEMPT);
    json_decref(state->locals);
    state->locals = json_with(f->locals, g->as, error);
    if (!catches(f, error, &gone)) {
        if (!gone)
            frame_fault(f, json_incref(error));
        return;
    }
    if (g->retry != NULL) {
        bool again = retry_next(f, g->retry, &state->retry, state->locals, &delay, &gone);

        if (gone)
            return;
        if (again) {
            frame_wait(f, WAIT_ANSWER,
                       turn_sleep(f->run->turn, f->key, turn_now(f->run->turn) + delay));
            return;
        }
    }
    handle(f, error);
}

static void expired(struct frame *f)
{
    json_t *error = problem_new("timeout", 408, "Timed out", "an attempt of %s did not end in time",
                                f->task->name);

    json_object_set_new(error, "instance", json_stringn(f->key, f->ref_len));
    frame_drop_children(f);
    child_faulted(f, 0, error);
    json_decref(error);
}

static void list_done(struct frame *f, json_t *output, bool end)
{
    frame_unwait(f, WAIT_ATTEMPT);
    frame_end_with(f, output, end);
}

static void fini(struct frame *f)
{
    struct guard_state *state = f->state;

    json_decref(state->locals);
}

const struct task_kind task_try = {.name = "try",
                                   .keys = keys,
                                   .compile = compile,
                                   .begin = begin,
                                   .answered = answered,
                                   .expired = expired,
                                   .list_done = list_done,
                                   .child_faulted = child_faulted,
                                   .fini = fini};
