/* Compaction: no file keeps what was deleted, and nothing else is lost, whatever fails on the way.
 */
#include "storage_fixture.h"

#include "base/memory.h"
#include "harness/fault_files.h"
#include "harness/fault_memory.h"

#include <errno.h>

#define assert_good(call)                                                                          \
    do {                                                                                           \
        if ((call) != RAGSTORE_OK)                                                                 \
            fail_msg("%s: %s", #call, rsi_error_message());                                        \
    } while (0)

#define SECRET "the combination is 31 17 4"

static int put_session(rsi_storage *storage, const char *key, const char *text)
{
    rsi_tx *tx;
    char json[128];
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    snprintf(json, sizeof json, "{\"text\":\"%s\"}", text);
    return storage_end(tx, storage_put_text(tx, RSI_SPACE_SESSIONS, key, json));
}

static int drop_session(rsi_storage *storage, const char *key)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    return storage_end(tx, rsi_tx_drop(tx, RSI_SPACE_SESSIONS, key));
}

/* ---- looking into all journals and snapshots ---- */

static bool file_has(rsi_storage *storage, const char *path, const char *text)
{
    rsi_bytes bytes = {0};
    bool has =
        rsi_file_read_all(rsi_storage_root(storage), path, SIZE_MAX / 2, &bytes) == RAGSTORE_OK &&
        memmem(bytes.data, bytes.size, text, strlen(text)) != NULL;
    rsi_bytes_free(&bytes);
    return has;
}

typedef struct looking {
    rsi_storage *storage;
    const char *text;
    unsigned journals;
    bool found;
} looking;

static int look_into(void *user, const char *name)
{
    looking *at = user;
    char path[RSI_PATH_MAX];
    snprintf(path, sizeof path, RSI_PATH_API_STORAGE "/%s", name);
    at->journals += strncmp(name, "journal-", 8) == 0;
    at->found = at->found || file_has(at->storage, path, at->text);
    return RAGSTORE_OK;
}

static looking look(rsi_storage *storage, const char *text)
{
    looking at = {.storage = storage, .text = text};
    assert_good(
        rsi_directory_names(rsi_storage_root(storage), RSI_PATH_API_STORAGE, look_into, &at));
    return at;
}

static void close_and_free(rsi_storage *storage)
{
    assert_good(rsi_storage_close(storage));
    rsi_storage_free(storage);
}

/* ---- tests ---- */

static void storage_compact__leaves_one_journal_and_no_deleted_text(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    assert_good(put_session(storage, "s2", SECRET));
    assert_good(rsi_storage_checkpoint(storage)); /* into a snapshot, too */
    assert_good(drop_session(storage, "s2"));
    char *before = storage_text(storage);
    assert_true(look(storage, SECRET).found);
    assert_good(rsi_storage_checkpoint(storage));
    assert_true(look(storage, SECRET).found); /* an ordinary one keeps it for backups */
    assert_good(rsi_storage_compact(storage));
    looking after = look(storage, SECRET);
    assert_false(after.found);
    assert_int_equal(after.journals, 1);
    assert_good(rsi_storage_compact(storage)); /* with nothing to do */
    char *text = storage_text(storage);
    assert_string_equal(text, before);
    free(text);
    close_and_free(storage);
    storage = storage_open_good(disk);
    text = storage_text(storage);
    assert_string_equal(text, before);
    free(text);
    free(before);
    close_and_free(storage);
    power_disk_free(disk);
}

/* Another process has read only a part of what is compacted away. */
static void storage_compact__takes_nothing_from_a_process_that_follows(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_good(put_session(a, "s2", SECRET));
    assert_good(rsi_storage_follow(b));
    assert_good(put_session(a, "s3", "unseen by the other"));
    assert_good(drop_session(a, "s2"));
    assert_good(rsi_storage_compact(a));
    assert_false(look(a, SECRET).found);
    assert_good(rsi_storage_follow(b));
    char *left = storage_text(a);
    char *right = storage_text(b);
    assert_string_equal(left, right);
    free(right);
    free(left);
    assert_good(put_session(b, "s4", "from the other"));
    assert_good(rsi_storage_compact(b));
    assert_good(put_session(a, "s5", "and back"));
    assert_good(rsi_storage_follow(b));
    left = storage_text(a);
    right = storage_text(b);
    assert_string_equal(left, right);
    free(right);
    free(left);
    close_and_free(a);
    close_and_free(b);
    power_disk_free(disk);
}

/* ---- beside another process that takes the same journals away ---- */

static fault_files beside;
static bool was_faster;

/* When the first journal is removed, the next one is gone before anybody looks at it. */
static int remove_two(void *self, int directory, const char *path, bool is_directory)
{
    const rsi_file_table *real = beside.real;
    const char *digits = strstr(path, "journal-");
    int result = real->remove(real->self, directory, path, is_directory);
    (void)self;
    if (digits != NULL && !was_faster) {
        const rsi_path next = rsi_path_journal(strtoull(digits + strlen("journal-"), NULL, 10) + 1);
        was_faster = real->remove(real->self, directory, next.text, false) == 0;
    }
    return result;
}

static void storage_compact__passes_over_journals_that_another_process_removed(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *storage;
    fault_files_init(&beside, power_disk_table(disk));
    assert_good(storage_open_on(&storage, &beside.table, 0));
    for (unsigned i = 0; i < 4; i++) {
        assert_good(put_session(storage, "s2", SECRET));
        assert_good(rsi_storage_checkpoint(storage));
    }
    assert_good(drop_session(storage, "s2"));
    assert_true(look(storage, SECRET).journals > 3);
    char *before = storage_text(storage);
    was_faster = false;
    beside.table.remove = remove_two;
    assert_good(rsi_storage_compact(storage));
    fault_files_init(&beside, power_disk_table(disk));
    assert_true(was_faster);
    assert_false(look(storage, SECRET).found);
    close_and_free(storage);
    storage = storage_open_good(disk);
    char *after = storage_text(storage);
    assert_string_equal(after, before);
    free(after);
    free(before);
    close_and_free(storage);
    power_disk_free(disk);
}

static void storage_compact__survives_each_file_call_that_fails(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        rsi_storage *storage;
        fault_files faults;
        power_disk *disk = storage_make(true);
        fault_files_init(&faults, power_disk_table(disk));
        assert_good(storage_open_on(&storage, &faults.table, 0));
        assert_good(put_session(storage, "s2", SECRET));
        assert_good(drop_session(storage, "s2"));
        char *before = storage_text(storage);
        fault_files_fail(&faults, FAULT_ANY, n, EIO, n % 2 == 0);
        int status = rsi_storage_compact(storage);
        bool struck = fault_files_struck(&faults);
        fault_files_disarm(&faults);
        if (status == RAGSTORE_OK)
            assert_false(look(storage, SECRET).found);
        rsi_storage_free(storage); /* as by a kill */
        storage = storage_open_good(disk);
        char *after = storage_text(storage);
        assert_string_equal(after, before);
        free(after);
        free(before);
        assert_good(rsi_storage_compact(storage));
        assert_false(look(storage, SECRET).found);
        close_and_free(storage);
        power_disk_free(disk);
        if (!struck)
            break;
        assert_true(n < 500);
    }
}

static void storage_compact__survives_each_allocation_that_fails(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        power_disk *disk = storage_make(true);
        rsi_storage *storage = storage_open_good(disk);
        assert_good(put_session(storage, "s2", SECRET));
        assert_good(drop_session(storage, "s2"));
        char *before = storage_text(storage);
        fault_memory_install();
        fault_memory_fail(n, false);
        int status = rsi_storage_compact(storage);
        bool struck = fault_memory_failed();
        fault_memory_restore();
        if (status != RAGSTORE_OK)
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        assert_good(rsi_storage_compact(storage));
        assert_false(look(storage, SECRET).found);
        char *after = storage_text(storage);
        assert_string_equal(after, before);
        free(after);
        free(before);
        close_and_free(storage);
        power_disk_free(disk);
        if (!struck)
            break;
        assert_true(n < 5000);
    }
}

static void storage_compact__a_reader_may_not(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *storage;
    assert_good(storage_open_on(&storage, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY));
    assert_int_equal(rsi_storage_compact(storage), RAGSTORE_E_READ_ONLY);
    close_and_free(storage);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_compact__leaves_one_journal_and_no_deleted_text),
        cmocka_unit_test(storage_compact__takes_nothing_from_a_process_that_follows),
        cmocka_unit_test(storage_compact__passes_over_journals_that_another_process_removed),
        cmocka_unit_test(storage_compact__survives_each_file_call_that_fails),
        cmocka_unit_test(storage_compact__survives_each_allocation_that_fails),
        cmocka_unit_test(storage_compact__a_reader_may_not),
    };
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
