/* do: tasks in sequence. */
#include "engine/flow/frame.h"

static const char *const keys[] = {"do", NULL};

static void compile(struct compiler *c, struct task *t)
{
    t->spec = compile_list(c, json_object_get(t->def, "do"), ptr_key(c, t->pointer, "do"), false);
}

static void begin(struct frame *f)
{
    list_open(f, f->task->spec, f->input, f->path, f->locals, false);
}

const struct task_kind task_do = {
    .name = "do", .keys = keys, .compile = compile, .begin = begin, .list_done = frame_end_with};
