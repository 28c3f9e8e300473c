/*
 * The bytes of rows-<n>.rsv: what a header and a block look like, and nothing about files.
 *
 * A segment is a header of 64 bytes and blocks behind it. All numbers are little-endian; every
 * block starts at a multiple of 64, so that rows of a mapped file are aligned as far as the
 * dimension allows.
 *
 *   header of the file                        header of a block
 *    0   8  "RSVROWS\n"                        0   8  "RSVBLOCK"
 *    8   4  byte order mark 0x01020304         8   8  chunk number of the first row
 *   12   2  format, major: 1                  16   4  rows
 *   14   2  format, minor: 0                  20   4  dimension
 *   16  32  incarnation, lower-case hex       24   8  bytes of data: rows × dimension × 4
 *   48   4  dimension                         32   8  offset of this block in its file
 *   52   4  number of the segment: the <n>    40   4  number of the segment
 *   56   4  0                                 44   8  0
 *   60   4  CRC32C of bytes 0..59             52   4  CRC32C of the data and its padding
 *                                             56   4  0
 *                                             60   4  CRC32C of the incarnation and bytes 0..59
 *                                             64      data: float32, row by row
 *                                                     zeros up to the next multiple of 64
 *
 * Row i of a block belongs to chunk number first + i. Chunk numbers ascend from block to block and
 * from segment to segment. A block names its place and its header's CRC starts with the
 * incarnation: stale bytes of another file, place or entity never pass for a block, and a block is
 * trusted although the header of its file is damaged. The first 64 bytes of a file keep this
 * layout in every version.
 *
 * Not locked: works on the caller's bytes only.
 */
#ifndef RSI_VECTORS_ROWS_BLOCK_H
#define RSI_VECTORS_ROWS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_ROWS_HEADER_SIZE 64u /* of a file's header and of a block's */
#define RSI_ROWS_ALIGNMENT 64u
#define RSI_ROWS_FORMAT_MAJOR 1u
#define RSI_ROWS_FORMAT_MINOR 0u
#define RSI_INCARNATION_DIGITS 32u

/* What a segment and all its blocks have in common. */
typedef struct rsi_rows_identity {
    const char *incarnation; /* RSI_INCARNATION_DIGITS characters */
    uint32_t dimension;
    uint32_t segment;
} rsi_rows_identity;

typedef enum rsi_rows_header_state {
    RSI_ROWS_HEADER_INTACT,
    RSI_ROWS_HEADER_DAMAGED, /* no magic, or the CRC does not match */
    RSI_ROWS_HEADER_NEWER,   /* a newer major format */
    RSI_ROWS_HEADER_FOREIGN, /* intact, but of another incarnation, dimension or segment */
} rsi_rows_header_state;

/* A block as its header describes it. */
typedef struct rsi_rows_block {
    int64_t first_chunk;
    uint32_t count;
    uint32_t data_crc;
    uint64_t size; /* header, data and padding */
} rsi_rows_block;

void rsi_rows_header_encode(unsigned char out[RSI_ROWS_HEADER_SIZE],
                            const rsi_rows_identity *identity);
rsi_rows_header_state rsi_rows_header_check(const unsigned char in[RSI_ROWS_HEADER_SIZE],
                                            const rsi_rows_identity *identity);

/* Bytes of a block; count <= UINT32_MAX and a dimension in range cannot overflow. */
uint64_t rsi_rows_block_size(uint32_t count, uint32_t dimension);

/* Fill `out` (rsi_rows_block_size() bytes) with a block to stand at `offset`; returns its data's
 * CRC. */
uint32_t rsi_rows_block_encode(unsigned char *out, const rsi_rows_identity *identity,
                               uint64_t offset, int64_t first_chunk, const float *vectors,
                               uint32_t count);

/* The same of a block whose rows are in it already. */
uint32_t rsi_rows_block_seal(unsigned char *out, const rsi_rows_identity *identity,
                             uint64_t offset, int64_t first_chunk, uint32_t count);

/* False unless `in` is the header of a block that stands at `offset` of a segment with this
 * identity and ends at or before `file_size`. The data is not looked at. */
bool rsi_rows_block_decode(rsi_rows_block *block, const unsigned char in[RSI_ROWS_HEADER_SIZE],
                           const rsi_rows_identity *identity, uint64_t offset, uint64_t file_size);

#endif
