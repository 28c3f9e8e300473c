/*
 * Distance kernels: the inner loops of search, chosen by what the processor can do.
 *
 *   rsi_kernel_best() ──► AVX-512      kernel_avx512.c
 *                    ├──► AVX2 + FMA   kernel_avx2.c
 *                    ├──► NEON         kernel_neon.c
 *                    └──► plain C      kernel.c, works everywhere
 *
 * Rows are given by pointer, so that whole segments and single rows from anywhere go through the
 * same loop. A row's score does not depend on which rows it is computed with. No alignment is
 * needed. Thread-safe: nothing here has state.
 */
#ifndef RSI_VECTORS_KERNEL_H
#define RSI_VECTORS_KERNEL_H

#include "vectors/metric.h"

/* scores[i] is that of rows[i]: higher is nearer. Vectors have `dimension` floats. */
typedef void rsi_kernel_function(float *scores, const float *query, const float *const *rows,
                                 size_t count, size_t dimension);

typedef struct rsi_kernel {
    const char *name;
    rsi_kernel_function *inner_products; /* query · row */
    rsi_kernel_function *nearnesses;     /* -‖query - row‖² */
} rsi_kernel;

/* The fastest one for this processor. */
const rsi_kernel *rsi_kernel_best(void);
/* Its function that ranks by a metric. Rows and query are as rsi_metric_prepare() leaves them. */
rsi_kernel_function *rsi_kernel_of(rsi_metric metric);

extern const rsi_kernel rsi_kernel_plain;
/* NULL where the processor or the build has none. */
const rsi_kernel *rsi_kernel_avx2(void);
const rsi_kernel *rsi_kernel_avx512(void);
const rsi_kernel *rsi_kernel_neon(void);

#endif
