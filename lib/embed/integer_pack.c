/*
 * Weights as whole numbers of 8 or 16 bits, in panels: see integer_product.h.
 *
 * In 8 bits an output's largest number becomes ±127. In 16 bits it becomes ±32767, or less where
 * the products of a stretch might not fit 32 bits otherwise, if all inputs were as large as they
 * can be.
 */
#include "embed/integer_product.h"

#include <math.h>
#include <string.h>

#define LARGEST_INT8 127
#define LARGEST_INT16 32767
/* Of a stretch: 32767 times that, and a half more for each input that is rounded, is a 32-bit
 * sum, with two to spare for what the sum of sizes is not exact. */
#define LARGEST_STRETCH (65536 - RSI_INT16_STRETCH / 2)

#define PIECE 512 /* inputs that are packed together */

/* What makes whole numbers of the weights of an output; 0 when nothing can. */
static float factor_of(float *scale, const rsi_kernels *steps, const float *row, size_t inputs,
                       size_t group)
{
    float largest, stretch, factor;
    steps->sizes(&largest, &stretch, row, inputs);
    factor = LARGEST_INT8 / largest;
    if (group == RSI_INT16_GROUP) {
        const double by_number = LARGEST_INT16 / (double)largest;
        const double by_stretch = LARGEST_STRETCH / (double)stretch;
        /* a little less, because the numbers are rounded on their way there */
        factor = (float)((by_stretch < by_number ? by_stretch : by_number) * (1 - 1e-6));
    }
    if (!(largest > 0) || !isfinite(largest) || !isfinite(factor))
        factor = 0;
    *scale = group == RSI_INT8_GROUP || !(factor > 0) ? largest / LARGEST_INT8 : 1 / factor;
    return factor;
}

/* Some inputs of a panel's outputs as whole numbers: what is missing is zero. */
static void make_whole(int16_t numbers[RSI_PANEL][PIECE], const rsi_kernels *steps,
                       const float *weight, size_t stride, const float *factors, size_t width,
                       size_t count)
{
    memset(numbers, 0, RSI_PANEL * sizeof numbers[0]);
    for (size_t o = 0; o < width; o++)
        if (factors[o] > 0)
            steps->whole(numbers[o], weight + o * stride, factors[o], count);
}

static void interleave_int16(int8_t *panel, int16_t numbers[RSI_PANEL][PIECE], size_t count)
{
    for (size_t i = 0; i < count; i += RSI_INT16_GROUP)
        for (size_t o = 0; o < RSI_PANEL; o++, panel += RSI_GROUP_BYTES)
            memcpy(panel, &numbers[o][i], RSI_GROUP_BYTES);
}

static void interleave_int8(int8_t *panel, int32_t *sums, size_t width,
                            int16_t numbers[RSI_PANEL][PIECE], size_t count)
{
    for (size_t i = 0; i < count; i += RSI_INT8_GROUP)
        for (size_t o = 0; o < RSI_PANEL; o++)
            for (size_t k = 0; k < RSI_INT8_GROUP; k++)
                *panel++ = (int8_t)numbers[o][i + k];
    for (size_t o = 0; o < width; o++)
        for (size_t i = 0; i < count; i++)
            sums[o] += numbers[o][i];
}

static void pack_panel(int8_t *panel, float *scales, int32_t *sums, const rsi_kernels *steps,
                       const float *weight, size_t width, size_t inputs, size_t group)
{
    float factors[RSI_PANEL];
    int16_t numbers[RSI_PANEL][PIECE];
    for (size_t o = 0; o < width; o++) {
        factors[o] = factor_of(&scales[o], steps, weight + o * inputs, inputs, group);
        sums[o] = 0; /* rows of 16 bits need none */
    }
    for (size_t from = 0; from < inputs; from += PIECE) {
        const size_t count = inputs - from < PIECE ? inputs - from : PIECE;
        make_whole(numbers, steps, weight + from, inputs, factors, width, count);
        if (group == RSI_INT8_GROUP)
            interleave_int8(panel, sums, width, numbers, count);
        else
            interleave_int16(panel, numbers, count);
        panel += PIECE / group * RSI_GROUP_BYTES * RSI_PANEL;
    }
}

static void pack(void *packed, float *scales, int32_t *sums, const rsi_kernels *steps,
                 const float *weight, size_t outputs, size_t inputs, size_t group)
{
    const size_t panel = (inputs + group - 1) / group * RSI_GROUP_BYTES * RSI_PANEL;
    for (size_t o = 0; o < outputs; o += RSI_PANEL)
        pack_panel((int8_t *)packed + o / RSI_PANEL * panel, scales + o, sums + o, steps,
                   weight + o * inputs, outputs - o < RSI_PANEL ? outputs - o : RSI_PANEL, inputs,
                   group);
}

void rsi_int8_pack(void *packed, float *scales, int32_t *sums, const rsi_kernels *steps,
                   const float *weight, size_t outputs, size_t inputs)
{
    pack(packed, scales, sums, steps, weight, outputs, inputs, RSI_INT8_GROUP);
}

void rsi_int16_pack(void *packed, float *scales, int32_t *sums, const rsi_kernels *steps,
                    const float *weight, size_t outputs, size_t inputs)
{
    pack(packed, scales, sums, steps, weight, outputs, inputs, RSI_INT16_GROUP);
}
