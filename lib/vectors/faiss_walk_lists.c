/* Inverted lists, found by another index: see faiss_walk.h. */
#include "vectors/faiss_walk_internal.h"

#include "base/memory.h"

#include <math.h>

#define LISTS_MAX 65536 /* as in factory strings */
#define NO_MAP 0        /* from vectors to lists */

#define LISTS RSI_FAISS_CODE('i', 'l', 'a', 'r')
#define ALL_SIZES RSI_FAISS_CODE('f', 'u', 'l', 'l')
#define SOME_SIZES RSI_FAISS_CODE('s', 'p', 'r', 's')

/* And nothing that finds them for each vector. */
int rsi_faiss_walk_lists_head(uint64_t *list_count, rsi_faiss_walker *walker,
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
int rsi_faiss_walk_lists_numbers(rsi_faiss_walker *walker, rsi_bitset *seen, uint64_t vectors,
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

typedef struct lists {
    uint64_t count;
    uint64_t code_size;
    bool are_floats; /* the codes */
    rsi_bitset seen; /* vectors; at first those that are in no list */
} lists;

/* What else there is of them is freed. */
static int take_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head, lists *of)
{
    uint32_t kind = 0;
    uint64_t said[2] = {0}; /* lists, bytes of a code */
    uint64_t *sizes = NULL;
    int status = rsi_faiss_walk_take(walker, &kind, sizeof kind);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, said, sizeof said);
    if (status == RAGSTORE_OK &&
        (kind != LISTS || said[0] != of->count || said[1] != of->code_size))
        status = rsi_faiss_walk_fail(walker, "are lists that do not fit the index around them");
    if (status == RAGSTORE_OK) {
        sizes = rsi_alloc_array((size_t)of->count, sizeof *sizes);
        status = sizes == NULL
                     ? RAGSTORE_E_NO_MEMORY
                     : take_sizes(sizes, of->count, walker, head->count - of->seen.count);
    }
    for (uint64_t i = 0; status == RAGSTORE_OK && i < of->count; i++) {
        status = of->are_floats ? rsi_faiss_walk_floats(walker, sizes[i] * head->dimension)
                                : rsi_faiss_walk_bytes(walker, sizes[i] * of->code_size);
        if (status == RAGSTORE_OK)
            status = rsi_faiss_walk_lists_numbers(walker, &of->seen, head->count, sizes[i]);
    }
    rsi_bitset_free(&of->seen);
    rsi_free(sizes);
    return status;
}

/* ---- vectors themselves ---- */

int rsi_faiss_walk_flat_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    lists of = {.code_size = head->dimension * sizeof(float), .are_floats = true};
    int status = rsi_faiss_walk_lists_head(&of.count, walker, head);
    return status == RAGSTORE_OK ? take_lists(walker, head, &of) : status;
}

/* Pairs of a vector in a list, and one that is the same and in none: each is there once. */
static int take_doubles(rsi_faiss_walker *walker, rsi_bitset *doubles, uint64_t vectors)
{
    rsi_bitset firsts = {0};
    uint64_t count = 0;
    int status = rsi_faiss_walk_length(&count, walker, sizeof(int64_t));
    if (status == RAGSTORE_OK && count % 2 != 0)
        status = rsi_faiss_walk_fail(walker, "is a pair of vectors that lacks one");
    for (uint64_t i = 0; status == RAGSTORE_OK && i < count; i += 2) {
        int64_t first = -1;
        status = rsi_faiss_walk_take(walker, &first, sizeof first);
        if (status == RAGSTORE_OK && (first < 0 || (uint64_t)first >= vectors))
            status = rsi_faiss_walk_fail(walker, "is a pair with a vector that there is not");
        if (status == RAGSTORE_OK)
            status = rsi_bitset_add(&firsts, first);
        if (status == RAGSTORE_OK)
            status = rsi_faiss_walk_lists_numbers(walker, doubles, vectors, 1);
    }
    for (int64_t first = rsi_bitset_next(&firsts, 0); status == RAGSTORE_OK && first >= 0;
         first = rsi_bitset_next(&firsts, first + 1))
        if (rsi_bitset_has(doubles, first))
            status = rsi_faiss_walk_fail(walker, "are pairs of vectors that are in no list");
    rsi_bitset_free(&firsts);
    return status;
}

int rsi_faiss_walk_single_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    lists of = {.code_size = head->dimension * sizeof(float), .are_floats = true};
    int status = rsi_faiss_walk_lists_head(&of.count, walker, head);
    if (status == RAGSTORE_OK)
        status = take_doubles(walker, &of.seen, head->count);
    if (status == RAGSTORE_OK)
        return take_lists(walker, head, &of);
    rsi_bitset_free(&of.seen);
    return status;
}

/* ---- codes ---- */

static int take_code_size(rsi_faiss_walker *walker, uint64_t expected)
{
    uint64_t said = 0;
    int status = rsi_faiss_walk_take(walker, &said, sizeof said);
    return status == RAGSTORE_OK && said != expected
               ? rsi_faiss_walk_fail(walker, "is the size of other codes")
               : status;
}

int rsi_faiss_walk_scalar_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    bool of_residuals;
    lists of = {0};
    int status = rsi_faiss_walk_lists_head(&of.count, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_scalar_quantiser(&of.code_size, walker, head->dimension);
    if (status == RAGSTORE_OK)
        status = take_code_size(walker, of.code_size);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&of_residuals, walker);
    return status == RAGSTORE_OK ? take_lists(walker, head, &of) : status;
}

int rsi_faiss_walk_product_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    bool of_residuals;
    rsi_faiss_product product;
    lists of = {0};
    int status = rsi_faiss_walk_lists_head(&of.count, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&of_residuals, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &of.code_size, sizeof of.code_size);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_product_quantiser(&product, walker, head->dimension);
    if (status == RAGSTORE_OK && of.code_size != product.code_size)
        status = rsi_faiss_walk_fail(walker, "are codes of another size");
    return status == RAGSTORE_OK ? take_lists(walker, head, &of) : status;
}

int rsi_faiss_walk_additive_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    bool of_residuals;
    int32_t table = 0;
    rsi_faiss_additive quantiser;
    lists of = {0};
    rsi_faiss_walk_additive_begin(walker);
    int status = rsi_faiss_walk_lists_head(&of.count, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &of.code_size, sizeof of.code_size);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_additive(&quantiser, walker, head);
    if (status == RAGSTORE_OK && of.code_size != quantiser.code_size)
        status = rsi_faiss_walk_fail(walker, "are codes of another size");
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&of_residuals, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &table, sizeof table);
    if (status == RAGSTORE_OK && table != 0)
        status = rsi_faiss_walk_fail(walker, "is a table that nobody asked for");
    return status == RAGSTORE_OK ? take_lists(walker, head, &of) : status;
}

/* ---- signs ---- */

enum threshold { /* as FAISS numbers them */
                 THRESHOLD_ZERO,
                 THRESHOLD_CENTROID,
                 THRESHOLD_HALF,
                 THRESHOLD_MEDIAN,
};

/* A median has more numbers than there are lists: of the others only training knew. */
static int take_thresholds(rsi_faiss_walker *walker, uint64_t numbers)
{
    struct {
        float period;
        int32_t kind;
    } is = {0};
    uint64_t count = 0;
    int status = rsi_faiss_walk_take(walker, &is, sizeof is);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_length(&count, walker, sizeof(float));
    if (status != RAGSTORE_OK)
        return status;
    if (!isfinite(is.period) || is.period == 0 || is.kind < THRESHOLD_ZERO ||
        is.kind > THRESHOLD_MEDIAN)
        return rsi_faiss_walk_fail(walker, "is no way to make signs");
    if (is.kind == THRESHOLD_ZERO     ? count != 0
        : is.kind == THRESHOLD_MEDIAN ? count < numbers
                                      : count != numbers)
        return rsi_faiss_walk_fail(walker, "are more or fewer thresholds than signs of lists");
    return rsi_faiss_walk_floats(walker, count);
}

int rsi_faiss_walk_sign_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    uint32_t signs = head->dimension;
    int32_t bits = 0;
    lists of = {0};
    int status = rsi_faiss_walk_lists_head(&of.count, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_transform(&signs, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &bits, sizeof bits);
    if (status == RAGSTORE_OK && (bits < 1 || (uint32_t)bits != signs))
        status = rsi_faiss_walk_fail(walker, "are signs of more or fewer numbers");
    if (status == RAGSTORE_OK)
        status = take_thresholds(walker, of.count * signs);
    of.code_size = (signs + 7) / 8;
    return status == RAGSTORE_OK ? take_lists(walker, head, &of) : status;
}
