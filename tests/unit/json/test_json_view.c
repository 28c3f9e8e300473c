/* Looking at values in JSON text: lib/json/json_view.c, json_view_text.c, json_scan*.c and
 * json_number.c. */
#include "json/json_view.h"

#include "base/status.h"
#include "json/json_number.h"
#include "json/json_scan.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static double read_number(const char *text)
{
    rsi_json_view view;
    if (!rsi_json_number_read(&view, text, text + strlen(text)))
        fail_msg("%s is no number", text);
    return view.kind == RSI_JSON_REAL ? view.real : (double)view.integer;
}

static void check_real(const char *text)
{
    double got = read_number(text);
    double wanted = strtod(text, NULL);
    if (memcmp(&got, &wanted, sizeof got) != 0)
        fail_msg("%s: %.17g, not %.17g", text, got, wanted);
}

static void json_number__reads_reals_as_strtod_does(void **state)
{
    static const char *const awkward[] = {
        "0.0", "-0.0", "0e99999", "1e22", "1e23", "8.5e22", "9007199254740993.0", "1e-400",
        "2.2250738585072011e-308", "2.2250738585072014e-308", "5e-324", "2.4703282292062328e-324",
        "1.7976931348623157e308", "123456789012345678901234567890.5", "0.1", "0.30000000000000004",
        "179769313486231570000000000000000000000.0", "1.00000000000000011102230246251565404236",
        "7.2057594037927933e16", "36893488147419103232.0", "9223372036854775807.5", "1E+2"};
    char text[64];
    (void)state;

    for (size_t i = 0; i < sizeof awkward / sizeof *awkward; i++)
        check_real(awkward[i]);
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = next_random();
        double real;
        memcpy(&real, &bits, sizeof real);
        if (real != real || real - real != 0)
            continue;
        snprintf(text, sizeof text, "%.*e", (int)(bits % 20), real);
        if (strtod(text, NULL) - strtod(text, NULL) == 0)
            check_real(text);
        snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, bits >> (bits & 63), bits % 100000);
        check_real(text);
    }
}

static void json_number__knows_its_limits(void **state)
{
    static const char *const refused[] = {"", "-", "1.", ".5", "1e", "1e+", "9223372036854775808",
                                          "-9223372036854775809", "99999999999999999999999", "1x",
                                          "1e999", "--1", "+1"};
    rsi_json_view view;
    (void)state;

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (rsi_json_number_read(&view, refused[i], refused[i] + strlen(refused[i])))
            fail_msg("%s is read", refused[i]);
    static const char least[] = "-9223372036854775808";
    assert_true(rsi_json_number_read(&view, least, least + strlen(least)));
    assert_true(view.kind == RSI_JSON_INTEGER && view.integer == INT64_MIN);
}

/* The end of a container, byte by byte. A backslash outside of a string, which JSON does not know,
 * takes a quote or backslash behind it along. */
static const char *end_of(const char *text, const char *end)
{
    bool in_string = false;
    int depth = 0;

    for (; text < end; text++) {
        if (*text == '\\' && (in_string || (text + 1 < end && strchr("\"\\", text[1]) != NULL)))
            text++;
        else if (*text == '"')
            in_string = !in_string;
        else if (!in_string && (*text == '{' || *text == '['))
            depth++;
        else if (!in_string && (*text == '}' || *text == ']') && --depth == 0)
            return text + 1;
    }
    return NULL;
}

static void json_scan__finds_the_same_end_in_every_way(void **state)
{
    static const char letters[] = "[]{}\"\\\"\\ab:, []{}[]{}xxxxxxxxxxxxxxxx";
    const rsi_json_scanner *fast = rsi_json_scanner_avx2();
    size_t ends = 0;
    (void)state;

    for (int i = 0; i < 200000; i++) {
        size_t size = 1 + (size_t)(next_random() % 300);
        char *text = malloc(size); /* exact, so that a sanitizer sees what is read behind it */
        assert_non_null(text);
        for (size_t j = 0; j < size; j++)
            text[j] =
                letters[next_random() % (i % 2 == 0 ? sizeof letters - 1 : sizeof letters - 15)];
        text[0] = i % 3 == 0 ? '{' : '[';
        const char *wanted = end_of(text, text + size);
        ends += wanted != NULL ? 1 : 0;
        assert_ptr_equal(rsi_json_scanner_plain.container(text, text + size), wanted);
        assert_ptr_equal(rsi_json_scan_container(text, text + size), wanted);
        if (fast != NULL)
            assert_ptr_equal(fast->container(text, text + size), wanted);
        free(text);
    }
    assert_true(ends > 20000);
}

static void json_scan__finds_the_end_of_strings(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t size = (size_t)(next_random() % 80);
        char *text = malloc(size + 1);
        const char *wanted = NULL;
        bool escaped = false, wanted_escaped = false;
        assert_non_null(text);
        for (size_t j = 0; j < size; j++)
            text[j] = "abcdefghijklmnopqrstuvw\\\""[next_random() % 25];
        for (size_t j = 0; wanted == NULL && j < size; j++) {
            if (text[j] == '"')
                wanted = text + j;
            wanted_escaped = wanted_escaped || text[j] == '\\';
            j += text[j] == '\\' ? 1 : 0;
        }
        const char *found = rsi_json_scan_string(text, text + size, &escaped);
        assert_ptr_equal(found, wanted);
        if (wanted != NULL)
            assert_int_equal(escaped, wanted_escaped);
        free(text);
    }
}

static void json_view__walks_text_and_trees_alike(void **state)
{
    static const char text[] = " { \"a\" : [ 1 , {\"b\":\"x\\ty\"} , [] ], \"\\u0061b\":-2.5e1,"
                               "\"t\":true,\"n\":null, \"e\":{} } ";
    rsi_json_view in_text, in_tree, x, y;
    rsi_json *tree, *back;
    (void)state;

    assert_int_equal(rsi_json_parse(&tree, text, strlen(text), 64), RAGSTORE_OK);
    assert_int_equal(rsi_json_view_of_text(&in_text, text, strlen(text)), RAGSTORE_OK);
    in_tree = rsi_json_view_of(tree);
    rsi_json_cursor a = rsi_json_walk(&in_text), b = rsi_json_walk(&in_tree);
    size_t count = 0;
    for (;;) {
        int found = rsi_json_next(&a, &x);
        assert_int_equal(found, rsi_json_next(&b, &y));
        if (found == RSI_JSON_ABSENT)
            break;
        count++;
        assert_int_equal(x.kind, y.kind);
        assert_int_equal(rsi_json_view_compare_texts(&a.key, &b.key), 0);
    }
    assert_int_equal(count, 5);
    assert_int_equal(rsi_json_next(&a, &x), RSI_JSON_ABSENT);
    assert_int_equal(rsi_json_view_get(&x, &in_text, rsi_slice_of("ab")), RSI_JSON_FOUND);
    assert_true(x.kind == RSI_JSON_REAL && x.real == -25.0);
    assert_int_equal(rsi_json_view_get(&x, &in_text, rsi_slice_of("b")), RSI_JSON_ABSENT);
    assert_int_equal(rsi_json_view_tree(&back, &in_text), RAGSTORE_OK);
    rsi_bytes p = {0}, q = {0};
    rsi_json_dump(&p, tree);
    rsi_json_dump(&q, back);
    assert_string_equal(p.data, q.data);
    rsi_bytes_free(&p);
    rsi_bytes_free(&q);
    rsi_json_free(tree);
    rsi_json_free(back);
}

/* A random object, its keys and values from few letters; *out is as long as said. */
static size_t write_object(char *out, unsigned depth)
{
    static const char *const keys[] = {
        "a",    "b",      "ab",       "",   "\\u0061", "a\\\"b",
        "\\\\", "a\\\\b", "\\u0062b", "a:", "{",       "0123456789012345678901234567890123456789"};
    static const char *const values[] = {"1", "\"x\"", "\"a\\\":1\"", "null", "\"{[\\\\\"", "[]",
                                         "[{\"a\":1}]", "\"\\\"a\"", "-2.5", "\":\""};
    static const char *const spaces[] = {"", "", "", " ", "\n  "};
    size_t used = 0;
    unsigned count = (unsigned)(next_random() % 6);

    out[used++] = '{';
    for (unsigned i = 0; i < count; i++) {
        used += (size_t)sprintf(out + used, "%s%s\"%s\"%s:%s", i > 0 ? "," : "",
                                spaces[next_random() % 5], keys[next_random() % 12],
                                spaces[next_random() % 5], spaces[next_random() % 5]);
        if (depth < 3 && next_random() % 4 == 0)
            used += write_object(out + used, depth + 1);
        else
            used += (size_t)sprintf(out + used, "%s", values[next_random() % 10]);
    }
    used += (size_t)sprintf(out + used, "%s}", spaces[next_random() % 5]);
    return used;
}

/* The first member of the name, by walking. */
static const char *walk_to(const rsi_json_view *object, const char *name)
{
    rsi_json_view wanted = rsi_json_view_of_string(name, strlen(name));
    rsi_json_cursor cursor = rsi_json_walk(object);
    rsi_json_view member;

    while (rsi_json_next(&cursor, &member) > 0)
        if (rsi_json_view_compare_texts(&cursor.key, &wanted) == 0)
            return member.text;
    return NULL;
}

static void json_view__finds_the_members_that_walking_finds(void **state)
{
    static const char *const names[] = {
        "a",      "b",  "ab", "",  "a\"b", "\\",
        "a\\b",   "bb", "a:", "{", "x",    "0123456789012345678901234567890123456789",
        "\\u0061"};
    static char text[1 << 16];
    size_t found_count = 0;
    (void)state;

    for (int i = 0; i < 60000; i++) {
        size_t size = write_object(text, 0);
        char *exact = malloc(size);
        rsi_json_view object, member;
        assert_non_null(exact);
        memcpy(exact, text, size);
        assert_int_equal(rsi_json_view_of_text(&object, exact, size), RAGSTORE_OK);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
            rsi_slice name = rsi_slice_of(names[j]);
            const char *wanted = walk_to(&object, names[j]);
            bool absent;
            const char *plain =
                rsi_json_scanner_plain.member(exact, exact + size, name, &absent);
            assert_int_equal(absent, wanted == NULL);
            assert_int_equal(plain != NULL, wanted != NULL);
            assert_int_equal(rsi_json_view_get(&member, &object, name), wanted != NULL);
            if (wanted != NULL)
                assert_ptr_equal(member.text, wanted);
            found_count += wanted != NULL ? 1 : 0;
        }
        free(exact);
    }
    assert_true(found_count > 60000);
}

static void json_view__compares_and_decodes_escapes(void **state)
{
    static const struct {
        const char *escaped;
        const char *plain;
    } texts[] = {{"a\\n\\t\\\"\\\\\\/\\b\\f\\r", "a\n\t\"\\/\b\f\r"},
                 {"\\u00e4\\u20AC\\ud83d\\uDE00z", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z"},
                 {"\\ud800x", "\xEF\xBF\xBDx"}, /* no accepted text holds these */
                 {"\\udc00", "\xEF\xBF\xBD"},
                 {"\\u12", "\xEF\xBF\xBD"}};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rsi_json_view a = rsi_json_view_of_string(texts[i].escaped, strlen(texts[i].escaped));
        rsi_json_view b = rsi_json_view_of_string(texts[i].plain, strlen(texts[i].plain));
        rsi_bytes out = {0};
        a.escaped = true;
        assert_int_equal(rsi_json_view_compare_texts(&a, &b), 0);
        assert_int_equal(rsi_json_view_compare_texts(&b, &a), 0);
        rsi_json_view_append_text(&out, &a);
        assert_string_equal(out.data, texts[i].plain);
        rsi_bytes_free(&out);
    }
}

static void json_view__reports_what_is_malformed(void **state)
{
    static const char *const malformed[] = {
        "{\"a\":", "{\"a\":[1", "{\"a\":\"x", "{\"a\":1,", "{\"z\":}", "{\"q\":1x,\"z\":tru}",
        "{\"z\":1e999}", "{", "{\"a\":{}", "{\"z\":"};
    rsi_json_view view, member;
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        assert_int_equal(rsi_json_view_of_text(&view, malformed[i], strlen(malformed[i])), 0);
        if (rsi_json_view_get(&member, &view, rsi_slice_of("z")) != RAGSTORE_E_INVALID_DATA)
            fail_msg("%s is accepted", malformed[i]);
        assert_int_equal(member.kind, RSI_JSON_MISSING);
    }
    assert_int_equal(rsi_json_view_of_text(&view, "", 0), RAGSTORE_E_INVALID_DATA);
    assert_int_equal(rsi_json_view_of_text(&view, "nul", 3), RAGSTORE_E_INVALID_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_number__reads_reals_as_strtod_does),
        cmocka_unit_test(json_number__knows_its_limits),
        cmocka_unit_test(json_scan__finds_the_same_end_in_every_way),
        cmocka_unit_test(json_scan__finds_the_end_of_strings),
        cmocka_unit_test(json_view__walks_text_and_trees_alike),
        cmocka_unit_test(json_view__finds_the_members_that_walking_finds),
        cmocka_unit_test(json_view__compares_and_decodes_escapes),
        cmocka_unit_test(json_view__reports_what_is_malformed),
    };
    return cmocka_run_group_tests_name("json/view", tests, NULL, NULL);
}
