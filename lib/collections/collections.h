/*
 * The application's own collections: JSON documents with an _id, found, changed and aggregated in
 * the language of ragstore_query(7).
 *
 *   collection.c         opening by name; which names there are
 *   stored_document.c    what a document must be, and its version
 *   collection_plan.c    what a filter has to look at: one _id, an index, everything
 *   collection_find.c    cursors
 *   collection_insert.c  new documents
 *   collection_change.c  updates, replacements, deletions
 *   collection_index.c   secondary indexes, kept in step by a watcher of the storage
 *   collection_lookup.c  choosing an index and asking it
 *   collection_aggregate.c  pipelines and distinct values
 *   ordered_keys.c       the sorted set that an index is
 *
 * A change is one storage transaction that reads, decides and writes, so nobody's change is lost.
 * Called by api/ only. Any thread; a cursor is for one thread at a time.
 */
#ifndef RSI_COLLECTIONS_COLLECTIONS_H
#define RSI_COLLECTIONS_COLLECTIONS_H

#include "entities/store.h"
#include "files/paths.h"
#include "json/json.h"

#define RSI_DOCUMENT_ID_BYTES_MAX 1024
#define RSI_DOCUMENT_BYTES_MAX ((size_t)16 << 20)
#define RSI_CHANGE_BYTES_MAX ((size_t)192 << 20) /* of one call */
#define RSI_SORT_BYTES_MAX ((size_t)256 << 20)
#define RSI_VERSION_SIZE 33 /* 32 digits and NUL */

typedef struct rsi_indexes rsi_indexes;

typedef struct rsi_collection {
    rsi_store *store;
    char name[RSI_COLLECTION_NAME_MAX];
    const char *space;    /* borrowed from the storage */
    bool is_read_only;    /* entities and chat_sessions */
    rsi_indexes *indexes; /* borrowed from the storage; NULL: read-only */
} rsi_collection;

/* INVALID_ARGUMENT for a name that is malformed or reserved. */
int rsi_collection_open(rsi_collection *collection, rsi_store *store, const char *name);
/* [{"name":…,"documents":…},…], by name. */
int rsi_collection_list(rsi_bytes *out, rsi_store *store);

/* The version of a document that is stored as this text. */
void rsi_document_version(char out[RSI_VERSION_SIZE], const char *json, size_t size);

/* ---- finding ---- */

typedef struct rsi_find_options {
    const char *sort;       /* JSON, or NULL */
    const char *projection; /* JSON, or NULL */
    uint64_t skip;
    uint64_t limit; /* 0: none */
} rsi_find_options;

typedef struct rsi_cursor rsi_cursor;

/* filter NULL: all. */
int rsi_cursor_open(rsi_cursor **out, const rsi_collection *collection, const char *filter,
                    const rsi_find_options *options);
/* *text NULL at the end. The text is borrowed until the next call. */
int rsi_cursor_next(rsi_slice *text, rsi_cursor *cursor);
/* Of the document told last; "" when there is none. */
const char *rsi_cursor_version(const rsi_cursor *cursor);
void rsi_cursor_free(rsi_cursor *cursor); /* NULL is fine */

int rsi_collection_count(uint64_t *count, const rsi_collection *collection, const char *filter);

/* ---- aggregation ---- */

/* What comes out of the stages, an array as JSON. */
int rsi_collection_aggregate(rsi_cursor **out, const rsi_collection *collection,
                             const char *stages);
/* A JSON array of the different values at a path. */
int rsi_collection_distinct(rsi_bytes *out, const rsi_collection *collection, const char *path,
                            const char *filter);

/* ---- indexes ---- */

/* Create or drop the index on a path. EXISTS, NOT_FOUND, QUERY. */
int rsi_collection_index(const rsi_collection *collection, const char *path, bool adds);
int rsi_collection_index_list(rsi_bytes *out, const rsi_collection *collection);
/* How a filter would be answered. */
int rsi_collection_explain(rsi_bytes *out, const rsi_collection *collection, const char *filter);

/* ---- changing ---- */

/* One object or an array of such; {"inserted_count":…,"inserted_ids":[…]}. */
int rsi_collection_insert(rsi_bytes *out, const rsi_collection *collection, const char *documents);

typedef enum rsi_change_kind {
    RSI_CHANGE_UPDATE_ONE,
    RSI_CHANGE_UPDATE_MANY,
    RSI_CHANGE_REPLACE_ONE,
    RSI_CHANGE_DELETE_ONE,
    RSI_CHANGE_DELETE_MANY,
} rsi_change_kind;

typedef struct rsi_change {
    rsi_change_kind kind;
    const char *filter;  /* JSON, or NULL: all */
    const char *update;  /* JSON of an update or a replacement */
    const char *version; /* NULL: any */
    bool upsert;
} rsi_change;

int rsi_collection_change(rsi_bytes *out, const rsi_collection *collection,
                          const rsi_change *change);

#endif
