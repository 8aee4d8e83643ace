/* The driver on a real loop, with a store that forgets and a caller that always has an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/driver.h"
#include "engine/flow/flow.h"

static const char text[] = "document: {dsl: '1.0.3', namespace: t, name: n, version: '1.0.0'}\n"
                           "do:\n"
                           "  - a: {set: {x: 1}}\n"
                           "  - b: {wait: {milliseconds: 1}}\n"
                           "  - c:\n"
                           "      call: http\n"
                           "      with: {method: get, endpoint: 'http://127.0.0.1:9/'}\n";

struct world {
    uv_loop_t loop;
    struct driver *driver;
    struct engine *engine;
    struct flow *flow;
    struct api api;
    uv_async_t committed;   /* as the store thread would */
    uint64_t batch;         /* newest one given */
    uv_timer_t answer;      /* as curl would */
    struct call queue[512]; /* calls that wait for their answer */
    size_t queued;
    bool closed;
    unsigned calls;
    int answers; /* of the api */
    json_t *last;
    struct err err;
};

/* ---- ports --------------------------------------------------------------------------------------
 */

static void on_committed(uv_async_t *async)
{
    struct world *w = async->data;

    driver_committed(w->driver, w->batch, ERR_OK);
}

static void store_commit(void *self, struct batch *batch)
{
    struct world *w = self;

    w->batch = batch->no;
    batch_free(batch);
    uv_async_send(&w->committed);
}

static void store_load(void *self, int64_t num, int64_t last, store_load_cb *cb, void *arg)
{
    (void)self, (void)num, (void)last, (void)cb, (void)arg;
    fail_msg("nothing is evicted here");
}

static void store_find_key(void *self, const char *scope, const char *key, store_key_cb *cb,
                           void *arg)
{
    (void)self, (void)scope, (void)key, (void)cb, (void)arg;
    fail_msg("no keys are used here");
}

static void store_query(void *self, const char *what, json_t *args, store_json_cb *cb, void *arg)
{
    json_t *none = json_object();

    (void)self, (void)what, (void)args;
    cb(arg, NULL, none);
    json_decref(none);
}

static void on_answer(uv_timer_t *timer)
{
    struct world *w = timer->data;
    json_t *output = json_string("fine");
    struct call_result result = {.output = output};

    while (w->queued > 0) {
        struct call *call = &w->queue[--w->queued];

        driver_call_done(w->driver, call->instance, call->cmd, &result);
    }
    json_decref(output);
}

static void call_start(void *self, const struct call *call)
{
    struct world *w = self;

    assert_true(w->queued < sizeof w->queue / sizeof *w->queue);
    w->queue[w->queued++] = *call;
    w->calls++;
    uv_timer_start(&w->answer, on_answer, 0, 0);
}

static void call_abort(void *self, int64_t instance, uint32_t cmd)
{
    (void)self, (void)instance, (void)cmd;
}

static void call_policy(void *self, const json_t *spec, struct retry_policy *policy)
{
    (void)self, (void)spec;
    *policy = (struct retry_policy){.attempts = 1};
}

static json_t *call_agents(void *self)
{
    (void)self;
    return json_array();
}

/* ---- set-up -------------------------------------------------------------------------------------
 */

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof *w);
    struct caller_port caller = {w, call_start, call_abort, call_policy, call_agents};
    struct store_port store = {w, store_commit, store_load, store_find_key, store_query};
    struct store_boot boot = {.next_pos = 1, .next_inbox = 1, .next_flow = 1, .last_num = 1};
    struct engine_config config = {
        .limits = engine_default_limits, .entropy = 1, .caller = &caller, .store = &store};
    struct source *source;

    *state = w;
    w->flow = flow_compile("n.yaml", text, sizeof text - 1, false, &source);
    assert_non_null(w->flow);
    source_free(source);
    uv_loop_init(&w->loop);
    w->driver = driver_new(&w->loop);
    uv_async_init(&w->loop, &w->committed, on_committed);
    uv_timer_init(&w->loop, &w->answer);
    w->committed.data = w->answer.data = w;
    w->engine = engine_new(&config, &boot, NULL, NULL, driver_now());
    driver_start(w->driver, w->engine);
    driver_api(w->driver, &w->api);
    struct service service = {.name = "n",
                              .ns = "t",
                              .document_name = "n",
                              .version = "1.0.0",
                              .digest = "d",
                              .source = text,
                              .source_len = sizeof text - 1,
                              .kind = &flow_handler,
                              .definition = w->flow};
    assert_int_equal(engine_register(w->engine, &service, driver_now(), NULL), ERR_OK);
    return 0;
}

static void on_closed(void *arg)
{
    struct world *w = arg;

    w->closed = true;
}

static int teardown(void **state)
{
    struct world *w = *state;

    driver_close(w->driver, on_closed, w);
    uv_close((uv_handle_t *)&w->committed, NULL);
    uv_close((uv_handle_t *)&w->answer, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_true(w->closed);
    engine_free(w->engine);
    flow_free(w->flow);
    json_decref(w->last);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static void on_reply(void *arg, const struct err *err, json_t *result)
{
    struct world *w = arg;

    if (err != NULL)
        w->err = *err;
    json_decref(w->last);
    w->last = json_incref(result);
    w->answers++;
}

static void wait_answers(struct world *w, int n)
{
    while (w->answers < n)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static void start_one(struct world *w)
{
    json_t *input = json_object();
    struct api_start start = {.service = "n", .input = input};

    w->api.start(w->api.self, &start, on_reply, w);
    json_decref(input);
}

/* ---- tests --------------------------------------------------------------------------------------
 */

static void test_to_the_end(void **state)
{
    struct world *w = *state;

    start_one(w);
    wait_answers(w, 1);
    assert_int_equal(w->err.code, ERR_OK);
    char *id = mem_strdup(json_str(w->last, "id", ""));
    w->api.attach(w->api.self, NULL, id, 60000, on_reply, w);
    wait_answers(w, 2);
    assert_string_equal(json_str(w->last, "status", ""), "completed");
    assert_string_equal(json_str(w->last, "output", ""), "fine");
    assert_int_equal(w->calls, 1);
    free(id);
}

/* Work that comes from a timer is begun before the loop sleeps: three turns of the loop are enough
 * for the batch to be given, and the second-long beat is not among them. */
static void on_timer(uv_timer_t *timer)
{
    start_one(timer->data);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_work_from_a_timer(void **state)
{
    struct world *w = *state;
    uv_timer_t timer;

    uv_run(&w->loop, UV_RUN_NOWAIT); /* the registration's batch */
    uint64_t before = w->batch;
    uv_timer_init(&w->loop, &timer);
    timer.data = w;
    uv_timer_start(&timer, on_timer, 0, 0);
    for (int i = 0; i < 3 && w->batch == before; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(w->batch > before);
    wait_answers(w, 1);
}

/* More than one drain's budget: nothing is forgotten. */
static void test_many(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 500; i++)
        start_one(w);
    wait_answers(w, 500);
    assert_int_equal(w->err.code, ERR_OK);
}

static void test_stats_and_doctor(void **state)
{
    struct world *w = *state;

    uv_run(&w->loop, UV_RUN_NOWAIT);
    w->api.stats(w->api.self, on_reply, w);
    assert_int_equal(w->answers, 1);
    assert_true(json_is_real(json_object_get(json_object_get(w->last, "loop"), "maxLagMsLast10s")));
    w->api.doctor(w->api.self, on_reply, w);
    assert_int_equal(w->answers, 2);
    assert_true(json_array_size(json_object_get(w->last, "checks")) > 1);
}

/* The server may let go of its callers after the driver was closed. */
static void test_forget_after_close(void **state)
{
    struct world *w = *state;

    start_one(w);
    wait_answers(w, 1);
    uint64_t ticket =
        w->api.attach(w->api.self, NULL, json_str(w->last, "id", ""), 60000, on_reply, w);
    assert_true(ticket != 0);
    w->api.forget(w->api.self, ticket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_to_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_from_a_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stats_and_doctor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget_after_close, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
