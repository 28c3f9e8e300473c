/* Checksums, digests and random ids: lib/base/digest.c and sha256_x86.c. */
#include "base/digest.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- CRC32C ------------------------------------------------------------------------- */

/* Bit by bit, from the polynomial. */
static uint32_t slow_crc32c(const unsigned char *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

static void base_crc32c__gives_the_values_of_rfc_3720(void **state)
{
    (void)state;
    unsigned char bytes[32] = {0};
    assert_int_equal(rsi_crc32c(0, "123456789", 9), 0xE3069283u);
    assert_int_equal(rsi_crc32c(0, bytes, 32), 0x8A9136AAu);
    memset(bytes, 0xFF, 32);
    assert_int_equal(rsi_crc32c(0, bytes, 32), 0x62A8AB43u);
    for (unsigned char i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(rsi_crc32c(0, bytes, 32), 0x46DD794Eu);
    assert_int_equal(rsi_crc32c(0, "", 0), 0);
}

static void base_crc32c__may_be_computed_in_pieces_of_any_size(void **state)
{
    (void)state;
    unsigned char bytes[100];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint32_t whole = slow_crc32c(bytes, size);
        for (size_t cut = 0; cut <= size; cut++) {
            uint32_t first = rsi_crc32c(0, bytes, cut);
            assert_int_equal(rsi_crc32c(first, bytes + cut, size - cut), whole);
        }
    }
}

/* ---- SHA-256 ------------------------------------------------------------------------ */

static void assert_sha256(const void *data, size_t size, const char *expected)
{
    char hex[RSI_SHA256_HEX];
    rsi_sha256_hex(data, size, hex);
    assert_string_equal(hex, expected);
}

static void base_sha256__gives_the_values_of_fips_180(void **state)
{
    (void)state;
    assert_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_sha256(two, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    assert_non_null(million);
    memset(million, 'a', 1000000);
    assert_sha256(million, 1000000,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void base_sha256__may_be_computed_in_pieces_of_any_size(void **state)
{
    (void)state;
    unsigned char bytes[200];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        char whole[RSI_SHA256_HEX];
        rsi_sha256_hex(bytes, size, whole);
        for (size_t cut = 0; cut <= size; cut++) {
            char pieces[RSI_SHA256_HEX];
            rsi_sha256 sha;
            rsi_sha256_begin(&sha);
            rsi_sha256_add(&sha, bytes, cut);
            rsi_sha256_add(&sha, bytes + cut, size - cut);
            rsi_sha256_end_hex(&sha, pieces);
            assert_string_equal(pieces, whole);
        }
    }
}

/* ---- text and random ---------------------------------------------------------------- */

static void base_digest__writes_lower_case_hex(void **state)
{
    (void)state;
    const unsigned char bytes[] = {0x00, 0x0F, 0xA5, 0xFF};
    char text[9];
    rsi_hex(bytes, sizeof bytes, text);
    assert_string_equal(text, "000fa5ff");
    rsi_hex(bytes, 0, text);
    assert_string_equal(text, "");
}

static void base_random__fills_every_byte(void **state)
{
    (void)state;
    unsigned char seen[600] = {0};
    for (int round = 0; round < 20; round++) {
        unsigned char bytes[600];
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(rsi_random(bytes, sizeof bytes), RAGSTORE_OK);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        assert_int_not_equal(seen[i], 0);
}

static void base_random__gives_hex_ids_of_the_length_asked_for(void **state)
{
    (void)state;
    for (size_t digits = 2; digits <= 64; digits += 2) {
        char first[66];
        char second[66];
        memset(first, '#', sizeof first);
        assert_int_equal(rsi_random_hex(first, digits), RAGSTORE_OK);
        assert_int_equal(strlen(first), digits);
        assert_int_equal(strspn(first, "0123456789abcdef"), digits);
        assert_int_equal(first[digits + 1], '#');
        assert_int_equal(rsi_random_hex(second, digits), RAGSTORE_OK);
        if (digits >= 12)
            assert_string_not_equal(first, second);
    }
}

static void base_random__gives_uuids_of_version_4(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        char uuid[37];
        assert_int_equal(rsi_random_uuid(uuid), RAGSTORE_OK);
        assert_int_equal(strlen(uuid), 36);
        for (size_t i = 0; i < 36; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_int_equal(uuid[i] == '-', dash);
            assert_true(dash || strchr("0123456789abcdef", uuid[i]) != NULL);
        }
        assert_int_equal(uuid[14], '4');
        assert_non_null(strchr("89ab", uuid[19]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_crc32c__gives_the_values_of_rfc_3720),
        cmocka_unit_test(base_crc32c__may_be_computed_in_pieces_of_any_size),
        cmocka_unit_test(base_sha256__gives_the_values_of_fips_180),
        cmocka_unit_test(base_sha256__may_be_computed_in_pieces_of_any_size),
        cmocka_unit_test(base_digest__writes_lower_case_hex),
        cmocka_unit_test(base_random__fills_every_byte),
        cmocka_unit_test(base_random__gives_hex_ids_of_the_length_asked_for),
        cmocka_unit_test(base_random__gives_uuids_of_version_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
