/* UTF-8: lib/base/utf8.c. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Every code point that is a character, encoded and read back. */
static void base_utf8__round_trips_every_character(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char bytes[4];
        size_t size = rsi_utf8_encode(c, bytes);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        size_t expected = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (size != expected || rsi_utf8_valid(bytes, size, NULL) == surrogate)
            fail_msg("U+%04X", c);
        if (surrogate)
            continue;
        size_t offset = 0;
        if (rsi_utf8_next(bytes, size, &offset) != c || offset != size)
            fail_msg("U+%04X is read as another", c);
    }
}

/* Unicode 15, table 3-7: the second byte's range depends on the first. */
static bool well_formed(const unsigned char *b, size_t size)
{
    static const struct {
        unsigned char first[2];
        unsigned char second[2];
        size_t size;
    } rows[] = {
        {{0x00, 0x7F}, {0, 0}, 1},       {{0xC2, 0xDF}, {0x80, 0xBF}, 2},
        {{0xE0, 0xE0}, {0xA0, 0xBF}, 3}, {{0xE1, 0xEC}, {0x80, 0xBF}, 3},
        {{0xED, 0xED}, {0x80, 0x9F}, 3}, {{0xEE, 0xEF}, {0x80, 0xBF}, 3},
        {{0xF0, 0xF0}, {0x90, 0xBF}, 4}, {{0xF1, 0xF3}, {0x80, 0xBF}, 4},
        {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (b[0] < rows[i].first[0] || b[0] > rows[i].first[1])
            continue;
        if (size != rows[i].size)
            return false;
        bool good = size == 1 || (b[1] >= rows[i].second[0] && b[1] <= rows[i].second[1]);
        for (size_t j = 2; j < size; j++)
            good = good && b[j] >= 0x80 && b[j] <= 0xBF;
        return good;
    }
    return false;
}

static void base_utf8__accepts_exactly_the_well_formed_sequences(void **state)
{
    (void)state;
    static const unsigned char third[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (unsigned first = 0; first < 256; first++) {
        unsigned char b[4] = {(unsigned char)first, 0, 0, 0};
        assert_int_equal(rsi_utf8_valid((char *)b, 1, NULL), well_formed(b, 1));
        if (first < 0x80)
            continue; /* what follows would be characters of its own */
        for (unsigned second = 0; second < 256; second++) {
            b[1] = (unsigned char)second;
            assert_int_equal(rsi_utf8_valid((char *)b, 2, NULL), well_formed(b, 2));
            for (size_t i = 0; i < sizeof third; i++) {
                b[2] = third[i];
                b[3] = third[(i + 1) % sizeof third];
                bool three = well_formed(b, 3) || (well_formed(b, 2) && b[2] < 0x80);
                assert_int_equal(rsi_utf8_valid((char *)b, 3, NULL), three);
                bool four = well_formed(b, 4) || (three && b[3] < 0x80);
                assert_int_equal(rsi_utf8_valid((char *)b, 4, NULL), four);
            }
        }
    }
}

static void base_utf8__tells_where_the_first_bad_byte_is(void **state)
{
    (void)state;
    size_t bad = 77;
    assert_true(rsi_utf8_valid("", 0, &bad));
    assert_int_equal(bad, 77);
    assert_true(rsi_utf8_valid("a\0b", 3, &bad));
    assert_false(rsi_utf8_valid("ab\xFF", 3, &bad));
    assert_int_equal(bad, 2);
    assert_false(rsi_utf8_valid("é\xE2\x82", 4, &bad)); /* cut short */
    assert_int_equal(bad, 2);
    assert_false(rsi_utf8_valid("\xC0\x80", 2, &bad)); /* overlong NUL */
    assert_int_equal(bad, 0);
    assert_false(rsi_utf8_valid("\x80", 1, NULL));
}

static void base_utf8__steps_over_bad_bytes_one_by_one(void **state)
{
    (void)state;
    const char *text = "a\xE2\x82"
                       "b\xFFé";
    static const uint32_t expected[] = {'a', 0xFFFD, 0xFFFD, 'b', 0xFFFD, 0xE9};
    size_t offset = 0;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(rsi_utf8_next(text, strlen(text), &offset), expected[i]);
    assert_int_equal(offset, strlen(text));
}

static void base_utf8__never_cuts_a_character(void **state)
{
    (void)state;
    const char *text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"; /* 1, 2, 3 and 4 bytes */
    static const size_t floors[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (size_t limit = 0; limit <= 10; limit++)
        assert_int_equal(rsi_utf8_floor(text, 10, limit), floors[limit]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_utf8__round_trips_every_character),
        cmocka_unit_test(base_utf8__accepts_exactly_the_well_formed_sequences),
        cmocka_unit_test(base_utf8__tells_where_the_first_bad_byte_is),
        cmocka_unit_test(base_utf8__steps_over_bad_bytes_one_by_one),
        cmocka_unit_test(base_utf8__never_cuts_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
