/* Questions from people, asked of a small store whose every answer is known. */
#include "store_fixture.h"

static void put_entry(struct buf *b, const struct entry *e)
{
    struct entry copy = *e;

    copy.name_len = e->name != NULL ? strlen(e->name) : 0;
    copy.data_len = e->data != NULL ? strlen(e->data) : 0;
    copy.more_len = e->more != NULL ? strlen(e->more) : 0;
    copy.flags |=
        (uint8_t)((e->data != NULL ? ENTRY_HAS_DATA : 0) | (e->more != NULL ? ENTRY_HAS_MORE : 0));
    entry_encode(b, &copy);
}

static void put_entries(struct batch *b, int64_t pos, int64_t num, int64_t prev,
                        const struct entry *entries, size_t count)
{
    struct buf buf;

    buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < count; i++)
        put_entry(&buf, &entries[i]);
    put_chunk(b, pos, num, prev, buf.data, buf.len);
    buf_fini(&buf);
}

/* Instance 10 with two chunks and an output, whose end is not in the newest chunk's first entry. */
static void put_journal(struct batch *b, struct instance_row *row)
{
    const struct entry first[] = {
        {.kind = ENTRY_STARTED, .seq = 0, .at = 100, .data = "{\"n\":1}"},
        {.kind = ENTRY_TASK_STARTED,
         .seq = 1,
         .at = 100,
         .name = "/do/0",
         .flags = ENTRY_SAME_DATA},
        {.kind = ENTRY_RUN, .seq = 2, .at = 100, .name = "/do/0", .data = "{\"kind\":\"http\"}"}};
    const struct entry second[] = {
        {.kind = ENTRY_ATTEMPT_FAILED, .seq = 3, .cmd = 2, .attempt = 1, .at = 150, .data = "170"},
        {.kind = ENTRY_RESULT, .seq = 4, .cmd = 2, .at = 200, .data = "\"ok\""},
        {.kind = ENTRY_OUTPUT, .seq = 5, .at = 200, .data = "[1,2]"}};

    put_entries(b, 1, row->num, 0, first, 3);
    put_entries(b, 2, row->num, 1, second, 3);
    row->last = row->output = 2;
}

static void put_failure(struct batch *b, struct instance_row *row)
{
    const struct entry entries[] = {
        {.kind = ENTRY_STARTED, .data = "null"},
        {.kind = ENTRY_OUTPUT, .seq = 1, .more = "{\"title\":\"broken\"}"}};

    put_entries(b, 3, row->num, 0, entries, 2);
    row->last = row->output = 3;
    row->why = mem_strdup("100% broken_here");
}

static void fill(struct fixture *f)
{
    struct batch *b = batch_next(f);

    put_flow(b, 1, "demo", "hello");
    put_flow(b, 2, "other", "bye");
    for (int n = 0; n < 20; n++) {
        static const unsigned cycle[] = {STATUS_COMPLETED, STATUS_COMPLETED, STATUS_WAITING,
                                         STATUS_RUNNING, STATUS_SUSPENDED};
        struct instance_row *row = put_row(b, test_num(n), cycle[n % 5]);

        row->created = 1000 + n;
        row->ended = status_is_final(row->status) ? 2000 + n : 0;
        row->flow = n < 15 ? 1 : 2;
        if (n == 10)
            put_journal(b, row);
        if (n == 7) { /* waits for its child, which is number 8 */
            row->reason = REASON_CHILD;
        }
        if (n == 8)
            row->parent = test_num(7);
        if (n == 2)
            row->wake_at = 5000;
        if (n == 12)
            row->reason = REASON_EVENT;
        if (n == 16) {
            row->status = STATUS_FAULTED;
            put_failure(b, row);
        }
        if (n == 18) {
            row->caller_id = mem_strdup("order_42");
            put_key(b, "id/bye", "order_42", row->num, 0);
        }
    }
    commit(f, b);
}

static int setup(void **state)
{
    if (fixture_setup_open(state) != 0)
        return -1;
    fill(*state);
    return 0;
}

static const char *id_of(int n)
{
    static char id[INSTANCE_ID_SIZE];

    instance_id_format(test_num(n), (uint64_t)test_num(n) & 0xffff, id);
    return id;
}

/* The numbers of the instances in an answer, as text. */
static const char *numbers(const json_t *list)
{
    static char text[256];
    size_t i;
    json_t *row;

    text[0] = '\0';
    json_array_foreach(list, i, row)
    {
        int64_t num;
        uint64_t tag;

        assert_true(instance_id_parse(json_str(row, "id", ""), &num, &tag));
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i > 0 ? " " : "",
                 (int)(num - test_num(0)));
    }
    return text;
}

static void assert_list(struct fixture *f, const char *args, const char *expected)
{
    if (ask(f, "list", "%s", args) != ERR_OK)
        fail_msg("%s: %s", args, f->answer_err.text);
    assert_string_equal(numbers(json_object_get(f->json, "instances")), expected);
}

static void test_list_filters(void **state)
{
    struct fixture *f = *state;
    char args[200];

    assert_list(f, "{\"limit\":3}", "19 18 17");
    assert_list(f, "{\"limit\":3,\"order\":\"asc\"}", "0 1 2");
    assert_list(f, "{\"status\":[\"faulted\"]}", "16");
    assert_list(f, "{\"status\":[\"waiting\"]}", "17 12 7 2");
    assert_list(f, "{\"status\":[\"waiting\",\"running\"],\"limit\":4}", "18 17 13 12");
    assert_list(f, "{\"status\":[\"waiting\",\"faulted\"],\"order\":\"asc\"}", "2 7 12 16 17");
    assert_list(f, "{\"status\":[\"cancelled\"]}", "");
    assert_list(f, "{\"service\":\"bye\",\"status\":[\"completed\"]}", "15");
    assert_list(f, "{\"service\":\"other.bye\",\"limit\":1}", "19");
    assert_list(f, "{\"service\":\"b%\"}", "");
    assert_list(f, "{\"createdAfter\":1003,\"createdBefore\":1006}", "5 4 3");
    snprintf(args, sizeof args, "{\"parent\":\"%s\"}", id_of(7));
    assert_list(f, args, "8");
}

static void test_list_text(void **state)
{
    struct fixture *f = *state;
    char args[200];

    assert_list(f, "{\"text\":\"order_4\"}", "18");
    assert_list(f, "{\"text\":\"ORDER\"}", "18");
    assert_list(f, "{\"text\":\"order%4\"}", ""); /* wildcards mean themselves */
    assert_list(f, "{\"text\":\"orderx4\"}", "");
    assert_list(f, "{\"text\":\"100% b\"}", "16");
    assert_list(f, "{\"text\":\"\\\\\"}", "");
    assert_list(f, "{\"text\":\"' OR 1=1 --\"}", "");
    assert_list(f, "{\"text\":\"bye\",\"limit\":2}", "19 18");
    snprintf(args, sizeof args, "{\"text\":\"%s\"}", id_of(5));
    assert_list(f, args, "5");
    snprintf(args, sizeof args, "{\"text\":\"%.15s\"}", id_of(5) + 11); /* the end of one */
    assert_list(f, args, "5");
}

static void test_list_pages(void **state)
{
    struct fixture *f = *state;
    static const char *const orders[] = {"desc", "asc"};

    for (int o = 0; o < 2; o++) {
        char before[80] = "";
        int seen = 0, pages = 0;

        do {
            assert_int_equal(ask(f, "list", "{\"limit\":6,\"order\":\"%s\"%s}", orders[o], before),
                             ERR_OK);
            seen += (int)json_array_size(json_object_get(f->json, "instances"));
            pages++;
            const char *next = json_str(f->json, "next", NULL);
            if (next == NULL)
                break;
            snprintf(before, sizeof before, ",\"before\":\"%s\"", next);
        } while (pages < 10);
        assert_int_equal(seen, 20);
        assert_int_equal(pages, 4);
    }
}

static void test_bad_arguments(void **state)
{
    struct fixture *f = *state;
    char text[400];

    assert_int_equal(ask(f, "list", "{\"status\":[\"done\"]}"), ERR_INVALID);
    assert_int_equal(ask(f, "list", "{\"status\":[1]}"), ERR_INVALID);
    assert_int_equal(ask(f, "list", "{\"before\":\"x\"}"), ERR_INVALID);
    assert_int_equal(ask(f, "list", "{\"parent\":\"x\"}"), ERR_INVALID);
    memset(text, '%', sizeof text);
    text[300] = '\0';
    assert_int_equal(ask(f, "list", "{\"text\":\"%s\"}", text), ERR_INVALID);
    assert_int_equal(ask(f, "nonsense", "{}"), ERR_INVALID);
    assert_int_equal(ask(f, "list", "{\"limit\":-5}"), ERR_OK);
    assert_int_equal(ask(f, "list", "{\"limit\":\"a\",\"text\":7,\"service\":null}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(f->json, "instances")), 20);
}

static void test_instance(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "instance", "{\"id\":\"%s\"}", id_of(8)), ERR_OK);
    assert_string_equal(json_str(f->json, "id", ""), id_of(8));
    assert_string_equal(json_str(f->json, "service", ""), "hello");
    assert_string_equal(json_str(f->json, "version", ""), "1.0.0");
    assert_string_equal(json_str(f->json, "digest", ""), "digest-hello");
    assert_string_equal(json_str(f->json, "status", ""), "running");
    assert_string_equal(json_str(f->json, "parent", ""), id_of(7));
    assert_int_equal(json_int(f->json, "created", 0), 1008);
    assert_true(json_is_null(json_object_get(f->json, "ended")));
    assert_true(json_is_null(json_object_get(f->json, "callerId")));
    assert_int_equal(ask(f, "instance", "{\"service\":\"bye\",\"callerId\":\"order_42\"}"), ERR_OK);
    assert_string_equal(json_str(f->json, "id", ""), id_of(18));
    assert_int_equal(ask(f, "instance", "{\"service\":\"hello\",\"callerId\":\"order_42\"}"),
                     ERR_NOT_FOUND);
    assert_int_equal(ask(f, "instance", "{\"id\":\"%s\"}", id_of(20)), ERR_NOT_FOUND);
    assert_int_equal(ask(f, "instance", "{\"id\":\"nonsense\"}"), ERR_NOT_FOUND);
    char other[INSTANCE_ID_SIZE]; /* the right number, another tag: ids cannot be guessed */
    instance_id_format(test_num(8), 12345, other);
    assert_int_equal(ask(f, "instance", "{\"id\":\"%s\"}", other), ERR_NOT_FOUND);
}

static void test_journal(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "journal", "{\"id\":\"%s\"}", id_of(10)), ERR_OK);
    const json_t *entries = json_object_get(f->json, "entries");
    assert_int_equal(json_array_size(entries), 6);
    const json_t *e = json_array_get(entries, 0);
    assert_string_equal(json_str(e, "kind", ""), "started");
    assert_string_equal(json_str(e, "class", ""), "notification");
    assert_int_equal(json_int(json_object_get(e, "data"), "n", 0), 1);
    e = json_array_get(entries, 1);
    assert_string_equal(json_str(e, "name", ""), "/do/0");
    assert_int_equal(json_int(e, "sameAs", -1), 0);
    e = json_array_get(entries, 3);
    assert_string_equal(json_str(e, "class", ""), "event");
    assert_int_equal(json_int(e, "cmd", 0), 2);
    assert_int_equal(json_int(e, "attempt", 0), 1);
    assert_int_equal(json_int(e, "at", 0), 150);
    assert_int_equal(json_integer_value(json_object_get(e, "data")), 170);
    assert_int_equal(ask(f, "journal", "{\"id\":\"%s\",\"from\":2,\"limit\":3}", id_of(10)),
                     ERR_OK);
    entries = json_object_get(f->json, "entries");
    assert_int_equal(json_array_size(entries), 3);
    assert_int_equal(json_int(json_array_get(entries, 0), "seq", 0), 2);
    assert_int_equal(ask(f, "journal", "{\"id\":\"%s\"}", id_of(11)), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(f->json, "entries")), 0);
}

static void test_damaged_journal(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);

    put_row(b, test_num(30), STATUS_COMPLETED)->last = 40;
    put_chunk(b, 40, test_num(30), 0, "\xff\xff no entry", 11);
    commit(f, b);
    assert_int_equal(ask(f, "journal", "{\"id\":\"%s\"}", id_of(30)), ERR_STORE_DAMAGED);
    assert_int_equal(ask(f, "output", "{\"id\":\"%s\"}", id_of(30)), ERR_STORE_DAMAGED);
}

static void test_output(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "output", "{\"id\":\"%s\"}", id_of(10)), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(f->json, "output")), 2);
    assert_null(json_object_get(f->json, "error"));
    assert_int_equal(ask(f, "output", "{\"id\":\"%s\"}", id_of(16)), ERR_OK);
    assert_null(json_object_get(f->json, "output"));
    assert_string_equal(json_str(json_object_get(f->json, "error"), "title", ""), "broken");
    assert_int_equal(ask(f, "output", "{\"id\":\"%s\"}", id_of(2)), ERR_NOT_READY);
    assert_int_equal(ask(f, "output", "{\"id\":\"%s\"}", id_of(77)), ERR_NOT_FOUND);
}

static void assert_counts(struct fixture *f, const char *args, int completed, int faulted,
                          int waiting)
{
    assert_int_equal(ask(f, "counts", "%s", args), ERR_OK);
    assert_int_equal(json_int(f->json, "completed", -1), completed);
    assert_int_equal(json_int(f->json, "faulted", -1), faulted);
    assert_int_equal(json_int(f->json, "waiting", -1), waiting);
    assert_int_equal(json_int(f->json, "cancelled", -1), 0);
}

static void test_counts_follow(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);
    struct instance_row *row;

    assert_counts(f, "{}", 7, 1, 4);
    assert_counts(f, "{\"service\":\"bye\"}", 1, 1, 1);
    assert_counts(f, "{\"service\":\"demo.hello\"}", 6, 0, 3);
    assert_counts(f, "{\"service\":\"none\"}", 0, 0, 0);
    row = put_row(b, test_num(2), STATUS_COMPLETED);
    row->is_new = false;
    put_row(b, test_num(40), STATUS_FAULTED);
    put_number(&b->purge, &b->purge_count, &b->purge_cap, test_num(0));
    put_number(&b->purge, &b->purge_count, &b->purge_cap, test_num(1));
    commit(f, b);
    assert_counts(f, "{}", 6, 2, 3);
    fixture_reopen(f);
    assert_counts(f, "{}", 6, 2, 3);
}

static void test_orphans(void **state)
{
    struct fixture *f = *state;
    struct batch *b;

    /* 2 has a timer, 7 a child, 12 waits for an event; nothing can wake 17 */
    assert_int_equal(ask(f, "orphans", "{}"), ERR_OK);
    assert_string_equal(numbers(json_object_get(f->json, "orphans")), "17");
    assert_int_equal(json_int(f->json, "checked", 0), 4);
    b = batch_next(f);
    put_inbox(b, 1, test_num(17), "{}");
    put_row(b, test_num(8), STATUS_COMPLETED)->is_new = false;
    commit(f, b);
    assert_int_equal(ask(f, "orphans", "{}"), ERR_OK);
    assert_string_equal(numbers(json_object_get(f->json, "orphans")), "7");
}

static void test_expired(void **state)
{
    struct fixture *f = *state;
    const json_t *nums;

    /* completed: 0 1 5 6 10 11 15, faulted: 16; ended at 2000 + n, created at 1000 + n */
    assert_int_equal(ask(f, "expired", "{\"before\":2011,\"limit\":3,\"after\":0}"), ERR_OK);
    nums = json_object_get(f->json, "nums");
    assert_int_equal(json_array_size(nums), 3);
    assert_true(json_integer_value(json_array_get(nums, 2)) == test_num(5));
    json_int_t after = json_int(f->json, "after", 0);
    assert_int_equal(
        ask(f, "expired", "{\"before\":2011,\"limit\":3,\"after\":%lld}", (long long)after),
        ERR_OK);
    nums = json_object_get(f->json, "nums");
    assert_int_equal(json_array_size(nums), 2);
    assert_true(json_integer_value(json_array_get(nums, 0)) == test_num(6));
    assert_true(json_integer_value(json_array_get(nums, 1)) == test_num(10));
    assert_int_equal(ask(f, "expired", "{\"before\":1005,\"limit\":3,\"after\":0}"), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(f->json, "nums")), 0);
    assert_int_equal(json_int(f->json, "after", -1), 0);
}

/* ---- the views, as the seed's documents ask them ---- */

static void select_text(struct fixture *f, const char *sql, char *out, size_t size)
{
    char *path = fixture_path(f, "store.db");
    sqlite3_stmt *q;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    out[0] = '\0';
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 1);

        snprintf(out + strlen(out), size - strlen(out), "%s ", text != NULL ? text : "-");
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    free(path);
}

static void test_views(void **state)
{
    struct fixture *f = *state;
    char text[1000], expected[100];

    select_text(f, "SELECT * FROM workflow_metadata WHERE status = 'failed';", text, sizeof text);
    snprintf(expected, sizeof expected, "%s ", id_of(16));
    assert_string_equal(text, expected);
    select_text(f, "SELECT * FROM workflow_metadata ORDER BY created_at DESC LIMIT 2;", text,
                sizeof text);
    snprintf(expected, sizeof expected, "%s order_42 ", id_of(19));
    assert_string_equal(text, expected);
    select_text(f,
                "SELECT agent_name, COUNT(*) as executions, AVG(duration_ms) as avg_duration "
                "FROM agent_executions GROUP BY agent_name;",
                text, sizeof text);
    assert_string_equal(text, "");
    select_text(f,
                "SELECT 1, created_at || ' ' || workflow_type || ' ' || json_extract(metadata, "
                "'$.why') FROM workflow_metadata WHERE status='failed'",
                text, sizeof text);
    assert_string_equal(text, "1970-01-01T00:00:01.016Z bye 100% broken_here ");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_list_filters),    TEST(test_list_text), TEST(test_list_pages),
        TEST(test_bad_arguments),   TEST(test_instance),  TEST(test_journal),
        TEST(test_damaged_journal), TEST(test_output),    TEST(test_counts_follow),
        TEST(test_orphans),         TEST(test_expired),   TEST(test_views),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
