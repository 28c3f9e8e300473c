/* The bytes of rows-<n>.rsv: see rows_block.h, which draws them. */
#include "vectors/rows_block.h"

#include "base/digest.h"

#include <string.h>

/* Rows are used where they lie, so the machine's order has to be the file's. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "rows are mapped as little-endian floats");
_Static_assert(sizeof(float) == 4, "rows are float32");

#define BYTE_ORDER_MARK 0x01020304u

static const char file_magic[8] = {'R', 'S', 'V', 'R', 'O', 'W', 'S', '\n'};
static const char block_magic[8] = {'R', 'S', 'V', 'B', 'L', 'O', 'C', 'K'};

enum file_header_layout {
    FILE_ORDER = 8,
    FILE_MAJOR = 12,
    FILE_MINOR = 14,
    FILE_INCARNATION = 16,
    FILE_DIMENSION = 48,
    FILE_SEGMENT = 52,
    FILE_CRC = 60,
};

enum block_header_layout {
    BLOCK_FIRST_CHUNK = 8,
    BLOCK_COUNT = 16,
    BLOCK_DIMENSION = 20,
    BLOCK_DATA_SIZE = 24,
    BLOCK_OFFSET = 32,
    BLOCK_SEGMENT = 40,
    BLOCK_DATA_CRC = 52,
    BLOCK_CRC = 60,
};

static void put_u16(unsigned char *out, uint16_t value)
{
    memcpy(out, &value, sizeof value);
}

static void put_u32(unsigned char *out, uint32_t value)
{
    memcpy(out, &value, sizeof value);
}

static void put_u64(unsigned char *out, uint64_t value)
{
    memcpy(out, &value, sizeof value);
}

static uint16_t get_u16(const unsigned char *in)
{
    uint16_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

static uint32_t get_u32(const unsigned char *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

static uint64_t get_u64(const unsigned char *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

void rsi_rows_header_encode(unsigned char out[RSI_ROWS_HEADER_SIZE],
                            const rsi_rows_identity *identity)
{
    memset(out, 0, RSI_ROWS_HEADER_SIZE);
    memcpy(out, file_magic, sizeof file_magic);
    put_u32(out + FILE_ORDER, BYTE_ORDER_MARK);
    put_u16(out + FILE_MAJOR, RSI_ROWS_FORMAT_MAJOR);
    put_u16(out + FILE_MINOR, RSI_ROWS_FORMAT_MINOR);
    memcpy(out + FILE_INCARNATION, identity->incarnation, RSI_INCARNATION_DIGITS);
    put_u32(out + FILE_DIMENSION, identity->dimension);
    put_u32(out + FILE_SEGMENT, identity->segment);
    put_u32(out + FILE_CRC, rsi_crc32c(0, out, FILE_CRC));
}

rsi_rows_header_state rsi_rows_header_check(const unsigned char in[RSI_ROWS_HEADER_SIZE],
                                            const rsi_rows_identity *identity)
{
    if (memcmp(in, file_magic, sizeof file_magic) != 0 ||
        get_u32(in + FILE_ORDER) != BYTE_ORDER_MARK ||
        get_u32(in + FILE_CRC) != rsi_crc32c(0, in, FILE_CRC))
        return RSI_ROWS_HEADER_DAMAGED;
    if (get_u16(in + FILE_MAJOR) > RSI_ROWS_FORMAT_MAJOR)
        return RSI_ROWS_HEADER_NEWER;
    if (memcmp(in + FILE_INCARNATION, identity->incarnation, RSI_INCARNATION_DIGITS) != 0 ||
        get_u32(in + FILE_DIMENSION) != identity->dimension ||
        get_u32(in + FILE_SEGMENT) != identity->segment)
        return RSI_ROWS_HEADER_FOREIGN;
    return RSI_ROWS_HEADER_INTACT;
}

static uint64_t data_size_of(uint32_t count, uint32_t dimension)
{
    return (uint64_t)count * dimension * sizeof(float);
}

uint64_t rsi_rows_block_size(uint32_t count, uint32_t dimension)
{
    uint64_t size = RSI_ROWS_HEADER_SIZE + data_size_of(count, dimension);
    return (size + RSI_ROWS_ALIGNMENT - 1) / RSI_ROWS_ALIGNMENT * RSI_ROWS_ALIGNMENT;
}

static uint32_t header_crc(const unsigned char *header, const rsi_rows_identity *identity)
{
    uint32_t crc = rsi_crc32c(0, identity->incarnation, RSI_INCARNATION_DIGITS);
    return rsi_crc32c(crc, header, BLOCK_CRC);
}

uint32_t rsi_rows_block_seal(unsigned char *out, const rsi_rows_identity *identity,
                             uint64_t offset, int64_t first_chunk, uint32_t count)
{
    size_t size = (size_t)rsi_rows_block_size(count, identity->dimension);
    size_t data_size = (size_t)data_size_of(count, identity->dimension);
    unsigned char *data = out + RSI_ROWS_HEADER_SIZE;
    memset(data + data_size, 0, size - RSI_ROWS_HEADER_SIZE - data_size);
    uint32_t data_crc = rsi_crc32c(0, data, size - RSI_ROWS_HEADER_SIZE);

    memset(out, 0, RSI_ROWS_HEADER_SIZE);
    memcpy(out, block_magic, sizeof block_magic);
    put_u64(out + BLOCK_FIRST_CHUNK, (uint64_t)first_chunk);
    put_u32(out + BLOCK_COUNT, count);
    put_u32(out + BLOCK_DIMENSION, identity->dimension);
    put_u64(out + BLOCK_DATA_SIZE, data_size);
    put_u64(out + BLOCK_OFFSET, offset);
    put_u32(out + BLOCK_SEGMENT, identity->segment);
    put_u32(out + BLOCK_DATA_CRC, data_crc);
    put_u32(out + BLOCK_CRC, header_crc(out, identity));
    return data_crc;
}

uint32_t rsi_rows_block_encode(unsigned char *out, const rsi_rows_identity *identity,
                               uint64_t offset, int64_t first_chunk, const float *vectors,
                               uint32_t count)
{
    memcpy(out + RSI_ROWS_HEADER_SIZE, vectors, (size_t)data_size_of(count, identity->dimension));
    return rsi_rows_block_seal(out, identity, offset, first_chunk, count);
}

bool rsi_rows_block_decode(rsi_rows_block *block, const unsigned char in[RSI_ROWS_HEADER_SIZE],
                           const rsi_rows_identity *identity, uint64_t offset, uint64_t file_size)
{
    if (memcmp(in, block_magic, sizeof block_magic) != 0 ||
        get_u32(in + BLOCK_CRC) != header_crc(in, identity))
        return false;
    uint64_t first_chunk = get_u64(in + BLOCK_FIRST_CHUNK);
    uint32_t count = get_u32(in + BLOCK_COUNT);
    if (get_u32(in + BLOCK_DIMENSION) != identity->dimension ||
        get_u32(in + BLOCK_SEGMENT) != identity->segment || get_u64(in + BLOCK_OFFSET) != offset ||
        count == 0 || get_u64(in + BLOCK_DATA_SIZE) != data_size_of(count, identity->dimension) ||
        first_chunk > (uint64_t)INT64_MAX - count)
        return false;
    uint64_t size = rsi_rows_block_size(count, identity->dimension);
    if (offset > file_size || size > file_size - offset)
        return false;
    block->first_chunk = (int64_t)first_chunk;
    block->count = count;
    block->data_crc = get_u32(in + BLOCK_DATA_CRC);
    block->size = size;
    return true;
}
