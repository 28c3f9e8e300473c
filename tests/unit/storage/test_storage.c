/* storage.h as a black box: what it promises, and each error that it documents. */
#include "base/clock.h"
#include "storage/storage_internal.h"
#include "storage_fixture.h"

#include "harness/fault_files.h"

#include <errno.h>
#include <sched.h>
#include <pthread.h>

static void assert_error(int status, int code)
{
    if (status != code)
        fail_msg("%s instead of %s: %s", rsi_status_name(status), rsi_status_name(code),
                 status == RAGSTORE_OK ? "" : rsi_error_message());
}

static void close_and_free(rsi_storage *storage)
{
    assert_error(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
}

/* ---- what is put is there ---- */

static void storage__gives_back_what_was_committed(void **state)
{
    (void)state;
    rsi_bytes value = {0};
    uint64_t count;
    uint64_t next;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);

    assert_error(rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY), RAGSTORE_OK);
    assert_string_equal(value.data, ENTITY_JSON);
    rsi_bytes_clear(&value);
    assert_error(rsi_storage_row_get(&value, storage, RSI_SPACE_CHUNKS, ENTITY, 0), RAGSTORE_OK);
    assert_string_equal(value.data, CHUNK_JSON);
    assert_error(rsi_storage_row_count(&count, &next, storage, RSI_SPACE_ENTITIES, ENTITY),
                 RAGSTORE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(next, 3);
    assert_int_equal(rsi_storage_count(storage, RSI_SPACE_SESSIONS), 1);
    rsi_bytes_free(&value);
    close_and_free(storage);
    assert_int_equal(power_disk_open_handles(disk), 0);
    power_disk_free(disk);
}

static void storage__keeps_its_id(void **state)
{
    (void)state;
    char id[64];
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    snprintf(id, sizeof id, "%s", rsi_storage_id(storage));
    assert_int_equal(strlen(id), 32);
    close_and_free(storage);
    storage = storage_open_good(disk);
    assert_string_equal(rsi_storage_id(storage), id);
    close_and_free(storage);
    power_disk_free(disk);
}

typedef struct seen {
    char keys[200];
    int stop;
} seen;

static int see_record(void *user, const char *key, const char *json, size_t size)
{
    seen *in = user;
    assert_int_equal(strlen(json), size);
    strcat(strcat(in->keys, key), " ");
    return in->stop;
}

static int see_row(void *user, uint64_t number, const char *json, size_t size)
{
    seen *in = user;
    assert_int_equal(strlen(json), size);
    snprintf(in->keys + strlen(in->keys), 20, "%u ", (unsigned)number);
    return in->stop;
}

static void storage__visits_in_order_and_stops_when_told(void **state)
{
    (void)state;
    rsi_tx *tx;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    assert_error(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    storage_put_text(tx, RSI_SPACE_SESSIONS, "s0", "{\"entity_id\":\"other\"}");
    storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, 7, DOCUMENT_JSON);
    storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, 5, DOCUMENT_JSON);
    assert_error(rsi_tx_commit(tx), RAGSTORE_OK);

    seen all = {0};
    assert_int_equal(rsi_storage_each(storage, RSI_SPACE_SESSIONS, see_record, &all), 0);
    assert_string_equal(all.keys, "s1 s0 ");
    seen first = {.stop = 17};
    assert_int_equal(rsi_storage_each(storage, RSI_SPACE_SESSIONS, see_record, &first), 17);
    assert_string_equal(first.keys, "s1 ");
    seen some = {0};
    assert_int_equal(rsi_storage_sessions_of(storage, ENTITY, see_record, &some), 0);
    assert_string_equal(some.keys, "s1 ");
    seen rows = {0};
    assert_int_equal(
        rsi_storage_rows(storage, RSI_SPACE_ENTITIES, ENTITY, 3, UINT64_MAX, see_row, &rows), 0);
    assert_string_equal(rows.keys, "5 7 ");
    seen one = {0};
    assert_int_equal(rsi_storage_rows(storage, RSI_SPACE_ENTITIES, ENTITY, 0, 1, see_row, &one),
                     0);
    assert_string_equal(one.keys, "2 ");
    close_and_free(storage);
    power_disk_free(disk);
}

/* ---- transactions ---- */

static void count_end(void *user, bool committed)
{
    ((int *)user)[committed ? 0 : 1]++;
}

static void storage_tx__takes_back_what_is_aborted(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_tx *inner;
    rsi_bytes value = {0};
    int ends[2] = {0, 0};
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    char *before = storage_text(storage);

    assert_false(rsi_tx_is_open(storage));
    assert_error(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    assert_true(rsi_tx_is_open(storage));
    assert_error(storage_put_text(tx, RSI_SPACE_SESSIONS, "s2", SESSION_JSON), RAGSTORE_OK);
    assert_error(rsi_storage_get(&value, storage, RSI_SPACE_SESSIONS, "s2"), RAGSTORE_OK);
    rsi_tx_hide(storage, true);
    assert_error(rsi_storage_get(&value, storage, RSI_SPACE_SESSIONS, "s2"), RAGSTORE_E_NOT_FOUND);
    rsi_tx_hide(storage, false);
    assert_error(rsi_tx_begin(&inner, storage), RAGSTORE_OK);
    assert_error(rsi_tx_on_end(inner, count_end, ends), RAGSTORE_OK);
    assert_error(rsi_tx_drop(inner, RSI_SPACE_ENTITIES, ENTITY), RAGSTORE_OK);
    assert_error(rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY),
                 RAGSTORE_E_NOT_FOUND);
    rsi_tx_abort(inner);
    assert_int_equal(ends[1], 1);
    assert_error(rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY), RAGSTORE_OK);
    rsi_tx_abort(tx);

    char *after = storage_text(storage);
    assert_string_equal(after, before);
    assert_int_equal(ends[0] + ends[1], 1);
    free(before);
    free(after);
    rsi_bytes_free(&value);
    rsi_tx_abort(NULL);
    close_and_free(storage);
    power_disk_free(disk);
}

static void storage_tx__will_not_make_an_id_anew_in_the_batch_that_deletes_it(void **state)
{
    (void)state;
    rsi_tx *tx;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    assert_error(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    assert_error(rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY), RAGSTORE_OK);
    assert_error(rsi_tx_gone(tx, ENTITY, INCARNATION), RAGSTORE_OK);
    assert_error(rsi_tx_come(tx, ENTITY, "11111111111111111111111111111111"),
                 RAGSTORE_E_CONFLICT);
    rsi_tx_abort(tx);
    close_and_free(storage);
    power_disk_free(disk);
}

typedef struct other_thread {
    rsi_storage *storage;
    int status;
} other_thread;

static void *begin_elsewhere(void *user)
{
    other_thread *other = user;
    rsi_tx *tx;
    other->status = rsi_tx_begin(&tx, other->storage);
    if (other->status == RAGSTORE_OK)
        rsi_tx_abort(tx);
    return NULL;
}

static void storage_tx__is_busy_while_another_thread_writes(void **state)
{
    (void)state;
    rsi_tx *tx;
    pthread_t thread;
    power_disk *disk = power_disk_new();
    other_thread other = {storage_open_good(disk), RAGSTORE_OK};
    assert_error(rsi_tx_begin(&tx, other.storage), RAGSTORE_OK);
    assert_int_equal(pthread_create(&thread, NULL, begin_elsewhere, &other), 0);
    pthread_join(thread, NULL);
    assert_int_equal(other.status, RAGSTORE_E_BUSY);
    rsi_tx_abort(tx);
    close_and_free(other.storage);
    power_disk_free(disk);
}

typedef struct crowd {
    rsi_storage *storage;
    cpu_set_t processor; /* all have the same */
    bool ends;           /* atomic */
    int status;
} crowd;

static void *write_all_the_time(void *user)
{
    crowd *in = user;
    assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof in->processor, &in->processor), 0);
    while (!__atomic_load_n(&in->ends, __ATOMIC_RELAXED)) {
        rsi_tx *tx;
        assert_int_equal(rsi_tx_begin(&tx, in->storage), RAGSTORE_OK);
        const int64_t began = rsi_monotonic_ms();
        while (rsi_monotonic_ms() < began + 2)
            ; /* keeps the processor: who is woken does not run before it has the turn again */
        rsi_tx_abort(tx);
    }
    return NULL;
}

/* A thread that runs only when nobody else wants to. */
static void *write_twice(void *user)
{
    static const struct sched_param least = {0};
    crowd *in = user;
    assert_int_equal(pthread_setaffinity_np(pthread_self(), sizeof in->processor, &in->processor), 0);
    assert_int_equal(pthread_setschedparam(pthread_self(), SCHED_IDLE, &least), 0);
    for (int i = 0; in->status == RAGSTORE_OK && i < 2; i++) {
        rsi_tx *tx;
        in->status = rsi_tx_begin(&tx, in->storage);
        if (in->status == RAGSTORE_OK)
            rsi_tx_abort(tx);
    }
    return NULL;
}

static void storage_tx__has_its_turn_beside_one_that_writes_all_the_time(void **state)
{
    (void)state;
    pthread_t threads[2];
    power_disk *disk = power_disk_new();
    crowd in = {.storage = storage_open_good(disk)};
    in.storage->options.busy_timeout_ms = 5000;
    CPU_ZERO(&in.processor);
    CPU_SET((size_t)sched_getcpu(), &in.processor);
    assert_int_equal(pthread_create(&threads[0], NULL, write_all_the_time, &in), 0);
    nanosleep(&(struct timespec){0, 10000000}, NULL); /* it has begun */
    assert_int_equal(pthread_create(&threads[1], NULL, write_twice, &in), 0);
    pthread_join(threads[1], NULL);
    __atomic_store_n(&in.ends, true, __ATOMIC_RELAXED);
    pthread_join(threads[0], NULL);
    assert_int_equal(in.status, RAGSTORE_OK);
    assert_int_equal(in.storage->impatient, 0);
    close_and_free(in.storage);
    power_disk_free(disk);
}

/* ---- what is refused ---- */

static void storage__does_not_find_what_is_not_there(void **state)
{
    (void)state;
    rsi_bytes value = {0};
    uint64_t count = 9;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    assert_error(rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, "x"), RAGSTORE_E_NOT_FOUND);
    assert_error(rsi_storage_row_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY, 0),
                 RAGSTORE_E_NOT_FOUND);
    assert_error(rsi_storage_row_count(&count, NULL, storage, RSI_SPACE_CHUNKS, "x"),
                 RAGSTORE_OK);
    assert_int_equal(count, 0);
    rsi_bytes_free(&value);
    close_and_free(storage);
    power_disk_free(disk);
}

static void storage_open__keeps_to_what_it_was_told(void **state)
{
    (void)state;
    rsi_storage *storage;
    power_disk *disk = power_disk_new();
    const rsi_file_table *table = power_disk_table(disk);
    assert_error(storage_open_on(&storage, table, RAGSTORE_OPEN_MUST_EXIST),
                 RAGSTORE_E_NOT_FOUND);
    assert_error(storage_open_on(&storage, table, RAGSTORE_OPEN_READ_ONLY), RAGSTORE_E_NOT_FOUND);
    assert_int_equal(power_disk_operations(disk), 0);
    assert_error(storage_open_on(&storage, table, RAGSTORE_OPEN_MUST_CREATE), RAGSTORE_OK);
    close_and_free(storage);
    assert_error(storage_open_on(&storage, table, RAGSTORE_OPEN_MUST_CREATE), RAGSTORE_E_EXISTS);
    assert_null(storage);
    power_disk_free(disk);
}

static void storage_open__leaves_a_directory_of_others_alone(void **state)
{
    (void)state;
    rsi_storage *storage;
    power_disk *disk = power_disk_new();
    assert_int_equal(power_disk_table(disk)->make_directory(disk, -1, "/store"), 0);
    int handle = storage_file(disk, "holiday.jpg", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    power_disk_table(disk)->close(disk, handle);
    assert_error(storage_open_on(&storage, power_disk_table(disk), 0), RAGSTORE_E_EXISTS);
    power_disk_free(disk);
}

static void storage_open__is_busy_while_another_one_recovers_or_closes(void **state)
{
    (void)state;
    rsi_storage *other;
    power_disk *disk = storage_make(true);
    int handle = storage_file(disk, RSI_PATH_LOCK, RSI_OPEN_WRITE);
    const rsi_file_table *table = power_disk_table(disk);
    assert_int_equal(table->lock(disk, handle, 1, 1, RSI_LOCK_EXCLUSIVE), 0);
    assert_error(storage_open_on(&other, table, 0), RAGSTORE_E_BUSY);
    assert_non_null(strstr(rsi_error_message(), "opened or closed by another process"));
    assert_int_equal(table->close(disk, handle), 0);
    close_and_free(storage_open_good(disk));
    power_disk_free(disk);
}

static void storage_open__read_only_changes_nothing(void **state)
{
    (void)state;
    static const uint32_t flags[] = {RAGSTORE_OPEN_READ_ONLY, RAGSTORE_OPEN_IMMUTABLE};
    for (size_t i = 0; i < 4; i++) { /* of a store that was closed, and of one after a kill */
        rsi_storage *storage;
        rsi_tx *tx;
        power_disk *disk = storage_make(i < 2);
        uint64_t before = power_disk_operations(disk);
        assert_error(storage_open_on(&storage, power_disk_table(disk), flags[i % 2]), RAGSTORE_OK);
        assert_true(rsi_storage_is_read_only(storage));
        char *text = storage_text(storage);
        assert_non_null(strstr(text, "hello"));
        assert_non_null(strstr(text, "The first chunk"));
        assert_error(rsi_tx_begin(&tx, storage), RAGSTORE_E_READ_ONLY);
        assert_error(rsi_storage_checkpoint(storage), RAGSTORE_E_READ_ONLY);
        free(text);
        close_and_free(storage);
        assert_int_equal(power_disk_operations(disk), before);
        power_disk_free(disk);
    }
}

static void storage_open__misses_a_snapshot_that_was_there(void **state)
{
    (void)state;
    static const char *const paths[] = {RSI_PATH_ENTITIES, RSI_PATH_SESSIONS};
    for (size_t i = 0; i < 2; i++) {
        rsi_storage *storage;
        power_disk *disk = storage_make(true);
        storage_remove(disk, paths[i]);
        assert_error(storage_open_on(&storage, power_disk_table(disk), 0), RAGSTORE_E_DAMAGED);
        assert_non_null(strstr(rsi_error_message(), paths[i]));
        assert_null(storage);
        power_disk_free(disk);
    }
}

static void storage_open__refuses_a_newer_format_untouched(void **state)
{
    (void)state;
    static char manifest[8192];
    char newer[sizeof manifest];
    rsi_storage *storage;
    power_disk *disk = storage_make(true);
    size_t size = storage_read_file(disk, RSI_PATH_MANIFEST, manifest, sizeof manifest);
    char *at = strstr(manifest, "\"min_reader\":");
    assert_non_null(at);
    at += strcspn(at, "0123456789");
    *at = '9';
    storage_write_file(disk, RSI_PATH_MANIFEST, manifest, size);
    assert_error(storage_open_on(&storage, power_disk_table(disk), 0), RAGSTORE_E_VERSION);
    assert_int_equal(storage_read_file(disk, RSI_PATH_MANIFEST, newer, sizeof newer), size);
    assert_memory_equal(newer, manifest, size);
    power_disk_free(disk);
}

static void storage__answers_closed_after_closing(void **state)
{
    (void)state;
    rsi_tx *tx;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    assert_error(rsi_storage_close(storage), RAGSTORE_OK);
    assert_error(rsi_tx_begin(&tx, storage), RAGSTORE_E_CLOSED);
    rsi_storage_free(storage);
    rsi_storage_free(NULL);
    power_disk_free(disk);
}

static void storage__stops_writing_after_a_failed_flush(void **state)
{
    (void)state;
    fault_files faults;
    rsi_storage *storage;
    rsi_tx *tx;
    rsi_bytes reason = {0};
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_error(storage_open_on(&storage, &faults.table, 0), RAGSTORE_OK);
    fault_files_fail(&faults, FAULT_FLUSH_DATA, 1, EIO, false);
    assert_error(storage_commit_session(storage), RAGSTORE_E_FAILED);
    assert_error(rsi_tx_begin(&tx, storage), RAGSTORE_E_FAILED);
    assert_error(rsi_storage_failure(&reason, storage), RAGSTORE_OK);
    assert_true(reason.size > 0);
    char *text = storage_text(storage); /* reading goes on */
    assert_non_null(strstr(text, "Acme"));
    free(text);
    rsi_bytes_free(&reason);
    close_and_free(storage);
    storage = storage_open_good(disk);
    assert_error(storage_commit_session(storage), RAGSTORE_OK);
    close_and_free(storage);
    power_disk_free(disk);
}

static void storage__tells_whether_a_checkpoint_is_due(void **state)
{
    (void)state;
    int64_t quiet_ms;
    uint64_t file_bytes;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    assert_error(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    assert_false(rsi_storage_checkpoint_due(storage, &quiet_ms, &file_bytes));
    assert_error(storage_commit_entity(storage), RAGSTORE_OK);
    assert_true(rsi_storage_checkpoint_due(storage, &quiet_ms, &file_bytes));
    assert_true(quiet_ms >= 0);
    assert_true(rsi_storage_journal_bytes(storage) > 0);
    assert_error(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    assert_false(rsi_storage_checkpoint_due(storage, &quiet_ms, &file_bytes));
    rsi_storage_forget_chunks(storage, ENTITY);
    char *text = storage_text(storage);
    assert_non_null(strstr(text, "The first chunk"));
    free(text);
    close_and_free(storage);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage__gives_back_what_was_committed),
        cmocka_unit_test(storage__keeps_its_id),
        cmocka_unit_test(storage__visits_in_order_and_stops_when_told),
        cmocka_unit_test(storage_tx__takes_back_what_is_aborted),
        cmocka_unit_test(storage_tx__will_not_make_an_id_anew_in_the_batch_that_deletes_it),
        cmocka_unit_test(storage_tx__is_busy_while_another_thread_writes),
        cmocka_unit_test(storage_tx__has_its_turn_beside_one_that_writes_all_the_time),
        cmocka_unit_test(storage__does_not_find_what_is_not_there),
        cmocka_unit_test(storage_open__keeps_to_what_it_was_told),
        cmocka_unit_test(storage_open__leaves_a_directory_of_others_alone),
        cmocka_unit_test(storage_open__is_busy_while_another_one_recovers_or_closes),
        cmocka_unit_test(storage_open__read_only_changes_nothing),
        cmocka_unit_test(storage_open__misses_a_snapshot_that_was_there),
        cmocka_unit_test(storage_open__refuses_a_newer_format_untouched),
        cmocka_unit_test(storage__answers_closed_after_closing),
        cmocka_unit_test(storage__stops_writing_after_a_failed_flush),
        cmocka_unit_test(storage__tells_whether_a_checkpoint_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
