/* The buffer that cannot outgrow its maximum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void grows_and_ends_with_nul(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_null(b.data);
    assert_true(buf_add(&b, "", 0));
    assert_string_equal(b.data, "");
    assert_true(buf_str(&b, "one "));
    assert_true(buf_printf(&b, "%d %s", 2, "three"));
    assert_string_equal(b.data, "one 2 three");
    assert_true(buf_add(&b, "\0x", 2));
    assert_int_equal(b.len, 13);
    assert_int_equal(b.data[13], '\0');
    for (int i = 0; i < 900; i++)
        assert_true(buf_add(&b, "x", 1));
    assert_int_equal(b.len, 913);
    assert_int_equal(strlen(b.data + 12), 901);
    buf_fini(&b);
    buf_fini(&b);
}

/* A write beyond the maximum leaves what is there, and so does every one after it. */
static void stays_below_its_maximum(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 8);
    assert_true(buf_str(&b, "12345678"));
    assert_false(b.full);
    assert_true(buf_add(&b, "", 0));
    assert_false(buf_str(&b, "9"));
    assert_true(b.full);
    assert_string_equal(b.data, "12345678");
    assert_false(buf_add(&b, "", 0));
    buf_clear(&b);
    assert_false(b.full);
    assert_string_equal(b.data, "");
    assert_true(buf_str(&b, "1234"));
    assert_false(buf_printf(&b, "%s", "56789"));
    assert_false(buf_str(&b, "5")); /* would fit, but the sequence is broken */
    assert_string_equal(b.data, "1234");
    buf_fini(&b);
    assert_int_equal(b.max, 8);
    assert_false(b.full);
}

static void zero_and_huge(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    assert_false(buf_str(&b, "x"));
    buf_fini(&b);
    buf_init(&b, 100);
    assert_true(buf_str(&b, "abc"));
    assert_false(buf_add(&b, "x", SIZE_MAX)); /* no overflow of the sum */
    assert_string_equal(b.data, "abc");
    buf_fini(&b);
}

static void varint(void **state)
{
    static const struct {
        uint64_t value;
        size_t len;
        const char *bytes;
    } each[] = {
        {0, 1, "\0"},
        {1, 1, "\x01"},
        {127, 1, "\x7f"},
        {128, 2, "\x80\x01"},
        {16383, 2, "\xff\x7f"},
        {16384, 3, "\x80\x80\x01"},
        {UINT64_MAX, 10, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        buf_clear(&b);
        assert_true(buf_varint(&b, each[i].value));
        assert_int_equal(b.len, each[i].len);
        assert_memory_equal(b.data, each[i].bytes, each[i].len);
    }
    assert_false(buf_varint(&b, 1)); /* all or nothing */
    assert_int_equal(b.len, 10);
    buf_fini(&b);
}

static void steal(void **state)
{
    struct buf b;
    size_t len = 7;

    (void)state;
    buf_init(&b, 10);
    char *empty = buf_steal(&b, &len);
    assert_string_equal(empty, "");
    assert_int_equal(len, 0);
    free(empty);
    buf_str(&b, "text");
    char *text = buf_steal(&b, NULL);
    assert_string_equal(text, "text");
    free(text);
    assert_int_equal(b.len, 0);
    assert_true(buf_str(&b, "0123456789")); /* usable again, with the same maximum */
    assert_false(buf_str(&b, "x"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_ends_with_nul),
        cmocka_unit_test(stays_below_its_maximum),
        cmocka_unit_test(zero_and_huge),
        cmocka_unit_test(varint),
        cmocka_unit_test(steal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
