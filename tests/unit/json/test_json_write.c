/* Writing JSON text: lib/json/json_write.c and json_dump.c. */
#include "json/json.h"

#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/locales.h"
#include "harness/temporary.h"

#include <jansson.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void json_write__puts_commas_and_keys(void **state)
{
    rsi_bytes out = {0};
    rsi_json_writer w = rsi_json_writer_of(&out);

    (void)state;
    rsi_json_begin_object(&w);
    rsi_json_put_text(&w, "name", "x");
    rsi_json_put_text(&w, "none", NULL);
    rsi_json_key(&w, "list");
    rsi_json_begin_array(&w);
    rsi_json_integer_value(&w, 1);
    rsi_json_begin_array(&w);
    rsi_json_end_array(&w);
    rsi_json_begin_object(&w);
    rsi_json_end_object(&w);
    rsi_json_bool_value(&w, true);
    rsi_json_raw_value(&w, "[7]", 3);
    rsi_json_null_value(&w);
    rsi_json_value(&w, NULL);
    rsi_json_end_array(&w);
    rsi_json_put_integer(&w, "n", -5);
    rsi_json_put_real(&w, "r", 0.5);
    rsi_json_put_bool(&w, "b", false);
    rsi_json_put_null(&w, "z");
    rsi_json_put_raw(&w, "raw", "{}");
    rsi_json_put_value(&w, "value", NULL);
    rsi_json_end_object(&w);
    assert_int_equal(rsi_bytes_status(&out), RAGSTORE_OK);
    assert_string_equal(out.data,
                        "{\"name\":\"x\",\"none\":null,\"list\":[1,[],{},true,[7],null,null],"
                        "\"n\":-5,\"r\":0.5,\"b\":false,\"z\":null,\"raw\":{},\"value\":null}");
    rsi_bytes_free(&out);
}

static void assert_written_text(const char *text, size_t size, const char *expected)
{
    rsi_bytes out = {0};
    rsi_json_writer w = rsi_json_writer_of(&out);

    rsi_json_text_value(&w, text, size);
    assert_string_equal(out.data, expected);
    rsi_bytes_free(&out);
}

static void json_write__escapes_what_breaks_a_line_or_a_string(void **state)
{
    (void)state;
    assert_written_text("", 0, "\"\"");
    assert_written_text("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
    assert_written_text("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    assert_written_text("\x01\x1F\x7F", 3, "\"\\u0001\\u001F\x7F\"");
    assert_written_text("a\0b", 3, "\"a\\u0000b\"");
    assert_written_text("日本 \xF0\x9F\x90\x98", 11, "\"日本 \xF0\x9F\x90\x98\"");
    assert_written_text("a\xE2\x80\xA8\xE2\x80\xA9z", 8, "\"a\\u2028\\u2029z\"");
    assert_written_text("\xE2\x80\xA7\xE2\x82\xAC", 6, "\"\xE2\x80\xA7\xE2\x82\xAC\"");
    assert_written_text("x\n", 2, "\"x\\n\"");
}

static void json_write__gives_integers_their_whole_range(void **state)
{
    rsi_bytes out = {0};
    rsi_json_writer w = rsi_json_writer_of(&out);

    (void)state;
    rsi_json_begin_array(&w);
    rsi_json_integer_value(&w, INT64_MIN);
    rsi_json_integer_value(&w, INT64_MAX);
    rsi_json_end_array(&w);
    assert_string_equal(out.data, "[-9223372036854775808,9223372036854775807]");
    rsi_bytes_free(&out);
}

static void assert_real(double value, const char *expected)
{
    rsi_bytes out = {0};
    rsi_json_writer w = rsi_json_writer_of(&out);

    rsi_json_real_value(&w, value);
    assert_string_equal(out.data, expected);
    rsi_bytes_free(&out);
}

static void json_write__writes_reals_short_and_as_reals(void **state)
{
    (void)state;
    assert_real(0.1, "0.1");
    assert_real(1.0, "1.0");
    assert_real(-0.0, "-0.0");
    assert_real(100.0, "100.0");
    assert_real(123456789012345.0, "123456789012345.0");
    assert_real(1e22, "1e+22");
    assert_real(0.1 + 0.2, "0.30000000000000004");
    assert_real(1.0 / 3.0, "0.3333333333333333");
    assert_real(5e-324, "4.94065645841247e-324");
    assert_real(1.7976931348623157e308, "1.7976931348623157e+308");
    assert_real((double)NAN, "null");
    assert_real((double)INFINITY, "null");
    assert_real(-(double)INFINITY, "null");
}

/* Every double that is written is read as the same bits. */
static void json_write__reals_come_back_the_same(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        double value;
        rsi_json *back;
        rsi_bytes out = {0};
        rsi_json_writer w = rsi_json_writer_of(&out);

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        memcpy(&value, &random, sizeof value);
        if (!isfinite(value))
            continue;
        rsi_json_real_value(&w, value);
        assert_int_equal(rsi_json_parse(&back, out.data, out.size, 1), RAGSTORE_OK);
        assert_false(rsi_json_is_integer(back));
        double read = rsi_json_number(back, 0);
        assert_memory_equal(&read, &value, sizeof value);
        rsi_json_free(back);
        rsi_bytes_free(&out);
    }
}

/* A comma, and a point of two bytes. */
static void json_write__does_not_depend_on_the_locale(void **state)
{
    static const char *const locales[] = {"de_DE", "ps_AF"};

    for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++) {
        if (!locales_use(temporary_path(state), locales[i]))
            continue;
        assert_true(strtod("1.5", NULL) == 1.0); /* it is in force */
        assert_real(1234.5, "1234.5");
        assert_real(-2.5e-7, "-2.5e-07");
        assert_real(12345678.5, "12345678.5");
        assert_real(0.1 + 0.2, "0.30000000000000004");
        assert_real(3.0, "3.0");
        assert_true(strtod("1.5", NULL) == 1.0); /* and still is */
        locales_restore();
    }
}

static void json_dump__is_the_inverse_of_parsing(void **state)
{
    static const char *const texts[] = {
        "{\"z\":[1,-2,3.5,\"a\\nb\",true,false,null,{},[]],\"a\":{\"b\":{\"c\":[[[]]]}},\"\":\"\"}",
        "[]",
        "{}",
        "\"x\"",
        "17",
        "null",
        "[[1],[2,[3]],{\"a\":[{\"b\":1}]}]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rsi_json *value;
        rsi_bytes out = {0};
        assert_int_equal(rsi_json_parse(&value, texts[i], strlen(texts[i]), 32), RAGSTORE_OK);
        assert_int_equal(rsi_json_dump(&out, value), RAGSTORE_OK);
        assert_string_equal(out.data, texts[i]);
        rsi_json_free(value);
        rsi_bytes_free(&out);
    }
}

static json_t *nested(int depth)
{
    json_t *value = json_integer(1);
    for (int i = 0; i < depth; i++)
        value = i % 2 == 0 ? json_pack("[o]", value) : json_pack("{s:o}", "a", value);
    assert_non_null(value);
    return value;
}

static void json_dump__refuses_values_deeper_than_any_that_is_read(void **state)
{
    rsi_bytes out = {0};

    (void)state;
    json_t *deepest = nested(RSI_JSON_DEPTH_STORED);
    json_t *deeper = nested(RSI_JSON_DEPTH_STORED + 1);
    assert_int_equal(rsi_json_dump(&out, deepest), RAGSTORE_OK);
    rsi_bytes_clear(&out);
    assert_int_equal(rsi_json_dump(&out, deeper), RAGSTORE_E_INVALID_DATA);
    assert_int_equal(rsi_bytes_status(&out), RAGSTORE_E_INVALID_DATA);
    assert_non_null(strstr(rsi_error_message(), "64 levels"));
    rsi_bytes_free(&out);
    json_decref(deepest);
    json_decref(deeper);
}

static void json_dump__survives_each_failing_allocation(void **state)
{
    static const char text[] =
        "{\"a\":[1,2.5,\"a long text that makes the output grow, and then, because it does not stop "
        "there as one might have thought, makes it grow once more before it ends, which takes a good "
        "many words if none of them is to be said twice\"],\"b\":null}";
    rsi_json *value;
    unsigned n;

    (void)state;
    assert_int_equal(rsi_json_parse(&value, text, strlen(text), 32), RAGSTORE_OK);
    fault_memory_install();
    for (n = 1;; n++) {
        rsi_bytes out = {0};
        fault_memory_fail(n, false);
        int status = rsi_json_dump(&out, value);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        if (!failed)
            assert_string_equal(out.data, text);
        rsi_bytes_free(&out);
        assert_int_equal(fault_memory_alive(), 0);
        if (!failed)
            break;
    }
    fault_memory_restore();
    assert_true(n > 2);
    rsi_json_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_write__puts_commas_and_keys),
        cmocka_unit_test(json_write__escapes_what_breaks_a_line_or_a_string),
        cmocka_unit_test(json_write__gives_integers_their_whole_range),
        cmocka_unit_test(json_write__writes_reals_short_and_as_reals),
        cmocka_unit_test(json_write__reals_come_back_the_same),
        cmocka_unit_test_setup_teardown(json_write__does_not_depend_on_the_locale, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test(json_dump__is_the_inverse_of_parsing),
        cmocka_unit_test(json_dump__refuses_values_deeper_than_any_that_is_read),
        cmocka_unit_test(json_dump__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
