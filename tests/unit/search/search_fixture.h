/*
 * What the tests of search share: an entity with three documents and vectors of two numbers.
 *
 *   chunk  document  text                               vector   metadata
 *   0      wings     "wings lift the aircraft"          1, 0     {"year": 1960}
 *   1      wings     "a wing stalls at a large angle"   3, 4     {"year": 1960, "part": "stall"}
 *   2      jets      "jets push the aircraft"           0, 1     {"year": 1955}
 *   3      jets      "noise of jets"                    -1, 0    {"year": 1970}
 *   4      notes     "paper and ink"                    0, -1    {}
 */
#ifndef TESTS_UNIT_SEARCH_SEARCH_FIXTURE_H
#define TESTS_UNIT_SEARCH_SEARCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/open_store.h"
#include "harness/temporary.h"
#include "search/search.h"

#include <math.h>
#include <string.h>

typedef struct searched {
    open_store s;
    rsi_added wings;
    rsi_added jets;
    rsi_added notes;
} searched;

static inline rsi_added add_with(searched *f, const char *name, const char *metadata,
                                 const char *chunks, const float *vectors)
{
    const rsi_document_fields fields = {.filename = name, .metadata_json = metadata};
    rsi_added added;
    if (rsi_document_add_chunks(&added, f->s.store, ACME, f->s.incarnation, chunks, vectors,
                                vectors == NULL ? 0 : 2, &fields) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return added;
}

static inline void searched_begin(searched *f, void **state, bool with_vectors)
{
    static const float wings[] = {1, 0, 3, 4};
    static const float jets[] = {0, 1, -1, 0};
    static const float notes[] = {0, -1};
    open_store_begin(&f->s, state, NULL);
    f->wings = add_with(f, "wings.txt", "{\"year\": 1960}",
                        "[{\"text\": \"wings lift the aircraft\", \"start\": 0, \"end\": 23,"
                        "  \"page\": 2},"
                        " {\"text\": \"a wing stalls at a large angle\","
                        "  \"metadata\": {\"part\": \"stall\"}}]",
                        with_vectors ? wings : NULL);
    f->jets = add_with(f, "jets.txt", "{\"year\": 1955}",
                       "[{\"text\": \"jets push the aircraft\"},"
                       " {\"text\": \"noise of jets\", \"metadata\": {\"year\": 1970}}]",
                       with_vectors ? jets : NULL);
    f->notes = add_with(f, "notes.txt", NULL, "[{\"text\": \"paper and ink\"}]",
                        with_vectors ? notes : NULL);
}

static inline void searched_end(searched *f)
{
    open_store_end(&f->s);
}

static inline rsi_catalog *acquire(searched *f)
{
    rsi_catalog *catalog;
    assert_int_equal(rsi_catalog_acquire(&catalog, f->s.store, ACME, f->s.incarnation), 0);
    return catalog;
}

static inline rsi_search_query words(const char *text, uint32_t mode)
{
    return (rsi_search_query){.text = text, .size = strlen(text), .k = 10, .mode = mode};
}

static inline int find(rsi_result **result, searched *f, const rsi_search_query *query)
{
    return rsi_search(result, f->s.store, ACME, f->s.incarnation, query);
}

/* The search must give these chunks in this order; frees the result. */
static inline void expect_chunks(searched *f, const rsi_search_query *query, const int64_t *chunks,
                                 size_t count)
{
    rsi_result *result;
    if (find(&result, f, query) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(result->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(result->items[i].chunk, chunks[i]);
    rsi_result_free(result);
}

#define EXPECT_CHUNKS(f, query, ...)                                                               \
    expect_chunks(f, query, (const int64_t[]){__VA_ARGS__},                                        \
                  sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

#endif
