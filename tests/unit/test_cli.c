/* The pure parts of the command line: parsing by the tables, help, suggestions, the timeline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/rng.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "cli/timeline.h"

enum { ARGS_MAX = 16 };

struct parsed {
    struct cli cli;
    struct buf message;
    int status;
    char *argv[ARGS_MAX];
};

static void parse(struct parsed *p, const char *const *words)
{
    int argc = 1;

    *p = (struct parsed){.argv = {(char[]){"ultramcp-restate"}}};
    buf_init(&p->message, 4096);
    for (; words[argc - 1] != NULL; argc++)
        p->argv[argc] = (char *)(uintptr_t)words[argc - 1];
    p->status = cli_parse(&p->cli, argc, p->argv, &p->message);
}

static void done(struct parsed *p)
{
    cli_parse_fini(&p->cli);
    buf_fini(&p->message);
}

#define PARSE(p, ...) parse(p, (const char *const[]){__VA_ARGS__, NULL})

static void test_command(void **state)
{
    struct parsed p;

    (void)state;
    PARSE(&p, "start", "chain-of-debate", "--input", "{}", "--wait", "-d", "/data");
    assert_int_equal(p.status, CLI_OK);
    assert_string_equal(p.cli.command->name, "start");
    assert_int_equal(p.cli.arg_count, 1);
    assert_string_equal(p.cli.args[0], "chain-of-debate");
    assert_string_equal(p.cli.values[OPT_INPUT], "{}");
    assert_string_equal(p.cli.values[OPT_DATA], "/data");
    assert_non_null(p.cli.values[OPT_WAIT]);
    assert_null(p.cli.values[OPT_JSON]);
    done(&p);
}

static void test_serve(void **state)
{
    struct parsed p;

    (void)state;
    PARSE(&p, "--serve", "--workflows", "a", "--workflows=b", "--paused");
    assert_int_equal(p.status, CLI_OK);
    assert_null(p.cli.command);
    assert_int_equal(p.cli.workflow_count, 2);
    assert_string_equal(p.cli.workflows[1], "b");
    done(&p);
}

/* --data means the directory, but behind a command with a payload it is the payload. */
static void test_two_meanings_of_data(void **state)
{
    struct parsed p;

    (void)state;
    PARSE(&p, "--data", "/d", "signal", "inst_1", "approve", "--data", "{\"ok\":true}");
    assert_int_equal(p.status, CLI_OK);
    assert_string_equal(p.cli.values[OPT_DATA], "/d");
    assert_string_equal(p.cli.values[OPT_PAYLOAD], "{\"ok\":true}");
    done(&p);
}

static void test_rest_after_two_dashes(void **state)
{
    struct parsed p;

    (void)state;
    PARSE(&p, "describe", "--", "--id");
    assert_int_equal(p.status, CLI_OK);
    assert_string_equal(p.cli.args[0], "--id");
    done(&p);
}

static void expect_usage(const char *const *words, const char *part)
{
    struct parsed p;

    parse(&p, words);
    assert_int_equal(p.status, CLI_USAGE);
    if (strstr(p.message.data, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", p.message.data, part);
    done(&p);
}
#define USAGE(part, ...) expect_usage((const char *const[]){__VA_ARGS__, NULL}, part)

static void test_usage_errors(void **state)
{
    (void)state;
    USAGE("did you mean \"describe\"", "descrbe", "x");
    USAGE("there is no command \"xyzzy\": try", "xyzzy");
    USAGE("did you mean --status", "list", "--statsu", "running");
    USAGE("there is no option \"-z\"", "list", "-z");
    USAGE("--limit needs a value", "list", "--limit");
    USAGE("--wait does not go with list", "list", "--wait");
    USAGE("signal takes ID NAME, not 1 argument:", "signal", "inst_1");
    USAGE("list takes no argument, not 1", "list", "what");
    USAGE("--input was given twice", "start", "x", "--input", "1", "--input", "2");
    USAGE("--serve takes no command", "--serve", "list");
    USAGE("--json does not go with no command", "--json");
}

static void test_nothing_crashes_it(void **state)
{
    static const char *const words[] = {
        "--",   "-",   "--data", "start",    "signal", "-d",  "",        "--help", "--js", "-x",
        "list", "--w", "=",      "--limit=", "-jjj",   "--=", "--serve", "\xff",   "-d="};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (int i = 0; i < 3000; i++) {
        const char *line[ARGS_MAX] = {NULL};
        size_t n = (size_t)rng_below(&rng, ARGS_MAX - 2);
        struct parsed p;

        for (size_t j = 0; j < n; j++)
            line[j] = words[rng_below(&rng, sizeof words / sizeof *words)];
        parse(&p, line);
        assert_true(p.status == CLI_OK || p.message.len > 0);
        done(&p);
    }
}

static void test_duration(void **state)
{
    int64_t ms = 0;

    (void)state;
    assert_true(cli_duration("500ms", &ms) && ms == 500);
    assert_true(cli_duration("1.5s", &ms) && ms == 1500);
    assert_true(cli_duration("2", &ms) && ms == 2000);
    assert_true(cli_duration("1d", &ms) && ms == 86400000);
    assert_false(cli_duration("-1s", &ms));
    assert_false(cli_duration("1w", &ms));
    assert_false(cli_duration("", &ms));
    assert_false(cli_duration("nan", &ms));
    assert_false(cli_duration("inf", &ms));
    assert_false(cli_duration("1e300d", &ms));
}

/* What a person can look up names every command and every option. */
static void test_help_and_completion(void **state)
{
    struct buf help, bash;
    size_t count;
    const struct command *list = cli_commands(&count);

    (void)state;
    buf_init(&help, 1 << 16);
    buf_init(&bash, 1 << 16);
    cli_help(NULL, &help);
    cli_complete_bash(&bash);
    for (size_t i = 0; i < count; i++) {
        struct buf one;

        assert_non_null(strstr(help.data, list[i].help));
        assert_non_null(strstr(bash.data, list[i].name));
        buf_init(&one, 1 << 16);
        cli_help(&list[i], &one);
        for (size_t j = 0; list[i].options[j] != OPT_COUNT; j++)
            assert_non_null(strstr(one.data, cli_options[list[i].options[j]].name));
        buf_fini(&one);
    }
    buf_fini(&help);
    buf_fini(&bash);
}

/* ---- timeline -----------------------------------------------------------------------------------
 */

static json_t *entries(const char *text)
{
    json_error_t error;
    json_t *list = json_loads(text, 0, &error);

    if (list == NULL)
        fail_msg("%s at %d", error.text, error.position);
    return list;
}

static void test_timeline(void **state)
{
    json_t *list = entries(
        "[{\"seq\":0,\"kind\":\"started\",\"at\":1,\"data\":{}},"
        "{\"seq\":1,\"kind\":\"task\",\"at\":2,\"name\":\"/do/0/"
        "set\",\"more\":{},\"data\":{\"a\":1}},"
        "{\"seq\":2,\"kind\":\"task-started\",\"at\":3,\"name\":\"/do/1/"
        "ask#0.1\",\"data\":{\"a\":1}},"
        "{\"seq\":3,\"kind\":\"run\",\"at\":3,\"name\":\"/do/1/ask#0.1\",\"data\":{}},"
        "{\"seq\":4,\"kind\":\"attempt-failed\",\"at\":5,\"cmd\":3,\"attempt\":1,"
        "\"data\":{\"due\":9,\"first\":3},\"more\":{\"title\":\"Bad\",\"detail\":\"gateway\"}},"
        "{\"seq\":5,\"kind\":\"result\",\"at\":10,\"cmd\":3,\"data\":7},"
        "{\"seq\":6,\"kind\":\"task-ended\",\"at\":10,\"name\":\"/do/1/ask#0.1\",\"data\":7},"
        "{\"seq\":7,\"kind\":\"task-started\",\"at\":11,\"name\":\"/do/2/fail\",\"data\":7},"
        "{\"seq\":8,\"kind\":\"task-ended\",\"at\":12,\"name\":\"/do/2/fail\","
        "\"more\":{\"title\":\"No\"}},"
        "{\"seq\":9,\"kind\":\"task-started\",\"at\":13,\"name\":\"/do/3/last\",\"data\":7}]");
    struct timeline t;

    (void)state;
    timeline_init(&t, list, "cancelled");
    assert_int_equal(t.count, 4);
    assert_string_equal(t.steps[0].status, "completed");
    assert_int_equal(json_integer_value(json_object_get(t.steps[0].output, "a")), 1);
    assert_int_equal(t.steps[0].attempts, 0);
    assert_string_equal(t.steps[1].status, "completed");
    assert_int_equal(t.steps[1].attempts, 2);
    assert_int_equal(t.steps[1].again_at, 0);
    assert_int_equal(t.steps[1].ended, 10);
    assert_string_equal(t.steps[1].why, "Bad: gateway");
    assert_string_equal(t.steps[2].status, "faulted");
    assert_string_equal(t.steps[2].why, "No");
    assert_string_equal(t.steps[3].status, "cancelled");
    timeline_fini(&t);
    json_decref(list);
}

static void test_timeline_of_shared_values(void **state)
{
    json_t *list =
        entries("[{\"seq\":0,\"kind\":\"started\",\"at\":1,\"data\":{\"a\":1}},"
                "{\"seq\":1,\"kind\":\"task\",\"at\":2,\"name\":\"/do/0/x\",\"sameAs\":0},"
                "{\"seq\":2,\"kind\":\"task-started\",\"at\":2,\"name\":\"/do/1/y\",\"sameAs\":0},"
                "{\"seq\":3,\"kind\":\"task-ended\",\"at\":2,\"name\":\"/do/1/y\",\"sameAs\":99}]");
    struct timeline t;

    (void)state;
    timeline_init(&t, list, "completed");
    assert_int_equal(t.count, 2);
    assert_int_equal(json_integer_value(json_object_get(t.steps[0].output, "a")), 1);
    assert_int_equal(json_integer_value(json_object_get(t.steps[1].input, "a")), 1);
    assert_null(t.steps[1].output); /* an answer that makes no sense is no crash */
    timeline_fini(&t);
    json_decref(list);
}

static void test_timeline_of_damaged_answers(void **state)
{
    json_t *list = entries("[1, {}, {\"kind\":\"task-ended\",\"name\":\"x\"},"
                           "{\"kind\":\"result\",\"cmd\":4}, {\"kind\":\"run\",\"name\":\"y\"}]");
    struct timeline t;

    (void)state;
    timeline_init(&t, list, NULL);
    assert_int_equal(t.count, 0);
    timeline_fini(&t);
    timeline_init(&t, NULL, "completed");
    timeline_fini(&t);
    json_decref(list);
}

static void test_names(void **state)
{
    static const char *const cases[][3] = {
        {"/do/0/ask", "ask", "/do/0/ask"},
        {"/do/0/ask#3.1", "ask", "/do/0/ask"},
        {"/do/0/issue #x", "issue #x", "/do/0/issue #x"},
        {"#", "#", "#"},
        {"", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = timeline_name(cases[i][0]), *reference = timeline_reference(cases[i][0]);

        assert_string_equal(name, cases[i][1]);
        assert_string_equal(reference, cases[i][2]);
        free(name);
        free(reference);
    }
}

static void test_spans(void **state)
{
    char text[TEXT_TIME_SIZE];

    (void)state;
    assert_string_equal(text_span(-1, text), "-");
    assert_string_equal(text_span(7, text), "7 ms");
    assert_string_equal(text_span(1240, text), "1.24 s");
    assert_string_equal(text_span(182000, text), "3 m 02 s");
    assert_string_equal(text_span(7260000, text), "2 h 01 m");
    assert_string_equal(text_span(INT64_MAX, text), "106751991167 d 07 h");
    assert_string_equal(text_time(0, text), "-");
    assert_string_equal(text_time(INT64_MAX, text), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_serve),
        cmocka_unit_test(test_two_meanings_of_data),
        cmocka_unit_test(test_rest_after_two_dashes),
        cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_nothing_crashes_it),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_help_and_completion),
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_timeline_of_shared_values),
        cmocka_unit_test(test_timeline_of_damaged_answers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
