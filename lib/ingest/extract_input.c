/* The bytes of a document in windows: see extract_input.h. */
#include "ingest/extract_input.h"

#include "base/status.h"
#include "ragstore.h"

#include <string.h>

size_t rsi_input_window = (size_t)256 << 10;

static int read_window(rsi_input_walk *walk, size_t carried, size_t count)
{
    rsi_bytes *buffer = &walk->buffer;
    if (carried > 0)
        memmove(buffer->data, walk->data + walk->size - carried, carried);
    buffer->size = carried;
    if (!rsi_bytes_reserve(buffer, count))
        return RAGSTORE_E_NO_MEMORY;
    walk->data = buffer->data;
    return rsi_file_read_at(walk->input->file, buffer->data + carried, count, walk->end);
}

int rsi_input_next(rsi_input_walk *walk, size_t carried)
{
    const rsi_input *input = walk->input;
    const uint64_t left = input->size - walk->end;
    const size_t count = left < rsi_input_window ? (size_t)left : rsi_input_window;
    int status = RAGSTORE_OK;
    if (count == 0)
        return 0;
    if (input->bytes != NULL)
        walk->data = input->bytes + (walk->end - carried);
    else
        status = read_window(walk, carried, count);
    walk->size = carried + count;
    walk->end += count;
    walk->is_last = walk->end == input->size;
    if (status == RAGSTORE_OK && input->look != NULL)
        status = input->look(input->user, walk->end);
    return status == RAGSTORE_OK ? 1 : status;
}

void rsi_input_walk_free(rsi_input_walk *walk)
{
    rsi_bytes_free(&walk->buffer);
}

int rsi_input_peek(rsi_slice *bytes, rsi_bytes *buffer, const rsi_input *input, uint64_t offset,
                   size_t size)
{
    const uint64_t left = input->size - offset;
    const size_t count = left < size ? (size_t)left : size;
    *bytes = (rsi_slice){input->bytes == NULL ? NULL : input->bytes + offset, count};
    if (input->bytes != NULL)
        return RAGSTORE_OK;
    rsi_bytes_clear(buffer);
    if (!rsi_bytes_reserve(buffer, count))
        return RAGSTORE_E_NO_MEMORY;
    bytes->data = buffer->data;
    return rsi_file_read_at(input->file, buffer->data, count, offset);
}
