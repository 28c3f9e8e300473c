/*
 * The derived files of an entity: vector_store/index.faiss for any FAISS, and doc_to_chunks.json.
 * Nothing in the library reads them; they can be deleted at any time.
 */
#ifndef RSI_ENTITIES_EXPORT_H
#define RSI_ENTITIES_EXPORT_H

#include "entities/catalog.h"

/* Write both, unless they are up to date. UNSUPPORTED where this processor cannot run FAISS is not
 * an error here: the file is left out and the log says so. */
int rsi_export_entity(rsi_store *store, const char *entity_id);
/* Write index.faiss; every reason not to is an error. */
int rsi_export_index(rsi_store *store, rsi_catalog *catalog);
/* Write the files of all entities that need it. */
int rsi_export_all(rsi_store *store);

#endif
