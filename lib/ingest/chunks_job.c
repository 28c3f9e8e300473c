/*
 * The caller's own chunks, and vectors if given, as a job: they are checked when they come, wait in
 * a file under uploads/ as an upload does, and that file goes with the commit.
 *
 *   uploads/{entity}/.incoming-…    vectors, row by row (float32) │ the chunks' JSON
 *
 * The vectors stand in front, where their numbers are aligned.
 */
#include "ingest/upload.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <string.h>

/* ---- submitting ---- */

typedef struct submission {
    const char *json;
    const float *vectors; /* or NULL */
    size_t dimension;
    size_t vectors_size;
    char sha256[RSI_SHA256_HEX];
} submission;

static int check_against_entity(rsi_store *store, const char *entity_id, const char *incarnation,
                                const submission *given)
{
    rsi_entity_record entity;
    int status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_check_chunks(store, &entity, given->json, given->vectors, given->dimension);
    rsi_entity_record_free(&entity);
    return status;
}

static int write_bytes(rsi_upload *upload, const submission *given)
{
    upload->dimension = given->dimension;
    upload->vectors_size = given->vectors_size;
    upload->chunks_sha256 = given->sha256;
    int status = given->vectors == NULL
                     ? RAGSTORE_OK
                     : rsi_upload_write(upload, given->vectors, given->vectors_size);
    if (status == RAGSTORE_OK)
        status = rsi_upload_write(upload, given->json, strlen(given->json));
    return status;
}

int rsi_chunks_submit(char job_id[RSI_JOB_ID_MAX], rsi_store *store, const char *entity_id,
                      const char *incarnation, const char *chunks_json, const float *vectors,
                      size_t dimension, const rsi_document_fields *fields)
{
    submission given = {.json = chunks_json, .vectors = vectors, .dimension = dimension};
    rsi_upload *upload = NULL;
    int status = rsi_chunks_json_check(store, chunks_json, fields);
    if (status == RAGSTORE_OK)
        status = rsi_vectors_size(&given.vectors_size, chunks_json, dimension);
    if (status == RAGSTORE_OK)
        status = check_against_entity(store, entity_id, incarnation, &given);
    if (status == RAGSTORE_OK)
        status = rsi_upload_begin(&upload, store, entity_id, incarnation, fields);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "submit chunks");
    rsi_chunks_digest(given.sha256, chunks_json, vectors, given.vectors_size);
    status = write_bytes(upload, &given);
    if (status == RAGSTORE_OK)
        return rsi_upload_submit(job_id, upload);
    rsi_upload_abort(upload);
    return rsi_wrap(status, "submit chunks");
}

/* ---- working on it ---- */

/* Are the bytes those that were given? Then *json and *vectors point into them. */
static int split(const char **json, const float **vectors, const rsi_job *job,
                 const rsi_bytes *bytes, size_t dimension)
{
    char sha256[RSI_SHA256_HEX] = "";
    size_t expected = 0;
    const rsi_json *request = job->record.request;
    const int64_t size = rsi_json_get_integer(request, "vectors_size", 0);
    int status = RAGSTORE_OK;
    if (size >= 0 && (uint64_t)size < bytes->size) {
        *json = bytes->data + size;
        *vectors = size == 0 ? NULL : (const float *)(const void *)bytes->data;
        status = rsi_vectors_size(&expected, *json, dimension);
        rsi_chunks_digest(sha256, *json, *vectors, (size_t)size);
    }
    if (status == RAGSTORE_E_NO_MEMORY)
        return status;
    if (status == RAGSTORE_OK && expected == (size_t)size &&
        strcmp(sha256, rsi_json_get_text(request, "sha256")) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_DAMAGED, "ingest",
                    "the chunks of job %s are not those that were given; send them again",
                    job->record.id);
}

static int prepare(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                   void *user)
{
    rsi_job *job = user;
    rsi_bytes bytes = {0};
    const char *json = NULL;
    const float *vectors = NULL;
    const rsi_document_fields fields = rsi_upload_fields(job);
    const size_t dimension =
        (size_t)rsi_json_get_integer(job->record.request, "dimension", 0);
    int status = rsi_file_read_all(rsi_storage_root(store->storage),
                                   rsi_path_upload(entity->id, job->record.incoming).text,
                                   (size_t)RSI_DOCUMENT_MAX, &bytes);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = rsi_upload_is_gone(job);
    if (status == RAGSTORE_OK)
        status = split(&json, &vectors, job, &bytes, dimension);
    if (status == RAGSTORE_OK)
        status =
            rsi_prepare_chunks(prepared, store, entity, json, vectors, dimension, &fields);
    rsi_bytes_free(&bytes);
    return status;
}

int rsi_chunks_run(rsi_job *job)
{
    const rsi_json *request = job->record.request;
    const char *sha256 = rsi_json_get_text(request, "sha256");
    const int64_t size = rsi_json_get_integer(request, "size", 0) -
                         rsi_json_get_integer(request, "vectors_size", 0);
    const rsi_document_fields fields = rsi_upload_fields(job);
    rsi_added added;
    bool taken = false; /* the file never becomes the document's */
    if (sha256 == NULL || job->record.incoming == NULL)
        return rsi_fail(RAGSTORE_E_DAMAGED, "ingest", "the record of job %s names no chunks",
                        job->record.id);
    const rsi_origin origin = {NULL, &taken, (uint64_t)size, sha256, job};
    int status = rsi_document_add(&added, job->store, job->record.entity_id,
                                  job->record.incarnation, &origin, &fields, prepare, job);
    return rsi_wrap(status, "add \"%.200s\"",
                    fields.filename == NULL ? "chunks" : fields.filename);
}
