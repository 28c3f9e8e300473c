/*
 * Vectors for entities that got their documents while there was no model: a job for each, which
 * nobody asked for.
 *
 *   store opened with a model ─► entities without vectors ─► reembed jobs, a few at a time ─► none
 *   left
 *
 * Each entity is offered once while the store is open: a job that was cancelled, or failed, is left
 * at that. Called by the upkeep's thread and the host's maintenance, one at a time.
 */
#include "ingest/document.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define AT_ONCE 16

typedef struct search {
    rsi_store *store;
    bool is_busy; /* earlier ones are still worked on */
    char *entities[AT_ONCE];
    size_t count;
} search;

static int look_at_job(void *user, const rsi_job_record *record)
{
    search *s = user;
    s->is_busy = s->is_busy || strcmp(record->kind, RSI_REEMBED) == 0;
    return RAGSTORE_OK;
}

static int look_at_entity(void *user, const char *id, const char *json, size_t size)
{
    static const char no_vectors[] = "\"embedder\":null";
    static const char no_documents[] = "\"next_row\":0}";
    search *s = user;
    if (s->count == AT_ONCE || memmem(json, size, no_vectors, sizeof no_vectors - 1) == NULL ||
        memmem(json, size, no_documents, sizeof no_documents - 1) != NULL ||
        rsi_map_get(&s->store->offered, id, strlen(id)) != NULL)
        return RAGSTORE_OK;
    s->entities[s->count] = rsi_strdup(id);
    return s->entities[s->count++] == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* The record says for sure whether it has documents and no vectors. */
static int offer(rsi_store *store, const char *entity_id)
{
    char job_id[RSI_JOB_ID_MAX];
    rsi_entity_record entity = {0};
    int status = rsi_entity_read(&entity, store, entity_id, NULL);
    const bool lacks_vectors =
        status == RAGSTORE_OK && entity.embedder == NULL && entity.next_row > 0;
    if (lacks_vectors)
        status = rsi_reembed_submit(job_id, store, entity_id, entity.incarnation);
    if (status == RAGSTORE_OK && lacks_vectors)
        rsi_storage_log(store->storage, RAGSTORE_LOG_INFO,
                        "entity \"%s\" has documents without vectors: job %s makes them", entity_id,
                        job_id);
    rsi_entity_record_free(&entity);
    if (status == RAGSTORE_E_NOT_FOUND) /* deleted meanwhile */
        status = RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_map_put(&store->offered, entity_id, strlen(entity_id), store, NULL);
    return rsi_wrap(status, "make vectors for \"%s\"", entity_id);
}

static int offer_some(bool *did, rsi_store *store)
{
    search s = {.store = store};
    size_t unreadable; /* entities whose records are damaged: nobody can make vectors for them */
    int status = rsi_jobs_each(store->storage, true, look_at_job, &s);
    if (status != RAGSTORE_OK || s.is_busy)
        return status;
    status = rsi_storage_each_readable(&unreadable, store->storage, RSI_SPACE_ENTITIES,
                                       look_at_entity, &s);
    if (status == RAGSTORE_OK && s.count == 0)
        store->offers_over = true;
    for (size_t i = 0; status == RAGSTORE_OK && i < s.count; i++) {
        status = offer(store, s.entities[i]);
        *did = status == RAGSTORE_OK;
    }
    for (size_t i = 0; i < s.count; i++)
        rsi_free(s.entities[i]);
    return status;
}

int rsi_reembed_offer(bool *did, rsi_store *store)
{
    *did = false;
    if (store->embedder == NULL)
        return RAGSTORE_OK;
    pthread_mutex_lock(&store->offers_mutex);
    int status = store->offers_over ? RAGSTORE_OK : offer_some(did, store);
    pthread_mutex_unlock(&store->offers_mutex);
    return status;
}
