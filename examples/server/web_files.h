/*
 * The files of web/, carried in the binary. tools/embed-files.sh makes the C source while the
 * server is built.
 */
#ifndef WEB_FILES_H
#define WEB_FILES_H

#include <stddef.h>

struct web_file {
    const char *name; /* without its directory: "page.css" */
    const char *type; /* media type */
    const char *bytes;
    size_t size;
};

extern const struct web_file web_files[];
extern const size_t web_file_count;

#endif
