/*
 * Products in 8-bit integers, each kernel against the definition and against each other:
 * lib/embed/int8_product.c, int8_product_avx2.c, int8_product_vnni.c; and rows as 8-bit numbers:
 * lib/embed/kernels.c.
 */
#include "embed/int8_product.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const rsi_int8_kernel *kernels[3];
static const rsi_kernels *steps[2];
static size_t kernel_count;

static int choose_kernels(void **state)
{
    (void)state;
    const rsi_int8_kernel *all[] = {&rsi_int8_kernel_plain, rsi_int8_kernel_avx2(),
                                    rsi_int8_kernel_vnni()};
    for (size_t i = 0; i < 3; i++)
        if (all[i] != NULL) {
            print_message("kernel: %s\n", all[i]->name);
            kernels[kernel_count++] = all[i];
        }
    steps[0] = &rsi_kernels_plain;
    steps[1] = rsi_kernels_choose();
    return 0;
}

/* Numbers between -reach and reach. */
static float *numbers(size_t count, float reach, uint32_t seed)
{
    float *out = malloc(count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        out[i] = ((float)(seed >> 8) / 8388608.0f - 1) * reach;
    }
    return out;
}

/* The definition, straight from the header: rows and weights in 8 bits, sums in 64. */
static double defined(const float *row, const float *weight, float bias, size_t inputs)
{
    double least = 0, most = 0, largest = 0;
    for (size_t i = 0; i < inputs; i++) {
        least = fmin(least, (double)row[i]);
        most = fmax(most, (double)row[i]);
        largest = fmax(largest, fabs((double)weight[i]));
    }
    const double scale = (most - least) / 255, weight_scale = largest / 127;
    const double zero = scale > 0 ? nearbyint(-least / scale) : 0;
    double sum = 0;
    for (size_t i = 0; i < inputs; i++) {
        double x = scale > 0 ? nearbyint((double)row[i] / scale) + zero : 0;
        x = fmin(fmax(x, 0), 255) - zero;
        sum += x * (weight_scale > 0 ? nearbyint((double)weight[i] / weight_scale) : 0);
    }
    return sum * scale * weight_scale + (double)bias;
}

static void check_product(size_t rows, size_t outputs, size_t inputs, bool with_bias)
{
    float *in = numbers(rows * inputs, 3, 1), *weight = numbers(outputs * inputs, 0.5f, 2);
    float *bias = numbers(outputs, 1, 3), *scales = malloc(outputs * sizeof *scales);
    int32_t *sums = malloc(outputs * sizeof *sums);
    int8_t *packed = malloc(rsi_int8_packed_size(outputs, inputs));
    void *scratch = malloc(rsi_int8_scratch_size(inputs));
    float *first = malloc(rows * outputs * sizeof *first);
    float *out = malloc(rows * outputs * sizeof *out);
    rsi_int8_pack(packed, scales, sums, weight, outputs, inputs);
    const rsi_int8_outputs facts = {scales, sums, with_bias ? bias : NULL};
    for (size_t k = 0; k < kernel_count; k++)
        for (size_t s = 0; s < 2; s++) {
            memset(out, 0xFF, rows * outputs * sizeof *out);
            rsi_int8_product(kernels[k], steps[s], scratch, out, in, rows, packed, &facts, outputs,
                             inputs);
            if (k == 0 && s == 0)
                memcpy(first, out, rows * outputs * sizeof *out);
            assert_memory_equal(first, out, rows * outputs * sizeof *out);
        }
    /* One step of a number in a row, in case it was just between two of them. */
    const double tolerance = 2 * 3.0 / 127 * 0.5 * 3 + 1e-4;
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++) {
            const double expected =
                defined(in + r * inputs, weight + o * inputs, with_bias ? bias[o] : 0, inputs);
            if (!(fabs((double)first[r * outputs + o] - expected) <= tolerance))
                fail_msg("%zu rows, %zu outputs, %zu inputs: [%zu][%zu] is %g, not %g", rows,
                         outputs, inputs, r, o, (double)first[r * outputs + o], expected);
        }
    void *all[] = {in, weight, bias, scales, sums, packed, scratch, first, out};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void embed_int8_product__is_the_same_with_all_kernels(void **state)
{
    (void)state;
    static const size_t outputs[] = {1, 7, 16, 17, 32, 45};
    static const size_t inputs[] = {1, 2, 3, 4, 5, 37, 64};
    for (size_t rows = 1; rows <= 26; rows++)
        for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
            for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
                check_product(rows, outputs[o], inputs[i], (rows + i) % 2 == 0);
    check_product(RSI_PRODUCT_ROWS, 40, 1537, true);
}

/* The largest sums that there can be, of both signs, must not be cut off on the way. */
static void embed_int8_product__holds_the_largest_sums(void **state)
{
    (void)state;
    enum { OUTPUTS = 17 };
    const size_t inputs = RSI_INT8_INPUTS_MAX;
    float *row = malloc(inputs * sizeof *row), *weight = malloc(OUTPUTS * inputs * sizeof *weight);
    float scales[OUTPUTS], out[OUTPUTS];
    int32_t sums[OUTPUTS];
    int8_t *packed = malloc(rsi_int8_packed_size(OUTPUTS, inputs));
    void *scratch = malloc(rsi_int8_scratch_size(inputs));
    for (size_t i = 0; i < inputs; i++)
        row[i] = 1;
    for (size_t i = 0; i < OUTPUTS * inputs; i++)
        weight[i] = i / inputs % 2 == 0 ? 1 : -1;
    rsi_int8_pack(packed, scales, sums, weight, OUTPUTS, inputs);
    const rsi_int8_outputs facts = {scales, sums, NULL};
    for (size_t k = 0; k < kernel_count; k++)
        for (int sign = 1; sign >= -1; sign -= 2) {
            for (size_t i = 0; i < inputs; i++)
                row[i] = (float)sign;
            rsi_int8_product(kernels[k], steps[1], scratch, out, row, 1, packed, &facts, OUTPUTS,
                             inputs);
            for (size_t o = 0; o < OUTPUTS; o++)
                assert_true(fabs((double)out[o] - (o % 2 == 0 ? sign : -sign) * 65536.0) < 0.1);
        }
    free(row);
    free(weight);
    free(packed);
    free(scratch);
}

static void embed_int8_product__passes_on_what_is_not_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float weight[2 * 20], row[20], scales[2], out[2];
    int32_t sums[2];
    int8_t packed[16 * 20];
    void *scratch = malloc(rsi_int8_scratch_size(20));
    const rsi_int8_outputs facts = {scales, sums, NULL};
    for (size_t k = 0; k < kernel_count; k++)
        for (size_t b = 0; b < 3; b++)
            for (size_t place = 0; place < 20; place++) {
                for (size_t i = 0; i < 20; i++)
                    row[i] = weight[i] = weight[20 + i] = 1;
                weight[20 + place] = bad[b];
                rsi_int8_pack(packed, scales, sums, weight, 2, 20);
                rsi_int8_product(kernels[k], steps[1], scratch, out, row, 1, packed, &facts, 2, 20);
                assert_true(fabsf(out[0] - 20) < 0.01f);
                assert_true(!isfinite(out[1]));
                for (size_t s = 0; s < 2; s++) {
                    row[place] = bad[b];
                    rsi_int8_product(kernels[k], steps[s], scratch, out, row, 1, packed, &facts, 2,
                                     20);
                    assert_true(!isfinite(out[0]));
                }
            }
    free(scratch);
}

static void embed_int8__rows_are_as_exact_as_256_steps_can_be(void **state)
{
    (void)state;
    for (size_t columns = 1; columns <= 70; columns++)
        for (uint32_t kind = 0; kind < 4; kind++) {
            float *row = numbers(columns, kind == 3 ? 1e-20f : 5, (uint32_t)columns + kind);
            for (size_t i = 0; i < columns && kind < 3; i++)
                row[i] = kind == 1 ? fabsf(row[i]) : kind == 2 ? -fabsf(row[i]) : row[i];
            uint8_t first[80], again[80];
            float scale[2];
            int32_t zero[2];
            memset(first, 7, sizeof first);
            memset(again, 7, sizeof again);
            steps[0]->quantise(first, &scale[0], &zero[0], row, columns);
            steps[1]->quantise(again, &scale[1], &zero[1], row, columns);
            assert_memory_equal(first, again, sizeof first);
            assert_int_equal(first[columns], 7);
            assert_true(scale[0] == scale[1] && zero[0] == zero[1]);
            assert_in_range(zero[0], 0, 255);
            for (size_t i = 0; i < columns; i++) {
                const double back = (double)(first[i] - zero[0]) * (double)scale[0];
                assert_true(fabs(back - (double)row[i]) <= 1.01 * (double)scale[0]);
            }
            free(row);
        }
}

static void embed_int8__rows_without_spread_are_taken(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        uint8_t out[9];
        float scale;
        int32_t zero;
        float row[9] = {0};
        steps[s]->quantise(out, &scale, &zero, row, 9);
        assert_true(scale == 0 && zero == 0);
        for (size_t i = 0; i < 9; i++)
            row[i] = -2;
        steps[s]->quantise(out, &scale, &zero, row, 9);
        for (size_t i = 0; i < 9; i++)
            assert_true(fabsf((float)(out[i] - zero) * scale + 2) < 1e-5f);
        row[0] = FLT_MAX;
        row[1] = -FLT_MAX; /* finite, but their distance is not */
        steps[s]->quantise(out, &scale, &zero, row, 9);
        assert_true(!isfinite(scale));
    }
}

static void embed_int8_product__knows_sizes_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(rsi_int8_packed_size(1, 1), 64);
    assert_int_equal(rsi_int8_packed_size(17, 5), 256);
    assert_int_equal(rsi_int8_packed_size(SIZE_MAX, 1), 0);
    assert_int_equal(rsi_int8_packed_size(1, SIZE_MAX), 0);
    assert_int_equal(rsi_int8_packed_size(SIZE_MAX / 2, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_int8_product__is_the_same_with_all_kernels),
        cmocka_unit_test(embed_int8_product__holds_the_largest_sums),
        cmocka_unit_test(embed_int8_product__passes_on_what_is_not_finite),
        cmocka_unit_test(embed_int8_product__knows_sizes_that_cannot_be),
        cmocka_unit_test(embed_int8__rows_are_as_exact_as_256_steps_can_be),
        cmocka_unit_test(embed_int8__rows_without_spread_are_taken),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
