/* Walking through FAISS's indexes: see faiss_walk.h. */
#include "vectors/faiss_walk_internal.h"

#include "vectors/vectors.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PIECE 1024       /* numbers that are looked at together */
#define FLOAT_MOST 1e18f /* as vectors/metric.c bounds whole vectors */

#define IDMAP RSI_FAISS_CODE('I', 'x', 'M', 'p')
#define FLAT_INNER RSI_FAISS_CODE('I', 'x', 'F', 'I')
#define FLAT_L2 RSI_FAISS_CODE('I', 'x', 'F', '2')

int rsi_faiss_walk_fail(const rsi_faiss_walker *walker, const char *what)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "vectors", "%s: before byte %" PRIu64 " %s",
                    rsi_file_path(walker->blocks->file), walker->offset, what);
}

/* ---- numbers ---- */

int rsi_faiss_walk_take(rsi_faiss_walker *walker, void *out, size_t size)
{
    int status = rsi_faiss_blocks_read(walker->blocks, out, size, walker->offset);
    if (status == RAGSTORE_OK)
        walker->offset += size;
    return status;
}

int rsi_faiss_walk_length(uint64_t *count, rsi_faiss_walker *walker, size_t element_size)
{
    int status = rsi_faiss_walk_take(walker, count, sizeof *count);
    if (status == RAGSTORE_OK && *count > (walker->blocks->size - walker->offset) / element_size)
        status = rsi_faiss_walk_fail(walker, "an array begins that the file has no room for");
    return status;
}

int rsi_faiss_walk_expect_length(rsi_faiss_walker *walker, uint64_t expected, size_t element_size,
                                 const char *what)
{
    uint64_t count;
    int status = rsi_faiss_walk_length(&count, walker, element_size);
    if (status == RAGSTORE_OK && count != expected)
        status = rsi_faiss_walk_fail(walker, what);
    return status;
}

int rsi_faiss_walk_flag(bool *out, rsi_faiss_walker *walker)
{
    unsigned char byte = 0;
    int status = rsi_faiss_walk_take(walker, &byte, 1);
    *out = byte == 1;
    return status == RAGSTORE_OK && byte > 1
               ? rsi_faiss_walk_fail(walker, "stands neither yes nor no")
               : status;
}

int rsi_faiss_walk_floats(rsi_faiss_walker *walker, uint64_t count)
{
    float piece[PIECE];
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && count > 0) {
        const size_t some = count < PIECE ? (size_t)count : PIECE;
        bool is_bounded = true;
        status = rsi_faiss_walk_take(walker, piece, some * sizeof *piece);
        for (size_t i = 0; status == RAGSTORE_OK && i < some; i++)
            is_bounded &= fabsf(piece[i]) <= walker->most;
        if (status == RAGSTORE_OK && !is_bounded)
            status = rsi_faiss_walk_fail(walker, "is a number that is not finite, or too large");
        count -= some;
    }
    return status;
}

int rsi_faiss_walk_bytes(rsi_faiss_walker *walker, uint64_t count)
{
    unsigned char piece[PIECE];
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && count > 0) {
        const size_t some = count < PIECE ? (size_t)count : PIECE;
        status = rsi_faiss_walk_take(walker, piece, some);
        count -= some;
    }
    return status;
}

/* ---- headers ---- */

static int take_metric(enum rsi_faiss_metric *out, rsi_faiss_walker *walker)
{
    int32_t metric = 0;
    int status = rsi_faiss_walk_take(walker, &metric, sizeof metric);
    *out = metric == RSI_FAISS_L2 ? RSI_FAISS_L2 : RSI_FAISS_INNER_PRODUCT;
    return status == RAGSTORE_OK && metric != RSI_FAISS_L2 && metric != RSI_FAISS_INNER_PRODUCT
               ? rsi_faiss_walk_fail(walker, "is the number of another metric")
               : status;
}

int rsi_faiss_walk_head(rsi_faiss_head *out, rsi_faiss_walker *walker)
{
    int32_t dimension = 0;
    int64_t count = 0;
    int64_t unused[2];
    bool is_trained = false;
    memset(out, 0, sizeof *out);
    int status = rsi_faiss_walk_take(walker, &dimension, sizeof dimension);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &count, sizeof count);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, unused, sizeof unused);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&is_trained, walker);
    if (status == RAGSTORE_OK)
        status = take_metric(&out->metric, walker);
    if (status != RAGSTORE_OK)
        return status;
    if (dimension < 1 || (uint32_t)dimension > RSI_DIMENSION_MAX)
        return rsi_faiss_walk_fail(walker, "is a dimension that no index has");
    if (count < 0 || (uint64_t)count > walker->blocks->size) /* each takes a byte at least */
        return rsi_faiss_walk_fail(walker, "is a number of vectors that the file has no room for");
    if (count > INT32_MAX) /* as FAISS numbers the vectors of a graph */
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors", "%s: an index of %" PRId64 " vectors",
                        rsi_file_path(walker->blocks->file), count);
    if (!is_trained)
        return rsi_faiss_walk_fail(walker, "is an index that is not trained");
    out->dimension = (uint32_t)dimension;
    out->count = (uint64_t)count;
    return RAGSTORE_OK;
}

/* ---- an index ---- */

static int walk_flat(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    const uint64_t numbers = head->count * head->dimension;
    int status = rsi_faiss_walk_expect_length(walker, numbers, sizeof(float),
                                              "are more or fewer numbers than its vectors have");
    return status == RAGSTORE_OK ? rsi_faiss_walk_floats(walker, numbers) : status;
}

typedef struct form {
    char code[5];
    unsigned kind;
    int (*walk)(rsi_faiss_walker *walker, const rsi_faiss_head *head);
    enum rsi_faiss_additive_kind additive; /* its quantiser; 0: another */
} form;

static const form forms[] = {
    {"IxFI", RSI_FAISS_IS_FLAT, walk_flat, 0},
    {"IxF2", RSI_FAISS_IS_FLAT, walk_flat, 0},
    {"IxSQ", RSI_FAISS_IS_CODES, rsi_faiss_walk_scalar_codes, 0},
    {"IxPq", RSI_FAISS_IS_CODES, rsi_faiss_walk_product_codes, 0},
    {"IxHe", RSI_FAISS_IS_CODES, rsi_faiss_walk_sign_codes, 0},
    {"IPfs", RSI_FAISS_IS_BLOCKS, rsi_faiss_walk_product_blocks, 0},
    {"Imiq", RSI_FAISS_IS_MULTI, rsi_faiss_walk_multi, 0},
    {"IHNf", RSI_FAISS_IS_GRAPH, rsi_faiss_walk_graph, 0},
    {"IHNs", RSI_FAISS_IS_GRAPH, rsi_faiss_walk_graph, 0},
    {"IHNp", RSI_FAISS_IS_GRAPH, rsi_faiss_walk_graph, 0},
    {"IwFl", RSI_FAISS_IS_LISTS, rsi_faiss_walk_flat_lists, 0},
    {"IwFd", RSI_FAISS_IS_LISTS, rsi_faiss_walk_single_lists, 0},
    {"IwSq", RSI_FAISS_IS_LISTS, rsi_faiss_walk_scalar_lists, 0},
    {"IwPQ", RSI_FAISS_IS_LISTS, rsi_faiss_walk_product_lists, 0},
    {"IwSh", RSI_FAISS_IS_LISTS, rsi_faiss_walk_sign_lists, 0},
    {"IwPf", RSI_FAISS_IS_LISTS, rsi_faiss_walk_product_block_lists, 0},
    {"IxRq", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_codes, RSI_FAISS_RESIDUAL},
    {"IxLS", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_codes, RSI_FAISS_LOCAL},
    {"IxPR", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_codes, RSI_FAISS_PARTS_RESIDUAL},
    {"IxPL", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_codes, RSI_FAISS_PARTS_LOCAL},
    {"IwRQ", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_lists, RSI_FAISS_RESIDUAL},
    {"IwLS", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_lists, RSI_FAISS_LOCAL},
    {"IwPR", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_lists, RSI_FAISS_PARTS_RESIDUAL},
    {"IwPL", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_lists, RSI_FAISS_PARTS_LOCAL},
    {"IRfs", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_blocks, RSI_FAISS_RESIDUAL},
    {"ILfs", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_blocks, RSI_FAISS_LOCAL},
    {"IPRf", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_blocks, RSI_FAISS_PARTS_RESIDUAL},
    {"IPLf", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_blocks, RSI_FAISS_PARTS_LOCAL},
    {"IVRf", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_block_lists, RSI_FAISS_RESIDUAL},
    {"IVLf", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_block_lists, RSI_FAISS_LOCAL},
    {"NPRf", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_block_lists, RSI_FAISS_PARTS_RESIDUAL},
    {"NPLf", RSI_FAISS_IS_ADDITIVE, rsi_faiss_walk_additive_block_lists, RSI_FAISS_PARTS_LOCAL},
    {"IxPT", RSI_FAISS_IS_TRANSFORMED, rsi_faiss_walk_transforms, 0},
};

static int refuse(const rsi_faiss_walker *walker, uint32_t code)
{
    char name[5] = "";
    for (unsigned i = 0; i < 4; i++) {
        const char c = (char)(code >> 8 * i & 0xFF);
        name[i] = (char)(c > 0x20 && c < 0x7F ? c : '?');
    }
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                    "%s: an index of FAISS's kind \"%s\" is not read back from a file",
                    rsi_file_path(walker->blocks->file), name);
}

/* NULL: there is none of that name and of these kinds. */
static const form *form_of(uint32_t code, unsigned kinds)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (memcmp(forms[i].code, &code, sizeof code) == 0)
            return (forms[i].kind & kinds) != 0 ? &forms[i] : NULL;
    return NULL;
}

int rsi_faiss_walk_index(rsi_faiss_walker *walker, unsigned kinds, uint32_t dimension,
                         uint64_t count)
{
    uint32_t code = 0;
    rsi_faiss_head head;
    int status = rsi_faiss_walk_take(walker, &code, sizeof code);
    if (status != RAGSTORE_OK)
        return status;
    const form *is = form_of(code, kinds);
    if (is == NULL)
        return refuse(walker, code);
    status = rsi_faiss_walk_head(&head, walker);
    head.additive = is->additive;
    if (status == RAGSTORE_OK && (head.dimension != dimension || head.count != count))
        status = rsi_faiss_walk_fail(
            walker,
            "an index has other vectors, or another number of them, than the one around it");
    if (status == RAGSTORE_OK && (code == FLAT_INNER || code == FLAT_L2) &&
        (code == FLAT_L2) != (head.metric == RSI_FAISS_L2))
        status = rsi_faiss_walk_fail(walker, "a kind and its metric disagree");
    return status == RAGSTORE_OK ? is->walk(walker, &head) : status;
}

int rsi_faiss_walk(rsi_faiss_facts *out, rsi_faiss_blocks *blocks)
{
    rsi_faiss_walker walker = {.blocks = blocks, .most = FLOAT_MOST};
    rsi_faiss_head head;
    uint32_t code = 0;
    memset(out, 0, sizeof *out);
    int status = rsi_faiss_walk_take(&walker, &code, sizeof code);
    if (status == RAGSTORE_OK && code != IDMAP)
        return refuse(&walker, code);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_head(&head, &walker);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_index(&walker,
                                      RSI_FAISS_IS_SEARCHED | RSI_FAISS_IS_ADDITIVE |
                                          RSI_FAISS_IS_TRANSFORMED,
                                      head.dimension, head.count);
    /* the ids themselves are looked at when they are loaded: any number may stand here */
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_expect_length(&walker, head.count, sizeof(int64_t),
                                              "are more or fewer ids than vectors");
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_bytes(&walker, head.count * sizeof(int64_t));
    if (status == RAGSTORE_OK && walker.offset != blocks->size)
        status = rsi_faiss_walk_fail(&walker, "an index ends that does not fill the file");
    if (status == RAGSTORE_OK)
        *out = (rsi_faiss_facts){head.dimension, head.count, head.metric};
    return status;
}
