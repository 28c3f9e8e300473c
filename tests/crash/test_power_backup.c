/*
 * The power goes while a backup is taken, and while it is restored: what has the list is a backup,
 * what has the name is the store, and both stay once they were acknowledged.
 *
 *   take ─► hook before each change of the disk ─► cuts ─► is there a list? then all of it is right
 *   restore ─► the same ─► is there a directory of that name? then it is the store
 */
#include "../unit/storage/storage_fixture.h"

#include "storage/backup.h"

#define CHOICES 6 /* cuts at each point, besides nothing and all of what is pending */
#define ROWS 40

typedef struct exploring {
    bool restores;
    bool acknowledged;
    uint64_t states;
    char failure[500];
} exploring;

static const rsi_backup_watch nobody = {0};

static void add_rows(rsi_storage *storage)
{
    static char json[3000];
    for (unsigned i = 0; i < ROWS; i++) {
        rsi_tx *tx;
        int at = snprintf(json, sizeof json, "{\"role\":\"user\",\"content\":\"%u ", i);
        memset(json + at, 'x', 2500);
        memcpy(json + at + 2500, "\"}", 3);
        assert_int_equal(rsi_tx_begin(&tx, storage), RAGSTORE_OK);
        assert_int_equal(
            storage_end(tx, storage_row_text(tx, RSI_SPACE_SESSIONS, "s1", i + 1, json)),
            RAGSTORE_OK);
    }
}

static rsi_storage *make_store(power_disk *disk)
{
    rsi_storage *storage = storage_open_good(disk);
    assert_int_equal(storage_commit_entity(storage), RAGSTORE_OK);
    assert_int_equal(storage_commit_session(storage), RAGSTORE_OK);
    assert_int_equal(rsi_storage_checkpoint(storage), RAGSTORE_OK);
    add_rows(storage); /* these are in the journal */
    return storage;
}

/* Is this directory the store? It is opened as any process would. */
static bool is_the_store(exploring *e, power_disk *disk, const char *path)
{
    const rsi_storage_options options = {.flags = RAGSTORE_OPEN_MUST_EXIST,
                                         .durability = RAGSTORE_DURABILITY_FULL,
                                         .files = power_disk_table(disk)};
    rsi_storage *storage;
    uint64_t rows = 0;
    uint64_t chunks = 0;
    int status = rsi_storage_open(&storage, path, &options);
    if (status == RAGSTORE_OK) {
        status = rsi_storage_row_count(&rows, NULL, storage, RSI_SPACE_SESSIONS, "s1");
        if (status == RAGSTORE_OK)
            status = rsi_storage_row_count(&chunks, NULL, storage, RSI_SPACE_CHUNKS, ENTITY);
        if (status == RAGSTORE_OK)
            status = rsi_storage_close(storage);
        rsi_storage_free(storage);
    }
    if (status == RAGSTORE_OK && rows == ROWS + 1 && chunks == 1)
        return true;
    snprintf(e->failure, sizeof e->failure, "%s: %s, %u messages, %u chunks", path,
             status == RAGSTORE_OK ? "opened" : rsi_error_message(), (unsigned)rows,
             (unsigned)chunks);
    return false;
}

static void check_backup(exploring *e, power_disk *disk)
{
    rsi_backup *backup;
    int status = rsi_backup_open(&backup, power_disk_table(disk), "/backup");
    if (status == RAGSTORE_E_NOT_FOUND) {
        if (e->acknowledged)
            snprintf(e->failure, sizeof e->failure, "an acknowledged backup has gone");
        return;
    }
    if (status == RAGSTORE_OK)
        status = rsi_backup_verify(backup, &nobody);
    rsi_backup_free(backup);
    if (status != RAGSTORE_OK)
        snprintf(e->failure, sizeof e->failure, "%.400s", rsi_error_message());
    else
        (void)is_the_store(e, disk, "/backup/data");
}

static void check_restored(exploring *e, power_disk *disk)
{
    rsi_root *root;
    if (rsi_root_open(&root, power_disk_table(disk), "/", false) != RAGSTORE_OK) {
        snprintf(e->failure, sizeof e->failure, "no root: %.400s", rsi_error_message());
        return;
    }
    const bool there = rsi_file_exists(root, "restored");
    rsi_root_close(root);
    if (there)
        (void)is_the_store(e, disk, "/restored");
    else if (e->acknowledged)
        snprintf(e->failure, sizeof e->failure, "an acknowledged store has gone");
}

static void cut_here(void *user, power_disk *disk, uint64_t operation)
{
    exploring *e = user;
    for (uint64_t i = 0; e->failure[0] == '\0' && i < CHOICES + 2; i++) {
        power_disk *after = power_disk_cut(disk, i < 2 ? i : operation * 100 + i);
        e->states++;
        if (e->restores)
            check_restored(e, after);
        else
            check_backup(e, after);
        power_disk_free(after);
    }
}

static void expect_good(const exploring *e)
{
    if (e->failure[0] != '\0')
        fail_msg("after %u states: %s", (unsigned)e->states, e->failure);
    assert_true(e->states > 100);
}

static void take(power_disk *disk, rsi_storage *storage, exploring *e)
{
    rsi_backup *backup;
    if (e != NULL)
        power_disk_hook(disk, cut_here, e);
    int status = rsi_backup_take(&backup, storage, "/backup", &nobody);
    if (status == RAGSTORE_OK)
        status = rsi_backup_seal(backup);
    power_disk_hook(disk, NULL, NULL);
    if (status != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    rsi_backup_free(backup);
}

static void power_backup__is_whole_or_none_after_each_power_cut(void **state)
{
    (void)state;
    exploring e = {.restores = false};
    power_disk *disk = power_disk_new();
    rsi_storage *storage = make_store(disk);
    take(disk, storage, &e);
    e.acknowledged = true;
    cut_here(&e, disk, 1);
    expect_good(&e);
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    power_disk_free(disk);
}

static void power_restore__is_whole_or_none_after_each_power_cut(void **state)
{
    (void)state;
    exploring e = {.restores = true};
    rsi_backup *backup;
    power_disk *disk = power_disk_new();
    rsi_storage *storage = make_store(disk);
    take(disk, storage, NULL);
    assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    assert_int_equal(rsi_backup_open(&backup, power_disk_table(disk), "/backup"), RAGSTORE_OK);
    power_disk_hook(disk, cut_here, &e);
    int status = rsi_backup_unpack(backup, "/restored", &nobody);
    if (status == RAGSTORE_OK)
        status = rsi_backup_place(backup);
    power_disk_hook(disk, NULL, NULL);
    if (status != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    rsi_backup_free(backup);
    e.acknowledged = true;
    cut_here(&e, disk, 1);
    expect_good(&e);
    power_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_backup__is_whole_or_none_after_each_power_cut),
        cmocka_unit_test(power_restore__is_whole_or_none_after_each_power_cut),
    };
    return cmocka_run_group_tests_name("power backup", tests, NULL, NULL);
}
