/* The layout of FAISS's Flat and IDMap files: see faiss_layout.h. */
#include "vectors/faiss_layout.h"

#include "base/status.h"
#include "vectors/vectors.h"

#include <inttypes.h>
#include <string.h>

#define KIND_SIZE 4
#define HEADER_SIZE 33
#define FLAT_HEAD (KIND_SIZE + HEADER_SIZE + 8)
#define IDMAP_HEAD (KIND_SIZE + HEADER_SIZE)

/* Where the header's fields lie. */
#define AT_DIMENSION 0
#define AT_COUNT 4
#define AT_UNUSED 12
#define AT_TRAINED 28
#define AT_METRIC 29

_Static_assert(IDMAP_HEAD + FLAT_HEAD == RSI_FAISS_HEAD_MAX, "an IDMap's head holds a Flat's");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FAISS's files are little-endian");

typedef struct header {
    int32_t dimension;
    int64_t count;
    unsigned char trained;
    int32_t metric;
} header;

/* ---- writing ---- */

/* The sizes that follow from kind, dimension and count; false when they do not fit. */
static bool settle_sizes(rsi_faiss_layout *layout)
{
    uint64_t vectors;
    uint64_t ids = 0;
    uint64_t size;
    layout->vectors_at = layout->has_ids ? RSI_FAISS_HEAD_MAX : FLAT_HEAD;
    if (__builtin_mul_overflow(layout->count, (uint64_t)layout->dimension * sizeof(float),
                               &vectors))
        return false;
    if (layout->has_ids && (__builtin_mul_overflow(layout->count, sizeof(int64_t), &ids) ||
                            __builtin_add_overflow(ids, 8, &ids)))
        return false;
    if (__builtin_add_overflow(vectors, layout->vectors_at, &size) ||
        __builtin_add_overflow(size, ids, &size) || size > INT64_MAX)
        return false;
    layout->ids_at = layout->has_ids ? layout->vectors_at + vectors + 8 : 0;
    layout->file_size = size;
    return true;
}

int rsi_faiss_layout_make(rsi_faiss_layout *out, uint32_t dimension, uint64_t count,
                          enum rsi_faiss_metric metric)
{
    memset(out, 0, sizeof *out);
    out->dimension = dimension;
    out->count = count;
    out->metric = metric;
    out->has_ids = true;
    if (count > INT64_MAX || !settle_sizes(out))
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "vectors",
                        "a FAISS file of %" PRIu64 " vectors of %" PRIu32 " numbers", count,
                        dimension);
    return RAGSTORE_OK;
}

static unsigned char *put_header(unsigned char *out, const char *kind,
                                 const rsi_faiss_layout *layout)
{
    static const int64_t unused = 1 << 20;
    const int32_t dimension = (int32_t)layout->dimension;
    const int64_t count = (int64_t)layout->count;
    const int32_t metric = (int32_t)layout->metric;
    memcpy(out, kind, KIND_SIZE);
    out += KIND_SIZE;
    memcpy(out + AT_DIMENSION, &dimension, sizeof dimension);
    memcpy(out + AT_COUNT, &count, sizeof count);
    memcpy(out + AT_UNUSED, &unused, sizeof unused);
    memcpy(out + AT_UNUSED + sizeof unused, &unused, sizeof unused);
    out[AT_TRAINED] = 1;
    memcpy(out + AT_METRIC, &metric, sizeof metric);
    return out + HEADER_SIZE;
}

size_t rsi_faiss_layout_head(unsigned char out[RSI_FAISS_HEAD_MAX], const rsi_faiss_layout *layout)
{
    const uint64_t numbers = layout->count * layout->dimension;
    unsigned char *end = put_header(out, "IxMp", layout);
    end = put_header(end, layout->metric == RSI_FAISS_L2 ? "IxF2" : "IxFI", layout);
    memcpy(end, &numbers, sizeof numbers);
    return (size_t)(end + sizeof numbers - out);
}

/* ---- reading ---- */

static int is_cut(void)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                    "it ends before its first vector: not a whole file of FAISS");
}

static bool is_kind(const unsigned char *head, const char *kind)
{
    return memcmp(head, kind, KIND_SIZE) == 0;
}

/* FAISS's other kinds of index begin with "I" and three more characters. */
static int refuse_kind(const unsigned char *head, bool inside_map)
{
    char kind[KIND_SIZE + 1] = "";
    for (size_t i = 0; i < KIND_SIZE; i++) {
        if (head[i] < 0x21 || head[i] > 0x7E || head[0] != 'I')
            return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors", "%s",
                            inside_map ? "its IDMap holds no index of FAISS"
                                       : "it does not begin like an index file of FAISS");
        kind[i] = (char)head[i];
    }
    return rsi_fail(
        RAGSTORE_E_UNSUPPORTED, "vectors",
        "it holds an index of FAISS's kind \"%s\"%s; only Flat, and IDMap or IDMap2 over "
        "Flat, are read: take the vectors out with reconstruct_n() and write them as Flat",
        kind, inside_map ? " in an IDMap" : "");
}

static int read_header(header *out, const unsigned char *in)
{
    memcpy(&out->dimension, in + AT_DIMENSION, sizeof out->dimension);
    memcpy(&out->count, in + AT_COUNT, sizeof out->count);
    out->trained = in[AT_TRAINED];
    memcpy(&out->metric, in + AT_METRIC, sizeof out->metric);
    if (out->dimension < 1 || (uint32_t)out->dimension > RSI_DIMENSION_MAX)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                        "its vectors have %" PRId32 " numbers; 1 to %u are possible",
                        out->dimension, RSI_DIMENSION_MAX);
    if (out->count < 0)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                        "it says that it has %" PRId64 " vectors", out->count);
    if (out->trained != 1)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors", "it says that it is not trained");
    if (out->metric != RSI_FAISS_INNER_PRODUCT && out->metric != RSI_FAISS_L2)
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors",
                        "its metric is FAISS's number %" PRId32
                        "; only inner product (0) and L2 (1) are read",
                        out->metric);
    return RAGSTORE_OK;
}

/* A Flat index at `in`, of which `size` bytes are there. */
static int read_flat(rsi_faiss_layout *out, const unsigned char *in, size_t size)
{
    header head;
    uint64_t numbers;
    const bool inside_map = out->has_ids;
    if (size < KIND_SIZE)
        return is_cut();
    const bool is_inner_product = is_kind(in, "IxFI");
    const bool is_l2 = is_kind(in, "IxF2");
    if (!is_inner_product && !is_l2 && !is_kind(in, "IxFl"))
        return refuse_kind(in, inside_map);
    if (size < FLAT_HEAD)
        return is_cut();
    int status = read_header(&head, in + KIND_SIZE);
    if (status != RAGSTORE_OK)
        return status;
    if ((is_inner_product && head.metric != RSI_FAISS_INNER_PRODUCT) ||
        (is_l2 && head.metric != RSI_FAISS_L2))
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors", "its kind and its metric disagree");
    out->dimension = (uint32_t)head.dimension;
    out->count = (uint64_t)head.count;
    out->metric = (enum rsi_faiss_metric)head.metric;
    memcpy(&numbers, in + KIND_SIZE + HEADER_SIZE, sizeof numbers);
    uint64_t expected;
    if (__builtin_mul_overflow(out->count, out->dimension, &expected) || numbers != expected)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                        "it says that its %" PRIu64 " vectors of %" PRIu32 " numbers are %" PRIu64
                        " numbers",
                        out->count, out->dimension, numbers);
    return RAGSTORE_OK;
}

static int read_map(rsi_faiss_layout *out, const unsigned char *head, size_t size)
{
    header map;
    if (size < IDMAP_HEAD)
        return is_cut();
    int status = read_header(&map, head + KIND_SIZE);
    if (status == RAGSTORE_OK)
        status = read_flat(out, head + IDMAP_HEAD, size - IDMAP_HEAD);
    if (status != RAGSTORE_OK)
        return status;
    if ((uint32_t)map.dimension != out->dimension || (uint64_t)map.count != out->count ||
        map.metric != (int32_t)out->metric)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                        "its IDMap and the index in it disagree about dimension, count or metric");
    return RAGSTORE_OK;
}

int rsi_faiss_layout_parse(rsi_faiss_layout *out, const unsigned char *head, size_t size,
                           uint64_t file_size)
{
    memset(out, 0, sizeof *out);
    if (size < KIND_SIZE)
        return is_cut();
    out->has_ids = is_kind(head, "IxMp") || is_kind(head, "IxM2");
    int status = out->has_ids ? read_map(out, head, size) : read_flat(out, head, size);
    if (status != RAGSTORE_OK)
        return status;
    const bool fits = settle_sizes(out);
    if (!fits || out->file_size != file_size)
        return rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                        "it has %" PRIu64 " bytes, but its %" PRIu64 " vectors of %" PRIu32
                        " numbers %s",
                        file_size, out->count, out->dimension,
                        fits && out->file_size < file_size ? "need fewer" : "need more");
    return RAGSTORE_OK;
}
