/* A file table with faults: see fault_files.h. */
#include "harness/fault_files.h"

#include <errno.h>
#include <string.h>

/* Count the call; true when the fault strikes it. */
static bool strikes(fault_files *faults, fault_call call)
{
    atomic_fetch_add(&faults->counts[call], 1);
    if (!faults->armed || (faults->call != FAULT_ANY && faults->call != call))
        return false;
    int_fast64_t before = atomic_fetch_sub(&faults->left, 1);
    if (before > 1 || (before < 1 && !faults->for_ever))
        return false;
    atomic_store(&faults->struck, true);
    return true;
}

/* The same for calls that have no short form. */
static bool fails(fault_files *faults, fault_call call)
{
    return strikes(faults, call) && faults->error != FAULT_SHORT;
}

static int fault_open(void *self, int directory, const char *path, unsigned flags)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_OPEN))
        return -faults->error;
    int handle = faults->real->open(faults->real->self, directory, path, flags);
    if (handle >= 0)
        atomic_fetch_add(&faults->open_handles, 1);
    return handle;
}

static int fault_close(void *self, int handle)
{
    fault_files *faults = self;

    bool failing = fails(faults, FAULT_CLOSE);
    atomic_fetch_sub(&faults->open_handles, 1);
    int result = faults->real->close(faults->real->self, handle);
    return failing ? -faults->error : result;
}

static int64_t fault_read(void *self, int handle, void *out, size_t size, uint64_t offset)
{
    fault_files *faults = self;

    if (strikes(faults, FAULT_READ)) {
        if (faults->error != FAULT_SHORT)
            return -faults->error;
        size = (size + 1) / 2;
    }
    return faults->real->read(faults->real->self, handle, out, size, offset);
}

static int64_t fault_write(void *self, int handle, const void *data, size_t size, uint64_t offset)
{
    fault_files *faults = self;

    if (strikes(faults, FAULT_WRITE)) {
        if (faults->error != FAULT_SHORT)
            return -faults->error;
        size = (size + 1) / 2;
    }
    return faults->real->write(faults->real->self, handle, data, size, offset);
}

static int fault_truncate(void *self, int handle, uint64_t size)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_TRUNCATE))
        return -faults->error;
    return faults->real->truncate(faults->real->self, handle, size);
}

static int fault_reserve(void *self, int handle, uint64_t size)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_RESERVE))
        return -faults->error;
    return faults->real->reserve(faults->real->self, handle, size);
}

static int fault_flush_data(void *self, int handle)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_FLUSH_DATA))
        return -faults->error;
    return faults->drop_flushes ? 0 : faults->real->flush_data(faults->real->self, handle);
}

static int fault_flush(void *self, int handle)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_FLUSH))
        return -faults->error;
    return faults->drop_flushes ? 0 : faults->real->flush(faults->real->self, handle);
}

static int fault_info(void *self, int handle, bool times, rsi_file_info *info)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_INFO))
        return -faults->error;
    return faults->real->info(faults->real->self, handle, times, info);
}

static int fault_info_at(void *self, int directory, const char *path, rsi_file_info *info)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_INFO_AT))
        return -faults->error;
    return faults->real->info_at(faults->real->self, directory, path, info);
}

static int fault_rename(void *self, int directory, const char *from, const char *to)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_RENAME))
        return -faults->error;
    return faults->real->rename(faults->real->self, directory, from, to);
}

static int fault_remove(void *self, int directory, const char *path, bool is_directory)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_REMOVE))
        return -faults->error;
    return faults->real->remove(faults->real->self, directory, path, is_directory);
}

static int fault_make_directory(void *self, int directory, const char *path)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_MAKE_DIRECTORY))
        return -faults->error;
    return faults->real->make_directory(faults->real->self, directory, path);
}

static int fault_list(void *self, int handle, int (*each)(void *user, const char *name), void *user)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_LIST))
        return -faults->error;
    return faults->real->list(faults->real->self, handle, each, user);
}

static int fault_lock(void *self, int handle, uint64_t start, uint64_t size, int kind)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_LOCK))
        return -faults->error;
    return faults->real->lock(faults->real->self, handle, start, size, kind);
}

static int fault_view(void *self, int handle, size_t size, const void **bytes)
{
    fault_files *faults = self;

    if (fails(faults, FAULT_VIEW))
        return -faults->error;
    int result = faults->real->view(faults->real->self, handle, size, bytes);
    if (result >= 0)
        atomic_fetch_add(&faults->views, 1);
    return result;
}

static void fault_unview(void *self, const void *bytes, size_t size)
{
    fault_files *faults = self;

    atomic_fetch_sub(&faults->views, 1);
    faults->real->unview(faults->real->self, bytes, size);
}

static void fault_forget(void *self, const void *bytes, size_t size)
{
    fault_files *faults = self;
    if (faults->real->forget != NULL)
        faults->real->forget(faults->real->self, bytes, size);
}

void fault_files_init(fault_files *faults, const rsi_file_table *real)
{
    memset(faults, 0, sizeof *faults);
    faults->real = real != NULL ? real : &rsi_files_posix;
    faults->table = (rsi_file_table){
        .open = fault_open,
        .close = fault_close,
        .read = fault_read,
        .write = fault_write,
        .truncate = fault_truncate,
        .reserve = fault_reserve,
        .flush_data = fault_flush_data,
        .flush = fault_flush,
        .info = fault_info,
        .info_at = fault_info_at,
        .rename = fault_rename,
        .remove = fault_remove,
        .make_directory = fault_make_directory,
        .list = fault_list,
        .lock = fault_lock,
        .view = fault_view,
        .unview = fault_unview,
        .forget = fault_forget,
        .self = faults,
    };
}

void fault_files_fail(fault_files *faults, fault_call call, int64_t n, int error, bool for_ever)
{
    faults->call = call;
    faults->error = error;
    faults->for_ever = for_ever;
    atomic_store(&faults->left, n);
    atomic_store(&faults->struck, false);
    faults->armed = true;
}

void fault_files_disarm(fault_files *faults)
{
    faults->armed = false;
}

bool fault_files_struck(const fault_files *faults)
{
    return atomic_load(&faults->struck);
}

uint64_t fault_files_count(const fault_files *faults, fault_call call)
{
    uint64_t total = 0;

    if (call != FAULT_ANY)
        return atomic_load(&faults->counts[call]);
    for (int i = 0; i < FAULT_CALLS; i++)
        total += atomic_load(&faults->counts[i]);
    return total;
}

void fault_files_reset_counts(fault_files *faults)
{
    for (int i = 0; i < FAULT_CALLS; i++)
        atomic_store(&faults->counts[i], 0);
}

const char *fault_call_name(fault_call call)
{
    static const char *const names[FAULT_CALLS + 1] = {
        "open",           "close", "read", "write",   "truncate", "reserve",
        "flush_data",     "flush", "info", "info_at", "rename",   "remove",
        "make_directory", "list",  "lock", "view",    "any call"};
    return names[call];
}
