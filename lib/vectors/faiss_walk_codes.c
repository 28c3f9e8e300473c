/* Scalar and product quantisers, signs, and their codes: see faiss_walk.h. */
#include "vectors/faiss_walk_internal.h"

#define PRODUCT_BITS_MAX 12
#define PRODUCT_BITS_MAX_IN_GRAPH 8

/* ---- scalar: each number by itself ---- */

enum scalar_type { /* as FAISS numbers them */
                   SCALAR_8BIT,
                   SCALAR_4BIT,
                   SCALAR_8BIT_UNIFORM,
                   SCALAR_4BIT_UNIFORM,
                   SCALAR_FP16,
                   SCALAR_8BIT_DIRECT,
                   SCALAR_6BIT,
                   SCALAR_BF16,
};

/* Bytes of a code, and how many numbers were learnt; false for a type that is not known. */
static bool scalar_sizes(uint64_t *code_size, uint64_t *learnt, int32_t type, uint32_t dimension)
{
    const uint64_t numbers = dimension;
    *learnt = 0;
    switch (type) {
    case SCALAR_8BIT:
        *code_size = numbers;
        *learnt = 2 * numbers;
        return true;
    case SCALAR_4BIT:
        *code_size = (numbers + 1) / 2;
        *learnt = 2 * numbers;
        return true;
    case SCALAR_6BIT:
        *code_size = (numbers * 6 + 7) / 8;
        *learnt = 2 * numbers;
        return true;
    case SCALAR_8BIT_UNIFORM:
        *code_size = numbers;
        *learnt = 2;
        return true;
    case SCALAR_4BIT_UNIFORM:
        *code_size = (numbers + 1) / 2;
        *learnt = 2;
        return true;
    case SCALAR_FP16:
    case SCALAR_BF16:
        *code_size = 2 * numbers;
        return true;
    case SCALAR_8BIT_DIRECT:
        *code_size = numbers;
        return true;
    default:
        return false;
    }
}

int rsi_faiss_walk_scalar_quantiser(uint64_t *code_size, rsi_faiss_walker *walker,
                                    uint32_t dimension)
{
    struct {
        int32_t type;
        int32_t range;
        float range_argument;
    } what = {0};
    _Static_assert(sizeof what == 12, "without gaps, as in the file");
    uint64_t sizes[2] = {0}; /* dimension, bytes of a code */
    uint64_t learnt;
    int status = rsi_faiss_walk_take(walker, &what, sizeof what);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, sizes, sizeof sizes);
    if (status != RAGSTORE_OK)
        return status;
    if (!scalar_sizes(code_size, &learnt, what.type, dimension) || what.range < 0 ||
        what.range > 3 || sizes[0] != dimension || sizes[1] != *code_size)
        return rsi_faiss_walk_fail(walker, "is a scalar quantiser that does not fit its vectors");
    status = rsi_faiss_walk_expect_length(walker, learnt, sizeof(float),
                                          "has a scalar quantiser learnt more or fewer numbers");
    return status == RAGSTORE_OK ? rsi_faiss_walk_floats(walker, learnt) : status;
}

int rsi_faiss_walk_codes(rsi_faiss_walker *walker, uint64_t count, uint64_t code_size)
{
    const uint64_t bytes = count * code_size;
    int status =
        rsi_faiss_walk_expect_length(walker, bytes, 1, "are more or fewer codes than vectors");
    return status == RAGSTORE_OK ? rsi_faiss_walk_bytes(walker, bytes) : status;
}

int rsi_faiss_walk_scalar_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    uint64_t code_size = 0;
    int status = rsi_faiss_walk_scalar_quantiser(&code_size, walker, head->dimension);
    return status == RAGSTORE_OK ? rsi_faiss_walk_codes(walker, head->count, code_size) : status;
}

/* ---- product: pieces of a vector ---- */

/* `sizes`: dimension, pieces, bits for each. */
static int take_product(uint64_t sizes[3], rsi_faiss_walker *walker, uint32_t dimension)
{
    int status = rsi_faiss_walk_take(walker, sizes, 3 * sizeof *sizes);
    const uint64_t most = walker->in_graph ? PRODUCT_BITS_MAX_IN_GRAPH : PRODUCT_BITS_MAX;
    if (status != RAGSTORE_OK)
        return status;
    if (sizes[0] != dimension || sizes[1] < 1 || sizes[1] > dimension ||
        dimension % sizes[1] != 0 || sizes[2] < 1 || sizes[2] > most)
        return rsi_faiss_walk_fail(walker, "is a product quantiser that does not fit its vectors");
    const uint64_t numbers = (uint64_t)dimension << sizes[2];
    status = rsi_faiss_walk_expect_length(walker, numbers, sizeof(float),
                                          "has a product quantiser more or fewer centroids");
    return status == RAGSTORE_OK ? rsi_faiss_walk_floats(walker, numbers) : status;
}

int rsi_faiss_walk_product_quantiser(rsi_faiss_product *out, rsi_faiss_walker *walker,
                                     uint32_t dimension)
{
    uint64_t sizes[3] = {0};
    int status = take_product(sizes, walker, dimension);
    if (status == RAGSTORE_OK)
        *out = (rsi_faiss_product){sizes[1], sizes[2], (sizes[1] * sizes[2] + 7) / 8};
    return status;
}

int rsi_faiss_walk_multi(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    uint64_t sizes[3] = {0};
    int status = take_product(sizes, walker, head->dimension);
    if (status == RAGSTORE_OK && (sizes[1] != 2 || head->count != (uint64_t)1 << 2 * sizes[2]))
        status = rsi_faiss_walk_fail(walker, "are halves of more or fewer centroids");
    return status;
}

int rsi_faiss_walk_product_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    int32_t search_type = 0;
    int32_t hamming_distance;
    bool encodes_signs = false;
    rsi_faiss_product product;
    int status = rsi_faiss_walk_product_quantiser(&product, walker, head->dimension);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_codes(walker, head->count, product.code_size);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &search_type, sizeof search_type);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&encodes_signs, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &hamming_distance, sizeof hamming_distance);
    if (status == RAGSTORE_OK && (search_type != 0 || encodes_signs))
        status = rsi_faiss_walk_fail(walker, "is a way to search that nobody asked for");
    return status;
}

/* ---- signs ---- */

int rsi_faiss_walk_sign_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    int32_t bits = 0;
    int32_t code_size = 0;
    bool rotates = false;
    bool has_thresholds = false;
    int status = rsi_faiss_walk_take(walker, &bits, sizeof bits);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&rotates, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&has_thresholds, walker);
    const uint64_t thresholds = has_thresholds ? head->dimension : 0;
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_expect_length(walker, thresholds, sizeof(float),
                                              "are more or fewer thresholds than bits");
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_floats(walker, thresholds);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &code_size, sizeof code_size);
    if (status != RAGSTORE_OK)
        return status;
    if (bits < 1 || (uint32_t)bits != head->dimension || code_size != (bits + 7) / 8)
        return rsi_faiss_walk_fail(walker, "are signs of more or fewer numbers");
    status = rsi_faiss_walk_rotation(walker, head->dimension, rotates);
    return status == RAGSTORE_OK
               ? rsi_faiss_walk_codes(walker, head->count, (uint64_t)code_size)
               : status;
}
