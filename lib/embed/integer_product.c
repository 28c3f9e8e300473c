/*
 * Products in whole numbers: the order of the work, and the kernels for any processor. See
 * integer_product.h.
 */
#include "embed/integer_product.h"

#include "base/memory.h"

#include <string.h>

#define PLAIN_TILE 4

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t groups_of(size_t inputs, size_t group)
{
    return (inputs + group - 1) / group;
}

size_t rsi_integer_packed_size(size_t outputs, size_t inputs, size_t group)
{
    size_t bytes;
    if (!rsi_add_size(outputs, RSI_PANEL - 1, &outputs) ||
        !rsi_add_size(inputs, group - 1, &inputs) ||
        !rsi_mul_size(outputs / RSI_PANEL * RSI_PANEL, inputs / group, &bytes) ||
        !rsi_mul_size(bytes, RSI_GROUP_BYTES, &bytes))
        return 0;
    return bytes;
}

/* The rows as tiles, one row of whole numbers on its way there, and what belongs to rows. */
typedef struct scratch_parts {
    uint8_t *tiles;
    uint8_t *row;
    rsi_integer_row *rows;
} scratch_parts;

size_t rsi_integer_scratch_size(size_t inputs, size_t group)
{
    return (RSI_PRODUCT_ROWS + 1) * groups_of(inputs, group) * RSI_GROUP_BYTES +
           RSI_PRODUCT_ROWS * sizeof(rsi_integer_row);
}

static scratch_parts divide(void *scratch, size_t row_bytes)
{
    scratch_parts parts;
    parts.rows = scratch;
    parts.tiles = (uint8_t *)(parts.rows + RSI_PRODUCT_ROWS);
    parts.row = parts.tiles + RSI_PRODUCT_ROWS * row_bytes;
    return parts;
}

/* A row of floats as whole numbers of the kernel's width. */
static void quantise(uint8_t *out, rsi_integer_row *facts, const rsi_integer_kernel *kernel,
                     const rsi_kernels *steps, const float *row, size_t inputs)
{
    if (kernel->group == RSI_INT8_GROUP) {
        steps->quantise(out, &facts->scale, &facts->zero, row, inputs);
        return;
    }
    facts->zero = 0;
    steps->quantise_int16((int16_t *)(void *)out, &facts->scale, row, inputs);
}

/* Rows of floats as tiles of whole numbers. */
static void arrange(scratch_parts *parts, const rsi_integer_kernel *kernel,
                    const rsi_kernels *steps, const float *in, size_t rows, size_t tile,
                    size_t inputs)
{
    const size_t groups = groups_of(inputs, kernel->group);
    uint8_t *tiles = parts->tiles;
    memset(parts->row, 0, groups * RSI_GROUP_BYTES);
    for (size_t r = 0; r < rows; r += tile) {
        const size_t count = smaller(rows - r, tile);
        for (size_t k = 0; k < count; k++) {
            quantise(parts->row, &parts->rows[r + k], kernel, steps, in + (r + k) * inputs, inputs);
            for (size_t g = 0; g < groups; g++)
                memcpy(tiles + (g * count + k) * RSI_GROUP_BYTES, parts->row + g * RSI_GROUP_BYTES,
                       RSI_GROUP_BYTES);
        }
        tiles += count * groups * RSI_GROUP_BYTES;
    }
}

void rsi_integer_product(const rsi_integer_kernel *kernel, const rsi_kernels *steps, void *scratch,
                         float *out, const float *in, size_t rows, const void *packed,
                         const rsi_integer_outputs *weight, size_t outputs, size_t inputs)
{
    const size_t groups = groups_of(inputs, kernel->group), row_bytes = groups * RSI_GROUP_BYTES;
    const size_t tiles = (rows + kernel->tile - 1) / kernel->tile;
    const size_t tile = (rows + tiles - 1) / tiles; /* all about equally full */
    const int8_t *panel = packed;
    scratch_parts parts = divide(scratch, row_bytes);
    arrange(&parts, kernel, steps, in, rows, tile, inputs);
    for (size_t o = 0; o < outputs; o += RSI_PANEL) {
        const rsi_integer_outputs some = {weight->scales + o, weight->sums + o,
                                          weight->bias == NULL ? NULL : weight->bias + o};
        for (size_t r = 0; r < rows; r += tile)
            kernel->multiply(out + r * outputs + o, outputs, parts.tiles + r * row_bytes,
                             parts.rows + r, smaller(rows - r, tile), panel, groups, &some,
                             smaller(outputs - o, RSI_PANEL));
        panel += RSI_PANEL * row_bytes;
    }
}

/* ---- any processor ---- */

static float finish(float whole, const rsi_integer_row *row, const rsi_integer_outputs *outputs,
                    size_t o)
{
    const float scale = row->scale * outputs->scales[o];
    const float scaled = whole * scale;
    return outputs->bias == NULL ? scaled : scaled + outputs->bias[o];
}

static void multiply_int8(float *out, size_t out_stride, const uint8_t *in,
                          const rsi_integer_row *rows, size_t row_count, const int8_t *panel,
                          size_t groups, const rsi_integer_outputs *outputs, size_t width)
{
    for (size_t r = 0; r < row_count; r++) {
        int32_t sums[RSI_PANEL] = {0};
        for (size_t g = 0; g < groups; g++) {
            const uint8_t *x = in + (g * row_count + r) * RSI_GROUP_BYTES;
            const int8_t *w = panel + g * RSI_GROUP_BYTES * RSI_PANEL;
            for (size_t o = 0; o < RSI_PANEL; o++, w += RSI_GROUP_BYTES)
                sums[o] += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
        }
        for (size_t o = 0; o < width; o++)
            out[r * out_stride + o] =
                finish((float)(sums[o] - rows[r].zero * outputs->sums[o]), &rows[r], outputs, o);
    }
}

/* Sums of one row with a panel over a stretch of inputs. */
static void add_stretch(float totals[RSI_PANEL], const uint8_t *in, size_t in_step,
                        const int8_t *panel, size_t groups)
{
    int32_t sums[RSI_PANEL] = {0};
    for (size_t g = 0; g < groups; g++, panel += RSI_GROUP_BYTES * RSI_PANEL) {
        int16_t x[RSI_INT16_GROUP], w[RSI_PANEL][RSI_INT16_GROUP];
        memcpy(x, in + g * in_step, sizeof x);
        memcpy(w, panel, sizeof w);
        for (size_t o = 0; o < RSI_PANEL; o++)
            sums[o] += x[0] * w[o][0] + x[1] * w[o][1];
    }
    for (size_t o = 0; o < RSI_PANEL; o++)
        totals[o] += (float)sums[o];
}

static void multiply_int16(float *out, size_t out_stride, const uint8_t *in,
                           const rsi_integer_row *rows, size_t row_count, const int8_t *panel,
                           size_t groups, const rsi_integer_outputs *outputs, size_t width)
{
    const size_t stretch = RSI_INT16_STRETCH / RSI_INT16_GROUP;
    for (size_t r = 0; r < row_count; r++) {
        float totals[RSI_PANEL] = {0};
        for (size_t g = 0; g < groups; g += stretch)
            add_stretch(totals, in + (g * row_count + r) * RSI_GROUP_BYTES,
                        row_count * RSI_GROUP_BYTES, panel + g * RSI_GROUP_BYTES * RSI_PANEL,
                        smaller(groups - g, stretch));
        for (size_t o = 0; o < width; o++)
            out[r * out_stride + o] = finish(totals[o], &rows[r], outputs, o);
    }
}

const rsi_integer_kernel rsi_int8_kernel_plain = {"plain", RSI_INT8_GROUP, PLAIN_TILE,
                                                  multiply_int8};
const rsi_integer_kernel rsi_int16_kernel_plain = {"plain", RSI_INT16_GROUP, PLAIN_TILE,
                                                   multiply_int16};

const rsi_integer_kernel *rsi_int8_kernel_best(void)
{
    const rsi_integer_kernel *kernel = rsi_int8_kernel_vnni();
    if (kernel == NULL)
        kernel = rsi_int8_kernel_avx2();
    return kernel == NULL ? &rsi_int8_kernel_plain : kernel;
}

const rsi_integer_kernel *rsi_int16_kernel_best(void)
{
    const rsi_integer_kernel *kernel = rsi_int16_kernel_vnni();
    if (kernel == NULL)
        kernel = rsi_int16_kernel_avx2();
    return kernel == NULL ? &rsi_int16_kernel_plain : kernel;
}
