/* The door for people as the driver hangs it: the engine takes "now" from the last call that told
 * it, which may be a second ago when nothing happens, so each request is stamped first. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/driver_internal.h"

enum { LAG_BAD_MS = 1000 };

static const struct api *stamped(void *self)
{
    struct driver *d = self;

    driver_stamp(d);
    return &d->inner;
}

static void do_start(void *self, const struct api_start *start, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->start(in->self, start, cb, arg);
}

static uint64_t do_attach(void *self, const char *service, const char *id, int64_t timeout_ms,
                          api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    return in->attach(in->self, service, id, timeout_ms, cb, arg);
}

/* May come after driver_close: the server lets go of its callers when it pleases. */
static void do_forget(void *self, uint64_t ticket)
{
    struct driver *d = self;

    if (d->engine != NULL)
        d->inner.forget(d->inner.self, ticket);
}

static void do_unsubscribe(void *self, uint64_t ticket)
{
    struct driver *d = self;

    if (d->engine != NULL)
        d->inner.unsubscribe(d->inner.self, ticket);
}

static uint64_t do_subscribe(void *self, const char *id, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    return in->subscribe(in->self, id, cb, arg);
}

static void do_list(void *self, json_t *query, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->list(in->self, query, cb, arg);
}

static void do_describe(void *self, const char *service, const char *id, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->describe(in->self, service, id, cb, arg);
}

static void do_journal(void *self, const char *id, json_t *query, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->journal(in->self, id, query, cb, arg);
}

static void do_restart(void *self, const struct api_act *act, const char *step, api_cb *cb,
                       void *arg)
{
    const struct api *in = stamped(self);

    in->restart(in->self, act, step, cb, arg);
}

static void do_signal(void *self, const struct api_act *act, const char *name, json_t *payload,
                      api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->signal(in->self, act, name, payload, cb, arg);
}

#define PLAIN(name)                                                                                \
    static void do_##name(void *self, api_cb *cb, void *arg)                                       \
    {                                                                                              \
        const struct api *in = stamped(self);                                                      \
                                                                                                   \
        in->name(in->self, cb, arg);                                                               \
    }
#define ACT(name)                                                                                  \
    static void do_##name(void *self, const struct api_act *act, api_cb *cb, void *arg)            \
    {                                                                                              \
        const struct api *in = stamped(self);                                                      \
                                                                                                   \
        in->name(in->self, act, cb, arg);                                                          \
    }
PLAIN(services)
PLAIN(agents)
PLAIN(release)
ACT(cancel)
ACT(kill)
ACT(pause)
ACT(resume)
ACT(purge)

/* ---- answers with the loop's part in them -------------------------------------------------------
 */

struct question {
    struct driver *driver;
    api_cb *cb;
    void *arg;
};

static struct question *ask(void *self, api_cb *cb, void *arg)
{
    struct question *q = mem_zalloc(sizeof *q);

    *q = (struct question){.driver = self, .cb = cb, .arg = arg};
    return q;
}

static void on_stats(void *arg, const struct err *err, json_t *result)
{
    struct question *q = arg;
    struct driver *d = q->driver;

    if (err == NULL && json_is_object(result)) {
        json_object_set_new(result, "loop",
                            json_pack("{s:f}", "maxLagMsLast10s", driver_lag_ms(d)));
        if (d->stats != NULL)
            d->stats(d->stats_arg, result);
    }
    q->cb(q->arg, err, result);
    free(q);
}

static void do_stats(void *self, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->stats(in->self, on_stats, ask(self, cb, arg));
}

static void on_doctor(void *arg, const struct err *err, json_t *result)
{
    struct question *q = arg;

    if (err == NULL && json_is_object(result)) {
        double lag = driver_lag_ms(q->driver);
        bool ok = lag < LAG_BAD_MS;
        char *detail = mem_printf("%.1f ms at most in the last 10 s", lag);

        json_array_append_new(
            json_object_get(result, "checks"),
            json_pack("{s:s, s:b, s:s}", "name", "loop lag", "ok", ok, "detail", detail));
        if (!ok)
            json_object_set_new(result, "ok", json_false());
        free(detail);
    }
    q->cb(q->arg, err, result);
    free(q);
}

static void do_doctor(void *self, api_cb *cb, void *arg)
{
    const struct api *in = stamped(self);

    in->doctor(in->self, on_doctor, ask(self, cb, arg));
}

void driver_api(struct driver *d, struct api *api)
{
    *api = (struct api){.self = d,
                        .start = do_start,
                        .attach = do_attach,
                        .forget = do_forget,
                        .list = do_list,
                        .describe = do_describe,
                        .journal = do_journal,
                        .services = do_services,
                        .agents = do_agents,
                        .stats = do_stats,
                        .doctor = do_doctor,
                        .cancel = do_cancel,
                        .kill = do_kill,
                        .pause = do_pause,
                        .resume = do_resume,
                        .purge = do_purge,
                        .restart = do_restart,
                        .signal = do_signal,
                        .release = do_release,
                        .subscribe = do_subscribe,
                        .unsubscribe = do_unsubscribe};
}
