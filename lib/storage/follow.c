/* Following other processes: see follow.h. */
#include "storage/follow.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "storage/replay.h"

#include <inttypes.h>
#include <string.h>

#define JOURNAL_MAX ((size_t)1 << 40)
#define CHECK_FILE_MS 1000 /* between two looks of a reader whether the commit file was removed */

/* ---- the commit file ---- */

int rsi_follow_open(rsi_storage *storage, bool make)
{
    unsigned mode = storage->read_only ? RSI_OPEN_READ
                    : make             ? RSI_OPEN_WRITE | RSI_OPEN_CREATE
                                       : RSI_OPEN_WRITE;
    rsi_file_close(storage->hint);
    storage->hint = NULL;
    storage->hint_checked_ms = rsi_monotonic_ms();
    int status = rsi_file_open(&storage->hint, storage->root, RSI_PATH_COMMIT, mode);
    return status == RAGSTORE_E_NOT_FOUND && !make ? RAGSTORE_OK : status;
}

/* Somebody may have removed the file, or put another in its place. */
static int check_hint_file(rsi_storage *storage, bool make)
{
    bool linked = false;
    storage->hint_checked_ms = rsi_monotonic_ms();
    int status =
        storage->hint == NULL ? RAGSTORE_OK : rsi_file_is_linked(storage->hint, &linked);
    return status != RAGSTORE_OK || linked ? status : rsi_follow_open(storage, make);
}

void rsi_follow_note(rsi_storage *storage, const rsi_position *at, const rsi_hint *hint)
{
    pthread_mutex_lock(&storage->follow_mutex);
    storage->seen = *at;
    rsi_hint_encode(storage->seen_text, hint);
    pthread_mutex_unlock(&storage->follow_mutex);
}

/* ---- applying, with follow_mutex held ---- */

static int apply_line(void *user, const rsi_journal_line *line)
{
    int status = rsi_replay_candidates(user, line);
    return status == RAGSTORE_OK ? rsi_replay_line(user, line) : status;
}

/* Apply the lines of the journal that is followed, from where it was left. */
static int apply(rsi_storage *storage, rsi_replay *replay, const char *data, size_t size)
{
    size_t valid;
    rsi_position *seen = &storage->seen;
    rsi_path path = rsi_path_journal(seen->generation);
    pthread_rwlock_wrlock(&storage->state);
    int status =
        rsi_journal_scan(path.text, data, size, seen->generation, apply_line, replay, &valid);
    pthread_rwlock_unlock(&storage->state);
    seen->offset += valid;
    seen->sequence = replay->last_sequence;
    if (status == RAGSTORE_OK && !rsi_journal_is_filler(data + valid, size - valid))
        status = rsi_fail(RAGSTORE_E_DAMAGED, "storage",
                          "%s: byte %" PRIu64 ": a commit that was acknowledged cannot be read",
                          path.text, seen->offset);
    return status;
}

static int read_on(rsi_storage *storage, rsi_replay *replay, uint64_t end)
{
    const uint64_t from = storage->seen.offset;
    if (end <= from)
        return RAGSTORE_OK;
    const size_t size = (size_t)(end - from);
    char *data = rsi_alloc(size);
    if (data == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = rsi_file_read_at(storage->journal.file, data, size, from);
    if (status == RAGSTORE_OK)
        status = apply(storage, replay, data, size);
    rsi_free(data);
    return status;
}

/* What checkpoints of others have brought into the files. A base that is ahead of what was followed
 * is taken over when that is. */
static void raise_base(const rsi_storage *storage, rsi_space *space, const rsi_file_state *state)
{
    if (state->known && state->base_sequence > space->base_sequence &&
        state->base_sequence <= storage->seen.sequence) {
        space->base_sequence = state->base_sequence;
        space->must_write = false;
    }
}

static void raise_chunk_bases(rsi_storage *storage)
{
    size_t position = 0;
    void *value;
    while (rsi_map_next(&storage->chunks, &position, NULL, &value)) {
        rsi_space *space = value;
        rsi_entity_file file;
        if (space->loaded && space->last_sequence > space->base_sequence &&
            rsi_entity_file_read(&file, storage->root, space->entity_id) == RAGSTORE_OK &&
            file.present)
            raise_base(storage, space, &file.chunks);
    }
}

int rsi_follow_manifest(rsi_storage *storage)
{
    rsi_manifest fresh;
    int status = rsi_manifest_read(&fresh, storage->root);
    if (status != RAGSTORE_OK || !fresh.present) {
        rsi_candidates_free(&fresh.collections);
        return status;
    }
    pthread_rwlock_wrlock(&storage->state);
    raise_base(storage, &storage->entities, &fresh.entities);
    raise_base(storage, &storage->sessions, &fresh.sessions);
    size_t position = 0;
    void *space;
    while (rsi_map_next(&storage->collections, &position, NULL, &space)) {
        const rsi_file_state *state =
            rsi_candidates_last(&fresh.collections, rsi_space_path(space).text);
        if (state != NULL)
            raise_base(storage, space, state);
    }
    raise_chunk_bases(storage);
    rsi_candidates_free(&storage->manifest.collections);
    storage->manifest = fresh;
    pthread_rwlock_unlock(&storage->state);
    return RAGSTORE_OK;
}

/* Read the rest of a generation that is closed, and open the next. NOT_FOUND: one is gone. */
static int cross(rsi_storage *storage, rsi_replay *replay)
{
    rsi_position *seen = &storage->seen;
    rsi_file *next = NULL;
    rsi_bytes text = {0};
    int status = rsi_file_read_all(storage->root, rsi_path_journal(seen->generation).text,
                                   JOURNAL_MAX, &text);
    if (status == RAGSTORE_OK && text.size < seen->offset)
        status = rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "the journal was replaced");
    if (status == RAGSTORE_OK)
        status = apply(storage, replay, text.data + seen->offset, text.size - seen->offset);
    rsi_bytes_free(&text);
    if (status == RAGSTORE_OK)
        status = rsi_file_open(&next, storage->root, rsi_path_journal(seen->generation + 1).text,
                               storage->read_only ? RSI_OPEN_READ : RSI_OPEN_WRITE);
    if (status != RAGSTORE_OK)
        return status;
    rsi_journal_close(&storage->journal);
    storage->journal.file = next;
    storage->journal_begin = seen->sequence;
    seen->generation++;
    seen->offset = 0;
    return RAGSTORE_OK;
}

static int read_journals(rsi_storage *storage, rsi_replay *replay, const rsi_hint *hint)
{
    bool crossed = false;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && storage->seen.generation < hint->generation) {
        status = cross(storage, replay);
        crossed = true;
    }
    if (status == RAGSTORE_OK && storage->seen.generation == hint->generation)
        status = read_on(storage, replay, hint->end);
    if (status == RAGSTORE_OK && crossed)
        status = rsi_follow_manifest(storage);
    return status;
}

/* Tell who keeps something of the entities that were touched; NULL: of all. */
static void tell(rsi_storage *storage, const rsi_bytes *touched)
{
    void (*followed)(void *user, const char *entity_id) = storage->options.followed;
    if (followed == NULL)
        return;
    if (touched == NULL)
        followed(storage->options.followed_user, NULL);
    for (size_t at = 0; touched != NULL && at < touched->size;
         at += strlen(touched->data + at) + 1)
        followed(storage->options.followed_user, touched->data + at);
}

/* No checkpoint passes work by: what came before one of another process is done, and durable. */
static int keep_work(rsi_storage *storage, rsi_work_list *work)
{
    rsi_work_list *foreign = &storage->foreign;
    const uint64_t done = storage->entities.base_sequence;
    int status = RAGSTORE_OK;
    pthread_mutex_lock(&storage->mutex);
    rsi_work_forget(foreign, done);
    rsi_row_files_forget(&storage->row_files, done);
    for (size_t i = 0; status == RAGSTORE_OK && i < work->count; i++) {
        const rsi_work *item = &work->items[i];
        if (item->sequence <= done)
            continue;
        status = rsi_work_add(foreign, item->kind, item->entity_id, item->first, item->second);
        if (status == RAGSTORE_OK)
            foreign->items[foreign->count - 1].sequence = item->sequence;
    }
    pthread_mutex_unlock(&storage->mutex);
    return status;
}

static int catch_up(rsi_storage *storage, const rsi_hint *hint)
{
    rsi_position *seen = &storage->seen;
    if (hint->generation < seen->generation ||
        (hint->generation == seen->generation && hint->end <= seen->offset))
        return RAGSTORE_OK;
    rsi_replay replay = {.storage = storage,
                         .follows = true,
                         .any = true,
                         .last_sequence = seen->sequence,
                         .last_flushed = storage->journal.flushed};
    int status = read_journals(storage, &replay, hint);
    int kept = keep_work(storage, &replay.work);
    if (status == RAGSTORE_OK)
        status = kept;
    storage->journal.flushed = replay.last_flushed;
    tell(storage, &replay.touched);
    rsi_replay_free(&replay);
    if (status == RAGSTORE_E_NOT_FOUND || status == RAGSTORE_E_DAMAGED) {
        rsi_storage_log(storage, RAGSTORE_LOG_INFO, "read again from its files: %s",
                        rsi_error_message());
        status = rsi_storage_reload(storage, false);
        if (status == RAGSTORE_OK)
            tell(storage, NULL);
    }
    __atomic_store_n(&storage->last_commit_ms, rsi_monotonic_ms(), __ATOMIC_RELAXED);
    __atomic_store_n(&storage->journal_bytes, seen->offset, __ATOMIC_RELAXED);
    return status;
}

/* ---- readers ---- */

/* The commit file says something new. */
static int follow_locked(rsi_storage *storage, const char text[RSI_HINT_SIZE])
{
    rsi_hint hint;
    rsi_hint_decode(&hint, text);
    if (hint.state == RSI_HINT_NONE) { /* it is just being written, or damaged */
        int status = rsi_hint_read(&hint, storage->hint);
        if (status != RAGSTORE_OK || hint.state == RSI_HINT_NONE)
            return status;
    }
    int status = catch_up(storage, &hint);
    if (status == RAGSTORE_OK)
        rsi_hint_encode(storage->seen_text, &hint);
    return status;
}

int rsi_storage_follow(rsi_storage *storage)
{
    char text[RSI_HINT_SIZE] = "";
    if (!storage->follows || rsi_lease_is_held(storage) || storage->attachment.is_single)
        return RAGSTORE_OK;
    pthread_mutex_lock(&storage->follow_mutex);
    int status = RAGSTORE_OK;
    if (storage->hint == NULL || rsi_monotonic_ms() - storage->hint_checked_ms > CHECK_FILE_MS)
        status = check_hint_file(storage, false);
    if (status == RAGSTORE_OK && storage->hint != NULL && !rsi_lease_is_held(storage)) {
        status = rsi_file_read_at(storage->hint, text, sizeof text, 0);
        if (status == RAGSTORE_E_DAMAGED)
            status = RAGSTORE_OK; /* shorter: as good as missing */
        else if (status == RAGSTORE_OK && memcmp(text, storage->seen_text, sizeof text) != 0)
            status = follow_locked(storage, text);
    }
    pthread_mutex_unlock(&storage->follow_mutex);
    return rsi_wrap(status, "follow the other processes");
}

/* ---- the writer ---- */

/* Does the journal end where the commit file says? Whoever died while it wrote began a line there.
 */
static int check_end(rsi_storage *storage, bool *sound)
{
    char next[RSI_JOURNAL_HEAD];
    const uint64_t end = storage->seen.offset;
    uint64_t size;
    int status = rsi_file_size(storage->journal.file, &size);
    *sound = false;
    if (status != RAGSTORE_OK || size < end)
        return status;
    storage->journal.reserved = size;
    size_t ahead = size - end < sizeof next ? (size_t)(size - end) : sizeof next;
    if (ahead > 0)
        status = rsi_file_read_at(storage->journal.file, next, ahead, end);
    *sound = status == RAGSTORE_OK && rsi_journal_is_filler(next, ahead);
    return status;
}

static int follow_to_write_locked(rsi_storage *storage, bool *rescued)
{
    rsi_hint hint = {0};
    bool sound = false;
    int status = check_hint_file(storage, true);
    if (status == RAGSTORE_OK)
        status = rsi_hint_read(&hint, storage->hint);
    if (status != RAGSTORE_OK)
        return status;
    if (hint.state == RSI_HINT_OK || hint.state == RSI_HINT_UNFLUSHED) {
        status = catch_up(storage, &hint);
        if (status == RAGSTORE_OK)
            status = check_end(storage, &sound);
    }
    *rescued = !sound && (status == RAGSTORE_OK || status == RAGSTORE_E_DAMAGED ||
                          status == RAGSTORE_E_NOT_FOUND);
    if (*rescued) {
        rsi_storage_log(storage, RAGSTORE_LOG_WARNING,
                        "another process ended while it wrote; what it left is made safe");
        status = rsi_storage_reload(storage, true);
        tell(storage, NULL);
        return status;
    }
    rsi_journal *journal = &storage->journal;
    journal->generation = storage->seen.generation;
    journal->size = storage->seen.offset;
    journal->sequence = storage->seen.sequence;
    if (hint.state == RSI_HINT_UNFLUSHED)
        __atomic_store_n(&storage->needs_flush, true, __ATOMIC_RELAXED);
    if (status == RAGSTORE_OK)
        rsi_hint_encode(storage->seen_text, &hint);
    return status;
}

int rsi_follow_to_write(rsi_storage *storage)
{
    bool rescued = false;
    pthread_mutex_lock(&storage->follow_mutex);
    int status = follow_to_write_locked(storage, &rescued);
    pthread_mutex_unlock(&storage->follow_mutex);
    if (status == RAGSTORE_OK && rescued)
        rsi_lease_publish(storage);
    return rsi_wrap(status, "follow the other processes");
}

/* ---- files that others replace ---- */

int rsi_follow_candidates(rsi_storage *storage)
{
    rsi_replay replay = {.storage = storage};
    uint64_t generation = storage->manifest.generation + 1;
    int status = RAGSTORE_OK;
    for (; status == RAGSTORE_OK; generation++) { /* up to one that is not there */
        size_t valid;
        rsi_bytes text = {0};
        rsi_path path = rsi_path_journal(generation);
        status = rsi_file_read_all(storage->root, path.text, JOURNAL_MAX, &text);
        if (status == RAGSTORE_OK)
            status = rsi_journal_scan(path.text, text.data, text.size, generation,
                                      rsi_replay_candidates, &replay, &valid);
        rsi_bytes_free(&text);
    }
    return status == RAGSTORE_E_NOT_FOUND ? RAGSTORE_OK : status;
}
