/* Opening: who may use the directory, and that nothing is written over a file that is not ours,
 * whole and of a known format. */
#include "store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

/* ---- the directory ---- */

static mode_t mode_of(const struct fixture *f, const char *name)
{
    char *path = fixture_path(f, name);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    free(path);
    return st.st_mode & 07777;
}

static void test_directory_is_made_private(void **state)
{
    struct fixture *f = *state;
    struct batch *b = batch_next(f);

    umask(0);
    strcat(f->dir, "/a/b");
    assert_int_equal(fixture_open(f), ERR_OK);
    put_row(b, test_num(1), STATUS_RUNNING);
    commit(f, b);
    assert_int_equal(mode_of(f, "."), 0700);
    assert_int_equal(mode_of(f, "../"), 0700);
    assert_int_equal(mode_of(f, "store.db"), 0600);
    assert_int_equal(mode_of(f, "store.db-wal"), 0600);
    assert_int_equal(mode_of(f, "store.db-shm"), 0600);
    assert_int_equal(mode_of(f, "lock"), 0600);
    fixture_close(f);
    f->dir[strlen(f->dir) - 4] = '\0';
    umask(022);
}

static void test_directory_of_everybody_is_refused(void **state)
{
    struct fixture *f = *state;

    chmod(f->dir, 0777);
    assert_int_equal(fixture_open(f), ERR_STORE);
    assert_non_null(strstr(f->err.text, "everybody"));
    chmod(f->dir, 0700);
    strcat(f->dir, "/file");
    close(open(f->dir, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(fixture_open(f), ERR_STORE);
    f->dir[strlen(f->dir) - 5] = '\0';
}

static void open_while_locked(struct fixture *f)
{
    char pid[32];

    snprintf(pid, sizeof pid, "process %d:", (int)getppid());
    _exit(fixture_open(f) == ERR_STORE_LOCKED && strstr(f->err.text, pid) != NULL ? 0 : 1);
}

static void test_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;

    assert_int_equal(in_child(open_while_locked, f), 0);
    assert_int_equal(store_sqlite_open(f->dir, &f->loop, on_committed, &other, &other.store,
                                       &other.port, &other.boot, &other.err),
                     ERR_STORE_LOCKED); /* nor a second time in this one */
    fixture_reopen(f);
}

/* ---- files that are refused and left as they are ---- */

struct bytes {
    char *data;
    size_t len;
};

static struct bytes read_file(const struct fixture *f, const char *name)
{
    char *path = fixture_path(f, name);
    FILE *file = fopen(path, "rb");
    struct bytes b = {.data = mem_zalloc(1 << 20)};

    assert_non_null(file);
    b.len = fread(b.data, 1, 1 << 20, file);
    fclose(file);
    free(path);
    return b;
}

static void write_file(const struct fixture *f, const char *name, const char *data, size_t len)
{
    char *path = fixture_path(f, name);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
    free(path);
}

static void assert_refused(struct fixture *f, const char *name, enum errcode code)
{
    struct bytes before = read_file(f, name), after;

    assert_int_equal(fixture_open(f), code);
    assert_int_equal(f->err.code, code);
    assert_null(f->store);
    after = read_file(f, name);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    free(before.data);
    free(after.data);
}

static void sql(const struct fixture *f, const char *text)
{
    char *path = fixture_path(f, "store.db");
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void make_store(struct fixture *f)
{
    struct batch *b = batch_next(f);

    assert_int_equal(fixture_open(f), ERR_OK);
    put_everything(b, "chunk");
    for (int i = 0; i < 2000; i++)
        put_chunk(b, 10 + i, 5, 0, "some more bytes that fill pages", 30);
    commit(f, b);
    fixture_close(f);
}

static void test_damaged_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char garbage[8192];

    memset(garbage, 'x', sizeof garbage);
    write_file(f, "store.db", garbage, sizeof garbage);
    assert_refused(f, "store.db", ERR_STORE_DAMAGED);
    write_file(f, "store.db", "", 0);
    assert_refused(f, "store.db", ERR_STORE_DAMAGED);
    write_file(f, "store.db", "SQLite format 3", 16);
    assert_refused(f, "store.db", ERR_STORE_DAMAGED);
    write_file(f, "store.db", "", 0);
    sql(f, "CREATE TABLE instances(a); PRAGMA user_version=1");
    assert_refused(f, "store.db", ERR_STORE_DAMAGED); /* a database, not ours */
    sql(f, "PRAGMA application_id=1431126866");
    assert_refused(f, "store.db", ERR_STORE_DAMAGED); /* our mark, not our tables */
}

static void test_truncated_files_are_refused(void **state)
{
    struct fixture *f = *state;

    make_store(f);
    struct bytes whole = read_file(f, "store.db");
    assert_true(whole.len > 20 * 4096);
    for (size_t len = 0; len < whole.len; len += len < 200 ? 50 : 5000) {
        write_file(f, "store.db", whole.data, len);
        assert_refused(f, "store.db", ERR_STORE_DAMAGED);
    }
    write_file(f, "store.db", whole.data, whole.len);
    assert_int_equal(fixture_open(f), ERR_OK);
    free(whole.data);
}

/* The bytes of one that stopped without closing: the log is still there. */
static void crash_after_commit(struct fixture *f)
{
    struct batch *b = batch_new(2);

    assert_int_equal(fixture_open(f), ERR_OK);
    put_row(b, test_num(2), STATUS_RUNNING);
    commit(f, b);
    _exit(0);
}

static void test_torn_pages_are_found_after_a_crash(void **state)
{
    struct fixture *f = *state;

    make_store(f);
    assert_int_equal(in_child(crash_after_commit, f), 0);
    struct bytes whole = read_file(f, "store.db");
    memset(whole.data + 15 * 4096, 0xee, 3 * 4096);
    write_file(f, "store.db", whole.data, whole.len);
    struct bytes log = read_file(f, "store.db-wal");
    assert_true(log.len > 0);
    assert_refused(f, "store.db", ERR_STORE_DAMAGED);
    assert_refused(f, "store.db-wal", ERR_STORE_DAMAGED);
    free(whole.data);
    free(log.data);
}

static void test_log_without_its_file_is_refused(void **state)
{
    struct fixture *f = *state;

    make_store(f);
    assert_int_equal(in_child(crash_after_commit, f), 0);
    char *path = fixture_path(f, "store.db");
    assert_int_equal(unlink(path), 0);
    assert_refused(f, "store.db-wal", ERR_STORE_DAMAGED);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

static void become_newer_and_crash(struct fixture *f)
{
    char *path = fixture_path(f, "store.db");
    sqlite3 *db;

    /* A connection of its own: the store's belongs to the store thread. */
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=1000", NULL, NULL, NULL), SQLITE_OK);
    _exit(0); /* not closed, which would empty the log */
}

static void test_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;

    make_store(f);
    sql(f, "PRAGMA user_version=99");
    assert_refused(f, "store.db", ERR_STORE_NEWER);
    assert_non_null(strstr(f->err.text, "99"));
    sql(f, "PRAGMA user_version=2");
    assert_int_equal(in_child(become_newer_and_crash, f), 0); /* only the log says so */
    assert_refused(f, "store.db", ERR_STORE_NEWER);
    assert_refused(f, "store.db-wal", ERR_STORE_NEWER);
    assert_non_null(strstr(f->err.text, "1000"));
}

static void test_half_made_store_is_begun_anew(void **state)
{
    struct fixture *f = *state;

    write_file(f, "store.db.new", "half", 4);
    write_file(f, "store.db.new-journal", "half", 4);
    assert_int_equal(fixture_open(f), ERR_OK);
    char *path = fixture_path(f, "store.db.new");
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

static void test_migration(void **state)
{
    struct fixture *f = *state;
    char *text = mem_printf("%s;PRAGMA application_id=%d;PRAGMA user_version=1",
                            sqlite_migrations[0], STORE_APPLICATION_ID);

    sql(f, text);
    for (int i = 0; i < 14; i++) {
        char *row = mem_printf("INSERT INTO instances VALUES(%d,0,0,1,%d,0,0,0,0,0,0,0,0,0,0,0,0,0,"
                               "0,NULL,NULL,NULL)",
                               100 + i, i % 7);
        sql(f, row);
        free(row);
    }
    free(text);
    assert_int_equal(fixture_open(f), ERR_OK);
    assert_int_equal(f->boot.row_count, 8);
    assert_int_equal(ask(f, "counts", "{}"), ERR_OK);
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        assert_int_equal(json_int(f->json, status_name(i), -1), 2);
    fixture_reopen(f);
}

int main(void)
{
#define OPEN(test) cmocka_unit_test_setup_teardown(test, fixture_setup_open, fixture_teardown)
#define PLAIN(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        PLAIN(test_directory_is_made_private),       PLAIN(test_directory_of_everybody_is_refused),
        OPEN(test_second_process_is_refused),        PLAIN(test_damaged_files_are_refused),
        PLAIN(test_truncated_files_are_refused),     PLAIN(test_torn_pages_are_found_after_a_crash),
        PLAIN(test_log_without_its_file_is_refused), PLAIN(test_newer_format_is_refused),
        PLAIN(test_half_made_store_is_begun_anew),   PLAIN(test_migration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
