/* Kernels against sums in float64: every length, every alignment of floats, every group of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vectors/kernel.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 512
#define ROWS 11 /* two groups of four and three more */
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

static void check_length(const rsi_kernel *kernel, size_t length, size_t alignment)
{
    uint32_t seed = (uint32_t)(length * 31 + alignment);
    float *query_block, *blocks[ROWS];
    const float *rows[ROWS];
    float scores[ROWS + 1];
    const float *query = vector_at(length, alignment, &seed, &query_block);
    for (size_t row = 0; row < ROWS; row++)
        rows[row] = vector_at(length, (alignment + row) % ALIGNMENTS, &seed, &blocks[row]);

    scores[ROWS] = 7.0f;
    kernel->inner_products(scores, query, rows, ROWS, length);
    assert_true(scores[ROWS] == 7.0f);
    for (size_t row = 0; row < ROWS; row++) {
        double sum = 0, size = 0;
        for (size_t i = 0; i < length; i++) {
            sum += (double)query[i] * rows[row][i];
            size += fabs((double)query[i] * rows[row][i]);
        }
        assert_true(fabs(scores[row] - sum) <= (double)FLT_EPSILON * size * 8);
        float alone;
        kernel->inner_products(&alone, query, &rows[row], 1, length);
        assert_memory_equal(&alone, &scores[row], sizeof alone);
        free(blocks[row]);
    }
    free(query_block);
}

static void check_kernel(const rsi_kernel *kernel)
{
    for (size_t length = 1; length <= LENGTH_MAX; length++)
        for (size_t alignment = 0; alignment < ALIGNMENTS; alignment += length < 64 ? 1 : 5)
            check_length(kernel, length, alignment);
}

static void vectors_kernel__plain_agrees_with_float64(void **state)
{
    (void)state;
    check_kernel(&rsi_kernel_plain);
}

static void vectors_kernel__avx2_agrees_with_float64(void **state)
{
    (void)state;
    if (rsi_kernel_avx2() == NULL) {
        print_message("this processor has no AVX2\n");
        skip();
    }
    check_kernel(rsi_kernel_avx2());
}

static void vectors_kernel__best_is_one_that_this_processor_has(void **state)
{
    (void)state;
    const rsi_kernel *avx2 = rsi_kernel_avx2();
    assert_ptr_equal(rsi_kernel_best(), avx2 != NULL ? avx2 : &rsi_kernel_plain);
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
        cmocka_unit_test(vectors_kernel__best_is_one_that_this_processor_has),
        cmocka_unit_test(vectors_kernel__gives_nan_for_infinity_minus_infinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
