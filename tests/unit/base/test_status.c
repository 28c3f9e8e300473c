/* Status codes and the thread's error: lib/base/status.c. */
#include "base/status.h"

#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    int code;
    const char *name;
} codes[] = {
#define CODE(name)                                                                                 \
    {                                                                                              \
        RAGSTORE_E_##name, #name                                                                   \
    }
    {RAGSTORE_OK, "OK"}, CODE(INVALID_ARGUMENT),
    CODE(WRONG_STATE),   CODE(CLOSED),
    CODE(UNSUPPORTED),   CODE(VERSION),
    CODE(NOT_FOUND),     CODE(EXISTS),
    CODE(CONFLICT),      CODE(DAMAGED),
    CODE(INVALID_DATA),  CODE(NOT_EXTRACTABLE),
    CODE(EMBEDDER),      CODE(QUERY),
    CODE(MODEL),
    CODE(NO_MEMORY),     CODE(TOO_LARGE),
    CODE(BUSY),          CODE(DISK_FULL),
    CODE(INTERRUPTED),   CODE(IO),
    CODE(PERMISSION),    CODE(READ_ONLY),
    CODE(FAILED),        CODE(INTERNAL),
#undef CODE
};

#define CODES (sizeof codes / sizeof codes[0])

static void base_status__names_every_code_and_no_other(void **state)
{
    (void)state;
    size_t known = 0;
    for (size_t i = 0; i < CODES; i++) {
        assert_string_equal(rsi_status_name(codes[i].code), codes[i].name);
        const char *text = rsi_status_text(codes[i].code);
        assert_true(strlen(text) > 1);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i].code, codes[j].code);
            assert_string_not_equal(text, rsi_status_text(codes[j].code));
        }
    }
    for (int code = -200; code <= 200; code++)
        known += strcmp(rsi_status_name(code), "UNKNOWN") != 0;
    assert_int_equal(known, CODES);
    assert_string_equal(rsi_status_text(-9999), "an unknown status code");
}

static void base_status__keeps_the_last_failure(void **state)
{
    (void)state;
    assert_int_equal(rsi_fail(RAGSTORE_E_NOT_FOUND, "test", "no %s %d", "entity", 7),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_error_errno(), 0);
    assert_string_equal(rsi_error_room(), "test");
    assert_string_equal(rsi_error_message(), "no entity 7");
    rsi_fail(RAGSTORE_E_BUSY, "a very long room name indeed", "%s", "");
    assert_int_equal(rsi_error_code(), RAGSTORE_E_BUSY);
    assert_string_equal(rsi_error_message(), "");
    assert_true(strlen(rsi_error_room()) < 16);
}

static void base_status__adds_what_the_system_says(void **state)
{
    (void)state;
    assert_int_equal(rsi_fail_errno(RAGSTORE_E_IO, ENOENT, "test", "open %s", "x"), RAGSTORE_E_IO);
    assert_int_equal(rsi_error_errno(), ENOENT);
    char expected[200] = "open x: ";
    strcat(expected, strerror(ENOENT));
    assert_string_equal(rsi_error_message(), expected);
    rsi_fail(RAGSTORE_E_IO, "test", "another");
    assert_int_equal(rsi_error_errno(), 0);
}

static void base_status__wraps_going_up(void **state)
{
    (void)state;
    rsi_fail_errno(RAGSTORE_E_IO, EIO, "files", "read");
    char inner[RSI_MESSAGE_MAX];
    strcpy(inner, rsi_error_message());
    assert_int_equal(rsi_wrap(RAGSTORE_E_IO, "open %s", "store"), RAGSTORE_E_IO);
    assert_memory_equal(rsi_error_message(), "open store: ", 12);
    assert_string_equal(rsi_error_message() + 12, inner);
    assert_string_equal(rsi_error_room(), "files");
    assert_int_equal(rsi_error_errno(), EIO);
}

static void base_status__wraps_neither_success_nor_want_of_memory(void **state)
{
    (void)state;
    rsi_fail(RAGSTORE_E_IO, "test", "before");
    assert_int_equal(rsi_wrap(RAGSTORE_OK, "open"), RAGSTORE_OK);
    assert_int_equal(rsi_wrap(3, "open"), 3);
    assert_string_equal(rsi_error_message(), "before");
    assert_int_equal(rsi_fail_no_memory(), RAGSTORE_E_NO_MEMORY);
    assert_int_equal(rsi_wrap(RAGSTORE_E_NO_MEMORY, "open"), RAGSTORE_E_NO_MEMORY);
    assert_string_equal(rsi_error_message(), "out of memory");
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
}

static void assert_cut(void)
{
    const char *message = rsi_error_message();
    size_t size = strlen(message);
    assert_true(size < RSI_MESSAGE_MAX && size > RSI_MESSAGE_MAX - 8);
    assert_string_equal(message + size - 3, "\xE2\x80\xA6");
    assert_true(rsi_utf8_valid(message, size, NULL));
}

static void base_status__cuts_long_messages_between_characters(void **state)
{
    (void)state;
    char text[2 * RSI_MESSAGE_MAX + 8];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 5 < sizeof text; i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        rsi_fail(RAGSTORE_E_IO, "test", "%s", text);
        assert_cut();
        rsi_wrap(RAGSTORE_E_IO, "outer%.*s", (int)shift, "abc");
        assert_cut();
        rsi_fail_errno(RAGSTORE_E_IO, EIO, "test", "%s", text);
        assert_cut();
    }
    memset(text, 'x', sizeof text);
    text[RSI_MESSAGE_MAX - 1] = '\0'; /* just fits */
    rsi_fail(RAGSTORE_E_IO, "test", "%s", text);
    assert_string_equal(rsi_error_message(), text);
}

static void base_status__saves_and_restores_an_error(void **state)
{
    (void)state;
    rsi_saved_error saved;
    rsi_fail_errno(RAGSTORE_E_IO, ENOSPC, "files", "write");
    rsi_error_save(&saved);
    rsi_fail(RAGSTORE_E_BUSY, "test", "during clean-up");
    rsi_error_restore(&saved);
    assert_int_equal(rsi_error_code(), RAGSTORE_E_IO);
    assert_int_equal(rsi_error_errno(), ENOSPC);
    assert_string_equal(rsi_error_room(), "files");
    assert_memory_equal(rsi_error_message(), "write: ", 7);
}

static void base_status__fits_codes_to_errno_values(void **state)
{
    (void)state;
    static const int pairs[][2] = {
        {ENOMEM, RAGSTORE_E_NO_MEMORY}, {ENOENT, RAGSTORE_E_NOT_FOUND},
        {EEXIST, RAGSTORE_E_EXISTS},    {ENOSPC, RAGSTORE_E_DISK_FULL},
        {EDQUOT, RAGSTORE_E_DISK_FULL}, {EACCES, RAGSTORE_E_PERMISSION},
        {EPERM, RAGSTORE_E_PERMISSION}, {EROFS, RAGSTORE_E_PERMISSION},
        {EIO, RAGSTORE_E_IO},           {0, RAGSTORE_E_IO},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_int_equal(rsi_code_of_errno(pairs[i][0]), pairs[i][1]);
}

static void *fail_elsewhere(void *code_before)
{
    *(int *)code_before = rsi_error_code();
    rsi_fail(RAGSTORE_E_BUSY, "other", "of another thread");
    return NULL;
}

static void base_status__keeps_each_threads_own_error(void **state)
{
    (void)state;
    pthread_t thread;
    int before = 1;
    rsi_fail(RAGSTORE_E_IO, "test", "of this thread");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &before), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(before, RAGSTORE_OK);
    assert_int_equal(rsi_error_code(), RAGSTORE_E_IO);
    assert_string_equal(rsi_error_message(), "of this thread");
}

static void base_status__a_message_can_quote_the_one_before(void **state)
{
    (void)state;
    rsi_fail(RAGSTORE_E_INVALID_DATA, "json", "line 3, column 9: a control character");
    int status = rsi_fail(RAGSTORE_E_DAMAGED, "storage", "api_storage/entities.json: %s. Mend it",
                          rsi_error_message());
    assert_int_equal(status, RAGSTORE_E_DAMAGED);
    assert_string_equal(rsi_error_message(), "api_storage/entities.json: line 3, column 9: a "
                                             "control character. Mend it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_status__a_message_can_quote_the_one_before),
        cmocka_unit_test(base_status__names_every_code_and_no_other),
        cmocka_unit_test(base_status__keeps_the_last_failure),
        cmocka_unit_test(base_status__adds_what_the_system_says),
        cmocka_unit_test(base_status__wraps_going_up),
        cmocka_unit_test(base_status__wraps_neither_success_nor_want_of_memory),
        cmocka_unit_test(base_status__cuts_long_messages_between_characters),
        cmocka_unit_test(base_status__saves_and_restores_an_error),
        cmocka_unit_test(base_status__fits_codes_to_errno_values),
        cmocka_unit_test(base_status__keeps_each_threads_own_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
