/* One connection: who it is and how long it may take for what it does now. Loop thread only. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct hub;

/* What a connection is at decides its absolute deadline. */
enum conn_phase {
    CONN_HEADER, /* until the header is complete: server.header-deadline */
    CONN_BODY,   /* until the body is complete: server.body-deadline */
    CONN_WAIT,   /* for the engine: none */
    CONN_REPLY,  /* until the answer is sent: server.body-deadline */
    CONN_STREAM, /* events: none; the buffer is bounded instead */
    CONN_IDLE    /* between requests: CONN_IDLE_MS */
};

enum { CONN_IDLE_MS = 60 * 1000 };

struct conn {
    struct hub *hub;
    int fd;       /* libmicrohttpd's */
    int64_t uid;  /* of the peer on a unix socket, else -1 */
    bool refused; /* a unix peer that is another user */
    bool waited;  /* it was already asleep at the last sweep */
    enum conn_phase phase;
    uint64_t deadline;   /* uv_now ms, 0: none */
    struct exchange *ex; /* the request under way, or NULL */
    struct conn *prev, *next;
};

/* libmicrohttpd's notifications; `door` is a struct door. */
void conn_on_connection(void *door, struct MHD_Connection *connection, void **state,
                        enum MHD_ConnectionNotificationCode code);
void *conn_on_uri(void *door, const char *uri, struct MHD_Connection *connection);

struct conn *conn_of(struct MHD_Connection *connection);
void conn_enter(struct conn *c, enum conn_phase phase);
void conn_cut(struct conn *c);

/* Cuts who is past the deadline, notices waiting clients that have gone, beats the feeds' hearts.
 */
void conn_sweep(struct hub *hub);

#endif
