/*
 * Distance kernels: the inner loops of search, chosen by what the processor can do.
 *
 *   rsi_kernel_best() ──► AVX2 + FMA   kernel_avx2.c
 *                    └──► plain C      kernel.c, works everywhere
 *
 * Rows are given by pointer, so that whole segments and single rows from anywhere go through the
 * same loop. A row's score does not depend on which rows it is computed with. No alignment is
 * needed. Thread-safe: nothing here has state.
 */
#ifndef RSI_VECTORS_KERNEL_H
#define RSI_VECTORS_KERNEL_H

#include <stddef.h>

typedef struct rsi_kernel {
    const char *name;
    /* scores[i] = query · rows[i], for vectors of `dimension` floats. */
    void (*inner_products)(float *scores, const float *query, const float *const *rows,
                           size_t count, size_t dimension);
} rsi_kernel;

/* The fastest one for this processor. */
const rsi_kernel *rsi_kernel_best(void);

extern const rsi_kernel rsi_kernel_plain;
/* NULL where the processor or the build has none. */
const rsi_kernel *rsi_kernel_avx2(void);

#endif
