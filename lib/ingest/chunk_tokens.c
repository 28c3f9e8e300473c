/*
 * Counting tokens. The caller's counter rules; without one (keyword-only entities) the estimate
 * is what a WordPiece vocabulary would make of the text, rather too many than too few.
 */
#include "ingest/chunk_parts.h"

#include "base/status.h"
#include "base/utf8.h"

#define LETTERS_PER_TOKEN 6 /* most English words up to here are one token */
#define DIGITS_PER_TOKEN 3

static size_t run_tokens(const char *text, size_t size, size_t *at)
{
    size_t start = *at;
    size_t digits = 0;
    while (*at < size && (rsi_is_letter(text[*at]) || rsi_is_digit(text[*at]))) {
        digits += rsi_is_digit(text[*at]);
        ++*at;
    }
    size_t letters = *at - start - digits;
    return (letters + LETTERS_PER_TOKEN - 1) / LETTERS_PER_TOKEN +
           (digits + DIGITS_PER_TOKEN - 1) / DIGITS_PER_TOKEN;
}

static size_t estimate(const char *text, size_t size)
{
    size_t tokens = 0;
    size_t halves = 0; /* letters of alphabets beyond ASCII: two for a token */
    size_t at = 0;
    while (at < size) {
        unsigned char c = (unsigned char)text[at];
        if (c >= 0x80) {
            size_t before = at;
            rsi_utf8_next(text, size, &at);
            if (at - before == 2)
                halves++;
            else
                tokens++;
        } else if (rsi_is_letter(text[at]) || rsi_is_digit(text[at])) {
            tokens += run_tokens(text, size, &at);
        } else {
            tokens += !rsi_is_space(text[at]);
            at++;
        }
    }
    return tokens + (halves + 1) / 2;
}

int rsi_chunk_count(size_t *count, const rsi_chunker_options *options, const char *text,
                    size_t size)
{
    *count = 0;
    if (size == 0)
        return RAGSTORE_OK;
    if (options->count_tokens != NULL)
        return options->count_tokens(count, options->user, text, size);
    *count = estimate(text, size);
    return RAGSTORE_OK;
}
