/* What opening does with journals, files and folders that a store was left with: see recover.c,
 * snapshots_load.c and work.c. Each test makes a store on a disk in memory, changes it behind its back, and opens it. */
#include "storage_fixture.h"

#include "base/digest.h"
#include "harness/fault_files.h"
#include "storage/journal.h"
#include "storage/manifest.h"

#include <errno.h>

#define JOURNAL_1 "api_storage/journal-0000000001.ndjson"
#define JOURNAL_2 "api_storage/journal-0000000002.ndjson"
#define JOURNAL_3 "api_storage/journal-0000000003.ndjson"
#define OTHER_INCARNATION "fedcba9876543210fedcba9876543210"

/* ---- small steps ---- */

static void put_session(rsi_storage *storage, const char *id)
{
    rsi_tx *tx;
    char json[100];
    snprintf(json, sizeof json, "{\"session_id\":\"%s\"}", id);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    assert_int_equal(storage_end(tx, storage_put_text(tx, RSI_SPACE_SESSIONS, id, json)),
                     RAGSTORE_OK);
}

static void make_file(power_disk *disk, const char *path, const char *text)
{
    int handle = storage_file(disk, path, RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    assert_int_equal(power_disk_table(disk)->write(disk, handle, text, strlen(text), 0),
                     strlen(text));
    power_disk_table(disk)->close(disk, handle);
}

static bool is_there(power_disk *disk, const char *path)
{
    rsi_file_info info;
    int root = storage_file(disk, ".", RSI_OPEN_DIRECTORY);
    int result = power_disk_table(disk)->info_at(disk, root, path, &info);
    power_disk_table(disk)->close(disk, root);
    return result == 0;
}

static void close_and_free(rsi_storage *storage)
{
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
}

/* Does the store hold this line of power_storage_text()? */
static bool holds(rsi_storage *storage, const char *line)
{
    char *text = storage_text(storage);
    bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

static void expect_damaged(power_disk *disk, const char *file)
{
    rsi_storage *storage;
    assert_int_equal(storage_open_on(&storage, power_disk_table(disk), 0), RAGSTORE_E_DAMAGED);
    if (strstr(rsi_error_message(), file) == NULL)
        fail_msg("\"%s\" is not in: %s", file, rsi_error_message());
}

/* ---- journals ---- */

static void storage_recover__cuts_a_torn_tail_before_it_appends(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    char bytes[4096];
    rsi_storage *storage = storage_open_good(disk);
    put_session(storage, "s1");
    close_and_free(storage);
    size_t size = storage_read_file(disk, JOURNAL_2, bytes, sizeof bytes);
    memset(bytes + size, 'x', 700); /* longer than any line that follows */
    storage_write_file(disk, JOURNAL_2, bytes, size + 700);
    storage = storage_open_good(disk);
    char after[8192];
    assert_int_equal(storage_read_file(disk, JOURNAL_2, after, sizeof after), size);
    put_session(storage, "s2");
    put_session(storage, "s3");
    rsi_storage_free(storage);
    size_t valid = storage_read_file(disk, JOURNAL_2, after, sizeof after);
    assert_null(memmem(after, valid, "xxxx", 4));
    storage = storage_open_good(disk);
    assert_true(holds(storage, "chat_sessions/s2="));
    assert_true(holds(storage, "chat_sessions/s3="));
    close_and_free(storage);
    power_disk_free(disk);
}

/* Two journals with commits: what the second says of a record is newer. */
static void storage_recover__replays_journals_by_generation(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    power_disk *before = NULL;
    char manifest[4096];
    char sessions[4096];
    rsi_storage *storage = storage_open_good(disk);
    size_t manifest_size = storage_read_file(disk, RSI_PATH_MANIFEST, manifest, sizeof manifest);
    size_t sessions_size =
        storage_read_file(disk, RSI_PATH_SESSIONS, sessions, sizeof sessions);
    put_session(storage, "s1");
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    put_session(storage, "s2");
    rsi_storage_free(storage);
    /* as a backup may have it: old files, both journals */
    storage_write_file(disk, RSI_PATH_MANIFEST, manifest, manifest_size);
    storage_write_file(disk, RSI_PATH_SESSIONS, sessions, sessions_size);
    before = power_disk_cut(disk, POWER_KEEP_ALL);
    storage = storage_open_good(disk);
    assert_true(holds(storage, "chat_sessions/s1="));
    assert_true(holds(storage, "chat_sessions/s2="));
    close_and_free(storage);
    power_disk_free(disk);

    storage_remove(before, JOURNAL_1); /* now a commit is missing in between */
    expect_damaged(before, "journal");
    power_disk_free(before);
}

/* Another file of the same bytes takes a file's place: its name is on the disk, the bytes need not be. */
static void copy_file(power_disk *disk, const char *path)
{
    const rsi_file_table *table = power_disk_table(disk);
    char bytes[8192];
    size_t size = storage_read_file(disk, path, bytes, sizeof bytes - 1);
    bytes[size] = '\0';
    make_file(disk, "api_storage/copy", bytes);
    int root = storage_file(disk, ".", RSI_OPEN_DIRECTORY);
    char directory[RSI_PATH_MAX];
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    int parent = storage_file(disk, directory, RSI_OPEN_DIRECTORY);
    assert_int_equal(table->rename(disk, root, "api_storage/copy", path), 0);
    assert_int_equal(table->flush(disk, parent), 0);
    table->close(disk, parent);
    table->close(disk, root);
}

/* Three journals, of which the files need the last, and the files as a copied store has them. */
static power_disk *make_moved(void)
{
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    put_session(storage, "s0");
    put_session(storage, "s1"); /* its line tells that the one before was flushed */
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    put_session(storage, "s2");
    close_and_free(storage);
    copy_file(disk, RSI_PATH_ENTITIES);
    copy_file(disk, RSI_PATH_SESSIONS);
    return disk;
}

/* Who reads the oldest journal fails. */
static void spoil_journal(power_disk *disk)
{
    char bytes[8192];
    size_t size = storage_read_file(disk, JOURNAL_1, bytes, sizeof bytes);
    char *place = memmem(bytes, size, "s0", 2);
    assert_non_null(place);
    place[1] = '9';
    storage_write_file(disk, JOURNAL_1, bytes, size);
}

static void storage_recover__reads_the_old_journals_of_a_copied_store_once(void **state)
{
    (void)state;
    power_disk *disk = make_moved();
    power_disk *before = power_disk_cut(disk, POWER_KEEP_ALL);
    spoil_journal(before);
    expect_damaged(before, "journal");
    power_disk_free(before);

    close_and_free(storage_open_good(disk));
    spoil_journal(disk);
    rsi_storage *storage = storage_open_good(disk);
    assert_true(holds(storage, "chat_sessions/s1="));
    assert_true(holds(storage, "chat_sessions/s2="));
    close_and_free(storage);
    power_disk_free(disk);
}

/* A reader writes nothing, nor does the second close. */
static void storage_recover__lists_a_copied_store_once_and_by_a_writer(void **state)
{
    (void)state;
    char before[4096];
    char after[4096];
    rsi_storage *storage;
    power_disk *disk = make_moved();
    size_t size = storage_read_file(disk, RSI_PATH_MANIFEST, before, sizeof before);
    assert_int_equal(storage_open_on(&storage, power_disk_table(disk), RAGSTORE_OPEN_READ_ONLY), 0);
    close_and_free(storage);
    assert_int_equal(storage_read_file(disk, RSI_PATH_MANIFEST, after, sizeof after), size);
    assert_memory_equal(before, after, size);
    close_and_free(storage_open_good(disk));
    size = storage_read_file(disk, RSI_PATH_MANIFEST, after, sizeof after);
    assert_memory_not_equal(before, after, size);
    copy_file(disk, JOURNAL_1); /* is of no interest any more */
    char journal[4096];
    const size_t journal_size = storage_read_file(disk, JOURNAL_3, journal, sizeof journal);
    close_and_free(storage_open_good(disk));
    assert_int_equal(storage_read_file(disk, RSI_PATH_MANIFEST, before, sizeof before), size);
    assert_memory_equal(before, after, size);
    assert_int_equal(storage_read_file(disk, JOURNAL_3, journal, sizeof journal), journal_size);
    power_disk_free(disk);
}

/* Nobody compares the bytes any more: so they must be on the disk. */
static void storage_recover__flushes_a_copied_file_before_it_is_listed(void **state)
{
    (void)state;
    power_disk *disk = make_moved();
    close_and_free(storage_open_good(disk));
    power_disk *after = power_disk_cut(disk, POWER_KEEP_NOTHING);
    rsi_storage *storage = storage_open_good(after);
    assert_true(holds(storage, "chat_sessions/s1="));
    assert_true(holds(storage, "chat_sessions/s2="));
    close_and_free(storage);
    power_disk_free(after);
    power_disk_free(disk);
}

#define CHUNK_FILE "entity_scoped/entities/" ENTITY "/chunk_metadata.json"
#define ENTITY_FILE "entity_scoped/entities/" ENTITY "/entity.json"

static int read_chunk(rsi_storage *storage)
{
    rsi_bytes value = {0};
    int status = rsi_storage_row_get(&value, storage, RSI_SPACE_CHUNKS, ENTITY, 0);
    rsi_bytes_free(&value);
    return status;
}

static int open_read_and_close(power_disk *disk, const rsi_file_table *table, uint32_t flags)
{
    rsi_storage *storage;
    int status = storage_open_on(&storage, table == NULL ? power_disk_table(disk) : table,
                                 RAGSTORE_OPEN_MUST_EXIST | flags);
    if (status != RAGSTORE_OK)
        return status;
    status = read_chunk(storage);
    const int closed = rsi_storage_close(storage);
    rsi_storage_free(storage);
    return status == RAGSTORE_OK ? closed : status;
}

static power_disk *make_moved_chunks(void)
{
    power_disk *disk = storage_make(true);
    copy_file(disk, CHUNK_FILE);
    return disk;
}

/* Or each open would compute its digest and read older journals again. */
static void storage_recover__lists_copied_chunks_once_and_by_a_writer(void **state)
{
    (void)state;
    char before[4096];
    char after[4096];
    power_disk *disk = make_moved_chunks();
    size_t size = storage_read_file(disk, ENTITY_FILE, before, sizeof before);
    assert_int_equal(open_read_and_close(disk, NULL, RAGSTORE_OPEN_READ_ONLY), 0);
    assert_int_equal(storage_read_file(disk, ENTITY_FILE, after, sizeof after), size);
    assert_memory_equal(before, after, size);
    assert_int_equal(open_read_and_close(disk, NULL, 0), 0);
    size = storage_read_file(disk, ENTITY_FILE, after, sizeof after);
    assert_memory_not_equal(before, after, size);
    assert_int_equal(open_read_and_close(disk, NULL, 0), 0);
    assert_int_equal(storage_read_file(disk, ENTITY_FILE, before, sizeof before), size);
    assert_memory_equal(before, after, size);
    power_disk_free(disk);
}

static void storage_recover__flushes_copied_chunks_before_they_are_listed(void **state)
{
    (void)state;
    power_disk *disk = make_moved_chunks();
    assert_int_equal(open_read_and_close(disk, NULL, 0), 0);
    power_disk *after = power_disk_cut(disk, POWER_KEEP_NOTHING);
    assert_int_equal(open_read_and_close(after, NULL, 0), 0);
    power_disk_free(after);
    power_disk_free(disk);
}

static void storage_recover__loses_no_copied_chunks_to_failing_calls(void **state)
{
    (void)state;
    bool struck = true;
    for (int64_t n = 1; struck; n++) {
        fault_files faults;
        power_disk *disk = make_moved_chunks();
        fault_files_init(&faults, power_disk_table(disk));
        fault_files_fail(&faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        (void)open_read_and_close(disk, &faults.table, 0);
        struck = fault_files_struck(&faults);
        if (open_read_and_close(disk, NULL, 0) != RAGSTORE_OK)
            fail_msg("after call %d failed: %s", (int)n, rsi_error_message());
        power_disk_free(disk);
    }
}

static void storage_recover__loses_nothing_of_a_copied_store_to_failing_calls(void **state)
{
    (void)state;
    bool struck = true;
    int64_t n = 1;
    for (; struck; n++) {
        fault_files faults;
        rsi_storage *storage;
        power_disk *disk = make_moved();
        fault_files_init(&faults, power_disk_table(disk));
        fault_files_fail(&faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
        int status = storage_open_on(&storage, &faults.table, RAGSTORE_OPEN_MUST_EXIST);
        if (status == RAGSTORE_OK) {
            status = rsi_storage_close(storage);
            rsi_storage_free(storage);
        }
        struck = fault_files_struck(&faults);
        assert_true(struck || status == RAGSTORE_OK);
        assert_int_equal(power_disk_open_handles(disk), 0);
        storage = storage_open_good(disk);
        assert_true(holds(storage, "chat_sessions/s1="));
        assert_true(holds(storage, "chat_sessions/s2="));
        close_and_free(storage);
        power_disk_free(disk);
    }
    assert_true(n > 50);
}

static void storage_recover__keeps_journals_for_a_while(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    for (char id[] = "s0"; id[1] < '6'; id[1]++) {
        put_session(storage, id);
        assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    }
    assert_true(is_there(disk, JOURNAL_1));
    power_disk_back_date(disk, 3600);
    for (char id[] = "t0"; id[1] < '4'; id[1]++) {
        put_session(storage, id);
        assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    }
    assert_true(is_there(disk, JOURNAL_1)); /* it is as young as before */
    close_and_free(storage);
    power_disk_free(disk);
}

static void storage_recover__believes_no_record_without_the_digest(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    char bytes[4096];
    size_t size = storage_read_file(disk, RSI_PATH_SESSIONS, bytes, sizeof bytes);
    char *name = memmem(bytes, size, "hello", 5);
    assert_non_null(name);
    name[0] = 'j'; /* the same size, another digest: a hand edit, which is written down again */
    storage_write_file(disk, RSI_PATH_SESSIONS, bytes, size);
    rsi_storage *storage = storage_open_good(disk);
    put_session(storage, "s2"); /* before that, somebody looks: nothing of the edit may be lost */
    close_and_free(storage);
    char manifest[4096];
    char sha256[RSI_SHA256_HEX];
    storage_read_file(disk, RSI_PATH_MANIFEST, manifest, sizeof manifest);
    size = storage_read_file(disk, RSI_PATH_SESSIONS, bytes, sizeof bytes);
    rsi_sha256_hex(bytes, size, sha256);
    assert_non_null(strstr(bytes, "jello"));
    assert_non_null(strstr(manifest, sha256));
    power_disk_free(disk);
}

/* A base that is too high would pass over commits that are only in the journal. */
static void storage_recover__believes_no_sequence_in_a_damaged_manifest(void **state)
{
    (void)state;
    char bytes[4096];
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    put_session(storage, "s1");
    rsi_storage_free(storage);
    size_t size = storage_read_file(disk, RSI_PATH_MANIFEST, bytes, sizeof bytes);
    char *sessions = strstr(bytes, "chat_sessions.json");
    assert_non_null(sessions);
    char *base = strstr(sessions, "base_sequence\":0");
    assert_non_null(base);
    base[strlen("base_sequence\":")] = '1';
    storage_write_file(disk, RSI_PATH_MANIFEST, bytes, size);
    expect_damaged(disk, RSI_PATH_MANIFEST);
    power_disk_free(disk);
}

static void storage_recover__conflicts_with_an_edit_of_the_same_size(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    char bytes[4096];
    rsi_storage *storage = storage_open_good(disk);
    put_session(storage, "s2");
    rsi_storage_free(storage);
    size_t size = storage_read_file(disk, RSI_PATH_SESSIONS, bytes, sizeof bytes);
    ((char *)memmem(bytes, size, "hello", 5))[0] = 'j';
    storage_write_file(disk, RSI_PATH_SESSIONS, bytes, size);
    assert_int_equal(storage_open_on(&storage, power_disk_table(disk), 0), RAGSTORE_E_CONFLICT);
    power_disk_free(disk);
}

/* ---- segments ---- */

/* A commit whose chunk rows travel in a file of their own. */
static void commit_large(rsi_storage *storage)
{
    rsi_tx *tx;
    char *json = malloc(80100);
    assert_non_null(json);
    int at = snprintf(json, 100, "{\"doc_id\":\"d1\",\"text\":\"");
    memset(json + at, 'x', 80000);
    memcpy(json + at + 80000, "\"}", 3);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    assert_int_equal(storage_end(tx, storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, 1, json)),
                     RAGSTORE_OK);
    free(json);
}

typedef struct first_name {
    char text[200];
} first_name;

static int take_name(void *user, const char *name, rsi_file_kind kind)
{
    (void)kind;
    snprintf(((first_name *)user)->text, sizeof((first_name *)user)->text, "%s", name);
    return RAGSTORE_OK;
}

static void storage_recover__serves_no_damaged_segment(void **state)
{
    (void)state;
    static char bytes[1 << 17];
    first_name segment;
    char path[300];
    rsi_bytes row = {0};
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    commit_large(storage);
    assert_int_equal(rsi_directory_list(rsi_storage_root(storage),
                                        "entity_scoped/entities/" ENTITY "/segments", take_name,
                                        &segment),
                     RAGSTORE_OK);
    rsi_storage_free(storage);
    snprintf(path, sizeof path, "entity_scoped/entities/" ENTITY "/segments/%s", segment.text);
    size_t size = storage_read_file(disk, path, bytes, sizeof bytes);
    bytes[size / 2] = 'y';
    storage_write_file(disk, path, bytes, size);
    storage = storage_open_good(disk);
    assert_int_equal(rsi_storage_row_get(&row, storage, RSI_SPACE_CHUNKS, ENTITY, 1),
                     RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), segment.text));
    assert_true(rsi_storage_get(&row, storage, RSI_SPACE_SESSIONS, "s1") == RAGSTORE_OK);
    rsi_bytes_free(&row);
    rsi_storage_free(storage);
    power_disk_free(disk);
}

/* ---- files that follow commits ---- */

static void storage_recover__sweeps_its_own_names_and_no_others(void **state)
{
    (void)state;
    static const char *const ours[] = {"uploads/" ENTITY "/.incoming-0011223344556677",
                                       "api_storage/.tmp-0011223344556677",
                                       "entity_scoped/entities/" ENTITY "/.tmp-8899aabbccddeeff"};
    static const char *const others[] = {"uploads/" ENTITY "/keep.txt", "api_storage/keep.json",
                                         "keep-me", "entity_scoped/entities/" ENTITY "/keep"};
    power_disk *disk = storage_make(false);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        make_file(disk, ours[i], "half");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        make_file(disk, others[i], "whole");
    close_and_free(storage_open_good(disk));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_false(is_there(disk, ours[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(is_there(disk, others[i]));
    power_disk_free(disk);
}

/* Commit a document row whose bytes have this name, and the change of the file that goes with
 * it. */
static int commit_upload(power_disk *disk, rsi_storage *storage, uint64_t row, const char *name)
{
    rsi_tx *tx;
    char json[100];
    snprintf(json, sizeof json, "{\"doc_id\":\"d%d\",\"stored_name\":\"%s\"}", (int)row, name);
    make_file(disk, "uploads/" ENTITY "/.incoming-0011223344556677", name);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, row, json);
    if (status == RAGSTORE_OK)
        status = rsi_tx_file(tx, ENTITY, ".incoming-0011223344556677", name);
    return storage_end(tx, status);
}

#define UPLOAD "uploads/" ENTITY "/a.txt"

static void storage_recover__changes_no_file_for_a_commit_that_failed(void **state)
{
    (void)state;
    fault_files faults;
    rsi_storage *storage;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_int_equal(storage_open_on(&storage, &faults.table, 0), RAGSTORE_OK);
    fault_files_fail(&faults, FAULT_WRITE, 1, ENOSPC, true);
    assert_int_equal(commit_upload(disk, storage, 5, "a.txt"), RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&faults);
    put_session(storage, "s2");
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    assert_false(is_there(disk, UPLOAD));
    close_and_free(storage);
    power_disk_free(disk);
}

/* A disk on which a commit stands and its upload has no name yet. */
static power_disk *make_unnamed_upload(void)
{
    fault_files faults;
    rsi_storage *storage;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_int_equal(storage_open_on(&storage, &faults.table, 0), RAGSTORE_OK);
    fault_files_fail(&faults, FAULT_RENAME, 1, EIO, true);
    assert_int_equal(commit_upload(disk, storage, 5, "a.txt"), RAGSTORE_OK);
    rsi_storage_free(storage);
    assert_false(is_there(disk, UPLOAD));
    return disk;
}

static void storage_recover__tells_readers_where_an_unnamed_upload_is(void **state)
{
    (void)state;
    static const uint32_t flags[] = {RAGSTORE_OPEN_READ_ONLY, 0};
    power_disk *disk = make_unnamed_upload();
    for (size_t i = 0; i < 2; i++) {
        rsi_storage *storage;
        rsi_path path;
        assert_int_equal(storage_open_on(&storage, power_disk_table(disk), flags[i]), RAGSTORE_OK);
        const bool waits = rsi_storage_upload_waits(&path, storage, ENTITY, "a.txt");
        assert_int_equal(waits, flags[i] != 0); /* recovery gives it its name */
        assert_true(is_there(disk, waits ? path.text : UPLOAD));
        assert_false(rsi_storage_upload_waits(&path, storage, ENTITY, "b.txt"));
        rsi_storage_free(storage);
    }
    power_disk_free(disk);
}

static void storage_recover__takes_no_failed_look_for_a_no(void **state)
{
    (void)state;
    power_disk *disk = make_unnamed_upload();
    bool struck = true;
    for (int64_t n = 1; struck; n++) {
        fault_files faults;
        rsi_storage *storage;
        power_disk *copy = power_disk_cut(disk, POWER_KEEP_ALL);
        fault_files_init(&faults, power_disk_table(copy));
        fault_files_fail(&faults, FAULT_INFO_AT, n, EIO, false);
        if (storage_open_on(&storage, &faults.table, 0) == RAGSTORE_OK)
            rsi_storage_free(storage);
        struck = fault_files_struck(&faults);
        close_and_free(storage_open_good(copy));
        if (!is_there(copy, UPLOAD))
            fail_msg("the upload is lost after look %d failed", (int)n);
        power_disk_free(copy);
    }
    power_disk_free(disk);
}

/* A directory may need a block for a name: what cannot get one yet is no leftover. */
static void storage_recover__keeps_an_upload_that_a_full_disk_leaves_unnamed(void **state)
{
    (void)state;
    power_disk *disk = make_unnamed_upload();
    bool struck = true;
    int64_t n;
    for (n = 1; struck; n++) {
        fault_files faults;
        rsi_storage *storage;
        rsi_path path;
        power_disk *copy = power_disk_cut(disk, POWER_KEEP_ALL);
        fault_files_init(&faults, power_disk_table(copy));
        fault_files_fail(&faults, FAULT_RENAME, n, ENOSPC, true);
        assert_int_equal(storage_open_on(&storage, &faults.table, 0), RAGSTORE_OK);
        struck = fault_files_struck(&faults);
        const bool waits = rsi_storage_upload_waits(&path, storage, ENTITY, "a.txt");
        assert_true(is_there(copy, waits ? path.text : UPLOAD));
        assert_true(waits || n > 1);
        rsi_storage_free(storage);
        close_and_free(storage_open_good(copy));
        assert_true(is_there(copy, UPLOAD));
        power_disk_free(copy);
    }
    assert_true(n > 2);
    power_disk_free(disk);
}

typedef struct cuts {
    power_disk *left[64];
    size_t count;
} cuts;

static void keep_a_cut(void *user, power_disk *disk, uint64_t operation)
{
    cuts *all = user;
    (void)operation;
    if (all->count < sizeof all->left / sizeof *all->left)
        all->left[all->count++] = power_disk_cut(disk, POWER_KEEP_NOTHING);
}

/* Wherever the power goes: an entity that is there has its folders, and its file in them. */
static void storage_recover__makes_the_folders_of_an_entity_that_came(void **state)
{
    (void)state;
    cuts all = {.count = 0};
    unsigned came = 0;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    rsi_tx *tx;
    power_disk_hook(disk, keep_a_cut, &all);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = storage_put_text(tx, RSI_SPACE_ENTITIES, ENTITY, ENTITY_JSON);
    if (status == RAGSTORE_OK)
        status = rsi_tx_come(tx, ENTITY, INCARNATION);
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
    power_disk_hook(disk, NULL, NULL);
    rsi_storage_free(storage);
    power_disk_free(disk);
    for (size_t i = 0; i < all.count; i++) {
        storage = storage_open_good(all.left[i]);
        if (holds(storage, "entities/" ENTITY "=")) {
            came++;
            assert_true(is_there(all.left[i], "entity_scoped/entities/" ENTITY "/entity.json"));
            assert_true(is_there(all.left[i], "uploads/" ENTITY));
        }
        rsi_storage_free(storage);
        power_disk_free(all.left[i]);
    }
    assert_true(came > 2 && came < all.count);
}

static void storage_recover__removes_no_upload_that_has_the_name_again(void **state)
{
    (void)state;
    rsi_tx *tx;
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    assert_int_equal(commit_upload(disk, storage, 5, "a.txt"), RAGSTORE_OK);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = rsi_tx_row_drop(tx, RSI_SPACE_ENTITIES, ENTITY, 5);
    if (status == RAGSTORE_OK)
        status = rsi_tx_unlink(tx, ENTITY, "a.txt");
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
    assert_false(is_there(disk, UPLOAD));
    assert_int_equal(commit_upload(disk, storage, 6, "a.txt"), RAGSTORE_OK);
    rsi_storage_free(storage); /* the journal tells of both, and of the removal between them */
    storage = storage_open_good(disk);
    assert_true(is_there(disk, UPLOAD));
    close_and_free(storage);
    power_disk_free(disk);
}

/* A folder that another creation of the entity left goes aside when the id comes again. */
static void storage_recover__a_new_entity_takes_no_old_folder(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    power_disk *fresh = power_disk_new();
    static char bytes[4096];
    rsi_tx *tx;
    size_t size = storage_read_file(disk, "entity_scoped/entities/" ENTITY "/entity.json", bytes,
                                    sizeof bytes);
    rsi_storage *storage = storage_open_good(fresh);
    assert_int_equal(
        rsi_directory_make(rsi_storage_root(storage), "entity_scoped/entities/" ENTITY),
        RAGSTORE_OK);
    bytes[size] = '\0';
    make_file(fresh, "entity_scoped/entities/" ENTITY "/entity.json", bytes);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = storage_put_text(tx, RSI_SPACE_ENTITIES, ENTITY,
                                  "{\"_id\":\"acme\",\"incarnation\":\"" OTHER_INCARNATION "\"}");
    if (status == RAGSTORE_OK)
        status = rsi_tx_come(tx, ENTITY, OTHER_INCARNATION);
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
    storage_read_file(fresh, "entity_scoped/entities/" ENTITY "/entity.json", bytes,
                      sizeof bytes);
    assert_non_null(strstr(bytes, OTHER_INCARNATION));
    assert_true(is_there(fresh, "quarantine"));
    close_and_free(storage);
    power_disk_free(fresh);
    power_disk_free(disk);
}

/* The removal of an entity is cut short, and somebody restores its uploads before the next open. */
static void storage_recover__leaves_what_was_restored_where_an_entity_went(void **state)
{
    (void)state;
    fault_files faults;
    rsi_storage *storage;
    rsi_tx *tx;
    power_disk *disk = storage_make(true);
    fault_files_init(&faults, power_disk_table(disk));
    assert_int_equal(storage_open_on(&storage, &faults.table, 0), RAGSTORE_OK);
    assert_int_equal(commit_upload(disk, storage, 5, "a.txt"), RAGSTORE_OK);
    assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
    int status = rsi_tx_drop(tx, RSI_SPACE_ENTITIES, ENTITY);
    if (status == RAGSTORE_OK)
        status = rsi_tx_gone(tx, ENTITY, INCARNATION);
    fault_files_fail(&faults, FAULT_REMOVE, 1, EIO, true);
    assert_int_equal(storage_end(tx, status), RAGSTORE_OK);
    fault_files_disarm(&faults);
    assert_int_equal(rsi_file_rename(rsi_storage_root(storage), "uploads/" ENTITY,
                                     "uploads/.gone-" INCARNATION),
                     RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(rsi_storage_root(storage), "uploads/" ENTITY), RAGSTORE_OK);
    make_file(disk, UPLOAD, "restored");
    rsi_storage_free(storage);
    storage = storage_open_good(disk);
    assert_true(is_there(disk, UPLOAD));
    assert_false(is_there(disk, "uploads/.gone-" INCARNATION));
    close_and_free(storage);
    power_disk_free(disk);
}

static void storage_recover__takes_no_file_of_another_entity(void **state)
{
    (void)state;
    rsi_entity_file file;
    char bytes[4096];
    power_disk *disk = storage_make(true);
    rsi_storage *storage = storage_open_good(disk);
    size_t size = storage_read_file(disk, "entity_scoped/entities/" ENTITY "/entity.json", bytes,
                                    sizeof bytes);
    assert_int_equal(rsi_directory_make(rsi_storage_root(storage), "entity_scoped/entities/other"),
                     RAGSTORE_OK);
    bytes[size] = '\0';
    make_file(disk, "entity_scoped/entities/other/entity.json", bytes);
    assert_int_equal(rsi_entity_file_read(&file, rsi_storage_root(storage), "other"),
                     RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_entity_file_read(&file, rsi_storage_root(storage), ENTITY), RAGSTORE_OK);
    close_and_free(storage);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_recover__cuts_a_torn_tail_before_it_appends),
        cmocka_unit_test(storage_recover__replays_journals_by_generation),
        cmocka_unit_test(storage_recover__reads_the_old_journals_of_a_copied_store_once),
        cmocka_unit_test(storage_recover__lists_a_copied_store_once_and_by_a_writer),
        cmocka_unit_test(storage_recover__flushes_a_copied_file_before_it_is_listed),
        cmocka_unit_test(storage_recover__lists_copied_chunks_once_and_by_a_writer),
        cmocka_unit_test(storage_recover__flushes_copied_chunks_before_they_are_listed),
        cmocka_unit_test(storage_recover__loses_no_copied_chunks_to_failing_calls),
        cmocka_unit_test(storage_recover__loses_nothing_of_a_copied_store_to_failing_calls),
        cmocka_unit_test(storage_recover__keeps_journals_for_a_while),
        cmocka_unit_test(storage_recover__believes_no_record_without_the_digest),
        cmocka_unit_test(storage_recover__believes_no_sequence_in_a_damaged_manifest),
        cmocka_unit_test(storage_recover__conflicts_with_an_edit_of_the_same_size),
        cmocka_unit_test(storage_recover__serves_no_damaged_segment),
        cmocka_unit_test(storage_recover__sweeps_its_own_names_and_no_others),
        cmocka_unit_test(storage_recover__changes_no_file_for_a_commit_that_failed),
        cmocka_unit_test(storage_recover__tells_readers_where_an_unnamed_upload_is),
        cmocka_unit_test(storage_recover__takes_no_failed_look_for_a_no),
        cmocka_unit_test(storage_recover__keeps_an_upload_that_a_full_disk_leaves_unnamed),
        cmocka_unit_test(storage_recover__makes_the_folders_of_an_entity_that_came),
        cmocka_unit_test(storage_recover__removes_no_upload_that_has_the_name_again),
        cmocka_unit_test(storage_recover__a_new_entity_takes_no_old_folder),
        cmocka_unit_test(storage_recover__leaves_what_was_restored_where_an_entity_went),
        cmocka_unit_test(storage_recover__takes_no_file_of_another_entity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
