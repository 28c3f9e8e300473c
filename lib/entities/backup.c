/* Backups that are looked into before they count: see backup.h. */
#include "entities/backup.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

typedef struct watching {
    rsi_backup_work *work;
    const rsi_store *store; /* whose interruption ends the work; NULL: none */
    uint64_t epoch;
} watching;

static int step(void *user, const char *stage, uint64_t done, uint64_t total)
{
    const watching *w = user;
    const rsi_backup_work *work = w->work;
    if (w->store != NULL) {
        int status = rsi_store_check_interrupt(w->store, w->epoch);
        if (status != RAGSTORE_OK)
            return status;
    }
    if (work->progress == NULL || work->progress(work->progress_user, stage, done, total) == 0)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "entities", "it was cancelled");
}

/* ---- the copy as a store ---- */

static int check_step(void *user, uint64_t done, uint64_t total)
{
    return step(user, "check", done, total);
}

static int tell_finding(void *user, const rsi_finding *finding)
{
    const watching *w = user;
    return w->work->visit(w->work->user, finding);
}

/* A copy that cannot be opened is as damaged as the store that it was made of: a finding, too. */
static int tell_that_it_does_not_open(watching *w, int status)
{
    rsi_saved_error error;
    if (status != RAGSTORE_E_DAMAGED && status != RAGSTORE_E_CONFLICT &&
        status != RAGSTORE_E_INVALID_DATA)
        return status;
    rsi_error_save(&error);
    const rsi_finding finding = {"api_storage", -1, NULL, error.message};
    return tell_finding(w, &finding);
}

static int check_copy(watching *w, const rsi_backup *backup)
{
    const rsi_store_options options = {
        .storage = {.flags = RAGSTORE_OPEN_IMMUTABLE, .durability = RAGSTORE_DURABILITY_FULL},
        .memory_limit_bytes = (uint64_t)64 << 20,
    };
    const rsi_check_watch watch = {tell_finding, check_step, w};
    rsi_bytes path = {0};
    rsi_store *copy = NULL;
    rsi_saved_error error;
    if (w->work->unchecked)
        return RAGSTORE_OK;
    int status = rsi_backup_copy_path(&path, backup);
    if (status == RAGSTORE_OK) {
        status = rsi_store_open(&copy, path.data, &options);
        if (status != RAGSTORE_OK)
            status = tell_that_it_does_not_open(w, status);
        else
            status = rsi_store_check(&w->work->tally, copy, &watch);
    }
    rsi_error_save(&error);
    if (copy != NULL)
        (void)rsi_store_close(copy); /* it has written nothing */
    rsi_store_free(copy);
    rsi_bytes_free(&path);
    rsi_error_restore(&error);
    return rsi_wrap(status, "check the copy");
}

/* ---- the calls ---- */

static int finish(rsi_backup_work *work, rsi_backup *backup, int status)
{
    if (backup != NULL)
        work->facts = *rsi_backup_facts_of(backup);
    rsi_backup_free(backup);
    return status;
}

int rsi_backup_store(rsi_backup_work *work, rsi_store *store, const char *directory)
{
    watching w = {work, store, rsi_store_epoch(store)};
    const rsi_backup_watch watch = {step, &w};
    rsi_backup *backup;
    int status = rsi_backup_take(&backup, store->storage, directory, &watch);
    if (status == RAGSTORE_OK)
        status = check_copy(&w, backup);
    if (status == RAGSTORE_OK)
        status = rsi_backup_seal(backup);
    return finish(work, backup, status);
}

int rsi_backup_look(rsi_backup_work *work, const char *directory)
{
    watching w = {work, NULL, 0};
    const rsi_backup_watch watch = {step, &w};
    rsi_backup *backup;
    int status = rsi_backup_open(&backup, NULL, directory);
    if (status == RAGSTORE_OK)
        status = rsi_backup_verify(backup, &watch);
    if (status == RAGSTORE_OK)
        status = check_copy(&w, backup);
    return finish(work, backup, status);
}

int rsi_backup_restore(rsi_backup_work *work, const char *from, const char *directory)
{
    watching w = {work, NULL, 0};
    const rsi_backup_watch watch = {step, &w};
    rsi_backup *backup;
    int status = rsi_backup_open(&backup, NULL, from);
    if (status == RAGSTORE_OK)
        status = rsi_backup_unpack(backup, directory, &watch);
    if (status == RAGSTORE_OK)
        status = check_copy(&w, backup);
    if (status == RAGSTORE_OK)
        status = rsi_backup_place(backup);
    return finish(work, backup, status);
}
