/* The choice of kernels, and the one in plain C: see kernel.h. */
#include "vectors/kernel.h"

/* Independent sums, so that a compiler can use what vector registers there are without having to
 * reorder additions. */
#define LANES 16

static float sum_lanes(float sums[LANES])
{
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t lane = 0; lane < width; lane++)
            sums[lane] += sums[lane + width];
    return sums[0];
}

static float inner_product(const float *a, const float *b, size_t dimension)
{
    float sums[LANES] = {0};
    size_t whole = dimension - dimension % LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    for (size_t i = whole; i < dimension; i++)
        sums[i - whole] += a[i] * b[i];
    return sum_lanes(sums);
}

static float squared_distance(const float *a, const float *b, size_t dimension)
{
    float sums[LANES] = {0};
    size_t whole = dimension - dimension % LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const float apart = a[i + lane] - b[i + lane];
            sums[lane] += apart * apart;
        }
    }
    for (size_t i = whole; i < dimension; i++)
        sums[i - whole] += (a[i] - b[i]) * (a[i] - b[i]);
    return sum_lanes(sums);
}

static void inner_products(float *scores, const float *query, const float *const *rows,
                           size_t count, size_t dimension)
{
    for (size_t i = 0; i < count; i++)
        scores[i] = inner_product(query, rows[i], dimension);
}

static void nearnesses(float *scores, const float *query, const float *const *rows, size_t count,
                       size_t dimension)
{
    for (size_t i = 0; i < count; i++)
        scores[i] = -squared_distance(query, rows[i], dimension);
}

const rsi_kernel rsi_kernel_plain = {"plain C", inner_products, nearnesses};

const rsi_kernel *rsi_kernel_best(void)
{
    const rsi_kernel *kernel = rsi_kernel_avx512();
    if (kernel == NULL)
        kernel = rsi_kernel_avx2();
    if (kernel == NULL)
        kernel = rsi_kernel_neon();
    return kernel != NULL ? kernel : &rsi_kernel_plain;
}

rsi_kernel_function *rsi_kernel_of(rsi_metric metric)
{
    const rsi_kernel *best = rsi_kernel_best();
    return metric == RSI_METRIC_L2 ? best->nearnesses : best->inner_products;
}
