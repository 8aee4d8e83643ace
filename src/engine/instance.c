/* An instance from its acceptance to its end. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/problem.h"

enum { CHUNK_MAX = 256 << 20, EPOCH_2020_MS_SHIFT = 22 };
#define EPOCH_2020_MS INT64_C(1577836800000)

/* Which status may follow which; row: from, column: to (STATUS_TABLE's order). */
static const bool transitions[STATUS_COUNT][STATUS_COUNT] = {
    /*             pend run wait susp comp fault canc */
    /* pending   */ {1, 1, 0, 1, 0, 1, 1},
    /* running   */ {0, 1, 1, 1, 1, 1, 1},
    /* waiting   */ {0, 1, 1, 1, 1, 1, 1},
    /* suspended */ {1, 1, 0, 1, 0, 0, 1},
    /* completed */ {0, 0, 0, 0, 0, 0, 0},
    /* faulted   */ {0, 0, 0, 0, 0, 0, 0},
    /* cancelled */ {0, 0, 0, 0, 0, 0, 0},
};

void instance_set_status(struct engine *e, struct instance *in, enum status to, enum reason reason)
{
    if (!transitions[in->row.status][to]) {
        e->violations++;
        return;
    }
    if (in->row.status == to && in->row.reason == reason)
        return;
    in->row.status = (uint8_t)to;
    in->row.reason = (uint8_t)reason;
    instance_touch(e, in);
}

void instance_id_of(const struct instance *in, char id[INSTANCE_ID_SIZE])
{
    instance_id_format(in->row.num, in->row.tag, id);
}

uint64_t instance_gate(const struct engine *e, const struct instance *in)
{
    return in->dirty ? e->batch->no : in->gate;
}

void instance_touch(struct engine *e, struct instance *in)
{
    if (in->dirty)
        return;
    engine_batch(e);
    in->dirty = true;
    in->dirty_next = NULL;
    if (e->dirty_tail != NULL)
        e->dirty_tail->dirty_next = in;
    else
        e->dirty = in;
    e->dirty_tail = in;
}

void instance_ready(struct engine *e, struct instance *in)
{
    if (in->ready || in->ending)
        return;
    in->ready = true;
    in->ready_next = NULL;
    if (e->ready_tail != NULL)
        e->ready_tail->ready_next = in;
    else
        e->ready = in;
    e->ready_tail = in;
}

/* ---- notes --------------------------------------------------------------------------------------
 */

struct note *note_new(unsigned kind, uint32_t cmd, json_t *data, json_t *more)
{
    struct note *n = mem_zalloc(sizeof *n);

    n->kind = (uint8_t)kind;
    n->cmd = cmd;
    n->data = json_incref(data);
    n->more = json_incref(more);
    return n;
}

void note_free(struct note *n)
{
    json_decref(n->data);
    json_decref(n->more);
    free(n->name);
    free(n);
}

void instance_note(struct engine *e, struct instance *in, struct note *n)
{
    if (in->ending) {
        engine_inbox_done(e, n->inbox);
        note_free(n);
        return;
    }
    if (in->notes_tail != NULL)
        in->notes_tail->next = n;
    else
        in->notes = n;
    in->notes_tail = n;
    struct command *c = in->live != NULL && n->cmd != 0 ? command_find(in, n->cmd) : NULL;
    if (c != NULL)
        c->answered = true;
    /* A result that comes while the instance is suspended must survive until it is resumed. */
    if (in->row.status == STATUS_SUSPENDED && n->inbox == 0 && n->kind == ENTRY_RESULT) {
        json_t *data =
            json_pack("{s:i, s:O*, s:O*}", "cmd", (int)n->cmd, "output", n->data, "error", n->more);

        n->inbox = engine_inbox_put(e, in->row.num, "child", data)->id;
        json_decref(data);
    }
    instance_ready(e, in);
}

/* The next note that may be taken: while suspended only what an operator does. */
static struct note *take_note(struct instance *in)
{
    struct note *before = NULL;

    for (struct note *n = in->notes; n != NULL; before = n, n = n->next) {
        if (in->row.status == STATUS_SUSPENDED && n->kind != ENTRY_CANCEL &&
            n->kind != ENTRY_RESUMED && n->kind != ENTRY_KILLED)
            continue;
        if (before != NULL)
            before->next = n->next;
        else
            in->notes = n->next;
        if (in->notes_tail == n)
            in->notes_tail = before;
        n->next = NULL;
        return n;
    }
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------------
 */

static int64_t next_number(struct engine *e)
{
    int64_t num = (e->now - EPOCH_2020_MS) << EPOCH_2020_MS_SHIFT;

    if (num <= e->last_num)
        num = e->last_num + 1;
    e->last_num = num;
    return num;
}

/* W3C trace context: the caller's trace goes on, or a new one begins. */
static char *make_trace(const struct instance *in, const char *given)
{
    if (given != NULL)
        return mem_strdup(given);
    return mem_printf("00-%016llx%016llx-%016llx-01", (unsigned long long)in->row.seed | 1,
                      (unsigned long long)in->row.num, (unsigned long long)in->row.tag | 1);
}

struct instance *instance_create(struct engine *e, struct version *v, json_t *input,
                                 const char *caller_id, const char *trace)
{
    struct instance *in = mem_zalloc(sizeof *in);

    in->row.num = next_number(e);
    in->row.tag = rng_next(&e->rng) & ((UINT64_C(1) << 40) - 1);
    in->row.seed = rng_next(&e->rng);
    in->row.flow = v->flow;
    in->row.is_new = true;
    in->row.created = e->now;
    in->row.caller_id = caller_id != NULL ? mem_strdup(caller_id) : NULL;
    in->version = v;
    in->trace = make_trace(in, trace);
    HASH_ADD(hh, e->instances, row.num, sizeof in->row.num, in);
    in->live = live_new(e, in);
    e->started++;
    struct entry entry = {
        .kind = ENTRY_STARTED, .at = e->now, .name = in->trace, .name_len = strlen(in->trace)};
    turn_emit(e, in, &entry, input, NULL);
    turn_apply(e, in, &entry, input, NULL);
    return in;
}

void instance_free(struct engine *e, struct instance *in)
{
    struct note *n;

    while ((n = in->notes) != NULL) {
        in->notes = n->next;
        note_free(n);
    }
    while (in->waiters != NULL) {
        struct waiter *w = in->waiters;

        in->waiters = w->next;
        free(w);
    }
    timer_clear(e, in);
    if (in->live != NULL)
        live_free(e, in);
    HASH_DEL(e->instances, in);
    free(in->row.caller_id);
    free(in->row.step);
    free(in->row.why);
    free(in->trace);
    free(in);
}

json_t *instance_by_why(const char *by, const char *why)
{
    return json_pack("{s:s, s:s*}", "by", by != NULL ? by : "unknown", "why", why);
}

void instance_event(struct engine *e, struct instance *in, unsigned kind, uint32_t cmd,
                    uint32_t attempt, const char *name, json_t *data, json_t *more)
{
    struct entry entry = {.kind = (uint8_t)kind,
                          .cmd = cmd,
                          .attempt = attempt,
                          .at = e->now,
                          .name = name,
                          .name_len = name != NULL ? strlen(name) : 0};

    turn_emit(e, in, &entry, data, more);
}

void instance_suspend(struct engine *e, struct instance *in, enum reason reason, const char *by,
                      const char *why, uint32_t cmd)
{
    free(in->row.why);
    in->row.why = why != NULL ? mem_strndup(why, 1000) : NULL;
    if (in->live != NULL && !in->unloadable) {
        json_t *data = instance_by_why(by, why);
        struct entry entry = {.kind = ENTRY_PAUSED, .cmd = cmd, .at = e->now};

        turn_emit(e, in, &entry, data, NULL);
        if (cmd != 0)
            turn_apply(e, in, &entry, data, NULL);
        json_decref(data);
    }
    instance_set_status(e, in, STATUS_SUSPENDED, reason);
    instance_touch(e, in);
    in->row.wake_at = 0;
    timer_clear(e, in);
}

static void answer_waiters(struct engine *e, struct instance *in)
{
    char id[INSTANCE_ID_SIZE];

    instance_id_of(in, id);
    while (in->waiters != NULL) {
        struct waiter *w = in->waiters;
        json_t *result =
            json_pack("{s:s, s:s, s:O*, s:O*}", "id", id, "status", status_name(in->row.status),
                      "output", in->live->output, "error", in->live->error);

        in->waiters = w->next;
        effect_reply(e, e->batch->no, w->cb, w->arg, NULL, result);
        json_decref(result);
        free(w);
    }
}

void instance_end(struct engine *e, struct instance *in, enum status status)
{
    struct note *n;

    commands_drop_all(e, in);
    if (status == STATUS_FAULTED) {
        free(in->row.why);
        in->row.why = mem_printf("%.200s: %.700s", json_str(in->live->error, "title", "error"),
                                 json_str(in->live->error, "detail", ""));
        e->faulted++;
    }
    instance_set_status(e, in, status, REASON_NONE);
    instance_touch(e, in);
    in->ending = true;
    in->row.ended = e->now;
    in->row.wake_at = 0;
    in->row.crashes = 0;
    timer_clear(e, in);
    e->ended++;
    answer_waiters(e, in);
    child_ended(e, in, in->live->output, in->live->error);
    while ((n = in->notes) != NULL) {
        in->notes = n->next;
        engine_inbox_done(e, n->inbox);
        note_free(n);
    }
    in->notes_tail = NULL;
    admission_leave(e, in);
    effect_forget(e, in);
    admission_fill(e);
}

/* ---- turns --------------------------------------------------------------------------------------
 */

static void check_turn(struct engine *e, struct instance *in)
{
    struct live *live = in->live;

    if (live->mismatch) {
        in->unloadable = true; /* memory and journal disagree: nothing may be added to it */
        instance_suspend(e, in, REASON_POISON, "engine", live->mismatch_text, 0);
        return;
    }
    if (live->fatal != NULL && live->error == NULL) {
        struct turn turn = {.engine = e, .in = in, .now = e->now};

        json_decref(live->output);
        live->output = NULL;
        turn_faulted(&turn, live->fatal);
        if (live->error == NULL)
            live->error = json_incref(live->fatal);
    }
    if (live->output != NULL)
        instance_end(e, in, STATUS_COMPLETED);
    else if (live->error != NULL)
        instance_end(e, in,
                     problem_same_type(json_str(live->error, "type", ""), PROBLEM_OURS "cancelled")
                         ? STATUS_CANCELLED
                         : STATUS_FAULTED);
    else if (live->yielded && !live->turn_queued) {
        live->turn_queued = true;
        instance_note(e, in, note_new(ENTRY_TURN, 0, NULL, NULL));
    }
}

/* Forced: the handler is not asked. Works on what cannot be loaded, too. */
static void kill_now(struct engine *e, struct instance *in, const struct note *n)
{
    struct turn turn = {.engine = e, .in = in, .now = e->now};
    struct err err;

    if (in->live == NULL)
        in->live = live_new(e, in);
    in->live->mismatch = false;
    instance_event(e, in, ENTRY_KILLED, 0, 0, NULL, n->data, NULL);
    err_set(&err, ERR_KILLED, "killed by %.100s", json_str(n->data, "by", "unknown"));
    json_t *error = problem_from_err(&err);
    turn_faulted(&turn, error);
    json_decref(error);
    instance_end(e, in, STATUS_CANCELLED);
}

/* The note that ends an instance whose handler cannot or need not run. */
static bool end_unrun(struct engine *e, struct instance *in)
{
    bool can_run = !in->unloadable && in->row.status != STATUS_PENDING;

    for (struct note *n = in->notes; n != NULL; n = n->next) {
        if (n->kind == ENTRY_KILLED || (n->kind == ENTRY_CANCEL && !can_run)) {
            if (in->live == NULL && !in->unloadable && in->row.status != STATUS_PENDING)
                return false; /* to be loaded first: its children have to hear of it */
            kill_now(e, in, n);
            return true;
        }
    }
    return false;
}

/* Notes that are not the handler's business. */
static bool take_order(struct engine *e, struct instance *in, struct note *n)
{
    if (n->kind != ENTRY_PAUSED)
        return false;
    instance_suspend(e, in, REASON_OPERATOR, json_str(n->data, "by", "unknown"),
                     json_str(n->data, "why", "paused"), 0);
    engine_inbox_done(e, n->inbox);
    note_free(n);
    return true;
}

bool instance_turn(struct engine *e, struct instance *in)
{
    if (in->ending || in->reload || end_unrun(e, in) || in->unloadable)
        return false;
    if (in->live == NULL) {
        if (in->notes != NULL || in->row.status != STATUS_SUSPENDED)
            instance_load(e, in);
        return false;
    }
    struct note *n = take_note(in);
    if (n == NULL)
        return false;
    if (take_order(e, in, n))
        return true;
    if (n->kind == ENTRY_RESUMED || n->kind == ENTRY_CANCEL) {
        free(in->row.why); /* what it was suspended for is over */
        in->row.why = NULL;
    }
    struct entry entry = {.kind = n->kind,
                          .cmd = n->cmd,
                          .at = e->now,
                          .name = n->name,
                          .name_len = n->name != NULL ? strlen(n->name) : 0};

    if (in->row.status != STATUS_RUNNING && in->row.status != STATUS_PENDING)
        instance_set_status(e, in, STATUS_RUNNING, REASON_NONE);
    if (e->config.executing != NULL)
        *e->config.executing = in->row.num;
    e->turns++;
    turn_emit(e, in, &entry, n->data, n->more);
    turn_apply(e, in, &entry, n->data, n->more);
    if (e->config.executing != NULL)
        *e->config.executing = 0;
    engine_inbox_done(e, n->inbox);
    note_free(n);
    check_turn(e, in);
    return !in->ending && !in->unloadable;
}

/* What it waits for, from what is outstanding. */
static enum reason waits_for(const struct instance *in, int64_t *wake_at)
{
    enum reason reason = REASON_NONE;
    bool busy = false;

    *wake_at = 0;
    for (struct command *c = in->live->commands; c != NULL; c = c->hh.next) {
        enum reason r = c->kind == ENTRY_RUN     ? REASON_RETRY
                        : c->kind == ENTRY_SLEEP ? REASON_TIMER
                        : c->kind == ENTRY_CHILD ? REASON_CHILD
                                                 : REASON_EVENT;

        if (c->in_flight || c->answered)
            busy = true;
        if (c->due > 0 && !c->answered && (*wake_at == 0 || c->due < *wake_at))
            *wake_at = c->due;
        /* A timer beside something else is a time limit of it. */
        if (reason == REASON_NONE || reason == REASON_TIMER || r == REASON_RETRY)
            reason = r;
    }
    return busy ? REASON_NONE : reason;
}

static void note_step(struct engine *e, struct instance *in)
{
    const char *step = in->version->service.kind->current(in->live->handler);

    if (in->row.step != NULL && strcmp(in->row.step, step) == 0)
        return;
    if (in->row.step == NULL && step[0] == '\0')
        return;
    free(in->row.step);
    in->row.step = mem_strndup(step, 512);
    instance_touch(e, in);
}

void instance_settle(struct engine *e, struct instance *in)
{
    int64_t wake_at;

    if (in->live == NULL || in->ending || in->reload || in->row.status == STATUS_SUSPENDED ||
        in->row.status == STATUS_PENDING)
        return;
    commands_drive(e, in);
    note_step(e, in);
    enum reason reason = waits_for(in, &wake_at);
    if (in->notes == NULL)
        instance_set_status(e, in, reason == REASON_NONE ? STATUS_RUNNING : STATUS_WAITING, reason);
    if (wake_at != in->row.wake_at) {
        in->row.wake_at = wake_at;
        instance_touch(e, in);
        timer_set(e, in);
    }
}
