/* Who has a store open: the text of LOCK, what a crash beside others leaves, and the last one. */
#include "harness/fault_files.h"
#include "storage_fixture.h"

static void close_and_free(rsi_storage *storage)
{
    if (rsi_storage_close(storage) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    rsi_storage_free(storage);
}

static void assert_slots(power_disk *disk, const char *slots)
{
    static const char mark[] = "open for writing\n";
    char text[64];
    size_t size = storage_read_file(disk, RSI_PATH_LOCK, text, sizeof text);
    if (slots == NULL) {
        assert_int_equal(size, 0);
        return;
    }
    assert_true(size > sizeof mark - 1);
    assert_memory_equal(text, mark, sizeof mark - 1);
    assert_string_equal(text + sizeof mark - 1, slots);
}

static bool is_there(power_disk *disk, const char *path)
{
    rsi_file_info info;
    int root = storage_file(disk, ".", RSI_OPEN_DIRECTORY);
    bool there = power_disk_table(disk)->info_at(disk, root, path, &info) == 0;
    power_disk_table(disk)->close(disk, root);
    return there;
}

static void leave_incoming(power_disk *disk)
{
    int handle = storage_file(disk, "uploads/acme/.incoming-1", RSI_OPEN_WRITE | RSI_OPEN_CREATE);
    power_disk_table(disk)->close(disk, handle);
}

static void storage_attach__each_opener_has_a_slot(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    assert_slots(disk, NULL);
    rsi_storage *a = storage_open_good(disk);
    assert_slots(disk, "+");
    rsi_storage *b = storage_open_good(disk);
    rsi_storage *c = storage_open_good(disk);
    assert_slots(disk, "+++");
    close_and_free(a);
    assert_slots(disk, " ++");
    a = storage_open_good(disk);
    assert_slots(disk, "+++");
    close_and_free(c);
    close_and_free(a);
    assert_slots(disk, " + ");
    close_and_free(b);
    assert_slots(disk, NULL);
    power_disk_free(disk);
}

/* One that was killed is remembered, also by who takes its slot; the last one sweeps. */
static void storage_attach__a_crash_beside_others_is_not_forgotten(void **state)
{
    (void)state;
    for (int taken_over = 0; taken_over < 2; taken_over++) {
        power_disk *disk = storage_make(true);
        rsi_storage *a = storage_open_good(disk);
        rsi_storage *b = storage_open_good(disk);
        leave_incoming(disk);
        rsi_storage_free(b);
        assert_slots(disk, "++");
        if (taken_over == 1) {
            b = storage_open_good(disk);
            assert_slots(disk, "+!");
            assert_true(is_there(disk, "uploads/acme/.incoming-1")); /* it might be somebody's */
            close_and_free(b);
            assert_slots(disk, "+!");
        }
        close_and_free(a);
        assert_false(is_there(disk, "uploads/acme/.incoming-1"));
        assert_slots(disk, NULL);
        power_disk_free(disk);
    }
}

static void storage_attach__the_first_after_a_crash_of_all_recovers(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    leave_incoming(disk);
    rsi_storage_free(a);
    rsi_storage_free(b);
    assert_slots(disk, "++");
    a = storage_open_good(disk);
    assert_false(is_there(disk, "uploads/acme/.incoming-1"));
    assert_slots(disk, "+ ");
    close_and_free(a);
    assert_slots(disk, NULL);
    power_disk_free(disk);
}

/* An upload of somebody who is there is not swept by those who come and go. */
static void storage_attach__who_comes_and_goes_takes_nothing_away(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    leave_incoming(disk);
    close_and_free(storage_open_good(disk));
    assert_true(is_there(disk, "uploads/acme/.incoming-1"));
    close_and_free(a);
    power_disk_free(disk);
}

static void storage_attach__one_at_a_time_claims_the_jobs(void **state)
{
    (void)state;
    power_disk *disk = storage_make(true);
    rsi_storage *a = storage_open_good(disk);
    rsi_storage *b = storage_open_good(disk);
    assert_int_equal(rsi_storage_claim_jobs(a), RAGSTORE_OK);
    assert_int_equal(rsi_storage_claim_jobs(b), RAGSTORE_E_BUSY);
    rsi_storage_release_jobs(a);
    assert_int_equal(rsi_storage_claim_jobs(b), RAGSTORE_OK);
    assert_int_equal(rsi_storage_claim_jobs(a), RAGSTORE_E_BUSY);
    close_and_free(b); /* as a process that dies: the claim goes with it */
    assert_int_equal(rsi_storage_claim_jobs(a), RAGSTORE_OK);
    close_and_free(a);
    power_disk_free(disk);
}

/* A table under which another process makes the store just before the directory is first listed. */
typedef struct overtaken {
    fault_files files; /* first: a pointer to it is one to this */
    power_disk *disk;
    rsi_storage *other;
} overtaken;

static int list_overtaken(void *self, int handle, int (*each)(void *user, const char *name),
                          void *user)
{
    overtaken *this = self;
    if (this->other == NULL)
        this->other = storage_open_good(this->disk);
    return this->files.real->list(this->files.real->self, handle, each, user);
}

static void storage_attach__two_that_make_a_store_at_once_both_have_it(void **state)
{
    (void)state;
    for (int must_create = 0; must_create < 2; must_create++) {
        rsi_storage *storage = NULL;
        overtaken this = {.disk = power_disk_new()};
        fault_files_init(&this.files, power_disk_table(this.disk));
        this.files.table.list = list_overtaken;
        int status = storage_open_on(&storage, &this.files.table,
                                     must_create ? RAGSTORE_OPEN_MUST_CREATE : 0);
        assert_int_equal(status, must_create ? RAGSTORE_E_EXISTS : RAGSTORE_OK);
        assert_non_null(this.other);
        if (storage != NULL)
            close_and_free(storage);
        close_and_free(this.other);
        power_disk_free(this.disk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_attach__each_opener_has_a_slot),
        cmocka_unit_test(storage_attach__a_crash_beside_others_is_not_forgotten),
        cmocka_unit_test(storage_attach__the_first_after_a_crash_of_all_recovers),
        cmocka_unit_test(storage_attach__who_comes_and_goes_takes_nothing_away),
        cmocka_unit_test(storage_attach__one_at_a_time_claims_the_jobs),
        cmocka_unit_test(storage_attach__two_that_make_a_store_at_once_both_have_it),
    };
    return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
