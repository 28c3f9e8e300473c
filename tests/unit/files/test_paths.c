/* Ids, directory names and paths: lib/files/paths.c. */
#include "files/paths.h"

#include "base/digest.h"
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_refused(const char *id, const char *rule)
{
    if (rsi_entity_id_check(id) != RAGSTORE_E_INVALID_ARGUMENT)
        fail_msg("accepted: '%s'", id == NULL ? "(NULL)" : id);
    if (strstr(rsi_error_message(), rule) == NULL)
        fail_msg("'%s' does not say '%s'", rsi_error_message(), rule);
}

static void files_paths__accepts_ids_of_existing_deployments(void **state)
{
    static const char *const ids[] = {
        "a",
        "acme-corp",
        "Größe 7",
        "日本語",
        "user@example.org",
        "a b",
        "..a",
        "a..",
        "...",
        "%41",
        "x:y*z?",
        "\xF0\x9F\x90\x98",
        "ends with dot.",
        "-",
        "'quoted\"",
    };
    char longest[129];

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (rsi_entity_id_check(ids[i]) != RAGSTORE_OK)
            fail_msg("refused: '%s': %s", ids[i], rsi_error_message());
    memset(longest, 'x', 128);
    longest[128] = '\0';
    assert_int_equal(rsi_entity_id_check(longest), RAGSTORE_OK);
}

static void files_paths__refuses_ids_and_says_which_rule(void **state)
{
    char too_long[130];

    (void)state;
    memset(too_long, 'x', 129);
    too_long[129] = '\0';
    assert_refused(NULL, "NULL");
    assert_refused("", "empty");
    assert_refused(too_long, "too long");
    assert_refused("a\xFF", "UTF-8");
    assert_refused("\xC0\xAF", "UTF-8");
    assert_refused("\xED\xA0\x80", "UTF-8");
    assert_refused(".", "'.'");
    assert_refused("..", "'..'");
    assert_refused("a/b", "slash");
    assert_refused("/", "slash");
    assert_refused("../../etc/passwd", "slash");
    assert_refused("a\\b", "slash");
    assert_refused("a\nb", "control");
    assert_refused("\x01", "control");
    assert_refused("a\x7F", "control");
    assert_refused("a\xC2\x80z", "control");
    assert_refused("a\xC2\x9Fz", "control");
    assert_refused("a\xC2\x85", "control");
    assert_refused(" a", "starts with white space");
    assert_refused("a ", "ends with white space");
    assert_refused("\xC2\xA0"
                   "a",
                   "starts with white space");
    assert_refused("a\xE3\x80\x80", "ends with white space");
    assert_refused("a\xE2\x80\xA8", "ends with white space");
    assert_refused("\xE1\x9A\x80", "starts with white space");
}

static void assert_directory(const char *id, const char *expected)
{
    char directory[RSI_DIRECTORY_MAX];

    rsi_entity_directory(directory, id);
    assert_string_equal(directory, expected);
}

static void files_paths__escapes_what_file_systems_fold_or_forbid(void **state)
{
    (void)state;
    assert_directory("acme-corp_7.x", "acme-corp_7.x");
    assert_directory("Acme", "%41cme");
    assert_directory("acme", "acme");
    assert_directory(".hidden", "%2Ehidden");
    assert_directory("...", "%2E..");
    assert_directory("a%41", "a%2541");
    assert_directory("a b", "a%20b");
    assert_directory("\xC3\xA9", "%C3%A9");
    assert_directory("~", "%7E");
}

static void files_paths__cuts_long_names_and_keeps_them_apart(void **state)
{
    char id[129];
    char first[RSI_DIRECTORY_MAX];
    char second[RSI_DIRECTORY_MAX];
    char hex[RSI_SHA256_HEX];

    (void)state;
    memset(id, 'A', 128);
    id[128] = '\0';
    rsi_entity_directory(first, id);
    rsi_sha256_hex(id, 128, hex);
    assert_int_equal(strlen(first), 200);
    assert_memory_equal(first, "%41%41%41", 9);
    assert_memory_equal(first + 134, "%-", 2);
    assert_string_equal(first + 136, hex);

    id[127] = 'B';
    rsi_entity_directory(second, id);
    assert_int_equal(strlen(second), 200);
    assert_string_not_equal(first, second);

    /* 200 bytes exactly are not cut: 36 escapes and 92 plain ones; one more escape is. */
    memset(id, 'a', 128);
    memset(id, 'A', 36);
    rsi_entity_directory(first, id);
    assert_int_equal(strlen(first), 200);
    assert_null(strstr(first, "%-"));
    id[36] = 'A';
    rsi_entity_directory(first, id);
    assert_int_equal(strlen(first), 200);
    assert_non_null(strstr(first, "%-"));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Every id of one or two bytes that a C string can hold, valid or not, has its own name, also
 * when case is folded. */
static void files_paths__directory_names_are_injective(void **state)
{
    static char names[255 * 256][8];
    char directory[RSI_DIRECTORY_MAX];
    size_t count = 0;

    (void)state;
    for (int a = 1; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char id[3] = {(char)a, (char)b, '\0'};
            rsi_entity_directory(directory, id);
            assert_true(strlen(directory) < sizeof names[0]);
            for (char *c = directory; *c != '\0'; c++)
                if (*c >= 'A' && *c <= 'Z')
                    *c = (char)(*c + 'a' - 'A');
            memcpy(names[count++], directory, strlen(directory) + 1);
        }
    }
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            fail_msg("two ids share %s", names[i]);
}

static void files_paths__builds_every_path_from_the_id(void **state)
{
    (void)state;
    assert_string_equal(rsi_path_uploads("Acme").text, "uploads/%41cme");
    assert_string_equal(rsi_path_upload("acme", "a b.pdf").text, "uploads/acme/a b.pdf");
    assert_string_equal(rsi_path_entity("acme").text, "entity_scoped/entities/acme");
    assert_string_equal(rsi_path_in_entity("acme", "vector_store/index.faiss").text,
                        "entity_scoped/entities/acme/vector_store/index.faiss");
    assert_string_equal(rsi_path_journal(18446744073709551615u).text,
                        "api_storage/journal-18446744073709551615.ndjson");
    assert_string_equal(rsi_path_collection("notes").text, "api_storage/collections/notes.json");
    assert_string_equal(rsi_path_collection("../../x").text,
                        "api_storage/collections/%2E.%2F..%2Fx.json");
}

static void files_paths__gives_no_path_for_an_unsafe_upload_name(void **state)
{
    (void)state;
    assert_string_equal(rsi_path_upload("acme", "../x").text, "");
    assert_string_equal(rsi_path_upload("acme", "").text, "");
    assert_string_equal(rsi_path_upload("acme", ".tmp-1").text, "");
}

static void files_paths__finds_a_collection_by_its_file(void **state)
{
    static const char *const others[] = {
        "",          ".json",     "notes",     "notes.json.tmp", ".tmp-12.json", "No.json",
        "%6Eo.json", "%4.json",   "%4G.json",  "%2E.json",       "a b.json",     "%",
        "%4Fo.JSON", "%4fo.json", "../x.json", "a/b.json"};
    char name[RSI_COLLECTION_NAME_MAX];
    (void)state;
    assert_true(rsi_collection_name_of_file(name, "notes.json"));
    assert_string_equal(name, "notes");
    assert_true(rsi_collection_name_of_file(name, "%4Fne_-2.json"));
    assert_string_equal(name, "One_-2");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (rsi_collection_name_of_file(name, others[i]))
            fail_msg("%s is taken for the file of %s", others[i], name);
    char longest[RSI_COLLECTION_NAME_MAX];
    memset(longest, 'Z', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    rsi_path path = rsi_path_collection(longest);
    assert_true(rsi_collection_name_of_file(name, path.text + sizeof RSI_PATH_COLLECTIONS));
    assert_string_equal(name, longest);
    assert_false(rsi_collection_name_is_valid(""));
    assert_false(rsi_collection_name_is_valid("a.b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_paths__accepts_ids_of_existing_deployments),
        cmocka_unit_test(files_paths__refuses_ids_and_says_which_rule),
        cmocka_unit_test(files_paths__escapes_what_file_systems_fold_or_forbid),
        cmocka_unit_test(files_paths__cuts_long_names_and_keeps_them_apart),
        cmocka_unit_test(files_paths__directory_names_are_injective),
        cmocka_unit_test(files_paths__builds_every_path_from_the_id),
        cmocka_unit_test(files_paths__gives_no_path_for_an_unsafe_upload_name),
        cmocka_unit_test(files_paths__finds_a_collection_by_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
