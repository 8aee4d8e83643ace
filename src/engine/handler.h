/* What runs inside an instance. A handler turns notifications into commands; the core journals both
 * and knows nothing else about it. `flow` (engine/flow) interprets documents; remote SDK handlers
 * follow.
 *
 * A handler must be a pure function of the notifications it was given, in their order, of
 * turn_now() and of turn_random(): on recovery the core feeds it the journal's notifications and
 * compares each command and fact that it makes with the journal's. No clock, no globals, no
 * iteration in an order that is not defined. All calls on the loop thread; none of the turn_
 * functions calls back into the handler. Values (json_t) are immutable and shared; the core takes
 * its own reference. */
#ifndef ENGINE_HANDLER_H
#define ENGINE_HANDLER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct turn;    /* one delivery of one notification to one instance; valid during the call only */
struct handler; /* a handler's own state, opaque to the core */

struct handler_kind {
    const char *name;

    /* Makes the state of one instance. `definition` is what the registry holds for the service (a
     * compiled document); it outlives the instance. */
    struct handler *(*open)(const void *definition);
    void (*close)(struct handler *h); /* frees; outstanding commands are the core's business */

    void (*started)(struct handler *h, struct turn *t, json_t *input); /* input: borrowed */

    /* Command `cmd` (a run, call) is answered. Exactly one of output and error is not NULL,
     * borrowed. */
    void (*result)(struct handler *h, struct turn *t, uint32_t cmd, json_t *output, json_t *error);
    void (*fired)(struct handler *h, struct turn *t, uint32_t cmd); /* a sleep is over */
    void (*signalled)(struct handler *h, struct turn *t, uint32_t cmd, json_t *payload);
    void (*go_on)(struct handler *h, struct turn *t); /* after turn_yield */

    /* Asked to end. It may clean up with further commands; it must end with turn_cancelled (or any
     * other end if it was about to have one). */
    void (*cancelled)(struct handler *h, struct turn *t, json_t *reason);

    /* What the instance is doing, for people: the key of the task that was entered last and is
     * still open; "" when none. Valid until the next call. */
    const char *(*current)(const struct handler *h);
};

/* Where a turn stands. Milliseconds since 1970: when the notification was journaled. */
int64_t turn_now(const struct turn *t);
uint64_t turn_random(struct turn *t); /* from the instance's own seed; same on replay */
const char *turn_instance_id(const struct turn *t); /* ours, "inst_…" */
const char *turn_caller_id(const struct turn *t);   /* the id that the caller chose, else ours */
int64_t turn_started_at(const struct turn *t);      /* when the instance began, ms since 1970 */

/* Commands. Each returns the command's seq, the name under which its answer comes back. `key` is
 * the task key (reference, plus iteration, branch and attempt: unique for each execution of a
 * task). */

/* An effect: `spec` is what the caller port is given (ports.h). `once` says that a failure goes
 * straight back to the handler (it has a retry of its own), else the agent's retry policy is
 * applied first. */
uint32_t turn_run(struct turn *t, const char *key, json_t *spec, bool once);
uint32_t turn_sleep(struct turn *t, const char *key, int64_t due_ms);

/* A child instance: `call` is answered with its output or error, `send` is not answered: it is let
 * go. */
uint32_t turn_call(struct turn *t, const char *key, const char *service, json_t *input);
uint32_t turn_send(struct turn *t, const char *key, const char *service, json_t *input);

/* Waits for one signal of that name (the oldest that nobody consumed, or the next). */
uint32_t turn_await(struct turn *t, const char *key, const char *name);

/* The answer to `cmd` is no longer wanted: aborts the call, disarms the timer, cancels the child.
 * No answer will be delivered after this. */
void turn_drop(struct turn *t, uint32_t cmd);
void turn_log(struct turn *t, const char *key, const char *level, const char *message,
              json_t *fields);

/* Facts about tasks, for the timeline. `error` and `output` may be NULL. turn_task is for a task
 * that began and ended in this turn. */
void turn_task_started(struct turn *t, const char *key, json_t *input);
void turn_task_ended(struct turn *t, const char *key, json_t *output, json_t *error);
void turn_task(struct turn *t, const char *key, json_t *input, json_t *output, json_t *error);

/* Asks to be called again (go_on) soon: a handler that has done some 200 local steps in one turn
 * yields. */
void turn_yield(struct turn *t);

/* The end: exactly one of them, once. Outstanding commands are dropped by the core. */
void turn_completed(struct turn *t, json_t *output);
void turn_faulted(struct turn *t, json_t *error);
void turn_cancelled(struct turn *t);

#endif
