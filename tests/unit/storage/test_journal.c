/* The journal alone: which bytes are lines, which are a tail that nobody was told of, and which are
 * damage. See journal.h for the form of a line. */
#include "storage_fixture.h"

#include "base/bytes.h"
#include "harness/fault_files.h"
#include "storage/journal.h"

#include <errno.h>

#define GENERATION 7
#define STORE_ID "0123456789abcdef0123456789abcdef"
#define PATH "api_storage/journal-0000000007.ndjson"

typedef struct place {
    power_disk *disk;
    fault_files faults;
    rsi_root *root;
    rsi_journal journal;
} place;

static int set_up(void **state)
{
    place *at = calloc(1, sizeof *at);
    assert_non_null(at);
    at->disk = power_disk_new();
    fault_files_init(&at->faults, power_disk_table(at->disk));
    assert_int_equal(rsi_root_open(&at->root, &at->faults.table, "/store", true), RAGSTORE_OK);
    assert_int_equal(rsi_directory_make(at->root, RSI_PATH_API_STORAGE), RAGSTORE_OK);
    assert_int_equal(rsi_journal_create(&at->journal, at->root, GENERATION, 0, STORE_ID),
                     RAGSTORE_OK);
    assert_int_equal(rsi_journal_flush(&at->journal), RAGSTORE_OK);
    *state = at;
    return 0;
}

static int tear_down(void **state)
{
    place *at = *state;
    rsi_journal_close(&at->journal);
    rsi_root_close(at->root);
    power_disk_free(at->disk);
    free(at);
    return 0;
}

static int append(place *at, const char *ops)
{
    bool broken;
    int status = rsi_journal_append(&at->journal, ops, strlen(ops), true, &broken);
    assert_false(broken);
    return status;
}

static void commit(place *at, const char *ops)
{
    assert_int_equal(append(at, ops), RAGSTORE_OK);
    assert_int_equal(rsi_journal_flush(&at->journal), RAGSTORE_OK);
}

static int count_line(void *user, const rsi_journal_line *line)
{
    (void)line;
    ++*(size_t *)user;
    return RAGSTORE_OK;
}

/* Scan bytes in a block of exactly their size, so that reading behind it is noticed. */
static int scan(const char *data, size_t size, size_t *lines, size_t *valid)
{
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    *lines = 0;
    int status = rsi_journal_scan(PATH, copy, size, GENERATION, count_line, lines, valid);
    free(copy);
    return status;
}

static rsi_bytes read_journal(place *at)
{
    rsi_bytes text = {0};
    assert_int_equal(rsi_file_read_all(at->root, PATH, SIZE_MAX / 2, &text), RAGSTORE_OK);
    return text;
}

static void expect(const rsi_bytes *text, int status, size_t lines, size_t valid)
{
    size_t found_lines;
    size_t found_valid;
    assert_int_equal(scan(text->data, text->size, &found_lines, &found_valid), status);
    assert_int_equal(found_lines, lines);
    assert_int_equal(found_valid, valid);
}

/* The place of a text in a journal's bytes. */
static char *find(const rsi_bytes *text, const char *part)
{
    char *found = memmem(text->data, text->size, part, strlen(part));
    assert_non_null(found);
    return found;
}

static void storage_journal__drops_a_torn_tail(void **state)
{
    place *at = *state;
    commit(at, "[\"a\"]");
    const size_t before = (size_t)at->journal.size;
    assert_int_equal(append(at, "[\"b\"]"), RAGSTORE_OK);
    rsi_bytes text = read_journal(at);
    const size_t size = text.size;
    expect(&text, RAGSTORE_OK, 3, size);
    for (text.size = before; text.size < size; text.size++)
        expect(&text, RAGSTORE_OK, 2, before);
    for (size_t i = before; i < size; i++) {
        text.data[i] ^= 1;
        expect(&text, RAGSTORE_OK, 2, before);
        text.data[i] ^= 1;
    }
    memset(text.data + before, 0, size - before); /* zeros are an end, never a record */
    expect(&text, RAGSTORE_OK, 2, before);
    rsi_bytes_free(&text);
}

static void storage_journal__tells_damage_from_a_tail_by_the_flushed_sequence(void **state)
{
    place *at = *state;
    commit(at, "[\"a\"]");
    const size_t after_a = (size_t)at->journal.size;
    assert_int_equal(append(at, "[\"b\"]"), RAGSTORE_OK); /* one flush for both, which never came */
    assert_int_equal(append(at, "[\"c\"]"), RAGSTORE_OK);
    rsi_bytes text = read_journal(at);
    find(&text, "\"b\"")[1] = 'B';
    expect(&text, RAGSTORE_OK, 2, after_a);
    rsi_bytes_free(&text);

    assert_int_equal(rsi_journal_flush(&at->journal), RAGSTORE_OK);
    assert_int_equal(append(at, "[\"d\"]"), RAGSTORE_OK); /* tells that b was flushed */
    text = read_journal(at);
    find(&text, "\"b\"")[1] = 'B';
    expect(&text, RAGSTORE_E_DAMAGED, 2, after_a);
    assert_non_null(strstr(rsi_error_message(), PATH));
    rsi_bytes_free(&text);
}

static void storage_journal__takes_no_line_of_another_sequence_or_generation(void **state)
{
    place *at = *state;
    commit(at, "[\"a\"]");
    const size_t before = (size_t)at->journal.size;
    rsi_journal kept = at->journal;
    at->journal.sequence = 4; /* 2, 3 and 4 are not there */
    at->journal.flushed = 0;
    assert_int_equal(append(at, "[\"b\"]"), RAGSTORE_OK);
    rsi_bytes text = read_journal(at);
    expect(&text, RAGSTORE_OK, 2, before);
    rsi_bytes_free(&text);

    at->journal = kept;
    at->journal.generation++;
    assert_int_equal(append(at, "[\"b\"]"), RAGSTORE_OK);
    text = read_journal(at);
    expect(&text, RAGSTORE_OK, 2, before);
    rsi_bytes_free(&text);
}

static void storage_journal__believes_no_length(void **state)
{
    static const char *const lengths[] = {"0000000000", "0000000001", "0000000300", "0268435456",
                                          "0200000000", "9999999999"};
    place *at = *state;
    const size_t before = (size_t)at->journal.size;
    commit(at, "[\"a\"]");
    rsi_bytes text = read_journal(at);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(text.data + before + 60, lengths[i], 10);
        expect(&text, RAGSTORE_OK, 1, before);
    }
    rsi_bytes_free(&text);
}

static void storage_journal__is_as_before_after_a_line_that_failed(void **state)
{
    place *at = *state;
    commit(at, "[\"a\"]");
    const size_t before = (size_t)at->journal.size;
    const uint64_t sequence = at->journal.sequence;
    fault_files_fail(&at->faults, FAULT_WRITE, 1, ENOSPC, false);
    assert_int_equal(append(at, "[\"a long line of which nothing may stay\"]"),
                     RAGSTORE_E_DISK_FULL);
    fault_files_disarm(&at->faults);
    assert_int_equal(at->journal.size, before);
    assert_int_equal(at->journal.sequence, sequence);
    rsi_bytes text = read_journal(at);
    expect(&text, RAGSTORE_OK, 2, before);
    rsi_bytes_free(&text);
    commit(at, "[\"b\"]");
    text = read_journal(at);
    expect(&text, RAGSTORE_OK, 3, text.size);
    rsi_bytes_free(&text);
}

static void storage_journal__is_broken_when_a_bad_end_cannot_be_cut(void **state)
{
    place *at = *state;
    bool broken;
    fault_files_fail(&at->faults, FAULT_ANY, 1, EIO, true);
    int status = rsi_journal_append(&at->journal, "[\"a\"]", 5, true, &broken);
    fault_files_disarm(&at->faults);
    assert_int_equal(status, RAGSTORE_E_IO);
    assert_true(broken);
}

/* ---- newlines ahead ---- */

#define FILL_FROM 400

static void storage_journal__that_grows_has_newlines_ahead(void **state)
{
    place *at = *state;
    const uint64_t usual = rsi_journal_fill_from;
    rsi_journal_fill_from = FILL_FROM;
    unsigned lines = 1;
    while (at->journal.size < FILL_FROM) {
        rsi_bytes text = read_journal(at);
        assert_int_equal(text.size, at->journal.size); /* a small one is as long as its lines */
        rsi_bytes_free(&text);
        commit(at, "[\"a\"]");
        lines++;
    }
    rsi_bytes text = read_journal(at);
    const size_t size = text.size;
    assert_int_equal(size, at->journal.reserved);
    assert_true(size > at->journal.size + 10000);
    expect(&text, RAGSTORE_OK, lines, (size_t)at->journal.size);
    assert_true(rsi_journal_is_filler(text.data + at->journal.size, size - at->journal.size));
    assert_false(rsi_journal_is_filler(text.data + at->journal.size - 2, 2));
    memset(text.data + at->journal.size, 0, 100); /* as some disks leave it */
    expect(&text, RAGSTORE_OK, lines, (size_t)at->journal.size);
    assert_true(rsi_journal_is_filler(text.data + at->journal.size, size - at->journal.size));
    rsi_bytes_free(&text);

    while (at->journal.reserved == size) { /* until they are used up */
        commit(at, "[\"a\"]");
        lines++;
    }
    text = read_journal(at);
    assert_true(text.size > size);
    expect(&text, RAGSTORE_OK, lines, (size_t)at->journal.size);
    rsi_bytes_free(&text);

    rsi_journal_trim(&at->journal);
    text = read_journal(at);
    expect(&text, RAGSTORE_OK, lines, text.size);
    rsi_bytes_free(&text);
    rsi_journal_fill_from = usual;
}

/* The more there is the more is added at a time, so that a small journal stays small. */
static void storage_journal__doubles_at_most_and_not_for_ever(void **state)
{
    place *at = *state;
    static char op[4000];
    uint64_t reserved = at->journal.reserved;
    unsigned times = 0;
    memset(op, 'x', sizeof op - 1);
    op[0] = op[sizeof op - 2] = '"';
    while (at->journal.size < (1u << 20)) {
        commit(at, op);
        if (at->journal.reserved == reserved)
            continue;
        const uint64_t ahead = at->journal.reserved - at->journal.size;
        assert_true(ahead <= (64u << 10) || ahead <= at->journal.size);
        assert_true(ahead <= (256u << 10));
        reserved = at->journal.reserved;
        times++;
    }
    assert_in_range(times, 4, 8);
}

static void storage_journal__finds_room_for_a_line_where_there_is_none_for_newlines(void **state)
{
    place *at = *state;
    const uint64_t usual = rsi_journal_fill_from;
    rsi_journal_fill_from = 0;
    fault_files_fail(&at->faults, FAULT_WRITE, 1, ENOSPC, false);
    commit(at, "[\"a\"]");
    assert_true(fault_files_struck(&at->faults));
    fault_files_disarm(&at->faults);
    rsi_bytes text = read_journal(at);
    expect(&text, RAGSTORE_OK, 2, text.size);
    rsi_bytes_free(&text);
    commit(at, "[\"b\"]"); /* there is room again */
    text = read_journal(at);
    expect(&text, RAGSTORE_OK, 3, (size_t)at->journal.size);
    assert_true(text.size > at->journal.size);
    rsi_bytes_free(&text);
    fault_files_fail(&at->faults, FAULT_WRITE, 1, ENOSPC, true);
    while (append(at, "[\"c\"]") == RAGSTORE_OK) /* into what was there */
        ;
    fault_files_disarm(&at->faults);
    text = read_journal(at);
    assert_int_equal(text.size, at->journal.size);
    rsi_bytes_free(&text);
    rsi_journal_fill_from = usual;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(storage_journal__drops_a_torn_tail),
        TEST(storage_journal__tells_damage_from_a_tail_by_the_flushed_sequence),
        TEST(storage_journal__takes_no_line_of_another_sequence_or_generation),
        TEST(storage_journal__believes_no_length),
        TEST(storage_journal__is_as_before_after_a_line_that_failed),
        TEST(storage_journal__is_broken_when_a_bad_end_cannot_be_cut),
        TEST(storage_journal__that_grows_has_newlines_ahead),
        TEST(storage_journal__doubles_at_most_and_not_for_ever),
        TEST(storage_journal__finds_room_for_a_line_where_there_is_none_for_newlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
