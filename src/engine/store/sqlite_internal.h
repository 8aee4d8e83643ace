/* What the files of the SQLite store share.
 *
 *   sqlite_schema.c  the tables, as a list of forward migrations
 *   sqlite_open.c    data directory, lock, checks of the file, boot image, closing
 *   sqlite_commit.c  the store thread: group commit, disk full, checkpoints
 *   sqlite_read.c    the read-only connections and the jobs on the uv thread pool
 *   sqlite_query.c   questions from people
 *
 * Threads: the loop thread owns the struct; the store thread owns `db`, `stmt` and what stands
 * under "store thread"; what both touch stands under `mutex`. Readers are taken and given back
 * under `mutex` and belong to one pool thread meanwhile. */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <uv.h>

#include "engine/store/store.h"

enum { STORE_APPLICATION_ID = 0x554d4352 }; /* "UMCR" */
enum { LATENCY_SAMPLES = 1024, READERS_MAX = 4 };

/* The columns of an instance in the order in which they are bound and read. */
#define INSTANCE_COLUMNS                                                                           \
    "num,tag,seed,flow,status,reason,parent,parent_cmd,depth,created,started,ended,wake_at,last,"  \
    "output,entries,bytes,attempts,crashes,caller_id,step,why"
enum { INSTANCE_COLUMN_COUNT = 22 };

enum stmt_id {
    STMT_BEGIN,
    STMT_COMMIT,
    STMT_ROLLBACK,
    STMT_INSTANCE_NEW,
    STMT_INSTANCE_OLD,  /* what an update replaces, what a purge deletes */
    STMT_INSTANCE_ALL,  /* update of all columns */
    STMT_INSTANCE_SAME, /* all but the status, which would rewrite the index entry for nothing */
    STMT_INSTANCE_DELETE,
    STMT_CHUNK_NEW,
    STMT_CHUNK_GET,
    STMT_CHUNK_DELETE,
    STMT_KEY_NEW,
    STMT_KEY_GET,
    STMT_KEY_DELETE,
    STMT_INBOX_NEW,
    STMT_INBOX_GET,
    STMT_INBOX_DELETE,
    STMT_FLOW_NEW,
    STMT_FLOW_GET,
    STMT_TOTAL_ADD,
    STMT_COUNT
};

/* How many instances of a flow entered or left a status in the transaction being written. */
struct total_delta {
    int64_t flow, n;
    unsigned status;
};

struct reader {
    struct store_sqlite *store;
    sqlite3 *db; /* NULL until first used */
    sqlite3_stmt *chunk, *key;
    uint64_t deadline; /* uv_hrtime, ns; 0: none */
    bool used;
};

struct done {
    uint64_t no;
    enum errcode code;
};

struct store_sqlite {
    /* Loop thread. */
    uv_loop_t *loop;
    store_committed_cb *committed;
    void *arg;
    uv_async_t *async; /* on its own: libuv lets go of it after store_sqlite_close has returned */
    unsigned refs;     /* the opener's one, the async handle's, each job's */
    bool closed;
    char *dir, *path;
    int lock_fd;
    pthread_t thread;

    /* Store thread. */
    sqlite3 *db;
    sqlite3_stmt *stmt[STMT_COUNT];
    struct total_delta *totals;
    size_t total_count, total_cap;
    int wal_frames;     /* in the log after the newest commit */
    int wal_checked;    /* of them when a checkpoint last ran */
    uint64_t full_told; /* number of the batch last reported as not fitting */

    /* Under mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t work;   /* a batch was queued, or stop; CLOCK_MONOTONIC */
    pthread_cond_t reader; /* a reader was given back */
    struct batch **queue;
    size_t queue_count, queue_cap;
    struct done *done;
    size_t done_count, done_cap;
    bool stop, full;
    struct reader readers[READERS_MAX];
    uint64_t commits, rows;
    uint32_t latency_us[LATENCY_SAMPLES]; /* ring, indexed by commits */

    atomic_bool closing; /* interrupts questions */
};

extern const char *const sqlite_migrations[]; /* [n] brings version n to n + 1 */
extern const int sqlite_migration_count;

/* `synchronous` is "FULL"; the crash test opens with "NORMAL" to show that it can see a loss. */
enum errcode sqlite_open_as(const char *dir, const char *synchronous, uv_loop_t *loop,
                            store_committed_cb *committed, void *arg, struct store_sqlite **out,
                            struct store_port *port, struct store_boot *boot, struct err *err);
enum errcode sqlite_error(sqlite3 *db, int rc, const char *what, struct err *err);
void sqlite_row_read(sqlite3_stmt *stmt, struct instance_row *row); /* texts are copies */
void sqlite_unref(struct store_sqlite *s);

/* ---- sqlite_commit.c ---- */
int sqlite_commit_prepare(struct store_sqlite *s); /* an SQLite result code */
void sqlite_commit_finalize(struct store_sqlite *s);
void *sqlite_commit_thread(void *store);
void sqlite_commit(void *store, struct batch *batch);
void sqlite_deliver(uv_async_t *async);

/* ---- sqlite_read.c ---- */
void sqlite_load(void *store, int64_t num, int64_t last, store_load_cb *cb, void *arg);
void sqlite_find_key(void *store, const char *scope, const char *key, store_key_cb *cb, void *arg);
void sqlite_query(void *store, const char *what, json_t *args, store_json_cb *cb, void *arg);
void sqlite_readers_close(struct store_sqlite *s); /* waits for those in use */
/* The chunk at `pos`, which must be one of `num`; the caller frees its data. `*prev` is set. */
enum errcode sqlite_read_chunk(struct reader *r, int64_t num, int64_t pos, struct stored_chunk *c,
                               int64_t *prev, struct err *err);
/* The chunks of an instance, oldest first; the caller frees with sqlite_chunks_free. */
enum errcode sqlite_read_chunks(struct reader *r, int64_t num, int64_t last,
                                struct stored_chunk **chunks, size_t *count, struct err *err);
void sqlite_chunks_free(struct stored_chunk *chunks, size_t count);

/* ---- sqlite_query.c ---- */
typedef enum errcode query_fn(struct reader *r, const json_t *args, json_t **out, struct err *err);
query_fn *sqlite_query_find(const char *what); /* NULL when there is none */

#endif
