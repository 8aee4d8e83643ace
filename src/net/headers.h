/* The headers of one request, first come first kept: what the document says is set before what the
 * configuration and we add. libcurl sends header lines as they are given, so every name and value
 * is checked here. Used again for request after request without allocating. */
#ifndef NET_HEADERS_H
#define NET_HEADERS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum { HEADERS_MAX = 64, HEADERS_BYTES_MAX = 65536 };

struct headers {
    struct buf text; /* lines "name: value", each with its NUL */
    size_t count;
    struct header {
        size_t at;       /* of the line in text */
        size_t name_len; /* the value begins 2 behind it */
        bool secret;     /* never shown, and not for another origin after a redirect */
    } lines[HEADERS_MAX];
    struct curl_slist nodes[HEADERS_MAX];
};

void headers_init(struct headers *h);
void headers_fini(struct headers *h); /* wipes */
void headers_clear(struct headers *h);

/* Adds a header unless there is one of that name. ERR_INVALID: not a header name, a control
 * character in the value, or a header that is ours to set (host, content-length, …);
 * ERR_TOO_LARGE: too many. Messages hold the name, never the value. */
enum errcode headers_add(struct headers *h, const char *name, const char *value, size_t len,
                         bool secret, struct err *err);
const char *headers_get(const struct headers *h, const char *name); /* or NULL; "" is a value */

/* The list for libcurl, valid until the next change. */
struct curl_slist *headers_list(struct headers *h, bool with_secrets);

#endif
