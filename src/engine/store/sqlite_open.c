/* Opening: the data directory, the lock, what the file is, the boot image; and closing. Nothing is
 * written to a file before it is known to be ours, whole and not newer than this program. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/store/sqlite_internal.h"

/* A quick_check reads the whole file: after a crash it is done up to this size; a larger file, and
 * one that was closed in order, has only its header and tables looked at. */
#define CHECK_BYTES_MAX (INT64_C(64) << 20)
enum { BUSY_MS = 5000 }; /* another program, a sqlite3 shell say, may hold the database so long */

enum errcode sqlite_error(sqlite3 *db, int rc, const char *what, struct err *err)
{
    int base = rc & 0xff;
    enum errcode code =
        base == SQLITE_CORRUPT || base == SQLITE_NOTADB ? ERR_STORE_DAMAGED : ERR_STORE;

    return err_set(err, code, "%s: %s", what, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* ---- directory and lock ---- */

static enum errcode make_directory(const char *dir, struct err *err)
{
    char *path = mem_strdup(dir);
    struct stat st;

    for (char *p = path; *p != '\0'; p++) {
        if (*p == '/' && p > path) {
            *p = '\0';
            mkdir(path, 0700);
            *p = '/';
        }
    }
    free(path);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_STORE, "cannot make the data directory %s: %s", dir,
                       strerror(errno));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_STORE, "%s is no directory", dir);
    if ((st.st_mode & S_IWOTH) != 0)
        return err_set(err, ERR_STORE, "%s can be written by everybody: chmod o-w it", dir);
    return ERR_OK;
}

static enum errcode take_lock(struct store_sqlite *s, struct err *err)
{
    char *path = mem_printf("%s/lock", s->dir), pid[32] = "";

    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (s->lock_fd < 0)
        return err_set(err, ERR_STORE, "cannot write in %s: %s", s->dir, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(s->lock_fd, pid, sizeof pid - 1, 0);

        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        return err_set(err, ERR_STORE_LOCKED,
                       "the data directory %s is in use by process %s: stop it, or give another "
                       "--data",
                       s->dir, pid);
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
        return err_set(err, ERR_STORE, "cannot write the lock in %s: %s", s->dir, strerror(errno));
    return ERR_OK;
}

/* ---- what the file is ---- */

/* What a refused file's message ends with. */
#define LEFT_ALONE "and was left as it is: restore a copy of it, or move it away to begin anew"

enum { HEADER_BYTES = 100 };

static int64_t select_number(sqlite3 *db, const char *text, int64_t fallback, int *rc)
{
    sqlite3_stmt *q = NULL;
    int64_t value = fallback;

    *rc = sqlite3_prepare_v2(db, text, -1, &q, NULL);
    if (*rc == SQLITE_OK && (*rc = sqlite3_step(q)) == SQLITE_ROW)
        value = sqlite3_column_int64(q, 0);
    if (*rc == SQLITE_ROW || *rc == SQLITE_DONE)
        *rc = SQLITE_OK;
    sqlite3_finalize(q);
    return value;
}

static int64_t file_size(const char *path, const char *suffix)
{
    char *name = mem_printf("%s%s", path, suffix);
    struct stat st;
    int64_t size = stat(name, &st) == 0 ? (int64_t)st.st_size : -1;

    free(name);
    return size;
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum errcode check_version(const char *path, int64_t version, struct err *err)
{
    if (version > sqlite_migration_count)
        return err_set(err, ERR_STORE_NEWER,
                       "%s was written by a newer release (format %lld, this program knows %d) and "
                       "was left as it is: install that release",
                       path, (long long)version, sqlite_migration_count);
    if (version < 1)
        return err_set(err, ERR_STORE_DAMAGED, "%s has no format version " LEFT_ALONE, path);
    return ERR_OK;
}

/* The header, read by hand before SQLite touches anything. Stores are made under another name and
 * renamed when they are whole, so that one without our mark is never a half-made one. `logged`:
 * there is a log, which may hold pages that the file does not have yet. */
static enum errcode check_header(const char *path, int64_t size, bool logged, struct err *err)
{
    unsigned char h[HEADER_BYTES] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, ERR_STORE, "cannot read %s: %s", path, strerror(errno));
    ssize_t n = pread(fd, h, sizeof h, 0);
    close(fd);
    if (n < 0)
        return err_set(err, ERR_STORE, "cannot read %s: %s", path, strerror(errno));
    uint32_t page = (uint32_t)h[16] << 8 | h[17];
    page = page == 1 ? 65536 : page;
    if (n < HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0 ||
        big_endian(h + 68) != STORE_APPLICATION_ID)
        return err_set(err, ERR_STORE_DAMAGED,
                       "%s is damaged or no store of this program " LEFT_ALONE, path);
    if (!logged && (int64_t)page * big_endian(h + 28) > size)
        return err_set(err, ERR_STORE_DAMAGED, "%s is cut off " LEFT_ALONE, path);
    return logged ? ERR_OK : check_version(path, big_endian(h + 60), err);
}

/* After a crash the log may hold a newer format than the header, and a power cut on a disk that
 * lies about its cache may have torn pages. Read-only, and without the checkpoint that closing a
 * database does. */
static enum errcode check_after_crash(const char *path, int64_t size, struct err *err)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    enum errcode code = ERR_OK;

    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_busy_timeout(db, BUSY_MS);
    int64_t version = rc == SQLITE_OK ? select_number(db, "PRAGMA user_version", 0, &rc) : 0;
    if (rc != SQLITE_OK)
        code = sqlite_error(db, rc, path, err);
    else
        code = check_version(path, version, err);
    if (code == ERR_OK && size <= CHECK_BYTES_MAX) {
        const char *answer = "it cannot be read";

        if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &q, NULL) == SQLITE_OK &&
            sqlite3_step(q) == SQLITE_ROW)
            answer = (const char *)sqlite3_column_text(q, 0);
        if (answer == NULL || strcmp(answer, "ok") != 0)
            code = err_set(err, ERR_STORE_DAMAGED, "%s is damaged (%.150s) " LEFT_ALONE, path,
                           answer != NULL ? answer : "?");
        sqlite3_finalize(q);
    }
    sqlite3_close(db);
    return code;
}

/* Looks at what is there without changing it. An orderly close empties the log and removes it: a
 * log with bytes in it is the mark of a crash, and a mark that cannot disagree with the file. */
static enum errcode inspect(const char *path, bool *fresh, struct err *err)
{
    int64_t log = file_size(path, "-wal");
    struct stat st;
    enum errcode code;

    *fresh = stat(path, &st) != 0 && errno == ENOENT;
    if (*fresh && log > 0)
        return err_set(err, ERR_STORE_DAMAGED,
                       "%s is gone, but its log %s-wal is there: bring it back, or move the log "
                       "away to begin anew",
                       path, path);
    if (*fresh)
        return ERR_OK;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_STORE, "%s is no file that can be read", path);
    if ((code = check_header(path, st.st_size, log > 0, err)) != ERR_OK || log <= 0)
        return code;
    return check_after_crash(path, st.st_size, err);
}

/* The tables are there and can be read: all that a start looks at when the last stop was orderly or
 * the file is large, so that it takes the same time with a million instances as with none. */
static enum errcode check_tables(struct store_sqlite *s, struct err *err)
{
    int rc;
    int64_t tables = select_number(s->db,
                                   "SELECT count(*) FROM sqlite_master WHERE type='table' AND name "
                                   "IN ('flows','instances','journal','keys','inbox') AND EXISTS("
                                   "SELECT 1 FROM meta WHERE name='created')",
                                   0, &rc);

    if (rc == SQLITE_OK && tables == 5)
        return ERR_OK;
    if (rc != SQLITE_OK && rc != SQLITE_ERROR) /* an error in SQL: no table meta */
        return sqlite_error(s->db, rc, s->path, err);
    return err_set(err, ERR_STORE_DAMAGED, "%s lacks tables of a store " LEFT_ALONE, s->path);
}

static enum errcode migrate(sqlite3 *db, struct err *err)
{
    int rc;
    int64_t version = select_number(db, "PRAGMA user_version", 0, &rc);

    for (; version < sqlite_migration_count && rc == SQLITE_OK; version++) {
        char *text =
            mem_printf("BEGIN IMMEDIATE;%s;PRAGMA application_id=%d;PRAGMA user_version=%lld;"
                       "COMMIT;",
                       sqlite_migrations[version], STORE_APPLICATION_ID, (long long)version + 1);
        rc = sqlite3_exec(db, text, NULL, NULL, NULL);
        free(text);
    }
    return rc == SQLITE_OK ? ERR_OK
                           : sqlite_error(db, rc, "cannot bring the store up to date", err);
}

/* Makes an empty store whole under another name, and only then gives it its own: a crash on the way
 * leaves nothing that could be taken for a damaged store. */
static enum errcode create(const struct store_sqlite *s, struct err *err)
{
    char *path = mem_printf("%s.new", s->path), *journal = mem_printf("%s-journal", path);
    enum errcode code = ERR_OK;
    sqlite3 *db = NULL;
    int dir = -1;

    unlink(path);
    unlink(journal);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        code = err_set(err, ERR_STORE, "cannot make %s: %s", path, strerror(errno));
        goto out;
    }
    close(fd);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA synchronous=FULL", NULL, NULL, NULL);
    code = rc == SQLITE_OK ? migrate(db, err) : sqlite_error(db, rc, path, err);
    if (sqlite3_close(db) != SQLITE_OK && code == ERR_OK)
        code = err_set(err, ERR_STORE, "cannot close %s", path);
    if (code != ERR_OK)
        goto out;
    dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || rename(path, s->path) != 0 || fsync(dir) != 0)
        code = err_set(err, ERR_STORE, "cannot make %s: %s", s->path, strerror(errno));
out:
    if (dir >= 0)
        close(dir);
    free(path);
    free(journal);
    return code;
}

/* A file system without shared memory answers another mode and no error. */
static int use_wal(sqlite3 *db)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &q, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        rc = sqlite3_stricmp((const char *)sqlite3_column_text(q, 0), "wal") == 0 ? SQLITE_OK
                                                                                  : SQLITE_CANTOPEN;
    sqlite3_finalize(q);
    return rc;
}

static enum errcode open_database(struct store_sqlite *s, const char *synchronous, struct err *err)
{
    enum errcode code;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK)
        return sqlite_error(s->db, rc, s->path, err);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if ((code = check_tables(s, err)) != ERR_OK)
        return code;
    chmod(s->path, 0600);
    char *text = mem_printf("PRAGMA synchronous=%s;PRAGMA wal_autocheckpoint=0;PRAGMA mmap_size=0;"
                            "PRAGMA cache_size=-16000;PRAGMA journal_size_limit=67108864;",
                            synchronous);
    if ((rc = use_wal(s->db)) == SQLITE_OK)
        rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);
    free(text);
    if (rc != SQLITE_OK)
        return sqlite_error(s->db, rc, s->path, err);
    if ((code = migrate(s->db, err)) != ERR_OK)
        return code;
    rc = sqlite_commit_prepare(s);
    return rc == SQLITE_OK ? ERR_OK : sqlite_error(s->db, rc, s->path, err);
}

/* ---- the boot image ---- */

static char *column_text(sqlite3_stmt *q, int at)
{
    const char *text = (const char *)sqlite3_column_text(q, at);

    return text != NULL ? mem_strdup(text) : NULL;
}

void sqlite_row_read(sqlite3_stmt *q, struct instance_row *r)
{
    *r = (struct instance_row){.num = sqlite3_column_int64(q, 0),
                               .tag = (uint64_t)sqlite3_column_int64(q, 1),
                               .seed = (uint64_t)sqlite3_column_int64(q, 2),
                               .flow = sqlite3_column_int64(q, 3),
                               .status = (uint8_t)sqlite3_column_int(q, 4),
                               .reason = (uint8_t)sqlite3_column_int(q, 5),
                               .parent = sqlite3_column_int64(q, 6),
                               .parent_cmd = (uint32_t)sqlite3_column_int64(q, 7),
                               .depth = (uint32_t)sqlite3_column_int64(q, 8),
                               .created = sqlite3_column_int64(q, 9),
                               .started = sqlite3_column_int64(q, 10),
                               .ended = sqlite3_column_int64(q, 11),
                               .wake_at = sqlite3_column_int64(q, 12),
                               .last = sqlite3_column_int64(q, 13),
                               .output = sqlite3_column_int64(q, 14),
                               .entries = (uint32_t)sqlite3_column_int64(q, 15),
                               .bytes = (uint64_t)sqlite3_column_int64(q, 16),
                               .attempts = (uint32_t)sqlite3_column_int64(q, 17),
                               .crashes = (uint32_t)sqlite3_column_int64(q, 18),
                               .caller_id = column_text(q, 19),
                               .step = column_text(q, 20),
                               .why = column_text(q, 21)};
}

static int boot_rows(struct store_sqlite *s, struct store_boot *boot)
{
    size_t cap = 0;
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(
        s->db, "SELECT " INSTANCE_COLUMNS " FROM instances WHERE status < 4 ORDER BY num", -1, &q,
        NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        boot->rows = mem_grow(boot->rows, boot->row_count, &cap, sizeof *boot->rows);
        sqlite_row_read(q, &boot->rows[boot->row_count++]);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int boot_inbox(struct store_sqlite *s, struct store_boot *boot)
{
    size_t cap = 0;
    sqlite3_stmt *q = NULL;
    int rc =
        sqlite3_prepare_v2(s->db, "SELECT id,num,kind,data FROM inbox ORDER BY id", -1, &q, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        boot->inbox = mem_grow(boot->inbox, boot->inbox_count, &cap, sizeof *boot->inbox);
        boot->inbox[boot->inbox_count++] = (struct inbox_row){.id = sqlite3_column_int64(q, 0),
                                                              .num = sqlite3_column_int64(q, 1),
                                                              .kind = column_text(q, 2),
                                                              .data = column_text(q, 3)};
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int boot_flows(struct store_sqlite *s, struct store_boot *boot)
{
    size_t cap = 0;
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(
        s->db, "SELECT id,digest,ns,name,version,source,loaded_at FROM flows ORDER BY id", -1, &q,
        NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        boot->flows = mem_grow(boot->flows, boot->flow_count, &cap, sizeof *boot->flows);
        struct flow_row *f = &boot->flows[boot->flow_count++];
        *f = (struct flow_row){.id = sqlite3_column_int64(q, 0),
                               .digest = column_text(q, 1),
                               .ns = column_text(q, 2),
                               .name = column_text(q, 3),
                               .version = column_text(q, 4),
                               .source_len = (size_t)sqlite3_column_bytes(q, 5),
                               .loaded_at = sqlite3_column_int64(q, 6)};
        f->source = mem_array(NULL, f->source_len + 1, 1);
        if (f->source_len > 0)
            memcpy(f->source, sqlite3_column_blob(q, 5), f->source_len);
        f->source[f->source_len] = '\0';
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static enum errcode read_boot(struct store_sqlite *s, struct store_boot *boot, struct err *err)
{
    int rc = boot_rows(s, boot);

    if (rc == SQLITE_OK)
        rc = boot_inbox(s, boot);
    if (rc == SQLITE_OK)
        rc = boot_flows(s, boot);
    if (rc != SQLITE_OK)
        return sqlite_error(s->db, rc, s->path, err);
    static const char *const maxima[] = {"SELECT max(pos) FROM journal",
                                         "SELECT max(id) FROM inbox", "SELECT max(id) FROM flows",
                                         "SELECT max(num) FROM instances"};
    int64_t values[4] = {0};
    for (int i = 0; i < 4 && rc == SQLITE_OK; i++)
        values[i] = select_number(s->db, maxima[i], 0, &rc);
    if (rc != SQLITE_OK)
        return sqlite_error(s->db, rc, s->path, err);
    boot->next_pos = values[0] + 1;
    boot->next_inbox = values[1] + 1;
    boot->next_flow = values[2] + 1;
    boot->last_num = values[3];
    return ERR_OK;
}

/* ---- open and close ---- */

void sqlite_unref(struct store_sqlite *s)
{
    if (--s->refs > 0)
        return;
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->reader);
    free(s->done);
    free(s->dir);
    free(s->path);
    free(s);
}

static void async_closed(uv_handle_t *handle)
{
    struct store_sqlite *s = handle->data;

    free(handle);
    sqlite_unref(s);
}

static void release_file(struct store_sqlite *s)
{
    sqlite_commit_finalize(s);
    sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
}

enum errcode sqlite_open_as(const char *dir, const char *synchronous, uv_loop_t *loop,
                            store_committed_cb *committed, void *arg, struct store_sqlite **out,
                            struct store_port *port, struct store_boot *boot, struct err *err)
{
    struct store_sqlite *s = mem_zalloc(sizeof *s);
    pthread_condattr_t monotonic;
    enum errcode code;
    bool fresh;

    *out = NULL;
    memset(boot, 0, sizeof *boot);
    s->loop = loop;
    s->committed = committed;
    s->arg = arg;
    s->dir = mem_strdup(dir);
    s->path = mem_printf("%s/store.db", dir);
    s->lock_fd = -1;
    s->refs = 1;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, &monotonic);
    pthread_cond_init(&s->reader, NULL);
    pthread_condattr_destroy(&monotonic);
    if ((code = make_directory(dir, err)) != ERR_OK || (code = take_lock(s, err)) != ERR_OK ||
        (code = inspect(s->path, &fresh, err)) != ERR_OK ||
        (fresh && (code = create(s, err)) != ERR_OK) ||
        (code = open_database(s, synchronous, err)) != ERR_OK ||
        (code = read_boot(s, boot, err)) != ERR_OK) {
        store_boot_free(boot);
        release_file(s);
        sqlite_unref(s);
        return code;
    }
    s->async = mem_zalloc(sizeof *s->async);
    uv_async_init(loop, s->async, sqlite_deliver);
    s->async->data = s;
    s->refs++;
    if (pthread_create(&s->thread, NULL, sqlite_commit_thread, s) != 0) {
        fputs("ultramcp-restate: no thread for the store\n", stderr);
        abort();
    }
    *port = (struct store_port){.self = s,
                                .commit = sqlite_commit,
                                .load = sqlite_load,
                                .find_key = sqlite_find_key,
                                .query = sqlite_query};
    *out = s;
    return ERR_OK;
}

enum errcode store_sqlite_open(const char *dir, uv_loop_t *loop, store_committed_cb *committed,
                               void *arg, struct store_sqlite **out, struct store_port *port,
                               struct store_boot *boot, struct err *err)
{
    return sqlite_open_as(dir, "FULL", loop, committed, arg, out, port, boot, err);
}

void store_sqlite_close(struct store_sqlite *s)
{
    atomic_store(&s->closing, true);
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->queue_count; i++)
        batch_free(
            s->queue[i]); /* the disk was full to the end: nobody was told that these are durable */
    free(s->queue);
    sqlite_readers_close(s);
    sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    release_file(s);
    s->closed = true;
    uv_close((uv_handle_t *)s->async, async_closed);
    sqlite_unref(s);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static json_int_t file_bytes(const char *path, const char *suffix)
{
    int64_t size = file_size(path, suffix);

    return size > 0 ? size : 0;
}

json_t *store_sqlite_stats(struct store_sqlite *s)
{
    uint32_t sorted[LATENCY_SAMPLES];

    pthread_mutex_lock(&s->mutex);
    size_t n = s->commits < LATENCY_SAMPLES ? s->commits : LATENCY_SAMPLES;
    uint64_t commits = s->commits, rows = s->rows;
    uint32_t last = n > 0 ? s->latency_us[(commits - 1) % LATENCY_SAMPLES] : 0;
    bool full = s->full;
    memcpy(sorted, s->latency_us, sizeof sorted);
    pthread_mutex_unlock(&s->mutex);
    qsort(sorted, n, sizeof *sorted, by_value);
    return json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:b}", "commits", (json_int_t)commits,
                     "rows", (json_int_t)rows, "lastCommitMs", last / 1000.0, "p50Ms",
                     n > 0 ? sorted[n / 2] / 1000.0 : 0.0, "p99Ms",
                     n > 0 ? sorted[n * 99 / 100] / 1000.0 : 0.0, "walBytes",
                     file_bytes(s->path, "-wal"), "fileBytes", file_bytes(s->path, ""), "full",
                     full);
}
