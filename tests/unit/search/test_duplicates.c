/* Texts that say almost the same: lib/search/duplicates.c. */
#include "search/duplicates.h"

#include "base/utf8.h"
#include "lexical/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool are_alike(const char *a, const char *b)
{
    rsi_sketch one;
    rsi_sketch other;
    rsi_sketch_make(&one, a);
    rsi_sketch_make(&other, b);
    assert_int_equal(rsi_sketch_is_like(&one, &other), rsi_sketch_is_like(&other, &one));
    if (rsi_sketch_is_like(&one, &other))
        assert_true(rsi_digits_may_agree(rsi_digits_of(a, strlen(a)), rsi_digits_of(b, strlen(b))));
    return rsi_sketch_is_like(&one, &other);
}

/* `count` words, of which the one at `changed` is another one. */
static const char *words(size_t count, size_t changed, const char *by)
{
    static char texts[2][20000];
    static int turn;
    char *text = texts[turn = !turn];
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        at += (size_t)(i == changed ? snprintf(text + at, 20000 - at, "%s ", by)
                                    : snprintf(text + at, 20000 - at, "w%c%c%c ",
                                               (char)('a' + i % 26), (char)('a' + i / 26 % 26),
                                               (char)('a' + i / 676)));
    return text;
}

static void search_duplicates__are_equal_texts(void **state)
{
    (void)state;
    assert_true(are_alike("one", "one"));
    assert_true(are_alike("The lamp is lit at dusk.", "the  lamp is lit, at dusk"));
    assert_true(are_alike(words(1000, 2000, ""), words(1000, 2000, "")));
    assert_false(are_alike("", ""));
    assert_false(are_alike("one", "two"));
    assert_false(are_alike("one two", "two one"));
}

static void search_duplicates__are_long_texts_with_a_word_changed(void **state)
{
    (void)state;
    assert_true(are_alike(words(120, 500, ""), words(120, 60, "other")));
    assert_true(are_alike(words(1500, 5000, ""), words(1500, 60, "other")));
    assert_false(are_alike(words(20, 500, ""), words(20, 10, "other")));
}

static void search_duplicates__are_not_texts_with_other_numbers(void **state)
{
    (void)state;
    assert_false(are_alike(words(500, 60, "1200"), words(500, 60, "1300")));
    assert_true(are_alike(words(500, 60, "1200"), words(500, 60, "1200")));
}

static void search_duplicates__are_not_a_text_and_its_half(void **state)
{
    (void)state;
    assert_false(are_alike(words(300, 500, ""), words(150, 500, "")));
    assert_true(are_alike(words(300, 500, ""), words(295, 500, "")));
}

static bool may_agree(const char *a, const char *b)
{
    return rsi_digits_may_agree(rsi_digits_of(a, strlen(a)), rsi_digits_of(b, strlen(b)));
}

static void search_duplicates__are_not_looked_for_where_digits_differ(void **state)
{
    (void)state;
    assert_false(may_agree("a contract of 2024, and all that", "a contract of 2025, and all that"));
    assert_false(may_agree("12 and 34", "34 and 12"));
    assert_false(may_agree("1", "11"));
    assert_false(may_agree("none at all", "one: 1"));
    assert_false(may_agree("\xC3\xA9t\xC3\xA9 1", "\xC3\xA9t\xC3\xA9 2"));
    assert_true(may_agree("a contract of 2024", "A  CONTRACT, 2024"));
    assert_true(may_agree("", "none at all"));
    for (int at = 0; at < 20; at++) { /* wherever it stands, at the end too */
        char text[] = "abcdefghi:jkl/mnopqr";
        text[at] = '7';
        assert_false(may_agree(text, "abcdefghi:jkl/mnopqr"));
    }
}

static void search_duplicates__are_looked_for_where_folding_makes_digits(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c < 0x110000; c++) {
        char bytes[5] = "";
        char folded[RSI_TERM_MAX];
        if (c >= 0xD800 && c < 0xE000)
            continue;
        const size_t size = rsi_utf8_encode(c, bytes);
        const size_t length = rsi_fold(bytes, size, true, folded);
        for (size_t i = 0; i < length; i++)
            if (folded[i] >= '0' && folded[i] <= '9' && rsi_digits_of(bytes, size) != 0)
                fail_msg("U+%04X", (unsigned)c);
    }
    assert_true(are_alike("x\xC2\xB2 + y", "x2 + y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_duplicates__are_equal_texts),
        cmocka_unit_test(search_duplicates__are_long_texts_with_a_word_changed),
        cmocka_unit_test(search_duplicates__are_not_texts_with_other_numbers),
        cmocka_unit_test(search_duplicates__are_not_a_text_and_its_half),
        cmocka_unit_test(search_duplicates__are_not_looked_for_where_digits_differ),
        cmocka_unit_test(search_duplicates__are_looked_for_where_folding_makes_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
