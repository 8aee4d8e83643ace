/* net/guard.h: what is refused before anything is done with a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/guard.h"
#include "net/routes.h"

static char *hosts[] = {"engine.example", "box:8080"};
static const struct guard loopback = {.hosts = hosts, .host_count = 2};
static const struct guard wide = {.any_literal = true};
static const struct guard local = {.local = true};

static void test_hosts(void **state)
{
    static const struct {
        const char *host;
        bool on_loopback, on_wide;
    } cases[] = {
        {"localhost", true, true},
        {"LOCALHOST:8080", true, true},
        {"127.0.0.1:1", true, true},
        {"[::1]", true, true},
        {"[::1]:8080", true, true},
        {"engine.example", true, false},
        {"engine.example:99999", true, false},
        {"box", false, false},
        {"box:8080", true, false},
        {"box:8081", false, false},
        {"10.1.2.3:80", false, true},
        {"[fe80::1]:80", false, true},
        {"evil.example", false, false},
        {"localhost.evil.example", false, false},
        {"127.0.0.1.evil.example", false, false},
        {"localhost:", false, false},
        {"localhost:80x", false, false},
        {"localhost:999999", false, false},
        {"localhost@evil", false, false},
        {"[::1", false, false},
        {"[::1]x", false, false},
        {"[", false, false},
        {"[]", false, false},
        {":80", false, false},
        {"", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (guard_host_ok(&loopback, cases[i].host) != cases[i].on_loopback ||
            guard_host_ok(&wide, cases[i].host) != cases[i].on_wide)
            fail_msg("host \"%s\"", cases[i].host);
    }
}

static void test_json_types(void **state)
{
    (void)state;
    assert_true(guard_is_json("application/json"));
    assert_true(guard_is_json("Application/JSON; charset=utf-8"));
    assert_true(guard_is_json("application/problem+json"));
    assert_false(guard_is_json("application/jsonp"));
    assert_false(guard_is_json("text/plain"));
    assert_false(guard_is_json("text/plain; application/json"));
    assert_false(guard_is_json("application/x-www-form-urlencoded"));
    assert_false(guard_is_json("application/+json"));
    assert_false(guard_is_json(""));
    assert_false(guard_is_json(NULL));
}

#define OK_REQUEST .method = "POST", .host = "localhost:8080", .host_count = 1

static void test_check(void **state)
{
    static const struct {
        const char *what;
        struct guard_request r;
        enum errcode on_loopback, on_local;
    } cases[] = {
        {"plain", {OK_REQUEST}, ERR_OK, ERR_OK},
        {"json",
         {OK_REQUEST, .content_length = "2", .length_count = 1, .content_type = "application/json"},
         ERR_OK,
         ERR_OK},
        {"empty body needs no type",
         {OK_REQUEST, .content_length = "0", .length_count = 1},
         ERR_OK,
         ERR_OK},
        {"body without type",
         {OK_REQUEST, .content_length = "2", .length_count = 1},
         ERR_MEDIA_TYPE,
         ERR_MEDIA_TYPE},
        {"form",
         {OK_REQUEST, .encoding_count = 1, .content_type = "text/plain"},
         ERR_MEDIA_TYPE,
         ERR_MEDIA_TYPE},
        {"two lengths",
         {OK_REQUEST, .content_length = "2", .length_count = 2},
         ERR_INVALID,
         ERR_INVALID},
        {"length and encoding",
         {OK_REQUEST, .content_length = "2", .length_count = 1, .encoding_count = 1},
         ERR_INVALID,
         ERR_INVALID},
        {"length with sign",
         {OK_REQUEST, .content_length = "+2", .length_count = 1},
         ERR_INVALID,
         ERR_INVALID},
        {"empty length",
         {OK_REQUEST, .content_length = "", .length_count = 1},
         ERR_INVALID,
         ERR_INVALID},
        {"two hosts",
         {.method = "GET", .host = "localhost", .host_count = 2},
         ERR_INVALID,
         ERR_INVALID},
        {"no host", {.method = "GET"}, ERR_INVALID, ERR_OK},
        {"foreign host",
         {.method = "GET", .host = "evil.example", .host_count = 1},
         ERR_MISDIRECTED,
         ERR_OK},
        {"foreign origin", {OK_REQUEST, .origin = "http://evil.example"}, ERR_FORBIDDEN, ERR_OK},
        {"null origin", {OK_REQUEST, .origin = "null"}, ERR_FORBIDDEN, ERR_OK},
        {"another port is another origin",
         {OK_REQUEST, .origin = "http://localhost:3000"},
         ERR_FORBIDDEN,
         ERR_OK},
        {"own origin", {OK_REQUEST, .origin = "http://localhost:8080"}, ERR_OK, ERR_OK},
        {"cross-site fetch", {OK_REQUEST, .fetch_site = "cross-site"}, ERR_FORBIDDEN, ERR_OK},
        {"typed in", {OK_REQUEST, .fetch_site = "none"}, ERR_OK, ERR_OK},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (guard_check(&loopback, &cases[i].r, &err) != cases[i].on_loopback ||
            guard_check(&local, &cases[i].r, &err) != cases[i].on_local)
            fail_msg("%s", cases[i].what);
    }
}

static enum errcode find(const char *method, const char *path, char *copy, const char **param)
{
    const struct route *route;
    struct err err;

    strcpy(copy, path);
    memset(param, 0, ROUTE_PARAMS * sizeof *param);
    return routes_find(DOOR_ADMIN, method, copy, param, &route, &err);
}

static void test_routes(void **state)
{
    const char *param[ROUTE_PARAMS];
    char path[200];

    (void)state;
    assert_int_equal(find("GET", "/instances/a%2Fb%20c/journal", path, param), ERR_OK);
    assert_string_equal(param[0], "a/b c");
    assert_int_equal(find("POST", "/instances/x/signals/go", path, param), ERR_OK);
    assert_string_equal(param[0], "x");
    assert_string_equal(param[1], "go");
    assert_int_equal(find("HEAD", "/health", path, param), ERR_OK);
    assert_int_equal(find("POST", "/health", path, param), ERR_METHOD);
    assert_int_equal(find("GET", "/nothing", path, param), ERR_NOT_FOUND);
    assert_int_equal(find("GET", "/health/", path, param), ERR_NOT_FOUND);
    assert_int_equal(find("GET", "//", path, param), ERR_NOT_FOUND);
    assert_int_equal(find("GET", "*", path, param), ERR_NOT_FOUND);
    assert_int_equal(find("GET", "/instances/", path, param), ERR_NOT_FOUND);
    assert_int_equal(find("GET", "/instances/%zz", path, param), ERR_INVALID);
    assert_int_equal(find("GET", "/instances/%00", path, param), ERR_INVALID);
    assert_int_equal(find("GET", "/instances/%0a", path, param), ERR_INVALID);
    assert_int_equal(find("GET", "/instances/%", path, param), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_json_types),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_routes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
