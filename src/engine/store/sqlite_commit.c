/* The store thread: everything that was queued while the last commit was on its way to the disk
 * goes into the next one. A commit that fails for want of room is a definite no and is tried again;
 * any other failure is unknown, and the process ends to read again what is there. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/store/sqlite_internal.h"

enum { FULL_RETRY_MS = 250, WAL_LARGE_FRAMES = 8000, WAL_IDLE_FRAMES = 500 };

static const char *const sql[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_INSTANCE_NEW] = "INSERT INTO instances(" INSTANCE_COLUMNS
                          ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STMT_INSTANCE_ALL] =
        "UPDATE instances SET tag=?2,seed=?3,flow=?4,status=?5,reason=?6,parent=?7,parent_cmd=?8,"
        "depth=?9,created=?10,started=?11,ended=?12,wake_at=?13,last=?14,output=?15,entries=?16,"
        "bytes=?17,attempts=?18,crashes=?19,caller_id=?20,step=?21,why=?22 WHERE num=?1",
    [STMT_INSTANCE_LAST] = "SELECT last FROM instances WHERE num=?",
    [STMT_INSTANCE_DELETE] = "DELETE FROM instances WHERE num=?",
    [STMT_CHUNK_NEW] = "INSERT INTO journal(pos,num,prev,data) VALUES(?,?,?,?)",
    [STMT_CHUNK_PREV] = "SELECT prev FROM journal WHERE pos=?",
    [STMT_CHUNK_DELETE] = "DELETE FROM journal WHERE pos=?",
    [STMT_KEY_NEW] = "INSERT INTO keys(scope,key,num,hash) VALUES(?,?,?,?)",
    [STMT_KEY_DELETE] = "DELETE FROM keys WHERE num=?",
    [STMT_INBOX_NEW] = "INSERT INTO inbox(id,num,kind,data) VALUES(?,?,?,?)",
    [STMT_INBOX_DELETE] = "DELETE FROM inbox WHERE id=?",
    [STMT_FLOW_NEW] = "INSERT INTO flows(id,digest,ns,name,version,source,loaded_at) "
                      "VALUES(?,?,?,?,?,?,?)",
};

int sqlite_commit_prepare(struct store_sqlite *s)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        int rc =
            sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);

        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

void sqlite_commit_finalize(struct store_sqlite *s)
{
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(s->stmt[i]);
}

/* Runs a statement that gives no rows (or whose first row is enough) and makes it ready again. */
static int run(struct store_sqlite *s, enum stmt_id id)
{
    sqlite3_step(s->stmt[id]);
    return sqlite3_reset(s->stmt[id]); /* gives the step's own error */
}

static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text != NULL)
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}

static int write_instance(struct store_sqlite *s, const struct instance_row *r)
{
    enum stmt_id id = r->is_new ? STMT_INSTANCE_NEW : STMT_INSTANCE_ALL;
    sqlite3_stmt *q = s->stmt[id];
    const int64_t numbers[] = {
        r->num,     (int64_t)r->tag,   (int64_t)r->seed, r->flow,   r->status,
        r->reason,  r->parent,         r->parent_cmd,    r->depth,  r->created,
        r->started, r->ended,          r->wake_at,       r->last,   r->output,
        r->entries, (int64_t)r->bytes, r->attempts,      r->crashes};
    const int count = sizeof numbers / sizeof *numbers;

    for (int i = 0; i < count; i++)
        sqlite3_bind_int64(q, i + 1, numbers[i]);
    bind_text(q, count + 1, r->caller_id);
    bind_text(q, count + 2, r->step);
    bind_text(q, count + 3, r->why);
    return run(s, id);
}

static int write_chunk(struct store_sqlite *s, const struct chunk_row *c)
{
    sqlite3_stmt *q = s->stmt[STMT_CHUNK_NEW];

    sqlite3_bind_int64(q, 1, c->pos);
    sqlite3_bind_int64(q, 2, c->num);
    sqlite3_bind_int64(q, 3, c->prev);
    sqlite3_bind_blob64(q, 4, c->data, c->len, SQLITE_STATIC);
    return run(s, STMT_CHUNK_NEW);
}

static int write_key(struct store_sqlite *s, const struct key_row *k)
{
    sqlite3_stmt *q = s->stmt[STMT_KEY_NEW];

    bind_text(q, 1, k->scope);
    bind_text(q, 2, k->key);
    sqlite3_bind_int64(q, 3, k->num);
    sqlite3_bind_int64(q, 4, (int64_t)k->input_hash);
    return run(s, STMT_KEY_NEW);
}

static int write_inbox(struct store_sqlite *s, const struct inbox_row *r)
{
    sqlite3_stmt *q = s->stmt[STMT_INBOX_NEW];

    sqlite3_bind_int64(q, 1, r->id);
    sqlite3_bind_int64(q, 2, r->num);
    bind_text(q, 3, r->kind);
    bind_text(q, 4, r->data);
    return run(s, STMT_INBOX_NEW);
}

static int write_flow(struct store_sqlite *s, const struct flow_row *f)
{
    sqlite3_stmt *q = s->stmt[STMT_FLOW_NEW];

    sqlite3_bind_int64(q, 1, f->id);
    bind_text(q, 2, f->digest);
    bind_text(q, 3, f->ns);
    bind_text(q, 4, f->name);
    bind_text(q, 5, f->version);
    sqlite3_bind_blob64(q, 6, f->source, f->source_len, SQLITE_STATIC);
    sqlite3_bind_int64(q, 7, f->loaded_at);
    return run(s, STMT_FLOW_NEW);
}

static int with_id(struct store_sqlite *s, enum stmt_id id, int64_t value)
{
    sqlite3_bind_int64(s->stmt[id], 1, value);
    return run(s, id);
}

/* The one number that a statement selects for `key`; 0 when there is none. */
static int64_t select_one(struct store_sqlite *s, enum stmt_id id, int64_t key)
{
    sqlite3_stmt *q = s->stmt[id];
    int64_t value = 0;

    sqlite3_bind_int64(q, 1, key);
    if (sqlite3_step(q) == SQLITE_ROW)
        value = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return value;
}

static int purge(struct store_sqlite *s, int64_t num)
{
    int64_t pos = select_one(s, STMT_INSTANCE_LAST, num);
    int rc = SQLITE_OK;

    while (pos != 0 && rc == SQLITE_OK) {
        int64_t prev = select_one(s, STMT_CHUNK_PREV, pos);

        rc = with_id(s, STMT_CHUNK_DELETE, pos);
        pos = prev;
    }
    if (rc == SQLITE_OK)
        rc = with_id(s, STMT_KEY_DELETE, num);
    return rc == SQLITE_OK ? with_id(s, STMT_INSTANCE_DELETE, num) : rc;
}

static int write_batch(struct store_sqlite *s, const struct batch *b)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < b->flow_count && rc == SQLITE_OK; i++)
        rc = write_flow(s, &b->flows[i]);
    for (size_t i = 0; i < b->row_count && rc == SQLITE_OK; i++)
        rc = write_instance(s, &b->rows[i]);
    for (size_t i = 0; i < b->chunk_count && rc == SQLITE_OK; i++)
        rc = write_chunk(s, &b->chunks[i]);
    for (size_t i = 0; i < b->key_count && rc == SQLITE_OK; i++)
        rc = write_key(s, &b->keys[i]);
    for (size_t i = 0; i < b->inbox_count && rc == SQLITE_OK; i++)
        rc = write_inbox(s, &b->inbox[i]);
    for (size_t i = 0; i < b->done_count && rc == SQLITE_OK; i++)
        rc = with_id(s, STMT_INBOX_DELETE, b->inbox_done[i]);
    for (size_t i = 0; i < b->purge_count && rc == SQLITE_OK; i++)
        rc = purge(s, b->purge[i]);
    return rc;
}

static int write_all(struct store_sqlite *s, struct batch **batches, size_t count)
{
    int rc = run(s, STMT_BEGIN);

    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = write_batch(s, batches[i]);
    return rc == SQLITE_OK ? run(s, STMT_COMMIT) : rc;
}

static void report(struct store_sqlite *s, uint64_t no, enum errcode code)
{
    pthread_mutex_lock(&s->mutex);
    s->done = mem_grow(s->done, s->done_count, &s->done_cap, sizeof *s->done);
    s->done[s->done_count++] = (struct done){.no = no, .code = code};
    s->full = code == ERR_STORE_FULL;
    pthread_mutex_unlock(&s->mutex);
    uv_async_send(s->async);
}

static void pause_for_room(struct store_sqlite *s)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += FULL_RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&s->mutex);
    pthread_cond_timedwait(&s->work, &s->mutex, &until);
    pthread_mutex_unlock(&s->mutex);
}

/* Until it is done. False only when the store is closed while the disk is full. */
static bool commit_group(struct store_sqlite *s, struct batch **batches, size_t count)
{
    bool told = false;

    for (;;) {
        int rc = write_all(s, batches, count);

        if (rc == SQLITE_OK)
            return true;
        if ((rc & 0xff) != SQLITE_FULL) {
            log_error("store",
                      "a commit failed and its outcome is not known (%s): the process ends, "
                      "start it again to go on",
                      sqlite3_errmsg(s->db));
            abort();
        }
        run(s, STMT_ROLLBACK);
        if (!told)
            report(s, batches[0]->no, ERR_STORE_FULL);
        told = true;
        pause_for_room(s);
        pthread_mutex_lock(&s->mutex);
        bool stop = s->stop;
        pthread_mutex_unlock(&s->mutex);
        if (stop)
            return false;
    }
}

static void checkpoint(struct store_sqlite *s, bool idle)
{
    int frames = 0, moved = 0;

    if (s->wal_frames < (idle ? WAL_IDLE_FRAMES : WAL_LARGE_FRAMES))
        return;
    if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &moved) ==
        SQLITE_OK)
        s->wal_frames = frames - moved;
}

static int count_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
    struct store_sqlite *s = arg;

    (void)db, (void)name;
    s->wal_frames = frames;
    return SQLITE_OK;
}

static void measure(struct store_sqlite *s, uint64_t began, struct batch **batches, size_t count)
{
    pthread_mutex_lock(&s->mutex);
    s->latency_us[s->commits++ % LATENCY_SAMPLES] = (uint32_t)((uv_hrtime() - began) / 1000);
    for (size_t i = 0; i < count; i++)
        s->rows += batches[i]->row_count + batches[i]->chunk_count;
    pthread_mutex_unlock(&s->mutex);
}

void *sqlite_commit_thread(void *store)
{
    struct store_sqlite *s = store;
    bool ok = true;

    sqlite3_wal_hook(s->db, count_frames, s);
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        if (s->queue_count == 0 && !s->stop) {
            pthread_mutex_unlock(&s->mutex);
            checkpoint(s, true);
            pthread_mutex_lock(&s->mutex);
        }
        while (s->queue_count == 0 && !s->stop)
            pthread_cond_wait(&s->work, &s->mutex);
        if (s->queue_count == 0 || !ok)
            break;
        struct batch **batches = s->queue;
        size_t count = s->queue_count;
        s->queue = NULL;
        s->queue_count = s->queue_cap = 0;
        pthread_mutex_unlock(&s->mutex);
        uint64_t began = uv_hrtime();
        ok = commit_group(s, batches, count);
        measure(s, began, batches, count);
        for (size_t i = 0; i < count; i++) {
            if (ok)
                report(s, batches[i]->no, ERR_OK);
            batch_free(batches[i]);
        }
        free(batches);
        checkpoint(s, false);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

void sqlite_commit(void *store, struct batch *batch)
{
    struct store_sqlite *s = store;

    pthread_mutex_lock(&s->mutex);
    s->queue = mem_grow(s->queue, s->queue_count, &s->queue_cap, sizeof *s->queue);
    s->queue[s->queue_count++] = batch;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
}

void sqlite_deliver(uv_async_t *async)
{
    struct store_sqlite *s = async->data;

    pthread_mutex_lock(&s->mutex);
    struct done *done = s->done;
    size_t count = s->done_count;
    s->done = NULL;
    s->done_count = s->done_cap = 0;
    pthread_mutex_unlock(&s->mutex);
    for (size_t i = 0; i < count && !s->closed; i++)
        s->committed(s->arg, done[i].no, done[i].code);
    free(done);
}
