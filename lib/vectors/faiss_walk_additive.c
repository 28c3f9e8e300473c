/*
 * Additive quantisers and their codes: see faiss_walk.h. A vector is the sum of one centroid from
 * each codebook; with PRQ and PLSQ, each part of it is.
 *
 *   all        dimension, codebooks, bits of each, centroids, how it is searched, norms
 *   RQ         how it was trained; how many sums are followed to the next codebook
 *   LSQ        how it was trained, and how long it looks for the codes of a vector
 *   PRQ, PLSQ  parts; an RQ or LSQ for each, with the same centroids again
 *
 * An RQ writes before the beginning of its codes when no sum is nearer than the largest float. So
 * numbers are smaller here, and nothing may turn vectors in front of it.
 *
 * A table of the squared number of centroids is made: of an RQ when it is read, of an LSQ whenever
 * vectors are added.
 *
 * Lengths that are looked up in a table of their own are not read back: FAISS 1.7.3 reads that
 * table, but not its size, and writes behind the end of the next code that it makes.
 */
#include "vectors/faiss_walk_internal.h"

#include <math.h>
#include <string.h>

#define NUMBER_MOST 1e14f
#define BOOKS_MAX 128
#define BITS_MAX 16
#define CENTROIDS_MAX 8192 /* a table of 256 MiB */
#define BEAM_MAX 8         /* sums; FAISS follows 5 */
#define ROUNDS_MAX 64      /* of an LSQ: FAISS makes 16 of 4 */

typedef struct quantiser {
    uint64_t books;
    uint64_t bits[BOOKS_MAX];
    uint64_t all_bits;
    uint64_t centroids;
    uint64_t numbers; /* of them */
    int32_t search;
} quantiser;

/* Of a vector's length in its code; -1: not read back. */
static int length_bits(int32_t search)
{
    switch (search) {
    case RSI_FAISS_SEARCH_SUMS:
    case RSI_FAISS_SEARCH_NO_LENGTH:
        return 0;
    case RSI_FAISS_SEARCH_LENGTH_32:
        return 32;
    case RSI_FAISS_SEARCH_LENGTH_8:
        return 8;
    case RSI_FAISS_SEARCH_LENGTH_4:
        return 4;
    default:
        return -1;
    }
}

static int refuse(const rsi_faiss_walker *walker, const char *what)
{
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                    "%s: an additive quantiser %s is not read back from a file",
                    rsi_file_path(walker->blocks->file), what);
}

static int fail_misfit(const rsi_faiss_walker *walker)
{
    return rsi_faiss_walk_fail(walker, "is an additive quantiser that does not fit its vectors");
}

/* ---- what all have ---- */

static int take_bits(quantiser *out, rsi_faiss_walker *walker)
{
    int status = rsi_faiss_walk_expect_length(walker, out->books, sizeof *out->bits,
                                              "are bits of more or fewer codebooks");
    for (uint64_t i = 0; status == RAGSTORE_OK && i < out->books; i++) {
        status = rsi_faiss_walk_take(walker, &out->bits[i], sizeof *out->bits);
        if (status == RAGSTORE_OK && (out->bits[i] < 1 || out->bits[i] > BITS_MAX))
            status = rsi_faiss_walk_fail(walker, "is a codebook of no size that it can have");
        if (status == RAGSTORE_OK) {
            out->all_bits += out->bits[i];
            out->centroids += (uint64_t)1 << out->bits[i];
        }
    }
    return status == RAGSTORE_OK && out->centroids > CENTROIDS_MAX
               ? refuse(walker, "of more than 8192 centroids")
               : status;
}

static int take_centroids(quantiser *out, rsi_faiss_walker *walker)
{
    bool is_trained = false;
    int status = rsi_faiss_walk_flag(&is_trained, walker);
    if (status == RAGSTORE_OK && !is_trained)
        status = rsi_faiss_walk_fail(walker, "is a quantiser that is not trained");
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_length(&out->numbers, walker, sizeof(float));
    return status == RAGSTORE_OK ? rsi_faiss_walk_floats(walker, out->numbers) : status;
}

static int take_search(quantiser *out, rsi_faiss_walker *walker)
{
    float lengths[2] = {0}; /* squared: the least and the most */
    int status = rsi_faiss_walk_take(walker, &out->search, sizeof out->search);
    if (status == RAGSTORE_OK && length_bits(out->search) < 0)
        return refuse(walker, "with a table of lengths");
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, lengths, sizeof lengths);
    return status == RAGSTORE_OK && !(isfinite(lengths[0]) && isfinite(lengths[1]))
               ? rsi_faiss_walk_fail(walker, "is a length that is not finite")
               : status;
}

static int take_head(quantiser *out, rsi_faiss_walker *walker, uint32_t dimension)
{
    uint64_t sizes[2] = {0}; /* dimension, codebooks */
    memset(out, 0, sizeof *out);
    int status = rsi_faiss_walk_take(walker, sizes, sizeof sizes);
    if (status != RAGSTORE_OK)
        return status;
    if (sizes[0] != dimension || sizes[1] < 1)
        return fail_misfit(walker);
    if (sizes[1] > BOOKS_MAX)
        return refuse(walker, "of more than 128 codebooks");
    out->books = sizes[1];
    status = take_bits(out, walker);
    if (status == RAGSTORE_OK)
        status = take_centroids(out, walker);
    return status == RAGSTORE_OK ? take_search(out, walker) : status;
}

/* ---- one for whole vectors ---- */

static int take_residual(rsi_faiss_walker *walker)
{
    int32_t numbers[2] = {0}; /* how it was trained, sums that are followed */
    int status = rsi_faiss_walk_take(walker, numbers, sizeof numbers);
    return status == RAGSTORE_OK && (numbers[1] < 1 || numbers[1] > BEAM_MAX)
               ? rsi_faiss_walk_fail(walker, "is an effort that nobody asked for")
               : status;
}

static int take_local(const quantiser *of, rsi_faiss_walker *walker)
{
    uint64_t counts[5] = {0}; /* centroids; rounds: training, adding, training, in each round */
    float training[2];
    uint64_t together = 0; /* vectors */
    int32_t seed;
    uint64_t changes = 0; /* codes of a vector in a round */
    bool training_in_double;
    int status = rsi_faiss_walk_take(walker, counts, sizeof counts);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, training, sizeof training);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &together, sizeof together);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &seed, sizeof seed);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &changes, sizeof changes);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_flag(&training_in_double, walker);
    if (status != RAGSTORE_OK)
        return status;
    for (uint64_t i = 0; i < of->books; i++)
        if (counts[0] != (uint64_t)1 << of->bits[i])
            return fail_misfit(walker);
    if (counts[2] > ROUNDS_MAX || counts[4] > ROUNDS_MAX || together < 1 || together > INT32_MAX ||
        changes > of->books)
        return rsi_faiss_walk_fail(walker, "is an effort that nobody asked for");
    return RAGSTORE_OK;
}

static int take_whole(quantiser *out, rsi_faiss_walker *walker, uint32_t dimension, bool is_local)
{
    int status = take_head(out, walker, dimension);
    if (status == RAGSTORE_OK)
        status = is_local ? take_local(out, walker) : take_residual(walker);
    return status == RAGSTORE_OK && out->numbers != out->centroids * dimension
               ? rsi_faiss_walk_fail(walker, "has an additive quantiser more or fewer centroids")
               : status;
}

/* ---- one for parts ---- */

/* The same codebooks as the whole has for it. */
static int take_part(rsi_faiss_walker *walker, const quantiser *whole, uint64_t number,
                     uint64_t parts, uint32_t dimension, bool is_local)
{
    quantiser part;
    const uint64_t books = whole->books / parts;
    int status = take_whole(&part, walker, dimension, is_local);
    return status == RAGSTORE_OK &&
                   (part.books != books || part.search != RSI_FAISS_SEARCH_SUMS ||
                    memcmp(part.bits, whole->bits + number * books,
                           (size_t)books * sizeof *part.bits) != 0)
               ? rsi_faiss_walk_fail(walker, "is a part of a quantiser that does not fit it")
               : status;
}

static int take_parts(quantiser *out, rsi_faiss_walker *walker, uint32_t dimension, bool is_local)
{
    uint64_t parts = 0;
    int status = take_head(out, walker, dimension);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &parts, sizeof parts);
    if (status != RAGSTORE_OK)
        return status;
    if (parts < 1 || parts > out->books || out->books % parts != 0 || dimension % parts != 0)
        return rsi_faiss_walk_fail(walker, "are more or fewer parts than a vector has");
    const uint32_t of_part = (uint32_t)(dimension / parts);
    if (out->numbers != out->centroids * of_part)
        return rsi_faiss_walk_fail(walker, "has an additive quantiser more or fewer centroids");
    for (uint64_t i = 0; status == RAGSTORE_OK && i < parts; i++)
        status = take_part(walker, out, i, parts, of_part, is_local);
    return status;
}

int rsi_faiss_walk_additive(rsi_faiss_additive *out, rsi_faiss_walker *walker,
                            const rsi_faiss_head *head)
{
    quantiser of;
    const bool is_local =
        head->additive == RSI_FAISS_LOCAL || head->additive == RSI_FAISS_PARTS_LOCAL;
    const bool has_parts =
        head->additive == RSI_FAISS_PARTS_RESIDUAL || head->additive == RSI_FAISS_PARTS_LOCAL;
    int status = has_parts ? take_parts(&of, walker, head->dimension, is_local)
                           : take_whole(&of, walker, head->dimension, is_local);
    if (status != RAGSTORE_OK)
        return status;
    *out = (rsi_faiss_additive){
        .books = of.books,
        .has_4_bits = true,
        .search = of.search,
        .code_size = (of.all_bits + (uint64_t)length_bits(of.search) + 7) / 8,
    };
    for (uint64_t i = 0; i < of.books; i++)
        out->has_4_bits &= of.bits[i] == 4;
    return RAGSTORE_OK;
}

void rsi_faiss_walk_additive_begin(rsi_faiss_walker *walker)
{
    walker->most = NUMBER_MOST;
}

int rsi_faiss_walk_additive_codes(rsi_faiss_walker *walker, const rsi_faiss_head *head)
{
    rsi_faiss_additive of;
    uint64_t said = 0;
    rsi_faiss_walk_additive_begin(walker);
    int status = rsi_faiss_walk_additive(&of, walker, head);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_walk_take(walker, &said, sizeof said);
    if (status == RAGSTORE_OK && said != of.code_size)
        status = rsi_faiss_walk_fail(walker, "is the size of other codes");
    return status == RAGSTORE_OK ? rsi_faiss_walk_codes(walker, head->count, of.code_size) : status;
}
