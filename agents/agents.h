/* The reference agents: eight small HTTP services that do honest work, so that every workflow that
 * ships can run, be measured and be killed without anything else installed. One program, one thread
 * for each connection, plain blocking code: an agent is what the engine has to survive, not what it
 * is made of. */
#ifndef AGENTS_AGENTS_H
#define AGENTS_AGENTS_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

enum { AGENT_COUNT = 8, AGENT_BODY_MAX = 8 * 1024 * 1024 };

/* What the command line says. Strings live as long as the program's arguments and environment. */
struct options {
    const char *host;      /* address to listen on */
    uint16_t base_port;    /* the first of AGENT_COUNT ports */
    int64_t latency_ms;    /* added before each POST is worked on */
    double failure_rate;   /* 0 to 1: share of POSTs answered 503 before any work */
    uint64_t seed;         /* of those failures */
    const char *work;      /* directory for clones */
    const char *model_url; /* OpenAI-compatible base URL, or NULL: debate by rule */
    const char *model;     /* name of the model there */
    const char *model_key; /* bearer token, or NULL */
};

/* What all agents share. */
struct agents {
    struct options options;
    char *clones; /* real path of WORK/clones; owned */
    atomic_bool stopping;
    pthread_mutex_t lock; /* of rng and of `stop` */
    pthread_cond_t stop;  /* signalled once, when stopping begins */
    struct rng rng;
};

enum errcode agents_init(struct agents *a, const struct options *options, struct err *err);
void agents_stop(struct agents *a); /* wakes who sleeps; work in hand ends early */
void agents_fini(struct agents *a);

/* One request, as an endpoint sees it. */
struct call {
    struct agents *agents;
    const struct agent *agent;
    const char *path;
    const char *key; /* Idempotency-Key, or NULL */
    json_t *body;    /* an object; borrowed */
    json_t *out;     /* set by the endpoint on success: a new reference */
};

typedef enum errcode agent_endpoint(struct call *call, struct err *err);

struct route {
    const char *path;
    agent_endpoint *run;
};

/* A row of the table: the agent at base port + its index. */
struct agent {
    const char *name;
    const char *type;
    const char *capabilities[3]; /* ends with NULL */
    struct route routes[8];      /* ends with a NULL path */
};

extern const struct agent agent_table[AGENT_COUNT];

/* The endpoints. */
agent_endpoint agent_clone, agent_prepare;                    /* git.c */
agent_endpoint agent_analyze;                                 /* analyze.c */
agent_endpoint agent_scan;                                    /* scan.c */
agent_endpoint agent_debate, agent_synthesize;                /* debate.c */
agent_endpoint agent_consolidate, agent_report, agent_notify, /* report.c */
    agent_recommendations;
agent_endpoint agent_execute; /* execute.c */

/* Reads a required string of the body, at most `max` bytes. ERR_INVALID says which is missing. */
enum errcode call_string(const struct call *call, const char *name, size_t max, const char **out,
                         struct err *err);

/* A JSON string of text that may be anything (file content): cut to `max` bytes, control characters
 * and whatever is not ASCII made '?'. */
json_t *safe_string(const char *text, size_t len, size_t max);

/* FNV-1a; names and hashes, not secrets. */
uint64_t agent_hash(const char *text, size_t len, uint64_t start);

#endif
