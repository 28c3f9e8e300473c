/*
 * Calls about work that goes on behind them: uploads, which the library keeps, and what the
 * operator has begun. Both look alike. A client sees the uploads into entities that it sees; those
 * of the operator are for tokens with the admin scope.
 */
#include "access.h"
#include "admin_jobs.h"
#include "calls.h"
#include "failures.h"
#include "reply.h"
#include "validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

static void reply_object(struct request *request, const json_t *object)
{
    struct json_out out = {0};

    out_value(&out, object);
    reply_out(request, MHD_HTTP_OK, &out);
}

static json_t *load(ragstore_buffer *json)
{
    return json_loadb(ragstore_buffer_data(json), ragstore_buffer_size(json), 0, NULL);
}

/* The upload of that id, if the client may see it; otherwise NULL, and the reply is made. */
static json_t *describe_upload(struct request *request, ragstore_job **job, const char *id)
{
    ragstore_buffer *json = NULL;
    json_t *description = NULL;
    const char *entity_id = NULL;
    int status = ragstore_job_open(job, request->server->store, id);

    if (status == RAGSTORE_OK) {
        status = ragstore_job_describe(&json, *job);
    }
    if (status == RAGSTORE_OK) {
        description = load(json);
        entity_id = json_string_value(json_object_get(description, "entity_id"));
        if (entity_id == NULL || !access_sees(request, entity_id)) {
            json_decref(description);
            description = NULL;
            status = RAGSTORE_E_NOT_FOUND;
        }
    }
    if (status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_INVALID_ARGUMENT) {
        reply_missing(request, "Job", id);
    } else if (status != RAGSTORE_OK) {
        reply_failure(request, status, NULL);
    }
    ragstore_buffer_free(json);
    return description;
}

enum handled get_job(struct request *request)
{
    const char *id = request->arguments[0];
    json_t *description =
        access_is_admin(request) ? admin_jobs_describe(request->server->admin_jobs, id) : NULL;
    ragstore_job *job = NULL;

    if (description == NULL) {
        description = describe_upload(request, &job, id);
    }
    if (description != NULL) {
        reply_object(request, description);
    }
    json_decref(description);
    ragstore_job_free(job);
    return HANDLED;
}

static void cancel_upload(struct request *request, const char *id)
{
    ragstore_job *job = NULL;
    json_t *description = describe_upload(request, &job, id);
    ragstore_buffer *json = NULL;
    int status = description == NULL ? RAGSTORE_OK : ragstore_job_cancel(job);

    if (description != NULL && status == RAGSTORE_OK) {
        status = ragstore_job_describe(&json, job);
    }
    if (status != RAGSTORE_OK) {
        reply_failure(request, status, NULL);
    } else if (json != NULL) {
        reply_buffer(request, json);
    }
    json_decref(description);
    ragstore_job_free(job);
}

enum handled cancel_job(struct request *request)
{
    struct admin_jobs *jobs = request->server->admin_jobs;
    const char *id = request->arguments[0];
    json_t *description = NULL;

    switch (access_is_admin(request) ? admin_jobs_cancel(jobs, id) : ADMIN_MISSING) {
    case ADMIN_DONE:
        description = admin_jobs_describe(jobs, id);
        if (description != NULL) {
            reply_object(request, description);
        }
        json_decref(description);
        break;
    default:
        cancel_upload(request, id);
        break;
    }
    return HANDLED;
}

/* ---- the list ---- */

static int add_uploads(json_t *list, ragstore_store *store, const char *entity_id, uint64_t limit)
{
    ragstore_job_list_options options = RAGSTORE_JOB_LIST_OPTIONS_INIT;
    ragstore_buffer *json = NULL;
    json_t *uploads = NULL;
    int status = RAGSTORE_OK;

    options.entity_id = entity_id;
    options.limit = limit;
    status = ragstore_job_list(&json, store, &options);
    if (status == RAGSTORE_OK) {
        uploads = load(json);
        status = json_array_extend(list, json_object_get(uploads, "jobs")) == 0
                     ? RAGSTORE_OK
                     : RAGSTORE_E_NO_MEMORY;
    }
    json_decref(uploads);
    ragstore_buffer_free(json);
    return status;
}

static const char *created_at(const void *item)
{
    const char *time = json_string_value(json_object_get(*(json_t *const *)item, "created_at"));

    return time == NULL ? "" : time;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(created_at(b), created_at(a));
}

static void reply_newest(struct request *request, const json_t *list, size_t limit)
{
    size_t count = json_array_size(list);
    const json_t **sorted = calloc(count + 1, sizeof *sorted);
    struct json_out out = {0};

    if (sorted == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = json_array_get(list, i);
    }
    qsort(sorted, count, sizeof *sorted, newest_first);
    out_begin(&out, '{');
    out_key(&out, "jobs");
    out_begin(&out, '[');
    for (size_t i = 0; i < count && i < limit; i++) {
        out_value(&out, sorted[i]);
    }
    out_end(&out, ']');
    out_end(&out, '}');
    free(sorted);
    reply_out(request, MHD_HTTP_OK, &out);
}

enum handled list_jobs(struct request *request)
{
    json_t *list = json_array();
    char *const *ids = access_entities(request);
    int status = RAGSTORE_OK;
    uint64_t limit = 0;
    struct fields fields;

    fields_begin_query(&fields, request);
    limit = (uint64_t)fields_integer(&fields, "limit", 0, LIST_DEFAULT, 1, LIST_MAX);
    if (fields_end(&fields)) {
        if (ids == NULL) {
            status = add_uploads(list, request->server->store, NULL, limit);
        }
        for (; ids != NULL && *ids != NULL && status == RAGSTORE_OK; ids++) {
            status = add_uploads(list, request->server->store, *ids, limit);
        }
        if (access_is_admin(request)) {
            admin_jobs_list(request->server->admin_jobs, list);
        }
        if (status == RAGSTORE_OK) {
            reply_newest(request, list, (size_t)limit);
        } else {
            reply_failure(request, status, NULL);
        }
    }
    json_decref(list);
    fields_free(&fields);
    return HANDLED;
}

/* ---- what the operator begins ---- */

static enum handled begin(struct request *request, enum admin_kind kind, const char *directory)
{
    struct admin_jobs *jobs = request->server->admin_jobs;
    char id[ADMIN_ID_SIZE];
    char detail[128];
    json_t *description = NULL;

    switch (admin_jobs_begin(jobs, kind, directory, id)) {
    case ADMIN_DONE:
        description = admin_jobs_describe(jobs, id);
        if (description != NULL) {
            reply_object(request, description);
        }
        json_decref(description);
        break;
    case ADMIN_BUSY:
        snprintf(detail, sizeof detail, "Job %s does this already.", id);
        reply_error(request, MHD_HTTP_CONFLICT, "Conflict", detail);
        break;
    default:
        break;
    }
    return HANDLED;
}

enum handled begin_check(struct request *request)
{
    return begin(request, ADMIN_CHECK, NULL);
}

enum handled begin_compact(struct request *request)
{
    return begin(request, ADMIN_COMPACT, NULL);
}

/* Backups lie beside each other in one directory that the operator chose, named after the time. */
enum handled begin_backup(struct request *request)
{
    const struct settings *settings = &request->server->settings;
    char parent[ADMIN_DIRECTORY_MAX - 64];
    char directory[ADMIN_DIRECTORY_MAX];
    struct timespec now = {0};
    struct tm parts = {0};
    char name[32];
    int length = 0;

    if (settings->backup_dir != NULL) {
        length = snprintf(parent, sizeof parent, "%s", settings->backup_dir);
    } else {
        size_t size = strlen(settings->data_dir);

        while (size > 1 && settings->data_dir[size - 1] == '/') {
            size--;
        }
        length = snprintf(parent, sizeof parent, "%.*s.backups", (int)size, settings->data_dir);
    }
    if (length >= (int)sizeof parent) {
        reply_error(request, MHD_HTTP_CONFLICT, "Conflict",
                    "The path of --backup-dir is too long.");
        return HANDLED;
    }
    (void)mkdir(parent, 0700); /* if it cannot be made, the job says why */
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(name, sizeof name, "%Y%m%dT%H%M%S", &parts);
    snprintf(directory, sizeof directory, "%s/%s.%06ldZ", parent, name, now.tv_nsec / 1000);
    return begin(request, ADMIN_BACKUP, directory);
}
