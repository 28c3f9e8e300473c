/*
 * Group commit: many threads, few flushes, nothing lost, nothing visible that a flush has not
 * made durable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/status.h"
#include "harness/fault_files.h"
#include "harness/temporary.h"
#include "ragstore.h"
#include "storage/storage.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 8
#define COMMITS 40

typedef struct writer {
    rsi_storage *storage;
    pthread_t thread;
    int number;
    int committed; /* acknowledged */
    int failed;    /* status of the first commit that failed, 0: none */
} writer;

static rsi_storage *open_storage(const char *path, const rsi_file_table *table)
{
    rsi_storage *storage;
    rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_FULL,
                                   .busy_timeout_ms = 20000,
                                   .files = table};
    if (rsi_storage_open(&storage, path, &options) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return storage;
}

static void close_storage(rsi_storage *storage)
{
    (void)rsi_storage_close(storage);
    rsi_storage_free(storage);
}

static int put(rsi_storage *storage, const char *key, uint64_t row, const char *json)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_tx_put(tx, RSI_SPACE_SESSIONS, key, json, strlen(json));
    if (status == RAGSTORE_OK)
        status = rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, key, row, json, strlen(json));
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_tx_abort(tx);
    return status;
}

static void *write_own_session(void *user)
{
    writer *w = user;
    char key[32];
    snprintf(key, sizeof key, "session_%d", w->number);
    for (int i = 0; i < COMMITS && w->failed == 0; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"n\":%d}", i);
        w->failed = put(w->storage, key, (uint64_t)i, json);
        w->committed += w->failed == 0;
    }
    return NULL;
}

/* Read the number of rows and add one, in one transaction. */
static void *append_to_shared_session(void *user)
{
    writer *w = user;
    for (int i = 0; i < COMMITS && w->failed == 0; i++) {
        rsi_tx *tx;
        uint64_t next;
        w->failed = rsi_tx_begin(&tx, w->storage);
        if (w->failed != 0)
            break;
        w->failed = rsi_storage_row_count(NULL, &next, w->storage, RSI_SPACE_SESSIONS, "shared");
        if (w->failed == 0)
            w->failed = rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, "shared", next, "{\"a\":1}", 7);
        if (w->failed == 0)
            w->failed = rsi_tx_commit(tx);
        else
            rsi_tx_abort(tx);
        w->committed += w->failed == 0;
    }
    return NULL;
}

static int run(rsi_storage *storage, writer writers[THREADS], void *(*body)(void *))
{
    int committed = 0;
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (writer){.storage = storage, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, body, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(writers[i].thread, NULL);
        committed += writers[i].committed;
    }
    return committed;
}

static uint64_t rows_of(rsi_storage *storage, const char *key)
{
    uint64_t count = 0;
    assert_int_equal(rsi_storage_row_count(&count, NULL, storage, RSI_SPACE_SESSIONS, key), 0);
    return count;
}

/* A flush that takes a while, so that commits gather behind it. */
static int (*real_flush_data)(void *self, int handle);

static int slow_flush_data(void *self, int handle)
{
    rsi_sleep_ms(2);
    return real_flush_data(self, handle);
}

static void storage_group__one_flush_serves_many(void **state)
{
    fault_files faults;
    writer writers[THREADS];
    fault_files_init(&faults, NULL);
    real_flush_data = faults.table.flush_data;
    faults.table.flush_data = slow_flush_data;
    rsi_storage *storage = open_storage(temporary_path(state), &faults.table);
    fault_files_reset_counts(&faults);
    assert_int_equal(run(storage, writers, write_own_session), THREADS * COMMITS);
    /* commits gather behind a flush: half as many flushes is far from what is reached */
    assert_true(fault_files_count(&faults, FAULT_FLUSH_DATA) < THREADS * COMMITS / 2);
    close_storage(storage);
    storage = open_storage(temporary_path(state), NULL);
    for (int i = 0; i < THREADS; i++) {
        char key[32];
        snprintf(key, sizeof key, "session_%d", i);
        assert_int_equal(rows_of(storage, key), COMMITS);
    }
    close_storage(storage);
}

static void storage_group__one_record_is_never_built_on_what_may_fail(void **state)
{
    writer writers[THREADS];
    rsi_storage *storage = open_storage(temporary_path(state), NULL);
    assert_int_equal(put(storage, "shared", 0, "{}"), 0);
    assert_int_equal(run(storage, writers, append_to_shared_session), THREADS * COMMITS);
    assert_int_equal(rows_of(storage, "shared"), THREADS * COMMITS + 1);
    close_storage(storage);
    storage = open_storage(temporary_path(state), NULL);
    assert_int_equal(rows_of(storage, "shared"), THREADS * COMMITS + 1);
    close_storage(storage);
}

static void storage_group__a_failed_flush_fails_all_and_shows_nothing(void **state)
{
    fault_files faults;
    writer writers[THREADS];
    fault_files_init(&faults, NULL);
    rsi_storage *storage = open_storage(temporary_path(state), &faults.table);
    fault_files_fail(&faults, FAULT_FLUSH_DATA, 5, EIO, true);
    int committed = run(storage, writers, write_own_session);
    assert_true(fault_files_struck(&faults));
    assert_true(committed < THREADS * COMMITS);
    int visible = 0;
    for (int i = 0; i < THREADS; i++) {
        char key[32];
        snprintf(key, sizeof key, "session_%d", i);
        assert_int_equal(writers[i].failed, RAGSTORE_E_FAILED);
        assert_int_equal(rows_of(storage, key), writers[i].committed);
        visible += writers[i].committed;
    }
    assert_int_equal(visible, committed);
    assert_int_equal(put(storage, "late", 0, "{}"), RAGSTORE_E_FAILED);
    fault_files_disarm(&faults);
    close_storage(storage);
    storage = open_storage(temporary_path(state), NULL); /* opens, with what was acknowledged */
    for (int i = 0; i < THREADS; i++) {
        char key[32];
        snprintf(key, sizeof key, "session_%d", i);
        assert_true(rows_of(storage, key) >= (uint64_t)writers[i].committed);
    }
    close_storage(storage);
}

static void storage_group__a_full_disk_fails_commits_and_keeps_the_store(void **state)
{
    fault_files faults;
    writer writers[THREADS];
    fault_files_init(&faults, NULL);
    rsi_storage *storage = open_storage(temporary_path(state), &faults.table);
    fault_files_fail(&faults, FAULT_WRITE, 30, ENOSPC, true);
    run(storage, writers, write_own_session);
    assert_true(fault_files_struck(&faults));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(writers[i].failed, RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&faults);
    assert_int_equal(put(storage, "after", 0, "{}"), 0); /* nothing was broken */
    close_storage(storage);
    storage = open_storage(temporary_path(state), NULL);
    for (int i = 0; i < THREADS; i++) {
        char key[32];
        snprintf(key, sizeof key, "session_%d", i);
        assert_int_equal(rows_of(storage, key), writers[i].committed);
    }
    assert_int_equal(rows_of(storage, "after"), 1);
    close_storage(storage);
}

/* Every fifth line of the journal finds the disk full; the file of the commit hint is smaller. */
static int64_t (*real_write)(void *self, int handle, const void *data, size_t size,
                             uint64_t offset);
static unsigned lines;

static int64_t write_all_but_some(void *self, int handle, const void *data, size_t size,
                                  uint64_t offset)
{
    if (size > 64 && ++lines % 5 == 0)
        return -ENOSPC;
    return real_write(self, handle, data, size, offset);
}

static void *note_what_is_acknowledged(void *user)
{
    writer *w = user;
    char key[32];
    snprintf(key, sizeof key, "session_%d", w->number);
    for (int i = 0; i < COMMITS; i++)
        w->committed += put(w->storage, key, (uint64_t)i, "{\"n\":1}") == 0;
    return NULL;
}

static void storage_group__a_commit_that_fails_fails_alone(void **state)
{
    writer writers[THREADS];
    rsi_file_table table = rsi_files_posix;
    real_write = table.write;
    real_flush_data = table.flush_data;
    rsi_storage *storage = open_storage(temporary_path(state), NULL);
    close_storage(storage);
    table.flush_data = slow_flush_data;
    storage = open_storage(temporary_path(state), &table);
    table.write = write_all_but_some; /* the storage has the table itself */
    int committed = run(storage, writers, note_what_is_acknowledged);
    table.write = real_write;
    assert_true(committed > 0 && committed < THREADS * COMMITS);
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < THREADS; i++) {
            char key[32];
            snprintf(key, sizeof key, "session_%d", i);
            assert_int_equal(rows_of(storage, key), writers[i].committed);
        }
        close_storage(storage);
        storage = open_storage(temporary_path(state), NULL);
    }
    close_storage(storage);
}

static void *checkpoint_often(void *user)
{
    writer *w = user;
    for (int i = 0; i < 10 && w->failed == 0; i++)
        w->failed = rsi_storage_checkpoint(w->storage);
    return NULL;
}

static void storage_group__checkpoints_and_readers_beside_commits(void **state)
{
    writer writers[THREADS];
    writer upkeep;
    rsi_storage *storage = open_storage(temporary_path(state), NULL);
    upkeep = (writer){.storage = storage};
    assert_int_equal(pthread_create(&upkeep.thread, NULL, checkpoint_often, &upkeep), 0);
    assert_int_equal(run(storage, writers, write_own_session), THREADS * COMMITS);
    pthread_join(upkeep.thread, NULL);
    assert_int_equal(upkeep.failed, 0);
    assert_int_equal(rsi_storage_count(storage, RSI_SPACE_SESSIONS), THREADS);
    close_storage(storage);
    storage = open_storage(temporary_path(state), NULL);
    for (int i = 0; i < THREADS; i++) {
        char key[32];
        snprintf(key, sizeof key, "session_%d", i);
        assert_int_equal(rows_of(storage, key), COMMITS);
    }
    close_storage(storage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(storage_group__one_flush_serves_many),
        TEST(storage_group__one_record_is_never_built_on_what_may_fail),
        TEST(storage_group__a_failed_flush_fails_all_and_shows_nothing),
        TEST(storage_group__a_full_disk_fails_commits_and_keeps_the_store),
        TEST(storage_group__a_commit_that_fails_fails_alone),
        TEST(storage_group__checkpoints_and_readers_beside_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
