/*
 * The POSIX table on a kernel without openat2, statx and open-file-description locks. This program
 * forbids all to itself (seccomp), so that the step-wise walk of files_posix_open.c, fstat() and
 * the lock of the whole file serve it.
 */
#include "files/files.h"

#include "base/status.h"
#include "harness/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* From now on openat2 and statx fail with `error`, and fcntl(F_OFD_SETLK) and F_OFD_GETLK with EINVAL. */
static bool forbid(unsigned error)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_OFD_GETLK, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_OFD_SETLK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    struct open_how how = {0};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how) == -1 && errno == (int)error;
}

static rsi_root *open_root(void **state)
{
    rsi_root *root;

    if (rsi_root_open(&root, NULL, temporary_path(state), true) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return root;
}

static void files_fallback__tells_what_an_open_file_is(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *file;
    rsi_file_info by_path;
    rsi_file_info by_handle;
    bool linked;

    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_int_equal(rsi_file_write_at(file, "12345", 5, 0), RAGSTORE_OK);
    assert_int_equal(rsi_file_info_of(root, "f", &by_path), RAGSTORE_OK);
    assert_int_equal(rsi_file_inspect(file, &by_handle), RAGSTORE_OK);
    assert_int_equal(by_handle.device, by_path.device);
    assert_int_equal(by_handle.inode, by_path.inode);
    assert_int_equal(by_handle.size, 5);
    assert_int_equal(rsi_file_remove(root, "f"), RAGSTORE_OK);
    assert_int_equal(rsi_file_is_linked(file, &linked), RAGSTORE_OK);
    assert_false(linked);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

static void files_fallback__closes_each_step(void **state)
{
    rsi_root *root = open_root(state);
    rsi_bytes out = {0};

    assert_int_equal(rsi_directory_make(root, "a/b/c"), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "a/b/c/f", "x", 1), RAGSTORE_OK);
    size_t before = temporary_count("/proc/self/fd");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rsi_file_read_all(root, "a/b/c/f", 1, &out), RAGSTORE_OK);
        assert_int_equal(rsi_file_read_all(root, "a/b/none/f", 1, &out), RAGSTORE_E_NOT_FOUND);
        assert_int_equal(rsi_directory_make(root, "a/b/c/d"), RAGSTORE_OK);
        assert_int_equal(rsi_directory_remove(root, "a/b/c/d"), RAGSTORE_OK);
    }
    assert_int_equal(temporary_count("/proc/self/fd"), before);
    rsi_root_close(root);
}

static void files_fallback__reads_and_replaces_below_directories(void **state)
{
    rsi_root *root = open_root(state);
    rsi_bytes out = {0};

    assert_int_equal(rsi_directory_make(root, "a/b/c"), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "a/b/c/f", "content", 7), RAGSTORE_OK);
    assert_int_equal(rsi_file_replace(root, "top", "x", 1), RAGSTORE_OK);
    assert_int_equal(rsi_file_read_all(root, "a/b/c/f", 7, &out), RAGSTORE_OK);
    assert_string_equal(out.data, "content");
    assert_int_equal(rsi_file_read_all(root, "a/none/f", 7, &out), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_file_read_all(root, "top/f", 7, &out), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_file_rename(root, "a/b/c/f", "g"), RAGSTORE_OK);
    assert_int_equal(rsi_directory_remove(root, "a"), RAGSTORE_OK);
    assert_int_equal(temporary_count(temporary_path(state)), 2);
    rsi_root_close(root);
}

static void files_fallback__follows_no_link_at_any_step(void **state)
{
    static const char *const through[] = {"d/l/f", "l/f", "l/s/f", "d/l/s/f"};
    char path[TEMPORARY_PATH_MAX];
    char outside[TEMPORARY_PATH_MAX];
    char inner[TEMPORARY_PATH_MAX];
    rsi_root *root;
    rsi_bytes out = {0};

    assert_int_equal(mkdir(temporary_join(outside, state, "outside"), 0700), 0);
    assert_int_equal(mkdir(temporary_join(path, state, "outside/s"), 0700), 0);
    temporary_write(temporary_join(path, state, "outside/f"), "secret", 6);
    temporary_write(temporary_join(inner, state, "outside/s/f"), "secret", 6);
    assert_int_equal(rsi_root_open(&root, NULL, temporary_join(path, state, "store"), true), 0);
    assert_int_equal(rsi_directory_make(root, "d"), RAGSTORE_OK);
    assert_int_equal(symlink(outside, temporary_join(path, state, "store/l")), 0);
    assert_int_equal(symlink(outside, temporary_join(path, state, "store/d/l")), 0);
    assert_int_equal(symlink("d", temporary_join(path, state, "store/inside")), 0);
    assert_int_equal(symlink(inner, temporary_join(path, state, "store/file")), 0);

    for (size_t i = 0; i < sizeof through / sizeof through[0]; i++) {
        assert_int_equal(rsi_file_read_all(root, through[i], 100, &out), RAGSTORE_E_DAMAGED);
        assert_non_null(strstr(rsi_error_message(), "symbolic link"));
        assert_int_equal(rsi_file_replace(root, through[i], "", 0), RAGSTORE_E_DAMAGED);
        assert_int_equal(rsi_file_remove(root, through[i]), RAGSTORE_E_DAMAGED);
    }
    assert_int_equal(rsi_file_read_all(root, "file", 100, &out), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_flush(root, "inside"), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_directory_flush(root, "l/s"), RAGSTORE_E_DAMAGED);
    assert_true(temporary_exists(inner));
    rsi_root_close(root);
}

/* The table itself, without the check of paths above it. */
static void files_fallback__never_steps_up(void **state)
{
    static const char *const paths[] = {"..",          "../x", "d/../../x", "d/..",
                                        "/etc/passwd", "d//x", ""};
    const rsi_file_table *table = &rsi_files_posix;
    rsi_root *root = open_root(state);

    assert_int_equal(rsi_directory_make(root, "d"), RAGSTORE_OK);
    int handle =
        table->open(table->self, -1, temporary_path(state), RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    assert_true(handle >= 0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(table->open(table->self, handle, paths[i], RSI_OPEN_READ), -EXDEV);
    assert_int_equal(table->close(table->self, handle), 0);
    rsi_root_close(root);
}

static void files_fallback__locks_the_whole_file(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *a;
    rsi_file *b;
    rsi_file *c;

    assert_int_equal(rsi_file_open(&a, root, "LOCK", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_int_equal(rsi_file_open(&b, root, "LOCK", RSI_OPEN_WRITE), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&c, root, "LOCK", RSI_OPEN_WRITE), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(c), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 5, 1, RSI_LOCK_SHARED), RAGSTORE_E_BUSY);
    assert_int_equal(rsi_file_lock(b, 5, 1, RSI_LOCK_LOOK), RAGSTORE_E_UNSUPPORTED);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_SHARED), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_SHARED), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(a, 0, 1, RSI_LOCK_NONE), RAGSTORE_OK);
    assert_int_equal(rsi_file_lock(b, 0, 1, RSI_LOCK_EXCLUSIVE), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(a), RAGSTORE_OK);
    assert_int_equal(rsi_file_close(b), RAGSTORE_OK);
    rsi_root_close(root);
}

/* Sandboxes answer EPERM where old kernels answer ENOSYS. */
static void files_fallback__serves_sandboxes_as_well(void **state)
{
    assert_true(forbid(EPERM));
    files_fallback__reads_and_replaces_below_directories(state);
    files_fallback__tells_what_an_open_file_is(state);
}

#define IN_TEMPORARY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(files_fallback__reads_and_replaces_below_directories),
        IN_TEMPORARY(files_fallback__tells_what_an_open_file_is),
        IN_TEMPORARY(files_fallback__closes_each_step),
        IN_TEMPORARY(files_fallback__follows_no_link_at_any_step),
        IN_TEMPORARY(files_fallback__never_steps_up),
        IN_TEMPORARY(files_fallback__locks_the_whole_file),
        IN_TEMPORARY(files_fallback__serves_sandboxes_as_well),
    };

    if (!forbid(ENOSYS)) {
        print_message("this system has no seccomp filters: the fallbacks are not tested\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
