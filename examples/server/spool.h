/*
 * A nameless file for the bytes of an upload while the rest of the form is still to come.
 *
 * What the library has to know about a document when its bytes begin (key, source, metadata) may
 * follow the file in a form, so the bytes wait on disk, never in memory. The file has no name, so
 * nothing is left behind when the server is killed.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdbool.h>
#include <stddef.h>

/* Make a spool on the file system of `directory`; -1 with errno on failure. */
int spool_open(const char *directory);
bool spool_write(int spool, const char *bytes, size_t size);

#endif
