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
    if (kind != RSI_FILE_REGULAR || !rsi_journal_is_named(name, &generation))
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
        /* a checkpoint was cut short: its record goes with its journal, the manifest stays */
        space->must_write = true;
        return RAGSTORE_OK;
    }
    space->base_sequence = listed->base_sequence;
    *edited = true;
    return RAGSTORE_OK;
}

static int load_snapshot(rsi_storage *storage, rsi_space *space, const char *path,
                         const rsi_file_state *listed)
{
    rsi_bytes text = {0};
    bool *edited = &space->edited;
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
        space->must_write = status == RAGSTORE_OK; /* a new store, cut short */
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
static int accept_edit(rsi_storage *storage, rsi_space *space, const char *path)
{
    if (!space->edited)
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

/* ---- collections ---- */

/* A file that nobody listed is one, too: the manifest may be lost, or somebody put it there. */
static int make_space_of_file(void *user, const char *file_name, rsi_file_kind kind)
{
    char name[RSI_COLLECTION_NAME_MAX];
    if (kind != RSI_FILE_REGULAR || !rsi_collection_name_of_file(name, file_name))
        return RAGSTORE_OK;
    return rsi_collection_space_of(user, name) == NULL ? rsi_error_code() : RAGSTORE_OK;
}

static int load_collections(rsi_storage *storage)
{
    static const rsi_file_state unknown = {0};
    const rsi_candidates *listed = &storage->manifest.collections;
    int status = rsi_directory_list(storage->root, RSI_PATH_COLLECTIONS, make_space_of_file,
                                    storage);
    if (status == RAGSTORE_E_NOT_FOUND)
        status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < listed->count; i++)
        status = make_space_of_file(
            storage, listed->items[i].path + sizeof RSI_PATH_COLLECTIONS, RSI_FILE_REGULAR);
    size_t position = 0;
    void *space;
    while (status == RAGSTORE_OK &&
           rsi_map_next(&storage->collections, &position, NULL, &space)) {
        rsi_path path = rsi_space_path(space);
        const rsi_file_state *state = rsi_candidates_last(listed, path.text);
        status = load_snapshot(storage, space, path.text, state == NULL ? &unknown : state);
    }
    return status;
}

static int accept_collection_edits(rsi_storage *storage)
{
    size_t position = 0;
    void *space;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&storage->collections, &position, NULL, &space))
        status = accept_edit(storage, space, rsi_space_path(space).text);
    return status;
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

/* Cut what was never acknowledged, so that nothing is appended behind it. */
static int cut_tail(rsi_storage *storage, const journal_file *last)
{
    if (last->valid_size == last->text.size)
        return RAGSTORE_OK;
    rsi_path path = rsi_path_journal(last->generation);
    rsi_file *file;
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING,
                    "%s: %zu bytes behind byte %zu were never acknowledged and are cut", path.text,
                    last->text.size - last->valid_size, last->valid_size);
    int status = rsi_file_open(&file, storage->root, path.text, RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_truncate(file, last->valid_size);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

/* Without room for a copy: the same bytes over themselves, which reach the disk as new ones would. */
static int rewrite_in_place(rsi_storage *storage, const journal_file *last)
{
    rsi_file *file;
    int status = rsi_file_open(&file, storage->root, rsi_path_journal(last->generation).text,
                               RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_write_at(file, last->text.data, last->valid_size, 0);
    if (status == RAGSTORE_OK)
        status = rsi_file_truncate(file, last->valid_size);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

/*
 * Make the newest journal's valid part safe before anything is built on it. After an unclean end a
 * page cache may show lines that never reached the disk, and pages whose flush failed count as
 * clean: so the lines are written again, into a file that takes the old one's place.
 */
static int secure_tail(rsi_storage *storage, const journal_files *files, bool unclean)
{
    const journal_file *last = files->count == 0 ? NULL : &files->items[files->count - 1];
    if (last == NULL)
        return RAGSTORE_OK;
    if (!unclean)
        return cut_tail(storage, last);
    int status = rsi_file_replace(storage->root, rsi_path_journal(last->generation).text,
                                  last->text.data, last->valid_size);
    return status == RAGSTORE_E_DISK_FULL ? rewrite_in_place(storage, last) : status;
}

static int continue_journal(rsi_storage *storage, const journal_file *last,
                            const rsi_replay *replay)
{
    rsi_journal *journal = &storage->journal;
    journal->generation = last->generation;
    journal->sequence = replay->last_sequence;
    journal->flushed = replay->last_sequence;
    journal->size = last->valid_size;
    return rsi_file_open(&journal->file, storage->root, rsi_path_journal(last->generation).text,
                         RSI_OPEN_WRITE);
}

/* Go on with the newest journal when it can be trusted as it is, or start a new one. On a full disk
 * the old one will do: it has just been written again. */
static int open_journal(rsi_storage *storage, const journal_files *files,
                        const rsi_replay *replay, bool unclean)
{
    rsi_journal *journal = &storage->journal;
    const journal_file *last = files->count == 0 ? NULL : &files->items[files->count - 1];
    const bool has_lines = last != NULL && last->valid_size > 0;
    if (has_lines && !unclean)
        return continue_journal(storage, last, replay);
    uint64_t generation = storage->manifest.generation;
    if (last != NULL && last->generation > generation)
        generation = last->generation;
    int status = rsi_journal_create(journal, storage->root, generation + 1, replay->last_sequence,
                                    storage->manifest.store_id);
    if (status == RAGSTORE_E_DISK_FULL && has_lines)
        return continue_journal(storage, last, replay);
    if (status == RAGSTORE_OK)
        status = rsi_journal_flush(journal);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
    return status;
}

/* ---- all of it ---- */

static int replay_all(rsi_storage *storage, journal_files *files, rsi_replay *replay)
{
    int status = read_journals(files, storage->root);
    if (status == RAGSTORE_OK)
        status = scan_journals(files, rsi_replay_candidates, replay);
    if (status == RAGSTORE_OK)
        status = load_snapshot(storage, &storage->entities, RSI_PATH_ENTITIES,
                               &storage->manifest.entities);
    if (status == RAGSTORE_OK)
        status = load_snapshot(storage, &storage->sessions, RSI_PATH_SESSIONS,
                               &storage->manifest.sessions);
    if (status == RAGSTORE_OK)
        status = load_collections(storage);
    if (status == RAGSTORE_OK)
        status = scan_journals(files, rsi_replay_line, replay);
    if (status == RAGSTORE_OK)
        status = rsi_replay_check(replay);
    if (status == RAGSTORE_OK)
        status = accept_edit(storage, &storage->entities, RSI_PATH_ENTITIES);
    if (status == RAGSTORE_OK)
        status = accept_edit(storage, &storage->sessions, RSI_PATH_SESSIONS);
    if (status == RAGSTORE_OK)
        status = accept_collection_edits(storage);
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

/*
 * A checkpoint that was cut short may have left chunk files that only its record vouches for, and
 * the record goes with its journal: the next checkpoint writes them and their entity file again.
 */
static int settle_chunk_files(rsi_storage *storage)
{
    size_t position = 0;
    void *value;
    while (rsi_map_next(&storage->entities.table.records, &position, NULL, &value)) {
        const char *entity_id = ((const rsi_record *)value)->key;
        rsi_entity_file file;
        rsi_path path = rsi_path_in_entity(entity_id, "chunk_metadata.json");
        const rsi_file_state *newest = rsi_candidates_last(&storage->candidates, path.text);
        if (newest == NULL || rsi_table_find(&storage->entities.table, entity_id) == NULL)
            continue;
        int status = rsi_entity_file_read(&file, storage->root, entity_id);
        if (status == RAGSTORE_OK && file.present && file.chunks.known &&
            strcmp(file.chunks.sha256, newest->sha256) == 0) {
            /* settled, but perhaps by a process that was killed before it was durable */
            status = rsi_directory_flush(storage->root, rsi_path_entity(entity_id).text);
            if (status != RAGSTORE_OK)
                return status;
            continue;
        }
        rsi_space *space = rsi_space_of(storage, RSI_SPACE_CHUNKS, entity_id);
        if (space == NULL)
            return RAGSTORE_E_NO_MEMORY;
        space->must_write = true;
    }
    return RAGSTORE_OK;
}

/* Everything that changes the disk before the journal can be appended to. */
static int prepare_disk(rsi_storage *storage, const journal_files *files, rsi_replay *replay,
                        bool unclean)
{
    int status = secure_tail(storage, files, unclean);
    if (status == RAGSTORE_OK && unclean)
        status = rsi_storage_make_directories(storage);
    if (status == RAGSTORE_OK)
        status = rsi_work_recover(storage, &replay->work);
    if (status == RAGSTORE_OK && unclean)
        status = rsi_work_sweep(storage);
    if (status == RAGSTORE_OK && unclean)
        status = settle_chunk_files(storage);
    if (status == RAGSTORE_OK)
        status = open_journal(storage, files, replay, unclean);
    return status;
}

/* What only a page cache showed must reach the disk before anything is built on it. A full disk
 * leaves that to a later checkpoint: nothing goes before one. */
static int bring_up_to_date(rsi_storage *storage)
{
    int status = rsi_reserve_require(storage);
    if (status == RAGSTORE_OK)
        status = rsi_checkpoint_locked(storage);
    if (status != RAGSTORE_E_DISK_FULL)
        return status;
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "opened with its journal: %s",
                    rsi_error_message());
    return RAGSTORE_OK;
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
    if (status == RAGSTORE_OK && storage->read_only) {
        storage->work = replay.work; /* not to be done, but to find what it is about */
        replay.work = (rsi_work_list){0};
    }
    if (status != RAGSTORE_OK || storage->read_only)
        goto cleanup;

    const bool unclean = storage->was_unclean || !storage->manifest.present ||
                         rsi_checkpoint_has_work(storage);
    status = prepare_disk(storage, &files, &replay, unclean);
    if (status == RAGSTORE_E_DISK_FULL && rsi_reserve_release(storage))
        status = prepare_disk(storage, &files, &replay, unclean);
    if (status == RAGSTORE_OK && unclean)
        status = bring_up_to_date(storage);
    if (status == RAGSTORE_OK)
        rsi_reserve_fill(storage);
    storage->journal_bytes = storage->journal.size;

cleanup:
    rsi_replay_free(&replay);
    free_journals(&files);
    return rsi_wrap(status, "recover");
}
