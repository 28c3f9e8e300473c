/*
 * Checksums and digests, random ids, and their text forms.
 *
 * CRC32C (Castagnoli, RFC 3720 appendix B.4) guards each line and block; SHA-256
 * (FIPS 180-4) names files and contents.
 */
#ifndef RSI_BASE_DIGEST_H
#define RSI_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Continue from `crc` (0 at the start). Uses the processor's instruction where it has one. */
uint32_t rsi_crc32c(uint32_t crc, const void *data, size_t size);

typedef struct rsi_sha256 {
    uint32_t state[8];
    uint64_t size;
    unsigned char block[64];
} rsi_sha256;

#define RSI_SHA256_HEX 65 /* 64 digits and NUL */

void rsi_sha256_begin(rsi_sha256 *sha);
void rsi_sha256_add(rsi_sha256 *sha, const void *data, size_t size);
void rsi_sha256_end(rsi_sha256 *sha, unsigned char digest[32]);
void rsi_sha256_end_hex(rsi_sha256 *sha, char hex[RSI_SHA256_HEX]);
void rsi_sha256_hex(const void *data, size_t size, char hex[RSI_SHA256_HEX]);

void rsi_hex(const unsigned char *data, size_t size, char *out); /* 2 × size digits and NUL */

/* Unpredictable bytes from the operating system. */
int rsi_random(void *out, size_t size);
int rsi_random_hex(char *out, size_t digits); /* digits and NUL; digits even, at most 64 */
int rsi_random_uuid(char out[37]);            /* version 4, lower case */

#endif
