/* The flushes of the POSIX table reach the operating system, on the right file, with the right
 * call.
 * This program's own fsync() and fdatasync() stand in for the C library's and note what they
 * get. */
#include "base/status.h"
#include "files/files.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct flushed {
    unsigned calls;
    ino_t inode; /* of the last one */
} flushed;

static flushed whole;
static flushed data;

static int note(flushed *what, int descriptor)
{
    struct stat status;
    assert_int_equal(fstat(descriptor, &status), 0);
    what->calls++;
    what->inode = status.st_ino;
    return 0;
}

int fsync(int descriptor)
{
    return note(&whole, descriptor);
}

int fdatasync(int descriptor)
{
    return note(&data, descriptor);
}

static ino_t inode_of(void **state, const char *below)
{
    char path[TEMPORARY_PATH_MAX];
    struct stat status;
    assert_int_equal(stat(temporary_join(path, state, below), &status), 0);
    return status.st_ino;
}

static void files_flush__reaches_the_system(void **state)
{
    rsi_root *root;
    rsi_file *file;
    assert_int_equal(rsi_root_open(&root, NULL, temporary_path(state), false), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE),
                     RAGSTORE_OK);
    assert_int_equal(rsi_file_write_at(file, "hello", 5, 0), RAGSTORE_OK);
    memset(&whole, 0, sizeof whole);
    memset(&data, 0, sizeof data);
    assert_int_equal(rsi_file_flush_data(file), RAGSTORE_OK);
    assert_int_equal(data.calls, 1);
    assert_int_equal(data.inode, inode_of(state, "f"));
    assert_int_equal(whole.calls, 0);
    assert_int_equal(rsi_file_flush(file), RAGSTORE_OK);
    assert_int_equal(whole.calls, 1);
    assert_int_equal(whole.inode, inode_of(state, "f"));
    assert_int_equal(rsi_directory_flush(root, ""), RAGSTORE_OK);
    assert_int_equal(whole.calls, 2);
    assert_int_equal(whole.inode, inode_of(state, "."));
    assert_int_equal(data.calls, 1);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_flush__reaches_the_system, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
