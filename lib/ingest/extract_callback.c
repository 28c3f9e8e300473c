/* Text from the application's extractor: see extract_callback.h. */
#include "ingest/extract_callback.h"

#include "base/memory.h"
#include "base/status.h"
#include "base/utf8.h"
#include "ingest/document_internal.h"
#include "ingest/extract_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what the callback calls ---- */

/* A failure stays: what comes after it must not make a whole out of a part. */
static int keep(ragstore_extraction *extraction, int status)
{
    if (status != RAGSTORE_OK && extraction->status == RAGSTORE_OK) {
        extraction->status = status;
        rsi_error_save(&extraction->error);
    }
    return status;
}

static int check_block(rsi_block_kind *kind, uint32_t number, uint32_t level)
{
    static const rsi_block_kind kinds[] = {
        [RAGSTORE_BLOCK_PARAGRAPH] = RSI_BLOCK_PARAGRAPH,
        [RAGSTORE_BLOCK_HEADING] = RSI_BLOCK_HEADING,
        [RAGSTORE_BLOCK_LIST_ITEM] = RSI_BLOCK_LIST_ITEM,
        [RAGSTORE_BLOCK_CODE] = RSI_BLOCK_CODE,
        [RAGSTORE_BLOCK_TABLE_ROW] = RSI_BLOCK_TABLE_ROW,
    };
    if (number < RAGSTORE_BLOCK_PARAGRAPH || number > RAGSTORE_BLOCK_TABLE_ROW)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "ingest", "unknown kind of block %u", number);
    *kind = kinds[number];
    if (*kind == RSI_BLOCK_HEADING ? level < 1 || level > 6 : level != 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "ingest",
                        "level %u of a block: 1 to 6 for a heading, 0 for all others", level);
    return RAGSTORE_OK;
}

static int check_text(const rsi_extracted *out, const char *text, size_t size)
{
    size_t bad = 0;
    if (size > RSI_DOCUMENT_MAX - out->text.size)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest",
                        "the text taken from the document is over the limit of %" PRIu64 " bytes",
                        RSI_DOCUMENT_MAX);
    if (size > 0 && memchr(text, '\0', size) != NULL)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest", "the extractor gave a text with a NUL");
    if (!rsi_utf8_valid(text, size, &bad))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "ingest",
                        "the extractor gave a text that is not UTF-8 at byte %zu", bad);
    return RAGSTORE_OK;
}

static bool is_dense(rsi_block_kind kind)
{
    return kind == RSI_BLOCK_LIST_ITEM || kind == RSI_BLOCK_TABLE_ROW;
}

/* Items of a list and rows of a table stand in lines, everything else apart. */
static void separate(rsi_extracted *out, rsi_block_kind before, rsi_block_kind kind)
{
    if (out->block_count == 0)
        return;
    if (before == kind && is_dense(kind))
        rsi_bytes_append_char(&out->text, '\n');
    else
        rsi_blank_line(&out->text);
}

static int add_block(ragstore_extraction *extraction, rsi_block_kind kind, uint32_t level,
                     uint32_t page, rsi_slice text)
{
    rsi_extracted *out = extraction->out;
    separate(out, extraction->last_kind, kind);
    const size_t start = out->text.size;
    const size_t count = out->block_count;
    rsi_bytes_append(&out->text, text.data, text.size);
    int status = rsi_bytes_status(&out->text);
    if (status == RAGSTORE_OK)
        status = rsi_add_block(out, kind, level, start, out->text.size);
    if (status == RAGSTORE_OK && out->block_count > count)
        out->blocks[count].page = page;
    extraction->last_kind = kind;
    return status;
}

int rsi_extraction_add(ragstore_extraction *extraction, uint32_t number, uint32_t level,
                       uint32_t page, const char *text, size_t size)
{
    rsi_block_kind kind = RSI_BLOCK_PARAGRAPH;
    if (extraction->status != RAGSTORE_OK)
        return extraction->status;
    int status = check_block(&kind, number, level);
    if (status == RAGSTORE_OK)
        status = check_text(extraction->out, text, size);
    if (status == RAGSTORE_OK) {
        const rsi_slice trimmed = rsi_trim((rsi_slice){text, size});
        if (trimmed.size > 0)
            status = add_block(extraction, kind, level, page, trimmed);
    }
    return keep(extraction, status);
}

int rsi_extraction_set_media_type(ragstore_extraction *extraction, const char *media_type)
{
    const size_t max = sizeof extraction->out->media_type - 1;
    int status = rsi_text_check(media_type, max, "the media type");
    if (status == RAGSTORE_OK)
        snprintf(extraction->out->media_type, max + 1, "%s", media_type);
    return keep(extraction, status);
}

int rsi_extraction_progress(ragstore_extraction *extraction, uint64_t done, uint64_t total)
{
    int status = rsi_store_check_interrupt(extraction->store, extraction->epoch);
    if (status == RAGSTORE_OK)
        status = rsi_report_progress(extraction->fields, "extract", done, total);
    return keep(extraction, status);
}

/* Copy what a stranger wrote: valid UTF-8 in one line, cut at a character. */
static void copy_reason(char out[RSI_EXTRACTION_REASON_MAX], const char *reason)
{
    const size_t length = strlen(reason);
    size_t at = 0;
    size_t written = 0;
    while (at < length) {
        char encoded[4];
        uint32_t c = rsi_utf8_next(reason, length, &at);
        size_t size = rsi_utf8_encode(c < 0x20 || c == 0x7F ? ' ' : c, encoded);
        if (written + size >= RSI_EXTRACTION_REASON_MAX)
            break;
        memcpy(out + written, encoded, size);
        written += size;
    }
    out[written] = '\0';
}

int rsi_extraction_refuse(ragstore_extraction *extraction, int status, const char *reason)
{
    if (status >= 0 || strcmp(rsi_status_name(status), "UNKNOWN") == 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "ingest", "%d is not a RAGSTORE_E_… code",
                        status);
    extraction->refusal = status;
    copy_reason(extraction->reason, reason);
    return status;
}

/* ---- asking the callback ---- */

/* The code that the callback returned, as an error of this thread. */
static int refusal_of(const ragstore_extraction *extraction, int32_t returned)
{
    if (returned > 0 || strcmp(rsi_status_name(returned), "UNKNOWN") == 0)
        return rsi_fail(RAGSTORE_E_INTERNAL, "ingest",
                        "the extractor returned %d, which is not a status", (int)returned);
    if (returned == RAGSTORE_E_NO_MEMORY)
        return rsi_fail_no_memory();
    return rsi_fail(returned, "ingest", "%s",
                    extraction->refusal == returned && extraction->reason[0] != '\0'
                        ? extraction->reason
                        : rsi_status_text(returned));
}

static int settle(rsi_extracted *out, ragstore_extraction *extraction, int32_t returned)
{
    if (extraction->status != RAGSTORE_OK) {
        rsi_error_restore(&extraction->error);
        return extraction->status;
    }
    if (returned != RAGSTORE_OK)
        return refusal_of(extraction, returned);
    if (out->block_count == 0 || !rsi_has_words(out->text.data, out->text.size))
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                        "the extractor found no words in this file");
    return RAGSTORE_OK;
}

int rsi_extract_by_callback(rsi_extracted *out, rsi_store *store, const rsi_document_fields *fields,
                            const char *bytes, size_t size)
{
    memset(out, 0, sizeof *out);
    snprintf(out->media_type, sizeof out->media_type, "application/octet-stream");
    ragstore_extraction extraction = {.magic = RSI_MAGIC_EXTRACTION,
                                      .out = out,
                                      .store = store,
                                      .epoch = rsi_store_epoch(store),
                                      .fields = fields};
    int32_t returned =
        fields->extract(fields->extract_user, &extraction, bytes, size, fields->filename);
    extraction.magic = 0;
    int status = settle(out, &extraction, returned);
    if (status != RAGSTORE_OK)
        rsi_extracted_free(out);
    return status;
}
