/*
 * One store, several openers: what one commits the others see. What one leaves behind when it dies:
 * test_follow_dead.c.
 */
#include "follow_fixture.h"

#include "storage/check.h"

/* ---- following ---- */

static void storage_follow__sees_what_the_other_commits(void **state)
{
    (void)state;
    rsi_bytes value = {0};
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(storage_commit_entity(a));
    assert_has(b, RSI_SPACE_ENTITIES, ENTITY);
    assert_good(storage_commit_session(b));
    assert_has(a, RSI_SPACE_SESSIONS, "s1");
    /* chunks that the reader has read already, and those that it has not */
    assert_good(rsi_storage_row_get(&value, b, RSI_SPACE_CHUNKS, ENTITY, 0));
    assert_string_equal(value.data, CHUNK_JSON);
    assert_good(put_chunk(a, 1, "{\"doc_id\":\"d1\",\"text\":\"second\"}"));
    assert_good(rsi_storage_follow(b));
    rsi_bytes_clear(&value);
    assert_good(rsi_storage_row_get(&value, b, RSI_SPACE_CHUNKS, ENTITY, 1));
    assert_string_equal(value.data, "{\"doc_id\":\"d1\",\"text\":\"second\"}");
    const char *space;
    assert_good(rsi_storage_collection(&space, a, "books"));
    assert_good(put_one(a, space, "b1", "{\"_id\":\"b1\"}"));
    assert_has(b, COLLECTION, "b1");
    assert_same(a, b);
    rsi_bytes_free(&value);
    close_and_free(a);
    close_and_free(b);
    assert_int_equal(power_disk_open_handles(disk), 0);
    power_disk_free(disk);
}

static void storage_follow__writers_take_turns(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    for (int i = 0; i < 200; i++)
        assert_good(put_number(i % 2 == 0 ? a : b, i));
    assert_sessions(a, 200);
    assert_sessions(b, 200);
    assert_same(a, b);
    close_and_free(b);
    close_and_free(a);
    a = storage_open_good(disk);
    assert_sessions(a, 200);
    close_and_free(a);
    power_disk_free(disk);
}

static void storage_follow__sees_deletions_and_large_documents(void **state)
{
    (void)state;
    rsi_tx *tx;
    char *large = malloc(40001);
    char json[40100];
    uint64_t count;
    memset(large, 'x', 40000);
    large[40000] = '\0';
    snprintf(json, sizeof json, "{\"doc_id\":\"d1\",\"text\":\"%s\"}", large);
    free(large);
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    assert_good(storage_commit_entity(a));
    rsi_storage *b = storage_open_good(disk);
    for (int loaded = 0; loaded < 2; loaded++) { /* the second time b has the chunks in memory */
        assert_good(rsi_tx_begin(&tx, a));
        for (uint64_t i = 0; i < 3; i++)
            assert_good(storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, 10 + i, json));
        assert_good(rsi_tx_commit(tx));
        assert_good(rsi_storage_follow(b));
        assert_good(rsi_storage_row_count(&count, NULL, b, RSI_SPACE_CHUNKS, ENTITY));
        assert_int_equal(count, 4);
        assert_good(rsi_tx_begin(&tx, a));
        for (uint64_t i = 0; i < 3; i++)
            assert_good(rsi_tx_row_drop(tx, RSI_SPACE_CHUNKS, ENTITY, 10 + i));
        assert_good(rsi_tx_commit(tx));
        assert_same(a, b);
    }
    assert_good(rsi_tx_begin(&tx, b));
    assert_good(rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY));
    assert_good(rsi_tx_gone(tx, ENTITY, INCARNATION));
    assert_good(rsi_tx_commit(tx));
    assert_same(a, b);
    assert_int_equal(rsi_storage_count(a, RSI_SPACE_ENTITIES), 0);
    assert_good(storage_commit_entity(a));
    assert_same(a, b);
    close_and_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

static void storage_follow__crosses_checkpoints(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(storage_commit_entity(a));
    int number = 0;
    for (int i = 0; i < 3; i++) {
        assert_good(put_number(a, number++));
        assert_good(rsi_storage_checkpoint(a));
        assert_good(put_number(a, number++));
        assert_good(rsi_storage_checkpoint(a));
        assert_good(put_number(b, number++)); /* over both at once */
        assert_same(a, b);
        assert_good(rsi_storage_checkpoint(b));
    }
    assert_sessions(a, (size_t)number);
    close_and_free(a);
    close_and_free(b);
    a = storage_open_good(disk);
    assert_sessions(a, (size_t)number);
    close_and_free(a);
    power_disk_free(disk);
}

/* What another one's checkpoint has written is not written again. */
static void storage_follow__knows_what_the_others_checkpoint_wrote(void **state)
{
    (void)state;
    int64_t quiet_ms;
    uint64_t file_bytes;
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    assert_good(rsi_storage_follow(b));
    assert_true(rsi_storage_checkpoint_due(b, &quiet_ms, &file_bytes));
    assert_good(rsi_storage_checkpoint(a));
    assert_good(rsi_storage_follow(b));
    assert_false(rsi_storage_checkpoint_due(b, &quiet_ms, &file_bytes));
    close_and_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

static int note_key(void *user, const char *key, const char *json, size_t size)
{
    char *seen = user;
    (void)json;
    (void)size;
    strcat(strcat(seen, key + 4), " "); /* of s000nn */
    return RAGSTORE_OK;
}

/* The places of the records stay, or a walk that has begun would leave some out. */
static void storage_follow__a_walk_goes_on_after_reading_again(void **state)
{
    (void)state;
    for (int reads_from_file = 0; reads_from_file < 2; reads_from_file++) {
        rsi_tx *tx;
        char seen[400] = "";
        rsi_scan scan = {0};
        power_disk *disk = power_disk_new();
        power_disk_back_date(disk, 3600);
        rsi_storage *a = storage_open_good(disk);
        for (int i = 10; i < 30; i++)
            assert_good(put_number(a, i));
        if (reads_from_file)
            assert_good(rsi_storage_checkpoint(a));
        rsi_storage *b = storage_open_good(disk);
        assert_good(rsi_tx_begin(&tx, a));
        for (int i = 10; i < 20; i++) {
            char key[16];
            snprintf(key, sizeof key, "s%05d", i);
            assert_good(rsi_tx_drop(tx, RSI_SPACE_SESSIONS, key));
        }
        assert_good(rsi_tx_commit(tx));
        assert_good(rsi_storage_follow(b));
        assert_good(rsi_storage_scan(&scan, b, RSI_SPACE_SESSIONS, 3, note_key, seen));
        assert_string_equal(seen, "20 21 22 ");
        for (int i = 0; i < 5; i++) { /* until the journals that b needs are gone */
            assert_good(put_number(a, 40 + i));
            assert_good(rsi_storage_checkpoint(a));
        }
        assert_good(put_number(a, 50)); /* in no file yet */
        assert_good(rsi_storage_follow(b));
        while (!scan.ended)
            assert_good(rsi_storage_scan(&scan, b, RSI_SPACE_SESSIONS, 3, note_key, seen));
        assert_string_equal(seen, "20 21 22 23 24 25 26 27 28 29 40 41 42 43 44 50 ");
        assert_same(a, b);
        assert_good(put_number(b, 60));
        assert_same(a, b);
        close_and_free(a);
        close_and_free(b);
        power_disk_free(disk);
    }
}

static void storage_follow__reads_again_when_the_journals_are_gone(void **state)
{
    (void)state;
    rsi_bytes value = {0};
    power_disk *disk = power_disk_new();
    power_disk_back_date(disk, 3600);
    rsi_storage *a = storage_open_good(disk);
    assert_good(storage_commit_entity(a));
    rsi_storage *b = storage_open_good(disk);
    rsi_storage *reader;
    assert_good(storage_open_on(&reader, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY));
    assert_good(put_number(a, 1));
    assert_has(b, RSI_SPACE_SESSIONS, "s00001");
    for (int i = 2; i < 8; i++) {
        assert_good(put_number(a, i));
        if (i == 4) {
            rsi_tx *tx;
            assert_good(rsi_tx_begin(&tx, a));
            assert_good(rsi_tx_drop(tx, RSI_SPACE_SESSIONS, "s00001"));
            assert_good(rsi_tx_commit(tx));
        }
        assert_good(rsi_storage_checkpoint(a));
    }
    assert_same(a, b);
    assert_error(rsi_storage_get(&value, b, RSI_SPACE_SESSIONS, "s00001"), RAGSTORE_E_NOT_FOUND);
    assert_same(a, reader);
    assert_good(put_number(b, 9));
    assert_good(put_number(a, 10));
    assert_same(a, b);
    assert_same(a, reader);
    rsi_bytes_free(&value);
    close_and_free(reader);
    close_and_free(a);
    close_and_free(b);
    a = storage_open_good(disk);
    assert_sessions(a, 8);
    close_and_free(a);
    power_disk_free(disk);
}

static void storage_follow__a_reader_follows_and_writes_nothing(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_storage *reader;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    assert_good(storage_open_on(&reader, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY));
    assert_good(put_number(a, 1));
    assert_sessions(reader, 2);
    assert_good(rsi_storage_checkpoint(a));
    assert_good(put_number(a, 2));
    assert_sessions(reader, 3);
    assert_error(rsi_tx_begin(&tx, reader), RAGSTORE_E_READ_ONLY);
    close_and_free(a);
    /* somebody else opens, cleanly, and goes on in the same journal */
    a = storage_open_good(disk);
    assert_good(put_number(a, 3));
    assert_sessions(reader, 4);
    close_and_free(a);
    assert_sessions(reader, 4);
    close_and_free(reader);
    power_disk_free(disk);
}

static void count_call(void *user, const char *entity_id)
{
    if (entity_id != NULL && strcmp(entity_id, ENTITY) == 0)
        ++*(int *)user;
}

static void storage_follow__tells_which_entities_were_touched(void **state)
{
    (void)state;
    int calls = 0;
    rsi_storage *b;
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_FULL,
                                         .files = power_disk_table(disk),
                                         .followed = count_call,
                                         .followed_user = &calls};
    assert_good(rsi_storage_open(&b, "/store", &options));
    assert_good(storage_commit_entity(a));
    assert_good(rsi_storage_follow(b));
    assert_int_equal(calls, 1);
    assert_good(put_number(a, 1));
    assert_good(rsi_storage_follow(b));
    assert_int_equal(calls, 1);
    assert_good(put_chunk(a, 1, CHUNK_JSON));
    assert_good(put_chunk(b, 2, CHUNK_JSON)); /* a writer is told, too; not of its own */
    assert_int_equal(calls, 2);
    close_and_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

/* ---- the commit file ---- */

static void storage_commit_file__may_be_missing_or_damaged(void **state)
{
    (void)state;
    static const char garbage[] = "this is not what it was";
    power_disk *disk = power_disk_new();
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    int number = 0;
    for (int i = 0; i < 2; i++) {
        assert_good(put_number(a, number++));
        assert_sessions(b, (size_t)number);
        if (i == 0)
            storage_remove(disk, RSI_PATH_COMMIT);
        else
            storage_write_file(disk, RSI_PATH_COMMIT, garbage, sizeof garbage);
        assert_good(rsi_storage_follow(b));
        rsi_storage *c = storage_open_good(disk); /* beside both */
        assert_sessions(c, (size_t)number);
        assert_good(put_number(c, number++));
        assert_good(put_number(b, number++));
        assert_good(put_number(a, number++));
        assert_sessions(a, (size_t)number);
        assert_sessions(b, (size_t)number);
        assert_sessions(c, (size_t)number);
        close_and_free(c);
    }
    close_and_free(a);
    close_and_free(b);
    storage_remove(disk, RSI_PATH_COMMIT);
    a = storage_open_good(disk);
    assert_sessions(a, (size_t)number);
    close_and_free(a);
    power_disk_free(disk);
}

/* ---- checking beside a writer ---- */

static int count_finding(void *user, const rsi_finding *finding)
{
    (void)finding;
    ++*(int *)user;
    return RAGSTORE_OK;
}

/* Files that a writer has replaced, or is just replacing, are no damage. */
static void storage_check__of_a_reader_keeps_writers_out(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_storage *reader;
    int findings = 0;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    assert_good(storage_open_on(&reader, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY));
    for (int i = 0; i < 3; i++) {
        assert_good(put_number(a, i));
        assert_good(put_chunk(a, 5, CHUNK_JSON));
        if (i > 0)
            assert_good(rsi_storage_checkpoint(a));
        assert_good(rsi_storage_check(reader, count_finding, &findings));
        assert_good(rsi_storage_check_entity(reader, ENTITY, count_finding, &findings));
        assert_int_equal(findings, 0);
    }
    assert_good(rsi_tx_begin(&tx, a));
    assert_error(rsi_storage_check(reader, count_finding, &findings), RAGSTORE_E_BUSY);
    assert_true(strstr(rsi_error_message(), "another process") != NULL);
    rsi_tx_abort(tx);
    storage_remove(disk, RSI_PATH_SESSIONS);
    assert_good(rsi_storage_check(reader, count_finding, &findings));
    assert_int_equal(findings, 1); /* what is damage is told */
    assert_good(put_number(a, 9)); /* and writers go on */
    close_and_free(reader);
    rsi_storage_free(a);
    power_disk_free(disk);
}

/* ---- faults of the follower ---- */

static void storage_follow__survives_each_allocation_that_fails(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        power_disk *disk = storage_make(true);
        rsi_storage *a = storage_open_good(disk);
        rsi_storage *b = storage_open_good(disk);
        rsi_bytes value = {0};
        assert_good(rsi_storage_row_get(&value, b, RSI_SPACE_CHUNKS, ENTITY, 0));
        rsi_bytes_free(&value);
        assert_good(put_number(a, 1));
        assert_good(put_chunk(a, 1, CHUNK_JSON));
        assert_good(rsi_storage_checkpoint(a));
        assert_good(put_number(a, 2));
        fault_memory_install();
        fault_memory_fail(n, false);
        int status = rsi_storage_follow(b);
        bool struck = fault_memory_failed();
        fault_memory_restore();
        if (status != RAGSTORE_OK)
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        assert_same(a, b);
        close_and_free(a);
        close_and_free(b);
        power_disk_free(disk);
        if (!struck)
            break;
        assert_true(n < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_follow__sees_what_the_other_commits),
        cmocka_unit_test(storage_follow__writers_take_turns),
        cmocka_unit_test(storage_follow__sees_deletions_and_large_documents),
        cmocka_unit_test(storage_follow__crosses_checkpoints),
        cmocka_unit_test(storage_follow__knows_what_the_others_checkpoint_wrote),
        cmocka_unit_test(storage_follow__a_walk_goes_on_after_reading_again),
        cmocka_unit_test(storage_follow__reads_again_when_the_journals_are_gone),
        cmocka_unit_test(storage_follow__a_reader_follows_and_writes_nothing),
        cmocka_unit_test(storage_follow__tells_which_entities_were_touched),
        cmocka_unit_test(storage_commit_file__may_be_missing_or_damaged),
        cmocka_unit_test(storage_check__of_a_reader_keeps_writers_out),
        cmocka_unit_test(storage_follow__survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
