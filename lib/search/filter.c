/*
 * Which chunks may appear: documents named by id, and a query over metadata. Filters come before
 * ranking, so that k of k are found whenever k exist. What a filter let pass is remembered
 * (filter_cache.h); of one that was not asked before, only those chunks are looked at that can pass it
 * by what they have at one of its members, once these stand in a column (metadata_columns.h).
 */
#include "search/filter_columns.h"
#include "search/metadata.h"
#include "search/search.h"

#include "base/status.h"

#include <string.h>

typedef struct filtering {
    rsi_bitset *allowed;
    const rsi_catalog *catalog;
    const rsi_predicate *predicate;
    const rsi_catalog_document *document;
} filtering;

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

static int test_metadata(void *user, int64_t chunk, const rsi_json_view *metadata)
{
    const filtering *filter = user;
    bool matches;
    int status = rsi_predicate_match_view(&matches, filter->predicate, metadata);
    if (status != RAGSTORE_OK || !matches)
        return status;
    return chunk != RSI_METADATA_OF_DOCUMENT
               ? rsi_bitset_add(filter->allowed, chunk)
               : allow_document(filter->allowed, filter->catalog, filter->document,
                                &filter->catalog->annotated);
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

static bool has_chosen(const rsi_bitset *chosen, const rsi_catalog_document *document)
{
    const int64_t first = chosen == NULL ? document->first_chunk
                                         : rsi_bitset_next(chosen, document->first_chunk);
    return first >= 0 && first < document->end_chunk;
}

/* Ask the filter about the documents, as far as they are named, whose chunks begin at `from` or behind;
 * with columns, about those chunks only that can pass by them. */
static int evaluate(rsi_bitset *allowed, rsi_store *store, const rsi_catalog *catalog,
                    const rsi_search_query *query, int64_t from, rsi_columns *columns)
{
    rsi_predicate *compiled = NULL;
    rsi_bitset some = {0};
    const rsi_bitset *chosen = NULL;
    int status =
        rsi_predicate_compile_text(&compiled, query->filter_json, strlen(query->filter_json));
    if (status == RAGSTORE_OK && columns != NULL)
        status = rsi_filter_choose(&some, &chosen, store, catalog, columns, compiled,
                                   query->filter_json);
    filtering filter = {.allowed = allowed, .catalog = catalog, .predicate = compiled};
    for (size_t i = 0; status == RAGSTORE_OK && i < catalog->document_count; i++) {
        filter.document = &catalog->documents[i];
        if (filter.document->first_chunk >= from && has_chosen(chosen, filter.document) &&
            is_named(query, filter.document->doc_id))
            status = rsi_metadata_walk(store, catalog, filter.document, chosen, test_metadata,
                                       &filter);
    }
    rsi_bitset_free(&some);
    rsi_predicate_free(compiled);
    return status;
}

/* The same about all documents, with what is known of those that were there the last time. */
static int evaluate_cached(rsi_bitset *allowed, rsi_store *store, rsi_catalog *catalog,
                           const rsi_search_query *query)
{
    int64_t until;
    const int64_t end = rsi_catalog_end_locked(catalog);
    int status = rsi_filter_cache_get(allowed, &until, &catalog->filters, query->filter_json);
    if (status == RAGSTORE_OK && (until < end || until == 0)) {
        status = evaluate(allowed, store, catalog, query, until,
                          until == 0 ? &catalog->columns : NULL);
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
        status = evaluate(allowed, store, catalog, query, 0, NULL);
    if (status != RAGSTORE_OK)
        rsi_bitset_free(allowed);
    return rsi_wrap(status, "filter");
}
