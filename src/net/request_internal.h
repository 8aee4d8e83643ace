/* Shared by request.c (building, sending) and outcome.c (reading the end of it). */
#ifndef NET_REQUEST_INTERNAL_H
#define NET_REQUEST_INTERNAL_H

#include "base/buf.h"
#include "net/headers.h"
#include "net/request.h"

enum {
    REQUEST_BODY_MAX = 16 * 1024 * 1024,
    ERROR_BODY_MAX = 2048, /* bytes of an error's body that are read for its message */
};

enum request_form { FORM_CONTENT, FORM_RAW, FORM_RESPONSE };

struct request {
    struct curl_job job; /* first */
    const struct request_env *env;
    const json_t *spec; /* borrowed while the call is in flight */
    struct target target;
    request_done *done;
    void *arg;
    char method[16];
    bool is_agent, follow, has_body;
    enum request_form form;
    struct headers headers;
    struct curl_slist *list, quiet[2]; /* what libcurl was given */
    struct buf body, answer;
    char error[CURL_ERROR_SIZE];
    uint64_t received; /* bytes of this answer, after decompression */
    bool too_large;
    bool secrets_stay; /* no redirect has left the origin that the secrets are for */
    int hops;
    int64_t timeout_ms;
    uint64_t deadline; /* ms of uv_hrtime */
};

/* The transfer has ended: fills `out`. */
void request_outcome(struct request *r, CURLcode code, struct outcome *out);

#endif
