/*
 * Which chunks can pass a filter, by what they have at one of its members.
 */
#ifndef RSI_SEARCH_FILTER_COLUMNS_H
#define RSI_SEARCH_FILTER_COLUMNS_H

#include "entities/catalog.h"

/* Point `chosen` at `some`, freed by the caller, filled with all chunks that can pass the filter and
 * maybe others; or leave it NULL, when no column tells: because the filter says nothing of a single member,
 * or because its members are asked about for the first time. Under the catalog's lock. */
int rsi_filter_choose(rsi_bitset *some, const rsi_bitset **chosen, rsi_store *store,
                      const rsi_catalog *catalog, rsi_columns *columns,
                      const rsi_predicate *predicate, const char *filter_json);

#endif
