/*
 * Reading a FAISS file that somebody else wrote: Flat, or IDMap or IDMap2 over Flat.
 *
 * FAISS's own parser never sees it: it believes sizes and ends the process on some damaged files
 * (RELIABILITY F1). Here everything is bounded by the size of the file, and checked before memory
 * is asked for. Nothing is believed to stay as it is: others may change the file meanwhile, so
 * bytes are read, never mapped, and the caller checks the numbers that it gets.
 *
 * Not locked: one thread at a time.
 */
#ifndef RSI_VECTORS_FAISS_FILE_H
#define RSI_VECTORS_FAISS_FILE_H

#include "files/files.h"
#include "vectors/faiss_layout.h"

typedef struct rsi_faiss_file {
    rsi_file *file;
    rsi_faiss_layout layout;
} rsi_faiss_file;

/* Open a file outside the store and check what it says of itself. NOT_FOUND; INVALID_DATA and
 * UNSUPPORTED as rsi_faiss_layout_parse(). */
int rsi_faiss_file_open(rsi_faiss_file *out, rsi_root *root, const char *path);
void rsi_faiss_file_close(rsi_faiss_file *file); /* zeroed is fine */

/* Some of the vectors, row by row, as they are: count × dimension floats. first + count is at most
 * the file's count. */
int rsi_faiss_file_vectors(float *vectors, const rsi_faiss_file *file, uint64_t first,
                           uint64_t count);
/* All ids: `count` numbers, each >= 0 and no two the same, INVALID_DATA otherwise; 0, 1, … for a
 * file without ids. */
int rsi_faiss_file_ids(int64_t *ids, const rsi_faiss_file *file);

#endif
