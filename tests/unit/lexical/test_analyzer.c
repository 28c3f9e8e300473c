/* From text to terms: lib/lexical/analyzer.c. */
#include "lexical/analyzer.h"

#include "base/bytes.h"
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct found {
    const char *text;
    rsi_bytes terms; /* "term term (stop)" */
};

static int note(void *user, const rsi_token *token)
{
    struct found *found = user;
    assert_in_range(token->size, 1, RSI_TERM_MAX);
    assert_true(token->start < token->end && token->end <= strlen(found->text));
    if (found->terms.size > 0)
        rsi_bytes_append_char(&found->terms, ' ');
    if (token->stop)
        rsi_bytes_append_char(&found->terms, '(');
    rsi_bytes_append(&found->terms, token->text, token->size);
    if (token->stop)
        rsi_bytes_append_char(&found->terms, ')');
    return 0;
}

static void assert_terms(const char *language, const char *text, const char *expected)
{
    rsi_analyzer analyzer;
    struct found found = {.text = text};
    assert_int_equal(rsi_analyzer_open(&analyzer, language), RAGSTORE_OK);
    assert_int_equal(rsi_analyzer_run(&analyzer, text, strlen(text), note, &found), RAGSTORE_OK);
    rsi_analyzer_close(&analyzer);
    rsi_bytes_append_text(&found.terms, "");
    assert_string_equal(found.terms.data, expected);
    rsi_bytes_free(&found.terms);
}

static void lexical_analyzer__stems_and_marks_stop_words(void **state)
{
    (void)state;
    assert_terms("english", "What are the Boundary Layers' equations?",
                 "(what) (are) (the) boundari layer equat");
    assert_terms("english", "I don't know Boeing's wings", "(i) (don't) know boe wing");
    assert_terms("english", "don\xE2\x80\x99t WHO", "(don't) (who)");
}

static void lexical_analyzer__stems_each_word_by_its_script_in_auto(void **state)
{
    (void)state;
    assert_terms("auto", "Какие крылья у самолётов of wings", "(какие) крыл (у) самолет (of) wing");
    assert_terms("auto", "Λόγος 42", "λογοσ 42");
}

static void lexical_analyzer__finds_inflected_russian_words_by_one_stem(void **state)
{
    (void)state;
    assert_terms("auto", "договор договора договору договоры", "договор договор договор договор");
    assert_terms("auto", "Чай ещё САМОЛЁТ", "ча (еще) самолет");
}

static void lexical_analyzer__leaves_words_alone_in_none(void **state)
{
    (void)state;
    assert_terms("none", "The Flying WINGS don't café", "the flying wings don't cafe");
}

static void lexical_analyzer__lets_the_language_see_accents_and_drops_them_after(void **state)
{
    (void)state;
    assert_terms("french", "étés élève", "ete elev");
    assert_terms("german", "Häuser Haus", "haus haus");
}

static void lexical_analyzer__gives_identifiers_whole_and_in_parts(void **state)
{
    (void)state;
    assert_terms("english", "add_page_break", "add_page_break add page break");
    assert_terms("english", "U+2028", "u+2028 2028");
    assert_terms("english", "key2", "key2 key 2");
    assert_terms("english", "C++ C# C++17", "c++ c# c++17 c++ 17");
    assert_terms("english", "3.14", "3.14 3 14");
    assert_terms("english", "getElementById JSONStorage PDFs",
                 "getelementbyid get element (by) id jsonstorag json storag pdfs");
    assert_terms("english", "naca_0012 1960s", "naca_0012 naca 0012 1960s 1960");
    assert_terms("english", "YouTube youtube", "youtub (you) tube youtub");
}

static void lexical_analyzer__keeps_codes_whole(void **state)
{
    (void)state;
    assert_terms("none", "a1b2c3d4e5f6", "a1b2c3d4e5f6");
}

static void lexical_analyzer__pairs_characters_of_scripts_without_spaces(void **state)
{
    (void)state;
    assert_terms("auto", "日本語", "日本 本語");
    assert_terms("auto", "年 2024年", "年 2024 年");
    assert_terms("auto", "ﾃﾞｰﾀ", "デー ータ");
    assert_terms("none", "한국어", "한국 국어");
}

static int note_places(void *user, const rsi_token *token)
{
    size_t *places = user;
    places[++places[0]] = token->start * 100 + token->end;
    return 0;
}

static void lexical_analyzer__tells_where_terms_stand(void **state)
{
    (void)state;
    const char *text = "é key2 日本語";
    size_t places[16] = {0};
    static const size_t expected[] = {2, 307, 306, 607, 814, 1117};
    rsi_analyzer analyzer;
    assert_int_equal(rsi_analyzer_open(&analyzer, "none"), RAGSTORE_OK);
    assert_int_equal(rsi_analyzer_run(&analyzer, text, strlen(text), note_places, places), 0);
    rsi_analyzer_close(&analyzer);
    assert_int_equal(places[0], 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(places[i + 1], expected[i]);
}

static int refuse_second(void *user, const rsi_token *token)
{
    (void)token;
    return ++*(int *)user == 2 ? 7 : 0;
}

static void lexical_analyzer__ends_when_the_sink_says_so(void **state)
{
    (void)state;
    static const char *const texts[] = {"one two three", "one_two_three", "oneTwoThree",
                                        "日本語文"};
    for (size_t i = 0; i < 4; i++) {
        int calls = 0;
        rsi_analyzer analyzer;
        assert_int_equal(rsi_analyzer_open(&analyzer, "english"), RAGSTORE_OK);
        assert_int_equal(
            rsi_analyzer_run(&analyzer, texts[i], strlen(texts[i]), refuse_second, &calls), 7);
        assert_int_equal(calls, 2);
        rsi_analyzer_close(&analyzer);
    }
}

static void lexical_analyzer__refuses_unknown_languages(void **state)
{
    (void)state;
    static const char *const names[] = {"", "English", "klingon", "en", "auto "};
    for (size_t i = 0; i < 5; i++) {
        rsi_analyzer analyzer;
        assert_int_equal(rsi_analyzer_open(&analyzer, names[i]), RAGSTORE_E_INVALID_ARGUMENT);
        assert_string_equal(rsi_error_room(), "lexical");
        rsi_analyzer_close(&analyzer);
    }
}

static void lexical_analyzer__survives_any_bytes(void **state)
{
    (void)state;
    static const char *const languages[] = {"auto", "french", "greek", "arabic", "turkish", "none"};
    char text[512];
    uint64_t random = 1;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof text - 1; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            unsigned char byte = (unsigned char)(random >> 56);
            text[i] = (char)(byte == 0 ? 1 : (round & 1) != 0 ? 0xC0 | byte >> 3 : byte);
            if ((round & 1) != 0 && (i & 1) != 0)
                text[i] = (char)(0x80 | (byte & 0x3F));
        }
        text[sizeof text - 1] = '\0';
        rsi_analyzer analyzer;
        struct found found = {.text = text};
        assert_int_equal(rsi_analyzer_open(&analyzer, languages[round % 6]), RAGSTORE_OK);
        assert_int_equal(rsi_analyzer_run(&analyzer, text, strlen(text), note, &found), 0);
        rsi_analyzer_close(&analyzer);
        rsi_bytes_free(&found.terms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_analyzer__stems_and_marks_stop_words),
        cmocka_unit_test(lexical_analyzer__stems_each_word_by_its_script_in_auto),
        cmocka_unit_test(lexical_analyzer__finds_inflected_russian_words_by_one_stem),
        cmocka_unit_test(lexical_analyzer__leaves_words_alone_in_none),
        cmocka_unit_test(lexical_analyzer__lets_the_language_see_accents_and_drops_them_after),
        cmocka_unit_test(lexical_analyzer__gives_identifiers_whole_and_in_parts),
        cmocka_unit_test(lexical_analyzer__keeps_codes_whole),
        cmocka_unit_test(lexical_analyzer__pairs_characters_of_scripts_without_spaces),
        cmocka_unit_test(lexical_analyzer__tells_where_terms_stand),
        cmocka_unit_test(lexical_analyzer__ends_when_the_sink_says_so),
        cmocka_unit_test(lexical_analyzer__refuses_unknown_languages),
        cmocka_unit_test(lexical_analyzer__survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
