/* Scanning 32 bytes an instruction: see json_scan.h. */
#include "json/json_scan.h"

#if defined(__x86_64__)

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,popcnt,bmi"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,popcnt,bmi")
#endif

#include "json/json_scan_loop.h"

static inline uint64_t mask_of(__m256i low, __m256i high, __m256i wanted)
{
    unsigned first = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
    unsigned second = (unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));
    return (uint64_t)second << 32 | first;
}

static inline void make_masks(rsi_json_masks *masks, const char *block)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)block);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32));
    __m256i bit = _mm256_set1_epi8(0x20); /* between '[' and '{', and between ']' and '}' */
    __m256i folded_low = _mm256_or_si256(low, bit);
    __m256i folded_high = _mm256_or_si256(high, bit);

    masks->quotes = mask_of(low, high, _mm256_set1_epi8('"'));
    masks->backslashes = mask_of(low, high, _mm256_set1_epi8('\\'));
    masks->opens = mask_of(folded_low, folded_high, _mm256_set1_epi8('{'));
    masks->closes = mask_of(folded_low, folded_high, _mm256_set1_epi8('}'));
    masks->colons = mask_of(low, high, _mm256_set1_epi8(':'));
}

static const char *scan_container_avx2(const char *text, const char *end)
{
    return scan_container_with(make_masks, text, end);
}

static const char *scan_member_avx2(const char *text, const char *end, rsi_slice key, bool *absent)
{
    return scan_member_with(make_masks, text, end, key, absent);
}

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const rsi_json_scanner *rsi_json_scanner_avx2(void)
{
    static const rsi_json_scanner avx2 = {scan_container_avx2, scan_member_avx2};

    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt") &&
                   __builtin_cpu_supports("bmi")
               ? &avx2
               : NULL;
}

#else

const rsi_json_scanner *rsi_json_scanner_avx2(void)
{
    return NULL;
}

#endif
