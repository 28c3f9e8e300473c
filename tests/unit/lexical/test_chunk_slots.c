/* The chunks of an index: lib/lexical/chunk_slots.c. */
#include "lexical/chunk_slots.h"

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"
#include "lexical/packed_numbers.h"
#include "lexical/postings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CHUNKS 3000u

/* Spread out, not ascending. */
static int64_t chunk_of(uint32_t i)
{
    return (int64_t)(i * 2654435761u) * 1000 + 7;
}

static void add(rsi_chunk_slots *slots, uint32_t i)
{
    uint32_t terms[5];
    size_t count = i % 6;
    for (size_t j = 0; j < count; j++)
        terms[j] = i * 100 + (uint32_t)j;
    assert_int_equal(rsi_chunk_slots_reserve(slots, count), RAGSTORE_OK);
    rsi_chunk_slots_append(slots, chunk_of(i), terms, count, i);
}

static void assert_terms(const rsi_chunk_slots *slots, uint32_t slot, uint32_t i)
{
    const unsigned char *at = rsi_chunk_slots_terms(slots, slot);
    for (uint32_t j = 0; j < i % 6; j++)
        assert_int_equal(rsi_take_packed(&at), i * 100 + j);
    assert_ptr_equal(at, rsi_chunk_slots_terms_end(slots, slot));
}

static void lexical_chunk_slots__find_what_was_added(void **state)
{
    (void)state;
    rsi_chunk_slots slots = {.count = 0};
    assert_int_equal(rsi_chunk_slots_find(&slots, 7), RSI_NO_SLOT);
    for (uint32_t i = 0; i < CHUNKS; i++)
        add(&slots, i);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        assert_int_equal(rsi_chunk_slots_find(&slots, chunk_of(i)), i);
        assert_terms(&slots, i, i);
    }
    assert_int_equal(rsi_chunk_slots_find(&slots, 8), RSI_NO_SLOT);
    assert_int_equal(rsi_chunk_slots_find(&slots, -1), RSI_NO_SLOT);
    assert_int_equal(slots.alive, CHUNKS);
    assert_int_equal(slots.total_length, (uint64_t)CHUNKS * (CHUNKS - 1) / 2);
    assert_true(rsi_chunk_slots_memory(&slots) > CHUNKS * 20);
    rsi_chunk_slots_free(&slots);
}

static void lexical_chunk_slots__find_chunks_also_below_and_above_the_others(void **state)
{
    (void)state;
    rsi_chunk_slots slots = {.count = 0};
    static const int64_t chunks[] = {500, 20, 0, 9000, 8999, INT64_MAX};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(rsi_chunk_slots_find(&slots, chunks[i]), RSI_NO_SLOT);
        assert_int_equal(rsi_chunk_slots_reserve(&slots, 0), RAGSTORE_OK);
        rsi_chunk_slots_prefetch(&slots, chunks[i]);
        rsi_chunk_slots_append(&slots, chunks[i], NULL, 0, 1);
        for (uint32_t before = 0; before <= i; before++)
            assert_int_equal(rsi_chunk_slots_find(&slots, chunks[before]), before);
    }
    rsi_chunk_slots_remove(&slots, 5);
    assert_int_equal(rsi_chunk_slots_find(&slots, INT64_MAX), RSI_NO_SLOT);
    assert_int_equal(rsi_chunk_slots_find(&slots, 9000), 3);
    rsi_chunk_slots_free(&slots);
}

static void lexical_chunk_slots__lose_exactly_what_is_removed(void **state)
{
    (void)state;
    rsi_chunk_slots slots = {.count = 0};
    for (uint32_t i = 0; i < CHUNKS; i++)
        add(&slots, i);
    uint64_t length = slots.total_length;
    for (uint32_t i = 0; i < CHUNKS; i += 3) {
        rsi_chunk_slots_remove(&slots, i);
        length -= i;
    }
    for (uint32_t i = 0; i < CHUNKS; i++)
        assert_int_equal(rsi_chunk_slots_find(&slots, chunk_of(i)), i % 3 == 0 ? RSI_NO_SLOT : i);
    assert_int_equal(slots.count, CHUNKS);
    assert_int_equal(slots.alive, CHUNKS - (CHUNKS + 2) / 3);
    assert_int_equal(slots.total_length, length);
    rsi_chunk_slots_free(&slots);
}

static void lexical_chunk_slots__close_gaps_in_order(void **state)
{
    (void)state;
    rsi_chunk_slots slots = {.count = 0};
    static uint32_t new_slots[CHUNKS];
    static uint32_t new_terms[CHUNKS * 100];
    for (uint32_t i = 0; i < CHUNKS; i++)
        add(&slots, i);
    for (uint32_t i = 0; i < CHUNKS; i += 2)
        rsi_chunk_slots_remove(&slots, i);
    rsi_chunk_slots_plan(&slots, new_slots);
    for (uint32_t i = 0; i < CHUNKS * 100; i++)
        new_terms[i] = i;
    rsi_chunk_slots_renumber(&slots, new_slots, new_terms);
    assert_int_equal(slots.count, CHUNKS / 2);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint32_t slot = rsi_chunk_slots_find(&slots, chunk_of(i));
        assert_int_equal(slot, i % 2 == 0 ? RSI_NO_SLOT : i / 2);
        if (slot == RSI_NO_SLOT)
            continue;
        assert_int_equal(slots.lengths[slot], i);
        assert_terms(&slots, slot, i);
    }
    add(&slots, CHUNKS);
    assert_int_equal(rsi_chunk_slots_find(&slots, chunk_of(CHUNKS)), CHUNKS / 2);
    rsi_chunk_slots_free(&slots);
}

static void lexical_chunk_slots__renumber_terms(void **state)
{
    (void)state;
    rsi_chunk_slots slots = {.count = 0};
    const uint32_t terms[] = {5, 300, 70000};
    uint32_t new_slots[1];
    uint32_t *new_terms = rsi_alloc_array(70001, sizeof *new_terms);
    assert_non_null(new_terms);
    new_terms[5] = 0;
    new_terms[300] = 127;
    new_terms[70000] = 128;
    assert_int_equal(rsi_chunk_slots_reserve(&slots, 3), RAGSTORE_OK);
    rsi_chunk_slots_append(&slots, 1, terms, 3, 3);
    rsi_chunk_slots_plan(&slots, new_slots);
    rsi_chunk_slots_renumber(&slots, new_slots, new_terms);
    const unsigned char *at = rsi_chunk_slots_terms(&slots, 0);
    assert_int_equal(rsi_take_packed(&at), 0);
    assert_int_equal(rsi_take_packed(&at), 127);
    assert_int_equal(rsi_take_packed(&at), 128);
    assert_ptr_equal(at, rsi_chunk_slots_terms_end(&slots, 0));
    rsi_free(new_terms);
    rsi_chunk_slots_free(&slots);
}

static void lexical_chunk_slots__stay_whole_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_chunk_slots slots = {.count = 0};
    for (uint32_t i = 0; i < 200; i++) {
        for (unsigned n = 1;; n++) {
            fault_memory_fail(n, false);
            int status = rsi_chunk_slots_reserve(&slots, i % 6);
            bool failed = fault_memory_failed();
            fault_memory_disarm();
            if (!failed)
                break;
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
            for (uint32_t j = 0; j < i; j++)
                assert_int_equal(rsi_chunk_slots_find(&slots, chunk_of(j)), j);
        }
        add(&slots, i);
    }
    rsi_chunk_slots_free(&slots);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_chunk_slots__find_what_was_added),
        cmocka_unit_test(lexical_chunk_slots__find_chunks_also_below_and_above_the_others),
        cmocka_unit_test(lexical_chunk_slots__lose_exactly_what_is_removed),
        cmocka_unit_test(lexical_chunk_slots__close_gaps_in_order),
        cmocka_unit_test(lexical_chunk_slots__renumber_terms),
        cmocka_unit_test(lexical_chunk_slots__stay_whole_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
