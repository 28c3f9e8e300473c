/*
 * A file in blocks, each with a digest of its own: who reads it is given only bytes that were
 * checked a moment ago, wherever they lie, and however often others change the file meanwhile.
 *
 *   index.faiss   │  1 MiB  │  1 MiB  │  rest │
 *   digests           d0        d1        d2      SHA-256 of each; kept beside the file
 *
 * FAISS reads and writes through a stream made of it, and never opens a file itself (RELIABILITY
 * F1, F3). One block is in memory. Not locked: one thread at a time.
 */
#ifndef RSI_VECTORS_FAISS_BLOCKS_H
#define RSI_VECTORS_FAISS_BLOCKS_H

#include "base/digest.h"
#include "base/status.h"
#include "files/files.h"

#include <stdio.h>

#define RSI_FAISS_BLOCK_SIZE ((size_t)1 << 20)
#define RSI_FAISS_DIGEST_SIZE 32

typedef struct rsi_faiss_blocks {
    rsi_file *file;         /* borrowed */
    uint64_t size;          /* of the file; when writing: of what was handed over */
    unsigned char *digests; /* RSI_FAISS_DIGEST_SIZE for each block; owned */
    size_t digests_size;    /* bytes */
    size_t digests_room;
    unsigned char *block; /* one that is read, or filled; owned */
    size_t held;          /* its bytes */
    uint64_t number;      /* which one is read; UINT64_MAX: none */
    uint64_t offset;      /* where the stream is */
    rsi_sha256 whole;     /* of what was written */
    int status;           /* of the first failure, which a stream hides */
    rsi_saved_error error;
} rsi_faiss_blocks;

uint64_t rsi_faiss_blocks_count(uint64_t size); /* of a file */

/* Write a new file from front to back. */
int rsi_faiss_blocks_begin(rsi_faiss_blocks *blocks, rsi_file *file);
int rsi_faiss_blocks_write(rsi_faiss_blocks *blocks, const void *data, size_t size);
/* Write what is left; sha256 is of the whole file, which is not flushed yet. It can be read
 * then. */
int rsi_faiss_blocks_finish(rsi_faiss_blocks *blocks, char sha256[RSI_SHA256_HEX]);

/* Read a file of `size` bytes; the digests are copied. */
int rsi_faiss_blocks_open(rsi_faiss_blocks *blocks, rsi_file *file, uint64_t size,
                          const unsigned char *digests);
/* All of it, or DAMAGED. */
int rsi_faiss_blocks_read(rsi_faiss_blocks *blocks, void *out, size_t size, uint64_t offset);

/* Also after a failure; zeroed is fine. */
void rsi_faiss_blocks_free(rsi_faiss_blocks *blocks);

/* A stream that goes on behind what was written, or reads from the beginning. To be closed with
 * fclose() before `blocks` goes; what failed below it is in blocks->status then. */
int rsi_faiss_blocks_stream(FILE **out, rsi_faiss_blocks *blocks, const char *mode);

#endif
