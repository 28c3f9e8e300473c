/*
 * Checkpoint: the JSON files are brought up to the journal's end, while readers and writers go on.
 *
 *   1  writer lock   begin journal N+1; freeze what has changed
 *   2                write what changed to temporaries, flush them, read them back; flush the files
 *                    of vectors that commits have in their lines
 *   3  writer lock   record each file's old and new digest in the journal, flush it
 *   4  writer lock   rename the temporaries, flush the directories, write the entity files, then
 *                    the manifest; the new files become the bases of the tables
 *   5                write the indexes of large files; remove journals that are older than N and
 *                    older than 15 minutes, or, to compact, all but N+1
 *
 * Cut short before 3 it never happened; after 3 each file is good in its old and in its new form.
 * Freezing copies what the journal holds, not what the files do. One at a time: `checkpointing` is
 * taken before the writer lock.
 */
#include "storage/checkpoint_target.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"
#include "storage/tx.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define COMPACT_TRIES 10 /* while other processes write the files, too */

typedef struct checkpoint {
    rsi_storage *storage;
    bool is_alone; /* nobody else uses the storage yet: no locks */
    bool compacts; /* no older journal is to stay, even if the files are as they should be */
    uint64_t base_sequence;
    uint64_t manifest_generation; /* when it began; another process may overtake it */
    uint64_t manifest_sequence;   /* of its entities, likewise */
    uint64_t reloads;             /* likewise */
    rsi_row_files row_files; /* to be flushed */
    bool is_settled;     /* the files are in place */
    uint64_t generation; /* of the journal that began with it: all that the files lack is there */
    rsi_target *targets;
    size_t count;
    size_t capacity;
    bool incomplete; /* an entity's chunks cannot be read: its commits must stay in the journals */
    int left_out;    /* why, when that may be otherwise at the next try; said at the end */
    rsi_saved_error left_out_error;
} checkpoint;

static bool is_dirty(const rsi_space *space)
{
    return space->must_write || space->last_sequence > space->base_sequence;
}

/* Has a checkpoint something to do for these chunks? */
static bool is_concerned(const rsi_space *chunks)
{
    return is_dirty(chunks) || chunks->was_moved;
}

typedef struct due_work {
    bool any;
    uint64_t file_bytes;
} due_work;

static void add_due(due_work *due, const rsi_space *space)
{
    if (!is_dirty(space))
        return;
    due->any = true;
    if (space->table.base != NULL)
        due->file_bytes += rsi_base_size(space->table.base);
}

static void add_due_spaces(due_work *due, rsi_storage *storage)
{
    size_t position = 0;
    void *space;
    add_due(due, &storage->entities);
    add_due(due, &storage->sessions);
    while (rsi_map_next(&storage->collections, &position, NULL, &space))
        add_due(due, space);
    position = 0;
    while (rsi_map_next(&storage->chunks, &position, NULL, &space)) {
        const rsi_space *chunks = space;
        /* chunks of an entity that has been deleted have no file any more */
        if (!is_concerned(chunks) || chunks->damage != NULL ||
            !rsi_entity_exists(storage, chunks->entity_id))
            continue;
        due->any = true;
        add_due(due, chunks);
    }
}

bool rsi_checkpoint_has_work(rsi_storage *storage, uint64_t *file_bytes)
{
    due_work due = {false, 0};
    pthread_rwlock_rdlock(&storage->state);
    add_due_spaces(&due, storage);
    pthread_rwlock_unlock(&storage->state);
    if (file_bytes != NULL)
        *file_bytes = due.file_bytes;
    return due.any;
}

/* ---- 1: what is to be written ---- */

#define JOURNAL_MAX ((size_t)1 << 40)

static int refuse_newer(void *user, const rsi_journal_line *line)
{
    const rsi_storage *storage = user;
    return line->sequence <= storage->journal.sequence
               ? RAGSTORE_OK
               : rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                          "a commit with sequence %" PRIu64 " that this store does not know",
                          line->sequence);
}

/* Begin the next journal. One that is there already is what an earlier attempt could not take away
 * again: nobody was told of it, and no commit is in it. */
static int create_next(rsi_journal *next, rsi_storage *storage)
{
    const rsi_journal *journal = &storage->journal;
    const uint64_t generation = journal->generation + 1;
    rsi_path path = rsi_path_journal(generation);
    rsi_bytes text = {0};
    size_t valid;
    int status = rsi_journal_create(next, storage->root, generation, journal->sequence,
                                    storage->manifest.store_id);
    if (status != RAGSTORE_E_EXISTS)
        return status;
    status = rsi_file_read_all(storage->root, path.text, JOURNAL_MAX, &text);
    if (status == RAGSTORE_OK)
        status = rsi_journal_scan(path.text, text.data, text.size, generation, refuse_newer,
                                  storage, &valid);
    rsi_bytes_free(&text);
    if (status == RAGSTORE_OK)
        status = rsi_file_remove(storage->root, path.text);
    return status == RAGSTORE_OK ? rsi_journal_create(next, storage->root, generation,
                                                      journal->sequence, storage->manifest.store_id)
                                 : status;
}

/* Commits go to a new journal from here on; one that has none yet will do. */
static int begin_journal(rsi_storage *storage)
{
    rsi_journal next;
    if (storage->journal.sequence == storage->journal_begin)
        return RAGSTORE_OK;
    rsi_lease_publish_busy(storage); /* who dies here leaves a journal that nobody knows of */
    int status = create_next(&next, storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_journal_flush(&next);
    if (status == RAGSTORE_OK)
        status = rsi_directory_flush(storage->root, RSI_PATH_API_STORAGE);
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_journal_close(&next);
        rsi_file_remove(storage->root, rsi_path_journal(next.generation).text);
        rsi_error_restore(&error);
        return status;
    }
    rsi_journal_trim(&storage->journal);
    rsi_journal_close(&storage->journal);
    storage->journal = next;
    storage->journal_begin = next.sequence;
    __atomic_store_n(&storage->journal_bytes, next.size, __ATOMIC_RELAXED);
    return RAGSTORE_OK;
}

static int add_target(checkpoint *point, rsi_space *space, const char *path,
                      const rsi_file_state *old)
{
    if (!rsi_grow((void **)&point->targets, &point->capacity, point->count + 1,
                  sizeof *point->targets))
        return RAGSTORE_E_NO_MEMORY;
    /* a file that nobody wrote down is written, or the manifest is not valid */
    bool writes = is_dirty(space) || !old->known;
    return rsi_target_begin(&point->targets[point->count++], point->storage, space, path, old,
                            writes, point->base_sequence);
}

/* Leave an entity alone whose files cannot be read. The others' are written. */
static void leave_out(checkpoint *point, const rsi_space *space, int status)
{
    point->incomplete = true;
    rsi_error_save(&point->left_out_error);
    rsi_storage_log(point->storage, RAGSTORE_LOG_ERROR, "entity \"%s\" is left out: %s",
                    space->entity_id, point->left_out_error.message);
    /* known damage is told of by each use; an opener need not wait for what may be mended */
    if (space->damage == NULL && !point->is_alone)
        point->left_out = status;
}

/* The entity file of chunks that are in memory. All that a damaged one said is there, too. */
static int read_entity_file(rsi_entity_file *file, rsi_storage *storage, const char *entity_id)
{
    rsi_file_info info;
    rsi_path path = rsi_path_in_entity(entity_id, "entity.json");
    int status = rsi_entity_file_read(file, storage->root, entity_id);
    if (status != RAGSTORE_E_DAMAGED)
        return status;
    rsi_saved_error error;
    rsi_error_save(&error);
    if (rsi_file_info_of(storage->root, path.text, &info) != RAGSTORE_OK ||
        info.kind != RSI_FILE_REGULAR) {
        rsi_error_restore(&error);
        return status;
    }
    rsi_storage_log(storage, RAGSTORE_LOG_WARNING, "written anew from what is in memory: %s",
                    error.message);
    memset(file, 0, sizeof *file);
    return RAGSTORE_OK;
}

/* Is the chunk file still the one that was read, and listed as it was before somebody copied it? */
static bool is_moved_to(const rsi_space *space, const rsi_file_state *listed, rsi_root *root,
                        const char *path)
{
    const rsi_file_state *to = &space->moved_to;
    return space->was_moved && listed->known && listed->base_sequence == to->base_sequence &&
           strcmp(listed->sha256, to->sha256) == 0 && rsi_file_state_is_current(to, root, path);
}

/* An entity's chunk file. */
static int add_chunk_target(checkpoint *point, rsi_space *space)
{
    rsi_storage *storage = point->storage;
    rsi_entity_file file;
    if (!is_concerned(space) || !rsi_entity_exists(storage, space->entity_id))
        return RAGSTORE_OK;
    pthread_rwlock_wrlock(&storage->state);
    int status = rsi_space_load_locked(storage, space);
    pthread_rwlock_unlock(&storage->state);
    if (status == RAGSTORE_OK)
        status = read_entity_file(&file, storage, space->entity_id);
    if (rsi_is_of_one_entity(status)) {
        leave_out(point, space, status);
        return RAGSTORE_OK;
    }
    if (status == RAGSTORE_OK)
        status = rsi_directory_make(storage->root, rsi_path_entity(space->entity_id).text);
    if (status != RAGSTORE_OK)
        return status;
    rsi_path path = rsi_path_in_entity(space->entity_id, "chunk_metadata.json");
    const bool moved = is_moved_to(space, &file.chunks, storage->root, path.text);
    status = add_target(point, space, path.text, moved ? &space->moved_to : &file.chunks);
    if (status == RAGSTORE_OK)
        point->targets[point->count - 1].was_moved = moved;
    return status;
}

/* A collection's file: one that is there already takes part even when it stays as it is, so that
 * its base goes on with the others'. */
static int add_collection_target(checkpoint *point, rsi_space *space)
{
    static const rsi_file_state unknown = {0};
    rsi_storage *storage = point->storage;
    rsi_path path = rsi_space_path(space);
    const rsi_file_state *state = rsi_candidates_last(&storage->manifest.collections, path.text);
    if (state == NULL && !is_dirty(space))
        return RAGSTORE_OK;
    int status = rsi_directory_make(storage->root, RSI_PATH_COLLECTIONS);
    if (status == RAGSTORE_OK)
        status = add_target(point, space, path.text, state == NULL ? &unknown : state);
    return status;
}

/* The spaces of a map: readers may put further ones into it while a checkpoint runs. */
static int list_spaces(rsi_space ***spaces, size_t *count, rsi_storage *storage,
                       const rsi_map *map)
{
    size_t position = 0;
    void *space;
    *count = 0;
    pthread_rwlock_rdlock(&storage->state);
    *spaces = rsi_alloc_array(map->count + 1, sizeof **spaces);
    while (*spaces != NULL && rsi_map_next(map, &position, NULL, &space))
        if (is_concerned(space) || ((rsi_space *)space)->name != NULL)
            (*spaces)[(*count)++] = space;
    pthread_rwlock_unlock(&storage->state);
    return *spaces == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

static int add_targets(checkpoint *point, const rsi_map *map,
                       int (*add)(checkpoint *point, rsi_space *space))
{
    rsi_space **spaces;
    size_t count;
    int status = list_spaces(&spaces, &count, point->storage, map);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++)
        status = add(point, spaces[i]);
    rsi_free(spaces);
    return status;
}

static int collect_targets(checkpoint *point)
{
    rsi_storage *storage = point->storage;
    int status = add_target(point, &storage->entities, RSI_PATH_ENTITIES,
                            &storage->manifest.entities);
    if (status == RAGSTORE_OK)
        status = add_target(point, &storage->sessions, RSI_PATH_SESSIONS,
                            &storage->manifest.sessions);
    if (status == RAGSTORE_OK)
        status = add_targets(point, &storage->collections, add_collection_target);
    if (status == RAGSTORE_OK)
        status = add_targets(point, &storage->chunks, add_chunk_target);
    return status;
}

/* Another process may have finished a checkpoint. */
static int look_at_manifest(const checkpoint *point)
{
    rsi_storage *storage = point->storage;
    return point->is_alone || !rsi_attach_has_company(storage) ? RAGSTORE_OK
                                                               : rsi_follow_manifest(storage);
}

/* What commits have written to files of vectors so far; what comes later is in the next journal. */
static void take_row_files(checkpoint *point)
{
    pthread_mutex_lock(&point->storage->mutex);
    rsi_row_files_move(&point->row_files, &point->storage->row_files);
    pthread_mutex_unlock(&point->storage->mutex);
}

/* Those of a checkpoint that did not end are still to be flushed. */
static void release_row_files(checkpoint *point)
{
    pthread_mutex_lock(&point->storage->mutex);
    if (point->is_settled)
        rsi_row_files_free(&point->row_files);
    else
        rsi_row_files_move(&point->storage->row_files, &point->row_files);
    pthread_mutex_unlock(&point->storage->mutex);
}

static int flush_row_files(const checkpoint *point)
{
    return rsi_row_files_flush(&point->row_files, point->storage->root) == RAGSTORE_OK
               ? RAGSTORE_OK
               : rsi_storage_poison(point->storage);
}

/* *due: is there anything to write? */
static int begin_locked(checkpoint *point, bool *due)
{
    rsi_storage *storage = point->storage;
    rsi_group_drain(storage);
    int status = look_at_manifest(point);
    if (status == RAGSTORE_OK)
        status = rsi_work_run(storage);
    *due = point->compacts || rsi_checkpoint_has_work(storage, NULL) ||
           !storage->manifest.present || storage->was_unclean || storage->was_moved;
    if (status != RAGSTORE_OK || !*due)
        return status;
    status = rsi_storage_flush_locked(storage);
    if (status == RAGSTORE_OK)
        status = rsi_reserve_require(storage);
    if (status == RAGSTORE_OK)
        status = begin_journal(storage);
    if (status != RAGSTORE_E_FAILED) /* others were told of that */
        rsi_lease_publish(storage);
    point->base_sequence = storage->journal.sequence;
    point->manifest_generation = storage->manifest.generation;
    point->manifest_sequence = storage->manifest.entities.base_sequence;
    point->reloads = storage->reloads;
    point->generation = storage->journal.generation;
    take_row_files(point);
    return status == RAGSTORE_OK ? collect_targets(point) : status;
}

/* ---- 3: the record ---- */

static int encode_record(rsi_bytes *text, const checkpoint *point)
{
    rsi_json_writer writer = rsi_json_writer_of(text);
    rsi_json_begin_array(&writer);
    rsi_json_text_value(&writer, "checkpoint", 10);
    rsi_json_integer_value(&writer, (int64_t)point->base_sequence);
    rsi_json_begin_array(&writer);
    for (size_t i = 0; i < point->count; i++) {
        const rsi_target *at = &point->targets[i];
        rsi_json_begin_array(&writer);
        rsi_json_text_value(&writer, at->path.text, strlen(at->path.text));
        rsi_file_state_put(&writer, &at->old);
        rsi_file_state_put(&writer, &at->new);
        rsi_json_end_array(&writer);
    }
    rsi_json_end_array(&writer);
    rsi_json_end_array(&writer);
    return rsi_bytes_status(text);
}

static int write_record(const checkpoint *point)
{
    rsi_storage *storage = point->storage;
    rsi_bytes record = {0};
    bool broken = false;
    int status = encode_record(&record, point);
    if (status == RAGSTORE_OK)
        status =
            rsi_journal_append(&storage->journal, record.data, record.size, false, &broken);
    rsi_bytes_free(&record);
    if (broken)
        return rsi_storage_poison(storage);
    if (status == RAGSTORE_OK && rsi_journal_flush(&storage->journal) != RAGSTORE_OK)
        return rsi_storage_poison(storage);
    if (status != RAGSTORE_OK)
        return status;
    __atomic_store_n(&storage->needs_flush, false, __ATOMIC_RELAXED);
    __atomic_store_n(&storage->journal_bytes, storage->journal.size, __ATOMIC_RELAXED);
    return RAGSTORE_OK;
}

/* ---- 4: the files ---- */

static int list_collections(rsi_candidates *listed, const checkpoint *point)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < point->count; i++)
        if (point->targets[i].kind == RSI_TARGET_COLLECTION)
            status = rsi_candidates_add(listed, point->targets[i].path.text,
                                        &point->targets[i].new);
    return status;
}

static bool keeps_journals(const checkpoint *point)
{
    return point->incomplete || point->storage->keeps_journals;
}

static int write_manifest(const checkpoint *point)
{
    rsi_storage *storage = point->storage;
    rsi_manifest manifest = storage->manifest;
    manifest.entities = point->targets[0].new;
    manifest.sessions = point->targets[1].new;
    if (!keeps_journals(point)) /* or the next to open would not read them */
        manifest.generation = point->generation;
    manifest.present = true;
    manifest.collections = (rsi_candidates){0};
    int status = list_collections(&manifest.collections, point);
    if (status == RAGSTORE_OK)
        status = rsi_manifest_write(&manifest, storage->root);
    if (status != RAGSTORE_OK) {
        rsi_candidates_free(&manifest.collections);
        return status;
    }
    rsi_candidates_free(&storage->manifest.collections);
    storage->manifest = manifest;
    return RAGSTORE_OK;
}

/* Entities that were deleted meanwhile. */
static void leave_out_dead(checkpoint *point)
{
    size_t kept = 0;
    pthread_rwlock_rdlock(&point->storage->state);
    for (size_t i = 0; i < point->count; i++)
        if (rsi_target_is_alive(&point->targets[i], point->storage))
            point->targets[kept++] = point->targets[i];
        else
            rsi_target_free(&point->targets[i], point->storage);
    pthread_rwlock_unlock(&point->storage->state);
    point->count = kept;
}

/* Has another process written the files meanwhile? Then this checkpoint never was. */
static bool is_overtaken(const checkpoint *point)
{
    const rsi_manifest *manifest = &point->storage->manifest;
    return manifest->generation != point->manifest_generation ||
           manifest->entities.base_sequence != point->manifest_sequence ||
           point->storage->reloads != point->reloads;
}

/* Files may be in place of which the manifest does not know: the next checkpoint writes them
 * again. */
static void write_again(const checkpoint *point)
{
    pthread_rwlock_wrlock(&point->storage->state);
    for (size_t i = 0; i < point->count; i++)
        if (point->targets[i].writes)
            rsi_target_space(&point->targets[i], point->storage)->must_write = true;
    pthread_rwlock_unlock(&point->storage->state);
}

static int settle_locked(checkpoint *point)
{
    rsi_storage *storage = point->storage;
    rsi_group_drain(storage);
    int status = look_at_manifest(point);
    if (status != RAGSTORE_OK || is_overtaken(point))
        return status;
    leave_out_dead(point);
    status = rsi_storage_refusal(storage);
    rsi_lease_publish_busy(storage);
    if (status == RAGSTORE_OK)
        status = write_record(point);
    for (size_t i = 0; status == RAGSTORE_OK && i < point->count; i++)
        status = rsi_target_settle(&point->targets[i], storage);
    if (status == RAGSTORE_OK)
        status = write_manifest(point);
    if (status != RAGSTORE_E_FAILED) /* others were told of that */
        rsi_lease_publish(storage);
    if (status != RAGSTORE_OK) {
        write_again(point);
        return status;
    }
    point->is_settled = true;
    storage->was_unclean = false;
    storage->was_moved = false;
    rsi_reserve_fill(storage);
    return RAGSTORE_OK;
}

/* ---- all of it ---- */

static int with_writer(checkpoint *point, int (*step)(checkpoint *point))
{
    if (point->is_alone)
        return step(point);
    int status = rsi_writer_take(point->storage);
    if (status != RAGSTORE_OK)
        return status;
    status = step(point);
    rsi_writer_release(point->storage);
    return status;
}

static int begin(checkpoint *point)
{
    bool due = false;
    int status = begin_locked(point, &due);
    if (status == RAGSTORE_OK && !due)
        point->count = 0;
    return status;
}

static int run(checkpoint *point)
{
    rsi_storage *storage = point->storage;
    int status = with_writer(point, begin);
    if (status != RAGSTORE_OK || point->count == 0)
        return status;
    for (size_t i = 0; status == RAGSTORE_OK && i < point->count; i++)
        status = rsi_target_write(&point->targets[i], storage);
    if (status == RAGSTORE_OK)
        status = flush_row_files(point);
    if (status == RAGSTORE_OK)
        status = with_writer(point, settle_locked);
    if (status != RAGSTORE_OK || !point->is_settled)
        return status;
    for (size_t i = 0; i < point->count; i++)
        rsi_target_keep_index(&point->targets[i], storage);
    if (point->left_out != RAGSTORE_OK)
        rsi_error_restore(&point->left_out_error);
    if (keeps_journals(point))
        return point->left_out;
    return point->compacts ? rsi_journals_remove_before(storage, point->generation)
                           : rsi_journals_remove_old(storage, point->generation);
}

static int checkpoint_now(checkpoint *point)
{
    rsi_storage *storage = point->storage;
    pthread_mutex_lock(&storage->checkpointing);
    int status = run(point);
    rsi_saved_error error;
    rsi_error_save(&error);
    for (size_t i = 0; i < point->count; i++)
        rsi_target_free(&point->targets[i], storage);
    rsi_free(point->targets);
    release_row_files(point);
    rsi_error_restore(&error);
    pthread_mutex_unlock(&storage->checkpointing);
    return rsi_wrap(status, "checkpoint");
}

int rsi_storage_checkpoint(rsi_storage *storage)
{
    checkpoint point = {.storage = storage};
    return checkpoint_now(&point);
}

int rsi_storage_compact(rsi_storage *storage)
{
    int status = RAGSTORE_OK;
    for (int i = 0; i < COMPACT_TRIES; i++) {
        checkpoint point = {.storage = storage, .compacts = true};
        status = checkpoint_now(&point);
        if (status == RAGSTORE_OK && keeps_journals(&point))
            return rsi_fail(
                RAGSTORE_E_DAMAGED, "storage",
                "the chunks of an entity cannot be read, so the journals stay: what was "
                "deleted is still in them; a check names the entity");
        if (status != RAGSTORE_OK || point.is_settled)
            return status;
    }
    return rsi_fail(RAGSTORE_E_BUSY, "storage",
                    "other processes have written the files %d times meanwhile; try again",
                    COMPACT_TRIES);
}

int rsi_checkpoint_alone(rsi_storage *storage)
{
    checkpoint point = {.storage = storage, .is_alone = true};
    return checkpoint_now(&point);
}
