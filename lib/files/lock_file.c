/*
 * Files that carry locks, and forks. A lock belongs to the open file, which a child of fork()
 * shares: a child that does nothing would keep the parent's locks for ever. So these files are
 * listed, and a child closes its copies before anything else runs in it.
 *
 * Called by storage. One mutex guards the list and is held while a lock file is opened or closed,
 * so that no fork falls between.
 */
#include "files/files_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <pthread.h>

typedef struct lock_file {
    rsi_file *file;
    struct lock_file *next;
} lock_file;

/* recursive: a file table of a test may open another store from within its calls */
static const pthread_mutex_t unlocked = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static lock_file *lock_files;

static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

/* The memory stays: the parent's handles are not to be touched in a child. */
static void after_fork_in_child(void)
{
    for (lock_file *at = lock_files; at != NULL; at = at->next) {
        (void)rsi_files_close_raw(at->file->table, at->file->handle);
        at->file->handle = -1;
    }
    lock_files = NULL;
    mutex = unlocked; /* its owner was the parent's thread */
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

int rsi_lock_file_open(rsi_file **out, rsi_root *root, const char *path, unsigned flags)
{
    *out = NULL;
    pthread_once(&once, watch_forks);
    lock_file *entry = rsi_alloc_zeroed(sizeof *entry);
    if (entry == NULL)
        return RAGSTORE_E_NO_MEMORY;
    pthread_mutex_lock(&mutex);
    int status = rsi_file_open(out, root, path, flags);
    if (status == RAGSTORE_OK) {
        entry->file = *out;
        entry->next = lock_files;
        lock_files = entry;
    }
    pthread_mutex_unlock(&mutex);
    if (status != RAGSTORE_OK)
        rsi_free(entry);
    return status;
}

void rsi_lock_file_close(rsi_file *file)
{
    lock_file *gone = NULL;
    if (file == NULL)
        return;
    pthread_mutex_lock(&mutex);
    for (lock_file **at = &lock_files; *at != NULL; at = &(*at)->next) {
        if ((*at)->file == file) {
            gone = *at;
            *at = gone->next;
            break;
        }
    }
    (void)rsi_file_close(file);
    pthread_mutex_unlock(&mutex);
    rsi_free(gone);
}
