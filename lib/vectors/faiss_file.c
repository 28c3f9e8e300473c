/* Reading somebody else's FAISS file: see faiss_file.h. */
#include "vectors/faiss_file.h"

#include "base/memory.h"
#include "base/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int rsi_faiss_file_open(rsi_faiss_file *out, rsi_root *root, const char *path)
{
    unsigned char head[RSI_FAISS_HEAD_MAX];
    uint64_t size = 0;
    memset(out, 0, sizeof *out);
    int status = rsi_file_open_outside(&out->file, root, path);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(out->file, &size);
    const size_t known = size < sizeof head ? (size_t)size : sizeof head;
    if (status == RAGSTORE_OK)
        status = rsi_file_read_at(out->file, head, known, 0);
    if (status == RAGSTORE_OK) {
        status = rsi_faiss_layout_parse(&out->layout, head, known, size);
        status = rsi_wrap(status, "%s", path);
    }
    if (status != RAGSTORE_OK) {
        rsi_saved_error saved;
        rsi_error_save(&saved);
        rsi_faiss_file_close(out);
        rsi_error_restore(&saved);
    }
    return status;
}

void rsi_faiss_file_close(rsi_faiss_file *file)
{
    rsi_file_close(file->file); /* it was only read */
    memset(file, 0, sizeof *file);
}

int rsi_faiss_file_vectors(float *vectors, const rsi_faiss_file *file, uint64_t first,
                           uint64_t count)
{
    const uint64_t row = file->layout.dimension * sizeof *vectors;
    return rsi_file_read_at(file->file, vectors, (size_t)(count * row),
                            file->layout.vectors_at + first * row);
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* An id that stands for two vectors tells them not apart; FAISS's own -1 means "none". */
static int check_ids(const int64_t *ids, size_t count, const char *path)
{
    int status = RAGSTORE_OK;
    int64_t *sorted = rsi_alloc_array(count, sizeof *sorted);
    if (sorted == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memcpy(sorted, ids, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_ids);
    if (count > 0 && sorted[0] < 0)
        status =
            rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                     "%s: a vector has the id %" PRId64 "; ids are 0 or more", path, sorted[0]);
    for (size_t i = 1; status == RAGSTORE_OK && i < count; i++)
        if (sorted[i] == sorted[i - 1])
            status =
                rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                         "%s: the id %" PRId64 " belongs to more than one vector", path, sorted[i]);
    rsi_free(sorted);
    return status;
}

int rsi_faiss_file_ids(int64_t *ids, const rsi_faiss_file *file)
{
    const rsi_faiss_layout *layout = &file->layout;
    const char *path = rsi_file_path(file->file);
    const size_t count = (size_t)layout->count;
    uint64_t said = 0;
    if (!layout->has_ids) {
        for (size_t i = 0; i < count; i++)
            ids[i] = (int64_t)i;
        return RAGSTORE_OK;
    }
    int status = rsi_file_read_at(file->file, &said, sizeof said, layout->ids_at - sizeof said);
    if (status == RAGSTORE_OK && said != layout->count)
        status = rsi_fail(RAGSTORE_E_INVALID_DATA, "vectors",
                          "%s: it has %" PRIu64 " ids for %" PRIu64 " vectors", path, said,
                          layout->count);
    if (status == RAGSTORE_OK)
        status = rsi_file_read_at(file->file, ids, count * sizeof *ids, layout->ids_at);
    return status == RAGSTORE_OK ? check_ids(ids, count, path) : status;
}
