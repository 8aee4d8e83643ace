/* For tests of net/: a scripted struct api, a real server on ephemeral ports and a unix socket, raw
 * sockets as clients, all on one loop. Nothing polls in the background: a wake-up that the server
 * forgets stops the test, and alarm() ends it. */
#ifndef TESTS_NET_FIXTURE_H
#define TESTS_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/server.h"

/* ---- the scripted api ---- */

struct fake {
    bool defer_start, defer_attach; /* keep the callback instead of answering */
    api_cb *start_cb, *attach_cb, *event_cb;
    void *start_arg, *attach_arg, *event_arg;
    uint64_t ticket;
    unsigned starts, forgets, unsubscribes, acts;
    enum errcode fail; /* answer everything with this */
    json_t *end;       /* what attach answers; NULL: completed, with the last input as output */
    json_t *input;
    char last[1200]; /* the last call, as text */
};

static inline void fake_answer(struct fake *f, api_cb *cb, void *arg, json_t *result /* taken */)
{
    struct err err;

    if (f->fail != ERR_OK) {
        err_set(&err, f->fail, "scripted");
        cb(arg, &err, NULL);
    } else {
        cb(arg, NULL, result);
    }
    json_decref(result);
}

static inline void fake_start(void *self, const struct api_start *s, api_cb *cb, void *arg)
{
    struct fake *f = self;
    char *text = json_text(s->input);

    f->starts++;
    json_decref(f->input);
    f->input = json_incref(s->input);
    snprintf(f->last, sizeof f->last, "start %s v=%s in=%.200s key=%s id=%s delay=%lld", s->service,
             s->version ? s->version : "-", text, s->idempotency_key ? s->idempotency_key : "-",
             s->caller_id ? s->caller_id : "-", (long long)s->delay_ms);
    free(text);
    if (f->defer_start) {
        f->start_cb = cb;
        f->start_arg = arg;
        return;
    }
    fake_answer(f, cb, arg, json_pack("{s:s, s:s}", "id", "inst_1", "status", "accepted"));
}

static inline json_t *fake_end(struct fake *f)
{
    return f->end != NULL ? json_incref(f->end)
                          : json_pack("{s:s, s:s, s:O}", "id", "inst_1", "status", "completed",
                                      "output", f->input != NULL ? f->input : json_null());
}

static inline uint64_t fake_attach(void *self, const char *service, const char *id,
                                   int64_t timeout_ms, api_cb *cb, void *arg)
{
    struct fake *f = self;

    snprintf(f->last, sizeof f->last, "attach %s %s %s", service ? service : "-", id,
             timeout_ms == 0 ? "now" : "wait");
    if (f->defer_attach && timeout_ms > 0) {
        f->attach_cb = cb;
        f->attach_arg = arg;
        return ++f->ticket;
    }
    fake_answer(f, cb, arg, fake_end(f));
    return 0;
}

static inline void fake_forget(void *self, uint64_t ticket)
{
    struct fake *f = self;

    assert_true(ticket == f->ticket && f->attach_cb != NULL);
    f->attach_cb = NULL;
    f->forgets++;
}

static inline void fake_query(void *self, const char *what, const char *id, json_t *query,
                              api_cb *cb, void *arg)
{
    struct fake *f = self;
    char *text = json_text(query);

    snprintf(f->last, sizeof f->last, "%s %s %s", what, id, text);
    free(text);
    fake_answer(f, cb, arg,
                json_pack("{s:s, s:[{s:s, s:s}]}", "what", what, "instances", "id", "inst_1",
                          "service", "echo"));
}

static inline void fake_list(void *self, json_t *query, api_cb *cb, void *arg)
{
    fake_query(self, "list", "-", query, cb, arg);
}

static inline void fake_journal(void *self, const char *id, json_t *query, api_cb *cb, void *arg)
{
    fake_query(self, "journal", id, query, cb, arg);
}

static inline void fake_describe(void *self, const char *service, const char *id, api_cb *cb,
                                 void *arg)
{
    struct fake *f = self;

    snprintf(f->last, sizeof f->last, "describe %s %s", service ? service : "-", id);
    fake_answer(f, cb, arg, json_pack("{s:s, s:s}", "id", id, "status", "running"));
}

static inline void fake_services(void *self, api_cb *cb, void *arg)
{
    fake_answer(self, cb, arg,
                json_pack("{s:[{s:s, s:s, s:s}, {s:s}]}", "services", "name", "echo", "version",
                          "1.0.0", "digest", "d", "name", "idle"));
}

static inline void fake_plain(void *self, api_cb *cb, void *arg)
{
    fake_answer(self, cb, arg, json_pack("{s:b}", "plain", 1));
}

static inline void fake_noted(struct fake *f, const char *verb, const struct api_act *a,
                              const char *extra, api_cb *cb, void *arg)
{
    f->acts++;
    snprintf(f->last, sizeof f->last, "%s %s %s by=%s why=%s%s%s", verb,
             a->service ? a->service : "-", a->id, a->by ? a->by : "-", a->why ? a->why : "-",
             extra != NULL ? " " : "", extra != NULL ? extra : "");
    fake_answer(f, cb, arg, json_pack("{s:s}", "id", a->id));
}

#define FAKE_ACT(name)                                                                             \
    static inline void fake_##name(void *self, const struct api_act *a, api_cb *cb, void *arg)     \
    {                                                                                              \
        fake_noted(self, #name, a, NULL, cb, arg);                                                 \
    }
FAKE_ACT(cancel)
FAKE_ACT(kill)
FAKE_ACT(pause)
FAKE_ACT(resume)
FAKE_ACT(purge)

static inline void fake_restart(void *self, const struct api_act *a, const char *step, api_cb *cb,
                                void *arg)
{
    fake_noted(self, "restart", a, step, cb, arg);
}

static inline void fake_signal(void *self, const struct api_act *a, const char *name,
                               json_t *payload, api_cb *cb, void *arg)
{
    char *text = json_text(payload), *extra = mem_printf("%s=%s", name, text);

    fake_noted(self, "signal", a, extra, cb, arg);
    free(extra);
    free(text);
}

static inline uint64_t fake_subscribe(void *self, const char *id, api_cb *cb, void *arg)
{
    struct fake *f = self;

    snprintf(f->last, sizeof f->last, "subscribe %s", id ? id : "-");
    f->event_cb = cb;
    f->event_arg = arg;
    return 1;
}

static inline void fake_unsubscribe(void *self, uint64_t ticket)
{
    struct fake *f = self;

    (void)ticket;
    f->event_cb = NULL;
    f->unsubscribes++;
}

static inline void fake_event(struct fake *f, const char *type, const char *text)
{
    json_t *event = json_pack("{s:s, s:s}", "type", type, "id", text);

    assert_non_null(f->event_cb);
    f->event_cb(f->event_arg, NULL, event);
    json_decref(event);
}

/* Answers the attach that was kept. */
static inline void fake_finish(struct fake *f)
{
    api_cb *cb = f->attach_cb;

    assert_non_null(cb);
    f->attach_cb = NULL;
    fake_answer(f, cb, f->attach_arg, fake_end(f));
}

/* ---- the server ---- */

struct fixture {
    uv_loop_t loop;
    struct fake fake;
    struct api api;
    struct config config;
    struct server *server;
    char dir[64];
    bool closed;
};

static inline void on_fixture_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void fixture_init(struct fixture *fx)
{
    memset(fx, 0, sizeof *fx);
    uv_loop_init(&fx->loop);
    strcpy(fx->dir, "/tmp/ultramcp-net-XXXXXX");
    assert_non_null(mkdtemp(fx->dir));
    fx->config = (struct config){.data = fx->dir,
                                 .ingress = mem_strdup("127.0.0.1:0"),
                                 .admin = mem_strdup("127.0.0.1:0"),
                                 .meta = mem_strdup(""),
                                 .body_max = 4 * 1024 * 1024,
                                 .header_deadline_ms = 10000,
                                 .body_deadline_ms = 30000,
                                 .connections_max = 100};
    fx->api = (struct api){.self = &fx->fake,
                           .start = fake_start,
                           .attach = fake_attach,
                           .forget = fake_forget,
                           .list = fake_list,
                           .describe = fake_describe,
                           .journal = fake_journal,
                           .services = fake_services,
                           .agents = fake_plain,
                           .stats = fake_plain,
                           .doctor = fake_plain,
                           .cancel = fake_cancel,
                           .kill = fake_kill,
                           .pause = fake_pause,
                           .resume = fake_resume,
                           .purge = fake_purge,
                           .restart = fake_restart,
                           .signal = fake_signal,
                           .release = fake_plain,
                           .subscribe = fake_subscribe,
                           .unsubscribe = fake_unsubscribe};
}

static inline void fixture_start(struct fixture *fx)
{
    assert_int_equal(server_new(&fx->loop, &fx->config, &fx->api, &fx->server, NULL), ERR_OK);
    alarm(60);
}

static inline void fixture_stop(struct fixture *fx)
{
    fx->closed = false;
    server_close(fx->server, on_fixture_closed, &fx->closed);
    while (!fx->closed)
        uv_run(&fx->loop, UV_RUN_ONCE);
    fx->server = NULL;
}

static inline void fixture_fini(struct fixture *fx)
{
    if (fx->server != NULL)
        fixture_stop(fx);
    uv_run(&fx->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fx->loop), 0);
    json_decref(fx->fake.input);
    json_decref(fx->fake.end);
    free(fx->config.ingress);
    free(fx->config.admin);
    free(fx->config.meta);
    rmdir(fx->dir);
    alarm(0);
}

/* ---- a client ---- */

struct client {
    struct fixture *fx;
    int fd;
    uv_poll_t poll;
    struct buf in;   /* all that came */
    size_t consumed; /* by earlier answers */
    const char *out; /* still to be sent */
    size_t left;
    bool eof, closed;
};

static inline void on_client(uv_poll_t *poll, int status, int events)
{
    struct client *c = poll->data;
    char block[65536];
    ssize_t n;

    if (status < 0) /* a reset connection: what came before it is still to be read */
        events = UV_READABLE;
    if ((events & UV_WRITABLE) != 0 && c->left > 0) {
        n = send(c->fd, c->out, c->left, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            c->out += n;
            c->left -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN) {
            c->left = 0;
        }
    }
    if ((events & UV_READABLE) != 0) {
        n = recv(c->fd, block, sizeof block, MSG_DONTWAIT);
        if (n > 0)
            buf_add(&c->in, block, (size_t)n);
        else if (n == 0 || errno != EAGAIN || status < 0)
            c->eof = true;
    }
    if (c->eof)
        uv_poll_stop(poll);
    else
        uv_poll_start(poll, c->left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_client);
}

static inline void client_attach(struct client *c, struct fixture *fx, int fd)
{
    *c = (struct client){.fx = fx, .fd = fd};
    buf_init(&c->in, 64 * 1024 * 1024);
    uv_poll_init(&fx->loop, &c->poll, fd);
    c->poll.data = c;
    uv_poll_start(&c->poll, UV_READABLE, on_client);
}

static inline void client_tcp(struct client *c, struct fixture *fx, const char *door)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port(fx->server, door)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    client_attach(c, fx, fd);
}

static inline void client_unix(struct client *c, struct fixture *fx)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(to.sun_path, sizeof to.sun_path, "%s/admin.sock", fx->dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    client_attach(c, fx, fd);
}

static inline void client_send(struct client *c, const char *data, size_t len)
{
    c->out = data;
    c->left = len;
    uv_poll_start(&c->poll, UV_READABLE | UV_WRITABLE, on_client);
    while (c->left > 0 && !c->eof)
        uv_run(&c->fx->loop, UV_RUN_ONCE);
}

static inline void client_say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

static inline void on_client_closed(uv_handle_t *handle)
{
    ((struct client *)handle->data)->closed = true;
}

static inline void client_close(struct client *c)
{
    uv_close((uv_handle_t *)&c->poll, on_client_closed);
    while (!c->closed)
        uv_run(&c->fx->loop, UV_RUN_ONCE);
    close(c->fd);
    buf_fini(&c->in);
}

static inline void client_until(struct client *c, const char *text)
{
    while (!c->eof && (c->in.data == NULL || strstr(c->in.data + c->consumed, text) == NULL))
        uv_run(&c->fx->loop, UV_RUN_ONCE);
    if (c->in.data == NULL || strstr(c->in.data + c->consumed, text) == NULL)
        fail_msg("\"%s\" never came, but: %s", text, c->in.data ? c->in.data : "");
}

static inline void client_until_eof(struct client *c)
{
    while (!c->eof)
        uv_run(&c->fx->loop, UV_RUN_ONCE);
}

/* One answer. */
struct answer {
    int status;
    char *head;
    char *body;
};

static inline void answer_fini(struct answer *a)
{
    free(a->head);
    free(a->body);
}

/* Reads the next answer; `head_only`: it was asked with HEAD. Status 0: the connection ended. */
static inline struct answer client_answer(struct client *c, bool head_only)
{
    struct answer a = {0};
    const char *start, *end, *field;
    size_t len = 0;

    while (!c->eof && (c->in.data == NULL || strstr(c->in.data + c->consumed, "\r\n\r\n") == NULL))
        uv_run(&c->fx->loop, UV_RUN_ONCE);
    start = c->in.data != NULL ? c->in.data + c->consumed : "";
    end = strstr(start, "\r\n\r\n");
    if (end == NULL)
        return a;
    a.status = atoi(start + 9);
    a.head = mem_strndup(start, (size_t)(end - start));
    field = strcasestr(a.head, "Content-Length:");
    if (!head_only && field != NULL)
        len = strtoul(field + 15, NULL, 10);
    c->consumed += (size_t)(end + 4 - start);
    while (!c->eof && c->in.len < c->consumed + len)
        uv_run(&c->fx->loop, UV_RUN_ONCE);
    assert_true(c->in.len >= c->consumed + len);
    a.body = mem_strndup(c->in.data + c->consumed, len);
    c->consumed += len;
    return a;
}

/* The whole of one request on a connection of its own. */
static inline struct answer ask(struct fixture *fx, const char *door, const char *request)
{
    struct client c;
    struct answer a;

    if (strcmp(door, "socket") == 0)
        client_unix(&c, fx);
    else
        client_tcp(&c, fx, door);
    client_say(&c, request);
    a = client_answer(&c, strncmp(request, "HEAD", 4) == 0);
    client_close(&c);
    return a;
}

/* METHOD PATH with the headers that every good client sends, and a JSON body when there is one. */
static inline struct answer call(struct fixture *fx, const char *door, const char *method_path,
                                 const char *headers, const char *body)
{
    char *request = mem_printf("%s HTTP/1.1\r\nHost: localhost\r\n%s", method_path, headers);
    char *whole = body == NULL ? mem_printf("%s\r\n", request)
                               : mem_printf("%sContent-Type: application/json\r\nContent-Length: "
                                            "%zu\r\n\r\n%s",
                                            request, strlen(body), body);
    struct answer a = ask(fx, door, whole);

    free(request);
    free(whole);
    return a;
}

#endif
