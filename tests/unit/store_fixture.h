/* A store in a directory of its own, what it reported, and makers of what it writes. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/entry.h"
#include "engine/store/sqlite_internal.h"
#include "engine/store/store.h"

enum { REPORTS_MAX = 256, T0 = 1700000000 };

struct fixture {
    char dir[64];
    uv_loop_t loop;
    struct store_sqlite *store;
    struct store_port port;
    struct store_boot boot;
    struct err err;
    struct {
        uint64_t no;
        enum errcode code;
    } reports[REPORTS_MAX];
    size_t report_count;
    bool close_in_callback;
    uint64_t last_no;
    /* the last answer to a read */
    bool answered;
    struct err answer_err;
    json_t *json;
    struct stored_chunk *chunks;
    size_t chunk_count;
    int64_t num;
    uint64_t tag, hash;
};

static inline void on_committed(void *arg, uint64_t no, enum errcode code)
{
    struct fixture *f = arg;

    if (f->report_count < REPORTS_MAX) {
        f->reports[f->report_count].no = no;
        f->reports[f->report_count].code = code;
    }
    f->report_count++;
    if (f->close_in_callback) {
        store_sqlite_close(f->store);
        f->store = NULL;
    }
}

static inline enum errcode fixture_open(struct fixture *f)
{
    return store_sqlite_open(f->dir, &f->loop, on_committed, f, &f->store, &f->port, &f->boot,
                             &f->err);
}

static inline void fixture_close(struct fixture *f)
{
    if (f->store != NULL)
        store_sqlite_close(f->store);
    f->store = NULL;
    uv_run(&f->loop, UV_RUN_DEFAULT);
    store_boot_free(&f->boot);
}

static inline void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    assert_int_equal(fixture_open(f), ERR_OK);
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    strcpy(f->dir, "/tmp/store-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    uv_loop_init(&f->loop);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    char *command = mem_printf("rm -rf %s", f->dir);

    fixture_close(f);
    json_decref(f->json);
    sqlite_chunks_free(f->chunks, f->chunk_count);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(system(command), 0);
    free(command);
    free(f);
    return 0;
}

static inline int fixture_setup_open(void **state)
{
    fixture_setup(state);
    return fixture_open(*state) == ERR_OK ? 0 : -1;
}

static inline char *fixture_path(const struct fixture *f, const char *name)
{
    return mem_printf("%s/%s", f->dir, name);
}

/* Turns the loop until `count` reports have come. */
static inline void wait_reports(struct fixture *f, size_t count)
{
    while (f->report_count < count)
        uv_run(&f->loop, UV_RUN_ONCE);
}

/* ---- batches ---- */

static inline struct batch *batch_next(struct fixture *f)
{
    return batch_new(++f->last_no);
}

static inline int64_t test_num(int n)
{
    return ((int64_t)1 << 40) + n;
}

static inline struct instance_row *put_row(struct batch *b, int64_t num, unsigned status)
{
    b->rows = mem_grow(b->rows, b->row_count, &b->row_cap, sizeof *b->rows);
    struct instance_row *r = &b->rows[b->row_count++];
    *r = (struct instance_row){.num = num,
                               .tag = (uint64_t)num & 0xffff,
                               .seed = UINT64_MAX - (uint64_t)num,
                               .flow = 1,
                               .status = (uint8_t)status,
                               .is_new = true,
                               .created = num};
    return r;
}

static inline void put_chunk(struct batch *b, int64_t pos, int64_t num, int64_t prev,
                             const char *data, size_t len)
{
    b->chunks = mem_grow(b->chunks, b->chunk_count, &b->chunk_cap, sizeof *b->chunks);
    struct chunk_row *c = &b->chunks[b->chunk_count++];
    *c = (struct chunk_row){.pos = pos, .num = num, .prev = prev, .len = len};
    c->data = memcpy(mem_zalloc(len), data, len); /* exactly as long, for the sanitizer */
}

static inline void put_key(struct batch *b, const char *scope, const char *key, int64_t num,
                           uint64_t hash)
{
    b->keys = mem_grow(b->keys, b->key_count, &b->key_cap, sizeof *b->keys);
    b->keys[b->key_count++] = (struct key_row){
        .scope = mem_strdup(scope), .key = mem_strdup(key), .num = num, .input_hash = hash};
}

static inline void put_inbox(struct batch *b, int64_t id, int64_t num, const char *data)
{
    b->inbox = mem_grow(b->inbox, b->inbox_count, &b->inbox_cap, sizeof *b->inbox);
    b->inbox[b->inbox_count++] = (struct inbox_row){
        .id = id, .num = num, .kind = mem_strdup("signal"), .data = mem_strdup(data)};
}

static inline void put_number(int64_t **list, size_t *count, size_t *cap, int64_t value)
{
    *list = mem_grow(*list, *count, cap, sizeof **list);
    (*list)[(*count)++] = value;
}

static inline void put_flow(struct batch *b, int64_t id, const char *ns, const char *name)
{
    b->flows = mem_grow(b->flows, b->flow_count, &b->flow_cap, sizeof *b->flows);
    b->flows[b->flow_count++] = (struct flow_row){.id = id,
                                                  .digest = mem_printf("digest-%s", name),
                                                  .ns = mem_strdup(ns),
                                                  .name = mem_strdup(name),
                                                  .version = mem_strdup("1.0.0"),
                                                  .source = mem_strdup("do: []\n"),
                                                  .source_len = 7,
                                                  .loaded_at = T0};
}

/* One of each, with the keys that a second batch like it has too. */
static inline void put_everything(struct batch *b, const char *chunk)
{
    put_flow(b, 1, "demo", "hello");
    put_row(b, test_num(1), STATUS_RUNNING)->last = 1;
    put_chunk(b, 1, test_num(1), 0, chunk, strlen(chunk));
    put_key(b, "id/hello", "k", test_num(1), 5);
    put_inbox(b, 1, test_num(1), "1");
}

/* Gives the batch and waits until it is durable. */
static inline void commit(struct fixture *f, struct batch *b)
{
    uint64_t no = b->no;

    f->port.commit(f->port.self, b);
    wait_reports(f, f->report_count + 1);
    assert_int_equal(f->reports[(f->report_count - 1) % REPORTS_MAX].no, no);
    assert_int_equal(f->reports[(f->report_count - 1) % REPORTS_MAX].code, ERR_OK);
}

/* ---- reads ---- */

static inline void answered(struct fixture *f, const struct err *err)
{
    f->answered = true;
    f->answer_err = err != NULL ? *err : (struct err){0};
}

static inline void on_json(void *arg, const struct err *err, json_t *result)
{
    struct fixture *f = arg;

    answered(f, err);
    f->json = json_incref(result);
}

static inline void on_load(void *arg, const struct err *err, struct stored_chunk *chunks,
                           size_t count)
{
    struct fixture *f = arg;

    answered(f, err);
    f->chunks = chunks;
    f->chunk_count = count;
}

static inline void on_key(void *arg, const struct err *err, int64_t num, uint64_t tag,
                          uint64_t hash)
{
    struct fixture *f = arg;

    answered(f, err);
    f->num = num;
    f->tag = tag;
    f->hash = hash;
}

static inline enum errcode wait_answer(struct fixture *f)
{
    while (!f->answered)
        uv_run(&f->loop, UV_RUN_ONCE);
    return f->answer_err.code;
}

/* Asks; the arguments are JSON text. The answer is in f->json. */
static inline enum errcode ask(struct fixture *f, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static inline enum errcode ask(struct fixture *f, const char *what, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    json_t *args;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    assert_int_equal(json_parse(text, strlen(text), "args", &args, NULL), ERR_OK);
    json_decref(f->json);
    f->json = NULL;
    f->answered = false;
    f->port.query(f->port.self, what, args, on_json, f);
    json_decref(args);
    return wait_answer(f);
}

static inline enum errcode load(struct fixture *f, int64_t num, int64_t last)
{
    sqlite_chunks_free(f->chunks, f->chunk_count);
    f->chunks = NULL;
    f->chunk_count = 0;
    f->answered = false;
    f->port.load(f->port.self, num, last, on_load, f);
    return wait_answer(f);
}

static inline int64_t find_key(struct fixture *f, const char *scope, const char *key)
{
    f->answered = false;
    f->port.find_key(f->port.self, scope, key, on_key, f);
    assert_int_equal(wait_answer(f), ERR_OK);
    return f->num;
}

/* ---- other processes ---- */

#ifdef __SANITIZE_THREAD__
/* Children start threads although the parent has some: uv_loop_fork makes that safe here. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
#endif

/* Runs `body` in a child; its wait status. The child ends without the parent's clean-up. */
static inline int in_child(void (*body)(struct fixture *f), struct fixture *f)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        uv_loop_fork(&f->loop);
        body(f);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
