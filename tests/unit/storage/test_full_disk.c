/* A full disk: writing is refused with advice, reading, deleting, closing and opening go on. The
 * disk in memory has a limit; tests/campaigns/full_disk.py does the same on real file systems. */
#include "storage_fixture.h"

#define RESERVE "api_storage/reserve"

/* Put sessions until the disk says no; how many there are. Then one more must be refused as
 * well. */
static unsigned fill(rsi_storage *storage)
{
    unsigned count = 0;
    for (;; count++) {
        rsi_tx *tx;
        char id[20];
        static char json[3000];
        snprintf(id, sizeof id, "s%u", count);
        int at = snprintf(json, sizeof json, "{\"session_id\":\"%s\",\"text\":\"", id);
        memset(json + at, 'x', 2500);
        memcpy(json + at + 2500, "\"}", 3);
        assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
        int status = storage_end(tx, storage_put_text(tx, RSI_SPACE_SESSIONS, id, json));
        if (status != RAGSTORE_OK) {
            assert_int_equal(status, RAGSTORE_E_DISK_FULL);
            assert_non_null(strstr(rsi_error_message(), "delete documents"));
            return count;
        }
        assert_true(count < 10000);
    }
}

static int drop(rsi_storage *storage, const char *space, const char *key)
{
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    return storage_end(tx, rsi_tx_drop(tx, space, key));
}

static int drop_entity(rsi_storage *storage)
{
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY);
    if (status == RAGSTORE_OK)
        status = rsi_tx_gone(tx, ENTITY, INCARNATION);
    return storage_end(tx, status);
}

static void expect_sessions(rsi_storage *storage, size_t count)
{
    assert_int_equal(rsi_storage_count(storage, RSI_SPACE_SESSIONS), count);
}

static void close_good(rsi_storage *storage)
{
    if (rsi_storage_close(storage) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    rsi_storage_free(storage);
}

/* A store with the entity and so many sessions that the disk is full. */
static power_disk *make_full(rsi_storage **storage, unsigned *count)
{
    power_disk *disk = power_disk_new();
    *storage = storage_open_good(disk);
    assert_int_equal(storage_commit_entity(*storage), RAGSTORE_OK);
    power_disk_limit(disk, power_disk_used(disk) + 60000);
    *count = fill(*storage);
    assert_true(*count > 5);
    return disk;
}

static void storage_full_disk__deletes_and_closes(void **state)
{
    (void)state;
    rsi_storage *storage;
    unsigned count;
    rsi_bytes value = {0};
    power_disk *disk = make_full(&storage, &count);
    expect_sessions(storage, count);
    for (unsigned i = 0; storage_commit_session(storage) == RAGSTORE_OK; i++)
        assert_true(i < 100); /* small ones find a place in the last block */
    for (char id[] = "s0"; id[1] < '3'; id[1]++) /* the last of them needs a new block */
        assert_int_equal(drop(storage, RSI_SPACE_SESSIONS, id), RAGSTORE_OK);
    assert_int_equal(storage_commit_session(storage), RAGSTORE_E_DISK_FULL); /* kept for deleting */
    assert_int_equal(drop_entity(storage), RAGSTORE_OK);
    assert_int_equal(rsi_storage_get(&value, storage, RSI_SPACE_SESSIONS, "s4"), RAGSTORE_OK);
    rsi_bytes_free(&value);
    expect_sessions(storage, count - 3);
    close_good(storage);

    storage = storage_open_good(disk);
    expect_sessions(storage, count - 3);
    assert_int_equal(rsi_storage_count(storage, RSI_SPACE_ENTITIES), 0);
    close_good(storage);
    power_disk_free(disk);
}

/* What others took while the store was closed: not a byte is left. */
static void take_the_rest(power_disk *disk)
{
    power_disk_limit(disk, power_disk_used(disk));
}

static void storage_full_disk__opens_after_a_close_and_after_a_kill(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        rsi_storage *storage;
        unsigned count;
        power_disk *disk = make_full(&storage, &count);
        if (killed)
            rsi_storage_free(storage);
        else
            close_good(storage);
        take_the_rest(disk);
        for (unsigned i = 0; i < 3; i++) { /* each time something can be deleted */
            char id[8];
            snprintf(id, sizeof id, "s%u", i);
            storage = storage_open_good(disk);
            expect_sessions(storage, count - i);
            assert_int_equal(drop(storage, RSI_SPACE_SESSIONS, id), RAGSTORE_OK);
            if (killed)
                rsi_storage_free(storage);
            else
                close_good(storage);
        }
        power_disk_free(disk);
    }
}

/* What one process took from the reserve another may not use up. */
static void storage_full_disk__no_process_uses_up_what_another_needs_for_deleting(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    assert_int_equal(storage_commit_entity(a), RAGSTORE_OK);
    rsi_storage *b = storage_open_good(disk);
    power_disk_limit(disk, power_disk_used(disk) + 60000);
    const unsigned count = fill(a);
    for (unsigned i = 0; storage_commit_session(a) == RAGSTORE_OK; i++)
        assert_true(i < 100);
    for (char id[] = "s0"; id[1] < '3'; id[1]++)
        assert_int_equal(drop(a, RSI_SPACE_SESSIONS, id), RAGSTORE_OK);
    assert_int_equal(storage_commit_session(a), RAGSTORE_E_DISK_FULL);
    assert_int_equal(storage_commit_session(b), RAGSTORE_E_DISK_FULL);
    assert_int_equal(drop(b, RSI_SPACE_SESSIONS, "s3"), RAGSTORE_OK);
    power_disk_limit(disk, 0);
    assert_int_equal(storage_commit_session(b), RAGSTORE_OK);
    expect_sessions(b, count - 3); /* four went, one came */
    assert_int_equal(storage_commit_session(a), RAGSTORE_OK);
    close_good(a);
    close_good(b);
    power_disk_free(disk);
}

static void storage_full_disk__writes_again_when_there_is_room(void **state)
{
    (void)state;
    rsi_storage *storage;
    unsigned count;
    power_disk *disk = make_full(&storage, &count);
    assert_int_equal(drop(storage, RSI_SPACE_SESSIONS, "s0"), RAGSTORE_OK);
    power_disk_limit(disk, 0);
    assert_int_equal(storage_commit_session(storage), RAGSTORE_OK);
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    close_good(storage);
    int handle = storage_file(disk, RESERVE, RSI_OPEN_READ); /* there is a new one */
    power_disk_table(disk)->close(disk, handle);
    power_disk_free(disk);
}

/* At every size of a disk: what was acknowledged is there, and the store opens and deletes. */
static void storage_full_disk__is_harmless_at_every_size(void **state)
{
    (void)state;
    for (uint64_t room = 0; room < 120000; room += 1500) {
        rsi_storage *storage;
        power_disk *disk = power_disk_new();
        storage = storage_open_good(disk);
        power_disk_limit(disk, power_disk_used(disk) + room);
        const bool entity = storage_commit_entity(storage) == RAGSTORE_OK;
        (void)rsi_storage_checkpoint(storage);
        const unsigned count = fill(storage);
        (void)rsi_storage_checkpoint(storage);
        if (room % 3000 == 0)
            close_good(storage);
        else
            rsi_storage_free(storage);
        take_the_rest(disk);
        storage = storage_open_good(disk);
        expect_sessions(storage, count);
        assert_int_equal(rsi_storage_count(storage, RSI_SPACE_ENTITIES), entity);
        if (entity)
            assert_int_equal(drop_entity(storage), RAGSTORE_OK);
        close_good(storage);
        power_disk_free(disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_full_disk__deletes_and_closes),
        cmocka_unit_test(storage_full_disk__opens_after_a_close_and_after_a_kill),
        cmocka_unit_test(storage_full_disk__no_process_uses_up_what_another_needs_for_deleting),
        cmocka_unit_test(storage_full_disk__writes_again_when_there_is_room),
        cmocka_unit_test(storage_full_disk__is_harmless_at_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
