/* struct api over HTTP. Three kinds of questions: most are asked once; attach asks again and again
 * until the instance has ended, so that a server's restart in between is only a delay; subscribe
 * reads a stream of events and opens it again when it breaks. */
#include "net/remote.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/curl_loop.h"
#include "net/sse.h"

enum {
    CONNECTIONS = 16,
    ANSWER_MAX = 256 * 1024 * 1024,
    URL_MAX = 16 * 1024,
    POLL_MS = 30 * 1000, /* one question of attach waits so long at the server */
    RETRY_MS = 500,
    RETRIES = 20, /* of attach, in a row */
    TICK_MS = 100
};

enum ask_kind { ASK_ONCE, ASK_ATTACH, ASK_STREAM };

struct ask {
    struct remote *remote;
    enum ask_kind kind;
    struct curl_job job;
    struct buf url, body, in;
    api_cb *cb;
    void *arg;
    uint64_t ticket;   /* attach and subscribe */
    uint64_t deadline; /* attach: uv_now ms */
    size_t url_base;   /* attach: length of the URL before the timeout */
    uint64_t retry_at; /* uv_now ms, 0: under way */
    unsigned failures; /* in a row */
    bool answered;     /* the server has answered once */
    struct sse sse;    /* subscribe */
    json_t *events; /* parsed and not delivered yet: callbacks of libcurl must not call it again */
    bool dead;      /* unsubscribed while its events are delivered */
    struct ask *prev, *next;
};

struct remote {
    uv_loop_t *loop;
    struct curl_loop *curl;
    struct curl_slist *json_headers, *headers;
    char *base;   /* "http://localhost" */
    char *socket; /* path, NULL: TCP */
    struct ask *asks;
    uint64_t next_ticket;
    uv_timer_t timer; /* retries; runs while there are tickets */
    uv_idle_t idle;   /* delivers events */
    bool delivering;  /* nothing may be freed under on_idle */
    bool closing;
    unsigned open;
    void (*closed)(void *arg);
    void *arg;
};

/* ---- URLs ---- */

static void add_escaped(struct buf *b, const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (; *text != '\0'; text++) {
        if (strchr(safe, *text) != NULL)
            buf_add(b, text, 1);
        else
            buf_printf(b, "%%%02X", (unsigned char)*text);
    }
}

static void add_param(struct buf *url, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    buf_printf(url, "%c%s=", strchr(url->data, '?') != NULL ? '&' : '?', key);
    add_escaped(url, value);
}

static void add_number(struct buf *url, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    add_param(url, key, text);
}

/* The members of a query: texts, numbers, lists of texts. */
static void add_query(struct buf *url, json_t *query)
{
    const char *key;
    json_t *value, *item;
    size_t i;

    json_object_foreach(query, key, value)
    {
        if (json_is_string(value)) {
            add_param(url, key, json_string_value(value));
        } else if (json_is_integer(value)) {
            add_number(url, key, json_integer_value(value));
        } else if (json_is_array(value)) {
            struct buf list;

            buf_init(&list, URL_MAX);
            json_array_foreach(value, i, item)
            {
                buf_printf(&list, "%s%s", i > 0 ? "," : "",
                           json_is_string(item) ? json_string_value(item) : "");
            }
            add_param(url, key, list.data);
            buf_fini(&list);
        }
    }
}

/* ---- asking ---- */

static size_t on_data(char *data, size_t size, size_t count, void *arg);
static void on_done(struct curl_job *job, CURLcode code);

/* `first` and `second` are put into "/instances/%s/%s" and the like: path, id, rest. */
static struct ask *ask_new(struct remote *r, enum ask_kind kind, api_cb *cb, void *arg,
                           const char *path, const char *id, const char *rest)
{
    struct ask *a = mem_zalloc(sizeof *a);

    *a = (struct ask){.remote = r, .kind = kind, .cb = cb, .arg = arg};
    buf_init(&a->url, URL_MAX);
    buf_init(&a->body, ANSWER_MAX);
    buf_init(&a->in, ANSWER_MAX);
    buf_printf(&a->url, "%s%s", r->base, path);
    if (id != NULL)
        add_escaped(&a->url, id);
    if (rest != NULL)
        buf_str(&a->url, rest);
    curl_job_init(&a->job, r->curl, on_done);
    /* The operator has named this server; the policy for what documents call does not hold. */
    curl_easy_setopt(a->job.easy, CURLOPT_OPENSOCKETFUNCTION, NULL);
    if (r->socket != NULL)
        curl_easy_setopt(a->job.easy, CURLOPT_UNIX_SOCKET_PATH, r->socket);
    curl_easy_setopt(a->job.easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(a->job.easy, CURLOPT_WRITEDATA, a);
    DL_APPEND(r->asks, a);
    return a;
}

static void ask_free(struct ask *a)
{
    DL_DELETE(a->remote->asks, a);
    curl_job_fini(&a->job);
    buf_fini(&a->url);
    buf_fini(&a->body);
    buf_fini(&a->in);
    sse_fini(&a->sse);
    json_decref(a->events);
    free(a);
}

/* A question that was cut is never sent: it would be another question. */
static const char *url_of(const struct ask *a)
{
    return a->url.full || a->body.full ? "" : a->url.data;
}

static void send_ask(struct ask *a)
{
    CURL *easy = a->job.easy;

    buf_clear(&a->in);
    a->retry_at = 0;
    if (a->kind == ASK_ATTACH) {
        uint64_t now = uv_now(a->remote->loop);
        uint64_t left = a->deadline > now ? a->deadline - now : 1;

        a->url.len = a->url_base;
        a->url.data[a->url.len] = '\0';
        add_number(&a->url, "timeoutMs", left < POLL_MS ? (int64_t)left : POLL_MS);
    }
    curl_easy_setopt(easy, CURLOPT_URL, url_of(a));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, a->remote->headers);
    curl_job_add(&a->job);
}

/* POST; `body` NULL: without one. */
static void post(struct ask *a, const json_t *body)
{
    CURL *easy = a->job.easy;

    if (body != NULL)
        json_write(&a->body, body);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, a->body.data != NULL ? a->body.data : "");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)a->body.len);
    curl_easy_setopt(easy, CURLOPT_URL, url_of(a));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
                     body != NULL ? a->remote->json_headers : a->remote->headers);
    curl_job_add(&a->job);
}

/* ---- answers ---- */

static void on_idle(uv_idle_t *idle);
static void close_handles(struct remote *r);

static void on_event(void *arg, const char *data, size_t len)
{
    struct ask *a = arg;
    json_t *event;

    if (json_parse(data, len, "an event", &event, NULL) != ERR_OK)
        return;
    json_array_append_new(a->events, event);
    uv_idle_start(&a->remote->idle, on_idle);
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct ask *a = arg;
    long status = 0;

    (void)size; /* always 1 */
    curl_easy_getinfo(a->job.easy, CURLINFO_RESPONSE_CODE, &status);
    if (a->kind == ASK_STREAM && status == 200) {
        if (a->failures > 0) { /* what happened in between is unknown: read the state anew */
            a->failures = 0;
            on_event(a, "{\"type\":\"gap\"}", 14);
        }
        a->answered = true;
        return sse_feed(&a->sse, data, count, on_event, a) ? count : 0;
    }
    return buf_add(&a->in, data, count) ? count : 0;
}

static enum errcode code_of(const char *name)
{
    for (int code = ERR_OK + 1; name != NULL && code < ERR_COUNT; code++)
        if (strcmp(err_name((enum errcode)code), name) == 0)
            return (enum errcode)code;
    return ERR_COMMUNICATION;
}

/* What came back, as a value or an error. */
static enum errcode read_answer(struct ask *a, CURLcode code, json_t **result, struct err *err)
{
    const json_t *error;
    long status = 0;

    *result = NULL;
    if (a->url.full || a->body.full)
        return err_set(err, ERR_TOO_LARGE, "this is too long to be asked for over HTTP");
    if (code != CURLE_OK)
        return err_set(err, code == CURLE_WRITE_ERROR ? ERR_TOO_LARGE : ERR_UNAVAILABLE,
                       "the server at %.200s does not answer: %s; is it running?",
                       a->remote->socket != NULL ? a->remote->socket : a->remote->base,
                       curl_easy_strerror(code));
    curl_easy_getinfo(a->job.easy, CURLINFO_RESPONSE_CODE, &status);
    if (json_parse(a->in.data != NULL ? a->in.data : "", a->in.len, "the server's answer", result,
                   err) != ERR_OK) {
        if (status < 400)
            return err->code;
        return err_set(err, ERR_COMMUNICATION, "the server answered %ld without saying why",
                       status);
    }
    if (status < 400)
        return ERR_OK;
    error = json_object_get(*result, "error");
    err_set(err, code_of(json_str(error, "code", NULL)), "%s",
            json_str(error, "message", "the server refused, without saying why"));
    json_decref(*result);
    *result = NULL;
    return err->code;
}

/* Should attach ask again after this answer? */
static bool asks_again(struct ask *a, CURLcode how, enum errcode code)
{
    uint64_t now = uv_now(a->remote->loop);

    if (now >= a->deadline)
        return false;
    if (code == ERR_NOT_READY || code == ERR_TIMEOUT) {
        a->answered = true;
        a->failures = 0;
        a->retry_at = now + 1;
        return true;
    }
    /* A server that was never reached is an error; one that went away is expected back. */
    if (how != CURLE_COULDNT_CONNECT && how != CURLE_COULDNT_RESOLVE_HOST)
        a->answered = true;
    if (code != ERR_UNAVAILABLE || !a->answered || a->failures >= RETRIES)
        return false;
    a->failures++;
    a->retry_at = now + RETRY_MS;
    return true;
}

static void on_stream_end(struct ask *a, CURLcode code)
{
    struct err err;
    json_t *result = NULL;

    if (!a->answered) { /* it could not even be opened: the caller has to know */
        api_cb *cb = a->cb;
        void *arg = a->arg;

        if (read_answer(a, code, &result, &err) == ERR_OK)
            err_set(&err, ERR_COMMUNICATION, "the server sends no events");
        json_decref(result);
        ask_free(a);
        cb(arg, &err, NULL);
        return;
    }
    sse_fini(&a->sse);
    a->failures++;
    a->retry_at = uv_now(a->remote->loop) + RETRY_MS;
}

static void on_done(struct curl_job *job, CURLcode code)
{
    struct ask *a = (struct ask *)((char *)job - offsetof(struct ask, job));
    enum errcode status;
    json_t *result;
    struct err err;
    api_cb *cb = a->cb;
    void *arg = a->arg;

    if (a->kind == ASK_STREAM) {
        on_stream_end(a, code);
        return;
    }
    status = read_answer(a, code, &result, &err);
    if (a->kind == ASK_ATTACH && status != ERR_OK && asks_again(a, code, status))
        return;
    ask_free(a); /* before the callback, which may close all */
    cb(arg, status != ERR_OK ? &err : NULL, result);
    json_decref(result);
}

/* Events go out here, where no function of libcurl is on the stack. */
static void on_idle(uv_idle_t *idle)
{
    struct remote *r = idle->data;
    struct ask *a, *next;
    json_t *events, *event;
    size_t i;

    uv_idle_stop(idle);
    r->delivering = true; /* what the callbacks end is freed below */
    DL_FOREACH(r->asks, a)
    {
        if (a->kind != ASK_STREAM || json_array_size(a->events) == 0)
            continue;
        events = a->events;
        a->events = json_array();
        json_array_foreach(events, i, event)
        {
            if (!a->dead)
                a->cb(a->arg, NULL, event);
        }
        json_decref(events);
    }
    r->delivering = false;
    DL_FOREACH_SAFE(r->asks, a, next)
    {
        if (a->dead)
            ask_free(a);
    }
    if (r->closing)
        close_handles(r);
}

static void on_tick(uv_timer_t *timer)
{
    struct remote *r = timer->data;
    uint64_t now = uv_now(r->loop);
    bool any = false;
    struct ask *a;

    DL_FOREACH(r->asks, a)
    {
        any = any || a->kind != ASK_ONCE;
        if (a->retry_at != 0 && now >= a->retry_at)
            send_ask(a);
    }
    if (!any)
        uv_timer_stop(timer);
}

/* ---- struct api ---- */

static void get(void *self, api_cb *cb, void *arg, const char *path)
{
    send_ask(ask_new(self, ASK_ONCE, cb, arg, path, NULL, NULL));
}

static void remote_start(void *self, const struct api_start *s, api_cb *cb, void *arg)
{
    json_t *body =
        json_pack("{s:s, s:s*, s:O, s:s*, s:s*, s:s*, s:I}", "service", s->service, "version",
                  s->version, "input", s->input, "idempotencyKey", s->idempotency_key, "callerId",
                  s->caller_id, "traceparent", s->traceparent, "delayMs", (json_int_t)s->delay_ms);

    post(ask_new(self, ASK_ONCE, cb, arg, "/instances", NULL, NULL), body);
    json_decref(body);
}

static uint64_t remote_attach(void *self, const char *service, const char *id, int64_t timeout_ms,
                              api_cb *cb, void *arg)
{
    struct remote *r = self;
    struct ask *a = ask_new(r, timeout_ms > 0 ? ASK_ATTACH : ASK_ONCE, cb, arg, "/instances/", id,
                            timeout_ms > 0 ? "/attach" : "/output");

    add_param(&a->url, "service", service);
    a->url_base = a->url.len;
    a->ticket = ++r->next_ticket;
    a->deadline = uv_now(r->loop) + (uint64_t)timeout_ms;
    send_ask(a);
    if (timeout_ms > 0)
        uv_timer_start(&r->timer, on_tick, TICK_MS, TICK_MS);
    return a->ticket;
}

static void remote_forget(void *self, uint64_t ticket)
{
    struct remote *r = self;
    struct ask *a;

    if (ticket == 0)
        return;
    DL_SEARCH_SCALAR(r->asks, a, ticket, ticket);
    if (a == NULL)
        return;
    a->dead = true;
    if (!r->delivering)
        ask_free(a);
}

static void remote_list(void *self, json_t *query, api_cb *cb, void *arg)
{
    struct ask *a = ask_new(self, ASK_ONCE, cb, arg, "/instances", NULL, NULL);

    add_query(&a->url, query);
    send_ask(a);
}

static void remote_describe(void *self, const char *service, const char *id, api_cb *cb, void *arg)
{
    struct ask *a = ask_new(self, ASK_ONCE, cb, arg, "/instances/", id, NULL);

    add_param(&a->url, "service", service);
    send_ask(a);
}

static void remote_journal(void *self, const char *id, json_t *query, api_cb *cb, void *arg)
{
    struct ask *a = ask_new(self, ASK_ONCE, cb, arg, "/instances/", id, "/journal");

    add_query(&a->url, query);
    send_ask(a);
}

static void remote_services(void *self, api_cb *cb, void *arg)
{
    get(self, cb, arg, "/services");
}

static void remote_agents(void *self, api_cb *cb, void *arg)
{
    get(self, cb, arg, "/agents");
}

static void remote_stats(void *self, api_cb *cb, void *arg)
{
    get(self, cb, arg, "/stats");
}

static void remote_doctor(void *self, api_cb *cb, void *arg)
{
    get(self, cb, arg, "/doctor");
}

static void remote_release(void *self, api_cb *cb, void *arg)
{
    post(ask_new(self, ASK_ONCE, cb, arg, "/release", NULL, NULL), NULL);
}

/* Who does it is for the server to see: the user at the other end of the socket. */
static void act(void *self, const struct api_act *act, const char *verb, const char *step,
                api_cb *cb, void *arg)
{
    struct ask *a = ask_new(self, ASK_ONCE, cb, arg, "/instances/", act->id, verb);
    json_t *body = json_pack("{s:s*}", "why", act->why);

    add_param(&a->url, "service", act->service);
    add_param(&a->url, "from", step);
    post(a, body);
    json_decref(body);
}

static void remote_cancel(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, "/cancel", NULL, cb, arg);
}

static void remote_kill(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, "/kill", NULL, cb, arg);
}

static void remote_pause(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, "/pause", NULL, cb, arg);
}

static void remote_resume(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, "/resume", NULL, cb, arg);
}

static void remote_purge(void *self, const struct api_act *a, api_cb *cb, void *arg)
{
    act(self, a, "/purge", NULL, cb, arg);
}

static void remote_restart(void *self, const struct api_act *a, const char *step, api_cb *cb,
                           void *arg)
{
    act(self, a, "/restart", step, cb, arg);
}

static void remote_signal(void *self, const struct api_act *act, const char *name, json_t *payload,
                          api_cb *cb, void *arg)
{
    struct ask *a = ask_new(self, ASK_ONCE, cb, arg, "/instances/", act->id, "/signals/");

    add_escaped(&a->url, name);
    add_param(&a->url, "service", act->service);
    add_param(&a->url, "why", act->why);
    post(a, payload != NULL ? payload : json_null());
}

static uint64_t remote_subscribe(void *self, const char *id, api_cb *cb, void *arg)
{
    struct remote *r = self;
    struct ask *a = ask_new(r, ASK_STREAM, cb, arg, "/events", NULL, NULL);

    add_param(&a->url, "id", id);
    a->ticket = ++r->next_ticket;
    a->events = json_array();
    send_ask(a);
    uv_timer_start(&r->timer, on_tick, TICK_MS, TICK_MS);
    return a->ticket;
}

/* ---- the whole ---- */

static const struct api table = {.start = remote_start,
                                 .attach = remote_attach,
                                 .forget = remote_forget,
                                 .list = remote_list,
                                 .describe = remote_describe,
                                 .journal = remote_journal,
                                 .services = remote_services,
                                 .agents = remote_agents,
                                 .stats = remote_stats,
                                 .doctor = remote_doctor,
                                 .cancel = remote_cancel,
                                 .kill = remote_kill,
                                 .pause = remote_pause,
                                 .resume = remote_resume,
                                 .purge = remote_purge,
                                 .restart = remote_restart,
                                 .signal = remote_signal,
                                 .release = remote_release,
                                 .subscribe = remote_subscribe,
                                 .unsubscribe = remote_forget};

enum errcode remote_new(uv_loop_t *loop, const char *url, struct remote **out, struct api *api,
                        struct err *err)
{
    bool is_socket = strncmp(url, "unix:/", 6) == 0;
    struct curl_loop *curl;
    struct remote *r;
    enum errcode code;

    *out = NULL;
    if (!is_socket && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return err_set(err, ERR_USAGE,
                       "\"%.200s\" names no server; write http://127.0.0.1:9070 or unix:/PATH",
                       url);
    code = curl_loop_new(loop, CONNECTIONS, &curl, err);
    if (code != ERR_OK)
        return code;
    r = mem_zalloc(sizeof *r);
    *r = (struct remote){.loop = loop, .curl = curl};
    r->base = mem_strdup(is_socket ? "http://localhost" : url);
    if (is_socket)
        r->socket = mem_strdup(url + 5);
    for (size_t len = strlen(r->base); len > 8 && r->base[len - 1] == '/'; len--)
        r->base[len - 1] = '\0';
    /* libcurl would wait a second for "100 Continue" before a large body. */
    r->headers = curl_slist_append(NULL, "Expect:");
    r->headers = curl_slist_append(r->headers, "Content-Type:");
    r->json_headers = curl_slist_append(NULL, "Expect:");
    r->json_headers = curl_slist_append(r->json_headers, "Content-Type: application/json");
    uv_timer_init(loop, &r->timer);
    uv_idle_init(loop, &r->idle);
    r->timer.data = r->idle.data = r;
    *api = table;
    api->self = r;
    *out = r;
    return ERR_OK;
}

static void closed_one(void *arg)
{
    struct remote *r = arg;
    void (*closed)(void *arg) = r->closed;

    if (--r->open > 0)
        return;
    arg = r->arg;
    curl_slist_free_all(r->headers);
    curl_slist_free_all(r->json_headers);
    free(r->base);
    free(r->socket);
    free(r);
    if (closed != NULL)
        closed(arg);
}

static void on_handle_closed(uv_handle_t *handle)
{
    closed_one(handle->data);
}

static void close_handles(struct remote *r)
{
    while (r->asks != NULL)
        ask_free(r->asks);
    r->open = 3;
    uv_close((uv_handle_t *)&r->timer, on_handle_closed);
    uv_close((uv_handle_t *)&r->idle, on_handle_closed);
    curl_loop_close(r->curl, closed_one, r);
}

void remote_close(struct remote *r, void (*closed)(void *arg), void *arg)
{
    struct ask *a;

    r->closed = closed;
    r->arg = arg;
    r->closing = true;
    DL_FOREACH(r->asks, a)
    {
        a->dead = true;
    }
    if (!r->delivering)
        close_handles(r);
}
