/* The encoding of journal entries: what goes in comes out, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "engine/entry.h"

static const uint8_t kinds[] = {
#define X(kind, number, name, class) kind,
    ENTRY_TABLE(X)
#undef X
};
enum { KIND_COUNT = sizeof kinds, CHUNK_MAX = 1 << 20 };

static void assert_same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    assert_int_equal(a_len, b_len);
    if (a_len > 0)
        assert_memory_equal(a, b, a_len);
}

static void assert_same(const struct entry *a, const struct entry *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->cmd, b->cmd);
    assert_int_equal(a->attempt, b->attempt);
    assert_true(a->at == b->at);
    assert_same_bytes(a->name, a->name_len, b->name, b->name_len);
    assert_same_bytes(a->data, a->data_len, b->data, b->data_len);
    assert_same_bytes(a->more, a->more_len, b->more, b->more_len);
    assert_int_equal((b->flags & ENTRY_HAS_DATA) != 0, b->data != NULL);
    assert_int_equal((b->flags & ENTRY_HAS_MORE) != 0, b->more != NULL);
}

/* A copy on the heap, exactly as long, so that the sanitizer sees a read beyond it. */
static enum errcode decode_exact(const char *bytes, size_t len, size_t *at, struct entry *e)
{
    char *copy = malloc(len > 0 ? len : 1);

    if (len > 0)
        memcpy(copy, bytes, len);
    enum errcode code = entry_decode(copy, len, at, e, NULL);
    free(copy);
    return code;
}

static struct entry full_entry(uint8_t kind)
{
    return (struct entry){.kind = kind,
                          .flags = ENTRY_HAS_DATA | ENTRY_HAS_MORE,
                          .seq = 300,
                          .cmd = UINT32_MAX,
                          .attempt = 128,
                          .at = 1700000000000,
                          .name = "/do/0/step",
                          .name_len = 10,
                          .data = "{\"a\":1}",
                          .data_len = 7,
                          .more = "null",
                          .more_len = 4};
}

static void test_every_kind_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct entry e = full_entry(kinds[i]), got;
        struct buf b;
        size_t at = 0;

        buf_init(&b, CHUNK_MAX);
        entry_encode(&b, &e);
        assert_int_equal(entry_decode(b.data, b.len, &at, &got, NULL), ERR_OK);
        assert_int_equal(at, b.len);
        assert_same(&e, &got);
        buf_fini(&b);
    }
}

static void test_extremes_round_trip(void **state)
{
    const struct entry entries[] = {
        {.kind = ENTRY_TURN},
        {.kind = ENTRY_TURN, .at = INT64_MAX, .seq = UINT32_MAX},
        {.kind = ENTRY_TURN, .at = -1},
        {.kind = ENTRY_RESULT, .flags = ENTRY_HAS_DATA, .data = ""},
        {.kind = ENTRY_OUTPUT, .flags = ENTRY_HAS_MORE, .more = "", .name = "n", .name_len = 1},
        {.kind = ENTRY_TASK, .flags = ENTRY_SAME_DATA | ENTRY_SAME_OUT, .cmd = 7},
        {.kind = ENTRY_SIGNALLED, .name = "a\0b", .name_len = 3},
    };
    enum { COUNT = sizeof entries / sizeof *entries };
    struct entry got;
    struct buf b;
    size_t at = 0;

    (void)state;
    buf_init(&b, CHUNK_MAX);
    for (int i = 0; i < COUNT; i++)
        entry_encode(&b, &entries[i]);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(entry_decode(b.data, b.len, &at, &got, NULL), ERR_OK);
        assert_same(&entries[i], &got);
    }
    assert_int_equal(at, b.len);
    assert_int_equal(entry_decode(b.data, b.len, &at, &got, NULL), ERR_STORE_DAMAGED);
    buf_fini(&b);
}

static void test_names_and_classes(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++)
        assert_non_null(entry_name(kinds[i]));
    assert_string_equal(entry_name(ENTRY_TASK_STARTED), "task-started");
    assert_null(entry_name(0));
    assert_null(entry_name(63));
    assert_null(entry_name(64));
    assert_null(entry_name(UINT32_MAX));
    assert_int_equal(entry_class_of(ENTRY_STARTED), CLASS_NOTIFICATION);
    assert_int_equal(entry_class_of(ENTRY_RUN), CLASS_COMMAND);
    assert_int_equal(entry_class_of(ENTRY_TASK), CLASS_FACT);
    assert_int_equal(entry_class_of(ENTRY_RESTARTED), CLASS_EVENT);
}

static void test_every_truncation_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct entry e = full_entry(kinds[i]), got;
        struct buf b;

        buf_init(&b, CHUNK_MAX);
        entry_encode(&b, &e);
        for (size_t len = 0; len < b.len; len++) {
            size_t at = 0;

            assert_int_equal(decode_exact(b.data, len, &at, &got), ERR_STORE_DAMAGED);
            assert_int_equal(at, 0);
        }
        buf_fini(&b);
    }
}

static void test_what_is_no_entry(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
#define BYTES(text) {text, sizeof text - 1}
        BYTES("\x00\x00\0\0\0\0\0\0\0"),                   /* kind 0 */
        BYTES("\x3f\x00\0\0\0\0\0\0\0"),                   /* unknown kind */
        BYTES("\xff\x00\0\0\0\0\0\0\0"),                   /* beyond the table */
        BYTES("\x01\x10\0\0\0\0\0\0\0"),                   /* unknown flag */
        BYTES("\x01\x00\0\0\0\0\0\x01x\0"),                /* data without its flag */
        BYTES("\x01\x02\0\0\0\0\0\0\x01x"),                /* more without its flag */
        BYTES("\x01\x00\x80\x00\0\0\0\0\0\0"),             /* zero in two bytes */
        BYTES("\x01\x00\xff\xff\xff\xff\x1f\0\0\0\0\0\0"), /* seq beyond 32 bits */
        BYTES("\x01\x00\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\0\0\0"), /* 65 bits */
        BYTES("\x01\x00\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0"),
        BYTES("\x01\x00\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0"), /* a huge name */
#undef BYTES
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct entry got;
        size_t at = 0;

        assert_int_equal(entry_decode(cases[i].bytes, cases[i].len, &at, &got, &err),
                         ERR_STORE_DAMAGED);
        assert_int_equal(err.code, ERR_STORE_DAMAGED);
        assert_int_equal(at, 0);
    }
    size_t beyond = 5;
    struct entry got;
    assert_int_equal(entry_decode("abc", 3, &beyond, &got, NULL), ERR_STORE_DAMAGED);
}

/* Whatever decodes encodes to the bytes that it came from: there is one spelling. */
static void test_random_bytes(void **state)
{
    char bytes[40];
    struct rng rng;
    size_t taken = 0;

    (void)state;
    rng_seed(&rng, 20);
    for (int round = 0; round < 300000; round++) {
        size_t len = rng_below(&rng, sizeof bytes), at = 0;
        struct entry e;
        struct buf b;

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(rng_below(&rng, 3) == 0 ? rng_next(&rng) : rng_below(&rng, 8));
        if (entry_decode(bytes, len, &at, &e, NULL) != ERR_OK) {
            assert_int_equal(at, 0);
            continue;
        }
        assert_in_range(at, 1, len);
        buf_init(&b, CHUNK_MAX);
        entry_encode(&b, &e);
        assert_same_bytes(b.data, b.len, bytes, at);
        buf_fini(&b);
        taken++;
    }
    assert_true(taken > 100);
}

/* One flipped bit gives another entry or none, never a read beyond the chunk. */
static void test_flipped_bits(void **state)
{
    struct entry e = full_entry(ENTRY_RUN), got;
    struct buf b;

    (void)state;
    buf_init(&b, CHUNK_MAX);
    entry_encode(&b, &e);
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        size_t at = 0;

        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        if (decode_exact(b.data, b.len, &at, &got) != ERR_OK)
            assert_int_equal(at, 0);
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_round_trips),
        cmocka_unit_test(test_extremes_round_trip),
        cmocka_unit_test(test_names_and_classes),
        cmocka_unit_test(test_every_truncation_fails),
        cmocka_unit_test(test_what_is_no_entry),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_flipped_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
