/*
 * Documents: from bytes to a commit, and back.
 *
 *   upload   bytes ─► uploads/{entity}/.incoming-…, hashed on the way
 *   prepare  text ─► chunks ─► vectors                     no lock held; can be cancelled
 *   commit   rows flushed, then one transaction: entity counters, document row, chunk rows,
 *            extents, the file's name                      all or nothing
 */
#ifndef RSI_INGEST_DOCUMENT_H
#define RSI_INGEST_DOCUMENT_H

#include "entities/catalog.h"
#include "jobs/jobs.h"
#include "ragstore.h"

#define RSI_DOCUMENT_MAX ((uint64_t)1 << 30)
#define RSI_CHUNKS_AT_ONCE 10000
#define RSI_CHUNKS_JSON_MAX ((size_t)256 << 20)
#define RSI_IMPORT_VECTORS_MAX 1000000           /* of one file: they are one line of the journal */
#define RSI_IMPORT_BYTES_MAX ((uint64_t)4 << 30) /* likewise; they are held in memory */

typedef struct rsi_document_fields {
    const char *filename;      /* all may be NULL */
    const char *media_type;
    const char *source;
    const char *description;
    const char *metadata_json;
    const char *key;
    int (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
    /* takes the text out of what is not text; NULL: such documents are refused */
    int32_t (*extract)(void *user, ragstore_extraction *out, const void *bytes, size_t size,
                       const char *filename);
    void *extract_user;
} rsi_document_fields;

/* What became of an add. */
typedef struct rsi_added {
    char doc_id[RSI_DOC_ID_MAX];
    bool is_duplicate;
    bool replaced;
    const char *notice; /* static text, or NULL */
} rsi_added;

typedef struct rsi_upload rsi_upload;

int rsi_upload_begin(rsi_upload **out, rsi_store *store, const char *entity_id,
                     const char *incarnation, const rsi_document_fields *fields);
int rsi_upload_write(rsi_upload *upload, const void *bytes, size_t size);
int rsi_upload_commit(rsi_added *added, rsi_upload *upload); /* takes upload, also on failure */
void rsi_upload_abort(rsi_upload *upload);                   /* NULL is fine */
/* Make a job of it: the bytes are durable and belong to it when this returns. Takes upload
 * likewise. */
int rsi_upload_submit(char job_id[RSI_JOB_ID_MAX], rsi_upload *upload);
/* Make a job of chunks, as rsi_document_add_chunks() takes them: chunks_job.c. What it would refuse
 * as the entity is now is refused at once. */
int rsi_chunks_submit(char job_id[RSI_JOB_ID_MAX], rsi_store *store, const char *entity_id,
                      const char *incarnation, const char *chunks_json, const float *vectors,
                      size_t dimension, const rsi_document_fields *fields);
/* Make vectors of the store's model for all chunks of an entity, by a job: reembed_job.c. One that
 * is on its way is given again. EMBEDDER. */
int rsi_reembed_submit(char job_id[RSI_JOB_ID_MAX], rsi_store *store, const char *entity_id,
                       const char *incarnation);
/* Submit reembed jobs for entities that lack vectors, a few at a time: the store's offerer. */
int rsi_reembed_offer(bool *did, rsi_store *store);
/* What there is to do for each kind of job: the store's runner. */
int rsi_ingest_run_job(rsi_job *job);

int rsi_document_add_chunks(rsi_added *added, rsi_store *store, const char *entity_id,
                            const char *incarnation, const char *chunks_json, const float *vectors,
                            size_t dimension, const rsi_document_fields *fields);
/* Add the vectors of a FAISS file outside the store, each with a chunk: of chunks_json, or, when it
 * is NULL, one that names its id (document_import.c). */
int rsi_document_import(rsi_added *added, rsi_store *store, const char *entity_id,
                        const char *incarnation, const char *path, const char *chunks_json,
                        const rsi_document_fields *fields);
/* Change metadata, source and description, whichever is not NULL; the rest of `fields` is NULL. */
int rsi_document_update(rsi_store *store, const char *entity_id, const char *incarnation,
                        const char *doc_id, const rsi_document_fields *fields);
int rsi_document_delete(rsi_store *store, const char *entity_id, const char *incarnation,
                        const char *doc_id);

/* JSON as ragstore.h describes it. */
int rsi_document_describe(rsi_bytes *out, rsi_store *store, const char *entity_id,
                          const char *incarnation, const char *doc_id, const rsi_added *added);
int rsi_document_list(rsi_bytes *out, rsi_store *store, const char *entity_id,
                      const char *incarnation, uint64_t limit, uint64_t offset, const char *match);
int rsi_document_content(rsi_bytes *out, rsi_store *store, const char *entity_id,
                         const char *incarnation, const char *doc_id);
int rsi_document_text(rsi_bytes *out, rsi_store *store, const char *entity_id,
                      const char *incarnation, const char *doc_id);

#endif
