/* What the tests of entities share. */
#ifndef TESTS_UNIT_ENTITIES_ENTITIES_FIXTURE_H
#define TESTS_UNIT_ENTITIES_ENTITIES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/status.h"
#include "entities/catalog.h"
#include "entities/export.h"
#include "files/paths.h"
#include "harness/fault_memory.h"
#include "harness/open_store.h"
#include "harness/temporary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline rsi_json *describe_entity(open_store *s, const char *id)
{
    rsi_bytes out = {0};
    rsi_json *json;
    if (rsi_entity_describe(&out, s->store, id, NULL) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(rsi_json_parse(&json, out.data, out.size, 32), 0);
    rsi_bytes_free(&out);
    return json;
}

static inline rsi_catalog *acquire(open_store *s)
{
    rsi_catalog *catalog;
    if (rsi_catalog_acquire(&catalog, s->store, ACME, s->incarnation) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return catalog;
}

/* How many chunks have the word, as far as the keyword index knows. */
static inline size_t count_chunks_with(open_store *s, const char *word)
{
    rsi_hit hits[64];
    size_t count;
    float ideal;
    rsi_catalog *catalog = acquire(s);
    assert_int_equal(rsi_lexical_search(hits, &count, &ideal, catalog->lexical, word, strlen(word),
                                        64, NULL),
                     0);
    rsi_catalog_release(s->store, catalog);
    return count;
}

/* Two chunks with vectors of two numbers. */
static inline rsi_added add_pair(open_store *s, const char *name)
{
    static const float vectors[] = {1, 0, 0, 1};
    char json[256];
    snprintf(json, sizeof json, "[{\"text\": \"first of %s\"}, {\"text\": \"second of %s\"}]", name,
             name);
    return open_store_add_chunks(s, name, json, vectors, 2);
}

/* Close and open again whatever state the store is in; what failed may be said again. */
static inline void reopen_after_fault(open_store *s)
{
    (void)rsi_store_close(s->store);
    rsi_store_free(s->store);
    if (open_store_open(s, RAGSTORE_OPEN_MUST_EXIST) != RAGSTORE_OK)
        fail_msg("open again: %s", rsi_error_message());
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

#endif
