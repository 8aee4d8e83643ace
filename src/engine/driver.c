#include "engine/driver.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/driver_internal.h"

enum {
    TURNS_MAX = 64, /* of a drain */
    TURNS_SLICE = 8,
    BEAT_MS = 1000,
    LAG_WARN_MS = 200,
    QUIET_MS = 100,
};
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define DRAIN_NS (5 * NS_PER_MS)

static int64_t clock_ms(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The wall clock as it stood when the process first asked, carried on by a clock that nobody sets:
 * a jump of the wall clock neither holds up a wait nor cuts it short. The next process takes the
 * wall clock again. */
int64_t driver_now(void)
{
    static int64_t offset;

    if (offset == 0)
        offset = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME);
    return clock_ms(CLOCK_BOOTTIME) + offset;
}

void driver_stamp(struct driver *d)
{
    engine_run(d->engine, driver_now(), 0);
}

/* ---- the timer ----------------------------------------------------------------------------------
 */

static void on_due(uv_timer_t *timer)
{
    struct driver *d = timer->data;

    d->armed = INT64_MAX; /* the drain before poll ticks, or arms it again: the clock may differ */
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer; /* it woke the loop: the drain reads the wall clock anew */
}

/* uv's timers are monotonic, due times are wall clock: nothing is armed further ahead than the next
 * beat, so that a jump of the clock is seen within a second. */
static void arm(struct driver *d)
{
    int64_t due = engine_next_due(d->engine);

    if (due == d->armed)
        return;
    int64_t wait = due == INT64_MAX ? INT64_MAX : due - driver_now();
    if (wait > BEAT_MS) {
        if (d->armed != INT64_MAX)
            uv_timer_stop(&d->due_timer);
        d->armed = INT64_MAX;
        return;
    }
    d->armed = due;
    uv_update_time(d->loop);
    uv_timer_start(&d->due_timer, on_due, wait > 0 ? (uint64_t)wait : 1, 0);
}

/* ---- the turn -----------------------------------------------------------------------------------
 */

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* that it is active is all it does */
}

static void run(struct driver *d)
{
    uint64_t begin = uv_hrtime();
    bool more = engine_has_work(d->engine);

    if (more)
        d->worked_at = begin;
    for (int turns = 0; more && turns < TURNS_MAX; turns += TURNS_SLICE) {
        more = engine_run(d->engine, driver_now(), TURNS_SLICE);
        if (uv_hrtime() - begin > DRAIN_NS)
            break;
    }
}

static void drain(struct driver *d)
{
    int64_t now = driver_now();

    if (engine_next_due(d->engine) <= now) {
        engine_tick(d->engine, now);
        d->worked_at = uv_hrtime();
    }
    run(d);
    engine_flush(d->engine);
    if (engine_has_work(d->engine))
        uv_idle_start(&d->idle, on_idle);
    else
        uv_idle_stop(&d->idle);
    arm(d);
}

static void on_prepare(uv_prepare_t *prepare)
{
    drain(prepare->data);
}

/* What of the last turn was not sleeping is how long an event had to wait at most. */
static void measure(struct driver *d)
{
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(d->loop);

    if (d->turn_at != 0) {
        uint64_t turn = now - d->turn_at, slept = idle - d->turn_idle, second = now / NS_PER_S;
        uint64_t busy = turn > slept ? turn - slept : 0;
        size_t i = second % LAG_SECONDS;

        if (d->lag[i].second != second) {
            d->lag[i].second = second;
            d->lag[i].max_ns = 0;
        }
        if (busy > d->lag[i].max_ns)
            d->lag[i].max_ns = busy;
        if (busy > LAG_WARN_MS * NS_PER_MS && now - d->warned_at > LAG_SECONDS * NS_PER_S) {
            d->warned_at = now;
            log_warn("driver", "the loop was held up for %llu ms",
                     (unsigned long long)(busy / NS_PER_MS));
        }
    }
    d->turn_at = now;
    d->turn_idle = idle;
}

static void on_check(uv_check_t *check)
{
    struct driver *d = check->data;

    measure(d);
    drain(d);
}

double driver_lag_ms(const struct driver *d)
{
    uint64_t second = uv_hrtime() / NS_PER_S, max = 0;

    for (size_t i = 0; i < LAG_SECONDS; i++) {
        if (second - d->lag[i].second < LAG_SECONDS && d->lag[i].max_ns > max)
            max = d->lag[i].max_ns;
    }
    return (double)(max / 1000) / 1000.0;
}

void driver_interrupted(struct driver *d)
{
    d->turn_at = 0;
}

bool driver_is_quiet(const struct driver *d)
{
    return uv_hrtime() - d->worked_at > QUIET_MS * NS_PER_MS;
}

/* ---- what happens -------------------------------------------------------------------------------
 */

void driver_committed(void *arg, uint64_t batch_no, enum errcode code)
{
    struct driver *d = arg;

    if (d->engine != NULL)
        engine_committed(d->engine, driver_now(), batch_no, code);
}

void driver_call_done(void *arg, int64_t instance, uint32_t cmd, const struct call_result *result)
{
    struct driver *d = arg;

    if (d->engine != NULL)
        engine_call_done(d->engine, driver_now(), instance, cmd, result);
}

/* ---- life ---------------------------------------------------------------------------------------
 */

struct driver *driver_new(uv_loop_t *loop)
{
    struct driver *d = mem_zalloc(sizeof *d);

    d->loop = loop;
    d->armed = INT64_MAX;
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    uv_prepare_init(loop, &d->prepare);
    uv_check_init(loop, &d->check);
    uv_idle_init(loop, &d->idle);
    uv_timer_init(loop, &d->due_timer);
    uv_timer_init(loop, &d->beat_timer);
    d->prepare.data = d->check.data = d->idle.data = d->due_timer.data = d->beat_timer.data = d;
    return d;
}

void driver_set_stats(struct driver *d, driver_stats_fn *fn, void *arg)
{
    d->stats = fn;
    d->stats_arg = arg;
}

void driver_start(struct driver *d, struct engine *e)
{
    d->engine = e;
    engine_api(e, &d->inner);
    uv_prepare_start(&d->prepare, on_prepare);
    uv_check_start(&d->check, on_check);
    uv_timer_start(&d->beat_timer, on_beat, BEAT_MS, BEAT_MS);
}

static void on_closed(uv_handle_t *handle)
{
    struct driver *d = handle->data;

    if (--d->open_handles > 0)
        return;
    void (*closed)(void *) = d->closed;
    void *arg = d->closed_arg;
    free(d);
    if (closed != NULL)
        closed(arg);
}

void driver_close(struct driver *d, void (*closed)(void *arg), void *arg)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&d->prepare, (uv_handle_t *)&d->check,
                              (uv_handle_t *)&d->idle, (uv_handle_t *)&d->due_timer,
                              (uv_handle_t *)&d->beat_timer};

    if (d->engine != NULL) {
        run(d);
        engine_flush(d->engine);
    }
    d->engine = NULL;
    d->closed = closed;
    d->closed_arg = arg;
    d->open_handles = (int)(sizeof handles / sizeof *handles);
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        uv_close(handles[i], on_closed);
}
