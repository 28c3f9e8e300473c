/*
 * A nameless file; see spool.h. Used by the thread of one connection, then by one worker.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int spool_open(const char *directory)
{
    char path[4096];
    int spool = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (spool >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) {
        return spool;
    }
    /* a file system without nameless files */
    if (snprintf(path, sizeof path, "%s/.upload-XXXXXX", directory) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    spool = mkostemp(path, O_CLOEXEC);
    if (spool >= 0) {
        unlink(path);
    }
    return spool;
}

bool spool_write(int spool, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(spool, bytes, size);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}
