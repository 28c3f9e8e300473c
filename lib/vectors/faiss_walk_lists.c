/* Inverted lists, found by another index: see faiss_walk.h. */
#include "vectors/faiss_walk_internal.h"

#include "base/bitset.h"
#include "base/memory.h"

#define LISTS_MAX 65536 /* as in factory strings */
#define NO_MAP 0        /* from vectors to lists */

#define LISTS RSI_FAISS_CODE('i', 'l', 'a', 'r')
#define ALL_SIZES RSI_FAISS_CODE('f', 'u', 'l', 'l')
#define SOME_SIZES RSI_FAISS_CODE('s', 'p', 'r', 's')

/* What finds the lists, and nothing that finds them for each vector. */
static int take_quantiser(uint64_t *list_count, rsi_faiss_walker *walker,
                          const rsi_faiss_head *head)
{
    uint64_t sizes[2] = {0}; /* lists, and how many a search looks into */
    unsigned char map = NO_MAP;
    int status = rsi_faiss_walk_take(walker, sizes, sizeof sizes);
    if (status != RAGSTORE_OK)
        return status;
    if (sizes[0] < 1 || sizes[0] > LISTS_MAX || sizes[1] < 1 || sizes[1] > sizes[0])
        return rsi_faiss_walk_fail(walker,
                                   "is no number of lists, or of those that are looked into");
    *list_count = sizes[0];
    status = rsi_faiss_walk_index(walker,
                                  RSI_FAISS_IS_FLAT | RSI_FAISS_IS_GRAPH | RSI_FAISS_IS_MULTI,
                                  head->dimension, *list_count);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &map, sizeof map);
    if (status == RAGSTORE_OK && map != NO_MAP)
        status = rsi_faiss_walk_fail(walker, "is a map that nobody asked for");
    return status == RAGSTORE_OK ? rsi_faiss_walk_expect_length(walker, 0, sizeof(int64_t),
                                                                "is a map that nobody asked for")
                                 : status;
}

/* How long each list is; their sum is the number of vectors. */
static int take_some_sizes(uint64_t *sizes, uint64_t list_count, rsi_faiss_walker *walker)
{
    uint64_t count = 0;
    int status = rsi_faiss_walk_length(&count, walker, sizeof *sizes);
    if (status == RAGSTORE_OK && (count % 2 != 0 || count / 2 > list_count))
        status = rsi_faiss_walk_fail(walker, "are more sizes than lists");
    for (uint64_t i = 0; status == RAGSTORE_OK && i < count / 2; i++) {
        uint64_t pair[2] = {0}; /* list, size */
        status = rsi_faiss_walk_take(walker, pair, sizeof pair);
        if (status == RAGSTORE_OK && (pair[0] >= list_count || sizes[pair[0]] != 0))
            status = rsi_faiss_walk_fail(walker, "is the size of a list that there is not");
        if (status == RAGSTORE_OK)
            sizes[pair[0]] = pair[1];
    }
    return status;
}

static int take_sizes(uint64_t *sizes, uint64_t list_count, rsi_faiss_walker *walker,
                      uint64_t vectors)
{
    uint32_t kind = 0;
    uint64_t sum = 0;
    int status = rsi_faiss_walk_take(walker, &kind, sizeof kind);
    if (status == RAGSTORE_OK && kind == ALL_SIZES) {
        status = rsi_faiss_walk_expect_length(walker, list_count, sizeof *sizes,
                                              "are sizes of more or fewer lists");
        if (status == RAGSTORE_OK)
            status = rsi_faiss_walk_take(walker, sizes, (size_t)list_count * sizeof *sizes);
    } else if (status == RAGSTORE_OK && kind == SOME_SIZES) {
        status = take_some_sizes(sizes, list_count, walker);
    } else if (status == RAGSTORE_OK) {
        status =
            rsi_faiss_walk_fail(walker, "are sizes of lists in a form that FAISS does not write");
    }
    for (size_t i = 0; status == RAGSTORE_OK && i < list_count; i++)
        if (sizes[i] > vectors || (sum += sizes[i]) > vectors)
            status = rsi_faiss_walk_fail(walker, "are lists of more vectors than there are");
    return status == RAGSTORE_OK && sum != vectors
               ? rsi_faiss_walk_fail(walker, "are lists of fewer vectors than there are")
               : status;
}

/* Each vector is in one list, once. */
static int take_numbers(rsi_faiss_walker *walker, rsi_bitset *seen, uint64_t vectors,
                        uint64_t count)
{
    int status = RAGSTORE_OK;
    for (uint64_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        int64_t number = -1;
        status = rsi_faiss_walk_take(walker, &number, sizeof number);
        if (status == RAGSTORE_OK &&
            (number < 0 || (uint64_t)number >= vectors || rsi_bitset_has(seen, number)))
            status =
                rsi_faiss_walk_fail(walker, "is a vector in a list that there is not, or twice");
        if (status == RAGSTORE_OK)
            status = rsi_bitset_add(seen, number);
    }
    return status;
}

static int take_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head, uint64_t list_count,
                      uint64_t code_size, bool are_floats)
{
    uint32_t kind = 0;
    uint64_t said[2] = {0}; /* lists, bytes of a code */
    rsi_bitset seen = {0};
    uint64_t *sizes = NULL;
    int status = rsi_faiss_walk_take(walker, &kind, sizeof kind);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, said, sizeof said);
    if (status == RAGSTORE_OK && (kind != LISTS || said[0] != list_count || said[1] != code_size))
        status = rsi_faiss_walk_fail(walker, "are lists that do not fit the index around them");
    if (status == RAGSTORE_OK) {
        sizes = rsi_alloc_array((size_t)list_count, sizeof *sizes);
        status = sizes == NULL ? RAGSTORE_E_NO_MEMORY
                               : take_sizes(sizes, list_count, walker, head->count);
    }
    for (uint64_t i = 0; status == RAGSTORE_OK && i < list_count; i++) {
        status = are_floats ? rsi_faiss_walk_floats(walker, sizes[i] * head->dimension)
                            : rsi_faiss_walk_bytes(walker, sizes[i] * code_size);
        if (status == RAGSTORE_OK)
            status = take_numbers(walker, &seen, head->count, sizes[i]);
    }
    rsi_bitset_free(&seen);
    rsi_free(sizes);
    return status;
}

/* ---- what the codes are ---- */

static int take_code_size(rsi_faiss_walker *walker, uint64_t expected)
{
    uint64_t said = 0;
    int status = rsi_faiss_walk_take(walker, &said, sizeof said);
    return status == RAGSTORE_OK && said != expected
               ? rsi_faiss_walk_fail(walker, "is the size of other codes")
               : status;
}

static int take_scalar(uint64_t *code_size, rsi_faiss_walker *walker, uint32_t dimension)
{
    bool of_residuals;
    int status = rsi_faiss_walk_scalar_quantiser(code_size, walker, dimension);
    if (status == RAGSTORE_OK)
        status = take_code_size(walker, *code_size);
    return status == RAGSTORE_OK ? rsi_faiss_walk_flag(&of_residuals, walker) : status;
}

static int take_product(uint64_t *code_size, rsi_faiss_walker *walker, uint32_t dimension)
{
    bool of_residuals;
    uint64_t said = 0;
    int status = rsi_faiss_walk_flag(&of_residuals, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &said, sizeof said);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_product_quantiser(code_size, walker, dimension);
    return status == RAGSTORE_OK && said != *code_size
               ? rsi_faiss_walk_fail(walker, "are codes of another size")
               : status;
}

int rsi_faiss_walk_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head,
                         enum rsi_faiss_lists_kind kind)
{
    uint64_t list_count = 0;
    uint64_t code_size = head->dimension * sizeof(float);
    int status = take_quantiser(&list_count, walker, head);
    if (status == RAGSTORE_OK && kind == RSI_FAISS_LISTS_SCALAR)
        status = take_scalar(&code_size, walker, head->dimension);
    else if (status == RAGSTORE_OK && kind == RSI_FAISS_LISTS_PRODUCT)
        status = take_product(&code_size, walker, head->dimension);
    return status == RAGSTORE_OK
               ? take_lists(walker, head, list_count, code_size, kind == RSI_FAISS_LISTS_FLAT)
               : status;
}
