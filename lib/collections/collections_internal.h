/* What the files of this room share. */
#ifndef RSI_COLLECTIONS_INTERNAL_H
#define RSI_COLLECTIONS_INTERNAL_H

#include "collections/collections.h"
#include "query/predicate.h"

/* READ_ONLY for entities and chat_sessions. */
int rsi_collection_check_writable(const rsi_collection *collection);

/* NULL stands for {}. */
int rsi_filter_compile(rsi_predicate **out, const char *filter);

/* ---- indexes ---- */

#define RSI_INDEX_DEFINITIONS "_indexes" /* the collection that tells which indexes there are */

/* Let the collection's indexes follow its changes. */
int rsi_indexes_attach(rsi_collection *collection);

/* ---- plans ---- */

typedef enum rsi_plan_kind {
    RSI_PLAN_IDS,     /* the filter names the _id, or several */
    RSI_PLAN_INDEX,   /* only these records can match */
    RSI_PLAN_SCAN,    /* any record can match */
    RSI_PLAN_NOTHING, /* none can */
} rsi_plan_kind;

typedef struct rsi_plan {
    rsi_plan_kind kind;
    char **ids; /* IDS: owned */
    size_t id_count;
    uint64_t *orders; /* INDEX: owned */
    size_t order_count;
    char *index; /* INDEX: the path, owned */
} rsi_plan;

int rsi_plan_make(rsi_plan *plan, const rsi_collection *collection, const rsi_predicate *predicate);
void rsi_plan_free(rsi_plan *plan);

/* Walking along a plan, in pieces: looks at no more than `max_records` of them. The visitor is that
 * of rsi_storage_scan(); it is given all records that can match. */
typedef struct rsi_walk {
    rsi_plan plan;
    rsi_scan scan;
    size_t next_id;
    bool ended;
} rsi_walk;

int rsi_walk_begin(rsi_walk *walk, const rsi_collection *collection,
                   const rsi_predicate *predicate);
int rsi_walk_step(rsi_walk *walk, const rsi_collection *collection, size_t max_records,
                  rsi_record_visitor *visit, void *user);
void rsi_walk_end(rsi_walk *walk);
/* The same to the end, or until a visitor returns a positive number. INTERRUPTED. */
int rsi_walk_all(const rsi_collection *collection, const rsi_predicate *predicate,
                 rsi_record_visitor *visit, void *user);

#define RSI_DOCUMENT_DEPTH_MAX 60 /* with what is put around it, RSI_JSON_DEPTH_STORED */

#define RSI_WALK_PIECE 1024 /* records that are looked at before others get their turn */

/* ---- cursors over documents that were worked out ---- */

int rsi_cursor_empty(rsi_cursor **out, const rsi_collection *collection);
int rsi_cursor_put(rsi_cursor *cursor, const char *json, size_t size); /* copied; TOO_LARGE */

/* ---- documents ---- */

/* Check a document that is to be stored, and give it an _id when it has none: *out is the document
 * with the _id first (one more owner of `document` if it was so already), *id is borrowed. */
int rsi_document_settle(rsi_json **out, const char **id, const rsi_json *document);
/* The same members with this _id in front. */
int rsi_document_with_id(rsi_json **out, const rsi_json *document, const char *id);
int rsi_document_version_of(char version[RSI_VERSION_SIZE], const rsi_json *document);

/* Write a document in a transaction. *bytes grows by its size. TOO_LARGE, INVALID_DATA (nested too
 * deep). */
int rsi_document_put(char version[RSI_VERSION_SIZE], rsi_tx *tx, const rsi_collection *collection,
                     const char *id, const rsi_json *document, size_t *bytes);
/* The same for one that must not be there yet: EXISTS. */
int rsi_document_put_new(rsi_tx *tx, const rsi_collection *collection, const char *id,
                         const rsi_json *document, size_t *bytes);

#endif
