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

static void free_large(rsi_large_text *large)
{
    if (large == NULL)
        return;
    rsi_spill_free(&large->source);
    rsi_spill_free(&large->text);
    rsi_spill_free(&large->blocks);
    rsi_free(large);
}

void rsi_extracted_free(rsi_extracted *extracted)
{
    rsi_bytes_free(&extracted->text);
    rsi_free(extracted->blocks);
    free_large(extracted->large);
    memset(extracted, 0, sizeof *extracted);
}

/* Forget what an extractor made of the text before it gave up. */
static void start_again(rsi_extracted *out)
{
    rsi_bytes_clear(&out->text);
    out->block_count = 0;
    if (out->large != NULL) {
        rsi_spill_free(&out->large->text);
        rsi_spill_free(&out->large->blocks);
        out->large->source.forgotten = 0;
    }
}

static int extract_json(rsi_extracted *out, rsi_slice text, bool lines)
{
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
        out->kept = text;
        status = rsi_extract_plain(out, text);
    }
    return status;
}

/* What is a page is known at its end: which blocks are its main part. So it is held in memory. */
static int extract_html(rsi_extracted *out, rsi_slice text)
{
    rsi_large_text *large = out->large;
    if (large != NULL && text.size > RSI_HTML_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "ingest",
                        "an HTML page of %zu bytes; at most %zu: divide it into several pages, or "
                        "convert it to text or Markdown",
                        text.size, RSI_HTML_MAX);
    out->large = NULL;
    int status = rsi_extract_html(out, text);
    out->large = large;
    return status;
}

static int extract_kind(rsi_extracted *out, rsi_slice text, rsi_text_kind kind)
{
    switch (kind) {
    case RSI_TEXT_CODE:
        out->kept = text;
        return rsi_extract_code(out, text);
    case RSI_TEXT_MARKDOWN:
        out->kept = text;
        return rsi_extract_markdown(out, text);
    case RSI_TEXT_HTML:
        return extract_html(out, text);
    case RSI_TEXT_CSV:
        return rsi_extract_csv(out, text);
    case RSI_TEXT_JSON:
        return extract_json(out, text, false);
    case RSI_TEXT_JSON_LINES:
        return extract_json(out, text, true);
    case RSI_TEXT_PLAIN:
        break;
    }
    out->kept = text;
    return rsi_extract_plain(out, text);
}

#define HEAD ((size_t)4 << 20) /* what is no text is known by it */

static int refuse_binary(const rsi_input *input)
{
    rsi_bytes buffer = {0};
    rsi_slice head;
    int status = rsi_input_peek(&head, &buffer, input, 0, HEAD);
    if (status == RAGSTORE_OK)
        status = rsi_refuse_binary(head.data, head.size);
    rsi_bytes_free(&buffer);
    return status;
}

/* Blocks and text of what was decoded. */
static int extract_source(rsi_extracted *out, rsi_slice text, const char *filename,
                          const char *media_type)
{
    rsi_text_kind kind;
    if (!rsi_has_words(text.data, text.size))
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                        "there are no words in the file: only white space or punctuation");
    int status = rsi_text_kind_of(&kind, out->media_type, text, filename, media_type);
    if (status == RAGSTORE_OK)
        status = extract_kind(out, text, kind);
    if (status == RAGSTORE_OK)
        status = rsi_bytes_status(&out->text);
    if (status == RAGSTORE_OK && !rsi_has_blocks(out))
        status = rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest",
                          "there is no readable text in this %s file: only markup, scripts or "
                          "names without values",
                          out->media_type);
    return status;
}

/* What fits into memory is all in there. */
static int extract_small(rsi_extracted *out, rsi_spill *source, const char *filename,
                         const char *media_type)
{
    const rsi_slice text = {source->tail.data == NULL ? "" : source->tail.data, source->tail.size};
    int status = extract_source(out, text, filename, media_type);
    if (status == RAGSTORE_OK && out->kept.data != NULL) {
        rsi_bytes_free(&out->text);
        out->text = source->tail;
        rsi_bytes_init(&source->tail);
    }
    out->kept = (rsi_slice){NULL, 0};
    return status;
}

static int extract_large(rsi_extracted *out, rsi_spill *source, const rsi_input *input,
                         const char *filename, const char *media_type)
{
    rsi_slice text = {NULL, (size_t)rsi_spill_size(source)};
    rsi_large_text *large = rsi_alloc_zeroed(sizeof *large);
    if (large == NULL)
        return RAGSTORE_E_NO_MEMORY;
    out->large = large;
    large->input = input;
    large->text.root = source->root;
    large->blocks.root = source->root;
    large->source = *source;
    *source = (rsi_spill){.root = source->root};
    int status = rsi_spill_view(&text.data, &large->source);
    return status == RAGSTORE_OK ? extract_source(out, text, filename, media_type) : status;
}

int rsi_extract_input(rsi_extracted *out, rsi_root *root, const rsi_input *input,
                      const char *filename, const char *media_type)
{
    rsi_spill source = {.root = root};
    memset(out, 0, sizeof *out);
    if (input->size == 0)
        return rsi_fail(RAGSTORE_E_NOT_EXTRACTABLE, "ingest", "the file is empty");
    int status = refuse_binary(input);
    if (status == RAGSTORE_OK)
        status = rsi_decode(&source, out->encoding, input);
    if (status == RAGSTORE_OK)
        status = source.file == NULL ? extract_small(out, &source, filename, media_type)
                                     : extract_large(out, &source, input, filename, media_type);
    rsi_spill_free(&source);
    if (status != RAGSTORE_OK)
        rsi_extracted_free(out);
    return status;
}

int rsi_extract(rsi_extracted *out, const char *bytes, size_t size, const char *filename,
                const char *media_type)
{
    const rsi_input input = {.bytes = bytes, .size = size};
    return rsi_extract_input(out, NULL, &input, filename, media_type);
}

/* ---- all of it ---- */

int rsi_extracted_view(rsi_extracted *view, rsi_extracted *extracted)
{
    rsi_large_text *large = extracted->large;
    const char *bytes;
    int status = RAGSTORE_OK;
    *view = *extracted;
    if (large == NULL)
        return RAGSTORE_OK;
    if (extracted->kept.data != NULL) {
        view->text = (rsi_bytes){.data = (char *)(uintptr_t)extracted->kept.data,
                                 .size = extracted->kept.size};
        large->source.forgotten = 0; /* it is walked through again */
    } else if (rsi_spill_size(&large->text) > 0) {
        status = rsi_spill_append(&large->text, extracted->text.data, extracted->text.size);
        rsi_bytes_free(&extracted->text);
        if (status == RAGSTORE_OK)
            status = rsi_spill_view(&bytes, &large->text);
        if (status == RAGSTORE_OK)
            view->text = (rsi_bytes){.data = (char *)(uintptr_t)bytes,
                                     .size = (size_t)rsi_spill_size(&large->text)};
    }
    if (status == RAGSTORE_OK && rsi_spill_size(&large->blocks) > 0) {
        status = rsi_spill_append(&large->blocks, extracted->blocks,
                                  extracted->block_count * sizeof *extracted->blocks);
        extracted->block_count = 0;
        if (status == RAGSTORE_OK)
            status = rsi_spill_view(&bytes, &large->blocks);
        if (status == RAGSTORE_OK) {
            view->blocks = (rsi_block *)(uintptr_t)bytes;
            view->block_count = (size_t)rsi_spill_size(&large->blocks) / sizeof *view->blocks;
        }
    }
    return status;
}

/* Blocks lie about as densely everywhere: that is near enough for what is only advice. */
void rsi_extracted_let_go(const rsi_extracted *view, size_t start, size_t end)
{
    rsi_large_text *large = view->large;
    if (large != NULL)
        rsi_spill_let_go(view->kept.data != NULL ? &large->source : &large->text, start, end);
}

void rsi_extracted_forget(const rsi_extracted *view, size_t offset)
{
    rsi_large_text *large = view->large;
    if (large == NULL || view->text.size == 0)
        return;
    rsi_spill_forget(view->kept.data != NULL ? &large->source : &large->text, offset);
    const double share = (double)offset / (double)view->text.size;
    rsi_spill_forget(&large->blocks, (size_t)(share * (double)view->block_count) *
                                         sizeof *view->blocks);
}
