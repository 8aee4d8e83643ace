/* The one table of what can be asked over HTTP. */
#ifndef NET_ROUTES_H
#define NET_ROUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct exchange;

enum door_kind { DOOR_INGRESS = 1, DOOR_ADMIN = 2 };
enum role { ROLE_READ, ROLE_OPERATE, ROLE_ADMIN };
enum { ROUTE_PARAMS = 3 };

/* Sizes of a body. */
#define BODY_NONE 0
#define BODY_SMALL (64 * 1024)
#define BODY_CONFIG ((size_t)-1) /* server.body-max */

/* Answers through exchange.h, now or later. */
typedef void route_handler(struct exchange *ex);

struct route {
    unsigned doors; /* enum door_kind, or-ed */
    const char *method;
    const char *pattern; /* "/instances/:id"; a segment with a colon matches any one segment */
    enum role role;
    size_t max_body;
    bool starts; /* makes new work: refused while draining */
    route_handler *handler;
};

/* Finds the route of `path`, which is cut into segments, decoded in place and pointed to by
 * `param`. HEAD is GET. ERR_NOT_FOUND, ERR_METHOD or ERR_INVALID (bad escapes) otherwise. */
enum errcode routes_find(enum door_kind door, const char *method, char *path,
                         const char *param[ROUTE_PARAMS], const struct route **out,
                         struct err *err);

/* For the Allow header: the methods of what matches `path`, "GET, HEAD, POST". */
void routes_allow(enum door_kind door, const char *path, struct buf *out);

/* For a 404: the routes that begin like `path`, or all of the door. */

json_t *routes_nearby(enum door_kind door, const char *path);

/* Decodes %XX in place; false on a bad escape, a NUL or a control character. */
bool routes_decode(char *text);

route_handler ingress_index, ingress_call, ingress_send, ingress_output, ingress_attach;
route_handler admin_health, admin_services, admin_service, admin_service_instance;
route_handler admin_deployments, admin_deployments_post, admin_list, admin_start, admin_instance;
route_handler admin_journal, admin_output, admin_attach, admin_agents, admin_stats, admin_doctor;
route_handler admin_cancel, admin_kill, admin_pause, admin_resume, admin_purge, admin_restart;
route_handler admin_signal, admin_release;
route_handler feed_open;

#endif
