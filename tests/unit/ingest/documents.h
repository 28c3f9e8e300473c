/*
 * For the tests of ingest/: the shared documents, and an extraction as one line of text.
 */
#ifndef TESTS_UNIT_INGEST_DOCUMENTS_H
#define TESTS_UNIT_INGEST_DOCUMENTS_H

#include "ingest/extract.h"

#include "base/bytes.h"
#include "base/status.h"
#include "base/utf8.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A file of the shared documents for free(), or NULL when they are not on this machine. */
static inline char *read_document(const char *name, size_t *size)
{
    const char *data = getenv("RAGSTORE_SHARED_DATA");
    char path[TEMPORARY_PATH_MAX];
    snprintf(path, sizeof path, "%s/documents/%s",
             data != NULL && data[0] != '\0' ? data : "../shared/data", name);
    char *bytes = temporary_read(path, size);
    if (bytes == NULL)
        print_message("no shared document %s: only texts of the test's own are used\n", name);
    return bytes;
}

/* What every extraction must keep: valid UTF-8 without NUL; blocks in order, not empty, on
 * character borders, without white space around them. */
static inline void assert_well_formed(const rsi_extracted *extracted)
{
    const rsi_bytes *text = &extracted->text;
    size_t done = 0;
    assert_true(rsi_utf8_valid(text->data, text->size, NULL));
    assert_null(memchr(text->data, '\0', text->size));
    assert_null(memchr(text->data, '\r', text->size));
    for (size_t i = 0; i < extracted->block_count; i++) {
        const rsi_block *block = &extracted->blocks[i];
        assert_true(block->start >= done && block->start < block->end && block->end <= text->size);
        assert_true(((unsigned char)text->data[block->start] & 0xC0) != 0x80);
        assert_true(block->end == text->size ||
                    ((unsigned char)text->data[block->end] & 0xC0) != 0x80);
        assert_null(strchr(" \n\t", text->data[block->start]));
        assert_null(strchr(" \n\t", text->data[block->end - 1]));
        assert_true((block->kind == RSI_BLOCK_HEADING) == (block->level > 0));
        done = block->end;
    }
}

/* "H1:Title|P:Words|L:- item|C:code|R:row": the blocks, for one comparison. */
static inline void assert_blocks(const char *source, size_t size, const char *filename,
                                 const char *expected)
{
    static const char letters[] = "PHLCR";
    rsi_extracted extracted;
    rsi_bytes line = {0};
    assert_int_equal(rsi_extract(&extracted, source, size, filename, NULL), RAGSTORE_OK);
    assert_well_formed(&extracted);
    for (size_t i = 0; i < extracted.block_count; i++) {
        const rsi_block *block = &extracted.blocks[i];
        if (i > 0)
            rsi_bytes_append_char(&line, '|');
        rsi_bytes_append_char(&line, letters[block->kind]);
        if (block->kind == RSI_BLOCK_HEADING)
            rsi_bytes_printf(&line, "%u", block->level);
        rsi_bytes_append_char(&line, ':');
        rsi_bytes_append(&line, extracted.text.data + block->start, block->end - block->start);
    }
    assert_string_equal(line.data, expected);
    rsi_bytes_free(&line);
    rsi_extracted_free(&extracted);
}

/* The produced text, whole. */
static inline void assert_text(const char *source, size_t size, const char *filename,
                               const char *expected)
{
    rsi_extracted extracted;
    assert_int_equal(rsi_extract(&extracted, source, size, filename, NULL), RAGSTORE_OK);
    assert_well_formed(&extracted);
    assert_string_equal(extracted.text.data, expected);
    rsi_extracted_free(&extracted);
}

/* Refused, with these words in the message, and nothing left behind. */
static inline void assert_refused(const char *source, size_t size, const char *filename,
                                  const char *words)
{
    rsi_extracted extracted;
    memset(&extracted, 0x5A, sizeof extracted);
    assert_int_equal(rsi_extract(&extracted, source, size, filename, NULL),
                     RAGSTORE_E_NOT_EXTRACTABLE);
    if (strstr(rsi_error_message(), words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, rsi_error_message());
    assert_null(extracted.text.data);
    assert_null(extracted.blocks);
    assert_int_equal(extracted.block_count, 0);
}

/* `times` copies of a text, for free(). */
static inline char *repeated(const char *text, size_t times, size_t *size)
{
    size_t length = strlen(text);
    char *all = malloc(length * times + 1);
    assert_non_null(all);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * length, text, length);
    all[length * times] = '\0';
    *size = length * times;
    return all;
}

#define BYTES(literal) (literal), sizeof(literal) - 1

#endif
