/* Where sentences end: lib/ingest/chunk_sentences.c. */
#include "ingest/chunk.h"

#include "unit/ingest/documents.h"

typedef struct collected {
    const char *text;
    size_t size;
    rsi_bytes joined; /* sentences with "|" between */
    size_t last_end;
    size_t count;
    size_t stop_after; /* 0: never */
} collected;

static bool collect(void *user, size_t start, size_t end)
{
    collected *all = user;
    assert_true(start >= all->last_end && start < end && end <= all->size);
    assert_null(strchr(" \n\t", all->text[start]));
    assert_null(strchr(" \n\t", all->text[end - 1]));
    all->last_end = end;
    if (all->joined.size > 0)
        rsi_bytes_append_char(&all->joined, '|');
    rsi_bytes_append(&all->joined, all->text + start, end - start);
    return ++all->count != all->stop_after;
}

static void assert_sentences(const char *text, const char *expected)
{
    collected all = {.text = text, .size = strlen(text)};
    rsi_sentences(text, all.size, collect, &all);
    assert_string_equal(all.joined.data == NULL ? "" : all.joined.data, expected);
    rsi_bytes_free(&all.joined);
}

static void ingest_sentences__end_at_marks(void **state)
{
    (void)state;
    assert_sentences("One. Two! Three? Four", "One.|Two!|Three?|Four");
    assert_sentences("What?! No way... Yes.", "What?!|No way...|Yes.");
    assert_sentences("He waited... and left. She stayed…", "He waited... and left.|She stayed…");
    assert_sentences("", "");
    assert_sentences(" \n ... \n", "");
}

static void ingest_sentences__go_on_behind_abbreviations(void **state)
{
    (void)state;
    assert_sentences("Dr. Smith met Mr. J. R. Jones. They left.",
                     "Dr. Smith met Mr. J. R. Jones.|They left.");
    assert_sentences("See Fig. 3 and No. 5, e.g. Apples. Done.",
                     "See Fig. 3 and No. 5, e.g. Apples.|Done.");
    assert_sentences("She said no. Then she left.", "She said no.|Then she left.");
    assert_sentences("The U.S. Army came. It left the U.S. The end.",
                     "The U.S. Army came.|It left the U.S.|The end.");
    assert_sentences("Apples, pears, etc. The rest is here.",
                     "Apples, pears, etc.|The rest is here.");
    assert_sentences("At 5 p.m. we ate. Acme Inc. Tools sells.",
                     "At 5 p.m. we ate.|Acme Inc. Tools sells.");
    assert_sentences("Он родился в г. Москве, ул. Ленина. Потом уехал.",
                     "Он родился в г. Москве, ул. Ленина.|Потом уехал.");
}

static void ingest_sentences__go_on_within_numbers_and_names(void **state)
{
    (void)state;
    assert_sentences("Pi is 3.14 or so. Version 2.0.1 is out.",
                     "Pi is 3.14 or so.|Version 2.0.1 is out.");
    assert_sentences("Visit example.com now. Use node.js.", "Visit example.com now.|Use node.js.");
    assert_sentences("It was in 1990. The year ended.", "It was in 1990.|The year ended.");
}

static void ingest_sentences__take_closing_quotes_along(void **state)
{
    (void)state;
    assert_sentences("\"Stop.\" He ran. (It was late.) “Why?” she asked.",
                     "\"Stop.\"|He ran.|(It was late.)|“Why?” she asked.");
    assert_sentences("**Bold.** Next.", "**Bold.**|Next.");
}

static void ingest_sentences__end_at_marks_of_other_scripts(void **state)
{
    (void)state;
    assert_sentences("東京は首都です。駅はどこですか？「はい。」",
                     "東京は首都です。|駅はどこですか？|"
                     "「はい。」");
    assert_sentences("यह एक है। दूसरा।", "यह एक है।|दूसरा।");
    assert_sentences("ما هذا؟ كتاب.", "ما هذا؟|كتاب.");
}

static void ingest_sentences__end_where_lines_begin_anew(void **state)
{
    (void)state;
    assert_sentences("A title\n\nwrapped\nline of text", "A title|wrapped\nline of text");
    assert_sentences("Take:\n- one thing\n- two\n  things\n3. three", "Take:|- one thing|- two\n"
                                                                      "  things|3. three");
    assert_sentences("# 1. Heading. More\ntext here", "# 1. Heading. More|text here");
    assert_sentences("1. Introduction\n2. Methods. More", "1. Introduction|2. Methods.|More");
    assert_sentences("Title\n=====\ntext", "Title|text");
    assert_sentences("Capital: Kabul\nLanguage: Dari\nwrapped",
                     "Capital: Kabul|Language: Dari\nwrapped");
    assert_sentences("code:\n```c\nx\n```\nend", "code:|```c|x|end");
}

static void ingest_sentences__stop_when_told(void **state)
{
    static const char text[] = "One. Two. Three.";
    collected all = {.text = text, .size = strlen(text), .stop_after = 2};

    (void)state;
    rsi_sentences(text, all.size, collect, &all);
    assert_int_equal(all.count, 2);
    rsi_bytes_free(&all.joined);
}

static void ingest_sentences__cover_every_word(void **state)
{
    static const char *const patterns[] = {"A b. ",     ". . . x", "a\n",     "\"(.\") ",
                                           "x. y: z\n", "😀。",     "- a\n\n", "U.S. ",
                                           "\t \n",     "1. ",     "#"};

    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        size_t size;
        char *text = repeated(patterns[i], 300000 / strlen(patterns[i]), &size);
        collected all = {.text = text, .size = size};
        rsi_sentences(text, size, collect, &all);
        size_t letters = 0;
        size_t covered = 0;
        for (size_t k = 0; k < size; k++)
            letters += strchr("aAbxyzUS1", text[k]) != NULL;
        for (size_t k = 0; k < all.joined.size; k++)
            covered += strchr("aAbxyzUS1", all.joined.data[k]) != NULL;
        assert_int_equal(covered, letters);
        rsi_bytes_free(&all.joined);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_sentences__end_at_marks),
        cmocka_unit_test(ingest_sentences__go_on_behind_abbreviations),
        cmocka_unit_test(ingest_sentences__go_on_within_numbers_and_names),
        cmocka_unit_test(ingest_sentences__take_closing_quotes_along),
        cmocka_unit_test(ingest_sentences__end_at_marks_of_other_scripts),
        cmocka_unit_test(ingest_sentences__end_where_lines_begin_anew),
        cmocka_unit_test(ingest_sentences__stop_when_told),
        cmocka_unit_test(ingest_sentences__cover_every_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
