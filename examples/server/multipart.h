/*
 * The form of an upload: its text fields in memory, its file on disk, in whatever order they come.
 *
 * Fed by the connection's thread as bytes arrive, read by the worker when the body is complete.
 */
#ifndef MULTIPART_H
#define MULTIPART_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

enum multipart_problem {
    MULTIPART_FINE,
    MULTIPART_MALFORMED, /* not a form, or cut off */
    MULTIPART_FILE_TOO_LARGE,
    MULTIPART_FIELD_TOO_LARGE, /* a text field, or all of them together */
    MULTIPART_TWO_FILES,
    MULTIPART_NOT_UTF8, /* a text field or a file name */
    MULTIPART_NO_MEMORY,
    MULTIPART_DISK /* the spool could not be written; see error_number */
};

struct multipart {
    struct MHD_PostProcessor *parser; /* NULL: the request is not a form */
    const char *spool_directory;
    uint64_t max_file_bytes;
    enum multipart_problem problem;
    int error_number;

    json_t *fields; /* the text fields: name to string */
    char *name;     /* the text field that is being read, and its bytes so far */
    char *text;
    size_t text_size, total_text;

    int spool;      /* the bytes of the file; -1: none came */
    char *filename; /* as the client gave it; NULL: none came */
    uint64_t file_size;
};

/* Begin to read the form of this connection's request; NULL when memory ran out. */
struct multipart *multipart_create(struct MHD_Connection *connection, const char *spool_directory,
                                   uint64_t max_file_bytes);
void multipart_take(struct multipart *form, const char *bytes, size_t size);

/* The body is complete: look whether the form is. */
void multipart_finish(struct multipart *form);
void multipart_free(struct multipart *form);

#endif
