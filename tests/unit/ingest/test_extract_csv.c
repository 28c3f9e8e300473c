/* Comma-separated values: lib/ingest/extract_csv.c, extract_csv_read.c, extract_row.c. */
#include "ingest/extract_csv.h"

#include "unit/ingest/documents.h"

static void ingest_csv__repeats_the_names_in_each_row(void **state)
{
    (void)state;
    assert_blocks(BYTES("Country,Capital,Note\nAfghanistan,Kabul,\nAlbania,Tirana,x\n"), "a.csv",
                  "R:Country: Afghanistan; Capital: Kabul|R:Country: Albania; Capital: Tirana; "
                  "Note: x");
}

static void ingest_csv__does_without_a_head(void **state)
{
    (void)state;
    assert_blocks(BYTES("Ann,31\nBob,42\n"), "a.csv", "R:Ann; 31|R:Bob; 42");
    assert_blocks(BYTES("a,b\n"), "a.csv", "R:a; b");
    assert_blocks(BYTES("Land,2019,2020\nX,1,2\n"), "a.csv", "R:Land: X; 2019: 1; 2020: 2");
}

static void ingest_csv__reads_quoted_fields(void **state)
{
    (void)state;
    assert_blocks(BYTES("a,b\n\"x, y\",\"say \"\"hi\"\"\nnow\"\n"), "a.csv",
                  "R:a: x, y; b: say \"hi\" now");
    assert_blocks(BYTES("a,b\n\"stray,1\nx,2\n"), "a.csv", "R:a: \"stray; b: 1|R:a: x; b: 2");
    assert_blocks(BYTES("a,b\n5\" pipe,1\n"), "a.csv", "R:a: 5\" pipe; b: 1");
}

static void ingest_csv__finds_the_delimiter(void **state)
{
    (void)state;
    assert_blocks(BYTES("a;b\n1,5;2,5\n3,5;4,5\n"), "a.csv", "R:a: 1,5; b: 2,5|R:a: 3,5; b: 4,5");
    assert_blocks(BYTES("a\tb\nx y\tz\n"), "a.tsv", "R:a: x y; b: z");
    assert_blocks(BYTES("a|b\nx|z\n"), "a.csv", "R:a: x; b: z");
    assert_blocks(BYTES("word\nx\ny\n"), "a.csv", "R:word: x|R:word: y");
}

static void ingest_csv__keeps_fields_without_a_name(void **state)
{
    (void)state;
    assert_blocks(BYTES("a,b\n1,2,3\n\n,\n4\n"), "a.csv", "R:1; 2; 3|R:a: 4");
}

/* A row too wide for one thought: each line says whose it is. */
static void ingest_csv__names_each_line_of_a_wide_row(void **state)
{
    rsi_bytes source = {0};
    rsi_extracted extracted;

    (void)state;
    rsi_bytes_append_text(&source, "code,country name,currency name");
    for (int i = 0; i < 40; i++)
        rsi_bytes_printf(&source, ",column %c%c", 'a' + i / 26, 'a' + i % 26);
    for (int row = 0; row < 20; row++) {
        rsi_bytes_printf(&source, "\nX%d,Land %c,Euro", row, 'A' + row);
        for (int i = 0; i < 40; i++)
            rsi_bytes_printf(&source, ",value %d", i);
    }
    assert_int_equal(rsi_extract(&extracted, source.data, source.size, "a.csv", NULL), RAGSTORE_OK);
    assert_int_equal(extracted.block_count, 20);
    char *save = NULL;
    unsigned lines = 0;
    extracted.text.data[extracted.blocks[0].end] = '\0';
    for (char *line = strtok_r(extracted.text.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        assert_memory_equal(line, "country name: Land A; ", 22);
        assert_true(strlen(line) <= 300);
        lines++;
    }
    assert_true(lines > 3);
    rsi_extracted_free(&extracted);
    rsi_bytes_free(&source);
}

static void ingest_csv__answers_from_one_row_of_the_shared_table(void **state)
{
    size_t size = 0;
    rsi_extracted extracted;
    char *bytes = read_document("country-codes.csv", &size);

    (void)state;
    if (bytes == NULL)
        return;
    assert_int_equal(rsi_extract(&extracted, bytes, size, "country-codes.csv", NULL), RAGSTORE_OK);
    char *line = strstr(extracted.text.data, "Capital: Kabul");
    assert_non_null(line);
    while (line > extracted.text.data && line[-1] != '\n')
        line--;
    *strchr(line, '\n') = '\0';
    assert_non_null(strstr(line, "Afghanistan"));
    rsi_extracted_free(&extracted);
    free(bytes);
}

static void ingest_csv__is_linear_in_hostile_tables(void **state)
{
    static const char *const patterns[] = {"\"", "a,\"b\n", "a,", ",x\n", "\"\"\"", "a;b,c|d\t"};

    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        size_t size;
        char *source = repeated(patterns[i], 1000000 / strlen(patterns[i]), &size);
        rsi_extracted extracted;
        int status = rsi_extract(&extracted, source, size, "a.csv", NULL);
        assert_true(status == RAGSTORE_OK || status == RAGSTORE_E_NOT_EXTRACTABLE);
        if (status == RAGSTORE_OK)
            assert_well_formed(&extracted);
        rsi_extracted_free(&extracted);
        free(source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_csv__repeats_the_names_in_each_row),
        cmocka_unit_test(ingest_csv__does_without_a_head),
        cmocka_unit_test(ingest_csv__reads_quoted_fields),
        cmocka_unit_test(ingest_csv__finds_the_delimiter),
        cmocka_unit_test(ingest_csv__keeps_fields_without_a_name),
        cmocka_unit_test(ingest_csv__names_each_line_of_a_wide_row),
        cmocka_unit_test(ingest_csv__answers_from_one_row_of_the_shared_table),
        cmocka_unit_test(ingest_csv__is_linear_in_hostile_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
