/* Where the words of a text are: lib/lexical/text_segments.c. */
#include "lexical/text_segments.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Segments as "word|word", kinds before them: nothing, * compound, ~ unspaced. */
static void assert_segments(const char *text, const char *expected)
{
    rsi_bytes found = {0};
    rsi_segment segment;
    size_t offset = 0;
    size_t end = 0;
    while (rsi_segment_next(text, strlen(text), &offset, &segment)) {
        assert_true(segment.start >= end && segment.end > segment.start);
        assert_true(offset >= segment.end);
        end = segment.end;
        if (found.size > 0)
            rsi_bytes_append_char(&found, '|');
        if (segment.kind != RSI_SEGMENT_WORD)
            rsi_bytes_append_char(&found, segment.kind == RSI_SEGMENT_COMPOUND ? '*' : '~');
        rsi_bytes_append(&found, text + segment.start, segment.end - segment.start);
    }
    rsi_bytes_append_text(&found, "");
    assert_int_equal(offset, strlen(text));
    assert_string_equal(found.data, expected);
    rsi_bytes_free(&found);
}

static void lexical_text_segments__splits_at_everything_but_letters_and_digits(void **state)
{
    (void)state;
    assert_segments("", "");
    assert_segments(" .,-  ", "");
    assert_segments("boundary-layer  flow, at M=2!", "boundary|layer|flow|at|M|2");
    assert_segments("a/b (c) $100 50%", "a|b|c|100|50");
    assert_segments("Größe naïve Привет мир", "Größe|naïve|Привет|мир");
}

static void lexical_text_segments__keeps_compounds_together(void **state)
{
    (void)state;
    assert_segments("call add_page_break now", "call|*add_page_break|now");
    assert_segments("U+2028 3.14 example.com", "*U+2028|*3.14|*example.com");
    assert_segments("C++ and C#, C++17.", "*C++|and|*C#|*C++17");
    assert_segments("__init__ a__b _ . + #", "init|*a__b");
    assert_segments("the end. Next", "the|end|Next");
    assert_segments("issue#5 item #6", "issue|5|item|6");
    assert_segments("1+ 2+", "1|2");
}

static void lexical_text_segments__keeps_contractions_and_drops_possessives(void **state)
{
    (void)state;
    assert_segments("don't we'll I'M they\xE2\x80\x99ve", "don't|we'll|I'M|they\xE2\x80\x99ve");
    assert_segments("Boeing's wing, Boeing\xE2\x80\x99S", "Boeing|wing|Boeing");
    assert_segments("l'avion O'Neill 'quoted' rock'n'roll", "l|avion|O|Neill|quoted|rock|n|roll");
    assert_segments("x' x'", "x|x");
}

static void lexical_text_segments__finds_runs_of_scripts_without_spaces(void **state)
{
    (void)state;
    assert_segments("日本語のテキスト", "~日本語のテキスト");
    assert_segments("Python語で2024年。", "Python|~語で|2024|~年");
    assert_segments("한국어 문장", "~한국어|~문장");
    assert_segments("ภาษาไทย", "~ภาษาไทย");
    assert_segments("「引用」・ー", "~引用|~ー");
}

static void
lexical_text_segments__keeps_marks_and_invisible_characters_with_their_letter(void **state)
{
    (void)state;
    assert_segments("cafe\xCC\x81s co\xC2\xADop", "cafe\xCC\x81s|co\xC2\xADop");
    assert_segments("a\xE2\x80\x8B"
                    "b",
                    "a|b"); /* a zero width space separates */
    assert_segments("\xCC\x81 x", "x");
}

static void lexical_text_segments__skips_bytes_that_are_not_utf8(void **state)
{
    (void)state;
    assert_segments("ab\xFF"
                    "cd\xC3",
                    "ab|cd");
    assert_segments("\xE2\x80", "");
}

static uint64_t random_state = 1;

static size_t random_below(size_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % limit;
}

/* Words and what stands between them; every third time more of what makes words odd. */
static void make_text(rsi_bytes *text, size_t pieces)
{
    static const char *const plain[] = {" ", "  ", ", ", ". ", "wing", "of", "x", "-", "7"};
    static const char *const odd[] = {".",  "'",  "'s", "n't",  "_",      "__",       "+",
                                      "++", "#",  "日", "語",   "\xCC\x81", "\xE2\x80\x99", "Größe",
                                      "й",  "\xFF", "\xE2\x80", "\xE2\x80\x8B"};
    bool strange = random_below(3) == 0;
    for (size_t i = 0; i < pieces; i++) {
        if (random_below(strange ? 2 : 12) == 0)
            rsi_bytes_append_text(text, odd[random_below(sizeof odd / sizeof odd[0])]);
        else if (random_below(40) == 0)
            for (size_t left = random_below(150); left > 0; left--)
                rsi_bytes_append_char(text, 'l');
        else
            rsi_bytes_append_text(text, plain[random_below(sizeof plain / sizeof plain[0])]);
    }
}

static void lexical_text_segments__are_the_same_many_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        rsi_bytes made = {0};
        make_text(&made, random_below(60));
        const size_t size = made.size;
        char *text = rsi_memdup0(made.data, size); /* nothing behind it may be read */
        assert_non_null(text);
        const size_t max = 1 + random_below(20);
        rsi_segment many[20];
        size_t offset = 0;
        size_t end = 0;
        size_t count;
        while ((count = rsi_segments_next(text, size, &offset, many, max)) > 0) {
            assert_in_range(count, 1, max);
            for (size_t i = 0; i < count; i++) {
                rsi_segment one;
                assert_true(rsi_segment_next(text, size, &end, &one));
                assert_int_equal(many[i].start, one.start);
                assert_int_equal(many[i].end, one.end);
                assert_int_equal(many[i].kind, one.kind);
            }
        }
        rsi_segment none;
        assert_false(rsi_segment_next(text, size, &end, &none));
        assert_int_equal(offset, size);
        rsi_free(text);
        rsi_bytes_free(&made);
    }
}

static void lexical_text_segments__names_the_parts_of_a_compound(void **state)
{
    (void)state;
    const char *text = "x C++17_abc.C# y";
    rsi_segment compound;
    rsi_segment part;
    size_t offset = 1;
    assert_true(rsi_segment_next(text, strlen(text), &offset, &compound));
    assert_int_equal(compound.kind, RSI_SEGMENT_COMPOUND);
    assert_int_equal(compound.end - compound.start, strlen("C++17_abc.C#"));
    static const char *const parts[] = {"C++", "17", "abc", "C#"};
    offset = compound.start;
    for (size_t i = 0; i < 4; i++) {
        assert_true(rsi_segment_next_part(text, &compound, &offset, &part));
        assert_int_equal(part.end - part.start, strlen(parts[i]));
        assert_memory_equal(text + part.start, parts[i], strlen(parts[i]));
    }
    assert_false(rsi_segment_next_part(text, &compound, &offset, &part));
}

static void lexical_text_segments__takes_a_character_and_its_marks_as_one_unit(void **state)
{
    (void)state;
    const char *text = "か\xE3\x82\x99き"; /* ka, a voicing mark, ki */
    rsi_segment run;
    rsi_segment unit;
    size_t offset = 0;
    assert_true(rsi_segment_next(text, strlen(text), &offset, &run));
    assert_int_equal(run.kind, RSI_SEGMENT_UNSPACED);
    offset = run.start;
    assert_true(rsi_segment_next_unit(text, &run, &offset, &unit));
    assert_int_equal(unit.end - unit.start, 6);
    assert_true(rsi_segment_next_unit(text, &run, &offset, &unit));
    assert_int_equal(unit.end - unit.start, 3);
    assert_false(rsi_segment_next_unit(text, &run, &offset, &unit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lexical_text_segments__splits_at_everything_but_letters_and_digits),
        cmocka_unit_test(lexical_text_segments__keeps_compounds_together),
        cmocka_unit_test(lexical_text_segments__keeps_contractions_and_drops_possessives),
        cmocka_unit_test(lexical_text_segments__finds_runs_of_scripts_without_spaces),
        cmocka_unit_test(
            lexical_text_segments__keeps_marks_and_invisible_characters_with_their_letter),
        cmocka_unit_test(lexical_text_segments__skips_bytes_that_are_not_utf8),
        cmocka_unit_test(lexical_text_segments__are_the_same_many_at_once),
        cmocka_unit_test(lexical_text_segments__names_the_parts_of_a_compound),
        cmocka_unit_test(lexical_text_segments__takes_a_character_and_its_marks_as_one_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
