/*
 * The hash of short byte strings that the dictionary and the word cache share. Seeded, so that
 * nobody can write a text whose words all fall into one place.
 */
#ifndef RSI_LEXICAL_TEXT_HASH_H
#define RSI_LEXICAL_TEXT_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t rsi_mix(uint64_t value)
{
    value *= UINT64_C(0x9E3779B97F4A7C15);
    value ^= value >> 32;
    value *= UINT64_C(0xD6E8FEB86659FD93);
    return value ^ value >> 29;
}

/* The last bytes of a text, fewer than 8, as a number. */
static inline uint64_t rsi_text_rest(const char *text, size_t size)
{
    if (size >= 4) { /* two halves that may overlap */
        uint32_t low;
        uint32_t high;
        memcpy(&low, text, 4);
        memcpy(&high, text + size - 4, 4);
        return low | (uint64_t)high << 32;
    }
    if (size == 0)
        return 0;
    return (unsigned char)text[0] | (uint64_t)(unsigned char)text[size / 2] << 8 |
           (uint64_t)(unsigned char)text[size - 1] << 16;
}

static inline uint64_t rsi_text_hash(uint64_t seed, const char *text, size_t size)
{
    uint64_t hash = seed + size * UINT64_C(0xA0761D6478BD642F);
    for (; size >= 8; text += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = rsi_mix(hash ^ word);
    }
    return rsi_mix(hash ^ rsi_text_rest(text, size));
}

#endif
