/* From a chunk number to everything that a caller is told about it. */
#ifndef RSI_SEARCH_HIT_DETAILS_H
#define RSI_SEARCH_HIT_DETAILS_H

#include "search/search.h"

/* Fill all but the scores, under the catalog's lock. NOT_FOUND: the chunk is gone. On failure
 * `found` is empty. */
int rsi_found_fill(rsi_found *found, rsi_store *store, const rsi_catalog *catalog, int64_t chunk,
                   uint32_t neighbors);

/* Free what is in a found chunk. */
void rsi_found_clear(rsi_found *found);

#endif
