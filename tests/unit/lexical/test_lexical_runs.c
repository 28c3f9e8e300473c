/* An index whose chunks lie in several runs: lib/lexical/lexical_runs.c, and what searches and
 * writes them. It answers as one that was always in one. */
#include "lexical_fixture.h"

#include "base/bytes.h"
#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"
#include "lexical/lexical_file.h"
#include "lexical/lexical_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "lexical.rsl"
#define INCARNATION "0123456789abcdef0123456789abcdef"
#define RUN_BYTES 30000
#define CHUNKS 3000

static fault_files faults;
static rsi_root *root;

static int setup(void **state)
{
    temporary_setup(state);
    fault_files_init(&faults, NULL);
    rsi_lexical_run_bytes = RUN_BYTES;
    return rsi_root_open(&root, &faults.table, temporary_path(state), true);
}

static int teardown(void **state)
{
    rsi_root_close(root);
    assert_int_equal(faults.open_handles, 0);
    assert_int_equal(faults.views, 0);
    return temporary_teardown(state);
}

/* Words that are in every chunk, in many, in those of some runs only, and in one; and stop
 * words. */
static int try_numbered(rsi_lexical *index, int64_t chunk)
{
    char text[3000];
    int size =
        snprintf(text, sizeof text, "the common own%c%c%c of", (char)('a' + chunk / 676 % 26),
                 (char)('a' + chunk / 26 % 26), (char)('a' + chunk % 26));
    for (int64_t word = 0; word <= chunk % 7; word++)
        size += snprintf(text + size, sizeof text - (size_t)size, " often%c often%c era%c",
                         (char)('a' + word), (char)('a' + chunk % 5), (char)('a' + chunk / 300));
    if (chunk % 40 == 3)
        size += snprintf(text + size, sizeof text - (size_t)size, " rare");
    for (int64_t i = 0; chunk == 900 && i < 300; i++) /* too often for a dense block */
        size += snprintf(text + size, sizeof text - (size_t)size, " often");
    int status = rsi_lexical_add(index, chunk, text, (size_t)size);
    if (status == RAGSTORE_OK)
        rsi_lexical_set_mark(index, chunk, (uint32_t)chunk * 7);
    return status;
}

static void add_numbered(rsi_lexical *index, int64_t chunk)
{
    if (try_numbered(index, chunk) != RAGSTORE_OK)
        fail_msg("chunk %d: %s", (int)chunk, rsi_error_message());
}

static rsi_lexical *make_index(int64_t chunks, bool in_runs)
{
    rsi_lexical *index = new_index("english");
    if (in_runs)
        assert_int_equal(rsi_lexical_put_away_beside(index, root, NAME), RAGSTORE_OK);
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        add_numbered(index, chunk);
    return index;
}

static void assert_same_words(const rsi_lexical *a, const rsi_lexical *b, rsi_slice prefix)
{
    const rsi_lexical_query query = {"common rare", 11, &prefix, 1};
    answer left;
    answer right;
    assert_int_equal(rsi_lexical_search_words(left.hits, &left.count, &left.ideal, a, &query,
                                              HITS_MAX, NULL),
                     RAGSTORE_OK);
    assert_int_equal(rsi_lexical_search_words(right.hits, &right.count, &right.ideal, b, &query,
                                              HITS_MAX, NULL),
                     RAGSTORE_OK);
    assert_int_equal(left.count, right.count);
    assert_true(left.ideal == right.ideal);
    for (size_t i = 0; i < left.count; i++) {
        assert_int_equal(left.hits[i].chunk, right.hits[i].chunk);
        assert_true(left.hits[i].score == right.hits[i].score);
    }
}

static void assert_same_having(const rsi_lexical *a, const rsi_lexical *b, const char *text)
{
    rsi_bitset all = {0};
    rsi_bitset left = {0};
    rsi_bitset right = {0};
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
        assert_int_equal(rsi_bitset_add(&all, chunk), RAGSTORE_OK);
    assert_int_equal(rsi_lexical_having(&left, a, text, strlen(text), &all), RAGSTORE_OK);
    assert_int_equal(rsi_lexical_having(&right, b, text, strlen(text), &all), RAGSTORE_OK);
    assert_int_equal(left.count, right.count);
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
        assert_int_equal(rsi_bitset_has(&left, chunk), rsi_bitset_has(&right, chunk));
    rsi_bitset_free(&all);
    rsi_bitset_free(&left);
    rsi_bitset_free(&right);
}

static void assert_same(const rsi_lexical *a, const rsi_lexical *b)
{
    static const char *const queries[] = {"common",         "the of",       "oftena oftenc rare",
                                          "ownaab ownaccb", "often common", "rare oftenb ownbaa",
                                          "erab eraj rare", "eraa owndkz",  "common common eraf"};
    assert_int_equal(rsi_lexical_count(a), rsi_lexical_count(b));
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        assert_same_answers(a, b, queries[i]);
    assert_same_words(a, b, (rsi_slice){"era", 3});
    assert_same_having(a, b, "common rare");
    assert_same_having(a, b, "oftena erac");
    assert_true(rsi_lexical_idf(a, "rare", 4) == rsi_lexical_idf(b, "rare", 4));
    for (int64_t chunk = 0; chunk < CHUNKS; chunk += 13) {
        uint32_t left = 0;
        uint32_t right = 0;
        assert_int_equal(rsi_lexical_mark(a, chunk, &left), rsi_lexical_mark(b, chunk, &right));
        assert_int_equal(left, right);
    }
}

static void remove_many(rsi_lexical *index)
{
    for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
        if (chunk % 3 == 1 || chunk < 400)
            rsi_lexical_remove(index, chunk);
}

static void lexical_runs__answer_as_one_would(void **state)
{
    (void)state;
    rsi_lexical *whole = make_index(CHUNKS, false);
    rsi_lexical *runs = make_index(CHUNKS, true);
    assert_int_equal(whole->run_count, 1);
    assert_in_range(runs->run_count, 3, 12); /* some of them were merged */
    assert_in_range(runs->runs[0].merges, 1, 8);
    assert_same(whole, runs);
    assert_same_words(whole, runs, (rsi_slice){"own", 3}); /* of so many the first met are taken */
    assert_int_equal(rsi_lexical_add(runs, 5, "again", 5), RAGSTORE_E_EXISTS);
    remove_many(whole);
    remove_many(runs);
    assert_same(whole, runs);
    for (int64_t chunk = 0; chunk < 300; chunk++) { /* they come again, behind all others */
        add_numbered(whole, chunk);
        add_numbered(runs, chunk);
    }
    assert_same(whole, runs);
    rsi_lexical_free(whole);
    rsi_lexical_free(runs);
}

static void lexical_runs__take_little_memory_and_leave_no_file(void **state)
{
    rsi_lexical *whole = make_index(CHUNKS, false);
    rsi_lexical *runs = make_index(CHUNKS, true);
    size_t in_files = 0;
    for (size_t i = 0; i < runs->run_count; i++) {
        in_files += runs->runs[i].view_size;
        assert_in_range(rsi_lexical_run_memory(&runs->runs[i]), 0,
                        i + 1 < runs->run_count ? SIZE_MAX : RUN_BYTES);
    }
    assert_true(in_files > 6 * RUN_BYTES);
    assert_int_equal(faults.views, runs->run_count - 1);
    assert_int_equal(faults.open_handles, 1); /* the root's */
    assert_int_equal(temporary_count(temporary_path(state)), 0);
    rsi_lexical_free(whole);
    rsi_lexical_free(runs);
}

static char *written(void **state, const rsi_lexical *index, size_t *size)
{
    char path[TEMPORARY_PATH_MAX];
    if (rsi_lexical_write(index, root, NAME, INCARNATION) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return temporary_read(temporary_join(path, state, NAME), size);
}

static void lexical_runs__are_written_as_one(void **state)
{
    rsi_lexical *whole = make_index(CHUNKS, false);
    rsi_lexical *runs = make_index(CHUNKS, true);
    for (int round = 0; round < 2; round++) {
        size_t size;
        size_t expected_size;
        char *expected = written(state, whole, &expected_size);
        char *file = written(state, runs, &size);
        assert_int_equal(size, expected_size);
        assert_memory_equal(file, expected, size);
        free(file);
        free(expected);
        remove_many(whole); /* the next round is without those */
        remove_many(runs);
    }
    rsi_lexical_free(whole);
    rsi_lexical_free(runs);
}

static void lexical_runs__are_renewed_as_one_that_is_mapped(void **state)
{
    rsi_lexical *renewed;
    (void)state;
    rsi_lexical *whole = make_index(CHUNKS, false);
    rsi_lexical *runs = make_index(CHUNKS, true);
    const uint64_t mapped_from = rsi_lexical_mapped_from;
    remove_many(runs);
    remove_many(whole);
    assert_int_equal(rsi_lexical_renew(&renewed, runs, root, NAME, INCARNATION), RAGSTORE_OK);
    assert_null(renewed); /* it is small */
    rsi_lexical_mapped_from = 1000;
    rsi_lexical_run_bytes = RUN_BYTES / 3;
    assert_int_equal(rsi_lexical_renew(&renewed, runs, root, NAME, INCARNATION), RAGSTORE_OK);
    rsi_lexical_mapped_from = mapped_from;
    rsi_lexical_free(runs);
    assert_int_equal(renewed->run_count, 2);
    assert_int_equal(renewed->runs[0].slots.count, rsi_lexical_count(whole));
    assert_same(whole, renewed);
    for (int64_t chunk = 0; chunk < 400; chunk++) {
        add_numbered(whole, chunk);
        add_numbered(renewed, chunk);
    }
    assert_true(renewed->run_count > 2);
    assert_same(whole, renewed);
    rsi_lexical_free(whole);
    rsi_lexical_free(renewed);
}

/* A run that cannot be put away stays in memory, and goes when there is room again. */
static void lexical_runs__stay_in_memory_when_the_disk_fails(void **state)
{
    rsi_lexical *whole = make_index(500, false);
    for (int64_t n = 1;; n++) {
        rsi_lexical *runs = new_index("english");
        assert_int_equal(rsi_lexical_put_away_beside(runs, root, NAME), RAGSTORE_OK);
        rsi_fail(RAGSTORE_E_NOT_FOUND, "test", "an error from before");
        fault_files_fail(&faults, FAULT_ANY, n, n % 2 == 0 ? EIO : ENOSPC, n % 3 == 0);
        for (int64_t chunk = 0; chunk < 500; chunk++)
            add_numbered(runs, chunk);
        bool struck = fault_files_struck(&faults);
        fault_files_disarm(&faults);
        assert_int_equal(rsi_error_code(), RAGSTORE_E_NOT_FOUND);
        if (n == 1)
            assert_true(rsi_lexical_run_memory(&runs->runs[0]) > RUN_BYTES ||
                        runs->runs[0].view != NULL);
        assert_same(whole, runs);
        for (int64_t chunk = 500; chunk < 3 * 500; chunk++)
            add(runs, chunk, "more words");
        for (int64_t chunk = 500; chunk < 3 * 500; chunk++)
            rsi_lexical_remove(runs, chunk);
        assert_same(whole, runs);
        rsi_lexical_free(runs);
        assert_int_equal(faults.views, 0);
        assert_int_equal(faults.open_handles, 1);
        if (!struck)
            break;
    }
    rsi_lexical_free(whole);
    (void)state;
}

static void lexical_runs__survive_each_failing_allocation(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_lexical *whole = make_index(260, false);
    rsi_lexical_run_bytes = 15000;
    for (unsigned n = 1;; n += 1 + n / 100) {
        const int64_t alive = fault_memory_alive();
        rsi_lexical *runs = new_index("english");
        assert_int_equal(rsi_lexical_put_away_beside(runs, root, NAME), RAGSTORE_OK);
        fault_memory_fail(n, false);
        for (int64_t chunk = 0; chunk < 260; chunk++) {
            int status = try_numbered(runs, chunk);
            if (status == RAGSTORE_OK)
                continue;
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
            add_numbered(runs, chunk);
        }
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_same(whole, runs);
        rsi_lexical_free(runs);
        assert_int_equal(fault_memory_alive(), alive);
        if (!failed)
            break;
    }
    rsi_lexical_free(whole);
    fault_memory_restore();
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(lexical_runs__answer_as_one_would),
        IN_DIRECTORY(lexical_runs__take_little_memory_and_leave_no_file),
        IN_DIRECTORY(lexical_runs__are_written_as_one),
        IN_DIRECTORY(lexical_runs__are_renewed_as_one_that_is_mapped),
        IN_DIRECTORY(lexical_runs__stay_in_memory_when_the_disk_fails),
        IN_DIRECTORY(lexical_runs__survive_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
