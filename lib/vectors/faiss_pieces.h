/*
 * The bytes that index.faiss has to have, made from the rows a piece at a time: written into a
 * file, or compared with one that is there.
 *
 *   rows ──► 64 KiB ──► write      into a new file
 *                   └─► compare    with the same place of an old one
 *
 * Needs no more memory than two pieces, however many rows there are. Locking: as a search.
 */
#ifndef RSI_VECTORS_FAISS_PIECES_H
#define RSI_VECTORS_FAISS_PIECES_H

#include "base/digest.h"
#include "vectors/faiss_layout.h"
#include "vectors/vectors.h"

/* How an index of the rows of `allowed` is laid out. DAMAGED when one of them has a damaged row. */
int rsi_faiss_pieces_lay_out(rsi_faiss_layout *layout, rsi_rows *rows, const rsi_bitset *allowed);

/* Write such an index into an empty file; sha256 is of its bytes. */
int rsi_faiss_pieces_write(rsi_file *file, char sha256[RSI_SHA256_HEX],
                           const rsi_faiss_layout *layout, rsi_rows *rows,
                           const rsi_bitset *allowed);
/* Read a file of that size beside what it should be; sha256 is of the bytes that it has. */
int rsi_faiss_pieces_compare(bool *same, rsi_file *file, char sha256[RSI_SHA256_HEX],
                             const rsi_faiss_layout *layout, rsi_rows *rows,
                             const rsi_bitset *allowed);

#endif
