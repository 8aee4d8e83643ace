/* Retry policies of try (dsl-digest, section 6 and D12). */
#include <math.h>
#include <string.h>

#include "engine/flow/frame.h"

enum { FLOOR_MS = 100 }; /* between attempts when no delay is given */
enum backoff { BACKOFF_CONSTANT, BACKOFF_LINEAR, BACKOFF_EXPONENTIAL };

struct retry {
    struct expr *when, *except_when;
    struct span delay;
    bool has_delay, has_jitter, has_count;
    enum backoff backoff;
    struct span jitter_from, jitter_to;
    uint32_t count;
    struct span *attempt_limit, *total;
};

static struct span *get_span(struct compiler *c, json_t *object, const char *pointer,
                             const char *key)
{
    json_t *value = json_object_get(object, key);
    struct span *span;

    if (value == NULL)
        return NULL;
    span = flow_alloc(c->f, sizeof *span);
    return compile_span(c, value, ptr_key(c, pointer, key), span) ? span : NULL;
}

static void compile_backoff(struct compiler *c, struct retry *r, json_t *value, const char *pointer)
{
    static const char *const names[] = {"constant", "linear", "exponential", NULL};
    json_t *backoff = get_object(c, value, pointer, "backoff", false);

    if (backoff == NULL)
        return;
    pointer = ptr_key(c, pointer, "backoff");
    check_keys(c, backoff, pointer, names, NULL);
    if (json_object_size(backoff) != 1)
        report(c, pointer, "write {exponential: {}}",
               "a backoff is exactly one of constant, "
               "linear and exponential");
    for (int i = 0; names[i] != NULL; i++) {
        if (json_object_get(backoff, names[i]) != NULL)
            r->backoff = (enum backoff)i;
    }
}

static void compile_jitter(struct compiler *c, struct retry *r, json_t *value, const char *pointer)
{
    static const char *const keys[] = {"from", "to", NULL};
    json_t *jitter = get_object(c, value, pointer, "jitter", false);
    struct span *from, *to;

    if (jitter == NULL)
        return;
    pointer = ptr_key(c, pointer, "jitter");
    check_keys(c, jitter, pointer, keys, NULL);
    from = get_span(c, jitter, pointer, "from");
    to = get_span(c, jitter, pointer, "to");
    if (from == NULL || to == NULL) {
        report(c, pointer, "write {from: PT0S, to: PT1S}", "a jitter needs from and to");
        return;
    }
    r->has_jitter = true;
    r->jitter_from = *from;
    r->jitter_to = *to;
}

static void compile_limit(struct compiler *c, struct retry *r, json_t *value, const char *pointer)
{
    static const char *const keys[] = {"attempt", "duration", NULL};
    static const char *const attempt_keys[] = {"count", "duration", NULL};
    json_t *limit = get_object(c, value, pointer, "limit", false), *attempt, *count;

    if (limit == NULL)
        return;
    pointer = ptr_key(c, pointer, "limit");
    check_keys(c, limit, pointer, keys, NULL);
    r->total = get_span(c, limit, pointer, "duration");
    attempt = get_object(c, limit, pointer, "attempt", false);
    if (attempt == NULL)
        return;
    pointer = ptr_key(c, pointer, "attempt");
    check_keys(c, attempt, pointer, attempt_keys, NULL);
    r->attempt_limit = get_span(c, attempt, pointer, "duration");
    count = json_object_get(attempt, "count");
    if (count == NULL)
        return;
    if (!json_is_integer(count) || json_integer_value(count) < 0 ||
        json_integer_value(count) > 1000000000) {
        report(c, ptr_key(c, pointer, "count"), "write a whole number", "not a valid count");
        return;
    }
    r->has_count = true;
    r->count = (uint32_t)json_integer_value(count);
}

struct retry *compile_retry(struct compiler *c, json_t *value, const char *pointer)
{
    static const char *const keys[] = {"when",   "exceptWhen", "delay", "backoff",
                                       "jitter", "limit",      NULL};
    struct retry *r = flow_alloc(c->f, sizeof *r);
    struct span *delay;

    value = use_resolve(c, value, "retries", &pointer);
    if (value == NULL)
        return NULL;
    if (!json_is_object(value)) {
        report(c, pointer, "write {delay: PT1S}, or a name from use.retries",
               "a retry policy must be an object or a name");
        return NULL;
    }
    check_keys(c, value, pointer, keys, NULL);
    r->when = get_bare(c, value, pointer, "when");
    r->except_when = get_bare(c, value, pointer, "exceptWhen");
    delay = get_span(c, value, pointer, "delay");
    if (delay != NULL) {
        r->has_delay = true;
        r->delay = *delay;
    }
    compile_backoff(c, r, value, pointer);
    compile_jitter(c, r, value, pointer);
    compile_limit(c, r, value, pointer);
    if (!r->has_count && r->total == NULL)
        report_warning(c, pointer, "add limit: {attempt: {count: 5}}",
                       "this policy retries for ever");
    return r;
}

const struct span *retry_attempt_limit(const struct retry *r)
{
    return r->attempt_limit;
}

static bool delay_of(struct frame *f, const struct retry *r, uint32_t n, int64_t *delay_ms)
{
    int64_t base = FLOOR_MS, from, to;
    double ms;

    if (r->has_delay && !frame_span(f, &r->delay, &base))
        return false;
    ms = (double)base;
    if (r->backoff == BACKOFF_LINEAR)
        ms *= n;
    else if (r->backoff == BACKOFF_EXPONENTIAL)
        ms *= pow(2, fmin(n - 1, 62)); /* finite: 0 * infinity would be no delay */
    if (r->has_jitter) {
        if (!frame_span(f, &r->jitter_from, &from) || !frame_span(f, &r->jitter_to, &to))
            return false;
        if (to > from)
            from += (int64_t)(turn_random(f->run->turn) % (uint64_t)(to - from + 1));
        ms += (double)from;
    }
    *delay_ms = (int64_t)fmin(ms, 3.15e12); /* a hundred years */
    return true;
}

bool retry_next(struct frame *f, const struct retry *r, struct retry_state *state, json_t *locals,
                int64_t *delay_ms, bool *gone)
{
    bool yes = true, except = false;
    int64_t total;

    *gone = true;
    if (r->when != NULL && !frame_test_with(f, r->when, f->input, locals, &yes))
        return false;
    if (r->except_when != NULL && !frame_test_with(f, r->except_when, f->input, locals, &except))
        return false;
    *gone = false;
    if (!yes || except || (r->has_count && state->retries >= r->count))
        return false;
    *gone = true;
    if (!delay_of(f, r, state->retries + 1, delay_ms))
        return false;
    if (r->total != NULL && !frame_span(f, r->total, &total))
        return false;
    *gone = false;
    if (r->total != NULL && turn_now(f->run->turn) + *delay_ms > state->first_at + total)
        return false;
    state->retries++;
    return true;
}
