/* What the tests of sessions and answers share. */
#ifndef TESTS_UNIT_AGENT_AGENT_FIXTURE_H
#define TESTS_UNIT_AGENT_AGENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/session.h"
#include "base/memory.h"
#include "base/status.h"
#include "harness/fault_memory.h"
#include "harness/open_store.h"
#include "harness/temporary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static inline void new_session(open_store *s, char id[RSI_SESSION_ID_MAX], const char *name)
{
    if (rsi_session_create(id, s->store, ACME, s->incarnation, name, NULL) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
}

/* A record as another program may have written it. */
static inline void put_session(open_store *s, const char *id, const char *json, size_t size)
{
    rsi_tx *tx;
    assert_int_equal(rsi_tx_begin(&tx, s->store->storage), 0);
    assert_int_equal(rsi_tx_put(tx, RSI_SPACE_SESSIONS, id, json, size), 0);
    assert_int_equal(rsi_tx_commit(tx), 0);
}

static inline rsi_json *describe(open_store *s, const char *id)
{
    rsi_bytes out = {0};
    rsi_json *json;
    if (rsi_session_describe(&out, s->store, id) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(rsi_json_parse(&json, out.data, out.size, 32), 0);
    rsi_bytes_free(&out);
    return json;
}

/* The messages as a JSON array, freed by the caller. */
static inline rsi_json *messages(open_store *s, const char *id, uint64_t limit, uint64_t before)
{
    rsi_bytes out = {0};
    rsi_json *json;
    if (rsi_session_messages(&out, s->store, id, limit, before) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    assert_int_equal(rsi_json_parse(&json, out.data, out.size, 32), 0);
    rsi_bytes_free(&out);
    return json;
}

static inline const char *content_at(const rsi_json *list, size_t i)
{
    return rsi_json_get_text(rsi_json_at(list, i), "content");
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

#endif
