/*
 * A document that is ready to be committed: its chunks and its vectors, one behind the other, in memory
 * while they are few (files/spill.h).
 *
 *   chunk   [start end page · sizes of five texts][content NUL][heading NUL][metadata NUL] …
 *   vectors [chunk 0: dimension numbers][chunk 1] …
 *
 * Vectors that the caller holds all the time are not copied: they are brought into the form that the
 * metric compares each time they are read.
 *
 * Filled and read by the thread that adds the document.
 */
#include "ingest/document_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define TEXTS 5

typedef struct head {
    int64_t start;
    int64_t end;
    uint64_t sizes[TEXTS]; /* each with its NUL; 0: there is none */
    uint32_t page;
    uint32_t padding; /* zero */
} head;

void rsi_prepared_begin(rsi_prepared *prepared, const rsi_store *store)
{
    memset(prepared, 0, sizeof *prepared);
    prepared->chunks.root = rsi_storage_root(store->storage);
    prepared->vectors.root = prepared->chunks.root;
}

void rsi_prepared_free(rsi_prepared *prepared)
{
    rsi_spill_free(&prepared->chunks);
    rsi_spill_free(&prepared->vectors);
    rsi_free(prepared->embedder);
    memset(prepared, 0, sizeof *prepared);
}

int rsi_prepared_add(rsi_prepared *prepared, const rsi_new_chunk *chunk)
{
    const rsi_slice texts[TEXTS] = {chunk->content, chunk->heading, chunk->metadata, chunk->before,
                                    chunk->after};
    head front = {.start = chunk->start, .end = chunk->end, .page = chunk->page};
    for (size_t i = 0; i < TEXTS; i++)
        front.sizes[i] = texts[i].data == NULL ? 0 : texts[i].size + 1;
    int status = rsi_spill_append(&prepared->chunks, &front, sizeof front);
    for (size_t i = 0; status == RAGSTORE_OK && i < TEXTS; i++) {
        if (texts[i].data == NULL)
            continue;
        status = rsi_spill_append(&prepared->chunks, texts[i].data, texts[i].size);
        if (status == RAGSTORE_OK)
            status = rsi_spill_append(&prepared->chunks, "", 1);
    }
    if (status == RAGSTORE_OK)
        prepared->count++;
    return status;
}

uint64_t rsi_prepared_size(const rsi_prepared *prepared)
{
    const uint64_t numbers = (uint64_t)prepared->count * prepared->dimension;
    return rsi_spill_size(&prepared->chunks) + numbers * sizeof(float);
}

rsi_prepared_reader rsi_prepared_read(rsi_prepared *prepared)
{
    rsi_prepared_reader reader = {.bytes = {.spill = &prepared->chunks}, .left = prepared->count};
    return reader;
}

void rsi_prepared_reader_free(rsi_prepared_reader *reader)
{
    rsi_spill_reader_free(&reader->bytes);
}

int rsi_prepared_next(rsi_new_chunk *chunk, rsi_prepared_reader *reader)
{
    rsi_slice *const texts[TEXTS] = {&chunk->content, &chunk->heading, &chunk->metadata,
                                     &chunk->before, &chunk->after};
    const char *bytes;
    head front;
    size_t size = 0;
    if (reader->left == 0)
        return 0;
    int status = rsi_spill_read(&bytes, &reader->bytes, reader->offset, sizeof front);
    if (status != RAGSTORE_OK)
        return status;
    memcpy(&front, bytes, sizeof front);
    for (size_t i = 0; i < TEXTS; i++)
        size += (size_t)front.sizes[i];
    reader->offset += sizeof front;
    status = rsi_spill_read(&bytes, &reader->bytes, reader->offset, size);
    if (status != RAGSTORE_OK)
        return status;
    *chunk = (rsi_new_chunk){.start = front.start, .end = front.end, .page = front.page};
    for (size_t i = 0; i < TEXTS; i++) {
        if (front.sizes[i] == 0)
            continue;
        *texts[i] = (rsi_slice){bytes, (size_t)front.sizes[i] - 1};
        bytes += front.sizes[i];
    }
    reader->offset += size;
    reader->left--;
    return 1;
}

int rsi_prepared_add_vectors(rsi_prepared *prepared, const float *vectors, size_t count)
{
    return rsi_spill_append(&prepared->vectors, vectors,
                            count * prepared->dimension * sizeof *vectors);
}

static int take_rows(float *vectors, const rsi_prepared *prepared, size_t from, size_t count)
{
    const size_t dimension = prepared->dimension;
    int status = RAGSTORE_OK;
    memcpy(vectors, prepared->rows + from * dimension, count * dimension * sizeof *vectors);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = rsi_vector_take(vectors + i * dimension, prepared, from + i);
    return status;
}

int rsi_prepared_read_vectors(float *vectors, rsi_prepared *prepared, size_t from, size_t count)
{
    const size_t row = prepared->dimension * sizeof *vectors;
    if (prepared->rows != NULL)
        return take_rows(vectors, prepared, from, count);
    rsi_spill_reader reader = {.spill = &prepared->vectors};
    const char *bytes;
    int status = rsi_spill_read(&bytes, &reader, (uint64_t)from * row, count * row);
    if (status == RAGSTORE_OK)
        memcpy(vectors, bytes, count * row);
    rsi_spill_reader_free(&reader);
    return status;
}
