/*
 * Codes of 4 bits in blocks, as FAISS's fast scan reads them: see faiss_walk.h. FAISS goes through
 * whole blocks, whatever is said of their number elsewhere.
 *
 *   a block          codes of 32, 64, … 160 vectors, first pieces first: half as many bytes for
 *                    each piece; pieces are made up to an even number
 *   in lists         each begins a block
 *   behind the last  there is room for more vectors, whose codes FAISS adds to what lies there
 *
 * FAISS makes a table for the lists when it reads them, also where it does not use it: up to 2 GiB,
 * and at most 16 times what centroids of lists take that are written down each.
 */
#include "vectors/faiss_walk_internal.h"

#define LANE 32       /* vectors that are looked at together */
#define BLOCK_MAX 160 /* FAISS has no loop for larger ones */
#define BITS 4

#define LISTS RSI_FAISS_CODE('i', 'l', 'b', 'l')
#define NO_CODE_SIZE UINT64_MAX

/* How codes lie in blocks. */
typedef struct form {
    uint64_t pieces;
    uint64_t even_pieces; /* as said */
    int32_t way;          /* to search; 0: as FAISS chooses */
    int32_t block;        /* vectors */
    uint64_t queries;     /* that are searched together; 0: as FAISS chooses */
} form;

static int check_form(const rsi_faiss_walker *walker, const form *is)
{
    if (is->block < LANE || is->block > BLOCK_MAX || is->block % LANE != 0 ||
        is->even_pieces != is->pieces + is->pieces % 2)
        return rsi_faiss_walk_fail(walker, "are blocks of codes that do not fit");
    if (is->way != 0 || is->queries != 0)
        return rsi_faiss_walk_fail(walker, "is a way to search that nobody asked for");
    return RAGSTORE_OK;
}

static uint64_t round_up(const form *is, uint64_t count)
{
    const uint64_t block = (uint64_t)is->block;
    return (count + block - 1) / block * block;
}

/* ---- one after the other ---- */

static int take_blocks(rsi_faiss_walker *walker, const form *is, uint64_t count, uint64_t said)
{
    const uint64_t bytes = round_up(is, count) * is->even_pieces / 2;
    if (said != round_up(is, count))
        return rsi_faiss_walk_fail(walker, "are blocks of more or fewer vectors");
    int status =
        rsi_faiss_walk_expect_length(walker, bytes, 1, "are more or fewer codes than vectors");
    return status == RAGSTORE_OK ? rsi_faiss_walk_bytes(walker, bytes) : status;
}

static int take_product(form *is, uint64_t *code_size, rsi_faiss_walker *walker,
                        uint32_t dimension)
{
    rsi_faiss_product product;
    int status = rsi_faiss_walk_product_quantiser(&product, walker, dimension);
    if (status == RAGSTORE_OK && product.bits != BITS)
        status = rsi_faiss_walk_fail(walker, "are codes in blocks that have not 4 bits");
    is->pieces = product.pieces;
    *code_size = product.code_size;
    return status;
}

int rsi_faiss_walk_product_blocks(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    form is = {0};
    int32_t numbers[3] = {0}; /* way, block, queries */
    uint64_t said[2] = {0};   /* places for vectors, pieces */
    uint64_t code_size;
    int status = take_product(&is, &code_size, walker, head->dimension);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, numbers, sizeof numbers);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, said, sizeof said);
    if (status != RAGSTORE_OK)
        return status;
    is.way = numbers[0];
    is.block = numbers[1];
    is.queries = (uint32_t)numbers[2];
    is.even_pieces = said[1];
    status = check_form(walker, &is);
    return status == RAGSTORE_OK ? take_blocks(walker, &is, head->count, said[0]) : status;
}

/* ---- in lists ---- */

static int take_list(rsi_faiss_walker *walker, const form *is, rsi_bitset *seen, uint64_t vectors)
{
    uint64_t count = 0;
    int status = rsi_faiss_walk_length(&count, walker, sizeof(int64_t));
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_lists_numbers(walker, seen, vectors, count);
    if (status != RAGSTORE_OK)
        return status;
    const uint64_t bytes = round_up(is, count) * is->even_pieces / 2;
    status = rsi_faiss_walk_expect_length(walker, bytes, 1,
                                          "are more or fewer codes than vectors in a list");
    return status == RAGSTORE_OK ? rsi_faiss_walk_bytes(walker, bytes) : status;
}

static int take_lists(rsi_faiss_walker *walker, const form *is, uint64_t list_count,
                      uint64_t code_size, uint64_t vectors)
{
    uint32_t kind = 0;
    uint64_t said[4] = {0}; /* lists, bytes of a code, vectors and bytes of a block */
    rsi_bitset seen = {0};
    int status = rsi_faiss_walk_take(walker, &kind, sizeof kind);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, said, sizeof said);
    if (status == RAGSTORE_OK &&
        (kind != LISTS || said[0] != list_count ||
         (said[1] != NO_CODE_SIZE && said[1] != code_size) || said[2] != (uint64_t)is->block ||
         said[3] != said[2] * is->even_pieces / 2))
        status = rsi_faiss_walk_fail(walker, "are lists that do not fit the index around them");
    for (uint64_t i = 0; status == RAGSTORE_OK && i < list_count; i++)
        status = take_list(walker, is, &seen, vectors);
    if (status == RAGSTORE_OK && seen.count != vectors)
        status = rsi_faiss_walk_fail(walker, "are lists of fewer vectors than there are");
    rsi_bitset_free(&seen);
    return status;
}

int rsi_faiss_walk_product_block_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    form is = {0};
    bool of_residuals;
    uint64_t list_count = 0;
    uint64_t said_size = 0;
    uint64_t code_size = 0;
    int status = rsi_faiss_walk_lists_head(&list_count, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&of_residuals, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &said_size, sizeof said_size);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &is.block, sizeof is.block);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &is.even_pieces, sizeof is.even_pieces);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &is.way, sizeof is.way);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &is.queries, sizeof is.queries);
    if (status == RAGSTORE_OK)
        status = take_product(&is, &code_size, walker, head->dimension);
    if (status == RAGSTORE_OK && said_size != code_size)
        status = rsi_faiss_walk_fail(walker, "are codes of another size");
    if (status == RAGSTORE_OK)
        status = check_form(walker, &is);
    return status == RAGSTORE_OK ? take_lists(walker, &is, list_count, code_size, head->count)
                                 : status;
}

/* ---- of additive quantisers ---- */

/* The same numbers stand in front of codes and of lists of them. Only inner products are searched
 * by codes that are read back: for L2 there are lengths in them that are looked up. */
typedef struct additive_form {
    form is;
    uint64_t said_bits, said_centroids, said_size;
    uint64_t room; /* places for vectors; of lists: queries together */
} additive_form;

static int take_additive_form(additive_form *out, rsi_faiss_walker *walker)
{
    int32_t numbers[3] = {0}; /* way, block, queries */
    uint64_t sizes[6] = {0};  /* pieces, bits and centroids of each, code, room, even pieces */
    bool rescales;
    int32_t scale;
    uint64_t training;
    int status = rsi_faiss_walk_take(walker, numbers, sizeof numbers);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, sizes, sizeof sizes);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&rescales, walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &scale, sizeof scale); /* of lengths */
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &training, sizeof training);
    *out = (additive_form){
        .is = {sizes[0], sizes[5], numbers[0], numbers[1], (uint32_t)numbers[2]},
        .said_bits = sizes[1],
        .said_centroids = sizes[2],
        .said_size = sizes[3],
        .room = sizes[4],
    };
    return status;
}

static int check_additive(const rsi_faiss_walker *walker, const rsi_faiss_head *head,
                          const rsi_faiss_additive *quantiser, const additive_form *of)
{
    if (head->metric != RSI_FAISS_INNER_PRODUCT ||
        quantiser->search != RSI_FAISS_SEARCH_NO_LENGTH || !quantiser->has_4_bits ||
        of->is.pieces != quantiser->books || of->said_bits != BITS ||
        of->said_centroids != 1 << BITS || of->said_size != quantiser->code_size)
        return rsi_faiss_walk_fail(walker, "are blocks of codes of another quantiser");
    return check_form(walker, &of->is);
}

int rsi_faiss_walk_additive_blocks(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    rsi_faiss_additive quantiser;
    additive_form of;
    rsi_faiss_walk_additive_begin(walker);
    int status = rsi_faiss_walk_additive(&quantiser, walker, head);
    if (status == RAGSTORE_OK)
        status = take_additive_form(&of, walker);
    if (status == RAGSTORE_OK)
        status = check_additive(walker, head, &quantiser, &of);
    return status == RAGSTORE_OK ? take_blocks(walker, &of.is, head->count, of.room) : status;
}

/* FAISS takes the centroid of each list that a search is led to, also where it is led to none. */
static int take_no_residuals(rsi_faiss_walker *walker)
{
    bool of_residuals = false;
    int status = rsi_faiss_walk_flag(&of_residuals, walker);
    return status == RAGSTORE_OK && of_residuals
               ? rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                          "%s: blocks of codes of what differs from a list are not read back "
                          "from a file",
                          rsi_file_path(walker->blocks->file))
               : status;
}

int rsi_faiss_walk_additive_block_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    uint64_t list_count = 0;
    rsi_faiss_additive quantiser;
    additive_form of;
    rsi_faiss_walk_additive_begin(walker);
    int status = rsi_faiss_walk_lists_head(&list_count, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_additive(&quantiser, walker, head);
    if (status == RAGSTORE_OK)
        status = take_no_residuals(walker);
    if (status == RAGSTORE_OK)
        status = take_additive_form(&of, walker);
    if (status == RAGSTORE_OK && of.room != 0)
        status = rsi_faiss_walk_fail(walker, "is a way to search that nobody asked for");
    if (status == RAGSTORE_OK)
        status = check_additive(walker, head, &quantiser, &of);
    return status == RAGSTORE_OK ? take_lists(walker, &of.is, list_count, of.said_size, head->count)
                                 : status;
}
