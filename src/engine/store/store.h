/* The store: where journals live. What the engine writes, in records with deterministic keys;
 * writing one twice is harmless. Two implementations: sqlite (store_sqlite_open) and PostgreSQL
 * later.
 *
 * The journal is one append-only log: a row is a chunk (some entries of one instance, entry.h) and
 * holds the position of that instance's chunk before it, so that the newest position, kept in the
 * instance's row, leads to all of them, and no index is needed (a journal found through an index is
 * five to ten times slower). Positions are given by the engine: max + 1, and up. */
#ifndef ENGINE_STORE_H
#define ENGINE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ports.h"

/* Status of an instance, the DSL's phases. The numbers are in the store. */
#define STATUS_TABLE(X)                                                                            \
    X(STATUS_PENDING, 0, "pending")                                                                \
    X(STATUS_RUNNING, 1, "running")                                                                \
    X(STATUS_WAITING, 2, "waiting")                                                                \
    X(STATUS_SUSPENDED, 3, "suspended")                                                            \
    X(STATUS_COMPLETED, 4, "completed")                                                            \
    X(STATUS_FAULTED, 5, "faulted")                                                                \
    X(STATUS_CANCELLED, 6, "cancelled")

enum status {
#define X(status, number, name) status = number,
    STATUS_TABLE(X)
#undef X
        STATUS_COUNT
};

/* What a waiting (or suspended) instance waits for. */
#define REASON_TABLE(X)                                                                            \
    X(REASON_NONE, 0, "")                                                                          \
    X(REASON_TIMER, 1, "timer")                                                                    \
    X(REASON_RETRY, 2, "retry")                                                                    \
    X(REASON_EVENT, 3, "event")                                                                    \
    X(REASON_CHILD, 4, "child")                                                                    \
    X(REASON_AGENT, 5, "agent")                                                                    \
    X(REASON_OPERATOR, 6, "operator")   /* suspended by a person */                                \
    X(REASON_EXHAUSTED, 7, "exhausted") /* suspended: retries are used up */                       \
    X(REASON_POISON, 8, "poison")       /* suspended: crashed three times, or cannot be decoded */

enum reason {
#define X(reason, number, name) reason = number,
    REASON_TABLE(X)
#undef X
        REASON_COUNT
};

const char *status_name(unsigned status); /* NULL for an unknown number */
const char *reason_name(unsigned reason);
int status_from_name(const char *name); /* -1 when unknown */
static inline bool status_is_final(unsigned status)
{
    return status >= STATUS_COMPLETED;
}

/* Ids. An instance's number orders by creation: ms since 2020 << 22 | counter. Its public id is
 * "inst_" + 13 base-32 digits of the number + 8 of `tag`, random, so that ids cannot be guessed. */
enum { INSTANCE_ID_SIZE = 27 };
void instance_id_format(int64_t num, uint64_t tag, char id[INSTANCE_ID_SIZE]);
bool instance_id_parse(const char *id, int64_t *num, uint64_t *tag);

/* The row of an instance. Texts are owned by the row. Times in ms since 1970, 0 when not yet. */
struct instance_row {
    int64_t num;
    uint64_t tag;   /* 40 bits */
    uint64_t seed;  /* of its randomness */
    int64_t flow;   /* id of a flow row */
    uint8_t status; /* enum status */
    uint8_t reason; /* enum reason */
    bool is_new;    /* in a batch: insert; else update all columns */
    int64_t parent; /* number, 0: none */
    uint32_t parent_cmd;
    uint32_t depth; /* nesting below the root */
    int64_t created, started, ended;
    int64_t wake_at;   /* the earliest timer, 0: none */
    int64_t last;      /* position of its newest chunk */
    int64_t output;    /* position of the chunk that holds its end, 0: not ended */
    uint32_t entries;  /* of its journal */
    uint64_t bytes;    /* of its journal */
    uint32_t attempts; /* failed attempts so far */
    uint32_t crashes;  /* times it was running when the process died, in a row */
    char *caller_id;   /* or NULL */
    char *step;        /* key of the current task, or NULL */
    char *why;         /* last error or reason in words, or NULL; at most 1 KiB */
};

/* A definition, immutable, found by digest. */
struct flow_row {
    int64_t id;   /* given by the engine: max + 1 */
    char *digest; /* SHA-256 of the source, hex */
    char *ns, *name, *version;
    char *source;
    size_t source_len;
    int64_t loaded_at;
};

struct chunk_row {
    int64_t pos, num, prev; /* prev: 0 for the first */
    char *data;
    size_t len;
};

struct key_row {
    char *scope; /* "idempotency/SERVICE" or "id/SERVICE" */
    char *key;
    int64_t num;
    uint64_t input_hash;
};

/* Something durable that waits to be put into an instance's journal: a signal, a cancel, a child's
 * end. */
struct inbox_row {
    int64_t id;  /* given by the engine: max + 1 */
    int64_t num; /* to whom */
    char *kind;  /* "signal", "cancel", "child", "pause", "resume", "kill" */
    char *data;  /* JSON */
};

/* All that one commit writes: either all of it is durable or none. Owned by the store once given.
 */
struct batch {
    uint64_t no; /* from 1, no gaps */
    struct instance_row *rows;
    size_t row_count, row_cap;
    struct chunk_row *chunks;
    size_t chunk_count, chunk_cap;
    struct key_row *keys;
    size_t key_count, key_cap;
    struct inbox_row *inbox; /* to add */
    size_t inbox_count, inbox_cap;
    int64_t *inbox_done; /* ids to delete */
    size_t done_count, done_cap;
    struct flow_row *flows;
    size_t flow_count, flow_cap;
    int64_t *purge; /* numbers of instances to delete with their journal and keys */
    size_t purge_count, purge_cap;
};

struct batch *batch_new(uint64_t no);
void batch_free(struct batch *b); /* with everything in it */
bool batch_is_empty(const struct batch *b);

/* What the engine is given when it opens the store: everything that is not final, the inbox, the
 * flows. */
struct store_boot {
    struct instance_row *rows; /* active ones, by number */
    size_t row_count;
    struct inbox_row *inbox; /* by id */
    size_t inbox_count;
    struct flow_row *flows;
    size_t flow_count;
    int64_t next_pos, next_inbox, next_flow, last_num;
};
void store_boot_free(struct store_boot *boot);

typedef void store_committed_cb(void *arg, uint64_t batch_no, enum errcode code);

/* Opens (and makes) the data directory: mode 0700, files 0600, `lock` held against a second
 * process, header and tables looked at (after a crash also quick_check, up to 64 MiB), schema
 * brought up to date. Reads the boot image. Refuses, leaving
 * the files as they are: ERR_STORE_LOCKED (says which pid), ERR_STORE_DAMAGED, ERR_STORE_NEWER,
 * ERR_STORE (cannot write). `committed` is called on `loop` for each batch. Then `port` works until
 * store_sqlite_close. */
struct store_sqlite;
struct uv_loop_s;
enum errcode store_sqlite_open(const char *dir, struct uv_loop_s *loop,
                               store_committed_cb *committed, void *arg, struct store_sqlite **out,
                               struct store_port *port, struct store_boot *boot, struct err *err);

/* Commits what was given, stops the thread, checkpoints, closes, unlocks, frees. Blocks. Callbacks
 * of batches committed here and of reads under way are not called. libuv lets go of a handle and of
 * those reads when the loop next runs. */
void store_sqlite_close(struct store_sqlite *store);

/* Numbers for people: {commits, rows, lastCommitMs, p50Ms, p99Ms, walBytes, fileBytes, full}. */
json_t *store_sqlite_stats(struct store_sqlite *store);

/* The queries of store_port.query; every answer is an object.
 *   "list"     {limit ≤ 1000, before?: id (paging, newest first), status?: [names], service?, text?
 * (in id, service, caller id, why), createdAfter?, createdBefore?, parent?: id, order?: "asc"}
 *              -> {instances: [INSTANCE], next?: id}
 *   "instance" {id} or {service, callerId} -> INSTANCE, or ERR_NOT_FOUND
 *   "journal"  {id, from?: seq, limit?} -> {entries: [{seq, kind, class, at, cmd?, attempt?, name?,
 * data?, more?}]} with data and more as JSON values "output"   {id} -> {output} or {error};
 * ERR_NOT_READY while it runs "counts"   {service?} -> {STATUS: n, …} "orphans"  {} -> {orphans:
 * [INSTANCE], checked: n}: waiting rows that nothing can wake "expired"  {before: ms, limit, after:
 * num} -> {nums: [integer], after}: ended before, for retention INSTANCE is {id, service, version,
 * digest, status, reason, callerId, parent, depth, created, started, ended, wakeAt, entries, bytes,
 * attempts, step, why}; times in ms since 1970 or null. */

#endif
