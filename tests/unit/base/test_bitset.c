/* A growing set of numbers: lib/base/bitset.c. */
#include "base/bitset.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LIMIT 3000

static bool wanted[LIMIT];
static uint64_t random_state = 1;

static int64_t random_member(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (int64_t)((random_state >> 33) % LIMIT);
}

static void assert_is_wanted(const rsi_bitset *set)
{
    size_t count = 0;
    int64_t next = rsi_bitset_next(set, 0);
    for (int64_t i = 0; i < LIMIT; i++) {
        assert_int_equal(rsi_bitset_has(set, i), wanted[i]);
        if (!wanted[i])
            continue;
        count++;
        assert_int_equal(next, i);
        next = rsi_bitset_next(set, i + 1);
    }
    assert_int_equal(next, -1);
    assert_int_equal(set->count, count);
}

static void base_bitset__holds_what_was_added_and_not_removed(void **state)
{
    (void)state;
    rsi_bitset set = {0};
    assert_is_wanted(&set);
    for (int i = 0; i < 5000; i++) {
        int64_t member = random_member();
        if (i % 3 == 0) {
            rsi_bitset_remove(&set, member);
            wanted[member] = false;
        } else {
            assert_int_equal(rsi_bitset_add(&set, member), RAGSTORE_OK);
            wanted[member] = true;
        }
    }
    assert_is_wanted(&set);
    rsi_bitset_free(&set);
    assert_int_equal(set.count, 0);
    assert_false(rsi_bitset_has(&set, 1));
    assert_int_equal(rsi_bitset_add(&set, 1), RAGSTORE_OK); /* usable again */
    rsi_bitset_free(&set);
}

static void base_bitset__counts_a_member_once(void **state)
{
    (void)state;
    rsi_bitset set = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(rsi_bitset_add(&set, 63), RAGSTORE_OK);
    assert_int_equal(set.count, 1);
    rsi_bitset_remove(&set, 64);
    rsi_bitset_remove(&set, 1000000);
    assert_int_equal(set.count, 1);
    rsi_bitset_remove(&set, 63);
    rsi_bitset_remove(&set, 63);
    assert_int_equal(set.count, 0);
    rsi_bitset_free(&set);
}

static void base_bitset__never_holds_negative_numbers(void **state)
{
    (void)state;
    rsi_bitset set = {0};
    assert_int_equal(rsi_bitset_add(&set, -1), RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_bitset_add(&set, INT64_MIN), RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_bitset_add(&set, 0), RAGSTORE_OK);
    assert_false(rsi_bitset_has(&set, -1));
    assert_false(rsi_bitset_has(&set, INT64_MIN));
    rsi_bitset_remove(&set, -1);
    assert_int_equal(rsi_bitset_next(&set, -5), 0);
    assert_int_equal(set.count, 1);
    rsi_bitset_free(&set);
}

static void base_bitset__refuses_numbers_that_no_memory_can_hold(void **state)
{
    (void)state;
    rsi_bitset set = {0};
    assert_int_equal(rsi_bitset_add(&set, 5), RAGSTORE_OK);
    assert_false(rsi_bitset_has(&set, INT64_MAX));
    assert_int_equal(rsi_bitset_next(&set, INT64_MAX), -1);
    fault_memory_install(); /* no sanitizer shall see the attempt */
    fault_memory_fail(1, true);
    assert_int_equal(rsi_bitset_add(&set, INT64_MAX), RAGSTORE_E_NO_MEMORY);
    fault_memory_restore();
    assert_int_equal(set.count, 1);
    assert_true(rsi_bitset_has(&set, 5));
    rsi_bitset_free(&set);
}

static void base_bitset__copies_are_independent(void **state)
{
    (void)state;
    rsi_bitset set = {0};
    rsi_bitset copy;
    assert_int_equal(rsi_bitset_copy(&copy, &set), RAGSTORE_OK);
    assert_int_equal(copy.count, 0);
    assert_int_equal(rsi_bitset_add(&set, 100), RAGSTORE_OK);
    assert_int_equal(rsi_bitset_copy(&copy, &set), RAGSTORE_OK);
    rsi_bitset_remove(&set, 100);
    assert_true(rsi_bitset_has(&copy, 100));
    assert_int_equal(copy.count, 1);
    assert_int_equal(rsi_bitset_add(&copy, 5000), RAGSTORE_OK);
    assert_int_equal(copy.count, 2);
    rsi_bitset_free(&copy);
    rsi_bitset_free(&set);
}

static void base_bitset__intersects_sets_of_any_size(void **state)
{
    (void)state;
    for (int64_t a = 1; a <= 1000; a *= 10) {
        for (int64_t b = 1; b <= 1000; b *= 10) {
            rsi_bitset left = {0};
            rsi_bitset right = {0};
            for (int64_t i = 0; i < a; i++)
                assert_int_equal(rsi_bitset_add(&left, i * 2), RAGSTORE_OK);
            for (int64_t i = 0; i < b; i++)
                assert_int_equal(rsi_bitset_add(&right, i * 3), RAGSTORE_OK);
            rsi_bitset_intersect(&left, &right);
            for (int64_t i = 0; i < LIMIT; i++)
                wanted[i] = i % 2 == 0 && i < a * 2 && i % 3 == 0 && i < b * 3;
            assert_is_wanted(&left);
            rsi_bitset_free(&left);
            rsi_bitset_free(&right);
        }
    }
}

static void base_bitset__stays_whole_when_memory_is_short(void **state)
{
    (void)state;
    rsi_bitset set = {0};
    rsi_bitset copy = {0};
    fault_memory_install();
    assert_int_equal(rsi_bitset_add(&set, 7), RAGSTORE_OK);
    fault_memory_fail(1, false);
    assert_int_equal(rsi_bitset_add(&set, 100000), RAGSTORE_E_NO_MEMORY);
    assert_int_equal(rsi_error_code(), RAGSTORE_E_NO_MEMORY);
    assert_int_equal(set.count, 1);
    assert_true(rsi_bitset_has(&set, 7));
    fault_memory_fail(1, false);
    assert_int_equal(rsi_bitset_copy(&copy, &set), RAGSTORE_E_NO_MEMORY);
    fault_memory_disarm();
    assert_int_equal(copy.count, 0);
    rsi_bitset_free(&copy);
    rsi_bitset_free(&set);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_bitset__holds_what_was_added_and_not_removed),
        cmocka_unit_test(base_bitset__counts_a_member_once),
        cmocka_unit_test(base_bitset__never_holds_negative_numbers),
        cmocka_unit_test(base_bitset__refuses_numbers_that_no_memory_can_hold),
        cmocka_unit_test(base_bitset__copies_are_independent),
        cmocka_unit_test(base_bitset__intersects_sets_of_any_size),
        cmocka_unit_test(base_bitset__stays_whole_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
