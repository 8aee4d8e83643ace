/* net/server.h with a scripted engine and raw sockets: what well and badly behaved clients get. */
#include "net_fixture.h"

#define GOOD "Host: localhost\r\n"
#define JSON "Content-Type: application/json\r\n"

static int setup(void **state)
{
    struct fixture *fx = mem_zalloc(sizeof *fx);

    fixture_init(fx);
    fixture_start(fx);
    *state = fx;
    return 0;
}

/* For those that have to wait for a deadline. */
static int setup_short(void **state)
{
    struct fixture *fx = mem_zalloc(sizeof *fx);

    fixture_init(fx);
    fx->config.header_deadline_ms = fx->config.body_deadline_ms = 60;
    fixture_start(fx);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static void expect(struct answer a, int status, const char *in_head, const char *in_body)
{
    if (a.status != status || (in_head != NULL && strstr(a.head, in_head) == NULL) ||
        (in_body != NULL && strstr(a.body, in_body) == NULL))
        fail_msg("wanted %d, \"%s\", \"%s\"; got %d\n%s\n\n%s", status, in_head ? in_head : "",
                 in_body ? in_body : "", a.status, a.head ? a.head : "", a.body ? a.body : "");
    answer_fini(&a);
}

/* ---- ingress ---- */

static void test_call(void **state)
{
    struct fixture *fx = *state;
    struct answer a;

    a = call(fx, "ingress", "POST /echo", "Idempotency-Key: k1\r\nX-Workflow-Id: w1\r\n",
             "{\"a\":[1,2.5,\"x\"]}");
    assert_non_null(strstr(a.head, "x-ultramcp-status: completed"));
    assert_string_equal(a.body, "{\"a\":[1,2.5,\"x\"]}\n");
    expect(a, 200, "x-restate-id: inst_1", NULL);
    assert_string_equal(fx->fake.last, "attach - inst_1 wait");

    expect(call(fx, "ingress", "POST /echo/send?delay=10s",
                "Idempotency-Key: k1\r\nX-Workflow-Id: w1\r\n", "[1]"),
           202, "x-restate-id: inst_1", "\"status\":\"accepted\"");
    assert_string_equal(fx->fake.last, "start echo v=- in=[1] key=k1 id=w1 delay=10000");

    expect(call(fx, "ingress", "POST /ultramcp-workflow/send", "",
                "{\"context\":{\"workflowId\":\"mine\"}}"),
           202, NULL, NULL);
    assert_non_null(strstr(fx->fake.last, "id=mine"));
    expect(call(fx, "ingress", "POST /echo/send", "", NULL), 202, NULL, NULL);
    assert_non_null(strstr(fx->fake.last, "in={} "));
    expect(call(fx, "ingress", "POST /echo/send?delay=soon", "", "{}"), 400, NULL, "delay");
    expect(call(fx, "ingress", "GET /echo/my%2Fid/output", "", NULL), 200, NULL, NULL);
    assert_string_equal(fx->fake.last, "attach echo my/id now");
    expect(call(fx, "ingress", "GET /echo/x/attach", "", NULL), 200, NULL, NULL);
    assert_string_equal(fx->fake.last, "attach echo x wait");
    expect(call(fx, "ingress", "GET /", "", NULL), 200, NULL, "\"call\":\"POST /echo\"");
    expect(call(fx, "ingress", "GET /health", "", NULL), 200, NULL, "\"ok\"");
}

static void test_ends(void **state)
{
    struct fixture *fx = *state;

    fx->fake.end = json_pack("{s:s, s:s, s:{s:s, s:i, s:s}}", "id", "inst_1", "status", "faulted",
                             "error", "type", "t", "status", 422, "title", "No");
    expect(call(fx, "ingress", "POST /echo", "", "{}"), 422, "x-ultramcp-error-source: workflow",
           "\"title\":\"No\"");
    expect(call(fx, "ingress", "POST /echo", "", "{}"), 422, "application/problem+json", NULL);
    expect(call(fx, "ingress", "POST /echo", "", "{}"), 422, "x-ultramcp-status: faulted", NULL);
    json_decref(fx->fake.end);
    fx->fake.end = json_pack("{s:s, s:s}", "id", "inst_1", "status", "cancelled");
    expect(call(fx, "ingress", "POST /echo", "", "{}"), 409, "x-ultramcp-status: cancelled",
           "\"code\":\"cancelled\"");
    fx->fake.fail = ERR_NOT_READY;
    expect(call(fx, "ingress", "GET /echo/x/output", "", NULL), 470,
           "x-ultramcp-error-source: ingress", "\"not-ready\"");
    fx->fake.fail = ERR_TOO_MANY;
    expect(call(fx, "ingress", "POST /echo", "", "{}"), 429, "Retry-After: 1",
           "\"retryable\":true");
}

/* Answers that come while the loop does something else: the suspended connection must wake. */
static void on_turn(uv_timer_t *timer)
{
    fake_finish(timer->data);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_wakes_from_timer(void **state)
{
    struct fixture *fx = *state;
    struct client c;
    uv_timer_t timer;

    fx->fake.defer_attach = true;
    client_tcp(&c, fx, "ingress");
    for (int i = 0; i < 3; i++) {
        client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 1\r\n\r\n7");
        while (fx->fake.attach_cb == NULL)
            uv_run(&fx->loop, UV_RUN_ONCE);
        uv_timer_init(&fx->loop, &timer);
        timer.data = &fx->fake;
        uv_timer_start(&timer, on_turn, 0, 0);
        expect(client_answer(&c, false), 200, NULL, "7");
    }
    client_close(&c);
}

static void test_start_answers_later(void **state)
{
    struct fixture *fx = *state;
    struct client c;
    json_t *done = json_pack("{s:s, s:s}", "id", "inst_9", "status", "accepted");

    fx->fake.defer_start = true;
    client_tcp(&c, fx, "ingress");
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 2\r\n\r\n{}");
    while (fx->fake.start_cb == NULL)
        uv_run(&fx->loop, UV_RUN_ONCE);
    fx->fake.start_cb(fx->fake.start_arg, NULL, done);
    expect(client_answer(&c, false), 200, "x-restate-id: inst_9", NULL);
    client_close(&c);
    json_decref(done);
}

static void test_client_gone(void **state)
{
    struct fixture *fx = *state;
    struct client c;
    json_t *done = json_pack("{s:s, s:s}", "id", "inst_9", "status", "accepted");

    /* while its instance runs: the wait is forgotten */
    fx->fake.defer_attach = true;
    client_tcp(&c, fx, "ingress");
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 2\r\n\r\n{}");
    while (fx->fake.attach_cb == NULL)
        uv_run(&fx->loop, UV_RUN_ONCE);
    client_close(&c);
    while (fx->fake.forgets == 0)
        uv_run(&fx->loop, UV_RUN_ONCE);

    /* while its start is on the way to the disk: the callback comes to nobody */
    fx->fake.defer_start = true;
    client_tcp(&c, fx, "ingress");
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 2\r\n\r\n{}");
    while (fx->fake.start_cb == NULL)
        uv_run(&fx->loop, UV_RUN_ONCE);
    client_close(&c);
    expect(call(fx, "ingress", "GET /health", "", NULL), 200, NULL, NULL);
    fixture_stop(fx);
    fx->fake.start_cb(fx->fake.start_arg, NULL, done);
    assert_int_equal(fx->fake.forgets, 1);
    json_decref(done);
}

/* ---- HTTP ---- */

static void test_pipelining(void **state)
{
    struct fixture *fx = *state;
    struct client c;
    struct buf requests;
    char text[16];

    buf_init(&requests, 1 << 20);
    for (int i = 0; i < 200; i++)
        buf_printf(&requests, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 3\r\n\r\n%03d",
                   100 + i);
    client_tcp(&c, fx, "ingress");
    client_send(&c, requests.data, requests.len);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "%d\n", 100 + i);
        expect(client_answer(&c, false), 200, NULL, text);
    }
    client_close(&c);
    buf_fini(&requests);
}

/* A JSON string of `len` bytes. */
static char *long_text(size_t len)
{
    char *text = mem_zalloc(len + 1);

    memset(text, 'x', len);
    text[0] = text[len - 1] = '"';
    return text;
}

static void test_upload(void **state)
{
    struct fixture *fx = *state;
    char *body = long_text(3 << 20), *large = long_text((4 << 20) + 1);
    struct answer a = call(fx, "ingress", "POST /echo", "", body);

    assert_int_equal(strlen(a.body), (3 << 20) + 1);
    expect(a, 200, NULL, NULL);
    expect(call(fx, "ingress", "POST /echo", "", large), 413, NULL, "\"too-large\"");
    expect(call(fx, "admin", "POST /instances/x/cancel", "", body), 413, NULL, "65536");
    for (size_t i = 0; body[i] != '\0'; i++)
        body[i] = i == 0 ? '[' : ",0"[i % 2];
    expect(call(fx, "ingress", "POST /echo", "", body), 413, NULL, "JSON values");
    free(body);
    free(large);
}

static void test_upload_in_pieces(void **state)
{
    struct fixture *fx = *state;
    struct client c;
    char *body = long_text(60000), *chunk = mem_printf("ea60\r\n%s\r\n", body);

    client_tcp(&c, fx, "ingress");
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Transfer-Encoding: chunked\r\n\r\n");
    client_say(&c, chunk);
    client_say(&c, "0\r\n\r\n");
    expect(client_answer(&c, false), 200, NULL, "xxx");

    /* more than the cap, chunk by chunk: refused at the end, and the client reads it */
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 80; i++)
        client_say(&c, chunk);
    client_say(&c, "0\r\n\r\n");
    expect(client_answer(&c, false), 413, NULL, "\"too-large\"");
    client_close(&c);

    client_tcp(&c, fx, "ingress");
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON
                   "Expect: 100-continue\r\nContent-Length: 60000\r\n\r\n");
    client_until(&c, "100 Continue\r\n\r\n");
    c.consumed = c.in.len;
    client_say(&c, body);
    expect(client_answer(&c, false), 200, NULL, "xxx");
    client_close(&c);
    free(chunk);
    free(body);
}

static void test_head(void **state)
{
    struct fixture *fx = *state;
    struct client c;

    client_tcp(&c, fx, "admin");
    client_say(&c, "HEAD /health HTTP/1.1\r\n" GOOD "\r\n"
                   "GET /health HTTP/1.1\r\n" GOOD "\r\n");
    expect(client_answer(&c, true), 200, "Content-Length:", NULL);
    expect(client_answer(&c, false), 200, NULL, "\"ok\"");
    client_close(&c);
}

static void test_bad_requests(void **state)
{
    struct fixture *fx = *state;
    char *header = mem_zalloc(70001), *request;
    static const struct {
        const char *request;
        int status;
        const char *in_body;
    } cases[] = {
        {"POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: abc\r\n\r\n", 400, NULL},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: -1\r\n\r\n", 400, NULL},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
         400, "more than one"},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON
         "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, "both"},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 4\r\n\r\n{\"a\"", 400, "\"parse\""},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 13\r\n\r\n{\"a\":1,\"a\":2}", 400,
         "\"parse\""},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 3\r\n\r\n\"\xff\"", 400, "\"parse\""},
        {"POST /echo HTTP/1.1\r\n" GOOD "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
         415, "application/json"},
        {"POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 2\r\n\r\n{}", 415, "\"media-type\""},
        {"POST /echo HTTP/1.1\r\n" GOOD JSON
         "Origin: http://evil.example\r\nContent-Length: 2\r\n\r\n{}",
         403, "\"forbidden\""},
        {"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "\"misdirected\""},
        {"GET /health HTTP/1.1\r\n\r\n", 400, NULL},
        {"GET /health HTTP/1.0\r\n\r\n", 400, "Host"},
        {"GET /health HTTP/1.1\r\n" GOOD JSON "Content-Length: 2\r\n\r\n{}", 413, "no body"},
        {"GET /echo HTTP/1.1\r\n" GOOD "\r\n", 405, "\"method-not-allowed\""},
        {"OPTIONS /echo HTTP/1.1\r\n" GOOD "\r\n", 405, NULL},
        {"GET /echo/x/nothing HTTP/1.1\r\n" GOOD "\r\n", 404, "\"routes\":[\"GET /health\""},
        {"GET /a%00b/x/output HTTP/1.1\r\n" GOOD "\r\n", 400, "\"invalid\""},
        {"GARBAGE\r\n\r\n", 0, NULL}, /* libmicrohttpd hangs up */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a = ask(fx, "ingress", cases[i].request);

        expect(a, cases[i].status, NULL, cases[i].in_body);
    }
    memset(header, 'h', 70000);
    request = mem_printf("GET /health HTTP/1.1\r\n" GOOD "X: %s\r\n\r\n", header);
    expect(ask(fx, "ingress", request), 431, NULL, NULL);
    free(request);
    request = mem_printf("GET /%.2000s HTTP/1.1\r\n" GOOD "\r\n", header);
    expect(ask(fx, "ingress", request), 404, NULL, "longer");
    free(request);
    free(header);
    assert_int_equal(fx->fake.starts, 0);
    expect(call(fx, "ingress", "GET /echo", "", NULL), 405, "Allow: POST", NULL);
    expect(call(fx, "admin", "PUT /instances", "", NULL), 405, "Allow: GET, HEAD, POST", NULL);
}

/* The second of two bodies must not be taken for a request. */
static void test_no_smuggling(void **state)
{
    struct fixture *fx = *state;
    struct client c;

    client_tcp(&c, fx, "admin");
    client_say(&c, "POST /instances HTTP/1.1\r\n" GOOD JSON "Content-Length: 2\r\n"
                   "Content-Length: 60\r\n\r\n{}"
                   "POST /instances/x/kill HTTP/1.1\r\n" GOOD "\r\n");
    expect(client_answer(&c, false), 400, "Connection: close", NULL);
    client_until_eof(&c);
    assert_int_equal(fx->fake.acts, 0);
    client_close(&c);
}

/* ---- deadlines ---- */

static void test_idle_client(void **state)
{
    struct fixture *fx = *state;
    struct client c;

    client_tcp(&c, fx, "ingress");
    expect(client_answer(&c, false), 408, "close", "\"timeout\"");
    client_until_eof(&c);
    client_close(&c);
}

/* A byte whenever the server's own timer turns the loop: never idle, never complete. */
static void drip(struct client *c, const char *start, const char *byte)
{
    client_say(c, start);
    while (!c->eof && (c->in.data == NULL || strstr(c->in.data, "\r\n\r\n") == NULL)) {
        client_say(c, byte);
        uv_run(&c->fx->loop, UV_RUN_ONCE);
    }
    expect(client_answer(c, false), 408, NULL, NULL);
    client_until_eof(c);
    client_close(c);
}

static void test_dripping_clients(void **state)
{
    struct fixture *fx = *state;
    struct client c;

    client_tcp(&c, fx, "ingress");
    drip(&c, "GET /hea", "a");
    client_tcp(&c, fx, "ingress");
    drip(&c, "GET /health HTTP/1.1\r\nX: ", "y");
    client_tcp(&c, fx, "ingress");
    drip(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 1000000\r\n\r\n", " ");
    assert_int_equal(fx->fake.starts, 0);
}

/* Who waits for an instance is under no deadline. */
static void test_waiting_has_no_deadline(void **state)
{
    struct fixture *fx = *state;
    struct client c, other;

    fx->fake.defer_attach = true;
    client_tcp(&c, fx, "ingress");
    client_say(&c, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 1\r\n\r\n7");
    for (int i = 0; i < 3; i++) { /* three idle clients come and are cut off */
        client_tcp(&other, fx, "ingress");
        client_until_eof(&other);
        client_close(&other);
    }
    assert_false(c.eof);
    fake_finish(&fx->fake);
    expect(client_answer(&c, false), 200, NULL, "7");
    client_close(&c);
}

/* ---- admin ---- */

static void test_admin(void **state)
{
    struct fixture *fx = *state;
    struct fake *f = &fx->fake;
    char by[64];

    expect(call(fx, "admin", "GET /services", "", NULL), 200, NULL,
           "\"digest\":\"d\",\"instances\":[{\"id\":\"inst_1\"");
    assert_string_equal(f->last, "list - {\"status\":[\"pending\",\"running\",\"waiting\","
                                 "\"suspended\"],\"limit\":1000}");
    expect(call(fx, "admin", "GET /services/idle", "", NULL), 200, NULL,
           "{\"name\":\"idle\",\"instances\":[]}");
    expect(call(fx, "admin", "GET /services/none", "", NULL), 404, NULL, "no service");
    expect(call(fx, "admin", "GET /services/echo/instances/w1", "", NULL), 200, NULL, "running");
    assert_string_equal(f->last, "describe echo w1");
    expect(call(fx, "admin", "DELETE /services/echo/instances/w1", "", NULL), 202, NULL, NULL);
    assert_string_equal(f->last, "cancel echo w1 by=http why=-");
    expect(call(fx, "admin", "GET /deployments", "", NULL), 200, NULL, "\"deployments\":[]");
    expect(call(fx, "admin", "POST /deployments", "", "{\"uri\":\"http://x\"}"), 501, NULL,
           "\"unsupported\"");
    expect(
        call(fx, "admin", "GET /instances?status=running,waiting&text=a%20b&limit=5&x=1", "", NULL),
        200, NULL, NULL);
    assert_string_equal(
        f->last, "list - {\"limit\":5,\"status\":[\"running\",\"waiting\"],\"text\":\"a b\"}");
    expect(call(fx, "admin", "GET /instances?limit=-1", "", NULL), 400, NULL, "limit");
    expect(call(fx, "admin", "GET /instances/i?service=echo", "", NULL), 200, NULL, NULL);
    assert_string_equal(f->last, "describe echo i");
    expect(call(fx, "admin", "GET /instances/i/journal?from=3", "", NULL), 200, NULL, NULL);
    assert_string_equal(f->last, "journal i {\"from\":3}");
    expect(call(fx, "admin", "POST /instances", "",
                "{\"service\":\"echo\",\"input\":1,\"idempotencyKey\":\"k\",\"callerId\":\"c\","
                "\"delayMs\":5,\"version\":\"2\"}"),
           202, NULL, "inst_1");
    assert_string_equal(f->last, "start echo v=2 in=1 key=k id=c delay=5");
    expect(call(fx, "admin", "POST /instances", "", "{}"), 400, NULL, "service");
    expect(call(fx, "admin", "POST /instances", "", "[]"), 400, NULL, "object");
    expect(call(fx, "admin", "POST /instances", "", "{\"service\":1}"), 400, NULL, "string");
    expect(call(fx, "admin", "POST /instances/i/kill", "", "{\"why\":\"stuck\"}"), 202, NULL, NULL);
    assert_string_equal(f->last, "kill - i by=http why=stuck");
    expect(call(fx, "admin", "POST /instances/i/pause?why=a%2Bb", "", NULL), 202, NULL, NULL);
    assert_string_equal(f->last, "pause - i by=http why=a+b");
    expect(call(fx, "admin", "POST /instances/i/restart?from=step/2", "", NULL), 202, NULL, NULL);
    assert_string_equal(f->last, "restart - i by=http why=- step/2");
    expect(call(fx, "socket", "POST /instances/i/signals/approve?why=ok", "", "{\"yes\":true}"),
           202, NULL, NULL);
    snprintf(by, sizeof by, "signal - i by=uid %u why=ok approve={\"yes\":true}", geteuid());
    assert_string_equal(f->last, by);
    expect(call(fx, "admin", "GET /stats", "", NULL), 200, NULL, "plain");
    expect(call(fx, "admin", "POST /release", "", NULL), 200, NULL, "plain");
    expect(call(fx, "admin", "GET /nothing", "", NULL), 404, "x-ultramcp-error-source: admin",
           "\"routes\"");
}

static void test_attach_for_a_while(void **state)
{
    struct fixture *fx = *state;

    fx->fake.defer_attach = true;
    expect(call(fx, "admin", "GET /instances/i/attach?timeoutMs=1", "", NULL), 470, NULL,
           "\"not-ready\"");
    assert_int_equal(fx->fake.forgets, 1);
}

static void test_unix_socket(void **state)
{
    struct fixture *fx = *state;
    char path[200];
    struct stat st;
    struct server *second = NULL;
    struct config config = fx->config;
    struct err err;

    snprintf(path, sizeof path, "%s/admin.sock", fx->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    expect(ask(fx, "socket", "GET /health HTTP/1.1\r\nHost: anything\r\n\r\n"), 200, NULL, NULL);

    /* somebody answers: a second server keeps off */
    config.ingress = config.admin = NULL;
    assert_int_equal(server_new(&fx->loop, &config, &fx->api, &second, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "another server"));

    /* left behind by a dead one: replaced */
    fixture_stop(fx);
    assert_int_not_equal(stat(path, &st), 0);
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(sun.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    close(fd);
    fixture_start(fx);
    expect(call(fx, "socket", "GET /health", "", NULL), 200, NULL, NULL);
}

static void test_addresses(void **state)
{
    struct fixture *fx = *state;
    struct config config = fx->config;
    struct server *s = NULL;
    struct err err;
    char taken[40];

    config.admin = config.data = NULL;
    config.ingress = (char *)(uintptr_t) "0.0.0.0:0";
    assert_int_equal(server_new(&fx->loop, &config, &fx->api, &s, &err), ERR_CONFIG);
    assert_non_null(strstr(err.text, "insecure"));
    config.ingress = (char *)(uintptr_t) "nonsense";
    assert_int_equal(server_new(&fx->loop, &config, &fx->api, &s, &err), ERR_CONFIG);
    snprintf(taken, sizeof taken, "127.0.0.1:%u", server_port(fx->server, "ingress"));
    config.ingress = taken;
    assert_int_equal(server_new(&fx->loop, &config, &fx->api, &s, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, taken));
}

/* ---- the end ---- */

static void test_drain(void **state)
{
    struct fixture *fx = *state;

    server_drain(fx->server);
    expect(call(fx, "ingress", "POST /echo", "", "{}"), 503, "Retry-After: 1", "\"unavailable\"");
    expect(call(fx, "admin", "POST /instances", "", "{\"service\":\"echo\"}"), 503, NULL, NULL);
    expect(call(fx, "ingress", "GET /health", "", NULL), 200, NULL, "draining");
    expect(call(fx, "admin", "POST /instances/i/cancel", "", NULL), 202, NULL, NULL);
    assert_int_equal(fx->fake.starts, 0);
}

static void test_close_answers_who_waits(void **state)
{
    struct fixture *fx = *state;
    struct client waits, sends, streams;

    fx->fake.defer_attach = true;
    client_tcp(&waits, fx, "ingress");
    client_say(&waits, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 1\r\n\r\n7");
    client_tcp(&sends, fx, "ingress");
    client_say(&sends, "POST /echo HTTP/1.1\r\n" GOOD JSON "Content-Length: 10\r\n\r\n7");
    client_tcp(&streams, fx, "admin");
    client_say(&streams, "GET /events HTTP/1.1\r\n" GOOD "\r\n");
    client_until(&streams, ": open");
    fixture_stop(fx);
    expect(client_answer(&waits, false), 503, "Retry-After", "the server stops");
    client_until_eof(&waits);
    client_until_eof(&sends);
    client_until_eof(&streams);
    assert_int_equal(fx->fake.forgets, 1);
    assert_int_equal(fx->fake.unsubscribes, 1);
    client_close(&waits);
    client_close(&sends);
    client_close(&streams);
}

/* ---- events ---- */

static void test_events(void **state)
{
    struct fixture *fx = *state;
    struct client c;

    client_tcp(&c, fx, "admin");
    client_say(&c, "GET /events?id=inst_1 HTTP/1.1\r\n" GOOD "\r\n");
    client_until(&c, ": open");
    assert_string_equal(fx->fake.last, "subscribe inst_1");
    for (int i = 0; i < 3; i++) {
        fake_event(&fx->fake, "instance", "first");
        client_until(&c, "\ndata: {\"type\":\"instance\",\"id\":\"first\"}\n\n");
        c.consumed = c.in.len;
    }
    fake_event(&fx->fake, "instance", "a");
    fake_event(&fx->fake, "instance", "b");
    client_until(&c, "id: 5\nevent: instance\ndata: {\"type\":\"instance\",\"id\":\"b\"}\n\n");
    client_close(&c);
    while (fx->fake.unsubscribes == 0) /* noticed without any event */
        uv_run(&fx->loop, UV_RUN_ONCE);
}

static void test_slow_reader_is_dropped(void **state)
{
    struct fixture *fx = *state;
    struct client c;
    char *text = long_text(50000);

    client_tcp(&c, fx, "admin");
    client_say(&c, "GET /events HTTP/1.1\r\n" GOOD "\r\n");
    client_until(&c, ": open");
    uv_poll_stop(&c.poll); /* reads no more */
    while (fx->fake.unsubscribes == 0) {
        if (fx->fake.event_cb != NULL)
            fake_event(&fx->fake, "instance", text);
        uv_run(&fx->loop, UV_RUN_NOWAIT);
    }
    client_close(&c);
    free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_SHORT(f) cmocka_unit_test_setup_teardown(f, setup_short, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_call),
        TEST(test_ends),
        TEST(test_wakes_from_timer),
        TEST(test_start_answers_later),
        TEST(test_client_gone),
        TEST(test_pipelining),
        TEST(test_upload),
        TEST(test_upload_in_pieces),
        TEST(test_head),
        TEST(test_bad_requests),
        TEST(test_no_smuggling),
        TEST_SHORT(test_idle_client),
        TEST_SHORT(test_dripping_clients),
        TEST_SHORT(test_waiting_has_no_deadline),
        TEST(test_admin),
        TEST(test_attach_for_a_while),
        TEST(test_unix_socket),
        TEST(test_addresses),
        TEST(test_drain),
        TEST(test_close_answers_who_waits),
        TEST(test_events),
        TEST(test_slow_reader_is_dropped),
    };

    log_init(LOG_ERROR, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
