/*
 * The derived files of an entity: vector_store/index.faiss for any FAISS, and doc_to_chunks.json.
 * Nothing in the library reads them; they can be deleted at any time.
 */
#ifndef RSI_ENTITIES_EXPORT_H
#define RSI_ENTITIES_EXPORT_H

#include "entities/catalog.h"

/* Of how many vectors an entity has index.faiss without being asked: above, the rows would be
 * stored twice for nothing. */
#define RSI_EXPORT_UNASKED_MAX 20000

typedef enum rsi_export_scope {
    RSI_EXPORT_UNASKED, /* index.faiss up to RSI_EXPORT_UNASKED_MAX vectors; one of more stays as
                         * long as it is current, and is removed afterwards */
    RSI_EXPORT_ALL,     /* whatever the size */
} rsi_export_scope;

/* Write both, unless they are up to date. One that is damaged is told of in the log, and written.
 */
int rsi_export_entity(rsi_store *store, const char *entity_id, rsi_export_scope scope);
/* Write index.faiss, whatever its size. EMBEDDER for an entity without vectors. */
int rsi_export_index(rsi_store *store, rsi_catalog *catalog);
/* Write the files of all entities that need it, whatever their size. */
int rsi_export_all(rsi_store *store);

#endif
