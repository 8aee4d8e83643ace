/* Reads: jobs on the uv thread pool, each with a read-only connection of its own for as long as it
 * takes. A read sees everything committed before it was asked for, since it begins after. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/store/sqlite_internal.h"

#define QUESTION_NS UINT64_C(2000000000) /* a question that takes longer is given up */

enum job_kind { JOB_LOAD, JOB_KEY, JOB_QUERY };

struct job {
    uv_work_t work;
    struct store_sqlite *store;
    enum job_kind kind;
    int64_t num, last;
    char *scope, *key;
    query_fn *fn;
    json_t *args; /* a copy that the pool thread alone uses meanwhile */
    store_load_cb *load_cb;
    store_key_cb *key_cb;
    store_json_cb *json_cb;
    void *arg;
    /* the answer */
    struct err err;
    struct stored_chunk *chunks;
    size_t count;
    int64_t found;
    uint64_t tag, hash;
    json_t *result;
};

static int give_up(void *arg)
{
    struct reader *r = arg;

    return atomic_load(&r->store->closing) || (r->deadline != 0 && uv_hrtime() > r->deadline);
}

/* instance_id(num, tag): the public id, for questions that look for a part of one. */
static void sql_instance_id(sqlite3_context *context, int count, sqlite3_value **values)
{
    char id[INSTANCE_ID_SIZE];

    (void)count;
    instance_id_format(sqlite3_value_int64(values[0]), (uint64_t)sqlite3_value_int64(values[1]),
                       id);
    sqlite3_result_text(context, id, INSTANCE_ID_SIZE - 1, SQLITE_TRANSIENT);
}

/* Never the connection that checkpoints: only the store thread's may. */
static enum errcode open_reader(struct reader *r, struct err *err)
{
    int rc =
        sqlite3_open_v2(r->store->path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(r->db,
                          "PRAGMA query_only=1;PRAGMA mmap_size=0;PRAGMA cache_size=-4000;"
                          "PRAGMA wal_autocheckpoint=0;",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(r->db, "instance_id", 2,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                     sql_instance_id, NULL, NULL);
    sqlite3_db_config(r->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_busy_timeout(r->db, 2000);
    sqlite3_progress_handler(r->db, 4000, give_up, r);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(r->db, "SELECT num,prev,data FROM journal WHERE pos=?", -1,
                                SQLITE_PREPARE_PERSISTENT, &r->chunk, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v3(r->db,
                                "SELECT k.num,k.hash,i.tag FROM keys k JOIN instances i ON "
                                "i.num=k.num WHERE k.scope=? AND k.key=?",
                                -1, SQLITE_PREPARE_PERSISTENT, &r->key, NULL);
    if (rc == SQLITE_OK)
        return ERR_OK;
    sqlite_error(r->db, rc, "the store cannot be read", err);
    sqlite3_finalize(r->chunk);
    sqlite3_finalize(r->key);
    sqlite3_close(r->db);
    r->db = NULL;
    r->chunk = r->key = NULL;
    return err->code;
}

/* NULL once the store is being closed: a job that comes too late must not open the file again. */
static struct reader *take_reader(struct store_sqlite *s)
{
    struct reader *found = NULL;

    pthread_mutex_lock(&s->mutex);
    while (found == NULL && !s->stop) {
        for (int i = 0; i < READERS_MAX && found == NULL; i++) {
            if (!s->readers[i].used)
                found = &s->readers[i];
        }
        if (found == NULL)
            pthread_cond_wait(&s->reader, &s->mutex);
    }
    if (found != NULL) {
        found->used = true;
        found->store = s;
    }
    pthread_mutex_unlock(&s->mutex);
    return found;
}

static void give_back(struct reader *r)
{
    struct store_sqlite *s = r->store;

    pthread_mutex_lock(&s->mutex);
    r->used = false;
    pthread_cond_broadcast(&s->reader); /* jobs that want one, and the close */
    pthread_mutex_unlock(&s->mutex);
}

void sqlite_chunks_free(struct stored_chunk *chunks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(chunks[i].data);
    free(chunks);
}

enum errcode sqlite_read_chunk(struct reader *r, int64_t num, int64_t pos, struct stored_chunk *c,
                               int64_t *prev, struct err *err)
{
    enum errcode code = ERR_OK;

    sqlite3_bind_int64(r->chunk, 1, pos);
    int rc = sqlite3_step(r->chunk);
    if (rc != SQLITE_ROW || sqlite3_column_int64(r->chunk, 0) != num) {
        code =
            rc == SQLITE_ROW || rc == SQLITE_DONE
                ? err_set(err, ERR_STORE_DAMAGED, "journal chunk %lld of instance %lld is missing",
                          (long long)pos, (long long)num)
                : sqlite_error(r->db, rc, "the journal cannot be read", err);
    } else {
        *prev = sqlite3_column_int64(r->chunk, 1);
        c->pos = pos;
        c->len = (size_t)sqlite3_column_bytes(r->chunk, 2);
        c->data = mem_array(NULL, c->len + 1, 1);
        if (c->len > 0)
            memcpy(c->data, sqlite3_column_blob(r->chunk, 2), c->len);
    }
    sqlite3_reset(r->chunk);
    return code;
}

enum errcode sqlite_read_chunks(struct reader *r, int64_t num, int64_t last,
                                struct stored_chunk **chunks, size_t *count, struct err *err)
{
    struct stored_chunk *list = NULL;
    size_t n = 0, cap = 0;

    *chunks = NULL;
    *count = 0;
    for (int64_t pos = last; pos != 0;) {
        int64_t prev = 0;

        list = mem_grow(list, n, &cap, sizeof *list);
        if (sqlite_read_chunk(r, num, pos, &list[n], &prev, err) != ERR_OK) {
            sqlite_chunks_free(list, n);
            return err->code;
        }
        n++;
        pos = prev < pos ? prev : 0; /* a chain that goes forward is none */
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct stored_chunk swap = list[i];

        list[i] = list[n - 1 - i];
        list[n - 1 - i] = swap;
    }
    *chunks = list;
    *count = n;
    return ERR_OK;
}

static void find_key(struct reader *r, struct job *job)
{
    sqlite3_bind_text(r->key, 1, job->scope, -1, SQLITE_STATIC);
    sqlite3_bind_text(r->key, 2, job->key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(r->key);
    if (rc == SQLITE_ROW) {
        job->found = sqlite3_column_int64(r->key, 0);
        job->hash = (uint64_t)sqlite3_column_int64(r->key, 1);
        job->tag = (uint64_t)sqlite3_column_int64(r->key, 2);
    } else if (rc != SQLITE_DONE) {
        sqlite_error(r->db, rc, "a key cannot be looked up", &job->err);
    }
    sqlite3_reset(r->key);
}

/* Pool thread. */
static void work(uv_work_t *req)
{
    struct job *job = req->data;
    struct reader *r = take_reader(job->store);

    if (r == NULL)
        return; /* `finished` calls nobody back either */
    if (r->db == NULL && open_reader(r, &job->err) != ERR_OK) {
        give_back(r);
        return;
    }
    r->deadline = job->kind == JOB_QUERY ? uv_hrtime() + QUESTION_NS : 0;
    /* One snapshot for all that the job reads: a purge cannot come between a row and its journal.
     */
    sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL);
    if (job->kind == JOB_LOAD)
        sqlite_read_chunks(r, job->num, job->last, &job->chunks, &job->count, &job->err);
    else if (job->kind == JOB_KEY)
        find_key(r, job);
    else
        job->fn(r, job->args, &job->result, &job->err);
    sqlite3_exec(r->db, "COMMIT", NULL, NULL, NULL);
    give_back(r);
}

static void finished(uv_work_t *req, int status)
{
    struct job *job = req->data;
    const struct err *err = job->err.code != ERR_OK ? &job->err : NULL;

    (void)status;
    if (job->store->closed)
        sqlite_chunks_free(job->chunks, job->count);
    else if (job->kind == JOB_LOAD)
        job->load_cb(job->arg, err, job->chunks, job->count);
    else if (job->kind == JOB_KEY)
        job->key_cb(job->arg, err, job->found, job->tag, job->hash);
    else
        job->json_cb(job->arg, err, job->result);
    json_decref(job->result);
    json_decref(job->args);
    free(job->scope);
    free(job->key);
    sqlite_unref(job->store);
    free(job);
}

static struct job *job_new(struct store_sqlite *s, enum job_kind kind, void *arg)
{
    struct job *job = mem_zalloc(sizeof *job);

    job->work.data = job;
    job->store = s;
    job->kind = kind;
    job->arg = arg;
    s->refs++;
    return job;
}

static void submit(struct job *job)
{
    uv_queue_work(job->store->loop, &job->work, work, finished);
}

void sqlite_load(void *store, int64_t num, int64_t last, store_load_cb *cb, void *arg)
{
    struct job *job = job_new(store, JOB_LOAD, arg);

    job->num = num;
    job->last = last;
    job->load_cb = cb;
    submit(job);
}

void sqlite_find_key(void *store, const char *scope, const char *key, store_key_cb *cb, void *arg)
{
    struct job *job = job_new(store, JOB_KEY, arg);

    job->scope = mem_strdup(scope);
    job->key = mem_strdup(key);
    job->key_cb = cb;
    submit(job);
}

static enum errcode unknown(struct reader *r, const json_t *args, json_t **out, struct err *err)
{
    (void)r, (void)args, (void)out;
    return err_set(err, ERR_INVALID, "the store has no such question");
}

void sqlite_query(void *store, const char *what, json_t *args, store_json_cb *cb, void *arg)
{
    struct job *job = job_new(store, JOB_QUERY, arg);

    job->fn = sqlite_query_find(what);
    if (job->fn == NULL)
        job->fn = unknown;
    job->args = json_deep_copy(args);
    job->json_cb = cb;
    submit(job);
}

void sqlite_readers_close(struct store_sqlite *s)
{
    pthread_mutex_lock(&s->mutex);
    for (int i = 0; i < READERS_MAX; i++) {
        while (s->readers[i].used)
            pthread_cond_wait(&s->reader, &s->mutex);
        sqlite3_finalize(s->readers[i].chunk);
        sqlite3_finalize(s->readers[i].key);
        sqlite3_close(s->readers[i].db);
        s->readers[i].db = NULL;
        s->readers[i].chunk = s->readers[i].key = NULL;
    }
    pthread_mutex_unlock(&s->mutex);
}
