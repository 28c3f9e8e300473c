/*
 * The derived files of an entity: vector_store/index.faiss for any FAISS, and doc_to_chunks.json,
 * which nothing in the library reads; and lexical.rsl, which spares the next start the analysis of
 * all texts (catalog_lexical.c). They can be deleted at any time.
 *
 * They are written without the writer's lock, as that may take long, and their entity may go
 * meanwhile and another of the same id come. So they are written into a folder that is held open,
 * and was the entity's when it was opened (rsi_export_open_folder): it stays that one under
 * whatever name.
 */
#ifndef RSI_ENTITIES_EXPORT_H
#define RSI_ENTITIES_EXPORT_H

#include "entities/catalog.h"

/* Of how many vectors an entity has index.faiss without being asked: above, the rows would be
 * stored twice for nothing. */
#define RSI_EXPORT_UNASKED_MAX 20000

/* In the folder of an entity: */
#define RSI_EXPORT_INDEX "vector_store/index.faiss"
#define RSI_EXPORT_DOCUMENTS "doc_to_chunks.json"
#define RSI_EXPORT_LEXICAL "lexical.rsl"

typedef enum rsi_export_scope {
    RSI_EXPORT_UNASKED, /* index.faiss up to RSI_EXPORT_UNASKED_MAX vectors; one of more stays as
                         * long as it is current, and is removed afterwards */
    RSI_EXPORT_ALL,     /* whatever the size */
    RSI_EXPORT_COMPACT, /* as unasked, but nothing that was deleted stays in any file */
} rsi_export_scope;

/* Write those that are not up to date. One that is damaged is told of in the log, and written.
 */
int rsi_export_entity(rsi_store *store, const char *entity_id, rsi_export_scope scope);
/* The folder that a catalog's files belong in; the caller closes it. NOT_FOUND: the entity went. */
int rsi_export_open_folder(rsi_root **folder, rsi_store *store, const rsi_catalog *catalog);
/* The index.faiss of an entity that is searched by FAISS (export_faiss.c); *handled tells whether
 * it is, and has or will have one of that kind. Takes the catalog's lock. */
int rsi_export_faiss(bool *handled, rsi_store *store, rsi_catalog *catalog, rsi_root *folder,
                     rsi_export_scope scope);
/* What index.faiss is made from: the incarnation, and which chunks are alive. Under the lock. */
#define RSI_EXPORT_STAMP_MAX 96
void rsi_export_stamp_locked(char stamp[RSI_EXPORT_STAMP_MAX], const rsi_catalog *catalog);
/* Write index.faiss, whatever its size. EMBEDDER for an entity without vectors. */
int rsi_export_index(rsi_store *store, rsi_catalog *catalog);
/* Write lexical.rsl if that is worth it, or remove that of a small entity (catalog_lexical.c).
 * Takes the catalog's lock. */
int rsi_export_lexical(rsi_catalog *catalog, rsi_root *folder, rsi_export_scope scope);
/* Write the files of all entities that need it, whatever their size. */
int rsi_export_all(rsi_store *store);

#endif
