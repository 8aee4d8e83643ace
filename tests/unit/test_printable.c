/* printable.h: nothing that moves the cursor or hides text comes through, whatever goes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "base/printable.h"
#include "base/rng.h"

static char *make(const char *text, size_t len, enum printable_mode mode)
{
    struct buf b;

    buf_init(&b, len * 12 + 16);
    assert_true(buf_str(&b, ""));
    assert_true(printable_add(&b, text, len, mode));
    return buf_steal(&b, NULL);
}

static void expect(const char *text, size_t len, enum printable_mode mode, const char *expected)
{
    char *got = make(text, len, mode);

    assert_string_equal(got, expected);
    free(got);
}

static void test_examples(void **state)
{
    (void)state;
    expect("plain", 5, PRINTABLE_LINE, "plain");
    expect("¿Qué? 日本 🔥", strlen("¿Qué? 日本 🔥"), PRINTABLE_LINE, "¿Qué? 日本 🔥");
    expect("\033[2J", 4, PRINTABLE_LINE, "\\x1b[2J");
    expect("a\nb\tc\rd\b", 8, PRINTABLE_LINE, "a\\nb\\tc\\x0dd\\x08");
    expect("a\nb\tc\rd", 7, PRINTABLE_TEXT, "a\nb\tc\\x0dd");
    expect("a\0b", 3, PRINTABLE_LINE, "a\\x00b");
    expect("\xc2\x9b"
           "31m",
           5, PRINTABLE_LINE, "\\u009b31m");
    expect("x\u202etxt.exe\u200b", strlen("x\u202etxt.exe\u200b"), PRINTABLE_LINE,
           "x\\u202etxt.exe\\u200b");
    expect("\U000e0041", 4, PRINTABLE_LINE, "\\U000e0041");
    expect("\U000e0041", 4, PRINTABLE_JSON, "\\udb40\\udc41");
    expect("\x7f", 1, PRINTABLE_JSON, "\\u007f");
}

static void test_not_utf8(void **state)
{
    (void)state;
    expect("\xff", 1, PRINTABLE_LINE, "\\xff");
    expect("\xc0\x80", 2, PRINTABLE_LINE, "\\xc0\\x80");                   /* overlong */
    expect("\xed\xa0\x80", 3, PRINTABLE_LINE, "\\xed\\xa0\\x80");          /* surrogate */
    expect("\xf4\x90\x80\x80", 4, PRINTABLE_LINE, "\\xf4\\x90\\x80\\x80"); /* > U+10FFFF */
    expect("\xe2\x82", 2, PRINTABLE_LINE, "\\xe2\\x82");                   /* cut */
    expect("\xe2(", 2, PRINTABLE_LINE, "\\xe2(");
}

static void test_limit(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    assert_false(printable_add(&b, "\033\033", 2, PRINTABLE_LINE));
    assert_true(b.len <= 4);
    buf_fini(&b);
    char *none = printable_line(NULL);
    assert_string_equal(none, "");
    free(none);
}

/* Bytes with a taste for trouble: lead bytes, continuation bytes, controls. */
static size_t random_bytes(struct rng *rng, char *out, size_t max)
{
    size_t len = (size_t)rng_below(rng, max);

    for (size_t i = 0; i < len; i++) {
        uint64_t kind = rng_below(rng, 4);

        out[i] = (char)(kind == 0   ? rng_below(rng, 0x20)
                        : kind == 1 ? 0x80 + rng_below(rng, 0x40)
                        : kind == 2 ? 0xc0 + rng_below(rng, 0x40)
                                    : rng_below(rng, 256));
    }
    return len;
}

static void check_harmless(const char *text, enum printable_mode mode)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len;) {
        uint32_t c;
        size_t n = printable_decode(text + at, len - at, &c);

        assert_true(n > 0);
        assert_true(!printable_is_hostile(c) ||
                    (mode == PRINTABLE_TEXT && (c == '\n' || c == '\t')));
        at += n;
    }
}

static void test_properties(void **state)
{
    struct rng rng;
    char in[64];

    (void)state;
    rng_seed(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        size_t len = random_bytes(&rng, in, sizeof in);
        enum printable_mode mode = i % 2 == 0 ? PRINTABLE_LINE : PRINTABLE_TEXT;
        char *once = make(in, len, mode), *twice = make(once, strlen(once), mode);

        check_harmless(once, mode);
        assert_string_equal(once, twice);
        assert_true(strlen(once) >= len);
        free(once);
        free(twice);
    }
}

/* Escaped JSON is the same JSON. */
static void test_json_keeps_its_value(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 8);
    for (int i = 0; i < 5000; i++) {
        char text[32];
        size_t len = 0;

        while (len < sizeof text - 5) {
            static const char *const parts[] = {"a",          "\n", "\033", "\u202e", "\u200d",
                                                "\U000e0001", "é",  "\"",   "\\",     "\xc2\x85"};
            const char *part = parts[rng_below(&rng, 10)];
            memcpy(text + len, part, strlen(part));
            len += strlen(part);
        }
        json_t *value = json_stringn(text, len);
        char *plain = json_dumps(value, JSON_ENCODE_ANY);
        char *safe = make(plain, strlen(plain), PRINTABLE_JSON);
        json_t *back = json_loads(safe, JSON_DECODE_ANY, NULL);

        check_harmless(safe, PRINTABLE_LINE);
        assert_non_null(back);
        assert_true(json_equal(value, back));
        json_decref(back);
        json_decref(value);
        free(plain);
        free(safe);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_json_keeps_its_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
