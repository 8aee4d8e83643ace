/* The caller port. Each call is a ticket: it waits in its agent's queue for a slot, passes the
 * breaker, leaves on a pooled request, and is answered once. What is answered without leaving
 * (refused, malformed) waits in `answered` for the next turn of the loop, so that `done` is never
 * called from inside start. A ticket is in the table from start until just before its answer; the
 * receiver may start and abort any call, or close the caller, from inside `done`. */
#include "net/caller.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/problem.h"
#include "net/agents.h"
#include "net/health.h"
#include "net/reply.h"
#include "net/request.h"

enum {
    QUEUE_MAX = 10000,   /* calls that wait for a slot of one agent */
    ANSWER_BUDGET = 256, /* answers of calls that never left, in one turn of the loop */
    POOL_REQUESTS = 1024,
    POOL_CONNECTIONS = 1024,
};

struct ticket_id {
    int64_t instance;
    uint64_t cmd; /* wide, so that there is no padding to compare */
};

struct ticket {
    struct ticket_id id;
    struct caller *caller;
    struct call call; /* its texts are copies */
    struct target target;
    struct agent *agent;     /* NULL when the call names none; counted in its users */
    struct request *request; /* in flight */
    struct outcome outcome;  /* while in `answered` */
    enum { TICKET_QUEUED, TICKET_IN_FLIGHT, TICKET_ANSWERED } state;
    bool trial;
    uint64_t began;             /* ns of uv_hrtime: when it left */
    struct ticket *prev, *next; /* in the agent's queue or in `answered` */
    UT_hash_handle hh;
};

struct caller {
    uv_loop_t *loop;
    caller_done *done;
    void *arg;
    struct request_env env;
    struct ticket *tickets;  /* all, by id */
    struct ticket *answered; /* oldest first */
    struct request *pool[POOL_REQUESTS];
    size_t pooled;
    uv_idle_t soon;        /* active while there are answered tickets */
    struct health *health; /* or NULL */
    unsigned parts;        /* still to be closed */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

static int64_t now_ms(const struct caller *c)
{
    (void)c;
    return (int64_t)(uv_hrtime() / 1000000);
}

/* ---- answers ---- */

static void ticket_free(struct ticket *t)
{
    if (t->agent != NULL)
        t->agent->users--;
    target_fini(&t->target);
    json_decref(t->outcome.result.output);
    json_decref(t->outcome.result.error);
    free(t);
}

/* Takes the ticket out of the table first: the receiver may start the same command again. */
static void answer(struct caller *c, struct ticket *t)
{
    HASH_DEL(c->tickets, t);
    c->done(c->arg, t->id.instance, t->call.cmd, &t->outcome.result);
    ticket_free(t);
}

static void on_soon(uv_idle_t *idle)
{
    struct caller *c = idle->data;

    for (int i = 0; i < ANSWER_BUDGET && c->answered != NULL; i++) {
        struct ticket *t = c->answered;

        DL_DELETE(c->answered, t);
        answer(c, t);
    }
    if (c->answered == NULL)
        uv_idle_stop(idle);
}

static void answer_soon(struct caller *c, struct ticket *t)
{
    t->state = TICKET_ANSWERED;
    DL_APPEND(c->answered, t);
    uv_idle_start(&c->soon, on_soon);
}

static void refuse(struct caller *c, struct ticket *t, int64_t wait_ms, const char *why)
{
    t->outcome = (struct outcome){
        .result = {.error =
                       problem_new("communication", 503, "The agent is not called", "%s%.100s: %s",
                                   t->agent->registered ? "agent " : "", t->agent->name, why),
                   .retryable = true,
                   .retry_after_ms = wait_ms}};
    answer_soon(c, t);
}

static void refuse_open(struct caller *c, struct ticket *t)
{
    int64_t wait = breaker_wait_ms(&t->agent->breaker, now_ms(c));
    char why[200];

    snprintf(why, sizeof why,
             "its circuit breaker is %s after failures in a row; it half-opens for one trial call "
             "in %.1f s",
             breaker_name(&t->agent->breaker, now_ms(c)), (double)wait / 1000);
    refuse(c, t, wait > 0 ? wait : 1, why);
}

static void note_outcome(struct caller *c, struct ticket *t, const struct outcome *out)
{
    struct agent *a = t->agent;
    double ms = (double)(uv_hrtime() - t->began) / 1e6;

    a->calls++;
    if (out->verdict == VERDICT_FAILED) {
        breaker_failure(&a->breaker, t->trial, now_ms(c));
    } else if (out->verdict == VERDICT_ALIVE) {
        breaker_success(&a->breaker, t->trial);
        a->latency_ms = a->latency_ms > 0 ? a->latency_ms * 0.9 + ms * 0.1 : ms;
        a->health = AGENT_HEALTHY;
    } else {
        breaker_neutral(&a->breaker, t->trial);
    }
    if (out->result.error != NULL) {
        const char *detail = json_str(out->result.error, "detail", "");

        a->failures++;
        reply_harmless(detail, strlen(detail), a->last_error, sizeof a->last_error);
    }
}

/* ---- calls ---- */

static struct request *take_request(struct caller *c)
{
    return c->pooled > 0 ? c->pool[--c->pooled] : request_new(&c->env);
}

static void put_request(struct caller *c, struct request *r)
{
    if (c->pooled < POOL_REQUESTS && !c->closing)
        c->pool[c->pooled++] = r;
    else
        request_free(r);
}

static void pump(struct caller *c, struct agent *a);

static void on_over(void *arg, struct request *r, struct outcome *out)
{
    struct ticket *t = arg;
    struct caller *c = t->caller;
    struct agent *a = t->agent;

    t->request = NULL;
    t->outcome = *out;
    a->in_flight--;
    note_outcome(c, t, out);
    put_request(c, r);
    pump(c, a); /* before the answer: after it the caller may be closing */
    answer(c, t);
}

static void leave(struct caller *c, struct ticket *t)
{
    enum breaker_pass pass = breaker_admit(&t->agent->breaker, now_ms(c));

    if (pass == BREAKER_REFUSED) {
        refuse_open(c, t);
        return;
    }
    t->trial = pass == BREAKER_TRIAL;
    t->began = uv_hrtime();
    t->request = take_request(c);
    if (request_send(t->request, &t->call, &t->target, on_over, t, &t->outcome)) {
        t->state = TICKET_IN_FLIGHT;
        t->agent->in_flight++;
        return;
    }
    note_outcome(c, t, &t->outcome);
    put_request(c, t->request);
    t->request = NULL;
    answer_soon(c, t);
}

static bool has_slot(const struct agent *a)
{
    return a->in_flight < (a->config->concurrency > 0 ? a->config->concurrency : 1);
}

/* Gives free slots to those who wait. */
static void pump(struct caller *c, struct agent *a)
{
    while (a->queue != NULL && has_slot(a)) {
        struct ticket *t = a->queue;

        DL_DELETE(a->queue, t);
        a->queued--;
        leave(c, t);
    }
}

/* Aborts and forgets, without an answer. */
static void drop(struct caller *c, struct ticket *t)
{
    struct agent *a = t->agent;

    HASH_DEL(c->tickets, t);
    switch (t->state) {
    case TICKET_QUEUED:
        DL_DELETE(a->queue, t);
        a->queued--;
        break;
    case TICKET_IN_FLIGHT:
        request_abort(t->request);
        put_request(c, t->request);
        a->in_flight--;
        breaker_neutral(&a->breaker, t->trial);
        if (!c->closing)
            pump(c, a);
        break;
    case TICKET_ANSWERED:
        DL_DELETE(c->answered, t);
        break;
    }
    ticket_free(t);
}

static void port_abort(void *self, int64_t instance, uint32_t cmd)
{
    struct caller *c = self;
    struct ticket_id id = {.instance = instance, .cmd = cmd};
    struct ticket *t;

    HASH_FIND(hh, c->tickets, &id, sizeof id, t);
    if (t != NULL)
        drop(c, t);
}

static void port_start(void *self, const struct call *call)
{
    struct caller *c = self;
    struct err err;

    assert(!c->closing);
    port_abort(c, call->instance, call->cmd); /* one attempt of a command at a time */
    struct ticket *t = mem_zalloc(sizeof *t);
    t->id = (struct ticket_id){.instance = call->instance, .cmd = call->cmd};
    t->caller = c;
    t->call = *call;
    t->call.instance_id = NULL; /* borrowed for this function only */
    HASH_ADD(hh, c->tickets, id, sizeof t->id, t);
    if (target_resolve(c->env.agents, c->env.config, call->spec, &t->target, &err) != ERR_OK) {
        outcome_from_err(&t->outcome, &err);
        answer_soon(c, t);
        return;
    }
    t->agent = t->target.agent;
    t->agent->users++;
    if (has_slot(t->agent) && t->agent->queue == NULL) {
        leave(c, t);
    } else if (breaker_wait_ms(&t->agent->breaker, now_ms(c)) > 0) {
        refuse_open(c, t);
    } else if (t->agent->queued >= QUEUE_MAX) {
        refuse(c, t, 1000, "10000 calls wait for it already");
    } else {
        DL_APPEND(t->agent->queue, t);
        t->agent->queued++;
    }
}

static void port_policy(void *self, const json_t *spec, struct retry_policy *policy)
{
    struct caller *c = self;
    struct target target;
    const struct config_retry *r = &c->env.config->agent_default.retry;

    if (target_resolve(c->env.agents, c->env.config, spec, &target, NULL) == ERR_OK)
        r = &target.agent->config->retry;
    *policy = (struct retry_policy){
        .initial_ms = r->initial_ms,
        .factor = r->factor,
        .max_ms = r->max_ms,
        .jitter = r->jitter,
        .attempts = r->attempts,
        .total_ms = r->total_ms,
        .suspend = r->suspend,
    };
    target_fini(&target);
}

static json_t *port_agents(void *self)
{
    struct caller *c = self;

    return agents_json(c->env.agents, now_ms(c));
}

/* ---- the whole ---- */

enum errcode caller_new(uv_loop_t *loop, const struct config *config, caller_done *done, void *arg,
                        struct caller **out, struct err *err)
{
    struct curl_loop *curl;

    *out = NULL;
    enum errcode code = curl_loop_new(loop, POOL_CONNECTIONS, &curl, err);
    if (code != ERR_OK)
        return code;
    struct caller *c = mem_zalloc(sizeof *c);
    c->loop = loop;
    c->done = done;
    c->arg = arg;
    c->env = (struct request_env){
        .config = config,
        .agents = agents_new(config),
        .secrets = secrets_new(),
        .loop = curl,
    };
    uv_idle_init(loop, &c->soon);
    c->soon.data = c;
    *out = c;
    return ERR_OK;
}

void caller_port(struct caller *c, struct caller_port *port)
{
    *port = (struct caller_port){
        .self = c,
        .start = port_start,
        .abort = port_abort,
        .policy = port_policy,
        .agents = port_agents,
    };
}

void caller_watch_health(struct caller *c)
{
    if (c->health == NULL)
        c->health = health_new(c->loop, c->env.loop, c->env.agents);
}

static void part_closed(void *arg)
{
    struct caller *c = arg;

    if (--c->parts > 0)
        return;
    void (*closed)(void *) = c->closed;
    void *closed_arg = c->closed_arg;
    agents_free(c->env.agents);
    secrets_free(c->env.secrets);
    free(c);
    closed(closed_arg);
}

static void on_soon_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void caller_close(struct caller *c, void (*closed)(void *arg), void *arg)
{
    struct ticket *t, *next;

    assert(!c->closing);
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    HASH_ITER(hh, c->tickets, t, next)
    {
        drop(c, t);
    }
    while (c->pooled > 0)
        request_free(c->pool[--c->pooled]);
    c->parts = c->health != NULL ? 3 : 2;
    if (c->health != NULL)
        health_close(c->health, part_closed, c);
    uv_close((uv_handle_t *)&c->soon, on_soon_closed);
    curl_loop_close(c->env.loop, part_closed, c);
}
