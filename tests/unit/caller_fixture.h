/* A caller with one agent, "a", whose server does everything wrong, on one real loop. */
#ifndef TESTS_UNIT_CALLER_FIXTURE_H
#define TESTS_UNIT_CALLER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "engine/problem.h"
#include "hostile_server.h"
#include "net/caller.h"

enum { RESPONSE_MAX = 1 << 20, ANSWERS_MAX = 20480 };

struct answer {
    uint32_t cmd;
    json_t *output, *error;
    bool retryable;
    int64_t retry_after_ms;
};

struct fixture {
    uv_loop_t loop;
    struct hostile server, other; /* other: opened by the test that needs a second origin */
    struct config config;
    struct config_agent agents[2];
    char url[64], host[32];
    char *hosts[2];
    struct caller *caller;
    struct caller_port port;
    struct answer answers[ANSWERS_MAX];
    size_t count;
    bool inside_start, closed;
    void (*on_answer)(struct fixture *f, uint32_t cmd); /* once, from inside done */
};

/* ---- what the server does ---- */

static void act_ok(struct hostile_peer *p, const char *request)
{
    if (strncmp(request, "HEAD", 4) == 0)
        hostile_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");
    else
        hostile_answer(p, "200 OK", "Content-Type: application/json\r\n", "{\"ok\":true}", 11);
}

static void act_hang(struct hostile_peer *p, const char *request)
{
    (void)p;
    (void)request;
}

static void act_close(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_hang_up(p);
}

static void act_garbage(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_write(p, "\x00\x01\x1b[2Jnot http at all\r\n\r\n\xff\xfe", 28);
    hostile_finish(p);
}

static void act_huge(struct hostile_peer *p, const char *request)
{
    size_t len = 8u << 20;

    (void)request;
    hostile_say(p,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 104857600\r\n\r\n");
    char *data = mem_zalloc(len);
    memset(data, 'x', len);
    hostile_write_taken(p, data, len); /* the client is gone long before the rest */
}

static void act_half(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_say(p,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
                "{\"half\":");
    hostile_finish(p);
}

static void act_half_chunked(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nabc");
    hostile_finish(p);
}

static void act_busy(struct hostile_peer *p, const char *request)
{
    static const char body[] = "come \x1b[31mback\r\n later \xe2\x80\xae\xff";

    (void)request;
    hostile_answer(p, "503 Busy", "Retry-After: 7\r\n", body, sizeof body - 1);
}

static void act_busy_date(struct hostile_peer *p, const char *request)
{
    char header[100];
    time_t then = time(NULL) + 86400;
    struct tm tm;

    (void)request;
    strftime(header, sizeof header, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n",
             gmtime_r(&then, &tm));
    hostile_answer(p, "429 Slow down", header, "", 0);
}

static void act_status(struct hostile_peer *p, const char *request)
{
    char status[4];

    snprintf(status, sizeof status, "%.3s", strstr(request, "/status/") + 8);
    hostile_answer(p, status, "", "no", 2);
}

static void act_deep(struct hostile_peer *p, const char *request)
{
    char deep[20000];

    (void)request;
    memset(deep, '[', 10000);
    memset(deep + 10000, ']', 10000);
    hostile_answer(p, "200 OK", "Content-Type: application/json\r\n", deep, sizeof deep);
}

static void act_no_json(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "200 OK", "Content-Type: application/problem+json; charset=utf-8\r\n",
                   "{\"a\":", 5);
}

/* ---- gzip by hand ---- */

static const unsigned char gzip_head[10] = {0x1f, 0x8b, 8, [9] = 0xff};

static uint32_t crc_of(const char *text, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)text[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void add_le(struct buf *b, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        buf_add(b, &(unsigned char){(unsigned char)value}, 1);
}

static void answer_packed(struct hostile_peer *p, struct buf *b)
{
    hostile_answer(p, "200 OK", "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", b->data,
                   b->len);
    buf_fini(b);
}

static void act_gzip(struct hostile_peer *p, const char *request)
{
    static const char text[] = "packed";
    const uint32_t len = sizeof text - 1;
    struct buf b;

    (void)request;
    buf_init(&b, 100);
    buf_add(&b, gzip_head, sizeof gzip_head);
    buf_add(&b, "\x01", 1); /* one stored block */
    add_le(&b, len, 2);
    add_le(&b, ~len, 2);
    buf_add(&b, text, len);
    add_le(&b, crc_of(text, len), 4);
    add_le(&b, len, 4);
    answer_packed(p, &b);
}

/* Fixed Huffman codes: an "x", then the 258 bytes before, again and again, 13 bits each time. */
static void act_bomb(struct hostile_peer *p, const char *request)
{
    uint64_t bits = 3, used = 3; /* last block, fixed codes */
    struct buf b;

    (void)request;
    buf_init(&b, 1 << 20);
    buf_add(&b, gzip_head, sizeof gzip_head);
    bits |= 0x15ULL << used; /* 'x' is 10101000, most significant bit first */
    used += 8;
    for (int i = 0; i < 70000; i++) { /* 18 MB */
        bits |= 0xa3ULL << used;      /* length 258 is 11000101, distance 1 is 00000 */
        for (used += 13; used >= 8; used -= 8, bits >>= 8)
            add_le(&b, (uint32_t)bits & 0xff, 1);
    }
    answer_packed(p, &b);
}

static void act_bad_gzip(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "200 OK", "Content-Encoding: gzip\r\n", "this is not gzip", 16);
}

static void drip(uv_timer_t *t)
{
    hostile_say(t->data, "x");
}

static void act_drip(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    uv_timer_start(&p->drip, drip, 5, 5);
}

static void more_headers(uv_timer_t *t)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "X-%d: %0500d\r\n", i, i);
    hostile_write(t->data, b.data, b.len);
    buf_fini(&b);
}

static void act_headers(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_say(p, "HTTP/1.1 200 OK\r\n");
    uv_timer_start(&p->drip, more_headers, 0, 1);
}

static void act_redirect(struct hostile_peer *p, const char *request)
{
    char header[300];
    const char *to = strstr(request, "to=") + 3;

    snprintf(header, sizeof header, "Location: %.*s\r\n", (int)strcspn(to, " "), to);
    hostile_answer(p, "302 Found", header, "", 0);
}

static void act_keep_redirect(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "307 Same", "Location: /echo\r\n", "", 0);
}

static void act_loop(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "302 Found", "Location: /loop\r\n", "", 0);
}

static void act_echo(struct hostile_peer *p, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n") + 4;

    hostile_answer(p, "200 OK", "Content-Type: text/plain\r\nX-One: a\r\nx-one: b\r\n", body,
                   strlen(body));
}

static void act_empty(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "204 No Content", "", "", 0);
}

static void act_nul(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "200 OK", "Content-Type: text/plain\r\n", "a\0b\xff", 4);
}

static void act_bytes(struct hostile_peer *p, const char *request)
{
    (void)request;
    hostile_answer(p, "200 OK", "Content-Type: image/png\r\n", "\x00\x01\x02\xff", 4);
}

static const struct hostile_row rows[] = {
    {"/ok", act_ok},
    {"/hang", act_hang},
    {"/close", act_close},
    {"/garbage", act_garbage},
    {"/huge", act_huge},
    {"/half-chunked", act_half_chunked},
    {"/half", act_half},
    {"/busy-date", act_busy_date},
    {"/busy", act_busy},
    {"/status/", act_status},
    {"/deep", act_deep},
    {"/no-json", act_no_json},
    {"/gzip", act_gzip},
    {"/bomb", act_bomb},
    {"/bad-gzip", act_bad_gzip},
    {"/drip", act_drip},
    {"/headers", act_headers},
    {"/redirect", act_redirect},
    {"/keep-redirect", act_keep_redirect},
    {"/loop", act_loop},
    {"/echo", act_echo},
    {"/empty", act_empty},
    {"/nul", act_nul},
    {"/bytes", act_bytes},
    {NULL, act_ok},
};

/* ---- the fixture ---- */

static void on_done(void *arg, int64_t instance, uint32_t cmd, const struct call_result *result)
{
    struct fixture *f = arg;

    assert_int_equal(instance, 7);
    assert_false(f->inside_start);
    assert_false(f->closed);
    assert_true((result->output != NULL) != (result->error != NULL));
    assert_true(f->count < ANSWERS_MAX);
    f->answers[f->count++] = (struct answer){
        .cmd = cmd,
        .output = json_incref(result->output),
        .error = json_incref(result->error),
        .retryable = result->retryable,
        .retry_after_ms = result->retry_after_ms,
    };
    if (f->on_answer != NULL) {
        void (*hook)(struct fixture *, uint32_t) = f->on_answer;

        f->on_answer = NULL;
        hook(f, cmd);
    }
}

static void begin(struct fixture *f, uint32_t cmd, json_t *spec)
{
    struct call call = {.instance = 7,
                        .cmd = cmd,
                        .attempt = 1,
                        .spec = spec,
                        .instance_id = "inst_7",
                        .idempotency_key = "inst_7/1",
                        .traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"};

    f->inside_start = true;
    f->port.start(f->port.self, &call);
    f->inside_start = false;
}

static void wait_for(struct fixture *f, size_t count)
{
    while (f->count < count)
        uv_run(&f->loop, UV_RUN_ONCE);
}

/* The answer to one call of agent "a"; takes over the spec. */
static struct answer *call_spec(struct fixture *f, json_t *spec)
{
    size_t n = f->count;

    begin(f, (uint32_t)n, spec);
    wait_for(f, n + 1);
    json_decref(spec);
    return &f->answers[n];
}

static json_t *agent_spec(const char *path)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:i}}", "kind", "agent", "agent", "a", "method",
                     "post", "path", path, "body", "q", 1);
}

static struct answer *call_path(struct fixture *f, const char *path)
{
    return call_spec(f, agent_spec(path));
}

static json_t *http_spec(struct fixture *f, const char *method, const char *path)
{
    char *uri = mem_printf("%s%s", f->url, path);
    json_t *spec = json_pack("{s:s, s:s, s:s}", "kind", "http", "method", method, "uri", uri);

    free(uri);
    return spec;
}

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    uv_loop_init(&f->loop);
    hostile_open(&f->server, &f->loop, rows);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", f->server.port);
    snprintf(f->host, sizeof f->host, "ultramcp-a:8001");
    f->hosts[0] = f->host;
    f->agents[0] = (struct config_agent){
        .name = "a",
        .type = "test",
        .url = f->url,
        .hosts = f->hosts,
        .host_count = 1,
        .timeout_ms = 60000,
        .concurrency = 4,
        .retry = {.initial_ms = 5, .attempts = 3},
    };
    f->config = (struct config){
        .agents = f->agents,
        .agent_count = 1,
        .response_max = RESPONSE_MAX,
        .agent_default = {.timeout_ms = 60000, .concurrency = 4, .retry = {.attempts = 9}},
    };
    *state = f;
    return 0;
}

/* The configuration is read when the caller is made, so that a test may change it before. */
static void open_caller(struct fixture *f)
{
    struct err err;

    assert_int_equal(caller_new(&f->loop, &f->config, on_done, f, &f->caller, &err), ERR_OK);
    caller_port(f->caller, &f->port);
}

static void on_closed(void *arg)
{
    struct fixture *f = arg;

    f->closed = true;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    if (f->caller != NULL)
        caller_close(f->caller, on_closed, f);
    hostile_close(&f->server);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    for (size_t i = 0; i < f->count; i++) {
        json_decref(f->answers[i].output);
        json_decref(f->answers[i].error);
    }
    free(f);
    return 0;
}

static const char *detail(const struct answer *a)
{
    assert_non_null(a->error);
    return json_str(a->error, "detail", "");
}

static void assert_failed(const struct answer *a, const char *type, int status, bool retryable)
{
    const char *got;

    if (a->error == NULL)
        fail_msg("no error");
    got = json_str(a->error, "type", "");
    if (strcmp(got + strlen(PROBLEM_SPEC), type) != 0 ||
        json_int(a->error, "status", 0) != status || a->retryable != retryable)
        fail_msg("%s %d retryable %d: %s", got, (int)json_int(a->error, "status", 0), a->retryable,
                 detail(a));
}

static bool has_line(const struct fixture *f, const char *line)
{
    return strcasestr(f->server.last, line) != NULL;
}

static void assert_null_value(const struct answer *a)
{
    assert_non_null(a->output);
    assert_true(json_is_null(a->output));
}

#endif
