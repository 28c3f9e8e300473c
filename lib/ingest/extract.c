/*
 * Extraction from end to end: see extract.h, and extract_parts.h for the steps.
 *
 * Called by the ingestion of documents. Works on what it is given and keeps nothing; several
 * threads may extract at once.
 */
#include "ingest/extract_parts.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

bool rsi_extract_is_binary(const char *bytes, size_t size)
{
    return rsi_refuse_binary(bytes, size) != RAGSTORE_OK;
}

void rsi_extracted_free(rsi_extracted *extracted)
{
    rsi_bytes_free(&extracted->text);
    rsi_free(extracted->blocks);
    memset(extracted, 0, sizeof *extracted);
}

/* Forget what an extractor made of the text before it gave up. */
static void start_again(rsi_extracted *out)
{
    rsi_bytes_clear(&out->text);
    out->block_count = 0;
}

static int extract_json(rsi_extracted *out, rsi_bytes *source, bool lines)
{
    rsi_slice text = {source->data, source->size};
    int status = lines ? rsi_extract_json_lines(out, text) : rsi_extract_json(out, text);
    if (status == RAGSTORE_E_INVALID_DATA) { /* some call their JSON Lines JSON, and vice versa */
        start_again(out);
        status = lines ? rsi_extract_json(out, text) : rsi_extract_json_lines(out, text);
        if (status == RAGSTORE_OK)
            snprintf(out->media_type, sizeof out->media_type, "%s",
                     lines ? "application/json" : "application/jsonl");
    }
    if (status == RAGSTORE_E_INVALID_DATA) {
        start_again(out);
        snprintf(out->media_type, sizeof out->media_type, "text/plain");
        status = rsi_extract_plain(out, source);
    }
    return status;
}

static int extract_kind(rsi_extracted *out, rsi_bytes *source, rsi_text_kind kind)
{
    rsi_slice text = {source->data, source->size};
    switch (kind) {
    case RSI_TEXT_CODE:
        return rsi_extract_code(out, source);
    case RSI_TEXT_MARKDOWN:
        return rsi_extract_markdown(out, source);
    case RSI_TEXT_HTML:
        return rsi_extract_html(out, text);
    case RSI_TEXT_CSV:
        return rsi_extract_csv(out, text);
    case RSI_TEXT_JSON:
        return extract_json(out, source, false);
    case RSI_TEXT_JSON_LINES:
        return extract_json(out, source, true);
    case RSI_TEXT_PLAIN:
        break;
    }
    return rsi_extract_plain(out, source);
}

int rsi_extract(rsi_extracted *out, const char *bytes, size_t size, const char *filename,
                const char *media_type)
{
    rsi_bytes source = {0};
    memset(out, 0, sizeof *out);
    if (size == 0)
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest", "the file is empty");
    int status = rsi_refuse_binary(bytes, size);
    if (status == RAGSTORE_OK)
        status = rsi_decode(&source, out->encoding, bytes, size);
    if (status == RAGSTORE_OK && !rsi_has_words(source.data, source.size))
        status = rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                          "there are no words in the file: only white space or punctuation");
    if (status != RAGSTORE_OK)
        goto cleanup;
    rsi_text_kind kind;
    status = rsi_text_kind_of(&kind, out->media_type, (rsi_slice){source.data, source.size},
                              filename, media_type);
    if (status == RAGSTORE_OK)
        status = extract_kind(out, &source, kind);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&out->text);
    if (status == RAGSTORE_OK && out->block_count == 0)
        status = rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                          "there is no readable text in this %s file: only markup, scripts or "
                          "names without values",
                          out->media_type);
cleanup:
    rsi_bytes_free(&source);
    if (status != RAGSTORE_OK)
        rsi_extracted_free(out);
    return status;
}
