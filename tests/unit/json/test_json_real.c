/* Reals as text: lib/json/json_real.c. */
#include "json/json_real.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What it must be, as printf() and strtod() say. */
static void assert_as_printed(double value)
{
    char expected[RSI_JSON_REAL_TEXT + 2];
    char text[RSI_JSON_REAL_TEXT + 1];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(expected, sizeof expected, "%.*g", digits, value);
        if (strtod(expected, NULL) == value)
            break;
    }
    if (strpbrk(expected, ".e") == NULL)
        strcat(expected, ".0");
    const size_t size = rsi_json_real_write(text, value);
    assert_true(size < sizeof text);
    text[size] = '\0';
    if (strcmp(text, expected) != 0)
        fail_msg("%a is %s, not %s", value, expected, text);
}

static uint64_t next_random(void)
{
    static uint64_t random = 88172645463325252u;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return random;
}

/* From 10^-5 to 10^7, all magnitudes alike. */
static double random_moderate(void)
{
    const double mantissa = 1 + (double)(next_random() >> 12) / 4503599627370496.0;
    return ldexp(mantissa, (int)(next_random() % 40) - 17);
}

static void json_real__is_what_printf_and_strtod_say(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        const double value = random_moderate();
        assert_as_printed(value);
        assert_as_printed(-value);
        assert_as_printed((double)(float)value);
    }
}

static void json_real__has_few_digits_where_few_say_it(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        const double whole = (double)(next_random() % 1000000000);
        assert_as_printed(whole / 1e3);
        assert_as_printed(whole / 1e7);
        assert_as_printed(whole / 1e12);
        assert_as_printed(whole);
    }
}

static void json_real__is_right_beside_powers_and_between_digits(void **state)
{
    (void)state;
    for (int exponent = -8; exponent <= 9; exponent++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", exponent);
        const double power = strtod(text, NULL);
        double below = power;
        double above = power;
        for (int i = 0; i < 2000; i++) {
            assert_as_printed(below);
            assert_as_printed(above);
            below = nextafter(below, 0);
            above = nextafter(above, 1e300);
        }
    }
    for (int exponent = -30; exponent <= 30; exponent++) {
        const double power = ldexp(1, exponent);
        assert_as_printed(power);
        assert_as_printed(nextafter(power, 0));
        assert_as_printed(nextafter(power, 1e300));
    }
    /* the first digit that is left out is a 5, and nothing follows */
    for (int i = 1; i < 200000; i += 2)
        assert_as_printed(ldexp(i, -22) + 1);
    assert_as_printed(0.0);
    assert_as_printed(-0.0);
    assert_as_printed(5e-324);
    assert_as_printed(1.7976931348623157e308);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_real__is_what_printf_and_strtod_say),
        cmocka_unit_test(json_real__has_few_digits_where_few_say_it),
        cmocka_unit_test(json_real__is_right_beside_powers_and_between_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
