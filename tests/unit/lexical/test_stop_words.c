/* The stop word lists: lib/lexical/stop_words.c. */
#include "lexical/stop_words.h"

#include "lexical/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_sound(rsi_stop_list list, size_t least)
{
    size_t count;
    const char *const *words = rsi_stop_words(list, &count);
    assert_in_range(count, least, 300);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_true(strcmp(words[i - 1], words[i]) < 0);
        assert_true(rsi_is_stop_word(list, words[i], strlen(words[i])));
        char folded[RSI_TERM_MAX];
        bool drop_accents = list == RSI_STOP_ENGLISH || list == RSI_STOP_RUSSIAN;
        size_t size = rsi_fold(words[i], strlen(words[i]), drop_accents, folded);
        assert_int_equal(size, strlen(words[i]));
        assert_memory_equal(folded, words[i], size);
    }
}

static void lexical_stop_words__are_sorted_folded_and_found(void **state)
{
    (void)state;
    assert_sound(RSI_STOP_ENGLISH, 150);
    assert_sound(RSI_STOP_RUSSIAN, 150);
    for (int list = RSI_STOP_DUTCH; list < RSI_STOP_LISTS; list++)
        assert_sound((rsi_stop_list)list, 100);
}

static void lexical_stop_words__hold_question_words(void **state)
{
    (void)state;
    static const char *const english[] = {"what", "who", "which", "when", "where", "why", "how"};
    static const char *const russian[] = {"что", "кто", "какой", "когда", "где", "почему", "как"};
    for (size_t i = 0; i < 7; i++) {
        assert_true(rsi_is_stop_word(RSI_STOP_ENGLISH, english[i], strlen(english[i])));
        assert_true(rsi_is_stop_word(RSI_STOP_RUSSIAN, russian[i], strlen(russian[i])));
    }
}

static void lexical_stop_words__do_not_hold_parts_of_words(void **state)
{
    (void)state;
    assert_true(rsi_is_stop_word(RSI_STOP_ENGLISH, "theory", 3));
    assert_false(rsi_is_stop_word(RSI_STOP_ENGLISH, "theory", 6));
    assert_false(rsi_is_stop_word(RSI_STOP_ENGLISH, "the", 2));
    assert_false(rsi_is_stop_word(RSI_STOP_ENGLISH, "us", 2));
    assert_false(rsi_is_stop_word(RSI_STOP_ENGLISH, "zzz", 3));
    assert_false(rsi_is_stop_word(RSI_STOP_ENGLISH, "", 0));
}

static void lexical_stop_words__are_none_for_none(void **state)
{
    (void)state;
    size_t count = 1;
    assert_non_null(rsi_stop_words(RSI_STOP_NONE, &count));
    assert_int_equal(count, 0);
    assert_false(rsi_is_stop_word(RSI_STOP_NONE, "the", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_stop_words__are_sorted_folded_and_found),
        cmocka_unit_test(lexical_stop_words__hold_question_words),
        cmocka_unit_test(lexical_stop_words__do_not_hold_parts_of_words),
        cmocka_unit_test(lexical_stop_words__are_none_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
