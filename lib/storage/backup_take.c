/* Taking a backup while others write: see backup.h. */
#include "storage/backup_internal.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "storage/storage_internal.h"
#include "storage/tx.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LITTLE_BYTES                                                                               \
    ((uint64_t)16 << 20)               /* what a round may copy and be the last before the lock */
#define ROUNDS_MAX 8                   /* of those that keep nobody from writing */
#define YOUNG_NS ((int64_t)2000000000) /* clocks of file systems tick more finely than that */

typedef struct taking {
    rsi_storage *storage;
    rsi_backup *backup;
    const rsi_backup_watch *watch;
    unsigned round;
    rsi_position end;     /* what the journals hold beyond is no commit; known under the lock */
    rsi_map spared;       /* names of files that jobs stand for */
    bool spares_all;      /* which they are cannot be read */
    uint64_t gap;         /* the newest journal that went while it was to be copied */
    uint64_t round_bytes; /* copied in this round */
    uint64_t due_bytes;   /* to be copied in this round */
    uint64_t done_bytes;  /* copied in all rounds */
} taking;

static bool is_journal(const char *path, uint64_t *generation)
{
    const size_t above = sizeof RSI_PATH_API_STORAGE; /* with its slash */
    return strncmp(path, RSI_PATH_API_STORAGE "/", above) == 0 &&
           rsi_journal_is_named(path + above, generation);
}

/* ---- what is to be copied ---- */

static bool waits_in(const rsi_work_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind == RSI_WORK_FILE &&
            strcmp(rsi_path_upload(list->items[i].entity_id, list->items[i].first).text, path) == 0)
            return true;
    return false;
}

/* An upload that has not got its name yet: committed, or kept for a job, or somebody is still
 * writing it. */
static bool is_unfinished_upload(taking *t, const char *path)
{
    rsi_storage *storage = t->storage;
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (strncmp(name, RSI_INCOMING_PREFIX, sizeof RSI_INCOMING_PREFIX - 1) != 0)
        return false;
    if (t->spares_all || rsi_map_get(&t->spared, name, strlen(name)) != NULL)
        return false;
    pthread_mutex_lock(&storage->mutex);
    const bool committed = waits_in(&storage->work, path) || waits_in(&storage->foreign, path);
    pthread_mutex_unlock(&storage->mutex);
    return !committed;
}

/* What jobs stand for now. */
static int note_jobs(taking *t)
{
    rsi_map_free(&t->spared, NULL);
    int status = rsi_work_spared(&t->spared, t->storage);
    t->spares_all = status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_INVALID_DATA;
    return t->spares_all ? RAGSTORE_OK : status;
}

static bool looks_the_same(const rsi_file_info *a, const rsi_file_info *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static int note_file(void *user, const char *path, const rsi_file_info *info)
{
    taking *t = user;
    uint64_t generation;
    const bool journal = is_journal(path, &generation);
    if (is_unfinished_upload(t, path) ||
        (journal && t->end.generation != 0 && generation > t->end.generation))
        return RAGSTORE_OK;
    rsi_backup_file *file = rsi_backup_file_of(t->backup, path);
    if (file == NULL)
        return RAGSTORE_E_NO_MEMORY;
    file->round = t->round;
    /* journals are written in place; the last round cuts them */
    if (!file->copied || file->is_young || journal || !looks_the_same(&file->seen, info)) {
        file->copied = false;
        t->due_bytes += info->size;
    }
    return RAGSTORE_OK;
}

/* ---- copying ---- */

static int note_bytes(void *user, uint64_t bytes)
{
    taking *t = user;
    t->round_bytes += bytes;
    t->done_bytes += bytes;
    const uint64_t left = t->due_bytes > t->round_bytes ? t->due_bytes - t->round_bytes : 0;
    return rsi_backup_tell(t->watch, "copy", t->done_bytes, t->done_bytes + left);
}

static bool is_young(const rsi_file_info *info)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t border = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - YOUNG_NS;
    return info->changed_ns > border || info->modified_ns > border;
}

static int copy_file(taking *t, rsi_backup_file *file)
{
    rsi_backup *backup = t->backup;
    rsi_file_copied copied;
    rsi_path path = rsi_backup_path_of(&backup->copy, file->path);
    uint64_t generation;
    const bool journal = is_journal(file->path, &generation);
    const uint64_t size = journal && generation == t->end.generation ? t->end.offset : UINT64_MAX;
    int status = rsi_backup_make_parent(backup->root, &path);
    if (status == RAGSTORE_OK)
        status = rsi_file_copy(&copied, rsi_storage_root(t->storage), file->path, backup->root,
                               path.text, size, note_bytes, t);
    if (status == RAGSTORE_E_NOT_FOUND) { /* it went meanwhile */
        if (journal && generation > t->gap)
            t->gap = generation;
        file->round = 0;
        return RAGSTORE_OK;
    }
    if (status != RAGSTORE_OK)
        return status;
    file->copied = true;
    file->size = copied.size;
    memcpy(file->sha256, copied.sha256, sizeof file->sha256);
    file->seen = copied.source;
    file->is_young = is_young(&copied.source);
    return RAGSTORE_OK;
}

/* Find what is new or has changed, and copy it. */
static int run_round(taking *t)
{
    rsi_backup *backup = t->backup;
    rsi_file_info own;
    t->round++;
    t->due_bytes = t->round_bytes = 0;
    int status = rsi_root_info(backup->root, &own);
    if (status == RAGSTORE_OK)
        status = note_jobs(t);
    if (status == RAGSTORE_OK)
        status = rsi_backup_walk(rsi_storage_root(t->storage), &own, note_file, t);
    if (status == RAGSTORE_OK)
        status = rsi_backup_tell(t->watch, "copy", t->done_bytes, t->done_bytes + t->due_bytes);
    for (size_t i = 0; status == RAGSTORE_OK && i < backup->count; i++)
        if (backup->files[i]->round == t->round && !backup->files[i]->copied)
            status = copy_file(t, backup->files[i]);
    return status;
}

/* ---- the one moment ---- */

static int refuse_failed(rsi_storage *storage)
{
    rsi_bytes failure = {0};
    int status = rsi_storage_failure(&failure, storage);
    if (status == RAGSTORE_OK && failure.size > 0)
        status =
            rsi_fail(RAGSTORE_E_FAILED, "storage",
                     "an earlier failure stopped all writing (%.*s), and nobody knows what the "
                     "disk holds; close the store, open it again, and try again",
                     (int)failure.size, failure.data);
    rsi_bytes_free(&failure);
    return status;
}

/* Every commit is in the files, and the files have their names. */
static int come_to_rest(taking *t)
{
    rsi_storage *storage = t->storage;
    if (storage->read_only) {
        t->end = storage->seen;
        return RAGSTORE_OK;
    }
    int status = rsi_storage_flush_locked(storage);
    if (status == RAGSTORE_OK)
        status = rsi_work_run(storage);
    t->end = (rsi_position){storage->journal.generation, storage->journal.size,
                            storage->journal.sequence};
    return status;
}

static bool is_in_store(void *user, const rsi_backup_file *file)
{
    const taking *t = user;
    uint64_t generation;
    if (is_journal(file->path, &generation) && generation < t->gap)
        return false; /* those that are left must follow each other without a gap */
    return file->round == t->round && file->copied;
}

/* What was copied and has gone from the store since goes from the copy. */
static int drop_gone(taking *t)
{
    rsi_backup *backup = t->backup;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < backup->count; i++) {
        rsi_path path = rsi_backup_path_of(&backup->copy, backup->files[i]->path);
        if (!is_in_store(t, backup->files[i]))
            status = rsi_file_remove(backup->root, path.text);
        if (status == RAGSTORE_E_NOT_FOUND)
            status = RAGSTORE_OK; /* nor was its directory made */
    }
    if (status == RAGSTORE_OK)
        rsi_backup_keep(backup, is_in_store, t);
    return status;
}

static int run_last_round(taking *t)
{
    rsi_storage *storage = t->storage;
    const int64_t began = rsi_monotonic_us();
    bool held;
    int status = rsi_storage_hold(storage, &held);
    if (status != RAGSTORE_OK)
        return status;
    status = refuse_failed(storage);
    if (status == RAGSTORE_OK)
        status = come_to_rest(t);
    if (status == RAGSTORE_OK)
        status = run_round(t);
    rsi_time_now_text(t->backup->facts.created_at);
    rsi_storage_let_go(storage, held);
    t->backup->facts.held_us = rsi_monotonic_us() - began;
    return status;
}

static int copy_all(taking *t)
{
    int status;
    do
        status = run_round(t);
    while (status == RAGSTORE_OK && t->round_bytes > LITTLE_BYTES && t->round < ROUNDS_MAX);
    if (status == RAGSTORE_OK)
        status = run_last_round(t);
    return status == RAGSTORE_OK ? drop_gone(t) : status;
}

/* ---- all of it ---- */

static int refuse_entry(void *user, const char *name, rsi_file_kind kind)
{
    (void)kind;
    return rsi_fail(RAGSTORE_E_EXISTS, "storage",
                    "%s is not empty (it has \"%.100s\"); name a new or empty directory",
                    rsi_root_path(user), name);
}

static int open_directory(rsi_backup *backup, rsi_storage *storage, const char *directory)
{
    int status = rsi_root_open(&backup->root, storage->options.files, directory, true);
    if (status == RAGSTORE_OK)
        status = rsi_directory_list(backup->root, "", refuse_entry, backup->root);
    if (status != RAGSTORE_OK)
        return status;
    backup->copy = (rsi_path){RSI_BACKUP_DATA};
    backup->is_unfinished = true;
    return rsi_backup_make_directories(backup->root, &backup->copy);
}

static int take(rsi_backup *backup, rsi_storage *storage, const char *directory,
                const rsi_backup_watch *watch)
{
    taking t = {.storage = storage, .backup = backup, .watch = watch};
    int status = refuse_failed(storage);
    if (status == RAGSTORE_OK)
        status = open_directory(backup, storage, directory);
    if (status == RAGSTORE_OK)
        status = copy_all(&t);
    rsi_map_free(&t.spared, NULL);
    if (status != RAGSTORE_OK)
        return status;
    rsi_backup_facts *facts = &backup->facts;
    memcpy(facts->store_id, rsi_storage_id(storage), sizeof facts->store_id);
    facts->sequence = t.end.sequence;
    for (size_t i = 0; i < backup->count; i++) {
        facts->files++;
        facts->bytes += backup->files[i]->size;
    }
    rsi_backup_sort(backup);
    return rsi_backup_settle(backup, backup->root, watch);
}

int rsi_backup_take(rsi_backup **out, rsi_storage *storage, const char *directory,
                    const rsi_backup_watch *watch)
{
    rsi_backup *backup;
    *out = NULL;
    int status = rsi_backup_make(&backup);
    if (status == RAGSTORE_OK)
        status = take(backup, storage, directory, watch);
    if (status != RAGSTORE_OK) {
        rsi_backup_free(backup);
        return rsi_wrap(status, "back up to %s", directory);
    }
    *out = backup;
    return RAGSTORE_OK;
}

int rsi_backup_seal(rsi_backup *backup)
{
    int status = rsi_backup_list_write(backup);
    if (status == RAGSTORE_OK)
        backup->is_unfinished = false;
    return rsi_wrap(status, "back up to %s", rsi_root_path(backup->root));
}
