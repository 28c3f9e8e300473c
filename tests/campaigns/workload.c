/* Steps of a worker, and the model of what they leave: see workload.h. */
#include "workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define MESSAGES_MAX 40
#define DOCUMENTS_MAX 6
#define ROWS_MAX 30
#define LARGE_DOCUMENT 90000 /* its chunks travel in a file of their own */

/* ---- steps ---- */

static uint64_t mix(uint64_t seed, uint64_t worker, uint64_t number)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u ^ worker * 0xbf58476d1ce4e5b9u ^ number;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static step_kind kind_of(const model *before, uint64_t chance)
{
    if (!before->entity)
        return MAKE_ENTITY;
    if (!before->session)
        return MAKE_SESSION;
    if (chance % 97 == 0)
        return DROP_ENTITY;
    if (chance % 31 == 0 || before->messages.count >= MESSAGES_MAX)
        return DROP_SESSION;
    if (chance % 8 < 3)
        return APPEND_MESSAGE;
    if (chance % 8 == 3)
        return before->documents.count < DOCUMENTS_MAX ? ADD_DOCUMENT : DROP_DOCUMENT;
    if (chance % 8 == 4 && before->rows.count > 0)
        return UPDATE_ROW;
    if (chance % 8 == 5 && before->rows.count > 0)
        return DELETE_ROW;
    return before->rows.count < ROWS_MAX ? INSERT_ROW : DELETE_ROW;
}

step workload_step(const model *before, uint64_t seed, unsigned worker, uint64_t number)
{
    const uint64_t chance = mix(seed, worker, number);
    step next = {kind_of(before, chance), number, 0};
    const items *from = next.kind == DROP_DOCUMENT ? &before->documents : &before->rows;
    if (next.kind == DROP_DOCUMENT || next.kind == UPDATE_ROW || next.kind == DELETE_ROW)
        next.subject = from->made[(chance >> 20) % from->count];
    return next;
}

static void add_item(items *to, uint64_t number)
{
    if (to->count < ITEMS_MAX) {
        to->made[to->count] = number;
        to->value[to->count++] = number;
    }
}

static size_t find_item(const items *in, uint64_t made)
{
    size_t i = 0;
    while (i < in->count && in->made[i] != made)
        i++;
    return i;
}

static void drop_item(items *from, uint64_t made)
{
    size_t at = find_item(from, made);
    if (at == from->count)
        return;
    from->count--;
    memmove(from->made + at, from->made + at + 1, (from->count - at) * sizeof *from->made);
    memmove(from->value + at, from->value + at + 1, (from->count - at) * sizeof *from->value);
}

void workload_note(model *in, const step *what)
{
    switch (what->kind) {
    case MAKE_ENTITY:
        in->entity = true;
        break;
    case DROP_ENTITY:
        in->entity = false;
        in->session = false;
        in->messages.count = 0;
        in->documents.count = 0;
        break;
    case MAKE_SESSION:
        in->session = true;
        break;
    case DROP_SESSION:
        in->session = false;
        in->messages.count = 0;
        break;
    case APPEND_MESSAGE:
        add_item(&in->messages, what->number);
        break;
    case ADD_DOCUMENT:
        add_item(&in->documents, what->number);
        break;
    case DROP_DOCUMENT:
        drop_item(&in->documents, what->subject);
        break;
    case INSERT_ROW:
        add_item(&in->rows, what->number);
        break;
    case UPDATE_ROW:
        in->rows.value[find_item(&in->rows, what->subject)] = what->number;
        break;
    case DELETE_ROW:
        drop_item(&in->rows, what->subject);
        break;
    }
}

static bool equal_items(const items *a, const items *b)
{
    return a->count == b->count && memcmp(a->made, b->made, a->count * sizeof *a->made) == 0 &&
           memcmp(a->value, b->value, a->count * sizeof *a->value) == 0;
}

bool workload_equal(const model *a, const model *b)
{
    return a->entity == b->entity && a->session == b->session &&
           equal_items(&a->messages, &b->messages) && equal_items(&a->documents, &b->documents) &&
           equal_items(&a->rows, &b->rows);
}

static size_t describe_items(char *out, size_t size, const char *name, const items *what)
{
    size_t at = (size_t)snprintf(out, size, " %s", name);
    for (size_t i = 0; i < what->count && at + 50 < size; i++)
        at += (size_t)snprintf(out + at, size - at, what->value[i] == what->made[i] ? " %" PRIu64
                                                    : " %" PRIu64 "=%" PRIu64,
                               what->made[i], what->value[i]);
    return at < size ? at : size - 1;
}

void workload_describe(char *out, size_t size, const model *what)
{
    size_t at = (size_t)snprintf(out, size, "entity %d session %d", what->entity, what->session);
    at += describe_items(out + at, size - at, "messages", &what->messages);
    at += describe_items(out + at, size - at, "documents", &what->documents);
    describe_items(out + at, size - at, "rows", &what->rows);
}

/* ---- what is put into the store ---- */

typedef struct names {
    char entity[32];
    char collection[32];
} names;

static names names_of(unsigned worker)
{
    names of;
    snprintf(of.entity, sizeof of.entity, "worker %u", worker);
    snprintf(of.collection, sizeof of.collection, "rows_%u", worker);
    return of;
}

/* Every other worker gives its own vectors; the others have uploads. */
static bool has_vectors(unsigned worker)
{
    return worker % 2 == 0;
}

/* The text of a document, malloc()ed: now and then a long one. */
static char *document_text(unsigned worker, uint64_t number, size_t *size)
{
    const size_t room = number % 12 == 0 && !has_vectors(worker) ? LARGE_DOCUMENT : 100;
    char *text = malloc(room + 100);
    if (text == NULL)
        abort();
    size_t at = 0;
    while (at < room)
        at += (size_t)snprintf(text + at, room + 100 - at, "Document %" PRIu64 " of worker %u. ",
                               number, worker);
    *size = at;
    return text;
}

static void message_text(char out[100], unsigned worker, uint64_t number)
{
    snprintf(out, 100, "message %" PRIu64 " of worker %u", number, worker);
}

/* ---- doing ---- */

static int add_document(worker_handles *handles, uint64_t number)
{
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    char name[40];
    size_t size;
    char *text = document_text(handles->worker, number, &size);
    int status;
    snprintf(name, sizeof name, "%" PRIu64 ".txt", number);
    options.filename = name;
    options.key = name;
    if (has_vectors(handles->worker)) {
        const float vectors[] = {1, (float)(number % 7), (float)(number % 5), -1, 0, 0};
        char json[1000];
        snprintf(json, sizeof json, "[{\"text\":\"%s\"},{\"text\":\"second\"}]", text);
        status = ragstore_document_add_chunks(NULL, handles->entity, json, vectors, 3, &options);
    } else {
        status = ragstore_document_add(NULL, handles->entity, text, size, &options);
    }
    free(text);
    return status;
}

/* The documents of an entity as JSON, or NULL. */
static json_t *list_documents(ragstore_entity *entity)
{
    ragstore_buffer *buffer;
    if (ragstore_document_list(&buffer, entity, NULL) != RAGSTORE_OK)
        return NULL;
    json_t *list = json_loadb(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer), 0, NULL);
    ragstore_buffer_free(buffer);
    return list;
}

static int drop_document(worker_handles *handles, uint64_t number)
{
    char name[40];
    size_t i;
    json_t *document;
    json_t *list = list_documents(handles->entity);
    int status = list == NULL ? ragstore_error_code() : RAGSTORE_E_NOT_FOUND;
    snprintf(name, sizeof name, "%" PRIu64 ".txt", number);
    json_array_foreach(list, i, document)
        if (strcmp(json_string_value(json_object_get(document, "filename")), name) == 0)
            status = ragstore_document_delete(
                handles->entity, json_string_value(json_object_get(document, "doc_id")));
    json_decref(list);
    return status;
}

/* Open the session of a worker's entity; *session is NULL when there is none. */
static int find_session(ragstore_session **session, ragstore_store *store, ragstore_entity *entity)
{
    ragstore_buffer *buffer;
    *session = NULL;
    int status = ragstore_session_list(&buffer, entity, NULL);
    if (status != RAGSTORE_OK)
        return status;
    json_t *list = json_loadb(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer), 0, NULL);
    ragstore_buffer_free(buffer);
    if (json_array_size(list) > 0)
        status = ragstore_session_open(
            session, store,
            json_string_value(json_object_get(json_array_get(list, 0), "session_id")));
    json_decref(list);
    return status;
}

static int open_handles(worker_handles *handles, const step *what)
{
    const names of = names_of(handles->worker);
    int status = RAGSTORE_OK;
    if (what->kind == MAKE_ENTITY)
        return status;
    if (handles->entity == NULL)
        status = ragstore_entity_open(&handles->entity, handles->store, of.entity);
    if (status == RAGSTORE_OK && handles->collection == NULL)
        status = ragstore_collection_open(&handles->collection, handles->store, of.collection);
    if (status == RAGSTORE_OK && handles->session == NULL && what->kind != MAKE_SESSION)
        status = find_session(&handles->session, handles->store, handles->entity);
    return status;
}

static int drop_session(worker_handles *handles)
{
    int status = ragstore_session_delete(handles->store, ragstore_session_id(handles->session));
    ragstore_session_free(handles->session);
    handles->session = NULL;
    return status;
}

static int drop_entity(worker_handles *handles)
{
    const names of = names_of(handles->worker);
    workload_close(handles);
    return ragstore_entity_delete(NULL, handles->store, of.entity);
}

static int change_rows(worker_handles *handles, const step *what)
{
    char filter[60];
    char text[100];
    snprintf(filter, sizeof filter, "{\"_id\":\"%" PRIu64 "\"}", what->subject);
    if (what->kind == DELETE_ROW)
        return ragstore_collection_delete_one(NULL, handles->collection, filter);
    if (what->kind == UPDATE_ROW) {
        snprintf(text, sizeof text, "{\"$set\":{\"value\":%" PRIu64 "}}", what->number);
        return ragstore_collection_update_one(NULL, handles->collection, filter, text, NULL);
    }
    snprintf(text, sizeof text, "{\"_id\":\"%" PRIu64 "\",\"value\":%" PRIu64 "}", what->number,
             what->number);
    return ragstore_collection_insert(NULL, handles->collection, text);
}

int workload_do(worker_handles *handles, const step *what)
{
    const names of = names_of(handles->worker);
    char text[100];
    int status = open_handles(handles, what);
    if (status != RAGSTORE_OK)
        return status;
    switch (what->kind) {
    case MAKE_ENTITY:
        return ragstore_entity_create(&handles->entity, handles->store, of.entity, NULL);
    case DROP_ENTITY:
        return drop_entity(handles);
    case MAKE_SESSION:
        return ragstore_session_create(&handles->session, handles->entity, NULL);
    case DROP_SESSION:
        return drop_session(handles);
    case APPEND_MESSAGE:
        message_text(text, handles->worker, what->number);
        return ragstore_session_append(NULL, handles->session, "user", text, NULL);
    case ADD_DOCUMENT:
        return add_document(handles, what->number);
    case DROP_DOCUMENT:
        return drop_document(handles, what->subject);
    case INSERT_ROW:
    case UPDATE_ROW:
    case DELETE_ROW:
        return change_rows(handles, what);
    }
    return RAGSTORE_OK;
}

void workload_close(worker_handles *handles)
{
    ragstore_session_free(handles->session);
    ragstore_entity_free(handles->entity);
    ragstore_collection_free(handles->collection);
    handles->session = NULL;
    handles->entity = NULL;
    handles->collection = NULL;
}

/* ---- reading ---- */

static bool fail(char problem[500], const char *what, const char *subject)
{
    snprintf(problem, 500, "%s %.60s: %.380s", what, subject, ragstore_error_message());
    return false;
}

static bool differs(char problem[500], const char *what, uint64_t number, const char *found)
{
    snprintf(problem, 500, "%s %" PRIu64 " is not as it was put there: %.300s", what, number,
             found);
    return false;
}

/* A document with a file must give its bytes back. */
static bool read_upload(ragstore_entity *entity, unsigned worker, const char *id, uint64_t number,
                        char problem[500])
{
    ragstore_document *document;
    ragstore_buffer *buffer;
    size_t size;
    if (ragstore_document_open(&document, entity, id) != RAGSTORE_OK)
        return fail(problem, "open document", id);
    int status = ragstore_document_content(&buffer, document);
    ragstore_document_free(document);
    if (status != RAGSTORE_OK)
        return fail(problem, "read document", id);
    char *text = document_text(worker, number, &size);
    bool same = ragstore_buffer_size(buffer) == size &&
                memcmp(ragstore_buffer_data(buffer), text, size) == 0;
    if (!same)
        differs(problem, "document", number, ragstore_buffer_data(buffer));
    free(text);
    ragstore_buffer_free(buffer);
    return same;
}

/* One of chunks and vectors must be found by its vector, with its own text. */
static bool read_chunks(ragstore_entity *entity, unsigned worker, const char *id, uint64_t number,
                        char problem[500])
{
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    const float vector[] = {1, (float)(number % 7), (float)(number % 5)};
    size_t size;
    options.doc_ids = &id;
    options.doc_ids_count = 1;
    options.vector = vector;
    options.dimension = 3;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.k = 1;
    if (ragstore_entity_search(&result, entity, "document", &options) != RAGSTORE_OK)
        return fail(problem, "search document", id);
    char *text = document_text(worker, number, &size);
    const char *found =
        ragstore_result_count(result) == 0 ? "(nothing)" : ragstore_result_content(result, 0);
    bool same = strcmp(found, text) == 0;
    if (!same)
        differs(problem, "document", number, found);
    free(text);
    ragstore_result_free(result);
    return same;
}

static bool read_documents(model *out, ragstore_entity *entity, unsigned worker, char problem[500])
{
    size_t i;
    json_t *document;
    json_t *list = list_documents(entity);
    bool good = list != NULL || fail(problem, "list documents of worker", "");
    json_array_foreach(list, i, document)
    {
        const char *name = json_string_value(json_object_get(document, "filename"));
        uint64_t number = strtoull(name, NULL, 10);
        add_item(&out->documents, number);
        const char *id = json_string_value(json_object_get(document, "doc_id"));
        if (good)
            good = has_vectors(worker) ? read_chunks(entity, worker, id, number, problem)
                                       : read_upload(entity, worker, id, number, problem);
    }
    json_decref(list);
    return good;
}

static bool read_messages(model *out, ragstore_session *session, unsigned worker, char problem[500])
{
    ragstore_buffer *buffer;
    size_t i;
    json_t *message;
    bool good = true;
    if (ragstore_session_messages(&buffer, session, NULL) != RAGSTORE_OK)
        return fail(problem, "read messages of", ragstore_session_id(session));
    json_t *list = json_loadb(ragstore_buffer_data(buffer), ragstore_buffer_size(buffer), 0, NULL);
    json_array_foreach(list, i, message)
    {
        char expected[100];
        uint64_t number = 0;
        const char *content = json_string_value(json_object_get(message, "content"));
        sscanf(content, "message %" SCNu64, &number);
        message_text(expected, worker, number);
        add_item(&out->messages, number);
        if (strcmp(content, expected) != 0)
            good = differs(problem, "message", number, content);
    }
    json_decref(list);
    ragstore_buffer_free(buffer);
    return good;
}

static bool read_rows(model *out, ragstore_store *store, const char *name, char problem[500])
{
    ragstore_collection *collection;
    ragstore_cursor *cursor;
    const char *text;
    if (ragstore_collection_open(&collection, store, name) != RAGSTORE_OK ||
        ragstore_collection_find(&cursor, collection, NULL, NULL) != RAGSTORE_OK)
        return fail(problem, "find in collection", name);
    int status;
    while ((status = ragstore_cursor_next(&text, NULL, cursor)) == RAGSTORE_OK && text != NULL) {
        json_t *row = json_loads(text, 0, NULL);
        add_item(&out->rows, strtoull(json_string_value(json_object_get(row, "_id")), NULL, 10));
        out->rows.value[out->rows.count - 1] =
            (uint64_t)json_integer_value(json_object_get(row, "value"));
        json_decref(row);
    }
    ragstore_cursor_free(cursor);
    ragstore_collection_free(collection);
    return status == RAGSTORE_OK || fail(problem, "read collection", name);
}

bool workload_read(model *out, ragstore_store *store, unsigned worker, char problem[500])
{
    const names of = names_of(worker);
    ragstore_entity *entity = NULL;
    ragstore_session *session = NULL;
    memset(out, 0, sizeof *out);
    problem[0] = '\0';
    int status = ragstore_entity_open(&entity, store, of.entity);
    if (status != RAGSTORE_OK && status != RAGSTORE_E_NOT_FOUND)
        return fail(problem, "open entity", of.entity);
    out->entity = status == RAGSTORE_OK;
    bool good = true;
    if (out->entity) {
        good = read_documents(out, entity, worker, problem);
        if (find_session(&session, store, entity) != RAGSTORE_OK)
            good = fail(problem, "find the session of", of.entity);
    }
    out->session = session != NULL;
    if (good && out->session)
        good = read_messages(out, session, worker, problem);
    ragstore_session_free(session);
    ragstore_entity_free(entity);
    return good && read_rows(out, store, of.collection, problem);
}
