/*
 * Vectors for the chunks of an entity that has none of the store's model, as a job.
 *
 *   submit    entity: keyword only (vectors of another model count no more), job   one commit
 *   clear     rows of whatever kind go; the job notes which model it embeds for    one commit
 *   embed     chunk by chunk, ascending                                            no lock
 *             their rows are flushed, and do not count yet                         writer
 *   switch    what came meanwhile, then entity: the model; job: done               one commit
 *
 * Searches go by keyword until the switch. What is embedded when the process dies is found again by
 * the next: rows on disk reach up to some chunk number, and all below is done. Documents that are
 * added meanwhile have no vectors and larger numbers. Nobody else writes rows of such an entity,
 * and one process at a time works on jobs. But the entity may go while its chunks are embedded, and
 * another of the same id come: rows are written to its folder only where the writer's lock keeps it
 * from going.
 */
#include "ingest/document_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <string.h>

#define AT_ONCE 256      /* chunks that are embedded and flushed together */
#define EXTENTS_MAX 128  /* of that many rows of the largest dimension */
#define IN_THE_COMMIT 32 /* so many may be left for it; writers wait meanwhile */

/* ---- submitting ---- */

typedef struct active_search {
    const char *entity_id;
    char *job_id;
} active_search;

static int look_for_active(void *user, const rsi_job_record *record)
{
    active_search *search = user;
    if (strcmp(record->kind, RSI_REEMBED) == 0 &&
        strcmp(record->entity_id, search->entity_id) == 0)
        memcpy(search->job_id, record->id, strlen(record->id) + 1);
    return RAGSTORE_OK;
}

static int check_models(const rsi_store *store, const rsi_entity_record *entity)
{
    if (store->embedder == NULL)
        return rsi_for_now(
            rsi_fail(RAGSTORE_E_EMBEDDER, "ingest",
                     "no embedding model is loaded: open the store with one to reembed"));
    if (entity->embedder != NULL &&
        strncmp(entity->embedder, RSI_OWN_VECTORS, sizeof RSI_OWN_VECTORS - 1) == 0)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "ingest",
                        "the vectors of entity \"%s\" are the caller's own (%s); they are not made "
                        "by a model",
                        entity->id, entity->embedder);
    return RAGSTORE_OK;
}

static bool has_vectors_of(const rsi_store *store, const rsi_entity_record *entity)
{
    return entity->embedder != NULL &&
           strcmp(entity->embedder, rsi_embedder_fingerprint(store->embedder)) == 0;
}

static int put_reembed(char job_id[RSI_JOB_ID_MAX], rsi_tx *tx, rsi_store *store,
                       const rsi_entity_record *entity)
{
    const rsi_new_job job = {.kind = RSI_REEMBED,
                             .entity_id = entity->id,
                             .incarnation = entity->incarnation,
                             .request_json = "{}"};
    active_search search = {entity->id, job_id};
    job_id[0] = '\0';
    int status = check_models(store, entity);
    if (status == RAGSTORE_OK)
        status = rsi_jobs_each(store->storage, true, look_for_active, &search);
    if (status != RAGSTORE_OK || job_id[0] != '\0')
        return status;
    if (entity->embedder != NULL && !has_vectors_of(store, entity)) {
        status = rsi_entity_put_counters(tx, entity, entity->next_chunk, entity->next_row, NULL, 0);
        if (status == RAGSTORE_OK)
            status = rsi_catalog_forget_on_commit(tx, store, entity->id);
    }
    return status == RAGSTORE_OK ? rsi_job_put_new(job_id, tx, &job) : status;
}

int rsi_reembed_submit(char job_id[RSI_JOB_ID_MAX], rsi_store *store, const char *entity_id,
                       const char *incarnation)
{
    rsi_entity_record entity = {0};
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = put_reembed(job_id, tx, store, &entity);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    rsi_entity_record_free(&entity);
    if (status == RAGSTORE_OK)
        rsi_jobs_welcome(store->jobs);
    return status;
}

/* ---- chunks on their way to vectors ---- */

typedef struct piece {
    int64_t numbers[AT_ONCE];
    rsi_bytes texts[AT_ONCE];
    size_t count;
} piece;

static void free_piece(piece *chunks)
{
    for (size_t i = 0; i < chunks->count; i++)
        rsi_bytes_free(&chunks->texts[i]);
    rsi_free(chunks);
}

static int take_chunk(void *user, uint64_t number, const char *json, size_t size)
{
    piece *chunks = user;
    rsi_json *value;
    int status = rsi_json_parse(&value, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *heading = rsi_json_get_text(value, "heading");
    const char *content = rsi_json_get_text(value, "content");
    rsi_bytes *text = &chunks->texts[chunks->count];
    chunks->numbers[chunks->count++] = (int64_t)number;
    if (heading != NULL) {
        rsi_bytes_append_text(text, heading);
        rsi_bytes_append_char(text, '\n');
    }
    rsi_bytes_append_text(text, content == NULL ? "" : content);
    rsi_json_free(value);
    return rsi_bytes_status(text);
}

static int embed_piece(float *vectors, const piece *chunks, rsi_job *job)
{
    rsi_store *store = job->store;
    const size_t batch = rsi_embedder_batch(store->embedder);
    const size_t dimension = rsi_embedder_dimension(store->embedder);
    rsi_slice slices[AT_ONCE];
    int status = RAGSTORE_OK;
    for (size_t i = 0; i < chunks->count; i++)
        slices[i] = (rsi_slice){chunks->texts[i].data, chunks->texts[i].size};
    for (size_t done = 0; status == RAGSTORE_OK && done < chunks->count; done += batch) {
        const size_t part = chunks->count - done < batch ? chunks->count - done : batch;
        status = rsi_embed_cached(vectors + done * dimension, store->embedded, store->embedder,
                                  RSI_EMBED_DOCUMENT, slices + done, part);
        if (status == RAGSTORE_OK)
            status = rsi_job_still_goes(job);
    }
    return status;
}

/* Rows are appended in runs of neighbouring numbers. */
static int append_piece(rsi_rows *rows, const piece *chunks, const float *vectors)
{
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    const size_t dimension = rsi_rows_dimension(rows);
    int status = RAGSTORE_OK;
    for (size_t at = 0; status == RAGSTORE_OK && at < chunks->count;) {
        size_t end = at + 1;
        while (end < chunks->count && chunks->numbers[end] == chunks->numbers[end - 1] + 1)
            end++;
        status = rsi_rows_append(rows, chunks->numbers[at], vectors + at * dimension, end - at,
                                 extents, EXTENTS_MAX, &extents_count);
        at = end;
    }
    return status;
}

/* Is the entity still as it was submitted: without vectors? */
static int check_entity(const rsi_job *job)
{
    rsi_entity_record entity;
    int status =
        rsi_entity_read(&entity, job->store, job->record.entity_id, job->record.incarnation);
    if (status == RAGSTORE_OK && entity.embedder != NULL)
        status = rsi_fail(RAGSTORE_E_CONFLICT, "ingest",
                          "entity \"%s\" got vectors of %s meanwhile", entity.id, entity.embedder);
    rsi_entity_record_free(&entity);
    return status;
}

/* Append them while no other commit can take the entity away; nothing is put into a transaction. */
static int append_if_it_stands(rsi_rows *rows, const piece *chunks, const float *vectors,
                               const rsi_job *job)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, job->store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = check_entity(job);
    if (status == RAGSTORE_OK)
        status = append_piece(rows, chunks, vectors);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

/* Embed the next chunks, at most so many; *count tells how many there were. */
static int embed_next(size_t *count, rsi_rows *rows, rsi_job *job, size_t most)
{
    rsi_store *store = job->store;
    piece *chunks = rsi_alloc_zeroed(sizeof *chunks);
    float *vectors = NULL;
    *count = 0;
    if (chunks == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_storage_rows(store->storage, RSI_SPACE_CHUNKS, job->record.entity_id,
                                  (uint64_t)rsi_rows_next_chunk(rows), most, take_chunk, chunks);
    if (status == RAGSTORE_OK && chunks->count > 0) {
        vectors = rsi_alloc_array(chunks->count * rsi_rows_dimension(rows), sizeof *vectors);
        status = vectors == NULL ? RAGSTORE_E_NO_MEMORY : embed_piece(vectors, chunks, job);
        if (status == RAGSTORE_OK)
            status = append_if_it_stands(rows, chunks, vectors, job);
        if (status == RAGSTORE_OK)
            *count = chunks->count;
    }
    rsi_free(vectors);
    free_piece(chunks);
    return status;
}

/* ---- the steps ---- */

/* Rows that are there are of another model, or of a first document that failed: they go, once. */
static int clear(rsi_job *job)
{
    rsi_store *store = job->store;
    const char *fingerprint = rsi_embedder_fingerprint(store->embedder);
    const char *cleared = rsi_json_get_text(job->record.request, "embedder");
    rsi_bytes request = {0};
    rsi_json_writer writer = rsi_json_writer_of(&request);
    rsi_catalog *catalog = NULL;
    rsi_tx *tx = NULL;
    if (cleared != NULL && strcmp(cleared, fingerprint) == 0)
        return RAGSTORE_OK;
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "embedder", fingerprint);
    rsi_json_end_object(&writer);
    int status = rsi_bytes_status(&request);
    if (status == RAGSTORE_OK)
        status =
            rsi_catalog_acquire(&catalog, store, job->record.entity_id, job->record.incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status == RAGSTORE_OK) {
        status = check_entity(job);
        if (status == RAGSTORE_OK)
            status = rsi_catalog_drop_rows(catalog, store);
        if (status == RAGSTORE_OK)
            status = rsi_job_put_request(tx, store->storage, job->record.id, request.data);
        if (status == RAGSTORE_OK)
            status = rsi_tx_commit(tx);
        else
            rsi_tx_abort(tx);
    }
    rsi_catalog_release(store, catalog);
    rsi_bytes_free(&request);
    return status;
}

static int end_in_tx(rsi_job *job, rsi_tx *tx, uint64_t chunks)
{
    rsi_bytes result = {0};
    rsi_json_writer writer = rsi_json_writer_of(&result);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "embedder", rsi_embedder_fingerprint(job->store->embedder));
    rsi_json_put_integer(&writer, "chunks", (int64_t)chunks);
    rsi_json_end_object(&writer);
    const rsi_job_end end = {.state = RSI_JOB_DONE, .result_json = result.data};
    int status = rsi_bytes_status(&result);
    if (status == RAGSTORE_OK)
        status = rsi_job_end_in_tx(job, tx, &end);
    rsi_bytes_free(&result);
    return status;
}

/* In the transaction: embed what came meanwhile, and let the vectors count. */
static int switch_in_tx(bool *too_many, rsi_job *job, rsi_rows *rows, rsi_tx *tx)
{
    rsi_store *store = job->store;
    rsi_entity_record entity = {0};
    size_t count = 0;
    uint64_t chunks = 0;
    int status = check_entity(job);
    if (status == RAGSTORE_OK)
        status = embed_next(&count, rows, job, IN_THE_COMMIT);
    *too_many = count == IN_THE_COMMIT;
    if (status != RAGSTORE_OK || *too_many)
        return status;
    status = rsi_entity_read(&entity, store, job->record.entity_id, job->record.incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_storage_row_count(&chunks, NULL, store->storage, RSI_SPACE_CHUNKS, entity.id);
    if (status == RAGSTORE_OK)
        status = rsi_entity_put_counters(tx, &entity, entity.next_chunk, entity.next_row,
                                         rsi_embedder_fingerprint(store->embedder),
                                         rsi_embedder_dimension(store->embedder));
    if (status == RAGSTORE_OK)
        status = rsi_catalog_forget_on_commit(tx, store, entity.id);
    if (status == RAGSTORE_OK)
        status = end_in_tx(job, tx, chunks);
    rsi_entity_record_free(&entity);
    return status;
}

static int switch_over(bool *too_many, rsi_job *job, rsi_rows *rows)
{
    rsi_tx *tx;
    *too_many = false;
    int status = rsi_job_report(job, "commit", 0, 0);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, job->store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = switch_in_tx(too_many, job, rows, tx);
    if (status == RAGSTORE_OK && !*too_many)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

static int embed_all(rsi_job *job, rsi_rows *rows)
{
    uint64_t total = 0;
    uint64_t done = 0;
    bool too_many = true;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && too_many) {
        size_t count = 1;
        while (status == RAGSTORE_OK && count > 0) {
            status = rsi_storage_row_count(&total, NULL, job->store->storage, RSI_SPACE_CHUNKS,
                                           job->record.entity_id);
            if (status == RAGSTORE_OK)
                status = rsi_job_report(job, "embed", done < total ? done : total, total);
            if (status == RAGSTORE_OK)
                status = embed_next(&count, rows, job, AT_ONCE);
            done += count;
        }
        if (status == RAGSTORE_OK)
            status = switch_over(&too_many, job, rows);
    }
    return status;
}

static int end_at_once(rsi_job *job)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, job->store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = end_in_tx(job, tx, 0);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

int rsi_reembed_run(rsi_job *job)
{
    rsi_store *store = job->store;
    rsi_entity_record entity = {0};
    rsi_rows *rows = NULL;
    int status = rsi_entity_read(&entity, store, job->record.entity_id, job->record.incarnation);
    if (status == RAGSTORE_OK)
        status = check_models(store, &entity);
    /* an entity without documents takes the model with its first one */
    const bool needless =
        status == RAGSTORE_OK && (entity.next_row == 0 || has_vectors_of(store, &entity));
    rsi_entity_record_free(&entity);
    if (needless)
        return end_at_once(job);
    if (status == RAGSTORE_OK)
        status = clear(job);
    if (status == RAGSTORE_OK)
        status = rsi_rows_open(&rows, rsi_storage_root(store->storage),
                               rsi_path_in_entity(job->record.entity_id, "vector_store").text,
                               job->record.incarnation, rsi_embedder_dimension(store->embedder));
    if (status == RAGSTORE_OK)
        status = embed_all(job, rows);
    rsi_rows_close(rows);
    return rsi_wrap(status, "reembed \"%s\"", job->record.entity_id);
}
