/* The gate: a process that ends lets calls come back, and makes no new ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engine/store/store.h"
#include "gate.h"

struct seen {
    int started, aborted;
    struct batch *batch;
};

static void start(void *self, const struct call *call)
{
    (void)call;
    ((struct seen *)self)->started++;
}

static void abort_call(void *self, int64_t instance, uint32_t cmd)
{
    (void)instance, (void)cmd;
    ((struct seen *)self)->aborted++;
}

static void commit(void *self, struct batch *batch)
{
    batch_free(((struct seen *)self)->batch);
    ((struct seen *)self)->batch = batch;
}

struct fixture {
    struct gate gate;
    struct seen seen;
    struct caller_port caller;
    struct store_port store;
};

static void open_gate(struct fixture *f)
{
    struct caller_port caller = {.self = &f->seen, .start = start, .abort = abort_call};
    struct store_port store = {.self = &f->seen, .commit = commit};

    f->seen = (struct seen){0};
    gate_init(&f->gate, &caller, &store);
    gate_ports(&f->gate, &f->caller, &f->store);
}

static void close_gate(struct fixture *f)
{
    batch_free(f->seen.batch);
    gate_fini(&f->gate);
}

static void test_open(void **state)
{
    struct fixture f;
    struct call call = {.instance = 1, .cmd = 2};

    (void)state;
    open_gate(&f);
    f.caller.start(f.caller.self, &call);
    f.caller.abort(f.caller.self, 1, 2);
    assert_int_equal(f.seen.started, 1);
    assert_int_equal(f.seen.aborted, 1);
    assert_true(gate_is_still(&f.gate, 0));
    assert_false(gate_is_still(&f.gate, 1));
    close_gate(&f);
}

static void test_shut(void **state)
{
    struct fixture f;
    struct call first = {.instance = 1, .cmd = 2}, second = {.instance = 1, .cmd = 3};

    (void)state;
    open_gate(&f);
    f.caller.start(f.caller.self, &first);
    gate_shut(&f.gate);
    f.caller.start(f.caller.self, &second);
    assert_int_equal(f.seen.started, 1); /* the second was held back … */
    assert_false(gate_is_still(&f.gate, 2));
    assert_true(gate_is_still(&f.gate, 1)); /* … and nobody waits for it */
    f.caller.abort(f.caller.self, 1, 3);
    assert_int_equal(f.seen.aborted, 0); /* the caller never knew it */
    f.caller.abort(f.caller.self, 1, 2);
    assert_int_equal(f.seen.aborted, 1);
    assert_false(gate_is_still(&f.gate, 1));
    close_gate(&f);
}

static void test_what_is_not_durable_is_waited_for(void **state)
{
    struct fixture f;

    (void)state;
    open_gate(&f);
    f.store.commit(f.store.self, batch_new(1));
    f.store.commit(f.store.self, batch_new(2));
    assert_false(gate_is_still(&f.gate, 0));
    gate_committed(&f.gate, 1, ERR_OK);
    gate_committed(&f.gate, 2, ERR_STORE_FULL);
    assert_false(gate_is_still(&f.gate, 0));
    gate_committed(&f.gate, 2, ERR_OK);
    assert_true(gate_is_still(&f.gate, 0));
    close_gate(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_shut),
        cmocka_unit_test(test_what_is_not_durable_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
