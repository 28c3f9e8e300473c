/* Extraction from end to end: lib/ingest/extract.c, with extract_kind.c and extract_binary.c. */
#include "ingest/extract.h"

#include "harness/fault_memory.h"
#include "unit/ingest/documents.h"
#include "json/json.h"

static void ingest_extract__takes_or_refuses_each_shared_document(void **state)
{
    static const struct {
        const char *name;
        const char *media_type; /* NULL: refused */
        const char *says;       /* the encoding, or words of the refusal */
    } documents[] = {
        {"clean-code-ru.md", "text/markdown", "utf-8"},
        {"countries-es-latin1.csv", "text/csv", "iso-8859-1"},
        {"country-codes.csv", "text/csv", "utf-8"},
        {"damaged.pdf", NULL, "a PDF"},
        {"docx-quickstart.txt", "text/plain", "utf-8"},
        {"docx-tables-utf16.txt", "text/plain", "utf-16le"},
        {"duck.html", "text/html", "utf-8"},
        {"empty.txt", NULL, "empty"},
        {"helloworld-damaged.pdf", NULL, "a PDF"},
        {"kanji-shift-jis.csv", "text/csv", "shift_jis"},
        {"mozilla-automated-testing.pdf", NULL, "a PDF"},
        {"needs-password.pdf", NULL, "a PDF"},
        {"no-text.pdf", NULL, "a PDF"},
        {"parsing-json.md", "text/markdown", "utf-8"},
        {"pdfjs-wikipedia.pdf", NULL, "no extractor here reads it"},
        {"sample.json", "application/json", "utf-8"},
        {"summer-activities.docx", NULL, "a Word file"},
        {"truncated.docx", NULL, "an Office file"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        size_t size = 0;
        char *bytes = read_document(documents[i].name, &size);
        if (bytes == NULL)
            continue;
        if (documents[i].media_type == NULL) {
            assert_refused(bytes, size, documents[i].name, documents[i].says);
        } else {
            rsi_extracted extracted;
            assert_int_equal(rsi_extract(&extracted, bytes, size, documents[i].name, NULL),
                             RAGSTORE_OK);
            assert_string_equal(extracted.media_type, documents[i].media_type);
            assert_string_equal(extracted.encoding, documents[i].says);
            assert_well_formed(&extracted);
            rsi_extracted_free(&extracted);
        }
        free(bytes);
    }
}

/* With runs of white space as one space. */
static bool text_has(const rsi_bytes *text, const char *wanted)
{
    rsi_bytes folded = {0};
    for (size_t i = 0; i < text->size; i++) {
        bool space = strchr(" \n\t", text->data[i]) != NULL;
        if (!space || (folded.size > 0 && folded.data[folded.size - 1] != ' '))
            rsi_bytes_append_char(&folded, space ? ' ' : text->data[i]);
    }
    bool found = strstr(folded.data, wanted) != NULL;
    rsi_bytes_free(&folded);
    return found;
}

static void check_answer(const char *name, const char *answer)
{
    size_t size = 0;
    rsi_extracted extracted;
    char *bytes = read_document(name, &size);
    assert_non_null(bytes);
    assert_int_equal(rsi_extract(&extracted, bytes, size, name, NULL), RAGSTORE_OK);
    if (!text_has(&extracted.text, answer))
        fail_msg("\"%s\" is not in the text of %s", answer, name);
    rsi_extracted_free(&extracted);
    free(bytes);
}

static void ingest_extract__keeps_the_answers_of_the_shared_questions(void **state)
{
    size_t size = 0;
    unsigned checked = 0;
    char *lines = read_document("qa.jsonl", &size);

    (void)state;
    if (lines == NULL)
        return;
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        rsi_json *question = NULL;
        assert_int_equal(rsi_json_parse(&question, line, strlen(line), 8), RAGSTORE_OK);
        const char *name = rsi_json_get_text(question, "file");
        if (strstr(name, ".pdf") == NULL && strstr(name, ".docx") == NULL) {
            check_answer(name, rsi_json_get_text(question, "answer_contains"));
            checked++;
        }
        rsi_json_free(question);
    }
    assert_true(checked >= 10);
    free(lines);
}

static void ingest_extract__refuses_what_is_not_text(void **state)
{
    (void)state;
    assert_refused(BYTES("%PDF-1.7\n1 0 obj"), "a.txt", "a PDF: convert it");
    assert_refused(BYTES("PK\3\4\24\0\0\0\0\0word/document.xml"), NULL, "a Word file");
    assert_refused(BYTES("PK\3\4\24\0\0\0\0\0xl/workbook.xml"), NULL, "an Excel file");
    assert_refused(BYTES("PK\3\4\24\0mimetypeapplication/epub+zip"), NULL, "an e-book");
    assert_refused(BYTES("PK\3\4\24\0\0\0\0\0photos/1.jpg"), NULL, "a ZIP archive: unpack it");
    assert_refused(BYTES("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0"), NULL, "an old Office file");
    assert_refused(BYTES("\x89PNG\r\n\x1A\n\0\0"), "notes.txt", "a PNG image");
    assert_refused(BYTES("\xFF\xD8\xFF\xE0\0\x10JFIF"), NULL, "a JPEG image");
    assert_refused(BYTES("\x7F"
                         "ELF\2\1\1\0"),
                   NULL, "a program (ELF)");
    assert_refused(BYTES("\x1F\x8B\x08\0\0\0"), "a.txt.gz", "a gzip archive");
    assert_refused(BYTES("SQLite format 3\0\x10\0"), NULL, "an SQLite database");
    assert_refused(BYTES("{\\rtf1\\ansi Hello}"), "a.rtf", "an RTF file");
    assert_refused(BYTES("From: a@b.c\nMIME-Version: 1.0\nSubject: x\n\nbody"), NULL, "an e-mail");
    assert_refused(BYTES("\1\2\3\4\5\6\7\x0E\x0F\x10 abc \1\2\3"), NULL, "binary");
}

static void ingest_extract__refuses_what_has_no_words(void **state)
{
    (void)state;
    assert_refused("", 0, "a.txt", "empty");
    assert_refused(BYTES(" \n\t \r\n"), "a.txt", "no words");
    assert_refused(BYTES("--- *** !!! \xE2\x80\x94"), "a.md", "no words");
    assert_refused(BYTES("\xEF\xBB\xBF"), "a.txt", "no words");
    assert_refused(BYTES("<html><script>let words = 1;</script></html>"), "a.html",
                   "no readable text");
    assert_refused(BYTES("{\"a\": null, \"b\": []}"), "a.json", "no readable text");
}

static void ingest_extract__takes_texts_that_begin_like_a_binary_file(void **state)
{
    (void)state;
    assert_text(BYTES("BM is short for bookmark."), "a.txt", "BM is short for bookmark.");
    assert_text(BYTES("RIFF raff"), NULL, "RIFF raff");
    assert_text(BYTES("From: here\nto there"), NULL, "From: here\nto there");
    assert_text(BYTES("About %PDF-1.7 files"), NULL, "About %PDF-1.7 files");
    assert_text(BYTES("\xF0\x9F\x98\x80"), NULL, "\xF0\x9F\x98\x80"); /* a symbol is content */
}

static void assert_media_type(const char *source, const char *filename, const char *hint,
                              const char *expected)
{
    rsi_extracted extracted;
    assert_int_equal(rsi_extract(&extracted, source, strlen(source), filename, hint), RAGSTORE_OK);
    assert_string_equal(extracted.media_type, expected);
    rsi_extracted_free(&extracted);
}

static void ingest_extract__names_the_kind_by_content_name_and_hint(void **state)
{
    (void)state;
    assert_media_type("<!DOCTYPE html><p>x</p>", "a.txt", "text/plain", "text/html");
    assert_media_type("<?xml version='1.0'?><!-- c --><html><p>x</p>", NULL, NULL, "text/html");
    assert_media_type("<html><p>x</p></html>", "page.php", NULL, "text/x-source");
    assert_media_type("# a", "dir.v2/README.md", "text/plain", "text/markdown");
    assert_media_type("a,b\n1,2", "x.CSV", NULL, "text/csv");
    assert_media_type("a,b\n1,2", NULL, "text/csv; charset=utf-8", "text/csv");
    assert_media_type("int x;", "a.c", NULL, "text/x-c");
    assert_media_type("all:", "src/Makefile", NULL, "text/x-source");
    assert_media_type("fn main", "a.rs", NULL, "text/x-source");
    assert_media_type("x", "notes", "application/octet-stream", "text/plain");
    assert_media_type("x", ".html", NULL, "text/plain"); /* a hidden file without extension */
    assert_media_type("{\"a\": 1}", NULL, NULL, "application/json");
    assert_media_type("#!/bin/sh\necho", NULL, NULL, "text/x-source");
    assert_media_type("# Title\n\nSee [this](that).\n", NULL, NULL, "text/markdown");
    assert_media_type("a;b;c\n1;2;3\n4;5;6\n", NULL, NULL, "text/csv");
    assert_media_type("Dear Ann, Bob, and Cy,\nit rains.\nBye, yours, D\n", NULL, NULL,
                      "text/plain");
}

static void ingest_extract__gives_the_same_text_for_the_same_bytes(void **state)
{
    static const char source[] = "a;b;c\n1;2;3\n4;5;6\n";
    rsi_extracted first;
    rsi_extracted second;

    (void)state;
    assert_int_equal(rsi_extract(&first, BYTES(source), NULL, NULL), RAGSTORE_OK);
    assert_int_equal(rsi_extract(&second, BYTES(source), NULL, NULL), RAGSTORE_OK);
    assert_string_equal(first.text.data, second.text.data);
    assert_int_equal(first.block_count, second.block_count);
    for (size_t i = 0; i < first.block_count; i++) {
        assert_int_equal(first.blocks[i].start, second.blocks[i].start);
        assert_int_equal(first.blocks[i].end, second.blocks[i].end);
        assert_int_equal(first.blocks[i].kind, second.blocks[i].kind);
    }
    rsi_extracted_free(&first);
    rsi_extracted_free(&second);
}

static void ingest_extract__reports_every_failed_allocation(void **state)
{
    static const struct {
        const char *name;
        const char *source;
    } inputs[] = {
        {"a.txt", "Title\n=====\n\nwords\n- item\n\n::\n\n  code\n"},
        {"a.md", "# T\n\nwords\n\n- a\n- b\n\n```\nx\n```\n\na|b\n-|-\n1|2\n"},
        {"a.html", "<title>T</title><p>a &auml; b<ul><li>x</ul><table><tr><th>k<th>v<tr><td>1<td>2"
                   "</table><pre>p</pre>"},
        {"a.csv", "name;b\nx;\"y\n\"\nz;w\n"},
        {"a.json", "{\"a\": [1, {\"b\": \"c\"}], \"d\": {\"e\": 2}}"},
        {"a.jsonl", "{\"a\": 1}\n{\"b\": 2}\n"},
        {"a.c", "int a;\n\nint b;\n"},
        {"latin1.txt", "caf\xE9 cr\xE8me br\xFBl\xE9"},
        {NULL, "a;b;c\n1;2;3\n4;5;6\n"},
    };

    (void)state;
    fault_memory_install();
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        for (unsigned n = 1;; n++) {
            rsi_extracted extracted;
            int64_t alive = fault_memory_alive();
            fault_memory_fail(n, false);
            int status = rsi_extract(&extracted, inputs[i].source, strlen(inputs[i].source),
                                     inputs[i].name, NULL);
            bool failed = fault_memory_failed();
            fault_memory_disarm();
            if (failed)
                assert_null(extracted.text.data);
            rsi_extracted_free(&extracted);
            assert_int_equal(fault_memory_alive(), alive);
            if (!failed) {
                assert_int_equal(status, RAGSTORE_OK);
                assert_true(n > 2);
                break;
            }
            assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
        }
    }
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ingest_extract__takes_or_refuses_each_shared_document),
        cmocka_unit_test(ingest_extract__keeps_the_answers_of_the_shared_questions),
        cmocka_unit_test(ingest_extract__refuses_what_is_not_text),
        cmocka_unit_test(ingest_extract__refuses_what_has_no_words),
        cmocka_unit_test(ingest_extract__takes_texts_that_begin_like_a_binary_file),
        cmocka_unit_test(ingest_extract__names_the_kind_by_content_name_and_hint),
        cmocka_unit_test(ingest_extract__gives_the_same_text_for_the_same_bytes),
        cmocka_unit_test(ingest_extract__reports_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
