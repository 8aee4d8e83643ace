/* The caller port: each call waits for a slot of its agent, passes the breaker, and leaves on a
 * pooled request. */
#include "net/caller.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/mem.h"
#include "engine/problem.h"
#include "net/agents.h"
#include "net/request.h"

enum {
    QUEUE_MAX = 10000,
    IDLE_REQUESTS_MAX = 256,
    POOL_CONNECTIONS = 512,
    HEALTH_EVERY_MS = 10000,
    HEALTH_TIMEOUT_MS = 5000
};

struct ticket_id {
    int64_t instance;
    uint32_t cmd, pad;
};

struct ticket {
    struct ticket_id id;
    struct caller *caller;
    struct call call; /* its texts copied */
    struct target target;
    struct agent *agent;     /* target's, kept while the request has the target */
    struct request *request; /* NULL: in line, or answered already */
    struct outcome outcome;  /* an answer that waits for the next turn of the loop */
    bool answered, trial;
    uint64_t began;             /* ns */
    struct ticket *prev, *next; /* in the agent's queue, or in the list of answered ones */
    UT_hash_handle hh;
};

struct pooled {
    struct request *request;
    struct pooled *next;
};

struct probe {
    struct caller *caller;
    struct agent *agent;
    struct curl_job job;
};

struct caller {
    uv_loop_t *loop;
    const struct config *config;
    caller_done *done;
    void *arg;
    struct request_env env;
    struct ticket *tickets;
    struct ticket *answered; /* utlist */
    struct pooled *idle;
    unsigned idle_count;
    uv_idle_t soon; /* active while `answered` is not empty */
    uv_timer_t health;
    struct probe *probes;
    size_t probe_count;
    void (*closed)(void *arg);
    void *closed_arg;
    int closing;
};

static int64_t now_ms(const struct caller *c)
{
    return (int64_t)uv_now(c->loop);
}

static void start_queued(struct caller *c, struct agent *a);

/* ---- answers
 * ------------------------------------------------------------------------------------- */

static void ticket_free(struct ticket *t)
{
    if (t->agent != NULL)
        t->agent->users--;
    target_fini(&t->target);
    json_decref(t->outcome.result.output);
    json_decref(t->outcome.result.error);
    free(t);
}

static void deliver(uv_idle_t *idle)
{
    struct caller *c = idle->data;
    struct ticket *list = c->answered, *t, *next;

    c->answered = NULL;
    uv_idle_stop(idle);
    DL_FOREACH_SAFE(list, t, next)
    {
        HASH_DEL(c->tickets, t);
        c->done(c->arg, t->id.instance, t->id.cmd, &t->outcome.result);
        ticket_free(t);
    }
}

/* Never from inside start: in the next turn of the loop. */
static void answer_soon(struct caller *c, struct ticket *t)
{
    t->answered = true;
    DL_APPEND(c->answered, t);
    uv_idle_start(&c->soon, deliver);
}

static void note_outcome(struct caller *c, struct ticket *t, const struct outcome *out)
{
    struct agent *a = t->agent;
    double ms = (double)(uv_hrtime() - t->began) / 1e6;

    a->calls++;
    if (out->verdict == VERDICT_ALIVE) {
        breaker_success(&a->breaker, t->trial);
        a->latency_ms = a->latency_ms == 0 ? ms : a->latency_ms * 0.9 + ms * 0.1;
        a->health = AGENT_HEALTHY;
    } else if (out->verdict == VERDICT_FAILED) {
        breaker_failure(&a->breaker, t->trial, now_ms(c));
    } else {
        breaker_neutral(&a->breaker, t->trial);
    }
    if (out->result.error != NULL) {
        const char *detail = json_string_value(json_object_get(out->result.error, "detail"));

        a->failures++;
        strncpy(a->last_error, detail != NULL ? detail : "", sizeof a->last_error - 1);
    }
}

static void put_request(struct caller *c, struct request *r)
{
    if (c->idle_count == IDLE_REQUESTS_MAX) {
        request_free(r);
        return;
    }
    struct pooled *p = mem_zalloc(sizeof *p);
    p->request = r;
    p->next = c->idle;
    c->idle = p;
    c->idle_count++;
}

static struct request *take_request(struct caller *c)
{
    struct pooled *p = c->idle;
    struct request *r;

    if (p == NULL)
        return request_new(&c->env);
    r = p->request;
    c->idle = p->next;
    c->idle_count--;
    free(p);
    return r;
}

/* From the loop: the engine may be told at once. */
static void request_over(void *arg, struct request *r, struct outcome *out)
{
    struct ticket *t = arg;
    struct caller *c = t->caller;
    struct agent *a = t->agent;

    t->request = NULL;
    t->outcome = *out;
    a->in_flight--;
    note_outcome(c, t, out);
    put_request(c, r);
    HASH_DEL(c->tickets, t);
    c->done(c->arg, t->id.instance, t->id.cmd, &t->outcome.result);
    start_queued(c, a);
    ticket_free(t);
}

/* ---- calls
 * --------------------------------------------------------------------------------------- */

static void refuse(struct caller *c, struct ticket *t, int64_t wait_ms, const char *why)
{
    memset(&t->outcome, 0, sizeof t->outcome);
    t->outcome.result.error =
        problem_new("communication", 503, "The agent is not called", "%s: %s", t->agent->name, why);
    t->outcome.result.retryable = true;
    t->outcome.result.retry_after_ms = wait_ms;
    answer_soon(c, t);
}

static void send_ticket(struct caller *c, struct ticket *t)
{
    enum breaker_pass pass = breaker_admit(&t->agent->breaker, now_ms(c));

    if (pass == BREAKER_REFUSED) {
        refuse(c, t, breaker_wait_ms(&t->agent->breaker, now_ms(c)),
               "its circuit breaker is open after failures in a row");
        return;
    }
    t->trial = pass == BREAKER_TRIAL;
    t->began = uv_hrtime();
    t->request = take_request(c);
    t->agent->in_flight++;
    if (request_send(t->request, &t->call, &t->target, request_over, t, &t->outcome))
        return;
    t->agent->in_flight--;
    note_outcome(c, t, &t->outcome);
    put_request(c, t->request);
    t->request = NULL;
    answer_soon(c, t);
}

static void start_queued(struct caller *c, struct agent *a)
{
    while (a->queue != NULL && a->in_flight < a->config->concurrency) {
        struct ticket *t = a->queue;

        DL_DELETE(a->queue, t);
        a->queued--;
        send_ticket(c, t);
    }
}

static void start(void *self, const struct call *call)
{
    struct caller *c = self;
    struct ticket *t = mem_zalloc(sizeof *t);
    struct err err;

    t->id = (struct ticket_id){.instance = call->instance, .cmd = call->cmd};
    t->caller = c;
    t->call = *call;
    t->call.instance_id = NULL; /* borrowed for this call only, and not needed after */
    HASH_ADD(hh, c->tickets, id, sizeof t->id, t);
    if (target_resolve(c->env.agents, c->config, call->spec, &t->target, &err) != ERR_OK) {
        outcome_from_err(&t->outcome, &err);
        answer_soon(c, t);
        return;
    }
    t->agent = t->target.agent;
    t->agent->users++;
    if (t->agent->queued >= QUEUE_MAX) {
        refuse(c, t, 1000, "too many calls wait in line");
        return;
    }
    DL_APPEND(t->agent->queue, t);
    t->agent->queued++;
    start_queued(c, t->agent);
}

static void drop(struct caller *c, struct ticket *t)
{
    struct agent *a = t->agent;

    HASH_DEL(c->tickets, t);
    if (t->request != NULL) {
        request_abort(t->request);
        put_request(c, t->request);
        a->in_flight--;
        breaker_neutral(&a->breaker, t->trial);
    } else if (t->answered) {
        DL_DELETE(c->answered, t);
    } else {
        DL_DELETE(a->queue, t);
        a->queued--;
        a = NULL;
    }
    if (t->answered)
        a = NULL;
    if (a != NULL && c->closing == 0)
        start_queued(c, a);
    ticket_free(t);
}

static void abort_call(void *self, int64_t instance, uint32_t cmd)
{
    struct caller *c = self;
    struct ticket_id id = {.instance = instance, .cmd = cmd};
    struct ticket *t;

    HASH_FIND(hh, c->tickets, &id, sizeof id, t);
    if (t != NULL)
        drop(c, t);
}

static void policy(void *self, const json_t *spec, struct retry_policy *p)
{
    struct caller *c = self;
    struct target target = {0};
    const struct config_retry *r = &c->config->agent_default.retry;

    if (target_resolve(c->env.agents, c->config, spec, &target, NULL) == ERR_OK)
        r = &target.agent->config->retry;
    *p = (struct retry_policy){.initial_ms = r->initial_ms,
                               .factor = r->factor,
                               .max_ms = r->max_ms,
                               .jitter = r->jitter,
                               .attempts = r->attempts,
                               .total_ms = r->total_ms,
                               .suspend = r->suspend};
    target_fini(&target);
}

static json_t *agents(void *self)
{
    struct caller *c = self;

    return agents_json(c->env.agents, now_ms(c));
}

/* ---- health
 * -------------------------------------------------------------------------------------- */

static size_t swallow(char *data, size_t size, size_t count, void *arg)
{
    (void)data, (void)arg;
    return size * count;
}

static void probed(struct curl_job *job, CURLcode code)
{
    struct probe *p = (struct probe *)(void *)((char *)job - offsetof(struct probe, job));
    long status = 0;

    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    p->agent->health =
        code == CURLE_OK && status >= 200 && status < 300 ? AGENT_HEALTHY : AGENT_UNHEALTHY;
}

static void probe_all(uv_timer_t *timer)
{
    struct caller *c = timer->data;

    for (size_t i = 0; i < c->probe_count; i++) {
        if (c->probes[i].job.state == CURL_JOB_IDLE)
            curl_job_add(&c->probes[i].job);
    }
}

void caller_watch_health(struct caller *c)
{
    c->probe_count = agents_count(c->env.agents);
    c->probes = mem_zalloc(c->probe_count * sizeof *c->probes);
    for (size_t i = 0; i < c->probe_count; i++) {
        struct probe *p = &c->probes[i];
        const struct config_agent *config;

        p->caller = c;
        p->agent = agents_at(c->env.agents, i);
        config = p->agent->config;
        curl_job_init(&p->job, c->env.loop, probed);
        char *url = config->health_url != NULL ? mem_strdup(config->health_url)
                                               : mem_printf("%s/health", config->url);
        curl_easy_setopt(p->job.easy, CURLOPT_URL, url);
        curl_easy_setopt(p->job.easy, CURLOPT_TIMEOUT_MS, (long)HEALTH_TIMEOUT_MS);
        curl_easy_setopt(p->job.easy, CURLOPT_WRITEFUNCTION, swallow);
        free(url);
    }
    uv_timer_start(&c->health, probe_all, 0, HEALTH_EVERY_MS);
}

/* ---- life
 * ---------------------------------------------------------------------------------------- */

enum errcode caller_new(uv_loop_t *loop, const struct config *config, caller_done *done, void *arg,
                        struct caller **out, struct err *err)
{
    struct caller *c = mem_zalloc(sizeof *c);

    *out = NULL;
    c->loop = loop;
    c->config = config;
    c->done = done;
    c->arg = arg;
    c->env.config = config;
    if (curl_loop_new(loop, POOL_CONNECTIONS, &c->env.loop, err) != ERR_OK) {
        free(c);
        return err != NULL ? err->code : ERR_INTERNAL;
    }
    c->env.agents = agents_new(config);
    c->env.secrets = secrets_new();
    uv_idle_init(loop, &c->soon);
    uv_timer_init(loop, &c->health);
    c->soon.data = c->health.data = c;
    uv_unref((uv_handle_t *)&c->health);
    *out = c;
    return ERR_OK;
}

void caller_port(struct caller *c, struct caller_port *port)
{
    *port = (struct caller_port){
        .self = c, .start = start, .abort = abort_call, .policy = policy, .agents = agents};
}

static void part_closed(struct caller *c)
{
    void (*closed)(void *arg) = c->closed;
    void *arg = c->closed_arg;

    if (--c->closing > 0)
        return;
    agents_free(c->env.agents);
    secrets_free(c->env.secrets);
    free(c->probes);
    free(c);
    closed(arg);
}

static void loop_closed(void *arg)
{
    part_closed(arg);
}

static void handle_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void caller_close(struct caller *c, void (*closed)(void *arg), void *arg)
{
    struct ticket *t, *next;

    c->closed = closed;
    c->closed_arg = arg;
    c->closing = 3;
    HASH_ITER(hh, c->tickets, t, next)
    {
        drop(c, t);
    }
    while (c->idle != NULL) {
        struct pooled *p = c->idle;

        c->idle = p->next;
        request_free(p->request);
        free(p);
    }
    for (size_t i = 0; i < c->probe_count; i++)
        curl_job_fini(&c->probes[i].job);
    uv_idle_stop(&c->soon);
    uv_close((uv_handle_t *)&c->soon, handle_closed);
    uv_close((uv_handle_t *)&c->health, handle_closed);
    curl_loop_close(c->env.loop, loop_closed, c);
}
