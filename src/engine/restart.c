/* Restart: a new instance with the input of an old one, or with the beginning of its journal up to
 * a step. Any beginning of a journal is a state that was; what had no answer by then is asked for
 * again. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"

struct restart {
    struct engine *engine;
    int64_t num;
    char *step, *by, *why, *id;
    api_cb *cb;
    void *arg;
    json_t *row;
};

static void restart_free(struct restart *r)
{
    json_decref(r->row);
    free(r->step);
    free(r->by);
    free(r->why);
    free(r->id);
    free(r);
}

static void fail(struct restart *r, const struct err *err)
{
    effect_reply(r->engine, r->engine->committed, r->cb, r->arg, err, NULL);
    restart_free(r);
}

/* Task keys are reference#iteration: a step is named by its key, or by its reference (its first
 * run). */
static bool is_step(const struct entry *entry, const char *step)
{
    size_t len = strlen(step);

    return (entry->kind == ENTRY_TASK || entry->kind == ENTRY_TASK_STARTED) &&
           entry->name_len >= len && memcmp(entry->name, step, len) == 0 &&
           (entry->name_len == len || entry->name[len] == '#');
}

static bool collect(const struct stored_chunk *chunks, size_t count, const char *step,
                    struct entry **list, size_t *n, struct err *err)
{
    size_t cap = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < chunks[i].len;) {
            struct entry entry;

            if (entry_decode(chunks[i].data, chunks[i].len, &at, &entry, err) != ERR_OK)
                return false;
            if (step != NULL && is_step(&entry, step))
                return true;
            *list = mem_grow(*list, *n, &cap, sizeof **list);
            (*list)[(*n)++] = entry;
            if (step == NULL)
                return true; /* the start alone */
        }
    }
    err_set(err, ERR_NOT_FOUND, "the instance never came to a step \"%.200s\"", step);
    return false;
}

static bool is_answered(const struct entry *list, size_t n, uint32_t cmd)
{
    for (size_t i = 0; i < n; i++) {
        if ((list[i].kind == ENTRY_RESULT || list[i].kind == ENTRY_DROP) && list[i].cmd == cmd)
            return true;
    }
    return false;
}

/* Entries keep their numbers, since commands are named by them; what must not be inherited
 * (attempts, children of the old instance that had not answered, pauses) is made to concern no
 * command. */
static void copy(struct engine *e, struct instance *in, const struct entry *list, size_t n)
{
    buf_clear(&in->live->chunk);
    in->row.entries = 0;
    in->row.bytes = 0;
    for (size_t i = 0; i < n; i++) {
        struct entry entry = list[i];

        if (entry_class_of(entry.kind) == CLASS_EVENT &&
            !(entry.kind == ENTRY_CHILD_STARTED && is_answered(list, n, entry.cmd)))
            entry.cmd = 0;
        size_t before = in->live->chunk.len;
        entry_encode(&in->live->chunk, &entry);
        in->row.bytes += in->live->chunk.len - before;
        in->row.entries++;
    }
    (void)e;
}

static void reply(struct restart *r, struct instance *in)
{
    char id[INSTANCE_ID_SIZE];

    instance_id_of(in, id);
    json_t *data = json_pack("{s:s, s:s*, s:s, s:s*}", "by", r->by, "why", r->why, "from", r->id,
                             "step", r->step);
    instance_event(r->engine, in, ENTRY_RESTARTED, 0, 0, NULL, data, NULL);
    json_decref(data);
    json_t *result = json_pack("{s:s, s:s, s:s*}", "id", id, "status", "accepted", "step", r->step);
    effect_reply(r->engine, engine_batch(r->engine)->no, r->cb, r->arg, NULL, result);
    json_decref(result);
}

static struct version *version_of(struct restart *r)
{
    struct engine *e = r->engine;
    const char *digest = json_str(r->row, "digest", "");

    /* From a step: the very definition; anew: the newest version of the service. */
    for (struct version *v = e->versions; v != NULL; v = v->hh.next) {
        if (strcmp(v->service.digest, digest) == 0 && v->service.kind != NULL)
            return r->step != NULL ? v : engine_find_service(e, v->service.name, NULL);
    }
    return NULL;
}

static void build(struct restart *r, struct version *v, const struct entry *list, size_t n)
{
    struct engine *e = r->engine;
    json_t *input = json_loadb(list[0].data, list[0].data_len, JSON_DECODE_ANY, NULL);
    struct instance *in = instance_create(e, v, input, NULL, NULL);

    if (r->step != NULL) {
        in->row.seed = (uint64_t)json_int(r->row, "seed", 0);
        copy(e, in, list, n);
    }
    reply(r, in);
    json_decref(input);
    /* Its state comes from the journal, by the one way there is: it is loaded when the copy is
     * durable. */
    if (r->step != NULL) {
        in->reload = true;
        in->row.started = n > 1 ? list[1].at : 0;
    }
    admission_ask(e, in);
}

static void journal_found(void *arg, const struct err *load_err, struct stored_chunk *chunks,
                          size_t count)
{
    struct restart *r = arg;
    struct entry *list = NULL;
    size_t n = 0;
    struct err err;
    struct version *v = version_of(r);

    if (load_err != NULL)
        fail(r, load_err);
    else if (v == NULL)
        fail(r, &(struct err){ERR_CONFLICT, "its definition is not loaded any more"});
    else if (!collect(chunks, count, r->step, &list, &n, &err))
        fail(r, &err);
    else {
        build(r, v, list, n);
        restart_free(r);
    }
    free(list);
    for (size_t i = 0; i < count; i++)
        free(chunks[i].data);
    free(chunks);
}

static void row_found(void *arg, const struct err *err, json_t *row)
{
    struct restart *r = arg;
    uint64_t tag;

    if (err != NULL) {
        fail(r, err);
        return;
    }
    r->row = json_incref(row);
    r->id = mem_strdup(json_str(row, "id", ""));
    instance_id_parse(r->id, &r->num, &tag);
    r->engine->store.load(r->engine->store.self, r->num, json_int(row, "last", 0), journal_found,
                          r);
}

void restart_request(struct engine *e, const struct api_act *act, const char *step, api_cb *cb,
                     void *arg)
{
    struct restart *r = mem_zalloc(sizeof *r);
    int64_t num;
    uint64_t tag;

    r->engine = e;
    r->step = step != NULL ? mem_strdup(step) : NULL;
    r->by = mem_strdup(act->by != NULL ? act->by : "unknown");
    r->why = act->why != NULL ? mem_strdup(act->why) : NULL;
    r->cb = cb;
    r->arg = arg;
    json_t *args = act->service != NULL && !instance_id_parse(act->id, &num, &tag)
                       ? json_pack("{s:s, s:s}", "service", act->service, "callerId", act->id)
                       : json_pack("{s:s}", "id", act->id);
    e->store.query(e->store.self, "instance", args, row_found, r);
    json_decref(args);
}
