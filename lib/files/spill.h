/*
 * Bytes that may be many: in memory while they are few, then in a file that has no name.
 *
 *   append ─► tail (memory) ─► more than rsi_spill_from: api_storage/.tmp-…, whose name is taken away
 *                              as soon as it is open; the tail is written in pieces
 *   read ───► pieces, or a view of all of it
 *
 * So a process that dies leaves nothing, and what is not needed any more is gone when it is closed.
 * Nothing is flushed: the bytes are of no use to anybody else.
 *
 * One thread appends; when it has done so, any number may read. Views are mapped: what was looked at
 * counts as memory of the process until it is forgotten or the system takes it.
 */
#ifndef RSI_FILES_SPILL_H
#define RSI_FILES_SPILL_H

#include "files/files.h"

/* As many bytes stay in memory. Set by tests before anything is spilled. */
extern size_t rsi_spill_from;

typedef struct rsi_spill {
    rsi_root *root; /* of the store; NULL: all stays in memory */
    rsi_file *file; /* NULL: all is in the tail */
    rsi_bytes tail;
    uint64_t written; /* bytes in the file, in front of the tail */
    const void *view;
    size_t viewed;    /* bytes */
    size_t forgotten; /* bytes of the view up to here have been */
} rsi_spill;

int rsi_spill_append(rsi_spill *spill, const void *bytes, size_t size);
uint64_t rsi_spill_size(const rsi_spill *spill);
/* Forget all of it. */
void rsi_spill_free(rsi_spill *spill);

/* All bytes at once; nothing is appended any more. They live as long as the spill. */
int rsi_spill_view(const char **bytes, rsi_spill *spill);
/* What lies before `offset` of a view will hardly be looked at again: it need not stay in memory. */
void rsi_spill_forget(rsi_spill *spill, size_t offset);
/* Nor need what lies from `start` to `end`, although somebody will come back to it. */
void rsi_spill_let_go(rsi_spill *spill, size_t start, size_t end);

/* A window on it, for reading from front to back. */
typedef struct rsi_spill_reader {
    rsi_spill *spill;
    uint64_t start;
    rsi_bytes window;
} rsi_spill_reader;

void rsi_spill_reader_free(rsi_spill_reader *reader);
/* Bytes offset … offset + size - 1, which are there; valid until the next call. */
int rsi_spill_read(const char **bytes, rsi_spill_reader *reader, uint64_t offset, size_t size);

#endif
