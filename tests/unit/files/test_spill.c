/* Bytes that go to a file when they are many: lib/files/spill.c. */
#include "files/spill.h"

#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/power_disk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "files/paths.h"
#include "ragstore.h"

#define TOTAL 5000

static int setup(void **state)
{
    (void)state;
    rsi_spill_from = 700;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rsi_spill_from = (size_t)2 << 20;
    return 0;
}

static char byte_at(size_t offset)
{
    return (char)('a' + offset * 7 % 26);
}

static void assert_bytes(const char *bytes, size_t from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte_at(from + i))
            fail_msg("byte %u is wrong", (unsigned)(from + i));
}

/* Pieces of 1, 2, 3 … bytes. */
static int fill(rsi_spill *spill)
{
    char piece[128];
    int status = RAGSTORE_OK;
    for (size_t done = 0, size = 1; status == RAGSTORE_OK && done < TOTAL; size = size % 120 + 1) {
        const size_t count = size < TOTAL - done ? size : TOTAL - done;
        for (size_t i = 0; i < count; i++)
            piece[i] = byte_at(done + i);
        status = rsi_spill_append(spill, piece, count);
        done += count;
    }
    return status;
}

/* Windows of every size, from front to back, then all at once. */
static int read_all(rsi_spill *spill)
{
    rsi_spill_reader reader = {.spill = spill};
    const char *bytes;
    int status = RAGSTORE_OK;
    assert_int_equal(rsi_spill_size(spill), TOTAL);
    for (size_t at = 0, size = 1; status == RAGSTORE_OK && at < TOTAL; size = size * 3 % 1000 + 1) {
        const size_t count = size < TOTAL - at ? size : TOTAL - at;
        status = rsi_spill_read(&bytes, &reader, at, count);
        if (status == RAGSTORE_OK)
            assert_bytes(bytes, at, count);
        at += count;
    }
    rsi_spill_reader_free(&reader);
    if (status == RAGSTORE_OK)
        status = rsi_spill_view(&bytes, spill);
    if (status == RAGSTORE_OK)
        assert_bytes(bytes, 0, TOTAL);
    return status;
}

static int count_name(void *user, const char *name)
{
    *(size_t *)user += strncmp(name, ".tmp-", 5) == 0;
    return 0;
}

typedef struct place {
    power_disk *disk;
    rsi_root *root;
} place;

static place make_place(const rsi_file_table *table, power_disk *disk)
{
    place at = {.disk = disk};
    assert_int_equal(rsi_root_open(&at.root, table, "/store", true), 0);
    assert_int_equal(rsi_directory_make(at.root, RSI_PATH_API_STORAGE), 0);
    return at;
}

static void end_place(place *at)
{
    size_t left = 0;
    assert_int_equal(rsi_directory_names(at->root, RSI_PATH_API_STORAGE, count_name, &left), 0);
    assert_int_equal(left, 0);
    rsi_root_close(at->root);
    assert_int_equal(power_disk_open_handles(at->disk), 0);
    assert_int_equal(power_disk_views(at->disk), 0);
    power_disk_free(at->disk);
}

static void files_spill__reads_what_was_appended(void **state)
{
    (void)state;
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        power_disk *disk = power_disk_new();
        place at = make_place(power_disk_table(disk), disk);
        rsi_spill spill = {.root = in_memory ? NULL : at.root};
        assert_int_equal(fill(&spill), 0);
        assert_int_equal(spill.file == NULL, in_memory);
        assert_int_equal(read_all(&spill), 0);
        rsi_spill_free(&spill);
        assert_int_equal(rsi_spill_size(&spill), 0);
        assert_int_equal(fill(&spill), 0); /* it can be used again */
        assert_int_equal(read_all(&spill), 0);
        rsi_spill_free(&spill);
        end_place(&at);
    }
}

/* Whoever dies leaves nothing: the file has no name while it is used. */
static void files_spill__has_no_name(void **state)
{
    size_t named = 0;
    (void)state;
    power_disk *disk = power_disk_new();
    place at = make_place(power_disk_table(disk), disk);
    rsi_spill spill = {.root = at.root};
    assert_int_equal(fill(&spill), 0);
    assert_non_null(spill.file);
    assert_int_equal(rsi_directory_names(at.root, RSI_PATH_API_STORAGE, count_name, &named), 0);
    assert_int_equal(named, 0);
    rsi_spill_free(&spill);
    end_place(&at);
}

static int use(rsi_root *root)
{
    rsi_spill spill = {.root = root};
    int status = fill(&spill);
    if (status == RAGSTORE_OK)
        status = read_all(&spill);
    rsi_spill_free(&spill);
    return status;
}

static void files_spill__survives_each_failing_allocation(void **state)
{
    bool failed = true;
    (void)state;
    power_disk *disk = power_disk_new();
    place at = make_place(power_disk_table(disk), disk);
    fault_memory_install();
    for (uint64_t n = 1; failed; n++) {
        fault_memory_fail(n, false);
        int status = use(at.root);
        failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_int_equal(fault_memory_alive(), 0);
    }
    fault_memory_restore();
    end_place(&at);
}

static void files_spill__survives_each_failing_file_call(void **state)
{
    bool struck = true;
    fault_files faults;
    (void)state;
    power_disk *disk = power_disk_new();
    fault_files_init(&faults, power_disk_table(disk));
    place at = make_place(&faults.table, disk);
    for (int64_t n = 1; struck; n++) {
        fault_files_fail(&faults, FAULT_ANY, n, ENOSPC, false);
        int status = use(at.root);
        struck = fault_files_struck(&faults);
        if (!struck)
            assert_int_equal(status, RAGSTORE_OK);
        else if (status != RAGSTORE_OK) /* closing a file that nobody needs may fail */
            assert_int_equal(status, RAGSTORE_E_DISK_FULL);
        fault_files_fail(&faults, FAULT_ANY, INT64_MAX, ENOSPC, false);
        size_t left = 0;
        assert_int_equal(rsi_directory_names(at.root, RSI_PATH_API_STORAGE, count_name, &left), 0);
        assert_in_range(left, 0, 1); /* removing was what failed: it is swept at the next open */
        rsi_directory_remove(at.root, RSI_PATH_API_STORAGE);
        assert_int_equal(rsi_directory_make(at.root, RSI_PATH_API_STORAGE), 0);
    }
    end_place(&at);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_spill__reads_what_was_appended),
        TEST(files_spill__has_no_name),
        TEST(files_spill__survives_each_failing_allocation),
        TEST(files_spill__survives_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
