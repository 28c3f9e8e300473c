/* A file in blocks with digests: see faiss_blocks.h. */
#include "vectors/faiss_blocks.h"

#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

#define NO_BLOCK UINT64_MAX

uint64_t rsi_faiss_blocks_count(uint64_t size)
{
    return size / RSI_FAISS_BLOCK_SIZE + (size % RSI_FAISS_BLOCK_SIZE > 0);
}

void rsi_faiss_blocks_free(rsi_faiss_blocks *blocks)
{
    rsi_free(blocks->digests);
    rsi_free(blocks->block);
    memset(blocks, 0, sizeof *blocks);
}

/* Remember the first failure. */
static int note(rsi_faiss_blocks *blocks, int status)
{
    if (status != RAGSTORE_OK && blocks->status == RAGSTORE_OK) {
        blocks->status = status;
        rsi_error_save(&blocks->error);
    }
    return status;
}

/* ---- writing ---- */

int rsi_faiss_blocks_begin(rsi_faiss_blocks *blocks, rsi_file *file)
{
    memset(blocks, 0, sizeof *blocks);
    blocks->file = file;
    blocks->number = NO_BLOCK;
    blocks->block = rsi_alloc(RSI_FAISS_BLOCK_SIZE);
    rsi_sha256_begin(&blocks->whole);
    return blocks->block == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int put_block(rsi_faiss_blocks *blocks)
{
    rsi_sha256 sha;
    if (!rsi_grow((void **)&blocks->digests, &blocks->digests_room,
                  blocks->digests_size + RSI_FAISS_DIGEST_SIZE, 1))
        return RAGSTORE_E_NO_MEMORY;
    rsi_sha256_begin(&sha);
    rsi_sha256_add(&sha, blocks->block, blocks->held);
    rsi_sha256_end(&sha, blocks->digests + blocks->digests_size);
    rsi_sha256_add(&blocks->whole, blocks->block, blocks->held);
    int status =
        rsi_file_write_at(blocks->file, blocks->block, blocks->held, blocks->size - blocks->held);
    if (status == RAGSTORE_OK)
        blocks->digests_size += RSI_FAISS_DIGEST_SIZE;
    blocks->held = 0;
    return status;
}

int rsi_faiss_blocks_write(rsi_faiss_blocks *blocks, const void *data, size_t size)
{
    const unsigned char *from = data;
    if (blocks->status != RAGSTORE_OK)
        return blocks->status;
    while (size > 0) {
        const size_t room = RSI_FAISS_BLOCK_SIZE - blocks->held;
        const size_t part = size < room ? size : room;
        memcpy(blocks->block + blocks->held, from, part);
        blocks->held += part;
        blocks->size += part;
        from += part;
        size -= part;
        if (blocks->held == RSI_FAISS_BLOCK_SIZE) {
            int status = put_block(blocks);
            if (status != RAGSTORE_OK)
                return note(blocks, status);
        }
    }
    return RAGSTORE_OK;
}

int rsi_faiss_blocks_finish(rsi_faiss_blocks *blocks, char sha256[RSI_SHA256_HEX])
{
    int status = blocks->status;
    if (status != RAGSTORE_OK)
        rsi_error_restore(&blocks->error);
    else if (blocks->held > 0)
        status = note(blocks, put_block(blocks));
    rsi_sha256_end_hex(&blocks->whole, sha256);
    return status;
}

/* ---- reading ---- */

int rsi_faiss_blocks_open(rsi_faiss_blocks *blocks, rsi_file *file, uint64_t size,
                          const unsigned char *digests)
{
    int status = rsi_faiss_blocks_begin(blocks, file);
    const size_t digests_size = (size_t)rsi_faiss_blocks_count(size) * RSI_FAISS_DIGEST_SIZE;
    blocks->size = size;
    blocks->digests = status == RAGSTORE_OK ? rsi_alloc(digests_size) : NULL;
    if (blocks->digests == NULL) {
        rsi_faiss_blocks_free(blocks);
        return RAGSTORE_E_NO_MEMORY;
    }
    memcpy(blocks->digests, digests, digests_size);
    blocks->digests_size = digests_size;
    blocks->digests_room = digests_size;
    return RAGSTORE_OK;
}

static int get_block(rsi_faiss_blocks *blocks, uint64_t number)
{
    rsi_sha256 sha;
    unsigned char digest[RSI_FAISS_DIGEST_SIZE];
    const uint64_t from = number * RSI_FAISS_BLOCK_SIZE;
    const uint64_t left = blocks->size - from;
    const size_t size = left < RSI_FAISS_BLOCK_SIZE ? (size_t)left : RSI_FAISS_BLOCK_SIZE;
    if (blocks->number == number)
        return RAGSTORE_OK;
    blocks->number = NO_BLOCK;
    int status = rsi_file_read_at(blocks->file, blocks->block, size, from);
    if (status != RAGSTORE_OK)
        return status;
    rsi_sha256_begin(&sha);
    rsi_sha256_add(&sha, blocks->block, size);
    rsi_sha256_end(&sha, digest);
    if (memcmp(digest, blocks->digests + number * RSI_FAISS_DIGEST_SIZE, sizeof digest) != 0)
        return rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                        "%s: the bytes from %" PRIu64 " on are not those that were written",
                        rsi_file_path(blocks->file), from);
    blocks->number = number;
    blocks->held = size;
    return RAGSTORE_OK;
}

int rsi_faiss_blocks_read(rsi_faiss_blocks *blocks, void *out, size_t size, uint64_t offset)
{
    unsigned char *to = out;
    if (offset > blocks->size || size > blocks->size - offset)
        return note(blocks, rsi_fail(RAGSTORE_E_DAMAGED, "vectors",
                                     "%s: it ends before what it says is in it",
                                     rsi_file_path(blocks->file)));
    while (size > 0) {
        const size_t begin = (size_t)(offset % RSI_FAISS_BLOCK_SIZE);
        int status = get_block(blocks, offset / RSI_FAISS_BLOCK_SIZE);
        if (status != RAGSTORE_OK)
            return note(blocks, status);
        const size_t part = size < blocks->held - begin ? size : blocks->held - begin;
        memcpy(to, blocks->block + begin, part);
        to += part;
        offset += part;
        size -= part;
    }
    return RAGSTORE_OK;
}

/* ---- as a stream ---- */

static ssize_t stream_read(void *cookie, char *out, size_t size)
{
    rsi_faiss_blocks *blocks = cookie;
    const uint64_t left = blocks->size - blocks->offset;
    if (size > left)
        size = (size_t)left;
    if (rsi_faiss_blocks_read(blocks, out, size, blocks->offset) != RAGSTORE_OK)
        return -1;
    blocks->offset += size;
    return (ssize_t)size;
}

static ssize_t stream_write(void *cookie, const char *data, size_t size)
{
    return rsi_faiss_blocks_write(cookie, data, size) == RAGSTORE_OK ? (ssize_t)size : 0;
}

int rsi_faiss_blocks_stream(FILE **out, rsi_faiss_blocks *blocks, const char *mode)
{
    static const cookie_io_functions_t functions = {.read = stream_read, .write = stream_write};
    blocks->offset = 0;
    *out = fopencookie(blocks, mode, functions);
    return *out == NULL ? rsi_fail_no_memory() : RAGSTORE_OK;
}
