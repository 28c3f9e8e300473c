/* The end of a container with what every processor has; the choice of a better way. See
 * json_scan.h. */
#include "json/json_scan.h"

#include "json/json_scan_loop.h"

#include <stdatomic.h>

#ifdef __SSE2__

static inline void make_masks(rsi_json_masks *masks, const char *block)
{
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i open = _mm_set1_epi8('{'); /* '[' and ']' differ in one bit from '{' and '}' */
    const __m128i close = _mm_set1_epi8('}');
    const __m128i bit = _mm_set1_epi8(0x20);

    *masks = (rsi_json_masks){0, 0, 0, 0};
    for (int part = 0; part < 4; part++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * part));
        __m128i folded = _mm_or_si128(bytes, bit);
        int shift = 16 * part;
        masks->quotes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quote))
                         << shift;
        masks->backslashes |=
            (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, backslash)) << shift;
        masks->opens |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, open))
                        << shift;
        masks->closes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, close))
                         << shift;
    }
}

#else

static inline void make_masks(rsi_json_masks *masks, const char *block)
{
    *masks = (rsi_json_masks){0, 0, 0, 0};
    for (int i = 0; i < 64; i++) {
        uint64_t bit = UINT64_C(1) << i;
        if (block[i] == '"')
            masks->quotes |= bit;
        else if (block[i] == '\\')
            masks->backslashes |= bit;
        else if (block[i] == '{' || block[i] == '[')
            masks->opens |= bit;
        else if (block[i] == '}' || block[i] == ']')
            masks->closes |= bit;
    }
}

#endif

const char *rsi_json_scan_container_plain(const char *text, const char *end)
{
    return scan_container_with(make_masks, text, end);
}

/* Which way this processor goes is found at the first call; two threads find the same. */
static _Atomic(rsi_json_container_scan *) chosen;

const char *rsi_json_scan_container(const char *text, const char *end)
{
    rsi_json_container_scan *scan = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (scan == NULL) {
        scan = rsi_json_scan_for_avx2();
        if (scan == NULL)
            scan = rsi_json_scan_container_plain;
        atomic_store_explicit(&chosen, scan, memory_order_relaxed);
    }
    return scan(text, end);
}
