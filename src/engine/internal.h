/* What the files of the core share. The life of everything that happens:
 *
 *   engine_… (api, call done, timer)  ->  a note in the instance's queue
 *   engine_run: take a note, journal it as an entry, apply it: the handler is called and makes
 * commands, which are journaled behind it                                     (instance.c, turn.c)
 *   engine_flush: the entries of all instances touched become one batch           (flush.c)
 *   engine_committed: what waited for that batch happens: calls, replies, feed    (effects.c)
 *
 * Loading an instance is the same with notes taken from its journal and commands compared with it.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <uthash.h>

#include "base/buf.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/entry.h"

struct instance;

/* A registered version of a service, and the slots of its name (shared by its versions). */
struct service_slots {
    char *name;
    uint32_t max_running; /* 0: the engine's default */
    uint32_t running;
    struct instance *pending; /* admitted oldest first; utlist DL by p_prev, p_next */
    UT_hash_handle hh;        /* engine.slots by name */
};

struct version {
    struct service service; /* texts copied, owned */
    int64_t flow;           /* id of its flow row */
    struct service_slots *slots;
    bool revived;      /* known from old instances only: cannot be started */
    UT_hash_handle hh; /* engine.versions by flow */
};

/* Something that happened to an instance and is not yet in its journal. */
struct note {
    struct note *next;
    uint8_t kind; /* the entry it becomes */
    uint32_t cmd;
    int64_t inbox; /* id of the row that keeps it durable meanwhile, 0: none */
    char *name;    /* or NULL */
    json_t *data, *more;
};

/* A command that has no answer yet. */
struct command {
    uint32_t seq;
    uint8_t kind;
    bool once;      /* a failure goes straight to the handler */
    bool driven;    /* its effect was asked for in this process */
    bool in_flight; /* run: an attempt is at the caller port or on its way there */
    bool at_port;   /* run: the caller port has it */
    bool answered;  /* a note with its answer is queued */
    char *key;
    json_t *spec;       /* run: what to call; call, send: input */
    char *target;       /* call, send: service; await: signal's name */
    uint32_t attempt;   /* run: attempts so far */
    int64_t first_at;   /* run: the first attempt, ms */
    int64_t due;        /* sleep: when; run: next attempt; 0: none */
    int64_t child;      /* call: number of the child, 0: not started */
    uint64_t child_tag; /* and the rest of its id */
    UT_hash_handle hh;  /* live.commands by seq; insertion order is seq order */
};

struct signal {
    struct signal *next;
    char *name;
    json_t *payload;
};

enum { SEEN_MAX = 4 };

/* The part of an instance that exists only while it is in memory. */
struct live {
    struct handler *handler;
    char id[INSTANCE_ID_SIZE];
    struct rng rng;
    struct command *commands;
    struct signal *signals; /* nobody has consumed, oldest first */
    struct buf chunk;       /* entries since the last flush */
    struct {
        json_t *value;
        uint32_t seq;
    } seen[SEEN_MAX]; /* values that the journal holds already, newest last overwritten first */
    unsigned seen_at;
    struct entry *replay; /* NULL when not replaying; entries point into `chunks` */
    size_t replay_count, replay_at;
    struct stored_chunk *chunks;
    size_t chunk_count;
    json_t *input;
    json_t *output, *error; /* the end, when it has come */
    json_t *fatal;          /* a limit was passed: ends the instance after this turn */
    bool held;              /* `started` was journaled, the handler has not begun */
    bool yielded;           /* the handler is owed a turn */
    bool turn_queued;       /* and it is in the notes */
    bool mismatch;
    char mismatch_text[256];
};

struct waiter {
    struct waiter *next;
    uint64_t ticket;
    api_cb *cb;
    void *arg;
};

struct instance {
    struct instance_row row;
    struct version *version;
    struct live *live; /* NULL: evicted, or never loaded */
    struct note *notes, *notes_tail;
    struct waiter *waiters;
    char *trace; /* traceparent it was started with, or NULL */
    struct key_entry *keys;
    uint64_t gate; /* the batch with its newest entries */
    bool dirty, ready, loading, admitted, awaited, ending, unloadable;
    bool reload; /* its memory part is not what its journal says: load it when that is durable */
    size_t timer_at; /* index in the heap + 1, 0: not armed */
    struct instance *dirty_next, *ready_next, *p_prev, *p_next;
    UT_hash_handle hh; /* engine.instances by row.num */
};

/* A key while it matters: being looked up, or of an instance that this process made. */
struct key_entry {
    char *id;    /* scope "\n" key */
    int64_t num; /* 0: the store is being asked; -1: free to be used */
    uint64_t tag;
    uint64_t hash;
    struct start_request *waiting;
    struct engine *engine;
    struct key_entry *of_instance; /* the instance's other key */
    UT_hash_handle hh;
};

enum effect_kind {
    EFFECT_CALL,
    EFFECT_ABORT,
    EFFECT_REPLY,
    EFFECT_FORGET,
    EFFECT_FEED,
    EFFECT_EVICT,
    EFFECT_RELOAD
};

/* What waits for a batch. */
struct effect {
    struct effect *next;
    enum effect_kind kind;
    uint64_t gate;
    int64_t num;
    uint32_t cmd;
    api_cb *cb;
    void *arg;
    struct err *err; /* or NULL */
    json_t *result;
};

struct subscriber {
    struct subscriber *next;
    uint64_t ticket;
    int64_t num; /* 0: all */
    api_cb *cb;
    void *arg;
};

struct engine {
    struct engine_config config;
    struct caller_port caller;
    struct store_port store;
    int64_t now;
    struct rng rng;
    struct version *versions;
    struct service_slots *slots;
    struct instance *instances;
    struct key_entry *keys;
    struct instance *ready, *ready_tail; /* have notes to process */
    struct instance *dirty, *dirty_tail; /* have something to write */
    struct instance **heap;              /* by row.wake_at, then number */
    size_t heap_count, heap_cap;
    struct effect *effects, *effects_tail;
    struct subscriber *subscribers;
    struct batch *batch; /* being built */
    uint64_t committed;  /* number of the newest durable batch */
    int64_t next_pos, next_inbox, next_flow, last_num;
    uint64_t next_ticket;
    uint32_t running; /* slots in use, awaited children excepted */
    uint32_t in_flight, loading;
    uint64_t last_batch; /* number of the newest batch made */
    bool paused, draining, full, expiring;
    int64_t next_sweep, next_expiry, purge_after;
    uint64_t started, ended, faulted, turns, violations; /* since the process began */
    struct buf scratch;
};

/* ---- engine.c ---- */
struct version *engine_find_service(struct engine *e, const char *name, const char *version);
struct instance *engine_find(struct engine *e, int64_t num);
struct batch *engine_batch(struct engine *e);
struct inbox_row *engine_inbox_put(struct engine *e, int64_t num, const char *kind, json_t *data);
void engine_inbox_done(struct engine *e, int64_t id);

/* ---- instance.c ---- */
struct instance *instance_create(struct engine *e, struct version *v, json_t *input,
                                 const char *caller_id, const char *trace);
void instance_free(struct engine *e, struct instance *in);
void instance_note(struct engine *e, struct instance *in, struct note *n); /* takes n */
struct note *note_new(unsigned kind, uint32_t cmd, json_t *data,
                      json_t *more); /* references taken */
void note_free(struct note *n);
void instance_touch(struct engine *e,
                    struct instance *in); /* its row and chunk go into the next batch */
void instance_ready(struct engine *e, struct instance *in);
bool instance_turn(struct engine *e, struct instance *in); /* one note; false: nothing to do now */
void instance_settle(struct engine *e,
                     struct instance *in); /* after turns: status, timer, effects */
void instance_end(struct engine *e, struct instance *in, enum status status);
void instance_set_status(struct engine *e, struct instance *in, enum status to, enum reason reason);
void instance_suspend(struct engine *e, struct instance *in, enum reason reason, const char *by,
                      const char *why, uint32_t cmd);
void instance_event(struct engine *e, struct instance *in, unsigned kind, uint32_t cmd,
                    uint32_t attempt, const char *name, json_t *data, json_t *more);
json_t *instance_by_why(const char *by, const char *why); /* {by, why} */
void instance_id_of(const struct instance *in, char id[INSTANCE_ID_SIZE]);
uint64_t instance_gate(const struct engine *e, const struct instance *in);

/* ---- load.c ---- */
void instance_load(struct engine *e, struct instance *in);
void instance_maybe_evict(struct engine *e, struct instance *in);
void live_free(struct engine *e, struct instance *in);
struct live *live_new(struct engine *e, struct instance *in);

/* ---- turn.c ---- */
struct turn {
    struct engine *engine;
    struct instance *in;
    int64_t now;
};
/* Appends an entry to the chunk (or, replaying, compares it with the journal); returns its seq. */
uint32_t turn_emit(struct engine *e, struct instance *in, struct entry *entry, json_t *data,
                   json_t *more);
bool turn_replaying(const struct live *live);
void turn_apply(struct engine *e, struct instance *in, const struct entry *entry, json_t *data,
                json_t *more);

/* ---- commands.c ---- */
void commands_drive(struct engine *e, struct instance *in);
void command_drop(struct engine *e, struct instance *in, struct command *c);
void command_free(struct instance *in, struct command *c);
void signal_free(struct signal *s);
void commands_drop_all(struct engine *e, struct instance *in);
struct command *command_find(struct instance *in, uint32_t seq);
void commands_fire(struct engine *e, struct instance *in); /* timers that are due */
void child_ended(struct engine *e, struct instance *child, json_t *output, json_t *error);

/* ---- timers.c ---- */
void timer_set(struct engine *e, struct instance *in); /* after a change of row.wake_at */
void timer_clear(struct engine *e, struct instance *in);
struct instance *timer_first(const struct engine *e);

/* ---- admission.c ---- */
void admission_ask(struct engine *e, struct instance *in); /* runs it, or makes it wait in line */
void admission_leave(struct engine *e, struct instance *in);
void admission_fill(struct engine *e);

/* ---- effects.c ---- */
void effect_call(struct engine *e, struct instance *in, uint32_t cmd);
void effect_abort(struct engine *e, struct instance *in, uint32_t cmd);
void effect_reply(struct engine *e, uint64_t gate, api_cb *cb, void *arg, const struct err *err,
                  json_t *result); /* reference taken */
void effect_forget(struct engine *e, struct instance *in);
void effect_evict(struct engine *e, struct instance *in, bool reload);
void effects_release(struct engine *e);
void effects_free(struct engine *e);
void feed_instance(struct engine *e, struct instance *in); /* at flush */

/* ---- restart.c ---- */
void restart_request(struct engine *e, const struct api_act *act, const char *step, api_cb *cb,
                     void *arg);

/* ---- start.c ---- */
void start_request(struct engine *e, const struct api_start *start, api_cb *cb, void *arg);
void keys_forget(struct engine *e, struct instance *in);
void keys_sweep(struct engine *e);
void keys_free(struct engine *e);
uint64_t json_hash(json_t *value); /* order of keys does not matter */

#endif
