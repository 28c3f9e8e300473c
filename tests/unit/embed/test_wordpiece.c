/* From text to token ids: lib/embed/wordpiece.c, wordpiece_config.c, vocabulary.c,
 * bert_characters.c.
 */
#include "embed/wordpiece.h"

#include "base/status.h"
#include "embed/bert_characters.h"
#include "harness/fault_memory.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Line numbers are ids. The last two need combining marks in canonical order. */
static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
                                 "un\n##aff\n##able\nwant\n##want\n"              /* 5 */
                                 "##ed\nresume\n,\n!\n[\n"                        /* 10 */
                                 "]\ncls\n\xE4\xB8\xAD\n\xE5\x9B\xBD\nunwanted\n" /* 15 */
                                 "a\n##a\n$\n\xC3\xA9t\xC3\xA9\nx\n"              /* 20 */
                                 "UN\n'\nt\ndon\ni\xCC\x87\n"                     /* 25 */
                                 "q\xE3\x80\xAE\xF0\x9D\x85\xA5\n"                /* 30 */
                                 "\xE1\x84\x92\xE1\x85\xA1\n";                    /* 31 */

static void write_below(void **state, const char *name, const char *text)
{
    char path[TEMPORARY_PATH_MAX];
    temporary_write(temporary_join(path, state, name), text, strlen(text));
}

static rsi_wordpiece open_ok(void **state)
{
    rsi_wordpiece wordpiece;
    if (rsi_wordpiece_open(&wordpiece, temporary_path(state)) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return wordpiece;
}

static rsi_wordpiece open_vocabulary(void **state, const char *config)
{
    write_below(state, "vocab.txt", vocabulary);
    if (config != NULL)
        write_below(state, "tokenizer_config.json", config);
    return open_ok(state);
}

#define ENDS (-7)

/* The ids of a text are those listed before ENDS. */
static void gives(const rsi_wordpiece *wordpiece, const char *text, size_t size, ...)
{
    int32_t ids[64];
    rsi_token_list list = {.ids = ids, .capacity = 64};
    rsi_wordpiece_run(wordpiece, &list, text, size);
    va_list expected;
    va_start(expected, size);
    for (size_t i = 0;; i++) {
        int id = va_arg(expected, int);
        if (id == ENDS ? i != list.count : i >= list.count || ids[i] != id) {
            va_end(expected);
            fail_msg("\"%s\": %zu ids, and number %zu is %d, not %d", text, list.count, i,
                     i < list.count ? ids[i] : -1, id);
        }
        if (id == ENDS)
            break;
    }
    va_end(expected);
}

#define GIVES(text, ...) gives(&wordpiece, text, sizeof text - 1, __VA_ARGS__, ENDS)
#define GIVES_NOTHING(text) gives(&wordpiece, text, sizeof text - 1, ENDS)

static void embed_wordpiece__takes_the_longest_pieces(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    GIVES("unaffable", 5, 6, 7);
    GIVES("UNwantED", 19);
    GIVES("wanted", 8, 10);
    GIVES("wantwanted", 8, 9, 10);
    GIVES("unknown", 1); /* "un" is known, the rest is not: the whole word is unknown */
    GIVES("wan", 1);
    GIVES("##aff", 1, 1, 1);
    GIVES_NOTHING("");
    GIVES_NOTHING(" \t\r\n ");
    rsi_wordpiece_free(&wordpiece);
}

static void embed_wordpiece__splits_at_space_and_punctuation(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    GIVES(" un,\twant!!\n", 5, 12, 8, 13, 13);
    GIVES("don't$a", 28, 26, 27, 22, 20);
    GIVES("un\xC2\xA0want\xE3\x80\x80"
          "a\xE2\x80\xA8"
          "x",
          5, 8, 20, 24);           /* no-break, ideographic, line separator */
    GIVES("\xEF\xBC\x8Cun", 1, 5); /* a full-width comma is a word by itself */
    GIVES("want\xE4\xB8\xAD\xE5\x9B\xBD"
          "ed",
          8, 17, 18, 1); /* each ideograph is a word */
    rsi_wordpiece_free(&wordpiece);
}

static void embed_wordpiece__drops_controls_and_accents(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    GIVES("R\xC3\xA9sum\xC3\xA9 re\xCC\x81sume\xCC\x81", 11, 11);
    GIVES("wa\xC2\xADnt\xE2\x80\x8B", 8); /* soft hyphen, zero width space */
    GIVES("wa\0nt\x07", 8);
    GIVES("wa\xEF\xBF\xBDnt\xEE\x80\x80", 8);  /* U+FFFD, private use */
    GIVES("want\xCD\xB8", 1);                  /* an unassigned one is a letter */
    GIVES("\xED\x95\x98", 31);                 /* Hangul falls into its letters */
    GIVES("q\xF0\x9D\x85\xA5\xE3\x80\xAE", 1); /* classes 216, 224: in order, another word */
    GIVES("q\xE3\x80\xAE\xF0\x9D\x85\xA5", 1); /* 224, 216: put in the same order */
    rsi_wordpiece_free(&wordpiece);
}

/* Marks that stay are put in canonical order; a dropped mark of class 0 stands between them. */
static void embed_wordpiece__orders_marks_canonically(void **state)
{
    write_below(
        state, "vocab.txt",
        "[UNK]\n[CLS]\n[SEP]\nq\xF0\x9D\x85\xA5\xE3\x80\xAE\nq\xE3\x80\xAE\xF0\x9D\x85\xA5\n");
    rsi_wordpiece wordpiece = open_ok(state);
    GIVES("q\xE3\x80\xAE\xF0\x9D\x85\xA5", 3);
    GIVES("q\xF0\x9D\x85\xA5\xE3\x80\xAE", 3);
    GIVES("q\xE3\x80\xAE\xCC\x81\xF0\x9D\x85\xA5", 3);     /* U+0301, class 230 */
    GIVES("q\xE3\x80\xAE\xE0\xA4\x80\xF0\x9D\x85\xA5", 4); /* U+0900, class 0 */
    rsi_wordpiece_free(&wordpiece);
}

static void embed_wordpiece__keeps_special_tokens_written_in_a_text(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    GIVES("[CLS]", 2);
    GIVES("un[SEP]want [MASK]!", 5, 3, 8, 4, 13);
    GIVES("[cls]", 14, 16, 15);
    GIVES("[[PAD]]", 14, 0, 15);
    GIVES("[CLS", 14, 16);
    GIVES("[UNK]", 1);
    rsi_wordpiece_free(&wordpiece);
}

static void embed_wordpiece__makes_overlong_words_unknown(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    char word[4096];
    int32_t ids[128];
    memset(word, 'a', sizeof word);
    rsi_token_list list = {.ids = ids, .capacity = 128};
    rsi_wordpiece_run(&wordpiece, &list, word, 100);
    assert_int_equal(list.count, 100);
    assert_int_equal(ids[0], 20);
    assert_int_equal(ids[99], 21);
    for (size_t size = 101; size <= sizeof word; size = size * 2 - 1) {
        list.count = 0;
        rsi_wordpiece_run(&wordpiece, &list, word, size);
        assert_int_equal(list.count, 1);
        assert_int_equal(ids[0], 1);
    }
    rsi_wordpiece_free(&wordpiece);
}

static void embed_wordpiece__follows_the_settings_of_case_and_accents(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, "{\"do_lower_case\": false}");
    GIVES("UN \xC3\xA9t\xC3\xA9 Un", 25, 23, 1);
    rsi_wordpiece_free(&wordpiece);

    wordpiece = open_vocabulary(state, "{\"do_lower_case\": true, \"strip_accents\": false}");
    GIVES("UN \xC3\x89T\xC3\x89 \xC4\xB0", 5, 23, 29); /* U+0130 becomes two characters */
    rsi_wordpiece_free(&wordpiece);

    wordpiece = open_vocabulary(state, "{\"tokenize_chinese_chars\": false}");
    GIVES("\xE4\xB8\xAD \xE4\xB8\xAD\xE5\x9B\xBD", 17, 1);
    rsi_wordpiece_free(&wordpiece);
}

static void embed_wordpiece__counts_what_finds_no_room(void **state)
{
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    int32_t ids[3] = {-1, -1, -1};
    rsi_token_list list = {.ids = ids, .capacity = 2};
    rsi_wordpiece_run(&wordpiece, &list, "un want unaffable", 17);
    assert_int_equal(list.count, 5);
    assert_int_equal(ids[1], 8);
    assert_int_equal(ids[2], -1);
    list = (rsi_token_list){.ids = ids, .capacity = 2, .only_first = true};
    rsi_wordpiece_run(&wordpiece, &list, "un unaffable want", 17);
    assert_int_equal(list.count, 2);
    assert_int_equal(ids[2], -1);
    rsi_wordpiece_free(&wordpiece);
}

/* Split at white space, a text has as many tokens as its parts together. */
static void embed_wordpiece__counts_additively(void **state)
{
    static const char text[] = "un want! unaffable [CLS] don't r\xC3\xA9sum\xC3\xA9 \xE4\xB8\xAD x";
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    rsi_token_list whole = {0};
    rsi_wordpiece_run(&wordpiece, &whole, text, sizeof text - 1);
    for (size_t at = 0; at < sizeof text - 1; at++) {
        if (text[at] != ' ')
            continue;
        rsi_token_list parts = {0};
        rsi_wordpiece_run(&wordpiece, &parts, text, at);
        rsi_wordpiece_run(&wordpiece, &parts, text + at, sizeof text - 1 - at);
        assert_int_equal(parts.count, whole.count);
    }
    assert_int_equal(whole.count, 13);
    rsi_wordpiece_free(&wordpiece);
}

static void embed_characters__have_the_classes_of_unicode_8(void **state)
{
    (void)state;
    assert_int_equal(rsi_character_kind('$'), RSI_CHARACTER_PUNCTUATION);
    assert_int_equal(rsi_character_kind(0x7F), RSI_CHARACTER_CONTROL);
    assert_int_equal(rsi_character_kind('Z'), RSI_CHARACTER_OTHER);
    assert_int_equal(rsi_character_kind(0x300), RSI_CHARACTER_MARK);
    assert_int_equal(rsi_character_kind(0x2E42), RSI_CHARACTER_PUNCTUATION);
    assert_int_equal(rsi_character_kind(0x2E43), RSI_CHARACTER_OTHER); /* added in 9.0 */
    assert_int_equal(rsi_character_kind(0x8E2), RSI_CHARACTER_OTHER);  /* a format one since 9.0 */
    assert_int_equal(rsi_character_kind(0x85), RSI_CHARACTER_CONTROL);
    assert_int_equal(rsi_character_kind(0x10FFFD), RSI_CHARACTER_CONTROL);
    assert_int_equal(rsi_character_kind(0x10FFFF), RSI_CHARACTER_OTHER);
    assert_true(rsi_character_is_ideograph(0x4E00));
    assert_true(rsi_character_is_ideograph(0x2FA1F));
    assert_false(rsi_character_is_ideograph(0x3042)); /* kana */
    assert_false(rsi_character_is_ideograph(0xAC00)); /* Hangul */
}

/* ---- tokenizer.json ---- */

#define MODEL "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"vocab\": "
#define PIECES                                                                                     \
    "{\"[PAD]\": 0, \"[UNK]\": 7, \"[CLS]\": 2, \"[SEP]\": 3, \"Un\": 4, \"##ab\": 5, \"un\": 9}"
#define FRAME                                                                                      \
    "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": ["                         \
    "{\"SpecialToken\": {\"id\": \"[CLS]\"}}, {\"Sequence\": {\"id\": \"A\"}}, "                   \
    "{\"SpecialToken\": {\"id\": \"[SEP]\"}}]}"
#define SPLIT "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}"
#define NORMAL "\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false}"
#define ADDED                                                                                      \
    "\"added_tokens\": [{\"id\": 3, \"content\": \"[SEP]\", \"normalized\": false}, "              \
    "{\"id\": 11, \"content\": \"<q>\"}, {\"id\": 12, \"content\": \"<q>!\"}]"

static void embed_tokenizer_json__is_preferred_to_the_vocabulary_file(void **state)
{
    write_below(state, "tokenizer.json",
                "{" MODEL PIECES "}, " FRAME ", " SPLIT ", " NORMAL ", " ADDED
                ", \"truncation\": {\"max_length\": 1}}");
    rsi_wordpiece wordpiece = open_vocabulary(state, NULL);
    GIVES("Unab un UN", 4, 5, 9, 7);
    GIVES("<q><q>! [SEP] [PAD]", 11, 12, 3, 7, 7, 7); /* [PAD] is not an added token there */
    assert_int_equal(wordpiece.begin, 2);
    assert_int_equal(wordpiece.end, 3);
    assert_int_equal(wordpiece.vocabulary.count, 10);
    rsi_wordpiece_free(&wordpiece);
}

static void json_refused(void **state, const char *text, int code, const char *why)
{
    rsi_wordpiece wordpiece;
    write_below(state, "tokenizer.json", text);
    int status = rsi_wordpiece_open(&wordpiece, temporary_path(state));
    if (status != code || strstr(rsi_error_message(), why) == NULL)
        fail_msg("%s\n: %d, %s", text, status, status == 0 ? "accepted" : rsi_error_message());
}

static void embed_tokenizer_json__is_refused_when_not_understood(void **state)
{
    const int no = RAGSTORE_E_UNSUPPORTED, bad = RAGSTORE_E_INVALID_DATA;
    json_refused(state, "{\"model\": {\"type\": \"BPE\"}}", no, "WordPiece");
    json_refused(state, "[]", no, "WordPiece");
    json_refused(state, "{", bad, "tokenizer.json");
    json_refused(state, "{" MODEL PIECES "}, " FRAME ", " NORMAL "}", no, "pre_tokenizer");
    json_refused(state, "{" MODEL PIECES "}, " SPLIT ", " NORMAL "}", no, "post_processor");
    json_refused(state, "{" MODEL PIECES "}, " FRAME ", " SPLIT "}", no, "normalizer");
    json_refused(state,
                 "{" MODEL PIECES "}, " FRAME ", " SPLIT ", " NORMAL
                 ", \"added_tokens\": [{\"id\": 1, \"content\": \"w\", \"normalized\": true}]}",
                 no, "added token");
    json_refused(state,
                 "{" MODEL PIECES "}, " FRAME ", " SPLIT ", " NORMAL
                 ", \"added_tokens\": [{\"id\": -1, \"content\": \"w\"}]}",
                 bad, "added token 0");
    json_refused(state, "{" MODEL "{\"[UNK]\": 1}}, " FRAME ", " SPLIT ", " NORMAL "}", bad,
                 "[CLS]");
    json_refused(state, "{" MODEL "{\"a\": 1, \"b\": 1}}, " FRAME ", " SPLIT ", " NORMAL "}", bad,
                 "same id");
    json_refused(state, "{" MODEL "{\"a\": 99999999999}}, " FRAME ", " SPLIT ", " NORMAL "}", bad,
                 "id");
    json_refused(state, "{" MODEL "{\"a\": \"1\"}}, " FRAME ", " SPLIT ", " NORMAL "}", bad, "id");
    json_refused(state, "{" MODEL "[]}, " FRAME ", " SPLIT ", " NORMAL "}", bad, "object");
    json_refused(state, "{" MODEL "{}}, " FRAME ", " SPLIT ", " NORMAL "}", bad, "empty");
}

static void embed_wordpiece__survives_each_failing_allocation(void **state)
{
    for (int with_json = 0; with_json < 2; with_json++) {
        if (with_json)
            write_below(state, "tokenizer.json",
                        "{" MODEL PIECES "}, " FRAME ", " SPLIT ", " NORMAL ", " ADDED "}");
        else
            write_below(state, "vocab.txt", vocabulary);
        fault_memory_install();
        unsigned n = 1;
        for (bool failed = true; failed; n++) {
            rsi_wordpiece wordpiece;
            fault_memory_fail(n, false);
            int status = rsi_wordpiece_open(&wordpiece, temporary_path(state));
            failed = fault_memory_failed();
            fault_memory_disarm();
            assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
            rsi_wordpiece_free(&wordpiece);
            assert_int_equal(fault_memory_alive(), 0);
        }
        fault_memory_restore();
        assert_true(n > 8);
    }
}

int main(void)
{
#define WITH_DIRECTORY(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(embed_wordpiece__takes_the_longest_pieces),
        WITH_DIRECTORY(embed_wordpiece__splits_at_space_and_punctuation),
        WITH_DIRECTORY(embed_wordpiece__drops_controls_and_accents),
        WITH_DIRECTORY(embed_wordpiece__orders_marks_canonically),
        WITH_DIRECTORY(embed_wordpiece__keeps_special_tokens_written_in_a_text),
        WITH_DIRECTORY(embed_wordpiece__makes_overlong_words_unknown),
        WITH_DIRECTORY(embed_wordpiece__follows_the_settings_of_case_and_accents),
        WITH_DIRECTORY(embed_wordpiece__counts_what_finds_no_room),
        WITH_DIRECTORY(embed_wordpiece__counts_additively),
        cmocka_unit_test(embed_characters__have_the_classes_of_unicode_8),
        WITH_DIRECTORY(embed_tokenizer_json__is_preferred_to_the_vocabulary_file),
        WITH_DIRECTORY(embed_tokenizer_json__is_refused_when_not_understood),
        WITH_DIRECTORY(embed_wordpiece__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
