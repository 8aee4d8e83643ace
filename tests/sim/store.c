/* A model of the store: what is committed, what is on its way, and the checks that need to see
 * every write. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sim.h"

struct result_mark {
    char key[40];
    UT_hash_handle hh;
};

struct row {
    struct instance_row row;
    UT_hash_handle hh;
};

struct chunk {
    struct chunk_row row;
    UT_hash_handle hh;
};

struct key {
    char *id;
    int64_t num;
    uint64_t hash;
    UT_hash_handle hh;
};

struct queued {
    struct queued *next;
    struct batch *batch;
    bool scheduled;
};

struct sim_store {
    struct sim *sim;
    struct row *rows;
    struct chunk *chunks;
    struct key *keys;
    struct inbox_row *inbox;
    size_t inbox_count, inbox_cap;
    struct flow_row *flows;
    size_t flow_count, flow_cap;
    struct result_mark *results; /* commands with a recorded answer */
    struct result_mark *sleeps;  /* due times, key "num-seq=due" */
    struct queued *queue;        /* given, not yet acknowledged */
    int64_t last_num;
    uint64_t last_batch;
    bool full;
};

static void mark(struct result_mark **set, int64_t num, uint32_t cmd)
{
    struct result_mark *m = mem_zalloc(sizeof *m), *old;

    snprintf(m->key, sizeof m->key, "%lld-%u", (long long)num, cmd);
    HASH_FIND_STR(*set, m->key, old);
    if (old != NULL)
        free(m);
    else
        HASH_ADD_STR(*set, key, m);
}

bool sim_store_has_result(const struct sim_store *st, int64_t num, uint32_t cmd)
{
    char key[40];
    struct result_mark *m;

    snprintf(key, sizeof key, "%lld-%u", (long long)num, cmd);
    HASH_FIND_STR(st->results, key, m);
    return m != NULL;
}

/* Every entry that becomes durable is looked at. */
static void check_chunk(struct sim_store *st, const struct chunk_row *c)
{
    struct entry e;
    struct err err;

    for (size_t at = 0; at < c->len;) {
        if (entry_decode(c->data, c->len, &at, &e, &err) != ERR_OK) {
            sim_fail(st->sim, "chunk %lld: %s", (long long)c->pos, err.text);
            return;
        }
        if (e.kind == ENTRY_RESULT) {
            if (sim_store_has_result(st, c->num, e.cmd))
                sim_fail(st->sim, "instance %lld: command %u is answered twice", (long long)c->num,
                         e.cmd);
            mark(&st->results, c->num, e.cmd);
        }
    }
}

static void put_row(struct sim_store *st, struct instance_row *in)
{
    struct row *r;

    HASH_FIND(hh, st->rows, &in->num, sizeof in->num, r);
    if (r == NULL) {
        if (!in->is_new)
            sim_fail(st->sim, "update of an instance that is not there");
        r = mem_zalloc(sizeof *r);
        r->row = *in;
        HASH_ADD(hh, st->rows, row.num, sizeof in->num, r);
    } else {
        if (in->is_new)
            sim_fail(st->sim, "instance %lld is inserted twice", (long long)in->num);
        if (status_is_final(r->row.status) && r->row.status != in->status)
            sim_fail(st->sim, "instance %lld ended as %s and becomes %s", (long long)in->num,
                     status_name(r->row.status), status_name(in->status));
        free(r->row.caller_id);
        free(r->row.step);
        free(r->row.why);
        r->row = *in;
    }
    r->row.caller_id = in->caller_id != NULL ? mem_strdup(in->caller_id) : NULL;
    r->row.step = in->step != NULL ? mem_strdup(in->step) : NULL;
    r->row.why = in->why != NULL ? mem_strdup(in->why) : NULL;
    if (in->num > st->last_num)
        st->last_num = in->num;
}

static void put_chunk(struct sim_store *st, struct chunk_row *c)
{
    struct chunk *old, *made;

    HASH_FIND(hh, st->chunks, &c->pos, sizeof c->pos, old);
    if (old != NULL) {
        sim_fail(st->sim, "position %lld is written twice", (long long)c->pos);
        return;
    }
    check_chunk(st, c);
    made = mem_zalloc(sizeof *made);
    made->row = *c;
    c->data = NULL;
    HASH_ADD(hh, st->chunks, row.pos, sizeof c->pos, made);
}

static void put_key(struct sim_store *st, const struct key_row *k)
{
    struct key *made = mem_zalloc(sizeof *made), *old;

    made->id = mem_printf("%s\n%s", k->scope, k->key);
    made->num = k->num;
    made->hash = k->input_hash;
    HASH_FIND_STR(st->keys, made->id, old);
    if (old != NULL) {
        sim_fail(st->sim, "key %s is given to a second instance", k->key);
        free(made->id);
        free(made);
        return;
    }
    HASH_ADD_KEYPTR(hh, st->keys, made->id, strlen(made->id), made);
}

static void inbox_remove(struct sim_store *st, int64_t id)
{
    for (size_t i = 0; i < st->inbox_count; i++) {
        if (st->inbox[i].id == id) {
            free(st->inbox[i].kind);
            free(st->inbox[i].data);
            memmove(&st->inbox[i], &st->inbox[i + 1],
                    (st->inbox_count - i - 1) * sizeof *st->inbox);
            st->inbox_count--;
            return;
        }
    }
    sim_fail(st->sim, "inbox row %lld is not there", (long long)id);
}

static void apply(struct sim_store *st, struct batch *b)
{
    if (b->no != st->last_batch + 1 && st->last_batch != 0)
        sim_fail(st->sim, "batch %llu follows %llu", (unsigned long long)b->no,
                 (unsigned long long)st->last_batch);
    st->last_batch = b->no;
    for (size_t i = 0; i < b->row_count; i++)
        put_row(st, &b->rows[i]);
    for (size_t i = 0; i < b->chunk_count; i++)
        put_chunk(st, &b->chunks[i]);
    for (size_t i = 0; i < b->key_count; i++)
        put_key(st, &b->keys[i]);
    for (size_t i = 0; i < b->inbox_count; i++) {
        st->inbox = mem_grow(st->inbox, st->inbox_count, &st->inbox_cap, sizeof *st->inbox);
        st->inbox[st->inbox_count++] = (struct inbox_row){.id = b->inbox[i].id,
                                                          .num = b->inbox[i].num,
                                                          .kind = mem_strdup(b->inbox[i].kind),
                                                          .data = mem_strdup(b->inbox[i].data)};
    }
    for (size_t i = 0; i < b->done_count; i++)
        inbox_remove(st, b->inbox_done[i]);
    for (size_t i = 0; i < b->flow_count; i++) {
        st->flows = mem_grow(st->flows, st->flow_count, &st->flow_cap, sizeof *st->flows);
        st->flows[st->flow_count++] = b->flows[i];
        memset(&b->flows[i], 0, sizeof b->flows[i]);
    }
}

static struct queued *dequeue(struct sim_store *st)
{
    struct queued *q = st->queue;

    st->queue = q->next;
    return q;
}

static void committed(void *arg)
{
    struct sim_store *st = arg;
    struct sim *s = st->sim;
    struct queued *q = st->queue;

    if (st->full && !sim_chance(s, 0.3)) { /* still no room */
        engine_committed(s->engine, sim_clock(s), q->batch->no, ERR_STORE_FULL);
        sim_at(s, 250, false, committed, st);
        return;
    }
    st->full = false;
    dequeue(st);
    uint64_t no = q->batch->no;
    apply(st, q->batch);
    batch_free(q->batch);
    free(q);
    engine_committed(s->engine, sim_clock(s), no, ERR_OK);
    if (st->queue != NULL)
        sim_at(s, s->o.commit_ms, false, committed, st);
}

static void commit(void *self, struct batch *b)
{
    struct sim_store *st = self;
    struct queued *q = mem_zalloc(sizeof *q), **at = &st->queue;

    q->batch = b;
    while (*at != NULL)
        at = &(*at)->next;
    *at = q;
    if (sim_chance(st->sim, st->sim->o.store_full))
        st->full = true;
    if (st->queue == q)
        sim_at(st->sim, st->sim->o.commit_ms, false, committed, st);
}

/* ---- reads ---- */

struct read {
    struct sim_store *st;
    int64_t num, last;
    store_load_cb *load;
    store_key_cb *key;
    store_json_cb *json;
    void *arg;
    char *text;
    json_t *args;
};

static void do_load(void *arg)
{
    struct read *r = arg;
    struct stored_chunk *list = NULL;
    size_t n = 0;

    for (int64_t pos = r->last; pos != 0;) {
        struct chunk *c;

        HASH_FIND(hh, r->st->chunks, &pos, sizeof pos, c);
        if (c == NULL || c->row.num != r->num) {
            sim_fail(r->st->sim, "chunk %lld of instance %lld is not there", (long long)pos,
                     (long long)r->num);
            break;
        }
        list = mem_array(list, n + 1, sizeof *list);
        list[n].pos = pos;
        list[n].len = c->row.len;
        list[n].data = mem_strndup("", 0);
        list[n].data = mem_array(list[n].data, c->row.len + 1, 1);
        memcpy(list[n].data, c->row.data, c->row.len);
        n++;
        pos = c->row.prev;
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct stored_chunk swap = list[i];

        list[i] = list[n - 1 - i];
        list[n - 1 - i] = swap;
    }
    r->load(r->arg, NULL, list, n);
    free(r);
}

static void load(void *self, int64_t num, int64_t last, store_load_cb *cb, void *arg)
{
    struct sim_store *st = self;
    struct read *r = mem_zalloc(sizeof *r);

    *r = (struct read){.st = st, .num = num, .last = last, .load = cb, .arg = arg};
    sim_at(st->sim, 1, false, do_load, r);
}

static void do_key(void *arg)
{
    struct read *r = arg;
    struct key *k;
    struct row *row = NULL;

    HASH_FIND_STR(r->st->keys, r->text, k);
    if (k != NULL)
        HASH_FIND(hh, r->st->rows, &k->num, sizeof k->num, row);
    r->key(r->arg, NULL, k != NULL ? k->num : 0, row != NULL ? row->row.tag : 0,
           k != NULL ? k->hash : 0);
    free(r->text);
    free(r);
}

static void find_key(void *self, const char *scope, const char *key, store_key_cb *cb, void *arg)
{
    struct sim_store *st = self;
    struct read *r = mem_zalloc(sizeof *r);

    *r = (struct read){.st = st, .key = cb, .arg = arg};
    r->text = mem_printf("%s\n%s", scope, key);
    sim_at(st->sim, 1, false, do_key, r);
}

/* "output" alone is answered in earnest; the simulator asks nothing else. */
static void do_output(void *arg)
{
    struct read *r = arg;
    struct row *row = NULL;
    struct chunk *c = NULL;
    struct err err = {ERR_NOT_FOUND, "not found"};
    json_t *result = NULL;
    uint64_t tag;

    instance_id_parse(json_string_value(json_object_get(r->args, "id")), &r->num, &tag);
    HASH_FIND(hh, r->st->rows, &r->num, sizeof r->num, row);
    if (row != NULL && row->row.output != 0)
        HASH_FIND(hh, r->st->chunks, &row->row.output, sizeof row->row.output, c);
    if (c != NULL) {
        struct entry e;

        for (size_t at = 0; at < c->row.len;) {
            if (entry_decode(c->row.data, c->row.len, &at, &e, NULL) != ERR_OK)
                break;
            if (e.kind == ENTRY_OUTPUT)
                result = json_pack("{s:o*, s:o*, s:s}", "output",
                                   (e.flags & ENTRY_HAS_DATA) != 0
                                       ? json_loadb(e.data, e.data_len, JSON_DECODE_ANY, NULL)
                                       : NULL,
                                   "error",
                                   (e.flags & ENTRY_HAS_MORE) != 0
                                       ? json_loadb(e.more, e.more_len, JSON_DECODE_ANY, NULL)
                                       : NULL,
                                   "status", status_name(row->row.status));
        }
    }
    r->json(r->arg, result != NULL ? NULL : &err, result);
    json_decref(result);
    json_decref(r->args);
    free(r);
}

static void do_nothing(void *arg)
{
    struct read *r = arg;
    json_t *result = json_object();

    r->json(r->arg, NULL, result);
    json_decref(result);
    json_decref(r->args);
    free(r);
}

static void query(void *self, const char *what, json_t *args, store_json_cb *cb, void *arg)
{
    struct sim_store *st = self;
    struct read *r = mem_zalloc(sizeof *r);

    *r = (struct read){.st = st, .json = cb, .arg = arg, .args = json_incref(args)};
    sim_at(st->sim, 1, false, strcmp(what, "output") == 0 ? do_output : do_nothing, r);
}

/* ---- life ---- */

struct sim_store *sim_store_new(struct sim *s)
{
    struct sim_store *st = mem_zalloc(sizeof *st);

    st->sim = s;
    return st;
}

void sim_store_port(struct sim_store *st, struct store_port *port)
{
    *port = (struct store_port){
        .self = st, .commit = commit, .load = load, .find_key = find_key, .query = query};
}

void sim_store_crash(struct sim_store *st)
{
    bool durable = true;

    while (st->queue != NULL) {
        struct queued *q = dequeue(st);

        durable = durable && !st->full && sim_chance(st->sim, 0.5);
        if (durable)
            apply(st, q->batch);
        batch_free(q->batch);
        free(q);
    }
    st->full = false;
    st->last_batch = 0;
}

static int by_num(const void *a, const void *b)
{
    const struct instance_row *x = a, *y = b;

    return x->num < y->num ? -1 : x->num > y->num;
}

static char *dup(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

void sim_store_boot(struct sim_store *st, struct store_boot *boot)
{
    int64_t max_pos = 0, max_inbox = 0, max_flow = 0;

    memset(boot, 0, sizeof *boot);
    boot->rows = mem_array(NULL, HASH_COUNT(st->rows), sizeof *boot->rows);
    for (struct row *r = st->rows; r != NULL; r = r->hh.next) {
        if (status_is_final(r->row.status))
            continue;
        struct instance_row *to = &boot->rows[boot->row_count++];
        *to = r->row;
        to->caller_id = dup(r->row.caller_id);
        to->step = dup(r->row.step);
        to->why = dup(r->row.why);
    }
    qsort(boot->rows, boot->row_count, sizeof *boot->rows, by_num);
    boot->inbox = mem_array(NULL, st->inbox_count, sizeof *boot->inbox);
    for (size_t i = 0; i < st->inbox_count; i++) {
        boot->inbox[i] = st->inbox[i];
        boot->inbox[i].kind = mem_strdup(st->inbox[i].kind);
        boot->inbox[i].data = mem_strdup(st->inbox[i].data);
        if (st->inbox[i].id > max_inbox)
            max_inbox = st->inbox[i].id;
    }
    boot->inbox_count = st->inbox_count;
    boot->flows = mem_array(NULL, st->flow_count, sizeof *boot->flows);
    for (size_t i = 0; i < st->flow_count; i++) {
        const struct flow_row *f = &st->flows[i];

        boot->flows[i] = (struct flow_row){.id = f->id,
                                           .digest = dup(f->digest),
                                           .ns = dup(f->ns),
                                           .name = dup(f->name),
                                           .version = dup(f->version),
                                           .source = dup(f->source),
                                           .source_len = f->source_len};
        if (f->id > max_flow)
            max_flow = f->id;
    }
    boot->flow_count = st->flow_count;
    for (struct chunk *c = st->chunks; c != NULL; c = c->hh.next) {
        if (c->row.pos > max_pos)
            max_pos = c->row.pos;
    }
    boot->next_pos = max_pos + 1;
    boot->next_inbox = max_inbox + 1;
    boot->next_flow = max_flow + 1;
    boot->last_num = st->last_num;
}

size_t sim_store_active(const struct sim_store *st)
{
    size_t n = 0;

    for (const struct row *r = st->rows; r != NULL; r = r->hh.next)
        n += !status_is_final(r->row.status);
    return n;
}

void sim_store_check(struct sim_store *st)
{
    if (st->inbox_count > 0)
        sim_fail(st->sim, "%zu inbox rows are left, first %s for %lld", st->inbox_count,
                 st->inbox[0].kind, (long long)st->inbox[0].num);
}

static void marks_free(struct result_mark **set)
{
    struct result_mark *m, *next;

    HASH_ITER(hh, *set, m, next)
    {
        HASH_DEL(*set, m);
        free(m);
    }
}

void sim_store_free(struct sim_store *st)
{
    struct row *r, *r_next;
    struct chunk *c, *c_next;
    struct key *k, *k_next;

    while (st->queue != NULL) {
        struct queued *q = dequeue(st);

        batch_free(q->batch);
        free(q);
    }
    HASH_ITER(hh, st->rows, r, r_next)
    {
        HASH_DEL(st->rows, r);
        free(r->row.caller_id);
        free(r->row.step);
        free(r->row.why);
        free(r);
    }
    HASH_ITER(hh, st->chunks, c, c_next)
    {
        HASH_DEL(st->chunks, c);
        free(c->row.data);
        free(c);
    }
    HASH_ITER(hh, st->keys, k, k_next)
    {
        HASH_DEL(st->keys, k);
        free(k->id);
        free(k);
    }
    for (size_t i = 0; i < st->inbox_count; i++) {
        free(st->inbox[i].kind);
        free(st->inbox[i].data);
    }
    for (size_t i = 0; i < st->flow_count; i++) {
        free(st->flows[i].digest);
        free(st->flows[i].ns);
        free(st->flows[i].name);
        free(st->flows[i].version);
        free(st->flows[i].source);
    }
    marks_free(&st->results);
    free(st->inbox);
    free(st->flows);
    free(st);
}
