/* The engine of this process with all that it needs: store, caller of agents, driver, documents
 * and, when it serves, the doors. Everything runs on one loop. Loop thread only. */
#ifndef APP_H
#define APP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "engine/api.h"
#include "engine/flow/flow.h"

struct app;

struct app_options {
    bool paused;      /* nothing runs until api.release */
    bool recovers;    /* takes part in counting crashes: whoever runs instances of a real store */
    bool load_flows;  /* documents of the workflow directories */
    char **workflows; /* directories given on the command line, before those configured; or NULL */
    size_t workflow_count;
};

/* Opens `data` (a directory). `config` is borrowed until app_close. Errors are the store's
 * (ERR_STORE_LOCKED: somebody else has it open). */
enum errcode app_open(uv_loop_t *loop, const struct config *config, const char *data,
                      const struct app_options *options, struct app **out, struct err *err);
void app_api(struct app *a, struct api *api);

/* The documents of the workflow directories; app_open does it when `load_flows` says so. */
void app_load_flows(struct app *a, const struct app_options *options);

/* A document that is no part of a directory, expressions and all. See documents_load. */
enum errcode app_load(struct app *a, const char *path, struct buf *report, const struct flow **out,
                      struct err *err);

/* Opens the doors, serves until SIGTERM or SIGINT, ends in order: no new work, running effects have
 * config's grace, what is written is durable. A second signal skips the grace. */
enum errcode app_serve(struct app *a, struct err *err);

void app_interrupted(struct app *a); /* see driver_interrupted */

/* Aborts calls, closes and frees everything. Runs the loop until nothing is left on it. */
void app_close(struct app *a);

#endif
