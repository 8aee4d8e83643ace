/* The store thread. Whatever was queued while one commit was on its way to the disk goes into the
 * next one, so that throughput grows with load and latency stays one fsync.
 *
 * Three ways a transaction ends. Committed: every batch in it is reported. Disk full: a definite
 * no; it is rolled back, the first batch is reported as not fitting, and then tried again alone for
 * as long as it takes, so that a little room is enough to go on. Anything else: nobody knows what
 * is on the disk (an I/O error at COMMIT may leave the rows there), so the process ends here and
 * reads at its next start what is true. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/store/sqlite_internal.h"

enum {
    RETRY_MS = 250,     /* after disk full */
    IDLE_MS = 50,       /* without work, before an idle checkpoint */
    IDLE_FRAMES = 64,   /* pages in the log that make one worth it */
    BUSY_FRAMES = 8192, /* pages in the log (32 MiB) that make one due under load */
    BUSY_STEP_FRAMES =
        2048, /* more since the last one, which readers may have kept from finishing */
};

/* A failed commit is unknown, never no. */
static void die(struct store_sqlite *s, const char *what, int rc) __attribute__((noreturn));
static void die(struct store_sqlite *s, const char *what, int rc)
{
    log_error("store",
              "%s failed (%s, %d: %s); whether it is on disk is unknown, so the process "
              "ends and reads it back at its next start",
              what, sqlite3_errstr(rc), sqlite3_extended_errcode(s->db), sqlite3_errmsg(s->db));
    abort();
}

/* The engine wrote something else under a key that the store holds already. */
static void broken(const char *what, int64_t key) __attribute__((noreturn));
static void broken(const char *what, int64_t key)
{
    log_error("store", "invariant broken: %s %lld was written twice with different content", what,
              (long long)key);
    abort();
}

/* ---- statements ---- */

static const char *const statements[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_INSTANCE_NEW] =
        "INSERT INTO instances(" INSTANCE_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,"
        "?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22) ON CONFLICT DO NOTHING",
    [STMT_INSTANCE_OLD] =
        "SELECT status,flow,last,tag,seed,created,parent FROM instances WHERE num=?1",
    [STMT_INSTANCE_ALL] =
        "UPDATE instances SET tag=?2,seed=?3,flow=?4,status=?5,reason=?6,parent=?7,parent_cmd=?8,"
        "depth=?9,created=?10,started=?11,ended=?12,wake_at=?13,last=?14,output=?15,entries=?16,"
        "bytes=?17,attempts=?18,crashes=?19,caller_id=?20,step=?21,why=?22 WHERE num=?1",
    [STMT_INSTANCE_SAME] =
        "UPDATE instances SET tag=?2,seed=?3,flow=?4,reason=?6,parent=?7,parent_cmd=?8,"
        "depth=?9,created=?10,started=?11,ended=?12,wake_at=?13,last=?14,output=?15,entries=?16,"
        "bytes=?17,attempts=?18,crashes=?19,caller_id=?20,step=?21,why=?22 WHERE num=?1",
    [STMT_INSTANCE_DELETE] = "DELETE FROM instances WHERE num=?1",
    [STMT_CHUNK_NEW] =
        "INSERT INTO journal(pos,num,prev,data) VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING",
    [STMT_CHUNK_GET] = "SELECT num,prev,data FROM journal WHERE pos=?1",
    [STMT_CHUNK_DELETE] = "DELETE FROM journal WHERE pos=?1",
    [STMT_KEY_NEW] =
        "INSERT INTO keys(scope,key,num,hash) VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING",
    [STMT_KEY_GET] = "SELECT num,hash FROM keys WHERE scope=?1 AND key=?2",
    [STMT_KEY_DELETE] = "DELETE FROM keys WHERE num=?1",
    [STMT_INBOX_NEW] =
        "INSERT INTO inbox(id,num,kind,data) VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING",
    [STMT_INBOX_GET] = "SELECT num,kind,data FROM inbox WHERE id=?1",
    [STMT_INBOX_DELETE] = "DELETE FROM inbox WHERE id=?1",
    [STMT_FLOW_NEW] = "INSERT INTO flows(id,digest,ns,name,version,source,loaded_at)"
                      " VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO NOTHING",
    [STMT_FLOW_GET] = "SELECT digest FROM flows WHERE id=?1",
    [STMT_TOTAL_ADD] = "INSERT INTO totals(flow,status,n) VALUES(?1,?2,?3)"
                       " ON CONFLICT(flow,status) DO UPDATE SET n=n+excluded.n",
};

static int on_wal(void *store, sqlite3 *db, const char *name, int frames)
{
    struct store_sqlite *s = store;

    (void)db;
    (void)name;
    if (frames < s->wal_frames)
        s->wal_checked = 0; /* the log began anew */
    s->wal_frames = frames;
    return SQLITE_OK;
}

int sqlite_commit_prepare(struct store_sqlite *s)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &s->stmt[i], NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    sqlite3_wal_hook(s->db, on_wal, s);
    return SQLITE_OK;
}

void sqlite_commit_finalize(struct store_sqlite *s)
{
    for (int i = 0; i < STMT_COUNT; i++) {
        sqlite3_finalize(s->stmt[i]);
        s->stmt[i] = NULL;
    }
    free(s->totals);
    s->totals = NULL;
}

/* Runs a statement that answers no rows. */
static int run(struct store_sqlite *s, enum stmt_id id)
{
    int rc = sqlite3_step(s->stmt[id]);

    sqlite3_reset(s->stmt[id]);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_key(struct store_sqlite *s, enum stmt_id id, int64_t key)
{
    sqlite3_bind_int64(s->stmt[id], 1, key);
    return run(s, id);
}

/* Bound values are borrowed: a batch outlives its transaction. */
static void bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *stmt, int at, const char *data, size_t len)
{
    sqlite3_bind_blob64(stmt, at, len > 0 ? data : "", len, SQLITE_STATIC);
}

static bool column_equals(sqlite3_stmt *stmt, int column, const char *data, size_t len)
{
    const void *found = sqlite3_column_blob(stmt, column);

    return (size_t)sqlite3_column_bytes(stmt, column) == len &&
           (len == 0 || memcmp(found, data, len) == 0);
}

/* ---- writing one batch; every function answers an SQLite result code ---- */

static void total_add(struct store_sqlite *s, int64_t flow, unsigned status, int64_t n)
{
    for (size_t i = s->total_count; i-- > 0;) {
        if (s->totals[i].flow == flow && s->totals[i].status == status) {
            s->totals[i].n += n;
            return;
        }
    }
    s->totals = mem_grow(s->totals, s->total_count, &s->total_cap, sizeof *s->totals);
    s->totals[s->total_count++] = (struct total_delta){.flow = flow, .status = status, .n = n};
}

static int write_totals(struct store_sqlite *s)
{
    sqlite3_stmt *stmt = s->stmt[STMT_TOTAL_ADD];
    int rc = SQLITE_OK;

    for (size_t i = 0; i < s->total_count && rc == SQLITE_OK; i++) {
        if (s->totals[i].n == 0)
            continue;
        sqlite3_bind_int64(stmt, 1, s->totals[i].flow);
        sqlite3_bind_int(stmt, 2, (int)s->totals[i].status);
        sqlite3_bind_int64(stmt, 3, s->totals[i].n);
        rc = run(s, STMT_TOTAL_ADD);
    }
    return rc;
}

static int write_flow(struct store_sqlite *s, const struct flow_row *f)
{
    sqlite3_stmt *stmt = s->stmt[STMT_FLOW_NEW], *get = s->stmt[STMT_FLOW_GET];

    sqlite3_bind_int64(stmt, 1, f->id);
    bind_text(stmt, 2, f->digest);
    bind_text(stmt, 3, f->ns);
    bind_text(stmt, 4, f->name);
    bind_text(stmt, 5, f->version);
    bind_blob(stmt, 6, f->source, f->source_len);
    sqlite3_bind_int64(stmt, 7, f->loaded_at);
    int rc = run(s, STMT_FLOW_NEW);
    if (rc != SQLITE_OK || sqlite3_changes(s->db) > 0)
        return rc;
    sqlite3_bind_int64(get, 1, f->id);
    if (sqlite3_step(get) == SQLITE_ROW && !column_equals(get, 0, f->digest, strlen(f->digest)))
        broken("flow", f->id);
    return sqlite3_reset(get);
}

static void bind_instance(sqlite3_stmt *stmt, const struct instance_row *r)
{
    const int64_t numbers[] = {
        r->num,     (int64_t)r->tag,   (int64_t)r->seed, r->flow,   r->status,
        r->reason,  r->parent,         r->parent_cmd,    r->depth,  r->created,
        r->started, r->ended,          r->wake_at,       r->last,   r->output,
        r->entries, (int64_t)r->bytes, r->attempts,      r->crashes};
    enum { NUMBERS = sizeof numbers / sizeof *numbers };

    for (int i = 0; i < NUMBERS; i++)
        sqlite3_bind_int64(stmt, i + 1, numbers[i]);
    bind_text(stmt, NUMBERS + 1, r->caller_id);
    bind_text(stmt, NUMBERS + 2, r->step);
    bind_text(stmt, NUMBERS + 3, r->why);
}

static int update_instance(struct store_sqlite *s, const struct instance_row *r)
{
    sqlite3_stmt *old = s->stmt[STMT_INSTANCE_OLD];

    sqlite3_bind_int64(old, 1, r->num);
    int rc = sqlite3_step(old);
    unsigned status = (unsigned)sqlite3_column_int(old, 0);
    int64_t flow = sqlite3_column_int64(old, 1);
    sqlite3_reset(old);
    if (rc == SQLITE_DONE) {
        log_error("store", "invariant broken: instance %lld is updated and does not exist",
                  (long long)r->num);
        abort();
    }
    if (rc != SQLITE_ROW)
        return rc;
    if (status == r->status && flow == r->flow) {
        bind_instance(s->stmt[STMT_INSTANCE_SAME], r);
        return run(s, STMT_INSTANCE_SAME);
    }
    total_add(s, flow, status, -1);
    total_add(s, r->flow, r->status, 1);
    bind_instance(s->stmt[STMT_INSTANCE_ALL], r);
    return run(s, STMT_INSTANCE_ALL);
}

static int write_instance(struct store_sqlite *s, const struct instance_row *r)
{
    sqlite3_stmt *old = s->stmt[STMT_INSTANCE_OLD];

    if (!r->is_new)
        return update_instance(s, r);
    bind_instance(s->stmt[STMT_INSTANCE_NEW], r);
    int rc = run(s, STMT_INSTANCE_NEW);
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_changes(s->db) > 0) {
        total_add(s, r->flow, r->status, 1);
        return SQLITE_OK;
    }
    /* Here already: it may have gone on since, but what it is must be the same. */
    sqlite3_bind_int64(old, 1, r->num);
    if (sqlite3_step(old) == SQLITE_ROW &&
        (sqlite3_column_int64(old, 1) != r->flow ||
         sqlite3_column_int64(old, 3) != (int64_t)r->tag ||
         sqlite3_column_int64(old, 4) != (int64_t)r->seed ||
         sqlite3_column_int64(old, 5) != r->created || sqlite3_column_int64(old, 6) != r->parent))
        broken("instance", r->num);
    return sqlite3_reset(old);
}

static int write_chunk(struct store_sqlite *s, const struct chunk_row *c)
{
    sqlite3_stmt *stmt = s->stmt[STMT_CHUNK_NEW], *get = s->stmt[STMT_CHUNK_GET];

    sqlite3_bind_int64(stmt, 1, c->pos);
    sqlite3_bind_int64(stmt, 2, c->num);
    sqlite3_bind_int64(stmt, 3, c->prev);
    bind_blob(stmt, 4, c->data, c->len);
    int rc = run(s, STMT_CHUNK_NEW);
    if (rc != SQLITE_OK || sqlite3_changes(s->db) > 0)
        return rc;
    sqlite3_bind_int64(get, 1, c->pos);
    if (sqlite3_step(get) == SQLITE_ROW &&
        (sqlite3_column_int64(get, 0) != c->num || sqlite3_column_int64(get, 1) != c->prev ||
         !column_equals(get, 2, c->data, c->len)))
        broken("journal position", c->pos);
    return sqlite3_reset(get);
}

static int write_key(struct store_sqlite *s, const struct key_row *k)
{
    sqlite3_stmt *stmt = s->stmt[STMT_KEY_NEW], *get = s->stmt[STMT_KEY_GET];

    bind_text(stmt, 1, k->scope);
    bind_text(stmt, 2, k->key);
    sqlite3_bind_int64(stmt, 3, k->num);
    sqlite3_bind_int64(stmt, 4, (int64_t)k->input_hash);
    int rc = run(s, STMT_KEY_NEW);
    if (rc != SQLITE_OK || sqlite3_changes(s->db) > 0)
        return rc;
    bind_text(get, 1, k->scope);
    bind_text(get, 2, k->key);
    if (sqlite3_step(get) == SQLITE_ROW && (sqlite3_column_int64(get, 0) != k->num ||
                                            sqlite3_column_int64(get, 1) != (int64_t)k->input_hash))
        broken("the key of instance", k->num);
    return sqlite3_reset(get);
}

static int write_inbox(struct store_sqlite *s, const struct inbox_row *r)
{
    sqlite3_stmt *stmt = s->stmt[STMT_INBOX_NEW], *get = s->stmt[STMT_INBOX_GET];

    sqlite3_bind_int64(stmt, 1, r->id);
    sqlite3_bind_int64(stmt, 2, r->num);
    bind_text(stmt, 3, r->kind);
    bind_text(stmt, 4, r->data);
    int rc = run(s, STMT_INBOX_NEW);
    if (rc != SQLITE_OK || sqlite3_changes(s->db) > 0)
        return rc;
    sqlite3_bind_int64(get, 1, r->id);
    if (sqlite3_step(get) == SQLITE_ROW && (sqlite3_column_int64(get, 0) != r->num ||
                                            !column_equals(get, 1, r->kind, strlen(r->kind)) ||
                                            !column_equals(get, 2, r->data, strlen(r->data))))
        broken("inbox row", r->id);
    return sqlite3_reset(get);
}

/* Deletes the chunks from the newest back. Positions fall along a chain and each names its
 * instance; where one does not, the rest belongs to somebody else and stays. */
static int purge_journal(struct store_sqlite *s, int64_t num, int64_t pos)
{
    sqlite3_stmt *get = s->stmt[STMT_CHUNK_GET];
    int rc = SQLITE_OK;

    while (pos > 0 && rc == SQLITE_OK) {
        sqlite3_bind_int64(get, 1, pos);
        rc = sqlite3_step(get);
        int64_t owner = sqlite3_column_int64(get, 0), prev = sqlite3_column_int64(get, 1);
        sqlite3_reset(get);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        if (owner != num)
            return SQLITE_OK;
        rc = run_key(s, STMT_CHUNK_DELETE, pos);
        pos = prev < pos ? prev : 0;
    }
    return rc;
}

static int purge_instance(struct store_sqlite *s, int64_t num)
{
    sqlite3_stmt *old = s->stmt[STMT_INSTANCE_OLD];

    sqlite3_bind_int64(old, 1, num);
    int rc = sqlite3_step(old);
    unsigned status = (unsigned)sqlite3_column_int(old, 0);
    int64_t flow = sqlite3_column_int64(old, 1), last = sqlite3_column_int64(old, 2);
    sqlite3_reset(old);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    total_add(s, flow, status, -1);
    rc = purge_journal(s, num, last);
    if (rc == SQLITE_OK)
        rc = run_key(s, STMT_KEY_DELETE, num);
    return rc == SQLITE_OK ? run_key(s, STMT_INSTANCE_DELETE, num) : rc;
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
        rc = run_key(s, STMT_INBOX_DELETE, b->inbox_done[i]);
    for (size_t i = 0; i < b->purge_count && rc == SQLITE_OK; i++)
        rc = purge_instance(s, b->purge[i]);
    return rc;
}

/* ---- one transaction ---- */

/* Before COMMIT an I/O error for want of room is as definite a no as SQLITE_FULL. */
static bool is_full(struct store_sqlite *s, int rc, bool committing)
{
    int sys = sqlite3_system_errno(s->db);

    return (rc & 0xff) == SQLITE_FULL ||
           ((rc & 0xff) == SQLITE_IOERR && !committing && (sys == ENOSPC || sys == EDQUOT));
}

/* SQLITE_OK or SQLITE_FULL. */
static int write_group(struct store_sqlite *s, struct batch **batches, size_t count)
{
    bool committing = false;
    int rc;

    /* Another program (a sqlite3 shell) may hold the database for a while; nothing was written yet.
     */
    while ((rc = run(s, STMT_BEGIN)) == SQLITE_BUSY)
        log_warn("store", "waiting for another program that has the database locked");
    s->total_count = 0;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = write_batch(s, batches[i]);
    if (rc == SQLITE_OK)
        rc = write_totals(s);
    if (rc == SQLITE_OK) {
        committing = true;
        rc = run(s, STMT_COMMIT);
    }
    if (rc == SQLITE_OK)
        return SQLITE_OK;
    if (!is_full(s, rc, committing))
        die(s, "a commit", rc);
    /* SQLite may have rolled back by itself. */
    if (!sqlite3_get_autocommit(s->db) && (rc = run(s, STMT_ROLLBACK)) != SQLITE_OK)
        die(s, "a rollback", rc);
    return SQLITE_FULL;
}

/* ---- reports ---- */

static void report(struct store_sqlite *s, uint64_t no, enum errcode code)
{
    s->done = mem_grow(s->done, s->done_count, &s->done_cap, sizeof *s->done);
    s->done[s->done_count++] = (struct done){.no = no, .code = code};
}

static void report_full(struct store_sqlite *s, uint64_t no)
{
    if (s->full_told == no)
        return;
    s->full_told = no;
    log_error("store", "the disk is full: batch %llu waits for room", (unsigned long long)no);
    pthread_mutex_lock(&s->mutex);
    s->full = true;
    report(s, no, ERR_STORE_FULL);
    pthread_mutex_unlock(&s->mutex);
    uv_async_send(s->async);
}

static void report_done(struct store_sqlite *s, struct batch **batches, size_t count, uint64_t ns)
{
    uint64_t rows = 0, us = ns / 1000;

    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < count; i++) {
        const struct batch *b = batches[i];

        report(s, b->no, ERR_OK);
        rows += b->row_count + b->chunk_count + b->key_count + b->inbox_count + b->done_count +
                b->flow_count + b->purge_count;
    }
    s->full = false;
    s->rows += rows;
    s->latency_us[s->commits++ % LATENCY_SAMPLES] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    pthread_mutex_unlock(&s->mutex);
    uv_async_send(s->async);
    for (size_t i = 0; i < count; i++)
        batch_free(batches[i]);
}

/* On the loop. A callback may commit, ask, or close the store. */
void sqlite_deliver(uv_async_t *async)
{
    struct store_sqlite *s = async->data;

    pthread_mutex_lock(&s->mutex);
    struct done *done = s->done;
    size_t count = s->done_count;
    s->done = NULL;
    s->done_count = s->done_cap = 0;
    pthread_mutex_unlock(&s->mutex);
    s->refs++;
    for (size_t i = 0; i < count && !s->closed; i++)
        s->committed(s->arg, done[i].no, done[i].code);
    free(done);
    sqlite_unref(s);
}

/* ---- the thread ---- */

/* Passive: it never waits for readers, and what it cannot copy stays in the log for the next. */
static void checkpoint(struct store_sqlite *s)
{
    int log = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &copied);

    s->wal_checked = s->wal_frames;
    if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
        die(s, "a checkpoint", rc);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_warn("store", "a checkpoint failed and is tried again: %s", sqlite3_errmsg(s->db));
}

static bool checkpoint_is_due(const struct store_sqlite *s)
{
    return s->wal_frames >= BUSY_FRAMES && s->wal_frames - s->wal_checked >= BUSY_STEP_FRAMES;
}

/* False when `ms` have passed. The mutex is held. */
static bool wait_work(struct store_sqlite *s, int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(&s->work, &s->mutex, &until) != ETIMEDOUT;
}

/* Takes everything that is queued; false when there is nothing any more and never will be. */
static bool take(struct store_sqlite *s, struct batch ***batches, size_t *count)
{
    pthread_mutex_lock(&s->mutex);
    while (s->queue_count == 0 && !s->stop) {
        if (s->wal_frames - s->wal_checked < IDLE_FRAMES) {
            pthread_cond_wait(&s->work, &s->mutex);
        } else if (!wait_work(s, IDLE_MS)) {
            pthread_mutex_unlock(&s->mutex);
            checkpoint(s);
            pthread_mutex_lock(&s->mutex);
        }
    }
    *batches = s->queue;
    *count = s->queue_count;
    s->queue = NULL;
    s->queue_count = s->queue_cap = 0;
    pthread_mutex_unlock(&s->mutex);
    return *count > 0;
}

/* Until it is time to try a full disk again; false when the store is being closed. */
static bool wait_for_room(struct store_sqlite *s)
{
    bool in_time = true;

    pthread_mutex_lock(&s->mutex);
    while (in_time && !s->stop)
        in_time = wait_work(s, RETRY_MS);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->mutex);
    return !stop;
}

static void commit_all(struct store_sqlite *s, struct batch **batches, size_t count)
{
    size_t at = 0;
    bool full = false, give_up = false;

    while (at < count && !give_up) {
        size_t n = full ? 1 : count - at;
        uint64_t before = uv_hrtime();

        if (write_group(s, batches + at, n) == SQLITE_OK) {
            report_done(s, batches + at, n, uv_hrtime() - before);
            at += n;
            full = false;
        } else {
            full = true;
            report_full(s, batches[at]->no);
            give_up = !wait_for_room(s);
        }
        if (checkpoint_is_due(s))
            checkpoint(s);
    }
    if (at < count)
        log_warn("store", "closed with %zu batches that did not fit and nobody was told of",
                 count - at);
    while (at < count)
        batch_free(batches[at++]);
}

void *sqlite_commit_thread(void *store)
{
    struct store_sqlite *s = store;
    struct batch **batches;
    size_t count;

    while (take(s, &batches, &count)) {
        commit_all(s, batches, count);
        free(batches);
    }
    free(batches);
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
