/* What app.c (opening and closing) and serve.c (signals and the end) share. */
#ifndef APP_INTERNAL_H
#define APP_INTERNAL_H

#include "app.h"
#include "documents.h"
#include "engine/driver.h"
#include "engine/engine.h"
#include "engine/store/store.h"
#include "gate.h"
#include "net/caller.h"
#include "net/server.h"

struct app {
    uv_loop_t *loop;
    const struct config *config;
    struct driver *driver;
    struct store_sqlite *store;
    struct caller *caller;
    struct gate gate;
    struct engine *engine;
    struct documents *documents;
    struct api api;
    struct server *server;
    int64_t *executing; /* the mapped file; NULL: none */
    int closing;        /* parts that have not called back yet */
};

#endif
