/* What base.c, base_read.c and base_scan.c share. */
#ifndef RSI_STORAGE_BASE_INTERNAL_H
#define RSI_STORAGE_BASE_INTERNAL_H

#include "storage/base.h"

#include <pthread.h>

/* Records from `record` on follow each other in the order, beginning with this one. */
typedef struct rsi_order_run {
    size_t record;
    uint64_t order;
} rsi_order_run;

struct rsi_base {
    unsigned references; /* atomic */
    char *path;          /* as errors show it */
    char *index_path;
    const rsi_layout *layout;
    rsi_bytes text; /* of a small file */
    rsi_file *file; /* of a large one */
    uint64_t size;
    char sha256[RSI_SHA256_HEX];

    rsi_order_run *runs; /* none: each record's order is its number */
    size_t run_count;
    uint64_t next_order;

    rsi_base_index *index; /* atomic; replaced under `mending` when it is found damaged */
    pthread_mutex_t mending;
    rsi_base_index *damaged; /* kept for those who still look at it; NULL: none */
};

/* Places in the index, checked. */
int rsi_base_record_at(const rsi_base_record **record, rsi_base *base, size_t number);
int rsi_base_row_at(const rsi_base_row **row, rsi_base *base, size_t position);

/* Walk through all lines of the file and describe them. INVALID_DATA: not as we write it. */
int rsi_base_scan(rsi_base_index *index, rsi_base *base);

/* Bytes of the file; those of a small one are not copied. */
int rsi_base_reader_bytes(rsi_base_reader *reader, uint64_t offset, size_t size, const char **out);

/* How many bytes from this offset on can be had without reading. */
size_t rsi_base_reader_holds(const rsi_base_reader *reader, uint64_t offset);

/* Take the line of a record or of a row of chunks apart: "key": {…  *rest is behind the colon. */
int rsi_base_split_key(rsi_slice line, rsi_bytes *key, rsi_slice *rest);
/* Does the record's line begin with this key, whatever else is in it? With a hash that is the key's,
 * too, it is the record, also when the rest is damaged: what came later can be laid over it. 1, 0 or an
 * error that is not one of the line's. */
int rsi_base_shows_key(rsi_base_reader *reader, size_t record, rsi_slice key);
bool rsi_base_only_rows(const rsi_layout *layout);

#endif
