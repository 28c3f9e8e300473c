/* Jobs for callers: looking, waiting, cancelling. See jobs.h. */
#include "jobs/job_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

/* ---- JSON ---- */

static void put_job(rsi_json_writer *writer, rsi_jobs *jobs, const rsi_job_record *record)
{
    static const char *const before[] = {"job_id", "kind", "entity_id", "filename", "state"};
    static const char *const after[] = {"result", "created_at", "updated_at"};
    char stage[RSI_JOB_STAGE_MAX] = "";
    uint64_t done = 0;
    uint64_t total = 0;
    if (record->state == RSI_JOB_RUNNING)
        rsi_jobs_progress(jobs, record->id, stage, &done, &total);
    if (record->state == RSI_JOB_DONE)
        rsi_jobs_wait_until_left(jobs, record->id);
    rsi_json_begin_object(writer);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        rsi_json_put_value(writer, before[i], rsi_json_get(record->json, before[i]));
    rsi_json_put_text(writer, "stage", stage[0] == '\0' ? NULL : stage);
    rsi_json_put_integer(writer, "done", (int64_t)done);
    rsi_json_put_integer(writer, "total", (int64_t)total);
    rsi_json_put_value(writer, "error", rsi_json_get(record->json, "error"));
    rsi_json_put_value(writer, "next_try_at", rsi_json_get(record->json, "next_try_at"));
    rsi_json_put_integer(writer, "retries", record->retries);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        rsi_json_put_value(writer, after[i], rsi_json_get(record->json, after[i]));
    rsi_json_end_object(writer);
}

int rsi_job_describe(rsi_bytes *out, rsi_jobs *jobs, const char *job_id)
{
    rsi_job_record record;
    int status = rsi_job_read(&record, jobs->storage, job_id);
    if (status == RAGSTORE_OK) {
        rsi_json_writer writer = rsi_json_writer_of(out);
        put_job(&writer, jobs, &record);
        status = rsi_bytes_status(out);
    }
    rsi_job_record_free(&record);
    return status;
}

typedef struct id_list {
    const char *entity_id;
    const char **ids; /* pointers into texts, filled when all are there */
    rsi_bytes texts;
    size_t count;
} id_list;

static int collect_id(void *user, const char *key, const char *json, size_t size)
{
    id_list *list = user;
    if (list->entity_id != NULL) {
        rsi_job_record record;
        int status = rsi_job_parse(&record, json, size);
        bool is_other = status == RAGSTORE_E_DAMAGED ||
                        (status == RAGSTORE_OK && strcmp(record.entity_id, list->entity_id) != 0);
        rsi_job_record_free(&record);
        if (is_other)
            return RAGSTORE_OK;
        if (status != RAGSTORE_OK)
            return status;
    }
    rsi_bytes_append(&list->texts, key, strlen(key) + 1);
    list->count++;
    return rsi_bytes_status(&list->texts);
}

/* One whose record makes no sense, for the reason that this thread was told. */
static void put_damaged(rsi_json_writer *writer, const char *job_id)
{
    static const char *const before[] = {"kind", "entity_id", "filename"};
    static const char *const after[] = {"next_try_at", "result", "created_at", "updated_at"};
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "job_id", job_id);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        rsi_json_put_null(writer, before[i]);
    rsi_json_put_text(writer, "state", rsi_job_state_name(RSI_JOB_FAILED));
    rsi_json_put_null(writer, "stage");
    rsi_json_put_integer(writer, "done", 0);
    rsi_json_put_integer(writer, "total", 0);
    rsi_json_key(writer, "error");
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "status", rsi_status_name(RAGSTORE_E_DAMAGED));
    rsi_json_put_integer(writer, "code", RAGSTORE_E_DAMAGED);
    rsi_json_put_text(writer, "message", rsi_error_message());
    rsi_json_end_object(writer);
    rsi_json_put_integer(writer, "retries", 0);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        rsi_json_put_null(writer, after[i]);
    rsi_json_end_object(writer);
}

/* The jobs [offset, offset + limit) of a list, from its end. */
static int put_list(rsi_json_writer *writer, rsi_jobs *jobs, const id_list *list, uint64_t limit,
                    uint64_t offset)
{
    int status = RAGSTORE_OK;
    for (uint64_t i = offset; status == RAGSTORE_OK && i < list->count && i - offset < limit; i++) {
        rsi_job_record record;
        status = rsi_job_read(&record, jobs->storage, list->ids[list->count - 1 - i]);
        if (status == RAGSTORE_OK)
            put_job(writer, jobs, &record);
        else if (status == RAGSTORE_E_DAMAGED)
            put_damaged(writer, list->ids[list->count - 1 - i]);
        if (status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_NOT_FOUND)
            status = RAGSTORE_OK; /* not found: swept away between two looks */
        rsi_job_record_free(&record);
    }
    return status;
}

int rsi_job_list(rsi_bytes *out, rsi_jobs *jobs, const char *entity_id, uint64_t limit,
                 uint64_t offset)
{
    id_list list = {.entity_id = entity_id};
    rsi_json_writer writer = rsi_json_writer_of(out);
    size_t unreadable; /* the bytes of their lines: a check tells of them */
    int status = rsi_storage_each_readable(&unreadable, jobs->storage, RSI_SPACE_JOBS, collect_id,
                                           &list);
    if (status == RAGSTORE_OK && list.count > 0) {
        list.ids = rsi_alloc_array(list.count, sizeof *list.ids);
        status = list.ids == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
        for (size_t i = 0, at = 0; status == RAGSTORE_OK && i < list.count;
             i++, at += strlen(list.texts.data + at) + 1)
            list.ids[i] = list.texts.data + at;
    }
    rsi_json_begin_object(&writer);
    rsi_json_key(&writer, "jobs");
    rsi_json_begin_array(&writer);
    if (status == RAGSTORE_OK)
        status = put_list(&writer, jobs, &list, limit, offset);
    rsi_json_end_array(&writer);
    rsi_json_put_integer(&writer, "total", (int64_t)list.count);
    rsi_json_end_object(&writer);
    rsi_free(list.ids);
    rsi_bytes_free(&list.texts);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

/* ---- waiting ---- */

static int outcome(const rsi_job_record *record)
{
    const rsi_json *error = rsi_json_get(record->json, "error");
    const char *message = rsi_json_get_text(error, "message");
    int64_t code = rsi_json_get_integer(error, "code", RAGSTORE_E_INTERNAL);
    if (record->state == RSI_JOB_DONE)
        return RAGSTORE_OK;
    if (record->state == RSI_JOB_CANCELLED)
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "jobs", "job %s was cancelled", record->id);
    return rsi_fail(code < 0 && code > -1000 ? (int)code : RAGSTORE_E_INTERNAL, "jobs",
                    "job %s: %s", record->id, message == NULL ? "it failed" : message);
}

int rsi_job_wait(bool *ended, rsi_jobs *jobs, const char *job_id, uint32_t wait_ms)
{
    const uint64_t news = rsi_jobs_news(jobs);
    rsi_job_record record;
    int status = rsi_job_read(&record, jobs->storage, job_id);
    *ended = status != RAGSTORE_OK || rsi_job_has_ended(record.state);
    if (status == RAGSTORE_OK && record.state == RSI_JOB_DONE)
        rsi_jobs_wait_until_left(jobs, job_id);
    if (status == RAGSTORE_OK && *ended)
        status = outcome(&record);
    else if (status == RAGSTORE_OK)
        rsi_jobs_wait_for_news(jobs, news, wait_ms);
    rsi_job_record_free(&record);
    return status;
}

/* ---- cancelling ---- */

int rsi_job_cancel(rsi_jobs *jobs, const char *job_id)
{
    const rsi_job_end end = {.state = RSI_JOB_CANCELLED};
    rsi_job_record record = {0};
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, jobs->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_read(&record, jobs->storage, job_id);
    bool has_ended = status == RAGSTORE_OK && rsi_job_has_ended(record.state);
    if (status == RAGSTORE_OK && !has_ended)
        status = rsi_job_put_move(tx, jobs->storage, &record, &end);
    if (status == RAGSTORE_OK && !has_ended)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    rsi_job_record_free(&record);
    if (status == RAGSTORE_OK) {
        rsi_jobs_mark_cancelled(jobs, job_id);
        rsi_jobs_tell(jobs);
    }
    return status;
}
