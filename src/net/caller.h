/* HTTP out: calls of agents and URLs with libcurl's multi interface on the loop. One connection
 * pool; per agent a limit of calls in flight with a queue, a circuit breaker, a token, headers, a
 * retry policy. Implements caller_port (engine/ports.h). Loop thread only. */
#ifndef NET_CALLER_H
#define NET_CALLER_H

#include <uv.h>

#include "base/config.h"
#include "engine/ports.h"

struct caller;

/* Each answer goes to `done`, on the loop, never from inside start. `result` is borrowed for the
 * call. */
typedef void caller_done(void *arg, int64_t instance, uint32_t cmd,
                         const struct call_result *result);

enum errcode caller_new(uv_loop_t *loop, const struct config *config, caller_done *done, void *arg,
                        struct caller **out, struct err *err);
void caller_port(struct caller *c, struct caller_port *port);
/* Begins polling the agents' health URLs (every 10 s, low priority, for people's eyes only). */
void caller_watch_health(struct caller *c);
/* Aborts what is in flight and closes all handles; run the loop until `closed` is called, which
 * frees it. */
void caller_close(struct caller *c, void (*closed)(void *arg), void *arg);

#endif
