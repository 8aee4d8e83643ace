/* The only door for people: what the console, the command line and the admin routes may ask of an
 * engine. One table of asynchronous functions with two implementations: engine/local.c does it on
 * the spot, net/remote.c asks a server elsewhere. Results are JSON (shapes: docs/api.md), borrowed
 * for the duration of the callback; `err` is NULL on success. Callbacks come on the loop, possibly
 * from inside the call. Everything that changes something names who did it and why; it is written
 * to the instance's journal. */
#ifndef ENGINE_API_H
#define ENGINE_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef void api_cb(void *arg, const struct err *err, json_t *result);

struct api_start {
    const char *service;         /* name as in HTTP: document.name, or namespace.name */
    const char *version;         /* NULL: the newest */
    json_t *input;               /* borrowed */
    const char *idempotency_key; /* or NULL */
    const char *caller_id;       /* an id of the caller's own, or NULL */
    int64_t delay_ms;            /* begin later */
    const char *traceparent;     /* or NULL */
};

struct api_act {
    const char *id;      /* ours, or the caller's when `service` is given */
    const char *service; /* or NULL */
    const char *by;      /* who: "uid 1000", "token ops" */
    const char *why;     /* or NULL */
};

struct api {
    void *self;

    /* {id, status: "accepted" | "previously-accepted"}, as soon as it is durable. */
    void (*start)(void *self, const struct api_start *start, api_cb *cb, void *arg);

    /* Waits for the end: {id, status, output | error}. `timeout_ms` 0: answers at once,
     * ERR_NOT_READY while it runs; else it waits, and a caller with a deadline of its own uses
     * `forget`. Returns a ticket for `forget` (0 when already answered). */
    uint64_t (*attach)(void *self, const char *service, const char *id, int64_t timeout_ms,
                       api_cb *cb, void *arg);
    void (*forget)(void *self, uint64_t ticket); /* the caller is gone: no callback after this */

    void (*list)(void *self, json_t *query, api_cb *cb, void *arg); /* store.h "list" */
    void (*describe)(void *self, const char *service, const char *id, api_cb *cb, void *arg);
    void (*journal)(void *self, const char *id, json_t *query, api_cb *cb, void *arg);
    void (*services)(void *self, api_cb *cb,
                     void *arg); /* {services: [{name, namespace, version, …}]} */
    void (*agents)(void *self, api_cb *cb, void *arg); /* {agents: […]} */
    void (*stats)(void *self, api_cb *cb, void *arg);  /* throughput, store, loop lag, counts */
    void (*doctor)(void *self, api_cb *cb, void *arg); /* {ok, checks: [{name, ok, detail}]} */

    void (*cancel)(void *self, const struct api_act *act, api_cb *cb, void *arg);
    void (*kill)(void *self, const struct api_act *act, api_cb *cb, void *arg);
    void (*pause)(void *self, const struct api_act *act, api_cb *cb, void *arg);
    void (*resume)(void *self, const struct api_act *act, api_cb *cb, void *arg);
    void (*purge)(void *self, const struct api_act *act, api_cb *cb, void *arg);
    /* From the beginning (`step` NULL) or from a step (task key or reference): {id} of the new
     * instance. */
    void (*restart)(void *self, const struct api_act *act, const char *step, api_cb *cb, void *arg);
    void (*signal)(void *self, const struct api_act *act, const char *name, json_t *payload,
                   api_cb *cb, void *arg);
    void (*release)(void *self, api_cb *cb, void *arg); /* ends --paused */

    /* Durable happenings as they come: {type, id, service, status, entry?…}. Until unsubscribe. */
    uint64_t (*subscribe)(void *self, const char *id /* or NULL: all */, api_cb *cb, void *arg);
    void (*unsubscribe)(void *self, uint64_t ticket);
};

#endif
