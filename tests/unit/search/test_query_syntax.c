/* Phrases and prefixes in queries: lib/search/query_syntax.c. */
#include "search/query_syntax.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What is read, as "plain|phrase|phrase|prefix*|". */
static const char *read(const char *query)
{
    static char shown[4096];
    rsi_query_syntax syntax;
    assert_int_equal(rsi_query_syntax_read(&syntax, query, strlen(query)), 0);
    assert_int_equal(strlen(syntax.plain), syntax.plain_size);
    int at = snprintf(shown, sizeof shown, "%s|", syntax.plain);
    for (size_t i = 0; i < syntax.phrase_count; i++)
        at += snprintf(shown + at, sizeof shown - (size_t)at, "%.*s|", (int)syntax.phrases[i].size,
                       syntax.phrases[i].data);
    for (size_t i = 0; i < syntax.prefix_count; i++)
        at += snprintf(shown + at, sizeof shown - (size_t)at, "%.*s*|",
                       (int)syntax.prefixes[i].size, syntax.prefixes[i].data);
    rsi_query_syntax_free(&syntax);
    return shown;
}

static void search_syntax__finds_phrases(void **state)
{
    (void)state;
    assert_string_equal(read("flow in a \"boundary layer\" of air"),
                        "flow in a boundary layer  of air|boundary layer|");
    assert_string_equal(read("\"a\" \"b c\""), "a  b c |a|b c|");
    assert_string_equal(read("\xE2\x80\x9C" "a b\xE2\x80\x9D c"), "a b  c|a b|");
    assert_string_equal(read("\xE2\x80\x9E" "a b\xE2\x80\x9C c"), "a b  c|a b|");
    assert_string_equal(read("\xC2\xAB" "a b\xC2\xBB c"), "a b  c|a b|");
    assert_string_equal(read("\"\""), " ||");
}

static void search_syntax__ignores_half_a_pair(void **state)
{
    (void)state;
    assert_string_equal(read("a 6\" pipe"), "a 6\" pipe|");
    assert_string_equal(read("\"a b\" and \"c"), "a b  and \"c|a b|");
    assert_string_equal(read("\xE2\x80\x9D" "a\xE2\x80\x9C"), "\xE2\x80\x9D" "a\xE2\x80\x9C|");
}

static void search_syntax__finds_prefixes(void **state)
{
    (void)state;
    assert_string_equal(read("aero* wings"), "aero  wings|aero*|");
    assert_string_equal(read("(wing*)"), "(wing )|wing*|");
    assert_string_equal(read("\xC3\xBC" "ber*"), "\xC3\xBC" "ber |\xC3\xBC" "ber*|");
    assert_string_equal(read("\"aero* wing\""), "aero* wing |aero* wing|");
}

static void search_syntax__ignores_other_asterisks(void **state)
{
    (void)state;
    assert_string_equal(read("* 2 * 3 a* **bold** int*x"), "* 2 * 3 a* **bold** int*x|");
    assert_string_equal(read(""), "|");
}

static void search_syntax__stops_at_its_limits(void **state)
{
    char query[2000] = "";
    (void)state;
    for (int i = 0; i < 40; i++)
        strcat(query, "\"a b\" pre* ");
    rsi_query_syntax syntax;
    assert_int_equal(rsi_query_syntax_read(&syntax, query, strlen(query)), 0);
    assert_int_equal(syntax.phrase_count, RSI_QUERY_PHRASES_MAX);
    assert_int_equal(syntax.prefix_count, RSI_QUERY_PREFIXES_MAX);
    rsi_query_syntax_free(&syntax);
}

static void search_syntax__fails_cleanly_when_memory_is_short(void **state)
{
    rsi_query_syntax syntax;
    (void)state;
    fault_memory_install();
    fault_memory_fail(1, false);
    assert_int_equal(rsi_query_syntax_read(&syntax, "a", 1), RAGSTORE_E_NO_MEMORY);
    fault_memory_disarm();
    rsi_query_syntax_free(&syntax);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_syntax__finds_phrases),
        cmocka_unit_test(search_syntax__ignores_half_a_pair),
        cmocka_unit_test(search_syntax__finds_prefixes),
        cmocka_unit_test(search_syntax__ignores_other_asterisks),
        cmocka_unit_test(search_syntax__stops_at_its_limits),
        cmocka_unit_test(search_syntax__fails_cleanly_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
