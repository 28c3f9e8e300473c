/* Growing byte strings: lib/base/bytes.c. */
#include "base/bytes.h"

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void base_bytes__appends_and_stays_terminated(void **state)
{
    (void)state;
    rsi_bytes bytes;
    rsi_bytes_init(&bytes);
    assert_null(bytes.data);
    rsi_bytes_append(&bytes, "", 0);
    assert_non_null(bytes.data);
    assert_string_equal(bytes.data, "");
    for (int i = 0; i < 1000; i++) {
        rsi_bytes_append_text(&bytes, "ab");
        rsi_bytes_append_char(&bytes, 'c');
        rsi_bytes_append(&bytes, "\0d", 2);
        assert_int_equal(bytes.size, 5 * (i + 1));
        assert_int_equal(bytes.data[bytes.size], '\0');
    }
    for (size_t i = 0; i < 5000; i += 5)
        assert_memory_equal(bytes.data + i, "abc\0d", 5);
    assert_int_equal(rsi_bytes_status(&bytes), RAGSTORE_OK);
    rsi_bytes_free(&bytes);
    assert_null(bytes.data);
    assert_int_equal(bytes.size, 0);
}

static void base_bytes__prints_texts_of_any_length(void **state)
{
    (void)state;
    rsi_bytes bytes = {0};
    char text[1000];
    for (size_t length = 0; length < sizeof text; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        rsi_bytes_clear(&bytes);
        rsi_bytes_append_char(&bytes, '<');
        rsi_bytes_printf(&bytes, "%s%d>", text, 42);
        assert_int_equal(bytes.size, length + 4);
        assert_int_equal(strspn(bytes.data + 1, "x"), length);
        assert_string_equal(bytes.data + 1 + length, "42>");
    }
    rsi_bytes_free(&bytes);
}

static void base_bytes__clears_without_giving_memory_back(void **state)
{
    (void)state;
    rsi_bytes bytes = {0};
    rsi_bytes_clear(&bytes);
    rsi_bytes_append_text(&bytes, "some text");
    size_t capacity = bytes.capacity;
    rsi_bytes_clear(&bytes);
    assert_int_equal(bytes.size, 0);
    assert_int_equal(bytes.capacity, capacity);
    assert_string_equal(bytes.data, "");
    rsi_bytes_free(&bytes);
}

static void base_bytes__hands_its_memory_over(void **state)
{
    (void)state;
    rsi_bytes bytes = {0};
    size_t size = 77;
    char *empty = rsi_bytes_take(&bytes, &size);
    assert_string_equal(empty, "");
    assert_int_equal(size, 0);
    rsi_free(empty);
    rsi_bytes_append_text(&bytes, "text");
    char *text = rsi_bytes_take(&bytes, NULL);
    assert_string_equal(text, "text");
    assert_null(bytes.data);
    assert_int_equal(bytes.capacity, 0);
    rsi_free(text);
}

static void base_bytes__refuses_sizes_that_overflow(void **state)
{
    (void)state;
    rsi_bytes bytes = {0};
    rsi_bytes_append_text(&bytes, "text");
    assert_false(rsi_bytes_reserve(&bytes, SIZE_MAX));
    assert_int_equal(rsi_bytes_status(&bytes), RAGSTORE_E_NO_MEMORY);
    rsi_bytes_clear(&bytes);
    rsi_bytes_append_text(&bytes, "text");
    assert_false(rsi_bytes_reserve(&bytes, SIZE_MAX - 4)); /* no room for the NUL */
    assert_string_equal(bytes.data, "text");
    rsi_bytes_free(&bytes);
}

static void append_everything(rsi_bytes *bytes)
{
    for (int i = 0; i < 20; i++) {
        rsi_bytes_append_text(bytes, "text");
        rsi_bytes_append_char(bytes, 'c');
        rsi_bytes_printf(bytes, "%300d", i);
    }
}

static void base_bytes__reports_a_failed_append_once_at_the_end(void **state)
{
    (void)state;
    fault_memory_install();
    for (unsigned n = 1;; n++) {
        rsi_bytes bytes = {0};
        fault_memory_fail(n, false);
        append_everything(&bytes);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(rsi_bytes_status(&bytes), failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        size_t size = bytes.size;
        rsi_bytes_append_text(&bytes, "later"); /* does nothing after a failure */
        assert_int_equal(bytes.size, failed ? size : size + 5);
        if (bytes.data != NULL)
            assert_int_equal(bytes.data[bytes.size], '\0');
        char *taken = rsi_bytes_take(&bytes, &size);
        assert_true((taken == NULL) == failed);
        rsi_free(taken);
        assert_int_equal(fault_memory_alive(), 0);
        if (!failed)
            break;
    }
    fault_memory_restore();
}

static void base_slice__compares_bytes(void **state)
{
    (void)state;
    const rsi_slice nothing = {NULL, 0};
    assert_int_equal(rsi_slice_of("abc").size, 3);
    assert_true(rsi_slice_equal(rsi_slice_of("abc"), rsi_slice_of("abc")));
    assert_false(rsi_slice_equal(rsi_slice_of("abc"), rsi_slice_of("abd")));
    assert_false(rsi_slice_equal(rsi_slice_of("abc"), rsi_slice_of("ab")));
    assert_true(rsi_slice_equal(nothing, rsi_slice_of("")));
}

static void base_bytes__puts_digits_with_leading_zeros(void **state)
{
    static const uint64_t values[] = {0,      1,          9,          10,        4095,
                                      987654, 4294967295, 9999999999, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char expected[24];
        char out[24] = "";
        snprintf(expected, sizeof expected, "%020" PRIu64, values[i]);
        rsi_put_decimal(out, 20, values[i]);
        assert_string_equal(out, expected);
        memset(out, 0, sizeof out);
        rsi_put_decimal(out, 4, values[i]); /* the last ones */
        assert_string_equal(out, expected + 16);
        memset(out, 0, sizeof out);
        snprintf(expected, sizeof expected, "%08" PRIx32, (uint32_t)values[i]);
        rsi_put_hex(out, 8, (uint32_t)values[i]);
        assert_string_equal(out, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_bytes__appends_and_stays_terminated),
        cmocka_unit_test(base_bytes__prints_texts_of_any_length),
        cmocka_unit_test(base_bytes__clears_without_giving_memory_back),
        cmocka_unit_test(base_bytes__hands_its_memory_over),
        cmocka_unit_test(base_bytes__refuses_sizes_that_overflow),
        cmocka_unit_test(base_bytes__reports_a_failed_append_once_at_the_end),
        cmocka_unit_test(base_bytes__puts_digits_with_leading_zeros),
        cmocka_unit_test(base_slice__compares_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
