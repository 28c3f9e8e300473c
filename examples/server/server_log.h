/*
 * The server's log: one line to an event, on standard error and in logs/app.log.
 *
 *     2026-01-31T12:34:56.123456Z INFO listening on http://127.0.0.1:8000
 *     2026-01-31T12:34:57.000001Z INFO 5f0c2a91d4e7b836 GET /health 200 0.4ms 153B
 *
 * Any thread may write: a line is one write(2) to a descriptor opened for appending. At 10 MiB the
 * file becomes app.log.1, that one app.log.2, and so on up to 4. Bodies, query strings and headers
 * are never logged.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

/* Lines below this level are dropped. */
void log_set_level(enum log_level level);

/* From now on a line is a JSON object: time, level, message; of a request time, level, request,
 * method, path, status, ms, bytes, token, client_left. */
void log_set_json(bool json);

/* Also write to this file from now on, making its directory if need be; false, with a line on
 * standard error, when that is not possible. */
bool log_open_file(const char *directory, const char *name);
void log_close_file(void);

/* A request that has ended. */
struct log_entry {
    const char *id, *method, *path;
    const char *token; /* its name; NULL: none */
    unsigned status;
    double milliseconds;
    uint64_t bytes;
    bool client_left;
};

void log_request(const struct log_entry *entry);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
