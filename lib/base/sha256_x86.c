/*
 * SHA-256 by the x86 processor's own instructions (SHA-NI).
 *
 * Chosen at run time by digest.c, which holds the plain form. Several times faster, so that the
 * digest of a model of a hundred megabytes does not decide how long opening it takes.
 *
 * The instructions keep the eight words of the state in two registers, in an order of their own:
 *
 *   state in memory     a b c d | e f g h
 *   register abef       a b e f            (a in the highest 32 bits)
 *   register cdgh       c d g h
 */
#include "base/sha256_x86.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

static bool ask_processor(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & bit_SHA) == 0)
        return false;
    return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

/* Asked once: in a virtual machine the question costs more than a hundred blocks. Threads that ask
 * at the same time find the same answer. */
bool rsi_sha256_x86_usable(void)
{
    static _Atomic int answer; /* 0: not asked yet, 1: no, 2: yes */
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known == 0) {
        known = ask_processor() ? 2 : 1;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == 2;
}

/* Four rounds with the schedule words `w`, whose constants stand at `k`. */
__attribute__((target("sha,sse4.1"), always_inline)) static inline void
four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, const uint32_t *k)
{
    __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(const void *)k));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sum);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(sum, 0x0E));
}

/* The next four schedule words from the last sixteen, oldest first. */
__attribute__((target("sha,sse4.1"), always_inline)) static inline __m128i
schedule(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(next, w3);
}

__attribute__((target("sha,sse4.1"))) void rsi_sha256_x86_blocks(uint32_t state[8],
                                                                 const unsigned char *data,
                                                                 size_t blocks,
                                                                 const uint32_t constants[64])
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
    __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);

    for (; blocks > 0; blocks--, data += 64) {
        __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i));
            w[i] = _mm_shuffle_epi8(w[i], swap);
            four_rounds(&abef, &cdgh, w[i], constants + 4 * i);
        }
        for (int i = 16; i < 64; i += 16) {
            for (int j = 0; j < 4; j++) {
                w[j] = schedule(w[j], w[(j + 1) % 4], w[(j + 2) % 4], w[(j + 3) % 4]);
                four_rounds(&abef, &cdgh, w[j], constants + i + 4 * j);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#else

bool rsi_sha256_x86_usable(void)
{
    return false;
}

void rsi_sha256_x86_blocks(uint32_t state[8], const unsigned char *data, size_t blocks,
                           const uint32_t constants[64])
{
    (void)state;
    (void)data;
    (void)blocks;
    (void)constants;
}

#endif
