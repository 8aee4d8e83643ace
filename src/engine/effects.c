/* What leaves the engine waits here, in order, until the batch that it depends on is durable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/internal.h"

static struct effect *add(struct engine *e, enum effect_kind kind, uint64_t gate, int64_t num)
{
    struct effect *f = mem_zalloc(sizeof *f);

    f->kind = kind;
    f->gate = gate;
    f->num = num;
    if (e->effects_tail != NULL)
        e->effects_tail->next = f;
    else
        e->effects = f;
    e->effects_tail = f;
    return f;
}

void effect_call(struct engine *e, struct instance *in, uint32_t cmd)
{
    add(e, EFFECT_CALL, instance_gate(e, in), in->row.num)->cmd = cmd;
}

void effect_abort(struct engine *e, struct instance *in, uint32_t cmd)
{
    add(e, EFFECT_ABORT, 0, in->row.num)->cmd = cmd;
}

void effect_reply(struct engine *e, uint64_t gate, api_cb *cb, void *arg, const struct err *err,
                  json_t *result)
{
    struct effect *f = add(e, EFFECT_REPLY, gate, 0);

    f->cb = cb;
    f->arg = arg;
    f->result = json_incref(result);
    if (err != NULL) {
        f->err = mem_zalloc(sizeof *f->err);
        *f->err = *err;
    }
}

void effect_forget(struct engine *e, struct instance *in)
{
    add(e, EFFECT_FORGET, e->batch->no, in->row.num);
}

/* Out of memory when all of it is durable; to be loaded again at once, or when it is needed. */
void effect_evict(struct engine *e, struct instance *in, bool reload)
{
    add(e, reload ? EFFECT_RELOAD : EFFECT_EVICT, e->batch->no, in->row.num);
}

static void reload(struct engine *e, int64_t num)
{
    struct instance *in = engine_find(e, num);

    if (in == NULL || !in->reload)
        return;
    in->reload = false;
    live_free(e, in);
    if (in->admitted)
        instance_ready(e, in);
}

/* A span id that is the same for every attempt of a command, in the instance's trace. */
static void make_traceparent(const struct instance *in, struct call *call)
{
    unsigned long long span =
        (unsigned long long)(in->row.seed ^ (call->cmd * 0x9e3779b97f4a7c15u));

    snprintf(call->traceparent, sizeof call->traceparent, "%.36s%016llx-01",
             in->trace != NULL && strlen(in->trace) >= 55 ? in->trace
                                                          : "00-00000000000000000000000000000001-",
             span | 1);
}

static void call_out(struct engine *e, const struct effect *f)
{
    struct instance *in = engine_find(e, f->num);
    struct command *c = in != NULL && in->live != NULL ? command_find(in, f->cmd) : NULL;

    if (c == NULL || !c->in_flight || c->at_port)
        return; /* dropped before it left */
    c->at_port = true;
    e->in_flight++;
    struct call call = {.instance = f->num,
                        .cmd = f->cmd,
                        .attempt = c->attempt + 1,
                        .spec = c->spec,
                        .instance_id = in->live->id};
    snprintf(call.idempotency_key, sizeof call.idempotency_key, "%s-%u", in->live->id, f->cmd);
    make_traceparent(in, &call);
    e->caller.start(e->caller.self, &call);
}

static void perform(struct engine *e, struct effect *f)
{
    struct instance *in;

    switch (f->kind) {
    case EFFECT_CALL:
        call_out(e, f);
        break;
    case EFFECT_ABORT:
        e->caller.abort(e->caller.self, f->num, f->cmd);
        break;
    case EFFECT_REPLY:
        f->cb(f->arg, f->err, f->result);
        break;
    case EFFECT_FORGET:
        in = engine_find(e, f->num);
        if (in != NULL) {
            keys_forget(e, in);
            instance_free(e, in);
        }
        break;
    case EFFECT_EVICT:
        in = engine_find(e, f->num);
        if (in != NULL)
            instance_maybe_evict(e, in);
        break;
    case EFFECT_RELOAD:
        reload(e, f->num);
        break;
    case EFFECT_FEED:
        for (struct subscriber *s = e->subscribers, *next; s != NULL; s = next) {
            next = s->next;
            if (s->num == 0 || s->num == f->num)
                s->cb(s->arg, NULL, f->result);
        }
        break;
    }
}

static void effect_free(struct effect *f)
{
    json_decref(f->result);
    free(f->err);
    free(f);
}

void effects_release(struct engine *e)
{
    struct effect *f;

    while ((f = e->effects) != NULL && f->gate <= e->committed) {
        e->effects = f->next;
        if (e->effects == NULL)
            e->effects_tail = NULL;
        perform(e, f);
        effect_free(f);
    }
}

void effects_free(struct engine *e)
{
    struct effect *f;

    while ((f = e->effects) != NULL) {
        e->effects = f->next;
        effect_free(f);
    }
    e->effects_tail = NULL;
}

/* What subscribers are told of an instance when its batch is durable. */
void feed_instance(struct engine *e, struct instance *in)
{
    struct live *live = in->live;
    char id[INSTANCE_ID_SIZE];
    size_t at = 0;
    struct entry entry;

    if (e->subscribers == NULL)
        return;
    instance_id_of(in, id);
    json_t *entries = json_array();
    while (live != NULL && at < live->chunk.len &&
           entry_decode(live->chunk.data, live->chunk.len, &at, &entry, NULL) == ERR_OK) {
        json_t *more = (entry.flags & ENTRY_HAS_MORE) != 0 && entry.kind != ENTRY_TASK
                           ? json_loadb(entry.more, entry.more_len, JSON_DECODE_ANY, NULL)
                           : NULL;

        json_array_append_new(entries,
                              json_pack("{s:i, s:s, s:I, s:s%, s:i, s:o*}", "seq", (int)entry.seq,
                                        "kind", entry_name(entry.kind), "at", (json_int_t)entry.at,
                                        "name", entry.name != NULL ? entry.name : "",
                                        entry.name_len, "cmd", (int)entry.cmd, "error", more));
    }
    struct effect *f = add(e, EFFECT_FEED, e->batch->no, in->row.num);
    f->result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "type", "instance", "id", id,
                          "service", in->version->service.name, "status",
                          status_name(in->row.status), "reason", reason_name(in->row.reason),
                          "step", in->row.step != NULL ? in->row.step : "", "at",
                          (json_int_t)e->now, "entries", entries);
}
