/* Which searches may be made on a connection's thread: examples/server/pace.c. */
#include "pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void note(const char *entity_id, uint64_t microseconds, int times)
{
    for (int i = 0; i < times; i++)
        pace_note(entity_id, microseconds);
}

static void server_pace__knows_nothing_of_an_entity_at_first(void **state)
{
    (void)state;
    assert_false(pace_is_quick("never searched"));
    note("quick at once", 40, 1);
    assert_true(pace_is_quick("quick at once"));
    note("slow at once", 501, 1);
    assert_false(pace_is_quick("slow at once"));
}

static void server_pace__forgives_one_long_search_among_short_ones(void **state)
{
    (void)state;
    note("preempted", 40, 3);
    for (int i = 0; i < 5; i++) {
        note("preempted", 4000, 1);
        assert_true(pace_is_quick("preempted"));
        note("preempted", 40, 20);
    }
}

static void server_pace__forgives_no_second_one_soon_after(void **state)
{
    (void)state;
    note("slow now", 40, 3);
    note("slow now", 4000, 1);
    note("slow now", 40, 5);
    note("slow now", 4000, 1);
    assert_false(pace_is_quick("slow now"));
    note("slow now", 40, 10);
    assert_false(pace_is_quick("slow now"));
    note("slow now", 40, 10);
    assert_true(pace_is_quick("slow now"));
}

static void server_pace__forgives_none_where_searches_take_longer(void **state)
{
    (void)state;
    note("middling", 300, 50);
    assert_true(pace_is_quick("middling"));
    note("middling", 700, 1);
    assert_false(pace_is_quick("middling"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_pace__knows_nothing_of_an_entity_at_first),
        cmocka_unit_test(server_pace__forgives_one_long_search_among_short_ones),
        cmocka_unit_test(server_pace__forgives_no_second_one_soon_after),
        cmocka_unit_test(server_pace__forgives_none_where_searches_take_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
