/*
 * Which chunks may appear: documents named by id, and a query over metadata. Filters come before
 * ranking, so that k of k are found whenever k exist. A document's chunks are read only where they
 * may have metadata of their own; for all others the document's decides.
 */
#include "search/search.h"

#include "base/status.h"
#include "query/predicate.h"

#include <string.h>

/* Has the object a member of that name? */
static int has_member(const rsi_json_view *object, const rsi_json_view *key, rsi_bytes *scratch)
{
    rsi_json_view ignored;
    rsi_slice name = {key->text, (size_t)(key->end - key->text)};
    if (key->escaped) {
        rsi_bytes_clear(scratch);
        rsi_json_view_append_text(scratch, key);
        if (rsi_bytes_status(scratch) != RAGSTORE_OK)
            return rsi_bytes_status(scratch);
        name = (rsi_slice){scratch->data, scratch->size};
    }
    return rsi_json_view_get(&ignored, object, name);
}

/* Write the members of an object; of those that `over` has as well, nothing. */
static int put_members(rsi_json_writer *writer, const rsi_json_view *object,
                       const rsi_json_view *over, rsi_bytes *scratch)
{
    rsi_json_cursor cursor = rsi_json_walk(object);
    rsi_json_view member;
    int found;
    while ((found = rsi_json_next(&cursor, &member)) > 0) {
        int hidden = over == NULL ? RSI_JSON_ABSENT : has_member(over, &cursor.key, scratch);
        if (hidden < 0)
            return hidden;
        if (hidden > 0)
            continue;
        rsi_json_view_key(writer, &cursor.key);
        int status = rsi_json_view_write(writer, &member);
        if (status != RAGSTORE_OK)
            return status;
    }
    return found;
}

int rsi_metadata_overlay(rsi_bytes *out, const rsi_json_view *document,
                         const rsi_json_view *chunk)
{
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_bytes scratch = {0};
    rsi_json_begin_object(&writer);
    int status = put_members(&writer, document, chunk, &scratch);
    if (status == RAGSTORE_OK)
        status = put_members(&writer, chunk, NULL, &scratch);
    rsi_json_end_object(&writer);
    rsi_bytes_free(&scratch);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

typedef struct filtering {
    rsi_bitset *allowed;
    const rsi_catalog *catalog;
    const rsi_predicate *predicate;
    const rsi_catalog_document *document;
    rsi_json_view metadata; /* the document's */
    bool is_bare;           /* it has none */
    bool matches;           /* it does by itself */
    rsi_bytes merged;       /* kept from chunk to chunk */
} filtering;

/* Does the chunk's metadata, over that of its document, match? */
static int match_chunk(bool *matches, filtering *filter, const char *json, size_t size)
{
    rsi_json_view chunk;
    rsi_json_view own;
    int status = rsi_json_view_of_text(&chunk, json, size);
    int found =
        status == RAGSTORE_OK ? rsi_json_view_get(&own, &chunk, rsi_slice_of("metadata")) : status;
    if (found < 0)
        return found;
    *matches = filter->matches;
    if (own.kind != RSI_JSON_OBJECT)
        return RAGSTORE_OK;
    if (filter->is_bare)
        return rsi_predicate_match_view(matches, filter->predicate, &own);
    rsi_bytes_clear(&filter->merged);
    status = rsi_metadata_overlay(&filter->merged, &filter->metadata, &own);
    return status != RAGSTORE_OK ? status
                                 : rsi_predicate_match(matches, filter->predicate,
                                                       filter->merged.data, filter->merged.size);
}

static int test_chunk(void *user, uint64_t number, const char *json, size_t size)
{
    filtering *filter = user;
    const int64_t chunk = (int64_t)number;
    bool matches;
    if (chunk >= filter->document->end_chunk ||
        !rsi_bitset_has(&filter->catalog->annotated, chunk) ||
        !rsi_bitset_has(&filter->catalog->alive, chunk))
        return RAGSTORE_OK;
    int status = match_chunk(&matches, filter, json, size);
    if (status == RAGSTORE_OK && matches)
        status = rsi_bitset_add(filter->allowed, chunk);
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

/* Test the chunks of a document that may have metadata of their own, as many at once as stand side by
 * side. */
static int test_annotated(filtering *filter, rsi_store *store)
{
    const rsi_bitset *annotated = &filter->catalog->annotated;
    const int64_t end = filter->document->end_chunk;
    int64_t first = rsi_bitset_next(annotated, filter->document->first_chunk);
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && first >= 0 && first < end) {
        int64_t behind = first + 1;
        while (behind < end && rsi_bitset_has(annotated, behind))
            behind++;
        status = rsi_storage_rows(store->storage, RSI_SPACE_CHUNKS, filter->catalog->entity_id,
                                  (uint64_t)first, (uint64_t)(behind - first), test_chunk, filter);
        first = rsi_bitset_next(annotated, behind);
    }
    return status;
}

static int allow_matching(filtering *filter, rsi_store *store, const rsi_catalog_document *document)
{
    filter->document = document;
    int status = rsi_json_view_of_text(&filter->metadata, document->metadata,
                                       strlen(document->metadata));
    filter->is_bare = strcmp(document->metadata, "{}") == 0;
    if (status == RAGSTORE_OK)
        status =
            rsi_predicate_match_view(&filter->matches, filter->predicate, &filter->metadata);
    if (status == RAGSTORE_OK && filter->matches)
        status = allow_document(filter->allowed, filter->catalog, document,
                                &filter->catalog->annotated);
    return status == RAGSTORE_OK ? test_annotated(filter, store) : status;
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

/* Documents named by id. */
static int allow_named(rsi_bitset *allowed, const rsi_catalog *catalog,
                       const rsi_search_query *query)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < catalog->document_count; i++)
        if (is_named(query, catalog->documents[i].doc_id))
            status = allow_document(allowed, catalog, &catalog->documents[i], NULL);
    return status;
}

/* Ask the filter about the documents, as far as they are named, whose chunks begin at `from` or behind. */
static int evaluate(rsi_bitset *allowed, rsi_store *store, const rsi_catalog *catalog,
                    const rsi_search_query *query, int64_t from)
{
    rsi_predicate *compiled = NULL;
    int status =
        rsi_predicate_compile_text(&compiled, query->filter_json, strlen(query->filter_json));
    filtering filter = {.allowed = allowed, .catalog = catalog, .predicate = compiled};
    for (size_t i = 0; status == RAGSTORE_OK && i < catalog->document_count; i++) {
        const rsi_catalog_document *document = &catalog->documents[i];
        if (document->first_chunk >= from && is_named(query, document->doc_id))
            status = allow_matching(&filter, store, document);
    }
    rsi_bytes_free(&filter.merged);
    rsi_predicate_free(compiled);
    return status;
}

/* The same about all documents, with what is known of those that were there the last time. */
static int evaluate_cached(rsi_bitset *allowed, rsi_store *store, rsi_catalog *catalog,
                           const rsi_search_query *query)
{
    int64_t until;
    const int64_t end =
        catalog->document_count == 0 ? 0 : catalog->documents[catalog->document_count - 1].end_chunk;
    int status = rsi_filter_cache_get(allowed, &until, &catalog->filters, query->filter_json);
    if (status == RAGSTORE_OK && (until < end || until == 0)) {
        status = evaluate(allowed, store, catalog, query, until);
        if (status == RAGSTORE_OK && end > 0)
            status = rsi_filter_cache_put(&catalog->filters, query->filter_json, allowed, end);
    }
    rsi_bitset_intersect(allowed, &catalog->alive);
    return status;
}

int rsi_search_filter_locked(rsi_bitset *allowed, rsi_store *store, rsi_catalog *catalog,
                             const rsi_search_query *query)
{
    int status;
    memset(allowed, 0, sizeof *allowed);
    if (query->filter_json == NULL)
        status = query->doc_ids == NULL ? rsi_bitset_copy(allowed, &catalog->alive)
                                        : allow_named(allowed, catalog, query);
    else if (query->doc_ids == NULL && !rsi_tx_is_open(store->storage))
        status = evaluate_cached(allowed, store, catalog, query);
    else /* few documents; or rows that a transaction sees and others do not */
        status = evaluate(allowed, store, catalog, query, 0);
    if (status != RAGSTORE_OK)
        rsi_bitset_free(allowed);
    return rsi_wrap(status, "filter");
}
