/* Inside engine/flow: a running instance. Frames are on the heap, one for each task that is open;
 * what is to be done next waits in a queue, so that neither iterations nor lists use the C stack
 * (only the nesting of tasks does, which is bounded). */
#ifndef FLOW_FRAME_H
#define FLOW_FRAME_H

#include <uthash.h>

#include "engine/flow/flow_internal.h"
#include "engine/handler.h"

/* What a frame may wait for at the same time. */
enum wait_kind { WAIT_ANSWER, WAIT_TIMEOUT, WAIT_ATTEMPT, WAIT_KINDS };

struct wait {
    uint32_t cmd;
    bool active;
    enum wait_kind kind;
    struct frame *frame;
    UT_hash_handle hh;
};

/* Where a frame stands in one of its lists. */
struct cursor {
    const struct task_list *list;
    size_t at;
    uint32_t pass;   /* backward jumps so far */
    char *path;      /* of the children; owned, or NULL */
    json_t *locals;  /* of the children; owned, or NULL */
    bool tried;      /* the children are inside a try that retries */
    json_t *nothing; /* the list is empty: its output; owned, or NULL */
};

struct frame {
    struct run *run;
    const struct task *task;
    struct frame *parent;
    struct frame *children; /* utlist, in the order of their making */
    struct frame *prev, *next;
    struct frame *queue_prev, *queue_next; /* the run's queue, when queued */
    struct frame *open_prev, *open_next;   /* the run's open frames, when entered */
    const char *base; /* reference of the function call this is inside of; the parent's or `key` */
    char *base_own;   /* of a function call: what base is for its children */
    char *path;       /* iterations, branches, attempts: "2.0"; NULL: none */
    char *key;        /* reference#path */
    size_t ref_len;   /* bytes of key that are the reference */
    json_t *raw, *input;         /* owned; input NULL until transformed */
    json_t *raw_output, *output; /* owned; while the task ends: $task.output, $output */
    json_t *locals;              /* owned; NULL: none */
    size_t slot;                 /* in a parent that keeps no list */
    int depth;
    int64_t started_at; /* ms since 1970 */
    bool in_list, entered, queued, announced, tried;
    const struct then *then; /* where to go on; the task's unless switch or catch say otherwise */
    struct wait waits[WAIT_KINDS];
    struct cursor cursor;
    void *state; /* the kind's */
};

struct run {
    const struct flow *flow;
    struct turn *turn; /* NULL between deliveries */
    struct frame *root, *queue, *open;
    struct wait *waits; /* by cmd */
    json_t *context;
    json_t *workflow; /* $workflow, made when first read */
    json_t *input;    /* the instance's */
    bool yielded, ended;
};

/* ---- frames (frame.c) ---- */
/* A child of `parent` (NULL: the root), queued. References are taken. */
struct frame *frame_new(struct run *run, struct frame *parent, const struct task *task, json_t *raw,
                        json_t *locals, const char *path);
void frame_free(struct frame *f);          /* with its subtree; drops what is outstanding */
void frame_drop_children(struct frame *f); /* the same, and says in the journal that they ended */
void frame_queue(struct frame *f);
void frame_wait(struct frame *f, enum wait_kind kind, uint32_t cmd);
void frame_unwait(struct frame *f, enum wait_kind kind); /* drops the command, if any */
char *path_add(const char *path, size_t number);         /* heap */

/* ---- what kinds call (run.c) ---- */
void frame_complete(struct frame *f, json_t *output);           /* borrows output */
void frame_end_with(struct frame *f, json_t *output, bool end); /* end: the workflow ends */
void frame_fault(struct frame *f, json_t *error);               /* takes the reference */
void frame_fault_err(struct frame *f, const struct err *err);
/* Starts the first task of a list, or goes straight to list_done through the queue. The cursor's
 * fields path, locals and tried are set by the caller (list_open frees the old ones). */
void list_open(struct frame *f, const struct task_list *list, json_t *input, const char *path,
               json_t *locals, bool tried);

/* ---- expressions in a frame (common.c); false: the frame has faulted and is gone ---- */
bool frame_eval(struct frame *f, struct expr *e, json_t *dot, json_t **out);
bool frame_test(struct frame *f, struct expr *e, json_t *dot, bool *out);
bool frame_eval_with(struct frame *f, struct expr *e, json_t *dot, json_t *locals, json_t **out);
bool frame_test_with(struct frame *f, struct expr *e, json_t *dot, json_t *locals, bool *out);
bool frame_span(struct frame *f, const struct span *span, int64_t *ms);
/* The steps of every task: `if`, input; output, export. *skip: do not run it. */
bool common_enter(struct frame *f, bool *skip);
bool common_leave(struct frame *f, json_t *raw_output, json_t **output);
enum errcode common_eval(struct frame *f, struct expr *e, json_t *dot, json_t *locals, json_t **out,
                         struct err *err);
/* What goes into the journal must be readable again: not nested deeper than JSON_DEPTH_MAX. */
bool frame_bounded(struct frame *f, const json_t *value, const char *what);
json_t *json_with(json_t *object, const char *key, json_t *value); /* copy with one more; new */

/* ---- retry.c ---- */
struct retry_state {
    uint32_t retries; /* done */
    int64_t first_at; /* when the first attempt began */
};
/* Whether to try again, and then after how long. false with *gone: the frame faulted. */
bool retry_next(struct frame *f, const struct retry *r, struct retry_state *state, json_t *locals,
                int64_t *delay_ms, bool *gone);
const struct span *retry_attempt_limit(const struct retry *r); /* NULL: none */

#endif
