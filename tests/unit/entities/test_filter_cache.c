/* What lately asked filters let pass: lib/entities/filter_cache.c. */
#include "entities/filter_cache.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void keep(rsi_filter_cache *cache, const char *text, int64_t member, int64_t until)
{
    rsi_bitset passed = {0};
    assert_int_equal(rsi_bitset_add(&passed, member), 0);
    assert_int_equal(rsi_filter_cache_put(cache, text, &passed, until), 0);
    rsi_bitset_free(&passed);
}

/* The chunk that passed a filter, the only one; or -1, and *until 0, when it is not there. */
static int64_t kept(rsi_filter_cache *cache, const char *text, int64_t *until)
{
    rsi_bitset passed;
    assert_int_equal(rsi_filter_cache_get(&passed, until, cache, text), 0);
    int64_t member = rsi_bitset_next(&passed, 0);
    assert_int_equal(passed.count, member < 0 ? 0 : 1);
    rsi_bitset_free(&passed);
    return member;
}

static void entities_filter_cache__gives_back_what_was_put_in_last(void **state)
{
    rsi_filter_cache cache;
    int64_t until;
    (void)state;
    rsi_filter_cache_init(&cache);
    assert_int_equal(kept(&cache, "{}", &until), -1);
    assert_int_equal(until, 0);
    keep(&cache, "{\"a\":1}", 700, 1000);
    keep(&cache, "{\"a\":2}", 3, 1000);
    assert_int_equal(kept(&cache, "{\"a\":1}", &until), 700);
    assert_int_equal(until, 1000);
    keep(&cache, "{\"a\":1}", 5, 2000);
    assert_int_equal(kept(&cache, "{\"a\":1}", &until), 5);
    assert_int_equal(until, 2000);
    assert_int_equal(kept(&cache, "{\"a\":2}", &until), 3);
    assert_true(rsi_filter_cache_memory(&cache) >= 2 * sizeof "{\"a\":1}");
    rsi_filter_cache_free(&cache);
}

static void entities_filter_cache__lets_the_longest_unused_go(void **state)
{
    rsi_filter_cache cache;
    int64_t until;
    char text[20];
    (void)state;
    rsi_filter_cache_init(&cache);
    for (int i = 0; i < RSI_FILTERS_KEPT; i++) {
        snprintf(text, sizeof text, "{\"n\":%d}", i);
        keep(&cache, text, i, 100);
    }
    assert_int_equal(kept(&cache, "{\"n\":0}", &until), 0); /* now 1 is the oldest */
    keep(&cache, "{\"new\":1}", 90, 100);
    assert_int_equal(kept(&cache, "{\"n\":1}", &until), -1);
    assert_int_equal(kept(&cache, "{\"n\":0}", &until), 0);
    assert_int_equal(kept(&cache, "{\"n\":2}", &until), 2);
    assert_int_equal(kept(&cache, "{\"new\":1}", &until), 90);
    rsi_filter_cache_free(&cache);
}

static void entities_filter_cache__forgets_who_looked_at_a_chunk(void **state)
{
    rsi_filter_cache cache;
    int64_t until;
    (void)state;
    rsi_filter_cache_init(&cache);
    keep(&cache, "{\"a\":1}", 4, 10);
    keep(&cache, "{\"a\":2}", 4, 20);
    rsi_filter_cache_forget(&cache, 10); /* chunks 0 to 9 were looked at for the first */
    assert_int_equal(kept(&cache, "{\"a\":1}", &until), 4);
    assert_int_equal(kept(&cache, "{\"a\":2}", &until), -1);
    rsi_filter_cache_forget(&cache, 9);
    assert_int_equal(kept(&cache, "{\"a\":1}", &until), -1);
    keep(&cache, "{\"a\":1}", 4, 1);
    rsi_filter_cache_forget(&cache, 0);
    assert_int_equal(kept(&cache, "{\"a\":1}", &until), -1);
    assert_int_equal(rsi_filter_cache_memory(&cache), 0);
    rsi_filter_cache_free(&cache);
}

static void entities_filter_cache__does_not_keep_long_texts(void **state)
{
    static char text[RSI_FILTER_TEXT_MAX + 2];
    rsi_filter_cache cache;
    int64_t until;
    (void)state;
    rsi_filter_cache_init(&cache);
    memset(text, ' ', sizeof text - 1);
    keep(&cache, text, 1, 10);
    assert_int_equal(kept(&cache, text, &until), -1);
    text[RSI_FILTER_TEXT_MAX] = '\0';
    keep(&cache, text, 1, 10);
    assert_int_equal(kept(&cache, text, &until), 1);
    rsi_filter_cache_free(&cache);
}

static void entities_filter_cache__survives_each_failing_allocation(void **state)
{
    rsi_filter_cache cache;
    rsi_bitset passed = {0};
    rsi_bitset out;
    int64_t until;
    (void)state;
    rsi_filter_cache_init(&cache);
    assert_int_equal(rsi_bitset_add(&passed, 7), 0);
    keep(&cache, "{}", 5, 10);
    fault_memory_install();
    for (size_t failing = 1; failing <= 2; failing++) { /* the text; what passed */
        fault_memory_fail(failing, false);
        assert_int_equal(rsi_filter_cache_put(&cache, "{}", &passed, 20), RAGSTORE_E_NO_MEMORY);
        fault_memory_disarm();
    }
    assert_int_equal(kept(&cache, "{}", &until), 5); /* as it was */
    fault_memory_fail(1, false);
    assert_int_equal(rsi_filter_cache_get(&out, &until, &cache, "{}"), RAGSTORE_E_NO_MEMORY);
    assert_int_equal(until, 0);
    assert_null(out.words);
    fault_memory_disarm();
    rsi_bitset_free(&passed);
    rsi_filter_cache_free(&cache);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_filter_cache__gives_back_what_was_put_in_last),
        cmocka_unit_test(entities_filter_cache__lets_the_longest_unused_go),
        cmocka_unit_test(entities_filter_cache__forgets_who_looked_at_a_chunk),
        cmocka_unit_test(entities_filter_cache__does_not_keep_long_texts),
        cmocka_unit_test(entities_filter_cache__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
