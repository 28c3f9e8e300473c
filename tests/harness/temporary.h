/*
 * A fresh directory for each test, removed with all below it afterwards.
 *
 *   static void storage_x__does_y(void **state)
 *   {
 *       const char *directory = temporary_path(state);
 *       …
 *   }
 *   cmocka_unit_test_setup_teardown(storage_x__does_y, temporary_setup, temporary_teardown)
 *
 * Lies below $TMPDIR, or /tmp. Helpers fail the test (cmocka) instead of returning errors.
 */
#ifndef TESTS_HARNESS_TEMPORARY_H
#define TESTS_HARNESS_TEMPORARY_H

#include <stdbool.h>
#include <stddef.h>

#define TEMPORARY_PATH_MAX 2048

int temporary_setup(void **state);    /* *state becomes the directory */
int temporary_teardown(void **state); /* frees *state */
const char *temporary_path(void **state);

/* "<directory>/<below>" in a buffer of the test. */
const char *temporary_join(char out[TEMPORARY_PATH_MAX], void **state, const char *below);

/* Whole files by the C library alone, so that the code under test is not its own witness. */
void temporary_write(const char *path, const void *data, size_t size);
/* A NUL-terminated copy for free(); NULL when there is no such file. size may be NULL. */
char *temporary_read(const char *path, size_t *size);
bool temporary_exists(const char *path); /* links are not followed */
/* Entries of a directory without "." and "..". */
size_t temporary_count(const char *path);
void temporary_remove_all(const char *path);
/* A directory with all below it: what was at `to` goes first. */
void temporary_copy_all(const char *from, const char *to);

#endif
