/*
 * A saved index of FAISS's (vectors/faiss_saved.h) with other bytes, and a .sum that says that they
 * are right: as if the library itself had written them.
 */
#ifndef TESTS_HARNESS_FAISS_RESEAL_H
#define TESTS_HARNESS_FAISS_RESEAL_H

#include "base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESEAL_BLOCK ((size_t)1 << 20)

/* The .sum of `size` bytes, made from that of others; *sum_size its size. Caller frees. NULL: `old`
 * is no .sum, or there is no memory. */
static inline char *reseal(const char *bytes, size_t size, const char *old, size_t *sum_size)
{
    const char *kept = strstr(old, "\nkind ");
    const char *blocks = strstr(old, "\nblocks ");
    const size_t count = (size + RESEAL_BLOCK - 1) / RESEAL_BLOCK;
    char sha256[RSI_SHA256_HEX];
    char *text = malloc(strlen(old) + count * 65 + 256);
    if (text == NULL || kept == NULL || blocks == NULL || blocks < kept) {
        free(text);
        return NULL;
    }
    rsi_sha256_hex(bytes, size, sha256);
    int at = sprintf(text, "ragstore-faiss 2\nsize %zu\nsha256 %s%.*s\nblocks %zu\n", size, sha256,
                     (int)(blocks - kept), kept, count);
    for (size_t i = 0; i < count; i++) {
        const size_t left = size - i * RESEAL_BLOCK;
        rsi_sha256_hex(bytes + i * RESEAL_BLOCK, left < RESEAL_BLOCK ? left : RESEAL_BLOCK, sha256);
        at += sprintf(text + at, "%s\n", sha256);
    }
    at += sprintf(text + at, "crc32c %08" PRIx32 "\n", rsi_crc32c(0, text, (size_t)at));
    *sum_size = (size_t)at;
    return text;
}

#endif
