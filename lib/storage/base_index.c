/* Indexes of snapshot files: see base_index.h. */
#include "storage/base_index.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

#define PAGE 4096u
#define BYTE_ORDER_MARK UINT32_C(0x01020304)

static const char magic[8] = "RSX1\r\n\x1a\n";

typedef struct rsx_header {
    char magic[8];
    uint32_t byte_order;
    uint32_t page_size;
    char sha256[RSI_SHA256_HEX];
    char unused[7];
    uint64_t snapshot_size;
    uint64_t record_count;
    uint64_t row_count;
    uint64_t slot_count;
    uint64_t seed;
    uint64_t block_count;
    uint32_t block_crcs_crc;
    uint32_t header_crc; /* of all before it */
} rsx_header;

_Static_assert(sizeof(rsi_base_record) == 32, "a record's place is 32 bytes on disk");
_Static_assert(sizeof(rsi_base_row) == 24, "a row's place is 24 bytes on disk");
_Static_assert(sizeof(rsi_base_slot) == 8, "a slot is 8 bytes on disk");
_Static_assert(sizeof(rsx_header) < PAGE, "the header fits its page");

/* ---- building ---- */

int rsi_base_index_begin(rsi_base_index *index)
{
    memset(index, 0, sizeof *index);
    return rsi_random(&index->seed, sizeof index->seed);
}

/* Eight bytes at a time: multiply, fold. */
uint32_t rsi_base_index_hash(const rsi_base_index *index, rsi_slice key)
{
    uint64_t hash = index->seed ^ key.size;
    while (key.size > 0) {
        uint64_t part = 0;
        size_t taken = key.size < 8 ? key.size : 8;
        memcpy(&part, key.data, taken);
        hash = (hash ^ part) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
        key.data += taken;
        key.size -= taken;
    }
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(hash >> 32);
}

int rsi_base_index_add_record(rsi_base_index *index, rsi_slice key, rsi_line_place line)
{
    if (index->record_count >= UINT32_MAX - 1)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "storage", "a file holds at most 4294967294 records");
    if (!rsi_grow((void **)&index->records, &index->record_capacity, index->record_count + 1,
                  sizeof *index->records))
        return RAGSTORE_E_NO_MEMORY;
    index->records[index->record_count++] = (rsi_base_record){
        .line = line, .first_row = index->row_count, .hash = rsi_base_index_hash(index, key)};
    return RAGSTORE_OK;
}

int rsi_base_index_add_row(rsi_base_index *index, uint64_t number, rsi_line_place line)
{
    if (!rsi_grow((void **)&index->rows, &index->row_capacity, index->row_count + 1,
                  sizeof *index->rows))
        return RAGSTORE_E_NO_MEMORY;
    index->rows[index->row_count++] = (rsi_base_row){line, number};
    return RAGSTORE_OK;
}

int rsi_base_index_end(rsi_base_index *index, int (*is_same)(void *user, size_t a, size_t b),
                       void *user)
{
    size_t count = 4;
    while (count < index->record_count * 2)
        count *= 2;
    index->slots = rsi_alloc_array(count, sizeof *index->slots);
    if (index->slots == NULL)
        return RAGSTORE_E_NO_MEMORY;
    index->slot_count = count;
    for (size_t i = 0; i < index->record_count; i++) {
        size_t at = index->records[i].hash & (count - 1);
        for (; index->slots[at].record != 0; at = (at + 1) & (count - 1)) {
            if (index->slots[at].hash != index->records[i].hash)
                continue;
            int same = is_same(user, index->slots[at].record - 1, i);
            if (same != 0)
                return same < 0 ? same
                                : rsi_fail(RAGSTORE_E_INVALID_DATA, "storage",
                                           "two records have one id");
        }
        index->slots[at] = (rsi_base_slot){index->records[i].hash, (uint32_t)i + 1};
    }
    return RAGSTORE_OK;
}

void rsi_base_index_free(rsi_base_index *index)
{
    if (index->view != NULL) {
        rsi_file_unview(index->file, index->view, index->view_size);
        rsi_file_close(index->file);
        rsi_free(index->checked);
    } else {
        rsi_free(index->records);
        rsi_free(index->rows);
        rsi_free(index->slots);
    }
    memset(index, 0, sizeof *index);
}

/* ---- files ---- */

static uint64_t body_size(const rsx_header *header)
{
    return header->record_count * sizeof(rsi_base_record) +
           header->row_count * sizeof(rsi_base_row) + header->slot_count * sizeof(rsi_base_slot);
}

static void append_block_crcs(rsi_bytes *out, size_t body_end)
{
    for (size_t at = PAGE; at < body_end; at += PAGE) {
        size_t size = body_end - at < PAGE ? body_end - at : PAGE;
        uint32_t crc = rsi_crc32c(0, out->data + at, size);
        rsi_bytes_append(out, &crc, sizeof crc);
        if (rsi_bytes_status(out) != RAGSTORE_OK)
            return;
    }
}

int rsi_base_index_write(const rsi_base_index *index, rsi_root *root, const char *path,
                         const char *sha256, uint64_t snapshot_size)
{
    static const char zeros[PAGE];
    rsx_header header = {.byte_order = BYTE_ORDER_MARK,
                         .page_size = PAGE,
                         .snapshot_size = snapshot_size,
                         .record_count = index->record_count,
                         .row_count = index->row_count,
                         .slot_count = index->slot_count,
                         .seed = index->seed};
    rsi_bytes out = {0};
    memcpy(header.magic, magic, sizeof magic);
    snprintf(header.sha256, sizeof header.sha256, "%s", sha256);
    rsi_bytes_append(&out, zeros, PAGE);
    rsi_bytes_append(&out, index->records, index->record_count * sizeof *index->records);
    rsi_bytes_append(&out, index->rows, index->row_count * sizeof *index->rows);
    rsi_bytes_append(&out, index->slots, index->slot_count * sizeof *index->slots);
    const size_t body_end = out.size;
    append_block_crcs(&out, body_end);
    int status = rsi_bytes_status(&out);
    if (status == RAGSTORE_OK) {
        header.block_count = (body_end - 1) / PAGE;
        header.block_crcs_crc = rsi_crc32c(0, out.data + body_end, out.size - body_end);
        header.header_crc = rsi_crc32c(0, &header, offsetof(rsx_header, header_crc));
        memcpy(out.data, &header, sizeof header);
        status = rsi_file_replace(root, path, out.data, out.size);
    }
    rsi_bytes_free(&out);
    return status;
}

static bool is_header_of(const rsx_header *header, const char *sha256, uint64_t snapshot_size)
{
    return memcmp(header->magic, magic, sizeof magic) == 0 &&
           header->byte_order == BYTE_ORDER_MARK && header->page_size == PAGE &&
           header->header_crc == rsi_crc32c(0, header, offsetof(rsx_header, header_crc)) &&
           header->snapshot_size == snapshot_size &&
           memcmp(header->sha256, sha256, RSI_SHA256_HEX) == 0 &&
           header->record_count < UINT32_MAX && header->row_count < UINT64_MAX / PAGE &&
           header->slot_count <= (uint64_t)UINT32_MAX * 4 &&
           header->slot_count > header->record_count &&
           (header->slot_count & (header->slot_count - 1)) == 0;
}

static int no_index(const char *path)
{
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "%s does not belong to the file beside it",
                    path);
}

/* Point into the viewed file. */
static int adopt_view(rsi_base_index *index, const rsx_header *header)
{
    char *at = (char *)(uintptr_t)index->view + PAGE;
    index->record_count = (size_t)header->record_count;
    index->row_count = (size_t)header->row_count;
    index->slot_count = (size_t)header->slot_count;
    index->seed = header->seed;
    index->records = (rsi_base_record *)(void *)at;
    at += index->record_count * sizeof *index->records;
    index->rows = (rsi_base_row *)(void *)at;
    at += index->row_count * sizeof *index->rows;
    index->slots = (rsi_base_slot *)(void *)at;
    at += index->slot_count * sizeof *index->slots;
    index->block_crcs = (const uint32_t *)(const void *)at;
    if (rsi_crc32c(0, at, (size_t)header->block_count * sizeof(uint32_t)) !=
        header->block_crcs_crc)
        return no_index(rsi_file_path(index->file));
    index->checked = rsi_alloc_array((size_t)header->block_count, 1);
    return index->checked == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

int rsi_base_index_open(rsi_base_index *index, rsi_root *root, const char *path,
                        const char *sha256, uint64_t snapshot_size)
{
    rsx_header header;
    uint64_t size = 0;
    memset(index, 0, sizeof *index);
    int status = rsi_file_open(&index->file, root, path, RSI_OPEN_READ);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_size(index->file, &size);
    if (status == RAGSTORE_OK && size < PAGE)
        status = no_index(path);
    if (status == RAGSTORE_OK)
        status = rsi_file_read_at(index->file, &header, sizeof header, 0);
    if (status == RAGSTORE_OK && !is_header_of(&header, sha256, snapshot_size))
        status = no_index(path);
    const uint64_t body_end = status == RAGSTORE_OK ? PAGE + body_size(&header) : 0;
    if (status == RAGSTORE_OK && (header.block_count != (body_end - 1) / PAGE ||
                                  size != body_end + header.block_count * sizeof(uint32_t)))
        status = no_index(path);
    if (status == RAGSTORE_OK)
        status = rsi_file_view(index->file, (size_t)size, &index->view);
    if (status == RAGSTORE_OK) {
        index->view_size = (size_t)size;
        status = adopt_view(index, &header);
    }
    if (status == RAGSTORE_OK)
        return status;
    rsi_saved_error error;
    rsi_error_save(&error);
    if (index->view == NULL)
        rsi_file_close(index->file);
    else
        rsi_base_index_free(index);
    memset(index, 0, sizeof *index);
    rsi_error_restore(&error);
    return status;
}

/* ---- reading ---- */

/* Has somebody shortened the file? What is cut between two looks is not seen. */
static bool is_cut(rsi_base_index *index)
{
    uint64_t size = 0;
    const int64_t now = rsi_monotonic_ms();
    if (__atomic_exchange_n(&index->looked_ms, now, __ATOMIC_RELAXED) != now &&
        (rsi_file_size(index->file, &size) != RAGSTORE_OK || size < index->view_size))
        __atomic_store_n(&index->is_cut, true, __ATOMIC_RELAXED);
    return __atomic_load_n(&index->is_cut, __ATOMIC_RELAXED);
}

bool rsi_base_index_is_intact(rsi_base_index *index, const void *part, size_t size)
{
    if (index->view == NULL)
        return true;
    if (is_cut(index))
        return false;
    const char *body = (const char *)index->view + PAGE;
    const size_t body_bytes =
        (size_t)((const char *)(const void *)index->block_crcs - body);
    const size_t from = (size_t)((const char *)part - body);
    for (size_t block = from / PAGE; block * PAGE < from + size; block++) {
        if (__atomic_load_n(&index->checked[block], __ATOMIC_RELAXED) != 0)
            continue;
        size_t left = body_bytes - block * PAGE;
        if (rsi_crc32c(0, body + block * PAGE, left < PAGE ? left : PAGE) !=
            index->block_crcs[block])
            return false;
        __atomic_store_n(&index->checked[block], 1, __ATOMIC_RELAXED);
    }
    return true;
}
