/* How long an endpoint's vectors are, as fingerprints tell: examples/server/known_model.c. */
#include "known_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void server_known_model__is_told_by_a_fingerprint_of_its_name(void **state)
{
    (void)state;
    assert_int_equal(known_model_dimension("org/kinds/3/endpoint", "org/kinds"), 3);
    assert_int_equal(known_model_dimension("m/65536/endpoint", "m"), 65536);
}

static void server_known_model__is_not_told_by_others(void **state)
{
    static const char *const others[] = {
        "",           "m",           "m/",           "m/3",          "m/3/",
        "m/3/float",  "m/x/endpoint", "m/0/endpoint", "m/-3/endpoint", "m/+3/endpoint",
        "m/ 3/endpoint", "m/65537/endpoint", "m/99999999999999999999/endpoint",
        "m/3/endpoint2", "m/m/3/endpoint", "m2/3/endpoint", "own/3"};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(known_model_dimension(others[i], "m"), 0);
    assert_int_equal(known_model_dimension(NULL, "m"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_known_model__is_told_by_a_fingerprint_of_its_name),
        cmocka_unit_test(server_known_model__is_not_told_by_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
