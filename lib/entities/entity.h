/*
 * The record of an entity and of its documents: reading, making, changing, describing.
 *
 * An entity is known by id and incarnation: a handle of an entity that was deleted, and whose id
 * was used again, finds nothing.
 */
#ifndef RSI_ENTITIES_ENTITY_H
#define RSI_ENTITIES_ENTITY_H

#include "entities/index_settings.h"
#include "entities/store.h"
#include "vectors/metric.h"
#include "json/json.h"

#define RSI_INCARNATION_DIGITS 32
#define RSI_DOC_ID_MAX 41 /* "doc_", a UUID, NUL */
#define RSI_METADATA_MAX ((size_t)16 << 10)
#define RSI_NAME_MAX 1024

/* How long the chunks of an entity's documents are, in the embedder's tokens. */
typedef struct rsi_chunk_sizes {
    uint32_t tokens;  /* of one chunk, about */
    uint32_t overlap; /* of them repeated where a paragraph had to be cut */
} rsi_chunk_sizes;

/* A parsed record; the texts are borrowed from `json`. */
typedef struct rsi_entity_record {
    rsi_bytes text; /* the record as it is stored; owned */
    rsi_json *json; /* owned */
    char *texts;    /* likewise; of one that was glanced at, which has no json */
    const char *id;
    const char *incarnation;
    const char *name;
    const char *embedder; /* fingerprint; NULL: keyword only */
    const char *chunker;
    const char *language; /* of the keyword index */
    rsi_chunk_sizes chunk_sizes;
    uint32_t dimension;   /* of its vectors; 0: none */
    rsi_metric metric;    /* likewise */
    int64_t next_chunk;
    uint64_t next_row; /* of its documents */
} rsi_entity_record;

typedef struct rsi_entity_fields {
    const char *name; /* NULL: the default, or keep */
    const char *description;
    const char *metadata_json;
    const char *metric;     /* of a new one only */
    const char *index_kind; /* likewise */
    const char *language;   /* likewise */
    uint32_t chunk_tokens;  /* likewise; 0: the default */
    uint32_t chunk_overlap; /* likewise */
} rsi_entity_fields;

/* incarnation NULL: whichever lives now. NOT_FOUND. */
int rsi_entity_read(rsi_entity_record *record, rsi_store *store, const char *id,
                    const char *incarnation);
/* The same in a quarter of the time, of id (the caller's), incarnation, embedder, dimension, metric
 * and next_row alone. */
int rsi_entity_glance(rsi_entity_record *record, rsi_store *store, const char *id,
                      const char *incarnation);
/* The same, of a record that was read before: when it has not changed since, which is the rule, it is
 * moved to *record, and *earlier is empty. */
int rsi_entity_read_again(rsi_entity_record *record, rsi_entity_record *earlier, rsi_store *store);
void rsi_entity_record_free(rsi_entity_record *record);

/* incarnation: set to that of the new entity. */
int rsi_entity_create(char incarnation[RSI_INCARNATION_DIGITS + 1], rsi_store *store,
                      const char *id, const rsi_entity_fields *fields);
int rsi_entity_update(rsi_store *store, const char *id, const char *incarnation,
                      const rsi_entity_fields *fields);
/* Change a setting of its index (index_settings.h); searches follow when it is committed. */
int rsi_entity_set_index(rsi_store *store, const char *id, const char *incarnation, const char *key,
                         const char *value);
int rsi_entity_delete(uint64_t *sessions_deleted, rsi_store *store, const char *id);

/* Write a record back with new counters and the embedder that its vectors are of (NULL: none). */
int rsi_entity_put_counters(rsi_tx *tx, const rsi_entity_record *record, int64_t next_chunk,
                            uint64_t next_row, const char *embedder, uint32_t dimension);

/* Embedder of entities whose vectors the caller gives; the dimension follows. */
#define RSI_OWN_VECTORS "own/"

/* How can this entity be searched now? *notice: why not by vector, or NULL; static text. */
bool rsi_entity_has_vectors(const rsi_store *store, const rsi_entity_record *record,
                            const char **notice);

/* JSON objects and lists as ragstore.h describes them. */
int rsi_entity_describe(rsi_bytes *out, rsi_store *store, const char *id,
                        const char *incarnation);
int rsi_entity_list(rsi_bytes *out, rsi_store *store, uint64_t limit, uint64_t offset,
                    const char *match);
/* Chunks of an entity, added up over its documents. */
int rsi_entity_totals(uint64_t *documents, uint64_t *chunks, rsi_store *store, const char *id);

/* ---- shared checks ---- */

/* A caller's metadata: NULL gives "{}"; must be a JSON object within the limits. Appends compact
 * text. INVALID_DATA, TOO_LARGE. */
int rsi_metadata_check(rsi_bytes *out, const char *metadata_json);
/* A caller's text: valid UTF-8 of at most `max` bytes. `what` names it in the message. */
int rsi_text_check(const char *text, size_t max, const char *what);

#endif
