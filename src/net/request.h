/* One HTTP call on one easy handle: built from a call's specification, sent, its answer read with a
 * bound and turned into a call_result. Made once and used for many calls, one after the other, so
 * that a call costs no set-up of the handle and few allocations. Loop thread only. */
#ifndef NET_REQUEST_H
#define NET_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "engine/ports.h"
#include "net/agents.h"
#include "net/curl_loop.h"
#include "net/secret.h"
#include "net/target.h"

struct request;

struct request_env { /* shared by all requests; outlives them */
    const struct config *config;
    struct agents *agents;
    struct secrets *secrets;
    struct curl_loop *loop;
};

/* What an answer says about the agent, for its breaker. */
enum request_verdict { VERDICT_ALIVE, VERDICT_FAILED, VERDICT_NEUTRAL };

struct outcome {
    struct call_result result; /* the receiver's: it decrefs output and error */
    enum request_verdict verdict;
};

/* Called on the loop when the call is over. The request may be used again, or freed, from in there;
 * `out` is borrowed but for the references in its result. */
typedef void request_done(void *arg, struct request *r, struct outcome *out);

struct request *request_new(const struct request_env *env);
void request_free(struct request *r); /* aborts what is in flight */

/* Sends the call. `call` is borrowed for this function but for its spec, which is borrowed until
 * the call is over; `target` is taken over. False: it cannot be sent, `out` says why, and `done`
 * will not be called. */
bool request_send(struct request *r, const struct call *call, struct target *target,
                  request_done *done, void *arg, struct outcome *out);
void request_abort(struct request *r); /* no callback after this; the request may be used again */

/* An outcome of ours, for calls that never leave. */
void outcome_from_err(struct outcome *out, const struct err *err);

#endif
