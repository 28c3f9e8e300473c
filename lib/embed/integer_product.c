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

/* The facts of the rows, the rows as tiles, and one row on its way there. */
typedef struct tile_parts {
    rsi_integer_row *rows;
    uint8_t *tiles;
    uint8_t *row;
} tile_parts;

size_t rsi_integer_tiles_size(size_t rows, size_t inputs, size_t group)
{
    size_t bytes, facts, more;
    if (!rsi_add_size(inputs, group - 1, &inputs) || !rsi_add_size(rows, 1, &more) ||
        !rsi_mul_size(inputs / group, RSI_GROUP_BYTES, &bytes) ||
        !rsi_mul_size(bytes, more, &bytes) ||
        !rsi_mul_size(rows, sizeof(rsi_integer_row), &facts) ||
        !rsi_add_size(bytes, facts, &bytes))
        return 0;
    return bytes;
}

static tile_parts divide(void *tiles, size_t rows, size_t row_bytes)
{
    tile_parts parts;
    parts.rows = tiles;
    parts.tiles = (uint8_t *)(parts.rows + rows);
    parts.row = parts.tiles + rows * row_bytes;
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

/* Rows of a tile such that all tiles are about equally full. */
static size_t even_tile(size_t rows, size_t most)
{
    const size_t tiles = (rows + most - 1) / most;
    return (rows + tiles - 1) / tiles;
}

void rsi_integer_arrange(const rsi_integer_kernel *kernel, const rsi_kernels *steps, void *tiles,
                         const float *in, size_t rows, size_t inputs)
{
    const size_t groups = groups_of(inputs, kernel->group);
    const size_t tile = even_tile(rows, kernel->tile);
    tile_parts parts = divide(tiles, rows, groups * RSI_GROUP_BYTES);
    memset(parts.row, 0, groups * RSI_GROUP_BYTES);
    for (size_t r = 0; r < rows; r += tile) {
        const size_t count = smaller(rows - r, tile);
        for (size_t k = 0; k < count; k++) {
            quantise(parts.row, &parts.rows[r + k], kernel, steps, in + (r + k) * inputs, inputs);
            for (size_t g = 0; g < groups; g++)
                memcpy(parts.tiles + (g * count + k) * RSI_GROUP_BYTES,
                       parts.row + g * RSI_GROUP_BYTES, RSI_GROUP_BYTES);
        }
        parts.tiles += count * groups * RSI_GROUP_BYTES;
    }
}

void rsi_integer_multiply(const rsi_integer_kernel *kernel, float *out, size_t out_stride,
                          const void *tiles, size_t rows, const rsi_integer_part *part)
{
    const size_t groups = groups_of(part->inputs, kernel->group);
    const size_t row_bytes = groups * RSI_GROUP_BYTES, tile = even_tile(rows, kernel->tile);
    const rsi_integer_outputs *facts = &part->facts;
    /* the tiles were made by us, to be written */
    const tile_parts parts = divide((void *)(uintptr_t)tiles, rows, row_bytes);
    for (size_t o = part->first; o < part->end; o += RSI_PANEL) {
        const rsi_integer_outputs some = {facts->scales + o, facts->sums + o,
                                          facts->bias == NULL ? NULL : facts->bias + o};
        for (size_t r = 0; r < rows; r += tile)
            kernel->multiply(out + r * out_stride + o, out_stride, parts.tiles + r * row_bytes,
                             parts.rows + r, smaller(rows - r, tile),
                             (const int8_t *)part->packed + o * row_bytes, groups, &some,
                             smaller(part->end - o, RSI_PANEL));
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
