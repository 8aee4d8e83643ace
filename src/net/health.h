/* Asks the agents for their health, for people's eyes: no queue, no breaker, no token. Loop thread
 * only. */
#ifndef NET_HEALTH_H
#define NET_HEALTH_H

#include <uv.h>

#include "net/agents.h"
#include "net/curl_loop.h"

struct health;

/* Polls every agent's health URL now and every 10 s, and keeps what it finds in agent->health. */
struct health *health_new(uv_loop_t *loop, struct curl_loop *curl, struct agents *agents);
/* Aborts the probes; run the loop until `closed`, which frees it. */
void health_close(struct health *h, void (*closed)(void *arg), void *arg);

#endif
