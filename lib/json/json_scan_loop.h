/*
 * The loops of json_scan.h, included by each file that makes masks in its own way, so that the
 * maker is inlined into them.
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

/* What goes on from one block to the next. */
typedef struct scan_state {
    uint64_t carry;     /* 1: the next byte is escaped */
    uint64_t in_string; /* all ones while a string goes on */
} scan_state;

/* The masks of the next block, without what is in strings; quotes without escaped ones. */
static inline __attribute__((always_inline)) void
read_block(rsi_json_mask_maker *make_masks, rsi_json_masks *masks, scan_state *state,
           const char *text, const char *end)
{
    char last[64];

    if (end - text < 64) {
        memset(last, ' ', sizeof last);
        memcpy(last, text, (size_t)(end - text));
        text = last;
    }
    make_masks(masks, text);
    if ((masks->backslashes | state->carry) != 0)
        masks->quotes &= ~escaped_bytes(masks->backslashes, &state->carry);
    uint64_t inside = sum_of_bits_below(masks->quotes) ^ state->in_string;
    state->in_string = (uint64_t)((int64_t)inside >> 63);
    masks->opens &= ~inside;
    masks->closes &= ~inside;
    masks->colons &= ~inside;
}

static inline __attribute__((always_inline)) const char *
scan_container_with(rsi_json_mask_maker *make_masks, const char *text, const char *end)
{
    scan_state state = {0, 0};
    uint64_t depth = 0;

    for (; text < end; text += 64) {
        rsi_json_masks masks;
        read_block(make_masks, &masks, &state, text, end);
        uint64_t opens = masks.opens;
        uint64_t closes = masks.closes;
        uint64_t opened = (uint64_t)__builtin_popcountll(opens);
        uint64_t closed = (uint64_t)__builtin_popcountll(closes);
        if (closed < depth || closed == 0) {
            depth += opened - closed;
            continue;
        }
        while (closes != 0) {
            uint64_t lowest = closes & (~closes + 1);
            depth += (uint64_t)__builtin_popcountll(opens & (lowest - 1));
            opens &= ~(lowest - 1);
            if (--depth == 0)
                return text + __builtin_ctzll(lowest) + 1;
            closes &= closes - 1;
        }
        depth += (uint64_t)__builtin_popcountll(opens);
    }
    return NULL;
}

/* Is it the key that stands before the colon at this bit of the block? */
static inline __attribute__((always_inline)) bool
key_before(const rsi_json_masks *masks, uint64_t colon, const char *object, const char *text,
           rsi_slice key)
{
    uint64_t quotes = masks->quotes & (colon - 1);
    int last = quotes == 0 ? 0 : 63 - __builtin_clzll(quotes);
    uint64_t before = quotes & ~(UINT64_C(1) << last);

    if (before == 0) /* the key began in the block before */
        return rsi_json_key_stands_before(object, text + __builtin_ctzll(colon), key);
    int first = 63 - __builtin_clzll(before);
    if ((masks->backslashes & ((UINT64_C(1) << last) - 1)) >> first != 0)
        return rsi_json_key_stands_before(object, text + __builtin_ctzll(colon), key);
    return (size_t)(last - first) == key.size + 1 &&
           memcmp(text + first + 1, key.data, key.size) == 0;
}

static inline __attribute__((always_inline)) const char *
scan_member_with(rsi_json_mask_maker *make_masks, const char *text, const char *end, rsi_slice key,
                 bool *absent)
{
    const char *object = text;
    scan_state state = {0, 0};
    uint64_t depth = 0;

    *absent = false;
    for (; text < end; text += 64) {
        rsi_json_masks masks;
        read_block(make_masks, &masks, &state, text, end);
        uint64_t closed = (uint64_t)__builtin_popcountll(masks.closes);
        if (depth > closed + 1) { /* in an inner container all the way */
            depth += (uint64_t)__builtin_popcountll(masks.opens) - closed;
            continue;
        }
        uint64_t marks = masks.opens | masks.closes | masks.colons;
        for (; marks != 0; marks &= marks - 1) {
            uint64_t lowest = marks & (~marks + 1);
            if ((masks.colons & lowest) != 0) {
                if (depth == 1 && key_before(&masks, lowest, object, text, key))
                    return text + __builtin_ctzll(lowest) + 1;
            } else if ((masks.opens & lowest) != 0) {
                depth++;
            } else if (--depth == 0) {
                *absent = true;
                return NULL;
            }
        }
    }
    return NULL;
}

#endif
