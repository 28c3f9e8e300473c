/* Reading JSON text: lib/json/json_parse.c and json_read.c. */
#include "json/json.h"

#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/locales.h"
#include "harness/temporary.h"

#include <jansson.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rsi_json *parsed(const char *text)
{
    rsi_json *value;

    if (rsi_json_parse(&value, text, strlen(text), RSI_JSON_DEPTH_STORED) != RAGSTORE_OK)
        fail_msg("%s: %s", text, rsi_error_message());
    assert_non_null(value);
    return value;
}

static void assert_refused_bytes(const char *text, size_t size, const char *message)
{
    static const int mark = 0;
    rsi_json *value = (rsi_json *)(uintptr_t)&mark;

    int status = rsi_json_parse(&value, text, size, RSI_JSON_DEPTH_REQUEST);
    if (status != RAGSTORE_E_INVALID_DATA)
        fail_msg("status %d for: %s", status, text);
    assert_null(value);
    if (strstr(rsi_error_message(), message) == NULL)
        fail_msg("'%s' does not say '%s'", rsi_error_message(), message);
}

static void assert_refused(const char *text, const char *message)
{
    assert_refused_bytes(text, strlen(text), message);
}

static void json_parse__reads_every_kind_of_value(void **state)
{
    (void)state;
    rsi_json *value =
        parsed(" {\"text\": \"a\\\"b\", \"whole\": -7, \"real\": 2.5,\r\n\t\"yes\": true,"
               " \"no\": false, \"nothing\": null, \"list\": [1, [], {}], \"\": 0} ");
    assert_true(rsi_json_is_object(value));
    assert_false(rsi_json_is_array(value));
    assert_int_equal(rsi_json_count(value), 8);
    assert_string_equal(rsi_json_get_text(value, "text"), "a\"b");
    assert_int_equal(rsi_json_text_size(rsi_json_get(value, "text")), 3);
    assert_int_equal(rsi_json_get_integer(value, "whole", 0), -7);
    assert_true(rsi_json_is_integer(rsi_json_get(value, "whole")));
    assert_true(rsi_json_number(rsi_json_get(value, "real"), 0) == 2.5);
    assert_false(rsi_json_is_integer(rsi_json_get(value, "real")));
    assert_true(rsi_json_is_number(rsi_json_get(value, "real")));
    assert_true(rsi_json_true(rsi_json_get(value, "yes")));
    assert_false(rsi_json_true(rsi_json_get(value, "no")));
    assert_true(rsi_json_is_bool(rsi_json_get(value, "no")));
    assert_true(rsi_json_is_null(rsi_json_get(value, "nothing")));
    assert_int_equal(rsi_json_get_integer(value, "", 9), 0);

    rsi_json *list = rsi_json_get(value, "list");
    assert_true(rsi_json_is_array(list));
    assert_int_equal(rsi_json_count(list), 3);
    assert_int_equal(rsi_json_integer(rsi_json_at(list, 0), 0), 1);
    assert_true(rsi_json_is_array(rsi_json_at(list, 1)));
    assert_true(rsi_json_is_object(rsi_json_at(list, 2)));
    assert_null(rsi_json_at(list, 3));
    rsi_json_free(value);
}

static void json_parse__accepts_scalars_at_the_top(void **state)
{
    (void)state;
    rsi_json *value = parsed("\"x\"");
    assert_string_equal(rsi_json_text(value), "x");
    rsi_json_free(value);
    value = parsed(" null\n");
    assert_true(rsi_json_is_null(value));
    rsi_json_free(value);
    value = parsed("0");
    assert_int_equal(rsi_json_integer(value, 5), 0);
    rsi_json_free(value);
}

static void json_parse__decodes_escapes(void **state)
{
    (void)state;
    rsi_json *value =
        parsed("\"q\\\" b\\\\ s\\/ \\b\\f\\n\\r\\t \\u0041\\u00e9\\u65E5\\ud83d\\uDC18\\u001f|\"");
    assert_string_equal(rsi_json_text(value), "q\" b\\ s/ \b\f\n\r\t A\xC3\xA9\xE6\x97\xA5"
                                              "\xF0\x9F\x90\x98\x1F|");
    rsi_json_free(value);
    value = parsed("{\"\\u006bey\": \"\\u0076alue\", \"\\u006bex\": [\"\\n\"]}");
    assert_string_equal(rsi_json_get_text(value, "key"), "value");
    rsi_json_free(value);
}

static void json_parse__keeps_long_keys_and_texts(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'k', sizeof text);
    memcpy(text, "{\"\\u0041", 8);
    memcpy(text + 2000, "\":\"\\n", 5);
    memcpy(text + sizeof text - 3, "\"}", 3);
    rsi_json *value = parsed(text);
    void *iterator = NULL;
    const char *key;
    rsi_json *member;
    assert_true(rsi_json_each(value, &iterator, &key, &member));
    assert_int_equal(strlen(key), 2000 - 7);
    assert_int_equal(key[0], 'A');
    assert_int_equal(rsi_json_text_size(member), sizeof text - 3 - 2005 + 1);
    rsi_json_free(value);
}

static void json_parse__reads_the_whole_range_of_integers(void **state)
{
    (void)state;
    rsi_json *value = parsed("[9223372036854775807, -9223372036854775808, -0, 0]");
    assert_true(rsi_json_integer(rsi_json_at(value, 0), 0) == INT64_MAX);
    assert_true(rsi_json_integer(rsi_json_at(value, 1), 0) == INT64_MIN);
    assert_true(rsi_json_integer(rsi_json_at(value, 2), 1) == 0);
    rsi_json_free(value);
    assert_refused("[1,\n 9223372036854775808]", "line 2, column 2: an integer outside");
    assert_refused("-9223372036854775809", "an integer outside");
    assert_refused("123456789012345678901234567890", "an integer outside");
}

static void json_parse__reads_reals(void **state)
{
    char digits[400];

    (void)state;
    rsi_json *value =
        parsed("[0.1, 1e3, -2.5E-1, 1E+2, 1.7976931348623157e308, 5e-324, -0.0, 1e-999]");
    assert_true(rsi_json_number(rsi_json_at(value, 0), 0) == 0.1);
    assert_true(rsi_json_number(rsi_json_at(value, 1), 0) == 1000.0);
    assert_false(rsi_json_is_integer(rsi_json_at(value, 1)));
    assert_true(rsi_json_number(rsi_json_at(value, 2), 0) == -0.25);
    assert_true(rsi_json_number(rsi_json_at(value, 3), 0) == 100.0);
    assert_true(rsi_json_number(rsi_json_at(value, 4), 0) == 1.7976931348623157e308);
    assert_true(rsi_json_number(rsi_json_at(value, 5), 0) == 5e-324);
    assert_true(signbit(rsi_json_number(rsi_json_at(value, 6), 1)));
    assert_true(rsi_json_number(rsi_json_at(value, 7), 1) == 0.0);
    rsi_json_free(value);

    assert_refused("1e309", "too large for a double");
    assert_refused("[-1e400]", "too large for a double");

    memset(digits, '3', sizeof digits);
    memcpy(digits, "0.", 2);
    digits[sizeof digits - 1] = '\0';
    value = parsed(digits);
    assert_true(rsi_json_number(value, 0) == 1.0 / 3.0);
    rsi_json_free(value);
}

static void json_parse__refuses_what_is_not_json(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "{1:2}",
        "nul",
        "True",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "-01",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "0x10",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "[1}",
        "{\"a\":1]",
        "[1],",
        "1 1",
        "//x\n1",
        "[\"a\nb\"]",
        "\xEF\xBB\xBF{}",
        "--1",
        "1.5.2",
        "truefalse",
        "\"\\",
        "\"\\u",
        "[[]",
        "tru",
        "nulll",
        "{\"a\":1 \"b\":2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_refused(texts[i], "line ");
}

static void json_parse__names_line_and_column_in_characters(void **state)
{
    (void)state;
    assert_refused("", "line 1, column 1: the text ends where a value is expected");
    assert_refused("{\n  \"a\": 1,\n  \"a\": 2\n}", "line 3, column 3: this key is in its object");
    assert_refused("[1,\n2,\n      x]", "line 3, column 7: expected a value");
    assert_refused("[\"日本\", x]", "line 1, column 8: expected a value");
    assert_refused("[1 2]", "line 1, column 4: expected ',' or ']'");
    assert_refused("{\"a\":1 2}", "line 1, column 8: expected ',' or '}'");
    assert_refused("{\"a\"=1}", "line 1, column 5: expected ':'");
    assert_refused("{} x", "line 1, column 4: text behind the end");
    assert_refused("[\"abc", "line 1, column 2: this string does not end");
    assert_refused("[\"a\tb\"]", "line 1, column 4: a control character");
}

static void json_parse__refuses_duplicate_keys_however_written(void **state)
{
    (void)state;
    assert_refused("{\"a\":1,\"\\u0061\":2}", "this key is in its object already");
    assert_refused("{\"\":1,\"\":2}", "this key is in its object already");
    rsi_json *value = parsed("{\"a\":{\"a\":1},\"b\":{\"a\":1}}");
    rsi_json_free(value);
}

static void json_parse__refuses_nul_and_lone_surrogates(void **state)
{
    (void)state;
    assert_refused("\"a\\u0000b\"", "line 1, column 3: a NUL character");
    assert_refused("{\"\\u0000\":1}", "a NUL character");
    assert_refused("\"\\ud800\"", "surrogate");
    assert_refused("\"\\ud800\\n\"", "surrogate");
    assert_refused("\"\\ud800\\u0041\"", "surrogate");
    assert_refused("\"\\ud800\\ud800\"", "surrogate");
    assert_refused("\"\\udc00\"", "surrogate");
    assert_refused_bytes("\"a\0b\"", 5, "a control character");
    assert_refused_bytes("1\0", 2, "text behind the end");
}

static void json_parse__refuses_invalid_utf8_anywhere(void **state)
{
    (void)state;
    assert_refused("[\n\"\xC0\xAF\"]", "line 2, column 2: not valid UTF-8");
    assert_refused("\"\xED\xA0\x80\"", "not valid UTF-8");
    assert_refused("\"\xF4\x90\x80\x80\"", "not valid UTF-8");
    assert_refused("\xFF", "line 1, column 1: not valid UTF-8");
    assert_refused("\"\xE6\x97", "not valid UTF-8");
}

static int parse_nested(size_t depth, unsigned limit, bool objects)
{
    rsi_json *value;
    rsi_bytes text = {0};

    for (size_t i = 0; i < depth; i++)
        rsi_bytes_append_text(&text, objects ? "{\"a\":" : "[");
    if (objects)
        rsi_bytes_append_text(&text, "1");
    for (size_t i = 0; i < depth; i++)
        rsi_bytes_append_text(&text, objects ? "}" : "]");
    int status = rsi_json_parse(&value, text.data, text.size, limit);
    rsi_json_free(value);
    rsi_bytes_free(&text);
    return status;
}

static void json_parse__stops_at_the_depth_limit(void **state)
{
    (void)state;
    for (int objects = 0; objects < 2; objects++) {
        assert_int_equal(parse_nested(32, 32, objects), RAGSTORE_OK);
        assert_int_equal(parse_nested(33, 32, objects), RAGSTORE_E_INVALID_DATA);
        assert_int_equal(parse_nested(64, 64, objects), RAGSTORE_OK);
        assert_int_equal(parse_nested(65, 64, objects), RAGSTORE_E_INVALID_DATA);
        assert_int_equal(parse_nested(65, 100000, objects), RAGSTORE_E_INVALID_DATA);
        assert_int_equal(parse_nested(1, 0, objects), RAGSTORE_E_INVALID_DATA);
        assert_int_equal(parse_nested(1000000, 64, objects), RAGSTORE_E_INVALID_DATA);
    }
    assert_non_null(strstr(rsi_error_message(), "nested deeper"));
    rsi_json *value = parsed("[[1],[2],[3]]"); /* siblings do not add up */
    rsi_json_free(value);
}

static void json_parse__walks_objects_in_written_order(void **state)
{
    static const char *const keys[] = {"z", "a", "m"};
    void *iterator = NULL;
    const char *key;
    rsi_json *member;
    size_t count = 0;

    (void)state;
    rsi_json *value = parsed("{\"z\":0,\"a\":1,\"m\":2}");
    while (rsi_json_each(value, &iterator, &key, &member)) {
        assert_string_equal(key, keys[count]);
        assert_int_equal(rsi_json_integer(member, -1), count);
        count++;
    }
    assert_int_equal(count, 3);
    assert_null(key);
    assert_null(member);
    rsi_json_free(value);
    iterator = NULL;
    assert_false(rsi_json_each(NULL, &iterator, &key, &member));
}

static void json_read__answers_neutrally_for_other_types(void **state)
{
    (void)state;
    rsi_json *text = parsed("\"7\"");
    assert_null(rsi_json_get(text, "x"));
    assert_null(rsi_json_get(NULL, "x"));
    assert_null(rsi_json_at(text, 0));
    assert_null(rsi_json_at(NULL, 0));
    assert_int_equal(rsi_json_count(text), 0);
    assert_int_equal(rsi_json_count(NULL), 0);
    assert_null(rsi_json_text(NULL));
    assert_int_equal(rsi_json_text_size(NULL), 0);
    assert_int_equal(rsi_json_integer(text, 5), 5);
    assert_int_equal(rsi_json_integer(NULL, 5), 5);
    assert_true(rsi_json_number(text, 1.5) == 1.5);
    assert_false(rsi_json_true(text));
    assert_false(rsi_json_is_null(NULL));
    assert_false(rsi_json_is_object(NULL));
    assert_false(rsi_json_is_string(NULL));
    assert_false(rsi_json_is_bool(NULL));
    assert_null(rsi_json_get_text(text, "x"));
    assert_int_equal(rsi_json_get_integer(NULL, "x", 3), 3);
    rsi_json *real = parsed("2.5");
    assert_int_equal(rsi_json_integer(real, 9), 9);
    assert_null(rsi_json_text(real));
    rsi_json_free(real);
    rsi_json_free(text);
    rsi_json_free(NULL);
}

/* ---- faults ---- */

static const char *const document =
    "{\"k\\u0065y\": [1, 2.5, \"text\", \"es\\ncape\"], \"list\": [[], {}, {\"a\": null}],"
    " \"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":[1,2,3,4,5,6,7,"
    "8,9]}";

static void json_parse__survives_each_failing_allocation_of_ours(void **state)
{
    rsi_json *value;
    unsigned n;

    (void)state;
    fault_memory_install();
    for (n = 1;; n++) {
        fault_memory_fail(n, n % 2 == 0);
        int status = rsi_json_parse(&value, document, strlen(document), 32);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_int_equal(value == NULL, failed);
        rsi_json_free(value);
        assert_int_equal(fault_memory_alive(), 0);
        if (!failed)
            break;
    }
    fault_memory_restore();
    assert_true(n > 1);
}

static long jansson_left;
static long jansson_alive;

static void *jansson_malloc(size_t size)
{
    if (--jansson_left == 0)
        return NULL;
    jansson_alive++;
    return malloc(size);
}

static void jansson_free(void *block)
{
    if (block != NULL)
        jansson_alive--;
    free(block);
}

static void json_parse__survives_each_failing_allocation_of_jansson(void **state)
{
    rsi_json *value;
    long n;

    (void)state;
    json_set_alloc_funcs(jansson_malloc, jansson_free);
    for (n = 1;; n++) {
        jansson_left = n;
        int status = rsi_json_parse(&value, document, strlen(document), 32);
        bool failed = jansson_left <= 0;
        assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        assert_int_equal(value == NULL, failed);
        if (status == RAGSTORE_OK)
            assert_string_equal(rsi_json_text(rsi_json_at(rsi_json_get(value, "key"), 2)), "text");
        rsi_json_free(value);
        assert_int_equal(jansson_alive, 0);
        if (!failed)
            break;
    }
    json_set_alloc_funcs(malloc, free);
    assert_true(n > 20);
}

/* Each cut of the document is refused, none is read beyond its end (the address sanitizer sees). */
static void json_parse__refuses_each_cut_of_a_document(void **state)
{
    rsi_json *value;

    (void)state;
    for (size_t size = 0; size < strlen(document); size++) {
        char *copy = malloc(size == 0 ? 1 : size);
        assert_non_null(copy);
        memcpy(copy, document, size);
        assert_int_equal(rsi_json_parse(&value, copy, size, 32), RAGSTORE_E_INVALID_DATA);
        assert_null(value);
        free(copy);
    }
}

/* A comma, and a point of two bytes. */
static void json_parse__does_not_depend_on_the_locale(void **state)
{
    static const char *const locales[] = {"de_DE", "ps_AF"};

    for (size_t i = 0; i < sizeof locales / sizeof locales[0]; i++) {
        if (!locales_use(temporary_path(state), locales[i]))
            continue;
        assert_true(strtod("1.5", NULL) == 1.0); /* it is in force */
        rsi_json *value = parsed("[1.5,2.25e1]");
        assert_true(rsi_json_number(rsi_json_at(value, 0), 0) == 1.5);
        assert_true(rsi_json_number(rsi_json_at(value, 1), 0) == 22.5);
        rsi_json_free(value);
        assert_true(strtod("1.5", NULL) == 1.0); /* and still is */
        locales_restore();
    }
}

/* ---- members, one by one ---- */

typedef struct watched {
    rsi_bytes text; /* of all that was seen */
    size_t stop_at;
} watched;

static int watch(void *user, const rsi_json *member, size_t position)
{
    watched *seen = user;
    if (position == seen->stop_at)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "test", "enough");
    rsi_bytes_append_integer(&seen->text, (int64_t)position);
    rsi_bytes_append_char(&seen->text, '=');
    rsi_json_dump(&seen->text, member);
    rsi_bytes_append_char(&seen->text, ';');
    return rsi_bytes_status(&seen->text);
}

static int watch_members(watched *seen, bool *is_array, const char *text)
{
    return rsi_json_parse_members(is_array, text, strlen(text), RSI_JSON_DEPTH_REQUEST, watch,
                                  seen);
}

static void json_parse__shows_the_members_of_an_array_one_by_one(void **state)
{
    watched seen = {.stop_at = 9};
    bool is_array = false;
    (void)state;
    assert_int_equal(watch_members(&seen, &is_array, " [1, {\"a\": [2, 3]}, [[]], null] "), 0);
    assert_true(is_array);
    assert_string_equal(seen.text.data, "0=1;1={\"a\":[2,3]};2=[[]];3=null;");
    rsi_bytes_clear(&seen.text);
    assert_int_equal(watch_members(&seen, &is_array, "[]"), 0);
    assert_true(is_array);
    assert_int_equal(watch_members(&seen, &is_array, "{\"a\": [1, 2]}"), 0);
    assert_false(is_array);
    assert_int_equal(watch_members(&seen, &is_array, "7"), 0);
    assert_false(is_array);
    assert_int_equal(seen.text.size, 0);
    rsi_bytes_free(&seen.text);
}

static void json_parse__stops_showing_members_at_the_first_fault(void **state)
{
    static const char *const faulty[] = {"[1, 2 3]", "[1, 2, ]", "[1, 2,, 3]", "[1, 2, 3",
                                         "[1, 2]]", "[1, 2}"};
    bool is_array;
    (void)state;
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        watched seen = {.stop_at = 9};
        assert_int_equal(watch_members(&seen, &is_array, faulty[i]), RAGSTORE_E_INVALID_DATA);
        assert_non_null(strstr(rsi_error_message(), "line 1, column "));
        assert_memory_equal(seen.text.data, "0=1;1=2;", 8);
        rsi_bytes_free(&seen.text);
    }
    watched seen = {.stop_at = 1};
    assert_int_equal(watch_members(&seen, &is_array, "[1, 2, nonsense"), RAGSTORE_E_TOO_LARGE);
    assert_string_equal(seen.text.data, "0=1;");
    rsi_bytes_free(&seen.text);
}

/* Quotes, escapes and control characters at each place of the words that are looked at together. */
static void json_parse__finds_what_ends_a_plain_text_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t before = 0; before < 20; before++) {
        char text[160];
        char content[32];
        memset(content, 'a', before);
        content[before] = '\0';
        snprintf(text, sizeof text, "[\"%s\", \"%s\\n%s\", \"\xC3\xA4%s\"]", content, content,
                 content, content);
        rsi_json *value = parsed(text);
        assert_string_equal(rsi_json_text(rsi_json_at(value, 0)), content);
        assert_int_equal(rsi_json_text_size(rsi_json_at(value, 1)), 2 * before + 1);
        assert_int_equal(rsi_json_text(rsi_json_at(value, 1))[before], '\n');
        assert_int_equal(rsi_json_text_size(rsi_json_at(value, 2)), before + 2);
        rsi_bytes again = {0};
        assert_int_equal(rsi_json_dump(&again, value), 0);
        snprintf(text, sizeof text, "[\"%s\",\"%s\\n%s\",\"\xC3\xA4%s\"]", content, content,
                 content, content);
        assert_string_equal(again.data, text);
        rsi_bytes_free(&again);
        rsi_json_free(value);
        snprintf(text, sizeof text, "\"%s\x1F%s\"", content, content);
        assert_refused(text, "control character");
        snprintf(text, sizeof text, "\"%s\xFF%s\"", content, content);
        assert_refused(text, "not valid UTF-8");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_parse__shows_the_members_of_an_array_one_by_one),
        cmocka_unit_test(json_parse__stops_showing_members_at_the_first_fault),
        cmocka_unit_test(json_parse__finds_what_ends_a_plain_text_wherever_it_stands),
        cmocka_unit_test(json_parse__reads_every_kind_of_value),
        cmocka_unit_test(json_parse__accepts_scalars_at_the_top),
        cmocka_unit_test(json_parse__decodes_escapes),
        cmocka_unit_test(json_parse__keeps_long_keys_and_texts),
        cmocka_unit_test(json_parse__reads_the_whole_range_of_integers),
        cmocka_unit_test(json_parse__reads_reals),
        cmocka_unit_test(json_parse__refuses_what_is_not_json),
        cmocka_unit_test(json_parse__names_line_and_column_in_characters),
        cmocka_unit_test(json_parse__refuses_duplicate_keys_however_written),
        cmocka_unit_test(json_parse__refuses_nul_and_lone_surrogates),
        cmocka_unit_test(json_parse__refuses_invalid_utf8_anywhere),
        cmocka_unit_test(json_parse__stops_at_the_depth_limit),
        cmocka_unit_test(json_parse__walks_objects_in_written_order),
        cmocka_unit_test(json_read__answers_neutrally_for_other_types),
        cmocka_unit_test(json_parse__survives_each_failing_allocation_of_ours),
        cmocka_unit_test(json_parse__survives_each_failing_allocation_of_jansson),
        cmocka_unit_test(json_parse__refuses_each_cut_of_a_document),
        cmocka_unit_test_setup_teardown(json_parse__does_not_depend_on_the_locale, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
