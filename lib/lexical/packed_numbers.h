/* Numbers of 7 bits a byte, low ones first, the top bit set in all bytes but the last. */
#ifndef RSI_LEXICAL_PACKED_NUMBERS_H
#define RSI_LEXICAL_PACKED_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSI_PACKED_MAX 5 /* bytes of a number */

/* Write at `at`; returns 1 to RSI_PACKED_MAX. */
static inline size_t rsi_put_packed(unsigned char *at, uint32_t number)
{
    size_t size = 0;
    for (; number >= 0x80; number >>= 7)
        at[size++] = (unsigned char)(number | 0x80);
    at[size++] = (unsigned char)number;
    return size;
}

/* The same where RSI_PACKED_MAX bytes may be written, however few it takes: without a branch for
 * most numbers, because how large they are is hard to foresee. */
static inline size_t rsi_put_packed_quickly(unsigned char *at, uint32_t number)
{
    if (number >= UINT32_C(1) << 28)
        return rsi_put_packed(at, number);
    const unsigned more =
        (unsigned)(number >= 1u << 7) + (number >= 1u << 14) + (number >= 1u << 21);
    const uint32_t spread = (number & 0x7F) | (number & 0x7F << 7) << 1 |
                            (number & 0x7F << 14) << 2 | (number & 0x7F << 21) << 3 |
                            (0x808080 & ((UINT32_C(1) << 8 * more) - 1));
    for (unsigned i = 0; i < 4; i++)
        at[i] = (unsigned char)(spread >> 8 * i);
    return more + 1;
}

/* Read our own bytes (trusted) at *at, which is moved behind them. */
static inline uint32_t rsi_take_packed(const unsigned char **at)
{
    const unsigned char *p = *at;
    uint32_t number = *p & 0x7F;
    for (unsigned shift = 7; *p++ >= 0x80; shift += 7)
        number |= (uint32_t)(*p & 0x7F) << shift;
    *at = p;
    return number;
}

/* The same from bytes of somebody else's: false when no number of 32 bits is there before `end`. */
static inline bool rsi_take_packed_checked(uint32_t *number, const unsigned char **at,
                                           const unsigned char *end)
{
    uint64_t all = 0;
    for (unsigned shift = 0; shift < 7 * RSI_PACKED_MAX && *at < end; shift += 7) {
        const unsigned char byte = *(*at)++;
        all |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *number = (uint32_t)all;
            return all <= UINT32_MAX;
        }
    }
    return false;
}

#endif
