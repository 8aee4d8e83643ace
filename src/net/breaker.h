/* A circuit breaker, pure: time comes in as a parameter (ms of any monotonic clock). After `limit`
 * failures in a row it opens and refuses calls for `open_ms`; then it lets one trial through, whose
 * outcome closes it or opens it again. */
#ifndef NET_BREAKER_H
#define NET_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
    enum breaker_state state;
    uint32_t limit;    /* failures in a row that open it; 0: it never opens */
    uint32_t failures; /* in a row, while closed */
    int64_t open_ms;
    int64_t open_until; /* while open: from then on a trial may pass */
    bool trial;         /* while half-open: it is in flight */
};

enum breaker_pass { BREAKER_REFUSED, BREAKER_PASSED, BREAKER_TRIAL };

void breaker_init(struct breaker *b, uint32_t limit, int64_t open_ms);

/* May a call leave now? Whoever is given BREAKER_TRIAL owes exactly one report with trial = true.
 */
enum breaker_pass breaker_admit(struct breaker *b, int64_t now);

/* What came of an admitted call. Calls that left before it opened say nothing about the agent as
 * it is now and are ignored until it is closed again. */
void breaker_success(struct breaker *b, bool trial);
void breaker_failure(struct breaker *b, bool trial, int64_t now);
/* The call was aborted, or failed for a reason that is not the agent's. */
void breaker_neutral(struct breaker *b, bool trial);

/* Ms until a call would be admitted as far as is known: 0 while closed; while a trial is in
 * flight nobody knows, and it is a guess of one second. */
int64_t breaker_wait_ms(const struct breaker *b, int64_t now);

/* For people: "closed", "open", "half-open" (the next call, or one in flight, is the trial). */
const char *breaker_name(const struct breaker *b, int64_t now);

#endif
