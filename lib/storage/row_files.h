/*
 * Files of vectors with rows that are not flushed yet: commits have them in their lines, so that a
 * checkpoint flushes the files before the lines can go.
 *
 *   commit      writes rows-2.rsv, not flushed ──► list: acme 2, sequence 915
 *   checkpoint  takes the list, flushes each file, and only then writes its record
 *
 * A few of the files are kept open meanwhile: while somebody has a file open, the system does not
 * forget that writing it back failed. Not locked: the list of a storage is under its mutex.
 */
#ifndef RSI_STORAGE_ROW_FILES_H
#define RSI_STORAGE_ROW_FILES_H

#include "files/files.h"

typedef struct rsi_row_file {
    struct rsi_row_file *next;
    uint64_t sequence; /* of the last commit that wrote to it; UINT64_MAX while that is on its
                          way */
    uint32_t number;   /* the n of rows-<n>.rsv */
    rsi_file *file;    /* or NULL */
    char entity_id[];
} rsi_row_file;

#define RSI_ROW_FILE_BUCKETS 128

typedef struct rsi_row_files {
    rsi_row_file *buckets[RSI_ROW_FILE_BUCKETS];
    size_t count;
    size_t open;
} rsi_row_files;

/* Rows were written to a file, or (sequence not UINT64_MAX) a commit with such rows stands. */
int rsi_row_files_note(rsi_row_files *list, rsi_root *root, const char *entity_id, uint32_t number,
                       uint64_t sequence);
/* Commits up to `sequence` have been flushed by somebody. */
void rsi_row_files_forget(rsi_row_files *list, uint64_t sequence);
/* The files of an entity go. */
void rsi_row_files_forget_entity(rsi_row_files *list, const char *entity_id);
/* Add what `from` has; `from` is empty then. */
void rsi_row_files_move(rsi_row_files *list, rsi_row_files *from);
void rsi_row_files_free(rsi_row_files *list);
/* Flush one, whether it is in a list or not. NOT_FOUND. */
int rsi_row_file_flush(rsi_root *root, const char *entity_id, uint32_t number);
/* Flush all of them. After a failure nobody knows what the disk holds. */
int rsi_row_files_flush(const rsi_row_files *list, rsi_root *root);

#endif
