/* Large transactions whose chunk rows wait in a file, on a disk in memory. */
#include "storage_fixture.h"

#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "storage/check.h"
#include "storage/segment.h"

#include <errno.h>
#include <inttypes.h>

#define ROWS 200
#define TEXT_BYTES 200
#define SEGMENTS "entity_scoped/entities/" ENTITY "/segments"

static int setup(void **state)
{
    (void)state;
    rsi_segment_from = 2000; /* ten rows */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rsi_segment_from = (size_t)4 << 20;
    return 0;
}

static void assert_good(int status)
{
    if (status != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
}

/* Each row's value follows from its number. */
static void row_text(char out[TEXT_BYTES + 64], uint64_t number)
{
    int size = snprintf(out, 64, "{\"doc_id\":\"d1\",\"n\":%" PRIu64 ",\"text\":\"", number);
    memset(out + size, (int)('a' + number % 26), TEXT_BYTES);
    memcpy(out + size + TEXT_BYTES, "\"}", 3);
}

static int put_rows(rsi_tx *tx, uint64_t from, uint64_t to)
{
    char text[TEXT_BYTES + 64];
    int status = RAGSTORE_OK;
    for (uint64_t i = from; status == RAGSTORE_OK && i < to; i++) {
        row_text(text, i);
        status = storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, i, text);
    }
    return status;
}

static int commit_rows(rsi_storage *storage, uint64_t from, uint64_t to)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    return status == RAGSTORE_OK ? storage_end(tx, put_rows(tx, from, to)) : status;
}

typedef struct expected {
    uint64_t next;
} expected;

static int compare_row(void *user, uint64_t number, const char *json, size_t size)
{
    char text[TEXT_BYTES + 64];
    expected *rows = user;
    assert_int_equal(number, rows->next++);
    row_text(text, number);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(json, text, size);
    return RAGSTORE_OK;
}

/* Rows from … to - 1, and no others. */
static void assert_rows(rsi_storage *storage, uint64_t from, uint64_t to)
{
    expected rows = {from};
    uint64_t count;
    uint64_t next;
    assert_good(rsi_storage_rows(storage, RSI_SPACE_CHUNKS, ENTITY, 0, UINT64_MAX, compare_row,
                                 &rows));
    assert_int_equal(rows.next, to);
    assert_good(rsi_storage_row_count(&count, &next, storage, RSI_SPACE_CHUNKS, ENTITY));
    assert_int_equal(count, to - from);
    assert_int_equal(next, from == to ? 0 : to);
}

static int count_name(void *user, const char *name)
{
    *(size_t *)user += strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    return 0;
}

/* How many files there are, under whatever names. */
static size_t count_segments(power_disk *disk)
{
    size_t count = 0;
    int handle = storage_file(disk, SEGMENTS, RSI_OPEN_DIRECTORY);
    assert_int_equal(power_disk_table(disk)->list(disk, handle, count_name, &count), 0);
    power_disk_table(disk)->close(disk, handle);
    return count;
}

static rsi_storage *open_with_entity(power_disk *disk)
{
    rsi_tx *tx;
    rsi_storage *storage = storage_open_good(disk);
    assert_good(rsi_tx_begin(&tx, storage));
    int status = storage_put_text(tx, RSI_SPACE_ENTITIES, ENTITY, ENTITY_JSON);
    if (status == RAGSTORE_OK)
        status = rsi_tx_come(tx, ENTITY, INCARNATION);
    assert_good(storage_end(tx, status));
    return storage;
}

static void end(rsi_storage *storage, power_disk *disk)
{
    assert_good(rsi_storage_close(storage));
    rsi_storage_free(storage);
    assert_int_equal(power_disk_open_handles(disk), 0);
    power_disk_free(disk);
}

static void storage_segment__rows_are_read_from_it(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    rsi_tx *tx;
    assert_good(rsi_tx_begin(&tx, storage));
    assert_good(put_rows(tx, 0, ROWS));
    assert_rows(storage, 0, ROWS); /* its own, before they are committed */
    assert_int_equal(count_segments(disk), 1);
    assert_good(rsi_tx_commit(tx));
    assert_rows(storage, 0, ROWS);
    assert_int_equal(count_segments(disk), 1); /* the first ten rows are in the journal's line */
    rsi_storage_free(storage); /* killed */
    storage = storage_open_good(disk);
    assert_rows(storage, 0, ROWS);
    assert_good(rsi_storage_checkpoint(storage));
    assert_rows(storage, 0, ROWS);
    assert_good(commit_rows(storage, ROWS, 2 * ROWS)); /* over those of the file */
    assert_rows(storage, 0, 2 * ROWS);
    assert_good(rsi_storage_compact(storage));
    assert_rows(storage, 0, 2 * ROWS);
    assert_int_equal(count_segments(disk), 0);
    end(storage, disk);
}

/* Memory holds where rows lie, not the rows. */
static void storage_segment__keeps_rows_out_of_memory(void **state)
{
    enum { MANY = 20000 };
    (void)state;
    power_disk *disk = power_disk_new();
    fault_memory_install();
    rsi_storage *storage = open_with_entity(disk);
    const int64_t before = fault_memory_alive();
    assert_good(commit_rows(storage, 0, MANY));
    assert_in_range(fault_memory_alive() - before, 0, 100);
    assert_rows(storage, 0, MANY);
    end(storage, disk);
    fault_memory_restore();
}

static void storage_segment__goes_with_its_transaction(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    rsi_tx *tx;
    assert_good(rsi_tx_begin(&tx, storage));
    assert_good(put_rows(tx, 0, ROWS));
    rsi_tx_abort(tx);
    assert_rows(storage, 0, 0);
    assert_int_equal(count_segments(disk), 0);
    end(storage, disk);
}

/* What is done inside a nested one is undone alone. */
static void storage_segment__is_undone_with_a_nested_transaction(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    rsi_tx *tx;
    rsi_tx *inner;
    assert_good(rsi_tx_begin(&tx, storage));
    assert_good(put_rows(tx, 0, 50));
    assert_good(rsi_tx_begin(&inner, storage));
    assert_good(put_rows(inner, 50, ROWS));
    assert_rows(storage, 0, ROWS);
    rsi_tx_abort(inner);
    assert_rows(storage, 0, 50);
    assert_good(rsi_tx_begin(&inner, storage));
    assert_good(put_rows(inner, 50, 120));
    assert_good(rsi_tx_commit(inner));
    assert_good(put_rows(tx, 120, 150));
    assert_rows(storage, 0, 150);
    assert_good(rsi_tx_commit(tx));
    assert_rows(storage, 0, 150);
    rsi_storage_free(storage);
    storage = storage_open_good(disk);
    assert_rows(storage, 0, 150);
    end(storage, disk);
}

/* A batch that adds to an entity and then deletes it. */
static void storage_segment__is_not_needed_of_an_entity_that_goes(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    rsi_bytes value = {0};
    for (int round = 0; round < 2; round++) { /* rows that wait in memory, and in a file */
        rsi_tx *tx;
        rsi_segment_from = round == 0 ? (size_t)4 << 20 : 2000;
        assert_good(rsi_tx_begin(&tx, storage));
        if (round > 0) {
            assert_good(storage_put_text(tx, RSI_SPACE_ENTITIES, ENTITY, ENTITY_JSON));
            assert_good(rsi_tx_come(tx, ENTITY, INCARNATION));
        }
        assert_good(put_rows(tx, 0, 1000));
        assert_good(rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY));
        assert_good(rsi_tx_gone(tx, ENTITY, INCARNATION));
        assert_good(rsi_tx_commit(tx));
        assert_int_equal(rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY),
                         RAGSTORE_E_NOT_FOUND);
        rsi_storage_free(storage);
        storage = storage_open_good(disk);
        assert_int_equal(rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY),
                         RAGSTORE_E_NOT_FOUND);
    }
    rsi_bytes_free(&value);
    end(storage, disk);
}

/* Drops and later puts in the same transaction, and in the next. */
static void storage_segment__is_hidden_by_what_comes_later(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    rsi_tx *tx;
    assert_good(rsi_tx_begin(&tx, storage));
    assert_good(put_rows(tx, 0, 100));
    for (uint64_t i = 0; i < 40; i++)
        assert_good(rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, ENTITY, i));
    assert_good(put_rows(tx, 100, ROWS));
    assert_rows(storage, 40, ROWS);
    assert_good(rsi_tx_commit(tx));
    assert_rows(storage, 40, ROWS);
    assert_good(rsi_tx_begin(&tx, storage));
    for (uint64_t i = 40; i < 60; i++)
        assert_good(rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, ENTITY, i));
    assert_good(rsi_tx_commit(tx));
    assert_rows(storage, 60, ROWS);
    rsi_storage_free(storage);
    storage = storage_open_good(disk);
    assert_rows(storage, 60, ROWS);
    assert_good(rsi_storage_checkpoint(storage));
    assert_rows(storage, 60, ROWS);
    end(storage, disk);
}

static void storage_segment__is_followed_by_another_process(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    rsi_storage *other = storage_open_good(disk);
    assert_rows(other, 0, 0);
    assert_good(commit_rows(storage, 0, ROWS));
    assert_good(rsi_storage_follow(other));
    assert_rows(other, 0, ROWS);
    assert_good(rsi_storage_compact(storage)); /* the files of the rows go */
    assert_int_equal(count_segments(disk), 0);
    assert_good(rsi_storage_follow(other));
    assert_rows(other, 0, ROWS);
    assert_good(rsi_storage_close(other));
    rsi_storage_free(other);
    end(storage, disk);
}

static int take_name(void *user, const char *name)
{
    if (strstr(name, ".ndjson") != NULL) /* the last is the larger one */
        snprintf(user, RSI_PATH_MAX, SEGMENTS "/%s", name);
    return 0;
}

/* Change a byte in the value of the last row. */
static void damage(power_disk *disk)
{
    char path[RSI_PATH_MAX] = "";
    static char bytes[100000];
    int handle = storage_file(disk, SEGMENTS, RSI_OPEN_DIRECTORY);
    assert_int_equal(power_disk_table(disk)->list(disk, handle, take_name, path), 0);
    power_disk_table(disk)->close(disk, handle);
    size_t size = storage_read_file(disk, path, bytes, sizeof bytes);
    bytes[size - 10] ^= 1;
    storage_write_file(disk, path, bytes, size);
}

static int ignore_row(void *user, uint64_t number, const char *json, size_t size)
{
    (void)user;
    (void)number;
    (void)json;
    (void)size;
    return RAGSTORE_OK;
}

static int read_all_rows(rsi_storage *storage)
{
    return rsi_storage_rows(storage, RSI_SPACE_CHUNKS, ENTITY, 0, UINT64_MAX, ignore_row, NULL);
}

static void storage_segment__damage_is_told_not_served(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    assert_good(commit_rows(storage, 0, ROWS));
    damage(disk);
    assert_int_equal(read_all_rows(storage), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), ".ndjson: byte"));
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_E_DAMAGED);
    rsi_storage_free(storage);
    storage = storage_open_good(disk);
    assert_int_equal(read_all_rows(storage), RAGSTORE_E_DAMAGED);
    rsi_storage_close(storage);
    rsi_storage_free(storage);
    power_disk_free(disk);
}

/* Descriptors are few: further large commits are kept in memory, and are as good. */
static void storage_segment__so_many_are_open_at_most(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    size_t idle = power_disk_open_handles(disk);
    for (uint64_t i = 0; i < 100; i++)
        assert_good(commit_rows(storage, i * 20, (i + 1) * 20));
    assert_in_range(power_disk_open_handles(disk), idle + 32, idle + 66);
    assert_rows(storage, 0, 2000);
    rsi_storage_free(storage);
    storage = storage_open_good(disk);
    assert_rows(storage, 0, 2000);
    assert_good(rsi_storage_checkpoint(storage));
    assert_in_range(power_disk_open_handles(disk), 0, idle + 4);
    assert_rows(storage, 0, 2000);
    end(storage, disk);
}

/* ---- faults ---- */

/* A store with an entity opens, a large commit, checkpoint, close; *done: the commit stands. */
static int run(bool *done, const rsi_file_table *table)
{
    rsi_storage *storage;
    *done = false;
    int status = storage_open_on(&storage, table, 0);
    if (status != RAGSTORE_OK)
        return status;
    status = commit_rows(storage, 0, 60);
    *done = status == RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = read_all_rows(storage);
    if (status == RAGSTORE_OK)
        status = rsi_storage_checkpoint(storage);
    if (status == RAGSTORE_OK)
        status = read_all_rows(storage);
    int closed = rsi_storage_close(storage);
    rsi_storage_free(storage);
    return status == RAGSTORE_OK ? closed : status;
}

/* All of the commit or nothing; what was begun for nothing is gone when the store was opened
 * again. */
static void check(power_disk *disk, bool done, const char *what, uint64_t n)
{
    uint64_t count;
    if (power_disk_open_handles(disk) != 0)
        fail_msg("%s %u: a handle was left open", what, (unsigned)n);
    rsi_storage *storage = storage_open_good(disk);
    assert_good(rsi_storage_row_count(&count, NULL, storage, RSI_SPACE_CHUNKS, ENTITY));
    if (count != 60 && (done || count != 0))
        fail_msg("%s %u: %u rows", what, (unsigned)n, (unsigned)count);
    assert_rows(storage, 0, count);
    end(storage, disk);
}

static power_disk *make_disk(void)
{
    power_disk *disk = power_disk_new();
    rsi_storage *storage = open_with_entity(disk);
    assert_good(rsi_storage_close(storage));
    rsi_storage_free(storage);
    return disk;
}

static void storage_segment__survives_each_failing_allocation(void **state)
{
    bool failed = true;
    (void)state;
    fault_memory_install();
    for (uint64_t n = 1; failed; n++) {
        bool done;
        power_disk *disk = make_disk();
        int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = run(&done, power_disk_table(disk));
        failed = fault_memory_failed();
        fault_memory_disarm();
        if (fault_memory_alive() != alive)
            fail_msg("allocation %u: memory leaks", (unsigned)n);
        if (!failed)
            assert_good(status);
        check(disk, done, "allocation", n);
    }
    fault_memory_restore();
}

static void storage_segment__survives_each_failing_file_call(void **state)
{
    static const int errors[] = {EIO, ENOSPC};
    (void)state;
    for (size_t e = 0; e < 2; e++) {
        bool struck = true;
        for (int64_t n = 1; struck; n++) {
            fault_files faults;
            bool done;
            power_disk *disk = make_disk();
            fault_files_init(&faults, power_disk_table(disk));
            fault_files_fail(&faults, FAULT_ANY, n, errors[e], false);
            int status = run(&done, &faults.table);
            struck = fault_files_struck(&faults);
            if (!struck)
                assert_good(status);
            check(disk, done, "file call", (uint64_t)n);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(storage_segment__rows_are_read_from_it),
        TEST(storage_segment__keeps_rows_out_of_memory),
        TEST(storage_segment__goes_with_its_transaction),
        TEST(storage_segment__is_undone_with_a_nested_transaction),
        TEST(storage_segment__is_not_needed_of_an_entity_that_goes),
        TEST(storage_segment__is_hidden_by_what_comes_later),
        TEST(storage_segment__is_followed_by_another_process),
        TEST(storage_segment__damage_is_told_not_served),
        TEST(storage_segment__so_many_are_open_at_most),
        TEST(storage_segment__survives_each_failing_allocation),
        TEST(storage_segment__survives_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
