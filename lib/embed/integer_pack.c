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
 * sum. */
#define LARGEST_STRETCH (65536 - RSI_INT16_STRETCH / 2)

/* One output: its weights, and where they go. */
typedef struct output {
    const float *row;
    size_t inputs;
    int8_t *place; /* in each group of its panel */
    float *scale;
    int32_t *sum;
} output;

static float largest_of(const float *row, size_t inputs)
{
    float largest = 0;
    for (size_t i = 0; i < inputs; i++)
        largest = fabsf(row[i]) > largest || isnan(row[i]) ? fabsf(row[i]) : largest;
    return largest;
}

/* The largest sum of sizes over the inputs of a stretch. */
static double largest_stretch(const float *row, size_t inputs)
{
    double largest = 0, sum = 0;
    for (size_t i = 0; i < inputs; i++) {
        sum = i % RSI_INT16_STRETCH == 0 ? 0 : sum;
        sum += fabs((double)row[i]);
        largest = sum > largest ? sum : largest;
    }
    return largest;
}

/* What makes whole numbers of the weights; 0 when nothing can. */
static float factor_of(const output *one, size_t group, float largest)
{
    float factor = LARGEST_INT8 / largest;
    if (group == RSI_INT16_GROUP) {
        const double by_number = LARGEST_INT16 / (double)largest;
        const double by_stretch = LARGEST_STRETCH / largest_stretch(one->row, one->inputs);
        /* a little less, because the numbers are rounded on their way there */
        factor = (float)((by_stretch < by_number ? by_stretch : by_number) * (1 - 1e-6));
    }
    return largest > 0 && isfinite(largest) && isfinite(factor) ? factor : 0;
}

static long whole(float value, float factor, long most)
{
    const long number = factor > 0 ? lrintf(value * factor) : 0;
    return number > most ? most : number < -most ? -most : number;
}

static void pack_output(const output *one, size_t group)
{
    const long most = group == RSI_INT8_GROUP ? LARGEST_INT8 : LARGEST_INT16;
    const float largest = largest_of(one->row, one->inputs);
    const float factor = factor_of(one, group, largest);
    *one->scale = group == RSI_INT8_GROUP || !(factor > 0) ? largest / LARGEST_INT8 : 1 / factor;
    *one->sum = 0;
    for (size_t i = 0; i < one->inputs; i++) {
        const long number = whole(one->row[i], factor, most);
        int8_t *place = one->place + i / group * RSI_GROUP_BYTES * RSI_PANEL;
        if (group == RSI_INT8_GROUP) {
            place[i % group] = (int8_t)number;
            *one->sum += (int32_t)number; /* rows of 16 bits need none */
        } else {
            const int16_t wide = (int16_t)number;
            memcpy(place + i % group * sizeof wide, &wide, sizeof wide);
        }
    }
}

static void pack(void *packed, float *scales, int32_t *sums, const float *weight, size_t outputs,
                 size_t inputs, size_t group)
{
    const size_t panel = (inputs + group - 1) / group * RSI_GROUP_BYTES * RSI_PANEL;
    memset(packed, 0, rsi_integer_packed_size(outputs, inputs, group));
    for (size_t o = 0; o < outputs; o++) {
        const output one = {weight + o * inputs, inputs,
                            (int8_t *)packed + o / RSI_PANEL * panel +
                                o % RSI_PANEL * RSI_GROUP_BYTES,
                            &scales[o], &sums[o]};
        pack_output(&one, group);
    }
}

void rsi_int8_pack(void *packed, float *scales, int32_t *sums, const float *weight, size_t outputs,
                   size_t inputs)
{
    pack(packed, scales, sums, weight, outputs, inputs, RSI_INT8_GROUP);
}

void rsi_int16_pack(void *packed, float *scales, int32_t *sums, const float *weight, size_t outputs,
                    size_t inputs)
{
    pack(packed, scales, sums, weight, outputs, inputs, RSI_INT16_GROUP);
}
