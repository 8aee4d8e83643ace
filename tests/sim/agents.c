/* Agents of the simulation: they add, after a while, or fail, or never answer. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/problem.h"
#include "sim.h"

struct pending {
    struct pending *next;
    struct sim_agents *agents;
    int64_t num;
    uint32_t cmd;
    uint64_t ticket;
    json_t *spec;
};

struct sim_agents {
    struct sim *sim;
    struct pending *calls;
    uint64_t next_ticket;
};

static struct pending *take(struct sim_agents *a, int64_t num, uint32_t cmd)
{
    for (struct pending **at = &a->calls; *at != NULL; at = &(*at)->next) {
        struct pending *p = *at;

        if (p->num == num && p->cmd == cmd) {
            *at = p->next;
            return p;
        }
    }
    return NULL;
}

static void pending_free(struct pending *p)
{
    json_decref(p->spec);
    free(p);
}

struct due {
    struct sim_agents *agents;
    int64_t num;
    uint32_t cmd;
    uint64_t ticket;
    bool fail;
};

static void answer(void *arg)
{
    struct due *d = arg;
    struct sim_agents *a = d->agents;
    struct call_result r = {0};
    struct pending *p;

    for (p = a->calls; p != NULL && p->ticket != d->ticket; p = p->next)
        ;
    if (p == NULL) { /* aborted, or asked by a process that is dead */
        free(d);
        return;
    }
    take(a, p->num, p->cmd);
    const json_t *body = json_object_get(p->spec, "body");
    const char *path = json_string_value(json_object_get(p->spec, "path"));
    if (path != NULL && strcmp(path, "/never") == 0) {
        r.error = problem_new("communication", 500, "Never works", "%s", path);
    } else if (d->fail) {
        r.error = problem_new("communication", 503, "Not now", "%s", path);
        r.retryable = true;
    } else {
        r.output =
            json_pack("{s:I}", "total", json_integer_value(json_object_get(body, "total")) + 1);
    }
    engine_call_done(a->sim->engine, sim_clock(a->sim), p->num, p->cmd, &r);
    json_decref(r.output);
    json_decref(r.error);
    pending_free(p);
    free(d);
}

static void start(void *self, const struct call *call)
{
    struct sim_agents *a = self;
    struct sim *s = a->sim;
    struct pending *p = mem_zalloc(sizeof *p);
    struct due *d = mem_zalloc(sizeof *d);

    if (sim_store_has_result(s->store, call->instance, call->cmd))
        sim_fail(s, "instance %lld: command %u is asked again though its answer is recorded",
                 (long long)call->instance, call->cmd);
    *p = (struct pending){.next = a->calls,
                          .agents = a,
                          .num = call->instance,
                          .cmd = call->cmd,
                          .ticket = ++a->next_ticket};
    p->spec = json_deep_copy(call->spec);
    a->calls = p;
    *d = (struct due){.agents = a, .ticket = p->ticket, .fail = sim_chance(s, s->o.agent_fail)};
    int64_t delay = (int64_t)rng_below(&s->rng, 50);
    if (sim_chance(s, s->o.agent_hang)) { /* the caller's own time limit ends it */
        delay = 30000;
        d->fail = true;
    }
    sim_at(s, delay, false, answer, d);
}

static void abort_call(void *self, int64_t num, uint32_t cmd)
{
    struct pending *p = take(self, num, cmd);

    if (p != NULL)
        pending_free(p);
}

static void policy(void *self, const json_t *spec, struct retry_policy *p)
{
    (void)self;
    (void)spec;
    *p = (struct retry_policy){.initial_ms = 10, .factor = 2, .max_ms = 500, .jitter = 0.2};
}

static json_t *agents(void *self)
{
    (void)self;
    return json_array();
}

struct sim_agents *sim_agents_new(struct sim *s)
{
    struct sim_agents *a = mem_zalloc(sizeof *a);

    a->sim = s;
    return a;
}

void sim_agents_free(struct sim_agents *a)
{
    while (a->calls != NULL) {
        struct pending *p = a->calls;

        a->calls = p->next;
        pending_free(p);
    }
    free(a);
}

void sim_agents_port(struct sim_agents *a, struct caller_port *port)
{
    *port = (struct caller_port){
        .self = a, .start = start, .abort = abort_call, .policy = policy, .agents = agents};
}
