/* Bytes that may be many: see spill.h. */
#include "files/spill.h"

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

#include <string.h>

#define WRITE_STEP ((size_t)1 << 20)
#define READ_STEP ((size_t)128 << 10)
#define FORGET_STEP ((size_t)4 << 20)

size_t rsi_spill_from = (size_t)2 << 20;

static int open_file(rsi_spill *spill)
{
    rsi_path path;
    int status = rsi_path_temporary(&path, RSI_PATH_ENTITIES);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_open(&spill->file, spill->root, path.text,
                           RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE);
    rsi_saved_error error;
    rsi_error_save(&error);
    int removed = rsi_file_remove(spill->root, path.text); /* also what a failed opening made */
    if (status != RAGSTORE_OK)
        rsi_error_restore(&error);
    return status != RAGSTORE_OK ? status : removed;
}

static int write_tail(rsi_spill *spill)
{
    int status = spill->file == NULL ? open_file(spill) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status =
            rsi_file_write_at(spill->file, spill->tail.data, spill->tail.size, spill->written);
    if (status != RAGSTORE_OK)
        return rsi_wrap(status, "keep what does not fit into memory");
    spill->written += spill->tail.size;
    rsi_bytes_free(&spill->tail);
    return RAGSTORE_OK;
}

int rsi_spill_append(rsi_spill *spill, const void *bytes, size_t size)
{
    const size_t limit =
        spill->file == NULL || rsi_spill_from < WRITE_STEP ? rsi_spill_from : WRITE_STEP;
    if (spill->root != NULL && spill->tail.size > 0 && spill->tail.size + size > limit) {
        int status = write_tail(spill);
        if (status != RAGSTORE_OK)
            return status;
    }
    rsi_bytes_append(&spill->tail, bytes, size);
    return rsi_bytes_status(&spill->tail);
}

uint64_t rsi_spill_size(const rsi_spill *spill)
{
    return spill->written + spill->tail.size;
}

void rsi_spill_free(rsi_spill *spill)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    if (spill->file != NULL && spill->view != NULL)
        rsi_file_unview(spill->file, spill->view, spill->viewed);
    rsi_file_close(spill->file);
    rsi_error_restore(&error);
    rsi_bytes_free(&spill->tail);
    *spill = (rsi_spill){.root = spill->root};
}

int rsi_spill_view(const char **bytes, rsi_spill *spill)
{
    int status = RAGSTORE_OK;
    *bytes = "";
    if (spill->file == NULL) {
        if (spill->tail.size > 0)
            *bytes = spill->tail.data;
        return RAGSTORE_OK;
    }
    if (spill->view == NULL) {
        if (spill->tail.size > 0)
            status = write_tail(spill);
        if (status == RAGSTORE_OK && spill->written > SIZE_MAX)
            status = rsi_fail_no_memory();
        if (status == RAGSTORE_OK)
            status = rsi_file_view(spill->file, (size_t)spill->written, &spill->view);
        if (status != RAGSTORE_OK)
            return status;
        spill->viewed = (size_t)spill->written;
    }
    *bytes = spill->view;
    return RAGSTORE_OK;
}

void rsi_spill_forget(rsi_spill *spill, size_t offset)
{
    if (spill->view == NULL || offset < spill->forgotten || offset - spill->forgotten < FORGET_STEP)
        return;
    const char *bytes = spill->view;
    rsi_file_forget(spill->file, bytes + spill->forgotten, offset - spill->forgotten);
    spill->forgotten = offset;
}

void rsi_spill_let_go(rsi_spill *spill, size_t start, size_t end)
{
    if (spill->view != NULL && start < end)
        rsi_file_forget(spill->file, (const char *)spill->view + start, end - start);
}

/* ---- windows ---- */

void rsi_spill_reader_free(rsi_spill_reader *reader)
{
    rsi_bytes_free(&reader->window);
}

int rsi_spill_read(const char **bytes, rsi_spill_reader *reader, uint64_t offset, size_t size)
{
    rsi_spill *spill = reader->spill;
    rsi_bytes *window = &reader->window;
    if (offset >= spill->written) {
        *bytes = spill->tail.data + (offset - spill->written);
        return RAGSTORE_OK;
    }
    if (offset < reader->start || offset - reader->start > window->size ||
        size > window->size - (size_t)(offset - reader->start)) {
        const uint64_t left = rsi_spill_size(spill) - offset;
        const size_t wanted = size > READ_STEP ? size : READ_STEP;
        const size_t count = wanted < left ? wanted : (size_t)left;
        const uint64_t in_file = spill->written - offset;
        const size_t from_file = count < in_file ? count : (size_t)in_file;
        rsi_bytes_clear(window);
        if (!rsi_bytes_reserve(window, count))
            return RAGSTORE_E_NO_MEMORY;
        int status = rsi_file_read_at(spill->file, window->data, from_file, offset);
        if (status != RAGSTORE_OK)
            return status;
        window->size = from_file;
        rsi_bytes_append(window, spill->tail.data, count - from_file);
        reader->start = offset;
    }
    *bytes = window->data + (offset - reader->start);
    return rsi_bytes_status(window);
}
