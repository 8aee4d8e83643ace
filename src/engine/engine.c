/* The core's outline: what is known, the turn of the loop, the batch. The way of an event through
 * the files is described in internal.h. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

enum { LOADING_MAX = 256, SWEEP_EVERY_MS = 30000, EXPIRE_EVERY_MS = 60000, EXPIRE_BATCH = 500 };

const struct engine_limits engine_default_limits = {
    .max_running = 200000,
    .max_per_service = 200000,
    .payload_bytes = 1 << 20,
    .journal_entries = 20000,
    .journal_bytes = 32 << 20,
    .pending_commands = 2000,
    .depth = 64,
    .retention_ms = INT64_C(7) * 24 * 3600 * 1000,
    .evict_after_ms = 5000,
};

/* ---- services -----------------------------------------------------------------------------------
 */

/* Compares semantic versions: numbers by value, a pre-release ("-dev") before its release. */
static int version_compare(const char *a, const char *b)
{
    for (int i = 0; i < 3; i++) {
        char *a_end, *b_end;
        unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);

        if (x != y)
            return x < y ? -1 : 1;
        a = *a_end == '.' ? a_end + 1 : a_end;
        b = *b_end == '.' ? b_end + 1 : b_end;
    }
    if ((*a == '-') != (*b == '-'))
        return *a == '-' ? -1 : 1;
    return strcmp(a, b);
}

static bool is_named(const struct service *s, const char *name)
{
    size_t len = strlen(s->ns);

    return strcmp(s->name, name) == 0 || strcmp(s->document_name, name) == 0 ||
           (strncmp(s->ns, name, len) == 0 && name[len] == '.' &&
            strcmp(s->document_name, name + len + 1) == 0);
}

struct version *engine_find_service(struct engine *e, const char *name, const char *version)
{
    struct version *best = NULL;

    for (struct version *v = e->versions; v != NULL; v = v->hh.next) {
        if (v->revived || !is_named(&v->service, name))
            continue;
        if (version != NULL
                ? strcmp(v->service.version, version) != 0
                : best != NULL && version_compare(v->service.version, best->service.version) <= 0)
            continue;
        best = v;
    }
    return best;
}

static struct service_slots *slots_of(struct engine *e, const char *name)
{
    struct service_slots *s;

    HASH_FIND_STR(e->slots, name, s);
    if (s == NULL) {
        s = mem_zalloc(sizeof *s);
        s->name = mem_strdup(name);
        HASH_ADD_KEYPTR(hh, e->slots, s->name, strlen(s->name), s);
    }
    return s;
}

static char *dup_or_null(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

static struct version *version_add(struct engine *e, const struct service *s, int64_t flow)
{
    struct version *v = mem_zalloc(sizeof *v);

    v->service = *s;
    v->service.name = mem_strdup(s->name);
    v->service.ns = mem_strdup(s->ns);
    v->service.document_name = mem_strdup(s->document_name);
    v->service.version = mem_strdup(s->version);
    v->service.digest = mem_strdup(s->digest);
    v->service.title = dup_or_null(s->title);
    v->service.summary = dup_or_null(s->summary);
    v->service.source = NULL;
    json_incref(v->service.input_schema);
    v->flow = flow;
    v->slots = slots_of(e, s->name);
    if (s->max_running > 0)
        v->slots->max_running = s->max_running;
    HASH_ADD(hh, e->versions, flow, sizeof v->flow, v);
    return v;
}

static void version_free(struct version *v)
{
    free((void *)(uintptr_t)v->service.name);
    free((void *)(uintptr_t)v->service.ns);
    free((void *)(uintptr_t)v->service.document_name);
    free((void *)(uintptr_t)v->service.version);
    free((void *)(uintptr_t)v->service.digest);
    free((void *)(uintptr_t)v->service.title);
    free((void *)(uintptr_t)v->service.summary);
    json_decref(v->service.input_schema);
    free(v);
}

static void flow_row_add(struct engine *e, const struct service *s, int64_t id)
{
    struct batch *b = engine_batch(e);

    b->flows = mem_grow(b->flows, b->flow_count, &b->flow_cap, sizeof *b->flows);
    b->flows[b->flow_count++] = (struct flow_row){.id = id,
                                                  .digest = mem_strdup(s->digest),
                                                  .ns = mem_strdup(s->ns),
                                                  .name = mem_strdup(s->document_name),
                                                  .version = mem_strdup(s->version),
                                                  .source = mem_strndup(s->source, s->source_len),
                                                  .source_len = s->source_len,
                                                  .loaded_at = e->now};
}

static bool is_draft(const char *version)
{
    size_t len = strlen(version);

    return len > 4 && strcmp(version + len - 4, "-dev") == 0;
}

enum errcode engine_register(struct engine *e, const struct service *s, int64_t now,
                             struct err *err)
{
    e->now = now;
    for (struct version *v = e->versions; v != NULL; v = v->hh.next) {
        if (strcmp(v->service.digest, s->digest) == 0) {
            if (v->revived) {
                v->revived = false;
                v->service.kind = s->kind;
                v->service.check_input = s->check_input;
                v->service.input_schema = json_incref(s->input_schema);
            }
            return ERR_OK;
        }
        if (strcmp(v->service.ns, s->ns) == 0 &&
            strcmp(v->service.document_name, s->document_name) == 0 &&
            strcmp(v->service.version, s->version) == 0) {
            if (!is_draft(s->version))
                return err_set(err, ERR_CONFLICT,
                               "%s.%s version %s was loaded before with other content: raise "
                               "document.version, or end it in -dev while you work on it",
                               s->ns, s->document_name, s->version);
            v->revived = true; /* the newest draft is the one that starts */
        }
    }
    int64_t id = e->next_flow++;
    flow_row_add(e, s, id);
    version_add(e, s, id);
    return ERR_OK;
}

/* ---- batch --------------------------------------------------------------------------------------
 */

struct instance *engine_find(struct engine *e, int64_t num)
{
    struct instance *in;

    HASH_FIND(hh, e->instances, &num, sizeof num, in);
    return in;
}

struct batch *engine_batch(struct engine *e)
{
    if (e->batch == NULL)
        e->batch = batch_new(++e->last_batch);
    return e->batch;
}

struct inbox_row *engine_inbox_put(struct engine *e, int64_t num, const char *kind, json_t *data)
{
    struct batch *b = engine_batch(e);

    b->inbox = mem_grow(b->inbox, b->inbox_count, &b->inbox_cap, sizeof *b->inbox);
    struct inbox_row *row = &b->inbox[b->inbox_count++];
    *row = (struct inbox_row){.id = e->next_inbox++,
                              .num = num,
                              .kind = mem_strdup(kind),
                              .data = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY)};
    return row;
}

void engine_inbox_done(struct engine *e, int64_t id)
{
    if (id == 0)
        return;
    struct batch *b = engine_batch(e);
    /* Put and taken before anything was written: it never was. */
    for (size_t i = b->inbox_count; i-- > 0;) {
        if (b->inbox[i].id == id) {
            free(b->inbox[i].kind);
            free(b->inbox[i].data);
            b->inbox[i] = b->inbox[--b->inbox_count];
            return;
        }
    }
    b->inbox_done = mem_grow(b->inbox_done, b->done_count, &b->done_cap, sizeof *b->inbox_done);
    b->inbox_done[b->done_count++] = id;
}

static void write_chunk(struct engine *e, struct instance *in)
{
    struct batch *b = e->batch;

    b->chunks = mem_grow(b->chunks, b->chunk_count, &b->chunk_cap, sizeof *b->chunks);
    struct chunk_row *chunk = &b->chunks[b->chunk_count++];
    *chunk = (struct chunk_row){.pos = e->next_pos++, .num = in->row.num, .prev = in->row.last};
    chunk->data = buf_steal(&in->live->chunk, &chunk->len);
    in->row.last = chunk->pos;
    if (in->ending)
        in->row.output = chunk->pos;
}

static void write_instance(struct engine *e, struct instance *in)
{
    struct batch *b = e->batch;

    feed_instance(e, in);
    if (in->live != NULL && in->live->chunk.len > 0)
        write_chunk(e, in);
    b->rows = mem_grow(b->rows, b->row_count, &b->row_cap, sizeof *b->rows);
    struct instance_row *row = &b->rows[b->row_count++];
    *row = in->row;
    row->caller_id = dup_or_null(in->row.caller_id);
    row->step = dup_or_null(in->row.step);
    row->why = dup_or_null(in->row.why);
    in->row.is_new = false;
    in->gate = b->no;
    in->dirty = false;
    if (in->reload)
        effect_evict(e, in, true);
    else if (!in->ending && (in->row.status == STATUS_PENDING || in->row.status >= STATUS_WAITING))
        effect_evict(e, in, false);
}

void engine_flush(struct engine *e)
{
    struct instance *in;

    while ((in = e->dirty) != NULL) {
        e->dirty = in->dirty_next;
        write_instance(e, in);
    }
    e->dirty_tail = NULL;
    struct batch *b = e->batch;
    e->batch = NULL;
    if (b != NULL)
        e->store.commit(e->store.self, b);
    effects_release(e);
}

void engine_committed(struct engine *e, int64_t now, uint64_t batch_no, enum errcode code)
{
    e->now = now;
    if (code == ERR_STORE_FULL) {
        if (!e->full)
            log_error("engine", "the disk is full: no new work is taken until there is room");
        e->full = true;
        return;
    }
    if (e->full)
        log_info("engine", "there is room on the disk again: going on");
    e->full = false;
    e->committed = batch_no;
    effects_release(e);
}

/* ---- the loop's turn ----------------------------------------------------------------------------
 */

/* Turns of one instance before the next one has its own. */
enum { TURNS_IN_A_ROW = 8 };

static int run_instance(struct engine *e, struct instance *in, int budget)
{
    int used = 0;

    while (used < budget && used < TURNS_IN_A_ROW && instance_turn(e, in))
        used++;
    instance_settle(e, in);
    return used + 1;
}

bool engine_run(struct engine *e, int64_t now, int budget)
{
    e->now = now;
    if (e->paused)
        return false;
    while (budget > 0 && e->ready != NULL && e->loading < LOADING_MAX) {
        struct instance *in = e->ready;

        e->ready = in->ready_next;
        if (e->ready == NULL)
            e->ready_tail = NULL;
        in->ready = false;
        budget -= run_instance(e, in, budget);
        if (in->notes != NULL && in->live != NULL && !in->ending && !in->unloadable &&
            in->row.status != STATUS_SUSPENDED)
            instance_ready(e, in);
        else if (!in->dirty)
            instance_maybe_evict(e, in);
    }
    return e->ready != NULL && e->loading < LOADING_MAX;
}

static void fire(struct engine *e, struct instance *in)
{
    timer_clear(e, in);
    in->row.wake_at = 0;
    if (in->row.status == STATUS_PENDING) {
        admission_ask(e, in);
        if (in->row.status == STATUS_PENDING)
            instance_touch(e, in);
    } else if (in->live != NULL) {
        commands_fire(e, in);
        instance_settle(e, in);
    } else {
        instance_ready(e, in);
    }
}

/* Every wait has something that ends it; this proves it, repairs and counts. */
static void sweep(struct engine *e)
{
    struct instance *in, *next;

    HASH_ITER(hh, e->instances, in, next)
    {
        bool waits = in->row.status == STATUS_RUNNING || in->row.status == STATUS_WAITING;

        if (!waits || in->ending || in->unloadable)
            continue;
        if (in->live != NULL) {
            instance_maybe_evict(e, in);
            continue;
        }
        if (in->ready || in->loading || in->notes != NULL || in->timer_at != 0 ||
            in->row.reason == REASON_CHILD || in->row.reason == REASON_EVENT)
            continue;
        e->violations++;
        log_warn("engine", "instance %lld waited for nothing and was woken",
                 (long long)in->row.num);
        instance_ready(e, in);
    }
    keys_sweep(e);
}

static void expired(void *arg, const struct err *err, json_t *result)
{
    struct engine *e = arg;
    json_t *nums = json_object_get(result, "nums"), *num;
    size_t i;

    e->expiring = false;
    if (err != NULL)
        return;
    json_array_foreach(nums, i, num)
    {
        struct batch *b = engine_batch(e);

        b->purge = mem_grow(b->purge, b->purge_count, &b->purge_cap, sizeof *b->purge);
        b->purge[b->purge_count++] = json_integer_value(num);
    }
    e->purge_after = json_integer_value(json_object_get(result, "after"));
    if (json_array_size(nums) == EXPIRE_BATCH)
        e->next_expiry = e->now; /* more of them: go on with the next tick */
}

static void expire(struct engine *e)
{
    e->next_expiry = e->now + EXPIRE_EVERY_MS;
    if (e->expiring || e->full || e->config.limits.retention_ms <= 0)
        return;
    json_t *args =
        json_pack("{s:I, s:i, s:I}", "before", (json_int_t)(e->now - e->config.limits.retention_ms),
                  "limit", (int)EXPIRE_BATCH, "after", (json_int_t)e->purge_after);
    e->expiring = true;
    e->store.query(e->store.self, "expired", args, expired, e);
    json_decref(args);
}

void engine_tick(struct engine *e, int64_t now)
{
    struct instance *in;

    e->now = now;
    if (e->paused)
        return;
    while ((in = timer_first(e)) != NULL && in->row.wake_at <= now)
        fire(e, in);
    if (now >= e->next_sweep) {
        e->next_sweep = now + SWEEP_EVERY_MS;
        sweep(e);
    }
    if (now >= e->next_expiry)
        expire(e);
}

int64_t engine_next_due(const struct engine *e)
{
    const struct instance *first = timer_first(e);
    int64_t due = e->next_sweep < e->next_expiry ? e->next_sweep : e->next_expiry;

    if (e->paused)
        return INT64_MAX;
    return first != NULL && first->row.wake_at < due ? first->row.wake_at : due;
}

void engine_drain(struct engine *e)
{
    e->draining = true;
}

bool engine_has_work(const struct engine *e)
{
    return e->batch != NULL || (e->ready != NULL && !e->paused && e->loading < LOADING_MAX);
}

bool engine_is_idle(const struct engine *e)
{
    return e->in_flight == 0 && e->effects == NULL && e->batch == NULL &&
           e->committed == e->last_batch && (e->ready == NULL || e->paused) && e->loading == 0;
}

/* ---- from the store -----------------------------------------------------------------------------
 */

static void boot_flows(struct engine *e, const struct store_boot *boot, engine_revive *revive,
                       void *arg)
{
    for (size_t i = 0; i < boot->flow_count; i++) {
        const struct flow_row *row = &boot->flows[i];
        struct service s = {.name = row->name,
                            .ns = row->ns,
                            .document_name = row->name,
                            .version = row->version,
                            .digest = row->digest};

        if (revive != NULL)
            revive(arg, row, &s);
        version_add(e, &s, row->id)->revived = true;
    }
}

static void boot_instance(struct engine *e, const struct instance_row *row)
{
    struct instance *in = mem_zalloc(sizeof *in);
    struct version *v;

    in->row = *row;
    in->row.is_new = false;
    in->row.caller_id = dup_or_null(row->caller_id);
    in->row.step = dup_or_null(row->step);
    in->row.why = dup_or_null(row->why);
    in->awaited = row->parent != 0;
    HASH_FIND(hh, e->versions, &row->flow, sizeof row->flow, v);
    if (v == NULL) {
        struct service unknown = {
            .name = "unknown", .ns = "", .document_name = "unknown", .version = "", .digest = ""};

        v = version_add(e, &unknown, row->flow);
        v->revived = true;
    }
    in->version = v;
    HASH_ADD(hh, e->instances, row.num, sizeof in->row.num, in);
    if (v->service.kind == NULL) {
        in->unloadable = true;
        instance_suspend(e, in, REASON_POISON, "engine", "its definition cannot be read", 0);
        return;
    }
    if (row->num == e->config.crashed_in && ++in->row.crashes >= 3) {
        instance_suspend(e, in, REASON_POISON, "engine",
                         "the process died three times in a row while it ran this instance", 0);
    } else if (row->num == e->config.crashed_in) {
        instance_touch(e, in);
    }
}

static void boot_admit(struct engine *e, struct instance *in)
{
    if (in->version->service.kind == NULL)
        return;
    if (in->row.status == STATUS_PENDING && in->row.wake_at == 0) {
        admission_ask(e, in);
        return;
    }
    if (in->row.status != STATUS_PENDING) {
        in->admitted = true;
        if (!in->awaited) {
            e->running++;
            in->version->slots->running++;
        }
    }
    timer_set(e, in);
    if (in->row.status == STATUS_RUNNING)
        instance_ready(e, in);
}

static void boot_inbox(struct engine *e, const struct inbox_row *row)
{
    struct instance *in = engine_find(e, row->num);
    json_t *data = json_loads(row->data, JSON_DECODE_ANY, NULL);
    struct note *n;

    if (strcmp(row->kind, "child") == 0)
        n = note_new(ENTRY_RESULT, (uint32_t)json_integer_value(json_object_get(data, "cmd")),
                     json_object_get(data, "output"), json_object_get(data, "error"));
    else if (strcmp(row->kind, "signal") == 0)
        n = note_new(ENTRY_SIGNALLED, 0, json_object_get(data, "payload"), NULL);
    else
        n = note_new(strcmp(row->kind, "kill") == 0     ? ENTRY_KILLED
                     : strcmp(row->kind, "cancel") == 0 ? ENTRY_CANCEL
                     : strcmp(row->kind, "pause") == 0  ? ENTRY_PAUSED
                                                        : ENTRY_RESUMED,
                     0, data, NULL);
    if (n->kind == ENTRY_SIGNALLED)
        n->name = mem_strdup(json_string_value(json_object_get(data, "name")));
    n->inbox = row->id;
    json_decref(data);
    if (in != NULL) {
        instance_note(e, in, n);
    } else {
        engine_inbox_done(e, row->id);
        note_free(n);
    }
}

struct engine *engine_new(const struct engine_config *config, const struct store_boot *boot,
                          engine_revive *revive, void *arg, int64_t now)
{
    struct engine *e = mem_zalloc(sizeof *e);
    struct instance *in, *next;

    e->config = *config;
    e->caller = *config->caller;
    e->store = *config->store;
    e->now = now;
    e->paused = config->paused;
    rng_seed(&e->rng, config->entropy);
    buf_init(&e->scratch, 2 * config->limits.payload_bytes + (64 << 10));
    e->next_pos = boot->next_pos;
    e->next_inbox = boot->next_inbox;
    e->next_flow = boot->next_flow;
    e->last_num = boot->last_num;
    e->next_sweep = now + SWEEP_EVERY_MS;
    e->next_expiry = now + EXPIRE_EVERY_MS;
    boot_flows(e, boot, revive, arg);
    for (size_t i = 0; i < boot->row_count; i++)
        boot_instance(e, &boot->rows[i]);
    HASH_ITER(hh, e->instances, in, next)
    {
        boot_admit(e, in);
    }
    for (size_t i = 0; i < boot->inbox_count; i++)
        boot_inbox(e, &boot->inbox[i]);
    return e;
}

void engine_free(struct engine *e)
{
    struct instance *in, *next;
    struct version *v, *v_next;
    struct service_slots *s, *s_next;

    if (e == NULL)
        return;
    effects_free(e);
    HASH_ITER(hh, e->instances, in, next)
    {
        keys_forget(e, in);
        instance_free(e, in);
    }
    HASH_ITER(hh, e->versions, v, v_next)
    {
        HASH_DEL(e->versions, v);
        version_free(v);
    }
    HASH_ITER(hh, e->slots, s, s_next)
    {
        HASH_DEL(e->slots, s);
        free(s->name);
        free(s);
    }
    while (e->subscribers != NULL) {
        struct subscriber *sub = e->subscribers;

        e->subscribers = sub->next;
        free(sub);
    }
    batch_free(e->batch);
    buf_fini(&e->scratch);
    free(e->heap);
    free(e);
}
