/* Names of uploaded files: lib/files/upload_names.c. */
#include "files/paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_name(const char *wanted, unsigned attempt, const char *expected)
{
    char name[256];

    rsi_upload_name(name, wanted, attempt);
    assert_string_equal(name, expected);
    assert_true(rsi_upload_name_is_safe(name));
}

static void files_upload_names__keeps_a_safe_name(void **state)
{
    (void)state;
    assert_name("report.pdf", 0, "report.pdf");
    assert_name("Größe & 日本語 (final).docx", 0, "Größe & 日本語 (final).docx");
    assert_name("no extension", 0, "no extension");
    assert_name("a..b", 0, "a..b");
}

static void files_upload_names__takes_the_base_name(void **state)
{
    (void)state;
    assert_name("/etc/passwd", 0, "passwd");
    assert_name("..\\..\\windows\\system.ini", 0, "system.ini");
    assert_name("C:\\docs/x\\ report.pdf ", 0, "report.pdf");
    assert_name("dir/", 0, "upload");
}

static void files_upload_names__makes_any_input_safe(void **state)
{
    (void)state;
    assert_name(NULL, 0, "upload");
    assert_name("", 0, "upload");
    assert_name(".", 0, "upload");
    assert_name("..", 0, "upload");
    assert_name("a/..", 0, "upload");
    assert_name(".bashrc", 0, "bashrc");
    assert_name(". .tmp-0123", 0, "tmp-0123");
    assert_name("a\nb\x7F.txt", 0, "a_b_.txt");
    assert_name("a\xFF\xC3.txt", 0, "a__.txt");
    assert_name("\xC2\x85x", 0, "_x");
    assert_name("\xC2\xA0x\xE3\x80\x80", 0, "x");
    assert_name("\xFF", 0, "_");
}

static void files_upload_names__numbers_further_attempts(void **state)
{
    (void)state;
    assert_name("report.pdf", 1, "report (2).pdf");
    assert_name("report.pdf", 2, "report (3).pdf");
    assert_name("report", 1, "report (2)");
    assert_name("Mr. Smith went home", 1, "Mr. Smith went home (2)");
    assert_name("archive.tar.gz", 1, "archive.tar (2).gz");
    assert_name("", 4294967295u, "upload (4294967296)");
}

static void files_upload_names__cuts_long_names_before_their_extension(void **state)
{
    char wanted[3000];
    char name[256];
    char other[256];

    (void)state;
    memset(wanted, 'x', 300);
    memcpy(wanted + 300, ".pdf", 5);
    rsi_upload_name(name, wanted, 0);
    assert_int_equal(strlen(name), 200);
    assert_string_equal(name + 196, ".pdf");
    rsi_upload_name(other, wanted, 9);
    assert_int_equal(strlen(other), 200);
    assert_string_equal(other + 191, " (10).pdf");

    /* Characters of three bytes are not split, also when the name is over any limit. */
    for (size_t i = 0; i + 3 < sizeof wanted; i += 3)
        memcpy(wanted + i, "\xE6\x97\xA5", 4);
    rsi_upload_name(name, wanted, 0);
    assert_int_equal(strlen(name), 198);
    assert_true(rsi_upload_name_is_safe(name));
    rsi_upload_name(other, wanted, 1);
    assert_true(rsi_upload_name_is_safe(other));
    assert_string_not_equal(name, other);
}

/* White space at the cut would end the name. */
static void files_upload_names__trims_after_the_cut(void **state)
{
    char wanted[300];
    char name[256];

    (void)state;
    memset(wanted, 'x', 299);
    wanted[299] = '\0';
    memset(wanted + 190, ' ', 20);
    rsi_upload_name(name, wanted, 0);
    assert_int_equal(strlen(name), 190);
    assert_true(rsi_upload_name_is_safe(name));
}

static void files_upload_names__checks_names_from_records(void **state)
{
    static const char *const unsafe[] = {
        "", ".", "..", ".x", "a/b", "a\\b", "a\nb", "a\xC2\x80", "\xFF", " a", "a ", "\xC2\xA0",
    };
    char too_long[202];

    (void)state;
    for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++)
        if (rsi_upload_name_is_safe(unsafe[i]))
            fail_msg("accepted: '%s'", unsafe[i]);
    memset(too_long, 'x', 201);
    too_long[201] = '\0';
    assert_false(rsi_upload_name_is_safe(too_long));
    too_long[200] = '\0';
    assert_true(rsi_upload_name_is_safe(too_long));
}

/* Whatever two bytes a client sends around a stem, the answer passes the check. */
static void files_upload_names__is_safe_for_all_short_inputs(void **state)
{
    char name[256];

    (void)state;
    for (int a = 1; a < 256; a++) {
        for (int b = 1; b < 256; b++) {
            char wanted[] = {(char)a, (char)b, 'x', (char)b, (char)a, '\0'};
            rsi_upload_name(name, wanted, (unsigned)b & 1);
            if (!rsi_upload_name_is_safe(name))
                fail_msg("%02X %02X gives '%s'", (unsigned)a, (unsigned)b, name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_upload_names__keeps_a_safe_name),
        cmocka_unit_test(files_upload_names__takes_the_base_name),
        cmocka_unit_test(files_upload_names__makes_any_input_safe),
        cmocka_unit_test(files_upload_names__numbers_further_attempts),
        cmocka_unit_test(files_upload_names__cuts_long_names_before_their_extension),
        cmocka_unit_test(files_upload_names__trims_after_the_cut),
        cmocka_unit_test(files_upload_names__checks_names_from_records),
        cmocka_unit_test(files_upload_names__is_safe_for_all_short_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
