/* What handlers ask for, carried out: attempts of runs, timers, children, signals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/problem.h"

struct command *command_find(struct instance *in, uint32_t seq)
{
    struct command *c;

    HASH_FIND_INT(in->live->commands, &seq, c);
    return c;
}

void command_free(struct instance *in, struct command *c)
{
    HASH_DEL(in->live->commands, c);
    json_decref(c->spec);
    free(c->key);
    free(c->target);
    free(c);
}

void signal_free(struct signal *s)
{
    json_decref(s->payload);
    free(s->name);
    free(s);
}

/* Its answer is no longer wanted. During replay nothing is carried out: what was, was. */
void command_drop(struct engine *e, struct instance *in, struct command *c)
{
    if (!turn_replaying(in->live)) {
        struct instance *child = c->child != 0 ? engine_find(e, c->child) : NULL;

        if (c->at_port) {
            e->in_flight--;
            effect_abort(e, in, c->seq);
        }
        if (child != NULL && !child->ending) {
            json_t *why = instance_by_why("engine", "the caller no longer waits");
            struct note *n = note_new(ENTRY_CANCEL, 0, why, NULL);

            n->inbox = engine_inbox_put(e, child->row.num, "cancel", why)->id;
            instance_note(e, child, n);
        }
    }
    command_free(in, c);
}

void commands_drop_all(struct engine *e, struct instance *in)
{
    struct command *c, *next;

    HASH_ITER(hh, in->live->commands, c, next)
    {
        command_drop(e, in, c);
    }
}

static void answer(struct engine *e, struct instance *in, struct command *c, json_t *output,
                   json_t *error)
{
    c->answered = true;
    instance_note(e, in, note_new(ENTRY_RESULT, c->seq, output, error));
}

static void answer_problem(struct engine *e, struct instance *in, struct command *c,
                           json_t *problem)
{
    answer(e, in, c, NULL, problem);
}

/* ---- runs ---------------------------------------------------------------------------------------
 */

static int64_t retry_delay(struct engine *e, const struct retry_policy *p, uint32_t failed,
                           int64_t retry_after)
{
    double delay = (double)p->initial_ms * pow(p->factor, (double)(failed - 1));
    double ceiling = p->max_ms > 0 ? (double)p->max_ms : 1e12;

    delay = fmin(delay, ceiling);
    delay += delay * p->jitter * (rng_unit(&e->rng) - 0.5);
    delay = fmax(delay, fmin((double)retry_after, ceiling));
    return delay < 1 ? 1 : (int64_t)delay;
}

static void suspend_exhausted(struct engine *e, struct instance *in, struct command *c,
                              json_t *error)
{
    char why[256];

    snprintf(why, sizeof why, "retries exhausted at %.100s after %u attempts: %.100s", c->key,
             c->attempt + 1, json_str(error, "title", "error"));
    c->driven = false;
    instance_suspend(e, in, REASON_EXHAUSTED, "engine", why, c->seq);
}

static void attempt_failed(struct engine *e, struct instance *in, struct command *c,
                           const struct call_result *r)
{
    struct retry_policy p;
    uint32_t failed = c->attempt + 1;

    e->caller.policy(e->caller.self, c->spec, &p);
    int64_t due = e->now + retry_delay(e, &p, failed, r->retry_after_ms);
    bool over = (p.attempts > 0 && failed >= p.attempts) ||
                (p.total_ms > 0 && due > c->first_at + p.total_ms);
    in->row.attempts++;
    free(in->row.why);
    in->row.why = mem_printf("%.200s: %.700s", json_str(r->error, "title", "error"),
                             json_str(r->error, "detail", ""));
    if (c->once || !r->retryable || (over && !p.suspend)) {
        answer(e, in, c, NULL, r->error);
        return;
    }
    json_t *data = json_pack("{s:I, s:I}", "due", (json_int_t)(over ? 0 : due), "first",
                             (json_int_t)c->first_at);
    instance_event(e, in, ENTRY_ATTEMPT_FAILED, c->seq, failed, c->key, data, r->error);
    json_decref(data);
    c->attempt = failed;
    c->due = over ? 0 : due;
    if (over)
        suspend_exhausted(e, in, c, r->error);
}

/* Would its text pass the payload limit? Written out only when it could. */
static size_t weight(const json_t *value)
{
    size_t sum = 8;
    size_t i;
    const char *key;
    json_t *part;

    if (json_is_string(value))
        return sum + json_string_length(value) * 6;
    json_array_foreach(value, i, part) sum += weight(part);
    json_object_foreach((json_t *)(uintptr_t)value, key, part) sum +=
        strlen(key) * 6 + 4 + weight(part);
    return json_is_real(value) || json_is_integer(value) ? 32 : sum;
}

static bool too_large(struct engine *e, const json_t *value)
{
    if (weight(value) <= e->config.limits.payload_bytes)
        return false;
    buf_clear(&e->scratch);
    return !json_write(&e->scratch, value) || e->scratch.len > e->config.limits.payload_bytes;
}

void engine_call_done(struct engine *e, int64_t now, int64_t instance, uint32_t cmd,
                      const struct call_result *r)
{
    struct instance *in = engine_find(e, instance);
    struct command *c = in != NULL && in->live != NULL ? command_find(in, cmd) : NULL;

    e->now = now;
    if (c == NULL || !c->at_port || in->ending)
        return;
    e->in_flight--;
    c->at_port = c->in_flight = false;
    if (r->output != NULL && too_large(e, r->output)) {
        struct err err;

        err_set(&err, ERR_TOO_LARGE,
                "%.120s: the answer is larger than the payload limit of %zu bytes "
                "(limits.payload in the configuration)",
                c->key, e->config.limits.payload_bytes);
        json_t *problem = problem_from_err(&err);
        answer(e, in, c, NULL, problem);
        json_decref(problem);
    } else if (r->output != NULL) {
        answer(e, in, c, r->output, NULL);
    } else {
        attempt_failed(e, in, c, r);
    }
    instance_settle(e, in);
}

static void drive_run(struct engine *e, struct instance *in, struct command *c)
{
    if (c->in_flight || c->due > e->now)
        return;
    c->due = 0;
    if (c->first_at == 0)
        c->first_at = e->now;
    c->in_flight = true;
    effect_call(e, in, c->seq);
}

/* ---- children -----------------------------------------------------------------------------------
 */

static struct instance *start_child(struct engine *e, struct instance *in, struct command *c,
                                    struct err *err)
{
    const char *at = strchr(c->target, '@');
    char *name =
        at != NULL ? mem_strndup(c->target, (size_t)(at - c->target)) : mem_strdup(c->target);
    struct version *v = engine_find_service(e, name, at != NULL ? at + 1 : NULL);
    struct instance *child = NULL;

    if (v == NULL) {
        err_set(err, ERR_NOT_FOUND, "there is no workflow \"%.150s\"", c->target);
    } else if (in->row.depth + 1 > e->config.limits.depth) {
        err_set(err, ERR_LIMIT,
                "calls are nested deeper than %u: %.100s calls itself, directly or in a cycle?",
                e->config.limits.depth, name);
    } else if (v->service.check_input == NULL ||
               v->service.check_input(v->service.definition, c->spec, err) == ERR_OK) {
        child = instance_create(e, v, c->spec, NULL, in->trace);
        child->row.depth = in->row.depth + 1;
        if (c->kind == ENTRY_CHILD) {
            child->row.parent = in->row.num;
            child->row.parent_cmd = c->seq;
            child->awaited = true;
        }
    }
    free(name);
    return child;
}

static json_t *child_problem(const struct err *err)
{
    if (err->code == ERR_NOT_FOUND)
        return problem_new("configuration", 400, "Unknown workflow", "%s", err->text);
    if (err->code == ERR_INVALID)
        return problem_new("validation", 400, "Invalid input", "%s", err->text);
    return problem_from_err(err);
}

struct child_query {
    struct engine *engine;
    int64_t num;
    uint32_t cmd;
};

/* The child ended long ago: its answer comes from the store. */
static void child_found(void *arg, const struct err *err, json_t *result)
{
    struct child_query *q = arg;
    struct instance *in = engine_find(q->engine, q->num);
    struct command *c = in != NULL && in->live != NULL ? command_find(in, q->cmd) : NULL;

    if (c != NULL && !c->answered) {
        if (err != NULL) {
            json_t *problem =
                problem_new("runtime", 500, "The child's answer is gone", "%s", err->text);
            answer_problem(q->engine, in, c, problem);
            json_decref(problem);
        } else {
            answer(q->engine, in, c, json_object_get(result, "output"),
                   json_object_get(result, "error"));
        }
    }
    free(q);
}

static void ask_store(struct engine *e, struct instance *in, struct command *c)
{
    struct child_query *q = mem_zalloc(sizeof *q);
    char id[INSTANCE_ID_SIZE];

    instance_id_format(c->child, c->child_tag, id);
    *q = (struct child_query){.engine = e, .num = in->row.num, .cmd = c->seq};
    json_t *args = json_pack("{s:s}", "id", id);
    e->store.query(e->store.self, "output", args, child_found, q);
    json_decref(args);
}

static void drive_child(struct engine *e, struct instance *in, struct command *c)
{
    struct err err;
    char id[INSTANCE_ID_SIZE];

    if (c->child != 0) {
        if (engine_find(e, c->child) == NULL)
            ask_store(e, in, c);
        return;
    }
    struct instance *child = start_child(e, in, c, &err);
    if (child == NULL) {
        json_t *problem = child_problem(&err);

        if (c->kind == ENTRY_CHILD)
            answer_problem(e, in, c, problem);
        else
            log_warn("engine", "cannot send to %s: %s", c->target, err.text);
        json_decref(problem);
        if (c->kind == ENTRY_SEND)
            command_free(in, c);
        return;
    }
    c->child = child->row.num;
    c->child_tag = child->row.tag;
    instance_id_of(child, id);
    json_t *data = json_string(id);
    instance_event(e, in, ENTRY_CHILD_STARTED, c->seq, 0, c->key, data, NULL);
    json_decref(data);
    if (c->kind == ENTRY_SEND)
        command_free(in, c);
    admission_ask(e, child);
}

void child_ended(struct engine *e, struct instance *child, json_t *output, json_t *error)
{
    struct instance *in = child->row.parent != 0 ? engine_find(e, child->row.parent) : NULL;

    if (in == NULL || in->ending)
        return;
    json_t *data = json_pack("{s:i, s:O*, s:O*}", "cmd", (int)child->row.parent_cmd, "output",
                             output, "error", error);
    struct note *n = note_new(ENTRY_RESULT, child->row.parent_cmd, output, error);
    n->inbox = engine_inbox_put(e, in->row.num, "child", data)->id;
    json_decref(data);
    instance_note(e, in, n);
}

/* ---- all of them --------------------------------------------------------------------------------
 */

static void drive_await(struct engine *e, struct instance *in, struct command *c)
{
    for (struct signal *s = in->live->signals; s != NULL; s = s->next) {
        if (strcmp(s->name, c->target) == 0) {
            struct note *n = note_new(ENTRY_SIGNALLED, c->seq, s->payload, NULL);

            n->name = mem_strdup(s->name);
            c->answered = true;
            instance_note(e, in, n);
            return;
        }
    }
}

void commands_drive(struct engine *e, struct instance *in)
{
    struct command *c, *next;

    if (in->row.status == STATUS_SUSPENDED || in->ending)
        return;
    HASH_ITER(hh, in->live->commands, c, next)
    {
        if (c->answered)
            continue;
        if (c->kind == ENTRY_RUN)
            drive_run(e, in, c);
        else if (c->kind == ENTRY_AWAIT)
            drive_await(e, in, c);
        else if (c->driven)
            continue;
        else if (c->kind == ENTRY_CHILD || c->kind == ENTRY_SEND) {
            c->driven = true;
            drive_child(e, in, c); /* may free it */
        }
    }
}

void commands_fire(struct engine *e, struct instance *in)
{
    struct command *c, *next, *first;

    if (in->row.status == STATUS_SUSPENDED)
        return;
    /* In the order in which they are due, then by number: the journal is what replay will follow.
     */
    do {
        first = NULL;
        HASH_ITER(hh, in->live->commands, c, next)
        {
            if (c->kind == ENTRY_SLEEP && !c->answered && c->due <= e->now &&
                (first == NULL || c->due < first->due))
                first = c;
        }
        if (first != NULL) {
            first->answered = true;
            instance_note(e, in, note_new(ENTRY_FIRED, first->seq, NULL, NULL));
        }
    } while (first != NULL);
}
