/*
 * The catalog of an entity: what is held in memory to search it.
 *
 *   documents   ascending by first chunk     [doc A: chunks 0…4] [doc C: chunks 9…11]
 *   lookup      their rows by doc_id, key, digest and the name of their file
 *   alive       bit set of chunk numbers      0 1 2 3 4 9 10 11
 *   annotated   those of them that may have metadata of their own
 *   filters     which of them passed the filters that were asked lately
 *   columns     what they have at the members of their metadata that filters ask about
 *   lexical     keyword index over the chunks' texts
 *   rows        the vectors on disk, or NULL: keyword only
 *   codes       a quantised index over them, made in the background; or NULL: searched exactly
 *   bytes       byte codes of them for exact search, likewise; or NULL: all rows are read
 *
 * Everything here is derived from storage, made at the first search, and thrown away when memory
 * is short. Commits change it through rsi_catalog_changes, which are applied under the writer
 * lock in commit order; a change that cannot be applied, or that another process made, makes the
 * catalog stale, and the next search makes a new one.
 *
 * Locking: acquire, then `lock` shared while reading. Lock order: writer, catalog, storage state.
 */
#ifndef RSI_ENTITIES_CATALOG_H
#define RSI_ENTITIES_CATALOG_H

#include "entities/document_lookup.h"
#include "entities/entity.h"
#include "entities/filter_cache.h"
#include "entities/metadata_columns.h"
#include "lexical/lexical.h"
#include "vectors/byte_codes.h"
#include "vectors/faiss_saved.h"
#include "vectors/quantised.h"
#include "vectors/vectors.h"

typedef struct rsi_catalog_document {
    char *doc_id;
    char *name;     /* the file's, as the user knows it */
    char *source;   /* what results name */
    char *metadata; /* JSON text of an object */
    uint64_t row;
    int64_t first_chunk;
    int64_t end_chunk; /* behind the last */
} rsi_catalog_document;

typedef struct rsi_catalog {
    char *entity_id;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    unsigned references; /* under the store's catalogs_mutex, like the four below */
    bool is_stale;       /* out of the map; goes with the last reference */
    uint64_t last_use;
    size_t counted; /* its part of the store's catalog_bytes */
    uint64_t bytes_rest;   /* the store's clock when its byte codes may be made again; 0: now */
    size_t bytes_memory;   /* atomic: what its byte codes may take */
    uint64_t memory_limit; /* the store's; never changes */

    int64_t looked_at;     /* atomic: when it was last asked whether its files were cut, ms */

    pthread_rwlock_t lock; /* guards everything below */
    bool is_loaded;
    rsi_catalog_document *documents;
    size_t document_count;
    size_t document_capacity;
    rsi_document_lookup lookup; /* all documents, by doc_id, key, sha256 and stored_name */
    rsi_bitset alive;
    rsi_bitset annotated; /* chunks that may have metadata of their own */
    rsi_filter_cache filters; /* this and the next have locks of their own */
    rsi_columns columns;
    rsi_lexical *lexical;
    size_t lexical_changes; /* atomic: chunks that are not in lexical.rsl as they are in `lexical` */
    bool lexical_is_newer;  /* a newer library wrote that file */
    rsi_rows *rows;
    rsi_metric metric;
    rsi_index_settings settings;
    uint64_t rows_lease; /* rsi_storage_lease_count() when a transaction opened the rows; or 0 */
    char *rows_problem;  /* why there are no rows although there should be; or NULL */
    rsi_quantised *codes;
    rsi_quantised *next_codes; /* being made, to take their place */
    rsi_byte_codes *bytes;     /* complete or not: rows that are not in them are searched anyway */
    bool bytes_spared;         /* atomic: there was no room for them beside those of others */
    bool codes_refused;        /* something kept them from being made */
    bool wants_codes;          /* atomic: there is something to do for them, or for FAISS's */
    rsi_faiss_index *faiss;    /* of an entity that asks for it (catalog_faiss.c); or NULL */
    rsi_faiss_index *next_faiss; /* being made, to take its place */
    bool faiss_sheds_dead;       /* it is made again without those that were deleted */
    size_t faiss_failed_at;      /* how many chunks there were when it could not be made; or 0 */
    char *index_problem;         /* why; or NULL */
} rsi_catalog;

/* Get an entity's catalog, loaded, and keep it until released. NOT_FOUND, DAMAGED. */
int rsi_catalog_acquire(rsi_catalog **out, rsi_store *store, const char *entity_id,
                        const char *incarnation);
void rsi_catalog_release(rsi_store *store, rsi_catalog *catalog); /* NULL is fine */
/* Its references have changed: what is in use does not count, since it cannot go. Under catalogs_mutex. */
void rsi_catalog_count_locked(rsi_store *store, rsi_catalog *catalog);
/* Find room for byte codes of that size among those of the store, which together take one part in
 * RSI_BYTES_SHARE of its memory limit, whether in use or not: those of entities that were not used
 * for long go. False when there is none; they are thought of again after a while. Takes
 * catalogs_mutex. */
#define RSI_BYTES_SHARE 2
bool rsi_catalog_take_room(rsi_store *store, rsi_catalog *catalog, size_t size);
/* Let nobody else acquire it: the next who asks has a new one made. */
void rsi_catalog_drop(rsi_store *store, rsi_catalog *catalog);
void rsi_catalogs_free(rsi_store *store);
/* Another process changed an entity (NULL: who knows which): its catalog is made again at the next
 * search. The storage's callback; `store` is the rsi_store. */
void rsi_catalogs_follow(void *store, const char *entity_id);

/* Behind the last chunk of the last document. Under the lock. */
int64_t rsi_catalog_end_locked(const rsi_catalog *catalog);
/* The document of a chunk, or NULL. Under the lock. */
const rsi_catalog_document *rsi_catalog_document_of(const rsi_catalog *catalog, int64_t chunk);
const rsi_catalog_document *rsi_catalog_find_document(const rsi_catalog *catalog,
                                                      const char *doc_id);

/* A name as documents are found by it, "stored_name": without the case of ASCII letters. */
#define RSI_STORED_NAME_MAX 256
void rsi_catalog_fold_name(char folded[RSI_STORED_NAME_MAX], const char *name);
/* The rows of an entity's documents that may have this doc_id, key, sha256 or stored_name, as far
 * as commits have reached what is in memory: all of them in a transaction, but for its own. False when
 * that is not known without a look at all documents. Takes the lock. */
#define RSI_CATALOG_CANDIDATES 16
bool rsi_catalog_candidates(uint64_t rows[RSI_CATALOG_CANDIDATES], size_t *count, rsi_store *store,
                            const char *entity_id, const char *member, const char *value);

/* The smallest chunk number that no row, chunk or record has used. Takes the lock. */
int64_t rsi_catalog_next_chunk(rsi_catalog *catalog, int64_t recorded);

/* Open the rows for an append of vectors of this dimension, before the next chunk number is asked
 * for. `recorded` is the smallest number that no record has used: while it is 0, rows on disk are
 * what a failure or a crash left of a first document, and make way when they do not fit. Takes the
 * lock. DAMAGED. */
int rsi_catalog_prepare_rows(rsi_catalog *catalog, rsi_store *store, uint32_t dimension,
                             int64_t recorded);
/* Open the rows again if another process may have changed the files. In a transaction, under the lock
 * held exclusively. */
int rsi_catalog_refresh_rows_locked(rsi_catalog *catalog, rsi_store *store, uint32_t dimension);
/* Remove the rows of an entity whose record says that it has none. Takes the lock. */
int rsi_catalog_drop_rows(rsi_catalog *catalog, rsi_store *store);
/* Write vector rows for chunks first_chunk, …; they count when a commit names the chunks, and few of
 * them are flushed with it. Takes the lock. Only after rsi_catalog_prepare_rows(). */
int rsi_catalog_append_rows(rsi_catalog *catalog, int64_t first_chunk, rsi_rows_source *source,
                            void *user, size_t count, rsi_tx *tx);

/* ---- changes that follow a commit ---- */

/* Tell the catalog, when tx commits, that a document came, or that one went. */
int rsi_catalog_add_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id, uint64_t row);
int rsi_catalog_remove_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id,
                                 int64_t first_chunk);
/* Tell it that the settings of the index changed. */
int rsi_catalog_settle_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id);
/* Tell it that what is known about a document has changed; its chunks are as they were. */
int rsi_catalog_refresh_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id,
                                  uint64_t row);
/* Tell it that the entity went. */
int rsi_catalog_forget_on_commit(rsi_tx *tx, rsi_store *store, const char *entity_id);

/* ---- catalog_codes.c ---- */

/* The nearest rows, as rsi_rows_search(): by the codes if there are any. Under the lock; `rows` is
 * not NULL. */
int rsi_catalog_search_locked(rsi_hit *hits, size_t *count, rsi_catalog *catalog,
                              const float *query, size_t k, const rsi_bitset *allowed);
/* The same for each of several queries, as rsi_rows_search_many(). */
int rsi_catalog_search_many_locked(rsi_hit *hits, size_t *counts, rsi_catalog *catalog,
                                   const float *queries, size_t count, size_t k,
                                   const rsi_bitset *allowed);
/* The rows, or which of them are alive, have changed: there may be something to do for the codes.
 * Under the lock, held exclusively. */
void rsi_catalog_note_rows_locked(rsi_catalog *catalog);
/* Take other settings, and do in the background what follows. Under the lock, held exclusively. */
void rsi_catalog_settle_locked(rsi_catalog *catalog, const rsi_index_settings *settings);
/* Under the lock, held exclusively. */
void rsi_catalog_drop_codes_locked(rsi_catalog *catalog);
void rsi_catalog_drop_bytes_locked(rsi_catalog *catalog);
/* Who asked for an index to be made anew, and hears how far it is. */
typedef struct rsi_rebuild {
    int32_t (*progress)(void *user, const char *stage, uint64_t done, uint64_t total); /* or NULL */
    void *progress_user;
    uint64_t epoch; /* of rsi_store_epoch() when it began */
} rsi_rebuild;

/* Tell it; INTERRUPTED when it wants no more, or the store was interrupted. */
int rsi_rebuild_report(const rsi_rebuild *rebuild, const rsi_store *store, const char *stage,
                       uint64_t done, uint64_t total);
/* Make the codes, or the index of FAISS's, anew from the rows, on this thread; what there is serves
 * until then, and after a failure. Takes the lock. INTERRUPTED. */
int rsi_catalog_rebuild(rsi_store *store, rsi_catalog *catalog, const rsi_rebuild *rebuild);

/* Is there something to do? Under the lock. */
bool rsi_catalog_wants_work_locked(const rsi_catalog *catalog);

/* ---- catalog_faiss.c ---- */

/* Is FAISS to search, or is something of it still there? Under the lock, as the next. */
bool rsi_catalog_has_faiss_locked(const rsi_catalog *catalog);
bool rsi_catalog_faiss_wants_work_locked(const rsi_catalog *catalog);
/* Under the lock, held exclusively. */
void rsi_catalog_drop_faiss_locked(rsi_catalog *catalog);
/* Do a piece of its work. Takes the lock. */
int rsi_catalog_do_faiss(rsi_store *store, rsi_catalog *catalog);

/* Add to the one that is searched whatever it lacks; nothing when that is another one by now. Takes the
 * lock, under the store's codes_mutex. */
int rsi_catalog_complete_faiss(rsi_catalog *catalog, const rsi_faiss_index *index);

/* rsi_catalog_rebuild() of an entity that asks for FAISS. */
int rsi_catalog_rebuild_faiss(rsi_store *store, rsi_catalog *catalog, const rsi_rebuild *rebuild);

/* ---- catalog_codes.c, again ---- */

/* Do a slice of what some catalog of the store wants; *did tells whether there was one. */
int rsi_catalogs_code(rsi_store *store, bool *did);

/* ---- catalog_lexical.c ---- */

/* From how many chunks on an entity has a lexical.rsl. Set by tests before a store is opened. */
extern size_t rsi_catalog_lexical_file_from;

/* What tells a chunk's row from any other: its text, and the document that claims it. */
uint32_t rsi_catalog_chunk_mark(const rsi_catalog_document *document, const char *json,
                                size_t size);
/* Make the keyword index of an empty catalog: from its file, or empty. */
int rsi_catalog_open_lexical_locked(rsi_catalog *catalog, rsi_store *store, const char *language);
/* So many chunks came or went. */
void rsi_catalog_note_lexical_locked(rsi_catalog *catalog, size_t changes);
/* All rows have been visited: what is not alive goes. */
void rsi_catalog_settle_lexical_locked(rsi_catalog *catalog);

/* ---- catalog_cut.c ---- */

/* Whether its mapped files were shortened by somebody since they were opened, which is asked of the disk
 * once in a millisecond: rows that are gone are damaged from then on; *is_cut: its keyword index cannot
 * be used any more, and it has to be made anew. Takes the lock. NO_MEMORY. */
int rsi_catalog_notice_cuts(bool *is_cut, rsi_catalog *catalog, rsi_store *store);

/* ---- catalog_restore.c ---- */

/* The storage's callback while it is opened (storage.h). */
int rsi_catalog_restore_vectors(rsi_storage *storage, rsi_root *root, const char *entity_id,
                                const char *incarnation, rsi_vector_reader *reader);
/* In a store that is only read: let rows that were just opened have what a crash took from them. */
int rsi_catalog_hold_vectors(rsi_rows *rows, rsi_store *store, const char *entity_id,
                             const char *incarnation);

/* ---- catalog_load.c ---- */

/* Fill an empty catalog. Caller holds its lock exclusively. */
int rsi_catalog_load_locked(rsi_catalog *catalog, rsi_store *store);
/* Add the document of a row, with its chunks; nothing when it is there already. */
int rsi_catalog_add_locked(rsi_catalog *catalog, rsi_store *store, uint64_t row);
int rsi_catalog_refresh_locked(rsi_catalog *catalog, rsi_store *store, uint64_t row);
void rsi_catalog_remove_locked(rsi_catalog *catalog, int64_t first_chunk);
int rsi_catalog_open_rows_locked(rsi_catalog *catalog, rsi_store *store, uint32_t dimension);
void rsi_catalog_clear(rsi_catalog *catalog);
size_t rsi_catalog_memory(rsi_catalog *catalog);

#endif
