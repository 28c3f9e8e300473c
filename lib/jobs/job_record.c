/* The records of jobs and the moves between their states: see jobs.h. */
#include "jobs/jobs.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <stdio.h>
#include <string.h>

#define SWEEP_BEHIND 100 /* ended jobs go when so many too many are there */

static const char *const state_names[] = {"waiting", "running", "done", "failed", "cancelled"};

const char *rsi_job_state_name(rsi_job_state state)
{
    return state_names[state];
}

bool rsi_job_has_ended(rsi_job_state state)
{
    return state >= RSI_JOB_DONE;
}

bool rsi_job_brings_document(const rsi_job_record *record)
{
    return strcmp(record->kind, RSI_UPLOAD) == 0 || strcmp(record->kind, RSI_CHUNKS) == 0;
}

static bool is_arrow(rsi_job_state from, rsi_job_state to)
{
    switch (from) {
    case RSI_JOB_WAITING:
        return to == RSI_JOB_RUNNING || to == RSI_JOB_CANCELLED || to == RSI_JOB_FAILED;
    case RSI_JOB_RUNNING:
        return true; /* to itself: another process takes it up */
    case RSI_JOB_DONE:
    case RSI_JOB_FAILED:
    case RSI_JOB_CANCELLED:
        return false;
    }
    return false;
}

/* ---- reading ---- */

void rsi_job_record_free(rsi_job_record *record)
{
    rsi_json_free(record->json);
    memset(record, 0, sizeof *record);
}

/* Somebody has changed what the library wrote. */
static int makes_no_sense(const char *what)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "jobs", "%s/%s.json: the record of a job %s; mend its line",
                    RSI_PATH_COLLECTIONS, RSI_JOBS, what);
}

static int read_state(rsi_job_state *state, const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof state_names / sizeof *state_names; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *state = (rsi_job_state)i;
            return RAGSTORE_OK;
        }
    }
    return makes_no_sense("has no state");
}

int rsi_job_parse(rsi_job_record *record, const char *json, size_t size)
{
    memset(record, 0, sizeof *record);
    int status = rsi_json_parse(&record->json, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_json *value = record->json;
    record->id = rsi_json_get_text(value, "job_id");
    record->kind = rsi_json_get_text(value, "kind");
    record->entity_id = rsi_json_get_text(value, "entity_id");
    record->incarnation = rsi_json_get_text(value, "incarnation");
    record->incoming = rsi_json_get_text(value, "incoming");
    record->request = rsi_json_get(value, "request");
    record->attempts = rsi_json_get_integer(value, "attempts", 0);
    record->retries = rsi_json_get_integer(value, "retries", 0);
    status = read_state(&record->state, rsi_json_get_text(value, "state"));
    if (status == RAGSTORE_OK &&
        (record->id == NULL || strlen(record->id) >= RSI_JOB_ID_MAX || record->kind == NULL ||
         record->entity_id == NULL || record->incarnation == NULL))
        status = makes_no_sense("is incomplete");
    if (status != RAGSTORE_OK)
        rsi_job_record_free(record);
    return status;
}

int rsi_job_read(rsi_job_record *record, rsi_storage *storage, const char *job_id)
{
    rsi_bytes text = {0};
    memset(record, 0, sizeof *record);
    int status = rsi_storage_get(&text, storage, RSI_SPACE_JOBS, job_id);
    if (status == RAGSTORE_OK)
        status = rsi_job_parse(record, text.data, text.size);
    rsi_bytes_free(&text);
    if (status != RAGSTORE_E_NOT_FOUND)
        return rsi_wrap(status, "job \"%.40s\"", job_id);
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "jobs",
                    "there is no job \"%.40s\"; of those that have ended the last %d are kept",
                    job_id, RSI_JOBS_KEPT);
}

/* ---- all of them ---- */

typedef struct walk {
    bool unended;
    rsi_job_visitor *visit;
    void *user;
} walk;

static int visit_record(void *user, const char *key, const char *json, size_t size)
{
    const walk *at = user;
    rsi_job_record record;
    (void)key;
    /* most have ended: do not parse them */
    if (at->unended && memmem(json, size, "waiting", 7) == NULL &&
        memmem(json, size, "running", 7) == NULL)
        return RAGSTORE_OK;
    int status = rsi_job_parse(&record, json, size);
    if (status == RAGSTORE_OK && !(at->unended && rsi_job_has_ended(record.state)))
        status = at->visit(at->user, &record);
    rsi_job_record_free(&record);
    return status == RAGSTORE_E_DAMAGED ? RAGSTORE_OK : status;
}

int rsi_jobs_each(rsi_storage *storage, bool unended, rsi_job_visitor *visit, void *user)
{
    walk at = {unended, visit, user};
    size_t unreadable;
    return rsi_storage_each_readable(&unreadable, storage, RSI_SPACE_JOBS, visit_record, &at);
}

/* ---- writing ---- */

int rsi_job_put_new(char job_id[RSI_JOB_ID_MAX], rsi_tx *tx, const rsi_new_job *job)
{
    char now[RSI_TIME_TEXT];
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    memcpy(job_id, "job_", 5);
    int status = rsi_random_hex(job_id + 4, RSI_JOB_ID_MAX - 5);
    if (status != RAGSTORE_OK)
        return status;
    rsi_time_now_text(now);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "_id", job_id);
    rsi_json_put_text(&writer, "job_id", job_id);
    rsi_json_put_text(&writer, "kind", job->kind);
    rsi_json_put_text(&writer, "entity_id", job->entity_id);
    rsi_json_put_text(&writer, "filename", job->filename);
    rsi_json_put_text(&writer, "state", rsi_job_state_name(RSI_JOB_WAITING));
    rsi_json_put_null(&writer, "error");
    rsi_json_put_null(&writer, "result");
    rsi_json_put_text(&writer, "created_at", now);
    rsi_json_put_text(&writer, "updated_at", now);
    rsi_json_put_text(&writer, "incarnation", job->incarnation);
    rsi_json_put_integer(&writer, "attempts", 0);
    if (job->incoming != NULL)
        rsi_json_put_text(&writer, "incoming", job->incoming);
    if (job->needs_extractor)
        rsi_json_put_bool(&writer, "needs_extractor", true);
    rsi_json_put_raw(&writer, "request", job->request_json);
    rsi_json_end_object(&writer);
    status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_JOBS, job_id, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

static void put_error(rsi_json_writer *writer, const rsi_job_end *end)
{
    if (end->status == RAGSTORE_OK) {
        rsi_json_put_null(writer, "error");
        return;
    }
    rsi_json_key(writer, "error");
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "status", rsi_status_name(end->status));
    rsi_json_put_integer(writer, "code", end->status);
    rsi_json_put_text(writer, "message", end->message);
    rsi_json_end_object(writer);
}

/* Members that a move writes anew, and those that only a job with work to do needs. */
static bool is_rewritten(const char *key, bool ended)
{
    static const char *const moved[] = {"state",      "error",    "result",     "next_try_at",
                                        "updated_at", "attempts", "retries"};
    static const char *const needed[] = {"incoming", "needs_extractor", "request"};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
        if (strcmp(key, moved[i]) == 0)
            return true;
    for (size_t i = 0; ended && i < sizeof needed / sizeof *needed; i++)
        if (strcmp(key, needed[i]) == 0)
            return true;
    return false;
}

static int64_t attempts_after(const rsi_job_record *record, rsi_job_state to)
{
    return to == RSI_JOB_RUNNING   ? record->attempts + 1
           : to == RSI_JOB_WAITING ? record->attempts - 1 /* it was put off, not cut short */
                                   : record->attempts;
}

/* When it is tried again, and how often it was put off so far. */
static void put_rest(rsi_json_writer *writer, const rsi_job_record *record, const rsi_job_end *end)
{
    char next[RSI_TIME_TEXT];
    const bool is_put_off = end->state == RSI_JOB_WAITING && end->status != RAGSTORE_OK;
    rsi_time_after_text(next, end->rests_ms);
    rsi_json_put_text(writer, "next_try_at", is_put_off ? next : NULL);
    rsi_json_put_integer(writer, "retries", record->retries + is_put_off);
}

static int put_moved(rsi_tx *tx, const rsi_job_record *record, const rsi_job_end *end)
{
    char now[RSI_TIME_TEXT];
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_time_now_text(now);
    rsi_json_begin_object(&writer);
    while (rsi_json_each(record->json, &iterator, &key, &value))
        if (!is_rewritten(key, rsi_job_has_ended(end->state)))
            rsi_json_put_value(&writer, key, value);
    rsi_json_put_text(&writer, "state", rsi_job_state_name(end->state));
    put_error(&writer, end);
    rsi_json_put_raw(&writer, "result", end->result_json == NULL ? "null" : end->result_json);
    rsi_json_put_text(&writer, "updated_at", now);
    rsi_json_put_integer(&writer, "attempts", attempts_after(record, end->state));
    put_rest(&writer, record, end);
    rsi_json_end_object(&writer);
    int status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_JOBS, record->id, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

/* ---- ended jobs are kept for a while ---- */

typedef struct ended_jobs {
    rsi_bytes ids; /* each with its NUL, oldest first */
    size_t count;
} ended_jobs;

static int collect_ended(void *user, const rsi_job_record *record)
{
    ended_jobs *ended = user;
    if (!rsi_job_has_ended(record->state))
        return RAGSTORE_OK;
    rsi_bytes_append(&ended->ids, record->id, strlen(record->id) + 1);
    ended->count++;
    return rsi_bytes_status(&ended->ids);
}

static int drop_old(rsi_tx *tx, rsi_storage *storage)
{
    ended_jobs ended = {0};
    if (rsi_storage_count(storage, RSI_SPACE_JOBS) <= RSI_JOBS_KEPT + SWEEP_BEHIND)
        return RAGSTORE_OK;
    int status = rsi_jobs_each(storage, false, collect_ended, &ended);
    for (const char *id = ended.ids.data; status == RAGSTORE_OK && ended.count > RSI_JOBS_KEPT;
         ended.count--) {
        status = rsi_tx_drop(tx, RSI_SPACE_JOBS, id);
        id += strlen(id) + 1;
    }
    rsi_bytes_free(&ended.ids);
    return status;
}

/* ---- moving ---- */

int rsi_job_put_move(rsi_tx *tx, rsi_storage *storage, const rsi_job_record *record,
                     const rsi_job_end *end)
{
    if (!is_arrow(record->state, end->state))
        return rsi_fail(RAGSTORE_E_WRONG_STATE, "jobs", "job %s is %s, and cannot become %s",
                        record->id, rsi_job_state_name(record->state),
                        rsi_job_state_name(end->state));
    int status = put_moved(tx, record, end);
    if (status != RAGSTORE_OK || !rsi_job_has_ended(end->state))
        return status;
    if (record->incoming != NULL && !end->keeps_file)
        status = rsi_tx_unlink(tx, record->entity_id, record->incoming);
    return status == RAGSTORE_OK ? drop_old(tx, storage) : status;
}

int rsi_job_move(rsi_storage *storage, const char *job_id, rsi_job_state from,
                 const rsi_job_end *end)
{
    rsi_job_record record = {0};
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_job_read(&record, storage, job_id);
    if (status == RAGSTORE_OK && record.state != from)
        status = rsi_fail(RAGSTORE_E_WRONG_STATE, "jobs", "job %s is %s meanwhile", job_id,
                          rsi_job_state_name(record.state));
    if (status == RAGSTORE_OK)
        status = rsi_job_put_move(tx, storage, &record, end);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    rsi_job_record_free(&record);
    return status;
}

int rsi_job_put_request(rsi_tx *tx, rsi_storage *storage, const char *job_id,
                        const char *request_json)
{
    rsi_job_record record;
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = rsi_job_read(&record, storage, job_id);
    if (status == RAGSTORE_OK && record.state != RSI_JOB_RUNNING)
        status = rsi_fail(RAGSTORE_E_INTERRUPTED, "jobs", "job %s is %s", job_id,
                          rsi_job_state_name(record.state));
    if (status == RAGSTORE_OK) {
        rsi_json_begin_object(&writer);
        while (rsi_json_each(record.json, &iterator, &key, &value))
            if (strcmp(key, "request") != 0)
                rsi_json_put_value(&writer, key, value);
        rsi_json_put_raw(&writer, "request", request_json);
        rsi_json_end_object(&writer);
        status = rsi_bytes_status(&text);
    }
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_JOBS, job_id, text.data, text.size);
    rsi_bytes_free(&text);
    rsi_job_record_free(&record);
    return status;
}

/* ---- an entity goes ---- */

typedef struct jobs_of {
    const char *entity_id;
    rsi_bytes ids; /* each with its NUL */
} jobs_of;

static int collect_of(void *user, const rsi_job_record *record)
{
    jobs_of *list = user;
    if (strcmp(record->entity_id, list->entity_id) == 0)
        rsi_bytes_append(&list->ids, record->id, strlen(record->id) + 1);
    return rsi_bytes_status(&list->ids);
}

int rsi_jobs_cancel_of(rsi_tx *tx, rsi_storage *storage, const char *entity_id)
{
    const rsi_job_end end = {.state = RSI_JOB_CANCELLED, .keeps_file = true}; /* its folder goes */
    jobs_of list = {.entity_id = entity_id};
    int status = rsi_jobs_each(storage, true, collect_of, &list);
    for (size_t at = 0; status == RAGSTORE_OK && at < list.ids.size;
         at += strlen(list.ids.data + at) + 1) {
        rsi_job_record record;
        status = rsi_job_read(&record, storage, list.ids.data + at);
        if (status == RAGSTORE_OK)
            status = rsi_job_put_move(tx, storage, &record, &end);
        rsi_job_record_free(&record);
    }
    rsi_bytes_free(&list.ids);
    return status;
}
