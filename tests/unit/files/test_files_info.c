/* lib/files/files.c and files_posix.c: what an open file is, and what asking for that costs. */
#include "files/files.h"

#include "base/status.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

static rsi_root *open_root(void **state)
{
    rsi_root *root;

    if (rsi_root_open(&root, NULL, temporary_path(state), true) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return root;
}

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void files_inspect__tells_what_the_path_tells_but_the_times(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *file;
    rsi_file_info by_path;
    rsi_file_info by_handle;
    uint64_t size;
    bool linked;

    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    assert_int_equal(rsi_file_write_at(file, "12345", 5, 0), RAGSTORE_OK);
    assert_int_equal(rsi_file_info_of(root, "f", &by_path), RAGSTORE_OK);
    assert_int_equal(rsi_file_inspect(file, &by_handle), RAGSTORE_OK);
    assert_int_equal(by_handle.device, by_path.device);
    assert_int_equal(by_handle.inode, by_path.inode);
    assert_int_equal(by_handle.size, 5);
    assert_int_equal(by_handle.links, 1);
    assert_int_equal(by_handle.kind, RSI_FILE_REGULAR);
    assert_int_equal(rsi_file_size(file, &size), RAGSTORE_OK);
    assert_int_equal(size, 5);
    assert_int_equal(rsi_file_is_linked(file, &linked), RAGSTORE_OK);
    assert_true(linked);
    assert_int_equal(rsi_file_remove(root, "f"), RAGSTORE_OK);
    assert_int_equal(rsi_file_is_linked(file, &linked), RAGSTORE_OK);
    assert_false(linked);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);

    assert_int_equal(rsi_root_info(root, &by_handle), RAGSTORE_OK);
    assert_int_equal(by_handle.kind, RSI_FILE_DIRECTORY);
    rsi_root_close(root);
}

/* Write twice, and look at the file in between: does the second write store a time of its own? It
 * does in any case when the clock that files take theirs from has ticked meanwhile. */
static bool stores_a_time(void **state, rsi_file *file)
{
    char path[TEMPORARY_PATH_MAX];
    struct timespec between;
    struct stat after;
    uint64_t size;
    bool linked;

    assert_int_equal(rsi_file_write_at(file, "a", 1, 0), RAGSTORE_OK);
    assert_int_equal(rsi_file_size(file, &size), RAGSTORE_OK);
    assert_int_equal(rsi_file_is_linked(file, &linked), RAGSTORE_OK);
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &between), 0);
    assert_int_equal(rsi_file_write_at(file, "b", 1, 0), RAGSTORE_OK);
    assert_int_equal(stat(temporary_join(path, state, "f"), &after), 0);
    return nanoseconds(after.st_mtim) >= nanoseconds(between);
}

/* Stored times are part of the next flush. Linux before 6.13 stores none that anybody asks for. */
static void files_inspect__lets_the_next_write_leave_the_times(void **state)
{
    rsi_root *root = open_root(state);
    rsi_file *file;
    int stored = 0;

    assert_int_equal(rsi_file_open(&file, root, "f", RSI_OPEN_WRITE | RSI_OPEN_CREATE), 0);
    for (int i = 0; i < 1000; i++)
        stored += stores_a_time(state, file);
    assert_in_range(stored, 0, 500);
    assert_int_equal(rsi_file_close(file), RAGSTORE_OK);
    rsi_root_close(root);
}

#define IN_TEMPORARY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(files_inspect__tells_what_the_path_tells_but_the_times),
        IN_TEMPORARY(files_inspect__lets_the_next_write_leave_the_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
