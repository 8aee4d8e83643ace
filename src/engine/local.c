/* struct api on the spot: the door for people, implemented by the engine in this process. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"

/* ---- from an id to an instance ------------------------------------------------------------------
 */

static void reply_err(struct engine *e, api_cb *cb, void *arg, enum errcode code, const char *text)
{
    struct err err;

    err_set(&err, code, "%s", text);
    effect_reply(e, e->committed, cb, arg, &err, NULL);
}

/* Our id, or the caller's own of an instance that is in memory. */
static struct instance *find_id(struct engine *e, const char *service, const char *id)
{
    struct instance *in;
    int64_t num;
    uint64_t tag;

    if (instance_id_parse(id, &num, &tag)) {
        in = engine_find(e, num);
        return in != NULL && in->row.tag == tag ? in : NULL;
    }
    for (in = service != NULL ? e->instances : NULL; in != NULL; in = in->hh.next) {
        if (in->row.caller_id != NULL && strcmp(in->row.caller_id, id) == 0 &&
            strcmp(in->version->service.name, service) == 0)
            return in;
    }
    return NULL;
}

static json_t *id_args(const char *service, const char *id)
{
    int64_t num;
    uint64_t tag;

    return service != NULL && !instance_id_parse(id, &num, &tag)
               ? json_pack("{s:s, s:s}", "service", service, "callerId", id)
               : json_pack("{s:s}", "id", id);
}

/* ---- acts of operators --------------------------------------------------------------------------
 */

static json_t *accepted(const struct instance *in, const char *what)
{
    char id[INSTANCE_ID_SIZE];

    instance_id_of(in, id);
    return json_pack("{s:s, s:s, s:s}", "id", id, "status", "accepted", "action", what);
}

/* The instance that an act is for; answers the caller when it cannot be. */
static struct instance *target(struct engine *e, const struct api_act *act, api_cb *cb, void *arg)
{
    struct instance *in = find_id(e, act->service, act->id);

    if (e->full)
        reply_err(e, cb, arg, ERR_STORE_FULL, "the disk is full: free some room and try again");
    else if (in == NULL)
        reply_err(e, cb, arg, ERR_NOT_FOUND, "there is no active instance with this id");
    else if (in->ending)
        reply_err(e, cb, arg, ERR_CONFLICT, "the instance has ended already");
    else
        return in;
    return NULL;
}

/* Durable in the inbox or, if its turn comes first, in the journal: in either case with this batch.
 */
static void act_note(struct engine *e, struct instance *in, const char *what, struct note *n,
                     json_t *data, api_cb *cb, void *arg)
{
    n->inbox = engine_inbox_put(e, in->row.num, what, data)->id;
    json_t *result = accepted(in, what);
    effect_reply(e, engine_batch(e)->no, cb, arg, NULL, result);
    json_decref(result);
    instance_note(e, in, n);
}

static void act(struct engine *e, const struct api_act *a, unsigned kind, const char *what,
                api_cb *cb, void *arg)
{
    struct instance *in = target(e, a, cb, arg);

    if (in == NULL)
        return;
    json_t *data = instance_by_why(a->by, a->why);
    act_note(e, in, what, note_new(kind, 0, data, NULL), data, cb, arg);
    json_decref(data);
}

static void local_cancel(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, ENTRY_CANCEL, "cancel", cb, arg);
}

static void local_kill(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, ENTRY_KILLED, "kill", cb, arg);
}

static void local_resume(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct instance *in = target(e, a, cb, arg);

    if (in == NULL)
        return;
    if (in->row.status != STATUS_SUSPENDED)
        reply_err(e, cb, arg, ERR_CONFLICT, "the instance is not suspended");
    else if (in->row.reason == REASON_POISON && in->version->service.kind == NULL)
        reply_err(e, cb, arg, ERR_CONFLICT, "its definition cannot be read: load it first");
    else {
        in->unloadable = false; /* a poisoned one is given another try */
        in->row.crashes = 0;
        act(e, a, ENTRY_RESUMED, "resume", cb, arg);
    }
}

static void local_pause(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct instance *in = target(e, a, cb, arg);

    if (in == NULL)
        return;
    if (in->row.status == STATUS_SUSPENDED) {
        reply_err(e, cb, arg, ERR_CONFLICT, "the instance is suspended already");
        return;
    }
    if (in->row.status == STATUS_PENDING) {
        reply_err(e, cb, arg, ERR_CONFLICT, "the instance has not begun: cancel it instead");
        return;
    }
    act(e, a, ENTRY_PAUSED, "pause", cb, arg);
}

static void local_signal(void *self, const struct api_act *a, const char *name, json_t *payload,
                         api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct instance *in = target(e, a, cb, arg);

    if (in == NULL)
        return;
    if (strlen(name) == 0 || strlen(name) > 255) {
        reply_err(e, cb, arg, ERR_INVALID, "a signal's name is 1 to 255 bytes");
        return;
    }
    json_t *data = json_pack("{s:s, s:O, s:s*}", "name", name, "payload", payload, "by", a->by);
    struct note *n = note_new(ENTRY_SIGNALLED, 0, payload, NULL);
    n->name = mem_strdup(name);
    act_note(e, in, "signal", n, data, cb, arg);
    json_decref(data);
}

static void local_restart(void *self, const struct api_act *a, const char *step, api_cb *cb,
                          void *arg)
{
    restart_request(self, a, step, cb, arg);
}

struct purge {
    struct engine *engine;
    api_cb *cb;
    void *arg;
};

static void purge_found(void *arg, const struct err *err, json_t *result)
{
    struct purge *p = arg;
    struct engine *e = p->engine;
    int64_t num;
    uint64_t tag;
    int status = status_from_name(json_str(result, "status", ""));

    if (err != NULL) {
        effect_reply(e, e->committed, p->cb, p->arg, err, NULL);
    } else if (status < 0 || !status_is_final((unsigned)status) ||
               !instance_id_parse(json_str(result, "id", ""), &num, &tag) ||
               engine_find(e, num) != NULL) {
        reply_err(e, p->cb, p->arg, ERR_CONFLICT,
                  "only what has ended can be purged: cancel it first");
    } else {
        struct batch *b = engine_batch(e);

        b->purge = mem_grow(b->purge, b->purge_count, &b->purge_cap, sizeof *b->purge);
        b->purge[b->purge_count++] = num;
        json_t *done = json_pack("{s:O, s:s, s:s}", "id", json_object_get(result, "id"), "status",
                                 "accepted", "action", "purge");
        effect_reply(e, b->no, p->cb, p->arg, NULL, done);
        json_decref(done);
    }
    free(p);
}

static void local_purge(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct purge *p = mem_zalloc(sizeof *p);

    *p = (struct purge){.engine = e, .cb = cb, .arg = arg};
    json_t *args = id_args(a->service, a->id);
    e->store.query(e->store.self, "instance", args, purge_found, p);
    json_decref(args);
}

/* ---- starts and ends ----------------------------------------------------------------------------
 */

static void local_start(void *self, const struct api_start *s, api_cb *cb, void *arg)
{
    start_request(self, s, cb, arg);
}

static uint64_t local_attach(void *self, const char *service, const char *id, int64_t timeout_ms,
                             api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct instance *in = find_id(e, service, id);

    if (in != NULL && !in->ending) {
        if (timeout_ms == 0) {
            reply_err(e, cb, arg, ERR_NOT_READY, "the instance has not ended yet");
            return 0;
        }
        struct waiter *w = mem_zalloc(sizeof *w);
        *w = (struct waiter){.ticket = ++e->next_ticket, .cb = cb, .arg = arg};
        w->next = in->waiters;
        in->waiters = w;
        return w->ticket;
    }
    if (in != NULL) { /* its end is on the way to the disk */
        char our_id[INSTANCE_ID_SIZE];

        instance_id_of(in, our_id);
        json_t *result =
            json_pack("{s:s, s:s, s:O*, s:O*}", "id", our_id, "status", status_name(in->row.status),
                      "output", in->live->output, "error", in->live->error);
        effect_reply(e, instance_gate(e, in), cb, arg, NULL, result);
        json_decref(result);
        return 0;
    }
    json_t *args = id_args(service, id);
    e->store.query(e->store.self, "output", args, cb, arg);
    json_decref(args);
    return 0;
}

static void local_forget(void *self, uint64_t ticket)
{
    struct engine *e = self;

    for (struct instance *in = e->instances; in != NULL && ticket != 0; in = in->hh.next) {
        for (struct waiter **at = &in->waiters; *at != NULL; at = &(*at)->next) {
            struct waiter *w = *at;

            if (w->ticket == ticket) {
                *at = w->next;
                free(w);
                return;
            }
        }
    }
}

/* ---- questions ----------------------------------------------------------------------------------
 */

static void local_list(void *self, json_t *query, api_cb *cb, void *arg)
{
    struct engine *e = self;

    e->store.query(e->store.self, "list", query, cb, arg);
}

static void local_describe(void *self, const char *service, const char *id, api_cb *cb, void *arg)
{
    struct engine *e = self;
    json_t *args = id_args(service, id);

    e->store.query(e->store.self, "instance", args, cb, arg);
    json_decref(args);
}

static void local_journal(void *self, const char *id, json_t *query, api_cb *cb, void *arg)
{
    struct engine *e = self;
    json_t *args = query != NULL ? json_copy(query) : json_object();

    json_object_set_new(args, "id", json_string(id));
    e->store.query(e->store.self, "journal", args, cb, arg);
    json_decref(args);
}

static void local_services(void *self, api_cb *cb, void *arg)
{
    struct engine *e = self;
    json_t *list = json_array();

    for (struct version *v = e->versions; v != NULL; v = v->hh.next) {
        const struct service *s = &v->service;

        if (v->revived || engine_find_service(e, s->name, NULL) != v)
            continue;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:i, s:O*}", "name", s->name,
                            "namespace", s->ns, "version", s->version, "digest", s->digest, "kind",
                            s->kind->name, "title", s->title, "summary", s->summary, "running",
                            (int)v->slots->running, "inputSchema", s->input_schema));
    }
    json_t *result = json_pack("{s:o}", "services", list);
    cb(arg, NULL, result);
    json_decref(result);
}

static void local_agents(void *self, api_cb *cb, void *arg)
{
    struct engine *e = self;
    json_t *result = json_pack("{s:o}", "agents", e->caller.agents(e->caller.self));

    cb(arg, NULL, result);
    json_decref(result);
}

json_t *engine_stats(const struct engine *e)
{
    json_int_t in_memory = 0;

    for (const struct instance *in = e->instances; in != NULL; in = in->hh.next)
        in_memory += in->live != NULL;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b}", "active",
                     (json_int_t)HASH_COUNT(e->instances), "inMemory", in_memory, "running",
                     (json_int_t)e->running, "callsInFlight", (json_int_t)e->in_flight, "started",
                     (json_int_t)e->started, "ended", (json_int_t)e->ended, "faulted",
                     (json_int_t)e->faulted, "turns", (json_int_t)e->turns, "violations",
                     (json_int_t)e->violations, "paused", e->paused, "draining", e->draining,
                     "storeFull", e->full);
}

static void local_stats(void *self, api_cb *cb, void *arg)
{
    json_t *result = engine_stats(self);

    cb(arg, NULL, result);
    json_decref(result);
}

struct doctor {
    struct engine *engine;
    api_cb *cb;
    void *arg;
};

static void check_add(json_t *checks, const char *name, bool ok, const char *fmt, int64_t n)
{
    char *detail = mem_printf("%lld", (long long)n);

    json_array_append_new(
        checks, json_pack("{s:s, s:b, s:s++}", "name", name, "ok", ok, "detail", detail, " ", fmt));
    free(detail);
}

static void doctor_found(void *arg, const struct err *err, json_t *result)
{
    struct doctor *d = arg;
    struct engine *e = d->engine;
    json_t *checks = json_array();
    int64_t orphans = (int64_t)json_array_size(json_object_get(result, "orphans"));
    bool ok = err == NULL && orphans == 0 && e->violations == 0 && !e->full;

    check_add(checks, "store", err == NULL, err == NULL ? "errors reading it" : err->text,
              err != NULL);
    check_add(checks, "orphans", orphans == 0, "waiting instances that nothing can wake", orphans);
    check_add(checks, "violations", e->violations == 0, "broken invariants repaired since start",
              (int64_t)e->violations);
    check_add(checks, "disk", !e->full, "commits refused for want of room", e->full);
    json_t *answer = json_pack("{s:b, s:o}", "ok", ok, "checks", checks);
    d->cb(d->arg, NULL, answer);
    json_decref(answer);
    free(d);
}

static void local_doctor(void *self, api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct doctor *d = mem_zalloc(sizeof *d);
    json_t *args = json_object();

    *d = (struct doctor){.engine = e, .cb = cb, .arg = arg};
    e->store.query(e->store.self, "orphans", args, doctor_found, d);
    json_decref(args);
}

static void local_release(void *self, api_cb *cb, void *arg)
{
    struct engine *e = self;
    json_t *result = json_pack("{s:b}", "released", e->paused);

    if (e->paused) {
        e->paused = false;
        admission_fill(e);
    }
    cb(arg, NULL, result);
    json_decref(result);
}

static uint64_t local_subscribe(void *self, const char *id, api_cb *cb, void *arg)
{
    struct engine *e = self;
    struct subscriber *s = mem_zalloc(sizeof *s);
    uint64_t tag;

    if (id != NULL && !instance_id_parse(id, &s->num, &tag))
        s->num = -1; /* never matches */
    s->ticket = ++e->next_ticket;
    s->cb = cb;
    s->arg = arg;
    s->next = e->subscribers;
    e->subscribers = s;
    return s->ticket;
}

static void local_unsubscribe(void *self, uint64_t ticket)
{
    struct engine *e = self;

    for (struct subscriber **at = &e->subscribers; *at != NULL; at = &(*at)->next) {
        struct subscriber *s = *at;

        if (s->ticket == ticket) {
            *at = s->next;
            free(s);
            return;
        }
    }
}

void engine_api(struct engine *e, struct api *api)
{
    *api = (struct api){.self = e,
                        .start = local_start,
                        .attach = local_attach,
                        .forget = local_forget,
                        .list = local_list,
                        .describe = local_describe,
                        .journal = local_journal,
                        .services = local_services,
                        .agents = local_agents,
                        .stats = local_stats,
                        .doctor = local_doctor,
                        .cancel = local_cancel,
                        .kill = local_kill,
                        .pause = local_pause,
                        .resume = local_resume,
                        .purge = local_purge,
                        .restart = local_restart,
                        .signal = local_signal,
                        .release = local_release,
                        .subscribe = local_subscribe,
                        .unsubscribe = local_unsubscribe};
}
