/* The disk itself: what is flushed stays, what is not may go, in every mixture. */
#include "harness/power_disk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

static const rsi_file_table *table_of(power_disk *disk)
{
    return power_disk_table(disk);
}

static int open_file(power_disk *disk, const char *path)
{
    int handle =
        table_of(disk)->open(disk, -1, path, RSI_OPEN_ROOT | RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    assert_true(handle >= 0);
    return handle;
}

static void put(power_disk *disk, int handle, const char *text, uint64_t offset)
{
    assert_int_equal(table_of(disk)->write(disk, handle, text, strlen(text), offset), strlen(text));
}

static void flush_root(power_disk *disk)
{
    int root = table_of(disk)->open(disk, -1, "/", RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    assert_int_equal(table_of(disk)->flush(disk, root), 0);
    assert_int_equal(table_of(disk)->close(disk, root), 0);
}

/* The bytes of a file as text, or NULL when there is none. Takes the disk. */
static const char *read_and_free(power_disk *disk, const char *path)
{
    static char text[8192];
    const char *found = NULL;
    memset(text, 0, sizeof text);
    int handle = table_of(disk)->open(disk, -1, path, RSI_OPEN_ROOT);
    if (handle >= 0) {
        int64_t size = table_of(disk)->read(disk, handle, text, sizeof text - 1, 0);
        assert_true(size >= 0);
        text[size] = '\0';
        found = text;
    }
    power_disk_free(disk);
    return found;
}

static void crash_power_disk__keeps_names_and_bytes_apart(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    int handle = open_file(disk, "/a");
    put(disk, handle, "hello", 0);
    assert_int_equal(table_of(disk)->flush_data(disk, handle), 0);
    assert_null(read_and_free(power_disk_cut(disk, POWER_KEEP_NOTHING), "/a"));
    assert_string_equal(read_and_free(power_disk_cut(disk, POWER_KEEP_ALL), "/a"),
                        "hello");
    flush_root(disk);
    put(disk, handle, "J", 0);
    assert_string_equal(read_and_free(power_disk_cut(disk, POWER_KEEP_NOTHING), "/a"),
                        "hello");
    assert_int_equal(power_disk_pending(disk), 1);
    power_disk_free(disk);
}

static void crash_power_disk__tears_writes_at_sectors(void **state)
{
    (void)state;
    static char block[4 * 512 + 1];
    power_disk *disk = power_disk_new();
    unsigned seen = 0;
    memset(block, 'x', sizeof block - 1);
    int handle = open_file(disk, "/a");
    flush_root(disk);
    put(disk, handle, block, 0);
    for (uint64_t seed = 0; seed < 2000; seed++) {
        power_disk *after = power_disk_cut(disk, seed);
        int copy = open_file(after, "/a");
        char out[sizeof block];
        int64_t size = table_of(after)->read(after, copy, out, sizeof out, 0);
        unsigned kept = 0;
        for (int64_t at = 0; at < size; at += 512) {
            assert_true(out[at] == 'x' || out[at] == '\0');
            for (int64_t i = at; i < size && i < at + 512; i++)
                assert_int_equal(out[i], out[at]);
            kept |= out[at] == 'x' ? 1u << (at / 512) : 0;
        }
        seen |= 1u << kept;
        power_disk_free(after);
    }
    assert_int_equal(seen, 0xffff); /* each subset of the four sectors */
    power_disk_free(disk);
}

static void crash_power_disk__keeps_earlier_writes_of_a_sector(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    int handle = open_file(disk, "/a");
    flush_root(disk);
    put(disk, handle, "one", 0);
    put(disk, handle, "two", 3);
    for (uint64_t seed = 0; seed < 500; seed++) {
        const char *text = read_and_free(power_disk_cut(disk, seed), "/a");
        assert_true(memchr(text, 't', 4) == NULL || strncmp(text, "onetwo", 6) == 0);
    }
    power_disk_free(disk);
}

static void crash_power_disk__shows_all_of_a_rename_or_nothing(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    const rsi_file_table *table = table_of(disk);
    unsigned seen = 0;
    assert_int_equal(table->make_directory(disk, -1, "/d"), 0);
    int handle = open_file(disk, "/d/a");
    put(disk, handle, "new", 0);
    put(disk, open_file(disk, "/b"), "old", 0);
    int directory = table->open(disk, -1, "/d", RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    table->flush(disk, directory);
    table->flush(disk, handle);
    flush_root(disk);
    int root = table->open(disk, -1, "/", RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    assert_int_equal(table->rename(disk, root, "d/a", "b"), 0);
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool source = read_and_free(power_disk_cut(disk, seed), "/d/a") != NULL;
        const char *target = read_and_free(power_disk_cut(disk, seed), "/b");
        assert_non_null(target);
        assert_int_equal(source, strcmp(target, "new") != 0);
        seen |= source ? 1 : 2;
    }
    assert_int_equal(seen, 3);
    assert_int_equal(table->flush(disk, directory), 0);
    assert_string_equal(read_and_free(power_disk_cut(disk, POWER_KEEP_NOTHING), "/b"),
                        "new");
    power_disk_free(disk);
}

static void crash_power_disk__keeps_an_old_size_or_the_new_one(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    unsigned seen = 0;
    int handle = open_file(disk, "/a");
    put(disk, handle, "long text", 0);
    table_of(disk)->flush(disk, handle);
    flush_root(disk);
    table_of(disk)->truncate(disk, handle, 4);
    for (uint64_t seed = 0; seed < 100; seed++) {
        const char *text = read_and_free(power_disk_cut(disk, seed), "/a");
        assert_true(strcmp(text, "long text") == 0 || strcmp(text, "long") == 0);
        seen |= text[4] == '\0' ? 1 : 2;
    }
    assert_int_equal(seen, 3);
    power_disk_free(disk);
}

static void crash_power_disk__locks_by_open_file_description(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    const rsi_file_table *table = table_of(disk);
    int one = open_file(disk, "/a");
    int two = open_file(disk, "/a");
    assert_int_equal(table->lock(disk, one, 0, 4, RSI_LOCK_EXCLUSIVE), 0);
    assert_int_equal(table->lock(disk, one, 1, 1, RSI_LOCK_NONE), 0);
    assert_int_equal(table->lock(disk, two, 1, 1, RSI_LOCK_SHARED), 0);
    assert_int_equal(table->lock(disk, two, 2, 1, RSI_LOCK_SHARED), -EAGAIN);
    assert_int_equal(table->lock(disk, two, 0, 1, RSI_LOCK_SHARED), -EAGAIN);
    table->close(disk, one);
    assert_int_equal(table->lock(disk, two, 0, 0, RSI_LOCK_EXCLUSIVE), 0);
    power_disk_free(disk);
}

static void crash_power_disk__answers_as_a_file_system_does(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    const rsi_file_table *table = table_of(disk);
    rsi_file_info info;
    const void *bytes;
    assert_int_equal(table->make_directory(disk, -1, "/d"), 0);
    assert_int_equal(table->make_directory(disk, -1, "/d"), -EEXIST);
    assert_int_equal(table->make_directory(disk, -1, "/x/y"), -ENOENT);
    int handle = open_file(disk, "/d/a");
    put(disk, handle, "b", 2);
    int root = table->open(disk, -1, "/", RSI_OPEN_ROOT | RSI_OPEN_DIRECTORY);
    assert_int_equal(table->open(disk, root, "d/a", RSI_OPEN_DIRECTORY), -ENOTDIR);
    assert_int_equal(table->open(disk, root, "d/a/b", RSI_OPEN_READ), -ENOTDIR);
    assert_int_equal(table->open(disk, root, "d", RSI_OPEN_WRITE), -EISDIR);
    assert_int_equal(
        table->open(disk, root, "d/a", RSI_OPEN_WRITE | RSI_OPEN_CREATE | RSI_OPEN_EXCLUSIVE),
        -EEXIST);
    assert_int_equal(table->remove(disk, root, "d", true), -ENOTEMPTY);
    assert_int_equal(table->remove(disk, root, "d/a", true), -ENOTDIR);
    assert_int_equal(table->info_at(disk, root, "d/a", &info), 0);
    assert_int_equal(info.size, 3);
    assert_int_equal(info.links, 1);
    assert_int_equal(table->view(disk, handle, 3, &bytes), 0);
    assert_memory_equal(bytes, "\0\0b", 3);
    table->unview(disk, bytes, 3);
    assert_int_equal(table->remove(disk, root, "d/a", false), 0);
    assert_int_equal(table->info(disk, handle, false, &info), 0);
    assert_int_equal(info.links, 0);
    assert_int_equal(table->remove(disk, root, "d", true), 0);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crash_power_disk__keeps_names_and_bytes_apart),
        cmocka_unit_test(crash_power_disk__tears_writes_at_sectors),
        cmocka_unit_test(crash_power_disk__keeps_earlier_writes_of_a_sector),
        cmocka_unit_test(crash_power_disk__shows_all_of_a_rename_or_nothing),
        cmocka_unit_test(crash_power_disk__keeps_an_old_size_or_the_new_one),
        cmocka_unit_test(crash_power_disk__locks_by_open_file_description),
        cmocka_unit_test(crash_power_disk__answers_as_a_file_system_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
