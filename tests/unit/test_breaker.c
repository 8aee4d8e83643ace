#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/breaker.h"

static void fail_times(struct breaker *b, int times, int64_t now)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(breaker_admit(b, now), BREAKER_PASSED);
        breaker_failure(b, false, now);
    }
}

static void opens_after_failures_in_a_row(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b, 3, 1000);
    fail_times(&b, 2, 0);
    breaker_success(&b, false); /* not in a row */
    fail_times(&b, 2, 0);
    assert_string_equal(breaker_name(&b, 0), "closed");
    fail_times(&b, 1, 5);
    assert_string_equal(breaker_name(&b, 5), "open");
    assert_int_equal(breaker_admit(&b, 5), BREAKER_REFUSED);
    assert_int_equal(breaker_admit(&b, 1004), BREAKER_REFUSED);
    assert_int_equal(breaker_wait_ms(&b, 5), 1000);
}

static void one_trial_closes_it(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b, 1, 1000);
    fail_times(&b, 1, 0);
    assert_string_equal(breaker_name(&b, 1000), "half-open");
    assert_int_equal(breaker_admit(&b, 1000), BREAKER_TRIAL);
    assert_int_equal(breaker_admit(&b, 1000), BREAKER_REFUSED);
    assert_true(breaker_wait_ms(&b, 1000) > 0);
    breaker_success(&b, true);
    assert_string_equal(breaker_name(&b, 1000), "closed");
    assert_int_equal(breaker_wait_ms(&b, 1000), 0);
    assert_int_equal(breaker_admit(&b, 1000), BREAKER_PASSED);
}

static void a_failed_trial_opens_it_again(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b, 1, 1000);
    fail_times(&b, 1, 0);
    assert_int_equal(breaker_admit(&b, 1500), BREAKER_TRIAL);
    breaker_failure(&b, true, 1600);
    assert_int_equal(breaker_admit(&b, 2599), BREAKER_REFUSED);
    assert_int_equal(breaker_admit(&b, 2600), BREAKER_TRIAL);
}

static void an_aborted_trial_is_given_on(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b, 1, 1000);
    fail_times(&b, 1, 0);
    assert_int_equal(breaker_admit(&b, 1000), BREAKER_TRIAL);
    breaker_neutral(&b, true);
    assert_int_equal(breaker_admit(&b, 1001), BREAKER_TRIAL);
}

static void late_answers_of_earlier_calls_change_nothing(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b, 1, 1000);
    fail_times(&b, 1, 0);
    breaker_success(&b, false);
    breaker_failure(&b, false, 900); /* does not prolong it either */
    assert_int_equal(breaker_admit(&b, 1000), BREAKER_TRIAL);
    breaker_success(&b, false);
    breaker_neutral(&b, false);
    assert_int_equal(breaker_admit(&b, 1000), BREAKER_REFUSED);
}

static void without_a_limit_it_never_opens(void **state)
{
    struct breaker b;

    (void)state;
    breaker_init(&b, 0, 1000);
    fail_times(&b, 1000, 0);
    assert_int_equal(breaker_admit(&b, 0), BREAKER_PASSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(one_trial_closes_it),
        cmocka_unit_test(a_failed_trial_opens_it_again),
        cmocka_unit_test(an_aborted_trial_is_given_on),
        cmocka_unit_test(late_answers_of_earlier_calls_change_nothing),
        cmocka_unit_test(without_a_limit_it_never_opens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
