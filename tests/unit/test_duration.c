/* Durations of the DSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "engine/flow/duration.h"

/* ms, or -1: refused */
static int64_t parse(const char *json)
{
    json_t *value;
    struct err err = {0};
    int64_t ms = 12345;

    assert_int_equal(json_parse(json, strlen(json), "test", &value, NULL), ERR_OK);
    enum errcode code = duration_parse(value, &ms, &err);
    json_decref(value);
    if (code == ERR_OK)
        return ms;
    assert_int_equal(code, ERR_INVALID);
    assert_int_equal(ms, 0);
    assert_true(err.text[0] != '\0');
    return -1;
}

static int64_t iso(const char *text)
{
    char json[128];

    snprintf(json, sizeof json, "\"%s\"", text);
    return parse(json);
}

static void objects(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"seconds\": 5}"), 5000);
    assert_int_equal(
        parse("{\"days\":1,\"hours\":1,\"minutes\":1,\"seconds\":1,\"milliseconds\":1}"), 90061001);
    assert_int_equal(parse("{\"milliseconds\": 0}"), 0);
    assert_int_equal(parse("{\"days\": 36500}"), INT64_C(36500) * 86400000);
    assert_int_equal(parse("{}"), -1);
    assert_int_equal(parse("{\"second\": 1}"), -1);
    assert_int_equal(parse("{\"weeks\": 1}"), -1);
    assert_int_equal(parse("{\"seconds\": 1.5}"), -1);
    assert_int_equal(parse("{\"seconds\": \"1\"}"), -1);
    assert_int_equal(parse("{\"seconds\": null}"), -1);
    assert_int_equal(parse("{\"seconds\": -1}"), -1);
    assert_int_equal(parse("{\"hours\": 1, \"minutes\": -1}"), -1);
    assert_int_equal(parse("{\"days\": 36500, \"milliseconds\": 1}"), -1);
    assert_int_equal(parse("{\"days\": 9223372036854775807}"), -1);
}

static void iso_8601(void **state)
{
    (void)state;
    assert_int_equal(iso("PT30S"), 30000);
    assert_int_equal(iso("PT0S"), 0);
    assert_int_equal(iso("P1D"), 86400000);
    assert_int_equal(iso("P1DT2H3M4.5S"), 93784500);
    assert_int_equal(iso("PT1M"), 60000);
    assert_int_equal(iso("P1M"), INT64_C(30) * 86400000);
    assert_int_equal(iso("P1Y"), INT64_C(365) * 86400000);
    assert_int_equal(iso("P2W"), INT64_C(14) * 86400000);
    assert_int_equal(iso("P0.5D"), 43200000);
    assert_int_equal(iso("PT1.5H"), 5400000);
    assert_int_equal(iso("PT0.0004S"), 0);
    assert_int_equal(iso("PT0.0006S"), 1);
    assert_int_equal(iso("P100Y"), INT64_C(36500) * 86400000);
}

static void bad_iso_8601(void **state)
{
    static const char *const bad[] = {
        "",
        "P",
        "PT",
        "P1",
        "1S",
        "30s",
        "PT30",
        "PT1S1M",
        "PT1M1M",
        "P1DT",
        "P1H",
        "PT1D",
        "PT1W",
        "P1.5DT1H",
        "PT1.S",
        "PT.5S",
        "PT1,5S",
        "-PT1S",
        "P-1D",
        "PT+1S",
        "pt1s",
        "PT1S ",
        " PT1S",
        "PT1e3S",
        "PT0x1S",
        "P1DT1HT1M",
        "PTT1S",
        "P101Y",
        "PT9999999999999999S",
        "P1Y1Y",
        "P1DPT1S",
        "PT\xc2\xb2S",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (iso(bad[i]) != -1)
            fail_msg("\"%s\" is taken", bad[i]);
    }
}

static void other_values(void **state)
{
    (void)state;
    assert_int_equal(parse("5"), -1);
    assert_int_equal(parse("null"), -1);
    assert_int_equal(parse("true"), -1);
    assert_int_equal(parse("[\"PT1S\"]"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects),
        cmocka_unit_test(iso_8601),
        cmocka_unit_test(bad_iso_8601),
        cmocka_unit_test(other_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
