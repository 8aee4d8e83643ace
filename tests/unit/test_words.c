#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"

static const char *const names[] = {"cancel", "describe", "list", "to", "restart"};

static const char *near(const char *word)
{
    return words_closest(word, names, sizeof names / sizeof *names);
}

static void slips_are_forgiven(void **state)
{
    (void)state;
    assert_string_equal(near("cancle"), "cancel");
    assert_string_equal(near("lst"), "list");
    assert_string_equal(near("restrat"), "restart");
    assert_string_equal(near("desc"), "describe"); /* a beginning */
}

static void other_words_are_not_guessed(void **state)
{
    char huge[4096];

    (void)state;
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_null(near("zebra"));
    assert_null(near(""));
    assert_null(near("xy")); /* two letters, both wrong */
    assert_null(near(huge));
    assert_null(words_closest("cancel", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(slips_are_forgiven),
                                       cmocka_unit_test(other_words_are_not_guessed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
