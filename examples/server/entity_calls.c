/*
 * Calls about entities.
 */
#include "access.h"
#include "calls.h"
#include "failures.h"
#include "reply.h"
#include "validate.h"

#include <stdio.h>
#include <stdlib.h>

static enum handled reply_entity(struct request *request, ragstore_entity *entity)
{
    ragstore_buffer *json = NULL;
    int status = ragstore_entity_describe(&json, entity);

    if (status == RAGSTORE_OK) {
        reply_buffer(request, json);
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Entity", ragstore_entity_id(entity));
    } else {
        reply_failure(request, status, NULL);
    }
    return HANDLED;
}

/* An object of a body as text, NULL when there is none; to be freed with free(). */
static char *dump(const json_t *object)
{
    return object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
}

static void reply_exists(struct request *request, const char *id)
{
    char detail[512];

    snprintf(detail, sizeof detail, "There is an entity \"%.400s\" already.", id);
    reply_error(request, MHD_HTTP_BAD_REQUEST, "Entity already exists", detail);
}

enum handled create_entity(struct request *request)
{
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    ragstore_entity *entity = NULL;
    struct fields fields;
    const char *id = NULL;
    char *metadata = NULL;
    int status = RAGSTORE_OK;

    fields_begin(&fields, request);
    id = fields_string(&fields, "entity_id", FIELD_REQUIRED, 1);
    options.name = fields_string(&fields, "entity_name", FIELD_REQUIRED, 1);
    options.description = fields_string(&fields, "description", 0, 0);
    metadata = dump(fields_object(&fields, "metadata", 0));
    options.metadata_json = metadata;
    if (fields_end(&fields) && !access_sees(request, id)) {
        reply_error(request, MHD_HTTP_FORBIDDEN, "Forbidden",
                    "This token may not create an entity of that id.");
    } else if (!fields.wrong) {
        status = ragstore_entity_create(&entity, request->server->store, id, &options);
        if (status == RAGSTORE_OK) {
            (void)reply_entity(request, entity);
        } else if (status == RAGSTORE_E_EXISTS) {
            reply_exists(request, id);
        } else {
            reply_failure(request, status,
                          status == RAGSTORE_E_INVALID_ARGUMENT ? "entity_id" : NULL);
        }
    }
    ragstore_entity_free(entity);
    free(metadata);
    fields_free(&fields);
    return HANDLED;
}

enum handled list_entities(struct request *request)
{
    ragstore_list_options options;
    ragstore_buffer *json = NULL;
    struct fields fields;
    int status = RAGSTORE_OK;

    if (fields_page(&fields, request, &options) && !access_sees_all(request)) {
        reply_seen_entities(request, &options);
    } else if (!fields.wrong) {
        status = ragstore_entity_list(&json, request->server->store, &options);
        if (status == RAGSTORE_OK) {
            reply_buffer(request, json);
        } else {
            reply_failure(request, status, NULL);
        }
    }
    fields_free(&fields);
    return HANDLED;
}

enum handled get_entity(struct request *request)
{
    ragstore_entity *entity = open_entity(request, request->arguments[0]);

    if (entity != NULL) {
        (void)reply_entity(request, entity);
    }
    ragstore_entity_free(entity);
    return HANDLED;
}

enum handled update_entity(struct request *request)
{
    ragstore_entity_update_options options = RAGSTORE_ENTITY_UPDATE_OPTIONS_INIT;
    ragstore_entity *entity = open_entity(request, request->arguments[0]);
    struct fields fields;
    char *metadata = NULL;
    int status = RAGSTORE_OK;

    if (entity == NULL) {
        return HANDLED;
    }
    fields_begin(&fields, request);
    options.name = fields_string(&fields, "entity_name", FIELD_ADDED, 1);
    options.description = fields_string(&fields, "description", FIELD_ADDED, 0);
    metadata = dump(fields_object(&fields, "metadata", FIELD_ADDED));
    options.metadata_json = metadata;
    fields.uses_added = true; /* the call itself is one that the original does not have */
    if (fields_end(&fields)) {
        status = ragstore_entity_update(entity, &options);
        if (status == RAGSTORE_OK) {
            (void)reply_entity(request, entity);
        } else if (status == RAGSTORE_E_NOT_FOUND) {
            reply_missing(request, "Entity", request->arguments[0]);
        } else {
            reply_failure(request, status, NULL);
        }
    }
    ragstore_entity_free(entity);
    free(metadata);
    fields_free(&fields);
    return HANDLED;
}

enum handled delete_entity(struct request *request)
{
    const char *id = request->arguments[0];
    ragstore_entity *entity = open_entity(request, id);
    struct json_out out = {0};
    uint64_t sessions = 0;
    int status = RAGSTORE_OK;

    if (entity == NULL) {
        return HANDLED;
    }
    ragstore_entity_free(entity);
    status = ragstore_entity_delete(&sessions, request->server->store, id);
    if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Entity", id);
        return HANDLED;
    }
    if (status != RAGSTORE_OK) {
        reply_failure(request, status, NULL);
        return HANDLED;
    }
    out_begin(&out, '{');
    out_key(&out, "success");
    out_flag(&out, true);
    out_key(&out, "entity_id");
    out_text(&out, id);
    out_key(&out, "message");
    out_text(&out, "The entity was deleted with its documents and sessions.");
    out_key(&out, "sessions_deleted");
    out_whole(&out, (json_int_t)sessions);
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
    return HANDLED;
}
