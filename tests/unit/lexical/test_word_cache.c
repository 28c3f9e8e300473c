/* Words seen before: lib/lexical/word_cache.c. */
#include "lexical/word_cache.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t look_up(const rsi_word_cache *cache, const char *word)
{
    size_t size = strlen(word);
    return rsi_cached_term(rsi_word_cache_place(cache, word, size), word, size);
}

static void keep(const rsi_word_cache *cache, const char *word, uint32_t term)
{
    size_t size = strlen(word);
    rsi_cache_word(rsi_word_cache_place(cache, word, size), word, size, term);
}

static void lexical_word_cache__keeps_nothing_until_it_has_a_size(void **state)
{
    (void)state;
    rsi_word_cache cache = {.seed = 1};
    keep(&cache, "wing", 5);
    assert_int_equal(look_up(&cache, "wing"), RSI_NO_TERM);
    assert_int_equal(rsi_word_cache_fit(&cache, 10), RAGSTORE_OK);
    assert_int_equal(cache.size, 0); /* not worth it yet */
    rsi_word_cache_free(&cache);
}

static void lexical_word_cache__gives_back_exactly_what_was_kept(void **state)
{
    (void)state;
    rsi_word_cache cache = {.seed = 1};
    assert_int_equal(rsi_word_cache_fit(&cache, 1000), RAGSTORE_OK);
    keep(&cache, "wing", 5);
    assert_int_equal(look_up(&cache, "wing"), 5);
    assert_int_equal(look_up(&cache, "wings"), RSI_NO_TERM);
    assert_int_equal(look_up(&cache, "Wing"), RSI_NO_TERM);
    char word[RSI_CACHED_WORD_MAX + 2];
    memset(word, 'x', sizeof word);
    word[RSI_CACHED_WORD_MAX] = '\0';
    keep(&cache, word, 6);
    assert_int_equal(look_up(&cache, word), 6);
    word[RSI_CACHED_WORD_MAX] = 'x';
    word[RSI_CACHED_WORD_MAX + 1] = '\0';
    keep(&cache, word, 7); /* too long */
    assert_int_equal(look_up(&cache, word), RSI_NO_TERM);
    rsi_word_cache_clear(&cache);
    assert_int_equal(look_up(&cache, "wing"), RSI_NO_TERM);
    rsi_word_cache_free(&cache);
}

static void lexical_word_cache__never_mixes_words_up(void **state)
{
    (void)state;
    rsi_word_cache cache = {.seed = 3};
    assert_int_equal(rsi_word_cache_fit(&cache, 64), RAGSTORE_OK);
    unsigned kept = 0;
    for (uint32_t i = 0; i < 2000; i++) { /* far more words than places */
        char word[16];
        snprintf(word, sizeof word, "%x", i * 2654435761u);
        uint32_t found = look_up(&cache, word);
        assert_true(found == RSI_NO_TERM);
        keep(&cache, word, i);
        kept += look_up(&cache, word) == i;
    }
    assert_int_equal(kept, 2000);
    rsi_word_cache_free(&cache);
}

static void lexical_word_cache__keeps_its_words_when_it_grows(void **state)
{
    (void)state;
    rsi_word_cache cache = {.seed = 3};
    assert_int_equal(rsi_word_cache_fit(&cache, 64), RAGSTORE_OK);
    size_t before = cache.size;
    keep(&cache, "wing", 5);
    assert_int_equal(rsi_word_cache_fit(&cache, 100000), RAGSTORE_OK);
    assert_true(cache.size > before);
    assert_int_equal(look_up(&cache, "wing"), 5);
    before = cache.size;
    assert_int_equal(rsi_word_cache_fit(&cache, 100000000), RAGSTORE_OK);
    assert_int_equal(cache.size, before); /* at its limit */
    rsi_word_cache_free(&cache);
}

static void lexical_word_cache__stays_as_it_is_when_memory_is_short(void **state)
{
    (void)state;
    fault_memory_install();
    rsi_word_cache cache = {.seed = 3};
    assert_int_equal(rsi_word_cache_fit(&cache, 64), RAGSTORE_OK);
    keep(&cache, "wing", 5);
    fault_memory_fail(1, false);
    assert_int_equal(rsi_word_cache_fit(&cache, 4096), RAGSTORE_E_NO_MEMORY);
    fault_memory_disarm();
    assert_int_equal(look_up(&cache, "wing"), 5);
    rsi_word_cache_free(&cache);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_word_cache__keeps_nothing_until_it_has_a_size),
        cmocka_unit_test(lexical_word_cache__gives_back_exactly_what_was_kept),
        cmocka_unit_test(lexical_word_cache__never_mixes_words_up),
        cmocka_unit_test(lexical_word_cache__keeps_its_words_when_it_grows),
        cmocka_unit_test(lexical_word_cache__stays_as_it_is_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
