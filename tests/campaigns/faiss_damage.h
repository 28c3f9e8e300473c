/*
 * Damage to files of FAISS's, by chance: what faiss_files.c and faiss_saved.c share. Half of it
 * lies in the first bytes, where the numbers are that lead somewhere.
 */
#ifndef TESTS_CAMPAIGNS_FAISS_DAMAGE_H
#define TESTS_CAMPAIGNS_FAISS_DAMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DAMAGE_DIMENSION 8 /* of the vectors in the files */
#define DAMAGE_COUNT 60    /* how many they are */
#define HEAD_BYTES 160

typedef struct blob {
    char *bytes;
    size_t size;
} blob;

/* ---- chance ---- */

static uint64_t chance_state;

static inline uint64_t chance(void) /* SplitMix64 */
{
    uint64_t z = chance_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline size_t below(size_t limit)
{
    return (size_t)(chance() % limit);
}

static inline float number_between(float low, float high)
{
    return low + (high - low) * (float)(chance() >> 40) / (float)(1 << 24);
}

static inline size_t choose_place(size_t size)
{
    return below(chance() % 2 == 0 && size > HEAD_BYTES ? HEAD_BYTES : size);
}

static inline void put_word(blob *file, uint64_t value)
{
    const size_t width = chance() % 2 == 0 ? 4 : 8;
    const size_t place = choose_place(file->size - width + 1);
    memcpy(file->bytes + place, &value, width);
}

static inline void flip_bits(blob *file)
{
    for (size_t i = below(8) + 1; i > 0; i--)
        file->bytes[choose_place(file->size)] ^= (char)(1u << below(8));
}

static inline void change_length(blob *file)
{
    const size_t more = below(5) == 0 ? below(64) + 1 : 0;
    for (size_t i = 0; i < more; i++)
        file->bytes[file->size + i] = (char)chance();
    file->size = more > 0 ? file->size + more : choose_place(file->size);
}

static inline void put_boundary(blob *file)
{
    static const uint64_t boundaries[] = {0,
                                          1,
                                          DAMAGE_COUNT - 1,
                                          DAMAGE_COUNT + 1,
                                          DAMAGE_DIMENSION + 1,
                                          INT8_MAX,
                                          UINT16_MAX,
                                          INT32_MAX,
                                          (uint64_t)INT32_MAX + 1,
                                          UINT32_MAX,
                                          (uint64_t)UINT32_MAX + 1,
                                          (uint64_t)1 << 40,
                                          (uint64_t)1 << 61,
                                          (uint64_t)1 << 62,
                                          INT64_MAX,
                                          (uint64_t)1 << 63,
                                          UINT64_MAX - 1,
                                          UINT64_MAX};
    put_word(file, boundaries[below(sizeof boundaries / sizeof *boundaries)]);
}

static inline void put_random(blob *file)
{
    for (size_t i = below(16) + 1; i > 0; i--)
        put_word(file, chance());
}

/* A copy with damage of one of four ways; never none. NULL bytes: no memory. */
static inline blob damage(const blob *whole, uint64_t way_number)
{
    static void (*const ways[])(blob * file) = {flip_bits, change_length, put_boundary, put_random};
    void (*way)(blob * file) = ways[way_number % 4];
    blob file = {malloc(whole->size + 64), 0};
    if (file.bytes == NULL)
        return file;
    do {
        memcpy(file.bytes, whole->bytes, whole->size);
        file.size = whole->size;
        way(&file);
    } while (file.size == whole->size && memcmp(file.bytes, whole->bytes, file.size) == 0);
    return file;
}

#endif
