/* Plain text, reStructuredText, source code: lib/ingest/extract_plain.c. */
#include "ingest/extract.h"

#include "unit/ingest/documents.h"

static void ingest_plain__parts_paragraphs_at_blank_lines(void **state)
{
    (void)state;
    assert_blocks(BYTES("one\ntwo\n\n \t\nthree\n"), "a.txt", "P:one\ntwo|P:three");
}

static void ingest_plain__ranks_underlined_headings_by_appearance(void **state)
{
    (void)state;
    assert_blocks(BYTES("Top\n===\n\nx\n\nSub\n---\n\ny\n\nDeep\n~~~~\n\nSub 2\n-----\nz\n"),
                  "a.rst", "H1:Top|P:x|H2:Sub|P:y|H3:Deep|H2:Sub 2|P:z");
    assert_blocks(BYTES("=====\n Top\n=====\n\nPart\n====\n"), "a.rst", "H1:Top|H2:Part");
}

static void ingest_plain__takes_no_rule_for_a_heading(void **state)
{
    (void)state;
    assert_blocks(BYTES("words\n\n-----\n\nmore\n"), "a.txt", "P:words|P:-----|P:more");
    assert_blocks(BYTES("====  ====\na     b\n====  ====\n"), "a.rst",
                  "P:====  ====\na     b\n====  ====");
}

static void ingest_plain__takes_a_first_line_alone_for_the_title(void **state)
{
    (void)state;
    assert_blocks(BYTES("\nOf gulls\n\nGulls are loud, and they are seen on every quay.\n"),
                  "a.txt", "H1:Of gulls|P:Gulls are loud, and they are seen on every quay.");
    assert_blocks(BYTES("Of gulls\n\nLoud\n====\nGulls are loud, and seen on every quay.\n"),
                  "a.txt", "H1:Of gulls|H2:Loud|P:Gulls are loud, and seen on every quay.");
    /* two lines, a short note, an item, something indented, an announcement: no titles */
    assert_blocks(BYTES("Of gulls\nand terns\n\nThey are loud, and seen on every quay of it.\n"),
                  "a.txt", "P:Of gulls\nand terns|P:They are loud, and seen on every quay of it.");
    assert_blocks(BYTES("Buy bread and tea\n\nCall the harbour\n"), "a.txt",
                  "P:Buy bread and tea|P:Call the harbour");
    assert_blocks(BYTES("- one\n\nGulls are loud, and they are seen on every quay.\n"), "a.txt",
                  "L:- one|P:Gulls are loud, and they are seen on every quay.");
    assert_blocks(BYTES("  one\n\nGulls are loud, and they are seen on every quay.\n"), "a.txt",
                  "P:one|P:Gulls are loud, and they are seen on every quay.");
    assert_blocks(BYTES("Like this:\n\nGulls are loud, and they are seen on every quay.\n"),
                  "a.txt", "P:Like this:|P:Gulls are loud, and they are seen on every quay.");
}

static void ingest_plain__finds_list_items(void **state)
{
    (void)state;
    assert_blocks(BYTES("List:\n- one\n  goes on\n* two\n3. three\n"), "a.txt",
                  "P:List:|L:- one\n  goes on|L:* two|L:3. three");
    assert_blocks(BYTES("- one\n\nnot - an item\n-5 degrees\n"), "a.txt",
                  "L:- one|P:not - an item\n-5 degrees");
}

static void ingest_plain__knows_code_behind_a_double_colon(void **state)
{
    (void)state;
    assert_blocks(BYTES("Like this::\n\n    a = 1\n\n    b = 2\n\nand so on\n\n    quoted\n"),
                  "a.rst", "P:Like this::|C:a = 1|C:b = 2|P:and so on|P:quoted");
}

static void ingest_plain__leaves_the_text_as_it_is(void **state)
{
    (void)state;
    assert_text(BYTES("  a \n\n\n b\t"), "a.txt", "  a \n\n\n b\t");
}

static void ingest_code__parts_at_blank_lines(void **state)
{
    (void)state;
    assert_blocks(BYTES("int a;\nint b;\n\n/* c */\n- d\n"), "a.c",
                  "C:int a;\nint b;|C:/* c */\n- d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_plain__parts_paragraphs_at_blank_lines),
        cmocka_unit_test(ingest_plain__ranks_underlined_headings_by_appearance),
        cmocka_unit_test(ingest_plain__takes_no_rule_for_a_heading),
        cmocka_unit_test(ingest_plain__takes_a_first_line_alone_for_the_title),
        cmocka_unit_test(ingest_plain__finds_list_items),
        cmocka_unit_test(ingest_plain__knows_code_behind_a_double_colon),
        cmocka_unit_test(ingest_plain__leaves_the_text_as_it_is),
        cmocka_unit_test(ingest_code__parts_at_blank_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
