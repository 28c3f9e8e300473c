/*
 * Aggregation and distinct values: all documents that can matter go through a pipeline of query/,
 * in pieces of the walk.
 *
 * What comes out of a pipeline is kept and told by a cursor.
 */
#include "collections/collections_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "query/pipeline.h"

#include <string.h>

typedef struct feeding {
    const rsi_store *store;
    uint64_t epoch;
    rsi_pipeline_run *run;
    rsi_cursor *cursor;
} feeding;

static int keep_document(void *user, const char *text, size_t size)
{
    feeding *feed = user;
    int status = rsi_store_check_interrupt(feed->store, feed->epoch);
    return status == RAGSTORE_OK ? rsi_cursor_put(feed->cursor, text, size) : status;
}

static int feed_record(void *user, const char *key, const char *json, size_t size)
{
    feeding *feed = user;
    (void)key;
    int status = rsi_store_check_interrupt(feed->store, feed->epoch);
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_feed(feed->run, json, size);
    if (status == RAGSTORE_OK && !rsi_pipeline_wants_more(feed->run))
        return 1;
    return status;
}

/* The records that a first $match can be answered from, or all of them. */
static int feed_all(feeding *feed, const rsi_collection *collection, const rsi_pipeline *pipeline)
{
    const rsi_predicate *first = rsi_pipeline_first_match(pipeline);
    rsi_predicate *all = NULL;
    if (!rsi_pipeline_wants_more(feed->run))
        return RAGSTORE_OK;
    int status = first == NULL ? rsi_filter_compile(&all, NULL) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_walk_all(collection, first == NULL ? all : first, feed_record, feed);
    rsi_predicate_free(all);
    return status;
}

int rsi_collection_aggregate(rsi_cursor **out, const rsi_collection *collection,
                             const char *stages)
{
    rsi_pipeline *pipeline = NULL;
    feeding feed = {collection->store, rsi_store_epoch(collection->store), NULL, NULL};
    *out = NULL;
    int status = rsi_wrap(rsi_pipeline_compile_text(&pipeline, stages, strlen(stages)),
                          "pipeline");
    if (status == RAGSTORE_OK)
        status = rsi_cursor_empty(&feed.cursor, collection);
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_start(&feed.run, pipeline, RSI_SORT_BYTES_MAX, keep_document, &feed);
    if (status == RAGSTORE_OK)
        status = feed_all(&feed, collection, pipeline);
    if (status == RAGSTORE_OK)
        status = rsi_pipeline_finish(feed.run);
    rsi_pipeline_stop(feed.run);
    rsi_pipeline_free(pipeline);
    if (status != RAGSTORE_OK) {
        rsi_cursor_free(feed.cursor);
        return status;
    }
    *out = feed.cursor;
    return RAGSTORE_OK;
}

/* ---- distinct ---- */

typedef struct telling_apart {
    const rsi_store *store;
    uint64_t epoch;
    const rsi_predicate *predicate;
    rsi_distinct *distinct;
} telling_apart;

static int tell_apart(void *user, const char *key, const char *json, size_t size)
{
    const telling_apart *at = user;
    rsi_json_view document;
    bool matched;
    (void)key;
    int status = rsi_store_check_interrupt(at->store, at->epoch);
    if (status == RAGSTORE_OK)
        status = rsi_json_view_of_text(&document, json, size);
    if (status == RAGSTORE_OK)
        status = rsi_predicate_match_view(&matched, at->predicate, &document);
    if (status == RAGSTORE_OK && matched)
        status = rsi_distinct_add(at->distinct, &document);
    return status;
}

int rsi_collection_distinct(rsi_bytes *out, const rsi_collection *collection, const char *path,
                            const char *filter)
{
    rsi_predicate *predicate = NULL;
    rsi_distinct *distinct = NULL;
    int status = rsi_filter_compile(&predicate, filter);
    if (status == RAGSTORE_OK)
        status = rsi_distinct_new(&distinct, path, strlen(path), RSI_SORT_BYTES_MAX);
    telling_apart at = {collection->store, rsi_store_epoch(collection->store), predicate,
                        distinct};
    if (status == RAGSTORE_OK)
        status = rsi_walk_all(collection, predicate, tell_apart, &at);
    if (status == RAGSTORE_OK)
        status = rsi_distinct_write(out, distinct);
    rsi_distinct_free(distinct);
    rsi_predicate_free(predicate);
    return status;
}
