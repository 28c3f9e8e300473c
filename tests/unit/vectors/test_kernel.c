/* Kernels against sums in float64: every length, every alignment of floats, every group of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vectors/kernel.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 2048
#define ROWS 11
#define ALIGNMENTS 16

static float next_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

/* A block that ends where the vector ends, so that a sanitizer sees a read behind it. */
static float *vector_at(size_t length, size_t alignment, uint32_t *seed, float **block)
{
    *block = malloc((alignment + length) * sizeof(float));
    assert_non_null(*block);
    for (size_t i = 0; i < length; i++)
        (*block)[alignment + i] = next_number(seed);
    return *block + alignment;
}

/* As a sum of products, or of squares; *size is what its errors are in proportion to. */
static double true_score(double *size, const float *query, const float *row, size_t length,
                         bool squares)
{
    double sum = 0;
    *size = 0;
    for (size_t i = 0; i < length; i++) {
        const double apart = (double)query[i] - row[i];
        const double term = squares ? -apart * apart : (double)query[i] * row[i];
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

static void check_scores(rsi_kernel_function *function, const float *query,
                         const float *const *rows, size_t length, bool squares)
{
    float scores[ROWS + 1];
    scores[ROWS] = 7.0f;
    function(scores, query, rows, ROWS, length);
    assert_true(scores[ROWS] == 7.0f);
    for (size_t row = 0; row < ROWS; row++) {
        double size;
        const double expected = true_score(&size, query, rows[row], length, squares);
        assert_true(fabs(scores[row] - expected) <= (double)FLT_EPSILON * size * 8);
        float alone;
        function(&alone, query, &rows[row], 1, length);
        assert_memory_equal(&alone, &scores[row], sizeof alone);
    }
}

static void check_length(const rsi_kernel *kernel, size_t length, size_t alignment)
{
    uint32_t seed = (uint32_t)(length * 31 + alignment);
    float *query_block, *blocks[ROWS];
    const float *rows[ROWS];
    const float *query = vector_at(length, alignment, &seed, &query_block);
    for (size_t row = 0; row < ROWS; row++)
        rows[row] = vector_at(length, (alignment + row) % ALIGNMENTS, &seed, &blocks[row]);
    check_scores(kernel->inner_products, query, rows, length, false);
    check_scores(kernel->nearnesses, query, rows, length, true);
    for (size_t row = 0; row < ROWS; row++)
        free(blocks[row]);
    free(query_block);
}

static void check_kernel(const rsi_kernel *kernel)
{
    for (size_t length = 1; length <= LENGTH_MAX; length++)
        for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++)
            check_length(kernel, length, alignment);
}

static void check_kernel_if_any(const rsi_kernel *kernel)
{
    if (kernel == NULL) {
        print_message("this processor has none of them\n");
        skip();
    }
    check_kernel(kernel);
}

static void vectors_kernel__plain_agrees_with_float64(void **state)
{
    (void)state;
    check_kernel(&rsi_kernel_plain);
}

static void vectors_kernel__avx2_agrees_with_float64(void **state)
{
    (void)state;
    check_kernel_if_any(rsi_kernel_avx2());
}

static void vectors_kernel__avx512_agrees_with_float64(void **state)
{
    (void)state;
    check_kernel_if_any(rsi_kernel_avx512());
}

static void vectors_kernel__neon_agrees_with_float64(void **state)
{
    (void)state;
    check_kernel_if_any(rsi_kernel_neon());
}

static void vectors_kernel__best_is_one_that_this_processor_has(void **state)
{
    (void)state;
    const rsi_kernel *best = rsi_kernel_best();
    const rsi_kernel *const all[] = {rsi_kernel_avx512(), rsi_kernel_avx2(), rsi_kernel_neon(),
                                     &rsi_kernel_plain};
    size_t first = 0;
    while (all[first] == NULL)
        first++;
    assert_ptr_equal(best, all[first]);
    assert_true(rsi_kernel_of(RSI_METRIC_COSINE) == best->inner_products);
    assert_true(rsi_kernel_of(RSI_METRIC_INNER_PRODUCT) == best->inner_products);
    assert_true(rsi_kernel_of(RSI_METRIC_L2) == best->nearnesses);
}

static void vectors_kernel__gives_nan_for_infinity_minus_infinity(void **state)
{
    (void)state;
    float query[8], row[8];
    for (int i = 0; i < 8; i++) {
        query[i] = 3e38f;
        row[i] = i % 2 == 0 ? 3e38f : -3e38f;
    }
    const float *rows[1] = {row};
    float score = 0;
    rsi_kernel_best()->inner_products(&score, query, rows, 1, 8);
    assert_int_equal(isfinite(score) ? 1 : 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_kernel__plain_agrees_with_float64),
        cmocka_unit_test(vectors_kernel__avx2_agrees_with_float64),
        cmocka_unit_test(vectors_kernel__avx512_agrees_with_float64),
        cmocka_unit_test(vectors_kernel__neon_agrees_with_float64),
        cmocka_unit_test(vectors_kernel__best_is_one_that_this_processor_has),
        cmocka_unit_test(vectors_kernel__gives_nan_for_infinity_minus_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
