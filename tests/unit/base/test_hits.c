/* Ranked chunk numbers: lib/base/hits.c. */
#include "base/hits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define STREAM 2000
#define ROOM 100

static rsi_hit stream[STREAM];
static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

/* Many equal scores, chunk numbers out of order. */
static void fill_stream(uint32_t different_scores)
{
    for (uint32_t i = 0; i < STREAM; i++) {
        stream[i].chunk = (int64_t)(i * 7919u % STREAM);
        stream[i].score = (float)random_below(different_scores) - 10;
    }
}

/* How many of the stream rank before a hit. */
static size_t rank_of(rsi_hit hit)
{
    size_t better = 0;
    for (size_t i = 0; i < STREAM; i++)
        better += rsi_hit_before(stream[i], hit);
    return better;
}

static void base_hits__keep_the_best_of_a_stream_in_order(void **state)
{
    (void)state;
    static const uint32_t different[] = {1, 3, 50, 100000};
    static const size_t limits[] = {1, 2, 7, ROOM};
    for (size_t d = 0; d < 4; d++) {
        fill_stream(different[d]);
        for (size_t l = 0; l < 4; l++) {
            rsi_hit room[ROOM];
            rsi_top top;
            rsi_top_init(&top, room, limits[l]);
            for (size_t i = 0; i < STREAM; i++)
                rsi_top_offer(&top, stream[i]);
            rsi_top_sort(&top);
            assert_int_equal(top.count, limits[l]);
            for (size_t i = 0; i < top.count; i++)
                assert_int_equal(rank_of(room[i]), i);
        }
    }
}

static void base_hits__keep_everything_while_there_is_room(void **state)
{
    (void)state;
    rsi_hit room[4];
    rsi_top top;
    rsi_top_init(&top, room, 4);
    assert_true(isinf(rsi_top_threshold(&top)) && rsi_top_threshold(&top) < 0);
    rsi_top_offer(&top, (rsi_hit){5, -3});
    rsi_top_offer(&top, (rsi_hit){6, -1});
    assert_int_equal(top.count, 2);
    assert_true(isinf(rsi_top_threshold(&top)));
    rsi_top_sort(&top);
    assert_int_equal(room[0].chunk, 6);
    assert_int_equal(room[1].chunk, 5);
}

static void base_hits__tell_the_score_to_beat(void **state)
{
    (void)state;
    rsi_hit room[2];
    rsi_top top;
    rsi_top_init(&top, room, 2);
    rsi_top_offer(&top, (rsi_hit){1, 5});
    rsi_top_offer(&top, (rsi_hit){2, 3});
    assert_true(rsi_top_threshold(&top) == 3);
    rsi_top_offer(&top, (rsi_hit){3, 4});
    assert_true(rsi_top_threshold(&top) == 4);
    rsi_top_offer(&top, (rsi_hit){4, 1});
    assert_true(rsi_top_threshold(&top) == 4);
}

static void base_hits__prefer_the_smaller_number_among_equals(void **state)
{
    (void)state;
    rsi_hit room[2];
    rsi_top top;
    rsi_top_init(&top, room, 2);
    for (int64_t chunk = 9; chunk > 0; chunk--)
        rsi_top_offer(&top, (rsi_hit){chunk, 1});
    rsi_top_sort(&top);
    assert_int_equal(room[0].chunk, 1);
    assert_int_equal(room[1].chunk, 2);
}

static void base_hits__ignore_scores_that_are_not_numbers(void **state)
{
    (void)state;
    rsi_hit room[2];
    rsi_top top;
    rsi_top_init(&top, room, 2);
    rsi_top_offer(&top, (rsi_hit){1, NAN});
    assert_int_equal(top.count, 0);
    rsi_top_offer(&top, (rsi_hit){2, -INFINITY});
    assert_int_equal(top.count, 1);
}

static void base_hits__need_no_room_for_none(void **state)
{
    (void)state;
    rsi_top top;
    rsi_top_init(&top, NULL, 0);
    rsi_top_offer(&top, (rsi_hit){1, 1});
    rsi_top_sort(&top);
    assert_int_equal(top.count, 0);
    rsi_hits_sort(NULL, 0);
}

static void base_hits__sort_any_number(void **state)
{
    (void)state;
    fill_stream(40);
    rsi_hits_sort(stream, STREAM);
    for (size_t i = 1; i < STREAM; i++)
        assert_true(rsi_hit_before(stream[i - 1], stream[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_hits__keep_the_best_of_a_stream_in_order),
        cmocka_unit_test(base_hits__keep_everything_while_there_is_room),
        cmocka_unit_test(base_hits__tell_the_score_to_beat),
        cmocka_unit_test(base_hits__prefer_the_smaller_number_among_equals),
        cmocka_unit_test(base_hits__ignore_scores_that_are_not_numbers),
        cmocka_unit_test(base_hits__need_no_room_for_none),
        cmocka_unit_test(base_hits__sort_any_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
