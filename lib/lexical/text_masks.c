/* What the bytes of a stretch of text are: see text_masks.h. */
#include "lexical/text_masks.h"

#ifdef __SSE2__

#include <immintrin.h>

#define AT_ONCE 16

static inline __m128i either(__m128i a, __m128i b)
{
    return _mm_or_si128(a, b);
}

static inline __m128i is(__m128i bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* Is a byte one of the `count` from `first` on? They are moved to the lowest signed numbers. */
static inline __m128i is_of(__m128i bytes, char first, int count)
{
    const __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(INT8_MIN - first)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(INT8_MIN + count)));
}

static inline uint64_t bits(__m128i found, int at)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(found) << at;
}

rsi_text_masks rsi_text_masks_of(const char stretch[RSI_MASKED_BYTES])
{
    rsi_text_masks masks = {0, 0, 0, 0};
    for (int at = 0; at < RSI_MASKED_BYTES; at += AT_ONCE) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(stretch + at));
        const __m128i lower = either(bytes, _mm_set1_epi8(0x20));
        masks.word |= bits(either(is_of(lower, 'a', 26), is_of(bytes, '0', 10)), at);
        masks.hinge |= bits(either(is(bytes, '\''), is(bytes, '.')), at);
        masks.joiner |= bits(either(is(bytes, '_'), either(is(bytes, '+'), is(bytes, '#'))), at);
        masks.foreign |= bits(bytes, at);
    }
    return masks;
}

#else

static unsigned is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

rsi_text_masks rsi_text_masks_of(const char stretch[RSI_MASKED_BYTES])
{
    rsi_text_masks masks = {0, 0, 0, 0};
    for (unsigned i = 0; i < RSI_MASKED_BYTES; i++) {
        const char c = stretch[i];
        masks.word |= (uint64_t)is_word(c) << i;
        masks.hinge |= (uint64_t)(c == '\'' || c == '.') << i;
        masks.joiner |= (uint64_t)(c == '_' || c == '+' || c == '#') << i;
        masks.foreign |= (uint64_t)((unsigned char)c >> 7) << i;
    }
    return masks;
}

#endif
