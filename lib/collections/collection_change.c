/*
 * Updates, replacements and deletions.
 *
 * One storage transaction: find what matches, decide what becomes of it, write. The transaction
 * keeps other writers out, so what was decided fits what is replaced.
 */
#include "collections/collections_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/update.h"
#include "json/json_edit.h"

#include <string.h>

typedef struct found_document {
    char *id;
    char *json;
    size_t size;
} found_document;

/* A change that is being made. */
typedef struct work {
    const rsi_collection *collection;
    const rsi_change *change;
    rsi_predicate *predicate;
    rsi_update *update;    /* of UPDATE_… */
    rsi_json *replacement; /* of REPLACE_ONE */
    rsi_tx *tx;
    uint64_t epoch;
    found_document *found;
    size_t count;
    size_t capacity;
    size_t bytes; /* that the transaction writes */
    uint64_t modified;
    char *upserted_id;
    char version[RSI_VERSION_SIZE]; /* of the only document changed */
} work;

static bool concerns_one(const rsi_change *change)
{
    return change->kind != RSI_CHANGE_UPDATE_MANY && change->kind != RSI_CHANGE_DELETE_MANY;
}

static bool is_deletion(const rsi_change *change)
{
    return change->kind == RSI_CHANGE_DELETE_ONE || change->kind == RSI_CHANGE_DELETE_MANY;
}

/* ---- what is asked ---- */

static int compile_replacement(work *at)
{
    const char *text = at->change->update;
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    int status = rsi_json_parse(&at->replacement, text, strlen(text), RSI_DOCUMENT_DEPTH_MAX);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "replacement");
    if (!rsi_json_is_object(at->replacement))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "collections",
                        "a replacement must be a JSON object");
    while (rsi_json_each(at->replacement, &iterator, &key, &value))
        if (key[0] == '$')
            return rsi_fail(RAGSTORE_E_QUERY, "collections",
                            "a replacement has no operators, but \"%s\" is in it", key);
    return RAGSTORE_OK;
}

static int compile(work *at)
{
    const rsi_change *change = at->change;
    int status = rsi_filter_compile(&at->predicate, change->filter);
    if (status != RAGSTORE_OK || is_deletion(change))
        return status;
    if (change->kind == RSI_CHANGE_REPLACE_ONE)
        return compile_replacement(at);
    return rsi_wrap(rsi_update_compile_text(&at->update, change->update, strlen(change->update)),
                    "update");
}

/* ---- finding ---- */

static int take_match(void *user, const char *key, const char *json, size_t size)
{
    work *at = user;
    bool matched;
    int status = rsi_store_check_interrupt(at->collection->store, at->epoch);
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match(&matched, at->predicate, json, size);
    if (status != RAGSTORE_OK || !matched)
        return status;
    if (!rsi_grow((void **)&at->found, &at->capacity, at->count + 1, sizeof *at->found))
        return RAGSTORE_E_NO_MEMORY;
    found_document *found = &at->found[at->count++];
    *found = (found_document){.id = rsi_strdup(key), .size = size};
    if (!is_deletion(at->change))
        found->json = rsi_memdup0(json, size);
    if (found->id == NULL || (!is_deletion(at->change) && found->json == NULL))
        return RAGSTORE_E_NO_MEMORY;
    return concerns_one(at->change);
}

/* ---- deciding and writing ---- */

static int put(work *at, const char *id, const rsi_json *document)
{
    return rsi_document_put(at->version, at->tx, at->collection, id, document, &at->bytes);
}

/* The replacement with the _id that its place has. */
static int make_replacement(rsi_json **out, const work *at, const char *id)
{
    const char *given = rsi_json_get_text(at->replacement, "_id");
    if (rsi_json_get(at->replacement, "_id") != NULL && (given == NULL || strcmp(given, id) != 0))
        return rsi_fail(RAGSTORE_E_QUERY, "collections",
                        "the replacement has another _id than the document, which is \"%.100s\"",
                        id);
    return rsi_document_with_id(out, at->replacement, id);
}

static int check_version(const work *at, const found_document *found)
{
    char version[RSI_VERSION_SIZE];
    if (at->change->version == NULL)
        return RAGSTORE_OK;
    rsi_document_version(version, found->json, found->size);
    if (strcmp(version, at->change->version) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_CONFLICT, "collections",
                    "\"%.100s\" was changed meanwhile: it has version %s; read it again", found->id,
                    version);
}

static int change_one(work *at, const found_document *found)
{
    rsi_json *old = NULL;
    rsi_json *new = NULL;
    bool modified = false;
    if (is_deletion(at->change)) {
        at->modified++;
        return rsi_tx_drop(at->tx, at->collection->space, found->id);
    }
    int status = check_version(at, found);
    if (status == RAGSTORE_OK)
        status = rsi_json_parse(&old, found->json, found->size, RSI_JSON_DEPTH_STORED);
    if (status == RAGSTORE_OK && at->update != NULL) {
        rsi_update_context context = {false, NULL};
        status = rsi_update_apply(&new, &modified, at->update, old, &context);
    } else if (status == RAGSTORE_OK) {
        status = make_replacement(&new, at, found->id);
        modified = status == RAGSTORE_OK && !rsi_json_identical(old, new);
    }
    if (status == RAGSTORE_OK && modified) {
        status = put(at, found->id, new);
        at->modified++;
    } else if (status == RAGSTORE_OK) {
        rsi_document_version(at->version, found->json, found->size);
    }
    rsi_json_free(old);
    rsi_json_free(new);
    return status;
}

/* Nothing matched: a new document of what the filter wants to be equal, and the update. */
static int insert_missing(work *at)
{
    rsi_json *seed = NULL;
    rsi_json *new = NULL;
    rsi_json *settled = NULL;
    const char *id = NULL;
    int status = rsi_update_seed(&seed, at->predicate);
    if (status == RAGSTORE_OK && at->update != NULL) {
        rsi_update_context context = {true, NULL};
        status = rsi_update_apply(&new, NULL, at->update, seed, &context);
    } else if (status == RAGSTORE_OK) {
        const char *wanted = rsi_json_get_text(seed, "_id");
        if (wanted != NULL)
            status = make_replacement(&new, at, wanted);
        else
            new = rsi_json_share(at->replacement);
    }
    if (status == RAGSTORE_OK)
        status = rsi_document_settle(&settled, &id, new);
    if (status == RAGSTORE_OK)
        status = rsi_document_put_new(at->tx, at->collection, id, settled, &at->bytes);
    if (status == RAGSTORE_OK) {
        at->upserted_id = rsi_strdup(id);
        status = at->upserted_id == NULL ? RAGSTORE_E_NO_MEMORY
                                         : rsi_document_version_of(at->version, settled);
    }
    rsi_json_free(seed);
    rsi_json_free(new);
    rsi_json_free(settled);
    return status;
}

/* ---- the answer ---- */

static int tell(rsi_bytes *out, const work *at)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_object(&writer);
    if (is_deletion(at->change)) {
        rsi_json_put_integer(&writer, "deleted_count", (int64_t)at->modified);
    } else {
        rsi_json_put_integer(&writer, "matched_count", (int64_t)at->count);
        rsi_json_put_integer(&writer, "modified_count", (int64_t)at->modified);
        rsi_json_put_text(&writer, "upserted_id", at->upserted_id);
        const bool is_one = at->count + (at->upserted_id != NULL) == 1;
        rsi_json_put_text(&writer, "version", is_one ? at->version : NULL);
    }
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

/* ---- all of it ---- */

static int run(rsi_bytes *out, work *at)
{
    int status = rsi_tx_begin(&at->tx, at->collection->store->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_walk_all(at->collection, at->predicate, take_match, at);
    for (size_t i = 0; status == RAGSTORE_OK && i < at->count; i++) {
        status = rsi_store_check_interrupt(at->collection->store, at->epoch);
        if (status == RAGSTORE_OK)
            status =
                rsi_wrap(change_one(at, &at->found[i]), "document \"%.100s\"", at->found[i].id);
    }
    if (status == RAGSTORE_OK && at->count == 0 && at->change->upsert)
        status = insert_missing(at);
    if (status == RAGSTORE_OK) /* the answer is whole before there is something to tell */
        status = tell(out, at);
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(at->tx);
    rsi_tx_abort(at->tx);
    return status;
}

int rsi_collection_change(rsi_bytes *out, const rsi_collection *collection,
                          const rsi_change *change)
{
    work at = {
        .collection = collection, .change = change, .epoch = rsi_store_epoch(collection->store)};
    int status = rsi_collection_check_writable(collection);
    if (status == RAGSTORE_OK)
        status = compile(&at);
    if (status == RAGSTORE_OK)
        status = run(out, &at);
    for (size_t i = 0; i < at.count; i++) {
        rsi_free(at.found[i].id);
        rsi_free(at.found[i].json);
    }
    rsi_free(at.found);
    rsi_free(at.upserted_id);
    rsi_json_free(at.replacement);
    rsi_update_free(at.update);
    rsi_predicate_free(at.predicate);
    return status;
}
