/* One store, several openers: what one leaves behind when it dies, or fails, is made safe. */
#include "follow_fixture.h"

static void storage_follow_dead__a_killed_owner_blocks_nobody(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_tx *other;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    assert_good(rsi_tx_begin(&tx, a));
    assert_good(storage_put_text(tx, RSI_SPACE_SESSIONS, "never", SESSION_JSON));
    assert_error(rsi_tx_begin(&other, b), RAGSTORE_E_BUSY);
    assert_true(strstr(rsi_error_message(), "another process") != NULL);
    rsi_tx_abort(tx);
    assert_good(rsi_tx_begin(&tx, a));
    rsi_storage_free(a); /* its locks go with its files */
    assert_good(put_number(b, 2));
    assert_sessions(b, 3);
    close_and_free(b);
    /* the one that was killed is remembered, and what it left is swept */
    a = storage_open_good(disk);
    assert_sessions(a, 3);
    close_and_free(a);
    power_disk_free(disk);
    free(tx); /* its memory is all that a kill leaves here */
}

/* The commit was flushed, and the process died before it told anybody. */
static void storage_follow_dead__what_a_dying_process_left_is_made_safe(void **state)
{
    (void)state;
    rsi_storage *a;
    fault_files faults;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_good(storage_open_on(&a, &faults.table, 0));
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    fault_files_fail(&faults, FAULT_WRITE, 2, EIO, true); /* the line, then the commit file */
    assert_good(put_number(a, 2));
    rsi_storage_free(a);
    assert_sessions(b, 2); /* nobody vouches for the last one yet */
    assert_good(put_number(b, 3));
    assert_sessions(b, 4);
    close_and_free(b);
    b = storage_open_good(disk);
    assert_sessions(b, 4);
    close_and_free(b);
    power_disk_free(disk);
}

static rsi_path newest_journal(power_disk *disk)
{
    unsigned newest = 0;
    int root = storage_file(disk, ".", RSI_OPEN_DIRECTORY);
    for (unsigned i = 1; i < 20; i++) {
        rsi_file_info info;
        if (power_disk_table(disk)->info_at(disk, root, rsi_path_journal(i).text, &info) == 0)
            newest = i;
    }
    power_disk_table(disk)->close(disk, root);
    return rsi_path_journal(newest);
}

/* Who opens beside a writer believes what it vouches for, and no more. */
static void storage_follow_dead__an_opener_believes_what_is_vouched_for(void **state)
{
    (void)state;
    rsi_storage *a;
    rsi_storage *reader;
    fault_files faults;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_good(storage_open_on(&a, &faults.table, 0));
    assert_good(put_number(a, 1));
    fault_files_fail(&faults, FAULT_WRITE, 2, EIO, false); /* the commit file */
    assert_good(put_number(a, 2));
    rsi_storage *b = storage_open_good(disk);
    assert_good(storage_open_on(&reader, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY));
    assert_sessions(b, 2);
    assert_sessions(reader, 2);
    assert_good(put_number(b, 3)); /* made safe, and told */
    assert_sessions(b, 4);
    assert_same(a, b);
    assert_same(reader, b);
    assert_good(put_number(a, 4));
    assert_same(a, b);
    close_and_free(reader);
    close_and_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

/* Half a line: the process died while it wrote. */
static void storage_follow_dead__a_torn_line_of_a_dead_process_is_cut(void **state)
{
    (void)state;
    char text[8192];
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    rsi_storage_free(a);
    const rsi_path last = newest_journal(disk);
    size_t size = storage_read_file(disk, last.text, text, sizeof text);
    memcpy(text + size, "[\"RSJ1 000", 10);
    storage_write_file(disk, last.text, text, size + 10);
    assert_good(put_number(b, 2));
    assert_sessions(b, 3);
    close_and_free(b);
    b = storage_open_good(disk);
    assert_sessions(b, 3);
    close_and_free(b);
    power_disk_free(disk);
}

/* Newlines ahead of the lines are no line of a dead process; what one wrote over them is. */
static void storage_follow_dead__tells_newlines_ahead_from_a_torn_line(void **state)
{
    (void)state;
    static char text[1 << 18];
    power_disk *disk = storage_make(true);
    power_choose_small(false);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    const rsi_path first = newest_journal(disk);
    assert_true(storage_read_file(disk, first.text, text, sizeof text) > 10000);
    assert_good(put_number(b, 2));
    assert_good(put_number(a, 3));
    rsi_storage_free(a); /* killed, but not while it wrote */
    assert_good(put_number(b, 4));
    assert_string_equal(newest_journal(disk).text, first.text);
    assert_sessions(b, 5);
    a = storage_open_good(disk);
    assert_good(put_number(a, 5));
    rsi_storage_free(a);
    size_t size = storage_read_file(disk, first.text, text, sizeof text);
    memcpy(strstr(text, "\n\n") + 1, "[\"RSJ1 000", 10);
    storage_write_file(disk, first.text, text, size);
    assert_good(put_number(b, 6));
    assert_string_not_equal(newest_journal(disk).text, first.text);
    assert_sessions(b, 7);
    close_and_free(b);
    power_choose_small(true);
    b = storage_open_good(disk);
    assert_sessions(b, 7);
    close_and_free(b);
    power_disk_free(disk);
}

static void storage_follow_dead__a_failed_flush_elsewhere_is_made_safe(void **state)
{
    (void)state;
    rsi_storage *a;
    fault_files faults;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_good(storage_open_on(&a, &faults.table, 0));
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    fault_files_fail(&faults, FAULT_FLUSH_DATA, 1, EIO, true);
    assert_error(put_number(a, 2), RAGSTORE_E_FAILED);
    fault_files_disarm(&faults);
    assert_sessions(a, 2);
    assert_good(put_number(b, 3)); /* the one that failed may be there or not; it is */
    assert_sessions(b, 4);
    assert_same(a, b); /* reading goes on where writing has stopped */
    assert_error(put_number(a, 4), RAGSTORE_E_FAILED);
    assert_good(rsi_storage_close(a));
    rsi_storage_free(a);
    assert_good(put_number(b, 5));
    close_and_free(b);
    b = storage_open_good(disk);
    assert_sessions(b, 5);
    close_and_free(b);
    power_disk_free(disk);
}

/* The flush that a checkpoint begins with fails: the others must not take the journal's pages,
 * which count as clean from then on, for flushed. */
static void storage_follow_dead__a_failed_flush_of_a_checkpoint_is_made_safe(void **state)
{
    (void)state;
    char hint[128];
    rsi_storage *a;
    fault_files faults;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_NORMAL,
                                         .files = &faults.table};
    assert_good(rsi_storage_open(&a, "/store", &options));
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_number(a, 1));
    const rsi_path before = newest_journal(disk);
    fault_files_fail(&faults, FAULT_FLUSH_DATA, 1, EIO, true);
    assert_error(rsi_storage_checkpoint(a), RAGSTORE_E_FAILED);
    fault_files_disarm(&faults);
    assert_true(storage_read_file(disk, RSI_PATH_COMMIT, hint, sizeof hint) > 54);
    assert_int_equal(hint[53], 'f');
    assert_good(put_number(b, 2)); /* into a journal of its own: the old one is written again */
    assert_string_not_equal(newest_journal(disk).text, before.text);
    assert_sessions(b, 3);
    assert_same(a, b);
    assert_good(rsi_storage_close(a));
    rsi_storage_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

/* A checkpoint fails at each of its file operations, and its process dies there. */
static void storage_follow_dead__a_checkpoint_of_a_dying_process_is_completed(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        rsi_storage *a;
        fault_files faults;
        power_disk *disk = storage_make(true);
        fault_files_init(&faults, power_disk_table(disk));
        assert_good(storage_open_on(&a, &faults.table, 0));
        rsi_storage *b = storage_open_good(disk);
        assert_good(put_number(a, 1));
        assert_good(put_chunk(a, 7, CHUNK_JSON));
        assert_good(rsi_storage_follow(b));
        fault_files_fail(&faults, FAULT_ANY, n, EIO, true);
        int status = rsi_storage_checkpoint(a);
        bool struck = fault_files_struck(&faults);
        assert_true(struck || status == RAGSTORE_OK);
        fault_files_disarm(&faults);
        rsi_storage_free(a);
        int put = put_number(b, 2);
        if (put != RAGSTORE_OK)
            fail_msg("operation %d: %s", (int)n, rsi_error_message());
        assert_sessions(b, 3);
        uint64_t count;
        assert_good(rsi_storage_row_count(&count, NULL, b, RSI_SPACE_CHUNKS, ENTITY));
        assert_int_equal(count, 2);
        int closed = rsi_storage_close(b);
        if (closed != RAGSTORE_OK)
            fail_msg("operation %d: close: %s", (int)n, rsi_error_message());
        rsi_storage_free(b);
        b = storage_open_good(disk);
        assert_sessions(b, 3);
        assert_good(rsi_storage_row_count(&count, NULL, b, RSI_SPACE_CHUNKS, ENTITY));
        assert_int_equal(count, 2);
        close_and_free(b);
        power_disk_free(disk);
        if (!struck)
            break;
        assert_true(n < 500);
    }
}

/* All operations from one on fail, also those that would clear up; then the disk is well again. */
static void storage_checkpoint__succeeds_when_what_made_it_fail_is_over(void **state)
{
    (void)state;
    for (int64_t i = 2;; i++) {
        const int64_t n = i / 2;
        const bool keeps = i % 2 == 1; /* the writer lock, or it is taken anew each time */
        rsi_storage *a;
        fault_files faults;
        power_disk *disk = storage_make(true);
        fault_files_init(&faults, power_disk_table(disk));
        const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_FULL,
                                             .files = &faults.table,
                                             .keep_lease = keeps};
        assert_good(rsi_storage_open(&a, "/store", &options));
        assert_good(put_number(a, 1));
        fault_files_fail(&faults, FAULT_ANY, n, EIO, true);
        int status = rsi_storage_checkpoint(a);
        bool struck = fault_files_struck(&faults);
        fault_files_disarm(&faults);
        if (status != RAGSTORE_OK && status != RAGSTORE_E_FAILED) {
            assert_good(put_number(a, 2));
            int again = rsi_storage_checkpoint(a);
            if (again != RAGSTORE_OK)
                fail_msg("operation %d: %s", (int)n, rsi_error_message());
            assert_good(put_number(a, 3));
            close_and_free(a);
            a = storage_open_good(disk);
            assert_sessions(a, 4);
            close_and_free(a);
        } else {
            rsi_storage_free(a);
        }
        power_disk_free(disk);
        if (!struck)
            break;
        assert_true(n < 500);
    }
}

/* The files of an upload and of a new entity are another process's to name and make; when it died,
 * the next writer does it. */
static void storage_follow_dead__finishes_the_file_work_of_the_dead(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_storage *a;
    fault_files faults;
    power_disk *disk = power_disk_new();
    fault_files_init(&faults, power_disk_table(disk));
    assert_good(storage_open_on(&a, &faults.table, 0));
    rsi_storage *b = storage_open_good(disk);
    assert_good(storage_commit_entity(a));
    int handle = storage_file(disk, "uploads/acme/.incoming-1", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    power_disk_table(disk)->close(disk, handle);
    assert_good(rsi_tx_begin(&tx, a));
    assert_good(storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, 3,
                                 "{\"doc_id\":\"d2\",\"stored_name\":\"a.txt\"}"));
    assert_good(rsi_tx_file(tx, ENTITY, ".incoming-1", "a.txt"));
    fault_files_fail(&faults, FAULT_RENAME, 1, EIO, true);
    assert_good(rsi_tx_commit(tx));
    rsi_storage_free(a);
    assert_good(put_number(b, 1));
    handle = storage_file(disk, "uploads/acme/a.txt", RSI_OPEN_READ);
    power_disk_table(disk)->close(disk, handle);
    close_and_free(b);
    power_disk_free(disk);
}

/* File work that another one's checkpoint did not pass by is done: a follower keeps no list of
 * it. */
static void storage_follow_dead__forgets_file_work_that_is_done(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_path path;
    rsi_storage *reader;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(storage_open_on(&reader, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY));
    for (int i = 0; i < 2; i++) { /* followed before the checkpoint, and with it */
        int handle =
            storage_file(disk, "uploads/acme/.incoming-1", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
        power_disk_table(disk)->close(disk, handle);
        assert_good(rsi_tx_begin(&tx, a));
        assert_good(storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, 3,
                                     "{\"doc_id\":\"d2\",\"stored_name\":\"a.txt\"}"));
        assert_good(rsi_tx_file(tx, ENTITY, ".incoming-1", "a.txt"));
        assert_good(rsi_tx_commit(tx));
        if (i == 0) {
            assert_good(rsi_storage_follow(b));
            assert_good(rsi_storage_follow(reader));
            assert_true(rsi_storage_upload_waits(&path, b, ENTITY, "a.txt"));
        }
        assert_good(rsi_storage_checkpoint(a));
        assert_good(rsi_storage_follow(b));
        assert_good(rsi_storage_follow(reader));
        assert_false(rsi_storage_upload_waits(&path, b, ENTITY, "a.txt"));
        assert_false(rsi_storage_upload_waits(&path, reader, ENTITY, "a.txt"));
    }
    close_and_free(reader);
    close_and_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_follow_dead__a_killed_owner_blocks_nobody),
        cmocka_unit_test(storage_follow_dead__what_a_dying_process_left_is_made_safe),
        cmocka_unit_test(storage_follow_dead__an_opener_believes_what_is_vouched_for),
        cmocka_unit_test(storage_follow_dead__a_torn_line_of_a_dead_process_is_cut),
        cmocka_unit_test(storage_follow_dead__tells_newlines_ahead_from_a_torn_line),
        cmocka_unit_test(storage_follow_dead__a_failed_flush_elsewhere_is_made_safe),
        cmocka_unit_test(storage_follow_dead__a_failed_flush_of_a_checkpoint_is_made_safe),
        cmocka_unit_test(storage_follow_dead__a_checkpoint_of_a_dying_process_is_completed),
        cmocka_unit_test(storage_checkpoint__succeeds_when_what_made_it_fail_is_over),
        cmocka_unit_test(storage_follow_dead__finishes_the_file_work_of_the_dead),
        cmocka_unit_test(storage_follow_dead__forgets_file_work_that_is_done),
    };
    return cmocka_run_group_tests_name("follow the dead", tests, NULL, NULL);
}
