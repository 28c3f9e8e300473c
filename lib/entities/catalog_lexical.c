/*
 * The keyword index of a catalog and its file, lexical.rsl (lexical/lexical_file.h).
 *
 *   load    the file, if it can be used ─► chunks whose mark is the one of their row stay as they
 *           are; the others, new or changed, are taken out and analysed; those that are gone go
 *   write   in the background, when an eighth of the chunks changed since it was written; a large
 *           one is then searched where it lies, in place of what it was written from
 *
 * The mark of a chunk is the CRC32C of its row and of the document that claims it: the file is
 * never believed to be of today, only each chunk of it. Small entities have no file: their texts
 * are analysed before one would be read.
 */
#include "entities/catalog.h"

#include "base/digest.h"
#include "base/status.h"
#include "entities/export.h"
#include "files/paths.h"
#include "lexical/lexical_file.h"

#include <string.h>

#define CHANGED_SHARE 8 /* of the chunks: as much change as that is worth writing all of them */
#define NO_FILE SIZE_MAX

size_t rsi_catalog_lexical_file_from = 1000;

uint32_t rsi_catalog_chunk_mark(const rsi_catalog_document *document, const char *json, size_t size)
{
    const uint32_t crc = rsi_crc32c(0, document->doc_id, strlen(document->doc_id));
    return rsi_crc32c(crc, json, size);
}

/* ---- loading ---- */

/* A large index that is made goes into files without names, beside where its own will be. */
static int let_put_away(rsi_lexical *index, const rsi_store *store, const rsi_path *path)
{
    return rsi_storage_is_read_only(store->storage)
               ? RAGSTORE_OK
               : rsi_lexical_put_away_beside(index, rsi_storage_root(store->storage), path->text);
}

static int read_or_create(rsi_catalog *catalog, rsi_store *store, const char *language,
                          const rsi_path *path)
{
    int status = rsi_lexical_read(&catalog->lexical, rsi_storage_root(store->storage), path->text,
                                  catalog->incarnation, language);
    if (status == RAGSTORE_OK || status == RAGSTORE_E_NO_MEMORY ||
        status == RAGSTORE_E_INVALID_ARGUMENT)
        return status;
    if (status != RAGSTORE_E_NOT_FOUND)
        rsi_storage_log(store->storage, RAGSTORE_LOG_WARNING,
                        "entity \"%s\": its keyword index is made again from the texts: %s",
                        catalog->entity_id, rsi_error_message());
    catalog->lexical_is_newer = status == RAGSTORE_E_UNSUPPORTED;
    catalog->lexical_changes = NO_FILE;
    return rsi_lexical_create(&catalog->lexical, language);
}

int rsi_catalog_open_lexical_locked(rsi_catalog *catalog, rsi_store *store, const char *language)
{
    const rsi_path path = rsi_path_in_entity(catalog->entity_id, RSI_EXPORT_LEXICAL);
    catalog->lexical_is_newer = false;
    catalog->lexical_changes = 0;
    int status = read_or_create(catalog, store, language, &path);
    return status == RAGSTORE_OK ? let_put_away(catalog->lexical, store, &path) : status;
}

void rsi_catalog_note_lexical_locked(rsi_catalog *catalog, size_t changes)
{
    if (catalog->lexical_changes < NO_FILE - changes)
        catalog->lexical_changes += changes;
}

void rsi_catalog_settle_lexical_locked(rsi_catalog *catalog)
{
    const size_t before = rsi_lexical_count(catalog->lexical);
    rsi_lexical_keep(catalog->lexical, &catalog->alive);
    rsi_catalog_note_lexical_locked(catalog, before - rsi_lexical_count(catalog->lexical));
}

/* ---- writing ---- */

static bool is_worth_it(const rsi_catalog *catalog, size_t changes, rsi_export_scope scope)
{
    switch (scope) {
    case RSI_EXPORT_COMPACT: /* whoever wrote the file that is there, and from what */
        return true;
    case RSI_EXPORT_ALL:
        return changes > 0;
    default:
        return changes > 0 && changes >= catalog->alive.count / CHANGED_SHARE;
    }
}

static int write_locked(rsi_lexical **renewed, rsi_catalog *catalog, rsi_root *folder,
                        rsi_export_scope scope)
{
    const size_t changes = __atomic_load_n(&catalog->lexical_changes, __ATOMIC_RELAXED);
    *renewed = NULL;
    if (catalog->lexical_is_newer && scope != RSI_EXPORT_COMPACT)
        return RAGSTORE_OK;
    if (catalog->alive.count < rsi_catalog_lexical_file_from) {
        __atomic_store_n(&catalog->lexical_changes, NO_FILE, __ATOMIC_RELAXED);
        return rsi_file_remove(folder, RSI_EXPORT_LEXICAL);
    }
    if (!is_worth_it(catalog, changes, scope))
        return RAGSTORE_OK;
    int status = rsi_lexical_renew(renewed, catalog->lexical, folder, RSI_EXPORT_LEXICAL,
                                   catalog->incarnation);
    if (status == RAGSTORE_OK) /* under the shared lock nothing has changed meanwhile */
        __atomic_store_n(&catalog->lexical_changes, 0, __ATOMIC_RELAXED);
    return status;
}

int rsi_export_lexical(rsi_catalog *catalog, rsi_root *folder, rsi_export_scope scope)
{
    rsi_lexical *renewed;
    pthread_rwlock_rdlock(&catalog->lock);
    int status = write_locked(&renewed, catalog, folder, scope);
    pthread_rwlock_unlock(&catalog->lock);
    if (renewed != NULL) {
        pthread_rwlock_wrlock(&catalog->lock);
        if (catalog->is_loaded && catalog->lexical_changes == 0) { /* it is as it was */
            rsi_lexical *before = catalog->lexical;
            catalog->lexical = renewed;
            renewed = before;
        }
        pthread_rwlock_unlock(&catalog->lock);
        rsi_lexical_free(renewed);
    }
    return rsi_wrap(status, "write the keyword index of \"%s\"", catalog->entity_id);
}
