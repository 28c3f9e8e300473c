/* Journals as files: see journal_files.h. */
#include "storage/journal_files.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOURNAL_MAX ((size_t)1 << 40)
#define KEEP_JOURNAL_SECONDS (15 * 60)

/* ---- reading ---- */

static int collect_journal(void *user, const char *name)
{
    rsi_journal_files *files = user;
    uint64_t generation;
    if (!rsi_journal_is_named(name, &generation))
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&files->items, &files->capacity, files->count + 1,
                  sizeof *files->items))
        return RAGSTORE_E_NO_MEMORY;
    files->items[files->count++] = (rsi_journal_file){.generation = generation};
    return RAGSTORE_OK;
}

static int compare_generation(const void *a, const void *b)
{
    const rsi_journal_file *left = a;
    const rsi_journal_file *right = b;
    return left->generation < right->generation ? -1 : left->generation > right->generation;
}

int rsi_journal_files_read(rsi_journal_files *files, rsi_root *root, uint64_t from,
                           uint64_t before)
{
    size_t kept = 0;
    files->count = 0;
    int status = rsi_directory_names(root, RSI_PATH_API_STORAGE, collect_journal, files);
    for (size_t i = 0; i < files->count; i++)
        if (files->items[i].generation >= from && files->items[i].generation < before)
            files->items[kept++] = files->items[i];
    files->count = kept;
    if (kept > 1)
        qsort(files->items, kept, sizeof *files->items, compare_generation);
    for (size_t i = 0; status == RAGSTORE_OK && i < kept; i++) {
        rsi_path path = rsi_path_journal(files->items[i].generation);
        status = rsi_file_read_all(root, path.text, JOURNAL_MAX, &files->items[i].text);
    }
    return status;
}

int rsi_journal_files_scan(rsi_journal_files *files, bool with_ahead, rsi_journal_visitor *visit,
                           void *user)
{
    for (size_t i = 0; i < files->count; i++) {
        rsi_journal_file *file = &files->items[i];
        if (file->is_ahead && !with_ahead)
            continue;
        rsi_path path = rsi_path_journal(file->generation);
        int status = rsi_journal_scan(path.text, file->text.data, file->text.size,
                                      file->generation, visit, user, &file->valid_size);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

void rsi_journal_files_free(rsi_journal_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        rsi_bytes_free(&files->items[i].text);
    rsi_free(files->items);
}

/* ---- removing ---- */

static int remove_segments(void *user, const rsi_journal_line *line)
{
    rsi_storage *storage = user;
    rsi_json *ops;
    if (memmem(line->text, line->size, "[\"segment\",", 11) == NULL)
        return RAGSTORE_OK;
    int status = rsi_json_parse(&ops, line->text, line->size, RSI_JSON_DEPTH_STORED + 4);
    for (size_t i = 1; status == RAGSTORE_OK && i < rsi_json_count(ops); i++) {
        const rsi_json *op = rsi_json_at(ops, i);
        const char *kind = rsi_json_text(rsi_json_at(op, 0));
        const char *entity_id = rsi_json_text(rsi_json_at(op, 1));
        const char *name = rsi_json_text(rsi_json_at(op, 3));
        if (kind == NULL || strcmp(kind, "segment") != 0 || entity_id == NULL || name == NULL ||
            strchr(name, '/') != NULL)
            continue;
        char below[96];
        snprintf(below, sizeof below, "segments/%.80s", name);
        status = rsi_file_remove(storage->root, rsi_path_in_entity(entity_id, below).text);
    }
    rsi_json_free(ops);
    return status;
}

static int remove_journal(rsi_storage *storage, uint64_t generation)
{
    rsi_path path = rsi_path_journal(generation);
    rsi_bytes text = {0};
    size_t valid;
    int status = rsi_file_read_all(storage->root, path.text, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_E_NOT_FOUND)
        return RAGSTORE_OK; /* another process removed it */
    if (status == RAGSTORE_OK)
        status = rsi_journal_scan(path.text, text.data, text.size, generation, remove_segments,
                                  storage, &valid);
    rsi_bytes_free(&text);
    return status == RAGSTORE_OK ? rsi_file_remove(storage->root, path.text) : status;
}

/*
 * Journals before `end` that have not been written to since `young`. The oldest goes first, and
 * durably before the next, so that a crash never leaves a gap between those that are there. Another
 * process may do the same at this time: what it removed is flushed as well.
 */
static int remove_journals(rsi_storage *storage, uint64_t end, int64_t young)
{
    rsi_file_info info;
    uint64_t first = end;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && first > 1) {
        status = rsi_file_info_of(storage->root, rsi_path_journal(first - 1).text, &info);
        if (status == RAGSTORE_OK)
            first--;
    }
    if (status != RAGSTORE_OK && status != RAGSTORE_E_NOT_FOUND)
        return status;
    for (uint64_t old = first; old < end; old++) {
        status = rsi_file_info_of(storage->root, rsi_path_journal(old).text, &info);
        if (status == RAGSTORE_OK && info.modified_ns > young)
            break;
        if (status == RAGSTORE_OK)
            status = remove_journal(storage, old);
        if (status == RAGSTORE_OK || status == RAGSTORE_E_NOT_FOUND)
            status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

int rsi_journals_remove_old(rsi_storage *storage, uint64_t generation)
{
    return remove_journals(storage, generation - 1,
                           ((int64_t)time(NULL) - KEEP_JOURNAL_SECONDS) * 1000000000);
}

int rsi_journals_remove_before(rsi_storage *storage, uint64_t generation)
{
    return remove_journals(storage, generation, INT64_MAX);
}
