#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "net/egress.h"

static bool allowed(const char *text)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return egress_address_allowed((struct sockaddr *)&v4, sizeof v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return egress_address_allowed((struct sockaddr *)&v6, sizeof v6);
}

static void addresses_that_are_never_reached(void **state)
{
    static const char *const never[] = {
        "169.254.169.254",
        "169.254.0.1",
        "169.254.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "::ffff:0.0.0.0",
        "::ffff:224.0.0.1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        if (allowed(never[i]))
            fail_msg("%s is allowed", never[i]);
}

static void addresses_that_may_be_reached(void **state)
{
    static const char *const fine[] = {
        "127.0.0.1",        "10.0.0.1",         "192.168.1.1",
        "169.253.255.255",  "169.255.0.0",      "1.1.1.1",
        "223.255.255.255",  "100.100.100.201",  "::1",
        "2606:4700::1111",  "fd00::1",          "fe00::1",
        "::ffff:127.0.0.1", "64:ff9b::1.1.1.1", "2002:0101:0101::1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        if (!allowed(fine[i]))
            fail_msg("%s is refused", fine[i]);
}

static void other_families_and_short_addresses_are_refused(void **state)
{
    struct sockaddr_storage s = {.ss_family = AF_UNIX};

    (void)state;
    assert_false(egress_address_allowed((struct sockaddr *)&s, sizeof s));
    s.ss_family = AF_INET6;
    assert_false(egress_address_allowed((struct sockaddr *)&s, sizeof(struct sockaddr_in)));
}

static void hosts_need_a_pattern(void **state)
{
    static char *patterns[] = {"api.example.com", "*.wide.org",     "127.0.0.1:9000",
                               "[::1]:81",        "*.only.net:443", "::2"};
    struct config config = {.egress_allow = patterns, .egress_count = 6};

    (void)state;
    assert_true(egress_host_allowed(&config, "api.example.com", 443));
    assert_true(egress_host_allowed(&config, "API.Example.COM.", 80));
    assert_false(egress_host_allowed(&config, "example.com", 80));
    assert_false(egress_host_allowed(&config, "xapi.example.com", 80));
    assert_false(egress_host_allowed(&config, "api.example.com.evil.org", 80));
    assert_true(egress_host_allowed(&config, "a.b.wide.org", 80));
    assert_false(egress_host_allowed(&config, "wide.org", 80));
    assert_false(egress_host_allowed(&config, "evilwide.org", 80));
    assert_true(egress_host_allowed(&config, "127.0.0.1", 9000));
    assert_false(egress_host_allowed(&config, "127.0.0.1", 9001));
    assert_true(egress_host_allowed(&config, "[::1]", 81));
    assert_false(egress_host_allowed(&config, "[::1]", 82));
    assert_true(egress_host_allowed(&config, "x.only.net", 443));
    assert_false(egress_host_allowed(&config, "x.only.net", 80));
    config.egress_any = true;
    assert_true(egress_host_allowed(&config, "anything", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_are_never_reached),
        cmocka_unit_test(addresses_that_may_be_reached),
        cmocka_unit_test(other_families_and_short_addresses_are_refused),
        cmocka_unit_test(hosts_need_a_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
