/*
 * Checking a whole store: the files of storage (storage/check.c), then of each entity the uploads
 * against the digests in its documents, and the vectors against its chunks.
 *
 * Writers go on between the steps, so what seems missing is looked for again before it is told.
 */
#include "entities/check.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "entities/catalog.h"
#include "files/paths.h"
#include "jobs/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct checking {
    rsi_store *store;
    const rsi_check_watch *watch;
    rsi_check_tally *tally;
    uint64_t epoch;
    uint64_t total; /* entities */
} checking;

static int tell(const checking *c, const rsi_finding *finding)
{
    return c->watch->visit(c->watch->user, finding);
}

/* May it go on? */
static int step(const checking *c)
{
    const rsi_check_watch *watch = c->watch;
    int status = rsi_store_check_interrupt(c->store, c->epoch);
    if (status == RAGSTORE_OK && watch->step != NULL)
        status = watch->step(watch->user, c->tally->entities, c->total);
    return status;
}

/* ---- jobs ---- */

static int check_job(const checking *c, const char *job_id)
{
    rsi_job_record record;
    int status = rsi_job_read(&record, c->store->storage, job_id);
    rsi_job_record_free(&record);
    if (status == RAGSTORE_E_DAMAGED) {
        rsi_finding finding = {RSI_PATH_COLLECTIONS "/" RSI_JOBS ".json", -1, job_id,
                               rsi_error_message()};
        status = tell(c, &finding);
    }
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status; /* swept away meanwhile */
}

static int check_jobs(const checking *c)
{
    rsi_bytes ids = {0};
    size_t unreadable = 0; /* told of with their file */
    int status = rsi_storage_keys(&ids, &unreadable, c->store->storage, RSI_SPACE_JOBS);
    for (size_t at = 0; status == RAGSTORE_OK && at < ids.size; at += strlen(ids.data + at) + 1)
        status = check_job(c, ids.data + at);
    rsi_bytes_free(&ids);
    return status;
}

/* ---- uploads ---- */

typedef struct upload {
    uint64_t row;
    char *doc_id;
    char *stored_name;
    char *sha256;
    uint64_t size;
} upload;

typedef struct uploads {
    upload *items;
    size_t count;
    size_t capacity;
    uint64_t documents;
} uploads;

static void free_uploads(uploads *all)
{
    for (size_t i = 0; i < all->count; i++) {
        rsi_free(all->items[i].doc_id);
        rsi_free(all->items[i].stored_name);
        rsi_free(all->items[i].sha256);
    }
    rsi_free(all->items);
}

static int collect_upload(void *user, uint64_t number, const char *json, size_t size)
{
    uploads *all = user;
    rsi_json *row;
    int status = rsi_json_parse(&row, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *doc_id = rsi_json_get_text(row, "doc_id");
    const char *stored_name = rsi_json_get_text(row, "stored_name");
    const char *sha256 = rsi_json_get_text(row, "sha256");
    all->documents++;
    if (stored_name != NULL && sha256 != NULL && rsi_upload_name_is_safe(stored_name)) {
        if (!rsi_grow((void **)&all->items, &all->capacity, all->count + 1, sizeof *all->items)) {
            status = RAGSTORE_E_NO_MEMORY;
        } else {
            upload *one = &all->items[all->count++];
            *one = (upload){number, rsi_strdup(doc_id == NULL ? "" : doc_id),
                            rsi_strdup(stored_name), rsi_strdup(sha256),
                            (uint64_t)rsi_json_get_integer(row, "file_size", 0)};
            if (one->doc_id == NULL || one->stored_name == NULL || one->sha256 == NULL)
                status = RAGSTORE_E_NO_MEMORY;
        }
    }
    rsi_json_free(row);
    return status;
}

/* Does the document still have its bytes under this name? */
static bool is_still_named(const checking *c, const char *entity_id, const upload *one)
{
    rsi_bytes text = {0};
    rsi_json *row = NULL;
    bool named = false;
    if (rsi_storage_follow(c->store->storage) == RAGSTORE_OK &&
        rsi_storage_row_get(&text, c->store->storage, RSI_SPACE_ENTITIES, entity_id, one->row) ==
            RAGSTORE_OK &&
        rsi_json_parse(&row, text.data, text.size, RSI_JSON_DEPTH_STORED) == RAGSTORE_OK) {
        const char *name = rsi_json_get_text(row, "stored_name");
        const char *sha256 = rsi_json_get_text(row, "sha256");
        named = name != NULL && sha256 != NULL && strcmp(name, one->stored_name) == 0 &&
                strcmp(sha256, one->sha256) == 0;
    }
    rsi_json_free(row);
    rsi_bytes_free(&text);
    return named;
}

static int check_upload(const checking *c, const char *entity_id, const upload *one)
{
    char found[RSI_SHA256_HEX];
    char problem[RSI_MESSAGE_MAX];
    uint64_t size = 0;
    rsi_path path = rsi_path_upload(entity_id, one->stored_name);
    rsi_path waiting;
    rsi_root *root = rsi_storage_root(c->store->storage);
    int status = rsi_file_sha256(root, path.text, &size, found);
    if (status == RAGSTORE_E_NOT_FOUND &&
        rsi_storage_upload_waits(&waiting, c->store->storage, entity_id, one->stored_name))
        status = rsi_file_sha256(root, waiting.text, &size, found);
    if (status == RAGSTORE_E_NOT_FOUND) /* it has just got its name */
        status = rsi_file_sha256(root, path.text, &size, found);
    if (status == RAGSTORE_E_NO_MEMORY)
        return status;
    if (status == RAGSTORE_OK && strcmp(found, one->sha256) == 0)
        return RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        snprintf(problem, sizeof problem,
                 "its %" PRIu64 " bytes are not the %" PRIu64 " that were sent; send the document "
                 "again to mend it",
                 size, one->size);
    else
        snprintf(problem, sizeof problem, "%s", rsi_error_message());
    if (!is_still_named(c, entity_id, one))
        return RAGSTORE_OK;
    rsi_finding finding = {path.text, -1, one->doc_id, problem};
    return tell(c, &finding);
}

static int check_uploads(const checking *c, const char *entity_id)
{
    uploads all = {0};
    int status = rsi_storage_rows(c->store->storage, RSI_SPACE_ENTITIES, entity_id, 0, UINT64_MAX,
                                  collect_upload, &all);
    for (size_t i = 0; status == RAGSTORE_OK && i < all.count; i++) {
        status = step(c);
        if (status == RAGSTORE_OK)
            status = check_upload(c, entity_id, &all.items[i]);
    }
    c->tally->documents += all.documents;
    free_uploads(&all);
    return status;
}

/* ---- vectors ---- */

static int tell_vectors(const checking *c, const char *entity_id, const char *problem)
{
    rsi_path path = rsi_path_in_entity(entity_id, "vector_store");
    rsi_finding finding = {path.text, -1, entity_id, problem};
    return tell(c, &finding);
}

static int check_rows_locked(const checking *c, const rsi_entity_record *entity,
                             rsi_catalog *catalog)
{
    char problem[RSI_MESSAGE_MAX];
    rsi_bitset missing = {0};
    if (entity->embedder == NULL || catalog->alive.count == 0)
        return RAGSTORE_OK;
    if (catalog->rows == NULL)
        return tell_vectors(c, entity->id,
                            catalog->rows_problem != NULL ? catalog->rows_problem
                                                          : "there are no vectors");
    int status = rsi_rows_missing(&missing, catalog->rows, &catalog->alive);
    if (status == RAGSTORE_OK && missing.count > 0) {
        snprintf(problem, sizeof problem,
                 "the vectors of %zu chunks, the first of them chunk %" PRId64
                 ", are missing or damaged; send their documents again to mend them",
                 (size_t)missing.count, rsi_bitset_next(&missing, 0));
        status = tell_vectors(c, entity->id, problem);
    }
    rsi_bitset_free(&missing);
    return status;
}

static int check_vectors(const checking *c, const char *entity_id)
{
    rsi_entity_record entity;
    rsi_catalog *catalog;
    int status = rsi_entity_read(&entity, c->store, entity_id, NULL);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK;
    if (status == RAGSTORE_E_UNSUPPORTED) { /* its line is whole, but makes no sense */
        rsi_finding finding = {RSI_PATH_ENTITIES, -1, entity_id, rsi_error_message()};
        return tell(c, &finding);
    }
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_catalog_acquire(&catalog, c->store, entity_id, entity.incarnation);
    if (status == RAGSTORE_OK) {
        pthread_rwlock_rdlock(&catalog->lock);
        status = check_rows_locked(c, &entity, catalog);
        pthread_rwlock_unlock(&catalog->lock);
        rsi_catalog_release(c->store, catalog);
    } else if (status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_VERSION ||
               status == RAGSTORE_E_IO || status == RAGSTORE_E_NOT_FOUND) {
        status = RAGSTORE_OK; /* told of with the chunk file; or deleted meanwhile */
    }
    rsi_entity_record_free(&entity);
    return status;
}

/* ---- all ---- */

static int check_entity(const checking *c, const char *entity_id)
{
    int status = step(c);
    if (status == RAGSTORE_OK)
        status = rsi_storage_check_entity(c->store->storage, entity_id, c->watch->visit,
                                          c->watch->user);
    if (status == RAGSTORE_OK)
        status = check_uploads(c, entity_id);
    if (status == RAGSTORE_OK)
        status = check_vectors(c, entity_id);
    c->tally->entities++;
    return status;
}

int rsi_store_check(rsi_check_tally *tally, rsi_store *store, const rsi_check_watch *watch)
{
    const checking c = {store, watch, tally, rsi_store_epoch(store),
                        rsi_storage_count(store->storage, RSI_SPACE_ENTITIES)};
    rsi_bytes ids = {0};
    size_t unreadable = 0; /* told of with their file */
    memset(tally, 0, sizeof *tally);
    int status = step(&c);
    if (status == RAGSTORE_OK)
        status = rsi_storage_check(store->storage, watch->visit, watch->user);
    if (status == RAGSTORE_OK)
        status = check_jobs(&c);
    if (status == RAGSTORE_OK)
        status = rsi_storage_keys(&ids, &unreadable, store->storage, RSI_SPACE_ENTITIES);
    for (size_t at = 0; status == RAGSTORE_OK && at < ids.size; at += strlen(ids.data + at) + 1)
        status = check_entity(&c, ids.data + at);
    rsi_bytes_free(&ids);
    return status;
}
