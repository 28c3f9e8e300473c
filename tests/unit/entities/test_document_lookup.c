/* Documents by their values: lib/entities/document_lookup.c. */
#include "entities/document_lookup.h"

#include "base/status.h"
#include "harness/fault_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DOCUMENTS 20000

static bool has(const rsi_document_lookup *lookup, const char *member, const char *value,
                uint64_t row)
{
    uint64_t rows[16];
    size_t count = rsi_document_lookup_find(rows, 16, lookup, member, value);
    for (size_t i = 0; i < count && i < 16; i++)
        if (rows[i] == row)
            return true;
    return false;
}

static void entities_document_lookup__finds_each_of_many(void **state)
{
    rsi_document_lookup lookup = {0};
    char value[40];
    size_t wrong = 0;
    uint64_t rows[16];
    (void)state;
    assert_int_equal(rsi_document_lookup_find(rows, 16, &lookup, "key", "0"), 0);
    for (uint64_t row = 0; row < DOCUMENTS; row++) {
        snprintf(value, sizeof value, "doc_%d", (int)row);
        assert_int_equal(rsi_document_lookup_add(&lookup, "doc_id", value, row), 0);
        assert_int_equal(rsi_document_lookup_add(&lookup, "key", row % 2 == 0 ? value : NULL, row),
                         0);
    }
    assert_int_equal(lookup.count, DOCUMENTS + DOCUMENTS / 2);
    for (uint64_t row = 0; row < DOCUMENTS; row++) {
        snprintf(value, sizeof value, "doc_%d", (int)row);
        assert_true(has(&lookup, "doc_id", value, row));
        assert_int_equal(has(&lookup, "key", value, row), row % 2 == 0);
        wrong += rsi_document_lookup_find(rows, 16, &lookup, "sha256", value);
    }
    assert_true(wrong < 10); /* hashes have 32 bits */
    rsi_document_lookup_free(&lookup);
}

static void entities_document_lookup__knows_each_pair_once(void **state)
{
    rsi_document_lookup lookup = {0};
    uint64_t rows[4] = {0};
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(rsi_document_lookup_add(&lookup, "key", "a", (uint64_t)i % 5), 0);
    assert_int_equal(lookup.count, 5);
    assert_int_equal(rsi_document_lookup_find(rows, 4, &lookup, "key", "a"), 5); /* more than fit */
    rsi_document_lookup_free(&lookup);
}

static void entities_document_lookup__tells_when_it_is_worn(void **state)
{
    rsi_document_lookup lookup = {0};
    char value[40];
    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(value, sizeof value, "%d", i);
        assert_int_equal(rsi_document_lookup_add(&lookup, "sha256", value, 7), 0);
        if (i == 3999)
            rsi_document_lookup_settle(&lookup);
        assert_int_equal(rsi_document_lookup_is_worn(&lookup), i >= 8000);
    }
    rsi_document_lookup_free(&lookup);
}

static void entities_document_lookup__says_what_it_cannot_hold(void **state)
{
    rsi_document_lookup lookup = {0};
    (void)state;
    assert_int_equal(rsi_document_lookup_add(&lookup, "key", "a", UINT32_MAX - 1), 0);
    assert_true(has(&lookup, "key", "a", UINT32_MAX - 1));
    assert_false(lookup.incomplete);
    assert_int_equal(rsi_document_lookup_add(&lookup, "key", "b", UINT32_MAX), 0);
    assert_true(lookup.incomplete);
    rsi_document_lookup_free(&lookup);
}

static void entities_document_lookup__keeps_what_it_has_when_memory_is_short(void **state)
{
    rsi_document_lookup lookup = {0};
    char value[40];
    int status = RAGSTORE_OK;
    int count = 0;
    (void)state;
    fault_memory_install();
    assert_int_equal(rsi_document_lookup_add(&lookup, "key", "0", 0), 0);
    fault_memory_fail(1, true);
    for (count = 1; status == RAGSTORE_OK; count++) {
        snprintf(value, sizeof value, "%d", count);
        status = rsi_document_lookup_add(&lookup, "key", value, (uint64_t)count);
    }
    fault_memory_disarm();
    assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
    for (int i = 0; i < count - 1; i++) {
        snprintf(value, sizeof value, "%d", i);
        assert_true(has(&lookup, "key", value, (uint64_t)i));
    }
    rsi_document_lookup_free(&lookup);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_document_lookup__finds_each_of_many),
        cmocka_unit_test(entities_document_lookup__knows_each_pair_once),
        cmocka_unit_test(entities_document_lookup__tells_when_it_is_worn),
        cmocka_unit_test(entities_document_lookup__says_what_it_cannot_hold),
        cmocka_unit_test(entities_document_lookup__keeps_what_it_has_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
