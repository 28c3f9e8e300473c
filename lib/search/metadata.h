/*
 * The metadata of chunks: the members of their document's, overlaid by those of their own.
 */
#ifndef RSI_SEARCH_METADATA_H
#define RSI_SEARCH_METADATA_H

#include "entities/catalog.h"
#include "json/json_view.h"

/* Both are objects, or MISSING. */
int rsi_metadata_overlay(rsi_bytes *out, const rsi_json_view *document,
                         const rsi_json_view *chunk);

#define RSI_METADATA_OF_DOCUMENT (-1)

/* `chunk` is RSI_METADATA_OF_DOCUMENT for all chunks that have none of their own. */
typedef int rsi_metadata_visitor(void *user, int64_t chunk, const rsi_json_view *metadata);

/* See the metadata of a document, then those of its living chunks that have metadata of their own, as far
 * as they are among `chosen` (NULL: all), ascending. Rows that stand side by side are read together.
 * Under the catalog's lock. */
int rsi_metadata_walk(rsi_store *store, const rsi_catalog *catalog,
                      const rsi_catalog_document *document, const rsi_bitset *chosen,
                      rsi_metadata_visitor *visit, void *user);

#endif
