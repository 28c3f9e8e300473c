/* The commit file: what is written is read, and nothing else is believed. */
#include "storage_fixture.h"

#include "storage/commit_hint.h"

static void storage_commit_hint__gives_back_what_was_written(void **state)
{
    (void)state;
    static const rsi_hint hints[] = {
        {1, 0, 0, RSI_HINT_OK},
        {7, 48112, 915, RSI_HINT_UNFLUSHED},
        {9999999999u, 999999999999999u, UINT64_MAX, RSI_HINT_FAILED},
        {12, 34, 56, RSI_HINT_BUSY},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        rsi_hint read;
        char bytes[RSI_HINT_SIZE];
        rsi_hint_encode(bytes, &hints[i]);
        assert_int_equal(bytes[RSI_HINT_SIZE - 1], '\n');
        assert_null(memchr(bytes, '\0', sizeof bytes));
        rsi_hint_decode(&read, bytes);
        assert_int_equal(read.generation, hints[i].generation);
        assert_int_equal(read.end, hints[i].end);
        assert_int_equal(read.sequence, hints[i].sequence);
        assert_int_equal(read.state, hints[i].state);
    }
}

static void storage_commit_hint__believes_no_changed_bit(void **state)
{
    (void)state;
    const rsi_hint hint = {7, 48112, 915, RSI_HINT_OK};
    char bytes[RSI_HINT_SIZE];
    rsi_hint_encode(bytes, &hint);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        rsi_hint read;
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        rsi_hint_decode(&read, bytes);
        assert_int_equal(read.state, RSI_HINT_NONE);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    }
}

static void storage_commit_hint__a_file_that_is_too_short_says_nothing(void **state)
{
    (void)state;
    static const rsi_hint hint = {7, 48112, 915, RSI_HINT_OK};
    rsi_root *root;
    rsi_file *file;
    rsi_hint read;
    power_disk *disk = power_disk_new();
    assert_int_equal(rsi_root_open(&root, power_disk_table(disk), "/store", true), RAGSTORE_OK);
    assert_int_equal(rsi_file_open(&file, root, "commit", RSI_OPEN_WRITE | RSI_OPEN_CREATE),
                     RAGSTORE_OK);
    assert_int_equal(rsi_hint_read(&read, file), RAGSTORE_OK);
    assert_int_equal(read.state, RSI_HINT_NONE);
    assert_int_equal(rsi_hint_write(file, &hint), RAGSTORE_OK);
    assert_int_equal(rsi_hint_read(&read, file), RAGSTORE_OK);
    assert_int_equal(read.sequence, 915);
    assert_int_equal(rsi_file_truncate(file, 63), RAGSTORE_OK);
    assert_int_equal(rsi_hint_read(&read, file), RAGSTORE_OK);
    assert_int_equal(read.state, RSI_HINT_NONE);
    rsi_file_close(file);
    rsi_root_close(root);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_commit_hint__gives_back_what_was_written),
        cmocka_unit_test(storage_commit_hint__believes_no_changed_bit),
        cmocka_unit_test(storage_commit_hint__a_file_that_is_too_short_says_nothing),
    };
    return cmocka_run_group_tests_name("commit_hint", tests, NULL, NULL);
}
