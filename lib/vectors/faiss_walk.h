/*
 * Walking through an index that FAISS wrote, before FAISS is let at it: FAISS believes sizes,
 * numbers of lists, of neighbours and of rows, and reads and writes where they lead it (RELIABILITY
 * F1).
 *
 *   IDMap ─┬────────────────── RQ, LSQ, PRQ, PLSQ, IVF of these      …_additive.c
 *          ├─ transformations ─┬─ Flat, SQ, PQ, LSH                  faiss_walk.c, …_codes.c
 *          │  …_transform.c    ├─ PQ of fast scan                   …_blocks.c
 *          └─ ids              ├─ HNSW over Flat, SQ, PQ            …_graph.c
 *                              └─ IVF of Flat, FlatDedup, SQ, PQ,   …_lists.c, …_blocks.c
 *                                 SH, PQ of fast scan, whose lists
 *                                 are found by Flat, HNSW or IMI
 *
 * What is accepted is what FAISS 1.7.3 to 1.12 write of these, number by number: sizes agree with
 * each other and with the file; each neighbour, each row of a list and each level exists; there is
 * nothing behind the end. Vectors are finite, and so short that no distance overflows. Whether they
 * are the right ones cannot be seen here.
 *
 * Every other kind is UNSUPPORTED. Needs memory in proportion to what FAISS would need. No locks.
 */
#ifndef RSI_VECTORS_FAISS_WALK_H
#define RSI_VECTORS_FAISS_WALK_H

#include "vectors/faiss_blocks.h"
#include "vectors/faiss_layout.h"

typedef struct rsi_faiss_facts {
    uint32_t dimension;
    uint64_t count; /* of vectors */
    enum rsi_faiss_metric metric;
} rsi_faiss_facts;

/* Read the whole file. DAMAGED when anything in it is not as it has to be; UNSUPPORTED. */
int rsi_faiss_walk(rsi_faiss_facts *out, rsi_faiss_blocks *blocks);

#endif
