/* Random rotations: see rotation.h. */
#include "vectors/rotation.h"

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdint.h>

#define ROUNDS 4
#define SEED UINT64_C(0x7261677374726f74)

struct rsi_rotation {
    size_t dimension;
    size_t part;  /* the largest power of two that fits */
    float *signs; /* ROUNDS × part: each 1 or -1, times the scale of the transform */
};

/* Steele, Lea, Flood: splitmix64. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int rsi_rotation_new(rsi_rotation **out, size_t dimension)
{
    uint64_t state = SEED;
    *out = NULL;
    if (dimension == 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors", "a rotation of no dimension");
    rsi_rotation *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    made->dimension = dimension;
    for (made->part = 1; made->part * 2 <= dimension;)
        made->part *= 2;
    made->signs = rsi_alloc_array(ROUNDS * made->part, sizeof *made->signs);
    if (made->signs == NULL) {
        rsi_free(made);
        return RAGSTORE_E_NO_MEMORY;
    }
    const float scale = (float)(1 / sqrt((double)made->part));
    for (size_t i = 0; i < ROUNDS * made->part; i++)
        made->signs[i] = next_random(&state) >> 63 == 0 ? scale : -scale;
    *out = made;
    return RAGSTORE_OK;
}

void rsi_rotation_free(rsi_rotation *rotation)
{
    if (rotation == NULL)
        return;
    rsi_free(rotation->signs);
    rsi_free(rotation);
}

/* Without the scale, which is in the signs. */
static void hadamard(float *restrict numbers, size_t count)
{
    for (size_t half = 1; half < count; half *= 2)
        for (size_t begin = 0; begin < count; begin += 2 * half)
            for (size_t i = begin; i < begin + half; i++) {
                const float a = numbers[i];
                const float b = numbers[i + half];
                numbers[i] = a + b;
                numbers[i + half] = a - b;
            }
}

void rsi_rotation_apply(const rsi_rotation *rotation, float *vector)
{
    const size_t part = rotation->part;
    for (size_t round = 0; round < ROUNDS; round++) {
        const float *signs = rotation->signs + round * part;
        float *numbers = round % 2 == 0 ? vector : vector + (rotation->dimension - part);
        for (size_t i = 0; i < part; i++)
            numbers[i] *= signs[i];
        hadamard(numbers, part);
    }
}
