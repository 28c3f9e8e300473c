/*
 * The two kinds of FAISS file that are written and read here, byte by byte (little-endian, no
 * padding; the same since FAISS 1.7):
 *
 *   Flat                                            IDMap over Flat
 *   0   "IxFI" inner product, "IxF2" L2             0   "IxMp" IDMap, "IxM2" IDMap2
 *       ("IxFl": the metric decides)
 *   4   header                                      4   header
 *   37  numbers     u64 = count × dimension         37  Flat, as on the left
 *   45  vectors     f32 × numbers                   …   ids   u64 = count
 *                                                   …         i64 × count
 *
 *   header   0  dimension i32    4 count i64    12 two times i64, 1 << 20 (unused)
 *            28 trained   u8    29 metric i32: 0 inner product, 1 L2
 *
 * So kind, dimension and count give the size of the whole file to the byte, and everything is
 * checked against it before any memory is asked for. No state, no locks.
 */
#ifndef RSI_VECTORS_FAISS_LAYOUT_H
#define RSI_VECTORS_FAISS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_FAISS_HEAD_MAX 82 /* bytes in front of the vectors: of an IDMap */

enum rsi_faiss_metric {
    RSI_FAISS_INNER_PRODUCT = 0,
    RSI_FAISS_L2 = 1,
};

typedef struct rsi_faiss_layout {
    uint32_t dimension;
    uint64_t count; /* of vectors */
    enum rsi_faiss_metric metric;
    bool has_ids; /* an IDMap: otherwise ids are 0, 1, … */
    uint64_t vectors_at;
    uint64_t ids_at;    /* of the first id, behind their count; 0 without ids */
    uint64_t file_size; /* of all */
} rsi_faiss_layout;

/* Lay out an IDMap over Flat. TOO_LARGE when its size does not fit 63 bits. */
int rsi_faiss_layout_make(rsi_faiss_layout *out, uint32_t dimension, uint64_t count,
                          enum rsi_faiss_metric metric);
/* The bytes in front of the vectors of such a layout; returns how many. */
size_t rsi_faiss_layout_head(unsigned char out[RSI_FAISS_HEAD_MAX], const rsi_faiss_layout *layout);

/*
 * Read the first bytes of a file of file_size bytes: `size` of them, RSI_FAISS_HEAD_MAX or all
 * there are. INVALID_DATA when they are not what FAISS writes or do not agree with the file's size;
 * UNSUPPORTED for FAISS's other kinds and metrics.
 */
int rsi_faiss_layout_parse(rsi_faiss_layout *out, const unsigned char *head, size_t size,
                           uint64_t file_size);

#endif
