#include "gate.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/store/store.h"

static void call_start(void *self, const struct call *call)
{
    struct gate *g = self;

    if (!g->shut) {
        g->caller.start(g->caller.self, call);
        return;
    }
    g->held = mem_grow(g->held, g->held_count, &g->held_cap, sizeof *g->held);
    g->held[g->held_count++] = (struct held){.instance = call->instance, .cmd = call->cmd};
}

static void call_abort(void *self, int64_t instance, uint32_t cmd)
{
    struct gate *g = self;

    for (size_t i = 0; i < g->held_count; i++) {
        if (g->held[i].instance == instance && g->held[i].cmd == cmd) {
            g->held[i] = g->held[--g->held_count];
            return;
        }
    }
    g->caller.abort(g->caller.self, instance, cmd);
}

static void call_policy(void *self, const json_t *spec, struct retry_policy *policy)
{
    struct gate *g = self;

    g->caller.policy(g->caller.self, spec, policy);
}

static json_t *call_agents(void *self)
{
    struct gate *g = self;

    return g->caller.agents(g->caller.self);
}

static void store_commit(void *self, struct batch *batch)
{
    struct gate *g = self;

    g->given = batch->no;
    g->store.commit(g->store.self, batch);
}

static void store_load(void *self, int64_t num, int64_t last, store_load_cb *cb, void *arg)
{
    struct gate *g = self;

    g->store.load(g->store.self, num, last, cb, arg);
}

static void store_find_key(void *self, const char *scope, const char *key, store_key_cb *cb,
                           void *arg)
{
    struct gate *g = self;

    g->store.find_key(g->store.self, scope, key, cb, arg);
}

static void store_query(void *self, const char *what, json_t *args, store_json_cb *cb, void *arg)
{
    struct gate *g = self;

    g->store.query(g->store.self, what, args, cb, arg);
}

void gate_init(struct gate *g, const struct caller_port *caller, const struct store_port *store)
{
    *g = (struct gate){.caller = *caller, .store = *store};
}

void gate_fini(struct gate *g)
{
    free(g->held);
    *g = (struct gate){.shut = true};
}

void gate_ports(struct gate *g, struct caller_port *caller, struct store_port *store)
{
    *caller = (struct caller_port){.self = g,
                                   .start = call_start,
                                   .abort = call_abort,
                                   .policy = call_policy,
                                   .agents = call_agents};
    *store = (struct store_port){.self = g,
                                 .commit = store_commit,
                                 .load = store_load,
                                 .find_key = store_find_key,
                                 .query = store_query};
}

void gate_committed(struct gate *g, uint64_t batch_no, enum errcode code)
{
    if (code == ERR_OK)
        g->committed = batch_no;
}

void gate_shut(struct gate *g)
{
    g->shut = true;
}

bool gate_is_still(const struct gate *g, int64_t in_flight)
{
    return in_flight <= (int64_t)g->held_count && g->committed == g->given;
}
