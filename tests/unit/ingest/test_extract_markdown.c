/* Markdown: lib/ingest/extract_markdown.c. */
#include "ingest/extract.h"

#include "unit/ingest/documents.h"

static void ingest_markdown__finds_headings_of_both_kinds(void **state)
{
    (void)state;
    assert_blocks(
        BYTES("# One\n## Two ##\ntext\n\nThree\n=====\n\nFour\n---\n#notone\n###### Six\n"), "a.md",
        "H1:One|H2:Two|P:text|H1:Three|H2:Four|P:#notone|H6:Six");
    assert_blocks(BYTES("two\nlines\n---\nmore\n\n#\n\n####### seven\n"), "a.md",
                  "P:two\nlines\n---\nmore|P:####### seven");
}

static void ingest_markdown__keeps_fenced_code_whole(void **state)
{
    (void)state;
    assert_blocks(BYTES("a\n```c\n# no heading\n\n- no item\n```\nb\n~~~~\n```\n~~~\n~~~~\nc\n"),
                  "a.md",
                  "P:a|C:```c\n# no heading\n\n- no item\n```|P:b|C:~~~~\n```\n~~~\n~~~~|P:c");
    assert_blocks(BYTES("```\nnever closed\n\nx\n"), "a.md", "C:```\nnever closed\n\nx");
    assert_blocks(BYTES("``` inline ``` code\n"), "a.md", "P:``` inline ``` code");
}

static void ingest_markdown__finds_indented_code_but_not_in_lists(void **state)
{
    (void)state;
    assert_blocks(BYTES("a\n\n    code\n\n    more\n\nb\n"), "a.md", "P:a|C:code\n\n    more|P:b");
    assert_blocks(BYTES("- item\n\n    its paragraph\n\nend\n"), "a.md",
                  "L:- item|P:its paragraph|P:end");
}

static void ingest_markdown__finds_list_items_and_quotes(void **state)
{
    (void)state;
    assert_blocks(BYTES("- a\n  still a\n  - b\n1. c\n2) d\n\nword\n> quoted\n> more\n"), "a.md",
                  "L:- a\n  still a|L:- b|L:1. c|L:2) d|P:word|P:> quoted\n> more");
    assert_blocks(BYTES("**bold**\n*emphasis*\n"), "a.md", "P:**bold**\n*emphasis*");
}

static void ingest_markdown__gives_a_block_for_each_row(void **state)
{
    (void)state;
    assert_blocks(BYTES("| k | v |\n| --- | :-: |\n| a | 1 |\nb | 2\n\nnot | a row\n"), "a.md",
                  "R:| k | v ||R:| a | 1 ||R:b | 2|P:not | a row");
}

static void ingest_markdown__knows_front_matter(void **state)
{
    (void)state;
    assert_blocks(BYTES("---\ntitle: x\n# no heading\n---\n# Yes\n"), "a.md",
                  "C:title: x\n# no heading|H1:Yes");
    assert_blocks(BYTES("---\n\nnever closed\n"), "a.md", "P:---|P:never closed");
}

static void ingest_markdown__leaves_the_text_as_it_is(void **state)
{
    static const char source[] = "# A [b](c) *d*\n\n<img src='x'>\n\n| - |\n";
    (void)state;
    assert_text(BYTES(source), "a.md", source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_markdown__finds_headings_of_both_kinds),
        cmocka_unit_test(ingest_markdown__keeps_fenced_code_whole),
        cmocka_unit_test(ingest_markdown__finds_indented_code_but_not_in_lists),
        cmocka_unit_test(ingest_markdown__finds_list_items_and_quotes),
        cmocka_unit_test(ingest_markdown__gives_a_block_for_each_row),
        cmocka_unit_test(ingest_markdown__knows_front_matter),
        cmocka_unit_test(ingest_markdown__leaves_the_text_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
