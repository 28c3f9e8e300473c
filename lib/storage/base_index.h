/*
 * Where the lines of a snapshot file are: made by walking through the file once, kept beside a
 * large one as a .rsx file, so that opening reads neither.
 *
 *   records   in the order of the file     [line, size, CRC, first row][…][…]
 *   rows      of all records               [line, size, CRC, number][…][…][…]
 *   slots     by the hash of the key       [○][hash, record][○][○][hash, record]
 *
 * An .rsx file:
 *
 *   0      header page: magic, SHA-256 of the snapshot, counts, CRC of the header
 *   4096   records ─ rows ─ slots, as above, little-endian
 *   …      a CRC32C for each 4 KiB of them, with a CRC of its own in the header
 *
 * It is derived: one that does not fit its snapshot, or is damaged, is made again. Each block is
 * checked when it is first looked at. The file is mapped, so that somebody who shortens it would have
 * whoever touches the rest sent SIGBUS: its size is looked at before, once in a millisecond.
 *
 * Building is one thread's; a finished index may be read by any number of threads.
 */
#ifndef RSI_STORAGE_BASE_INDEX_H
#define RSI_STORAGE_BASE_INDEX_H

#include "base/bytes.h"
#include "files/files.h"

typedef struct rsi_line_place {
    uint64_t offset; /* in the snapshot */
    uint32_t size;   /* without the comma and the line's end */
    uint32_t crc;    /* CRC32C of these bytes */
} rsi_line_place;

typedef struct rsi_base_record {
    rsi_line_place line; /* of the record; size 0: a table that only has rows */
    uint64_t first_row;
    uint32_t hash; /* of its key */
    uint32_t unused;
} rsi_base_record;

typedef struct rsi_base_row {
    rsi_line_place line;
    uint64_t number;
} rsi_base_row;

typedef struct rsi_base_slot {
    uint32_t hash;
    uint32_t record; /* its number + 1; 0: free */
} rsi_base_slot;

typedef struct rsi_base_index {
    rsi_base_record *records;
    rsi_base_row *rows;
    rsi_base_slot *slots;
    size_t record_count;
    size_t row_count;
    size_t slot_count; /* a power of two, more than the records */
    size_t record_capacity;
    size_t row_capacity;
    uint64_t seed; /* of the hash, so that nobody can choose keys that collide */

    /* of an index that lies in a file; otherwise the arrays are owned */
    rsi_file *file;
    const void *view;
    size_t view_size;
    unsigned char *checked;  /* a byte for each block: 1 once its CRC was compared; atomic */
    const uint32_t *block_crcs;
    int64_t looked_ms; /* atomic: when its size was last looked at */
    bool is_cut;       /* atomic: it was shortened, and must not be touched any more */
} rsi_base_index;

/* ---- building ---- */

int rsi_base_index_begin(rsi_base_index *index);
int rsi_base_index_add_record(rsi_base_index *index, rsi_slice key, rsi_line_place line);
int rsi_base_index_add_row(rsi_base_index *index, uint64_t number, rsi_line_place line);
/* Make the slots. Records whose keys have one hash are compared: is_same returns 1, 0 or an error;
 * INVALID_DATA when two are. */
int rsi_base_index_end(rsi_base_index *index, int (*is_same)(void *user, size_t a, size_t b),
                       void *user);
void rsi_base_index_free(rsi_base_index *index); /* leaves it empty */

/* ---- files ---- */

/* Write a built index for the snapshot of this digest. */
int rsi_base_index_write(const rsi_base_index *index, rsi_root *root, const char *path,
                         const char *sha256, uint64_t snapshot_size);
/* NOT_FOUND: there is none for this snapshot, or it cannot be used. */
int rsi_base_index_open(rsi_base_index *index, rsi_root *root, const char *path,
                        const char *sha256, uint64_t snapshot_size);

/* ---- reading ---- */

uint32_t rsi_base_index_hash(const rsi_base_index *index, rsi_slice key);
/* Are these bytes of records, rows or slots as they were written, and still there? Always true in
 * memory. */
bool rsi_base_index_is_intact(rsi_base_index *index, const void *part, size_t size);

#endif
