/*
 * The steps of extraction, from bytes to blocks. Only extract*.c and chunk*.c include this.
 *
 *   bytes ─► is it binary? ─► decode to UTF-8 ─► which kind of text? ─► that kind's extractor
 *            extract_binary   extract_decode     extract_kind          plain, markdown, html,
 *                             extract_encoding                         csv, json
 *
 * Nothing here locks or keeps state: all of it works on what it is given.
 */
#ifndef RSI_INGEST_EXTRACT_PARTS_H
#define RSI_INGEST_EXTRACT_PARTS_H

#include "files/spill.h"
#include "ingest/extract.h"
#include "ingest/extract_input.h"

#include <stdbool.h>

typedef enum rsi_text_kind {
    RSI_TEXT_PLAIN,
    RSI_TEXT_CODE,
    RSI_TEXT_MARKDOWN,
    RSI_TEXT_HTML,
    RSI_TEXT_CSV,
    RSI_TEXT_JSON,
    RSI_TEXT_JSON_LINES,
} rsi_text_kind;

/* extract_binary.c: NOT_EXTRACTABLE, with what it is and what to do, when the bytes are a known
 * format that is not text. */
int rsi_refuse_binary(const char *bytes, size_t size);

/* extract_encoding.c: the encoding's usual name in lower case. "utf-8" also stands for text that
 * is UTF-8 but for a few bytes; *bom_size bytes at the start are not text. What HTML and XML say
 * about themselves counts when believe_document. */
#define RSI_ENCODING_MAX 32
int rsi_guess_encoding(char encoding[RSI_ENCODING_MAX], size_t *bom_size, const rsi_input *input,
                       bool believe_document);

/* extract_decode.c: bytes to UTF-8 with "\n" line ends and without control characters.
 * NOT_EXTRACTABLE when too little of it is text. */
int rsi_decode(rsi_spill *text, char encoding[RSI_ENCODING_MAX], const rsi_input *input);

/* extract_kind.c */
int rsi_text_kind_of(rsi_text_kind *kind, char media_type[64], rsi_slice text, const char *filename,
                     const char *hint);

/*
 * One extractor for each kind. `source` is decoded text; the first three keep it as it is: blocks lie
 * in it.
 */
int rsi_extract_plain(rsi_extracted *out, rsi_slice source);
int rsi_extract_code(rsi_extracted *out, rsi_slice source);
int rsi_extract_markdown(rsi_extracted *out, rsi_slice source);
int rsi_extract_html(rsi_extracted *out, rsi_slice source);
int rsi_extract_csv(rsi_extracted *out, rsi_slice source);
/* INVALID_DATA: not JSON after all, or more than the parser is given. */
int rsi_extract_json(rsi_extracted *out, rsi_slice source);
int rsi_extract_json_lines(rsi_extracted *out, rsi_slice source);

/* extract_text.c: what they share. */

/* A block of text[start..end) without the white space around it; nothing when that is empty. */
int rsi_add_block(rsi_extracted *out, rsi_block_kind kind, uint32_t level, size_t start,
                  size_t end);
bool rsi_has_blocks(const rsi_extracted *out);
/* A look ahead has come from one place of the source, which is the text, to another: a bounded part of
 * it is enough to have in memory. */
#define RSI_LOOK_AHEAD ((size_t)8 << 20)
void rsi_source_scanned(rsi_extracted *out, size_t start, size_t end);
/* An extractor that writes a text of its own has passed this place of its source. */
void rsi_source_passed(rsi_extracted *out, size_t offset);
/* End what stands in the text with a blank line, so that a block can begin behind it. */
void rsi_blank_line(rsi_bytes *text);
/* Append text with runs of white space as one space. */
void rsi_append_folded(rsi_bytes *text, rsi_slice piece);

rsi_slice rsi_trim(rsi_slice text);
/* Has it a character that a reader would take for content: a letter, a digit, a symbol above
 * ASCII? Punctuation and spaces are none. */
bool rsi_has_words(const char *text, size_t size);
bool rsi_starts_with(rsi_slice text, const char *prefix);         /* ASCII case is ignored */
bool rsi_equals_ignoring_case(rsi_slice text, const char *other); /* ASCII case is ignored */

/* The line at *offset, without its end, and *offset behind it; false at the end of the text. */
bool rsi_next_line(rsi_slice text, size_t *offset, rsi_slice *line);
size_t rsi_indent_of(rsi_slice line);    /* columns; a tab goes to the next multiple of 4 */
size_t rsi_list_marker(rsi_slice line);  /* bytes of indent, "- " or "12. "; 0: none */
char rsi_rule_character(rsi_slice line); /* of a line that only repeats one mark; '\0': none */

static inline bool rsi_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static inline bool rsi_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool rsi_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline char rsi_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/*
 * extract_row.c: a table's row as text that can be understood without the table:
 * "Country: Afghanistan; Capital: Kabul". A long row becomes several such lines, each of which
 * begins with the cell that names the row.
 */
#define RSI_COLUMNS_MAX 1024

typedef struct rsi_table_row {
    const rsi_slice *names;  /* of the columns; NULL: none */
    const rsi_slice *values; /* white space already folded */
    size_t count;
    size_t label; /* the column that names the row */
} rsi_table_row;

int rsi_add_row(rsi_extracted *out, const rsi_table_row *row);

#endif
