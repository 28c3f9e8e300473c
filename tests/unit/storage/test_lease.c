/* The writer lock between openers on a real directory, with and without the thread that keeps
 * it. */
#include "storage_fixture.h"

#include "base/clock.h"
#include "harness/fault_files.h"
#include "harness/temporary.h"
#include "storage/lease.h"

#include <errno.h>
#include <pthread.h>

static void assert_good(int status)
{
    if (status != RAGSTORE_OK)
        fail_msg("%s: %s", rsi_status_name(status), rsi_error_message());
}

static rsi_storage *open_one(void **state, const rsi_file_table *files, bool keep_lease,
                             uint32_t busy_timeout_ms)
{
    char path[TEMPORARY_PATH_MAX];
    rsi_storage *storage;
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_NORMAL,
                                         .busy_timeout_ms = busy_timeout_ms,
                                         .files = files,
                                         .keep_lease = keep_lease};
    assert_good(rsi_storage_open(&storage, temporary_join(path, state, "store"), &options));
    return storage;
}

static void close_and_free(rsi_storage *storage)
{
    assert_good(rsi_storage_close(storage));
    rsi_storage_free(storage);
}

static int put(rsi_storage *storage, unsigned owner, unsigned number)
{
    char key[32];
    char json[128];
    rsi_tx *tx;
    snprintf(key, sizeof key, "s%u-%u", owner, number);
    snprintf(json, sizeof json, "{\"session_id\":\"%s\"}", key);
    int status = rsi_tx_begin(&tx, storage);
    return status == RAGSTORE_OK
               ? storage_end(tx, storage_put_text(tx, RSI_SPACE_SESSIONS, key, json))
               : status;
}

static void storage_lease__is_kept_while_nobody_waits(void **state)
{
    fault_files faults;
    fault_files_init(&faults, NULL);
    rsi_storage *storage = open_one(state, &faults.table, true, 5000);
    assert_good(put(storage, 0, 0));
    const uint64_t leases = rsi_storage_lease_count(storage);
    const int64_t from = rsi_monotonic_us();
    fault_files_reset_counts(&faults);
    for (unsigned i = 1; i <= 500; i++)
        assert_good(put(storage, 0, i));
    const int64_t took_ms = (rsi_monotonic_us() - from) / 1000;
    /* looked for waiters at most every 200 microseconds; taken again only after a pause */
    assert_true(fault_files_count(&faults, FAULT_LOCK) <= (uint64_t)(took_ms * 6 + 20));
    assert_true(rsi_storage_lease_count(storage) <= leases + (uint64_t)(took_ms / 4) + 1);
    assert_int_equal(fault_files_count(&faults, FAULT_WRITE), 2 * 500); /* line and commit file */
    close_and_free(storage);
}

/* Until a try was not itself slower than the time after which an idle one is given up. */
static void storage_lease__outlasts_a_pause(void **state)
{
    rsi_storage *storage = open_one(state, NULL, true, 5000);
    bool kept = false;
    for (unsigned i = 0; !kept && i < 100; i++) {
        assert_good(put(storage, 0, 2 * i));
        const uint64_t leases = rsi_storage_lease_count(storage);
        rsi_sleep_us(20000);
        assert_good(put(storage, 0, 2 * i + 1));
        kept = rsi_storage_lease_count(storage) == leases;
    }
    assert_true(kept);
    close_and_free(storage);
}

static void storage_lease__of_an_idle_opener_ends_by_itself(void **state)
{
    rsi_storage *storage = open_one(state, NULL, true, 5000);
    assert_good(put(storage, 0, 0));
    const int64_t until = rsi_monotonic_ms() + 20000;
    while (rsi_lease_is_held(storage) && rsi_monotonic_ms() < until)
        rsi_sleep_us(1000);
    assert_false(rsi_lease_is_held(storage));
    close_and_free(storage);
}

static void storage_lease__without_a_keeper_ends_with_the_transaction(void **state)
{
    rsi_storage *a = open_one(state, NULL, false, 0);
    rsi_storage *b = open_one(state, NULL, false, 0);
    for (unsigned i = 0; i < 50; i++) {
        assert_good(put(a, 0, i));
        assert_good(put(b, 1, i));
    }
    assert_int_equal(rsi_storage_lease_count(a), 50);
    close_and_free(a);
    close_and_free(b);
}

static void storage_lease__of_an_idle_opener_is_given_up_at_once(void **state)
{
    rsi_storage *a = open_one(state, NULL, true, 0);
    rsi_storage *b = open_one(state, NULL, true, 0);
    for (unsigned i = 0; i < 30; i++) {
        assert_good(put(a, 0, i)); /* without waiting: the other one is idle */
        assert_good(put(b, 1, i));
    }
    close_and_free(a);
    close_and_free(b);
}

/* ---- threads of two openers ---- */

#define COMMITS 150u

typedef struct writer {
    pthread_t thread;
    rsi_storage *storage;
    unsigned owner;
    int status;
    char message[RSI_MESSAGE_MAX];
} writer;

static void *write_many(void *user)
{
    writer *w = user;
    for (unsigned i = 0; w->status == RAGSTORE_OK && i < COMMITS; i++) {
        w->status = put(w->storage, w->owner, i);
        if (w->status == RAGSTORE_OK)
            w->status = rsi_storage_follow(w->storage);
    }
    if (w->status != RAGSTORE_OK)
        snprintf(w->message, sizeof w->message, "%s", rsi_error_message());
    return NULL;
}

static void *read_many(void *user)
{
    writer *w = user;
    rsi_bytes value = {0};
    size_t last = 0;
    for (unsigned i = 0; w->status == RAGSTORE_OK && i < 10 * COMMITS; i++) {
        w->status = rsi_storage_follow(w->storage);
        size_t count = rsi_storage_count(w->storage, RSI_SPACE_SESSIONS);
        if (count < last)
            w->status = RAGSTORE_E_INTERNAL;
        last = count;
        rsi_bytes_clear(&value);
        (void)rsi_storage_get(&value, w->storage, RSI_SPACE_SESSIONS, "s0-0");
    }
    rsi_bytes_free(&value);
    return NULL;
}

static void run_threads(rsi_storage *storages[2])
{
    writer threads[6];
    memset(threads, 0, sizeof threads);
    for (unsigned i = 0; i < 6; i++) {
        threads[i].storage = storages[i % 2];
        threads[i].owner = i;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, i < 4 ? write_many : read_many,
                                        &threads[i]),
                         0);
    }
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
    for (unsigned i = 0; i < 6; i++)
        if (threads[i].status != RAGSTORE_OK)
            fail_msg("thread %u: %s", i, threads[i].message);
}

static void storage_lease__threads_of_two_openers_lose_nothing(void **state)
{
    for (unsigned kept = 0; kept < 4; kept++) {
        rsi_storage *storages[2];
        for (unsigned i = 0; i < 2; i++)
            storages[i] = open_one(state, NULL, (kept >> i & 1) != 0, 30000);
        run_threads(storages);
        for (unsigned i = 0; i < 2; i++) {
            assert_good(rsi_storage_follow(storages[i]));
            assert_int_equal(rsi_storage_count(storages[i], RSI_SPACE_SESSIONS), 4 * COMMITS);
        }
        assert_good(rsi_storage_checkpoint(storages[kept % 2]));
        close_and_free(storages[0]);
        close_and_free(storages[1]);
    }
}

/* ---- faults ---- */

static void storage_lease__a_lock_that_fails_is_an_error_and_no_more(void **state)
{
    fault_files faults;
    fault_files_init(&faults, NULL);
    rsi_storage *a = open_one(state, NULL, false, 0);
    rsi_storage *b = open_one(state, &faults.table, false, 0);
    assert_good(put(a, 0, 0));
    static const fault_call calls[] = {FAULT_LOCK, FAULT_READ, FAULT_INFO};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        fault_files_fail(&faults, calls[i], 1, EIO, false);
        assert_int_equal(put(b, 1, 1), RAGSTORE_E_IO);
        fault_files_disarm(&faults);
        assert_good(put(a, 0, 1)); /* the lock was let go */
        assert_good(put(b, 1, 1));
    }
    close_and_free(a);
    close_and_free(b);
}

#define IN_TEMPORARY(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPORARY(storage_lease__is_kept_while_nobody_waits),
        IN_TEMPORARY(storage_lease__outlasts_a_pause),
        IN_TEMPORARY(storage_lease__of_an_idle_opener_ends_by_itself),
        IN_TEMPORARY(storage_lease__without_a_keeper_ends_with_the_transaction),
        IN_TEMPORARY(storage_lease__of_an_idle_opener_is_given_up_at_once),
        IN_TEMPORARY(storage_lease__threads_of_two_openers_lose_nothing),
        IN_TEMPORARY(storage_lease__a_lock_that_fails_is_an_error_and_no_more),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
