/* One request and its answer: the body is received up to its route's cap, the route's handler asks
 * the engine, the connection sleeps until the engine calls back, the answer is sent. Also each
 * connection's absolute deadlines: libmicrohttpd's own is for idle clients only, one that drips a
 * byte a second lives for ever under it. Shared by the files of this room that serve; loop thread
 * only.
 *
 * An exchange lives until both sides have let go of it: the client's (request completed or
 * connection lost) and the engine's (the callback it was handed to has come). */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/buf.h"
#include "base/config.h"
#include "engine/api.h"
#include "net/guard.h"
#include "net/mhd_loop.h"
#include "net/routes.h"

struct conn; /* conn.h */
struct feed; /* feed.c */

enum { EXCHANGE_PATH_MAX = 1024, EXCHANGE_ID_MAX = 128 };

/* What all doors share; embedded in the server. */
struct hub {
    uv_loop_t *loop;
    const struct config *config;
    const struct api *api;
    bool draining;          /* no new starts */
    bool closing;           /* no new requests */
    struct conn *conns;     /* all open connections, doubly linked */
    size_t active;          /* requests between their header and the end of their answer */
    struct exchange *spare; /* finished exchanges for the next requests */
    size_t spare_count;
    struct exchange *orphans; /* their clients are gone, the engine still holds them */
};

/* One listener. */
struct door {
    struct hub *hub;
    struct mhd_loop *mhd;
    struct guard guard;
    enum door_kind kind;
};

struct text { /* a decoded query value */
    struct text *next;
    char data[];
};

struct exchange {
    struct hub *hub; /* NULL once the server is gone */
    struct door *door;
    struct conn *conn;
    struct MHD_Connection *connection; /* NULL once the client's side is over */
    const struct route *route;
    struct exchange *prev, *next; /* in hub.spare or hub.orphans */

    char path[EXCHANGE_PATH_MAX];
    const char *param[ROUTE_PARAMS];                         /* decoded, into path */
    const char *idempotency_key, *workflow_id, *traceparent; /* headers or NULL; libmicrohttpd's */
    struct text *texts;
    struct buf body;  /* as received, at most the route's cap */
    size_t discarded; /* bytes of the body beyond it */
    json_t *json;     /* the body; NULL when it was empty */

    bool started;        /* the handler was called */
    bool suspended;      /* the connection sleeps */
    bool gone;           /* the client is gone or cut off: no answer */
    bool close;          /* the connection ends with this answer */
    unsigned held;       /* callbacks of the engine to come */
    uint64_t wait_until; /* uv_now ms: answer "not ready" then; 0: never */
    uint64_t ticket;     /* of a wait that api.forget ends, else 0 */
    struct feed *feed;   /* of an event stream, else NULL */

    struct MHD_Response *response;
    unsigned status;
    char id[EXCHANGE_ID_MAX]; /* x-restate-id of the answer, "" none */
    const char *state;        /* x-ultramcp-status of the answer, static, NULL none */
};

/* ---- for the server ---- */
enum MHD_Result exchange_on_request(void *door, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **state);
void exchange_on_completed(void *door, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code);
/* Its client is gone: stops waiting for the engine. */
void exchange_gone(struct exchange *ex);
/* It has waited as long as it wanted to: answers ERR_NOT_READY. */
void exchange_expire(struct exchange *ex);
/* Answers all that wait with 503 and ends the feeds. */
void exchange_abandon(struct hub *hub);
void exchange_hub_fini(struct hub *hub);

/* ---- for handlers of routes ---- */
/* Before the exchange is handed to the engine as a callback's argument … */
void exchange_hold(struct exchange *ex);
/* … and first thing in that callback: false when nobody waits any more (and `ex` may be freed). */
bool exchange_back(struct exchange *ex);
/* A callback will come unless api.forget(ticket); 0: it has come already. */
void exchange_ticket(struct exchange *ex, uint64_t ticket);

/* The answer, exactly once. Values are borrowed. Error answers say what, why and who. */
void exchange_json(struct exchange *ex, unsigned status, const json_t *value);
void exchange_problem(struct exchange *ex, const json_t *problem); /* the workflow's own error */
void exchange_err(struct exchange *ex, const struct err *err);
void exchange_err_with(struct exchange *ex, const struct err *err, const char *key,
                       json_t *value /* taken, or NULL */);
void exchange_fail(struct exchange *ex, enum errcode code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An answer made elsewhere; takes the response. */
void exchange_answer(struct exchange *ex, unsigned status, struct MHD_Response *response);

/* A query parameter, decoded; NULL when absent or not decodable. Lives as long as the exchange. */
const char *exchange_query(struct exchange *ex, const char *name);
/* "http", or "uid 1000" on the unix socket. */
void exchange_by(const struct exchange *ex, char *text, size_t size);

/* Lets a sleeping connection run again. */
void exchange_wake(struct exchange *ex);
void exchange_sleep(struct exchange *ex);
/* Cuts the connection off. */
void exchange_cut(struct exchange *ex);

/* ---- event streams (feed.c) ---- */
void feed_tick(struct feed *feed, uint64_t now_ms); /* a heartbeat when it is time for one */
void feed_end(struct feed *feed);                   /* no more events; sends what is there */
void feed_free(struct feed *feed);

#endif
