/* One spelling for a word: lib/lexical/fold.c. */
#include "lexical/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_folds(const char *word, bool drop_accents, const char *expected)
{
    char out[RSI_TERM_MAX + 1];
    size_t size = rsi_fold(word, strlen(word), drop_accents, out);
    assert_in_range(size, 0, RSI_TERM_MAX);
    out[size] = '\0';
    assert_string_equal(out, expected);
}

static void lexical_fold__drops_case(void **state)
{
    (void)state;
    assert_folds("Wing", true, "wing");
    assert_folds("KEY_2", true, "key_2");
    assert_folds("ПРИВЕТ", true, "привет");
    assert_folds("Straße", true, "strasse");
    assert_folds("ΛΌΓΟΣ", true, "λογοσ");
    assert_folds("İstanbul", true, "istanbul");
}

static void lexical_fold__drops_compatibility_forms(void **state)
{
    (void)state;
    assert_folds("ﬁne", true, "fine");
    assert_folds("ＡＰＩ２", true, "api2");
    assert_folds("m²", true, "m2");
    assert_folds("½", true, "12");
    assert_folds("ﾊﾟ", true, "パ");
    assert_folds("co\xC2\xADop", true, "coop"); /* a soft hyphen */
    assert_folds("don\xE2\x80\x99t", true, "don't");
}

static void lexical_fold__drops_accents_where_a_script_can_do_without(void **state)
{
    (void)state;
    assert_folds("café", true, "cafe");
    assert_folds("cafe\xCC\x81", true, "cafe");
    assert_folds("Ångström", true, "angstrom");
    assert_folds("Łódź", true, "lodz");
    assert_folds("Øre", true, "ore");
    assert_folds("Ёлка", true, "елка");
    assert_folds("за\xCC\x81мок", true, "замок");                       /* a stress mark */
    assert_folds("\xD9\x85\xD9\x8E\xD9\x86", true, "\xD9\x85\xD9\x86"); /* an Arabic vowel sign */
}

static void lexical_fold__keeps_marks_that_make_another_letter(void **state)
{
    (void)state;
    assert_folds("Чай", true, "чай");
    assert_folds("Їжак", true, "їжак");
    assert_folds("हिन्दी", true, "हिन्दी");
    assert_folds("ガ", true, "ガ");
}

static void lexical_fold__keeps_accents_when_told(void **state)
{
    (void)state;
    assert_folds("Élève", false, "élève");
    assert_folds("cafe\xCC\x81", false, "café");
}

static void lexical_fold__cuts_long_words_between_characters(void **state)
{
    (void)state;
    char word[400];
    char out[RSI_TERM_MAX];
    memset(word, 'A', sizeof word);
    assert_int_equal(rsi_fold(word, sizeof word, true, out), RSI_TERM_MAX);
    assert_int_equal(out[RSI_TERM_MAX - 1], 'a');
    word[0] = 'x'; /* an odd offset for two-byte characters */
    for (size_t i = 1; i + 1 < sizeof word; i += 2)
        memcpy(word + i, "ж", 2);
    assert_int_equal(rsi_fold(word, sizeof word - 1, true, out), RSI_TERM_MAX - 1);
    /* one character that folds to eighteen */
    for (size_t i = 0; i + 2 < sizeof word; i += 3)
        memcpy(word + i, "\xEF\xB7\xBA", 3);
    assert_in_range(rsi_fold(word, sizeof word - 1, true, out), RSI_TERM_MAX - 3, RSI_TERM_MAX);
}

static void lexical_fold__gives_nothing_for_invisible_words(void **state)
{
    (void)state;
    char out[RSI_TERM_MAX];
    assert_int_equal(rsi_fold("\xC2\xAD", 2, true, out), 0);
    assert_int_equal(rsi_fold("", 0, true, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_fold__drops_case),
        cmocka_unit_test(lexical_fold__drops_compatibility_forms),
        cmocka_unit_test(lexical_fold__drops_accents_where_a_script_can_do_without),
        cmocka_unit_test(lexical_fold__keeps_marks_that_make_another_letter),
        cmocka_unit_test(lexical_fold__keeps_accents_when_told),
        cmocka_unit_test(lexical_fold__cuts_long_words_between_characters),
        cmocka_unit_test(lexical_fold__gives_nothing_for_invisible_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
