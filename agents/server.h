/* One agent's HTTP server: routing, limits, latency and failures to order, idempotency, counters.
 */
#ifndef AGENTS_SERVER_H
#define AGENTS_SERVER_H

#include "agents.h"

struct agent_server;

/* Listens on options.host, base port + `index`; threads of its own answer. ERR_UNAVAILABLE when the
 * port is taken. */
enum errcode agent_server_new(struct agents *agents, unsigned index, struct agent_server **out,
                              struct err *err);
void agent_server_free(struct agent_server *s); /* waits for the work in hand; NULL is fine */

#endif
