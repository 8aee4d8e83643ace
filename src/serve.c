/* Serving until somebody asks for the end, and the end: new work is refused, calls that are on
 * their way may come back, what they brought is durable and told to who waits for it. */
#include <signal.h>
#include <stdio.h>

#include "app_internal.h"
#include "base/json.h"
#include "base/log.h"

enum {
    PREPARE_AFTER_MS = 1000, /* the first requests come first */
    PREPARE_EVERY_MS = 20,
    STILL_EVERY_MS = 10,
    STILL_LOOKS = 2, /* in a row: what was answered last is on its way to who asked */
};

struct serving {
    struct app *app;
    uv_signal_t term, intr;
    uv_timer_t housekeeping; /* prepares expressions; while draining: looks whether all is still */
    uint64_t deadline;       /* of the grace, uv_now ms; 0: not draining */
    int signals, still;
    int open; /* handles that are not closed yet */
    bool done;
};

static bool is_still(struct app *a)
{
    if (engine_has_work(a->engine))
        return false;
    json_t *stats = engine_stats(a->engine);
    bool still = gate_is_still(&a->gate, json_int(stats, "callsInFlight", 0));

    json_decref(stats);
    return still;
}

static void on_drain(uv_timer_t *timer)
{
    struct serving *s = timer->data;
    bool late = uv_now(s->app->loop) >= s->deadline;

    s->still = is_still(s->app) ? s->still + 1 : 0;
    if (!late && s->still < STILL_LOOKS)
        return;
    if (late)
        log_warn("app", "the grace is over: calls that run are made again after the next start");
    s->done = true;
}

static void on_housekeeping(uv_timer_t *timer)
{
    struct serving *s = timer->data;

    if (driver_is_quiet(s->app->driver) && !documents_prepare(s->app->documents))
        uv_timer_stop(timer);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct serving *s = handle->data;
    struct app *a = s->app;

    driver_interrupted(a->driver);
    if (++s->signals > 1) {
        s->done = true;
        return;
    }
    log_info("app", "%s: ending; running calls have %lld ms",
             signum == SIGTERM ? "SIGTERM" : "SIGINT", (long long)a->config->grace_ms);
    server_drain(a->server);
    engine_drain(a->engine);
    gate_shut(&a->gate);
    s->deadline = uv_now(a->loop) + (uint64_t)a->config->grace_ms;
    uv_timer_start(&s->housekeeping, on_drain, STILL_EVERY_MS, STILL_EVERY_MS);
}

static void announce(const struct config *c)
{
    if (c->ingress[0] != '\0')
        printf("ingress http://%s\n", c->ingress);
    if (c->admin[0] != '\0')
        printf("admin   http://%s\n", c->admin);
    if (c->meta[0] != '\0')
        printf("meta    http://%s\n", c->meta);
    printf("admin   unix:%s/admin.sock\n", c->data);
    fflush(stdout);
}

static void begin(struct serving *s)
{
    uv_loop_t *loop = s->app->loop;

    uv_signal_init(loop, &s->term);
    uv_signal_init(loop, &s->intr);
    uv_timer_init(loop, &s->housekeeping);
    s->term.data = s->intr.data = s->housekeeping.data = s;
    uv_signal_start(&s->term, on_signal, SIGTERM);
    uv_signal_start(&s->intr, on_signal, SIGINT);
    uv_timer_start(&s->housekeeping, on_housekeeping, PREPARE_AFTER_MS, PREPARE_EVERY_MS);
}

static void on_closed(uv_handle_t *handle)
{
    struct serving *s = handle->data;

    s->open--;
}

static void end(struct serving *s)
{
    s->open = 3;
    uv_close((uv_handle_t *)&s->term, on_closed);
    uv_close((uv_handle_t *)&s->intr, on_closed);
    uv_close((uv_handle_t *)&s->housekeeping, on_closed);
    while (s->open > 0)
        uv_run(s->app->loop, UV_RUN_ONCE);
}

enum errcode app_serve(struct app *a, struct err *err)
{
    struct serving s = {.app = a};
    enum errcode code = server_new(a->loop, a->config, &a->api, &a->server, err);

    if (code != ERR_OK)
        return code;
    caller_watch_health(a->caller);
    begin(&s);
    announce(a->config);
    while (!s.done)
        uv_run(a->loop, UV_RUN_ONCE);
    end(&s);
    return ERR_OK;
}
