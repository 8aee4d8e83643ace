#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

enum { CONNECTIONS_MAX = 1024, IDLE_SECONDS = 120, STACK_BYTES = 512 * 1024, ROUTES_MAX = 8 };

struct agent_server {
    struct agents *agents;
    const struct agent *agent;
    struct MHD_Daemon *daemon;
    struct keys *keys;
    atomic_uint calls[ROUTES_MAX]; /* by route */
    atomic_uint refused;           /* answered 503 to order */
};

/* A request while its body arrives. */
struct incoming {
    struct buf body;
};

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, char *text)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);

    if (r == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result queued = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return queued;
}

static char *error_text(enum errcode code, const char *detail)
{
    json_t *o = json_object();

    json_object_set_new(o, "success", json_false());
    json_object_set_new(o, "error", safe_string(detail, strlen(detail), ERR_TEXT_MAX));
    json_object_set_new(o, "code", json_string(err_name(code)));
    char *text = json_text(o);
    json_decref(o);
    return text;
}

static enum MHD_Result answer_error(struct MHD_Connection *c, enum errcode code, const char *detail)
{
    return answer_text(c, (unsigned)err_http_status(code), error_text(code, detail));
}

static enum MHD_Result answer_json(struct MHD_Connection *c, json_t *value)
{
    char *text = json_text(value);

    json_decref(value);
    return answer_text(c, MHD_HTTP_OK, text);
}

static json_t *health(const struct agent_server *s)
{
    json_t *capabilities = json_array();

    for (const char *const *name = s->agent->capabilities; *name != NULL; name++)
        json_array_append_new(capabilities, json_string(*name));
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "status", "healthy", "name", s->agent->name,
                     "type", s->agent->type, "version", VERSION, "capabilities", capabilities);
}

static json_t *stats(struct agent_server *s)
{
    json_t *calls = json_object();
    json_t *executions, *requests;

    for (size_t i = 0; s->agent->routes[i].path != NULL; i++)
        json_object_set_new(calls, s->agent->routes[i].path, json_integer(s->calls[i]));
    keys_stats(s->keys, &executions, &requests);
    return json_pack("{s:s, s:o, s:i, s:o, s:o}", "name", s->agent->name, "calls", calls, "refused",
                     (int)s->refused, "keys", executions, "requests", requests);
}

/* Sleeps the ordered latency; wakes at once when the program stops. */
static void delay(struct agents *a)
{
    struct timespec until;

    if (a->options.latency_ms <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + a->options.latency_ms % 1000 * 1000000;
    until.tv_sec += a->options.latency_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&a->lock);
    while (!a->stopping && pthread_cond_timedwait(&a->stop, &a->lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&a->lock);
}

static bool fails_to_order(struct agents *a)
{
    if (a->options.failure_rate <= 0)
        return false;
    pthread_mutex_lock(&a->lock);
    bool fails = rng_unit(&a->rng) < a->options.failure_rate;
    pthread_mutex_unlock(&a->lock);
    return fails;
}

/* Does the work; `*text` is the answer either way, on the heap. */
static unsigned work(struct agent_server *s, const struct route *route, const char *key,
                     const struct buf *body, char **text)
{
    struct call call = {.agents = s->agents, .agent = s->agent, .path = route->path, .key = key};
    struct err err = {0};
    enum errcode code =
        json_parse(body->len > 0 ? body->data : "", body->len, "request body", &call.body, &err);

    if (code == ERR_OK && !json_is_object(call.body))
        code = err_set(&err, ERR_INVALID, "request body: an object is needed");
    if (code == ERR_OK)
        code = route->run(&call, &err);
    *text = code == ERR_OK ? json_text(call.out) : error_text(code, err.text);
    json_decref(call.body);
    json_decref(call.out);
    return code == ERR_OK ? MHD_HTTP_OK : (unsigned)err_http_status(code);
}

static enum MHD_Result work_once(struct agent_server *s, struct MHD_Connection *c,
                                 const struct route *route, const char *key, const struct buf *body)
{
    struct key_entry *entry = NULL;
    unsigned status = 0;
    char *text = NULL;
    uint64_t print = agent_hash(route->path, strlen(route->path), 0);

    if (strlen(key) == 0 || strlen(key) > KEY_LEN_MAX)
        return answer_error(c, ERR_INVALID, "Idempotency-Key: 1 to 512 bytes are needed");
    print = agent_hash(body->data, body->len, print);
    switch (keys_begin(s->keys, key, print, &entry, &status, &text)) {
    case KEYS_MISUSE:
        return answer_text(c, MHD_HTTP_UNPROCESSABLE_CONTENT,
                           error_text(ERR_INVALID, "Idempotency-Key: used for another request"));
    case KEYS_ANSWER:
        return answer_text(c, status, text);
    case KEYS_WORK:
        break;
    }
    status = work(s, route, key, body, &text);
    /* What may go better next time is not remembered. */
    if (status >= 500 || status == MHD_HTTP_REQUEST_TIMEOUT)
        keys_failed(s->keys, entry);
    else
        keys_done(s->keys, entry, status, text);
    return answer_text(c, status, text);
}

static enum MHD_Result post(struct agent_server *s, struct MHD_Connection *c,
                            const struct route *route, const struct buf *body)
{
    const char *key = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Idempotency-Key");
    const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
    char *text;

    /* A JSON content type cannot be sent by a foreign web page without a preflight. */
    if (type == NULL || strncasecmp(type, "application/json", 16) != 0)
        return answer_error(c, ERR_MEDIA_TYPE, "Content-Type: application/json is needed");
    if (body->full)
        return answer_error(c, ERR_TOO_LARGE, "request body: more than 8 MiB");
    s->calls[route - s->agent->routes]++;
    delay(s->agents);
    if (s->agents->stopping)
        return answer_error(c, ERR_UNAVAILABLE, "shutting down");
    if (fails_to_order(s->agents)) {
        s->refused++;
        return answer_error(c, ERR_UNAVAILABLE, "refused to order (--failure-rate)");
    }
    if (key != NULL)
        return work_once(s, c, route, key, body);
    unsigned status = work(s, route, NULL, body, &text);
    return answer_text(c, status, text);
}

static const struct route *find_route(const struct agent *agent, const char *path)
{
    for (const struct route *r = agent->routes; r->path != NULL; r++)
        if (strcmp(r->path, path) == 0)
            return r;
    return NULL;
}

static enum MHD_Result dispatch(struct agent_server *s, struct MHD_Connection *c, const char *path,
                                const char *method, const struct buf *body)
{
    const struct route *route = find_route(s->agent, path);
    bool is_health = strcmp(path, "/health") == 0;
    bool is_stats = strcmp(path, "/stats") == 0;

    if (route == NULL && !is_health && !is_stats)
        return answer_error(c, ERR_NOT_FOUND, "no such path on this agent");
    if (strcmp(method, route != NULL ? "POST" : "GET") != 0)
        return answer_error(c, ERR_METHOD, route != NULL ? "POST is needed" : "GET is needed");
    if (route != NULL)
        return post(s, c, route, body);
    return answer_json(c, is_health ? health(s) : stats(s));
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct incoming *in = *state;

    (void)version;
    if (in == NULL) {
        in = mem_zalloc(sizeof *in);
        buf_init(&in->body, AGENT_BODY_MAX);
        *state = in;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        /* Too much is read and dropped, so that the client sees the 413 and not a reset. */
        buf_add(&in->body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    return dispatch(arg, c, path, method, &in->body);
}

static void ended(void *arg, struct MHD_Connection *c, void **state,
                  enum MHD_RequestTerminationCode why)
{
    struct incoming *in = *state;

    (void)arg;
    (void)c;
    (void)why;
    if (in == NULL)
        return;
    buf_fini(&in->body);
    free(in);
    *state = NULL;
}

enum errcode agent_server_new(struct agents *agents, unsigned index, struct agent_server **out,
                              struct err *err)
{
    struct agent_server *s = mem_zalloc(sizeof *s);
    struct sockaddr_in address = {.sin_family = AF_INET};
    uint16_t port = (uint16_t)(agents->options.base_port + index);

    *out = NULL;
    s->agents = agents;
    s->agent = &agent_table[index];
    s->keys = keys_new();
    address.sin_port = htons(port);
    if (inet_pton(AF_INET, agents->options.host, &address.sin_addr) != 1) {
        agent_server_free(s);
        return err_set(err, ERR_USAGE, "--host %s: not an IPv4 address", agents->options.host);
    }
    s->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, port, NULL,
        NULL, handle, s, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, ended, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_END);
    if (s->daemon == NULL) {
        agent_server_free(s);
        return err_set(err, ERR_UNAVAILABLE, "%s:%u: cannot listen: %s (choose --base-port)",
                       agents->options.host, port, strerror(errno));
    }
    *out = s;
    return ERR_OK;
}

void agent_server_free(struct agent_server *s)
{
    if (s == NULL)
        return;
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    keys_free(s->keys);
    free(s);
}
