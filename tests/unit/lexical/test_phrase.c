/* Words one behind the other: lib/lexical/phrase.c. */
#include "lexical/phrase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_in(const char *phrase_text, const char *text)
{
    rsi_phrase phrase;
    rsi_phrase_make(&phrase, phrase_text, strlen(phrase_text));
    return rsi_phrase_is_in(&phrase, text, strlen(text));
}

static void lexical_phrase__is_found_in_order_only(void **state)
{
    (void)state;
    assert_true(is_in("boundary layer", "A thin boundary layer grows."));
    assert_true(is_in("boundary layer", "boundary layer"));
    assert_false(is_in("boundary layer", "The layer at the boundary grows."));
    assert_false(is_in("boundary layer", "A boundary of the layer."));
    assert_false(is_in("boundary layer", "boundary"));
    assert_false(is_in("boundary layer", ""));
}

static void lexical_phrase__compares_words_folded_and_not_stemmed(void **state)
{
    (void)state;
    assert_true(is_in("BOUNDARY layer", "Boundary-Layer flow"));
    assert_true(is_in("boundary\nlayer", "boundary, layer"));
    assert_true(is_in("cafe creme", "Caf\xC3\xA9 cr\xC3\xA8me"));
    assert_false(is_in("boundary layer", "boundary layers"));
    assert_false(is_in("bound", "boundary"));
}

static void lexical_phrase__counts_stop_words(void **state)
{
    (void)state;
    assert_true(is_in("to be or not to be", "He said: to be, or not to be."));
    assert_false(is_in("to be or not to be", "to be and not to be"));
}

static void lexical_phrase__begins_again_inside_itself(void **state)
{
    (void)state;
    assert_true(is_in("a a b", "a a a b"));
    assert_true(is_in("x y x z", "x y x y x z"));
    assert_false(is_in("a a b", "a b a b"));
}

static void lexical_phrase__sees_parts_of_names_and_characters(void **state)
{
    (void)state;
    assert_true(is_in("page break", "call add_page_break first"));
    assert_true(
        is_in("\xE6\x9D\xB1\xE4\xBA\xAC", "\xE5\x9C\xA8\xE6\x9D\xB1\xE4\xBA\xAC\xE9\x83\xBD"));
    assert_false(
        is_in("\xE4\xBA\xAC\xE6\x9D\xB1", "\xE5\x9C\xA8\xE6\x9D\xB1\xE4\xBA\xAC\xE9\x83\xBD"));
}

static void lexical_phrase__without_words_is_in_every_text(void **state)
{
    (void)state;
    assert_true(is_in("", "anything"));
    assert_true(is_in(" -- ", ""));
}

static void lexical_phrase__is_compared_up_to_its_64th_word(void **state)
{
    char text[200] = "";
    (void)state;
    for (int i = 0; i < 64; i++)
        strcat(text, i % 2 == 0 ? "a " : "b ");
    assert_true(is_in(text, text));
    char longer[220];
    strcpy(longer, text);
    strcat(longer, "c c c");
    assert_true(is_in(longer, text));
    text[2 * 63] = 'x';
    assert_false(is_in(longer, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_phrase__is_found_in_order_only),
        cmocka_unit_test(lexical_phrase__compares_words_folded_and_not_stemmed),
        cmocka_unit_test(lexical_phrase__counts_stop_words),
        cmocka_unit_test(lexical_phrase__begins_again_inside_itself),
        cmocka_unit_test(lexical_phrase__sees_parts_of_names_and_characters),
        cmocka_unit_test(lexical_phrase__without_words_is_in_every_text),
        cmocka_unit_test(lexical_phrase__is_compared_up_to_its_64th_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
