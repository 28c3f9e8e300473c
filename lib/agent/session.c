/* Sessions: making, finding, listing, deleting. See session.h. */
#include "agent/session.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int no_session(const char *session_id)
{
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "agent", "there is no session \"%.100s\"", session_id);
}

void rsi_session_record_free(rsi_session_record *record)
{
    rsi_json_free(record->json);
    memset(record, 0, sizeof *record);
}

/* A session without an incarnation was made by another program: its entity's id decides. */
static bool is_about(const rsi_json *session, const char *incarnation)
{
    const char *own = rsi_json_get_text(session, "incarnation");
    return own == NULL || strcmp(own, incarnation) == 0;
}

int rsi_session_read(rsi_session_record *record, rsi_store *store, const char *session_id)
{
    rsi_bytes text = {0};
    rsi_entity_record entity = {0};
    memset(record, 0, sizeof *record);
    int status = rsi_storage_get(&text, store->storage, RSI_SPACE_SESSIONS, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(&record->json, text.data, text.size, RSI_JSON_DEPTH_STORED);
    rsi_bytes_free(&text);
    if (status == RAGSTORE_E_NOT_FOUND)
        return no_session(session_id);
    if (status != RAGSTORE_OK)
        return status;
    record->id = rsi_json_get_text(record->json, "session_id");
    record->entity_id = rsi_json_get_text(record->json, "entity_id");
    if (record->id == NULL || record->entity_id == NULL)
        status = rsi_fail(RAGSTORE_E_DAMAGED, "agent",
                          "session \"%s\" has no session_id or entity_id in its record",
                          session_id);
    if (status == RAGSTORE_OK)
        status = rsi_entity_read(&entity, store, record->entity_id, NULL);
    if (status == RAGSTORE_E_NOT_FOUND ||
        (status == RAGSTORE_OK && !is_about(record->json, entity.incarnation)))
        status = no_session(session_id);
    rsi_entity_record_free(&entity);
    if (status != RAGSTORE_OK) {
        rsi_session_record_free(record);
        return status;
    }
    record->incarnation = rsi_json_get_text(record->json, "incarnation");
    return RAGSTORE_OK;
}

/* ---- making ---- */

/* "Chat N", N = sessions of the entity + 1. */
static int default_name(char name[32], rsi_store *store, const char *entity_id)
{
    uint64_t count = 0;
    int status = rsi_storage_count_sessions_of(&count, store->storage, entity_id);
    snprintf(name, 32, "Chat %" PRIu64, count + 1);
    return status;
}

static int encode_session(rsi_bytes *out, const char *session_id, const rsi_entity_record *entity,
                          const char *name, const rsi_bytes *metadata)
{
    char now[RSI_TIME_TEXT];
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_time_now_text(now);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "_id", session_id);
    rsi_json_put_text(&writer, "session_id", session_id);
    rsi_json_put_text(&writer, "entity_id", entity->id);
    rsi_json_put_text(&writer, "entity_name", entity->name);
    rsi_json_put_text(&writer, "session_name", name);
    rsi_json_put_text(&writer, "created_at", now);
    rsi_json_put_text(&writer, "last_activity", now);
    rsi_json_put_raw(&writer, "metadata", metadata->data);
    rsi_json_put_text(&writer, "incarnation", entity->incarnation);
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

/* An id that no session has: 48 random bits, checked under the writer lock. */
static int choose_id(char session_id[RSI_SESSION_ID_MAX], rsi_store *store)
{
    rsi_bytes existing = {0};
    int status = RAGSTORE_OK;
    memcpy(session_id, "session_", 8);
    while (status == RAGSTORE_OK) {
        status = rsi_random_hex(session_id + 8, 12);
        if (status == RAGSTORE_OK)
            status = rsi_storage_get(&existing, store->storage, RSI_SPACE_SESSIONS, session_id);
    }
    rsi_bytes_free(&existing);
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}

static int create_in_tx(char session_id[RSI_SESSION_ID_MAX], rsi_store *store,
                        const char *entity_id, const char *incarnation, const char *name,
                        const rsi_bytes *metadata, rsi_tx *tx)
{
    char chat_name[32];
    rsi_entity_record entity = {0};
    rsi_bytes text = {0};
    int status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK && name == NULL) {
        status = default_name(chat_name, store, entity_id);
        name = chat_name;
    }
    if (status == RAGSTORE_OK)
        status = choose_id(session_id, store);
    if (status == RAGSTORE_OK)
        status = encode_session(&text, session_id, &entity, name, metadata);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_SESSIONS, session_id, text.data, text.size);
    rsi_bytes_free(&text);
    rsi_entity_record_free(&entity);
    return status;
}

int rsi_session_create(char session_id[RSI_SESSION_ID_MAX], rsi_store *store,
                       const char *entity_id, const char *incarnation, const char *name,
                       const char *metadata_json)
{
    rsi_bytes metadata = {0};
    rsi_tx *tx;
    int status = name == NULL ? RAGSTORE_OK : rsi_text_check(name, RSI_NAME_MAX, "the name");
    if (status == RAGSTORE_OK)
        status = rsi_metadata_check(&metadata, metadata_json);
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status == RAGSTORE_OK) {
        status = create_in_tx(session_id, store, entity_id, incarnation, name, &metadata, tx);
        if (status == RAGSTORE_OK)
            status = rsi_tx_commit(tx);
        else
            rsi_tx_abort(tx);
    }
    rsi_bytes_free(&metadata);
    return status;
}

int rsi_session_delete(rsi_store *store, const char *session_id)
{
    rsi_session_record record = {0};
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_read(&record, store, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_drop(tx, RSI_SPACE_SESSIONS, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_commit(tx);
    else
        rsi_tx_abort(tx);
    rsi_session_record_free(&record);
    return status;
}

/* ---- describing ---- */

static int put_session(rsi_json_writer *writer, rsi_store *store, const rsi_json *session)
{
    static const char *const members[] = {"session_id",   "entity_id",  "entity_name",
                                          "session_name", "created_at", "last_activity"};
    uint64_t messages;
    const char *id = rsi_json_get_text(session, "session_id");
    int status = rsi_storage_row_count(&messages, NULL, store->storage, RSI_SPACE_SESSIONS,
                                       id == NULL ? "" : id);
    rsi_json_begin_object(writer);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        rsi_json_put_value(writer, members[i], rsi_json_get(session, members[i]));
    rsi_json_put_integer(writer, "message_count", (int64_t)messages);
    rsi_json_put_value(writer, "metadata", rsi_json_get(session, "metadata"));
    rsi_json_end_object(writer);
    return status;
}

int rsi_session_describe(rsi_bytes *out, rsi_store *store, const char *session_id)
{
    rsi_session_record record;
    int status = rsi_session_read(&record, store, session_id);
    if (status != RAGSTORE_OK)
        return status;
    rsi_json_writer writer = rsi_json_writer_of(out);
    status = put_session(&writer, store, record.json);
    rsi_session_record_free(&record);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

/* ---- lists ---- */

typedef struct listed_session {
    rsi_json *json; /* owned */
    const char *last_activity;
    size_t order; /* in which they came */
} listed_session;

typedef struct session_list {
    listed_session *items;
    size_t count;
    size_t capacity;
    const char *incarnation;
    const char *match;
} session_list;

static bool matches(const char *key, const rsi_json *session, const char *match)
{
    const char *name = rsi_json_get_text(session, "session_name");
    return match == NULL || strcasestr(key, match) != NULL ||
           (name != NULL && strcasestr(name, match) != NULL);
}

static int collect_session(void *user, const char *key, const char *json, size_t size)
{
    session_list *list = user;
    rsi_json *session;
    int status = rsi_json_parse(&session, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    if (!matches(key, session, list->match) || !is_about(session, list->incarnation)) {
        rsi_json_free(session);
        return RAGSTORE_OK;
    }
    if (!rsi_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items)) {
        rsi_json_free(session);
        return RAGSTORE_E_NO_MEMORY;
    }
    const char *last = rsi_json_get_text(session, "last_activity");
    list->items[list->count] = (listed_session){session, last == NULL ? "" : last, list->count};
    list->count++;
    return RAGSTORE_OK;
}

static int compare_newest(const void *a, const void *b)
{
    const listed_session *left = a;
    const listed_session *right = b;
    const int times = strcmp(right->last_activity, left->last_activity);
    return times != 0 ? times : (left->order < right->order) - (left->order > right->order);
}

int rsi_session_list(rsi_bytes *out, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_session_page *page)
{
    rsi_entity_record entity = {0};
    session_list list = {.incarnation = incarnation, .match = page->match};
    rsi_json_writer writer = rsi_json_writer_of(out);
    int status = rsi_entity_read(&entity, store, entity_id, incarnation);
    if (status == RAGSTORE_OK)
        status = rsi_storage_sessions_of(store->storage, entity_id, collect_session, &list);
    if (page->newest_first && list.count > 1)
        qsort(list.items, list.count, sizeof *list.items, compare_newest);
    rsi_json_begin_array(&writer);
    for (size_t i = 0; status == RAGSTORE_OK && i < list.count; i++)
        if (i >= page->offset && i - page->offset < page->limit)
            status = put_session(&writer, store, list.items[i].json);
    rsi_json_end_array(&writer);
    for (size_t i = 0; i < list.count; i++)
        rsi_json_free(list.items[i].json);
    rsi_free(list.items);
    rsi_entity_record_free(&entity);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}
