/* What is refused when a document is loaded, where, and what is said to do about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/flow/flow.h"

#define HEADER "document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n"
#define CALL(with) "do: [c: {call: http, with: " with "}]"
#define TRY(catch) "do: [t: {try: [a: {set: {x: 1}}], catch: " catch "}]"

struct refusal {
    const char *doc, *pointer, *text, *remedy; /* text and remedy: parts of it */
};

static const struct refusal refusals[] = {
    /* the document */
    {"dob: []", "", "\"do\" is missing", "do:"},
    {"do: {}", "/do", "must be an array", "name"},
    {"do: [a: {set: {x: 1}}]\nschedule: {cron: '* * * * *'}", "/schedule", "later release", ""},
    {"do: []\nevaluate: {mode: loose}", "/evaluate/mode", "loose", "strict"},
    {"do: []\nevaluate: {language: js}", "/evaluate/language", "js", "jq"},
    {"do: []\nevaluate: {lang: jq}", "/evaluate/lang", "unknown property", "language"},
    {"do: []\nuse: {extensions: []}", "/use/extensions", "not supported", "later release"},
    {"do: []\nuse: {authentications: {}}", "/use/authentications", "not supported",
     "later release"},
    {"do: []\nuse: {catalogs: {}}", "/use/catalogs", "not supported", "later release"},
    {"do: []\nuse: {secrets: [a]}", "/use/secrets", "not supported", "later release"},
    {"do: []\nuse: {function: {}}", "/use/function", "unknown property", "functions"},
    {"do: []\nuse: {retries: []}", "/use/retries", "must be an object", ""},
    {"do: []\ntimeout: {after: soon}", "/timeout/after", "soon", "PT30S"},
    {"do: []\ntimeout: {before: PT1S}", "/timeout/before", "unknown property", ""},
    {"do: []\ntimeout: quick", "/timeout", "use.timeouts has no \"quick\"", ""},
    {"do: []\nuse: {timeouts: {quick: {after: PT1S}}}\ntimeout: quik", "/timeout", "quik",
     "\"quick\""},
    {"do: []\ninput: {schema: {resource: {endpoint: 'http://a/'}}}", "/input/schema/resource",
     "not supported", "inline"},
    {"do: []\ninput: {schema: {format: xml, document: {}}}", "/input/schema/format", "xml", "json"},
    {"do: []\ninput: {schema: {document: {type: 5}}}", "/input/schema/document", "", ""},
    {"do: []\ninput: {form: .x}", "/input/form", "unknown property", "\"from\""},
    {"do: []\noutput: {as: 5}", "/output/as", "must be an expression or an object", ""},
    /* tasks */
    {"do: [a: {sett: {x: 1}}]", "/do/0/a/sett", "unknown property", "\"set\""},
    {"do: [a: {}]", "/do/0/a", "no kind", "call, do"},
    {"do: [a: 5]", "/do/0/a", "must be an object", ""},
    {"do: [5]", "/do/0", "exactly one key", ""},
    {"do: [{a: {set: {x: 1}}, b: {set: {x: 1}}}]", "/do/0", "exactly one key", "- name"},
    {"do: [a: {set: {x: 1}}, a: {set: {x: 1}}]", "/do/1/a", "two tasks named \"a\"", ""},
    {"do: [a: {set: {x: 1}, wait: PT1S}]", "/do/0/a", "cannot be both", "two tasks"},
    {"do: [a: {set: {x: 1}, thn: end}]", "/do/0/a/thn", "unknown property", "\"then\""},
    {"do: [a: {set: {x: 1}, then: b}]", "/do/0/a/then", "no task of the same list", ""},
    {"do: [a: {set: {x: 1}, then: publsh}, publish: {set: {x: 2}}]", "/do/0/a/then", "publsh",
     "\"publish\""},
    {"do: [o: {do: [a: {set: {x: 1}, then: z}]}, z: {set: {x: 1}}]", "/do/0/o/do/0/a/then",
     "no task of the same list", ""},
    {"do: [f: {fork: {branches: [a: {set: {x: 1}, then: b}, b: {set: {x: 1}}]}}]",
     "/do/0/f/fork/branches/0/a/then", "only continue, exit and end", ""},
    {"do: [a: {set: {x: 1}, if: 5}]", "/do/0/a/if", "must be an expression", ""},
    {"do: [a: {set: {x: '${ .x | }'}}]", "/do/0/a/set/x", "", ""},
    {"do: [a: {set: {x: '${ $nobody }'}}]", "/do/0/a/set/x", "nobody", ""},
    {"do: [a: {set: {x: '${ env }'}}, b: {set: {x: '${ input }'}}]", "/do/1/b/set/x", "input", ""},
    {"do: [a: {emit: {event: {}}}]", "/do/0/a/emit", "not supported", "later release"},
    {"do: [a: {listen: {to: {}}}]", "/do/0/a/listen", "not supported", "later release"},
    {"do: [a: {set: {}}]", "/do/0/a/set", "at least one key", ""},
    {"do: [a: {set: text}]", "/do/0/a/set", "an expression", ""},
    {"do: [a: {switch: []}]", "/do/0/a/switch", "at least one", ""},
    {"do: [a: {switch: [x: {when: 'true'}]}]", "/do/0/a/switch/0/x", "where to go on", "then"},
    {"do: [a: {switch: [x: {then: end}, y: {then: end}]}]", "/do/0/a/switch", "more than one", ""},
    {"do: [a: {for: {each: x}, do: []}]", "/do/0/a/for", "\"in\" is missing", "in:"},
    {"do: [a: {for: {in: .l}}]", "/do/0/a", "\"do\" is missing", ""},
    {"do: [a: {for: {in: .l, eahc: x}, do: []}]", "/do/0/a/for/eahc", "unknown", "\"each\""},
    {"do: [f: {for: {each: x, in: .l}, do: []}, a: {set: '${ $x }'}]", "/do/1/a/set", "x", ""},
    {"do: [a: {fork: {compete: maybe, branches: []}}]", "/do/0/a/fork/compete", "true or false",
     ""},
    {"do: [a: {fork: {}}]", "/do/0/a/fork", "\"branches\" is missing", ""},
    {"do: [a: {metadata: {forEach: {in: .l}}, fork: {branches: [x: {set: {x: 1}},"
     " y: {set: {x: 1}}]}}]",
     "/do/0/a/fork", "exactly one branch", ""},
    {"do: [a: {metadata: {forEach: {in: .l, concurrency: 0}}, fork: {branches:"
     " [x: {set: {x: 1}}]}}]",
     "/do/0/a/metadata/forEach/concurrency", "whole number", ""},
    {"do: [a: {metadata: {forEach: {in: .l, onError: ignore}}, fork: {branches:"
     " [x: {set: {x: 1}}]}}]",
     "/do/0/a/metadata/forEach/onError", "ignore", "collect"},
    {"do: [a: {raise: {}}]", "/do/0/a/raise", "\"error\" is missing", ""},
    {"do: [a: {raise: {error: lost}}]", "/do/0/a/raise/error", "use.errors has no \"lost\"", ""},
    {"do: [a: {raise: {error: {status: 1}}}]", "/do/0/a/raise/error", "\"type\" is missing", ""},
    {"do: [a: {raise: {error: {type: x}}}]", "/do/0/a/raise/error", "\"status\" is missing", ""},
    {"do: [a: {raise: {error: {type: x, status: bad}}}]", "/do/0/a/raise/error/status", "integer",
     ""},
    {"do: [a: {wait: 5}]", "/do/0/a/wait", "", "PT30S"},
    {"do: [a: {wait: {secs: 5}}]", "/do/0/a/wait", "secs", ""},
    {"do: [a: {run: {shell: {command: ls}}}]", "/do/0/a/run/shell", "not supported",
     "later release"},
    {"do: [a: {run: {script: {}}}]", "/do/0/a/run/script", "not supported", "later release"},
    {"do: [a: {run: {container: {}}}]", "/do/0/a/run/container", "not supported", "later release"},
    {"do: [a: {run: {workflow: {name: x}}}]", "/do/0/a/run/workflow", "\"namespace\" is missing",
     ""},
    {"do: [a: {run: {workflow: {namespace: x, name: y}, return: nothing}}]", "/do/0/a/run/return",
     "nothing", ""},
    /* calls */
    {"do: [a: {call: htp, with: {}}]", "/do/0/a/call", "no function \"htp\"", "\"http\""},
    {"do: [a: {call: openapi, with: {}}]", "/do/0/a/call", "not supported", ""},
    {"do: [a: {call: grpc, with: {}}]", "/do/0/a/call", "not supported", ""},
    {"do: [a: {call: mcp, with: {}}]", "/do/0/a/call", "not supported", ""},
    {"do: [a: {call: http}]", "/do/0/a", "arguments", "with"},
    {CALL("{method: get}"), "/do/0/c/with", "\"endpoint\" is missing", ""},
    {CALL("{endpoint: 'http://a/'}"), "/do/0/c/with", "\"method\" is missing", ""},
    {CALL("{method: get, endpoint: 'http://a/', boddy: 1}"), "/do/0/c/with/boddy", "unknown",
     "\"body\""},
    {CALL("{method: get, endpoint: 'http://a/', output: all}"), "/do/0/c/with/output", "all",
     "response"},
    {CALL("{method: get, endpoint: 'http://a/', redirect: perhaps}"), "/do/0/c/with/redirect",
     "true or false", ""},
    {CALL("{method: get, endpoint: {uri: 'http://a/', authentication: {use: x}}}"),
     "/do/0/c/with/endpoint/authentication", "later release", ""},
    {"do: [a: {call: agent, with: {path: /}}]", "/do/0/a/with", "\"agent\" is missing", ""},
    {"do: [a: {call: agent, with: {agent: sam, path: /, timeout: long}}]", "/do/0/a/with/timeout",
     "long", ""},
    {"do: [a: {call: log, with: {level: info}}]", "/do/0/a/with", "\"message\" is missing", ""},
    {"do: [a: {call: log, with: {message: x, level: wran}}]", "/do/0/a/with/level", "wran",
     "\"warn\""},
    {"use: {functions: {f: {sett: {x: 1}}}}\ndo: []", "/use/functions/f/sett", "unknown",
     "\"set\""},
    {"use: {functions: {f: {set: '${ $x }'}}}\ndo: [l: {for: {each: x, in: .l}, do: [c: {call:"
     " f}]}]",
     "/use/functions/f/set", "x", ""},
    /* errors */
    {"do: [t: {try: [a: {set: {x: 1}}]}]", "/do/0/t", "\"catch\" is missing", ""},
    {TRY("{erors: {}}"), "/do/0/t/catch/erors", "unknown", "\"errors\""},
    {TRY("{errors: {with: {code: 5}}}"), "/do/0/t/catch/errors/with/code", "unknown", ""},
    {TRY("{retry: lots}"), "/do/0/t/catch/retry", "use.retries has no \"lots\"", ""},
    {TRY("{retry: {backof: {}}}"), "/do/0/t/catch/retry/backof", "unknown", "\"backoff\""},
    {TRY("{retry: {backoff: {linear: {}, constant: {}}}}"), "/do/0/t/catch/retry/backoff",
     "exactly one", ""},
    {TRY("{retry: {jitter: {from: PT1S}}}"), "/do/0/t/catch/retry/jitter", "from and to", ""},
    {TRY("{retry: {limit: {attempt: {count: many}}}}"), "/do/0/t/catch/retry/limit/attempt/count",
     "not a valid count", ""},
    {TRY("{then: nowhere}"), "/do/0/t/catch/then", "nowhere", ""},
    {TRY("{when: '$other.x'}"), "/do/0/t/catch/when", "other", ""},
};

static struct flow *load(const char *text, struct source **source)
{
    return flow_compile("test.yaml", text, strlen(text), true, source);
}

static const struct finding *find(const struct source *source, const struct refusal *r)
{
    const struct finding *list;
    size_t count = source_findings(source, &list);

    for (size_t i = 0; i < count; i++)
        if (!list[i].warning && strcmp(list[i].pointer, r->pointer) == 0 &&
            strstr(list[i].text, r->text) != NULL && strstr(list[i].remedy, r->remedy) != NULL)
            return &list[i];
    return NULL;
}

static void test_refusals(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *r = &refusals[i];
        char *text = mem_printf("%s%s", HEADER, r->doc);
        struct source *source;
        struct flow *flow = load(text, &source);
        const struct finding *found = find(source, r);
        struct buf report;

        buf_init(&report, 64 * 1024);
        source_report(source, &report);
        if (flow != NULL || found == NULL || found->line < 1) {
            print_error("no \"%s\" at %s for\n%s\nbut\n%s", r->text, r->pointer, r->doc,
                        report.data != NULL ? report.data : "nothing");
            wrong++;
        }
        flow_free(flow);
        buf_fini(&report);
        source_free(source);
        free(text);
    }
    assert_int_equal(wrong, 0);
}

static void test_header(void **state)
{
    static const struct refusal headers[] = {
        {"do: []", "", "\"document\" is missing", ""},
        {"document: {dsl: '1.0.3', namespace: t, name: f}\ndo: []", "/document",
         "\"version\" is missing", ""},
        {"document: {dsl: '1.0.3', namespace: t, name: f, version: 1.0}\ndo: []",
         "/document/version", "must be a string", "quotes"},
        {"document: {dsl: '1.0.3', namespace: t, name: f, version: 'one'}\ndo: []",
         "/document/version", "no semantic version", ""},
        {"document: {dsl: '0.8', namespace: t, name: f, version: '1.0.0'}\ndo: []", "/document/dsl",
         "0.8", "1.0.3"},
        {"document: {dsl: '1.0.3', namespace: t_t, name: f, version: '1.0.0'}\ndo: []",
         "/document/namespace", "t_t", ""},
        {"document: {dsl: '1.0.3', namespace: t, name: -f, version: '1.0.0'}\ndo: []",
         "/document/name", "-f", ""},
        {"document: {dsl: '1.0.3', namespace: t, name: f, version: '1.0.0', titel: x}\ndo: []",
         "/document/titel", "unknown property", "\"title\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct source *source;

        assert_null(load(headers[i].doc, &source));
        if (find(source, &headers[i]) == NULL)
            fail_msg("no \"%s\" for\n%s", headers[i].text, headers[i].doc);
        source_free(source);
    }
}

static void test_all_at_once_with_places(void **state)
{
    static const char text[] = HEADER "do:\n"
                                      "- a:\n"
                                      "    sett: {x: 1}\n"
                                      "- b:\n"
                                      "    set: {x: '${ .x | }'}\n"
                                      "    then: nowhere\n"
                                      "- c:\n"
                                      "    call: http\n"
                                      "    with: {methd: get}\n";
    const struct finding *list;
    struct source *source;
    size_t count;

    (void)state;
    assert_null(load(text, &source));
    count = source_findings(source, &list);
    assert_int_equal(count, 6);
    assert_int_equal(list[0].line, 4); /* sett */
    assert_int_equal(list[0].column, 5);
    assert_int_equal(list[1].line, 6); /* the expression */
    assert_int_equal(list[2].line, 7); /* then */
    assert_int_equal(list[5].line, 10);
    source_free(source);
}

static void test_a_shared_policy_is_reported_once(void **state)
{
    static const char text[] =
        HEADER "use: {retries: {r: {dellay: PT1S, when: '. | '}}}\n"
               "do: [a: {try: [], catch: {retry: r}}, b: {try: [], catch: {retry: r}}]\n";
    const struct finding *list;
    struct source *source;
    size_t count, errors = 0, warnings = 0;

    (void)state;
    assert_null(load(text, &source));
    count = source_findings(source, &list);
    for (size_t i = 0; i < count; i++) {
        warnings += list[i].warning;
        errors += !list[i].warning;
    }
    assert_int_equal(errors, 2);
    assert_int_equal(warnings, 1); /* it retries for ever */
    source_free(source);
}

static char *nested(int depth)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_str(&b, HEADER "do: [");
    for (int i = 0; i < depth; i++)
        buf_str(&b, "a: {do: [");
    buf_str(&b, "z: {set: {x: 1}}");
    for (int i = 0; i < depth; i++)
        buf_str(&b, "]}");
    buf_str(&b, "]");
    return buf_steal(&b, NULL);
}

static void test_limits(void **state)
{
    struct source *source;
    struct flow *flow;
    struct buf b;
    char *text = nested(15);

    (void)state;
    flow = load(text, &source);
    assert_non_null(flow);
    flow_free(flow);
    source_free(source);
    free(text);
    text = nested(70);
    assert_null(load(text, &source));
    source_free(source);
    free(text);
    buf_init(&b, 1 << 20);
    buf_str(&b, HEADER "do:\n");
    for (int i = 0; i < 1001; i++)
        buf_printf(&b, "- t%d: {set: {x: 1}}\n", i);
    assert_null(flow_compile("test.yaml", b.data, b.len, false, &source));
    assert_true(source_failed(source));
    source_free(source);
    buf_fini(&b);
}

static void test_accessors(void **state)
{
    static const char text[] =
        "document: {dsl: '1.0.3', namespace: shop, name: pay, version: '1.2.3-dev', title: Pay}\n"
        "input: {schema: {document: {required: [q]}}}\n"
        "do: []\n";
    struct source *source;
    struct flow *flow = load(text, &source);
    json_t *good = json_pack("{s:i}", "q", 1), *bad = json_object();
    struct err err;

    (void)state;
    assert_non_null(flow);
    assert_string_equal(flow_namespace(flow), "shop");
    assert_string_equal(flow_name(flow), "pay");
    assert_string_equal(flow_version(flow), "1.2.3-dev");
    assert_string_equal(flow_title(flow), "Pay");
    assert_null(flow_summary(flow));
    assert_true(json_is_array(json_object_get(flow_document(flow), "do")));
    assert_non_null(json_object_get(flow_input_schema(flow), "required"));
    assert_int_equal(flow_check_input(flow, good, &err), ERR_OK);
    assert_int_equal(flow_check_input(flow, bad, &err), ERR_INVALID);
    assert_true(flow_prepare(flow));
    json_decref(good);
    json_decref(bad);
    flow_free(flow);
    source_free(source);
}

/* An expression that only jq could refuse is found when the flow is prepared, not before. */
static void test_prepare_says_what_is_wrong(void **state)
{
    static const char text[] = HEADER "do: [a: {set: '${ nosuchfunction(1) }'}]";
    struct source *source;
    struct flow *flow = flow_compile("test.yaml", text, sizeof text - 1, false, &source);

    (void)state;
    assert_non_null(flow);
    assert_false(flow_prepare(flow));
    assert_false(flow_prepare(flow));
    flow_free(flow);
    source_free(source);
}

static void test_compensation_is_warned_of(void **state)
{
    static const char text[] = HEADER "do: [a: {set: {x: 1}, metadata: {compensate: []}}]";
    const struct finding *list;
    struct source *source;
    struct flow *flow = load(text, &source);

    (void)state;
    assert_non_null(flow);
    assert_int_equal(source_findings(source, &list), 1);
    assert_true(list[0].warning);
    flow_free(flow);
    source_free(source);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_all_at_once_with_places),
        cmocka_unit_test(test_a_shared_policy_is_reported_once),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_accessors),
        cmocka_unit_test(test_prepare_says_what_is_wrong),
        cmocka_unit_test(test_compensation_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
