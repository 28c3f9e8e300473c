/* The hash map: lib/base/map.c. */
#include "base/map.h"

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 3000

static int values[KEYS]; /* only their addresses matter */

static size_t make_key(int i, char key[32])
{
    return (size_t)snprintf(key, 32, "key-%d", i);
}

static void put(rsi_map *map, int i, int value)
{
    char key[32];
    void *old = map;
    size_t size = make_key(i, key);
    assert_int_equal(rsi_map_put(map, key, size, &values[value], &old), RAGSTORE_OK);
    assert_null(old);
}

static void *get(const rsi_map *map, int i)
{
    char key[32];
    size_t size = make_key(i, key);
    return rsi_map_get(map, key, size);
}

static void base_map__finds_what_was_put(void **state)
{
    (void)state;
    rsi_map map;
    rsi_map_init(&map);
    assert_null(get(&map, 1));
    for (int i = 0; i < KEYS; i++)
        put(&map, i, i);
    assert_int_equal(map.count, KEYS);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(get(&map, i), &values[i]);
    assert_null(get(&map, KEYS));
    rsi_map_free(&map, NULL);
    assert_int_equal(map.count, 0);
    put(&map, 1, 1); /* usable again */
    rsi_map_free(&map, NULL);
}

static void base_map__takes_any_bytes_as_a_key(void **state)
{
    (void)state;
    rsi_map map = {0};
    assert_int_equal(rsi_map_put(&map, "", 0, &values[0], NULL), RAGSTORE_OK);
    assert_int_equal(rsi_map_put(&map, "\0", 1, &values[1], NULL), RAGSTORE_OK);
    assert_int_equal(rsi_map_put(&map, "\0\0", 2, &values[2], NULL), RAGSTORE_OK);
    assert_int_equal(rsi_map_put(&map, "a\0b", 3, &values[3], NULL), RAGSTORE_OK);
    assert_int_equal(map.count, 4);
    assert_ptr_equal(rsi_map_get(&map, NULL, 0), &values[0]);
    assert_ptr_equal(rsi_map_get(&map, "\0", 1), &values[1]);
    assert_ptr_equal(rsi_map_get(&map, "\0\0", 2), &values[2]);
    assert_ptr_equal(rsi_map_get(&map, "a\0b", 3), &values[3]);
    assert_null(rsi_map_get(&map, "a\0c", 3));
    rsi_map_free(&map, NULL);
}

static void base_map__replaces_and_gives_the_old_value(void **state)
{
    (void)state;
    rsi_map map = {0};
    void *old = NULL;
    char key[] = "key";
    assert_int_equal(rsi_map_put(&map, key, 3, &values[1], &old), RAGSTORE_OK);
    assert_null(old);
    assert_int_equal(rsi_map_put(&map, key, 3, &values[2], &old), RAGSTORE_OK);
    assert_ptr_equal(old, &values[1]);
    assert_int_equal(map.count, 1);
    key[0] = 'x'; /* the map has a copy */
    assert_ptr_equal(rsi_map_get(&map, "key", 3), &values[2]);
    rsi_map_free(&map, NULL);
}

static void base_map__loses_exactly_what_is_removed(void **state)
{
    (void)state;
    rsi_map map = {0};
    char key[32];
    assert_null(rsi_map_remove(&map, "x", 1));
    for (int i = 0; i < KEYS; i++)
        put(&map, i, i);
    for (int step = 2; step <= 3; step++) { /* all even ones, then of the rest those by 3 */
        for (int i = 0; i < KEYS; i += step) {
            size_t size = make_key(i, key);
            bool gone = step == 3 && i % 2 == 0;
            assert_ptr_equal(rsi_map_remove(&map, key, size), gone ? NULL : &values[i]);
            assert_null(rsi_map_remove(&map, key, size));
        }
        for (int i = 0; i < KEYS; i++) {
            bool gone = i % 2 == 0 || (step == 3 && i % 3 == 0);
            assert_ptr_equal(get(&map, i), gone ? NULL : &values[i]);
        }
    }
    assert_int_equal(map.count, KEYS / 3);
    rsi_map_free(&map, NULL);
}

static void base_map__walks_every_entry_once(void **state)
{
    (void)state;
    static int visits[KEYS];
    rsi_map map = {0};
    size_t position = 0;
    rsi_slice key;
    void *value;
    assert_false(rsi_map_next(&map, &position, &key, &value));
    for (int i = 0; i < KEYS; i++)
        put(&map, i, i);
    position = 0;
    while (rsi_map_next(&map, &position, &key, &value)) {
        char expected[32];
        int i = (int)((int *)value - values);
        assert_int_equal(key.size, make_key(i, expected));
        assert_memory_equal(key.data, expected, key.size);
        visits[i]++;
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(visits[i], 1);
    position = 0;
    assert_true(rsi_map_next(&map, &position, NULL, NULL));
    rsi_map_free(&map, NULL);
}

static int freed;

static void count_free(void *value)
{
    freed++;
    rsi_free(value);
}

static void base_map__frees_its_values_when_told_how(void **state)
{
    (void)state;
    rsi_map map = {0};
    freed = 0;
    for (int i = 0; i < 40; i++) {
        char key[32];
        size_t size = make_key(i, key);
        void *value = rsi_alloc(1);
        assert_int_equal(rsi_map_put(&map, key, size, value, NULL), RAGSTORE_OK);
    }
    rsi_map_free(&map, count_free);
    assert_int_equal(freed, 40);
}

static void base_map__stays_whole_when_memory_is_short(void **state)
{
    (void)state;
    rsi_map map = {0};
    fault_memory_install();
    for (int i = 0; i < 200; i++) {
        char key[32];
        size_t size = make_key(i, key);
        for (unsigned n = 1;; n++) {
            void *old = &map;
            fault_memory_fail(n, false);
            int status = rsi_map_put(&map, key, size, &values[i], &old);
            bool failed = fault_memory_failed();
            fault_memory_disarm();
            assert_null(old);
            if (!failed)
                break;
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
            assert_int_equal(map.count, i);
            assert_null(rsi_map_get(&map, key, size));
        }
    }
    for (int i = 0; i < 200; i++)
        assert_ptr_equal(get(&map, i), &values[i]);
    rsi_map_free(&map, NULL);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_map__finds_what_was_put),
        cmocka_unit_test(base_map__takes_any_bytes_as_a_key),
        cmocka_unit_test(base_map__replaces_and_gives_the_old_value),
        cmocka_unit_test(base_map__loses_exactly_what_is_removed),
        cmocka_unit_test(base_map__walks_every_entry_once),
        cmocka_unit_test(base_map__frees_its_values_when_told_how),
        cmocka_unit_test(base_map__stays_whole_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
