/*
 * Products in 8-bit integers: packing, the order of the work, and the kernel for any processor. See
 * int8_product.h.
 */
#include "embed/int8_product.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define LARGEST 127
#define PLAIN_TILE 4

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t groups_of(size_t inputs)
{
    return (inputs + RSI_INT8_GROUP - 1) / RSI_INT8_GROUP;
}

size_t rsi_int8_packed_size(size_t outputs, size_t inputs)
{
    size_t bytes;
    if (!rsi_add_size(outputs, RSI_PANEL - 1, &outputs) ||
        !rsi_add_size(inputs, RSI_INT8_GROUP - 1, &inputs) ||
        !rsi_mul_size(outputs / RSI_PANEL * RSI_PANEL, inputs / RSI_INT8_GROUP * RSI_INT8_GROUP,
                      &bytes))
        return 0;
    return bytes;
}

/* One output: its place in each group of its panel. */
static void pack_output(int8_t *place, float *scale, int32_t *sum, const float *row, size_t inputs)
{
    float largest = 0;
    for (size_t i = 0; i < inputs; i++)
        largest = fabsf(row[i]) > largest || isnan(row[i]) ? fabsf(row[i]) : largest;
    const float factor = largest > 0 && isfinite(largest) ? LARGEST / largest : 0;
    *scale = largest / LARGEST;
    *sum = 0;
    for (size_t i = 0; i < inputs; i++) {
        const long value = factor > 0 ? lrintf(row[i] * factor) : 0;
        const size_t group = i / RSI_INT8_GROUP * RSI_INT8_GROUP * RSI_PANEL;
        place[group + i % RSI_INT8_GROUP] = (int8_t)(value > LARGEST    ? LARGEST
                                                     : value < -LARGEST ? -LARGEST
                                                                        : value);
        *sum += place[group + i % RSI_INT8_GROUP];
    }
}

void rsi_int8_pack(int8_t *packed, float *scales, int32_t *sums, const float *weight,
                   size_t outputs, size_t inputs)
{
    const size_t panel = groups_of(inputs) * RSI_INT8_GROUP * RSI_PANEL;
    memset(packed, 0, rsi_int8_packed_size(outputs, inputs));
    for (size_t o = 0; o < outputs; o++)
        pack_output(packed + o / RSI_PANEL * panel + o % RSI_PANEL * RSI_INT8_GROUP, &scales[o],
                    &sums[o], weight + o * inputs, inputs);
}

/* The rows as tiles, one row for its 8-bit numbers on their way there, and what belongs to rows. */
typedef struct scratch_parts {
    uint8_t *tiles;
    uint8_t *row;
    rsi_int8_row *rows;
} scratch_parts;

size_t rsi_int8_scratch_size(size_t inputs)
{
    return (RSI_PRODUCT_ROWS + 1) * groups_of(inputs) * RSI_INT8_GROUP +
           RSI_PRODUCT_ROWS * sizeof(rsi_int8_row);
}

static scratch_parts divide(void *scratch, size_t groups)
{
    scratch_parts parts;
    parts.rows = scratch;
    parts.tiles = (uint8_t *)(parts.rows + RSI_PRODUCT_ROWS);
    parts.row = parts.tiles + RSI_PRODUCT_ROWS * groups * RSI_INT8_GROUP;
    return parts;
}

/* Rows of floats as tiles of 8-bit numbers. */
static void arrange(scratch_parts *parts, const rsi_kernels *steps, const float *in, size_t rows,
                    size_t tile, size_t inputs)
{
    const size_t groups = groups_of(inputs);
    uint8_t *tiles = parts->tiles;
    memset(parts->row, 0, groups * RSI_INT8_GROUP);
    for (size_t r = 0; r < rows; r += tile) {
        const size_t count = smaller(rows - r, tile);
        for (size_t k = 0; k < count; k++) {
            steps->quantise(parts->row, &parts->rows[r + k].scale, &parts->rows[r + k].zero,
                            in + (r + k) * inputs, inputs);
            for (size_t g = 0; g < groups; g++)
                memcpy(tiles + (g * count + k) * RSI_INT8_GROUP, parts->row + g * RSI_INT8_GROUP,
                       RSI_INT8_GROUP);
        }
        tiles += count * groups * RSI_INT8_GROUP;
    }
}

void rsi_int8_product(const rsi_int8_kernel *kernel, const rsi_kernels *steps, void *scratch,
                      float *out, const float *in, size_t rows, const int8_t *packed,
                      const rsi_int8_outputs *weight, size_t outputs, size_t inputs)
{
    const size_t groups = groups_of(inputs), row_bytes = groups * RSI_INT8_GROUP;
    const size_t tiles = (rows + kernel->tile - 1) / kernel->tile;
    const size_t tile = (rows + tiles - 1) / tiles; /* all about equally full */
    scratch_parts parts = divide(scratch, groups);
    arrange(&parts, steps, in, rows, tile, inputs);
    for (size_t o = 0; o < outputs; o += RSI_PANEL) {
        const rsi_int8_outputs panel = {weight->scales + o, weight->sums + o,
                                        weight->bias == NULL ? NULL : weight->bias + o};
        for (size_t r = 0; r < rows; r += tile)
            kernel->multiply(out + r * outputs + o, outputs, parts.tiles + r * row_bytes,
                             parts.rows + r, smaller(rows - r, tile), packed, groups, &panel,
                             smaller(outputs - o, RSI_PANEL));
        packed += RSI_PANEL * row_bytes;
    }
}

/* ---- any processor ---- */

static void multiply_plain(float *out, size_t out_stride, const uint8_t *in,
                           const rsi_int8_row *rows, size_t row_count, const int8_t *panel,
                           size_t groups, const rsi_int8_outputs *outputs, size_t width)
{
    for (size_t r = 0; r < row_count; r++) {
        int32_t sums[RSI_PANEL] = {0};
        for (size_t g = 0; g < groups; g++) {
            const uint8_t *x = in + (g * row_count + r) * RSI_INT8_GROUP;
            const int8_t *w = panel + g * RSI_INT8_GROUP * RSI_PANEL;
            for (size_t o = 0; o < RSI_PANEL; o++, w += RSI_INT8_GROUP)
                sums[o] += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
        }
        for (size_t o = 0; o < width; o++) {
            const float scale = rows[r].scale * outputs->scales[o];
            const float scaled = (float)(sums[o] - rows[r].zero * outputs->sums[o]) * scale;
            out[r * out_stride + o] = outputs->bias == NULL ? scaled : scaled + outputs->bias[o];
        }
    }
}

const rsi_int8_kernel rsi_int8_kernel_plain = {"plain", PLAIN_TILE, multiply_plain};

const rsi_int8_kernel *rsi_int8_kernel_best(void)
{
    const rsi_int8_kernel *kernel = rsi_int8_kernel_vnni();
    if (kernel == NULL)
        kernel = rsi_int8_kernel_avx2();
    return kernel == NULL ? &rsi_int8_kernel_plain : kernel;
}
