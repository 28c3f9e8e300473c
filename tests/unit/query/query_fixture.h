/*
 * What the tests of lib/query share: asking from text to text, and failing every allocation.
 *
 * Test texts are written with ' for ", which they otherwise would be full of.
 */
#ifndef TESTS_UNIT_QUERY_FIXTURE_H
#define TESTS_UNIT_QUERY_FIXTURE_H

#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"
#include "query/pipeline.h"
#include "query/projection.h"
#include "query/update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One of a few buffers, in turn. */
static inline const char *quoted(const char *text)
{
    static char buffers[8][4096];
    static unsigned next;
    char *out = buffers[next++ % 8];
    size_t size = strlen(text);

    assert_true(size < sizeof buffers[0]);
    for (size_t i = 0; i <= size; i++)
        out[i] = text[i] == '\'' ? '"' : text[i];
    return out;
}

static inline rsi_json *tree_of(const char *text)
{
    rsi_json *tree;
    const char *json = quoted(text);

    if (rsi_json_parse(&tree, json, strlen(json), RSI_JSON_DEPTH_STORED) != RAGSTORE_OK)
        fail_msg("%s: %s", text, rsi_error_message());
    return tree;
}

static inline void assert_says(int status, int wanted, const char *input, const char *message)
{
    if (status != wanted)
        fail_msg("status %s for %s: %s", rsi_status_name(status), input, rsi_error_message());
    if (strstr(rsi_error_message(), message) == NULL)
        fail_msg("'%s' does not say '%s'", rsi_error_message(), message);
}

/* Runs `once` with each allocation failing in turn, until it gets by without; it frees all it was
 * given and returns its status. */
static inline void fail_each_allocation(int (*once)(void *user), void *user)
{
    fault_memory_install();
    for (unsigned n = 1; n < 10000; n++) {
        int64_t before = fault_memory_alive();
        fault_memory_fail(n, false);
        int status = once(user);
        bool failed = fault_memory_failed();
        fault_memory_disarm();
        assert_int_equal(fault_memory_alive(), before);
        if (!failed) {
            assert_int_equal(status, RAGSTORE_OK);
            break;
        }
        assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
    }
    fault_memory_restore();
}

#endif
