/*
 * The loop of json_scan.h's container scan, included by each file that makes masks in its own way,
 * so that the maker is inlined into it.
 */
#ifndef RSI_JSON_SCAN_LOOP_H
#define RSI_JSON_SCAN_LOOP_H

#include "json/json_scan.h"

#include <string.h>

/* The bytes behind a backslash that escapes them. *carry: is the first one? */
static inline __attribute__((always_inline)) uint64_t escaped_bytes(uint64_t backslashes,
                                                                    uint64_t *carry)
{
    uint64_t escaped = *carry;
    uint64_t left = backslashes & ~escaped;

    *carry = 0;
    while (left != 0) {
        uint64_t lowest = left & (~left + 1);
        escaped |= lowest << 1;
        if (lowest >> 63 != 0)
            *carry = 1;
        left &= ~lowest & ~(lowest << 1);
    }
    return escaped;
}

/* Each bit becomes the exclusive or of itself and all below it. */
static inline __attribute__((always_inline)) uint64_t sum_of_bits_below(uint64_t bits)
{
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    return bits;
}

static inline __attribute__((always_inline)) const char *
scan_container_with(rsi_json_mask_maker *make_masks, const char *text, const char *end)
{
    uint64_t carry = 0;
    uint64_t in_string = 0; /* all ones while a string goes on */
    uint64_t depth = 0;

    while (text < end) {
        char last[64];
        const char *block = text;
        rsi_json_masks masks;
        if (end - text < 64) {
            memset(last, ' ', sizeof last);
            memcpy(last, text, (size_t)(end - text));
            block = last;
        }
        make_masks(&masks, block);
        uint64_t quotes = masks.quotes;
        if (masks.backslashes != 0 || carry != 0)
            quotes &= ~escaped_bytes(masks.backslashes, &carry);
        uint64_t inside = sum_of_bits_below(quotes) ^ in_string;
        in_string = (uint64_t)((int64_t)inside >> 63);
        uint64_t opens = masks.opens & ~inside;
        uint64_t closes = masks.closes & ~inside;

        uint64_t opened = (uint64_t)__builtin_popcountll(opens);
        uint64_t closed = (uint64_t)__builtin_popcountll(closes);
        if (closed < depth || closed == 0) {
            depth += opened - closed;
            text += 64;
            continue;
        }
        while (closes != 0) {
            uint64_t lowest = closes & (~closes + 1);
            uint64_t before = (uint64_t)__builtin_popcountll(opens & (lowest - 1));
            opens &= ~(lowest - 1);
            depth += before;
            if (--depth == 0)
                return text + __builtin_ctzll(lowest) + 1;
            closes &= closes - 1;
        }
        depth += (uint64_t)__builtin_popcountll(opens);
        text += 64;
    }
    return NULL;
}

#endif
