/* From bytes to UTF-8: lib/ingest/extract_decode.c and extract_encoding.c. */
#include "ingest/extract.h"

#include "unit/ingest/documents.h"

#include <iconv.h>

/* The text in another encoding, by the C library alone; for free(). */
static char *encoded(const char *text, const char *encoding, size_t *size)
{
    iconv_t converter = iconv_open(encoding, "UTF-8");
    assert_true(converter != (iconv_t)-1);
    size_t left = strlen(text);
    size_t room = 4 * left + 16;
    char *bytes = malloc(room);
    char *in = (char *)(uintptr_t)text;
    char *out = bytes;
    size_t free_room = room;
    assert_non_null(bytes);
    assert_true(iconv(converter, &in, &left, &out, &free_room) != (size_t)-1);
    assert_true(iconv(converter, NULL, NULL, &out, &free_room) != (size_t)-1);
    iconv_close(converter);
    *size = room - free_room;
    return bytes;
}

static void assert_round_trip(const char *text, const char *encoding)
{
    size_t size;
    char *bytes = encoded(text, encoding, &size);
    rsi_extracted extracted;
    assert_int_equal(rsi_extract(&extracted, bytes, size, "a.txt", NULL), RAGSTORE_OK);
    if (strcmp(extracted.text.data, text) != 0)
        fail_msg("%s taken for %s", encoding, extracted.encoding);
    rsi_extracted_free(&extracted);
    free(bytes);
}

static void ingest_decode__recognises_common_encodings(void **state)
{
    static const char german[] = "Die größten Städte Österreichs sind Wien und Graz. Über Köln "
                                 "fährt der Zug nach Düsseldorf. Schöne Grüße!";
    static const char russian[] = "Привет, как дела? Искусству написания программного обеспечения "
                                  "немногим более пятидесяти лет.";
    static const char polish[] = "Zażółć gęślą jaźń. Książka leży na półce, a pies śpi pod stołem. "
                                 "Gdzie jest najbliższy sklep?";
    static const char japanese[] = "東京は日本の首都です。駅はどこですか。切符を買いたいです。";
    static const char chinese[] = "北京是中国的首都。请问火车站在哪里？我想买一张票。";
    static const char korean[] = "서울은 대한민국의 수도입니다. 기차역이 어디에 있습니까?";
    static const char quotes[] = "The café’s “naïve” résumé — it cost 7€ … and that’s all.";

    (void)state;
    assert_round_trip(german, "ISO-8859-1");
    assert_round_trip(german, "WINDOWS-1252");
    assert_round_trip(quotes, "WINDOWS-1252");
    assert_round_trip(russian, "WINDOWS-1251");
    assert_round_trip(russian, "KOI8-R");
    assert_round_trip(russian, "IBM866");
    assert_round_trip(polish, "ISO-8859-2");
    assert_round_trip(polish, "WINDOWS-1250");
    assert_round_trip(japanese, "SHIFT_JIS");
    assert_round_trip(japanese, "EUC-JP");
    assert_round_trip(japanese, "ISO-2022-JP");
    assert_round_trip(chinese, "GB18030");
    assert_round_trip(korean, "EUC-KR");
    assert_round_trip(german, "UTF-16LE");
    assert_round_trip(german, "UTF-16BE");
    assert_round_trip(german, "UTF-32LE");
    assert_round_trip(german, "UTF-32BE");
    assert_round_trip(japanese, "UTF-16"); /* with a byte order mark */
    assert_round_trip(japanese, "UTF-32");
    assert_round_trip("plain ASCII", "UTF-16LE");
}

static void ingest_decode__drops_byte_order_marks(void **state)
{
    (void)state;
    assert_text(BYTES("\xEF\xBB\xBFwords"), NULL, "words");
    assert_text(BYTES("words\xEF\xBB\xBF"), NULL, "words");
    assert_text(BYTES("\xFF\xFEw\0o\0"), NULL, "wo");
    assert_text(BYTES("\xFE\xFF\0w\0o"), NULL, "wo");
    assert_text(BYTES("\xFF\xFE\0\0w\0\0\0"), NULL, "w");
}

static void ingest_decode__ends_lines_alike(void **state)
{
    (void)state;
    assert_text(BYTES("a\r\nb\rc\nd\fe\xC2\x85g"), NULL, "a\nb\nc\nd\ne\ng");
    assert_text(BYTES("a\r\n\r\nb"), NULL, "a\n\nb");
    assert_text(BYTES("a\r"), NULL, "a\n");
}

static void ingest_decode__drops_control_characters(void **state)
{
    (void)state;
    assert_text(BYTES("hello\0world and more"), NULL, "helloworld and more");
    assert_text(BYTES("red \x1B[31mwords\x1B[0m in a terminal, and much more"), NULL,
                "red [31mwords[0m in a terminal, and much more");
    assert_text(BYTES("tab\tstays"), NULL, "tab\tstays");
    assert_text(BYTES("del\x7F"
                      "ete"),
                NULL, "delete");
}

static void ingest_decode__replaces_a_few_broken_bytes(void **state)
{
    size_t size;
    char *whole = repeated("слово ", 20, &size);
    rsi_extracted extracted;

    (void)state;
    whole[60] = (char)0xFF; /* in the middle of a character */
    assert_int_equal(rsi_extract(&extracted, whole, size, NULL, NULL), RAGSTORE_OK);
    assert_string_equal(extracted.encoding, "utf-8");
    assert_non_null(strstr(extracted.text.data, "\xEF\xBF\xBD"));
    assert_well_formed(&extracted);
    rsi_extracted_free(&extracted);
    /* A file that was cut off within its last character. */
    assert_int_equal(
        rsi_extract(&extracted, BYTES("only words, then a euro sign: \xE2\x82"), NULL, NULL),
        RAGSTORE_OK);
    assert_string_equal(extracted.encoding, "utf-8");
    rsi_extracted_free(&extracted);
    free(whole);
}

static void ingest_decode__believes_what_a_page_declares(void **state)
{
    (void)state;
    /* 0xE4 is a letter in each of these, and another one. */
    assert_text(BYTES("<meta charset=\"iso-8859-7\"><p>\xE4 x</p>"), "a.html", "δ x");
    assert_text(BYTES("<meta http-equiv='Content-Type' content='text/html; charset=windows-1251'>"
                      "<p>\xE4 x</p>"),
                "a.html", "д x");
    assert_text(BYTES("<?xml version='1.0' encoding='koi8-r'?><html><p>\xE4 x</p>"), NULL, "Д x");
    /* … but not when it is not known, or when the bytes are UTF-8. */
    assert_text(BYTES("<meta charset='no-such-thing'><p>caf\xE9 cr\xE8me</p>"), "a.html",
                "café crème");
    assert_text(BYTES("<meta charset='iso-8859-1'><p>caf\xC3\xA9</p>"), "a.html", "café");
    assert_text(BYTES("<meta charset='utf-8'><p>caf\xE9 cr\xE8me</p>"), "a.html", "café crème");
}

static void ingest_decode__refuses_random_bytes(void **state)
{
    static char noise[64 * 1024];
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 1664525u + 1013904223u;
        noise[i] = (char)(seed >> 24);
    }
    assert_refused(noise, sizeof noise, "a.txt", "binary");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_decode__recognises_common_encodings),
        cmocka_unit_test(ingest_decode__drops_byte_order_marks),
        cmocka_unit_test(ingest_decode__ends_lines_alike),
        cmocka_unit_test(ingest_decode__drops_control_characters),
        cmocka_unit_test(ingest_decode__replaces_a_few_broken_bytes),
        cmocka_unit_test(ingest_decode__believes_what_a_page_declares),
        cmocka_unit_test(ingest_decode__refuses_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
