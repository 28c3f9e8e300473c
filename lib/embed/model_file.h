/* The files of a model directory, read-only: see model_file.c. */
#ifndef RSI_EMBED_MODEL_FILE_H
#define RSI_EMBED_MODEL_FILE_H

#include "base/bytes.h"

#include <stddef.h>

typedef struct rsi_model_file {
    const unsigned char *data; /* NULL: nothing is mapped */
    size_t size;
} rsi_model_file;

/* Map a file whole. NOT_FOUND, PERMISSION, INVALID_DATA (empty, or not a regular file), IO. */
int rsi_model_file_map(rsi_model_file *out, const char *directory, const char *name);
void rsi_model_file_unmap(rsi_model_file *file); /* also for a zeroed one */

/* A part that is not read any more, or not soon: it need not be in this process's memory. It stays
 * readable. */
void rsi_model_file_let_go(const void *part, size_t size);

/* Read a file of at most max_size bytes. NOT_FOUND, PERMISSION, TOO_LARGE, INVALID_DATA, IO. */
int rsi_model_file_read(rsi_bytes *out, const char *directory, const char *name, size_t max_size);

/* The last name of the directory's path, links followed: "all-MiniLM-L6-v2". Free with rsi_free. */
int rsi_model_directory_name(char **out, const char *directory);

#endif
