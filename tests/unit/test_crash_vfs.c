/* Power cuts. A VFS that keeps writes to itself until they are synced, as a disk's cache does: at
 * some operation the power goes, a part of what was not synced reaches the disk (some of it torn),
 * and the process is gone. Then the store is opened as usual: it must be whole, and hold everything
 * that was reported durable. With synchronous=NORMAL the same harness must see losses, or it sees
 * nothing. */
#include "store_fixture.h"

#include <sys/mman.h>

#include "base/rng.h"
#include "vfs_shim.h"

enum { CUTS = 60, BATCHES = 40, CUT_SPAN = 260, SECTOR = 512 };

/* A write or a cut of the file's end that is not on the disk yet. */
struct pending {
    struct pending *next;
    bool is_truncate;
    sqlite3_int64 at; /* or the new size */
    int len;
    char data[];
};

struct cache {
    struct pending *first, *last;
    struct shim_file *file;
    struct cache *next;
};

/* In the child; the store thread and, while opening, the loop thread: never both at a time. */
static struct cache *caches;
static struct rng dice;
static int operations_left = -1; /* until the power goes; -1: it stays */

static int apply(struct shim_file *f, const struct pending *p, int len)
{
    if (p->is_truncate)
        return shim_truncate(&f->base, p->at);
    return shim_write(&f->base, p->data, len, p->at);
}

/* Any subset, in any order as far as the disk is concerned; a write may stop at a sector. */
static void cut_power(void)
{
    for (struct cache *c = caches; c != NULL; c = c->next) {
        for (struct pending *p = c->first; p != NULL; p = p->next) {
            uint64_t luck = rng_below(&dice, 4);
            int sectors = (p->len + SECTOR - 1) / SECTOR;
            int torn = sectors > 0 ? (int)rng_below(&dice, (uint64_t)sectors) * SECTOR : 0;

            if (luck >= 2)
                apply(c->file, p, luck == 2 || p->is_truncate ? p->len : torn);
        }
    }
    _exit(0);
}

static void count_operation(void)
{
    if (operations_left > 0 && --operations_left == 0)
        cut_power();
}

static struct cache *cache_of(sqlite3_file *file)
{
    struct shim_file *f = (struct shim_file *)(void *)file;

    if (f->is_store && f->extra == NULL) {
        struct cache *c = mem_zalloc(sizeof *c);

        c->file = f;
        c->next = caches;
        caches = c;
        f->extra = c;
    }
    return f->extra;
}

static void queue(struct cache *c, const void *from, int len, sqlite3_int64 at, bool is_truncate)
{
    struct pending *p = mem_zalloc(sizeof *p + (size_t)len);

    *p = (struct pending){.at = at, .len = len, .is_truncate = is_truncate};
    if (len > 0)
        memcpy(p->data, from, (size_t)len);
    if (c->last != NULL)
        c->last->next = p;
    else
        c->first = p;
    c->last = p;
}

static int drain(struct cache *c)
{
    int rc = SQLITE_OK;

    while (c->first != NULL) {
        struct pending *p = c->first;

        if (rc == SQLITE_OK)
            rc = apply(c->file, p, p->len);
        c->first = p->next;
        free(p);
    }
    c->last = NULL;
    return rc;
}

static int cached_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
    struct cache *c = cache_of(file);

    count_operation();
    if (c == NULL)
        return shim_write(file, from, n, at);
    queue(c, from, n, at, false);
    return SQLITE_OK;
}

static int cached_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct cache *c = cache_of(file);

    count_operation();
    if (c == NULL)
        return shim_truncate(file, size);
    queue(c, NULL, 0, size, true);
    return SQLITE_OK;
}

static int cached_sync(sqlite3_file *file, int flags)
{
    struct cache *c = cache_of(file);

    count_operation();
    if (c != NULL && drain(c) != SQLITE_OK)
        return SQLITE_IOERR_FSYNC;
    return shim_sync(file, flags);
}

static int cached_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct cache *c = cache_of(file);
    int rc = shim_size(file, size);

    for (struct pending *p = c != NULL ? c->first : NULL; p != NULL; p = p->next) {
        if (p->is_truncate)
            *size = p->at;
        else if (p->at + p->len > *size)
            *size = p->at + p->len;
    }
    return rc;
}

/* What is on the disk, and over it what is on its way there. */
static int cached_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    struct cache *c = cache_of(file);
    sqlite3_int64 size;
    int rc = shim_read(file, to, n, at);

    if (c == NULL || c->first == NULL || (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ))
        return rc;
    for (struct pending *p = c->first; p != NULL; p = p->next) {
        sqlite3_int64 from = p->at > at ? p->at : at, end = at + n;

        if (p->is_truncate) {
            if (from < end)
                memset((char *)to + (from - at), 0, (size_t)(end - from));
            continue;
        }
        end = p->at + p->len < end ? p->at + p->len : end;
        if (from < end)
            memcpy((char *)to + (from - at), p->data + (from - p->at), (size_t)(end - from));
    }
    cached_size(file, &size);
    return size >= at + n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int cached_close(sqlite3_file *file)
{
    struct cache *c = ((struct shim_file *)(void *)file)->extra;

    if (c != NULL) {
        struct cache **at = &caches;

        drain(c);
        while (*at != c)
            at = &(*at)->next;
        *at = c->next;
        free(c);
    }
    return shim_close(file);
}

/* ---- the child that loses its power ---- */

struct cut {
    const char *synchronous;
    uint64_t seed;
    uint64_t *acknowledged; /* shared with the parent: batches 1 to this were reported */
};

static struct cut cut;

static void on_acknowledged(void *arg, uint64_t no, enum errcode code)
{
    (void)arg;
    if (code == ERR_OK)
        __atomic_store_n(cut.acknowledged, no, __ATOMIC_SEQ_CST);
}

/* Batch n makes instance n with a chunk, changes the one before, and is told apart by its bytes. */
static struct batch *numbered_batch(uint64_t n, struct rng *rng)
{
    struct batch *b = batch_new(n);
    char text[6000], key[32];
    size_t len = 1 + rng_below(rng, sizeof text - 1);

    memset(text, 'a' + (int)(n % 26), len);
    put_row(b, test_num((int)n), STATUS_RUNNING)->last = (int64_t)n;
    put_chunk(b, (int64_t)n, test_num((int)n), 0, text, len);
    snprintf(key, sizeof key, "key-%llu", (unsigned long long)n);
    put_key(b, "id/s", key, test_num((int)n), n);
    if (n > 1) {
        struct instance_row *row = put_row(b, test_num((int)n - 1), STATUS_COMPLETED);

        row->is_new = false;
        row->last = (int64_t)n - 1;
    }
    return b;
}

static void write_until_the_cut(struct fixture *f)
{
    struct rng rng;

    rng_seed(&rng, cut.seed);
    rng_seed(&dice, cut.seed + 1);
    shim_io.xRead = cached_read;
    shim_io.xWrite = cached_write;
    shim_io.xTruncate = cached_truncate;
    shim_io.xSync = cached_sync;
    shim_io.xFileSize = cached_size;
    shim_io.xClose = cached_close;
    shim_install();
    bool early = rng_below(&rng, 8) == 0; /* while the store is being made and opened */
    int span = (int)rng_below(&rng, early ? 60 : CUT_SPAN) + 1;
    if (early)
        operations_left = span;
    if (sqlite_open_as(f->dir, cut.synchronous, &f->loop, on_acknowledged, NULL, &f->store,
                       &f->port, &f->boot, &f->err) != ERR_OK)
        _exit(2);
    operations_left = span;
    for (uint64_t n = 1; n <= BATCHES; n++) {
        f->port.commit(f->port.self, numbered_batch(n, &rng));
        if (rng_below(&rng, 3) == 0) /* now and then all is on the disk before it goes on */
            while (__atomic_load_n(cut.acknowledged, __ATOMIC_SEQ_CST) < n)
                uv_run(&f->loop, UV_RUN_ONCE);
        else
            uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    store_sqlite_close(f->store); /* commits and checkpoints what is left, perhaps into the cut */
    _exit(0);
}

/* ---- what is found after it ---- */

static int64_t number(sqlite3 *db, const char *text)
{
    sqlite3_stmt *q;
    int64_t value = -1;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &q, NULL), SQLITE_OK);
    if (sqlite3_step(q) == SQLITE_ROW)
        value = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return value;
}

static void assert_whole(struct fixture *f)
{
    char *path = fixture_path(f, "store.db");
    sqlite3_stmt *q;
    sqlite3 *db;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(q, 0), "ok");
    sqlite3_finalize(q);
    /* Every batch is there as a whole or not at all, without gaps. */
    int64_t n = number(db, "SELECT count(*) FROM instances");
    assert_true(number(db, "SELECT count(*) FROM journal") == n);
    assert_true(number(db, "SELECT count(*) FROM keys") == n);
    assert_true(number(db, "SELECT coalesce(max(pos),0) FROM journal") == n);
    assert_true(number(db, "SELECT coalesce(sum(n),0) FROM totals") == n);
    assert_true(number(db, "SELECT count(*) FROM instances WHERE status<4") == (n > 0));
    sqlite3_close(db);
    free(path);
}

/* Batches that were reported and are not there. */
static uint64_t count_lost(struct fixture *f)
{
    uint64_t there = (uint64_t)f->boot.next_pos - 1;

    assert_whole(f);
    for (uint64_t n = 1; n <= there; n++) {
        assert_int_equal(load(f, test_num((int)n), (int64_t)n), ERR_OK);
        assert_int_equal(f->chunk_count, 1);
        for (size_t i = 0; i < f->chunks[0].len; i++)
            assert_int_equal(f->chunks[0].data[i], 'a' + (int)(n % 26));
    }
    uint64_t told = *cut.acknowledged;
    return told > there ? told - there : 0;
}

static unsigned run_cuts(const char *synchronous)
{
    unsigned runs_with_loss = 0, runs_told = 0;

    cut.synchronous = synchronous;
    cut.acknowledged = mmap(NULL, sizeof *cut.acknowledged, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(cut.acknowledged, MAP_FAILED);
    for (uint64_t seed = 1; seed <= CUTS; seed++) {
        void *state;

        fixture_setup(&state);
        struct fixture *f = state;
        cut.seed = seed;
        *cut.acknowledged = 0;
        int status = in_child(write_until_the_cut, f);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        enum errcode code = fixture_open(f);
        if (code != ERR_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, f->err.text);
        runs_with_loss += count_lost(f) > 0;
        runs_told += *cut.acknowledged > 0;
        fixture_teardown(&state);
    }
    munmap(cut.acknowledged, sizeof *cut.acknowledged);
    assert_true(runs_told > CUTS / 2);
    return runs_with_loss;
}

static void test_full_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_cuts("FULL"), 0);
}

static void test_normal_loses_what_was_reported(void **state)
{
    (void)state;
    assert_true(run_cuts("NORMAL") > CUTS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_loses_nothing),
        cmocka_unit_test(test_normal_loses_what_was_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
