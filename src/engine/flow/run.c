/* The handler that interprets flows. Deliveries find the frame that waits for them; what can go on
 * is queued and worked off with a budget a turn; a task that ends tells its parent, which queues
 * the next one. frame_complete and frame_fault free the frame: callers return at once. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"
#include "engine/flow/frame.h"
#include "engine/problem.h"

enum { TURN_BUDGET = 200 }; /* local steps before the loop gets its turn */

static void fact(struct frame *f, json_t *output, json_t *error)
{
    if (f->parent == NULL) /* the workflow itself is no task */
        return;
    if (f->announced)
        turn_task_ended(f->run->turn, f->key, output, error);
    else
        turn_task(f->run->turn, f->key, f->raw, output, error);
}

static void spawn_at_cursor(struct frame *f, json_t *input)
{
    struct cursor *c = &f->cursor;
    char *path = c->list->jumps_back ? path_add(c->path, c->pass) : NULL;
    struct frame *child = frame_new(f->run, f, c->list->tasks[c->at], input, c->locals,
                                    path != NULL ? path : c->path);

    child->in_list = true;
    free(path);
}

void list_open(struct frame *f, const struct task_list *list, json_t *input, const char *path,
               json_t *locals, bool tried)
{
    struct cursor *c = &f->cursor;
    char *copy = path != NULL ? mem_strdup(path) : NULL;

    json_incref(locals);
    json_decref(c->locals);
    free(c->path);
    *c = (struct cursor){.list = list, .path = copy, .locals = locals, .tried = tried};
    if (list->count > 0) {
        spawn_at_cursor(f, input);
    } else {
        c->nothing = json_incref(input);
        frame_queue(f);
    }
}

/* A task of the frame's list is through: where to go on. */
static void list_next(struct frame *f, const struct then *then, json_t *output, bool end)
{
    struct cursor *c = &f->cursor;

    if (end || then->kind == THEN_EXIT) {
        f->task->kind->list_done(f, output, end);
        return;
    }
    if (then->kind == THEN_GOTO) {
        if (then->target <= c->at)
            c->pass++;
        c->at = then->target;
    } else if (++c->at == c->list->count) {
        f->task->kind->list_done(f, output, false);
        return;
    }
    spawn_at_cursor(f, output);
}

/* Frees an ended frame and tells its parent. Takes output. */
static void leave(struct frame *f, json_t *output, bool end, bool skipped)
{
    static const struct then on = {THEN_CONTINUE, 0};
    struct run *run = f->run;
    struct frame *parent = f->parent;
    const struct then *then = skipped ? &on : f->then;
    bool in_list = f->in_list;
    size_t slot = f->slot;

    frame_free(f);
    if (parent == NULL) {
        run->root = NULL;
        run->ended = true;
        turn_completed(run->turn, output);
    } else if (in_list) {
        list_next(parent, then, output, end || then->kind == THEN_END);
    } else {
        parent->task->kind->child_done(parent, slot, output, end || then->kind == THEN_END);
    }
    json_decref(output);
}

void frame_end_with(struct frame *f, json_t *raw_output, bool end)
{
    json_t *output;
    bool ok;

    frame_unwait(f, WAIT_TIMEOUT);
    json_incref(raw_output); /* it may belong to the frame, which may fault and be freed */
    ok = common_leave(f, raw_output, &output);
    json_decref(raw_output);
    if (!ok)
        return;
    fact(f, output, NULL);
    leave(f, output, end, false);
}

void frame_complete(struct frame *f, json_t *output)
{
    frame_end_with(f, output, false);
}

/* The error with its place. Errors that carry one (a child instance's) keep it. */
static json_t *placed(const struct frame *f, json_t *error)
{
    json_t *copy;

    if (json_object_get(error, "instance") != NULL)
        return error;
    copy = json_copy(error);
    json_object_set_new(copy, "instance", json_stringn(f->key, f->ref_len));
    json_decref(error);
    return copy;
}

void frame_fault(struct frame *f, json_t *error)
{
    struct run *run = f->run;
    struct frame *parent = f->parent;
    size_t slot = f->slot;

    error = placed(f, error);
    frame_drop_children(f);
    for (int i = 0; i < WAIT_KINDS; i++)
        frame_unwait(f, (enum wait_kind)i);
    fact(f, NULL, error);
    frame_free(f);
    if (parent == NULL) {
        run->root = NULL;
        run->ended = true;
        turn_faulted(run->turn, error);
    } else if (parent->task->kind->child_faulted != NULL) {
        parent->task->kind->child_faulted(parent, slot, error);
    } else {
        frame_fault(parent, json_incref(error));
    }
    json_decref(error);
}

void frame_fault_err(struct frame *f, const struct err *err)
{
    json_t *error;

    if (err->code == ERR_EXPRESSION)
        error = problem_new("expression", 400, "Expression failed", "%s", err->text);
    else if (err->code == ERR_INVALID)
        error = problem_new("validation", 400, "Data does not match its schema", "%s", err->text);
    else
        error = problem_from_err(err);
    frame_fault(f, error);
}

static void start_timeout(struct frame *f, int64_t ms)
{
    frame_wait(f, WAIT_TIMEOUT, turn_sleep(f->run->turn, f->key, turn_now(f->run->turn) + ms));
}

/* A frame's first turn. */
static void enter(struct frame *f)
{
    struct run *run = f->run;
    bool skip = false;
    int64_t ms;

    f->entered = true;
    DL_APPEND2(run->open, f, open_prev, open_next);
    f->started_at = turn_now(run->turn);
    if (f->depth > FLOW_DEPTH_MAX) {
        frame_fault(f, problem_new("runtime", 500, "Nested too deeply",
                                   "more than %d tasks are open one inside the other; does a "
                                   "function call itself without end?",
                                   FLOW_DEPTH_MAX));
        return;
    }
    if (!common_enter(f, &skip))
        return;
    if (skip) {
        turn_task(run->turn, f->key, f->raw, f->raw, NULL);
        leave(f, json_incref(f->raw), false, true);
        return;
    }
    if (!f->task->local) {
        if (f->parent != NULL) {
            turn_task_started(run->turn, f->key, f->raw);
            f->announced = true;
        }
        if (f->task->timeout != NULL) {
            if (!frame_span(f, f->task->timeout, &ms))
                return;
            start_timeout(f, ms);
        }
    }
    f->task->kind->begin(f);
}

static void step(struct frame *f)
{
    if (!f->entered) {
        enter(f);
    } else if (f->cursor.nothing != NULL) {
        json_t *output = f->cursor.nothing;

        f->cursor.nothing = NULL;
        f->task->kind->list_done(f, output, false);
        json_decref(output);
    } else {
        f->task->kind->go(f);
    }
}

static void drain(struct run *run)
{
    for (int steps = 0; run->queue != NULL && !run->ended; steps++) {
        struct frame *f = run->queue;

        if (steps == TURN_BUDGET) {
            if (!run->yielded)
                turn_yield(run->turn);
            run->yielded = true;
            return;
        }
        DL_DELETE2(run->queue, f, queue_prev, queue_next);
        f->queued = false;
        step(f);
    }
}

/* ---- the handler ---- */

static struct run *run_of(struct handler *h)
{
    return (struct run *)(void *)h;
}

static struct handler *flow_open(const void *definition)
{
    struct run *run = mem_zalloc(sizeof *run);

    run->flow = definition;
    run->context = json_object();
    return (struct handler *)(void *)run;
}

static void flow_close(struct handler *h)
{
    struct run *run = run_of(h);

    if (run->root != NULL)
        frame_free(run->root);
    json_decref(run->context);
    json_decref(run->workflow);
    json_decref(run->input);
    free(run);
}

static void flow_started(struct handler *h, struct turn *t, json_t *input)
{
    struct run *run = run_of(h);

    run->turn = t;
    run->input = json_incref(input);
    run->root = frame_new(run, NULL, run->flow->root, input, NULL, NULL);
    drain(run);
    run->turn = NULL;
}

/* The wait that `cmd` answers, taken off the map; NULL when nobody waits any more. */
static struct wait *take_wait(struct run *run, uint32_t cmd)
{
    struct wait *w;

    HASH_FIND(hh, run->waits, &cmd, sizeof cmd, w);
    if (w != NULL) {
        HASH_DEL(run->waits, w);
        w->active = false;
    }
    return w;
}

static void expire(struct frame *f)
{
    frame_fault(f, problem_new("timeout", 408, "Timed out", "%s did not end in time",
                               f->parent == NULL ? "the workflow" : f->task->name));
}

static void deliver(struct run *run, struct turn *t, uint32_t cmd, json_t *output, json_t *error)
{
    struct wait *w = take_wait(run, cmd);

    if (w == NULL)
        return;
    run->turn = t;
    if (w->kind == WAIT_TIMEOUT)
        expire(w->frame);
    else if (w->kind == WAIT_ATTEMPT)
        w->frame->task->kind->expired(w->frame);
    else
        w->frame->task->kind->answered(w->frame, output, error);
    drain(run);
    run->turn = NULL;
}

static void flow_result(struct handler *h, struct turn *t, uint32_t cmd, json_t *output,
                        json_t *error)
{
    deliver(run_of(h), t, cmd, output, error);
}

static void flow_fired(struct handler *h, struct turn *t, uint32_t cmd)
{
    deliver(run_of(h), t, cmd, NULL, NULL);
}

static void flow_signalled(struct handler *h, struct turn *t, uint32_t cmd, json_t *payload)
{
    (void)h, (void)t, (void)cmd, (void)payload; /* no task of this release waits for signals */
}

static void flow_go_on(struct handler *h, struct turn *t)
{
    struct run *run = run_of(h);

    run->yielded = false;
    run->turn = t;
    drain(run);
    run->turn = NULL;
}

static void flow_cancelled(struct handler *h, struct turn *t, json_t *reason)
{
    struct run *run = run_of(h);

    (void)reason;
    if (run->ended)
        return;
    run->turn = t;
    if (run->root != NULL)
        frame_free(run->root);
    run->root = NULL;
    run->ended = true;
    turn_cancelled(t);
    run->turn = NULL;
}

static const char *flow_current(const struct handler *h)
{
    const struct run *run = (const struct run *)(const void *)h;

    return run->open != NULL ? run->open->open_prev->key : ""; /* the head's prev is the tail */
}

const struct handler_kind flow_handler = {
    .name = "flow",
    .open = flow_open,
    .close = flow_close,
    .started = flow_started,
    .result = flow_result,
    .fired = flow_fired,
    .signalled = flow_signalled,
    .go_on = flow_go_on,
    .cancelled = flow_cancelled,
    .current = flow_current,
};
