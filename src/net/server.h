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
 * taken. After an error run the loop once more, which closes what was open already. */
enum errcode server_new(uv_loop_t *loop, const struct config *config, const struct api *api,
                        struct server **out, struct err *err);
/* The port that a door ("ingress", "admin", "meta") got: what the configuration says, or what the
 * system chose for port 0; 0 when the door is off. */
unsigned server_port(const struct server *s, const char *door);
/* Refuses new starts with 503 and Retry-After; questions are answered and waiting callers stay. */
void server_drain(struct server *s);
/* Answers who still waits with 503, closes all; run the loop until `closed`, which frees it. */
void server_close(struct server *s, void (*closed)(void *arg), void *arg);

#endif
