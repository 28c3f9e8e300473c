/* Terms and their numbers: lib/lexical/dictionary.c. */
#include "lexical/dictionary.h"

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TERMS 5000u

static size_t make_term(uint32_t i, char out[16])
{
    return (size_t)snprintf(out, 16, "t%x", i * 2654435761u);
}

static int add(rsi_dictionary *dictionary, const char *term, size_t size, uint32_t *number)
{
    uint32_t hash = rsi_dictionary_hash(dictionary, term, size);
    rsi_dictionary_prefetch(dictionary, hash);
    return rsi_dictionary_add(dictionary, term, size, hash, number);
}

static void fill(rsi_dictionary *dictionary, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char term[16];
        uint32_t number;
        size_t size = make_term(i, term);
        assert_int_equal(add(dictionary, term, size, &number), RAGSTORE_OK);
        assert_int_equal(number, i);
    }
}

static void lexical_dictionary__numbers_terms_in_order_and_finds_them(void **state)
{
    (void)state;
    rsi_dictionary dictionary = {.seed = 42};
    assert_int_equal(rsi_dictionary_find(&dictionary, "x", 1), RSI_NO_TERM);
    fill(&dictionary, TERMS);
    fill(&dictionary, TERMS); /* again: the same numbers */
    assert_int_equal(dictionary.count, TERMS);
    for (uint32_t i = 0; i < TERMS; i++) {
        char term[16];
        size_t size = make_term(i, term);
        assert_int_equal(rsi_dictionary_find(&dictionary, term, size), i);
        rsi_slice found = rsi_dictionary_term(&dictionary, i);
        assert_int_equal(found.size, size);
        assert_memory_equal(found.data, term, size);
        assert_int_equal(rsi_dictionary_find(&dictionary, term, size - 1) == i, 0);
    }
    assert_int_equal(rsi_dictionary_find(&dictionary, "absent", 6), RSI_NO_TERM);
    assert_true(rsi_dictionary_memory(&dictionary) > TERMS * 8);
    rsi_dictionary_free(&dictionary);
}

static void lexical_dictionary__drops_terms_in_place(void **state)
{
    (void)state;
    rsi_dictionary dictionary = {.seed = 7};
    static uint32_t numbers[TERMS];
    fill(&dictionary, TERMS);
    uint32_t next = 0;
    for (uint32_t i = 0; i < TERMS; i++)
        numbers[i] = i % 3 == 0 ? RSI_NO_TERM : next++;
    rsi_dictionary_renumber(&dictionary, numbers);
    assert_int_equal(dictionary.count, next);
    for (uint32_t i = 0; i < TERMS; i++) {
        char term[16];
        size_t size = make_term(i, term);
        assert_int_equal(rsi_dictionary_find(&dictionary, term, size), numbers[i]);
    }
    uint32_t number;
    assert_int_equal(add(&dictionary, "new", 3, &number), RAGSTORE_OK);
    assert_int_equal(number, next);
    rsi_dictionary_free(&dictionary);
}

static void lexical_dictionary__stays_whole_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_dictionary dictionary = {.seed = 1};
    for (uint32_t i = 0; i < 300; i++) {
        char term[16];
        uint32_t number;
        size_t size = make_term(i, term);
        for (unsigned n = 1;; n++) {
            fault_memory_fail(n, false);
            int status = add(&dictionary, term, size, &number);
            bool failed = fault_memory_failed();
            fault_memory_disarm();
            if (!failed)
                break;
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
            assert_int_equal(rsi_dictionary_find(&dictionary, term, size), RSI_NO_TERM);
            assert_int_equal(dictionary.count, i);
        }
        assert_int_equal(number, i);
    }
    rsi_dictionary_free(&dictionary);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_dictionary__numbers_terms_in_order_and_finds_them),
        cmocka_unit_test(lexical_dictionary__drops_terms_in_place),
        cmocka_unit_test(lexical_dictionary__stays_whole_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
