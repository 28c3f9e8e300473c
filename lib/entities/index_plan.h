/*
 * Which tier searches the vectors of an entity, by their number and dimension, its metric and its
 * settings.
 *
 *   tier         what searches           auto                    forced by its kind
 *   exact        all rows, from some     up to some 8,000, and   always
 *                2,000 on by byte codes  short vectors
 *   codes        codes of all rows       up to some 65,000, and  from some 4,000 on
 *                                        inner_product of more
 *   partition    codes in lists          more                    from some 4,000 on
 *   faiss        FAISS (catalog_faiss.c) never                   from some 4,000 on, or more
 *
 * Codes are lists with centroids, one or many (vectors/quantised.h), so a tier is a number of
 * lists. bench_vectors measures where each pays. No state, no locks.
 */
#ifndef RSI_ENTITIES_INDEX_PLAN_H
#define RSI_ENTITIES_INDEX_PLAN_H

#include "entities/index_settings.h"
#include "vectors/metric.h"

/* How many lists there should be for so many rows; 0: no codes. */
size_t rsi_index_lists(const rsi_index_settings *settings, rsi_metric metric, uint32_t dimension,
                       size_t rows);

typedef enum rsi_index_change {
    RSI_INDEX_KEEP,
    RSI_INDEX_MAKE, /* codes in rsi_index_lists() lists */
    RSI_INDEX_DROP, /* the codes: the setting wants none */
} rsi_index_change;

/* What is to be done while there are codes in `lists` lists; 0: there are none. */
rsi_index_change rsi_index_due(const rsi_index_settings *settings, rsi_metric metric,
                               uint32_t dimension, size_t rows, size_t lists);

/* Is exact search to go by byte codes (vectors/byte_codes.h)? In rsi_index_lists() lists there are
 * none. */
bool rsi_index_wants_bytes(const rsi_index_settings *settings, size_t lists, size_t rows);
/* Are there so few rows that byte codes, which there are, should go? */
bool rsi_index_spares_bytes(size_t rows);

/* "exact", "codes" or "partition": static. */
const char *rsi_index_tier(const rsi_index_settings *settings, size_t lists);

#endif
