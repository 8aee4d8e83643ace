/* The flow interpreter under a fake core: every case of flow_cases.h is run, then told again to a
 * second instance, which must say the same; and told in part, which must leave nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/flow/flow.h"
#include "fake_turn.h"
#include "flow_cases.h"

#define COUNT(cases) (sizeof(cases) / sizeof *(cases))
#define HEADER "document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n"

static struct flow *compile(const char *doc)
{
    char *text = mem_printf("%s%s", HEADER, doc);
    struct source *source;
    struct flow *flow = flow_compile("test.yaml", text, strlen(text), true, &source);
    struct buf report;

    buf_init(&report, 64 * 1024);
    source_report(source, &report);
    if (flow == NULL)
        fail_msg("the document is refused:\n%s\n%s", text, report.data);
    buf_fini(&report);
    source_free(source);
    free(text);
    return flow;
}

/* With " in place of '. */
static char *quoted(const char *text)
{
    char *copy = mem_strdup(text);

    for (char *c = copy; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    return copy;
}

static json_t *json_of(const char *text)
{
    json_error_t at;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &at);

    if (value == NULL)
        fail_msg("%s: %s", at.text, text);
    return value;
}

/* "run KEY JSON", with ! before the JSON of an error. */
static void answer(struct fake *f, char *line)
{
    char *kind = line, *key = strchr(line, ' '), *value;
    json_t *parsed = NULL;
    bool found, error = false;

    assert_non_null(key);
    *key++ = '\0';
    value = strchr(key, ' ');
    if (value != NULL && strcmp(kind, "sleep") != 0) {
        *value++ = '\0';
        error = *value == '!';
        parsed = json_of(value + error);
    }
    found = fake_answer(f, kind, key, error ? NULL : parsed, error ? parsed : NULL);
    if (!found)
        fail_msg("no %s of \"%s\" waits:\n%s", kind, key, fake_text(f));
    json_decref(parsed);
}

static void play(struct fake *f, const char *script)
{
    char *copy = quoted(script), *rest = copy, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strcmp(line, "cancel") == 0)
            fake_cancel(f);
        else if (strncmp(line, "advance ", 8) == 0)
            fake_advance(f, atoll(line + 8));
        else if (*line != '\0')
            answer(f, line);
    }
    free(copy);
}

/* A fault as "faulted TYPE STATUS INSTANCE", the specification's types by their last part. */
static char *summary(const char *end)
{
    const char *type;
    json_t *error;
    char *text;

    if (strncmp(end, "faulted ", 8) != 0)
        return mem_strndup(end, strcspn(end, "\n"));
    error = json_of(end + 8);
    type = json_string_value(json_object_get(error, "type"));
    if (strncmp(type, "https://serverlessworkflow.io/spec/1.0.0/errors/", 48) == 0)
        type += 48;
    text = mem_printf("faulted %s %d %s", type,
                      (int)json_integer_value(json_object_get(error, "status")),
                      json_string_value(json_object_get(error, "instance")));
    json_decref(error);
    return text;
}

static bool line_is(const char *have, const char *want)
{
    size_t have_len = strcspn(have, "\n"), want_len = strlen(want);

    if (want_len > 0 && want[want_len - 1] == '*')
        return have_len >= want_len - 1 && strncmp(have, want, want_len - 1) == 0;
    return have_len == want_len && strncmp(have, want, want_len) == 0;
}

static void check_lines(const struct fake *f, const char *lines)
{
    const char *at = fake_text(f);
    char *copy = quoted(lines), *rest = copy, *want;

    while ((want = strsep(&rest, "\n")) != NULL) {
        if (want[0] == '-') {
            if (strstr(fake_text(f), want + 1) != NULL)
                fail_msg("there should be no \"%s\":\n%s", want + 1, fake_text(f));
            continue;
        }
        while (*at != '\0' && !line_is(at, want)) {
            at += strcspn(at, "\n");
            at += *at == '\n';
        }
        if (*at == '\0')
            fail_msg("no \"%s\" where it should be:\n%s", want, fake_text(f));
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    free(copy);
}

static void check_end(const struct fake *f, const char *want)
{
    char *have, *copy;

    if (want == NULL || fake_end(f) == NULL) {
        if (want != NULL || fake_end(f) != NULL)
            fail_msg("it should %s:\n%s", want != NULL ? "have ended" : "still wait", fake_text(f));
        assert_true(fake_outstanding(f) > 0);
        return;
    }
    have = summary(fake_end(f));
    copy = quoted(want);
    if (!line_is(have, copy))
        fail_msg("it should end with\n%s\nand not with\n%s\n%s", copy, have, fake_text(f));
    free(have);
    free(copy);
}

static void check_replay(const struct fake *f)
{
    size_t count = fake_notifications(f);

    for (size_t i = count > 20 ? count - 20 : 0; i <= count; i++) {
        struct fake *again = fake_replay(f, i);
        size_t len = strlen(fake_text(again));

        if (i == count ? strcmp(fake_text(again), fake_text(f)) != 0
                       : strncmp(fake_text(again), fake_text(f), len) != 0)
            fail_msg("replaying %zu of %zu notifications gives\n%s\ninstead of\n%s", i, count,
                     fake_text(again), fake_text(f));
        fake_free(again);
    }
}

static void run_case(void **state)
{
    const struct flow_case *c = *state;
    struct flow *flow = compile(c->doc);
    struct fake *f = fake_new(&flow_handler, flow);
    char *text = quoted(c->input);
    json_t *input = json_of(text);

    fake_start(f, input);
    play(f, c->script);
    check_end(f, c->end);
    if (c->lines != NULL)
        check_lines(f, c->lines);
    check_replay(f);
    json_decref(input);
    free(text);
    fake_free(f);
    flow_free(flow);
}

/* ---- what does not fit into a row ---- */

static struct fake *start(const struct flow *flow, const char *input)
{
    struct fake *f = fake_new(&flow_handler, flow);
    char *text = quoted(input);
    json_t *value = json_of(text);

    fake_start(f, value);
    json_decref(value);
    free(text);
    return f;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static void test_long_loop_yields(void **state)
{
    struct flow *flow = compile("do: [f: {for: {each: n, in: '[range(1000)]'},"
                                " do: [a: {set: '${ $n }'}]}]");
    struct fake *f = start(flow, "{}");

    (void)state;
    assert_string_equal(fake_end(f), "completed 999\n");
    assert_in_range(count_of(fake_text(f), "yield\n"), 4, 6);
    check_replay(f);
    fake_free(f);
    flow_free(flow);
}

static void test_endless_jumps_yield(void **state)
{
    struct flow *flow = compile("do: [a: {set: {x: 1}}, b: {set: {x: 2}, then: a}]");
    struct fake *f = fake_new(&flow_handler, flow);
    json_t *input = json_object();

    (void)state;
    fake_hold(f, true);
    fake_start(f, input);
    fake_go_on(f);
    fake_go_on(f);
    assert_null(fake_end(f));
    assert_int_equal(count_of(fake_text(f), "yield\n"), 3);
    fake_cancel(f);
    assert_string_equal(fake_end(f), "cancelled\n");
    json_decref(input);
    fake_free(f);
    flow_free(flow);
}

/* An answer may come while the handler has asked for a turn of its own. */
static void test_answer_before_go_on(void **state)
{
    struct flow *flow = compile("do: [k: {fork: {branches: [" GET(
        "c", "http://a/") ", f: {for: {each: n,"
                          " in: '[range(300)]'}, do: [a: {set: '${ $n }'}]}]}}]");
    struct fake *f = fake_new(&flow_handler, flow);
    json_t *input = json_object(), *output = json_string("C");

    (void)state;
    fake_hold(f, true);
    fake_start(f, input);
    assert_null(fake_end(f));
    assert_true(fake_answer(f, "run", "/do/0/k/fork/branches/0/c", output, NULL));
    fake_go_on(f);
    assert_string_equal(fake_end(f), "completed [\"C\",299]\n");
    check_replay(f);
    json_decref(input);
    json_decref(output);
    fake_free(f);
    flow_free(flow);
}

static void test_unknown_answers_are_ignored(void **state)
{
    struct flow *flow = compile("do: [w: {wait: PT1S}]");
    struct fake *f = start(flow, "{}");
    char *before = mem_strdup(fake_text(f));
    json_t *output = json_true();

    (void)state;
    fake_result(f, 77, output);
    assert_string_equal(fake_text(f), before);
    play(f, "sleep /do/0/w");
    assert_string_equal(fake_end(f), "completed {}\n");
    fake_result(f, 0, output);
    free(before);
    fake_free(f);
    flow_free(flow);
}

static void test_current(void **state)
{
    struct flow *flow = compile("do: [o: {do: [" GET("a", "http://a/") ", w: {wait: PT1S}]}]");
    struct fake *f = fake_new(&flow_handler, flow);
    json_t *input = json_object();

    (void)state;
    assert_string_equal(fake_current(f), "");
    fake_start(f, input);
    assert_string_equal(fake_current(f), "/do/0/o/do/0/a");
    play(f, "run /do/0/o/do/0/a 1");
    assert_string_equal(fake_current(f), "/do/0/o/do/1/w");
    play(f, "sleep /do/0/o/do/1/w");
    assert_string_equal(fake_current(f), "");
    json_decref(input);
    fake_free(f);
    flow_free(flow);
}

static void test_jitter_is_in_its_range(void **state)
{
    struct flow *flow = compile("do: [t: {try: [r: " RAISE(
        "500") "], catch: {retry: {delay: PT1S,"
               " jitter: {from: PT0S, to: PT0.3S}, limit: {attempt: {count: 20}}}}}]");
    struct fake *f = start(flow, "{}");

    (void)state;
    for (int i = 0; i < 20; i++)
        play(f, "sleep /do/0/t");
    for (const char *at = fake_text(f); (at = strstr(at, "sleep /do/0/t ")) != NULL; at += 14)
        assert_in_range(atol(at + 14), 1000, 1300);
    check_replay(f);
    fake_free(f);
    flow_free(flow);
}

/* Backoff beyond what a double holds is still a delay. */
static void test_backoff_without_delay_stays_finite(void **state)
{
    struct flow *flow = compile("do: [t: {try: [r: " RAISE(
        "500") "], catch: {retry: {delay: PT0S,"
               " backoff: {exponential: {}}, limit: {attempt: {count: 1100}}}}}]");
    struct fake *f = start(flow, "{}");

    (void)state;
    for (int i = 0; i < 1100; i++)
        play(f, "sleep /do/0/t");
    assert_non_null(fake_end(f));
    assert_int_equal(count_of(fake_text(f), "sleep /do/0/t 0\n"), 1100);
    fake_free(f);
    flow_free(flow);
}

/* Data that grows around itself is stopped before it cannot be read back. */
static void test_nesting_of_data_is_bounded(void **state)
{
    struct flow *flow =
        compile("do: [f: {for: {in: '[range(200)]'}, do: [a: {set: {x: '${ . }'}}]}]");
    struct fake *f = start(flow, "{}");

    (void)state;
    assert_non_null(strstr(fake_end(f), "faulted "));
    fake_free(f);
    flow_free(flow);
}

/* ---- documents that nobody would write: any part of any case replaced by something else ---- */

static void run_hostile(const json_t *document, const char *input)
{
    char *text = json_dumps(document, 0), *given = quoted(input);
    json_t *value = json_of(given);
    struct source *source;
    struct flow *flow = flow_compile("hostile.json", text, strlen(text), false, &source);

    if (flow == NULL) {
        assert_true(source_failed(source));
    } else {
        struct fake *f = fake_new(&flow_handler, flow);

        fake_hold(f, true); /* it may run for ever */
        fake_start(f, value);
        for (int i = 0; i < 6 && fake_end(f) == NULL; i++) {
            fake_go_on(f);
            if (fake_end(f) == NULL && !fake_answer_any(f, value) && i > 3)
                fake_cancel(f);
        }
        fake_free(f);
        flow_free(flow);
    }
    source_free(source);
    json_decref(value);
    free(given);
    free(text);
}

static void replace_all(json_t *document, json_t *part, const char *input)
{
    static const char *const others[] = {
        "null", "0", "\"a\"", "\"${ . }\"", "[]", "{}", "[{\"a\":{\"do\":[]}}]"};
    json_t *keys = json_array(), *name;
    const char *key;
    json_t *value;
    size_t k;

    json_object_foreach(part, key, value) json_array_append_new(keys, json_string(key));
    json_array_foreach(keys, k, name)
    {
        key = json_string_value(name);
        value = json_incref(json_object_get(part, key));
        json_object_del(part, key);
        run_hostile(document, input);
        for (size_t i = 0; i < COUNT(others); i++) {
            json_object_set_new(part, key, json_of(others[i]));
            run_hostile(document, input);
        }
        json_object_set(part, key, value);
        replace_all(document, value, input);
        json_decref(value);
    }
    json_decref(keys);
    for (size_t i = 0; i < json_array_size(part); i++) {
        value = json_incref(json_array_get(part, i));
        for (size_t j = 0; j < COUNT(others); j++) {
            json_array_set_new(part, i, json_of(others[j]));
            run_hostile(document, input);
        }
        json_array_set(part, i, value);
        replace_all(document, value, input);
        json_decref(value);
    }
}

static void hostile_group(const struct flow_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct flow *flow = compile(cases[i].doc);
        json_t *document = json_deep_copy(flow_document(flow));

        flow_free(flow);
        replace_all(document, document, cases[i].input);
        json_decref(document);
    }
}

static void test_hostile_documents(void **state)
{
    (void)state;
    hostile_group(flow_data_cases, COUNT(flow_data_cases));
    hostile_group(flow_task_cases, COUNT(flow_task_cases));
    hostile_group(flow_fork_cases, COUNT(flow_fork_cases));
    hostile_group(flow_error_cases, COUNT(flow_error_cases));
}

static int run_group(const char *name, const struct flow_case *cases, size_t count)
{
    struct CMUnitTest *tests = mem_zalloc(count * sizeof *tests);
    int failed;

    for (size_t i = 0; i < count; i++)
        tests[i] =
            (struct CMUnitTest){cases[i].name, run_case, NULL, NULL, (void *)(uintptr_t)&cases[i]};
    failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    free(tests);
    return failed;
}

#define GROUP(cases) run_group(#cases, cases, COUNT(cases))

int main(void)
{
    static const struct CMUnitTest more[] = {
        cmocka_unit_test(test_long_loop_yields),
        cmocka_unit_test(test_endless_jumps_yield),
        cmocka_unit_test(test_answer_before_go_on),
        cmocka_unit_test(test_unknown_answers_are_ignored),
        cmocka_unit_test(test_current),
        cmocka_unit_test(test_jitter_is_in_its_range),
        cmocka_unit_test(test_backoff_without_delay_stays_finite),
        cmocka_unit_test(test_nesting_of_data_is_bounded),
        cmocka_unit_test(test_hostile_documents),
    };

    return GROUP(flow_data_cases) + GROUP(flow_task_cases) + GROUP(flow_fork_cases) +
           GROUP(flow_error_cases) + cmocka_run_group_tests(more, NULL, NULL);
}
