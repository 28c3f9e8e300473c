/* One store, several openers: what one leaves behind when it dies, or fails, is made safe. */
#include "follow_fixture.h"

/* A store that two have open; what the one whose files fail leaves behind is the other's to mend. */
typedef struct openers {
    power_disk *disk;
    fault_files faults; /* before the files of `a` */
    rsi_storage *a;
    rsi_storage *b;
} openers;

static const rsi_storage_options durable = {.durability = RAGSTORE_DURABILITY_FULL};

static void begin_alone(openers *o, power_disk *disk, const rsi_storage_options *chosen)
{
    rsi_storage_options options = *chosen;
    *o = (openers){.disk = disk};
    fault_files_init(&o->faults, power_disk_table(disk));
    options.files = &o->faults.table;
    assert_good(rsi_storage_open(&o->a, "/store", &options));
}

static void begin_both(openers *o)
{
    begin_alone(o, storage_make(true), &durable);
    o->b = storage_open_good(o->disk);
}

/* What is there when all have closed it has so many sessions. */
static void end_both(openers *o, size_t sessions)
{
    close_and_free(o->b);
    o->b = storage_open_good(o->disk);
    assert_sessions(o->b, sessions);
    close_and_free(o->b);
    power_disk_free(o->disk);
}

static void storage_follow_dead__a_killed_owner_blocks_nobody(void **state)
{
    (void)state;
    rsi_tx *tx;
    rsi_tx *other;
    openers o;
    begin_both(&o);
    assert_good(put_number(o.a, 1));
    assert_good(rsi_tx_begin(&tx, o.a));
    assert_good(storage_put_text(tx, RSI_SPACE_SESSIONS, "never", SESSION_JSON));
    assert_error(rsi_tx_begin(&other, o.b), RAGSTORE_E_BUSY);
    assert_true(strstr(rsi_error_message(), "another process") != NULL);
    rsi_tx_abort(tx);
    assert_good(rsi_tx_begin(&tx, o.a));
    rsi_storage_free(o.a); /* its locks go with its files */
    assert_good(put_number(o.b, 2));
    assert_sessions(o.b, 3);
    end_both(&o, 3); /* the one that was killed is remembered, and what it left is swept */
    free(tx); /* its memory is all that a kill leaves here */
}

/* The commit was flushed, and the process died before it told anybody. */
static void storage_follow_dead__what_a_dying_process_left_is_made_safe(void **state)
{
    (void)state;
    openers o;
    begin_both(&o);
    assert_good(put_number(o.a, 1));
    fault_files_fail(&o.faults, FAULT_WRITE, 2, EIO, true); /* the line, then the commit file */
    assert_good(put_number(o.a, 2));
    rsi_storage_free(o.a);
    assert_sessions(o.b, 2); /* nobody vouches for the last one yet */
    assert_good(put_number(o.b, 3));
    assert_sessions(o.b, 4);
    end_both(&o, 4);
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
    openers o;
    rsi_storage *reader;
    begin_alone(&o, storage_make(true), &durable);
    assert_good(put_number(o.a, 1));
    fault_files_fail(&o.faults, FAULT_WRITE, 2, EIO, false); /* the commit file */
    assert_good(put_number(o.a, 2));
    o.b = storage_open_good(o.disk);
    assert_good(storage_open_on(&reader, power_disk_table(o.disk), RAGSTORE_OPEN_READ_ONLY));
    assert_sessions(o.b, 2);
    assert_sessions(reader, 2);
    assert_good(put_number(o.b, 3)); /* made safe, and told */
    assert_sessions(o.b, 4);
    assert_same(o.a, o.b);
    assert_same(reader, o.b);
    assert_good(put_number(o.a, 4));
    assert_same(o.a, o.b);
    close_and_free(reader);
    close_and_free(o.a);
    end_both(&o, 5);
}

/* Half a line: the process died while it wrote. */
static void storage_follow_dead__a_torn_line_of_a_dead_process_is_cut(void **state)
{
    (void)state;
    char text[8192];
    openers o;
    begin_both(&o);
    assert_good(put_number(o.a, 1));
    rsi_storage_free(o.a);
    const rsi_path last = newest_journal(o.disk);
    size_t size = storage_read_file(o.disk, last.text, text, sizeof text);
    memcpy(text + size, "[\"RSJ1 000", 10);
    storage_write_file(o.disk, last.text, text, size + 10);
    assert_good(put_number(o.b, 2));
    assert_sessions(o.b, 3);
    end_both(&o, 3);
}

/* Newlines ahead of the lines are no line of a dead process; what one wrote over them is. */
static void storage_follow_dead__tells_newlines_ahead_from_a_torn_line(void **state)
{
    (void)state;
    static char text[1 << 18];
    openers o;
    power_disk *disk = storage_make(true);
    power_choose_small(false);
    begin_alone(&o, disk, &durable);
    o.b = storage_open_good(disk);
    assert_good(put_number(o.a, 1));
    const rsi_path first = newest_journal(disk);
    assert_true(storage_read_file(disk, first.text, text, sizeof text) > 10000);
    assert_good(put_number(o.b, 2));
    assert_good(put_number(o.a, 3));
    rsi_storage_free(o.a); /* killed, but not while it wrote */
    assert_good(put_number(o.b, 4));
    assert_string_equal(newest_journal(disk).text, first.text);
    assert_sessions(o.b, 5);
    o.a = storage_open_good(disk);
    assert_good(put_number(o.a, 5));
    rsi_storage_free(o.a);
    size_t size = storage_read_file(disk, first.text, text, sizeof text);
    memcpy(strstr(text, "\n\n") + 1, "[\"RSJ1 000", 10);
    storage_write_file(disk, first.text, text, size);
    assert_good(put_number(o.b, 6));
    assert_string_not_equal(newest_journal(disk).text, first.text);
    assert_sessions(o.b, 7);
    power_choose_small(true);
    end_both(&o, 7);
}

static void storage_follow_dead__a_failed_flush_elsewhere_is_made_safe(void **state)
{
    (void)state;
    openers o;
    begin_both(&o);
    assert_good(put_number(o.a, 1));
    fault_files_fail(&o.faults, FAULT_FLUSH_DATA, 1, EIO, true);
    assert_error(put_number(o.a, 2), RAGSTORE_E_FAILED);
    fault_files_disarm(&o.faults);
    assert_sessions(o.a, 2);
    assert_good(put_number(o.b, 3)); /* the one that failed may be there or not; it is */
    assert_sessions(o.b, 4);
    assert_same(o.a, o.b); /* reading goes on where writing has stopped */
    assert_error(put_number(o.a, 4), RAGSTORE_E_FAILED);
    assert_good(rsi_storage_close(o.a));
    rsi_storage_free(o.a);
    assert_good(put_number(o.b, 5));
    end_both(&o, 5);
}

/* The flush that a checkpoint begins with fails: the others must not take the journal's pages,
 * which count as clean from then on, for flushed. */
static void storage_follow_dead__a_failed_flush_of_a_checkpoint_is_made_safe(void **state)
{
    (void)state;
    char hint[128];
    openers o;
    const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_NORMAL};
    begin_alone(&o, storage_make(true), &options);
    o.b = storage_open_good(o.disk);
    assert_good(put_number(o.a, 1));
    const rsi_path before = newest_journal(o.disk);
    fault_files_fail(&o.faults, FAULT_FLUSH_DATA, 1, EIO, true);
    assert_error(rsi_storage_checkpoint(o.a), RAGSTORE_E_FAILED);
    fault_files_disarm(&o.faults);
    assert_true(storage_read_file(o.disk, RSI_PATH_COMMIT, hint, sizeof hint) > 54);
    assert_int_equal(hint[53], 'f');
    assert_good(put_number(o.b, 2)); /* into a journal of its own: the old one is written again */
    assert_string_not_equal(newest_journal(o.disk).text, before.text);
    assert_sessions(o.b, 3);
    assert_same(o.a, o.b);
    assert_good(rsi_storage_close(o.a));
    rsi_storage_free(o.a);
    end_both(&o, 3);
}

/* A checkpoint fails at each of its file operations, and its process dies there. */
static void storage_follow_dead__a_checkpoint_of_a_dying_process_is_completed(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        openers o;
        begin_both(&o);
        assert_good(put_number(o.a, 1));
        assert_good(put_chunk(o.a, 7, CHUNK_JSON));
        assert_good(rsi_storage_follow(o.b));
        fault_files_fail(&o.faults, FAULT_ANY, n, EIO, true);
        int status = rsi_storage_checkpoint(o.a);
        bool struck = fault_files_struck(&o.faults);
        assert_true(struck || status == RAGSTORE_OK);
        fault_files_disarm(&o.faults);
        rsi_storage_free(o.a);
        int put = put_number(o.b, 2);
        if (put != RAGSTORE_OK)
            fail_msg("operation %d: %s", (int)n, rsi_error_message());
        assert_sessions(o.b, 3);
        uint64_t count;
        assert_good(rsi_storage_row_count(&count, NULL, o.b, RSI_SPACE_CHUNKS, ENTITY));
        assert_int_equal(count, 2);
        int closed = rsi_storage_close(o.b);
        if (closed != RAGSTORE_OK)
            fail_msg("operation %d: close: %s", (int)n, rsi_error_message());
        rsi_storage_free(o.b);
        o.b = storage_open_good(o.disk);
        assert_sessions(o.b, 3);
        assert_good(rsi_storage_row_count(&count, NULL, o.b, RSI_SPACE_CHUNKS, ENTITY));
        assert_int_equal(count, 2);
        close_and_free(o.b);
        power_disk_free(o.disk);
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
        openers o;
        const rsi_storage_options options = {.durability = RAGSTORE_DURABILITY_FULL,
                                             .keep_lease = keeps};
        begin_alone(&o, storage_make(true), &options);
        assert_good(put_number(o.a, 1));
        fault_files_fail(&o.faults, FAULT_ANY, n, EIO, true);
        int status = rsi_storage_checkpoint(o.a);
        bool struck = fault_files_struck(&o.faults);
        fault_files_disarm(&o.faults);
        if (status != RAGSTORE_OK && status != RAGSTORE_E_FAILED) {
            assert_good(put_number(o.a, 2));
            int again = rsi_storage_checkpoint(o.a);
            if (again != RAGSTORE_OK)
                fail_msg("operation %d: %s", (int)n, rsi_error_message());
            assert_good(put_number(o.a, 3));
            close_and_free(o.a);
            o.a = storage_open_good(o.disk);
            assert_sessions(o.a, 4);
            close_and_free(o.a);
        } else {
            rsi_storage_free(o.a);
        }
        power_disk_free(o.disk);
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
    openers o;
    begin_alone(&o, power_disk_new(), &durable);
    o.b = storage_open_good(o.disk);
    assert_good(storage_commit_entity(o.a));
    int handle = storage_file(o.disk, "uploads/acme/.incoming-1", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    power_disk_table(o.disk)->close(o.disk, handle);
    assert_good(rsi_tx_begin(&tx, o.a));
    assert_good(storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, 3,
                                 "{\"doc_id\":\"d2\",\"stored_name\":\"a.txt\"}"));
    assert_good(rsi_tx_file(tx, ENTITY, ".incoming-1", "a.txt"));
    fault_files_fail(&o.faults, FAULT_RENAME, 1, EIO, true);
    assert_good(rsi_tx_commit(tx));
    rsi_storage_free(o.a);
    assert_good(put_number(o.b, 1));
    handle = storage_file(o.disk, "uploads/acme/a.txt", RSI_OPEN_READ);
    power_disk_table(o.disk)->close(o.disk, handle);
    close_and_free(o.b);
    power_disk_free(o.disk);
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
