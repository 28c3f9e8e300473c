/*
 * A snapshot file as the unchanging base of a table: records and rows are read from it when they
 * are asked for, and nothing is read at open.
 *
 *   chat_sessions.json                                 index (base_index.h)
 *     {
 *     "s1": {"_id":"s1",…,"messages":[        ◄──────   record 0
 *     {"role":"user",…},                      ◄──────     row 0
 *     {"role":"assistant",…}                  ◄──────     row 1
 *     ]},
 *     "s2": {"_id":"s2",…,"messages":[]}      ◄──────   record 1
 *     }
 *
 * The file is one that this library wrote: each record and each row is a line of its own (see
 * snapshot.h). Lines are read with pread, never mapped, and their CRC is compared each time. A
 * small file is kept in memory, a large one stays open; when another file takes its name, the base
 * still reads the old one.
 *
 * Each record has a place in the order of its table, which holds as long as the store is open and
 * is not written down: opening counts them anew.
 *
 * A base is read by any number of threads. A damaged index is made again from the file, once,
 * behind their backs. It lives until its last reference goes.
 */
#ifndef RSI_STORAGE_BASE_H
#define RSI_STORAGE_BASE_H

#include "storage/base_index.h"
#include "storage/manifest.h"
#include "storage/snapshot.h"

/* Files of up to so many bytes are kept in memory. Set by tests before a store is opened. */
extern uint64_t rsi_base_small_bytes;

typedef struct rsi_base rsi_base;

typedef struct rsi_base_place {
    const char *path;  /* where the file is */
    const char *shown; /* what errors call it; its .rsx file is beside this path */
    const rsi_layout *layout;
} rsi_base_place;

/* Open the file of this size and digest, whose bytes were verified or are trusted. INVALID_DATA: it
 * is not as the library writes such files, and must be parsed. */
int rsi_base_open(rsi_base **out, rsi_root *root, const rsi_base_place *place,
                  const rsi_file_state *state);
rsi_base *rsi_base_retain(rsi_base *base);
void rsi_base_release(rsi_base *base); /* NULL is fine */
/* Write the .rsx file of a large base that has none yet, or remove that of a small one. */
int rsi_base_keep_index(rsi_base *base, rsi_root *root);

bool rsi_base_is_large(rsi_base *base); /* it is not kept in memory */
/* Is its index one that was on the disk, made of the bytes that have the digest? */
bool rsi_base_has_kept_index(rsi_base *base);
const char *rsi_base_path(rsi_base *base);
const rsi_layout *rsi_base_layout(rsi_base *base);
uint64_t rsi_base_size(rsi_base *base); /* of the file, bytes */
size_t rsi_base_count(rsi_base *base); /* records */
size_t rsi_base_memory(rsi_base *base);

/* ---- order ---- */

/* Of the records, ascending; taken, also on failure. Without this they are 0, 1, 2 … */
int rsi_base_set_orders(rsi_base *base, const uint64_t *orders, size_t count);
uint64_t rsi_base_order(rsi_base *base, size_t record);
/* The first record with an order >= `order`. */
size_t rsi_base_from_order(rsi_base *base, uint64_t order);
uint64_t rsi_base_next_order(rsi_base *base);

/* ---- reading ---- */

/* Rows of a record: positions first … end - 1, ascending by number. */
typedef struct rsi_base_rows {
    size_t first;
    size_t end;
    uint64_t next; /* 1 + the largest number; 0 without rows */
} rsi_base_rows;
int rsi_base_rows_of(rsi_base_rows *rows, rsi_base *base, size_t record);
/* The first position with a number >= `number`. */
int rsi_base_row_from(size_t *position, rsi_base *base, const rsi_base_rows *rows,
                      uint64_t number);
int rsi_base_row_number(uint64_t *number, rsi_base *base, size_t position);

/* A window on the file. What a call returns lives until the next one on the same reader. */
typedef struct rsi_base_reader {
    rsi_base *base;
    size_t ahead; /* how many bytes to read at once */
    rsi_bytes window;
    uint64_t start; /* of the window in the file */
    rsi_bytes key;
    rsi_bytes value;
} rsi_base_reader;

/* `ahead`: 0 for single reads. */
rsi_base_reader rsi_base_reader_of(rsi_base *base, size_t ahead);
void rsi_base_reader_free(rsi_base_reader *reader);
/* 1 and the record's number, 0, or an error. Reading the record next costs nothing more. */
int rsi_base_find(size_t *record, rsi_base_reader *reader, const char *key);
/* DAMAGED names file and byte. key is terminated by NUL. */
int rsi_base_read_record(rsi_base_reader *reader, size_t record, rsi_slice *key, rsi_slice *json);
int rsi_base_read_row(rsi_base_reader *reader, size_t position, uint64_t *number, rsi_slice *json);
/* The line itself, as the file has it. */
int rsi_base_read_record_line(rsi_base_reader *reader, size_t record, rsi_slice *line);
int rsi_base_read_row_line(rsi_base_reader *reader, size_t position, rsi_slice *line);

/* Where a line lies, for messages. */
uint64_t rsi_base_record_offset(rsi_base *base, size_t record);
uint64_t rsi_base_row_offset(rsi_base *base, size_t position);

#endif
