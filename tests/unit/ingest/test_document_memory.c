/*
 * How much memory the library holds at most while a text is added: it does not grow with the text,
 * but for what is kept of each chunk. Counted where all memory comes from, in a store on a real
 * disk.
 */
#include "harness/temporary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "entities/entity.h"
#include "ingest/document.h"
#include "ragstore.h"

#define MIB ((size_t)1 << 20)
#define UNTIL_COMMIT (24 * MIB) /* windows of the steps, together */
#define OF_A_COMMIT (36 * MIB)  /* rows that wait in memory, vectors on their way */
#define OF_A_CHUNK 1000         /* keyword index, and where its row lies until a checkpoint */

/* ---- counting ---- */

static rsi_memory_table real;
static size_t alive;
static size_t peak;

static void *counting_resize(void *old, size_t size)
{
    const size_t before = old == NULL ? 0 : malloc_usable_size(old);
    void *block = real.resize(old, size);
    if (block != NULL) {
        alive += malloc_usable_size(block) - before;
        peak = alive > peak ? alive : peak;
    }
    return block;
}

static void counting_release(void *block)
{
    alive -= malloc_usable_size(block);
    real.release(block);
}

/* ---- one upload ---- */

typedef struct peaks {
    size_t until_commit;
    size_t of_all;
    bool is_committing;
} peaks;

static int note_stage(void *user, const char *stage, uint64_t done, uint64_t total)
{
    peaks *of = user;
    (void)done;
    (void)total;
    if (strcmp(stage, "commit") == 0) {
        of->until_commit = peak;
        of->is_committing = true;
    }
    return 0;
}

/* A paragraph of its own for each number, of few different words. */
static size_t write_paragraph(char *out, unsigned number, const char *name)
{
    static const char *const words[] = {"wind", "bay", "lamp", "watch", "fog", "bell", "ship"};
    const bool rows = strstr(name, ".csv") != NULL;
    size_t size = (size_t)sprintf(out, rows ? "%u," : "On day %u: ", number);
    for (unsigned i = 0; i < 60; i++)
        size += (size_t)sprintf(out + size, "%s%s", words[(number + i * i) % 7],
                                i % 12 == 11 ? ". " : " ");
    return size + (size_t)sprintf(out + size, strstr(name, "line") != NULL ? " "
                                              : rows                       ? "\n"
                                                                           : "\n\n");
}

static void add_text(peaks *of, rsi_store *store, const char *incarnation, const char *name,
                     size_t bytes)
{
    char paragraph[2000];
    rsi_upload *upload;
    rsi_added added;
    const rsi_document_fields fields = {
        .filename = name, .progress = note_stage, .progress_user = of};
    assert_int_equal(rsi_upload_begin(&upload, store, "acme", incarnation, &fields), 0);
    for (size_t done = 0, i = 0; done < bytes; i++) {
        const size_t size = write_paragraph(paragraph, (unsigned)i, name);
        assert_int_equal(rsi_upload_write(upload, paragraph, size), 0);
        done += size;
    }
    const size_t before = alive;
    peak = alive;
    *of = (peaks){0};
    if (rsi_upload_commit(&added, upload) != RAGSTORE_OK)
        fail_msg("%s: %s", name, rsi_error_message());
    of->of_all = peak - before;
    of->until_commit -= before;
}

static void check(void **state, const char *name, rsi_embedder *embedder, size_t bytes)
{
    char place[TEMPORARY_PATH_MAX];
    char incarnation[RSI_INCARNATION_DIGITS + 1];
    rsi_store *store;
    peaks of;
    uint64_t documents;
    uint64_t chunks;
    const rsi_entity_fields fields = {.name = "Acme"};
    const rsi_store_options options = {.storage = {.durability = RAGSTORE_DURABILITY_NORMAL},
                                       .memory_limit_bytes = 8 * MIB, /* also of embedded texts */
                                       .embedder = embedder};
    temporary_join(place, state, embedder == NULL ? name : "vectors");
    assert_int_equal(rsi_store_open(&store, place, &options), 0);
    assert_int_equal(rsi_entity_create(incarnation, store, "acme", &fields), 0);
    add_text(&of, store, incarnation, name, bytes);
    assert_int_equal(rsi_entity_totals(&documents, &chunks, store, "acme"), 0);
    print_message("%s of %zu MiB: %zu KiB until the commit, %zu KiB in all, %zu chunks\n", name,
                  bytes / MIB, of.until_commit >> 10, of.of_all >> 10, (size_t)chunks);
    assert_true(of.is_committing);
    assert_in_range(of.until_commit, 1, UNTIL_COMMIT);
    assert_in_range(of.of_all, 1, OF_A_COMMIT + chunks * OF_A_CHUNK);
    assert_int_equal(rsi_store_close(store), 0);
    rsi_store_free(store);
}

/* Twice the limit, so that whatever holds all of it shows. */
#define BYTES (2 * UNTIL_COMMIT)

static void ingest_document_memory__does_not_grow_with_a_text(void **state)
{
    check(state, "a.txt", NULL, BYTES);
}

static void ingest_document_memory__does_not_grow_with_one_line(void **state)
{
    check(state, "line.txt", NULL, BYTES);
}

static void ingest_document_memory__does_not_grow_with_a_table(void **state)
{
    check(state, "a.csv", NULL, BYTES);
}

static void ingest_document_memory__does_not_grow_with_vectors(void **state)
{
    rsi_embedder *embedder;
    assert_int_equal(rsi_embedder_open_hashing(&embedder, 256), 0);
    check(state, "a.txt", embedder, BYTES);
    rsi_embedder_release(embedder);
}

static int setup(void **state)
{
    real = rsi_memory;
    rsi_memory = (rsi_memory_table){counting_resize, counting_release};
    alive = 0;
    return temporary_setup(state);
}

static int teardown(void **state)
{
    rsi_memory = real;
    return temporary_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ingest_document_memory__does_not_grow_with_a_text),
        TEST(ingest_document_memory__does_not_grow_with_one_line),
        TEST(ingest_document_memory__does_not_grow_with_a_table),
        TEST(ingest_document_memory__does_not_grow_with_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
