/* The chunker: lib/ingest/chunk.c, chunk_split.c, chunk_heading.c, chunk_tokens.c. */
#include "ingest/chunk.h"

#include "base/memory.h"
#include "harness/fault_memory.h"
#include "unit/ingest/documents.h"

#include <time.h>

/* A token is a run of characters between white space, as far as 8 bytes. */
static int count_words(size_t *count, void *user, const char *text, size_t size)
{
    size_t run = 0;
    (void)user;
    *count = 0;
    for (size_t i = 0; i < size; i++) {
        run = strchr(" \n\t", text[i]) != NULL ? 0 : run + 1;
        *count += run % 8 == 1;
    }
    return RAGSTORE_OK;
}

static rsi_chunker_options words(uint32_t max_tokens, uint32_t overlap)
{
    return (rsi_chunker_options){
        .max_tokens = max_tokens, .overlap_tokens = overlap, .count_tokens = count_words};
}

/* ---- all chunks of a text ---- */

typedef struct chunk_list {
    rsi_chunk *items;
    size_t count;
    size_t capacity;
} chunk_list;

static void free_chunks(chunk_list *chunks)
{
    for (size_t i = 0; i < chunks->count; i++)
        rsi_free((char *)(uintptr_t)chunks->items[i].heading);
    rsi_free(chunks->items);
    memset(chunks, 0, sizeof *chunks);
}

static int keep_chunk(void *user, const rsi_chunk *chunk)
{
    chunk_list *chunks = user;
    if (!rsi_grow((void **)&chunks->items, &chunks->capacity, chunks->count + 1,
                  sizeof *chunks->items))
        return RAGSTORE_E_NO_MEMORY;
    rsi_chunk *copy = &chunks->items[chunks->count];
    *copy = *chunk;
    if (chunk->heading != NULL && (copy->heading = rsi_strdup(chunk->heading)) == NULL)
        return RAGSTORE_E_NO_MEMORY;
    chunks->count++;
    return RAGSTORE_OK;
}

static int collect(chunk_list *chunks, const rsi_extracted *extracted,
                   const rsi_chunker_options *options)
{
    memset(chunks, 0, sizeof *chunks);
    int status = rsi_chunk_text(extracted, options, keep_chunk, chunks);
    if (status != RAGSTORE_OK)
        free_chunks(chunks);
    return status;
}

static bool is_covered(const chunk_list *chunks, size_t *at, size_t offset)
{
    while (*at < chunks->count && chunks->items[*at].end <= offset)
        ++*at;
    return *at < chunks->count && chunks->items[*at].start <= offset;
}

/* What must hold for any text: not empty, in order, on character borders, no word is missing, and
 * none is longer than allowed. */
static void assert_sound(const chunk_list *chunks, const rsi_extracted *extracted,
                         const rsi_chunker_options *options)
{
    const rsi_bytes *text = &extracted->text;
    for (size_t i = 0; i < chunks->count; i++) {
        const rsi_chunk *chunk = &chunks->items[i];
        assert_true(chunk->start < chunk->end && chunk->end <= text->size);
        assert_true(i == 0 || (chunk->start > chunk[-1].start && chunk->end > chunk[-1].end));
        assert_true(rsi_utf8_valid(text->data + chunk->start, chunk->end - chunk->start, NULL));
        assert_true(chunk->heading == NULL ||
                    rsi_utf8_valid(chunk->heading, strlen(chunk->heading), NULL));
        if (options->count_tokens == NULL)
            continue;
        size_t body;
        size_t path = 0;
        count_words(&body, NULL, text->data + chunk->start, chunk->end - chunk->start);
        if (chunk->heading != NULL)
            count_words(&path, NULL, chunk->heading, strlen(chunk->heading));
        const size_t most =
            options->limit_tokens > 0 ? options->limit_tokens : options->max_tokens;
        if (body + path > most && body > 1)
            fail_msg("chunk %zu has %zu + %zu tokens", i, path, body);
    }
    size_t at = 0;
    for (size_t i = 0; i < text->size; i++) {
        unsigned char c = (unsigned char)text->data[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (word && !is_covered(chunks, &at, i))
            fail_msg("byte %zu is in no chunk: %.20s", i, text->data + i);
    }
}

/* Chunks as "path: content|…". */
static void assert_chunks(const char *source, const char *filename, rsi_chunker_options options,
                          const char *expected)
{
    rsi_extracted extracted;
    chunk_list chunks;
    rsi_bytes line = {0};
    assert_int_equal(rsi_extract(&extracted, source, strlen(source), filename, NULL), RAGSTORE_OK);
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
    assert_sound(&chunks, &extracted, &options);
    for (size_t i = 0; i < chunks.count; i++) {
        const rsi_chunk *chunk = &chunks.items[i];
        if (i > 0)
            rsi_bytes_append_char(&line, '|');
        if (chunk->heading != NULL)
            rsi_bytes_printf(&line, "{%s}", chunk->heading);
        rsi_bytes_append(&line, extracted.text.data + chunk->start, chunk->end - chunk->start);
    }
    assert_string_equal(line.data, expected);
    rsi_bytes_free(&line);
    free_chunks(&chunks);
    rsi_extracted_free(&extracted);
}

static void ingest_chunk__keeps_headings_with_what_follows(void **state)
{
    (void)state;
    assert_chunks("# A\n\n## B\n\none two\n\nthree\n\n## C\n\nfour\n", "a.md", words(20, 0),
                  "A\n\n## B\n\none two\n\nthree|{A}C\n\nfour");
}

static void ingest_chunk__gives_no_chunk_to_next_to_nothing_before_a_heading(void **state)
{
    (void)state;
    assert_chunks("note\n\n# A\n\none\n", "a.md", words(32, 0), "note\n\n# A\n\none");
    assert_chunks("a longer note\n\n# A\n\none\n", "a.md", words(32, 0), "a longer note|A\n\none");
}

static void ingest_chunk__tells_the_headings_above(void **state)
{
    (void)state;
    assert_chunks(
        "# A\n\n## B\n\none two three four five six.\n\nseven eight nine ten.\n\n# D\n\nx\n",
        "a.md", words(12, 0),
        "A\n\n## B\n\none two three four five six.|{A > B}seven eight nine ten.|D\n\nx");
    assert_chunks(
        "# <a id='x'></a>The [link](http://a.b) `code` **bold**\n\none two three four five "
        "six seven.\n\neight nine.\n",
        "a.md", words(15, 0),
        "<a id='x'></a>The [link](http://a.b) `code` **bold**\n\none two three four five "
        "six seven.|{The link code bold}eight nine.");
}

static rsi_chunker_options words_with_rests(uint32_t max_tokens, uint32_t limit_tokens)
{
    rsi_chunker_options options = words(max_tokens, 0);
    options.limit_tokens = limit_tokens;
    return options;
}

static void ingest_chunk__joins_the_rest_of_a_section_to_the_chunk_before(void **state)
{
    static const char paragraph[] = "One two. Three four. Five six. Seven eight. Nine.\n";
    static const char sections[] = "# A\n\none two three\n\nfour\n\n# B\n\nfive\n";
    (void)state;
    assert_chunks(paragraph, "a.txt", words(4, 0),
                  "One two. Three four.|Five six. Seven eight.|Nine.");
    assert_chunks(paragraph, "a.txt", words_with_rests(4, 5),
                  "One two. Three four.|Five six. Seven eight. Nine.");
    assert_chunks(paragraph, "a.txt", words_with_rests(8, 9),
                  "One two. Three four. Five six. Seven eight. Nine.");
    assert_chunks(paragraph, "a.txt", words_with_rests(7, 7),
                  "One two. Three four. Five six.|Seven eight. Nine.");
    /* a whole section is no rest, and of what another one begins with nothing is */
    assert_chunks(sections, "a.md", words_with_rests(4, 5), "A\n\none two three\n\nfour|B\n\nfive");
    assert_chunks(sections, "a.md", words(4, 0), "A\n\none two three|{A}four|B\n\nfive");
    assert_chunks("# A\n\none two three\n\n# B\n\nfour\n", "a.md", words_with_rests(4, 100),
                  "A\n\none two three|B\n\nfour");
    assert_chunks("Title of it\n\nOne two three. Four five six.\n", "a.txt",
                  words_with_rests(8, 10), "Title of it\n\nOne two three. Four five six.");
}

static void ingest_chunk__joins_no_rest_to_a_chunk_of_another_page(void **state)
{
    rsi_extracted extracted;
    chunk_list chunks;
    const rsi_chunker_options options = words_with_rests(4, 100);
    (void)state;
    assert_int_equal(rsi_extract(&extracted, BYTES("one two three\n\nfour five\n\nsix seven\n"),
                                 "a.txt", NULL),
                     RAGSTORE_OK);
    assert_int_equal(extracted.block_count, 3);
    for (size_t i = 0; i < 3; i++)
        extracted.blocks[i].page = i < 1 ? 1 : 2;
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
    assert_int_equal(chunks.count, 2);
    assert_int_equal(chunks.items[0].page, 1);
    assert_int_equal(chunks.items[1].page, 2);
    assert_sound(&chunks, &extracted, &options);
    free_chunks(&chunks);
    rsi_extracted_free(&extracted);
}

static void ingest_chunk__packs_blocks_while_they_fit(void **state)
{
    (void)state;
    assert_chunks("one two\n\nthree four\n\nfive six\n", "a.txt", words(4, 0),
                  "one two\n\nthree four|five six");
}

static void ingest_chunk__cuts_long_paragraphs_at_sentences(void **state)
{
    (void)state;
    assert_chunks("One two. Three four. Five six. Seven eight.\n", "a.txt", words(4, 0),
                  "One two. Three four.|Five six. Seven eight.");
}

static void ingest_chunk__repeats_sentences_only_within_a_paragraph(void **state)
{
    (void)state;
    assert_chunks("One two. Three. Four five. Six. Seven eight. Nine.\n\nTen.\n\nEleven.", "a.txt",
                  words(6, 1),
                  "One two. Three. Four five. Six.|Six. Seven eight. Nine.\n\nTen.\n\nEleven.");
    assert_chunks("One two three.\n\nFour five six.\n", "a.txt", words(4, 2),
                  "One two three.|Four five six.");
}

static void ingest_chunk__cuts_long_sentences_at_words_then_characters(void **state)
{
    (void)state;
    assert_chunks("a b c d e f g h i j\n", "a.txt", words(4, 0), "a b c d|e f g h|i j");
    assert_chunks("abcdefghijklmnopqrstuvwxyzabcdefghijklmnop\n", "a.txt", words(2, 0),
                  "abcdefghijklmnop|qrstuvwxyzabcdef|ghijklmnop");
}

static void ingest_chunk__keeps_rows_and_code_lines_whole(void **state)
{
    (void)state;
    assert_chunks("a,b\none,two\nthree,four\nfive,six\n", "a.csv", words(8, 0),
                  "a: one; b: two\n\na: three; b: four|a: five; b: six");
    assert_chunks("int a = 1;\n  int b = 2;\nint c = 3;\n", "a.c", words(8, 0),
                  "int a = 1;\n  int b = 2;|int c = 3;");
}

static void ingest_chunk__keeps_a_lead_with_what_it_leads_to(void **state)
{
    (void)state;
    assert_chunks("One two three four.\n\nLike this:\n\n- five six seven\n- eight\n", "a.md",
                  words(8, 0), "One two three four.|Like this:\n\n- five six seven\n- eight");
}

static void ingest_chunk__parts_no_accent_from_its_letter(void **state)
{
    static const char family[] = "\U0001F469\u200D\U0001F469\u200D\U0001F467";
    size_t size;
    char *text = repeated(family, 500, &size);
    rsi_extracted extracted;
    chunk_list chunks;
    rsi_chunker_options options = {.max_tokens = 50};

    (void)state;
    assert_int_equal(rsi_extract(&extracted, text, size, "a.txt", NULL), RAGSTORE_OK);
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
    assert_true(chunks.count > 1);
    for (size_t i = 0; i < chunks.count; i++)
        assert_int_equal(chunks.items[i].start % (sizeof family - 1), 0);
    free_chunks(&chunks);
    rsi_extracted_free(&extracted);
    free(text);
}

static void ingest_chunk__gives_a_chunk_for_any_mark(void **state)
{
    rsi_extracted extracted = {0};
    chunk_list chunks;
    rsi_chunker_options options = words(4, 0);

    (void)state;
    rsi_bytes_append_text(&extracted.text, " \n ?! \n");
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
    assert_int_equal(chunks.count, 1);
    assert_int_equal(chunks.items[0].start, 3);
    assert_int_equal(chunks.items[0].end, 5);
    free_chunks(&chunks);
    rsi_bytes_clear(&extracted.text);
    rsi_bytes_append_text(&extracted.text, " \n ");
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
    assert_int_equal(chunks.count, 0);
    free_chunks(&chunks);
    rsi_extracted_free(&extracted);
}

static void ingest_chunk__loses_no_words_that_no_block_covers(void **state)
{
    static const char text[] = "before Title between words after";
    rsi_block blocks[] = {{7, 12, RSI_BLOCK_HEADING, 1, 2, 0},
                          {21, 26, RSI_BLOCK_PARAGRAPH, 0, 3, 0}};
    rsi_extracted extracted = {.blocks = blocks, .block_count = 2};
    chunk_list chunks;
    rsi_chunker_options options = words(3, 0);

    (void)state;
    rsi_bytes_append_text(&extracted.text, text);
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
    assert_sound(&chunks, &extracted, &options);
    assert_int_equal(chunks.items[chunks.count - 1].page, 3);
    free_chunks(&chunks);
    blocks[1].start = 10; /* into the first */
    assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_E_INVALID_DATA);
    assert_int_equal(chunks.count, 0);
    rsi_bytes_free(&extracted.text);
}

static void ingest_chunk__bears_any_limit(void **state)
{
    static const char source[] =
        "# A long heading of many words\n\n## Another one with words\n\nSome "
        "text. More text here.\n\n- item one\n- item two\n\n```\ncode line\n"
        "```\n\na | b\n--|--\n1 | 2\n";
    rsi_extracted extracted;

    (void)state;
    assert_int_equal(rsi_extract(&extracted, BYTES(source), "a.md", NULL), RAGSTORE_OK);
    for (uint32_t max = 1; max < 60; max++) {
        for (uint32_t overlap = 0; overlap < 12; overlap += 3) {
            chunk_list chunks;
            rsi_chunker_options options = words(max, overlap);
            assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
            assert_sound(&chunks, &extracted, &options);
            free_chunks(&chunks);
        }
    }
    rsi_extracted_free(&extracted);
}

static void ingest_chunk__is_sound_on_each_shared_document(void **state)
{
    static const char *const names[] = {"clean-code-ru.md",      "countries-es-latin1.csv",
                                        "country-codes.csv",     "docx-quickstart.txt",
                                        "docx-tables-utf16.txt", "duck.html",
                                        "kanji-shift-jis.csv",   "parsing-json.md",
                                        "sample.json",           "qa.jsonl"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size = 0;
        rsi_extracted extracted;
        char *bytes = read_document(names[i], &size);
        if (bytes == NULL)
            continue;
        assert_int_equal(rsi_extract(&extracted, bytes, size, names[i], NULL), RAGSTORE_OK);
        for (uint32_t max = 16; max <= 256; max *= 2) {
            chunk_list chunks;
            rsi_chunker_options options = words(max, max / 8);
            assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
            assert_sound(&chunks, &extracted, &options);
            free_chunks(&chunks);
            options.count_tokens = NULL;
            assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
            assert_sound(&chunks, &extracted, &options);
            free_chunks(&chunks);
        }
        rsi_extracted_free(&extracted);
        free(bytes);
    }
}

/* Two megabytes of each; quadratic time would take minutes. */
static void ingest_chunk__is_linear_in_hostile_texts(void **state)
{
    static const char *const patterns[] = {"word ", "x",      "😀",          "שלום",
                                           "a\n\n", "A b. ",  "e\u0301",    "a:\n",
                                           "- a\n", "## a\n", "a|b\n-|-\n", ". x"};

    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        size_t size;
        char *text = repeated(patterns[i], 2000000 / strlen(patterns[i]), &size);
        for (int estimated = 0; estimated < 2; estimated++) {
            rsi_extracted extracted;
            chunk_list chunks;
            rsi_chunker_options options = words(200, 30);
            clock_t before = clock();
            if (estimated)
                options.count_tokens = NULL;
            assert_int_equal(rsi_extract(&extracted, text, size, "a.md", NULL), RAGSTORE_OK);
            assert_int_equal(collect(&chunks, &extracted, &options), RAGSTORE_OK);
            double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
            assert_sound(&chunks, &extracted, &options);
            if (seconds > 20)
                fail_msg("%s: %.1f s", patterns[i], seconds);
            free_chunks(&chunks);
            rsi_extracted_free(&extracted);
        }
        free(text);
    }
}

static int refuse_to_count(size_t *count, void *user, const char *text, size_t size)
{
    unsigned *left = user;
    if ((*left)-- == 0)
        return rsi_fail(RAGSTORE_E_EMBEDDER, "test", "no");
    return count_words(count, NULL, text, size);
}

static const char everything[] =
    "# A\n\nOne two. Three four five six. Seven.\n\n## B\n\nabcdefghij"
    "klmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789\n\n"
    "- item\n\nlead:\n\n```\ncode\n```\n";

static void ingest_chunk__passes_the_counters_failure_on(void **state)
{
    rsi_extracted extracted;

    (void)state;
    assert_int_equal(rsi_extract(&extracted, BYTES(everything), "a.md", NULL), RAGSTORE_OK);
    for (unsigned allowed = 0;; allowed++) {
        unsigned left = allowed;
        chunk_list chunks;
        rsi_chunker_options options = {.max_tokens = 6,
                                       .limit_tokens = 8,
                                       .overlap_tokens = 2,
                                       .count_tokens = refuse_to_count,
                                       .user = &left};
        int status = collect(&chunks, &extracted, &options);
        if (status == RAGSTORE_OK) {
            assert_true(allowed > 10);
            free_chunks(&chunks);
            break;
        }
        assert_int_equal(status, RAGSTORE_E_EMBEDDER);
        assert_null(chunks.items);
    }
    rsi_extracted_free(&extracted);
}

static void ingest_chunk__reports_every_failed_allocation(void **state)
{
    rsi_extracted extracted;

    (void)state;
    assert_int_equal(rsi_extract(&extracted, BYTES(everything), "a.md", NULL), RAGSTORE_OK);
    fault_memory_install();
    for (unsigned n = 1;; n++) {
        chunk_list chunks;
        rsi_chunker_options options = words(6, 2);
        int64_t alive = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = collect(&chunks, &extracted, &options);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        if (failed)
            assert_null(chunks.items);
        free_chunks(&chunks);
        assert_int_equal(fault_memory_alive(), alive);
        if (!failed) {
            assert_int_equal(status, RAGSTORE_OK);
            assert_true(n > 5);
            break;
        }
        assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
    }
    fault_memory_restore();
    rsi_extracted_free(&extracted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_chunk__keeps_headings_with_what_follows),
        cmocka_unit_test(ingest_chunk__gives_no_chunk_to_next_to_nothing_before_a_heading),
        cmocka_unit_test(ingest_chunk__tells_the_headings_above),
        cmocka_unit_test(ingest_chunk__joins_the_rest_of_a_section_to_the_chunk_before),
        cmocka_unit_test(ingest_chunk__joins_no_rest_to_a_chunk_of_another_page),
        cmocka_unit_test(ingest_chunk__packs_blocks_while_they_fit),
        cmocka_unit_test(ingest_chunk__cuts_long_paragraphs_at_sentences),
        cmocka_unit_test(ingest_chunk__repeats_sentences_only_within_a_paragraph),
        cmocka_unit_test(ingest_chunk__cuts_long_sentences_at_words_then_characters),
        cmocka_unit_test(ingest_chunk__keeps_rows_and_code_lines_whole),
        cmocka_unit_test(ingest_chunk__keeps_a_lead_with_what_it_leads_to),
        cmocka_unit_test(ingest_chunk__parts_no_accent_from_its_letter),
        cmocka_unit_test(ingest_chunk__gives_a_chunk_for_any_mark),
        cmocka_unit_test(ingest_chunk__loses_no_words_that_no_block_covers),
        cmocka_unit_test(ingest_chunk__bears_any_limit),
        cmocka_unit_test(ingest_chunk__is_sound_on_each_shared_document),
        cmocka_unit_test(ingest_chunk__is_linear_in_hostile_texts),
        cmocka_unit_test(ingest_chunk__passes_the_counters_failure_on),
        cmocka_unit_test(ingest_chunk__reports_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
