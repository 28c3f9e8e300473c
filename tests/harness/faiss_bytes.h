/*
 * Flat and IDMap files of FAISS, written by hand: for tests of reading them that have no FAISS, and
 * of what FAISS would never write. The layout is drawn in lib/vectors/faiss_layout.h.
 */
#ifndef TESTS_HARNESS_FAISS_BYTES_H
#define TESTS_HARNESS_FAISS_BYTES_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct faiss_bytes {
    const char *map;  /* "IxMp", "IxM2", or NULL: without ids */
    const char *flat; /* "IxFI", "IxF2", "IxFl", … */
    int32_t metric;   /* 0 inner product, 1 L2 */
    int32_t dimension;
    int64_t count;
    const float *vectors;
    const int64_t *ids; /* NULL without a map */
} faiss_bytes;

static inline unsigned char *faiss_bytes_put(unsigned char *out, const void *data, size_t size)
{
    memcpy(out, data, size);
    return out + size;
}

static inline unsigned char *faiss_bytes_header(unsigned char *out, const char *kind,
                                                const faiss_bytes *of)
{
    static const int64_t unused[2] = {1 << 20, 1 << 20};
    static const unsigned char trained = 1;
    out = faiss_bytes_put(out, kind, 4);
    out = faiss_bytes_put(out, &of->dimension, sizeof of->dimension);
    out = faiss_bytes_put(out, &of->count, sizeof of->count);
    out = faiss_bytes_put(out, unused, sizeof unused);
    out = faiss_bytes_put(out, &trained, 1);
    return faiss_bytes_put(out, &of->metric, sizeof of->metric);
}

/* free() it. */
static inline unsigned char *faiss_bytes_make(size_t *size, const faiss_bytes *of)
{
    const uint64_t numbers = (uint64_t)of->count * (uint64_t)of->dimension;
    const uint64_t count = (uint64_t)of->count;
    unsigned char *bytes = malloc(256 + numbers * sizeof(float) + count * sizeof(int64_t));
    assert(bytes != NULL);
    unsigned char *end = bytes;
    if (of->map != NULL)
        end = faiss_bytes_header(end, of->map, of);
    end = faiss_bytes_header(end, of->flat, of);
    end = faiss_bytes_put(end, &numbers, sizeof numbers);
    end = faiss_bytes_put(end, of->vectors, numbers * sizeof(float));
    if (of->map != NULL) {
        end = faiss_bytes_put(end, &count, sizeof count);
        end = faiss_bytes_put(end, of->ids, count * sizeof(int64_t));
    }
    *size = (size_t)(end - bytes);
    return bytes;
}

#endif
