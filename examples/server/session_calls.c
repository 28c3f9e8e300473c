/*
 * Calls about chat sessions and their messages; asking is in chat_calls.c.
 */
#include "calls.h"
#include "failures.h"
#include "reply.h"
#include "validate.h"

#include <stdlib.h>

/* Reply with what a call of the library returned. */
static void reply_json(struct request *request, int status, ragstore_buffer *json,
                       const char *noun, const char *id)
{
    if (status == RAGSTORE_OK) {
        reply_buffer(request, json);
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, noun, id);
    } else {
        reply_failure(request, status, NULL);
    }
}

static void reply_session(struct request *request, ragstore_session *session)
{
    ragstore_buffer *json = NULL;
    int status = ragstore_session_describe(&json, session);

    reply_json(request, status, json, "Session", ragstore_session_id(session));
}

static void create_in(struct request *request, ragstore_entity *entity,
                      const ragstore_session_create_options *options)
{
    ragstore_session *session = NULL;
    int status = ragstore_session_create(&session, entity, options);

    if (status == RAGSTORE_OK) {
        reply_session(request, session);
    } else if (status == RAGSTORE_E_NOT_FOUND) {
        reply_missing(request, "Entity", ragstore_entity_id(entity));
    } else {
        reply_failure(request, status, NULL);
    }
    ragstore_session_free(session);
}

enum handled create_session(struct request *request)
{
    ragstore_session_create_options options = RAGSTORE_SESSION_CREATE_OPTIONS_INIT;
    ragstore_entity *entity = NULL;
    const char *entity_id = NULL;
    json_t *metadata = NULL;
    char *metadata_json = NULL;
    struct fields fields;

    fields_begin(&fields, request);
    entity_id = fields_string(&fields, "entity_id", FIELD_REQUIRED, 1);
    options.name = fields_string(&fields, "session_name", 0, 0);
    metadata = fields_object(&fields, "metadata", 0);
    if (fields_end(&fields)) {
        if (options.name != NULL && options.name[0] == '\0') {
            options.name = NULL; /* an empty name is no name */
        }
        metadata_json = metadata == NULL ? NULL : json_dumps(metadata, JSON_COMPACT);
        options.metadata_json = metadata_json;
        entity = open_entity(request, entity_id);
        if (entity != NULL) {
            create_in(request, entity, &options);
        }
    }
    ragstore_entity_free(entity);
    free(metadata_json);
    fields_free(&fields);
    return HANDLED;
}

enum handled get_session(struct request *request)
{
    ragstore_session *session = open_session(request, request->arguments[0]);

    if (session != NULL) {
        reply_session(request, session);
    }
    ragstore_session_free(session);
    return HANDLED;
}

enum handled update_session(struct request *request)
{
    ragstore_session_update_options options = RAGSTORE_SESSION_UPDATE_OPTIONS_INIT;
    ragstore_session *session = open_session(request, request->arguments[0]);
    json_t *metadata = NULL;
    char *metadata_json = NULL;
    struct fields fields;

    if (session == NULL) {
        return HANDLED;
    }
    fields_begin(&fields, request);
    options.name = fields_string(&fields, "session_name", FIELD_ADDED, 1);
    metadata = fields_object(&fields, "metadata", FIELD_ADDED);
    fields.uses_added = true; /* the call itself is one that the original does not have */
    if (fields_end(&fields)) {
        int status = RAGSTORE_OK;

        metadata_json = metadata == NULL ? NULL : json_dumps(metadata, JSON_COMPACT);
        options.metadata_json = metadata_json;
        status = ragstore_session_update(session, &options);
        if (status == RAGSTORE_OK) {
            reply_session(request, session);
        } else {
            reply_json(request, status, NULL, "Session", request->arguments[0]);
        }
    }
    ragstore_session_free(session);
    free(metadata_json);
    fields_free(&fields);
    return HANDLED;
}

/* What was said in the conversations of an entity: the words of ?q=. */
enum handled search_messages(struct request *request)
{
    ragstore_session_search_options options = RAGSTORE_SESSION_SEARCH_OPTIONS_INIT;
    ragstore_entity *entity = open_entity(request, request->arguments[0]);
    const char *query = NULL;
    struct fields fields;

    if (entity == NULL) {
        return HANDLED;
    }
    fields_begin_query(&fields, request);
    query = fields_string(&fields, "q", FIELD_REQUIRED, 1);
    options.session_id = fields_string(&fields, "session_id", 0, 0);
    options.limit = (uint64_t)fields_integer(&fields, "limit", 0, 20, 1, 1000);
    options.offset = (uint64_t)fields_integer(&fields, "offset", 0, 0, 0, INT64_MAX);
    if (fields_end(&fields)) {
        ragstore_buffer *json = NULL;
        int status = ragstore_session_search(&json, entity, query, &options);

        reply_json(request, status, json, "Session",
                   options.session_id == NULL ? "" : options.session_id);
    }
    fields_free(&fields);
    ragstore_entity_free(entity);
    return HANDLED;
}

enum handled list_sessions(struct request *request)
{
    const char *id = request->arguments[0];
    ragstore_entity *entity = open_entity(request, id);
    ragstore_buffer *json = NULL;
    ragstore_list_options options;
    struct fields fields;

    if (entity == NULL) {
        return HANDLED;
    }
    if (fields_page(&fields, request, &options)) {
        int status = ragstore_session_list(&json, entity, &options);

        reply_json(request, status, json, "Entity", id);
    }
    fields_free(&fields);
    ragstore_entity_free(entity);
    return HANDLED;
}

enum handled delete_session(struct request *request)
{
    const char *id = request->arguments[0];
    ragstore_session *session = open_session(request, id);
    struct json_out out = {0};
    int status = RAGSTORE_OK;

    if (session == NULL) {
        return HANDLED;
    }
    ragstore_session_free(session);
    status = ragstore_session_delete(request->server->store, id);
    if (status != RAGSTORE_OK) {
        reply_json(request, status, NULL, "Session", id);
        return HANDLED;
    }
    out_begin(&out, '{');
    out_key(&out, "success");
    out_flag(&out, true);
    out_key(&out, "session_id");
    out_text(&out, id);
    out_key(&out, "message");
    out_text(&out, "The session was deleted with its messages.");
    out_end(&out, '}');
    reply_out(request, MHD_HTTP_OK, &out);
    return HANDLED;
}

enum handled list_messages(struct request *request)
{
    ragstore_session_messages_options options = RAGSTORE_SESSION_MESSAGES_OPTIONS_INIT;
    const char *id = request->arguments[0];
    ragstore_session *session = NULL;
    ragstore_buffer *json = NULL;
    struct fields fields;

    fields_begin_query(&fields, request);
    options.limit = (uint64_t)fields_integer(&fields, "limit", 0, 0, 1, INT32_MAX);
    options.before = (uint64_t)fields_integer(&fields, "before", 0, INT64_MAX, 0, INT64_MAX);
    if (fields_end(&fields)) {
        session = open_session(request, id);
    }
    if (session != NULL && options.before == 0) { /* to the library 0 means no limit */
        reply_static(request, MHD_HTTP_OK, "application/json", "[]", 2);
    } else if (session != NULL) {
        int status = ragstore_session_messages(&json, session, &options);

        reply_json(request, status, json, "Session", id);
    }
    ragstore_session_free(session);
    fields_free(&fields);
    return HANDLED;
}
