/* Scanning bytes: every scanner of this processor says what the one in plain C says, to the bit. */
#include "vectors/byte_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRIDE_MAX 4096

static uint64_t state = 5;

static uint64_t random_bits(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 16;
}

typedef struct block {
    int8_t query[STRIDE_MAX];
    uint8_t bytes[RSI_BYTE_BLOCK * (STRIDE_MAX + 12) + 4];
} block;

static int8_t random_code(bool is_extreme)
{
    if (is_extreme)
        return random_bits() % 2 == 0 ? 127 : -127;
    return (int8_t)((int)(random_bits() % 255) - 127);
}

static int32_t fill(block *at, uint8_t *bytes, size_t stride, bool is_extreme)
{
    int32_t sum = 0;
    for (size_t i = 0; i < stride; i++) {
        at->query[i] = random_code(is_extreme);
        sum += at->query[i];
    }
    for (size_t i = 0; i < RSI_BYTE_BLOCK * stride; i++)
        bytes[i] = (uint8_t)(random_code(is_extreme) + RSI_BYTE_ZERO);
    for (size_t i = 0; i < 3 * RSI_BYTE_BLOCK; i++) {
        const float factor = (float)(random_bits() % 1000) / 500;
        memcpy(bytes + RSI_BYTE_BLOCK * stride + i * sizeof factor, &factor, sizeof factor);
    }
    return sum * RSI_BYTE_ZERO;
}

static void compare(const rsi_byte_scanner *scanner, const rsi_byte_query *query,
                    const uint8_t *bytes, float least)
{
    float expected[RSI_BYTE_BLOCK];
    float found[RSI_BYTE_BLOCK];
    const uint32_t mask = rsi_byte_scanner_plain.scan(expected, query, bytes, least);
    const uint32_t other = scanner->scan(found, query, bytes, least);
    assert_memory_equal(found, expected, sizeof expected);
    assert_int_equal(other, mask);
}

static void byte_scan__says_the_same_on_every_processor(void **unused)
{
    (void)unused;
    static block at;
    uint8_t *bytes = at.bytes + 4; /* nothing but the floats is aligned */
    const rsi_byte_scanner *const scanners[] = {rsi_byte_scanner_avx2(), rsi_byte_scanner_avx512(),
                                                rsi_byte_scanner_best()};
    for (size_t s = 0; s < 3; s++) {
        if (scanners[s] == NULL)
            continue;
        print_message("%s\n", scanners[s]->name);
        for (size_t stride = 64; stride <= STRIDE_MAX; stride += stride < 1024 ? 64 : 1024) {
            rsi_byte_query query = {at.query, stride, 0, 0.001f, -3.25f, 0.5f, 0.25f, -1};
            query.excess = fill(&at, bytes, stride, stride % 128 == 0);
            const float leasts[] = {-INFINITY, -4, 0, 5, INFINITY, NAN};
            for (size_t i = 0; i < sizeof leasts / sizeof *leasts; i++)
                compare(scanners[s], &query, bytes, leasts[i]);
        }
    }
}

/* By hand, with a bound for each part of the sum. */
static void byte_scan__adds_up_products_and_bounds(void **unused)
{
    (void)unused;
    static block at;
    uint8_t *bytes = at.bytes + 4;
    const rsi_byte_query query = {at.query, 64, (3 - 5) * RSI_BYTE_ZERO, 2, 0.5f, 10, 100, -1000};
    const float factors[3] = {0.25f, 3, 7}; /* scale, norm, residual */
    float bounds[RSI_BYTE_BLOCK];
    memset(bytes, RSI_BYTE_ZERO, RSI_BYTE_BLOCK * 64);
    memset(bytes + RSI_BYTE_BLOCK * 64, 0, RSI_BYTE_BLOCK * 12);
    at.query[0] = 3;
    at.query[63] = -5;
    bytes[64 * 9] = RSI_BYTE_ZERO + 20;
    bytes[64 * 9 + 63] = RSI_BYTE_ZERO - 100;
    for (size_t i = 0; i < 3; i++)
        memcpy(bytes + RSI_BYTE_BLOCK * 64 + (i * RSI_BYTE_BLOCK + 9) * 4, &factors[i], 4);
    assert_int_equal(rsi_byte_scanner_plain.scan(bounds, &query, bytes, 0.75f), 0);
    assert_float_equal(bounds[9], 2 * 0.25 * 560 + 0.5 + 10 * 3 + 100 * 7 - 1000 * 9, 0);
    assert_float_equal(bounds[8], 0.5, 0);
    assert_int_equal(rsi_byte_scanner_plain.scan(bounds, &query, bytes, 0.5f), ~(1u << 9));
    const float nothing = NAN; /* what has no bound is never ruled out */
    memcpy(bytes + RSI_BYTE_BLOCK * 64 + (RSI_BYTE_BLOCK + 9) * 4, &nothing, 4);
    assert_int_equal(rsi_byte_scanner_plain.scan(bounds, &query, bytes, 0.75f), 1u << 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_scan__says_the_same_on_every_processor),
        cmocka_unit_test(byte_scan__adds_up_products_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
