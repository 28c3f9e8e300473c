/* What the store keeps of the operator's jobs; see admin_record.h. */
#include "admin_record.h"

#include "server_log.h"

#include <stdio.h>
#include <stdlib.h>

static ragstore_collection *open_records(ragstore_store *store)
{
    ragstore_collection *records = NULL;

    return ragstore_collection_open(&records, store, "server_jobs") == RAGSTORE_OK ? records : NULL;
}

static void warn(const char *what)
{
    log_line(LOG_LEVEL_WARNING, "the operator's jobs cannot be %s: %s", what,
             ragstore_error_message());
}

void admin_record_put(ragstore_store *store, const json_t *description)
{
    const char *id = json_string_value(json_object_get(description, "job_id"));
    ragstore_collection_update_options options = RAGSTORE_COLLECTION_UPDATE_OPTIONS_INIT;
    ragstore_collection *records = open_records(store);
    json_t *document = json_deep_copy(description);
    char filter[64];
    char *text = NULL;

    if (json_object_set_new(document, "_id", json_string(id)) == 0) {
        text = json_dumps(document, JSON_COMPACT);
    }
    snprintf(filter, sizeof filter, "{\"_id\":\"%.32s\"}", id);
    options.flags = RAGSTORE_UPDATE_UPSERT;
    if (text != NULL && (records == NULL || ragstore_collection_replace_one(
                                                NULL, records, filter, text, &options) < 0)) {
        warn("written down");
    }
    free(text);
    json_decref(document);
    ragstore_collection_free(records);
}

void admin_record_drop(ragstore_store *store, const char *job_id)
{
    ragstore_collection *records = open_records(store);
    char filter[64];

    snprintf(filter, sizeof filter, "{\"_id\":\"%.32s\"}", job_id);
    if (records == NULL || ragstore_collection_delete_one(NULL, records, filter) < 0) {
        warn("forgotten");
    }
    ragstore_collection_free(records);
}

json_t *admin_record_load(ragstore_store *store)
{
    ragstore_collection_find_options options = RAGSTORE_COLLECTION_FIND_OPTIONS_INIT;
    ragstore_collection *records = open_records(store);
    ragstore_cursor *cursor = NULL;
    json_t *list = json_array();
    const char *text = NULL;
    size_t size = 0;
    int status = RAGSTORE_E_FAILED;

    options.sort_json = "{\"created_at\":1}";
    if (records != NULL) {
        status = ragstore_collection_find(&cursor, records, NULL, &options);
    }
    while (status == RAGSTORE_OK) {
        status = ragstore_cursor_next(&text, &size, cursor);
        if (text == NULL) {
            break;
        }
        (void)json_array_append_new(list, json_loadb(text, size, 0, NULL));
    }
    if (status < 0) {
        warn("read");
    }
    ragstore_cursor_free(cursor);
    ragstore_collection_free(records);
    return list;
}
