/*
 * From a query to ranked chunks of one entity.
 *
 *   query ─► keyword leg: best 1,000 by BM25 ─┐
 *         └► vector leg: best 1,000 by cosine ┴► fused ─► best k ─► texts, documents, scores
 *
 * Each leg's scores are made 0..1 over its hits (smallest to largest) and added with equal
 * weights (fusion.h). Phrases and prefixes of the query (query_syntax.h) restrict and widen the
 * keyword leg; of chunks that say almost the same the best comes first, the others last. Filters
 * apply before ranking: both legs only see the chunks that may appear, so k of k come back whenever
 * k exist. The reported score is absolute: see ragstore_search(3).
 */
#ifndef RSI_SEARCH_SEARCH_H
#define RSI_SEARCH_SEARCH_H

#include "entities/catalog.h"
#include "search/fusion.h"

typedef struct rsi_found {
    int64_t chunk;
    int64_t order; /* place in its document */
    int64_t start; /* -1: unknown */
    int64_t end;
    uint32_t page; /* 0: no pages */
    float score;         /* 0..1, absolute */
    float vector_score;  /* by the entity's metric, or NaN */
    float keyword_score; /* share of the best possible BM25, or NaN */
    char *content; /* owned */
    char *details; /* likewise: where the next five are */
    const char *doc_id;
    const char *doc_name;
    const char *source;
    const char *metadata; /* JSON text */
    const char *heading;  /* "" when there is none */
} rsi_found;

typedef struct rsi_result {
    rsi_found *items; /* best first */
    size_t count;
    uint32_t mode; /* RAGSTORE_MODE_… as it was done */
} rsi_result;

typedef struct rsi_search_query {
    const char *text; /* may be empty when a vector is given */
    size_t size;
    uint32_t k;    /* 1 to 200 */
    uint32_t mode; /* RAGSTORE_MODE_…, never 0 here */
    uint32_t neighbors;
    rsi_fusion fusion;
    bool plain;           /* no phrases and no prefixes: what a person says in a conversation */
    bool keep_duplicates; /* chunks that say almost the same may stand side by side */
    float min_score;
    const char *const *doc_ids;
    size_t doc_ids_count;
    const char *filter_json; /* NULL: none */
    const float *vector;     /* instead of embedding the text; NULL: embed */
    size_t dimension;
} rsi_search_query;

int rsi_search(rsi_result **out, rsi_store *store, const char *entity_id, const char *incarnation,
               const rsi_search_query *query);
void rsi_result_free(rsi_result *result); /* NULL is fine */
/* The JSON array that ragstore_result_json() documents. */
int rsi_result_json(rsi_bytes *out, const rsi_result *result);

/* Which chunks of the entity pass doc_ids and filter: into `allowed` (freed by the caller). Under
 * the catalog's lock. QUERY. */
int rsi_search_filter_locked(rsi_bitset *allowed, rsi_store *store, rsi_catalog *catalog,
                             const rsi_search_query *query);

#endif
