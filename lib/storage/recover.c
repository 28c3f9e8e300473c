/*
 * Opening: from the files of a store to its tables.
 *
 *   manifest ─► snapshots (which commits does each hold?) ─► journals, oldest first ─► work, sweep
 *
 * A snapshot's digest must be one that was written down: in the manifest, or as the old or new
 * state of a checkpoint record. Any other is a hand edit, taken over when no commit waits that
 * touches the same file. Nothing that cannot be read is replaced by anything.
 */
#include "storage/storage_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOURNAL_MAX ((size_t)1 << 40)

typedef struct journal_file {
    uint64_t generation;
    rsi_bytes text;
    size_t valid_size;
} journal_file;

typedef struct journal_files {
    journal_file *items;
    size_t count;
    size_t capacity;
} journal_files;

/* ---- finding the journals ---- */

static int collect_journal(void *user, const char *name, rsi_file_kind kind)
{
    journal_files *files = user;
    uint64_t generation;
    char tail;
    if (kind != RSI_FILE_REGULAR ||
        sscanf(name, "journal-%10" SCNu64 ".ndjso%c", &generation, &tail) != 2 || tail != 'n')
        return RAGSTORE_OK;
    if (strcmp(rsi_path_journal(generation).text + sizeof RSI_PATH_API_STORAGE, name) != 0)
        return RAGSTORE_OK;
    if (!rsi_grow((void **)&files->items, &files->capacity, files->count + 1,
                  sizeof *files->items))
        return RAGSTORE_E_NO_MEMORY;
    files->items[files->count++] = (journal_file){.generation = generation};
    return RAGSTORE_OK;
}

static int compare_generation(const void *a, const void *b)
{
    const journal_file *left = a;
    const journal_file *right = b;
    return left->generation < right->generation ? -1 : left->generation > right->generation;
}

static int read_journals(journal_files *files, rsi_root *root)
{
    int status = rsi_directory_list(root, RSI_PATH_API_STORAGE, collect_journal, files);
    if (status == RAGSTORE_OK && files->count > 1)
        qsort(files->items, files->count, sizeof *files->items, compare_generation);
    for (size_t i = 0; status == RAGSTORE_OK && i < files->count; i++) {
        rsi_path path = rsi_path_journal(files->items[i].generation);
        status = rsi_file_read_all(root, path.text, JOURNAL_MAX, &files->items[i].text);
    }
    return status;
}

static void free_journals(journal_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        rsi_bytes_free(&files->items[i].text);
    rsi_free(files->items);
}

/* ---- snapshots ---- */

static int damaged_snapshot(const char *path)
{
    return rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                    "%s: %s. The file was left as it is: mend it, or put the one of a backup in "
                    "its place",
                    path, rsi_error_message());
}

/* Which commits does this file hold? A file that nobody wrote down is a hand edit. */
static int settle_base(rsi_storage *storage, rsi_space *space, const char *path,
                       const rsi_file_state *listed, const rsi_bytes *text, bool *edited)
{
    char sha256[RSI_SHA256_HEX];
    rsi_sha256_hex(text->data, text->size, sha256);
    *edited = false;
    if (listed->known && listed->size == text->size && strcmp(listed->sha256, sha256) == 0) {
        space->base_sequence = listed->base_sequence;
        return RAGSTORE_OK;
    }
    const rsi_file_state *state =
        rsi_candidates_find(&storage->candidates, path, text->size, sha256);
    if (state != NULL) {
        space->base_sequence = state->base_sequence;
        return RAGSTORE_OK;
    }
    space->base_sequence = listed->base_sequence;
    *edited = true;
    return RAGSTORE_OK;
}

static int load_snapshot(rsi_storage *storage, rsi_space *space, const char *path,
                         const rsi_file_state *listed, bool *edited)
{
    rsi_bytes text = {0};
    *edited = false;
    int status = rsi_file_read_all(storage->root, path, SIZE_MAX / 2, &text);
    if (status == RAGSTORE_E_NOT_FOUND) {
        if (listed->known)
            status = rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                              "%s is missing. Uploads, vectors and journals are still there and "
                              "were not touched: put the file of a backup in its place",
                              path);
        else
            status = RAGSTORE_OK;
        goto cleanup;
    }
    if (status == RAGSTORE_OK)
        status = settle_base(storage, space, path, listed, &text, edited);
    if (status == RAGSTORE_OK) {
        status = rsi_snapshot_decode(&space->table, text.data, text.size, space->layout);
        if (status == RAGSTORE_E_INVALID_DATA)
            status = damaged_snapshot(path);
    }

cleanup:
    rsi_bytes_free(&text);
    return status;
}

/* A hand edit is taken over when the journal has nothing newer for the same file. */
static int accept_edit(rsi_storage *storage, rsi_space *space, const char *path, bool edited)
{
    if (!edited)
        return RAGSTORE_OK;
    if (space->last_sequence > space->base_sequence)
        return rsi_fail(RAGSTORE_E_CONFLICT, "storage",
                        "%s was changed by hand while commits up to sequence %" PRIu64
                        " were still waiting to be written to it; undo the change, or put the "
                        "file of a backup in its place",
                        path, space->last_sequence);
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "%s was changed by hand; taken over as it is",
                    path);
    space->must_write = true;
    return RAGSTORE_OK;
}

/* ---- journals ---- */

static int scan_journals(journal_files *files, rsi_journal_visitor *visit, void *user)
{
    for (size_t i = 0; i < files->count; i++) {
        journal_file *file = &files->items[i];
        rsi_path path = rsi_path_journal(file->generation);
        int status = rsi_journal_scan(path.text, file->text.data, file->text.size,
                                      file->generation, visit, user, &file->valid_size);
        if (status != RAGSTORE_OK)
            return status;
    }
    return RAGSTORE_OK;
}

/* Cut what was never acknowledged, so that nothing is appended behind it. What is kept must be on
 * the disk before a new journal goes on from its end. */
static int cut_tail(rsi_storage *storage, const journal_file *last, bool unclean)
{
    if (last->valid_size == last->text.size && !unclean)
        return RAGSTORE_OK;
    rsi_path path = rsi_path_journal(last->generation);
    rsi_file *file;
    int status = rsi_file_open(&file, storage->root, path.text, RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    if (last->valid_size < last->text.size) {
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING,
                        "%s: %zu bytes behind byte %zu were never acknowledged and are cut",
                        path.text, last->text.size - last->valid_size, last->valid_size);
        status = rsi_file_truncate(file, last->valid_size);
    }
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

/* Go on with the newest journal when it can be trusted as it is, or start a new one. */
static int open_journal(rsi_storage *storage, const journal_files *files,
                        const rsi_replay *replay, bool unclean)
{
    rsi_journal *journal = &storage->journal;
    const journal_file *last = files->count == 0 ? NULL : &files->items[files->count - 1];
    int status = last == NULL ? RAGSTORE_OK : cut_tail(storage, last, unclean);
    if (status != RAGSTORE_OK)
        return status;
    if (last != NULL && last->valid_size > 0 && !unclean) {
        journal->generation = last->generation;
        journal->sequence = replay->last_sequence;
        journal->flushed = replay->last_sequence;
        journal->size = last->valid_size;
        return rsi_file_open(&journal->file, storage->root,
                             rsi_path_journal(last->generation).text, RSI_OPEN_WRITE);
    }
    uint64_t generation = storage->manifest.generation;
    if (last != NULL && last->generation > generation)
        generation = last->generation;
    status = rsi_journal_create(journal, storage->root, generation + 1, replay->last_sequence,
                                storage->manifest.store_id);
    if (status == RAGSTORE_OK)
        status = rsi_journal_flush(journal);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
    return status;
}

/* ---- all of it ---- */

static int replay_all(rsi_storage *storage, journal_files *files, rsi_replay *replay)
{
    bool entities_edited = false;
    bool sessions_edited = false;
    int status = read_journals(files, storage->root);
    if (status == RAGSTORE_OK)
        status = scan_journals(files, rsi_replay_candidates, replay);
    if (status == RAGSTORE_OK)
        status = load_snapshot(storage, &storage->entities, RSI_PATH_ENTITIES,
                               &storage->manifest.entities, &entities_edited);
    if (status == RAGSTORE_OK)
        status = load_snapshot(storage, &storage->sessions, RSI_PATH_SESSIONS,
                               &storage->manifest.sessions, &sessions_edited);
    if (status == RAGSTORE_OK)
        status = scan_journals(files, rsi_replay_line, replay);
    if (status == RAGSTORE_OK)
        status = rsi_replay_check(replay);
    if (status == RAGSTORE_OK)
        status = accept_edit(storage, &storage->entities, RSI_PATH_ENTITIES, entities_edited);
    if (status == RAGSTORE_OK)
        status = accept_edit(storage, &storage->sessions, RSI_PATH_SESSIONS, sessions_edited);
    return status;
}

/* A store whose manifest was lost or never written gets an identity again. */
static int complete_manifest(rsi_storage *storage, const rsi_replay *replay)
{
    rsi_manifest *manifest = &storage->manifest;
    if (manifest->store_id[0] != '\0')
        return RAGSTORE_OK;
    if (replay->store_id[0] != '\0') {
        memcpy(manifest->store_id, replay->store_id, sizeof manifest->store_id);
        return RAGSTORE_OK;
    }
    return rsi_random_hex(manifest->store_id, RSI_INCARNATION_HEX - 1);
}

int rsi_storage_recover(rsi_storage *storage)
{
    journal_files files = {0};
    rsi_replay replay = {.storage = storage};
    int status = rsi_manifest_read(&storage->manifest, storage->root);
    if (status == RAGSTORE_OK)
        status = replay_all(storage, &files, &replay);
    if (status == RAGSTORE_OK)
        status = complete_manifest(storage, &replay);
    if (status != RAGSTORE_OK || storage->read_only)
        goto cleanup;

    const bool unclean = storage->was_unclean || !storage->manifest.present ||
                         rsi_checkpoint_has_work(storage);
    status = rsi_work_recover(storage, &replay.work);
    if (status == RAGSTORE_OK && unclean)
        status = rsi_work_sweep(storage);
    if (status == RAGSTORE_OK)
        status = open_journal(storage, &files, &replay, unclean);
    /* what only a page cache showed must reach the disk before anything is built on it */
    if (status == RAGSTORE_OK && unclean)
        status = rsi_checkpoint_locked(storage);
    storage->journal_bytes = storage->journal.size;

cleanup:
    rsi_replay_free(&replay);
    free_journals(&files);
    return rsi_wrap(status, "recover");
}
