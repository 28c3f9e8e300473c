/* JSON and JSON Lines: lib/ingest/extract_json.c. */
#include "ingest/extract.h"

#include "unit/ingest/documents.h"

static void ingest_json__writes_paths_and_values(void **state)
{
    (void)state;
    assert_text(
        BYTES("{\"key1\": \"text\", \"key2\": 1234, \"key3\": [\"x\", true], \"none\": null}"),
        "a.json", "key1: text\nkey2: 1234\nkey3[0]: x\nkey3[1]: true");
    assert_text(BYTES("{\"a\": {\"b\": [{\"c\": 1.5}]}}"), "a.json", "a.b[0].c: 1.5");
    assert_text(BYTES("[\"x\", \"y\"]"), "a.json", "[0]: x\n[1]: y");
    assert_text(BYTES("\"only a string\""), "a.json", "only a string");
}

static void ingest_json__gives_a_block_for_each_record(void **state)
{
    (void)state;
    assert_blocks(BYTES("[{\"n\": 1, \"m\": 2}, {\"n\": 3}]"), "a.json", "R:n: 1\nm: 2|R:n: 3");
    assert_blocks(BYTES("{\"a\": 1, \"b\": {\"c\": 2}, \"d\": [{\"e\": 3}, {\"e\": 4}], \"f\": 5}"),
                  "a.json", "R:a: 1|R:b.c: 2|R:d[0].e: 3|R:d[1].e: 4|R:f: 5");
}

static void ingest_json__reads_json_lines(void **state)
{
    (void)state;
    assert_blocks(BYTES("{\"a\": 1}\n\n{\"a\": 2}\n"), "a.jsonl", "R:a: 1|R:a: 2");
    /* … also under the other name, and the other way round. */
    assert_blocks(BYTES("{\"a\": 1}\n{\"a\": 2}\n"), "a.json", "R:a: 1|R:a: 2");
    assert_blocks(BYTES("[\n{\"a\": 1}\n]"), "a.jsonl", "R:a: 1");
}

static void ingest_json__takes_what_is_no_json_for_text(void **state)
{
    rsi_extracted extracted;

    (void)state;
    assert_blocks(BYTES("{\"a\": 1, oops\n\nend"), "a.json", "P:{\"a\": 1, oops|P:end");
    assert_int_equal(rsi_extract(&extracted, BYTES("{\"a\": 1"), "a.json", NULL), RAGSTORE_OK);
    assert_string_equal(extracted.media_type, "text/plain");
    rsi_extracted_free(&extracted);
}

static void ingest_json__survives_depth(void **state)
{
    size_t size;
    char *deep = repeated("[", 1000000, &size);
    rsi_extracted extracted;

    (void)state;
    deep[size - 1] = 'x';
    assert_int_equal(rsi_extract(&extracted, deep, size, "a.json", NULL), RAGSTORE_OK);
    assert_string_equal(extracted.media_type, "text/plain");
    rsi_extracted_free(&extracted);
    free(deep);
}

static void ingest_json__drops_escaped_control_characters(void **state)
{
    (void)state;
    assert_text(BYTES("{\"a\\u0007b\": \"c\\u0001d\\r\\ne\"}"), "a.json", "ab: cd\ne");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_json__writes_paths_and_values),
        cmocka_unit_test(ingest_json__gives_a_block_for_each_record),
        cmocka_unit_test(ingest_json__reads_json_lines),
        cmocka_unit_test(ingest_json__takes_what_is_no_json_for_text),
        cmocka_unit_test(ingest_json__survives_depth),
        cmocka_unit_test(ingest_json__drops_escaped_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
