#include "net/breaker.h"

void breaker_init(struct breaker *b, uint32_t limit, int64_t open_ms)
{
    *b = (struct breaker){.state = BREAKER_CLOSED, .limit = limit, .open_ms = open_ms};
}

enum breaker_pass breaker_admit(struct breaker *b, int64_t now)
{
    if (b->state == BREAKER_CLOSED)
        return BREAKER_PASSED;
    if (b->state == BREAKER_OPEN && now >= b->open_until)
        b->state = BREAKER_HALF_OPEN;
    if (b->state == BREAKER_OPEN || b->trial)
        return BREAKER_REFUSED;
    b->trial = true;
    return BREAKER_TRIAL;
}

static void open_it(struct breaker *b, int64_t now)
{
    b->state = BREAKER_OPEN;
    b->open_until = now + b->open_ms;
    b->failures = 0;
    b->trial = false;
}

void breaker_success(struct breaker *b, bool trial)
{
    if (trial) {
        b->state = BREAKER_CLOSED;
        b->trial = false;
    }
    if (b->state == BREAKER_CLOSED)
        b->failures = 0;
}

void breaker_failure(struct breaker *b, bool trial, int64_t now)
{
    if (trial) {
        open_it(b, now);
        return;
    }
    if (b->state != BREAKER_CLOSED || b->limit == 0)
        return;
    if (++b->failures >= b->limit)
        open_it(b, now);
}

void breaker_neutral(struct breaker *b, bool trial)
{
    if (trial)
        b->trial = false; /* still half-open: the next call is the trial */
}

int64_t breaker_wait_ms(const struct breaker *b, int64_t now)
{
    if (b->state == BREAKER_OPEN && b->open_until > now)
        return b->open_until - now;
    return b->trial ? 1000 : 0;
}

const char *breaker_name(const struct breaker *b, int64_t now)
{
    if (b->state == BREAKER_CLOSED)
        return "closed";
    return b->state == BREAKER_OPEN && now < b->open_until ? "open" : "half-open";
}
