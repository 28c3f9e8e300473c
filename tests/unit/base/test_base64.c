/* Bytes as text: lib/base/base64.c. */
#include "base/base64.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The vectors of RFC 4648, section 10. */
static void base_base64__writes_what_the_standard_says(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        rsi_bytes out = {0};
        char back[16];
        size_t size;
        rsi_bytes_append_text(&out, "before:");
        rsi_base64_append(&out, pairs[i][0], strlen(pairs[i][0]));
        assert_int_equal(rsi_bytes_status(&out), RAGSTORE_OK);
        assert_string_equal(out.data + 7, pairs[i][1]);
        assert_true(rsi_base64_decode(back, &size, out.data + 7, out.size - 7));
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(back, pairs[i][0], size);
        rsi_bytes_free(&out);
    }
}

static void base_base64__every_length_comes_back(void **state)
{
    unsigned char bytes[300];
    unsigned char back[300];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 151 + i / 7);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        rsi_bytes out = {0};
        size_t decoded;
        rsi_base64_append(&out, bytes, size);
        assert_int_equal(out.size, (size + 2) / 3 * 4);
        assert_true(rsi_base64_room(out.size) >= size);
        assert_true(rsi_base64_decode(back, &decoded, out.data, out.size));
        assert_int_equal(decoded, size);
        assert_memory_equal(back, bytes, size);
        rsi_bytes_free(&out);
    }
}

static void base_base64__refuses_what_it_never_writes(void **state)
{
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "Zm9vY", "Z===", "====", "=Zm9", "Zm=v", "Zg==Zg==",
        "Zm 9", "Zm9-", "Zm\n9", "Zh==", "Zm9=",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char out[16];
        size_t size;
        if (rsi_base64_decode(out, &size, bad[i], strlen(bad[i])))
            fail_msg("\"%s\" was accepted", bad[i]);
    }
}

static void base_base64__tells_when_memory_is_short(void **state)
{
    rsi_bytes out = {0};
    (void)state;
    fault_memory_install();
    fault_memory_fail(1, false);
    rsi_base64_append(&out, "foo", 3);
    fault_memory_restore();
    assert_int_equal(rsi_bytes_status(&out), RAGSTORE_E_NO_MEMORY);
    rsi_bytes_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_base64__writes_what_the_standard_says),
        cmocka_unit_test(base_base64__every_length_comes_back),
        cmocka_unit_test(base_base64__refuses_what_it_never_writes),
        cmocka_unit_test(base_base64__tells_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
