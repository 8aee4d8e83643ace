/* Documents as text: the core schema of YAML 1.2, places, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/flow/source.h"

static struct source *read_text(const char *text)
{
    return source_read("f.yaml", text, strlen(text));
}

/* The text is fine and means this JSON. */
static void means(const char *text, const char *json)
{
    struct source *s = read_text(text);
    struct buf report;

    buf_init(&report, 1 << 16);
    source_report(s, &report);
    if (source_failed(s) || source_root(s) == NULL)
        fail_msg("%s", report.data);
    char *made = json_text(source_root(s));
    assert_string_equal(made, json);
    free(made);
    buf_fini(&report);
    source_free(s);
}

/* The first finding is an error at that place, with that word in it, and with a remedy. */
static void refused_bytes(const char *text, size_t len, int line, int column, const char *word)
{
    struct source *s = source_read("f.yaml", text, len);
    const struct finding *list;

    assert_true(source_failed(s));
    assert_true(source_findings(s, &list) >= 1);
    if (strstr(list[0].text, word) == NULL || list[0].line != line || list[0].column != column)
        fail_msg("%d:%d: %s; not %d:%d %s", list[0].line, list[0].column, list[0].text, line,
                 column, word);
    assert_true(list[0].remedy[0] != '\0');
    assert_false(list[0].warning);
    source_free(s);
}

static void refused(const char *text, int line, int column, const char *word)
{
    refused_bytes(text, strlen(text), line, column, word);
}

static void place(const struct source *s, const char *pointer, int line, int column)
{
    int l, c;

    source_place(s, pointer, &l, &c);
    if (l != line || c != column)
        fail_msg("%s is at %d:%d, not %d:%d", pointer, l, c, line, column);
}

/* ---- scalars ---- */

static void core_schema(void **state)
{
    (void)state;
    means("[~, null, Null, NULL, '', \"null\", nULL]",
          "[null,null,null,null,\"\",\"null\",\"nULL\"]");
    means("a:\nb: \n", "{\"a\":null,\"b\":null}");
    means("[true, True, TRUE, false, False, FALSE, tRUE]",
          "[true,true,true,false,false,false,\"tRUE\"]");
    means("[on, off, yes, no, y, n, On, NO]",
          "[\"on\",\"off\",\"yes\",\"no\",\"y\",\"n\",\"On\",\"NO\"]");
    means("on: {on: 1}\nyes: 2\n", "{\"on\":{\"on\":1},\"yes\":2}");
    means("[0, 1, -1, +12, 007, 0o17, 0x1F, 0o8, 0xG, -0x1]",
          "[0,1,-1,12,7,15,31,\"0o8\",\"0xG\",\"-0x1\"]");
    means(
        "[1_000, 12:30:00, 2024-01-01, 1.2.3, 0b1, 1e, ., -, +, e5, 1.e, --1]",
        "[\"1_000\",\"12:30:00\",\"2024-01-01\",\"1.2.3\",\"0b1\",\"1e\",\".\",\"-\",\"+\",\"e5\","
        "\"1.e\",\"--1\"]");
    means("[0.1, 1., .5, -.5, 1e3, 1.5E-2, +1.0]", "[0.1,1.0,0.5,-0.5,1000.0,0.015,1.0]");
    means("[9223372036854775807, -9223372036854775808]",
          "[9223372036854775807,-9223372036854775808]");
    means("['1', \"true\", '~', ! 12, !!str 12]", "[\"1\",\"true\",\"~\",\"12\",\"12\"]");
    means("!!str 1: a\n! 2: b\n", "{\"1\":\"a\",\"2\":\"b\"}");
    means("1: a\ntrue: b\nnull: c\n", "{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\"}");
    means("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}");
    means("a: \"\\u00e9\\t\\x41\"\n", "{\"a\":\"\xc3\xa9\\tA\"}");
    means("\xef\xbb\xbf"
          "a: \xe2\x82\xac\n",
          "{\"a\":\"\xe2\x82\xac\"}");
    means("%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}");
}

static void not_json(void **state)
{
    (void)state;
    refused("a: .inf", 1, 4, "number that JSON does not have");
    refused("a:\n  - -.Inf", 2, 5, "number that JSON does not have");
    refused("a: +.INF", 1, 4, "number that JSON does not have");
    refused("a: .NaN", 1, 4, "number that JSON does not have");
    refused("a: 1e999", 1, 4, "number that JSON does not have");
    refused("a: 9223372036854775808", 1, 4, "too large");
    refused("a: -9223372036854775809", 1, 4, "too large");
    refused("a: 0xFFFFFFFFFFFFFFFF", 1, 4, "too large");
    refused("a: 18446744073709551616000", 1, 4, "too large");
    refused("a: \"x\\0y\"", 1, 4, "U+0000");
    refused("\"x\\0y\": a", 1, 1, "U+0000");
}

/* ---- structure ---- */

static void bad_structure(void **state)
{
    (void)state;
    refused("", 1, 1, "empty");
    refused("# only this\n", 2, 1, "empty");
    refused("a: 1\nb: 2\n a: 3\n", 3, 3, "not valid YAML");
    refused("a: 1\n\"a\": 2\n", 2, 1, "there twice");
    refused("a:\n  b: 1\n  b: 2\n", 3, 3, "there twice");
    refused("{\"a\": 1, \"a\": 2}", 1, 10, "there twice");
    refused("a: 1\n---\nb: 2\n", 2, 1, "several documents");
    refused("a: !!int 1\n", 1, 4, "tags like");
    refused("a: !!binary aGk=\n", 1, 4, "tags like");
    refused("a: !!set {b}\n", 1, 4, "tags like");
    refused("a: !x [1]\n", 1, 4, "tags like");
    refused("!!int 1: a\n", 1, 1, "tags like");
    refused("? [a]\n: 1\n", 1, 3, "a key must be a scalar");
    refused("a: &x {b: 1}\nc:\n  <<: *x\n", 3, 3, "merge keys");
    refused("a: *x\n", 1, 4, "no anchor");
    refused("a: &x [*x]\n", 1, 8, "no anchor");
    refused("a: [1\n", 2, 1, "not valid YAML");
    refused("a: 'x\n", 2, 1, "not valid YAML");
    refused("a:\n\t- 1\n", 2, 1, "not valid YAML");
    refused("a: @b\n", 1, 4, "not valid YAML");
    refused_bytes("a: 1\nb: \xc3\x28\n", 11, 2, 4, "not valid UTF-8");
    refused_bytes("a: \xed\xa0\x80\n", 7, 1, 4, "not valid UTF-8");
    refused_bytes("a: \xff", 4, 1, 4, "not valid UTF-8");
    refused_bytes("\xff\xfe"
                  "a\0:\0",
                  6, 1, 1, "not valid UTF-8");
    refused_bytes("a: b\0c\n", 7, 1, 5, "control character");
    refused_bytes("\xc3\xa9: \x1b[1m\n", 9, 1, 4, "control character (U+001B)");
    refused("a: \x7f\n", 1, 4, "control characters");
}

/* A finding is valid text whatever it quotes. */
static void findings_are_text(void **state)
{
    struct buf b;
    const struct finding *list;

    (void)state;
    buf_init(&b, 4096);
    buf_str(&b, "a: 1\n? \"x");
    for (int i = 0; i < 200; i++)
        buf_str(&b, "\xe2\x82\xac");
    buf_str(&b, "\": 1\n? \"x");
    for (int i = 0; i < 200; i++)
        buf_str(&b, "\xe2\x82\xac");
    buf_str(&b, "\": 2\n");
    struct source *s = source_read("f", b.data, b.len);
    assert_int_equal(source_findings(s, &list), 1);
    json_t *text = json_string(list[0].text); /* NULL when it is not UTF-8 */
    assert_non_null(text);
    json_decref(text);
    source_free(s);
    buf_fini(&b);
}

static void aliases(void **state)
{
    (void)state;
    means("a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]\n",
          "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]},\"d\":[{\"b\":[1,2]},{\"b\":[1,2]}]}");
    means("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
    means("a: &x\nb: *x\n", "{\"a\":null,\"b\":null}");
}

/* ---- places ---- */

static void places(void **state)
{
    struct source *s =
        read_text("# first\n\ndocument:\n  name: x\ndo:\n  - one:\n      set: {a: 1, b: 2}\n"
                  "  - two: &t\n      a/b: 1\n      \"~\": 2\n      '': 3\nlast: *t\n");

    (void)state;
    assert_non_null(source_root(s));
    assert_string_equal(source_file(s), "f.yaml");
    place(s, "", 3, 1);
    place(s, "/document", 3, 1);
    place(s, "/document/name", 4, 3);
    place(s, "/do/0", 6, 5);
    place(s, "/do/0/one", 6, 5);
    place(s, "/do/0/one/set/b", 7, 19);
    place(s, "/do/1/two/a~1b", 9, 7);
    place(s, "/do/1/two/~0", 10, 7);
    place(s, "/do/1/two/", 11, 7);
    place(s, "/do/1/two/none/more", 8, 5); /* the nearest parent */
    place(s, "/none", 3, 1);
    place(s, "/last/a~1b", 12, 1); /* what an alias stands for is where the alias is */
    place(s, "no pointer", 3, 1);
    source_free(s);
}

static void reports(void **state)
{
    struct source *s = read_text("a: 1\nb:\n  c: 2\n");
    const struct finding *list;
    struct buf report;

    (void)state;
    source_warn(s, "/b/c", "", "odd");
    assert_false(source_failed(s));
    source_error(s, "/a", "write %s", "bad %d", 7); /* a remedy is no format */
    assert_true(source_failed(s));
    assert_int_equal(source_findings(s, &list), 2);
    assert_string_equal(list[0].pointer, "/a");
    buf_init(&report, 4096);
    source_report(s, &report);
    assert_string_equal(report.data, "f.yaml:1:1: error: bad 7\n    remedy: write %s\n"
                                     "f.yaml:3:3: warning: odd\n");
    for (int i = 0; i < 150; i++)
        source_error(s, "", "", "again");
    assert_int_equal(source_findings(s, &list), SOURCE_PROBLEMS_MAX);
    buf_fini(&report);
    buf_init(&report, 1 << 16);
    source_report(s, &report);
    assert_non_null(strstr(report.data, "f.yaml: and 52 more\n"));
    buf_fini(&report);
    source_free(s);
    source_free(NULL);
}

/* ---- JSON ---- */

static void json_documents(void **state)
{
    struct source *s;

    (void)state;
    means("{\"a\": [1, 2.5, true, null, \"x\"]}", "{\"a\":[1,2.5,true,null,\"x\"]}");
    means("{\n\t\"a\":\t1,\n\t\"b\": [\n\t\t\"\\ud83d\\ude00\",\n\t\t{}\n\t]\n}\n",
          "{\"a\":1,\"b\":[\"\xf0\x9f\x98\x80\",{}]}");
    means("{\"a\":\"\\/\",\"b\":1e2}", "{\"a\":\"/\",\"b\":100.0}");
    s = read_text("{\n\t\"a\": \"\\ud83d\\ude00\",\n\t\"\xc3\xa9/\": [1, {\"k\\u0041\": 2}]\n}\n");
    assert_non_null(source_root(s));
    place(s, "", 1, 1);
    place(s, "/a", 2, 2);
    place(s, "/\xc3\xa9~1", 3, 2);
    place(s, "/\xc3\xa9~1/0", 3, 9);
    place(s, "/\xc3\xa9~1/1", 3, 12);
    place(s, "/\xc3\xa9~1/1/kA", 3, 13);
    source_free(s);
    refused("{\"a\": \"\\ud83d\\ude00\",\n \"b\": 1,\n \"b\": 2}", 3, 2, "there twice");
    refused("{\"a\": \"\\ud83d\\ude00\", }", 1, 23, "not valid JSON");
    refused("{\"a\": \"\\ud83d\"}", 1, 14, "not valid JSON");
    refused("{\"a\": 99999999999999999999}", 1, 7, "too large");
}

/* ---- limits ---- */

static void repeat(struct buf *b, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        buf_str(b, text);
}

static void is_refused(struct buf *b, const char *word)
{
    struct source *s = source_read("f", b->data, b->len);
    const struct finding *list;

    assert_false(b->full);
    assert_true(source_failed(s));
    assert_null(source_root(s));
    assert_true(source_findings(s, &list) >= 1);
    if (strstr(list[0].text, word) == NULL)
        fail_msg("%s; not %s", list[0].text, word);
    source_free(s);
    buf_clear(b);
}

static void limits(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    repeat(&b, "# 16 bytes long\n", SOURCE_BYTES_MAX / 16 + 1);
    is_refused(&b, "larger than 256 KiB");
    repeat(&b, "[", 300);
    repeat(&b, "]", 300);
    is_refused(&b, "nested deeper");
    repeat(&b, "[", 100000);
    is_refused(&b, "");
    repeat(&b, "{\"a\":", 40000);
    is_refused(&b, "");
    buf_str(&b, "{\"s\": \"\\ud83d\\ude00\", \"a\":"); /* the JSON reader's */
    repeat(&b, "[", 300);
    repeat(&b, "]", 300);
    buf_str(&b, "}");
    is_refused(&b, "nested deeper");
    repeat(&b, "- ", 100000);
    is_refused(&b, "");
    repeat(&b, "- 1\n", 21000);
    is_refused(&b, "more than 20000 values");
    buf_str(&b, "{\"s\": \"\\ud83d\\ude00\", \"a\":[1");
    repeat(&b, ",1", 21000);
    buf_str(&b, "]}");
    is_refused(&b, "more than 20000 values");
    repeat(&b, "? ", 60000);
    is_refused(&b, "");
    buf_fini(&b);
}

static void alias_bombs(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_str(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++)
        buf_printf(&b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    is_refused(&b, "aliases make more");
    buf_str(&b, "big: &b "); /* few values, many bytes */
    repeat(&b, "xxxxxxxxxx", 10000);
    buf_str(&b, "\nall: [*b");
    repeat(&b, ", *b", 15000);
    buf_str(&b, "]\n");
    is_refused(&b, "aliases make more");
    buf_str(&b, "a0: &a0 x\n");
    for (int i = 1; i < 400; i++)
        buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    is_refused(&b, "aliases");
    buf_fini(&b);
}

/* Long keys above many values: what is kept of places is as small as the text. */
static void long_pointers(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++) {
        buf_str(&b, "{? ");
        repeat(&b, "kkkkkkkkkk", 100);
        buf_str(&b, " : ");
    }
    buf_str(&b, "[1");
    repeat(&b, ",1", 15000);
    buf_str(&b, "]");
    repeat(&b, "}", 200);
    struct source *s = source_read("f", b.data, b.len);
    assert_false(source_failed(s));
    source_free(s);
    buf_fini(&b);
}

/* Each byte of a document changed in turn: it is read or refused, and never without a finding. */
static void changed_bytes(void **state)
{
    static const char with[] = "\0\t\n\"'[]{}&*!|>%@:-#?,\x80\xc3\xff";
    static const char *const texts[] = {
        "a: &x [1, 'b', \"c\\n\"]\nd: {e: *x, ? f : ~}\ng: |\n  h\n--- \n",
        "{\"a\": [1.5, \"\\ud83d\\ude00\", {\"b\": null}],\n\t\"c\": -1e5}\n"};

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        size_t len = strlen(texts[t]);
        char *copy = mem_strdup(texts[t]);

        for (size_t i = 0; i < len; i++) {
            for (size_t w = 0; w < sizeof with - 1; w++) {
                const struct finding *list;

                copy[i] = with[w];
                struct source *s = source_read("f", copy, len - (w % 2 == 0 ? 0 : len - i - 1));
                if (source_root(s) == NULL)
                    assert_true(source_findings(s, &list) > 0 && source_failed(s));
                source_free(s);
            }
            copy[i] = texts[t][i];
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(core_schema),   cmocka_unit_test(not_json),
        cmocka_unit_test(bad_structure), cmocka_unit_test(findings_are_text),
        cmocka_unit_test(aliases),       cmocka_unit_test(places),
        cmocka_unit_test(reports),       cmocka_unit_test(json_documents),
        cmocka_unit_test(limits),        cmocka_unit_test(alias_bombs),
        cmocka_unit_test(long_pointers), cmocka_unit_test(changed_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
