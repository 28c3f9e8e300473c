/*
 * Files that are mapped while somebody shortens them, by hand or with another program: whoever touches
 * a page behind their end is sent SIGBUS, which ends the host. A library may not handle that signal
 * behind its host's back, so their sizes are looked at before they are used:
 *
 *   rows-<n>.rsv   what is gone is damaged: searches answer from the rest and say so
 *   lexical.rsl    derived: the catalog is made again from the texts
 *
 * What is cut off while a search runs is not seen. A look costs a microsecond for each file and some
 * for the folder; so it is taken once in a millisecond, however many searches there are.
 */
#include "entities/catalog.h"

#include "base/clock.h"
#include "base/status.h"
#include "entities/export.h"
#include "files/paths.h"
#include "lexical/lexical_file.h"

static int look_at_rows_locked(rsi_catalog *catalog, const rsi_store *store)
{
    bool found = false;
    int status = catalog->rows == NULL ? RAGSTORE_OK : rsi_rows_notice_cuts(&found, catalog->rows);
    if (found)
        rsi_storage_log(store->storage, RAGSTORE_LOG_ERROR,
                        "entity \"%s\": files of its vectors were cut while they were in use; add the "
                        "documents again whose vectors are gone",
                        catalog->entity_id);
    return status;
}

int rsi_catalog_notice_cuts(bool *is_cut, rsi_catalog *catalog, rsi_store *store)
{
    const int64_t now = rsi_monotonic_ms();
    int status = RAGSTORE_OK;
    *is_cut = false;
    if (__atomic_exchange_n(&catalog->looked_at, now, __ATOMIC_RELAXED) == now)
        return RAGSTORE_OK;
    pthread_rwlock_rdlock(&catalog->lock);
    if (catalog->is_loaded) {
        const rsi_path path = rsi_path_in_entity(catalog->entity_id, RSI_EXPORT_LEXICAL);
        *is_cut = rsi_lexical_is_cut(catalog->lexical, rsi_storage_root(store->storage), path.text);
        status = look_at_rows_locked(catalog, store);
    }
    pthread_rwlock_unlock(&catalog->lock);
    if (*is_cut)
        rsi_storage_log(store->storage, RAGSTORE_LOG_WARNING,
                        "entity \"%s\": its %s was cut while it was in use; the keyword index is made "
                        "again from the texts",
                        catalog->entity_id, RSI_EXPORT_LEXICAL);
    return status;
}
