/*
 * How much of a text is resident while it is taken apart: lib/ingest/extract_plain.c and chunk_split.c.
 * Pages of files, in the main, which test_document_memory.c does not see.
 */
#include "harness/made_up_text.h"
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdbool.h>

#include "base/status.h"
#include "entities/entity.h"
#include "ingest/document.h"
#include "ragstore.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_SAYS_NOTHING true /* the sanitizer's own is far more */
#else
#define RESIDENT_SAYS_NOTHING false
#endif
#define LOOKED_AT ((uint64_t)28 << 10) /* KiB */

/* The chunks are all there is to see. */
static int end_at_commit(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    uint64_t *resident = user;
    if (strcmp(stage, "commit") != 0)
        return 0;
    *resident = memory_kib("VmHWM");
    return 1;
}

/* A text without what parts it is looked at from end to end, but never all of it at once. */
static void check_resident(void **state, const char *kind)
{
    char place[TEMPORARY_PATH_MAX];
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    rsi_store *store;
    rsi_upload *upload;
    rsi_added added;
    uint64_t resident = 0;
    const rsi_entity_fields entity = {.name = "Acme"};
    const rsi_store_options options = {.storage = {.durability = RAGSTORE_DURABILITY_NORMAL}};
    const rsi_document_fields fields = {
        .filename = "a.txt", .progress = end_at_commit, .progress_user = &resident};
    made_up_text text = {.kind = kind, .random = 1};
    if (RESIDENT_SAYS_NOTHING)
        skip();
    text.piece = malloc(MADE_UP_PIECE + 4096);
    assert_non_null(text.piece);
    temporary_join(place, state, kind);
    assert_int_equal(rsi_store_open(&store, place, &options), 0);
    assert_int_equal(rsi_entity_create(incarnation, store, "acme", &entity), 0);
    assert_int_equal(rsi_upload_begin(&upload, store, "acme", incarnation, &fields), 0);
    for (int i = 0; i < 40; i++) {
        made_up_next(&text);
        assert_int_equal(rsi_upload_write(upload, text.piece, text.size), 0);
    }
    free(text.piece);
    memory_forget_peak();
    const uint64_t before = memory_kib("VmRSS");
    assert_int_equal(rsi_upload_commit(&added, upload), RAGSTORE_E_INTERRUPTED);
    print_message("%s: %u KiB\n", kind, (unsigned)(resident - before));
    assert_in_range(resident - before, 0, LOOKED_AT);
    assert_int_equal(rsi_store_close(store), 0);
    rsi_store_free(store);
}

static void ingest_document_resident__has_not_all_of_a_line(void **state)
{
    check_resident(state, "line");
}

static void ingest_document_resident__has_not_all_of_a_sentence(void **state)
{
    check_resident(state, "words");
}

static void ingest_document_resident__has_not_all_of_a_paragraph(void **state)
{
    check_resident(state, "lines");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ingest_document_resident__has_not_all_of_a_line),
        TEST(ingest_document_resident__has_not_all_of_a_sentence),
        TEST(ingest_document_resident__has_not_all_of_a_paragraph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
