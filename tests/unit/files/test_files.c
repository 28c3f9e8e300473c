/* Open files, whole files and the root:
 * lib/files/{root,files,outside_file,whole_files,files_posix}.c. */
#include "files/files.h"

#include "base/status.h"
#include "files/paths.h"
#include "harness/temporary.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static rsi_root *open_root(void **state)
{
    rsi_root *root;

    if (rsi_root_open(&root, NULL, temporary_path(state), false) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return root;
}

static void write_below(void **state, const char *path, const char *text)
{
    char full[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(full, state, path), text, strlen(text));
}

static void assert_content(void **state, const char *path, const char *expected)
{
    char full[TEMPORARY_PATH_MAX];
    char *content = temporary_read(temporary_join(full, state, path), NULL);
    assert_non_null(content);
    assert_string_equal(content, expected);
    free(content);
}

static void assert_message(const char *part)
{
    if (strstr(rsi_error_message(), part) == NULL)
        fail_msg("'%s' does not say '%s'", rsi_error_message(), part);
}

static mode_t mode_of(void **state, const char *path)
{
    char full[TEMPORARY_PATH_MAX];
    struct stat status;

    assert_int_equal(lstat(temporary_join(full, state, path), &status), 0);
    return status.st_mode & 07777;
}

/* ---- the root ---- */

static void files_root__makes_its_directory_for_its_owner_only(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_root *root;

    temporary_join(path, state, "store///");
    assert_int_equal(rsi_root_open(&root, NULL, path, true), RAGSTORE_OK);
    assert_string_equal(rsi_root_path(root), path);
    assert_int_equal(mode_of(state, "store"), 0700);
    rsi_root_close(root);
    assert_int_equal(rsi_root_open(&root, NULL, path, true), RAGSTORE_OK);
    rsi_root_close(root);
    rsi_root_close(NULL);
}

static void files_root__refuses_what_is_not_a_directory(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_root *root = (rsi_root *)state;

    write_below(state, "file", "x");
    assert_int_equal(rsi_root_open(&root, NULL, temporary_join(path, state, "none"), false),
                     RAGSTORE_E_NOT_FOUND);
    assert_null(root);
    assert_message("none");
    for (int create = 0; create < 2; create++)
        assert_int_equal(rsi_root_open(&root, NULL, temporary_join(path, state, "file"), create),
                         RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_root_open(&root, NULL, temporary_join(path, state, "a/b"), true),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_root_open(&root, NULL, "", true), RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(root);
}

/* A relative path, its parent "."; the process's directory is put back. */
static void files_root__takes_relative_paths(void **state)
{
    rsi_root *root;
    int before = open(".", O_RDONLY | O_DIRECTORY);

    assert_true(before >= 0);
    assert_int_equal(chdir(temporary_path(state)), 0);
    int status = rsi_root_open(&root, NULL, "store", true);
    assert_int_equal(fchdir(before), 0);
    assert_int_equal(close(before), 0);
    assert_int_equal(status, RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "x", "1", 1), RAGSTORE_OK);
    rsi_root_close(root);
    assert_content(state, "store/x", "1");
}

/* The store itself may be reached through a link; only what lies inside may not be one. */
static void files_root__may_be_a_link_itself(void **state)
{
    char target[TEMPORARY_PATH_MAX];
    char link_path[TEMPORARY_PATH_MAX];
    rsi_root *root;

    assert_int_equal(mkdir(temporary_join(target, state, "real"), 0700), 0);
    assert_int_equal(symlink(target, temporary_join(link_path, state, "link")), 0);
    assert_int_equal(rsi_root_open(&root, NULL, link_path, true), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "x", "1", 1), RAGSTORE_OK);
    rsi_root_close(root);
    assert_content(state, "real/x", "1");
}

/* ---- paths ---- */

static void files_open__refuses_paths_that_leave_the_store(void **state)
{
    static const char *const paths[] = {
        "", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a/./b", "a//b", "a/", "/",
    };
    char too_long[RSI_PATH_MAX + 1];
    rsi_root *root = open_root(state);
    rsi_file *file = (rsi_file *)state;
    rsi_file_info info;
    rsi_bytes out = {0};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *path = paths[i];
        assert_int_equal(rsi_file_open(&file, root, path, RSI_OPEN_READ),
                         RAGSTORE_E_INVALID_ARGUMENT);
        assert_null(file);
        assert_int_equal(rsi_file_replace(root, path, "", 0), RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_file_read_all(root, path, 10, &out), RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_file_remove(root, path), RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_file_rename(root, path, "x"), RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_file_rename(root, "x", path), RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_file_info_of(root, path, &info), RAGSTORE_E_INVALID_ARGUMENT);
        assert_false(rsi_file_exists(root, path));
        assert_int_equal(rsi_directory_make(root, path), RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(rsi_directory_remove(root, path), RAGSTORE_E_INVALID_ARGUMENT);
    }
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(rsi_file_replace(root, too_long, "", 0), RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_file_open(&file, root, "x", RSI_OPEN_ROOT), RAGSTORE_E_INVALID_ARGUMENT);
    rsi_root_close(root);
}

/* ---- links and other non-files ---- */

static void files_open__refuses_links_and_special_files(void **state)
{
    static const char *const refused[] = {"link", "dangling",  "hard",
                                          "fifo", "directory", "socket"};
    char path[TEMPORARY_PATH_MAX];
    char other[TEMPORARY_PATH_MAX];
    rsi_root *root = open_root(state);
    rsi_bytes out = {0};
    rsi_file *file;

    write_below(state, "plain", "secret");
    write_below(state, "twice", "secret");
    assert_int_equal(symlink("plain", temporary_join(path, state, "link")), 0);
    assert_int_equal(symlink("none", temporary_join(path, state, "dangling")), 0);
    assert_int_equal(
        link(temporary_join(other, state, "twice"), temporary_join(path, state, "hard")), 0);
    assert_int_equal(mkfifo(temporary_join(path, state, "fifo"), 0600), 0);
    assert_int_equal(mkdir(temporary_join(path, state, "directory"), 0700), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    int length =
        snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", temporary_path(state));
    assert_in_range(length, 1, sizeof address.sun_path - 1);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const char *name = refused[i];
        int status = rsi_file_read_all(root, name, 100, &out);
        if (status != RAGSTORE_E_DAMAGED)
            fail_msg("read %s: %d", name, status);
        assert_null(out.data);
        assert_message(name);
        assert_int_equal(rsi_file_open(&file, root, name, RSI_OPEN_WRITE | RSI_OPEN_CREATE),
                         RAGSTORE_E_DAMAGED);
        assert_null(file);
        assert_int_equal(rsi_file_replace(root, name, "x", 1), RAGSTORE_E_DAMAGED);
        assert_message(name);
    }
    assert_int_equal(rsi_file_read_all(root, "link", 100, &out), RAGSTORE_E_DAMAGED);
    assert_message("open link: a symbolic link inside the store is refused");
    assert_int_equal(rsi_file_read_all(root, "hard", 100, &out), RAGSTORE_E_DAMAGED);
    assert_message("2 hard links");
    assert_content(state, "plain", "secret");
    assert_false(temporary_exists(temporary_join(path, state, "none")));
    close(listener);
    rsi_root_close(root);
}

static void files_open__follows_no_link_on_the_way(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    char outside[TEMPORARY_PATH_MAX];
    rsi_root *root;
    rsi_file_info info;
    rsi_bytes out = {0};

    assert_int_equal(mkdir(temporary_join(path, state, "store"), 0700), 0);
    assert_int_equal(mkdir(temporary_join(outside, state, "outside"), 0700), 0);
    write_below(state, "outside/x", "secret");
    assert_int_equal(symlink(outside, temporary_join(path, state, "store/away")), 0);
    assert_int_equal(rsi_root_open(&root, NULL, temporary_join(path, state, "store"), false), 0);

    assert_int_equal(rsi_file_read_all(root, "away/x", 100, &out), RAGSTORE_E_DAMAGED);
    assert_message("symbolic link");
    assert_int_equal(rsi_file_replace(root, "away/y", "", 0), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_file_remove(root, "away/x"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_file_rename(root, "away/x", "x"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_file_info_of(root, "away/x", &info), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_make(root, "away"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_make(root, "away/new"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_remove(root, "away/x"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_flush(root, "away"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_list(root, "away", NULL, NULL), RAGSTORE_E_DAMAGED);
    assert_content(state, "outside/x", "secret");
    assert_int_equal(temporary_count(outside), 1);

    /* What is said about a link is said about the link itself, and removing removes it. */
    assert_int_equal(rsi_file_info_of(root, "away", &info), RAGSTORE_OK);
    assert_int_equal(info.kind, RSI_FILE_OTHER);
    assert_int_equal(rsi_file_remove(root, "away"), RAGSTORE_OK);
    assert_content(state, "outside/x", "secret");
    rsi_root_close(root);
}

/* ---- open files ---- */

static void files_file__reads_and_writes_at_offsets(void **state)
{
    char bytes[8] = "";
    uint64_t size;
    rsi_root *root = open_root(state);
    rsi_file *file;

    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE), RAGSTORE_E_NOT_FOUND);
    assert_message("open f: No such file or directory");
    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_string_equal(rsi_file_path(file), "f");
    assert_int_equal(mode_of(state, "f"), 0600);
    assert_int_equal(rsi_file_write_at(file, "hello", 5, 3), RAGSTORE_OK);
    assert_int_equal(rsi_file_size(file, &size), RAGSTORE_OK);
    assert_int_equal(size, 8);
    assert_int_equal(rsi_file_read_at(file, bytes, 8, 0), RAGSTORE_OK);
    assert_memory_equal(bytes, "\0\0\0hello", 8);
    assert_int_equal(rsi_file_read_at(file, bytes, 4, 5), RAGSTORE_E_DAMAGED);
    assert_message("read f: the file ends at byte 8, 4 bytes were expected at 5");
    assert_int_equal(rsi_file_read_at(file, bytes, 0, 100), RAGSTORE_OK);
    assert_int_equal(rsi_file_read_at(file, bytes, 1, UINT64_MAX - 5), RAGSTORE_E_IO);
    assert_int_equal(rsi_file_truncate(file, 4), RAGSTORE_OK);
    assert_int_equal(rsi_file_flush_data(file), RAGSTORE_OK);
    assert_int_equal(rsi_file_flush(file), RAGSTORE_OK);
    rsi_root_close(root); /* a file may outlive its root */
    assert_int_equal(rsi_file_size(file, &size), RAGSTORE_OK);
    assert_int_equal(size, 4);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(NULL), RAGSTORE_OK);
}

static void files_file__exclusive_creation_finds_what_is_there(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *file;
    unsigned flags = RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE;

    assert_int_equal(rsi_file_open(&file, root, "f", flags), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&file, root, "f", flags), RAGSTORE_E_EXISTS);
    assert_null(file);
    rsi_root_close(root);
}

static void files_file__read_only_handles_cannot_write(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *file;

    write_below(state, "f", "abc");
    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_READ), RAGSTORE_OK);
    assert_true(rsi_file_write_at(file, "x", 1, 0) < 0);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    assert_content(state, "f", "abc");
    rsi_root_close(root);
}

static void files_file__reserve_holds_blocks_and_no_bytes(void **state)
{
    uint64_t size;
    struct stat status;
    char path[TEMPORARY_PATH_MAX];
    rsi_root *root = open_root(state);
    rsi_file *file;

    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_int_equal(rsi_file_reserve(file, 0), RAGSTORE_OK);
    assert_int_equal(rsi_file_reserve(file, 65536), RAGSTORE_OK);
    assert_int_equal(rsi_file_size(file, &size), RAGSTORE_OK);
    assert_int_equal(size, 0);
    assert_int_equal(stat(temporary_join(path, state, "f"), &status), 0);
    if (status.st_blocks == 0)
        print_message("this file system cannot reserve: only that it is no error was tested\n");
    else
        assert_true(status.st_blocks * 512 >= 65536);
    assert_int_equal(rsi_file_reserve(file, 100), RAGSTORE_OK); /* gives nothing back */
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

static void files_file__views_show_what_a_growing_file_gets(void **state)
{
    static char many[3 << 20];
    const void *view;
    rsi_file *file;
    rsi_root *root = open_root(state);
    const size_t step = rsi_root_table(root)->view_step;
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = (char)(i % 251);
    assert_true(step > 1 && step < sizeof many);
    write_below(state, "f", "");
    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE), RAGSTORE_OK);
    assert_int_equal(rsi_file_write_at(file, many, 7, 0), RAGSTORE_OK);
    assert_int_equal(rsi_file_view(file, 7, &view), RAGSTORE_OK);
    assert_int_equal(rsi_file_write_at(file, many, sizeof many, 0), RAGSTORE_OK);
    assert_true(rsi_root_view_reaches(root, 7, step));
    assert_false(rsi_root_view_reaches(root, 7, step + 1));
    assert_true(rsi_root_view_reaches(root, step + 1, 2 * step));
    assert_false(rsi_root_view_reaches(root, 0, 7));
    assert_false(rsi_root_view_reaches(root, 8, 7));
    assert_memory_equal(view, many, step);
    rsi_file_unview(file, view, step); /* all of it */
    assert_int_equal(rsi_file_view(file, step, &view), RAGSTORE_OK);
    assert_memory_equal(view, many, step);
    rsi_file_unview(file, view, step);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

static void files_file__views_no_byte_behind_the_end(void **state)
{
    const void *bytes;
    rsi_root *root = open_root(state);
    rsi_file *file;

    write_below(state, "f", "content");
    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_READ), RAGSTORE_OK);
    assert_int_equal(rsi_file_view(file, 7, &bytes), RAGSTORE_OK);
    assert_memory_equal(bytes, "content", 7);
    rsi_file_unview(file, bytes, 7);
    assert_int_equal(rsi_file_view(file, 0, &bytes), RAGSTORE_OK);
    assert_non_null(bytes);
    rsi_file_unview(file, bytes, 0);
    assert_int_equal(rsi_file_view(file, 8, &bytes), RAGSTORE_E_DAMAGED);
    assert_null(bytes);
    rsi_file_unview(file, NULL, 8);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

/* Between two handles of one process, by byte range, not lost when a third handle is closed. */
static void files_file__locks_exclude_other_handles(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *a;
    rsi_file *b;
    rsi_file *c;

    assert_int_equal(rsi_file_open(&a, root, "LOCK", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_int_equal(rsi_file_open(&b, root, "LOCK", RSI_OPEN_WRITE), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&c, root, "LOCK", RSI_OPEN_WRITE), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_SHARED), RAGSTORE_E_BUSY);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_E_BUSY);
    assert_message("lock LOCK");
    assert_int_equal(rsi_file_lock(b, 1, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(c), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_SHARED), RAGSTORE_E_BUSY);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_SHARED), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_SHARED), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_E_BUSY);
    assert_int_equal(rsi_file_lock(b, 0, 0, RSI_LOCK_NONE), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(a), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(b), RAGSTORE_OK);
    rsi_root_close(root);
}

/* In a child process, whose descriptors 0 to 2 are closed: the files must not take their place. */
static void files_file__never_uses_standard_descriptors(void **state)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rsi_root *root = NULL;
        rsi_file *file = NULL;
        bool low_is_free;
        close(0);
        close(1);
        close(2);
        int status = rsi_root_open(&root, NULL, temporary_path(state), false);
        if (status == RAGSTORE_OK)
            status = rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
        low_is_free = fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
        _exit(file != NULL && low_is_free ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void files_file__descriptors_close_on_exec(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *file;

    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        char link_path[64];
        char target[TEMPORARY_PATH_MAX];
        snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link_path, target, sizeof target - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        if (strstr(target, temporary_path(state)) != NULL)
            assert_int_equal(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

/* ---- whole files ---- */

static void files_replace__is_complete_and_leaves_nothing_behind(void **state)
{
    rsi_root *root = open_root(state);
    rsi_bytes out = {0};

    assert_int_equal(rsi_directory_make(root, "d"), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "d/f", "first", 5), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "d/f", "second, longer", 14), RAGSTORE_OK);
    assert_int_equal(rsi_file_read_all(root, "d/f", 14, &out), RAGSTORE_OK);
    assert_string_equal(out.data, "second, longer");
    assert_int_equal(mode_of(state, "d/f"), 0600);
    assert_int_equal(rsi_file_replace(root, "d/f", NULL, 0), RAGSTORE_OK);
    assert_int_equal(rsi_file_read_all(root, "d/f", 0, &out), RAGSTORE_OK);
    assert_int_equal(out.size, 0);
    rsi_bytes_free(&out);
    assert_int_equal(rsi_file_replace(root, "none/f", "", 0), RAGSTORE_E_NOT_FOUND);
    assert_message("none/f");

    char path[TEMPORARY_PATH_MAX];
    assert_int_equal(temporary_count(temporary_join(path, state, "d")), 1);
    rsi_root_close(root);
}

static void files_read_all__keeps_to_its_limit(void **state)
{
    rsi_root *root = open_root(state);
    rsi_bytes out = {0};
    char *big = malloc(300000);

    assert_non_null(big);
    memset(big, 'x', 300000);
    write_below(state, "f", "12345");
    rsi_bytes_append_text(&out, "what was there");
    assert_int_equal(rsi_file_read_all(root, "f", 5, &out), RAGSTORE_OK);
    assert_string_equal(out.data, "12345");
    assert_int_equal(rsi_file_read_all(root, "f", 4, &out), RAGSTORE_E_TOO_LARGE);
    assert_null(out.data);
    assert_message("read f: over the limit of 4 bytes");
    assert_int_equal(rsi_file_read_all(root, "none", 4, &out), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_file_replace(root, "big", big, 300000), RAGSTORE_OK);
    assert_int_equal(rsi_file_read_all(root, "big", SIZE_MAX, &out), RAGSTORE_OK);
    assert_int_equal(out.size, 300000);
    assert_memory_equal(out.data, big, 300000);
    rsi_bytes_free(&out);
    free(big);
    rsi_root_close(root);
}

/* Files of /proc have size 0 and content all the same: read to the end, not to the size. */
static void files_read_all__reads_on_when_a_file_grows(void **state)
{
    rsi_root *root;
    rsi_bytes out = {0};

    (void)state;
    if (rsi_root_open(&root, NULL, "/proc/self", false) != RAGSTORE_OK) {
        print_message("no /proc: skipped\n");
        skip();
    }
    assert_int_equal(rsi_file_read_all(root, "status", 100000, &out), RAGSTORE_OK);
    assert_true(out.size > 100);
    assert_int_equal(rsi_file_read_all(root, "status", 100, &out), RAGSTORE_E_TOO_LARGE);
    rsi_bytes_free(&out);
    rsi_root_close(root);
}

static void files_info__tells_about_files(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file_info info;

    write_below(state, "f", "12345");
    assert_int_equal(rsi_file_info_of(root, "f", &info), RAGSTORE_OK);
    assert_int_equal(info.kind, RSI_FILE_REGULAR);
    assert_int_equal(info.size, 5);
    assert_int_equal(info.links, 1);
    assert_true(info.modified_ns > INT64_C(1000000000000000000));
    assert_true(info.inode != 0);
    assert_int_equal(rsi_file_info_of(root, "none", &info), RAGSTORE_E_NOT_FOUND);
    assert_true(rsi_file_exists(root, "f"));
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NOT_FOUND); /* exists() leaves the error alone */
    assert_false(rsi_file_exists(root, "none"));
    rsi_root_close(root);
}

static void files_sha256__reads_the_whole_file(void **state)
{
    rsi_root *root = open_root(state);
    uint64_t size;
    char hex[65];
    char *zeros = calloc(1, 200000);

    assert_non_null(zeros);
    write_below(state, "abc", "abc");
    assert_int_equal(rsi_file_sha256(root, "abc", &size, hex), RAGSTORE_OK);
    assert_int_equal(size, 3);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(rsi_file_replace(root, "zeros", zeros, 200000), RAGSTORE_OK);
    assert_int_equal(rsi_file_sha256(root, "zeros", &size, hex), RAGSTORE_OK);
    assert_int_equal(size, 200000);
    assert_string_equal(hex, "4cbbd9be0cba685835755f827758705db5a413c5494c34262cd25946a73e7582");
    assert_int_equal(rsi_file_sha256(root, "none", &size, hex), RAGSTORE_E_NOT_FOUND);
    assert_string_equal(hex, "");
    free(zeros);
    rsi_root_close(root);
}

static void files_rename__moves_and_replaces(void **state)
{
    rsi_root *root = open_root(state);

    assert_int_equal(rsi_directory_make(root, "a"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(root, "b/c"), RAGSTORE_OK);
    write_below(state, "a/f", "new");
    write_below(state, "b/g", "old");
    assert_int_equal(rsi_file_rename(root, "a/f", "b/g"), RAGSTORE_OK);
    assert_content(state, "b/g", "new");
    assert_false(rsi_file_exists(root, "a/f"));
    assert_int_equal(rsi_file_rename(root, "a/f", "a/g"), RAGSTORE_E_NOT_FOUND);
    assert_message("rename a/f: to a/g");
    assert_int_equal(rsi_file_rename(root, "a", "b"), RAGSTORE_E_EXISTS);
    assert_int_equal(rsi_file_rename(root, "b", "z"), RAGSTORE_OK);
    assert_content(state, "z/g", "new");
    rsi_root_close(root);
}

static void files_remove__is_content_when_nothing_is_there(void **state)
{
    rsi_root *root = open_root(state);

    write_below(state, "f", "x");
    assert_int_equal(rsi_file_remove(root, "f"), RAGSTORE_OK);
    assert_false(rsi_file_exists(root, "f"));
    assert_int_equal(rsi_file_remove(root, "f"), RAGSTORE_OK);
    assert_int_equal(rsi_file_remove(root, "no/such/f"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(root, "d"), RAGSTORE_OK);
    assert_true(rsi_file_remove(root, "d") < 0);
    rsi_root_close(root);
}

/* As an ordinary user: the superuser may read everything. */
static void files_open__names_the_path_when_access_is_refused(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    char message[256] = "";
    int pipe_ends[2];

    assert_int_equal(mkdir(temporary_join(path, state, "api_storage"), 0755), 0);
    write_below(state, "api_storage/entities.json", "{}");
    assert_int_equal(chmod(temporary_path(state), 0755), 0);
    assert_int_equal(chmod(temporary_join(path, state, "api_storage/entities.json"), 0), 0);
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rsi_root *root;
        rsi_file *file;
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(2);
        if (rsi_root_open(&root, NULL, temporary_path(state), false) != RAGSTORE_OK)
            _exit(3);
        if (rsi_file_open(&file, root, RSI_PATH_ENTITIES, RSI_OPEN_READ) != RAGSTORE_E_PERMISSION)
            _exit(4);
        ssize_t written = write(pipe_ends[1], rsi_error_message(), strlen(rsi_error_message()));
        _exit(written > 0 ? 0 : 5);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    assert_true(read(pipe_ends[0], message, sizeof message - 1) > 0);
    assert_string_equal(message, "open api_storage/entities.json: Permission denied");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS 50

typedef struct worker {
    rsi_root *root;
    int number;
    int failures;
} worker;

static void *work(void *argument)
{
    worker *mine = argument;
    char path[32];
    rsi_bytes out = {0};

    snprintf(path, sizeof path, "d%d/f", mine->number);
    for (int i = 0; i < ROUNDS; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        if (rsi_file_replace(mine->root, path, text, strlen(text)) != RAGSTORE_OK ||
            rsi_file_read_all(mine->root, path, 16, &out) != RAGSTORE_OK ||
            strcmp(out.data, text) != 0)
            mine->failures++;
        if (rsi_file_exists(mine->root, "none"))
            mine->failures++;
    }
    rsi_bytes_free(&out);
    return NULL;
}

static void files_root__serves_several_threads(void **state)
{
    rsi_root *root = open_root(state);
    pthread_t threads[THREADS];
    worker workers[THREADS];

    for (int i = 0; i < THREADS; i++) {
        char path[32];
        workers[i] = (worker){root, i, 0};
        snprintf(path, sizeof path, "d%d", i);
        assert_int_equal(rsi_directory_make(root, path), RAGSTORE_OK);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].failures, 0);
    }
    rsi_root_close(root);
}

#define IN_TEMPORARY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

/* ---- files outside the store ---- */

static void files_outside__are_read_by_any_path_and_through_links(void **state)
{
    char link_path[TEMPORARY_PATH_MAX];
    char full[TEMPORARY_PATH_MAX];
    char text[4] = "";
    rsi_file *file;
    rsi_root *root = open_root(state);
    assert_int_equal(mkdir(temporary_join(full, state, "outer"), 0700), 0);
    write_below(state, "outer/a.faiss", "abc");
    temporary_join(full, state, "outer/../outer//a.faiss");
    temporary_join(link_path, state, "outer/b.faiss");
    assert_int_equal(symlink("a.faiss", link_path), 0);
    const char *const paths[] = {full, link_path};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rsi_file_open_outside(&file, root, paths[i]), 0);
        assert_string_equal(rsi_file_path(file), paths[i]);
        assert_int_equal(rsi_file_read_at(file, text, 3, 0), 0);
        assert_string_equal(text, "abc");
        assert_int_not_equal(rsi_file_write_at(file, "x", 1, 0), 0);
        assert_int_equal(rsi_file_close(file), 0);
    }
    rsi_root_close(root);
}

static void files_outside__that_are_no_files_are_refused(void **state)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_file *file;
    rsi_root *root = open_root(state);
    write_below(state, "a.faiss", "abc");
    assert_int_equal(rsi_file_open_outside(&file, root, ""), RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(file);
    assert_int_equal(rsi_file_open_outside(&file, root, temporary_path(state)),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_message("not a regular file");
    temporary_join(path, state, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(rsi_file_open_outside(&file, root, path), RAGSTORE_E_INVALID_ARGUMENT);
    temporary_join(path, state, "nothing");
    assert_int_equal(rsi_file_open_outside(&file, root, path), RAGSTORE_E_NOT_FOUND);
    assert_message(path);
    temporary_join(path, state, "a.faiss/below");
    assert_int_equal(rsi_file_open_outside(&file, root, path), RAGSTORE_E_NOT_FOUND);
    assert_null(file);
    rsi_root_close(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(files_root__makes_its_directory_for_its_owner_only),
        IN_TEMPORARY(files_root__refuses_what_is_not_a_directory),
        IN_TEMPORARY(files_root__takes_relative_paths),
        IN_TEMPORARY(files_root__may_be_a_link_itself),
        IN_TEMPORARY(files_open__refuses_paths_that_leave_the_store),
        IN_TEMPORARY(files_open__refuses_links_and_special_files),
        IN_TEMPORARY(files_open__follows_no_link_on_the_way),
        IN_TEMPORARY(files_open__names_the_path_when_access_is_refused),
        IN_TEMPORARY(files_file__reads_and_writes_at_offsets),
        IN_TEMPORARY(files_file__exclusive_creation_finds_what_is_there),
        IN_TEMPORARY(files_file__read_only_handles_cannot_write),
        IN_TEMPORARY(files_file__reserve_holds_blocks_and_no_bytes),
        IN_TEMPORARY(files_file__views_show_what_a_growing_file_gets),
        IN_TEMPORARY(files_file__views_no_byte_behind_the_end),
        IN_TEMPORARY(files_file__locks_exclude_other_handles),
        IN_TEMPORARY(files_file__never_uses_standard_descriptors),
        IN_TEMPORARY(files_file__descriptors_close_on_exec),
        IN_TEMPORARY(files_replace__is_complete_and_leaves_nothing_behind),
        IN_TEMPORARY(files_read_all__keeps_to_its_limit),
        IN_TEMPORARY(files_read_all__reads_on_when_a_file_grows),
        IN_TEMPORARY(files_info__tells_about_files),
        IN_TEMPORARY(files_sha256__reads_the_whole_file),
        IN_TEMPORARY(files_rename__moves_and_replaces),
        IN_TEMPORARY(files_remove__is_content_when_nothing_is_there),
        IN_TEMPORARY(files_outside__are_read_by_any_path_and_through_links),
        IN_TEMPORARY(files_outside__that_are_no_files_are_refused),
        IN_TEMPORARY(files_root__serves_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
