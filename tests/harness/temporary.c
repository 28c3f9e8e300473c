/* Temporary directories of tests: see temporary.h. */
#include "harness/temporary.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int temporary_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char *directory = malloc(TEMPORARY_PATH_MAX);

    if (directory == NULL)
        return -1;
    snprintf(directory, TEMPORARY_PATH_MAX, "%s/ragstore-test-XXXXXX",
             base != NULL && base[0] != '\0' ? base : "/tmp");
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        free(directory);
        return -1;
    }
    *state = directory;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)walk;
    if (type == FTW_DP)
        return rmdir(path);
    return unlink(path);
}

void temporary_remove_all(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int temporary_teardown(void **state)
{
    temporary_remove_all(*state);
    free(*state);
    *state = NULL;
    return 0;
}

const char *temporary_path(void **state)
{
    return *state;
}

const char *temporary_join(char out[TEMPORARY_PATH_MAX], void **state, const char *below)
{
    int length = snprintf(out, TEMPORARY_PATH_MAX, "%s/%s", temporary_path(state), below);
    assert_in_range(length, 1, TEMPORARY_PATH_MAX - 1);
    return out;
}

void temporary_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        fail_msg("cannot make %s", path);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

char *temporary_read(const char *path, size_t *size)
{
    struct stat status;

    if (size != NULL)
        *size = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    assert_int_equal(fstat(fileno(file), &status), 0);
    size_t wanted = (size_t)status.st_size;
    char *data = malloc(wanted + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, wanted, file), wanted);
    data[wanted] = '\0';
    assert_int_equal(fclose(file), 0);
    if (size != NULL)
        *size = wanted;
    return data;
}

bool temporary_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

size_t temporary_count(const char *path)
{
    size_t count = 0;
    const struct dirent *entry;

    DIR *directory = opendir(path);
    if (directory == NULL)
        fail_msg("cannot list %s", path);
    while ((entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            count++;
    assert_int_equal(closedir(directory), 0);
    return count;
}

static void copy_one(const char *from, const char *to)
{
    struct stat status;
    size_t size;
    if (lstat(from, &status) != 0)
        fail_msg("cannot copy %s", from);
    if (S_ISDIR(status.st_mode)) {
        temporary_copy_all(from, to);
    } else {
        char *data = temporary_read(from, &size);
        temporary_write(to, data, size);
        free(data);
    }
}

void temporary_copy_all(const char *from, const char *to)
{
    const struct dirent *entry;
    temporary_remove_all(to);
    DIR *directory = opendir(from);
    if (directory == NULL || mkdir(to, 0700) != 0)
        fail_msg("cannot copy %s to %s", from, to);
    while ((entry = readdir(directory)) != NULL) {
        char source[TEMPORARY_PATH_MAX];
        char target[TEMPORARY_PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int length = snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        assert_in_range(length, 1, TEMPORARY_PATH_MAX - 1);
        length = snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
        assert_in_range(length, 1, TEMPORARY_PATH_MAX - 1);
        copy_one(source, target);
    }
    assert_int_equal(closedir(directory), 0);
}
