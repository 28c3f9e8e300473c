/*
 * Opening: from the files of a store to its tables.
 *
 *   manifest ─► snapshots (which commits does each hold?) ─► journals, oldest first ─► work, sweep
 */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/status.h"
#include "storage/journal_files.h"
#include "storage/journal_vectors.h"
#include "storage/replay.h"

#include <string.h>

#define LOADS_AT_LEAST 20 /* beside a process that replaces files */

/* ---- journals ---- */

/* Cut what was never acknowledged, so that nothing is appended behind it. */
static int cut_tail(rsi_storage *storage, const rsi_journal_file *last)
{
    if (last->valid_size == last->text.size)
        return RAGSTORE_OK;
    rsi_path path = rsi_path_journal(last->generation);
    rsi_file *file;
    if (!rsi_journal_is_filler(last->text.data + last->valid_size,
                               last->text.size - last->valid_size))
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING,
                        "%s: %zu bytes behind byte %zu were never acknowledged and are cut",
                        path.text, last->text.size - last->valid_size, last->valid_size);
    int status = rsi_file_open(&file, storage->root, path.text, RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_truncate(file, last->valid_size);
    if (status == RAGSTORE_OK)
        status = rsi_file_flush(file);
    int closed = rsi_file_close(file);
    return status == RAGSTORE_OK ? closed : status;
}

/* Without room for a copy: the same bytes over themselves, which reach the disk as new ones
 * would. */
static int rewrite_in_place(rsi_storage *storage, const rsi_journal_file *last)
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
static int secure_tail(rsi_storage *storage, const rsi_journal_files *files, bool unclean)
{
    const rsi_journal_file *last = files->count == 0 ? NULL : &files->items[files->count - 1];
    if (last == NULL)
        return RAGSTORE_OK;
    if (!unclean)
        return cut_tail(storage, last);
    int status = rsi_file_replace(storage->root, rsi_path_journal(last->generation).text,
                                  last->text.data, last->valid_size);
    return status == RAGSTORE_E_DISK_FULL ? rewrite_in_place(storage, last) : status;
}

static int continue_journal(rsi_storage *storage, const rsi_journal_file *last,
                            const rsi_replay *replay)
{
    rsi_journal *journal = &storage->journal;
    journal->generation = last->generation;
    journal->sequence = replay->last_sequence;
    journal->flushed = replay->last_sequence;
    journal->size = last->valid_size;
    journal->reserved = last->valid_size;
    storage->journal_begin = journal->sequence;
    return rsi_file_open(&journal->file, storage->root, rsi_path_journal(last->generation).text,
                         RSI_OPEN_WRITE);
}

/* Go on with the newest journal when it can be trusted as it is, or start a new one. On a full disk
 * the old one will do: it has just been written again. */
static int open_journal(rsi_storage *storage, const rsi_journal_files *files,
                        const rsi_replay *replay, bool unclean)
{
    rsi_journal *journal = &storage->journal;
    const rsi_journal_file *last = files->count == 0 ? NULL : &files->items[files->count - 1];
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
    if (status != RAGSTORE_OK)
        return status;
    storage->journal_begin = journal->sequence;
    status = rsi_journal_flush(journal);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
    if (status != RAGSTORE_OK) { /* it may be tried again */
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_journal_close(journal);
        rsi_file_remove(storage->root, rsi_path_journal(generation + 1).text);
        rsi_error_restore(&error);
    }
    return status;
}

/* ---- all of it ---- */

/* Beside a writer, lines behind the end that it vouches for may be in the making. */
static int leave_out_what_is_ahead(rsi_storage *storage, rsi_journal_files *files)
{
    rsi_hint hint = {0};
    if (!storage->is_beside || storage->hint == NULL)
        return RAGSTORE_OK;
    int status = rsi_hint_read(&hint, storage->hint);
    for (size_t i = 0; hint.state != RSI_HINT_NONE && i < files->count; i++) {
        rsi_journal_file *file = &files->items[i];
        if (file->generation == hint.generation && file->text.size > hint.end)
            file->text.size = (size_t)hint.end;
        file->is_ahead = file->generation > hint.generation;
    }
    return status;
}

/*
 * Are the files those that the manifest was written for, as stat() tells? Then all that is not in
 * them came after the checkpoint that wrote it, and older journals need not be read.
 */
static bool is_as_listed(rsi_storage *storage)
{
    const rsi_manifest *manifest = &storage->manifest;
    if (!manifest->present ||
        !rsi_file_state_is_current(&manifest->entities, storage->root, RSI_PATH_ENTITIES) ||
        !rsi_file_state_is_current(&manifest->sessions, storage->root, RSI_PATH_SESSIONS))
        return false;
    for (size_t i = 0; i < manifest->collections.count; i++) {
        const rsi_candidate *file = &manifest->collections.items[i];
        if (!rsi_file_state_is_current(&file->state, storage->root, file->path))
            return false;
    }
    return true;
}

static int replay_all(rsi_storage *storage, rsi_journal_files *files, rsi_replay *replay)
{
    const uint64_t from = is_as_listed(storage) ? storage->manifest.generation : 0;
    int status = rsi_journal_files_read(files, storage->root, from, UINT64_MAX);
    if (status == RAGSTORE_OK && files->count == 0 && from > 0) /* let what is there explain it */
        status = rsi_journal_files_read(files, storage->root, 0, UINT64_MAX);
    storage->first_read = files->count == 0 ? 0 : files->items[0].generation;
    if (status == RAGSTORE_OK)
        status = leave_out_what_is_ahead(storage, files);
    if (status == RAGSTORE_OK)
        status = rsi_journal_files_scan(files, true, rsi_replay_candidates, replay);
    if (status == RAGSTORE_OK)
        status = rsi_snapshots_load(storage);
    if (status == RAGSTORE_OK)
        status = rsi_journal_files_scan(files, false, rsi_replay_line, replay);
    if (status == RAGSTORE_OK)
        status = rsi_replay_check(replay);
    return status == RAGSTORE_OK ? rsi_snapshots_accept_edits(storage) : status;
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
static int settle_chunk_file(void *user, const char *entity_id, const char *json, size_t size)
{
    rsi_storage *storage = user;
    rsi_entity_file file;
    rsi_path path = rsi_path_in_entity(entity_id, "chunk_metadata.json");
    const rsi_file_state *newest = rsi_candidates_last(&storage->candidates, path.text);
    (void)json;
    (void)size;
    if (newest == NULL)
        return RAGSTORE_OK;
    int status = rsi_entity_file_read(&file, storage->root, entity_id);
    if (status == RAGSTORE_OK && file.present && file.chunks.known &&
        strcmp(file.chunks.sha256, newest->sha256) == 0)
        /* settled, but perhaps by a process that was killed before it was durable */
        return rsi_directory_flush(storage->root, rsi_path_entity(entity_id).text);
    rsi_space *space = rsi_space_of(storage, RSI_SPACE_CHUNKS, entity_id);
    if (space == NULL)
        return RAGSTORE_E_NO_MEMORY;
    space->must_write = true;
    return RAGSTORE_OK;
}

/* What a damaged record hides nobody can settle: the journals that vouch for it stay. */
static int settle_chunk_files(rsi_storage *storage)
{
    size_t unreadable;
    int status = rsi_storage_each_readable(&unreadable, storage, RSI_SPACE_ENTITIES,
                                           settle_chunk_file, storage);
    if (status != RAGSTORE_OK || unreadable == 0)
        return status;
    storage->keeps_journals = true;
    rsi_storage_log(storage, RAGSTORE_LOG_ERROR, "%zu entities are left out: %s", unreadable,
                    rsi_error_message());
    return RAGSTORE_OK;
}

/* Everything that changes the disk before the journal can be appended to. */
static int prepare_disk(rsi_storage *storage, const rsi_journal_files *files, rsi_replay *replay,
                        bool unclean)
{
    int status = secure_tail(storage, files, unclean);
    if (status == RAGSTORE_OK && unclean)
        status = rsi_storage_make_directories(storage);
    if (status == RAGSTORE_OK)
        status = rsi_work_recover(storage, &replay->work);
    if (status == RAGSTORE_OK && unclean)
        status = rsi_journal_vectors_restore(storage);
    if (status == RAGSTORE_OK && unclean && !storage->is_beside)
        status = rsi_work_sweep(storage);
    if (status == RAGSTORE_OK && unclean)
        status = settle_chunk_files(storage);
    if (status == RAGSTORE_OK)
        status = open_journal(storage, files, replay, unclean);
    return status;
}

/* What only a page cache showed must reach the disk before anything is built on it. A full disk, or
 * a record that cannot be copied, leaves that to a later checkpoint: nothing goes before one. */
static int bring_up_to_date(rsi_storage *storage)
{
    int status = rsi_checkpoint_alone(storage);
    if (status != RAGSTORE_E_DISK_FULL && status != RAGSTORE_E_DAMAGED)
        return status;
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "opened with its journal: %s",
                    rsi_error_message());
    return RAGSTORE_OK;
}

int rsi_storage_recover(rsi_storage *storage)
{
    rsi_journal_files files = {0};
    rsi_replay replay = {.storage = storage};
    int status = rsi_manifest_read(&storage->manifest, storage->root);
    if (status == RAGSTORE_OK)
        status = replay_all(storage, &files, &replay);
    if (status == RAGSTORE_OK)
        status = complete_manifest(storage, &replay);
    if (status != RAGSTORE_OK || storage->read_only)
        goto cleanup;

    const bool unclean = storage->was_unclean || !storage->manifest.present ||
                         rsi_checkpoint_has_work(storage, NULL);
    if (unclean)
        status = rsi_attach_secure(storage);
    if (status == RAGSTORE_OK)
        status = prepare_disk(storage, &files, &replay, unclean);
    if (status == RAGSTORE_E_DISK_FULL && rsi_reserve_release(storage))
        status = prepare_disk(storage, &files, &replay, unclean);
    if (status == RAGSTORE_OK && unclean)
        status = bring_up_to_date(storage);
    if (status == RAGSTORE_OK)
        rsi_reserve_fill(storage);
    storage->journal_bytes = storage->journal.size;
    rsi_journal_vectors_free(&storage->vector_places);

cleanup:
    rsi_replay_free(&replay);
    rsi_journal_files_free(&files);
    return rsi_wrap(status, "recover");
}

/* ---- beside others ---- */

/* Nothing uses the tables yet. */
static void forget_all(rsi_storage *storage)
{
    rsi_space_clear(&storage->entities);
    rsi_space_clear(&storage->sessions);
    rsi_map_free(&storage->collections, rsi_space_free_mapped);
    rsi_map_free(&storage->chunks, rsi_space_free_mapped);
    rsi_candidates_free(&storage->manifest.collections);
    rsi_candidates_free(&storage->candidates);
    rsi_work_list_free(&storage->foreign);
    rsi_row_files_free(&storage->row_files);
    rsi_journal_vectors_free(&storage->vector_places);
    rsi_journal_close(&storage->journal);
}

static int note_row_file(void *user, const char *entity_id, uint32_t segment, uint64_t sequence)
{
    rsi_storage *storage = user;
    return rsi_row_files_note(&storage->row_files, storage->root, entity_id, segment, sequence);
}

/* Whoever recovered has brought back what a crash took from the files; what came since is in them,
 * not flushed. Somebody who only reads may be there before that. */
static int settle_vectors(rsi_storage *storage)
{
    if (storage->read_only)
        return RAGSTORE_OK;
    int status = rsi_journal_vectors_each(&storage->vector_places, note_row_file, storage);
    rsi_journal_vectors_free(&storage->vector_places);
    return status;
}

/* Be ready to follow from where the journals end. */
static int follow_from(rsi_storage *storage, const rsi_journal_files *files,
                       const rsi_replay *replay)
{
    size_t last = files->count;
    while (last > 0 && files->items[last - 1].is_ahead)
        last--;
    if (last == 0)
        return RAGSTORE_OK;
    const rsi_journal_file *file = &files->items[last - 1];
    storage->seen =
        (rsi_position){file->generation, file->valid_size, replay->last_sequence};
    storage->journal.flushed = replay->last_flushed;
    storage->journal_bytes = file->valid_size;
    return rsi_file_open(&storage->journal.file, storage->root,
                         rsi_path_journal(file->generation).text,
                         storage->read_only ? RSI_OPEN_READ : RSI_OPEN_WRITE);
}

static int load_once(rsi_storage *storage)
{
    rsi_journal_files files = {0};
    rsi_replay replay = {.storage = storage};
    int status = rsi_manifest_read(&storage->manifest, storage->root);
    if (status == RAGSTORE_OK)
        status = replay_all(storage, &files, &replay);
    if (status == RAGSTORE_OK)
        status = complete_manifest(storage, &replay);
    if (status == RAGSTORE_OK)
        status = follow_from(storage, &files, &replay);
    if (status == RAGSTORE_OK)
        status = settle_vectors(storage);
    if (status == RAGSTORE_OK) {
        storage->foreign = replay.work;
        replay.work = (rsi_work_list){0};
    }
    rsi_replay_free(&replay);
    rsi_journal_files_free(&files);
    return status;
}

int rsi_storage_load(rsi_storage *storage)
{
    const int64_t deadline = rsi_monotonic_ms() + storage->options.busy_timeout_ms;
    const bool is_scratch = storage->is_beside;
    for (int attempt = 1;; attempt++) {
        storage->is_beside = is_scratch || rsi_attach_has_company(storage);
        int status = load_once(storage);
        if (status == RAGSTORE_OK)
            return status;
        /* a writer may be replacing files, or may have come while they were read */
        if (!storage->is_beside && !rsi_attach_has_company(storage))
            return rsi_wrap(status, "read the store");
        if (attempt > LOADS_AT_LEAST && rsi_monotonic_ms() >= deadline)
            return rsi_wrap(status, "read the store beside another process");
        forget_all(storage);
        rsi_sleep_ms(attempt < 10 ? 2 : 20);
    }
}
