/*
 * Text from the application's extractor, for formats that the library does not read itself.
 *
 *   rsi_extract() refuses bytes that are not text ─► the callback of the store handle is asked
 *       it adds blocks in reading order            ─► the same rsi_extracted as from our own
 * extractors it does not know the format either         ─► the refusal stands
 *
 * Such a text cannot be made again from the bytes when the callback is gone or has changed, so the
 * document's chunks hold all of it: each its content and what stands between it and the next.
 *
 * Used by document_prepare.c on one thread; keeps nothing.
 */
#ifndef RSI_INGEST_EXTRACT_CALLBACK_H
#define RSI_INGEST_EXTRACT_CALLBACK_H

#include "base/status.h"
#include "ingest/document.h"
#include "ingest/extract.h"

#define RSI_MAGIC_EXTRACTION 0x5253540Fu
#define RSI_EXTRACTION_REASON_MAX 512

/* What the public handle is: lives on the stack while the callback runs. */
struct ragstore_extraction {
    uint32_t magic;
    rsi_extracted *out;
    rsi_store *store;
    uint64_t epoch; /* of the store's interrupts when the extraction began */
    const rsi_document_fields *fields;
    int status;            /* the first failure of a call of the callback; sticky */
    rsi_saved_error error; /* of that */
    rsi_block_kind last_kind;
    int refusal; /* why there is no text: a status, or 0 */
    char reason[RSI_EXTRACTION_REASON_MAX];
};

/* Ask the callback of `fields` (not NULL) for the text. `out` is empty on failure. */
int rsi_extract_by_callback(rsi_extracted *out, rsi_store *store, const rsi_document_fields *fields,
                            const char *bytes, size_t size);

/* The public calls of a callback, arguments checked but for what depends on the extraction. */
int rsi_extraction_add(ragstore_extraction *extraction, uint32_t kind, uint32_t level,
                       uint32_t page, const char *text, size_t size);
int rsi_extraction_set_media_type(ragstore_extraction *extraction, const char *media_type);
int rsi_extraction_progress(ragstore_extraction *extraction, uint64_t done, uint64_t total);
int rsi_extraction_refuse(ragstore_extraction *extraction, int status, const char *reason);

#endif
