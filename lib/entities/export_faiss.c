/*
 * The index.faiss of an entity that is searched by FAISS: the index itself, so that the next start
 * reads it instead of making it again (vectors/faiss_saved.h).
 *
 *   up to RSI_EXPORT_UNASKED_MAX vectors, and     it has exactly the living chunks, as that of any
 *   whatever their number when it is asked for    entity has; written when it has not
 *   of more, unasked                              it may lack the last of them: written when an
 *                                                 eighth has come since; chunks that were deleted
 *                                                 since have numbers in it until then
 *   after a compaction                            nothing that was deleted: an index with dead rows
 *                                                 is removed, made again, and written then
 *
 * While the index is being made, what is there stays. Of a kind that is not read back from a file,
 * and of an entity with too few vectors for its kind, index.faiss is that of export.c.
 */
#include "entities/export.h"

#include "base/status.h"
#include "files/paths.h"

#include <string.h>

#define GROWN_SHARE 8 /* of the vectors: as many as that are worth writing all of them */

typedef struct task {
    rsi_store *store;
    rsi_catalog *catalog;
    rsi_export_scope scope;
    rsi_faiss_index *index; /* held */
    rsi_root *folder; /* of the entity; borrowed */
    rsi_faiss_about about; /* its texts are the index's, the catalog's and the record's */
    rsi_entity_record record;
    char stamp[RSI_EXPORT_STAMP_MAX];
    bool is_exact;
} task;

/* Is it being made, or about to be? */
static bool is_awaited_locked(const rsi_catalog *catalog)
{
    return catalog->settings.kind == RSI_INDEX_FAISS && catalog->rows != NULL &&
           rsi_catalog_faiss_wants_work_locked(catalog);
}

/* Hold the index; without one nothing is held, and *handled tells whether there will be one. */
static void hold_index(bool *handled, task *to)
{
    rsi_catalog *catalog = to->catalog;
    pthread_rwlock_rdlock(&catalog->lock);
    const bool serves =
        catalog->settings.kind == RSI_INDEX_FAISS && catalog->faiss != NULL &&
        catalog->rows != NULL && catalog->next_faiss == NULL && !catalog->faiss_sheds_dead &&
        strcmp(rsi_faiss_index_factory(catalog->faiss), catalog->settings.factory) == 0 &&
        rsi_faiss_saved_is_possible(catalog->faiss);
    *handled = serves || (to->scope == RSI_EXPORT_UNASKED && is_awaited_locked(catalog));
    if (serves) {
        to->index = rsi_faiss_index_hold(catalog->faiss);
        to->is_exact =
            to->scope != RSI_EXPORT_UNASKED || catalog->alive.count <= RSI_EXPORT_UNASKED_MAX;
        to->about = (rsi_faiss_about){
            .factory = rsi_faiss_index_factory(catalog->faiss),
            .incarnation = catalog->incarnation,
            .dimension = rsi_rows_dimension(catalog->rows),
            .metric = catalog->metric,
        };
        rsi_export_stamp_locked(to->stamp, catalog);
    }
    pthread_rwlock_unlock(&catalog->lock);
}

/* What was deleted has no number in the index any more: so many rows of it are dead. */
static size_t forget_dead(task *to)
{
    pthread_rwlock_rdlock(&to->catalog->lock);
    const size_t dead = rsi_faiss_index_forget_dead(to->index, &to->catalog->alive);
    pthread_rwlock_unlock(&to->catalog->lock);
    return dead;
}

/* ---- is there anything to be written? ---- */

static int check_whole_file(bool *is_due, const task *to)
{
    int status = rsi_faiss_saved_check(to->folder, RSI_EXPORT_INDEX, &to->about);
    *is_due = status != RAGSTORE_OK;
    if (status == RAGSTORE_E_DAMAGED)
        rsi_storage_log(to->store->storage, RAGSTORE_LOG_WARNING,
                        "%s is damaged; it is written again from the vectors: %s",
                        rsi_path_in_entity(to->catalog->entity_id, RSI_EXPORT_INDEX).text,
                        rsi_error_message());
    return status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_NOT_FOUND ||
                   status == RAGSTORE_E_UNSUPPORTED
               ? RAGSTORE_OK
               : status;
}

static int look_whether_due(bool *is_due, const task *to)
{
    rsi_faiss_saved saved;
    bool is_damaged = false;
    int status = to->is_exact ? check_whole_file(&is_damaged, to) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_faiss_saved_look(&saved, to->folder, RSI_EXPORT_INDEX, &to->about, to->stamp);
    if (status != RAGSTORE_OK)
        return status;
    const size_t count = rsi_faiss_index_count(to->index);
    const bool has_grown = saved.count > count || (count - saved.count) * GROWN_SHARE > count;
    *is_due = is_damaged || !saved.is_usable || (to->is_exact ? !saved.is_current : has_grown);
    return RAGSTORE_OK;
}

/* ---- writing ---- */

/* Under the store's codes_mutex: nobody adds to the index meanwhile. */
static int write_index(task *to)
{
    rsi_catalog *catalog = to->catalog;
    rsi_faiss_probe probe = {0};
    int status = rsi_catalog_complete_faiss(catalog, to->index);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_rdlock(&catalog->lock);
    const bool is_gone = catalog->faiss != to->index || catalog->rows == NULL;
    if (!is_gone) {
        rsi_faiss_index_forget_dead(to->index, &catalog->alive);
        rsi_export_stamp_locked(to->stamp, catalog);
        status = rsi_faiss_probe_index(&probe, to->index, catalog->rows, &catalog->alive);
    }
    pthread_rwlock_unlock(&catalog->lock);
    return is_gone || status != RAGSTORE_OK
               ? status
               : rsi_faiss_saved_write(to->index, to->folder, RSI_EXPORT_INDEX, &to->about, &probe,
                                       to->stamp);
}

static int write_if_due(bool *handled, task *to)
{
    bool is_due;
    int status = look_whether_due(&is_due, to);
    if (status != RAGSTORE_OK || !is_due)
        return status;
    if (to->scope != RSI_EXPORT_UNASKED) {
        pthread_mutex_lock(&to->store->codes_mutex);
    } else if (pthread_mutex_trylock(&to->store->codes_mutex) != 0) {
        rsi_upkeep_mark(to->store, to->catalog->entity_id); /* an index is being made: later */
        return RAGSTORE_OK;
    }
    status = write_index(to);
    pthread_mutex_unlock(&to->store->codes_mutex);
    if (status == RAGSTORE_E_UNSUPPORTED) { /* it is written as export.c does */
        *handled = false;
        status = RAGSTORE_OK;
    }
    return status;
}

/* Have it made again, unless what is left is searched exactly: then it is not needed. */
static int shed_dead(bool *handled, task *to)
{
    rsi_catalog *catalog = to->catalog;
    pthread_rwlock_wrlock(&catalog->lock);
    if (catalog->faiss == to->index &&
        catalog->alive.count < rsi_faiss_factory_rows(to->about.factory)) {
        rsi_catalog_drop_faiss_locked(catalog);
        *handled = false;
    } else if (catalog->faiss == to->index) {
        catalog->faiss_sheds_dead = true;
        rsi_catalog_note_rows_locked(catalog);
    }
    pthread_rwlock_unlock(&catalog->lock);
    return rsi_faiss_remove(to->folder, RSI_EXPORT_INDEX);
}

int rsi_export_faiss(bool *handled, rsi_store *store, rsi_catalog *catalog, rsi_root *folder,
                     rsi_export_scope scope)
{
    task to = {.store = store, .catalog = catalog, .folder = folder, .scope = scope};
    *handled = false;
    hold_index(handled, &to);
    if (to.index == NULL)
        return RAGSTORE_OK;
    int status = rsi_entity_read(&to.record, store, catalog->entity_id, catalog->incarnation);
    if (status == RAGSTORE_OK) {
        to.about.embedder = to.record.embedder == NULL ? "" : to.record.embedder;
        status = scope == RSI_EXPORT_COMPACT && forget_dead(&to) > 0 ? shed_dead(handled, &to)
                                                                     : write_if_due(handled, &to);
        rsi_entity_record_free(&to.record);
    }
    rsi_faiss_index_free(to.index);
    return status;
}
