/* Pages of the web: lib/ingest/extract_html*.c. */
#include "ingest/extract.h"

#include "unit/ingest/documents.h"

#include <time.h>

static void ingest_html__makes_blocks_of_elements(void **state)
{
    (void)state;
    assert_blocks(BYTES("<h1>Top</h1><p>One<p>Two<h3>Deep</h3><ul><li>a<li><p>b</p></ul>"
                        "<pre>\nx\n  y\n</pre>tail"),
                  "a.html", "H1:Top|P:One|P:Two|H3:Deep|L:- a|L:- b|C:x\n  y|P:tail");
}

static void ingest_html__folds_white_space(void **state)
{
    (void)state;
    assert_text(BYTES("<p> a\n\t b&nbsp;&#160;c<b> d </b>e<i>f</i>\xC2\xADg</p>"), "a.html",
                "a b c d efg");
    assert_text(BYTES("<p>one<br>two<br/> three</p>"), "a.html", "one\ntwo\nthree");
}

static void ingest_html__parts_blocks_with_a_blank_line(void **state)
{
    (void)state;
    assert_text(BYTES("<div>a<div>b</div></div><ul><li>c<li>d</ul>e"), "a.html",
                "a\n\nb\n\n- c\n- d\n\ne");
}

static void ingest_html__decodes_entities(void **state)
{
    (void)state;
    assert_text(BYTES("<p>&auml;&#228;&#xE4;&Auml; &lt;b&gt; &amp;amp; &euro; &hellip;</p>"),
                "a.html", "äääÄ <b> &amp; € …");
    assert_text(BYTES("<p>&nosuch; & &; &#; &#x; a&b &copy 2020 &nbsp</p>"), "a.html",
                "&nosuch; & &; &#; &#x; a&b © 2020");
    assert_text(BYTES("<p>x&#150;y &#x1F600; &#xD800;&#99999999999; &#0;</p>"), "a.html",
                "x–y 😀 \xEF\xBF\xBD\xEF\xBF\xBD \xEF\xBF\xBD");
}

static void ingest_html__drops_what_is_not_read(void **state)
{
    (void)state;
    assert_text(BYTES("<head><style>p{}</style><script>if (a<b) '</p>'</script></head>"
                      "<nav><a>Home</a></nav><p>Text</p><noscript>no</noscript><svg><text>no</text>"
                      "</svg><template><p>no</p></template><footer>no</footer><!-- <p>no -->"
                      "<select><option>no</select><button>no</button>"),
                "a.html", "Text");
    assert_text(BYTES("<p>a<span hidden>no</span> <b style='DISPLAY : none'>no</b>"
                      "<i aria-hidden=true>no</i><i aria-hidden=false>b</i>"
                      "<div role=\"navigation\"><div>no</div>no</div> c"),
                "a.html", "a b\n\nc");
    assert_text(BYTES("<ul><li hidden>no<ul><li>no</ul><li>yes</ul>"), "a.html", "- yes");
    assert_text(BYTES("<p>fact<sup class='reference'><a>[1]</a></sup>. x<sup>2</sup></p>"),
                "a.html", "fact. x2");
}

static void ingest_html__keeps_all_when_a_dropped_element_never_ends(void **state)
{
    (void)state;
    assert_text(BYTES("<nav>menu<p>The article</p>"), "a.html", "menu\n\nThe article");
    assert_text(BYTES("<p>a</p><svg/><p>b</p>"), "a.html", "a\n\nb");
}

static void ingest_html__keeps_only_the_main_part(void **state)
{
    rsi_bytes page = {0};
    rsi_extracted extracted;

    (void)state;
    rsi_bytes_append_text(&page, "<div>Header of the site</div><main><h1>Article</h1>");
    for (int i = 0; i < 20; i++)
        rsi_bytes_append_text(&page, "<p>A sentence of the article that goes on.</p>");
    rsi_bytes_append_text(&page, "</main><div>Related stories</div>");
    assert_int_equal(rsi_extract(&extracted, page.data, page.size, "a.html", NULL), RAGSTORE_OK);
    assert_well_formed(&extracted);
    assert_memory_equal(extracted.text.data, "Article\n\nA sentence", 19);
    assert_null(strstr(extracted.text.data, "Related"));
    rsi_extracted_free(&extracted);
    rsi_bytes_free(&page);
    /* A main part with next to nothing in it is not believed. */
    assert_text(BYTES("<main>x</main><p>All that matters stands here, outside.</p>"), "a.html",
                "x\n\nAll that matters stands here, outside.");
}

static void ingest_html__puts_the_title_where_no_first_heading_is(void **state)
{
    (void)state;
    assert_blocks(BYTES("<title> The\n&amp; title </title><p>a</p><h2>b</h2>"), "a.html",
                  "H1:The & title|P:a|H2:b");
    assert_blocks(BYTES("<title>no</title><h1>yes</h1><p>a</p>"), "a.html", "H1:yes|P:a");
    assert_blocks(BYTES("<title>only a title</title>"), "a.html", "H1:only a title");
}

static void ingest_html__reads_tables_row_by_row(void **state)
{
    (void)state;
    assert_blocks(BYTES("<table><caption>Cities</caption><tr><th>Country<th>Capital</tr>"
                        "<tr><td>Italy<td><b>Rome</b><tr><td>Spain<td>Madrid</table>"),
                  "a.html",
                  "P:Cities|R:Country; Capital|R:Country: Italy; Capital: Rome|R:Country: Spain; "
                  "Capital: Madrid");
    assert_blocks(BYTES("<table><tr><th>Kingdom:<td>Animalia<tr><td>Class:<td>Aves"
                        "<tr><td>a<td>b<tr><td colspan=2>wide</table>"),
                  "a.html", "R:Kingdom: Animalia|R:Class: Aves|R:a; b|R:wide");
    assert_blocks(BYTES("<table><tr><th>a<th>b<tr><td rowspan=2>1<td>2<tr><td>3<tr><td>4<td>5"
                        "</table>"),
                  "a.html", "R:a; b|R:1; 2|R:3|R:a: 4; b: 5");
    assert_blocks(BYTES("<table><tr><th>a<th>b<tr><td rowspan=2>1<td>2<tr><td>3<td>4</table>"),
                  "a.html", "R:a; b|R:1; 2|R:3; 4");
    assert_blocks(BYTES("<table><tr><td><ul><li>x<li>y</ul><td><p>p<p>q</table>"), "a.html",
                  "R:x, y; p q");
}

static void ingest_html__reads_layout_tables_as_paragraphs(void **state)
{
    (void)state;
    assert_blocks(BYTES("<table><tr><td>menu<td><h1>Title</h1><p>One<p>Two"
                        "<table><tr><td>k<td>v</table></table>end"),
                  "a.html", "P:menu|H1:Title|P:One|P:Two|R:k; v|P:end");
}

static void ingest_html__reads_broken_markup(void **state)
{
    (void)state;
    assert_text(BYTES("<p>a < b and 1<2 </p ><p>c</"), "a.html", "a < b and 1<2\n\nc");
    assert_text(BYTES("<p a=\">\" b='>' c=d>x</p><b y=\"never closed>z"), "a.html", "x");
    assert_text(BYTES("<!doctype html><![CDATA[no]]><?php no ?><P>Yes</P>"), NULL, "Yes");
    assert_text(BYTES("</p></table></td></li>x</h1>"), "a.html", "x");
    assert_text(BYTES("<td>x</td><tr>y"), "a.html", "x\n\ny");
    assert_text(BYTES("<p>x<!-->y<!-- -- --->z"), "a.html", "xyz");
}

static void ingest_html__reads_the_shared_page_as_a_person_would(void **state)
{
    size_t size = 0;
    rsi_extracted extracted;
    char *bytes = read_document("duck.html", &size);

    (void)state;
    if (bytes == NULL)
        return;
    assert_int_equal(rsi_extract(&extracted, bytes, size, "duck.html", NULL), RAGSTORE_OK);
    const char *text = extracted.text.data;
    assert_memory_equal(text, "Duck\n\n", 6);
    assert_non_null(strstr(text, "\n\nA male is called a drake and the female is called a duck, or "
                                 "in ornithology a hen.\n\n"));
    assert_non_null(strstr(text, "\n\nKingdom: Animalia\n\n"));
    assert_non_null(strstr(text, "\n\nSee also\n\n- Domestic duck\n- Duck as food\n"));
    assert_null(strstr(text, "[edit]"));
    assert_null(strstr(text, "document.cookie"));
    assert_null(strstr(text, "Privacy policy"));
    assert_null(strstr(text, "Random article"));
    rsi_extracted_free(&extracted);
    free(bytes);
}

/* Each of these makes some parser slow or deep; a second is many times what is needed. */
static void ingest_html__is_linear_in_hostile_pages(void **state)
{
    static const char *const patterns[] = {
        "<div>",      "<table><tr><td>a",
        "<",          "<title>",
        "<script>",   "<!--",
        "<p hidden>", "&amp",
        "&#1",        "<a b=\"",
        "<ul><li>",   "</b>",
        "<nav>",      "<td>x",
        "<b>x</i>",   "<a b c d e>x",
        "<h1>x",      "<textarea>x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        size_t size;
        char *page = repeated(patterns[i], 2000000 / strlen(patterns[i]), &size);
        rsi_extracted extracted;
        clock_t before = clock();
        int status = rsi_extract(&extracted, page, size, "a.html", NULL);
        double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
        assert_true(status == RAGSTORE_OK || status == RAGSTORE_E_NOT_EXTRACTABLE);
        if (status == RAGSTORE_OK)
            assert_well_formed(&extracted);
        if (seconds > 10)
            fail_msg("%s: %.1f s", patterns[i], seconds);
        rsi_extracted_free(&extracted);
        free(page);
    }
}

static void ingest_html__takes_a_tag_with_any_number_of_attributes(void **state)
{
    rsi_bytes page = {0};

    (void)state;
    rsi_bytes_append_text(&page, "<p");
    for (int i = 0; i < 200000; i++)
        rsi_bytes_printf(&page, " a%d", i);
    rsi_bytes_append_text(&page, ">hello");
    assert_text(page.data, page.size, "a.html", "hello");
    rsi_bytes_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_html__makes_blocks_of_elements),
        cmocka_unit_test(ingest_html__folds_white_space),
        cmocka_unit_test(ingest_html__parts_blocks_with_a_blank_line),
        cmocka_unit_test(ingest_html__decodes_entities),
        cmocka_unit_test(ingest_html__drops_what_is_not_read),
        cmocka_unit_test(ingest_html__keeps_all_when_a_dropped_element_never_ends),
        cmocka_unit_test(ingest_html__keeps_only_the_main_part),
        cmocka_unit_test(ingest_html__puts_the_title_where_no_first_heading_is),
        cmocka_unit_test(ingest_html__reads_tables_row_by_row),
        cmocka_unit_test(ingest_html__reads_layout_tables_as_paragraphs),
        cmocka_unit_test(ingest_html__reads_broken_markup),
        cmocka_unit_test(ingest_html__reads_the_shared_page_as_a_person_would),
        cmocka_unit_test(ingest_html__is_linear_in_hostile_pages),
        cmocka_unit_test(ingest_html__takes_a_tag_with_any_number_of_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
