/*
 * Products of matrices: packing, the order of the work, and the kernel for any processor. See
 * product.h.
 *
 * The rows are rearranged into tiles, piece by piece of their inputs, so that a kernel reads them
 * from end to end; then each pair of panels is multiplied with all tiles of its piece while it is in
 * the innermost cache. The panels themselves are read once, from end to end.
 */
#include "matrix/product.h"

#include "base/memory.h"

#include <string.h>

#define PLAIN_TILE 4

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t rsi_product_packed_size(size_t outputs, size_t inputs)
{
    size_t floats;
    if (!rsi_add_size(outputs, RSI_PANEL - 1, &outputs) ||
        !rsi_mul_size(outputs / RSI_PANEL * RSI_PANEL, inputs, &floats))
        return 0;
    return floats;
}

static void pack(float *packed, const float *weight, size_t outputs, size_t inputs,
                 size_t output_step, size_t input_step)
{
    for (size_t from = 0; from < inputs; from += RSI_PRODUCT_INPUTS) {
        const size_t piece = smaller(inputs - from, RSI_PRODUCT_INPUTS);
        for (size_t first = 0; first < outputs; first += RSI_PANEL) {
            const size_t width = smaller(outputs - first, RSI_PANEL);
            const float *corner = weight + first * output_step + from * input_step;
            for (size_t i = 0; i < piece; i++, packed += RSI_PANEL)
                for (size_t o = 0; o < RSI_PANEL; o++)
                    packed[o] = o < width ? corner[o * output_step + i * input_step] : 0;
        }
    }
}

void rsi_product_pack(float *packed, const float *weight, size_t outputs, size_t inputs,
                      size_t stride)
{
    pack(packed, weight, outputs, inputs, stride, 1);
}

void rsi_product_pack_turned(float *packed, const float *weight, size_t outputs, size_t inputs,
                             size_t stride)
{
    pack(packed, weight, outputs, inputs, 1, stride);
}

/* Rows of `in` as tiles: of each, input by input, the numbers of its rows. */
static void arrange(float *tiles, const float *in, size_t stride, size_t rows, size_t tile,
                    size_t inputs)
{
    for (size_t r = 0; r < rows; r += tile) {
        const size_t count = smaller(rows - r, tile);
        for (size_t k = 0; k < count; k++) {
            const float *row = in + (r + k) * stride;
            for (size_t i = 0; i < inputs; i++)
                tiles[i * count + k] = row[i];
        }
        tiles += count * inputs;
    }
}

/* Rows of a tile such that all tiles are about equally full: 14 rows are 7 and 7, not 12 and 2. */
static size_t even_tile(size_t rows, size_t most)
{
    const size_t tiles = (rows + most - 1) / most;
    return (rows + tiles - 1) / tiles;
}

void rsi_product_arrange(const rsi_product_kernel *kernel, float *tiles, const float *in,
                         size_t in_stride, size_t rows, size_t inputs)
{
    const size_t tile = even_tile(rows, kernel->tile);
    for (size_t from = 0; from < inputs; from += RSI_PRODUCT_INPUTS)
        arrange(tiles + from * rows, in + from, in_stride, rows, tile,
                smaller(inputs - from, RSI_PRODUCT_INPUTS));
}

/* The inputs from `from` on, as many as a panel holds. */
static void multiply_piece(const rsi_product_kernel *kernel, float *out, size_t out_stride,
                           const float *tiles, size_t rows, const rsi_product_part *part,
                           size_t from)
{
    const size_t tile = even_tile(rows, kernel->tile);
    const size_t piece = smaller(part->inputs - from, RSI_PRODUCT_INPUTS);
    const size_t padded = (part->outputs + RSI_PANEL - 1) / RSI_PANEL * RSI_PANEL;
    for (size_t o = part->first; o < part->end; o += RSI_PRODUCT_STEP) {
        const size_t width = smaller(part->end - o, RSI_PRODUCT_STEP);
        const float *panels = part->packed + from * padded + o * piece;
        const float *begin = part->bias == NULL ? NULL : part->bias + o;
        for (size_t r = 0; r < rows; r += tile) {
            float *place = out + r * out_stride + o;
            kernel->multiply(place, out_stride, tiles + r * piece, smaller(rows - r, tile), panels,
                             width > RSI_PANEL ? 2 : 1, piece, from == 0 ? begin : place,
                             from == 0 ? 0 : out_stride, width);
        }
    }
}

void rsi_product_multiply(const rsi_product_kernel *kernel, float *out, size_t out_stride,
                          const float *tiles, size_t rows, const rsi_product_part *part)
{
    for (size_t from = 0; from < part->inputs; from += RSI_PRODUCT_INPUTS)
        multiply_piece(kernel, out, out_stride, tiles + from * rows, rows, part, from);
}

void rsi_product(const rsi_product_kernel *kernel, float *scratch, float *out, size_t out_stride,
                 const float *in, size_t in_stride, size_t rows, const float *packed,
                 const float *bias, size_t outputs, size_t inputs)
{
    const rsi_product_part all = {packed, bias, outputs, inputs, 0, outputs};
    for (size_t from = 0; from < inputs; from += RSI_PRODUCT_INPUTS) {
        arrange(scratch, in + from, in_stride, rows, even_tile(rows, kernel->tile),
                smaller(inputs - from, RSI_PRODUCT_INPUTS));
        multiply_piece(kernel, out, out_stride, scratch, rows, &all, from);
    }
}

/* ---- any processor ---- */

typedef float lanes __attribute__((vector_size(16)));
#define QUARTERS (RSI_PANEL / 4)

/* Two rows (or one: twice the same) with a panel, in the compiler's portable vector types. */
static void multiply_two(float sums[2][RSI_PANEL], const float *in, size_t rows, size_t second,
                         const float *panel, size_t inputs)
{
    lanes a[QUARTERS], b[QUARTERS];
    memcpy(a, sums[0], sizeof a);
    memcpy(b, sums[1], sizeof b);
    for (size_t i = 0; i < inputs; i++) {
        lanes weights[QUARTERS];
        memcpy(weights, panel + i * RSI_PANEL, sizeof weights);
        const float x = in[i * rows], y = in[i * rows + second];
        for (size_t q = 0; q < QUARTERS; q++) {
            a[q] += weights[q] * x;
            b[q] += weights[q] * y;
        }
    }
    memcpy(sums[0], a, sizeof a);
    memcpy(sums[1], b, sizeof b);
}

static void multiply_plain(float *out, size_t out_stride, const float *in, size_t rows,
                           const float *panels, size_t panel_count, size_t inputs,
                           const float *begin, size_t begin_stride, size_t width)
{
    for (size_t p = 0; p < panel_count; p++) {
        const size_t first = p * RSI_PANEL;
        const size_t bytes = smaller(width - first, RSI_PANEL) * sizeof(float);
        for (size_t r = 0; r < rows; r += 2) {
            const size_t second = r + 1 < rows ? 1 : 0;
            float sums[2][RSI_PANEL] = {{0}};
            for (size_t k = 0; k < 2 && begin != NULL; k++)
                memcpy(sums[k], begin + (r + k * second) * begin_stride + first, bytes);
            multiply_two(sums, in + r, rows, second, panels + first * inputs, inputs);
            for (size_t k = 0; k <= second; k++)
                memcpy(out + (r + k) * out_stride + first, sums[k], bytes);
        }
    }
}

const rsi_product_kernel rsi_product_kernel_plain = {"plain", PLAIN_TILE, multiply_plain};

const rsi_product_kernel *rsi_product_kernel_best(void)
{
    const rsi_product_kernel *kernel = rsi_product_kernel_avx512();
    if (kernel == NULL)
        kernel = rsi_product_kernel_avx2();
    return kernel == NULL ? &rsi_product_kernel_plain : kernel;
}
