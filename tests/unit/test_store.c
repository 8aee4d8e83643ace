/* What the store promises: what was reported is there after a restart; a full disk is waited for; a
 * failed commit ends the process. */
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/log.h"
#include "vfs_shim.h"

/* ---- names and ids ---- */

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        assert_int_equal(status_from_name(status_name(i)), i);
    assert_null(status_name(STATUS_COUNT));
    assert_int_equal(status_from_name("Running"), -1);
    assert_int_equal(status_from_name(""), -1);
    assert_string_equal(reason_name(REASON_POISON), "poison");
    assert_string_equal(reason_name(REASON_NONE), "");
    assert_null(reason_name(REASON_COUNT));
}

static void test_ids(void **state)
{
    static const char *const bad[] = {"",
                                      "inst_",
                                      "inst_000000000000100000001x",
                                      "inst_00000000000010000000",
                                      "INST_000000000000100000001",
                                      "inst_8000000000001000000010",
                                      "inst_80000000000000000000000",
                                      "inst_z000000000000000000000",
                                      "inst_00000000000i100000001",
                                      "inst_00000000000A100000001"};
    const int64_t nums[] = {0, 1, 31, 32, INT64_C(1) << 40, INT64_MAX};
    char id[INSTANCE_ID_SIZE], before[INSTANCE_ID_SIZE] = "";
    int64_t num;
    uint64_t tag;

    (void)state;
    for (size_t i = 0; i < sizeof nums / sizeof *nums; i++) {
        instance_id_format(nums[i], (UINT64_C(1) << 40) - 1 - i, id);
        assert_int_equal(strlen(id), INSTANCE_ID_SIZE - 1);
        assert_true(instance_id_parse(id, &num, &tag));
        assert_true(num == nums[i]);
        assert_true(tag == (UINT64_C(1) << 40) - 1 - i);
        assert_true(strcmp(before, id) < 0); /* texts sort as the numbers do */
        memcpy(before, id, sizeof id);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(instance_id_parse(bad[i], &num, &tag));
}

static void test_batch_is_empty(void **state)
{
    struct batch *b = batch_new(3);

    (void)state;
    assert_true(batch_is_empty(b));
    put_number(&b->inbox_done, &b->done_count, &b->done_cap, 1);
    assert_false(batch_is_empty(b));
    batch_free(b);
    batch_free(NULL);
}

/* ---- what was written is there ---- */

static void assert_same_row(const struct instance_row *a, const struct instance_row *b)
{
    struct instance_row x = *a, y = *b;

    assert_string_equal(a->caller_id, b->caller_id);
    assert_string_equal(a->step, b->step);
    assert_string_equal(a->why, b->why);
    x.caller_id = x.step = x.why = y.caller_id = y.step = y.why = NULL;
    assert_true(x.num == y.num && x.tag == y.tag && x.seed == y.seed && x.flow == y.flow);
    assert_true(x.status == y.status && x.reason == y.reason && x.depth == y.depth);
    assert_true(x.parent == y.parent && x.parent_cmd == y.parent_cmd && x.created == y.created);
    assert_true(x.started == y.started && x.ended == y.ended && x.wake_at == y.wake_at);
    assert_true(x.last == y.last && x.output == y.output && x.entries == y.entries);
    assert_true(x.bytes == y.bytes && x.attempts == y.attempts && x.crashes == y.crashes);
}

static struct instance_row full_row(void)
{
    return (struct instance_row){.num = test_num(1),
                                 .tag = (UINT64_C(1) << 40) - 1,
                                 .seed = UINT64_MAX,
                                 .flow = 7,
                                 .status = STATUS_WAITING,
                                 .reason = REASON_TIMER,
                                 .is_new = true,
                                 .parent = 12,
                                 .parent_cmd = UINT32_MAX,
                                 .depth = 3,
                                 .created = 1,
                                 .started = 2,
                                 .ended = 3,
                                 .wake_at = INT64_MAX,
                                 .last = 5,
                                 .output = 6,
                                 .entries = UINT32_MAX,
                                 .bytes = UINT64_MAX,
                                 .attempts = 8,
                                 .crashes = 9,
                                 .caller_id = mem_strdup("order-1"),
                                 .step = mem_strdup("/do/0/\xc3\xa9"),
                                 .why = mem_strdup("it 'broke'")};
}

static void test_boot_image(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);
    struct instance_row want = full_row(), copy = full_row();

    assert_int_equal(f->boot.row_count + f->boot.inbox_count + f->boot.flow_count, 0);
    assert_true(f->boot.next_pos == 1 && f->boot.next_inbox == 1 && f->boot.next_flow == 1);
    assert_true(f->boot.last_num == 0);
    put_flow(b, 7, "demo", "hello");
    b->rows = mem_grow(b->rows, 0, &b->row_cap, sizeof *b->rows);
    b->rows[b->row_count++] = copy;
    put_row(b, test_num(2), STATUS_COMPLETED);
    put_row(b, test_num(3), STATUS_PENDING);
    put_chunk(b, 41, test_num(1), 0, "x", 1);
    put_inbox(b, 9, test_num(3), "{\"a\":1}");
    put_inbox(b, 10, test_num(3), "2");
    commit(f, b);
    b = batch_next(f);
    put_number(&b->inbox_done, &b->done_count, &b->done_cap, 9);
    commit(f, b);
    fixture_reopen(f);

    assert_int_equal(f->boot.row_count, 2); /* not what has ended */
    assert_same_row(&f->boot.rows[0], &want);
    assert_true(f->boot.rows[1].num == test_num(3));
    assert_null(f->boot.rows[1].caller_id);
    assert_int_equal(f->boot.inbox_count, 1);
    assert_true(f->boot.inbox[0].id == 10 && f->boot.inbox[0].num == test_num(3));
    assert_string_equal(f->boot.inbox[0].kind, "signal");
    assert_string_equal(f->boot.inbox[0].data, "2");
    assert_int_equal(f->boot.flow_count, 1);
    assert_string_equal(f->boot.flows[0].digest, "digest-hello");
    assert_string_equal(f->boot.flows[0].ns, "demo");
    assert_string_equal(f->boot.flows[0].version, "1.0.0");
    assert_string_equal(f->boot.flows[0].source, "do: []\n");
    assert_int_equal(f->boot.flows[0].source_len, 7);
    assert_true(f->boot.flows[0].loaded_at == T0);
    assert_true(f->boot.next_pos == 42 && f->boot.next_inbox == 11 && f->boot.next_flow == 8);
    assert_true(f->boot.last_num == test_num(3));
    free(want.caller_id);
    free(want.step);
    free(want.why);
}

static void test_update_changes_all(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);
    struct instance_row want = full_row(), *row;

    put_row(b, want.num, STATUS_RUNNING);
    commit(f, b);
    b = batch_next(f);
    row = put_row(b, want.num, 0);
    *row = full_row();
    row->is_new = false;
    row = put_row(b, want.num, 0); /* and again, with the same status */
    *row = full_row();
    row->is_new = false;
    row->attempts = want.attempts = 77;
    commit(f, b);
    fixture_reopen(f);
    assert_int_equal(f->boot.row_count, 1);
    assert_same_row(&f->boot.rows[0], &want);
    free(want.caller_id);
    free(want.step);
    free(want.why);
}

static void test_journal_chain(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);

    put_row(b, test_num(1), STATUS_RUNNING)->last = 5;
    put_chunk(b, 1, test_num(1), 0, "first", 5);
    put_chunk(b, 2, test_num(2), 0, "another's", 9);
    put_chunk(b, 3, test_num(1), 1, "", 0);
    put_chunk(b, 5, test_num(1), 3, "a\0b", 3);
    put_chunk(b, 8, test_num(1), 7, "its chain is broken", 19);
    put_chunk(b, 9, test_num(1), 2, "it leads to another's", 21);
    commit(f, b);
    assert_int_equal(load(f, test_num(1), 5), ERR_OK);
    assert_int_equal(f->chunk_count, 3);
    assert_memory_equal(f->chunks[0].data, "first", 5);
    assert_true(f->chunks[0].pos == 1 && f->chunks[1].pos == 3 && f->chunks[2].pos == 5);
    assert_int_equal(f->chunks[1].len, 0);
    assert_int_equal(f->chunks[2].len, 3);
    assert_memory_equal(f->chunks[2].data, "a\0b", 3);
    assert_int_equal(load(f, test_num(1), 8), ERR_STORE_DAMAGED);
    assert_null(f->chunks);
    assert_int_equal(load(f, test_num(1), 9), ERR_STORE_DAMAGED);
    assert_int_equal(load(f, test_num(1), 0), ERR_OK);
    assert_int_equal(f->chunk_count, 0);
}

static void test_keys(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);

    put_row(b, test_num(1), STATUS_RUNNING);
    put_key(b, "idempotency/a", "k'1", test_num(1), UINT64_MAX);
    put_key(b, "id/a", "k'1", test_num(1), 3);
    commit(f, b);
    assert_true(find_key(f, "idempotency/a", "k'1") == test_num(1));
    assert_true(f->hash == UINT64_MAX);
    assert_true(f->tag == ((uint64_t)test_num(1) & 0xffff));
    assert_true(find_key(f, "id/a", "k'1") == test_num(1));
    assert_true(f->hash == 3);
    assert_true(find_key(f, "id/b", "k'1") == 0);
    assert_true(find_key(f, "id/a", "K'1") == 0);
}

static void test_writing_again_is_harmless(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        struct batch *b = batch_next(f);

        put_everything(b, "chunk");
        commit(f, b);
    }
    assert_int_equal(ask(f, "counts", "{}"), ERR_OK);
    assert_int_equal(json_int(f->json, "running", -1), 1);
}

static void write_another_chunk(struct fixture *f)
{
    struct batch *b = batch_new(2);

    assert_int_equal(fixture_open(f), ERR_OK);
    put_everything(b, "other");
    commit(f, b);
}

static void update_the_unknown(struct fixture *f)
{
    struct batch *b = batch_new(2);

    assert_int_equal(fixture_open(f), ERR_OK);
    put_row(b, test_num(99), STATUS_RUNNING)->is_new = false;
    commit(f, b);
}

static void assert_aborts(void (*body)(struct fixture *f), struct fixture *f)
{
    int status;

    log_init(LOG_ERROR + 1, 2); /* what the child says of its end is expected */
    status = in_child(body, f);
    log_init(LOG_WARN, 2);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_writing_something_else_ends_the_process(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);

    put_everything(b, "chunk");
    commit(f, b);
    fixture_close(f);
    assert_aborts(write_another_chunk, f);
    assert_aborts(update_the_unknown, f);
    assert_int_equal(fixture_open(f), ERR_OK);
    assert_int_equal(load(f, test_num(1), 1), ERR_OK);
    assert_memory_equal(f->chunks[0].data, "chunk", 5);
}

static void test_purge(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);

    put_row(b, test_num(1), STATUS_COMPLETED)->last = 3;
    put_chunk(b, 1, test_num(1), 0, "a", 1);
    put_chunk(b, 2, test_num(2), 0, "b", 1);
    put_chunk(b, 3, test_num(1), 1, "c", 1);
    put_row(b, test_num(2), STATUS_COMPLETED)->last = 2;
    put_row(b, test_num(3), STATUS_COMPLETED)->last = 4; /* its chain leads to another's */
    put_chunk(b, 4, test_num(3), 2, "d", 1);
    put_key(b, "id/s", "one", test_num(1), 0);
    put_key(b, "id/s", "two", test_num(2), 0);
    commit(f, b);
    b = batch_next(f);
    put_number(&b->purge, &b->purge_count, &b->purge_cap, test_num(1));
    put_number(&b->purge, &b->purge_count, &b->purge_cap, test_num(3));
    put_number(&b->purge, &b->purge_count, &b->purge_cap, test_num(99)); /* there is none */
    commit(f, b);
    assert_int_equal(load(f, test_num(1), 3), ERR_STORE_DAMAGED);
    assert_int_equal(load(f, test_num(1), 1), ERR_STORE_DAMAGED);
    assert_int_equal(load(f, test_num(3), 4), ERR_STORE_DAMAGED);
    assert_int_equal(load(f, test_num(2), 2), ERR_OK);
    assert_int_equal(f->chunk_count, 1);
    assert_true(find_key(f, "id/s", "one") == 0);
    assert_true(find_key(f, "id/s", "two") == test_num(2));
    assert_int_equal(ask(f, "counts", "{}"), ERR_OK);
    assert_int_equal(json_int(f->json, "completed", -1), 1);
}

/* ---- commits ---- */

static atomic_bool disk_full, disk_broken, gate_shut;

static int faulty_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
    struct shim_file *f = (struct shim_file *)(void *)file;

    while (f->is_log && atomic_load(&gate_shut))
        sched_yield();
    if (f->is_log && atomic_load(&disk_full))
        return SQLITE_FULL;
    return shim_write(file, from, n, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    if (((struct shim_file *)(void *)file)->is_log && atomic_load(&disk_broken))
        return SQLITE_IOERR_FSYNC;
    return shim_sync(file, flags);
}

static int faulty_setup(void **state)
{
    disk_full = disk_broken = gate_shut = false;
    shim_io.xWrite = faulty_write;
    shim_io.xSync = faulty_sync;
    shim_install();
    return fixture_setup_open(state);
}

static int faulty_teardown(void **state)
{
    disk_full = disk_broken = gate_shut = false;
    fixture_teardown(state);
    shim_remove();
    return 0;
}

static void give(struct fixture *f, int64_t n)
{
    struct batch *b = batch_next(f);

    put_row(b, test_num((int)n), STATUS_RUNNING);
    f->port.commit(f->port.self, b);
}

static void test_group_commit_keeps_order(void **state)
{
    struct fixture *f = *state;

    atomic_store(&gate_shut, true);
    for (int i = 0; i < 100; i++)
        give(f, i);
    atomic_store(&gate_shut, false);
    wait_reports(f, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(f->reports[i].no, i + 1);
        assert_int_equal(f->reports[i].code, ERR_OK);
    }
    json_t *stats = store_sqlite_stats(f->store);
    assert_in_range(json_int(stats, "commits", 0), 1, 2); /* what came during the first is one */
    assert_int_equal(json_int(stats, "rows", 0), 100);
    assert_true(json_int(stats, "walBytes", 0) > 0);
    assert_true(json_int(stats, "fileBytes", 0) > 0);
    assert_true(json_real_value(json_object_get(stats, "p50Ms")) >= 0);
    assert_true(json_real_value(json_object_get(stats, "p99Ms")) >=
                json_real_value(json_object_get(stats, "p50Ms")));
    assert_false(json_bool(stats, "full", true));
    json_decref(stats);
}

static void test_full_disk_is_waited_for(void **state)
{
    struct fixture *f = *state;

    give(f, 1);
    wait_reports(f, 1);
    atomic_store(&disk_full, true);
    give(f, 2);
    wait_reports(f, 2);
    assert_int_equal(f->reports[1].no, 2);
    assert_int_equal(f->reports[1].code, ERR_STORE_FULL);
    json_t *stats = store_sqlite_stats(f->store);
    assert_true(json_bool(stats, "full", false));
    json_decref(stats);
    give(f, 3);
    give(f, 4);
    assert_int_equal(ask(f, "counts", "{}"), ERR_OK); /* reads go on, and see nothing of it */
    assert_int_equal(json_int(f->json, "running", -1), 1);
    assert_int_equal(f->report_count, 2);
    atomic_store(&disk_full, false);
    wait_reports(f, 5);
    for (size_t i = 2; i < 5; i++) {
        assert_int_equal(f->reports[i].no, i);
        assert_int_equal(f->reports[i].code, ERR_OK);
    }
    fixture_reopen(f);
    assert_int_equal(f->boot.row_count, 4);
}

static void test_close_with_a_full_disk(void **state)
{
    struct fixture *f = *state;

    give(f, 1);
    wait_reports(f, 1);
    atomic_store(&disk_full, true);
    give(f, 2);
    wait_reports(f, 2);
    give(f, 3);
    store_sqlite_close(f->store);
    f->store = NULL;
    atomic_store(&disk_full, false);
    fixture_reopen(f);
    assert_int_equal(f->report_count, 2);
    assert_int_equal(f->boot.row_count, 1); /* nobody was told of the others */
}

static void commit_on_a_broken_disk(struct fixture *f)
{
    assert_int_equal(fixture_open(f), ERR_OK);
    atomic_store(&disk_broken, true);
    give(f, 1);
    wait_reports(f, 1);
}

static void test_failed_commit_ends_the_process(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    assert_aborts(commit_on_a_broken_disk, f);
    assert_int_equal(fixture_open(f), ERR_OK);
}

/* ---- closing ---- */

static void test_close_commits_the_rest(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 20; i++)
        give(f, i);
    store_sqlite_close(f->store);
    f->store = NULL;
    size_t told = f->report_count;
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->report_count, told); /* no callback after the close */
    char *log = fixture_path(f, "store.db-wal");
    assert_int_not_equal(access(log, F_OK), 0); /* the mark of an orderly stop */
    free(log);
    fixture_reopen(f);
    assert_int_equal(f->boot.row_count, 20);
}

static void test_close_with_reads_under_way(void **state)
{
    struct fixture *f = *state;
    json_t *args = json_object();

    f->answered = false;
    for (int i = 0; i < 50; i++) {
        f->port.load(f->port.self, 1, 0, on_load, f);
        f->port.find_key(f->port.self, "a", "b", on_key, f);
        f->port.query(f->port.self, "list", args, on_json, f);
    }
    json_decref(args);
    store_sqlite_close(f->store);
    f->store = NULL;
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_false(f->answered);
}

static void test_close_from_a_callback(void **state)
{
    struct fixture *f = *state;

    f->close_in_callback = true;
    for (int i = 0; i < 5; i++)
        give(f, i);
    wait_reports(f, 1);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->report_count, 1);
    f->close_in_callback = false;
    fixture_reopen(f);
    assert_int_equal(f->boot.row_count, 5);
}

int main(void)
{
#define OPEN(test) cmocka_unit_test_setup_teardown(test, fixture_setup_open, fixture_teardown)
#define FAULTY(test) cmocka_unit_test_setup_teardown(test, faulty_setup, faulty_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_batch_is_empty),
        OPEN(test_boot_image),
        OPEN(test_update_changes_all),
        OPEN(test_journal_chain),
        OPEN(test_keys),
        OPEN(test_writing_again_is_harmless),
        OPEN(test_writing_something_else_ends_the_process),
        OPEN(test_purge),
        FAULTY(test_group_commit_keeps_order),
        FAULTY(test_full_disk_is_waited_for),
        FAULTY(test_close_with_a_full_disk),
        FAULTY(test_failed_commit_ends_the_process),
        OPEN(test_close_commits_the_rest),
        OPEN(test_close_with_reads_under_way),
        OPEN(test_close_from_a_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
