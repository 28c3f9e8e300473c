/* Backups when memory and files fail: an error, the store as it was, and nothing half made. */
#include "entities_fixture.h"

#include "entities/backup.h"

typedef struct scene {
    open_store s;
    char backup[TEMPORARY_PATH_MAX];
    char place[TEMPORARY_PATH_MAX];
    bool unpacks; /* restore instead of taking */
} scene;

static int ignore_finding(void *user, const rsi_finding *finding)
{
    (void)user;
    (void)finding;
    return RAGSTORE_OK;
}

static void set_scene(scene *on, void **state)
{
    static const float vector[] = {0, 1};
    static char bulk[100000]; /* of one chunk: a segment */
    *on = (scene){0};
    open_store_begin(&on->s, state, NULL);
    on->s.faults.drop_flushes = true; /* nobody cuts the power, and many backups are taken */
    memset(bulk, 'x', sizeof bulk - 1);
    memcpy(bulk, "[{\"text\": \"", 11);
    memcpy(bulk + sizeof bulk - 4, "\"}]", 3);
    open_store_add_chunks(&on->s, "bulk", bulk, vector, 2);
    add_pair(&on->s, "pair");
    /* beside the store, which is the temporary directory */
    snprintf(on->backup, sizeof on->backup, "%s-backup", temporary_path(state));
    snprintf(on->place, sizeof on->place, "%s-restored", temporary_path(state));
}

static void strike_scene(scene *on)
{
    temporary_remove_all(on->backup);
    temporary_remove_all(on->place);
    open_store_end(&on->s);
}

/* Through the fault table, which the calls of entities/backup.h do not take. */
static int take(scene *on)
{
    const rsi_backup_watch watch = {0};
    rsi_backup *backup;
    int status = rsi_backup_take(&backup, on->s.store->storage, on->backup, &watch);
    if (status == RAGSTORE_OK)
        status = rsi_backup_seal(backup);
    rsi_backup_free(backup);
    return status;
}

static int unpack(scene *on)
{
    const rsi_backup_watch watch = {0};
    rsi_backup *backup;
    int status = rsi_backup_open(&backup, &on->s.faults.table, on->backup);
    if (status == RAGSTORE_OK)
        status = rsi_backup_verify(backup, &watch);
    if (status == RAGSTORE_OK)
        status = rsi_backup_unpack(backup, on->place, &watch);
    if (status == RAGSTORE_OK)
        status = rsi_backup_place(backup);
    rsi_backup_free(backup);
    return status;
}

static bool is_backup(const scene *on)
{
    rsi_backup_work work = {.visit = ignore_finding};
    return rsi_backup_look(&work, on->backup) == RAGSTORE_OK;
}

/* When only the flush of the directory above failed, the store has its name, and is whole. */
static void expect_nothing_or_all(const scene *on)
{
    const rsi_store_options options = {.storage = {.flags = RAGSTORE_OPEN_IMMUTABLE},
                                       .memory_limit_bytes = 1 << 20};
    rsi_saved_error error;
    rsi_store *store;
    if (!temporary_exists(on->place))
        return;
    rsi_error_save(&error);
    assert_int_equal(rsi_store_open(&store, on->place, &options), RAGSTORE_OK);
    assert_int_equal(rsi_store_close(store), RAGSTORE_OK);
    rsi_store_free(store);
    rsi_error_restore(&error);
}

static int call(void *user)
{
    scene *on = user;
    rsi_saved_error error;
    temporary_remove_all(on->unpacks ? on->place : on->backup);
    const int status = on->unpacks ? unpack(on) : take(on);
    rsi_error_save(&error);
    fault_memory_disarm();
    if (on->unpacks && status != RAGSTORE_OK)
        assert_false(temporary_exists(on->place) && temporary_count(on->place) > 0);
    rsi_error_restore(&error);
    return status;
}

static void entities_backup__survives_each_allocation_that_fails(void **state)
{
    scene on;
    set_scene(&on, state);
    const unsigned taking = each_allocation_fails(call, &on, EACH_MAY_KEEP);
    assert_true(taking > 20);
    assert_true(is_backup(&on));
    on.unpacks = true;
    assert_true(each_allocation_fails(call, &on, 0) > 20);
    strike_scene(&on);
}

static void entities_backup__of_the_whole_work_survives_each_allocation_that_fails(void **state)
{
    scene on;
    set_scene(&on, state);
    for (unsigned n = 1; n < 5000; n++) {
        rsi_backup_work work = {.visit = ignore_finding};
        temporary_remove_all(on.backup);
        fault_memory_fail(n, false);
        const int status = rsi_backup_store(&work, on.s.store, on.backup);
        const bool failed = fault_memory_failed();
        fault_memory_disarm();
        if (!failed) {
            assert_int_equal(status, RAGSTORE_OK);
            break;
        }
        if (status == RAGSTORE_OK) /* one that it can do without */
            assert_true(is_backup(&on));
        else
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
    }
    strike_scene(&on);
}

/* Each file operation fails once, and for ever: never a backup that is none. */
static void fail_each_file_call(scene *on, fault_call kind, int error, bool for_ever)
{
    for (int64_t n = 1; n < 2000; n++) {
        temporary_remove_all(on->unpacks ? on->place : on->backup);
        fault_files_fail(&on->s.faults, kind, n, error, for_ever);
        const int status = on->unpacks ? unpack(on) : take(on);
        const bool struck = fault_files_struck(&on->s.faults);
        fault_files_disarm(&on->s.faults);
        if (!struck) {
            assert_int_equal(status, RAGSTORE_OK);
            return;
        }
        if (status == RAGSTORE_OK) {
            assert_true(on->unpacks || is_backup(on));
            continue; /* a close that tells nothing new, an absent name that was to be removed */
        }
        if (rsi_error_code() != status)
            fail_msg("%s %d: %s but %s", fault_call_name(kind), (int)n, rsi_status_name(status),
                     rsi_error_message());
        if (!on->unpacks && is_backup(on))
            fail_msg("%s %d: failed, and is a backup", fault_call_name(kind), (int)n);
        if (on->unpacks)
            expect_nothing_or_all(on);
        rsi_bytes failure = {0};
        assert_int_equal(rsi_storage_failure(&failure, on->s.store->storage), RAGSTORE_OK);
        assert_int_equal(failure.size, 0); /* the store goes on */
        rsi_bytes_free(&failure);
    }
    fail_msg("%s never ends", fault_call_name(kind));
}

static void entities_backup__survives_each_file_call_that_fails(void **state)
{
    static const fault_call kinds[] = {FAULT_OPEN,   FAULT_CLOSE, FAULT_READ,          FAULT_WRITE,
                                       FAULT_FLUSH,  FAULT_INFO,  FAULT_INFO_AT,       FAULT_RENAME,
                                       FAULT_REMOVE, FAULT_LIST,  FAULT_MAKE_DIRECTORY};
    scene on;
    set_scene(&on, state);
    for (int unpacks = 0; unpacks < 2; unpacks++) {
        on.unpacks = unpacks;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            fail_each_file_call(&on, kinds[i], EIO, false);
        fail_each_file_call(&on, FAULT_WRITE, ENOSPC, true);
        fail_each_file_call(&on, FAULT_OPEN, EMFILE, true);
    }
    add_pair(&on.s, "after");
    strike_scene(&on);
}

static void entities_backup__passes_short_reads_and_writes_on_whole(void **state)
{
    scene on;
    set_scene(&on, state);
    fault_files_fail(&on.s.faults, FAULT_READ, 1, FAULT_SHORT, true);
    assert_int_equal(take(&on), RAGSTORE_OK);
    fault_files_disarm(&on.s.faults);
    fault_files_fail(&on.s.faults, FAULT_WRITE, 1, FAULT_SHORT, true);
    assert_int_equal(unpack(&on), RAGSTORE_OK);
    fault_files_disarm(&on.s.faults);
    assert_true(is_backup(&on));
    strike_scene(&on);
}

static void entities_backup__of_a_failed_store_is_refused(void **state)
{
    scene on;
    set_scene(&on, state);
    fault_files_fail(&on.s.faults, FAULT_FLUSH_DATA, 1, EIO, true);
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, on.s.store->storage), RAGSTORE_OK);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, "s", "{\"session_id\":\"s\"}", 18),
                     RAGSTORE_OK);
    assert_int_equal(rsi_tx_commit(tx), RAGSTORE_E_FAILED);
    fault_files_disarm(&on.s.faults);
    assert_int_equal(take(&on), RAGSTORE_E_FAILED);
    assert_false(temporary_exists(on.backup));
    reopen_after_fault(&on.s);
    strike_scene(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entities_backup__survives_each_allocation_that_fails,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(
            entities_backup__of_the_whole_work_survives_each_allocation_that_fails, temporary_setup,
            temporary_teardown),
        cmocka_unit_test_setup_teardown(entities_backup__survives_each_file_call_that_fails,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(entities_backup__passes_short_reads_and_writes_on_whole,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(entities_backup__of_a_failed_store_is_refused,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests_name("entities/backup", tests, NULL, NULL);
}
