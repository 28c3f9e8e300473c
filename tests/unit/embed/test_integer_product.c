/*
 * Products in whole numbers of 8 and of 16 bits, each kernel against the definition and against
 * each other: lib/embed/integer_product.c, integer_pack.c, int8_product_avx2.c,
 * int8_product_vnni.c, int16_product_avx2.c, int16_product_vnni.c; and rows as whole numbers:
 * lib/embed/kernels.c.
 */
#include "embed/integer_product.h"

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

#define WIDTHS 2

typedef struct width {
    const char *name;
    size_t group;
    void (*pack)(void *packed, float *scales, int32_t *sums, const rsi_kernels *set,
                 const float *weight, size_t outputs, size_t inputs);
    const rsi_integer_kernel *kernels[3];
    size_t kernel_count;
} width;

static width widths[WIDTHS] = {
    {.name = "int8", .group = RSI_INT8_GROUP, .pack = rsi_int8_pack},
    {.name = "int16", .group = RSI_INT16_GROUP, .pack = rsi_int16_pack},
};
static const rsi_kernels *steps[2];

static int choose_kernels(void **state)
{
    (void)state;
    const rsi_integer_kernel *all[WIDTHS][3] = {
        {&rsi_int8_kernel_plain, rsi_int8_kernel_avx2(), rsi_int8_kernel_vnni()},
        {&rsi_int16_kernel_plain, rsi_int16_kernel_avx2(), rsi_int16_kernel_vnni()},
    };
    for (size_t w = 0; w < WIDTHS; w++)
        for (size_t i = 0; i < 3; i++)
            if (all[w][i] != NULL) {
                print_message("%s kernel: %s\n", widths[w].name, all[w][i]->name);
                assert_int_equal(all[w][i]->group, widths[w].group);
                widths[w].kernels[widths[w].kernel_count++] = all[w][i];
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

/* The definition of 8 bits, straight from the header: rows and weights in 8 bits, sums in 64. */
static double defined_int8(const float *row, const float *weight, float bias, size_t inputs)
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

/* 16 bits are told by how near they come to the product itself: half a step of a row's number, and
 * half a step of a weight, for each input. */
static double defined_int16(const float *row, const float *weight, float bias, size_t inputs,
                            double *tolerance)
{
    double sum = (double)bias, row_reach = 0, weight_reach = 0, stretch = 0, largest = 0;
    for (size_t i = 0; i < inputs; i++) {
        stretch = (i % RSI_INT16_STRETCH == 0 ? 0 : stretch) + fabs((double)weight[i]);
        largest = fmax(largest, stretch);
        row_reach = fmax(row_reach, fabs((double)row[i]));
        weight_reach = fmax(weight_reach, fabs((double)weight[i]));
        sum += (double)row[i] * (double)weight[i];
    }
    const double row_half = row_reach / 32767 / 2;
    const double weight_half = fmax(weight_reach / 32767, largest / 65500) / 2;
    *tolerance = 1e-6;
    for (size_t i = 0; i < inputs; i++)
        *tolerance += 1.01 * (row_half * fabs((double)weight[i]) + weight_half * row_reach);
    return sum;
}

static void check_number(const width *kind, const float *row, const float *weight, float bias,
                         size_t inputs, float got)
{
    /* One step of a number in a row, in case it was just between two of them. */
    double tolerance = 2 * 3.0 / 127 * 0.5 * 3 + 1e-4;
    const double expected = kind->group == RSI_INT8_GROUP
                                ? defined_int8(row, weight, bias, inputs)
                                : defined_int16(row, weight, bias, inputs, &tolerance);
    if (!(fabs((double)got - expected) <= tolerance))
        fail_msg("%s, %zu inputs: %g, not %g", kind->name, inputs, (double)got, expected);
}

/* out = in · transposed(weight) + bias; where there is more than one part of the outputs, the second
 * before the first. */
static void product(const rsi_integer_kernel *kernel, const rsi_kernels *set, void *tiles,
                    float *out, const float *in, size_t rows, const void *packed,
                    const rsi_integer_outputs *facts, size_t outputs, size_t inputs)
{
    const size_t middle = outputs > RSI_PANEL ? RSI_PANEL : outputs;
    rsi_integer_part part = {packed, *facts, inputs, middle, outputs};
    rsi_integer_arrange(kernel, set, tiles, in, rows, inputs);
    rsi_integer_multiply(kernel, out, outputs, tiles, rows, &part);
    part.first = 0;
    part.end = middle;
    rsi_integer_multiply(kernel, out, outputs, tiles, rows, &part);
}

static void check_product(const width *kind, size_t rows, size_t outputs, size_t inputs,
                          bool with_bias)
{
    float *in = numbers(rows * inputs, 3, 1), *weight = numbers(outputs * inputs, 0.5f, 2);
    float *bias = numbers(outputs, 1, 3), *scales = malloc(outputs * sizeof *scales);
    int32_t *sums = malloc(outputs * sizeof *sums);
    void *packed = malloc(rsi_integer_packed_size(outputs, inputs, kind->group));
    void *scratch = malloc(rsi_integer_tiles_size(rows, inputs, kind->group));
    float *first = malloc(rows * outputs * sizeof *first);
    float *out = malloc(rows * outputs * sizeof *out);
    kind->pack(packed, scales, sums, steps[1], weight, outputs, inputs);
    const rsi_integer_outputs facts = {scales, sums, with_bias ? bias : NULL};
    for (size_t k = 0; k < kind->kernel_count; k++)
        for (size_t s = 0; s < 2; s++) {
            memset(out, 0xFF, rows * outputs * sizeof *out);
            product(kind->kernels[k], steps[s], scratch, out, in, rows, packed, &facts,
                                outputs, inputs);
            if (k == 0 && s == 0)
                memcpy(first, out, rows * outputs * sizeof *out);
            assert_memory_equal(first, out, rows * outputs * sizeof *out);
        }
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < outputs; o++)
            check_number(kind, in + r * inputs, weight + o * inputs, with_bias ? bias[o] : 0,
                         inputs, first[r * outputs + o]);
    void *all[] = {in, weight, bias, scales, sums, packed, scratch, first, out};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

/* Weights packed by each set of steps are the same, to the last bit, also beside a panel's end. */
static void check_packing(const width *kind, size_t outputs, size_t inputs)
{
    const size_t size = rsi_integer_packed_size(outputs, inputs, kind->group);
    float *weight = numbers(outputs * inputs, 0.5f, 9), *scales[2];
    int32_t *sums[2];
    void *packed[2];
    for (size_t s = 0; s < 2; s++) {
        scales[s] = malloc(outputs * sizeof *scales[s]);
        sums[s] = malloc(outputs * sizeof *sums[s]);
        packed[s] = malloc(size);
        memset(packed[s], 0xFF, size);
        kind->pack(packed[s], scales[s], sums[s], steps[s], weight, outputs, inputs);
    }
    assert_memory_equal(packed[0], packed[1], size);
    assert_memory_equal(scales[0], scales[1], outputs * sizeof *scales[0]);
    assert_memory_equal(sums[0], sums[1], outputs * sizeof *sums[0]);
    for (size_t s = 0; s < 2; s++) {
        free(scales[s]);
        free(sums[s]);
        free(packed[s]);
    }
    free(weight);
}

static void embed_integer_product__packs_the_same_with_all_steps(void **state)
{
    (void)state;
    static const size_t inputs[] = {1, 2, 3, 7, 8, 31, 33, 511, 512, 513, 1536};
    for (size_t w = 0; w < WIDTHS; w++)
        for (size_t outputs = 1; outputs <= 33; outputs += 8)
            for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
                check_packing(&widths[w], outputs, inputs[i]);
}

static void embed_integer_product__is_the_same_with_all_kernels(void **state)
{
    (void)state;
    static const size_t outputs[] = {1, 7, 16, 17, 32, 45};
    static const size_t inputs[] = {1, 2, 3, 4, 5, 31, 32, 33, 37, 64};
    for (size_t w = 0; w < WIDTHS; w++) {
        for (size_t rows = 1; rows <= 26; rows++)
            for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
                for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
                    check_product(&widths[w], rows, outputs[o], inputs[i], (rows + i) % 2 == 0);
        check_product(&widths[w], RSI_PRODUCT_ROWS, 40, 1537, true);
    }
}

/* Rows and weights of 1 or -1: the result must be the number of inputs, on every kernel. */
static void check_largest(const width *kind, size_t inputs, double tolerance)
{
    enum { OUTPUTS = 17 };
    float *row = malloc(inputs * sizeof *row), *weight = malloc(OUTPUTS * inputs * sizeof *weight);
    float scales[OUTPUTS], out[OUTPUTS];
    int32_t sums[OUTPUTS];
    void *packed = malloc(rsi_integer_packed_size(OUTPUTS, inputs, kind->group));
    void *scratch = malloc(rsi_integer_tiles_size(1, inputs, kind->group));
    for (size_t i = 0; i < OUTPUTS * inputs; i++)
        weight[i] = i / inputs % 2 == 0 ? 1 : -1;
    kind->pack(packed, scales, sums, steps[1], weight, OUTPUTS, inputs);
    const rsi_integer_outputs facts = {scales, sums, NULL};
    for (size_t k = 0; k < kind->kernel_count; k++)
        for (int sign = 1; sign >= -1; sign -= 2) {
            for (size_t i = 0; i < inputs; i++)
                row[i] = (float)sign;
            product(kind->kernels[k], steps[1], scratch, out, row, 1, packed, &facts,
                                OUTPUTS, inputs);
            for (size_t o = 0; o < OUTPUTS; o++)
                assert_true(fabs((double)out[o] - (o % 2 == 0 ? sign : -sign) * (double)inputs) <
                            tolerance);
        }
    free(row);
    free(weight);
    free(packed);
    free(scratch);
}

/* The largest sums that there can be, of both signs, must not be cut off on the way. */
static void embed_integer_product__holds_the_largest_sums(void **state)
{
    (void)state;
    for (size_t w = 0; w < WIDTHS; w++) {
        /* half a step of a weight that is 1 of 32 in its stretch; in 8 bits 1 is a whole number */
        const double step = widths[w].group == RSI_INT8_GROUP ? 1e-6 : 3e-4;
        check_largest(&widths[w], RSI_INTEGER_INPUTS_MAX, RSI_INTEGER_INPUTS_MAX * step);
        for (size_t inputs = 1; inputs <= 3 * RSI_INT16_STRETCH; inputs++)
            check_largest(&widths[w], inputs, (double)inputs * step);
    }
}

/* One large weight must not cost the others of its output more than it has to. */
static void embed_int16_product__keeps_small_weights_beside_a_large_one(void **state)
{
    (void)state;
    float weight[64], row[64], scale, out;
    int32_t sum;
    int16_t packed[64 * RSI_PANEL];
    void *scratch = malloc(rsi_integer_tiles_size(1, 64, RSI_INT16_GROUP));
    const rsi_integer_outputs facts = {&scale, &sum, NULL};
    for (size_t i = 0; i < 64; i++) {
        weight[i] = i == 40 ? 100 : 0.01f;
        row[i] = i == 40 ? 0 : 1;
    }
    rsi_int16_pack(packed, &scale, &sum, steps[0], weight, 1, 64);
    product(&rsi_int16_kernel_plain, steps[0], scratch, &out, row, 1, packed, &facts, 1,
                        64);
    assert_true(fabs((double)out - 0.63) < 63 * 100 / 32767.0 / 2);
    free(scratch);
}

static void check_not_finite(const width *kind, const rsi_integer_kernel *kernel, float bad,
                             size_t place)
{
    float weight[2 * 20], row[20], scales[2], out[2];
    int32_t sums[2];
    int8_t packed[RSI_PANEL * 20 * 2];
    void *scratch = malloc(rsi_integer_tiles_size(1, 20, kind->group));
    const rsi_integer_outputs facts = {scales, sums, NULL};
    for (size_t i = 0; i < 20; i++)
        row[i] = weight[i] = weight[20 + i] = 1;
    weight[20 + place] = bad;
    kind->pack(packed, scales, sums, steps[1], weight, 2, 20);
    product(kernel, steps[1], scratch, out, row, 1, packed, &facts, 2, 20);
    assert_true(fabsf(out[0] - 20) < 0.01f);
    assert_true(!isfinite(out[1]));
    for (size_t s = 0; s < 2; s++) {
        row[place] = bad;
        product(kernel, steps[s], scratch, out, row, 1, packed, &facts, 2, 20);
        assert_true(!isfinite(out[0]));
    }
    free(scratch);
}

static void embed_integer_product__passes_on_what_is_not_finite(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t w = 0; w < WIDTHS; w++)
        for (size_t k = 0; k < widths[w].kernel_count; k++)
            for (size_t b = 0; b < 3; b++)
                for (size_t place = 0; place < 20; place++)
                    check_not_finite(&widths[w], widths[w].kernels[k], bad[b], place);
}

/* Weights of nothing, and such as are too small to have a factor. */
static void embed_integer_product__takes_weights_of_next_to_nothing(void **state)
{
    (void)state;
    static const float sizes[] = {0, 1e-45f, 1e-38f, 1e-30f};
    float weight[20], row[20], scale, out;
    int32_t sum;
    int8_t packed[RSI_PANEL * 20 * 2];
    for (size_t w = 0; w < WIDTHS; w++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            void *scratch = malloc(rsi_integer_tiles_size(1, 20, widths[w].group));
            const rsi_integer_outputs facts = {&scale, &sum, NULL};
            for (size_t i = 0; i < 20; i++) {
                weight[i] = sizes[s];
                row[i] = 1;
            }
            widths[w].pack(packed, &scale, &sum, steps[1], weight, 1, 20);
            product(widths[w].kernels[0], steps[0], scratch, &out, row, 1, packed,
                                &facts, 1, 20);
            assert_true(fabsf(out - 20 * sizes[s]) <= 20 * 1.01f * sizes[s]);
            free(scratch);
        }
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

static void embed_int16__rows_are_as_exact_as_their_steps_can_be(void **state)
{
    (void)state;
    for (size_t columns = 1; columns <= 70; columns++)
        for (uint32_t kind = 0; kind < 4; kind++) {
            float *row = numbers(columns, kind == 3 ? 1e-20f : 5, (uint32_t)columns + kind);
            for (size_t i = 0; i < columns && kind < 3; i++)
                row[i] = kind == 1 ? fabsf(row[i]) : kind == 2 ? -fabsf(row[i]) : row[i];
            int16_t first[80], again[80];
            float scale[2];
            memset(first, 7, sizeof first);
            memset(again, 7, sizeof again);
            steps[0]->quantise_int16(first, &scale[0], row, columns);
            steps[1]->quantise_int16(again, &scale[1], row, columns);
            assert_memory_equal(first, again, sizeof first);
            assert_int_equal(first[columns], 0x0707);
            assert_true(scale[0] == scale[1]);
            int largest = 0;
            for (size_t i = 0; i < columns; i++) {
                assert_true(fabs((double)first[i] * (double)scale[0] - (double)row[i]) <=
                            0.51 * (double)scale[0]);
                largest = abs(first[i]) > largest ? abs(first[i]) : largest;
            }
            assert_int_equal(largest, 32767);
            free(row);
        }
}

static void embed_int16__rows_without_spread_are_taken(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        int16_t out[9];
        float scale, row[9] = {0};
        steps[s]->quantise_int16(out, &scale, row, 9);
        assert_true(scale == 0 && out[0] == 0);
        for (size_t i = 0; i < 9; i++)
            row[i] = -2;
        steps[s]->quantise_int16(out, &scale, row, 9);
        for (size_t i = 0; i < 9; i++)
            assert_int_equal(out[i], -32767);
        row[3] = 1e-45f; /* so small beside the others, and so small altogether */
        steps[s]->quantise_int16(out, &scale, row + 3, 1);
        assert_true(isfinite(scale) && fabsf((float)out[0] * scale) <= 1e-44f);
    }
}

static void embed_integer_product__knows_sizes_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(rsi_integer_packed_size(1, 1, RSI_INT8_GROUP), 64);
    assert_int_equal(rsi_integer_packed_size(17, 5, RSI_INT8_GROUP), 256);
    assert_int_equal(rsi_integer_packed_size(1, 1, RSI_INT16_GROUP), 64);
    assert_int_equal(rsi_integer_packed_size(17, 5, RSI_INT16_GROUP), 384);
    for (size_t w = 0; w < WIDTHS; w++) {
        assert_int_equal(rsi_integer_packed_size(SIZE_MAX, 1, widths[w].group), 0);
        assert_int_equal(rsi_integer_packed_size(1, SIZE_MAX, widths[w].group), 0);
        assert_int_equal(rsi_integer_packed_size(SIZE_MAX / 2, 4, widths[w].group), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(embed_integer_product__packs_the_same_with_all_steps),
        cmocka_unit_test(embed_integer_product__is_the_same_with_all_kernels),
        cmocka_unit_test(embed_integer_product__holds_the_largest_sums),
        cmocka_unit_test(embed_int16_product__keeps_small_weights_beside_a_large_one),
        cmocka_unit_test(embed_integer_product__passes_on_what_is_not_finite),
        cmocka_unit_test(embed_integer_product__takes_weights_of_next_to_nothing),
        cmocka_unit_test(embed_integer_product__knows_sizes_that_cannot_be),
        cmocka_unit_test(embed_int8__rows_are_as_exact_as_256_steps_can_be),
        cmocka_unit_test(embed_int8__rows_without_spread_are_taken),
        cmocka_unit_test(embed_int16__rows_are_as_exact_as_their_steps_can_be),
        cmocka_unit_test(embed_int16__rows_without_spread_are_taken),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
