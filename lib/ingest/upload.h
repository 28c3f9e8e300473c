/* An upload while its bytes come: what document_upload.c, upload_job.c and chunks_job.c share. */
#ifndef RSI_INGEST_UPLOAD_H
#define RSI_INGEST_UPLOAD_H

#include "ingest/document_internal.h"

struct rsi_upload {
    rsi_store *store;
    char *entity_id;
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    char incoming[32]; /* name of the file under uploads/{entity}; "": it is somebody else's */
    rsi_file *file;
    rsi_sha256 sha;
    uint64_t size;
    bool failed;
    rsi_document_fields fields; /* texts owned */
    size_t vectors_size; /* chunks_job.c: so many of its bytes are vectors, */
    size_t dimension;    /* of so many numbers; */
    const char *chunks_sha256; /* and they are known by this. NULL: it is a file */
};

/* All bytes have come: make them durable under their temporary name. */
int rsi_upload_finish_writing(char sha256[RSI_SHA256_HEX], rsi_upload *upload);
/* A document's fields as the request of its job has them; the texts are borrowed from the job. */
rsi_document_fields rsi_upload_fields(rsi_job *job);
/* Its bytes are not there. Was the job cancelled a moment ago, in another process perhaps?
 * Otherwise DAMAGED. */
int rsi_upload_is_gone(const rsi_job *job);
/* Extract, chunk and embed the bytes in uploads/{entity}/<incoming>. */
int rsi_prepare_file(rsi_prepared *prepared, rsi_store *store, const rsi_entity_record *entity,
                     const char *incoming, const rsi_document_fields *fields);

#endif
