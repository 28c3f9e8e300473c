/*
 * Starting the extraction helper: the extract callback of a program that uses the library.
 *
 *     struct extract_runner runner = EXTRACT_RUNNER_DEFAULTS;
 *     if (extract_runner_find(&runner, NULL)) {
 *         options.extract = extract_run;
 *         options.extract_user = &runner;
 *     }
 *
 * Each document gets a process of its own: fixed arguments, an empty environment, the document on
 * standard input, limits on memory, processor time, wall-clock time, output, open files and
 * processes. The process then shuts itself in (extract_jail.c). Whatever it does, the caller goes
 * on: it is killed with its whole group, and the user is told what is wrong with the document.
 *
 * extract_run() may run in several threads at once; the runner is not changed by it.
 */
#ifndef EXTRACT_RUNNER_H
#define EXTRACT_RUNNER_H

#include <ragstore.h>
#include <stdbool.h>

struct extract_runner {
    char program[4096]; /* an absolute path */
    uint64_t memory_bytes;
    uint64_t output_bytes;
    uint32_t processor_seconds;
    uint32_t wall_ms;
};

#define EXTRACT_RUNNER_DEFAULTS                                                                    \
    {                                                                                              \
        "", (uint64_t)1 << 30, (uint64_t)256 << 20, 60, 120000                                     \
    }

/* Find the helper: at `path` when it is not NULL, or else beside the running program. */
bool extract_runner_find(struct extract_runner *runner, const char *path);

/* As ragstore_store_open_options.extract wants it; user is a struct extract_runner. */
int32_t extract_run(void *user, ragstore_extraction *extraction, const void *bytes, size_t size,
                    const char *filename);

#endif
