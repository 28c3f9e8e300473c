/*
 * The journals of a store as files: which there are, reading them, removing those that nobody needs
 * any more.
 */
#ifndef RSI_STORAGE_JOURNAL_FILES_H
#define RSI_STORAGE_JOURNAL_FILES_H

#include "storage/storage_internal.h"

typedef struct rsi_journal_file {
    uint64_t generation;
    rsi_bytes text;
    size_t valid_size; /* set by a scan */
    bool is_ahead;     /* of what the writer vouches for: only its checkpoint record counts */
} rsi_journal_file;

typedef struct rsi_journal_files {
    rsi_journal_file *items; /* ascending by generation */
    size_t count;
    size_t capacity;
} rsi_journal_files;

/* Read the journals of generations from … before - 1. */
int rsi_journal_files_read(rsi_journal_files *files, rsi_root *root, uint64_t from,
                           uint64_t before);
/* Visit the valid lines of all; with_ahead: also of those that are ahead. DAMAGED as
 * rsi_journal_scan(). */
int rsi_journal_files_scan(rsi_journal_files *files, bool with_ahead, rsi_journal_visitor *visit,
                           void *user);
void rsi_journal_files_free(rsi_journal_files *files);

#endif
