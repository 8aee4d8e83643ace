/* struct api over the admin routes of a server elsewhere: a unix socket ("unix:/path") or
 * "http://host:port". For the command line and the console. Loop thread only. */
#ifndef NET_REMOTE_H
#define NET_REMOTE_H

#include <uv.h>

#include "engine/api.h"

struct remote;
enum errcode remote_new(uv_loop_t *loop, const char *url, struct remote **out, struct api *api,
                        struct err *err);
void remote_close(struct remote *r, void (*closed)(void *arg), void *arg);

#endif
