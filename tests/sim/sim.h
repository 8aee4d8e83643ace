/* The simulator: the engine with virtual time, a store in memory that can lose what is not durable,
 * agents that fail, and a crash at any moment; everything from one seed. See docs/TESTING.md for
 * the oracles. */
#ifndef SIM_H
#define SIM_H

#include <uthash.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/entry.h"

/* ---- the world ---- */

typedef void sim_fn(void *arg);

struct sim_event {
    int64_t at;
    uint64_t tie;  /* random: events of the same ms come in any order, the same for the same seed */
    unsigned life; /* dropped when the process it was for has died; 0: outlives it */
    sim_fn *fn;
    void *arg;
};

struct sim_options {
    uint64_t seed;
    int programs, instances, crashes;
    bool trace;
    /* Faults of this run, each on or off and at its own rate. */
    double agent_fail, agent_hang, store_full, clock_jump;
    int64_t commit_ms, evict_ms;
    uint32_t max_running;
    bool acts; /* pause and resume at random */
};

struct sim {
    struct sim_options o;
    struct rng rng;
    int64_t now, skew; /* virtual ms; what the wall clock is off by */
    unsigned life;     /* number of the process that runs */
    struct sim_event *events;
    size_t event_count, event_cap;
    struct engine *engine;
    struct api api;
    struct sim_store *store;
    struct sim_agents *agents;
    struct sim_program *programs;
    struct sim_client *clients;
    int64_t crashes_left;
    int violations;
};

void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_at(struct sim *s, int64_t delay_ms, bool outlives, sim_fn *fn, void *arg);
int64_t sim_clock(const struct sim *s); /* what the engine is told */
bool sim_chance(struct sim *s, double p);

/* ---- the store ---- */
struct sim_store *sim_store_new(struct sim *s);
void sim_store_free(struct sim_store *st);
void sim_store_port(struct sim_store *st, struct store_port *port);
void sim_store_boot(struct sim_store *st, struct store_boot *boot);
/* The process dies: of what was given but not acknowledged, a prefix is durable. */
void sim_store_crash(struct sim_store *st);
bool sim_store_has_result(const struct sim_store *st, int64_t num, uint32_t cmd);
size_t sim_store_active(const struct sim_store *st);
void sim_store_check(struct sim_store *st); /* at the end: invariants of the whole */

/* ---- the agents ---- */
struct sim_agents *sim_agents_new(struct sim *s);
void sim_agents_free(struct sim_agents *a);
void sim_agents_port(struct sim_agents *a, struct caller_port *port);

/* ---- the programs ---- */
struct sim_program {
    char *name;
    char *text;        /* the document */
    struct node *root; /* for the expected result */
};
void sim_program_make(struct sim *s, struct sim_program *p, int index);
void sim_program_free(struct sim_program *p);
/* What the program makes of a total. */
int64_t sim_program_expected(const struct sim *s, const struct sim_program *p, int64_t total);

#endif
