/* Inside engine/flow: the compiled document and what its compilers share. Everything compiled lives
 * in the flow's arena and is freed with it; texts and JSON are borrowed from the document. */
#ifndef FLOW_FLOW_INTERNAL_H
#define FLOW_FLOW_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/flow/expr.h"
#include "engine/flow/flow.h"
#include "engine/flow/schema.h"
#include "engine/flow/source.h"

enum {
    FLOW_TASKS_MAX = 1000,
    FLOW_NESTING_MAX = 64,
    FLOW_DEPTH_MAX = 256, /* open frames one inside the other; functions may call themselves */
};

struct compiler;
struct frame;
struct task;

/* ---- the compiled model ---- */

enum then_kind { THEN_CONTINUE, THEN_EXIT, THEN_END, THEN_GOTO };

struct then {
    enum then_kind kind;
    size_t target; /* THEN_GOTO: index in the same list */
};

struct task_list {
    struct task **tasks;
    size_t count;
    bool jumps_back; /* a task may run again: keys then carry the number of the pass */
};

/* A duration: known at load, or an expression that gives one. */
struct span {
    int64_t ms;
    struct expr *expr; /* NULL: ms holds */
};

/* input, output or export: an expression (NULL: none) and a schema (NULL: none). */
struct filter {
    struct expr *expr;
    struct schema *schema;
};

/* A kind of task: one file and a row of task_kinds. `begin` runs with the transformed input in
 * place; each function below may end the frame (frame_complete, frame_fault), after which it must
 * return at once and not touch the frame again. NULL where a kind has no use for it. */
struct task_kind {
    const char *name;        /* the property that makes a task one of this kind */
    const char *const *keys; /* all its own properties, NULL-terminated */
    void (*compile)(struct compiler *c, struct task *t); /* sets t->spec, t->local */
    void (*begin)(struct frame *f);
    void (*go)(struct frame *f); /* its turn in the queue again, after run_queue */
    void (*answered)(struct frame *f, json_t *output, json_t *error); /* both NULL: a sleep */
    void (*expired)(struct frame *f); /* the attempt's timer fired */
    /* A list of the frame is through. `end` says that the workflow is to end. */
    void (*list_done)(struct frame *f, json_t *output, bool end);
    /* A child that is in no list is through (slot: its number). Instead of list_done. */
    void (*child_done)(struct frame *f, size_t slot, json_t *output, bool end);
    /* A child faulted; it is gone. NULL: the frame faults with the same error. */
    void (*child_faulted)(struct frame *f, size_t slot, json_t *error);
    void (*fini)(struct frame *f); /* frees f->state */
};

struct task {
    const struct task_kind *kind;
    const char *name;
    const char *pointer; /* in the document */
    const char *ref;     /* the part of pointer below the function or document: D13 */
    json_t *def;
    struct expr *cond; /* NULL: always */
    struct filter input, output, export;
    struct span *timeout; /* NULL: none */
    struct then then;
    bool local;       /* ends in the turn in which it began: one fact, no timer */
    const void *spec; /* what the kind's compile made */
};

extern const struct task_kind *const task_kinds[]; /* NULL-terminated */
extern const struct task_kind task_call, task_do, task_for, task_fork, task_raise, task_run,
    task_set, task_switch, task_try, task_wait;
extern const struct task_kind task_workflow; /* the document as a whole; not in the table */

/* A kind of call: a row of call_kinds. `run` makes the command or ends the frame. */
struct call_kind {
    const char *name;
    const char *const *keys; /* of `with` */
    bool local;
    const void *(*compile)(struct compiler *c, json_t *with, const char *pointer); /* NULL: bad */
    void (*run)(struct frame *f, const void *spec);
};
extern const struct call_kind call_http, call_agent, call_log;
extern const struct call_kind *const call_kinds[]; /* NULL-terminated */

struct function {
    const char *name;
    struct task *task;
};

struct block;
struct flow {
    json_t *document;
    struct block *arena;
    struct expr_set *exprs;
    struct task *root; /* kind task_workflow; spec: its task_list */
    struct schema **schemas;
    size_t schema_count, schema_cap;
    struct function *functions;
    size_t function_count;
    json_t *input_schema; /* borrowed from document, or NULL */
    json_t *runtime;      /* $runtime */
    bool prepared, broken;
    char *file;
};

void flow_arena_free(struct flow *f);
void *flow_alloc(struct flow *f, size_t size); /* zeroed; lives as long as the flow */
char *flow_printf(struct flow *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- compiling ---- */

struct compiler {
    struct flow *f;
    struct source *s;
    json_t *use;                  /* or NULL */
    const char *const *names;     /* locals in scope, NULL-terminated; in the arena */
    const struct task_list *list; /* of the task being compiled; NULL: nothing to jump to */
    struct task_list *jumps;      /* the same, where backward jumps are noted */
    size_t index;                 /* in it */
    size_t root_len;              /* bytes of pointer above the references */
    int depth, tasks;
};

const char *ptr_key(struct compiler *c, const char *pointer, const char *key);
const char *ptr_index(struct compiler *c, const char *pointer, size_t index);

/* source_error, but the same finding only once (a named policy may be used in many places). */
void report(struct compiler *c, const char *pointer, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

void report_warning(struct compiler *c, const char *pointer, const char *remedy, const char *text);

/* Reports every key of `object` that is in neither list (NULL-terminated, `more` may be NULL). */
void check_keys(struct compiler *c, json_t *object, const char *pointer, const char *const *known,
                const char *const *more);
/* "did you mean …?" with the one of `names` (NULL-terminated) closest to `word`, "" when none is
 * close. */
const char *remedy_closest(struct compiler *c, const char *word, const char *const *names);

/* Values by type; NULL when absent or wrong (which is reported). */
json_t *get_object(struct compiler *c, json_t *object, const char *pointer, const char *key,
                   bool required);
const char *get_string(struct compiler *c, json_t *object, const char *pointer, const char *key,
                       bool required);
bool get_bool(struct compiler *c, json_t *object, const char *pointer, const char *key,
              bool fallback);
/* A place that can hold only an expression; NULL when absent or wrong. */
struct expr *get_bare(struct compiler *c, json_t *object, const char *pointer, const char *key);
/* Any value with expressions in it; NULL when absent. */
struct expr *get_template(struct compiler *c, json_t *object, const char *pointer, const char *key);
bool compile_span(struct compiler *c, json_t *value, const char *pointer, struct span *span);
struct span *compile_timeout(struct compiler *c, json_t *value, const char *pointer);
void compile_filter(struct compiler *c, json_t *owner, const char *pointer, const char *key,
                    struct filter *filter);
struct then compile_then(struct compiler *c, json_t *owner, const char *pointer);
/* `value` must be a task list. Its tasks may jump to each other unless `branches`. Never NULL. */
struct task_list *compile_list(struct compiler *c, json_t *value, const char *pointer,
                               bool branches);
void compile_task(struct compiler *c, struct task *t, json_t *def);
/* Adds one local to the scope; restore by assigning the old c->names. */
void scope_add(struct compiler *c, const char *name);
/* The definition itself, or that of use.SECTION it names; `pointer` follows. NULL: reported. */
json_t *use_resolve(struct compiler *c, json_t *value, const char *section, const char **pointer);

struct retry;
struct retry *compile_retry(struct compiler *c, json_t *value, const char *pointer);
struct expr *compile_error(struct compiler *c, json_t *value, const char *pointer);

#endif
