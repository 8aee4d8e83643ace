#include "net/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/json.h"
#include "base/mem.h"
#include "net/conn.h"

enum {
    VALUES_MAX = 200000, /* of one JSON body */
    SPARE_MAX = 256,
    SPARE_BODY_MAX = 16 * 1024,    /* a larger body's memory is given back */
    DISCARD_MAX = 16 * 1024 * 1024 /* of a refused body, so that its client reads the answer */
};

/* What the header of one request says. */
struct header {
    struct guard_request guard;
    struct exchange *ex;
    bool expects; /* 100-continue: the body comes only when we say so */
};

static struct exchange *exchange_new(struct hub *hub)
{
    struct exchange *ex = hub->spare;
    struct buf body;

    if (ex == NULL) {
        ex = mem_zalloc(sizeof *ex);
    } else {
        DL_DELETE(hub->spare, ex);
        hub->spare_count--;
        body = ex->body;
        memset(ex, 0, sizeof *ex);
        ex->body = body;
        buf_clear(&ex->body);
    }
    ex->hub = hub;
    return ex;
}

static void exchange_free(struct exchange *ex)
{
    struct hub *hub = ex->hub;

    json_decref(ex->json);
    ex->json = NULL;
    for (struct text *t = ex->texts, *next; t != NULL; t = next) {
        next = t->next;
        free(t);
    }
    ex->texts = NULL;
    if (ex->body.cap > SPARE_BODY_MAX)
        buf_fini(&ex->body);
    if (hub != NULL && hub->spare_count < SPARE_MAX) {
        DL_PREPEND(hub->spare, ex);
        hub->spare_count++;
        return;
    }
    buf_fini(&ex->body);
    free(ex);
}

/* ---- receiving ---- */

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    struct header *h = arg;
    struct guard_request *g = &h->guard;

    (void)kind;
    if (value == NULL)
        value = "";
    if (strcasecmp(key, "Host") == 0) {
        g->host = value;
        g->host_count++;
    } else if (strcasecmp(key, "Content-Length") == 0) {
        g->content_length = value;
        g->length_count++;
    } else if (strcasecmp(key, "Content-Type") == 0) {
        g->content_type = value;
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        g->encoding_count++;
    } else if (strcasecmp(key, "Origin") == 0) {
        g->origin = value;
    } else if (strcasecmp(key, "Sec-Fetch-Site") == 0) {
        g->fetch_site = value;
    } else if (strcasecmp(key, "Expect") == 0) {
        h->expects = true;
    } else if (strcasecmp(key, "Idempotency-Key") == 0) {
        h->ex->idempotency_key = value;
    } else if (strcasecmp(key, "X-Workflow-Id") == 0) {
        h->ex->workflow_id = value;
    } else if (strcasecmp(key, "Traceparent") == 0) {
        h->ex->traceparent = value;
    }
    return MHD_YES;
}

static size_t body_cap(const struct exchange *ex)
{
    size_t cap = ex->route->max_body;

    return cap == BODY_CONFIG ? (size_t)ex->hub->config->body_max : cap;
}

static bool check_size(struct exchange *ex, const struct guard_request *g, struct err *err)
{
    size_t cap = body_cap(ex);
    uint64_t length = 0;

    ex->body.max = cap;
    if (cap == 0 && guard_has_body(g)) {
        err_set(err, ERR_TOO_LARGE, "%s %s takes no body", ex->route->method, ex->route->pattern);
        return false;
    }
    if (g->content_length != NULL)
        length = strtoull(g->content_length, NULL, 10);
    if (length <= cap)
        return true;
    err_set(err, ERR_TOO_LARGE, "the body is %llu bytes; at most %zu are taken here",
            (unsigned long long)length, cap);
    return false;
}

/* Who asks for what is looked at before the body is: 4xx here costs us no memory. */
static void admit(struct exchange *ex, const struct header *h, const char *url)
{
    struct err err;
    enum errcode code;
    struct buf allow;

    if (strlen(url) >= sizeof ex->path) {
        exchange_fail(ex, ERR_NOT_FOUND, "the path is longer than %zu bytes", sizeof ex->path - 1);
        return;
    }
    memcpy(ex->path, url, strlen(url) + 1);
    code = guard_check(&ex->door->guard, &h->guard, &err);
    if (code != ERR_OK) {
        ex->close = code == ERR_INVALID;
        exchange_err(ex, &err);
        return;
    }
    code = routes_find(ex->door->kind, h->guard.method, ex->path, ex->param, &ex->route, &err);
    if (code == ERR_NOT_FOUND) {
        exchange_err_with(ex, &err, "routes", routes_nearby(ex->door->kind, ex->path));
    } else if (code == ERR_METHOD) {
        buf_init(&allow, 100);
        routes_allow(ex->door->kind, ex->path, &allow);
        exchange_err(ex, &err);
        MHD_add_response_header(ex->response, "Allow", allow.data);
        buf_fini(&allow);
    } else if (code != ERR_OK || !check_size(ex, &h->guard, &err)) {
        exchange_err(ex, &err);
    }
}

static enum MHD_Result queue(struct exchange *ex)
{
    conn_enter(ex->conn, ex->feed != NULL ? CONN_STREAM : CONN_REPLY);
    if (ex->close)
        MHD_add_response_header(ex->response, "Connection", "close");
    return MHD_queue_response(ex->connection, ex->status, ex->response);
}

static enum MHD_Result begin(struct door *door, struct MHD_Connection *connection,
                             const char *method, const char *url, void **state)
{
    struct exchange *ex;
    struct header h = {.guard.method = method};
    struct conn *conn = conn_of(connection);

    if (conn == NULL || conn->refused || door->hub->closing)
        return MHD_NO;
    ex = h.ex = *state = exchange_new(door->hub);
    ex->door = door;
    ex->conn = conn;
    ex->connection = connection;
    conn->ex = ex;
    door->hub->active++;
    conn_enter(conn, CONN_BODY);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &h);
    admit(ex, &h, url);
    if (ex->response == NULL)
        return MHD_YES;
    /* A refused body is read to its end where that is cheap: closing on a client that still sends
     * resets the connection, and the answer is lost with it. */
    if (!guard_has_body(&h.guard) || h.expects || ex->close ||
        (h.guard.content_length != NULL &&
         strtoull(h.guard.content_length, NULL, 10) > DISCARD_MAX))
        return queue(ex);
    return MHD_YES;
}

static enum MHD_Result receive(struct exchange *ex, const char *data, size_t size)
{
    if (ex->gone)
        return MHD_NO;
    if (ex->response != NULL || !buf_add(&ex->body, data, size)) {
        ex->discarded += size;
        if (ex->discarded > DISCARD_MAX)
            return MHD_NO;
        if (ex->response == NULL)
            exchange_fail(ex, ERR_TOO_LARGE,
                          "the body is too large; at most %zu bytes are taken "
                          "here",
                          ex->body.max);
    }
    return MHD_YES;
}

/* 4 MiB of "[0,0,0,…" would become 100 MB of values. */
static bool too_many_values(const char *text, size_t len)
{
    size_t count = 0;
    bool in_string = false;

    if (len <= VALUES_MAX) /* each takes a byte at least */
        return false;
    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == ',' || text[i] == '[' || text[i] == '{'))
            count++;
    }
    return count > VALUES_MAX;
}

/* False: answered. */
static bool parse_body(struct exchange *ex)
{
    struct err err;

    if (ex->body.len == 0)
        return true;
    if (too_many_values(ex->body.data, ex->body.len)) {
        exchange_fail(ex, ERR_TOO_LARGE, "the request body holds more than %d JSON values",
                      VALUES_MAX);
        return false;
    }
    if (json_parse(ex->body.data, ex->body.len, "the request body", &ex->json, &err) == ERR_OK)
        return true;
    exchange_err(ex, &err);
    return false;
}

static void start(struct exchange *ex)
{
    ex->started = true;
    if (ex->hub->draining && ex->route->starts)
        exchange_fail(ex, ERR_UNAVAILABLE, "the server is stopping and takes no new work");
    else if (parse_body(ex))
        ex->route->handler(ex);
}

enum MHD_Result exchange_on_request(void *door, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **state)
{
    struct exchange *ex = *state;

    (void)version;
    if (ex == NULL)
        return begin(door, connection, method, url, state);
    if (*size > 0) {
        size_t len = *size;

        *size = 0;
        return receive(ex, data, len);
    }
    if (!ex->started && ex->response == NULL)
        start(ex);
    if (ex->gone)
        return MHD_NO;
    if (ex->response != NULL)
        return queue(ex);
    exchange_sleep(ex);
    return MHD_YES;
}

/* ---- the two sides letting go ---- */

static void stop_waiting(struct exchange *ex)
{
    if (ex->ticket == 0)
        return;
    ex->hub->api->forget(ex->hub->api->self, ex->ticket);
    ex->ticket = 0;
    ex->held--;
}

void exchange_on_completed(void *door, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    struct exchange *ex = *state;

    (void)door;
    (void)connection;
    (void)code;
    if (ex == NULL)
        return;
    *state = NULL;
    stop_waiting(ex);
    feed_free(ex->feed);
    ex->feed = NULL;
    if (ex->response != NULL)
        MHD_destroy_response(ex->response);
    ex->response = NULL;
    conn_enter(ex->conn, CONN_IDLE);
    ex->conn->ex = NULL;
    ex->conn = NULL;
    ex->connection = NULL;
    ex->hub->active--;
    if (ex->held == 0)
        exchange_free(ex);
    else
        DL_APPEND(ex->hub->orphans, ex);
}

void exchange_hold(struct exchange *ex)
{
    ex->held++;
}

bool exchange_back(struct exchange *ex)
{
    assert(ex->held > 0);
    ex->held--;
    ex->ticket = 0;
    if (ex->connection != NULL)
        return !ex->gone && ex->response == NULL;
    if (ex->held == 0) {
        if (ex->hub != NULL)
            DL_DELETE(ex->hub->orphans, ex);
        exchange_free(ex);
    }
    return false;
}

void exchange_ticket(struct exchange *ex, uint64_t ticket)
{
    if (ex->held > 0) /* the callback may have come from inside the call */
        ex->ticket = ticket;
}

void exchange_wake(struct exchange *ex)
{
    if (!ex->suspended)
        return;
    ex->suspended = false;
    MHD_resume_connection(ex->connection);
    mhd_loop_kick(ex->door->mhd);
}

void exchange_sleep(struct exchange *ex)
{
    ex->suspended = true;
    conn_enter(ex->conn, ex->feed != NULL ? CONN_STREAM : CONN_WAIT);
    MHD_suspend_connection(ex->connection);
}

void exchange_gone(struct exchange *ex)
{
    ex->gone = true;
    stop_waiting(ex);
    exchange_wake(ex);
}

void exchange_expire(struct exchange *ex)
{
    ex->wait_until = 0;
    if (ex->ticket == 0) /* the answer is being read already */
        return;
    stop_waiting(ex);
    exchange_fail(ex, ERR_NOT_READY, "the instance has not ended yet; ask again");
}

void exchange_cut(struct exchange *ex)
{
    conn_cut(ex->conn);
    exchange_gone(ex);
}

void exchange_abandon(struct hub *hub)
{
    struct conn *c;

    DL_FOREACH(hub->conns, c)
    {
        struct exchange *ex = c->ex;

        if (ex == NULL)
            continue;
        ex->close = true;
        if (ex->feed != NULL) {
            feed_end(ex->feed);
        } else if (ex->suspended) {
            stop_waiting(ex);
            exchange_fail(ex, ERR_UNAVAILABLE,
                          "the server stops; the work goes on when it is "
                          "back: ask again with the same id");
        }
    }
}

void exchange_hub_fini(struct hub *hub)
{
    struct exchange *ex, *next;

    DL_FOREACH_SAFE(hub->spare, ex, next)
    {
        buf_fini(&ex->body);
        free(ex);
    }
    DL_FOREACH(hub->orphans, ex)
    {
        ex->hub = NULL; /* the engine's callback frees it */
    }
}
