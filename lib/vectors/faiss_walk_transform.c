/* Transformations in front of an index: see faiss_walk.h. */
#include "vectors/faiss_walk_internal.h"

#include "vectors/vectors.h"

#include <math.h>

#define CHAIN_MAX 8

#define ROTATION RSI_FAISS_CODE('r', 'r', 'o', 't')
#define PCA RSI_FAISS_CODE('P', 'c', 'a', 'm')
#define LINEAR RSI_FAISS_CODE('L', 'T', 'r', 'a') /* OPQ's, too */
#define LENGTH RSI_FAISS_CODE('V', 'N', 'r', 'm')
#define CENTRE RSI_FAISS_CODE('V', 'C', 'n', 't')
#define PLACES RSI_FAISS_CODE('R', 'm', 'D', 'T') /* other places for the same numbers */

/* The arrays of one lie in front of its dimensions: their lengths are compared with those. */
typedef struct transform {
    uint64_t matrix, offset, mean, places;
    bool is_linear, has_offset;
    int32_t most_place; /* of the numbers that are taken */
} transform;

static int take_floats(uint64_t *count, rsi_faiss_walker *walker)
{
    int status = rsi_faiss_walk_length(count, walker, sizeof(float));
    return status == RAGSTORE_OK ? rsi_faiss_walk_floats(walker, *count) : status;
}

static int take_pca(rsi_faiss_walker *walker)
{
    float numbers[2] = {0}; /* a power of the eigenvalues, and what is added to them */
    int32_t bins = 0;
    bool rotates;
    uint64_t length;
    int status = rsi_faiss_walk_take(walker, numbers, sizeof numbers);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&rotates, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &bins, sizeof bins);
    for (int array = 0; status == RAGSTORE_OK && array < 3; array++) /* only training needs them */
        status = take_floats(&length, walker);
    return status;
}

static int take_linear(transform *out, rsi_faiss_walker *walker)
{
    out->is_linear = true;
    int status = rsi_faiss_walk_flag(&out->has_offset, walker);
    if (status == RAGSTORE_OK)
        status = take_floats(&out->matrix, walker);
    return status == RAGSTORE_OK ? take_floats(&out->offset, walker) : status;
}

static int take_places(transform *out, rsi_faiss_walker *walker)
{
    int status = rsi_faiss_walk_length(&out->places, walker, sizeof(int32_t));
    if (status == RAGSTORE_OK && out->places > RSI_DIMENSION_MAX)
        status = rsi_faiss_walk_fail(walker, "are too many places of numbers");
    for (uint64_t i = 0; status == RAGSTORE_OK && i < out->places; i++) {
        int32_t place = 0;
        status = rsi_faiss_walk_take(walker, &place, sizeof place);
        if (status == RAGSTORE_OK && place < -1)
            status = rsi_faiss_walk_fail(walker, "is no place of a number");
        if (place > out->most_place)
            out->most_place = place;
    }
    return status;
}

static int take_one(transform *out, rsi_faiss_walker *walker, uint32_t code)
{
    float length = 0;
    int status = RAGSTORE_OK;
    switch (code) {
    case PCA:
        status = take_pca(walker);
        return status == RAGSTORE_OK ? take_linear(out, walker) : status;
    case ROTATION:
    case LINEAR:
        return take_linear(out, walker);
    case LENGTH:
        status = rsi_faiss_walk_take(walker, &length, sizeof length);
        return status == RAGSTORE_OK && length != 2.0f
                   ? rsi_faiss_walk_fail(walker, "is a length that nobody asked for")
                   : status;
    case CENTRE:
        return take_floats(&out->mean, walker);
    case PLACES:
        return take_places(out, walker);
    default:
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                        "%s: a transformation of its kind is not read back from a file",
                        rsi_file_path(walker->blocks->file));
    }
}

static bool fits(const transform *one, uint32_t code, uint64_t from, uint64_t to)
{
    switch (code) {
    case LENGTH:
        return from == to;
    case CENTRE:
        return from == to && one->mean == from;
    case PLACES:
        return one->places == to && (one->most_place < 0 || (uint64_t)one->most_place < from);
    default:
        return one->matrix == from * to && one->offset == (one->has_offset ? to : 0);
    }
}

/* One that takes vectors of that dimension; its own is what comes out. */
static int walk_transform(uint32_t *dimension, rsi_faiss_walker *walker)
{
    uint32_t code = 0;
    transform one = {.most_place = -1};
    int32_t sizes[2] = {0}; /* in, out */
    bool is_trained = false;
    int status = rsi_faiss_walk_take(walker, &code, sizeof code);
    if (status == RAGSTORE_OK)
        status = take_one(&one, walker, code);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, sizes, sizeof sizes);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&is_trained, walker);
    if (status != RAGSTORE_OK)
        return status;
    if (sizes[0] < 1 || (uint32_t)sizes[0] != *dimension || sizes[1] < 1 ||
        (uint32_t)sizes[1] > RSI_DIMENSION_MAX || !is_trained ||
        !fits(&one, code, (uint64_t)sizes[0], (uint64_t)sizes[1]))
        return rsi_faiss_walk_fail(walker, "is a transformation that does not fit its vectors");
    *dimension = (uint32_t)sizes[1];
    return RAGSTORE_OK;
}

int rsi_faiss_walk_transforms(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    int32_t count = 0;
    uint32_t dimension = head->dimension;
    int status = rsi_faiss_walk_take(walker, &count, sizeof count);
    if (status == RAGSTORE_OK && (count < 1 || count > CHAIN_MAX))
        status = rsi_faiss_walk_fail(walker, "are too many transformations, or none");
    for (int32_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = walk_transform(&dimension, walker);
    return status == RAGSTORE_OK ? rsi_faiss_walk_index(walker,
                                                        RSI_FAISS_IS_FLAT | RSI_FAISS_IS_CODES |
                                                            RSI_FAISS_IS_GRAPH | RSI_FAISS_IS_LISTS,
                                                        dimension, head->count)
                                 : status;
}
