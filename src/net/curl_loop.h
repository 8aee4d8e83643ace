/* libcurl's multi interface on a uv loop: one connection pool, any number of transfers. Loop thread
 * only.
 *
 * Callbacks come from the loop, never from inside a function of this header, and in batches: all
 * transfers that ended in one turn of the loop are reported together, at the start of the next,
 * and all that were added since are sent together. Every easy handle is given the same safe basis:
 * http and https only, no proxy, no redirects, no cookies, no netrc, TLS verified, sockets only to
 * addresses that net/egress.h allows. */
#ifndef NET_CURL_LOOP_H
#define NET_CURL_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

#include "base/err.h"

struct curl_loop;

struct curl_job {
    CURL *easy; /* from curl_job_init; the owner sets its options while the job is not added */
    void (*done)(struct curl_job *job, CURLcode code); /* it may add the job again, or free it */
    struct curl_loop *loop;
    struct curl_job *prev, *next; /* in the loop's list of ended jobs */
    CURLcode code;
    enum { CURL_JOB_IDLE, CURL_JOB_ADDED, CURL_JOB_ENDED } state;
    bool refused; /* the egress policy refused an address of this transfer */
};

/* `connections` is the size of the pool of kept connections. */
enum errcode curl_loop_new(uv_loop_t *loop, long connections, struct curl_loop **out,
                           struct err *err);

/* Makes the job's easy handle. The job must stay where it is until curl_job_fini. */
void curl_job_init(struct curl_job *job, struct curl_loop *loop,
                   void (*done)(struct curl_job *job, CURLcode code));
void curl_job_fini(struct curl_job *job); /* removes it first; no callback after this */

void curl_job_add(struct curl_job *job);
void curl_job_remove(struct curl_job *job); /* aborts the transfer; no callback after this */

/* All jobs must be finished (curl_job_fini). Run the loop until `closed`, which frees it. */
void curl_loop_close(struct curl_loop *l, void (*closed)(void *arg), void *arg);

#endif
