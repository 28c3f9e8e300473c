/*
 * Each allocation and each file operation of a small run fails in turn. Afterwards the store opens
 * and holds a prefix of the commits with every acknowledged one, and nothing has leaked.
 */
#include "storage_fixture.h"

#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/power_explore.h"

#include <errno.h>

typedef struct outcome {
    unsigned acknowledged; /* how many of the two commits */
    int status;            /* the first failure */
} outcome;

static void note(outcome *out, int status)
{
    if (out->status == RAGSTORE_OK)
        out->status = status;
}

/* Open, commit, checkpoint, commit, read, close. After a failure it goes on, as a host would. */
static void run(outcome *out, const rsi_file_table *table)
{
    rsi_storage *storage;
    rsi_bytes value = {0};
    *out = (outcome){0};
    int status = storage_open_on(&storage, table, 0);
    note(out, status);
    if (status != RAGSTORE_OK) {
        assert_null(storage);
        return;
    }
    status = storage_commit_entity(storage);
    note(out, status);
    if (status == RAGSTORE_OK) {
        out->acknowledged = 1;
        note(out, rsi_storage_checkpoint(storage));
        status = storage_commit_session(storage);
        out->acknowledged += status == RAGSTORE_OK;
        note(out, status);
        note(out, rsi_storage_get(&value, storage, RSI_SPACE_ENTITIES, ENTITY));
        note(out, rsi_storage_row_get(&value, storage, RSI_SPACE_CHUNKS, ENTITY, 0));
    }
    rsi_bytes_free(&value);
    note(out, rsi_storage_close(storage));
    rsi_storage_free(storage);
}

/* What the store holds now: 0, 1 or 2 commits. */
static unsigned commits_on(power_disk *disk, const char *what, uint64_t n)
{
    rsi_storage *storage;
    if (storage_open_on(&storage, power_disk_table(disk), 0) != RAGSTORE_OK)
        fail_msg("%s %u: opening afterwards: %s", what, (unsigned)n, rsi_error_message());
    char *text = storage_text(storage);
    bool entity = strstr(text, "entities/acme={") != NULL;
    bool document = strstr(text, "entities/acme#00002=") != NULL;
    bool chunk = strstr(text, "chunks/acme#00000=") != NULL;
    bool session = strstr(text, "chat_sessions/s1={") != NULL;
    bool message = strstr(text, "chat_sessions/s1#00000=") != NULL;
    if (entity != document || entity != chunk || session != message || (session && !entity))
        fail_msg("%s %u: half a commit: %s", what, (unsigned)n, text);
    const unsigned count = entity ? session ? 2 : 1 : 0;
    free(text);
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    return count;
}

static void check(const outcome *out, power_disk *disk, const char *what, uint64_t n)
{
    if (power_disk_open_handles(disk) != 0 || power_disk_views(disk) != 0)
        fail_msg("%s %u: a handle was left open", what, (unsigned)n);
    unsigned commits = commits_on(disk, what, n);
    if (commits < out->acknowledged)
        fail_msg("%s %u: %u commits were acknowledged, %u are there", what, (unsigned)n,
                 out->acknowledged, commits);
}

static void run_with_failing_memory(bool for_ever)
{
    outcome out;
    uint64_t n = 0;
    bool failed;
    fault_memory_install();
    do {
        power_disk *disk = power_disk_new();
        int64_t alive = fault_memory_alive();
        fault_memory_fail(++n, for_ever);
        run(&out, power_disk_table(disk));
        failed = fault_memory_failed();
        fault_memory_disarm();
        if (fault_memory_alive() != alive)
            fail_msg("allocation %u: %d blocks leak", (unsigned)n,
                     (int)(fault_memory_alive() - alive));
        if (out.status != RAGSTORE_OK && out.status != RAGSTORE_E_NO_MEMORY &&
            out.status != RAGSTORE_E_FAILED)
            fail_msg("allocation %u: %s", (unsigned)n, rsi_status_name(out.status));
        check(&out, disk, "allocation", n);
        power_disk_free(disk);
    } while (failed);
    fault_memory_restore();
    assert_int_equal(out.status, RAGSTORE_OK);
    assert_int_equal(out.acknowledged, 2);
    assert_true(n > 100);
}

static void storage_faults__survives_each_failing_allocation(void **state)
{
    (void)state;
    run_with_failing_memory(false);
}

static void storage_faults__survives_memory_that_stays_short(void **state)
{
    (void)state;
    run_with_failing_memory(true);
}

/* Each operation of a kind fails once, or from then on, on a new disk. */
static void run_with_failing_files(fault_call call, int error, bool for_ever)
{
    bool struck = true;
    for (int64_t n = 1; struck; n++) {
        fault_files faults;
        outcome out;
        power_disk *disk = power_disk_new();
        fault_files_init(&faults, power_disk_table(disk));
        fault_files_fail(&faults, call, n, error, for_ever);
        run(&out, &faults.table);
        struck = fault_files_struck(&faults);
        if (!struck && (out.status != RAGSTORE_OK || out.acknowledged != 2))
            fail_msg("%s: %s", fault_call_name(call), rsi_error_message());
        if (struck && error == FAULT_SHORT && out.status != RAGSTORE_OK)
            fail_msg("a short %s %d: %s", fault_call_name(call), (int)n, rsi_error_message());
        check(&out, disk, fault_call_name(call), (uint64_t)n);
        power_disk_free(disk);
    }
}

static void storage_faults__survives_each_failing_file_operation(void **state)
{
    (void)state;
    for (fault_call call = 0; call < FAULT_CALLS; call++)
        run_with_failing_files(call, EIO, false);
}

static void storage_faults__survives_file_operations_that_stay_broken(void **state)
{
    (void)state;
    for (fault_call call = 0; call <= FAULT_CALLS; call++)
        run_with_failing_files(call, EIO, true);
}

static void storage_faults__survives_a_full_disk(void **state)
{
    (void)state;
    static const fault_call calls[] = {FAULT_WRITE, FAULT_FLUSH,          FAULT_FLUSH_DATA,
                                       FAULT_OPEN,  FAULT_MAKE_DIRECTORY, FAULT_RENAME};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        run_with_failing_files(calls[i], ENOSPC, false);
        run_with_failing_files(calls[i], ENOSPC, true);
    }
}

static void storage_faults__does_not_notice_interruptions_and_short_counts(void **state)
{
    (void)state;
    run_with_failing_files(FAULT_READ, FAULT_SHORT, true);
    run_with_failing_files(FAULT_WRITE, FAULT_SHORT, true);
    run_with_failing_files(FAULT_ANY, EINTR, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_faults__survives_each_failing_allocation),
        cmocka_unit_test(storage_faults__survives_memory_that_stays_short),
        cmocka_unit_test(storage_faults__survives_each_failing_file_operation),
        cmocka_unit_test(storage_faults__survives_file_operations_that_stay_broken),
        cmocka_unit_test(storage_faults__survives_a_full_disk),
        cmocka_unit_test(storage_faults__does_not_notice_interruptions_and_short_counts),
    };
    int failed = 0;
    for (int small = 0; small < 2; small++) { /* files in memory, and read where they lie */
        power_choose_small(small != 0);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
