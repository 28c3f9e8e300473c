/*
 * A ZIP archive in memory: the container of Office files and e-books.
 *
 * Nothing that it says about itself is believed: bytes are counted while they are inflated, and
 * whatever is over a limit ends the process with a refusal. Archives inside archives are not
 * opened.
 */
#ifndef EXTRACT_ARCHIVE_H
#define EXTRACT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

struct archive;

struct bytes {
    char *data; /* NUL-terminated */
    size_t size;
};

struct archive *archive_open(const char *bytes, size_t size);

bool archive_has(struct archive *archive, const char *name);

/* Inflate an entry; false when there is none of that name. */
bool archive_read(struct bytes *out, struct archive *archive, const char *name);

/* The same, for an entry without which the document is damaged. */
struct bytes archive_need(struct archive *archive, const char *name);

void bytes_free(struct bytes *bytes);

/* Where a link of a part leads: "../media/a.xml" in "ppt/slides/s.xml" is "ppt/media/a.xml". */
void archive_resolve(char *out, size_t size, const char *part, const char *link);

#endif
