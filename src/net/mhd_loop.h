/* One libmicrohttpd daemon driven by the loop: its epoll descriptor under a uv_poll, its timeouts
 * under a uv_timer. Loop thread only. */
#ifndef NET_MHD_LOOP_H
#define NET_MHD_LOOP_H

#include <microhttpd.h>
#include <uv.h>

#include "base/err.h"

struct mhd_loop;

struct mhd_loop_config {
    int fd; /* listening socket; taken, also on failure */
    unsigned connections_max;
    unsigned idle_s; /* a connection without any progress is closed after this */
    MHD_AccessHandlerCallback request;
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    void *(*uri)(void *arg, const char *uri, struct MHD_Connection *connection);
    void *arg; /* of all four */
};

enum errcode mhd_loop_new(uv_loop_t *loop, const struct mhd_loop_config *config,
                          struct mhd_loop **out, struct err *err);

/* To be called after MHD_resume_connection, which wakes nobody. The daemon runs once for all the
 * kicks of a turn of the loop. */
void mhd_loop_kick(struct mhd_loop *m);

/* Closes the listening socket; open connections go on. */
void mhd_loop_quiesce(struct mhd_loop *m);

/* Closes everything at once. No connection may be suspended. Run the loop until `closed`. */
void mhd_loop_close(struct mhd_loop *m, void (*closed)(void *arg), void *arg);

#endif
