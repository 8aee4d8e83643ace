/* Which requests are looked at at all: refuses what a web page could make a browser send (DNS
 * rebinding by the Host, cross-site requests by Origin, forms by the content type) and what two
 * parsers could read in two ways (lengths). Pure; borrows everything for the call. */
#ifndef NET_GUARD_H
#define NET_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* What one listener accepts. */
struct guard {
    char *const *hosts; /* names besides localhost, 127.0.0.1 and [::1]; borrowed */
    size_t host_count;
    bool local;       /* a unix socket: no browser reaches it, Host and Origin are not looked at */
    bool any_literal; /* beyond loopback: every IP address is a good Host, for it cannot be rebound
                       */
};

/* The headers of one request that matter here; NULL or 0 when absent. */
struct guard_request {
    const char *method;
    const char *host, *origin, *fetch_site, *content_type, *content_length;
    unsigned host_count, length_count, encoding_count; /* encoding: Transfer-Encoding */
};

/* ERR_INVALID: ambiguous length or no Host. ERR_MISDIRECTED: a Host that is not ours.
 * ERR_FORBIDDEN: sent by a foreign web page. ERR_MEDIA_TYPE: a body that is not JSON. */
enum errcode guard_check(const struct guard *g, const struct guard_request *r, struct err *err);

bool guard_has_body(const struct guard_request *r);
bool guard_host_ok(const struct guard *g, const char *host); /* with or without a port */
bool guard_is_json(const char *content_type); /* application/json or …+json, parameters ignored */

#endif
