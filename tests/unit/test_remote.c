/* net/remote.h against net/server.h, over TCP and over the unix socket, with a scripted engine
 * behind: a pane or a command cannot tell the two implementations of struct api apart. */
#include "net_fixture.h"

#include "net/remote.h"
#include "net/sse.h"

struct remote_fixture {
    struct fixture fx;
    struct remote *remote;
    struct api api;
    bool closed;
    /* the last callback */
    unsigned calls;
    enum errcode code;
    char text[ERR_TEXT_MAX];
    json_t *result;
    uint64_t unsubscribe; /* from inside the callback */
};

static void on_answer(void *arg, const struct err *err, json_t *result)
{
    struct remote_fixture *rf = arg;

    rf->calls++;
    rf->code = err != NULL ? err->code : ERR_OK;
    snprintf(rf->text, sizeof rf->text, "%s", err != NULL ? err->text : "");
    json_decref(rf->result);
    rf->result = json_incref(result);
    if (rf->unsubscribe != 0)
        rf->api.unsubscribe(rf->api.self, rf->unsubscribe);
    rf->unsubscribe = 0;
}

static void wait_call(struct remote_fixture *rf)
{
    unsigned before = rf->calls;

    while (rf->calls == before)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
}

static int open_fixture(void **state, bool tcp)
{
    struct remote_fixture *rf = mem_zalloc(sizeof *rf);
    char url[200];

    fixture_init(&rf->fx);
    fixture_start(&rf->fx);
    if (tcp)
        snprintf(url, sizeof url, "http://127.0.0.1:%u/", server_port(rf->fx.server, "admin"));
    else
        snprintf(url, sizeof url, "unix:%s/admin.sock", rf->fx.dir);
    assert_int_equal(remote_new(&rf->fx.loop, url, &rf->remote, &rf->api, NULL), ERR_OK);
    *state = rf;
    return 0;
}

static int setup_tcp(void **state)
{
    return open_fixture(state, true);
}

static int setup_unix(void **state)
{
    return open_fixture(state, false);
}

static int teardown(void **state)
{
    struct remote_fixture *rf = *state;

    if (rf->remote != NULL)
        remote_close(rf->remote, on_fixture_closed, &rf->closed);
    while (rf->remote != NULL && !rf->closed)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
    json_decref(rf->result);
    fixture_fini(&rf->fx);
    free(rf);
    return 0;
}

static void check_last(struct remote_fixture *rf, const char *last)
{
    wait_call(rf);
    assert_int_equal(rf->code, ERR_OK);
    assert_non_null(rf->result);
    assert_string_equal(rf->fx.fake.last, last);
}

static void test_questions(void **state)
{
    struct remote_fixture *rf = *state;
    const struct api *api = &rf->api;
    json_t *query = json_pack("{s:[s,s], s:s, s:i}", "status", "running", "waiting", "text",
                              "a&b c", "limit", 7);

    api->list(api->self, query, on_answer, rf);
    check_last(rf, "list - {\"limit\":7,\"status\":[\"running\",\"waiting\"],\"text\":\"a&b c\"}");
    api->describe(api->self, "echo", "my/id?", on_answer, rf);
    check_last(rf, "describe echo my/id?");
    assert_string_equal(json_str(rf->result, "status", ""), "running");
    json_decref(query);
    query = json_pack("{s:i}", "from", 3);
    api->journal(api->self, "i", query, on_answer, rf);
    check_last(rf, "journal i {\"from\":3}");
    json_decref(query);
    api->services(api->self, on_answer, rf);
    wait_call(rf);
    assert_int_equal(json_array_size(json_object_get(rf->result, "services")), 2);
    api->agents(api->self, on_answer, rf);
    wait_call(rf);
    api->stats(api->self, on_answer, rf);
    wait_call(rf);
    api->doctor(api->self, on_answer, rf);
    wait_call(rf);
    api->release(api->self, on_answer, rf);
    wait_call(rf);
    assert_true(json_bool(rf->result, "plain", false));
}

static void test_acts(void **state)
{
    struct remote_fixture *rf = *state;
    const struct api *api = &rf->api;
    struct api_act act = {.id = "i", .by = "nobody listens to this", .why = "be\"cause"};
    json_t *payload = json_pack("{s:b}", "yes", 1);
    char by[32], text[200];

    snprintf(by, sizeof by, "uid %u", geteuid());
#define CHECK(...) (snprintf(text, sizeof text, __VA_ARGS__), check_last(rf, text))
    api->cancel(api->self, &act, on_answer, rf);
    CHECK("cancel - i by=%s why=be\"cause", by);
    act.why = NULL;
    api->kill(api->self, &act, on_answer, rf);
    CHECK("kill - i by=%s why=-", by);
    api->pause(api->self, &act, on_answer, rf);
    CHECK("pause - i by=%s why=-", by);
    act.service = "echo";
    api->resume(api->self, &act, on_answer, rf);
    CHECK("resume echo i by=%s why=-", by);
    api->purge(api->self, &act, on_answer, rf);
    CHECK("purge echo i by=%s why=-", by);
    api->restart(api->self, &act, "do/0/x", on_answer, rf);
    CHECK("restart echo i by=%s why=- do/0/x", by);
    act.why = "good & well";
    api->signal(api->self, &act, "a/b", payload, on_answer, rf);
    CHECK("signal echo i by=%s why=good & well a/b={\"yes\":true}", by);
    json_decref(payload);
}

static void test_start_and_attach(void **state)
{
    struct remote_fixture *rf = *state;
    const struct api *api = &rf->api;
    json_t *input = json_string("\xc3\xa4");
    struct api_start s = {.service = "echo", .input = input, .caller_id = "c", .delay_ms = 4};
    uint64_t ticket;

    api->start(api->self, &s, on_answer, rf);
    check_last(rf, "start echo v=- in=\"\xc3\xa4\" key=- id=c delay=4");
    assert_string_equal(json_str(rf->result, "id", ""), "inst_1");
    api->attach(api->self, "echo", "c", 0, on_answer, rf);
    check_last(rf, "attach echo c now");
    assert_string_equal(json_str(rf->result, "output", ""), "\xc3\xa4");

    rf->fx.fake.defer_attach = true;
    api->attach(api->self, NULL, "inst_1", 3600 * 1000, on_answer, rf);
    while (rf->fx.fake.attach_cb == NULL)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
    fake_finish(&rf->fx.fake);
    check_last(rf, "attach - inst_1 wait");

    /* forgotten: the server notices that nobody waits */
    ticket = api->attach(api->self, NULL, "inst_1", 3600 * 1000, on_answer, rf);
    while (rf->fx.fake.attach_cb == NULL)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
    api->forget(api->self, ticket);
    while (rf->fx.fake.forgets == 0)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);

    /* its time is up */
    api->attach(api->self, NULL, "inst_1", 1, on_answer, rf);
    wait_call(rf);
    assert_int_equal(rf->code, ERR_NOT_READY);
    json_decref(input);
}

static void test_errors(void **state)
{
    struct remote_fixture *rf = *state;
    struct api_act act = {.id = "i"};

    rf->fx.fake.fail = ERR_NOT_FOUND;
    rf->api.cancel(rf->api.self, &act, on_answer, rf);
    wait_call(rf);
    assert_int_equal(rf->code, ERR_NOT_FOUND);
    assert_string_equal(rf->text, "scripted");

    char *huge = mem_zalloc(20001);
    memset(huge, 'i', 20000);
    act.id = huge;
    rf->api.kill(rf->api.self, &act, on_answer, rf);
    wait_call(rf);
    assert_int_equal(rf->code, ERR_TOO_LARGE);
    free(huge);

    act.id = "i";
    fixture_stop(&rf->fx);
    rf->api.cancel(rf->api.self, &act, on_answer, rf);
    wait_call(rf);
    assert_int_equal(rf->code, ERR_UNAVAILABLE);
    assert_non_null(strstr(rf->text, "is it running"));
    rf->api.subscribe(rf->api.self, NULL, on_answer, rf);
    wait_call(rf);
    assert_int_equal(rf->code, ERR_UNAVAILABLE);
    rf->api.attach(rf->api.self, NULL, "i", 1000, on_answer, rf);
    wait_call(rf);
    assert_int_equal(rf->code, ERR_UNAVAILABLE);
}

/* Over a restart of the server; on the unix socket, whose address stays. */
static void test_restart(void **state)
{
    struct remote_fixture *rf = *state;
    const struct api *api = &rf->api;
    struct fake *f = &rf->fx.fake;
    uint64_t ticket;

    ticket = api->subscribe(api->self, NULL, on_answer, rf);
    while (f->event_cb == NULL)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
    fake_event(f, "instance", "one");
    wait_call(rf);
    assert_string_equal(json_str(rf->result, "id", ""), "one");

    f->defer_attach = true;
    api->attach(api->self, NULL, "inst_1", 3600 * 1000, on_answer, rf);
    while (f->attach_cb == NULL)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);

    fixture_stop(&rf->fx);
    fixture_start(&rf->fx);
    wait_call(rf);
    assert_string_equal(json_str(rf->result, "type", ""), "gap");
    while (f->attach_cb == NULL)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
    fake_event(f, "instance", "two");
    wait_call(rf);
    assert_string_equal(json_str(rf->result, "id", ""), "two");
    fake_finish(f);
    wait_call(rf);
    assert_string_equal(json_str(rf->result, "status", ""), "completed");

    rf->unsubscribe = ticket; /* by the next callback */
    fake_event(f, "instance", "three");
    wait_call(rf);
    while (f->event_cb != NULL)
        uv_run(&rf->fx.loop, UV_RUN_ONCE);
}

static void test_bad_urls(void **state)
{
    static const char *const urls[] = {"", "localhost:9070", "unix:relative", "ftp://x"};
    struct remote_fixture *rf = *state;
    struct remote *r;
    struct api api;

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_int_equal(remote_new(&rf->fx.loop, urls[i], &r, &api, NULL), ERR_USAGE);
}

static void on_sse(void *arg, const char *data, size_t len)
{
    buf_printf(arg, "[%.*s]", (int)len, data);
}

/* Cut anywhere, the same stream says the same. */
static void test_sse(void **state)
{
    static const char stream[] = ": hello\n\nid: 1\nevent: x\ndata: one\n\ndata:two\r\ndata: "
                                 "three\r\n\r\n:\n\nretry: 5\n\ndata: unfinished\n";
    struct buf out;

    (void)state;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        struct sse s = {0};

        buf_init(&out, 1000);
        assert_true(sse_feed(&s, stream, cut, on_sse, &out));
        assert_true(sse_feed(&s, stream + cut, sizeof stream - 1 - cut, on_sse, &out));
        assert_string_equal(out.data, "[one][two\nthree]");
        sse_fini(&s);
        buf_fini(&out);
    }
}

int main(void)
{
#define TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_questions, setup_tcp),
        TEST(test_questions, setup_unix),
        TEST(test_acts, setup_unix),
        TEST(test_start_and_attach, setup_tcp),
        TEST(test_start_and_attach, setup_unix),
        TEST(test_errors, setup_tcp),
        TEST(test_errors, setup_unix),
        TEST(test_restart, setup_unix),
        TEST(test_bad_urls, setup_unix),
        cmocka_unit_test(test_sse),
    };

    log_init(LOG_ERROR, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
