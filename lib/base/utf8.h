/* UTF-8: validation at the edge and single steps inside. */
#ifndef RSI_BASE_UTF8_H
#define RSI_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Strict: no overlong forms, no surrogates, nothing above U+10FFFF. *bad (may be NULL) gets the
 * offset of the first bad byte. NUL is a valid character here. */
bool rsi_utf8_valid(const char *text, size_t size, size_t *bad);

/* The code point at `*offset`, which is moved behind it. U+FFFD and one byte for invalid input.
 * *offset must be smaller than size. */
uint32_t rsi_utf8_next(const char *text, size_t size, size_t *offset);

/* Write a code point as UTF-8; returns 1 to 4. */
size_t rsi_utf8_encode(uint32_t code_point, char out[4]);

/* The largest offset <= limit that does not split a character. limit <= size. */
size_t rsi_utf8_floor(const char *text, size_t size, size_t limit);

#endif
