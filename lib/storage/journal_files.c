/* Removing journals that nobody needs any more, with the segments that they name. */
#include "storage/storage_internal.h"

#include "base/status.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define KEEP_JOURNAL_SECONDS (15 * 60)

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
    if (status == RAGSTORE_OK)
        status = rsi_journal_scan(path.text, text.data, text.size, generation, remove_segments,
                                  storage, &valid);
    rsi_bytes_free(&text);
    return status == RAGSTORE_OK ? rsi_file_remove(storage->root, path.text) : status;
}

/*
 * Journals before the last two generations that have been there for a while. The oldest goes first,
 * and durably before the next, so that a crash never leaves a gap between those that are there.
 */
int rsi_journals_remove_old(rsi_storage *storage)
{
    const int64_t young = ((int64_t)time(NULL) - KEEP_JOURNAL_SECONDS) * 1000000000;
    const uint64_t end = storage->journal.generation - 1;
    uint64_t first = end;
    while (first > 1 && rsi_file_exists(storage->root, rsi_path_journal(first - 1).text))
        first--;
    for (uint64_t generation = first; generation < end; generation++) {
        rsi_file_info info;
        int status = rsi_file_info_of(storage->root, rsi_path_journal(generation).text, &info);
        if (status == RAGSTORE_OK && info.modified_ns > young)
            break;
        if (status == RAGSTORE_OK)
            status = remove_journal(storage, generation);
        if (status == RAGSTORE_OK)
            status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}
