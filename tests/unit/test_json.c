/* JSON at the borders: strict, bounded, and numbers that stay what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static void refused_bytes(const char *text, size_t len, const char *word)
{
    json_t *value;
    struct err err;

    assert_int_equal(json_parse(text, len, "request body", &value, &err), ERR_PARSE);
    assert_null(value);
    if (strstr(err.text, word) == NULL || strstr(err.text, "request body") != err.text)
        fail_msg("\"%s\" does not say %s", err.text, word);
    assert_int_equal(json_parse(text, len, "x", &value, NULL), ERR_PARSE);
}

static void refused(const char *text, const char *word)
{
    refused_bytes(text, strlen(text), word);
}

static json_t *parsed(const char *text)
{
    json_t *value;
    struct err err;

    if (json_parse(text, strlen(text), "test", &value, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return value;
}

/* Written again, `text` is `out`, and that reads as the same value. */
static void becomes(const char *text, const char *out)
{
    json_t *value = parsed(text);
    char *written = json_text(value);

    assert_string_equal(written, out);
    json_t *again = parsed(written);
    assert_true(json_equal(value, again));
    json_decref(again);
    json_decref(value);
    free(written);
}

static void same(const char *text)
{
    becomes(text, text);
}

static void any_value(void **state)
{
    (void)state;
    same("null");
    same("true");
    same("-7");
    same("\"x\"");
    same("[]");
    same("{}");
    same("{\"a\":[1,{\"b\":null},false]}");
    becomes(" \t\r\n[ 1 , 2 ] \n", "[1,2]");
    same("{\"z\":1,\"a\":2,\"m\":3}"); /* order stays */
}

static void nesting(void **state)
{
    static const int many = 10000;
    char *text = malloc(2 * (size_t)many + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '[', (size_t)many);
    memset(text + many, ']', (size_t)many);
    refused_bytes(text, 2 * (size_t)many, "nested deeper than 64");
    refused_bytes(text, (size_t)many, "nested deeper");
    refused_bytes(text + many - JSON_DEPTH_MAX - 1, 2 * (JSON_DEPTH_MAX + 1), "nested deeper");
    text[many + JSON_DEPTH_MAX] = '\0';
    same(text + many - JSON_DEPTH_MAX);
    for (int i = 0; i < many / 5; i++)
        memcpy(text + 5 * i, "{\"a\":", 5);
    refused_bytes(text, (size_t)many, "nested deeper");
    free(text);
    same("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"]");
}

static void strictness(void **state)
{
    (void)state;
    refused("", "not valid JSON");
    refused(" ", "not valid JSON");
    refused("{\"a\":1,\"a\":2}", "duplicate");
    refused("{\"a\":{\"b\":1,\"b\":1}}", "duplicate");
    refused("{\"a\":1,\"\\u0061\":2}", "duplicate");
    refused("1 2", "end of file expected");
    refused("{} x", "end of file expected");
    refused("[1,]", "not valid JSON");
    refused("{a:1}", "not valid JSON");
    refused("'a'", "not valid JSON");
    refused("[1", "not valid JSON");
    refused("\"a", "not valid JSON");
    refused("NaN", "not valid JSON");
    refused("[Infinity]", "not valid JSON");
    refused("01", "not valid JSON");
    refused("+1", "not valid JSON");
    refused("0x1", "not valid JSON");
    refused("\"\t\"", "control character");
    refused("// x\n1", "not valid JSON");
    refused("\xef\xbb\xbf{}", "not valid JSON");
}

static void nul(void **state)
{
    (void)state;
    refused("\"a\\u0000b\"", "not valid JSON");
    refused("{\"a\\u0000b\":1}", "not valid JSON");
    refused_bytes("\"a\0b\"", 5, "not valid JSON");
    refused_bytes("1\0", 2, "not valid JSON");
    refused_bytes("[1\0]", 4, "NUL byte");
    refused_bytes("\0", 1, "not valid JSON");
}

static void utf8(void **state)
{
    (void)state;
    refused("\"\xff\"", "not valid JSON");
    refused("\"\xc0\x80\"", "not valid JSON");
    refused("\"\xed\xa0\x80\"", "not valid JSON");
    refused("\"\xf4\x90\x80\x80\"", "not valid JSON");
    refused("\"\xe2\x82\"", "not valid JSON");
    refused("\"\\ud83d\"", "not valid JSON");
    refused("\"\\ude00\\ud83d\"", "not valid JSON");
    becomes("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
    same("\"\xc3\xa9\xe2\x82\xac\"");
    becomes("\"\\u00e9\\/\"", "\"\xc3\xa9/\"");
}

static void numbers(void **state)
{
    (void)state;
    same("0.1");
    same("0.30000000000000004");
    same("[1.0,-2.5]");
    becomes("1e2", "100.0");
    becomes("1E-7", "1e-07");
    same("1.7976931348623157e+308");
    same("4.94065645841247e-324"); /* the least there is */
    becomes("-0.0", "-0.0");
    same("9007199254740993"); /* 2^53 + 1 */
    same("9223372036854775807");
    same("-9223372036854775808");
    refused("9223372036854775808", "too big integer"); /* 2^63 */
    refused("-9223372036854775809", "too big");
    refused("1e999", "real number overflow");
}

static void writing(void **state)
{
    struct buf b;
    json_t *value = parsed("{\"a\":[1,2,3],\"b\":\"x\"}");

    (void)state;
    becomes("\"\\u0001\\b\\f\\n\\r\\t\\u001f\\\"\\\\\"",
            "\"\\u0001\\u0008\\u000c\\n\\u000d\\t\\u001f\\\"\\\\\"");
    for (size_t max = 0; max < 21; max++) { /* never beyond the maximum, whole or not */
        buf_init(&b, max);
        assert_false(json_write(&b, value));
        assert_true(b.full && b.len <= max);
        buf_fini(&b);
    }
    buf_init(&b, 21);
    assert_true(json_write(&b, value));
    assert_string_equal(b.data, "{\"a\":[1,2,3],\"b\":\"x\"}");
    buf_fini(&b);
    json_decref(value);
}

static void lookups(void **state)
{
    json_t *o = parsed("{\"s\":\"x\",\"i\":5,\"b\":true,\"n\":null,\"r\":1.5}");

    (void)state;
    assert_string_equal(json_str(o, "s", "f"), "x");
    assert_string_equal(json_str(o, "i", "f"), "f");
    assert_null(json_str(o, "none", NULL));
    assert_int_equal(json_int(o, "i", 1), 5);
    assert_int_equal(json_int(o, "r", 1), 1);
    assert_true(json_bool(o, "b", false));
    assert_true(json_bool(o, "n", true));
    assert_int_equal(json_int(NULL, "i", 3), 3);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value), cmocka_unit_test(nesting), cmocka_unit_test(strictness),
        cmocka_unit_test(nul),       cmocka_unit_test(utf8),    cmocka_unit_test(numbers),
        cmocka_unit_test(writing),   cmocka_unit_test(lookups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
