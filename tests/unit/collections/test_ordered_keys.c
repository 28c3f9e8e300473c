/* Sorted sets of keys: lib/collections/ordered_keys.c. */
#include "collections/ordered_keys.h"

#include "harness/fault_memory.h"
#include "ragstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rsi_slice slice(const char *text)
{
    return (rsi_slice){text, strlen(text)};
}

static void add(rsi_ordered_keys *keys, const char *key, uint64_t number)
{
    assert_int_equal(rsi_ordered_keys_add(keys, slice(key), number), RAGSTORE_OK);
}

static void collections_ordered_keys__gives_keys_in_order(void **state)
{
    rsi_ordered_keys keys = {0};
    (void)state;
    assert_null(rsi_ordered_keys_from(&keys, slice(""), true));
    add(&keys, "b", 2);
    add(&keys, "a", 9);
    add(&keys, "ab", 1);
    add(&keys, "a", 7);
    add(&keys, "a", 7); /* twice */
    add(&keys, "", 3);
    assert_int_equal(keys.count, 5);
    static const uint64_t expected[] = {3, 7, 9, 1, 2};
    const rsi_ordered_key *at = rsi_ordered_keys_from(&keys, slice(""), true);
    for (size_t i = 0; i < 5; i++, at = at->next[0])
        assert_int_equal(at->number, expected[i]);
    assert_null(at);
    assert_int_equal(rsi_ordered_keys_from(&keys, slice("a"), true)->number, 7);
    assert_int_equal(rsi_ordered_keys_from(&keys, slice("a"), false)->number, 1);
    assert_int_equal(rsi_ordered_keys_from(&keys, slice("aa"), true)->number, 1);
    assert_null(rsi_ordered_keys_from(&keys, slice("b"), false));
    rsi_ordered_keys_free(&keys);
    assert_int_equal(keys.count, 0);
}

enum { KEYS = 64, NUMBERS = 64 };

static void collections_ordered_keys__agrees_with_a_table(void **state)
{
    rsi_ordered_keys keys = {0};
    static char there[KEYS][NUMBERS];
    size_t count = 0;
    uint32_t random = 7;
    (void)state;
    for (int round = 0; round < 50000; round++) {
        random = random * 1664525u + 1013904223u;
        unsigned k = (random >> 10) % KEYS;
        unsigned n = (random >> 16) % NUMBERS;
        const char key[2] = {(char)('0' + k), '\0'};
        if ((random >> 28) % 2 == 0) {
            add(&keys, key, n);
            count += !there[k][n];
            there[k][n] = 1;
        } else {
            rsi_ordered_keys_remove(&keys, slice(key), n);
            count -= (size_t)there[k][n];
            there[k][n] = 0;
        }
        assert_int_equal(keys.count, count);
    }
    const rsi_ordered_key *at = rsi_ordered_keys_from(&keys, slice(""), true);
    for (unsigned k = 0; k < KEYS; k++) {
        for (unsigned n = 0; n < NUMBERS; n++) {
            if (!there[k][n])
                continue;
            assert_non_null(at);
            assert_int_equal(at->key[0], (char)('0' + k));
            assert_int_equal(at->number, n);
            at = at->next[0];
        }
    }
    assert_null(at);
    rsi_ordered_keys_free(&keys);
}

static void collections_ordered_keys__stays_as_it_is_when_memory_is_short(void **state)
{
    rsi_ordered_keys keys = {0};
    (void)state;
    fault_memory_install();
    add(&keys, "a", 1);
    fault_memory_fail(1, false);
    assert_int_equal(rsi_ordered_keys_add(&keys, slice("b"), 2), RAGSTORE_E_NO_MEMORY);
    fault_memory_disarm();
    assert_int_equal(keys.count, 1);
    assert_null(rsi_ordered_keys_from(&keys, slice("b"), true));
    rsi_ordered_keys_free(&keys);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collections_ordered_keys__gives_keys_in_order),
        cmocka_unit_test(collections_ordered_keys__agrees_with_a_table),
        cmocka_unit_test(collections_ordered_keys__stays_as_it_is_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
