/*
 * FAISS's factory strings, such as "HNSW32" or "OPQ16,IVF1024,PQ16": checked before FAISS sees one.
 *
 * FAISS believes every number in them: some ask for more memory than there is before anything fails
 * (RELIABILITY F2). So each has a limit here, by the letters in front of it. No state, no locks.
 */
#ifndef RSI_VECTORS_FAISS_FACTORY_H
#define RSI_VECTORS_FAISS_FACTORY_H

#include <stddef.h>

#define RSI_FAISS_FACTORY_MAX 121 /* with NUL */

/* INVALID_ARGUMENT names the string and what is wrong with it. What FAISS makes of it is not
 * asked. */
int rsi_faiss_factory_check(const char *factory);

/* How many rows an index of that kind is made of at the least: FAISS trains on 39 for each
 * centroid, and complains on stderr when it has fewer. */
size_t rsi_faiss_factory_rows(const char *factory);

#endif
