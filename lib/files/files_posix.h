/*
 * The two files of the POSIX table to each other. A path below a store is split into a
 * safely opened directory and a last name, on which an …at() call acts without following it:
 *
 *   place_open(root, "uploads/acme/a.pdf")  ──►  directory = uploads/acme   name = "a.pdf"
 */
#ifndef RSI_FILES_FILES_POSIX_H
#define RSI_FILES_FILES_POSIX_H

#include "files/files.h"

typedef struct rsi_posix_place {
    int directory;
    bool owned; /* directory was opened for this place */
    const char *name;
} rsi_posix_place;

/* All return >= 0 or -errno; a symbolic link on the way gives -ELOOP. */
int rsi_posix_open(void *self, int directory, const char *path, unsigned flags);
int rsi_posix_place_open(rsi_posix_place *place, int directory, const char *path);
void rsi_posix_place_close(rsi_posix_place *place);

/* The result of an open call as a handle: moved above 2 when it is lower; or -errno. */
int rsi_posix_raise(int descriptor);

#endif
