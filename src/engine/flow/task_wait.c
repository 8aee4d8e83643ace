/* wait: a durable timer. */
#include "engine/flow/frame.h"

static const char *const keys[] = {"wait", NULL};

static void compile(struct compiler *c, struct task *t)
{
    struct span *span = flow_alloc(c->f, sizeof *span);

    compile_span(c, json_object_get(t->def, "wait"), ptr_key(c, t->pointer, "wait"), span);
    t->spec = span;
}

static void begin(struct frame *f)
{
    int64_t ms;

    if (frame_span(f, f->task->spec, &ms))
        frame_wait(f, WAIT_ANSWER, turn_sleep(f->run->turn, f->key, turn_now(f->run->turn) + ms));
}

static void answered(struct frame *f, json_t *output, json_t *error)
{
    (void)output, (void)error;
    frame_complete(f, f->input);
}

const struct task_kind task_wait = {
    .name = "wait", .keys = keys, .compile = compile, .begin = begin, .answered = answered};
