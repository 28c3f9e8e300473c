/* Products of a few rows with a weight: see multiply_x86.c. */
#ifndef RSI_EMBED_MULTIPLY_X86_H
#define RSI_EMBED_MULTIPLY_X86_H

#include <stdbool.h>
#include <stddef.h>

#define RSI_FEW_ROWS 64 /* from here on a BLAS is as fast, and may have more threads */

/* Can this processor do it, and is it faster than BLAS for such a product? */
bool rsi_multiply_few_usable(size_t rows, size_t outputs, size_t inputs);

/* out[rows × outputs] = in[rows × inputs] · transposed(weight[outputs × inputs]). Only where it is
 * usable. */
void rsi_multiply_few(float *out, const float *in, const float *weight, size_t rows, size_t outputs,
                      size_t inputs);

#endif
