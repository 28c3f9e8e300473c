/*
 * An upload as a job: the bytes stay under their temporary name, which the job's record keeps from
 * being swept away, until the commit that adds the document and ends the job. See jobs.h.
 */
#include "ingest/upload.h"

#include "base/memory.h"
#include "base/status.h"
#include "ingest/extract.h"

#include <string.h>

#define LOOK_BYTES 8192 /* as many tell what is text and what is not */

/* ---- submitting ---- */

static int encode_request(rsi_bytes *out, const rsi_upload *upload, const char *sha256)
{
    const rsi_document_fields *fields = &upload->fields;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "filename", fields->filename);
    rsi_json_put_text(&writer, "media_type", fields->media_type);
    rsi_json_put_text(&writer, "source", fields->source);
    rsi_json_put_text(&writer, "description", fields->description);
    rsi_json_put_text(&writer, "key", fields->key);
    rsi_json_put_text(&writer, "metadata", fields->metadata_json);
    rsi_json_put_integer(&writer, "size", (int64_t)upload->size);
    rsi_json_put_text(&writer, "sha256", sha256);
    if (upload->chunks_sha256 != NULL) {
        rsi_json_put_integer(&writer, "vectors_size", (int64_t)upload->vectors_size);
        rsi_json_put_integer(&writer, "dimension", (int64_t)upload->dimension);
    }
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

/* Will it need the application's extractor, which not every process has? */
static int look_at_bytes(bool *needs_extractor, const rsi_upload *upload)
{
    char bytes[LOOK_BYTES];
    rsi_file *file;
    const size_t size = upload->size < LOOK_BYTES ? (size_t)upload->size : LOOK_BYTES;
    *needs_extractor = false;
    if (upload->fields.extract == NULL || upload->chunks_sha256 != NULL)
        return RAGSTORE_OK;
    int status =
        rsi_file_open(&file, rsi_storage_root(upload->store->storage),
                      rsi_path_upload(upload->entity_id, upload->incoming).text, RSI_OPEN_READ);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_read_at(file, bytes, size, 0);
    *needs_extractor = status == RAGSTORE_OK && rsi_extract_is_binary(bytes, size);
    rsi_file_close(file);
    return status;
}

static int put_job(char job_id[RSI_JOB_ID_MAX], rsi_tx *tx, const rsi_upload *upload,
                   const char *request, bool needs_extractor)
{
    const bool is_file = upload->chunks_sha256 == NULL;
    const rsi_new_job job = {.kind = is_file ? RSI_UPLOAD : RSI_CHUNKS,
                             .entity_id = upload->entity_id,
                             .incarnation = upload->incarnation,
                             .filename = upload->fields.filename,
                             .incoming = upload->incoming,
                             .request_json = request,
                             .needs_extractor = needs_extractor};
    rsi_entity_record entity;
    const rsi_embedder *embedder;
    int status = rsi_entity_read(&entity, upload->store, upload->entity_id, upload->incarnation);
    if (status == RAGSTORE_OK && is_file) /* what can be refused at once is */
        status = rsi_choose_embedder(&embedder, upload->store, &entity);
    if (status == RAGSTORE_OK)
        status =
            rsi_incoming_remove_on_abort(tx, upload->store, upload->entity_id, upload->incoming);
    if (status == RAGSTORE_OK)
        status = rsi_job_put_new(job_id, tx, &job);
    rsi_entity_record_free(&entity);
    return status;
}

static int submit(char job_id[RSI_JOB_ID_MAX], rsi_upload *upload, const char *sha256)
{
    rsi_bytes request = {0};
    bool needs_extractor;
    rsi_tx *tx;
    int status = look_at_bytes(&needs_extractor, upload);
    if (status == RAGSTORE_OK)
        status = encode_request(&request, upload, sha256);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, upload->store->storage);
    if (status == RAGSTORE_OK) {
        status = put_job(job_id, tx, upload, request.data, needs_extractor);
        if (status == RAGSTORE_OK) {
            upload->incoming[0] = '\0'; /* the transaction sees to it from here on */
            status = rsi_tx_commit(tx);
        } else {
            rsi_tx_abort(tx);
        }
    }
    rsi_bytes_free(&request);
    return status;
}

int rsi_upload_submit(char job_id[RSI_JOB_ID_MAX], rsi_upload *upload)
{
    char sha256[RSI_SHA256_HEX];
    int status = rsi_upload_finish_writing(sha256, upload);
    if (status == RAGSTORE_OK)
        status = submit(job_id, upload,
                        upload->chunks_sha256 == NULL ? sha256 : upload->chunks_sha256);
    if (status == RAGSTORE_OK)
        rsi_jobs_welcome(upload->store->jobs);
    const char *name = upload->fields.filename;
    status = rsi_wrap(status, "submit \"%.200s\"", name == NULL ? "document" : name);
    rsi_upload_abort(upload);
    return status;
}

/* ---- working on it ---- */

static int report(void *user, const char *stage, uint64_t done, uint64_t total)
{
    return rsi_job_report(user, stage, done, total) == RAGSTORE_OK ? 0 : 1;
}

int rsi_upload_is_gone(const rsi_job *job)
{
    rsi_job_record now;
    int status = RAGSTORE_E_NOT_FOUND;
    if (rsi_job_read(&now, job->store->storage, job->record.id) == RAGSTORE_OK &&
        now.state == RSI_JOB_RUNNING)
        status = rsi_fail(RAGSTORE_E_DAMAGED, "ingest",
                          "its file is gone from uploads/; send it again");
    rsi_job_record_free(&now);
    return status;
}

rsi_document_fields rsi_upload_fields(rsi_job *job)
{
    const rsi_json *request = job->record.request;
    const rsi_document_fields fields = {
        .filename = rsi_json_get_text(request, "filename"),
        .media_type = rsi_json_get_text(request, "media_type"),
        .source = rsi_json_get_text(request, "source"),
        .description = rsi_json_get_text(request, "description"),
        .metadata_json = rsi_json_get_text(request, "metadata"),
        .key = rsi_json_get_text(request, "key"),
        .progress = report,
        .progress_user = job,
        .extract = job->extractor == NULL ? NULL : job->extractor->call,
        .extract_user = job->extractor == NULL ? NULL : job->extractor->user};
    return fields;
}

static int prepare_job(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                       void *user)
{
    const rsi_document_fields *fields = user;
    rsi_job *job = fields->progress_user;
    int status = rsi_prepare_file(prepared, store, entity, job->record.incoming, fields);
    return status == RAGSTORE_E_NOT_FOUND ? rsi_upload_is_gone(job) : status;
}

int rsi_upload_run(rsi_job *job)
{
    const rsi_json *request = job->record.request;
    const char *sha256 = rsi_json_get_text(request, "sha256");
    const rsi_document_fields fields = rsi_upload_fields(job);
    rsi_added added;
    bool taken = false;
    if (sha256 == NULL || job->record.incoming == NULL)
        return rsi_fail(RAGSTORE_E_DAMAGED, "ingest", "the record of job %s names no file",
                        job->record.id);
    rsi_origin origin = {job->record.incoming, &taken,
                         (uint64_t)rsi_json_get_integer(request, "size", 0), sha256, job};
    int status =
        rsi_document_add(&added, job->store, job->record.entity_id, job->record.incarnation,
                         &origin, &fields, prepare_job, (void *)(uintptr_t)&fields);
    return rsi_wrap(status, "add \"%.200s\"",
                    fields.filename == NULL ? "document" : fields.filename);
}

int rsi_upload_end_in_tx(rsi_job *job, rsi_tx *tx, const rsi_added *added, bool file_taken)
{
    rsi_bytes result = {0};
    int status = rsi_document_describe(&result, job->store, job->record.entity_id,
                                       job->record.incarnation, added->doc_id, added);
    const rsi_job_end end = {
        .state = RSI_JOB_DONE, .result_json = result.data, .keeps_file = file_taken};
    if (status == RAGSTORE_OK)
        status = rsi_job_end_in_tx(job, tx, &end);
    rsi_bytes_free(&result);
    return status;
}

int rsi_ingest_run_job(rsi_job *job)
{
    if (strcmp(job->record.kind, RSI_UPLOAD) == 0)
        return rsi_upload_run(job);
    if (strcmp(job->record.kind, RSI_CHUNKS) == 0)
        return rsi_chunks_run(job);
    if (strcmp(job->record.kind, RSI_REEMBED) == 0)
        return rsi_reembed_run(job);
    return rsi_fail(RAGSTORE_E_VERSION, "ingest", "this version knows no job of the kind \"%.30s\"",
                    job->record.kind);
}
