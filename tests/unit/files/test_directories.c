/* Directories: lib/files/directories.c. */
#include "files/files.h"

#include "base/status.h"
#include "files/paths.h"
#include "harness/fault_files.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static rsi_root *open_root(void **state)
{
    rsi_root *root;

    if (rsi_root_open(&root, NULL, temporary_path(state), false) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return root;
}

static void write_below(void **state, const char *path)
{
    char full[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(full, state, path), "x", 1);
}

static bool exists_below(void **state, const char *path)
{
    char full[TEMPORARY_PATH_MAX];
    return temporary_exists(temporary_join(full, state, path));
}

static void files_directory__makes_all_that_are_missing(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    struct stat status;
    rsi_root *root = open_root(state);

    assert_int_equal(rsi_directory_make(root, "a/b/c"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(root, "a/b/c"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(root, "a/d"), RAGSTORE_OK);
    assert_int_equal(stat(temporary_join(path, state, "a/b/c"), &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0700);
    write_below(state, "a/file");
    assert_int_equal(rsi_directory_make(root, "a/file"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_make(root, "a/file/b"), RAGSTORE_E_DAMAGED);
    rsi_root_close(root);
}

/* Each new one and its parent, once the directory is there; nothing for old ones (D2). */
static void files_directory__flushes_what_it_made(void **state)
{
    fault_files faults;
    rsi_root *root;

    fault_files_init(&faults, NULL);
    assert_int_equal(rsi_root_open(&root, &faults.table, temporary_path(state), false), 0);
    assert_int_equal(rsi_directory_make(root, "a/b"), RAGSTORE_OK);
    assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 4);
    fault_files_reset_counts(&faults);
    assert_int_equal(rsi_directory_make(root, "a/b"), RAGSTORE_OK);
    assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 0);
    assert_int_equal(rsi_directory_make(root, "a/c"), RAGSTORE_OK);
    assert_int_equal(fault_files_count(&faults, FAULT_FLUSH), 2);
    rsi_root_close(root);
    assert_int_equal(faults.open_handles, 0);
}

typedef struct listing {
    unsigned files;
    unsigned directories;
    unsigned others;
    unsigned stop_after;
    rsi_root *root;
} listing;

static int count_entry(void *user, const char *name, rsi_file_kind kind)
{
    listing *seen = user;

    assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    seen->files += kind == RSI_FILE_REGULAR;
    seen->directories += kind == RSI_FILE_DIRECTORY;
    seen->others += kind == RSI_FILE_OTHER;
    return seen->stop_after > 0 && --seen->stop_after == 0 ? 77 : 0;
}

static void files_directory__lists_names_with_their_kinds(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    listing seen = {0};
    rsi_root *root = open_root(state);

    assert_int_equal(rsi_directory_make(root, "d/sub"), RAGSTORE_OK);
    write_below(state, "d/one");
    write_below(state, "d/.two");
    assert_int_equal(symlink("sub", temporary_join(path, state, "d/link")), 0);
    assert_int_equal(rsi_directory_list(root, "d", count_entry, &seen), RAGSTORE_OK);
    assert_int_equal(seen.files, 2);
    assert_int_equal(seen.directories, 1);
    assert_int_equal(seen.others, 1);

    seen = (listing){0};
    assert_int_equal(rsi_directory_list(root, "", count_entry, &seen), RAGSTORE_OK);
    assert_int_equal(seen.directories, 1);
    seen = (listing){.stop_after = 2};
    assert_int_equal(rsi_directory_list(root, "d", count_entry, &seen), 77);
    assert_int_equal(seen.files + seen.directories + seen.others, 2);
    assert_int_equal(rsi_directory_list(root, "none", count_entry, &seen), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_directory_list(root, "d/one", count_entry, &seen), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_list(root, "../x", count_entry, &seen),
                     RAGSTORE_E_INVALID_ARGUMENT);
    rsi_root_close(root);
}

static int remove_both(void *user, const char *name, rsi_file_kind kind)
{
    listing *seen = user;

    (void)name;
    (void)kind;
    seen->files++;
    assert_int_equal(rsi_file_remove(seen->root, "d/a"), RAGSTORE_OK);
    assert_int_equal(rsi_file_remove(seen->root, "d/b"), RAGSTORE_OK);
    return 0;
}

/* What is removed by the first callback is not shown to a second one. */
static void files_directory__may_change_while_it_is_listed(void **state)
{
    listing seen = {0};

    seen.root = open_root(state);
    assert_int_equal(rsi_directory_make(seen.root, "d"), RAGSTORE_OK);
    write_below(state, "d/a");
    write_below(state, "d/b");
    assert_int_equal(rsi_directory_list(seen.root, "d", remove_both, &seen), RAGSTORE_OK);
    assert_int_equal(seen.files, 1);
    rsi_root_close(seen.root);
}

static void files_directory__removes_all_below_and_follows_no_link(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    char target[TEMPORARY_PATH_MAX];
    rsi_root *root = open_root(state);

    assert_int_equal(rsi_directory_make(root, "keep"), RAGSTORE_OK);
    write_below(state, "keep/file");
    assert_int_equal(rsi_directory_make(root, "d/a/b"), RAGSTORE_OK);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "d/a/%d", i);
        write_below(state, name);
    }
    temporary_join(target, state, "keep");
    assert_int_equal(symlink(target, temporary_join(path, state, "d/a/b/link")), 0);
    assert_int_equal(mkfifo(temporary_join(path, state, "d/fifo"), 0600), 0);
    assert_int_equal(rsi_directory_remove(root, "d"), RAGSTORE_OK);
    assert_false(exists_below(state, "d"));
    assert_true(exists_below(state, "keep/file"));
    assert_int_equal(rsi_directory_remove(root, "d"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_remove(root, "no/such"), RAGSTORE_OK);

    /* A link in the place of a directory goes, its target stays; the root itself cannot go. */
    assert_int_equal(symlink(target, temporary_join(path, state, "d")), 0);
    assert_int_equal(rsi_directory_remove(root, "d"), RAGSTORE_OK);
    assert_true(exists_below(state, "keep/file"));
    assert_int_equal(rsi_directory_remove(root, ""), RAGSTORE_E_INVALID_ARGUMENT);
    rsi_root_close(root);
}

static void files_directory__refuses_to_walk_without_end(void **state)
{
    char path[RSI_PATH_MAX] = "d";
    rsi_root *root = open_root(state);

    for (int i = 0; i < 63; i++)
        memcpy(path + 1 + 2 * i, "/d", 3);
    assert_int_equal(rsi_directory_make(root, path), RAGSTORE_OK);
    memcpy(path + 1 + 2 * 63, "/d", 3);
    assert_int_equal(rsi_directory_make(root, path), RAGSTORE_OK);
    assert_int_equal(rsi_directory_remove(root, "d"), RAGSTORE_E_DAMAGED);
    assert_true(exists_below(state, path));
    assert_int_equal(rsi_directory_remove(root, path), RAGSTORE_OK);
    assert_int_equal(rsi_directory_remove(root, "d"), RAGSTORE_OK);
    assert_false(exists_below(state, "d"));
    rsi_root_close(root);
}

/* Who has the directory open makes three files, one after the other, when it is about to go. */
static struct late_files {
    int left;
    const char *path;
} late;

static int remove_late(void *self, int directory, const char *path, bool is_directory)
{
    if (is_directory && late.left > 0) {
        late.left--;
        temporary_write(late.path, "x", 1);
    }
    return rsi_files_posix.remove(self, directory, path, is_directory);
}

static void files_directory__removes_also_what_comes_meanwhile(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_root *root;
    rsi_file_table table = rsi_files_posix;
    table.remove = remove_late;
    assert_int_equal(rsi_root_open(&root, &table, temporary_path(state), false), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(root, "d/a"), RAGSTORE_OK);
    late = (struct late_files){3, temporary_join(path, state, "d/late")};
    assert_int_equal(rsi_directory_remove(root, "d"), RAGSTORE_OK);
    assert_int_equal(late.left, 0);
    assert_false(exists_below(state, "d"));
    rsi_root_close(root);
}

static void files_directory__that_is_held_open_stays_the_same(void **state)
{
    rsi_root *held;
    rsi_root *root = open_root(state);
    assert_int_equal(rsi_directory_make(root, "d/a"), RAGSTORE_OK);
    assert_int_equal(rsi_root_open_below(&held, root, "d/b"), RAGSTORE_E_NOT_FOUND);
    assert_null(held);
    assert_int_equal(rsi_root_open_below(&held, root, "../d"), RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_root_open_below(&held, root, "d"), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(held, "a/one", "x", 1), RAGSTORE_OK);
    assert_int_equal(rsi_file_rename(root, "d", "e"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(root, "d/a"), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(held, "a/two", "x", 1), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(held, "three", "x", 1), RAGSTORE_OK);
    assert_true(exists_below(state, "e/a/one") && exists_below(state, "e/a/two") &&
                exists_below(state, "e/three"));
    assert_false(exists_below(state, "d/a/two") || exists_below(state, "d/three"));
    assert_int_equal(rsi_directory_remove(root, "e"), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(held, "three", "x", 1), RAGSTORE_E_NOT_FOUND);
    rsi_root_close(root);
    rsi_root_close(held);
}

#define IN_TEMPORARY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(files_directory__makes_all_that_are_missing),
        IN_TEMPORARY(files_directory__flushes_what_it_made),
        IN_TEMPORARY(files_directory__lists_names_with_their_kinds),
        IN_TEMPORARY(files_directory__may_change_while_it_is_listed),
        IN_TEMPORARY(files_directory__removes_all_below_and_follows_no_link),
        IN_TEMPORARY(files_directory__refuses_to_walk_without_end),
        IN_TEMPORARY(files_directory__removes_also_what_comes_meanwhile),
        IN_TEMPORARY(files_directory__that_is_held_open_stays_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
