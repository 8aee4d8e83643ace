/* The durable core: pure. It holds the instances, and everything goes in and out here: what happens
 * comes in through the engine_… functions, each with the time `now` (ms since 1970, the wall clock:
 * journaled), and what is to be done comes out as one batch to commit and as calls of the caller
 * port, replies and feed, all of which wait until the entries they depend on are durable. It reads
 * no clock, no randomness, no socket. Two drivers run it: engine/driver.c on libuv, tests/sim with
 * virtual time and faults. Loop thread only.
 *
 * A driver's turn: hand in what happened; engine_run() with a budget, then engine_flush(), and both
 * again while engine_has_work(). */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/api.h"
#include "engine/handler.h"
#include "engine/ports.h"
#include "engine/store/store.h"

struct engine;

struct engine_limits {
    uint32_t max_running; /* admitted and not ended, all services; awaited children do not count */
    uint32_t max_per_service;  /* default for each service */
    size_t payload_bytes;      /* one value: 1 MiB */
    uint32_t journal_entries;  /* 20,000 */
    uint64_t journal_bytes;    /* 32 MiB */
    uint32_t pending_commands; /* 2,000 outstanding per instance */
    uint32_t depth;            /* nested calls: 64 */
    int64_t retention_ms;      /* finished instances are kept so long */
    int64_t evict_after_ms;    /* a wait longer than this leaves memory */
};
extern const struct engine_limits engine_default_limits;

/* A service that can be started. `definition` outlives the engine. Newest version by semver is the
 * default. */
struct service {
    const char *name;                                           /* as in HTTP */
    const char *ns, *document_name, *version, *title, *summary; /* or NULL */
    const char *digest;
    const char *source;
    size_t source_len;
    const struct handler_kind *kind;
    const void *definition;
    json_t *input_schema; /* or NULL */
    enum errcode (*check_input)(const void *definition, json_t *input,
                                struct err *err); /* or NULL */
    uint32_t max_running;                         /* 0: the default */
};

struct engine_config {
    struct engine_limits limits;
    uint64_t entropy;   /* seeds ids and instances' randomness */
    bool paused;        /* open everything, run nothing until released */
    int64_t crashed_in; /* number of the instance whose turn the last process died in, 0: none */
    int64_t *executing; /* where the number of the instance that has the turn is kept for the next
                         * process (a mapped file); NULL: nowhere */
    const struct caller_port *caller;
    const struct store_port *store;
};

/* `boot` is what the store found, borrowed for the call. The definitions in it are made usable by
 * `revive`, which fills kind and definition (and what else it knows) of a service from the stored
 * source; left alone, the instances of that definition are suspended as poison. */
typedef void engine_revive(void *arg, const struct flow_row *row, struct service *service);
struct engine *engine_new(const struct engine_config *config, const struct store_boot *boot,
                          engine_revive *revive, void *arg, int64_t now);
void engine_free(struct engine *e);

/* Makes a service known (or a new version of it). ERR_CONFLICT: the same version with other
 * content, unless the version ends in -dev. */
enum errcode engine_register(struct engine *e, const struct service *service, int64_t now,
                             struct err *err);

/* ---- what happens ---- */
void engine_call_done(struct engine *e, int64_t now, int64_t instance, uint32_t cmd,
                      const struct call_result *result);
void engine_committed(struct engine *e, int64_t now, uint64_t batch_no, enum errcode code);
void engine_tick(struct engine *e, int64_t now); /* fires what is due; sweeps */
/* No new work (SIGTERM). Running effects may still end. */
void engine_drain(struct engine *e);
bool engine_has_work(const struct engine *e); /* run and flush have something to do */
bool engine_is_idle(const struct engine *e);  /* no effect in flight, nothing uncommitted */

/* ---- what is to be done ---- */
bool engine_run(struct engine *e, int64_t now,
                int budget);         /* up to budget turns; true: there are more */
void engine_flush(struct engine *e); /* gives the batch to the store, if any */
int64_t engine_next_due(
    const struct engine *e); /* ms since 1970 of the next tick, INT64_MAX none */

/* ---- the door for people: fills the table; `now` is taken from the last engine_ call ---- */
void engine_api(struct engine *e, struct api *api);

/* For oracles in tests: number of outstanding commands, instances in memory; what doctor shows. */
json_t *engine_stats(const struct engine *e);

#endif
