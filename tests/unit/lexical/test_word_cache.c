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
    const rsi_word_key key = rsi_word_key_of(word, strlen(word), strlen(word));
    return rsi_cached_value(rsi_word_cache_set(cache, &key), &key);
}

static void keep(const rsi_word_cache *cache, const char *word, uint32_t value)
{
    const rsi_word_key key = rsi_word_key_of(word, strlen(word), strlen(word));
    rsi_cache_word(rsi_word_cache_set(cache, &key), &key, value);
}

static void lexical_word_cache__has_no_size_until_it_is_worth_it(void **state)
{
    (void)state;
    rsi_word_cache cache = {.seed = 1};
    assert_int_equal(rsi_word_cache_fit(&cache, 10), RAGSTORE_OK);
    assert_int_equal(cache.count, 0);
    rsi_word_cache_clear(&cache);
    assert_int_equal(rsi_word_cache_memory(&cache), 0);
    rsi_word_cache_free(&cache);
}

static void lexical_word_cache__gives_back_exactly_what_was_kept(void **state)
{
    (void)state;
    rsi_word_cache cache = {.seed = 1};
    assert_int_equal(rsi_word_cache_fit(&cache, 1000), RAGSTORE_OK);
    keep(&cache, "wing", 5);
    assert_int_equal(look_up(&cache, "wing"), 5);
    assert_int_equal(look_up(&cache, "wings"), RSI_NOT_CACHED);
    assert_int_equal(look_up(&cache, "Wing"), RSI_NOT_CACHED);
    char word[RSI_CACHED_WORD_MAX + 1];
    for (uint32_t size = 1; size <= RSI_CACHED_WORD_MAX; size++) {
        memset(word, 'x', size);
        word[size] = '\0';
        assert_int_equal(look_up(&cache, word), RSI_NOT_CACHED);
        keep(&cache, word, 100 + size);
        assert_int_equal(look_up(&cache, word), 100 + size);
    }
    rsi_word_cache_clear(&cache);
    assert_int_equal(look_up(&cache, "wing"), RSI_NOT_CACHED);
    rsi_word_cache_free(&cache);
}

static void lexical_word_cache__knows_a_word_whatever_is_behind_it(void **state)
{
    (void)state;
    const char *text = "wings of a countersunk rivet, and more";
    for (size_t size = 1; size <= RSI_CACHED_WORD_MAX; size++) {
        char alone[RSI_CACHED_WORD_MAX];
        memcpy(alone, text, size);
        const rsi_word_key in_text = rsi_word_key_of(text, size, strlen(text));
        const rsi_word_key at_end = rsi_word_key_of(alone, size, size);
        assert_memory_equal(&in_text, &at_end, sizeof in_text);
        assert_memory_equal(&in_text, text, size);
    }
}

/* Words of one set of a cache. */
static void find_neighbours(const rsi_word_cache *cache, char words[3][16])
{
    const rsi_cached_words *set = NULL;
    for (uint32_t i = 0, found = 0; found < 3; i++) {
        snprintf(words[found], 16, "n%x", i);
        const rsi_word_key key = rsi_word_key_of(words[found], strlen(words[found]), 16);
        if (set == NULL || rsi_word_cache_set(cache, &key) == set) {
            set = rsi_word_cache_set(cache, &key);
            found++;
        }
    }
}

static void lexical_word_cache__forgets_the_word_that_was_not_asked_for_last(void **state)
{
    (void)state;
    char words[3][16];
    for (unsigned stays = 0; stays < 2; stays++) {
        rsi_word_cache cache = {.seed = 5};
        assert_int_equal(rsi_word_cache_fit(&cache, 1000), RAGSTORE_OK);
        find_neighbours(&cache, words);
        keep(&cache, words[0], 10);
        keep(&cache, words[1], 11);
        assert_int_equal(look_up(&cache, words[1 - stays]), 11 - stays);
        assert_int_equal(look_up(&cache, words[stays]), 10 + stays);
        keep(&cache, words[2], 12);
        assert_int_equal(look_up(&cache, words[stays]), 10 + stays);
        assert_int_equal(look_up(&cache, words[1 - stays]), RSI_NOT_CACHED);
        assert_int_equal(look_up(&cache, words[2]), 12);
        keep(&cache, words[2], 12); /* once more: it has one place */
        assert_int_equal(look_up(&cache, words[stays]), 10 + stays);
        rsi_word_cache_free(&cache);
    }
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
        assert_true(found == RSI_NOT_CACHED);
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
    size_t before = cache.count;
    keep(&cache, "wing", 5);
    assert_int_equal(rsi_word_cache_fit(&cache, 100000), RAGSTORE_OK);
    assert_true(cache.count > before);
    assert_int_equal(look_up(&cache, "wing"), 5);
    before = cache.count;
    assert_int_equal(rsi_word_cache_fit(&cache, 100000000), RAGSTORE_OK);
    assert_int_equal(cache.count, before); /* at its limit */
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
        cmocka_unit_test(lexical_word_cache__has_no_size_until_it_is_worth_it),
        cmocka_unit_test(lexical_word_cache__gives_back_exactly_what_was_kept),
        cmocka_unit_test(lexical_word_cache__knows_a_word_whatever_is_behind_it),
        cmocka_unit_test(lexical_word_cache__forgets_the_word_that_was_not_asked_for_last),
        cmocka_unit_test(lexical_word_cache__never_mixes_words_up),
        cmocka_unit_test(lexical_word_cache__keeps_its_words_when_it_grows),
        cmocka_unit_test(lexical_word_cache__stays_as_it_is_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
