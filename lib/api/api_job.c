/* Jobs, and the uploads that become one. */
#include "api/handles.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 100 /* at once: another process may be working on it */

static int enter(const ragstore_job *job, const char *function)
{
    int status = rsi_check_handle(job, RSI_MAGIC_JOB, function);
    return status == RAGSTORE_OK ? rsi_core_enter(job->core, function) : status;
}

int rsi_job_open_handle(ragstore_job **out, rsi_core *core, const char *job_id)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    snprintf((*out)->job_id, sizeof(*out)->job_id, "%s", job_id);
    (*out)->magic = RSI_MAGIC_JOB;
    (*out)->core = core;
    rsi_core_retain(core);
    return RAGSTORE_OK;
}

/* What was made before the commit (NULL: nobody wants it) gets its id and goes to the caller. */
static int hand_over(ragstore_job **out, ragstore_job *job, const char job_id[RSI_JOB_ID_MAX],
                     int status)
{
    if (status != RAGSTORE_OK || job == NULL) {
        ragstore_job_free(job);
        return status;
    }
    memcpy(job->job_id, job_id, RSI_JOB_ID_MAX);
    *out = job;
    return RAGSTORE_OK;
}

int ragstore_upload_submit(ragstore_job **out, ragstore_upload *upload)
{
    ragstore_job *job = NULL;
    char job_id[RSI_JOB_ID_MAX] = "";
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_handle(upload, RSI_MAGIC_UPLOAD, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = upload->core;
    status = rsi_core_enter_to_write(core, __func__);
    const bool entered = status == RAGSTORE_OK;
    if (entered && out != NULL) /* before the commit, which cannot be taken back */
        status = rsi_job_open_handle(&job, core, job_id);
    if (status == RAGSTORE_OK)
        status = rsi_upload_submit(job_id, upload->upload);
    else if (!rsi_core_is_foreign(core)) /* the file is the parent's */
        rsi_upload_abort(upload->upload);
    if (entered)
        rsi_core_leave(core, status);
    rsi_upload_free_handle(upload);
    return hand_over(out, job, job_id, status);
}

int ragstore_document_submit_chunks(ragstore_job **out, ragstore_entity *entity,
                                    const char *chunks_json, const float *vectors,
                                    size_t dimension, const ragstore_document_add_options *options)
{
    ragstore_document_add_options given;
    ragstore_job *job = NULL;
    char job_id[RSI_JOB_ID_MAX] = "";
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_chunks_arguments(chunks_json, vectors, dimension, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(entity->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = entity->core;
    const rsi_document_fields fields = rsi_document_fields_of(&given, core);
    if (out != NULL) /* before the commit, which cannot be taken back */
        status = rsi_job_open_handle(&job, core, job_id);
    if (status == RAGSTORE_OK)
        status = rsi_chunks_submit(job_id, core->store, entity->id, entity->incarnation,
                                   chunks_json, vectors, dimension, &fields);
    return hand_over(out, job, job_id, rsi_core_leave(core, status));
}

int ragstore_entity_reembed(ragstore_job **out, ragstore_entity *entity)
{
    ragstore_job *job = NULL;
    char job_id[RSI_JOB_ID_MAX] = "";
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(entity->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = entity->core;
    if (out != NULL) /* before the commit, which cannot be taken back */
        status = rsi_job_open_handle(&job, core, job_id);
    if (status == RAGSTORE_OK)
        status = rsi_reembed_submit(job_id, core->store, entity->id, entity->incarnation);
    return hand_over(out, job, job_id, rsi_core_leave(core, rsi_wrap(status, "reembed")));
}

int ragstore_job_open(ragstore_job **out, ragstore_store *store, const char *job_id)
{
    rsi_job_record record;
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(job_id, __func__, "job_id");
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_read(&record, store->core->store->storage, job_id);
    if (status == RAGSTORE_OK)
        status = rsi_job_open_handle(out, store->core, record.id);
    rsi_job_record_free(&record);
    return rsi_core_leave(store->core, status);
}

void ragstore_job_free(ragstore_job *job)
{
    if (job == NULL || rsi_check_handle(job, RSI_MAGIC_JOB, __func__) != RAGSTORE_OK)
        return;
    rsi_core *core = job->core;
    rsi_saved_error error;
    rsi_error_save(&error);
    job->magic = RSI_MAGIC_FREED;
    rsi_free(job);
    rsi_core_release(core);
    rsi_error_restore(&error);
}

const char *ragstore_job_id(const ragstore_job *job)
{
    return rsi_check_handle(job, RSI_MAGIC_JOB, __func__) == RAGSTORE_OK ? job->job_id : NULL;
}

int ragstore_job_describe(ragstore_buffer **out, ragstore_job *job)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(job, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_describe(&text, job->core->store->jobs, job->job_id);
    return rsi_core_leave_with(out, job->core, &text, status);
}

static int still_going(const ragstore_job *job, uint32_t timeout_ms)
{
    return rsi_fail(RAGSTORE_E_BUSY, "api", "job %s has not ended after %u ms", job->job_id,
                    timeout_ms);
}

/* Each look is a call of its own, so that a close need not wait for the last one. */
static int look(bool *ended, const ragstore_job *job, uint32_t wait_ms, const char *function)
{
    int status = rsi_core_enter(job->core, function);
    *ended = true;
    if (status != RAGSTORE_OK)
        return status;
    rsi_store *store = job->core->store;
    if (rsi_tx_is_open(store->storage))
        status =
            rsi_fail(RAGSTORE_E_WRONG_STATE, "api",
                     "%s: this thread has a batch, which the job may be waiting for; commit or "
                     "abort it first",
                     function);
    else
        status = rsi_job_wait(ended, store->jobs, job->job_id, wait_ms);
    return rsi_core_leave(job->core, status);
}

int ragstore_job_wait(ragstore_job *job, uint32_t timeout_ms)
{
    bool ended = false;
    int status = rsi_check_handle(job, RSI_MAGIC_JOB, __func__);
    if (status != RAGSTORE_OK)
        return status;
    const int64_t deadline = rsi_monotonic_ms() + timeout_ms;
    const uint64_t epoch = rsi_store_epoch(job->core->store);
    for (;;) {
        const int64_t left = deadline - rsi_monotonic_ms();
        status = look(&ended, job,
                      left <= 0        ? 0
                      : left < WAIT_MS ? (uint32_t)left
                                       : WAIT_MS,
                      __func__);
        if (ended)
            return status;
        if (left <= 0)
            return still_going(job, timeout_ms);
        status = rsi_store_check_interrupt(job->core->store, epoch);
        if (status != RAGSTORE_OK)
            return status;
    }
}

int ragstore_job_cancel(ragstore_job *job)
{
    int status = rsi_check_handle(job, RSI_MAGIC_JOB, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(job->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_cancel(job->core->store->jobs, job->job_id);
    return rsi_core_leave(job->core, rsi_wrap(status, "cancel a job"));
}

int ragstore_job_list(ragstore_buffer **out, ragstore_store *store,
                      const ragstore_job_list_options *options)
{
    ragstore_job_list_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_list(&text, store->core->store->jobs, given.entity_id,
                          given.limit == 0 ? UINT64_MAX : given.limit, given.offset);
    return rsi_core_leave_with(out, store->core, &text, status);
}
