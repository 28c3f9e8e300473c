/*
 * The safetensors file format: named arrays of numbers.
 *
 *   +---------------+----------------------------+---------------------------------+
 *   | header length | header: one JSON object    | data: the tensors' elements,    |
 *   | u64, little   | {"name": {"dtype": "F32",  | little-endian, row by row, one  |
 *   | endian        |   "shape": [384, 384],     | tensor behind the other without |
 *   |               |   "data_offsets": [b, e]}, | gaps; offsets count from the    |
 *   |               |  "__metadata__": {…}}      | begin of the data               |
 *   +---------------+----------------------------+---------------------------------+
 *   0               8                            8 + header length                 end
 *
 * Nothing of a file is believed: each number is range-checked, and the tensors, sorted
 * by offset, must cover the data exactly, which rules out overlaps and a torn end.
 *
 * Called by weights.c when a model is opened. Not locked: the table does not change.
 */
#include "embed/safetensors.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE_MAX ((size_t)16 << 20)
#define HEADER_DEPTH_MAX 8
#define TENSORS_MAX 65536

static const struct {
    const char *name;
    rsi_tensor_type type;
    size_t size; /* bytes of one element */
} types[] = {
    {"F32", RSI_TENSOR_F32, 4},   {"F16", RSI_TENSOR_F16, 2},   {"BF16", RSI_TENSOR_BF16, 2},
    {"F64", RSI_TENSOR_OTHER, 8}, {"I64", RSI_TENSOR_OTHER, 8}, {"I32", RSI_TENSOR_OTHER, 4},
    {"I16", RSI_TENSOR_OTHER, 2}, {"I8", RSI_TENSOR_OTHER, 1},  {"U64", RSI_TENSOR_OTHER, 8},
    {"U32", RSI_TENSOR_OTHER, 4}, {"U16", RSI_TENSOR_OTHER, 2}, {"U8", RSI_TENSOR_OTHER, 1},
    {"BOOL", RSI_TENSOR_OTHER, 1}};

static int bad_header(const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "safetensors header: %s", what);
}

static int bad_tensor(const char *name, const char *what)
{
    return rsi_fail(RAGSTORE_E_INVALID_DATA, "embed", "safetensors header: tensor \"%.100s\": %s",
                    name, what);
}

/* A whole number that fits size_t; a missing value or any other kind is refused. */
static bool read_size(const rsi_json *value, size_t *out)
{
    int64_t number = rsi_json_is_integer(value) ? rsi_json_integer(value, -1) : -1;
    *out = number < 0 ? 0 : (size_t)number;
    return number >= 0;
}

static int read_shape(rsi_tensor *tensor, const rsi_json *shape)
{
    if (!rsi_json_is_array(shape))
        return bad_tensor(tensor->name, "no shape");
    tensor->rank = rsi_json_count(shape);
    if (tensor->rank > RSI_TENSOR_RANK_MAX)
        return bad_tensor(tensor->name, "too many dimensions");
    tensor->count = 1;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!read_size(rsi_json_at(shape, i), &tensor->shape[i]))
            return bad_tensor(tensor->name, "a dimension is not a whole number");
        if (!rsi_mul_size(tensor->count, tensor->shape[i], &tensor->count))
            return bad_tensor(tensor->name, "its shape is absurdly large");
    }
    return RAGSTORE_OK;
}

static int read_tensor(rsi_tensor *tensor, const char *name, const rsi_json *value,
                       const unsigned char *data, size_t data_size)
{
    tensor->name = rsi_strdup(name);
    if (tensor->name == NULL)
        return RAGSTORE_E_NO_MEMORY;
    const char *type_name = rsi_json_get_text(value, "dtype");
    if (type_name == NULL)
        return bad_tensor(name, "no dtype");
    size_t type = 0;
    while (type < sizeof types / sizeof types[0] && strcmp(types[type].name, type_name) != 0)
        type++;
    if (type == sizeof types / sizeof types[0])
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "embed", "tensor \"%.100s\" has dtype \"%.20s\"",
                        name, type_name);
    tensor->type = types[type].type;

    int status = read_shape(tensor, rsi_json_get(value, "shape"));
    if (status != RAGSTORE_OK)
        return status;
    const rsi_json *offsets = rsi_json_get(value, "data_offsets");
    size_t begin, end;
    if (!rsi_json_is_array(offsets) || rsi_json_count(offsets) != 2 ||
        !read_size(rsi_json_at(offsets, 0), &begin) || !read_size(rsi_json_at(offsets, 1), &end))
        return bad_tensor(name, "data_offsets are not two whole numbers");
    if (begin > end || end > data_size)
        return bad_tensor(name, "data_offsets lie outside the file");
    if (!rsi_mul_size(tensor->count, types[type].size, &tensor->size) ||
        tensor->size != end - begin)
        return bad_tensor(name, "shape and data_offsets contradict each other");
    tensor->data = data + begin;
    return RAGSTORE_OK;
}

static int compare_places(const void *a, const void *b)
{
    const rsi_tensor *left = a, *right = b;
    if (left->data != right->data)
        return left->data < right->data ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size); /* empty ones first */
}

static int check_cover(const rsi_safetensors *table, const unsigned char *data, size_t data_size)
{
    size_t covered = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t begin = (size_t)(table->tensors[i].data - data);
        if (begin < covered)
            return bad_tensor(table->tensors[i].name, "overlaps another tensor");
        if (begin > covered)
            return bad_tensor(table->tensors[i].name, "a gap lies before its data");
        covered = begin + table->tensors[i].size;
    }
    if (covered != data_size)
        return bad_header("bytes behind the last tensor");
    return RAGSTORE_OK;
}

static int read_tensors(rsi_safetensors *table, const rsi_json *header, const unsigned char *data,
                        size_t data_size)
{
    size_t members = rsi_json_count(header);
    if (members > TENSORS_MAX)
        return bad_header("too many tensors");
    table->tensors = rsi_alloc_array(members, sizeof *table->tensors);
    if (table->tensors == NULL)
        return RAGSTORE_E_NO_MEMORY;
    void *iterator = NULL;
    const char *name;
    rsi_json *value;
    while (rsi_json_each(header, &iterator, &name, &value)) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        int status = read_tensor(&table->tensors[table->count++], name, value, data, data_size);
        if (status != RAGSTORE_OK)
            return status;
    }
    qsort(table->tensors, table->count, sizeof *table->tensors, compare_places);
    return check_cover(table, data, data_size);
}

int rsi_safetensors_parse(rsi_safetensors *out, const unsigned char *file, size_t size)
{
    memset(out, 0, sizeof *out);
    if (size < 8)
        return bad_header("the file is shorter than 8 bytes");
    uint64_t length = 0;
    for (unsigned i = 0; i < 8; i++)
        length |= (uint64_t)file[i] << (8 * i);
    if (length > HEADER_SIZE_MAX || length > size - 8)
        return bad_header("its length goes beyond the file or 16 MiB");

    rsi_json *header = NULL;
    int status = rsi_json_parse(&header, (const char *)file + 8, (size_t)length, HEADER_DEPTH_MAX);
    if (status != RAGSTORE_OK) {
        rsi_wrap(status, "safetensors header");
        goto cleanup;
    }
    if (!rsi_json_is_object(header)) {
        status = bad_header("not a JSON object");
        goto cleanup;
    }
    status = read_tensors(out, header, file + 8 + length, size - 8 - (size_t)length);
cleanup:
    rsi_json_free(header);
    if (status != RAGSTORE_OK)
        rsi_safetensors_free(out);
    return status;
}

void rsi_safetensors_free(rsi_safetensors *table)
{
    for (size_t i = 0; i < table->count; i++)
        rsi_free(table->tensors[i].name);
    rsi_free(table->tensors);
    memset(table, 0, sizeof *table);
}

const rsi_tensor *rsi_safetensors_find(const rsi_safetensors *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->tensors[i].name, name) == 0)
            return &table->tensors[i];
    return NULL;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
static float float_of_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u;
    uint32_t fraction = half & 0x3FFu;
    if (exponent == 0) { /* zero or subnormal: fraction × 2^-24 is exact in a float */
        float value = (float)fraction * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    if (exponent == 31)
        return float_of_bits(sign | 0x7F800000u | fraction << 13);
    return float_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

void rsi_tensor_to_float(float *out, const rsi_tensor *tensor)
{
    if (tensor->type == RSI_TENSOR_F32) {
        if (tensor->size > 0)
            memcpy(out, tensor->data, tensor->size);
        return;
    }
    for (size_t i = 0; i < tensor->count; i++) {
        uint32_t bits = tensor->data[2 * i] | (uint32_t)tensor->data[2 * i + 1] << 8;
        out[i] = tensor->type == RSI_TENSOR_F16 ? float_of_half(bits) : float_of_bits(bits << 16);
    }
}
