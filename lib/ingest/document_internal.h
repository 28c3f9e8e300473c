/* What the document_….c files share. */
#ifndef RSI_INGEST_DOCUMENT_INTERNAL_H
#define RSI_INGEST_DOCUMENT_INTERNAL_H

#include "base/digest.h"
#include "files/spill.h"
#include "jobs/jobs.h"
#include "ingest/document.h"
#include "ingest/extract_input.h"

/* One chunk on its way in. Texts are borrowed; data NULL: there is none. */
typedef struct rsi_new_chunk {
    rsi_slice content;
    rsi_slice heading;
    rsi_slice metadata; /* JSON */
    rsi_slice before;   /* text of the document in front of the first chunk */
    rsi_slice after;    /* text between this chunk and the next */
    int64_t start;      /* -1: unknown */
    int64_t end;
    uint32_t page;
} rsi_new_chunk;

/* Everything about a document that is ready before the commit: prepared.c. */
typedef struct rsi_prepared {
    rsi_spill chunks;
    size_t count;
    rsi_spill vectors; /* count × dimension numbers; none when there is no embedder */
    const float *rows; /* in the place of `vectors`: the caller's, as they came; NULL: there are none */
    uint32_t dimension;
    rsi_metric metric; /* of the caller's own vectors */
    char *embedder;    /* owned: what the vectors are of; NULL: keyword only */
    char media_type[64];
    char encoding[32];
    bool text_in_chunks; /* the text is put together from the chunks, not taken from the bytes */
} rsi_prepared;

void rsi_prepared_begin(rsi_prepared *prepared, const rsi_store *store);
void rsi_prepared_free(rsi_prepared *prepared); /* leaves it empty */
/* Copies a chunk. */
int rsi_prepared_add(rsi_prepared *prepared, const rsi_new_chunk *chunk);
/* The vectors of the next `count` chunks. */
int rsi_prepared_add_vectors(rsi_prepared *prepared, const float *vectors, size_t count);
/* Vectors as the metric compares them. */
int rsi_prepared_read_vectors(float *vectors, rsi_prepared *prepared, size_t from, size_t count);

uint64_t rsi_prepared_size(const rsi_prepared *prepared); /* bytes of chunks and vectors */

/* A walk through the chunks. */
typedef struct rsi_prepared_reader {
    rsi_spill_reader bytes;
    uint64_t offset;
    size_t left;
} rsi_prepared_reader;
rsi_prepared_reader rsi_prepared_read(rsi_prepared *prepared);
void rsi_prepared_reader_free(rsi_prepared_reader *reader);
/* 1, 0 at the end, or an error. The texts, each with a NUL behind it, live until the next call. */
int rsi_prepared_next(rsi_new_chunk *chunk, rsi_prepared_reader *reader);

/* May a call bring so many chunks, with vectors of that many numbers (0: none)? */
int rsi_chunk_count_check(size_t count, size_t dimension);

/* Read them: texts and what belongs to them, without vectors. `amend` (may be NULL) may look at each and
 * change its metadata, which is JSON text, or empty. */
typedef int rsi_chunk_amender(void *user, rsi_bytes *metadata, const rsi_json *value, size_t i);
int rsi_chunk_list_read(rsi_prepared *prepared, const rsi_json *list, rsi_chunk_amender *amend,
                        void *user);
/* Settle what the caller's own vectors are of: prepared->embedder and ->dimension. *embedder is the
 * model that can make further ones of the same kind, or NULL. EMBEDDER, INVALID_DATA. */
int rsi_settle_own_vectors(rsi_prepared *prepared, const rsi_embedder **embedder,
                           const rsi_store *store, const rsi_entity_record *entity,
                           size_t dimension);
/* Can the caller's vector of chunk i be taken? INVALID_DATA. */
int rsi_vector_check(const float *vector, const rsi_prepared *prepared, size_t i);
/* Bring it into the form that the metric compares; INVALID_DATA. */
int rsi_vector_take(float *vector, const rsi_prepared *prepared, size_t i);

/* Extract, chunk and embed a document's bytes. */
int rsi_prepare_input(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                      const rsi_input *input, const rsi_document_fields *fields);
/* Read the caller's chunks whose vectors lie beside them: they are checked when these are. */
int rsi_chunks_read(rsi_prepared *prepared, const rsi_store *store, const char *chunks_json);
/* Look at the vectors of chunks that were read, and leave them where they are until the commit. */
int rsi_prepare_rows(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                     const float *vectors, size_t dimension);
/* Take the caller's chunks, and embed what has no vector. Nothing is borrowed. */
int rsi_prepare_chunks(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                       const char *chunks_json, const float *vectors, size_t dimension,
                       const rsi_document_fields *fields);

/* Could they be taken, as the entity is now? */
int rsi_check_chunks(rsi_store *store, const rsi_entity_record *entity, const char *chunks_json,
                     const float *vectors, size_t dimension);
/* May a call bring this text as chunks, with those fields? */
int rsi_chunks_json_check(const rsi_store *store, const char *chunks_json,
                          const rsi_document_fields *fields);
/* How many bytes the vectors are that come beside the JSON; 0 when dimension is. INVALID_DATA. */
int rsi_vectors_size(size_t *size, const char *chunks_json, size_t dimension);
/* What chunks and vectors are known by: so the same twice is added once. */
void rsi_chunks_digest(char sha256[RSI_SHA256_HEX], const char *chunks_json, const float *vectors,
                       size_t vectors_size);

/* A document's row, as it is stored. */
typedef struct rsi_stored_document {
    rsi_json *json; /* owned; the texts are borrowed from it */
    uint64_t row;
    const char *doc_id;
    const char *filename;
    const char *stored_name; /* of the file under uploads/, or NULL */
    const char *sha256;
    const char *key;
    int64_t first_chunk;
    int64_t chunks_count;
} rsi_stored_document;

void rsi_stored_document_free(rsi_stored_document *document);
/* Find a document of an entity by one of its members; NOT_FOUND. */
int rsi_stored_document_find(rsi_stored_document *document, rsi_store *store,
                             const char *entity_id, const char *member, const char *value);

/* What is written down of a document's bytes. */
typedef struct rsi_origin {
    const char *incoming; /* name under uploads/{entity}, or NULL: made of chunks */
    bool *incoming_taken; /* set when a transaction sees to that file from now on; NULL likewise */
    uint64_t size;
    const char *sha256; /* of the bytes, or of the chunks' JSON */
    rsi_job *job;       /* that ends with the commit, and keeps the file until then; or NULL */
} rsi_origin;

/* Commit a prepared document: as a new one, or in the place of `old` (may be NULL). With
 * added->is_duplicate `old` is mended, and `fields` say nothing of it. */
int rsi_document_commit(rsi_added *added, rsi_store *store, const rsi_entity_record *entity,
                        rsi_prepared *prepared, const rsi_origin *origin,
                        const rsi_document_fields *fields, const rsi_stored_document *old,
                        rsi_tx *tx);
/* A name for its file that nothing under uploads/ has (document_name.c). CONFLICT: none is left. */
int rsi_document_choose_name(char name[RSI_STORED_NAME_MAX], rsi_store *store,
                             const char *entity_id, const char *filename);
/* Call `build`, on this thread or another one, in a transaction that may hold documents of other
 * threads, too, and commit it: document_queue.c. `size`: bytes of its chunks and vectors. */
typedef int rsi_document_builder(void *user, rsi_tx *tx);
int rsi_document_add_together(rsi_store *store, size_t size, rsi_document_builder *build,
                              void *user);
/* Put the removal of a document's chunks and file into a transaction. */
int rsi_document_drop_parts(rsi_tx *tx, rsi_store *store, const rsi_entity_record *entity,
                            const rsi_stored_document *document);
/* Is everything of a stored document there: chunks, vectors, file? Without the writer's lock, what
 * others have just committed may seem not to be. */
int rsi_document_is_whole(bool *whole, rsi_store *store, const rsi_entity_record *entity,
                          const rsi_stored_document *document);

/* Remove an upload's file when tx does not commit. */
int rsi_incoming_remove_on_abort(rsi_tx *tx, rsi_store *store, const char *entity_id,
                                 const char *incoming);

/* Which embedder do vectors of this entity have to be of? *use is NULL for a keyword-only one.
 * EMBEDDER when it is not the store's. */
int rsi_choose_embedder(const rsi_embedder **use, const rsi_store *store,
                        const rsi_entity_record *entity);

/* Work on a job of a kind: rsi_job_runners. */
int rsi_upload_run(rsi_job *job);
int rsi_chunks_run(rsi_job *job);
int rsi_reembed_run(rsi_job *job);
/* End the job with the transaction that added its document. */
int rsi_upload_end_in_tx(rsi_job *job, rsi_tx *tx, const rsi_added *added, bool file_taken);

/* Check the caller's texts. */
int rsi_document_check_fields(const rsi_document_fields *fields);
int rsi_report_progress(const rsi_document_fields *fields, const char *stage, uint64_t done,
                        uint64_t total);

/* Add what has been prepared from `origin`, unless the entity has it already: both kinds of adding
 * end here. `prepare` is called when the content is new. */
typedef int rsi_preparer(rsi_prepared *prepared, rsi_store *store,
                         const rsi_entity_record *entity, void *user);
int rsi_document_add(rsi_added *added, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_origin *origin,
                     const rsi_document_fields *fields, rsi_preparer *prepare, void *user);

#endif
