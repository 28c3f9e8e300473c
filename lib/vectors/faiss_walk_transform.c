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
#define ITERATIVE RSI_FAISS_CODE('V', 'i', 'q', 't') /* of two others */
#define ITERATED RSI_FAISS_CODE('V', 'i', 'q', 'm')  /* the first of them */
#define PLACES RSI_FAISS_CODE('R', 'm', 'D', 'T') /* other places for the same numbers */

/* The arrays of one lie in front of its dimensions: their lengths are compared with those. */
typedef struct transform {
    uint64_t matrix, offset, mean, places;
    bool is_linear, has_offset;
    int32_t most_place; /* of the numbers that are taken */
    uint64_t parts_to;  /* how many numbers two others make together */
} transform;

/* A whole one. */
typedef struct turned {
    uint32_t code;
    uint32_t from, to; /* dimensions */
    bool is_trained;
} turned;

static int take_whole(turned *out, rsi_faiss_walker *walker, bool may_have_parts);

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

static int take_parts(transform *out, rsi_faiss_walker *walker)
{
    turned rotation, both;
    bool reduces;
    int status = take_floats(&out->mean, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&reduces, walker);
    if (status == RAGSTORE_OK)
        status = take_whole(&rotation, walker, false);
    if (status == RAGSTORE_OK)
        status = take_whole(&both, walker, false);
    if (status != RAGSTORE_OK)
        return status;
    if (rotation.code != ITERATED || !rotation.is_trained || rotation.from != rotation.to ||
        both.code != LINEAR || !both.is_trained || both.from != out->mean ||
        both.to != rotation.to)
        return rsi_faiss_walk_fail(walker, "are parts of a transformation that do not fit");
    out->parts_to = both.to;
    return RAGSTORE_OK;
}

static int take_one(transform *out, rsi_faiss_walker *walker, uint32_t code, bool may_have_parts)
{
    float length = 0;
    int32_t unused[2]; /* how it was trained */
    int status = RAGSTORE_OK;
    switch (code) {
    case PCA:
        status = take_pca(walker);
        return status == RAGSTORE_OK ? take_linear(out, walker) : status;
    case ITERATED:
        status = rsi_faiss_walk_take(walker, unused, sizeof unused);
        return status == RAGSTORE_OK ? take_linear(out, walker) : status;
    case ROTATION:
    case LINEAR:
        return take_linear(out, walker);
    case ITERATIVE:
        return may_have_parts
                   ? take_parts(out, walker)
                   : rsi_faiss_walk_fail(walker, "is a part of a transformation with parts itself");
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
    case ITERATIVE:
        return one->mean == from && one->parts_to == to;
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

/* Was it never made? */
static bool is_empty(const transform *one)
{
    return one->is_linear && one->matrix == 0 && one->offset == 0 && !one->has_offset;
}

static int take_whole(turned *out, rsi_faiss_walker *walker, bool may_have_parts)
{
    transform one = {.most_place = -1};
    int32_t sizes[2] = {0}; /* in, out */
    *out = (turned){0};
    int status = rsi_faiss_walk_take(walker, &out->code, sizeof out->code);
    if (status == RAGSTORE_OK)
        status = take_one(&one, walker, out->code, may_have_parts);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, sizes, sizeof sizes);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&out->is_trained, walker);
    if (status != RAGSTORE_OK)
        return status;
    if (sizes[0] < 1 || (uint32_t)sizes[0] > RSI_DIMENSION_MAX || sizes[1] < 1 ||
        (uint32_t)sizes[1] > RSI_DIMENSION_MAX ||
        (out->is_trained ? !fits(&one, out->code, (uint64_t)sizes[0], (uint64_t)sizes[1])
                         : !is_empty(&one)))
        return rsi_faiss_walk_fail(walker, "is a transformation that does not fit its vectors");
    out->from = (uint32_t)sizes[0];
    out->to = (uint32_t)sizes[1];
    return RAGSTORE_OK;
}

int rsi_faiss_walk_rotation(rsi_faiss_walker *walker, uint32_t dimension, bool is_used)
{
    turned it;
    int status = take_whole(&it, walker, false);
    if (status == RAGSTORE_OK && (it.code != ROTATION || it.from != dimension ||
                                  it.to != dimension || it.is_trained != is_used))
        status = rsi_faiss_walk_fail(walker, "is a rotation that does not fit its vectors");
    return status;
}

int rsi_faiss_walk_transform(uint32_t *dimension, rsi_faiss_walker *walker)
{
    turned it;
    int status = take_whole(&it, walker, true);
    if (status == RAGSTORE_OK && (it.from != *dimension || !it.is_trained || it.code == ITERATED))
        status =
            rsi_faiss_walk_fail(walker, "is a transformation that does not fit its vectors");
    if (status == RAGSTORE_OK)
        *dimension = it.to;
    return status;
}

int rsi_faiss_walk_transforms(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    int32_t count = 0;
    uint32_t dimension = head->dimension;
    int status = rsi_faiss_walk_take(walker, &count, sizeof count);
    if (status == RAGSTORE_OK && (count < 1 || count > CHAIN_MAX))
        status = rsi_faiss_walk_fail(walker, "are too many transformations, or none");
    for (int32_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = rsi_faiss_walk_transform(&dimension, walker);
    return status == RAGSTORE_OK
               ? rsi_faiss_walk_index(walker, RSI_FAISS_IS_SEARCHED, dimension, head->count)
               : status;
}
