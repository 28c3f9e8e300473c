/* What the faiss_index_….c files share: see faiss_index.h. */
#ifndef RSI_VECTORS_FAISS_INDEX_INTERNAL_H
#define RSI_VECTORS_FAISS_INDEX_INTERNAL_H

#include "vectors/faiss_index.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/MetaIndexes_c.h>
#else
#include <c_api/Index_c.h>
#include <c_api/MetaIndexes_c.h>
#endif

#include <pthread.h>

struct rsi_faiss_index {
    char factory[RSI_FAISS_FACTORY_MAX];
    uint32_t dimension;
    rsi_metric metric;
    pthread_rwlock_t lock; /* guards the rest */
    FaissIndex *inside;    /* an IDMap */
    size_t count;
    int64_t covered; /* chunks below are in it, if they have a row */
    size_t probes;   /* that FAISS was told; 0: not told yet */
    unsigned holders; /* atomic */
    bool takes_no_filter; /* atomic */
    bool is_not_saved; /* atomic: its kind is not read back from a file */
};

/* What FAISS answered: its message is copied at once. */
int rsi_faiss_result(int code, const char *doing);
/* An index around what FAISS made, which is taken. */
int rsi_faiss_index_wrap(rsi_faiss_index **out, FaissIndex *inside, const char *factory,
                         uint32_t dimension, rsi_metric metric);

/* ---- faiss_query.c ---- */

typedef struct rsi_faiss_query {
    const float *vector;
    size_t wanted;
    size_t probes;             /* 0: the default */
    const rsi_bitset *allowed; /* NULL: all. What is found may not be, where it cannot be told */
    float *distances;          /* room for so many as are wanted */
    idx_t *ids;                /* as they are in the index; -1 behind the last */
} rsi_faiss_query;

/* Takes the lock. */
int rsi_faiss_query_ask(rsi_faiss_index *index, const rsi_faiss_query *query);
/* Does it look for allowed rows only, as far as is known? */
bool rsi_faiss_query_can_filter(const rsi_faiss_index *index);

#endif
