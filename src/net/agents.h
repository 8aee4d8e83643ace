/* The registry of agents: which agent a name, a URL's origin or a host stands for, and the state of
 * each (slots, queue, breaker, counts). URLs that are no agent's get an entry for each origin,
 * with the policy of [agent-defaults], so that one bad host does not hold up another. Loop thread
 * only. */
#ifndef NET_AGENTS_H
#define NET_AGENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/config.h"
#include "net/breaker.h"

struct ticket; /* one call in an agent's queue; net/caller.c's */

enum agent_health { AGENT_UNKNOWN, AGENT_HEALTHY, AGENT_UNHEALTHY };

struct agent {
    const struct config_agent *config; /* borrowed from the configuration */
    char *name;                        /* the agent's name, or the origin "http://host:port" */
    char *shown_url;                   /* without credentials; NULL for an origin */
    bool registered;                   /* named in the configuration */
    struct breaker breaker;
    struct ticket *queue; /* first in, first out (utlist) */
    uint32_t queued, in_flight;
    uint32_t users; /* calls that hold a pointer to this */
    uint64_t calls, failures;
    double latency_ms;        /* moving average of calls that were answered */
    char last_error[160];     /* harmless text, "" when there was none */
    enum agent_health health; /* of the last probe, or of a call that went well */
    UT_hash_handle hh;        /* by name, or by origin */
};

struct agents;

/* `config` is borrowed until agents_free. */
struct agents *agents_new(const struct config *config);
void agents_free(struct agents *a);

struct agent *agents_by_name(struct agents *a, const char *name); /* or NULL */

/* The agent whose own URL has this origin, or NULL. */
struct agent *agents_by_origin(struct agents *a, const char *scheme, const char *host,
                               unsigned port);
/* The agent that lists "host:port" or "host" among its hosts, or NULL. */
struct agent *agents_by_host(struct agents *a, const char *host, unsigned port);

/* The entry of an origin that is no agent's; made when there is none. At most 256 are kept, idle
 * ones make room; when all are busy, they share one. */
struct agent *agents_for_origin(struct agents *a, const char *scheme, const char *host,
                                unsigned port);

size_t agents_count(const struct agents *a);
struct agent *agents_at(struct agents *a, size_t i); /* registered ones, as configured */

/* For people: see caller_port.agents in engine/ports.h. New reference. */
json_t *agents_json(const struct agents *a, int64_t now);

#endif
