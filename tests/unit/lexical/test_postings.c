/* The chunks of one term: lib/lexical/postings.c. */
#include "lexical/postings.h"

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SLOTS 300000u /* blocks of rare terms span more than a dense one can */
#define LISTS 8

/* What a list was made from. */
struct model {
    uint32_t slots[SLOTS];
    uint32_t frequencies[SLOTS];
    uint32_t count;
};

static struct model model;
static uint32_t lengths[SLOTS];
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

static void append(rsi_postings *postings, uint32_t slot, uint32_t frequency, size_t *memory)
{
    assert_int_equal(rsi_postings_reserve(postings, memory), RAGSTORE_OK);
    rsi_postings_append(postings, slot, frequency, lengths[slot]);
}

/* A list over all slots with gaps of up to max_gap. In its second half some frequencies are too
 * large for dense blocks. */
static rsi_postings make_list(uint32_t max_gap, size_t *memory)
{
    rsi_postings postings = {.count = 0};
    model.count = 0;
    for (uint32_t slot = random_below(max_gap); slot < SLOTS; slot += 1 + random_below(max_gap)) {
        uint32_t frequency =
            random_below(3) > 0 ? 1 : 1 + random_below(slot < SLOTS / 2 ? 255 : 400);
        lengths[slot] = random_below(1000);
        append(&postings, slot, frequency, memory);
        model.slots[model.count] = slot;
        model.frequencies[model.count++] = frequency;
    }
    return postings;
}

static const uint32_t gaps[LISTS] = {1, 2, 5, 40, 300, 3000, 20000, 50000};

static void assert_is_model(const rsi_postings *postings)
{
    rsi_cursor cursor = rsi_cursor_begin(postings);
    assert_int_equal(postings->count, model.count);
    for (uint32_t i = 0; i < model.count; i++) {
        assert_int_equal(cursor.slot, model.slots[i]);
        assert_int_equal(cursor.frequency, model.frequencies[i]);
        rsi_cursor_next(&cursor);
    }
    assert_int_equal(cursor.slot, RSI_NO_SLOT);
    rsi_cursor_next(&cursor);
    assert_int_equal(cursor.slot, RSI_NO_SLOT);
}

static void lexical_postings__give_back_what_was_appended(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        size_t memory = 0;
        rsi_postings postings = make_list(gaps[i], &memory);
        assert_is_model(&postings);
        assert_int_equal(memory, rsi_postings_memory(&postings));
        rsi_postings_free(&postings);
    }
}

/* How many full blocks of a list are dense. */
static uint32_t count_dense(const rsi_postings *postings)
{
    uint32_t dense = 0;
    rsi_cursor cursor = rsi_cursor_begin(postings);
    for (uint32_t block = 0; block < rsi_postings_full_blocks(postings); block++) {
        rsi_cursor_enter(&cursor, block);
        dense += cursor.dense;
    }
    return dense;
}

static void lexical_postings__are_dense_where_their_numbers_fit(void **state)
{
    (void)state;
    size_t memory = 0;
    rsi_postings frequent = make_list(3, &memory);
    uint32_t full = rsi_postings_full_blocks(&frequent);
    assert_in_range(count_dense(&frequent), full / 2 - 1, full / 2 + 1);
    rsi_postings rare = make_list(1500, &memory);
    assert_int_not_equal(rsi_postings_full_blocks(&rare), 0);
    assert_int_equal(count_dense(&rare), 0);
    rsi_postings_free(&frequent);
    rsi_postings_free(&rare);
}

static void lexical_postings__hold_the_largest_numbers(void **state)
{
    (void)state;
    rsi_postings postings = {.count = 0};
    size_t memory = 0;
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(rsi_postings_reserve(&postings, &memory), RAGSTORE_OK);
        rsi_postings_append(&postings, i == 0 ? 0 : RSI_SLOTS_MAX, UINT32_MAX, 1);
    }
    rsi_cursor cursor = rsi_cursor_begin(&postings);
    assert_int_equal(cursor.frequency, UINT32_MAX);
    rsi_cursor_next(&cursor);
    assert_int_equal(cursor.slot, RSI_SLOTS_MAX);
    assert_int_equal(cursor.frequency, UINT32_MAX);
    rsi_postings_free(&postings);
}

static void lexical_postings__keep_short_lists_inside_the_struct(void **state)
{
    (void)state;
    rsi_postings postings = {.count = 0};
    size_t memory = 0;
    append(&postings, 3, 1, &memory);
    append(&postings, 90, 2, &memory);
    assert_int_equal(memory, 0);
    rsi_cursor cursor = rsi_cursor_begin(&postings);
    assert_int_equal(cursor.slot, 3);
    rsi_cursor_next(&cursor);
    assert_int_equal(cursor.slot, 90);
    rsi_postings_free(&postings);
}

static void lexical_postings__of_an_empty_list_have_no_first(void **state)
{
    (void)state;
    rsi_postings postings = {.count = 0};
    uint32_t most;
    uint32_t shortest;
    rsi_cursor cursor = rsi_cursor_begin(&postings);
    assert_int_equal(cursor.slot, RSI_NO_SLOT);
    rsi_cursor_advance(&cursor, 7);
    assert_int_equal(cursor.slot, RSI_NO_SLOT);
    assert_false(rsi_cursor_extremes(&cursor, 0, 10, &most, &shortest));
}

static void lexical_postings__are_reached_by_jumps_as_by_steps(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        size_t memory = 0;
        rsi_postings postings = make_list(gaps[i], &memory);
        for (uint32_t step = 1; step < SLOTS; step = step * 3 + 1) {
            rsi_cursor cursor = rsi_cursor_begin(&postings);
            uint32_t at = 0;
            for (uint32_t slot = 0; slot < SLOTS; slot += step) {
                while (at < model.count && model.slots[at] < slot)
                    at++;
                rsi_cursor_advance(&cursor, slot);
                assert_int_equal(cursor.slot, at < model.count ? model.slots[at] : RSI_NO_SLOT);
                if (at < model.count)
                    assert_int_equal(cursor.frequency, model.frequencies[at]);
            }
        }
        rsi_postings_free(&postings);
    }
}

static void lexical_postings__bound_every_window(void **state)
{
    (void)state;
    for (int i = 0; i < LISTS; i++) {
        size_t memory = 0;
        rsi_postings postings = make_list(gaps[i], &memory);
        rsi_cursor cursor = rsi_cursor_begin(&postings);
        uint32_t at = 0;
        for (uint32_t from = 0; from < SLOTS; from += 1000) {
            uint32_t most = 0;
            uint32_t shortest = 0;
            bool any = rsi_cursor_extremes(&cursor, from, from + 1000, &most, &shortest);
            for (; at < model.count && model.slots[at] < from + 1000; at++) {
                assert_true(any);
                assert_true(model.frequencies[at] <= most);
                assert_true(lengths[model.slots[at]] >= shortest);
            }
            if (from % 3000 == 0) /* a cursor that lags behind must not matter */
                rsi_cursor_advance(&cursor, from);
        }
        assert_false(
            rsi_cursor_extremes(&cursor, SLOTS, SLOTS + 1, &(uint32_t){0}, &(uint32_t){0}));
        rsi_postings_free(&postings);
    }
}

static void lexical_postings__renumber_into_a_new_list(void **state)
{
    (void)state;
    static uint32_t new_slots[SLOTS];
    for (int i = 0; i < LISTS; i++) {
        size_t memory = 0;
        rsi_postings postings = make_list(gaps[i], &memory);
        uint32_t next = 0;
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            new_slots[slot] = random_below(4) == 0 ? RSI_NO_SLOT : next++;
        rsi_postings renumbered = {.count = 0};
        size_t new_memory = 0;
        assert_int_equal(
            rsi_postings_renumber(&renumbered, &postings, new_slots, lengths, &new_memory),
            RAGSTORE_OK);
        assert_is_model(&postings);
        assert_int_equal(memory, rsi_postings_memory(&postings));
        uint32_t kept = 0;
        for (uint32_t j = 0; j < model.count; j++) {
            uint32_t to = new_slots[model.slots[j]];
            if (to == RSI_NO_SLOT)
                continue;
            model.slots[kept] = to;
            model.frequencies[kept++] = model.frequencies[j];
        }
        model.count = kept;
        assert_is_model(&renumbered);
        assert_int_equal(new_memory, rsi_postings_memory(&renumbered));
        rsi_postings_free(&postings);
        rsi_postings_free(&renumbered);
    }
}

static void lexical_postings__stay_whole_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_postings postings = {.count = 0};
    size_t memory = 0;
    model.count = 0;
    for (uint32_t slot = 0; slot < 1000; slot++) {
        for (unsigned n = 1;; n++) {
            fault_memory_fail(n, false);
            int status = rsi_postings_reserve(&postings, &memory);
            bool failed = fault_memory_failed();
            fault_memory_disarm();
            if (!failed)
                break;
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
            assert_is_model(&postings);
        }
        rsi_postings_append(&postings, slot, 2, 1);
        model.slots[model.count] = slot;
        model.frequencies[model.count++] = 2;
    }
    assert_is_model(&postings);
    rsi_postings_free(&postings);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_postings__give_back_what_was_appended),
        cmocka_unit_test(lexical_postings__are_dense_where_their_numbers_fit),
        cmocka_unit_test(lexical_postings__hold_the_largest_numbers),
        cmocka_unit_test(lexical_postings__keep_short_lists_inside_the_struct),
        cmocka_unit_test(lexical_postings__of_an_empty_list_have_no_first),
        cmocka_unit_test(lexical_postings__are_reached_by_jumps_as_by_steps),
        cmocka_unit_test(lexical_postings__bound_every_window),
        cmocka_unit_test(lexical_postings__renumber_into_a_new_list),
        cmocka_unit_test(lexical_postings__stay_whole_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
