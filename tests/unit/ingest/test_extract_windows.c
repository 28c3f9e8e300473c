/*
 * Extraction in windows and by way of the disk: the same text and blocks, wherever the windows end
 * and whatever does not fit into memory.
 */
#include "ingest/extract.h"

#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/power_disk.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"
#include "ragstore.h"

static int restore(void **state)
{
    (void)state;
    rsi_input_window = (size_t)256 << 10;
    rsi_spill_from = (size_t)2 << 20;
    return 0;
}

static bool is_same_block(const rsi_block *a, const rsi_block *b)
{
    return a->start == b->start && a->end == b->end && a->kind == b->kind && a->level == b->level &&
           a->page == b->page;
}

static void assert_same(const rsi_extracted *a, const rsi_extracted *b, const char *what, size_t n)
{
    if (a->text.size != b->text.size || memcmp(a->text.data, b->text.data, a->text.size) != 0)
        fail_msg("%s, %u: another text", what, (unsigned)n);
    if (a->block_count != b->block_count)
        fail_msg("%s, %u: %u blocks, not %u", what, (unsigned)n, (unsigned)b->block_count,
                 (unsigned)a->block_count);
    for (size_t i = 0; i < a->block_count; i++)
        if (!is_same_block(&a->blocks[i], &b->blocks[i]))
            fail_msg("%s, %u: block %u is another", what, (unsigned)n, (unsigned)i);
    assert_string_equal(a->encoding, b->encoding);
    assert_string_equal(a->media_type, b->media_type);
}

/* ---- windows ---- */

/* What is hard at a border: line ends, marks, characters of all sizes, controls, broken bytes. */
static const char *const pieces[] = {
    "word ", "\r\n", "\r", "\n\n", "\xEF\xBB\xBF", "\xC2\x85", "\xC2\x9F", "\xC3\xA9t\xC3\xA9 ",
    "\xE2\x82\xAC", "\U0001F469\u200D\U0001F467 ", "\u05E9\u05DC\u05D5\u05DD ", "\t", "\f", "\v",
    "\u0627\u0644\u0639 ", "\u65E5\u672C\u8A9E\u3002", "Title\n===\n\n", "- item\n", "x\x01y",
};
#define PIECES (sizeof pieces / sizeof *pieces)

static char *make_text(size_t *size, uint64_t seed, unsigned count)
{
    rsi_bytes text = {0};
    for (unsigned i = 0; i < count; i++) {
        const size_t which = (size_t)power_random(&seed, PIECES + 12);
        rsi_bytes_append_text(&text, which < PIECES ? pieces[which] : "plain words ");
    }
    char *copy = malloc(text.size);
    memcpy(copy, text.data, text.size);
    *size = text.size;
    rsi_bytes_free(&text);
    return copy;
}

static char *convert(size_t *size, const char *to, const char *mark, const char *text,
                     size_t length)
{
    iconv_t converter = iconv_open(to, "UTF-8");
    assert_true(converter != (iconv_t)-1);
    const size_t room = length * 6 + 16;
    char *out = malloc(room);
    const size_t mark_size = mark == NULL ? 0 : strncmp(to, "UTF-32", 6) == 0 ? 4 : 2;
    if (mark_size > 0)
        memcpy(out, mark, mark_size);
    char *in = (char *)(uintptr_t)text;
    char *at = out + mark_size;
    size_t left = length;
    size_t free_bytes = room - mark_size;
    while (left > 0 && iconv(converter, &in, &left, &at, &free_bytes) == (size_t)-1) {
        in++; /* a character that this encoding has not */
        left--;
    }
    iconv(converter, NULL, NULL, &at, &free_bytes);
    iconv_close(converter);
    *size = (size_t)(at - out);
    return out;
}

/* The whole in one window, and in windows of all sizes. */
static void assert_windows(const char *bytes, size_t size, const char *what)
{
    static const size_t windows[] = {1, 2, 3, 4, 5, 7, 16, 61, 1000};
    rsi_extracted whole;
    rsi_input_window = size + 1;
    int expected = rsi_extract(&whole, bytes, size, "a.txt", NULL);
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        rsi_extracted parts;
        rsi_input_window = windows[i];
        assert_int_equal(rsi_extract(&parts, bytes, size, "a.txt", NULL), expected);
        if (expected == RAGSTORE_OK)
            assert_same(&whole, &parts, what, windows[i]);
        rsi_extracted_free(&parts);
    }
    rsi_extracted_free(&whole);
}

static void ingest_extract__does_not_depend_on_windows(void **state)
{
    static const struct {
        const char *name;
        const char *mark;
    } encodings[] = {
        {"UTF-16LE", NULL},       {"UTF-16LE", "\xFF\xFE"}, {"UTF-16BE", "\xFE\xFF"},
        {"UTF-32LE", "\xFF\xFE\0\0"}, {"UTF-32BE", "\0\0\xFE\xFF"}, {"UTF-32LE", NULL},
        {"SHIFT_JIS", NULL},      {"ISO-2022-JP", NULL},    {"GB18030", NULL},
        {"WINDOWS-1252", NULL},   {"EUC-JP", NULL},         {"WINDOWS-1255", NULL},
    };
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        size_t size;
        char *text = make_text(&size, seed, 300);
        assert_windows(text, size, "UTF-8");
        for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
            size_t converted_size;
            char *converted =
                convert(&converted_size, encodings[i].name, encodings[i].mark, text, size);
            assert_windows(converted, converted_size, encodings[i].name);
            assert_windows(converted, converted_size - 1, encodings[i].name); /* cut short */
            free(converted);
        }
        free(text);
    }
}

static void ingest_extract__does_not_depend_on_windows_in_broken_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        size_t size;
        uint64_t random = seed;
        char *text = make_text(&size, seed, 300);
        for (unsigned i = 0; i < seed; i++) /* from a few broken bytes to many */
            text[power_random(&random, size)] = (char)power_random(&random, 256);
        assert_windows(text, size, "broken UTF-8");
        text[size - 1] = '\xE2';
        assert_windows(text, size, "cut UTF-8");
        for (unsigned i = 0; i < size / 3; i++)
            text[power_random(&random, size)] = (char)power_random(&random, 256);
        assert_windows(text, size, "noise");
        free(text);
    }
}

/* ---- by way of the disk ---- */

typedef struct place {
    power_disk *disk;
    rsi_root *root;
} place;

static place make_place(const rsi_file_table *table, power_disk *disk)
{
    place at = {.disk = disk};
    assert_int_equal(rsi_root_open(&at.root, table, "/store", true), 0);
    assert_int_equal(rsi_directory_make(at.root, RSI_PATH_API_STORAGE), 0);
    return at;
}

static void end_place(place *at)
{
    rsi_root_close(at->root);
    assert_int_equal(power_disk_open_handles(at->disk), 0);
    assert_int_equal(power_disk_views(at->disk), 0);
    power_disk_free(at->disk);
}

/* A document of a kind with so many rows, records or paragraphs. */
static char *make_document(size_t *size, const char *name, unsigned rows)
{
    rsi_bytes text = {0};
    const char *dot = strrchr(name, '.');
    if (strcmp(dot, ".csv") == 0)
        rsi_bytes_append_text(&text, "id,name,remark\n");
    if (strcmp(dot, ".json") == 0)
        rsi_bytes_append_text(&text, "[");
    for (unsigned i = 0; i < rows; i++) {
        const char *words = i % 3 == 0 ? "The keeper noted wind from the north; ships in the bay. "
                                         "Nothing else was seen until the morning watch"
                                       : "Fog came in, and the bell was rung";
        if (strcmp(dot, ".csv") == 0)
            rsi_bytes_printf(&text, "%u,\"Lamp %u\",%s \n", i, i, words);
        else if (strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".json") == 0)
            rsi_bytes_printf(&text, "%s{\"id\":%u,\"remark\":\"%s \\n \\n\"}\n",
                             dot[5] == '\0' && i > 0 ? "," : "", i, words);
        else if (strcmp(dot, ".html") == 0)
            rsi_bytes_printf(&text, "<h2>Day %u</h2><p>%s</p>\n", i, words);
        else if (i % 50 == 0)
            rsi_bytes_printf(&text, "## Day %u\n\n", i);
        else
            rsi_bytes_printf(&text, "%s.%s", words, i % 7 == 0 ? "\n" : "\n\n");
    }
    if (strcmp(dot, ".json") == 0)
        rsi_bytes_append_text(&text, "]");
    char *copy = malloc(text.size);
    memcpy(copy, text.data, text.size);
    *size = text.size;
    rsi_bytes_free(&text);
    return copy;
}

static const char *const names[] = {"a.txt", "a.md", "a.c", "a.csv", "a.jsonl", "a.json", "a.html"};
#define NAMES (sizeof names / sizeof *names)

static void ingest_extract__does_not_depend_on_the_disk(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    place at = make_place(power_disk_table(disk), disk);
    rsi_spill_from = 10000;
    for (size_t i = 0; i < NAMES; i++) {
        rsi_extracted whole;
        rsi_extracted large;
        rsi_extracted view;
        size_t size;
        char *bytes = make_document(&size, names[i], 20000);
        const rsi_input input = {.bytes = bytes, .size = size};
        assert_int_equal(rsi_extract(&whole, bytes, size, names[i], NULL), 0);
        assert_int_equal(rsi_extract_input(&large, at.root, &input, names[i], NULL), 0);
        assert_non_null(large.large);
        assert_int_equal(rsi_extracted_view(&view, &large), 0);
        assert_same(&whole, &view, names[i], 0);
        rsi_extracted_forget(&view, view.text.size / 2);
        assert_same(&whole, &view, names[i], 1);
        rsi_extracted_free(&large);
        rsi_extracted_free(&whole);
        free(bytes);
    }
    end_place(&at);
}

/* JSON Lines that turn out to be none at their end, and a line that is all there is. */
static void ingest_extract__begins_again_with_a_large_text(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    place at = make_place(power_disk_table(disk), disk);
    rsi_spill_from = 10000;
    rsi_extracted whole;
    rsi_extracted large;
    rsi_extracted view;
    size_t size;
    char *bytes = make_document(&size, "a.jsonl", 20000);
    bytes[size - 2] = '!';
    for (int round = 0; round < 2; round++) {
        const rsi_input input = {.bytes = bytes, .size = size};
        assert_int_equal(rsi_extract(&whole, bytes, size, "a.jsonl", NULL), 0);
        assert_string_equal(whole.media_type, "text/plain");
        assert_int_equal(rsi_extract_input(&large, at.root, &input, "a.jsonl", NULL), 0);
        assert_int_equal(rsi_extracted_view(&view, &large), 0);
        assert_same(&whole, &view, "no JSON Lines", (size_t)round);
        rsi_extracted_free(&large);
        rsi_extracted_free(&whole);
        for (size_t i = 0; i < size; i++)
            if (bytes[i] == '\n')
                bytes[i] = ' ';
    }
    free(bytes);
    end_place(&at);
}

static void ingest_extract__refuses_a_huge_page(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    place at = make_place(power_disk_table(disk), disk);
    const size_t size = RSI_HTML_MAX + 100;
    char *bytes = malloc(size);
    rsi_extracted extracted;
    memset(bytes, 'a', size);
    memcpy(bytes, "<html><body>", 12);
    const rsi_input input = {.bytes = bytes, .size = size};
    assert_int_equal(rsi_extract_input(&extracted, at.root, &input, "a.html", NULL),
                     RAGSTORE_E_TOO_LARGE);
    assert_non_null(strstr(rsi_error_message(), "divide it"));
    free(bytes);
    end_place(&at);
}

static int stop(void *user, uint64_t done)
{
    return done > *(const uint64_t *)user ? rsi_fail(RAGSTORE_E_INTERRUPTED, "ingest", "enough")
                                          : RAGSTORE_OK;
}

static void ingest_extract__can_be_stopped(void **state)
{
    (void)state;
    power_disk *disk = power_disk_new();
    place at = make_place(power_disk_table(disk), disk);
    size_t size;
    uint64_t limit = 5000;
    char *bytes = make_document(&size, "a.txt", 1000);
    rsi_extracted extracted;
    const rsi_input input = {.bytes = bytes, .size = size, .look = stop, .user = &limit};
    rsi_input_window = 1000;
    assert_int_equal(rsi_extract_input(&extracted, at.root, &input, "a.txt", NULL),
                     RAGSTORE_E_INTERRUPTED);
    assert_null(extracted.text.data);
    free(bytes);
    end_place(&at);
}

typedef struct extraction {
    rsi_root *root;
    const char *path;
    const char *name;
} extraction;

static int extract_file(const extraction *from)
{
    rsi_extracted extracted = {0};
    rsi_extracted view;
    rsi_input input = {.bytes = NULL};
    int status = rsi_file_open(&input.file, from->root, from->path, RSI_OPEN_READ);
    if (status == RAGSTORE_OK)
        status = rsi_file_size(input.file, &input.size);
    if (status == RAGSTORE_OK)
        status = rsi_extract_input(&extracted, from->root, &input, from->name, NULL);
    if (status == RAGSTORE_OK)
        status = rsi_extracted_view(&view, &extracted);
    rsi_file_close(input.file);
    rsi_extracted_free(&extracted);
    return status;
}

static void ingest_extract__survives_each_fault_with_a_large_text(void **state)
{
    (void)state;
    rsi_spill_from = 500;
    rsi_input_window = 1000;
    for (size_t i = 0; i < NAMES; i++) {
        fault_files faults;
        size_t size;
        power_disk *disk = power_disk_new();
        fault_files_init(&faults, power_disk_table(disk));
        place at = make_place(&faults.table, disk);
        char *bytes = make_document(&size, names[i], 40);
        assert_int_equal(rsi_file_replace(at.root, "api_storage/document", bytes, size), 0);
        const extraction from = {at.root, "api_storage/document", names[i]};
        bool failed = true;
        fault_memory_install();
        for (uint64_t n = 1; failed; n++) {
            fault_memory_fail(n, false);
            int status = extract_file(&from);
            failed = fault_memory_failed();
            fault_memory_disarm();
            if (status != (failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK))
                fail_msg("%s, allocation %u: %s", names[i], (unsigned)n, rsi_error_message());
            assert_int_equal(fault_memory_alive(), 0);
        }
        fault_memory_restore();
        bool struck = true;
        for (int64_t n = 1; struck; n++) {
            fault_files_fail(&faults, FAULT_ANY, n, EIO, false);
            int status = extract_file(&from);
            struck = fault_files_struck(&faults);
            if (!struck)
                assert_int_equal(status, RAGSTORE_OK);
        }
        free(bytes);
        end_place(&at);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ingest_extract__does_not_depend_on_windows),
        TEST(ingest_extract__does_not_depend_on_windows_in_broken_bytes),
        TEST(ingest_extract__does_not_depend_on_the_disk),
        TEST(ingest_extract__begins_again_with_a_large_text),
        TEST(ingest_extract__refuses_a_huge_page),
        TEST(ingest_extract__can_be_stopped),
        TEST(ingest_extract__survives_each_fault_with_a_large_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
