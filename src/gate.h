/* Stands between the engine and its two ports, so that a process that is asked to end can let the
 * effects that run come to their end and begin no other. A call that is held back was journaled and
 * has no answer: the next process makes it, under the same idempotency key. Loop thread only. */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ports.h"

struct gate {
    struct caller_port caller; /* behind the gate */
    struct store_port store;
    struct held {
        int64_t instance;
        uint32_t cmd;
    } * held; /* calls not made */
    size_t held_count, held_cap;
    uint64_t given, committed; /* numbers of the newest batch handed over, and durable */
    bool shut;
};

void gate_init(struct gate *g, const struct caller_port *caller, const struct store_port *store);
void gate_fini(struct gate *g);
void gate_ports(struct gate *g, struct caller_port *caller, struct store_port *store);
void gate_committed(struct gate *g, uint64_t batch_no, enum errcode code);
void gate_shut(struct gate *g); /* no call goes out any more */

/* Of `in_flight` calls that the engine believes to be at the port none is, and all it wrote is
 * durable. */
bool gate_is_still(const struct gate *g, int64_t in_flight);

#endif
