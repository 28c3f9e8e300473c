/* SHA-256 by the x86 processor's own instructions: see sha256_x86.c. For digest.c only. */
#ifndef RSI_BASE_SHA256_X86_H
#define RSI_BASE_SHA256_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool rsi_sha256_x86_usable(void); /* on this processor */

/* Only where it is usable. `constants` are the 64 round constants of FIPS 180-4. */
void rsi_sha256_x86_blocks(uint32_t state[8], const unsigned char *data, size_t blocks,
                           const uint32_t constants[64]);

#endif
