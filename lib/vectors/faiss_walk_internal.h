/* What the faiss_walk_….c files share: see faiss_walk.h. */
#ifndef RSI_VECTORS_FAISS_WALK_INTERNAL_H
#define RSI_VECTORS_FAISS_WALK_INTERNAL_H

#include "base/bitset.h"
#include "vectors/faiss_walk.h"

#define RSI_FAISS_CODE(a, b, c, d)                                                                 \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

typedef struct rsi_faiss_walker {
    rsi_faiss_blocks *blocks;
    uint64_t offset; /* of what is read next */
    float most;      /* numbers of vectors are not larger */
    bool
        in_graph; /* FAISS makes a table of the squared number of a product quantiser's centroids */
} rsi_faiss_walker;

enum rsi_faiss_additive_kind {
    RSI_FAISS_RESIDUAL = 1, /* RQ */
    RSI_FAISS_LOCAL,    /* LSQ */
    RSI_FAISS_PARTS_RESIDUAL,
    RSI_FAISS_PARTS_LOCAL,
};

/* What an index says in its header. */
typedef struct rsi_faiss_head {
    uint32_t dimension;
    uint64_t count;
    enum rsi_faiss_metric metric;
    enum rsi_faiss_additive_kind additive; /* 0: none, as its kind says */
} rsi_faiss_head;

/* Which kinds may lie where an index is expected. */
enum {
    RSI_FAISS_IS_FLAT = 1,
    RSI_FAISS_IS_CODES = 2, /* SQ, PQ, LSH */
    RSI_FAISS_IS_GRAPH = 4,
    RSI_FAISS_IS_LISTS = 8,
    RSI_FAISS_IS_TRANSFORMED = 16,
    RSI_FAISS_IS_MULTI = 32,  /* centroids that are pairs of halves, and not written down each */
    RSI_FAISS_IS_BLOCKS = 64, /* codes that only a whole search can read */
    RSI_FAISS_IS_ADDITIVE = 128,
    RSI_FAISS_IS_SEARCHED = /* also behind transformations */
    RSI_FAISS_IS_FLAT | RSI_FAISS_IS_CODES | RSI_FAISS_IS_GRAPH | RSI_FAISS_IS_LISTS |
    RSI_FAISS_IS_BLOCKS,
};

/* ---- faiss_walk.c ---- */

int rsi_faiss_walk_fail(const rsi_faiss_walker *walker, const char *what);
int rsi_faiss_walk_take(rsi_faiss_walker *walker, void *out, size_t size);
/* The length of an array of elements of that size, which the file has room for. */
int rsi_faiss_walk_length(uint64_t *count, rsi_faiss_walker *walker, size_t element_size);
/* The same, which has to be `expected`. */
int rsi_faiss_walk_expect_length(rsi_faiss_walker *walker, uint64_t expected, size_t element_size,
                                 const char *what);
int rsi_faiss_walk_flag(bool *out, rsi_faiss_walker *walker); /* 0 or 1 */
/* Pass over numbers that are all finite, and short enough; over bytes of any value. */
int rsi_faiss_walk_floats(rsi_faiss_walker *walker, uint64_t count);
int rsi_faiss_walk_bytes(rsi_faiss_walker *walker, uint64_t count);

int rsi_faiss_walk_head(rsi_faiss_head *out, rsi_faiss_walker *walker);
/* An index of one of these kinds, with so many vectors of that dimension. */
int rsi_faiss_walk_index(rsi_faiss_walker *walker, unsigned kinds, uint32_t dimension,
                         uint64_t count);

/* ---- the other files: what lies behind the header ---- */

/* faiss_walk_codes.c: bytes of a code; of a product quantiser also what it is made of. */
typedef struct rsi_faiss_product {
    uint64_t pieces;
    uint64_t bits; /* of each */
    uint64_t code_size;
} rsi_faiss_product;

int rsi_faiss_walk_scalar_quantiser(uint64_t *code_size, rsi_faiss_walker *walker,
                                    uint32_t dimension);
int rsi_faiss_walk_product_quantiser(rsi_faiss_product *out, rsi_faiss_walker *walker,
                                     uint32_t dimension);
int rsi_faiss_walk_codes(rsi_faiss_walker *walker, uint64_t count, uint64_t code_size);
int rsi_faiss_walk_scalar_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_product_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_sign_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_multi(rsi_faiss_walker *walker, const rsi_faiss_head *head);

/* faiss_walk_graph.c */
int rsi_faiss_walk_graph(rsi_faiss_walker *walker, const rsi_faiss_head *head);

/* faiss_walk_lists.c: what finds the lists; the numbers of vectors that are in none of `seen`
 * yet. */
int rsi_faiss_walk_lists_head(uint64_t *list_count, rsi_faiss_walker *walker,
                              const rsi_faiss_head *head);
int rsi_faiss_walk_lists_numbers(rsi_faiss_walker *walker, rsi_bitset *seen, uint64_t vectors,
                                 uint64_t count);
int rsi_faiss_walk_flat_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_single_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_scalar_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_product_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_additive_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_sign_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);

/* faiss_walk_blocks.c */
int rsi_faiss_walk_product_blocks(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_product_block_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);

int rsi_faiss_walk_additive_blocks(rsi_faiss_walker *walker, const rsi_faiss_head *head);
int rsi_faiss_walk_additive_block_lists(rsi_faiss_walker *walker, const rsi_faiss_head *head);

/* faiss_walk_additive.c */
enum { /* how an additive quantiser's codes are searched, as FAISS numbers it */
       RSI_FAISS_SEARCH_SUMS = 0,
       RSI_FAISS_SEARCH_NO_LENGTH = 1,
       RSI_FAISS_SEARCH_LENGTH_32 = 3,
       RSI_FAISS_SEARCH_LENGTH_8 = 4,
       RSI_FAISS_SEARCH_LENGTH_4 = 5,
};

typedef struct rsi_faiss_additive {
    uint64_t books;  /* of centroids */
    bool has_4_bits; /* each */
    int32_t search;
    uint64_t code_size;
} rsi_faiss_additive;

/* Before anything of an index that has such a quantiser is walked through. */
void rsi_faiss_walk_additive_begin(rsi_faiss_walker *walker);
int rsi_faiss_walk_additive(rsi_faiss_additive *out, rsi_faiss_walker *walker,
                            const rsi_faiss_head *head);
int rsi_faiss_walk_additive_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head);

/* faiss_walk_transform.c */
int rsi_faiss_walk_transforms(rsi_faiss_walker *walker, const rsi_faiss_head *head);
/* One that takes vectors of that dimension; its own is what comes out. */
int rsi_faiss_walk_transform(uint32_t *dimension, rsi_faiss_walker *walker);
/* A rotation of vectors of that dimension; one that is not used was never made. */
int rsi_faiss_walk_rotation(rsi_faiss_walker *walker, uint32_t dimension, bool is_used);

#endif
