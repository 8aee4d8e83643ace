/* HTTP in: ingress, admin, meta port and the owner's unix socket (data directory, admin.sock,
 * 0600), on libmicrohttpd driven by the loop through its epoll descriptor. Knows the engine only
 * through struct api. Loop thread only. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <uv.h>

#include "base/config.h"
#include "engine/api.h"

struct server;

/* Listens on config's addresses and DATA/admin.sock. ERR_UNAVAILABLE names the address that is
 * taken. */
enum errcode server_new(uv_loop_t *loop, const struct config *config, const struct api *api,
                        struct server **out, struct err *err);
/* Stops accepting and refuses new starts with 503; waiting callers stay. */
void server_drain(struct server *s);
/* Answers who still waits with 503, closes all; run the loop until `closed`, which frees it. */
void server_close(struct server *s, void (*closed)(void *arg), void *arg);

#endif
