/* JSON text piece by piece: examples/server/json_out.c. */
#include "json_out.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_text(struct json_out *out, const char *expected)
{
    size_t size = 0;
    char *text = out_take(out, &size);
    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    free(text);
}

static void server_json_out__puts_commas_where_they_belong(void **state)
{
    struct json_out out = {0};
    (void)state;
    out_begin(&out, '{');
    out_key(&out, "a");
    out_begin(&out, '[');
    out_whole(&out, 1);
    out_text(&out, "two \"2\"\n");
    out_nothing(&out);
    out_end(&out, ']');
    out_key(&out, "b");
    out_flag(&out, true);
    out_end(&out, '}');
    expect_text(&out, "{\"a\":[1,\"two \\\"2\\\"\\n\",null],\"b\":true}");
}

static void server_json_out__writes_every_whole_number(void **state)
{
    struct json_out out = {0};
    (void)state;
    out_begin(&out, '[');
    out_whole(&out, 0);
    out_whole(&out, 9);
    out_whole(&out, 10);
    out_whole(&out, -1);
    out_whole(&out, INT64_MAX);
    out_whole(&out, INT64_MIN);
    out_end(&out, ']');
    expect_text(&out, "[0,9,10,-1,9223372036854775807,-9223372036854775808]");
}

/* The number as it is read again from what was written. */
static double written(double number)
{
    struct json_out out = {0};
    size_t size = 0;
    out_decimal(&out, number);
    char *text = out_take(&out, &size);
    assert_non_null(text);
    assert_non_null(strpbrk(text, ".e"));
    assert_true(size < 16);
    const double read = strtod(text, NULL);
    free(text);
    return read;
}

static void server_json_out__writes_seven_digits(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {{0, "0.0"},           {1, "1.0"},        {0.5, "0.5"},
                 {0.1234567, "0.1234567"}, {0.99999999, "1.0"}, {8.9999999, "9.0"},
                 {0.0001, "0.0001"},   {1.5e-7, "1.5e-07"},   {-0.25, "-0.25"},
                 {123456789, "1.234568e+08"}, {NAN, "null"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_out out = {0};
        out_decimal(&out, cases[i].number);
        expect_text(&out, cases[i].text);
    }
    for (double number = 1e-5; number < 20; number *= 1.0037)
        assert_true(fabs(written(number) - number) <= 5.01e-7 * number);
}

static void server_json_out__is_the_same_with_room_made_before(void **state)
{
    (void)state;
    for (size_t size = 0; size < 2000; size += 97) {
        struct json_out out = {0};
        out_reserve(&out, size);
        for (int i = 0; i < 100; i++)
            out_key(&out, "name"), out_whole(&out, 7);
        size_t length = 0;
        char *text = out_take(&out, &length);
        assert_non_null(text);
        assert_int_equal(length, 100 * strlen(",\"name\":7") - 1);
        assert_memory_equal(text, "\"name\":7,\"name\":7", 17);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_json_out__puts_commas_where_they_belong),
        cmocka_unit_test(server_json_out__writes_every_whole_number),
        cmocka_unit_test(server_json_out__writes_seven_digits),
        cmocka_unit_test(server_json_out__is_the_same_with_room_made_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
