/*
 * A megabyte of the disk that is kept for the day when there is no other: deleting, closing, and
 * opening again must work then.
 *
 *   api_storage/reserve   an empty file that holds blocks behind its end
 *                         made at open and after each checkpoint, when there is room
 *                         removed when the disk is full: for a commit that only deletes, for the
 *                         removal of files, and for opening
 *
 * While it is gone nothing but deleting is allowed, so that what it gave is not used up by others:
 * the first commit for which it can be made again may write. Whoever gets the writer lock from
 * another process looks whether that one took it. On a file system that cannot hold blocks for a
 * file it keeps nothing. Under the writer lock, or by the leader of a group commit.
 */
#include "storage/storage_internal.h"

#include "base/status.h"

#define RESERVE_BYTES ((uint64_t)1 << 20)

/* Make it, or tell that there is no room. */
static int make_reserve(rsi_storage *storage)
{
    rsi_file *file;
    int status = rsi_file_open(&file, storage->root, RSI_PATH_RESERVE,
                               RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_file_reserve(file, RESERVE_BYTES);
    rsi_file_close(file);
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        rsi_file_remove(storage->root, RSI_PATH_RESERVE);
        rsi_error_restore(&error);
    }
    return status;
}

void rsi_reserve_fill(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    int status = make_reserve(storage);
    __atomic_store_n(&storage->lacks_reserve, status == RAGSTORE_E_DISK_FULL, __ATOMIC_RELAXED);
    rsi_error_restore(&error);
}

int rsi_reserve_require(rsi_storage *storage)
{
    if (!__atomic_load_n(&storage->lacks_reserve, __ATOMIC_RELAXED))
        return RAGSTORE_OK;
    int status = make_reserve(storage);
    if (status == RAGSTORE_E_DISK_FULL)
        return rsi_wrap(status, "keep room for deleting");
    __atomic_store_n(&storage->lacks_reserve, false, __ATOMIC_RELAXED);
    return RAGSTORE_OK;
}

void rsi_reserve_look(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    if (!rsi_file_exists(storage->root, RSI_PATH_RESERVE))
        __atomic_store_n(&storage->lacks_reserve, true, __ATOMIC_RELAXED);
    rsi_error_restore(&error);
}

bool rsi_reserve_release(rsi_storage *storage)
{
    rsi_saved_error error;
    rsi_error_save(&error);
    bool released = rsi_file_exists(storage->root, RSI_PATH_RESERVE) &&
                    rsi_file_remove(storage->root, RSI_PATH_RESERVE) == RAGSTORE_OK;
    if (released)
        __atomic_store_n(&storage->lacks_reserve, true, __ATOMIC_RELAXED);
    if (released)
        rsi_storage_log(
            storage, RAGSTORE_LOG_WARNING,
            "the disk is full: the room that was kept for deleting and closing is used");
    rsi_error_restore(&error);
    return released;
}
