/* Scanning with what every processor has; the choice of a better way. See json_scan.h. */
#include "json/json_scan.h"

#include "json/json_scan_loop.h"
#include "json/json_view.h"

#include <stdatomic.h>

#ifdef __SSE2__

static inline void make_masks(rsi_json_masks *masks, const char *block)
{
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i open = _mm_set1_epi8('{'); /* '[' and ']' differ in one bit from '{' and '}' */
    const __m128i close = _mm_set1_epi8('}');
    const __m128i colon = _mm_set1_epi8(':');
    const __m128i bit = _mm_set1_epi8(0x20);

    *masks = (rsi_json_masks){0, 0, 0, 0, 0};
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
        masks->colons |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, colon))
                         << shift;
    }
}

#else

static inline void make_masks(rsi_json_masks *masks, const char *block)
{
    *masks = (rsi_json_masks){0, 0, 0, 0, 0};
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
        else if (block[i] == ':')
            masks->colons |= bit;
    }
}

#endif

static const char *scan_container_plain(const char *text, const char *end)
{
    return scan_container_with(make_masks, text, end);
}

static const char *scan_member_plain(const char *text, const char *end, rsi_slice key, bool *absent)
{
    return scan_member_with(make_masks, text, end, key, absent);
}

const rsi_json_scanner rsi_json_scanner_plain = {scan_container_plain, scan_member_plain};

/* Which way this processor goes is found at the first call; two threads find the same. */
static const rsi_json_scanner *scanner(void)
{
    static _Atomic(const rsi_json_scanner *) chosen;
    const rsi_json_scanner *found = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (found == NULL) {
        found = rsi_json_scanner_avx2();
        if (found == NULL)
            found = &rsi_json_scanner_plain;
        atomic_store_explicit(&chosen, found, memory_order_relaxed);
    }
    return found;
}

const char *rsi_json_scan_container(const char *text, const char *end)
{
    return scanner()->container(text, end);
}

const char *rsi_json_scan_member(const char *text, const char *end, rsi_slice key, bool *absent)
{
    return scanner()->member(text, end, key, absent);
}

/* Backwards from the closing quote of a key to its opening one, or to the object's bracket. */
static const char *key_start(const char *object, const char *quote, bool *escaped)
{
    const char *at = quote - 1;

    for (; at > object; at--) {
        const char *before = at;
        if (*at == '\\')
            *escaped = true;
        if (*at != '"')
            continue;
        while (before - 1 > object && before[-1] == '\\')
            before--;
        if ((at - before) % 2 == 0)
            return at;
        *escaped = true;
    }
    return object;
}

bool rsi_json_key_stands_before(const char *object, const char *colon, rsi_slice key)
{
    const char *quote = colon - 1;
    bool escaped = false;

    while (quote > object && (unsigned char)*quote <= ' ')
        quote--;
    if (quote == object || *quote != '"')
        return false;
    const char *start = key_start(object, quote, &escaped);
    if (start == object)
        return false;
    rsi_json_view found = {
        .kind = RSI_JSON_TEXT, .escaped = escaped, .text = start + 1, .end = quote};
    rsi_json_view wanted = rsi_json_view_of_string(key.data, key.size);
    return rsi_json_view_compare_texts(&found, &wanted) == 0;
}
