/*
 * The bytes of a document, in memory or in a file, looked at in windows from front to back.
 *
 *   window 1 [ … ▒▒]          ▒ carried: what its reader could not make sense of without the next
 *   window 2     [▒▒ … ▒]
 *
 * Used by extract_encoding.c and extract_decode.c; keeps nothing but the window.
 */
#ifndef RSI_INGEST_EXTRACT_INPUT_H
#define RSI_INGEST_EXTRACT_INPUT_H

#include "base/bytes.h"
#include "files/files.h"

#define RSI_UTF8_MAX 4 /* bytes of a character */

/* Bytes that come with each window. Set by tests. */
extern size_t rsi_input_window;

typedef struct rsi_input {
    const char *bytes; /* NULL: they are in the file */
    rsi_file *file;
    uint64_t size;
    /* Called for each window with how far it reaches (may be NULL); a failure ends the walk. */
    int (*look)(void *user, uint64_t done);
    void *user;
} rsi_input;

typedef struct rsi_input_walk {
    const rsi_input *input;
    uint64_t end; /* of the window in the document; at first, where to begin */
    const char *data;
    size_t size;
    bool is_last; /* nothing comes behind the window */
    rsi_bytes buffer;
} rsi_input_walk;

/* The next window, which begins with the last `carried` bytes of the one before: 1, 0 at the end,
 * or an error. Those that are carried must have been in the window. */
int rsi_input_next(rsi_input_walk *walk, size_t carried);
void rsi_input_walk_free(rsi_input_walk *walk);

/* Bytes from `offset` on, at most `size` and no more than there are: in the buffer, or where they
 * are. */
int rsi_input_peek(rsi_slice *bytes, rsi_bytes *buffer, const rsi_input *input, uint64_t offset,
                   size_t size);

#endif
