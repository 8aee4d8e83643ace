/* Frames: making, waiting, dropping. */
#include "engine/flow/frame.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/mem.h"

char *path_add(const char *path, size_t number)
{
    return path == NULL ? mem_printf("%zu", number) : mem_printf("%s.%zu", path, number);
}

struct frame *frame_new(struct run *run, struct frame *parent, const struct task *task, json_t *raw,
                        json_t *locals, const char *path)
{
    struct frame *f = mem_zalloc(sizeof *f);

    f->run = run;
    f->task = task;
    f->then = &task->then;
    f->raw = json_incref(raw);
    f->locals = json_incref(locals);
    f->path = path != NULL ? mem_strdup(path) : NULL;
    f->base = "";
    if (parent != NULL) {
        f->parent = parent;
        f->depth = parent->depth + 1;
        f->tried = parent->tried || parent->cursor.tried;
        f->base = parent->base_own != NULL ? parent->base_own : parent->base;
        DL_APPEND(parent->children, f);
    }
    f->ref_len = strlen(f->base) + strlen(task->ref);
    f->key = mem_printf("%s%s%s%s", f->base, task->ref, path != NULL ? "#" : "",
                        path != NULL ? path : "");
    frame_queue(f);
    return f;
}

void frame_queue(struct frame *f)
{
    if (f->queued)
        return;
    f->queued = true;
    DL_APPEND2(f->run->queue, f, queue_prev, queue_next);
}

void frame_wait(struct frame *f, enum wait_kind kind, uint32_t cmd)
{
    struct wait *w = &f->waits[kind];

    w->cmd = cmd;
    w->kind = kind;
    w->frame = f;
    w->active = true;
    HASH_ADD(hh, f->run->waits, cmd, sizeof w->cmd, w);
}

void frame_unwait(struct frame *f, enum wait_kind kind)
{
    struct wait *w = &f->waits[kind];

    if (!w->active)
        return;
    w->active = false;
    HASH_DEL(f->run->waits, w);
    if (f->run->turn != NULL) /* NULL: the handler is closed, the core forgets by itself */
        turn_drop(f->run->turn, w->cmd);
}

static void free_tree(struct frame *f, bool tell)
{
    struct run *run = f->run;

    while (f->children != NULL)
        free_tree(f->children, tell);
    for (int i = 0; i < WAIT_KINDS; i++)
        frame_unwait(f, (enum wait_kind)i);
    if (tell && f->announced)
        turn_task_ended(run->turn, f->key, NULL, NULL);
    if (f->queued)
        DL_DELETE2(run->queue, f, queue_prev, queue_next);
    if (f->entered)
        DL_DELETE2(run->open, f, open_prev, open_next);
    if (f->parent != NULL)
        DL_DELETE(f->parent->children, f);
    if (f->task->kind->fini != NULL && f->state != NULL)
        f->task->kind->fini(f);
    free(f->state);
    json_decref(f->raw);
    json_decref(f->input);
    json_decref(f->raw_output);
    json_decref(f->output);
    json_decref(f->locals);
    json_decref(f->cursor.locals);
    json_decref(f->cursor.nothing);
    free(f->cursor.path);
    free(f->base_own);
    free(f->path);
    free(f->key);
    free(f);
}

void frame_free(struct frame *f)
{
    free_tree(f, false);
}

void frame_drop_children(struct frame *f)
{
    while (f->children != NULL)
        free_tree(f->children, true);
}
