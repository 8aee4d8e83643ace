/* Starts, and the keys that make a start happen once. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/internal.h"

struct start_request {
    struct start_request *next;
    struct version *version;
    json_t *input;
    char *idempotency_key, *caller_id, *trace;
    int64_t delay_ms;
    api_cb *cb;
    void *arg;
};

static uint64_t mix(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t json_hash(json_t *value)
{
    char *text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    uint64_t h = mix(UINT64_C(0xcbf29ce484222325), text, strlen(text));

    free(text);
    return h >> 1; /* fits SQLite's signed integers */
}

static void request_free(struct start_request *r)
{
    json_decref(r->input);
    free(r->idempotency_key);
    free(r->caller_id);
    free(r->trace);
    free(r);
}

static void reply_error(struct engine *e, struct start_request *r, const struct err *err)
{
    effect_reply(e, e->committed, r->cb, r->arg, err, NULL);
    request_free(r);
}

static void reply_started(struct engine *e, struct start_request *r, int64_t num, uint64_t tag,
                          const char *how, uint64_t gate)
{
    char id[INSTANCE_ID_SIZE];

    instance_id_format(num, tag, id);
    json_t *result =
        json_pack("{s:s, s:s, s:s}", "id", id, "status", how, "service", r->version->service.name);
    effect_reply(e, gate, r->cb, r->arg, NULL, result);
    json_decref(result);
    request_free(r);
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

static char *key_id(const char *what, const struct start_request *r, const char *key)
{
    return mem_printf("%s/%s\n%s", what, r->version->service.name, key);
}

static struct key_entry *key_find(struct engine *e, const char *id)
{
    struct key_entry *k;

    HASH_FIND_STR(e->keys, id, k);
    return k;
}

static struct key_entry *key_add(struct engine *e, char *id)
{
    struct key_entry *k = mem_zalloc(sizeof *k);

    k->id = id;
    k->engine = e;
    HASH_ADD_KEYPTR(hh, e->keys, k->id, strlen(k->id), k);
    return k;
}

static void key_free(struct engine *e, struct key_entry *k)
{
    HASH_DEL(e->keys, k);
    free(k->id);
    free(k);
}

/* At the end: with the requests that still wait for a look-up. */
void keys_free(struct engine *e)
{
    struct key_entry *k, *next;

    HASH_ITER(hh, e->keys, k, next)
    {
        while (k->waiting != NULL) {
            struct start_request *r = k->waiting;

            k->waiting = r->next;
            request_free(r);
        }
        key_free(e, k);
    }
}

/* Keys that were found free and then not used. */
void keys_sweep(struct engine *e)
{
    struct key_entry *k, *next;

    HASH_ITER(hh, e->keys, k, next)
    {
        if (k->num == -1 && k->waiting == NULL)
            key_free(e, k);
    }
}

void keys_forget(struct engine *e, struct instance *in)
{
    while (in->keys != NULL) {
        struct key_entry *k = in->keys;

        in->keys = k->of_instance;
        key_free(e, k);
    }
}

/* The key's row is written with the instance that it names. */
static void key_bind(struct engine *e, struct instance *in, char *id, uint64_t hash)
{
    struct key_entry *k = key_find(e, id);
    struct batch *b = engine_batch(e);
    char *cut = strchr(id, '\n');

    b->keys = mem_grow(b->keys, b->key_count, &b->key_cap, sizeof *b->keys);
    b->keys[b->key_count++] = (struct key_row){.scope = mem_strndup(id, (size_t)(cut - id)),
                                               .key = mem_strdup(cut + 1),
                                               .num = in->row.num,
                                               .input_hash = hash};
    if (k == NULL)
        k = key_add(e, id);
    else
        free(id);
    k->num = in->row.num;
    k->tag = in->row.tag;
    k->hash = hash;
    k->of_instance = in->keys;
    in->keys = k;
}

static void reply_previous(struct engine *e, struct start_request *r, int64_t num, uint64_t tag,
                           uint64_t hash)
{
    struct instance *in = engine_find(e, num);
    struct err err;

    if (hash != json_hash(r->input)) {
        err_set(&err, ERR_CONFLICT,
                "the key was used before with another input: use a new key for a new request");
        reply_error(e, r, &err);
        return;
    }
    reply_started(e, r, num, tag, "previously-accepted",
                  in != NULL ? instance_gate(e, in) : e->committed);
}

static void begin(struct engine *e, struct start_request *r);

/* Between the look-up of the first key and that of the second another request may have come. True
 * when the key is still free; else the request was answered, or begins again. */
static bool still_free(struct engine *e, struct start_request *r, char *id)
{
    struct key_entry *k = key_find(e, id);

    free(id);
    if (k == NULL)
        begin(e, r);
    else if (k->num > 0)
        reply_previous(e, r, k->num, k->tag, k->hash);
    return k != NULL && k->num == -1;
}

static void create(struct engine *e, struct start_request *r)
{
    if (r->idempotency_key != NULL &&
        !still_free(e, r, key_id("idempotency", r, r->idempotency_key)))
        return;
    if (r->caller_id != NULL && !still_free(e, r, key_id("id", r, r->caller_id)))
        return;
    struct instance *in = instance_create(e, r->version, r->input, r->caller_id, r->trace);

    if (r->idempotency_key != NULL || r->caller_id != NULL) {
        uint64_t hash = json_hash(r->input);

        if (r->idempotency_key != NULL)
            key_bind(e, in, key_id("idempotency", r, r->idempotency_key), hash);
        if (r->caller_id != NULL)
            key_bind(e, in, key_id("id", r, r->caller_id), hash);
    }
    if (r->delay_ms > 0) {
        in->row.wake_at = e->now + r->delay_ms;
        timer_set(e, in);
    } else {
        admission_ask(e, in);
    }
    reply_started(e, r, in->row.num, in->row.tag, "accepted", engine_batch(e)->no);
}

static void key_found(void *arg, const struct err *err, int64_t num, uint64_t tag, uint64_t hash)
{
    struct key_entry *k = arg;
    struct engine *e = k->engine;
    struct start_request *r = k->waiting;

    k->waiting = NULL;
    if (err != NULL || num != 0)
        key_free(e, k);
    else
        k->num = -1; /* free to be used, until somebody does */
    while (r != NULL) {
        struct start_request *next = r->next;

        if (err != NULL)
            reply_error(e, r, err);
        else if (num != 0)
            reply_previous(e, r, num, tag, hash);
        else
            begin(e, r);
        r = next;
    }
}

/* True when the request may go on: the key is known to be free. Else it was answered or waits. */
static bool key_check(struct engine *e, struct start_request *r, char *id)
{
    struct key_entry *k = key_find(e, id);

    if (k != NULL && k->num == -1) {
        free(id);
        return true;
    }
    if (k != NULL && k->num > 0) {
        free(id);
        reply_previous(e, r, k->num, k->tag, k->hash);
        return false;
    }
    if (k == NULL) {
        char *cut = strchr(id, '\n');
        char *scope = mem_strndup(id, (size_t)(cut - id)), *key = mem_strdup(cut + 1);

        k = key_add(e, id);
        e->store.find_key(e->store.self, scope, key, key_found, k);
        free(scope);
        free(key);
    } else {
        free(id);
    }
    struct start_request **at = &k->waiting;
    while (*at != NULL)
        at = &(*at)->next;
    r->next = NULL;
    *at = r;
    return false;
}

static void begin(struct engine *e, struct start_request *r)
{
    if (r->idempotency_key != NULL &&
        !key_check(e, r, key_id("idempotency", r, r->idempotency_key)))
        return;
    if (r->caller_id != NULL && !key_check(e, r, key_id("id", r, r->caller_id)))
        return;
    create(e, r);
}

/* ---- the request --------------------------------------------------------------------------------
 */

enum { KEY_MAX = 255 };

static bool is_key(const char *key)
{
    size_t len = strlen(key);

    if (len == 0 || len > KEY_MAX)
        return false;
    for (const unsigned char *p = (const unsigned char *)key; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return false;
    }
    return true;
}

static enum errcode check(struct engine *e, const struct api_start *s, struct version **v,
                          struct err *err)
{
    *v = engine_find_service(e, s->service, s->version);
    if (e->draining)
        return err_set(err, ERR_UNAVAILABLE, "the server is shutting down");
    if (e->full)
        return err_set(err, ERR_STORE_FULL, "the disk is full: free some room and try again");
    if (*v == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no workflow \"%.100s\"%s%.40s", s->service,
                       s->version != NULL ? " version " : "", s->version != NULL ? s->version : "");
    if ((s->idempotency_key != NULL && !is_key(s->idempotency_key)) ||
        (s->caller_id != NULL && !is_key(s->caller_id)))
        return err_set(err, ERR_INVALID,
                       "a key or id is 1 to %d characters without control characters", KEY_MAX);
    if (s->delay_ms < 0)
        return err_set(err, ERR_INVALID, "a delay is not negative");
    buf_clear(&e->scratch);
    if (!json_write(&e->scratch, s->input) || e->scratch.len > e->config.limits.payload_bytes)
        return err_set(err, ERR_TOO_LARGE, "the input is over the payload limit of %zu bytes",
                       e->config.limits.payload_bytes);
    return (*v)->service.check_input != NULL
               ? (*v)->service.check_input((*v)->service.definition, s->input, err)
               : ERR_OK;
}

void start_request(struct engine *e, const struct api_start *s, api_cb *cb, void *arg)
{
    struct version *v;
    struct err err;

    if (check(e, s, &v, &err) != ERR_OK) {
        effect_reply(e, e->committed, cb, arg, &err, NULL);
        return;
    }
    struct start_request *r = mem_zalloc(sizeof *r);
    r->version = v;
    r->input = json_incref(s->input);
    r->idempotency_key = s->idempotency_key != NULL ? mem_strdup(s->idempotency_key) : NULL;
    r->caller_id = s->caller_id != NULL ? mem_strdup(s->caller_id) : NULL;
    r->trace =
        s->traceparent != NULL && strlen(s->traceparent) == 55 ? mem_strdup(s->traceparent) : NULL;
    r->delay_ms = s->delay_ms;
    r->cb = cb;
    r->arg = arg;
    begin(e, r);
}
