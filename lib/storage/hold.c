/*
 * Keeping writers out while files are read as a whole: for checks and backups.
 *
 * Who may write becomes the writer, so that no checkpoint moves a file meanwhile. Who only reads
 * keeps the writers of other processes out; in its own process nobody writes.
 */
#include "storage/storage_internal.h"

#include "base/status.h"
#include "storage/tx.h"

/* What a reader knows must be as new as the files. What it cannot read of them is told of later. */
static int catch_up(rsi_storage *storage)
{
    int status = rsi_storage_follow(storage);
    return status == RAGSTORE_E_NO_MEMORY ? status : RAGSTORE_OK;
}

void rsi_storage_let_go(rsi_storage *storage, bool held)
{
    if (!storage->read_only) {
        if (held)
            rsi_writer_release(storage);
        return;
    }
    if (held)
        rsi_lease_let_in(storage);
    pthread_mutex_unlock(&storage->checkpointing);
}

int rsi_storage_hold(rsi_storage *storage, bool *held)
{
    *held = false;
    if (storage->read_only) {
        pthread_mutex_lock(&storage->checkpointing); /* no use otherwise: nothing is written */
        int status = rsi_lease_keep_out(storage, held);
        if (status == RAGSTORE_OK && *held)
            status = catch_up(storage);
        if (status != RAGSTORE_OK)
            rsi_storage_let_go(storage, *held);
        return status;
    }
    if (rsi_writer_is_me(storage))
        return RAGSTORE_OK;
    int status = rsi_writer_take(storage);
    if (status == RAGSTORE_E_FAILED)
        return RAGSTORE_OK; /* nobody writes any more */
    *held = status == RAGSTORE_OK;
    if (*held)
        rsi_group_drain(storage);
    return status;
}
