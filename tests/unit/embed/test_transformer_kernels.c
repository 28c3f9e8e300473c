/* The element-wise steps, each set of them against doubles: lib/embed/kernels.c. */
#include "embed/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const rsi_kernels *sets[2];

static int choose_sets(void **state)
{
    (void)state;
    sets[0] = &rsi_kernels_plain;
    sets[1] = rsi_kernels_choose();
    print_message("kernels: %s\n", sets[1]->name);
    return 0;
}

/* Numbers between -reach and reach, in a block that ends where they end. */
static float *numbers(size_t count, float reach, uint32_t seed)
{
    float *out = malloc(count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = ((float)(seed >> 8) / 8388608.0f - 1) * reach;
    }
    return out;
}

static void close_to(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%.9g, not %.9g", got, expected);
}

static void embed_kernels__gelu_uses_the_error_function(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++)
        for (size_t columns = 1; columns <= 35; columns++) {
            float *x = numbers(600 * columns, 12, 5), *bias = numbers(columns, 1, 6);
            float *before = malloc(600 * columns * sizeof *before);
            memcpy(before, x, 600 * columns * sizeof *x);
            sets[set]->bias_gelu(x, bias, 600, columns, columns);
            for (size_t i = 0; i < 600 * columns; i++) {
                double v = (double)(before[i] + bias[i % columns]);
                close_to((double)x[i], v / 2 * (1 + erf(v / sqrt(2.0))), 4e-7 * (1 + fabs(v)));
            }
            free(x);
            free(bias);
            free(before);
        }
}

/* Some columns of a wider matrix: the others stay. */
static void embed_kernels__gelu_takes_a_part_of_each_row(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++) {
        float *x = numbers(3 * 40, 12, 5), *bias = numbers(11, 1, 6), part[3 * 11], before[3 * 40];
        memcpy(before, x, sizeof before);
        for (size_t r = 0; r < 3; r++)
            memcpy(part + r * 11, x + r * 40 + 5, 11 * sizeof *x);
        sets[set]->bias_gelu(part, bias, 3, 11, 11);
        sets[set]->bias_gelu(x + 5, bias, 3, 11, 40);
        for (size_t r = 0; r < 3; r++)
            memcpy(before + r * 40 + 5, part + r * 11, 11 * sizeof *x);
        assert_memory_equal(before, x, sizeof before);
        free(x);
        free(bias);
    }
}

static void embed_kernels__gelu_takes_any_size(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++) {
        float x[4] = {1e30f, -1e30f, 0, -20}, bias[4] = {0};
        sets[set]->bias_gelu(x, bias, 1, 4, 4);
        assert_true(x[0] == 1e30f);
        close_to((double)x[1], 0, 0);
        close_to((double)x[2], 0, 0);
        close_to((double)x[3], 0, 1e-6);
    }
}

static void embed_kernels__softmax_sums_to_one(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++)
        for (size_t columns = 1; columns <= 40; columns++) {
            const size_t stride = columns + 3, rows = 5;
            float *x = numbers(rows * stride, 30, (uint32_t)columns),
                  *before = malloc(rows * stride * 4);
            memcpy(before, x, rows * stride * 4);
            sets[set]->softmax(x, rows, columns, stride);
            for (size_t r = 0; r < rows; r++) {
                double sum = 0, total = 0;
                for (size_t c = 0; c < columns; c++)
                    sum += exp((double)before[r * stride + c]);
                for (size_t c = 0; c < columns; c++) {
                    double expected = exp((double)before[r * stride + c]) / sum;
                    close_to((double)x[r * stride + c], expected, 1e-5 * expected + 1e-30);
                    total += (double)x[r * stride + c];
                }
                close_to(total, 1, 1e-6);
                for (size_t c = columns; c < stride; c++)
                    assert_true(x[r * stride + c] == before[r * stride + c]);
            }
            free(x);
            free(before);
        }
}

/* Scores that overflow exp() by themselves, and ones far below the largest. */
static void embed_kernels__softmax_takes_large_scores(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++) {
        float x[9] = {500, 500, -500, -1e30f, 500, -500, 400, 0, 500};
        sets[set]->softmax(x, 1, 9, 9);
        for (size_t i = 0; i < 9; i++)
            close_to((double)x[i], i == 0 || i == 1 || i == 4 || i == 8 ? 0.25 : 0, 1e-7);
    }
}

static void embed_kernels__norm_has_mean_zero_and_variance_one(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++)
        for (size_t n = 2; n <= 50; n++) {
            const size_t rows = 3;
            float *x = numbers(rows * n, 5, (uint32_t)n), *added = numbers(rows * n, 5, 77);
            float *bias = numbers(n, 1, 1), *scale = numbers(n, 2, 2), *shift = numbers(n, 2, 3);
            float *before = malloc(rows * n * sizeof *before);
            memcpy(before, x, rows * n * sizeof *x);
            sets[set]->add_norm(x, added, bias, scale, shift, 1e-6f, rows, n);
            for (size_t r = 0; r < rows; r++) {
                double mean = 0, variance = 0, sum[50];
                for (size_t i = 0; i < n; i++) {
                    sum[i] = (double)before[r * n + i] + (double)added[r * n + i] + (double)bias[i];
                    mean += sum[i] / (double)n;
                }
                for (size_t i = 0; i < n; i++)
                    variance += (sum[i] - mean) * (sum[i] - mean) / (double)n;
                for (size_t i = 0; i < n; i++)
                    close_to((double)x[r * n + i],
                             (sum[i] - mean) / sqrt(variance + 1e-6) * (double)scale[i] +
                                 (double)shift[i],
                             3e-5);
            }
            free(x);
            free(added);
            free(bias);
            free(scale);
            free(shift);
            free(before);
        }
}

/* Without spread there is nothing to divide by but epsilon. */
static void embed_kernels__norm_of_equal_numbers_is_the_shift(void **state)
{
    (void)state;
    for (size_t set = 0; set < 2; set++) {
        float x[11], zero[11] = {0}, one[11], shift[11];
        for (size_t i = 0; i < 11; i++) {
            x[i] = 3;
            one[i] = 1;
            shift[i] = (float)i;
        }
        sets[set]->add_norm(x, zero, zero, one, shift, 1e-12f, 1, 11);
        assert_memory_equal(x, shift, sizeof x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_kernels__gelu_uses_the_error_function),
        cmocka_unit_test(embed_kernels__gelu_takes_a_part_of_each_row),
        cmocka_unit_test(embed_kernels__gelu_takes_any_size),
        cmocka_unit_test(embed_kernels__softmax_sums_to_one),
        cmocka_unit_test(embed_kernels__softmax_takes_large_scores),
        cmocka_unit_test(embed_kernels__norm_has_mean_zero_and_variance_one),
        cmocka_unit_test(embed_kernels__norm_of_equal_numbers_is_the_shift),
    };
    return cmocka_run_group_tests(tests, choose_sets, NULL);
}
