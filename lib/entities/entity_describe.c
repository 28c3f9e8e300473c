/* Entities as JSON for callers: see entity.h. */
#include "entities/entity.h"

#include "base/status.h"
#include "files/paths.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct totals {
    uint64_t documents;
    uint64_t chunks;
} totals;

/* The first "chunks_count" of a document's row is its own: metadata stands behind it. */
static int add_document(void *user, uint64_t number, const char *json, size_t size)
{
    static const char member[] = "\"chunks_count\":";
    totals *sum = user;
    (void)number;
    const char *found = memmem(json, size, member, sizeof member - 1);
    sum->documents++;
    if (found != NULL)
        sum->chunks += strtoull(found + sizeof member - 1, NULL, 10);
    return RAGSTORE_OK;
}

int rsi_entity_totals(uint64_t *documents, uint64_t *chunks, rsi_store *store, const char *id)
{
    totals sum = {0, 0};
    int status = rsi_storage_rows(store->storage, RSI_SPACE_ENTITIES, id, 0, UINT64_MAX,
                                  add_document, &sum);
    *documents = sum.documents;
    *chunks = sum.chunks;
    return status;
}

static int put_entity(rsi_json_writer *writer, rsi_store *store, const rsi_entity_record *record)
{
    uint64_t documents;
    uint64_t chunks;
    const char *notice;
    int status = rsi_entity_totals(&documents, &chunks, store, record->id);
    if (status != RAGSTORE_OK)
        return status;
    bool by_vector = rsi_entity_has_vectors(store, record, &notice);
    bool has_rows = record->embedder != NULL && chunks > 0;
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "entity_id", record->id);
    rsi_json_put_text(writer, "entity_name", record->name);
    rsi_json_put_value(writer, "description", rsi_json_get(record->json, "description"));
    rsi_json_put_value(writer, "metadata", rsi_json_get(record->json, "metadata"));
    rsi_json_put_value(writer, "created_at", rsi_json_get(record->json, "created_at"));
    rsi_json_put_integer(writer, "total_documents", (int64_t)documents);
    rsi_json_put_integer(writer, "total_chunks", (int64_t)chunks);
    rsi_json_put_bool(writer, "has_vector_store", has_rows);
    rsi_json_put_text(writer, "embedder", record->embedder);
    rsi_json_put_text(writer, "search_mode", by_vector ? "hybrid" : "keyword");
    rsi_json_put_text(writer, "notice", notice);
    rsi_json_end_object(writer);
    return RAGSTORE_OK;
}

int rsi_entity_describe(rsi_bytes *out, rsi_store *store, const char *id, const char *incarnation)
{
    rsi_entity_record record;
    int status = rsi_entity_read(&record, store, id, incarnation);
    if (status != RAGSTORE_OK)
        return status;
    rsi_json_writer writer = rsi_json_writer_of(out);
    status = put_entity(&writer, store, &record);
    rsi_entity_record_free(&record);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

/* ---- lists ---- */

typedef struct id_list {
    const char *match;
    rsi_bytes ids; /* each followed by NUL */
} id_list;

static int collect_id(void *user, const char *key, const char *json, size_t size)
{
    id_list *list = user;
    bool matches = list->match == NULL || strcasestr(key, list->match) != NULL;
    if (!matches) {
        rsi_json *value;
        int status = rsi_json_parse(&value, json, size, RSI_JSON_DEPTH_STORED);
        if (status != RAGSTORE_OK)
            return status;
        const char *name = rsi_json_get_text(value, "entity_name");
        matches = name != NULL && strcasestr(name, list->match) != NULL;
        rsi_json_free(value);
    }
    if (matches)
        rsi_bytes_append(&list->ids, key, strlen(key) + 1);
    return rsi_bytes_status(&list->ids);
}

/* Is it this entity alone that cannot be described? */
static bool is_its_own(int status)
{
    return status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_UNSUPPORTED;
}

/* One whose records cannot be used, for the reason that this thread was told. */
static void put_unusable(rsi_json_writer *writer, const char *id, int status)
{
    static const char *const unknown[] = {"entity_name", "description",      "metadata",
                                          "created_at",  "total_documents",  "total_chunks",
                                          "embedder",    "has_vector_store", "search_mode"};
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "entity_id", id);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        rsi_json_put_null(writer, unknown[i]);
    rsi_json_put_text(writer, "notice", rsi_error_message());
    rsi_json_key(writer, "error");
    rsi_json_begin_object(writer);
    rsi_json_put_text(writer, "status", rsi_status_name(status));
    rsi_json_put_integer(writer, "code", status);
    rsi_json_put_text(writer, "message", rsi_error_message());
    rsi_json_end_object(writer);
    rsi_json_end_object(writer);
}

int rsi_entity_list(rsi_bytes *out, rsi_store *store, uint64_t limit, uint64_t offset,
                    const char *match)
{
    id_list list = {.match = match};
    uint64_t position = 0;
    size_t unreadable; /* the bytes of their lines: nobody knows whether they would match */
    int status = rsi_storage_each_readable(&unreadable, store->storage, RSI_SPACE_ENTITIES,
                                           collect_id, &list);
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    rsi_json_key(&writer, "entities");
    rsi_json_begin_array(&writer);
    for (size_t at = 0; status == RAGSTORE_OK && at < list.ids.size;
         at += strlen(list.ids.data + at) + 1, position++) {
        if (position < offset || position - offset >= limit)
            continue;
        rsi_entity_record record;
        status = rsi_entity_read(&record, store, list.ids.data + at, NULL);
        if (status == RAGSTORE_E_NOT_FOUND) { /* deleted since the list was made */
            status = RAGSTORE_OK;
            continue;
        }
        if (status == RAGSTORE_OK)
            status = put_entity(&writer, store, &record);
        if (is_its_own(status)) {
            put_unusable(&writer, list.ids.data + at, status);
            status = RAGSTORE_OK;
        }
        rsi_entity_record_free(&record);
    }
    rsi_json_end_array(&writer);
    rsi_json_put_integer(&writer, "total", (int64_t)position);
    if (unreadable > 0)
        rsi_json_put_integer(&writer, "unreadable", (int64_t)unreadable);
    rsi_json_end_object(&writer);
    rsi_bytes_free(&list.ids);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}
