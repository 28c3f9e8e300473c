/* Scanning codes: every scanner of this processor says what the one in plain C says, to the bit. */
#include "vectors/code_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NIBBLES_MAX 1024

static uint64_t state = 7;

static uint64_t random_bits(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 16;
}

typedef struct block {
    uint8_t tables[NIBBLES_MAX * 16];
    uint8_t codes[NIBBLES_MAX * 16 + 1];
    float factors[RSI_CODE_BLOCK];
    float addends[RSI_CODE_BLOCK];
} block;

/* No sum is over 65,535: that is what callers vouch for. */
static void fill(block *at, size_t nibbles)
{
    const unsigned most = nibbles * 255 <= 65535 ? 255 : (unsigned)(65535 / nibbles);
    for (size_t i = 0; i < nibbles * 16; i++) {
        at->tables[i] = (uint8_t)(random_bits() % 8 == 0 ? most : random_bits() % (most + 1));
        at->codes[i + 1] = (uint8_t)random_bits();
    }
    for (size_t i = 0; i < RSI_CODE_BLOCK; i++)
        at->factors[i] = (float)(random_bits() % 1000) / 500;
    for (size_t i = 0; i < RSI_CODE_BLOCK; i++)
        at->addends[i] = (float)(random_bits() % 1000) / -100;
}

static void compare_with(const rsi_code_scanner *scanner, const block *at, size_t nibbles,
                         const float *addends, float least)
{
    const rsi_code_query query = {at->tables, nibbles, 0.001f, -3.25f};
    float expected[RSI_CODE_BLOCK];
    float found[RSI_CODE_BLOCK];
    /* one byte further: nothing is aligned */
    uint32_t mask =
        rsi_code_scanner_plain.scan(expected, &query, at->codes + 1, at->factors, addends, least);
    uint32_t other = scanner->scan(found, &query, at->codes + 1, at->factors, addends, least);
    assert_memory_equal(found, expected, sizeof expected);
    assert_int_equal(other, mask);
}

static void compare(const rsi_code_scanner *scanner, const block *at, size_t nibbles, float least)
{
    compare_with(scanner, at, nibbles, NULL, least);
    compare_with(scanner, at, nibbles, at->addends, least);
}

static void code_scan__says_the_same_on_every_processor(void **unused)
{
    (void)unused;
    static block at;
    const rsi_code_scanner *const scanners[] = {rsi_code_scanner_avx2(), rsi_code_scanner_avx512(),
                                                rsi_code_scanner_best()};
    for (size_t s = 0; s < 3; s++) {
        if (scanners[s] == NULL)
            continue;
        print_message("%s\n", scanners[s]->name);
        for (size_t nibbles = 4; nibbles <= NIBBLES_MAX; nibbles += nibbles < 128 ? 4 : 56) {
            fill(&at, nibbles);
            compare(scanners[s], &at, nibbles, -INFINITY);
            compare(scanners[s], &at, nibbles, 0);
            compare(scanners[s], &at, nibbles, 5);
            compare(scanners[s], &at, nibbles, INFINITY);
        }
    }
}

/* By hand: a row's sum is what its nibbles' tables say. */
static void code_scan__adds_up_what_the_tables_say(void **unused)
{
    (void)unused;
    block *at = calloc(1, sizeof *at);
    const rsi_code_query query = {at->tables, 4, 1, 0.5f};
    float found[RSI_CODE_BLOCK];
    for (size_t i = 0; i < RSI_CODE_BLOCK; i++)
        at->factors[i] = 1;
    at->tables[0 * 16 + 3] = 10;      /* nibble 0 is 3 */
    at->tables[1 * 16 + 15] = 20;     /* nibble 1 is 15 */
    at->codes[0 * 16 + 5] = 3;        /* row 5 */
    at->codes[0 * 16 + 6] = 3 << 4;   /* row 22 */
    at->codes[1 * 16 + 6] = 15u << 4; /* row 22 again */
    uint32_t over =
        rsi_code_scanner_best()->scan(found, &query, at->codes, at->factors, NULL, 1);
    for (size_t i = 0; i < RSI_CODE_BLOCK; i++)
        assert_true(found[i] == (i == 5 ? 10.5f : i == 22 ? 30.5f : 0.5f));
    assert_int_equal(over, (1u << 5) | (1u << 22));
    at->addends[5] = -10;
    at->addends[31] = 7;
    over = rsi_code_scanner_best()->scan(found, &query, at->codes, at->factors, at->addends, 1);
    for (size_t i = 0; i < RSI_CODE_BLOCK; i++)
        assert_true(found[i] == (i == 22 ? 30.5f : i == 31 ? 7.5f : 0.5f));
    assert_int_equal(over, (1u << 22) | (1u << 31));
    free(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_scan__says_the_same_on_every_processor),
        cmocka_unit_test(code_scan__adds_up_what_the_tables_say),
    };
    return cmocka_run_group_tests_name("code_scan", tests, NULL, NULL);
}
