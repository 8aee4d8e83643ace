/* HTTP out against a server that does everything wrong. */
#include "caller_fixture.h"

/* ---- what goes well ---- */

static void a_call_of_an_agent(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    struct answer *a = call_path(f, "/ok?x=1");
    assert_non_null(a->output);
    assert_true(json_is_true(json_object_get(a->output, "ok")));
    assert_true(has_line(f, "POST /ok?x=1 HTTP/1.1\r\n"));
    assert_true(has_line(f, "\r\nIdempotency-Key: inst_7/1\r\n"));
    assert_true(has_line(f, "\r\ntraceparent: 00-0123456789abcdef0123456789abcdef-"));
    assert_true(has_line(f, "\r\nUser-Agent: ultramcp-restate/"));
    assert_true(has_line(f, "\r\nContent-Type: application/json\r\n"));
    assert_true(has_line(f, "\r\n\r\n{\"q\":1}"));
    assert_false(has_line(f, "Expect:"));
    assert_false(has_line(f, "Authorization:"));
}

static void connections_are_used_again(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    for (int i = 0; i < 50; i++)
        assert_non_null(call_path(f, "/ok")->output);
    assert_int_equal(f->server.requests, 50);
    assert_int_equal(f->server.connections, 1);
}

static void urls_of_agents_are_calls_of_agents(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    assert_non_null(call_spec(f, http_spec(f, "get", "/ok"))->output);
    assert_true(has_line(f, "GET /ok HTTP/1.1\r\n"));
    assert_non_null(
        call_spec(f, json_pack("{s:s, s:s, s:s, s:{s:[s,s,n], s:n, s:i}}", "kind", "http", "method",
                               "get", "uri", "http://ULTRAMCP-A:8001/ok?a=1", "query", "tag", "x y",
                               "&", "none", "n", 3))
            ->output);
    assert_true(has_line(f, "GET /ok?a=1&tag=x%20y&tag=%26&n=3 HTTP/1.1\r\n"));
    json_t *agents = f->port.agents(f->port.self);
    assert_int_equal(json_int(json_array_get(agents, 0), "calls", 0), 2);
    json_decref(agents);
}

static void bodies(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    json_t *spec = http_spec(f, "put", "/echo");
    json_object_set_new(spec, "body", json_string("plain"));
    assert_string_equal(json_string_value(call_spec(f, spec)->output), "plain");
    assert_true(has_line(f, "PUT /echo"));
    assert_true(has_line(f, "Content-Type: text/plain"));
    spec = http_spec(f, "post", "/echo");
    json_object_set_new(spec, "body", json_string("as JSON"));
    json_object_set_new(spec, "headers", json_pack("{s:s}", "content-type", "application/json"));
    assert_string_equal(json_string_value(call_spec(f, spec)->output), "\"as JSON\"");
    assert_null_value(call_spec(f, http_spec(f, "post", "/echo")));
    assert_false(has_line(f, "Content-Type"));
    assert_true(has_line(f, "Content-Length: 0\r\n"));
    assert_null_value(call_spec(f, http_spec(f, "head", "/ok")));
    assert_true(has_line(f, "HEAD /ok"));
    assert_non_null(call_spec(f, http_spec(f, "get", "/ok"))->output);
    assert_true(has_line(f, "GET /ok"));
}

static void a_large_body_is_sent_at_once(void **state)
{
    struct fixture *f = *state;
    char *text = mem_zalloc(300001);

    open_caller(f);
    memset(text, 'b', 300000);
    json_t *spec = http_spec(f, "post", "/echo");
    json_object_set_new(spec, "body", json_string(text));
    struct answer *a = call_spec(f, spec);
    assert_non_null(a->output); /* the server remembers the beginning only */
    assert_false(has_line(f, "Expect:"));
    free(text);
}

static void content_by_type(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    assert_null_value(call_path(f, "/empty"));
    assert_string_equal(json_string_value(call_path(f, "/bytes")->output), "AAEC/w==");
    assert_string_equal(json_string_value(call_path(f, "/nul")->output), "a\xef\xbf\xbd"
                                                                         "b\xef\xbf\xbd");
    assert_string_equal(json_string_value(call_path(f, "/gzip")->output), "packed");
    assert_true(has_line(f, "Accept-Encoding: gzip\r\n"));
}

static void raw_and_response(void **state)
{
    struct fixture *f = *state;
    json_t *spec = http_spec(f, "get", "/ok");

    open_caller(f);
    json_object_set_new(spec, "output", json_string("raw"));
    assert_string_equal(json_string_value(call_spec(f, spec)->output), "eyJvayI6dHJ1ZX0=");
    spec = http_spec(f, "post", "/echo?a=1");
    json_object_set_new(spec, "output", json_string("response"));
    json_object_set_new(spec, "body", json_string("hi"));
    json_object_set_new(spec, "headers", json_pack("{s:s, s:s}", "X-Mine", "1", "Cookie", "c=1"));
    json_t *out = call_spec(f, spec)->output;
    assert_int_equal(json_int(out, "statusCode", 0), 200);
    assert_string_equal(json_str(out, "content", ""), "hi");
    assert_string_equal(json_str(json_object_get(out, "headers"), "x-one", ""), "a, b");
    json_t *request = json_object_get(out, "request");
    assert_string_equal(json_str(request, "method", ""), "POST");
    assert_non_null(strstr(json_str(request, "uri", ""), "/echo?a=1"));
    assert_string_equal(json_str(json_object_get(request, "headers"), "x-mine", ""), "1");
    assert_null(json_object_get(json_object_get(request, "headers"), "cookie"));
}

/* ---- what does not ---- */

static void answers_that_are_no_answers(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    assert_failed(call_path(f, "/close"), "communication", 500, true);
    assert_failed(call_path(f, "/garbage"), "communication", 502, true);
    assert_failed(call_path(f, "/half"), "communication", 502, true);
    assert_non_null(strstr(detail(&f->answers[2]), "agent a, POST http://127.0.0.1:"));
    assert_failed(call_path(f, "/half-chunked"), "communication", 502, true);
    assert_failed(call_path(f, "/bad-gzip"), "communication", 502, true);
    assert_failed(call_path(f, "/deep"), "communication", 502, true);
    assert_failed(call_path(f, "/no-json"), "communication", 502, true);
    assert_non_null(call_path(f, "/ok")->output);
}

static void answers_without_end(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    struct answer *a = call_path(f, "/huge");
    assert_failed(a, "communication", 502, false);
    assert_non_null(strstr(detail(a), "larger than 1048576 bytes"));
    assert_failed(call_path(f, "/bomb"), "communication", 502, false);
    assert_failed(call_path(f, "/headers"), "communication", 502, true);
}

static void the_deadline_is_absolute(void **state)
{
    struct fixture *f = *state;
    json_t *spec = agent_spec("/hang");

    open_caller(f);
    json_object_set_new(spec, "timeout", json_integer(30));
    struct answer *a = call_spec(f, spec);
    assert_failed(a, "communication", 500, true);
    assert_non_null(strstr(detail(a), "within 30 ms"));
    spec = agent_spec("/drip");
    json_object_set_new(spec, "timeout", json_integer(60));
    assert_failed(call_spec(f, spec), "communication", 502, true);
}

static void nobody_listens(void **state)
{
    struct fixture *f = *state;

    uv_close((uv_handle_t *)&f->server.listener, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    open_caller(f);
    assert_failed(call_path(f, "/ok"), "communication", 500, true);
}

static void statuses(void **state)
{
    static const struct {
        const char *path;
        bool retryable;
    } cases[] = {{"/status/400", false}, {"/status/401", false}, {"/status/404", false},
                 {"/status/408", true},  {"/status/425", true},  {"/status/429", true},
                 {"/status/500", true},  {"/status/501", false}, {"/status/502", true},
                 {"/status/503", true},  {"/status/504", true},  {"/status/505", false},
                 {"/status/302", false}, {"/status/600", false}};
    struct fixture *f = *state;

    open_caller(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_failed(call_path(f, cases[i].path), "communication",
                      (int)strtol(cases[i].path + 8, NULL, 10), cases[i].retryable);
}

static void retry_after(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    struct answer *a = call_path(f, "/busy");
    assert_failed(a, "communication", 503, true);
    assert_int_equal(a->retry_after_ms, 7000);
    assert_non_null(strstr(detail(a), "503: come \xef\xbf\xbd[31mback later"));
    assert_null(strchr(detail(a), '\x1b'));
    assert_null(strstr(detail(a), "\xe2\x80\xae"));
    assert_int_equal(call_path(f, "/busy-date")->retry_after_ms, 3600000);
}

/* ---- who may be called, with what ---- */

static void calls_that_cannot_be_made(void **state)
{
    struct fixture *f = *state;

    open_caller(f);
    assert_failed(call_spec(f, json_pack("{s:s, s:s}", "kind", "agent", "agent", "nobody")),
                  "configuration", 400, false);
    assert_failed(call_spec(f, json_pack("{s:s}", "kind", "smoke")), "configuration", 400, false);
    assert_failed(
        call_spec(f, json_pack("{s:s, s:s}", "kind", "http", "uri", "file:///etc/passwd")),
        "configuration", 400, false);
    assert_failed(call_spec(f, json_pack("{s:s, s:s}", "kind", "http", "uri", "http://a b/")),
                  "configuration", 400, false);
    assert_failed(call_path(f, "/a b"), "configuration", 400, false);
    assert_failed(call_path(f, "/a\r\nX: 1"), "configuration", 400, false);
    json_t *spec = http_spec(f, "get /x HTTP/1.1\r\n", "/ok");
    assert_failed(call_spec(f, spec), "configuration", 400, false);
    assert_int_equal(f->server.requests, 0);
}

static void headers_are_checked(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {{"X-A", "1\r\nX-B: 2"},
                 {"X-A", "1\n"},
                 {"X-A", "\x7f"},
                 {"X A", "1"},
                 {"X:A", "1"},
                 {"", "1"},
                 {"Host", "evil"},
                 {"content-length", "3"},
                 {"Transfer-Encoding", "chunked"}};
    struct fixture *f = *state;

    open_caller(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *spec = agent_spec("/ok");

        json_object_set_new(spec, "headers", json_pack("{s:s}", cases[i].name, cases[i].value));
        assert_failed(call_spec(f, spec), "configuration", 400, false);
    }
    assert_int_equal(f->server.requests, 0);
    json_t *spec = agent_spec("/ok");
    json_object_set_new(spec, "headers",
                        json_pack("{s:s, s:i, s:n, s:s}", "Idempotency-Key", "mine", "X-N", 3,
                                  "X-None", "X-Empty", ""));
    assert_non_null(call_spec(f, spec)->output);
    assert_true(has_line(f, "\r\nIdempotency-Key: mine\r\n"));
    assert_false(has_line(f, "inst_7/1"));
    assert_true(has_line(f, "\r\nX-N: 3\r\n"));
    assert_true(has_line(f, "\r\nX-Empty:\r\n"));
    assert_false(has_line(f, "X-None"));
}

static void other_hosts_only_where_allowed(void **state)
{
    struct fixture *f = *state;
    char pattern[32], *patterns[] = {pattern};

    f->config.agent_count = 0;
    snprintf(pattern, sizeof pattern, "127.0.0.1:%d", f->server.port);
    open_caller(f);
    struct answer *a = call_spec(f, http_spec(f, "get", "/ok"));
    assert_failed(a, "authorization", 403, false);
    assert_non_null(strstr(detail(a), "127.0.0.1"));
    f->config.egress_allow = patterns;
    f->config.egress_count = 1;
    assert_non_null(call_spec(f, http_spec(f, "get", "/ok"))->output);
    assert_int_equal(f->server.requests, 1);
}

static void metadata_is_never_reached(void **state)
{
    static const char *const urls[] = {
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/",
        "http://0/",
        "http://2852039166/",
        "http://0xa9.0xfe.0xa9.0xfe/",
        "http://[fe80::1]/",
    };
    struct fixture *f = *state;

    f->config.egress_any = true;
    open_caller(f);
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct answer *a = call_spec(
            f, json_pack("{s:s, s:s, s:i}", "kind", "http", "uri", urls[i], "timeout", 5000));

        assert_failed(a, "authorization", 403, false);
    }
}

static void redirects(void **state)
{
    struct fixture *f = *state;

    f->config.egress_any = true;
    open_caller(f);
    assert_failed(call_spec(f, http_spec(f, "get", "/redirect?to=/ok")), "communication", 302,
                  false);
    json_t *spec = http_spec(f, "post", "/redirect?to=/ok");
    json_object_set_new(spec, "redirect", json_true());
    json_object_set_new(spec, "body", json_string("x"));
    assert_non_null(call_spec(f, spec)->output);
    assert_true(has_line(f, "GET /ok")); /* as browsers do */
    spec = http_spec(f, "post", "/keep-redirect");
    json_object_set_new(spec, "redirect", json_true());
    json_object_set_new(spec, "body", json_string("kept"));
    assert_string_equal(json_string_value(call_spec(f, spec)->output), "kept");
    assert_true(has_line(f, "POST /echo"));
    spec = http_spec(f, "get", "/loop");
    json_object_set_new(spec, "redirect", json_true());
    unsigned before = f->server.requests;
    assert_failed(call_spec(f, spec), "communication", 503, true);
    assert_int_equal(f->server.requests - before, 11);
    spec = http_spec(f, "get", "/redirect?to=http://169.254.169.254/latest");
    json_object_set_new(spec, "redirect", json_true());
    assert_failed(call_spec(f, spec), "authorization", 403, false);
    spec = http_spec(f, "get", "/redirect?to=file:///etc/passwd");
    json_object_set_new(spec, "redirect", json_true());
    assert_failed(call_spec(f, spec), "configuration", 400, false);
}

/* ---- secrets ---- */

static void secrets_stay_with_their_origin(void **state)
{
    struct fixture *f = *state;
    struct config_header header = {.name = "X-Key", .value = "k-${env:CALLER_TEST_KEY}"};

    setenv("CALLER_TEST_TOKEN", "canary-token", 1);
    setenv("CALLER_TEST_KEY", "canary-key", 1);
    f->agents[0].token_env = "CALLER_TEST_TOKEN";
    f->agents[0].headers = &header;
    f->agents[0].header_count = 1;
    f->config.egress_any = true;
    hostile_open(&f->other, &f->loop, rows);
    open_caller(f);
    char path[128];
    snprintf(path, sizeof path, "/redirect?to=http://127.0.0.1:%d/ok", f->other.port);
    json_t *spec = http_spec(f, "get", path);
    json_object_set_new(spec, "redirect", json_true());
    json_object_set_new(spec, "output", json_string("response"));
    json_t *out = call_spec(f, spec)->output;
    assert_non_null(out);
    assert_true(has_line(f, "Authorization: Bearer canary-token\r\n"));
    assert_true(has_line(f, "X-Key: k-canary-key\r\n"));
    assert_null(strstr(f->other.last, "canary"));
    char *text = json_text(out);
    assert_null(strstr(text, "canary"));
    free(text);
    unsetenv("CALLER_TEST_TOKEN");
    struct answer *a = call_path(f, "/ok");
    assert_failed(a, "configuration", 400, false);
    assert_non_null(strstr(detail(a), "CALLER_TEST_TOKEN"));
    hostile_close(&f->other);
}

static void write_token(const char *path, const char *token)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(token, file);
    fclose(file);
}

static void token_files_are_read_again(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/test-caller-XXXXXX";

    close(mkstemp(path));
    write_token(path, "first\n");
    f->agents[0].token_file = path;
    open_caller(f);
    assert_non_null(call_path(f, "/ok")->output);
    assert_true(has_line(f, "Authorization: Bearer first\r\n"));
    write_token(path, "second one\n");
    assert_non_null(call_path(f, "/ok")->output);
    assert_true(has_line(f, "Authorization: Bearer second one\r\n"));
    unlink(path);
    assert_failed(call_path(f, "/ok"), "configuration", 400, false);
}

/* ---- slots, queue, breaker ---- */

static void the_queue_is_first_in_first_out(void **state)
{
    struct fixture *f = *state;
    json_t *spec = agent_spec("/ok");

    f->agents[0].concurrency = 1;
    open_caller(f);
    for (uint32_t i = 0; i < 100; i++)
        begin(f, i, spec);
    json_t *agents = f->port.agents(f->port.self);
    assert_int_equal(json_int(json_array_get(agents, 0), "inFlight", -1), 1);
    assert_int_equal(json_int(json_array_get(agents, 0), "queued", -1), 99);
    json_decref(agents);
    wait_for(f, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(f->answers[i].cmd, i);
    assert_int_equal(f->server.connections, 1);
    json_decref(spec);
}

static void the_queue_has_a_bound(void **state)
{
    struct fixture *f = *state;
    json_t *spec = agent_spec("/hang");

    f->agents[0].concurrency = 1;
    open_caller(f);
    for (uint32_t i = 0; i < 10003; i++)
        begin(f, i, spec);
    wait_for(f, 2);
    assert_int_equal(f->answers[0].cmd, 10001);
    assert_failed(&f->answers[0], "communication", 503, true);
    assert_true(f->answers[0].retry_after_ms > 0);
    for (uint32_t i = 0; i < 10003; i++)
        f->port.abort(f->port.self, 7, i);
    json_decref(spec);
}

static void on_time(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void pass_time(struct fixture *f, int64_t ms)
{
    uv_timer_t timer;

    uv_timer_init(&f->loop, &timer);
    uv_timer_start(&timer, on_time, (uint64_t)ms, 0);
    while (!uv_is_closing((uv_handle_t *)&timer))
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_run(&f->loop, UV_RUN_NOWAIT); /* its close callback: it leaves the loop */
}

static void the_breaker_opens_and_closes(void **state)
{
    struct fixture *f = *state;

    f->agents[0].breaker_failures = 2;
    f->agents[0].breaker_open_ms = 60;
    open_caller(f);
    assert_failed(call_path(f, "/status/404"), "communication", 404, false); /* it is alive */
    assert_failed(call_path(f, "/status/500"), "communication", 500, true);
    assert_failed(call_path(f, "/close"), "communication", 500, true);
    unsigned before = f->server.requests;
    struct answer *a = call_path(f, "/ok");
    assert_failed(a, "communication", 503, true);
    assert_non_null(strstr(detail(a), "half-opens"));
    assert_true(a->retry_after_ms > 0 && a->retry_after_ms <= 60);
    assert_int_equal(f->server.requests, before);
    json_t *agents = f->port.agents(f->port.self);
    assert_string_equal(json_str(json_array_get(agents, 0), "breaker", ""), "open");
    assert_non_null(strstr(json_str(json_array_get(agents, 0), "lastError", ""), "/close"));
    json_decref(agents);
    while (a->error != NULL) { /* as a client that honours Retry-After */
        pass_time(f, a->retry_after_ms);
        a = call_path(f, "/ok");
    }
    agents = f->port.agents(f->port.self);
    assert_string_equal(json_str(json_array_get(agents, 0), "breaker", ""), "closed");
    json_decref(agents);
}

/* ---- aborting ---- */

static void aborted_calls_are_not_answered(void **state)
{
    struct fixture *f = *state;
    json_t *hang = agent_spec("/hang"), *bad = json_pack("{s:s}", "kind", "smoke");

    f->agents[0].concurrency = 1;
    open_caller(f);
    begin(f, 1000, hang); /* in flight */
    begin(f, 1001, hang); /* queued */
    while (f->server.requests == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    begin(f, 1002, bad); /* answered soon */
    for (uint32_t i = 1000; i < 1004; i++)
        f->port.abort(f->port.self, 7, i);
    json_decref(hang);
    json_decref(bad);
    assert_non_null(call_path(f, "/ok")->output);
    assert_int_equal(f->count, 1);
}

static void abort_the_others(struct fixture *f, uint32_t cmd)
{
    for (uint32_t i = 0; i < 20; i++)
        if (i != cmd)
            f->port.abort(f->port.self, 7, i);
}

static void an_answer_may_abort_other_answers(void **state)
{
    struct fixture *f = *state;
    json_t *bad = json_pack("{s:s}", "kind", "smoke"), *ok = agent_spec("/ok");

    open_caller(f);
    f->on_answer = abort_the_others;
    for (uint32_t i = 0; i < 10; i++)
        begin(f, i, bad);
    wait_for(f, 1);
    f->on_answer = abort_the_others;
    for (uint32_t i = 10; i < 20; i++)
        begin(f, i, ok);
    wait_for(f, 2);
    assert_non_null(call_path(f, "/ok")->output);
    assert_int_equal(f->count, 3);
    json_decref(bad);
    json_decref(ok);
}

static void close_it(struct fixture *f, uint32_t cmd)
{
    (void)cmd;
    caller_close(f->caller, on_closed, f);
    f->caller = NULL;
}

static void an_answer_may_close_the_caller(void **state)
{
    struct fixture *f = *state;
    json_t *ok = agent_spec("/ok"), *bad = json_pack("{s:s}", "kind", "smoke");

    f->agents[0].concurrency = 2;
    open_caller(f);
    f->on_answer = close_it;
    for (uint32_t i = 0; i < 8; i++)
        begin(f, i, ok);
    wait_for(f, 1);
    while (!f->closed)
        uv_run(&f->loop, UV_RUN_ONCE);
    f->closed = false;
    open_caller(f);
    f->on_answer = close_it;
    for (uint32_t i = 0; i < 8; i++)
        begin(f, i, bad);
    wait_for(f, 2);
    json_decref(ok);
    json_decref(bad);
}

static void closing_with_calls_in_flight(void **state)
{
    struct fixture *f = *state;
    json_t *spec = agent_spec("/hang");

    open_caller(f);
    caller_watch_health(f->caller);
    for (uint32_t i = 0; i < 100; i++)
        begin(f, i, spec);
    while (f->server.requests < 4)
        uv_run(&f->loop, UV_RUN_ONCE);
    caller_close(f->caller, on_closed, f);
    f->caller = NULL;
    json_decref(spec);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->count, 0);
}

static void health_is_watched(void **state)
{
    struct fixture *f = *state;
    const json_t *healthy;

    open_caller(f);
    json_t *agents = f->port.agents(f->port.self);
    assert_true(json_is_null(json_object_get(json_array_get(agents, 0), "healthy")));
    caller_watch_health(f->caller);
    do {
        json_decref(agents);
        uv_run(&f->loop, UV_RUN_ONCE);
        agents = f->port.agents(f->port.self);
        healthy = json_object_get(json_array_get(agents, 0), "healthy");
    } while (json_is_null(healthy));
    assert_true(json_is_true(healthy));
    assert_true(has_line(f, "GET /health"));
    json_decref(agents);
}

static void policies(void **state)
{
    struct fixture *f = *state;
    struct retry_policy p;
    json_t *spec = agent_spec("/");

    f->config.egress_any = true;
    open_caller(f);
    f->port.policy(f->port.self, spec, &p);
    assert_int_equal(p.attempts, 3);
    assert_int_equal(p.initial_ms, 5);
    json_decref(spec);
    spec = json_pack("{s:s, s:s}", "kind", "http", "uri", "http://elsewhere.example/");
    f->port.policy(f->port.self, spec, &p);
    assert_int_equal(p.attempts, 9);
    json_decref(spec);
    spec = json_object();
    f->port.policy(f->port.self, spec, &p);
    assert_int_equal(p.attempts, 9);
    json_decref(spec);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_call_of_an_agent),
        CASE(connections_are_used_again),
        CASE(urls_of_agents_are_calls_of_agents),
        CASE(bodies),
        CASE(a_large_body_is_sent_at_once),
        CASE(content_by_type),
        CASE(raw_and_response),
        CASE(answers_that_are_no_answers),
        CASE(answers_without_end),
        CASE(the_deadline_is_absolute),
        CASE(nobody_listens),
        CASE(statuses),
        CASE(retry_after),
        CASE(calls_that_cannot_be_made),
        CASE(headers_are_checked),
        CASE(other_hosts_only_where_allowed),
        CASE(metadata_is_never_reached),
        CASE(redirects),
        CASE(secrets_stay_with_their_origin),
        CASE(token_files_are_read_again),
        CASE(the_queue_is_first_in_first_out),
        CASE(the_queue_has_a_bound),
        CASE(the_breaker_opens_and_closes),
        CASE(aborted_calls_are_not_answered),
        CASE(an_answer_may_abort_other_answers),
        CASE(an_answer_may_close_the_caller),
        CASE(closing_with_calls_in_flight),
        CASE(health_is_watched),
        CASE(policies),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
