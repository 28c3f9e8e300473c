/*
 * Which chunks may appear: documents named by id, and a query over metadata. Filters come before
 * ranking, so that k of k are found whenever k exist. A document's chunks are read only where they
 * may have metadata of their own; for all others the document's decides.
 */
#include "search/search.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/predicate.h"

#include <string.h>

int rsi_metadata_overlay(rsi_bytes *out, const rsi_json *document, const rsi_json *chunk)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_json_begin_object(&writer);
    while (rsi_json_each(document, &iterator, &key, &value))
        if (rsi_json_get(chunk, key) == NULL)
            rsi_json_put_value(&writer, key, value);
    iterator = NULL;
    while (rsi_json_each(chunk, &iterator, &key, &value))
        rsi_json_put_value(&writer, key, value);
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

typedef struct filtering {
    rsi_bitset *allowed;
    const rsi_catalog *catalog;
    const rsi_predicate *predicate;
    const rsi_json *document_metadata;
} filtering;

/* Does the chunk's metadata, over that of its document, match? */
static int match_chunk(bool *matches, const filtering *filter, const rsi_json *chunk)
{
    const rsi_json *own = rsi_json_get(chunk, "metadata");
    if (!rsi_json_is_object(own))
        return rsi_predicate_match_value(matches, filter->predicate, filter->document_metadata);
    rsi_bytes merged = {0};
    int status = rsi_metadata_overlay(&merged, filter->document_metadata, own);
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match(matches, filter->predicate, merged.data, merged.size);
    rsi_bytes_free(&merged);
    return status;
}

static int test_chunk(void *user, uint64_t number, const char *json, size_t size)
{
    filtering *filter = user;
    rsi_json *chunk;
    bool matches = false;
    if (!rsi_bitset_has(&filter->catalog->alive, (int64_t)number))
        return RAGSTORE_OK;
    int status = rsi_json_parse(&chunk, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    status = match_chunk(&matches, filter, chunk);
    if (status == RAGSTORE_OK && matches)
        status = rsi_bitset_add(filter->allowed, (int64_t)number);
    rsi_json_free(chunk);
    return status;
}

/* All living chunks of a document, or those without metadata of their own. */
static int allow_document(rsi_bitset *allowed, const rsi_catalog *catalog,
                          const rsi_catalog_document *document, const rsi_bitset *except)
{
    int status = RAGSTORE_OK;
    for (int64_t chunk = document->first_chunk;
         status == RAGSTORE_OK && chunk < document->end_chunk; chunk++)
        if (rsi_bitset_has(&catalog->alive, chunk) &&
            (except == NULL || !rsi_bitset_has(except, chunk)))
            status = rsi_bitset_add(allowed, chunk);
    return status;
}

/* Test the chunks of a document that may have metadata of their own. */
static int test_annotated(filtering *filter, rsi_store *store, const rsi_catalog_document *document)
{
    const rsi_catalog *catalog = filter->catalog;
    int status = RAGSTORE_OK;
    for (int64_t chunk = rsi_bitset_next(&catalog->annotated, document->first_chunk);
         status == RAGSTORE_OK && chunk >= 0 && chunk < document->end_chunk;
         chunk = rsi_bitset_next(&catalog->annotated, chunk + 1))
        status = rsi_storage_rows(store->storage, RSI_SPACE_CHUNKS, catalog->entity_id,
                                  (uint64_t)chunk, 1, test_chunk, filter);
    return status;
}

static int allow_matching(rsi_bitset *allowed, rsi_store *store, const rsi_catalog *catalog,
                          const rsi_predicate *predicate, const rsi_catalog_document *document)
{
    rsi_json *metadata;
    bool matches;
    int status = rsi_json_parse(&metadata, document->metadata, strlen(document->metadata),
                                RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    filtering filter = {allowed, catalog, predicate, metadata};
    status = rsi_predicate_match_value(&matches, predicate, metadata);
    if (status == RAGSTORE_OK && matches)
        status = allow_document(allowed, catalog, document, &catalog->annotated);
    if (status == RAGSTORE_OK)
        status = test_annotated(&filter, store, document);
    rsi_json_free(metadata);
    return status;
}

static bool is_named(const rsi_search_query *query, const char *doc_id)
{
    if (query->doc_ids == NULL)
        return true;
    for (size_t i = 0; i < query->doc_ids_count; i++)
        if (strcmp(query->doc_ids[i], doc_id) == 0)
            return true;
    return false;
}

int rsi_search_filter_locked(rsi_bitset *allowed, rsi_store *store, const rsi_catalog *catalog,
                             const rsi_search_query *query)
{
    rsi_predicate *compiled = NULL;
    memset(allowed, 0, sizeof *allowed);
    if (query->doc_ids == NULL && query->filter_json == NULL)
        return rsi_bitset_copy(allowed, &catalog->alive);
    int status = RAGSTORE_OK;
    if (query->filter_json != NULL)
        status = rsi_predicate_compile_text(&compiled, query->filter_json,
                                            strlen(query->filter_json));
    for (size_t i = 0; status == RAGSTORE_OK && i < catalog->document_count; i++) {
        const rsi_catalog_document *document = &catalog->documents[i];
        if (!is_named(query, document->doc_id))
            continue;
        status = compiled == NULL ? allow_document(allowed, catalog, document, NULL)
                                  : allow_matching(allowed, store, catalog, compiled, document);
    }
    rsi_predicate_free(compiled);
    if (status != RAGSTORE_OK)
        rsi_bitset_free(allowed);
    return rsi_wrap(status, "filter");
}
