/* What the engine needs from outside, as tables of functions that main.c (or a test) plugs in.
 * Nothing here is called from any thread but the loop's. `self` is the implementation's own
 * pointer. */
#ifndef ENGINE_PORTS_H
#define ENGINE_PORTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct batch; /* engine/store/store.h */

/* ---- the caller of agents ----------------------------------------------------------------------
 */

/* Retry policy of one step. Times in ms; 0 in a maximum means none. */
struct retry_policy {
    int64_t initial_ms;
    double factor;
    int64_t max_ms;
    double jitter;     /* share of the delay that is random, 0 to 1 */
    uint32_t attempts; /* in all, the first included; 0: no limit */
    int64_t total_ms;  /* no attempt starts later than this after the first */
    bool suspend;      /* when exhausted: suspend the instance instead of failing the step */
};

/* One attempt of one run command. The specification of what to call is a JSON object, journaled as
 * it is:
 *   {"kind": "http",  "method", "uri", "headers"?, "query"?, "body"?, "output"?:
 * content|raw|response, "redirect"?: bool}
 *   {"kind": "agent", "agent", "path", "method", "headers"?, "query"?, "body"?, "timeout"?: ms}
 * Secrets are references in it and resolved by the port. */
struct call {
    int64_t instance;         /* number; with cmd it names the call for abort */
    uint32_t cmd;             /* seq of the run command */
    uint32_t attempt;         /* from 1 */
    const json_t *spec;       /* borrowed until the call is answered or aborted */
    const char *instance_id;  /* borrowed for the duration of start() */
    char idempotency_key[96]; /* same for every attempt and for a re-run after a crash */
    char traceparent[56];     /* W3C */
};

struct call_result {
    json_t *output;         /* not NULL on success; the port's, the receiver takes a reference */
    json_t *error;          /* problem.h; not NULL on failure */
    bool retryable;         /* trying again may help */
    int64_t retry_after_ms; /* from Retry-After, 0 when there was none */
};

struct caller_port {
    void *self;

    /* Starts an attempt. The answer comes through engine_call_done (never from inside start). A
     * port queues when the agent has no free slot. */
    void (*start)(void *self, const struct call *call);

    /* Forgets a call: no answer after this. Unknown calls are ignored. */
    void (*abort)(void *self, int64_t instance, uint32_t cmd);

    /* The policy for a spec's agent. Always fills `policy`. */
    void (*policy)(void *self, const json_t *spec, struct retry_policy *policy);

    /* State of agents for people: array of {name, type, url, inFlight, queued, limit, breaker,
     * calls, failures, latencyMs, lastError, healthy}. New reference. */
    json_t *(*agents)(void *self);
};

/* ---- the store ----------------------------------------------------------------------------------
 */

struct stored_chunk {
    int64_t pos;
    char *data; /* owned by the receiver of the load */
    size_t len;
};

/* An instance read back: chunks oldest first. On error chunks is NULL. */
typedef void store_load_cb(void *arg, const struct err *err, struct stored_chunk *chunks,
                           size_t count);
/* An idempotency key or caller's id looked up: num is 0 when there is none. */
typedef void store_key_cb(void *arg, const struct err *err, int64_t num, uint64_t tag,
                          uint64_t input_hash);
typedef void store_json_cb(void *arg, const struct err *err, json_t *result /* borrowed */);

struct store_port {
    void *self;

    /* Takes the batch. Batches are committed in the order given; when one is durable the store
     * calls the committed callback it was opened with, on the loop, with the batch's number;
     * ERR_STORE_FULL says that the disk is full: the batch is kept and tried again until it fits,
     * and then reported ERR_OK. Any other failure of a commit is unknown: the store aborts the
     * process. */
    void (*commit)(void *self, struct batch *batch);

    /* Reads that see everything committed before the call. Callbacks come on the loop, never from
     * inside the call. `last` is the position of the newest chunk. */
    void (*load)(void *self, int64_t num, int64_t last, store_load_cb *cb, void *arg);
    void (*find_key)(void *self, const char *scope, const char *key, store_key_cb *cb, void *arg);

    /* Questions from people: `what` is "list", "instance", "journal", "counts", "orphans"; the
     * arguments and answers are described in store.h. */
    void (*query)(void *self, const char *what, json_t *args, store_json_cb *cb, void *arg);
};

#endif
