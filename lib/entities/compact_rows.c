/*
 * Compaction of an entity's vectors: see compact.h.
 *
 *   look       which file is worth it            catalog's lock shared
 *   rewrite    the new file, in its place        writer lock, catalog's lock shared
 *   let it in  the rows in memory use it         writer lock, catalog's lock exclusive
 *
 * The writer lock keeps appends away, of all processes; it is given up between two files. Searches
 * wait for the last step only, which touches no disk. Nothing is committed: which rows a chunk has
 * does not change.
 */
#include "entities/compact.h"

#include "base/status.h"
#include "entities/catalog.h"

#define SMALLEST_BYTES ((uint64_t)64 << 10) /* a smaller file is not worth a flush unasked */

static int acquire(rsi_catalog **out, rsi_store *store, const char *entity_id)
{
    rsi_entity_record record;
    *out = NULL;
    int status = rsi_entity_read(&record, store, entity_id, NULL);
    if (status == RAGSTORE_OK)
        status = rsi_catalog_acquire(out, store, entity_id, record.incarnation);
    rsi_entity_record_free(&record);
    return status;
}

/* Is there something to do for a file? Under the lock, with rows. */
static int is_worth_it(bool *worth, rsi_catalog *catalog, size_t segment, rsi_compact_extent extent)
{
    rsi_rows_usage usage;
    int status = rsi_rows_usage_of(&usage, catalog->rows, segment, &catalog->alive);
    *worth = extent == RSI_COMPACT_ALL
                 ? usage.has_dead
                 : usage.bytes >= SMALLEST_BYTES && usage.bytes_after <= usage.bytes / 2;
    return status;
}

/* The next file from *segment on that is worth it; *found false: none. A damaged one is passed
 * over. */
static int find_segment(bool *found, size_t *segment, rsi_catalog *catalog,
                        rsi_compact_extent extent)
{
    int status = RAGSTORE_OK;
    int damage = RAGSTORE_OK;
    *found = false;
    pthread_rwlock_rdlock(&catalog->lock);
    const size_t count = catalog->rows == NULL ? 0 : rsi_rows_segment_count(catalog->rows);
    for (; !*found && status == RAGSTORE_OK && *segment < count; *segment += !*found) {
        status = is_worth_it(found, catalog, *segment, extent);
        if (status == RAGSTORE_E_DAMAGED) {
            *found = false;
            damage = status;
            status = RAGSTORE_OK;
        }
    }
    pthread_rwlock_unlock(&catalog->lock);
    return status != RAGSTORE_OK ? status : damage;
}

/* In a transaction. What was found out without one is looked at again: files may have changed. */
static int rewrite_segment(rsi_store *store, rsi_catalog *catalog, size_t segment,
                           rsi_compact_extent extent)
{
    rsi_rows_rewrite *rewrite = NULL;
    bool worth = false;
    int status = RAGSTORE_OK;
    pthread_rwlock_wrlock(&catalog->lock);
    if (catalog->rows != NULL)
        status =
            rsi_catalog_refresh_rows_locked(catalog, store, rsi_rows_dimension(catalog->rows));
    pthread_rwlock_unlock(&catalog->lock);
    if (status != RAGSTORE_OK)
        rsi_catalog_drop(store, catalog); /* it has no rows now */

    pthread_rwlock_rdlock(&catalog->lock);
    if (status == RAGSTORE_OK && catalog->rows != NULL &&
        segment < rsi_rows_segment_count(catalog->rows))
        status = is_worth_it(&worth, catalog, segment, extent);
    if (status == RAGSTORE_OK && worth)
        status = rsi_rows_rewrite_begin(&rewrite, catalog->rows, segment, &catalog->alive);
    pthread_rwlock_unlock(&catalog->lock);
    if (rewrite == NULL) {
        if (status == RAGSTORE_E_IO)
            status = rsi_storage_poison(store->storage);
        if (worth)
            rsi_catalog_drop(store, catalog); /* its rows must be opened again */
        return status;
    }

    pthread_rwlock_wrlock(&catalog->lock);
    rsi_rows_rewrite_end(rewrite);
    rsi_catalog_note_rows_locked(catalog);
    pthread_rwlock_unlock(&catalog->lock);
    return RAGSTORE_OK;
}

static int compact_segment(rsi_store *store, const char *entity_id, size_t segment,
                           rsi_compact_extent extent)
{
    rsi_tx *tx;
    rsi_catalog *catalog = NULL;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = acquire(&catalog, store, entity_id); /* as others' commits have left it */
    if (status == RAGSTORE_OK)
        status = rewrite_segment(store, catalog, segment, extent);
    rsi_catalog_release(store, catalog);
    rsi_saved_error saved;
    rsi_error_save(&saved);
    rsi_tx_abort(tx);
    rsi_error_restore(&saved);
    return status;
}

int rsi_compact_rows(rsi_store *store, const char *entity_id, rsi_compact_extent extent)
{
    const uint64_t epoch = rsi_store_epoch(store);
    rsi_catalog *catalog;
    rsi_saved_error damage;
    bool damaged = false;
    bool found = true;
    int status = RAGSTORE_OK;
    if (rsi_tx_is_open(store->storage)) /* its rows are alive only when it has ended */
        return RAGSTORE_OK;
    for (size_t segment = 0; status == RAGSTORE_OK && found; segment++) {
        status = rsi_store_check_interrupt(store, epoch);
        if (status == RAGSTORE_OK)
            status = acquire(&catalog, store, entity_id);
        if (status != RAGSTORE_OK)
            break;
        status = find_segment(&found, &segment, catalog, extent);
        rsi_catalog_release(store, catalog);
        if (status == RAGSTORE_OK || status == RAGSTORE_E_DAMAGED) {
            if (status == RAGSTORE_E_DAMAGED && !damaged) {
                damaged = true;
                rsi_error_save(&damage);
            }
            status = found ? compact_segment(store, entity_id, segment, extent) : RAGSTORE_OK;
        }
    }
    if (status != RAGSTORE_OK || !damaged)
        return rsi_wrap(status, "compact the vectors of \"%s\"", entity_id);
    rsi_error_restore(&damage);
    return rsi_wrap(RAGSTORE_E_DAMAGED, "compact the vectors of \"%s\"", entity_id);
}
