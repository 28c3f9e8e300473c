/*
 * Vectors that a commit has in its journal line, because their file was not flushed with it.
 *
 *   opened to write, after a crash   written into their files again, before anything else happens
 *   opened to read only              served from memory where the files lack them
 *
 * Called by the storage while it is opened, and when an entity's rows are opened.
 */
#include "entities/catalog.h"

#include "base/status.h"
#include "files/paths.h"

#include <inttypes.h>

static rsi_rows_copy copy_of(const rsi_vector_block *block)
{
    return (rsi_rows_copy){.segment = block->segment,
                           .offset = block->offset,
                           .first_chunk = block->first_chunk,
                           .count = block->count,
                           .vectors = block->vectors};
}

static int restore_block(rsi_storage *storage, const char *entity_id, rsi_rows *rows,
                         const rsi_vector_block *block)
{
    bool placed = false;
    const rsi_rows_copy copy = copy_of(block);
    int status = block->dimension == rsi_rows_dimension(rows)
                     ? rsi_rows_restore(&placed, rows, &copy)
                     : RAGSTORE_OK;
    if (status == RAGSTORE_OK && !placed)
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING,
                        "entity \"%s\": the vectors of %" PRIu32 " chunks from %" PRId64
                        " have no place in rows-%" PRIu32 ".rsv any more; embed them again",
                        entity_id, block->count, block->first_chunk, block->segment);
    return status;
}

int rsi_catalog_restore_vectors(rsi_storage *storage, rsi_root *root, const char *entity_id,
                                const char *incarnation, rsi_vector_reader *reader)
{
    const rsi_vector_block *block;
    rsi_rows *rows = NULL;
    const rsi_path directory = rsi_path_in_entity(entity_id, "vector_store");
    int found = rsi_vector_reader_next(&block, reader);
    int status = found < 0 ? found : RAGSTORE_OK;
    if (found > 0)
        status = rsi_rows_open(&rows, root, directory.text, incarnation, block->dimension);
    if (status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_VERSION) {
        rsi_storage_log(storage, RAGSTORE_LOG_ERROR, "entity \"%s\": %s", entity_id,
                        rsi_error_message());
        return RAGSTORE_OK; /* told of again where they are used */
    }
    while (status == RAGSTORE_OK && found > 0) {
        status = restore_block(storage, entity_id, rows, block);
        found = status == RAGSTORE_OK ? rsi_vector_reader_next(&block, reader) : status;
        if (found < 0)
            status = found;
    }
    if (status == RAGSTORE_OK && rows != NULL)
        status = rsi_rows_restore_end(rows);
    rsi_rows_close(rows);
    return status;
}

int rsi_catalog_hold_vectors(rsi_rows *rows, rsi_store *store, const char *entity_id,
                             const char *incarnation)
{
    const rsi_vector_block *block;
    rsi_vector_reader *reader = NULL;
    int found = RAGSTORE_OK;
    if (!rsi_storage_is_read_only(store->storage))
        return RAGSTORE_OK;
    int status = rsi_vector_reader_open(&reader, store->storage, entity_id, incarnation);
    while (status == RAGSTORE_OK && reader != NULL &&
           (found = rsi_vector_reader_next(&block, reader)) > 0) {
        const rsi_rows_copy copy = copy_of(block);
        if (block->dimension == rsi_rows_dimension(rows))
            status = rsi_rows_hold(rows, &copy);
    }
    rsi_vector_reader_free(reader);
    return found < 0 ? found : status;
}
