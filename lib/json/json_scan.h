/*
 * Finding the end of a string or a container in JSON text, and a member of an object, without
 * looking at the rest of what is inside.
 *
 * Strings are searched for a quote or a backslash 16 bytes at a time, containers 64: a mask of
 * the bytes that are inside of strings takes the brackets there out of the count.
 *
 *   text        { " a } " : [ 1 ] } , …
 *   in string   . 1 1 1 1 . . . . .
 *   opens       1 . . . . . 1 . . .
 *   closes      . . . . . . . . 1 1     the first place where as many close as open is the end
 *
 * A member is found by the colons that stand at the depth of the object and in no string: the key
 * is compared backwards from there.
 *
 * One mask-maker for each instruction set stands behind these; this header has what is short enough
 * to be inlined. Called by this room only: the views, and whoever reads or writes texts.
 */
#ifndef RSI_JSON_SCAN_H
#define RSI_JSON_SCAN_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* Has any of eight bytes the value `wanted`? Perhaps it has when the answer is not 0. */
static inline uint64_t rsi_json_bytes_equal(uint64_t bytes, unsigned char wanted)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t zero_where_equal = bytes ^ ones * wanted;
    return (zero_where_equal - ones) & ~zero_where_equal & ones * 0x80;
}

/* Is there a quote, a backslash or a control character among eight bytes? Perhaps there is when it
 * says so; surely there is none when it does not. */
static inline bool rsi_json_may_be_special(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return (rsi_json_bytes_equal(bytes, '"') | rsi_json_bytes_equal(bytes, '\\') |
            ((bytes - ones * 0x20) & ~bytes & ones * 0x80)) != 0;
}

/* 64 bytes of text, one bit each. */
typedef struct rsi_json_masks {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t opens;
    uint64_t closes;
    uint64_t colons;
} rsi_json_masks;

typedef void rsi_json_mask_maker(rsi_json_masks *masks, const char *block);

/* Behind the bracket that closes the one at `text`; NULL when it is not closed before `end`. */
const char *rsi_json_scan_container(const char *text, const char *end);

/* Behind the colon of the member `key` of the object at `text`; NULL when there is none (*absent)
 * or the object is not closed before `end`. */
const char *rsi_json_scan_member(const char *text, const char *end, rsi_slice key, bool *absent);

/* Both with the instructions of one kind of processor. */
typedef struct rsi_json_scanner {
    const char *(*container)(const char *text, const char *end);
    const char *(*member)(const char *text, const char *end, rsi_slice key, bool *absent);
} rsi_json_scanner;
extern const rsi_json_scanner rsi_json_scanner_plain;
const rsi_json_scanner *rsi_json_scanner_avx2(void); /* NULL where the processor lacks it */

/* Is it `key` that stands before the colon? Goes back byte by byte. */
bool rsi_json_key_stands_before(const char *object, const char *colon, rsi_slice key);

/* The closing quote of a string whose first byte is at `text`, or NULL. *escaped is set, never
 * cleared. */
static inline const char *rsi_json_scan_string(const char *text, const char *end, bool *escaped)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    while (end - text >= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)text);
        unsigned quotes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, quote));
        unsigned backslashes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, backslash));
        if (backslashes == 0) {
            if (quotes != 0)
                return text + __builtin_ctz(quotes);
            text += 16;
        } else if (quotes != 0 && __builtin_ctz(quotes) < __builtin_ctz(backslashes)) {
            return text + __builtin_ctz(quotes);
        } else {
            *escaped = true;
            text += __builtin_ctz(backslashes) + 2;
        }
    }
#else
    while (end - text >= 8) {
        uint64_t block;
        __builtin_memcpy(&block, text, 8);
        uint64_t quotes = block ^ UINT64_C(0x2222222222222222);
        uint64_t backslashes = block ^ UINT64_C(0x5C5C5C5C5C5C5C5C);
        uint64_t hits = ((quotes - UINT64_C(0x0101010101010101)) & ~quotes) |
                        ((backslashes - UINT64_C(0x0101010101010101)) & ~backslashes);
        if ((hits & UINT64_C(0x8080808080808080)) != 0)
            break;
        text += 8;
    }
#endif
    while (text < end && *text != '"') {
        if (*text == '\\') {
            *escaped = true;
            text++;
        }
        text++;
    }
    return text < end ? text : NULL;
}

static inline const char *rsi_json_scan_space(const char *text, const char *end)
{
    while (text < end && (unsigned char)*text <= ' ')
        text++;
    return text;
}

/* Behind a number or a word: at the next comma, bracket or space. */
static inline const char *rsi_json_scan_scalar(const char *text, const char *end)
{
    while (text < end && *text != ',' && *text != '}' && *text != ']' &&
           (unsigned char)*text > ' ')
        text++;
    return text;
}

#endif
