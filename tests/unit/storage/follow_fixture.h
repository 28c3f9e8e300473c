/*
 * What the tests of several openers of one store share: each is what another process would be,
 * because locks belong to the open file.
 */
#ifndef TESTS_UNIT_STORAGE_FOLLOW_FIXTURE_H
#define TESTS_UNIT_STORAGE_FOLLOW_FIXTURE_H

#include "storage_fixture.h"

#include "harness/fault_files.h"
#include "harness/fault_memory.h"
#include "harness/power_explore.h"

#include <errno.h>

#define COLLECTION "collections/books"

static inline void assert_error(int status, int code)
{
    if (status != code)
        fail_msg("%s instead of %s: %s", rsi_status_name(status), rsi_status_name(code),
                 status == RAGSTORE_OK ? "" : rsi_error_message());
}

static inline void assert_good(int status)
{
    assert_error(status, RAGSTORE_OK);
}

static inline void close_and_free(rsi_storage *storage)
{
    assert_good(rsi_storage_close(storage));
    rsi_storage_free(storage);
}

static inline int put_one(rsi_storage *storage, const char *space, const char *key,
                          const char *json)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    return status == RAGSTORE_OK ? storage_end(tx, storage_put_text(tx, space, key, json)) : status;
}

static inline int put_number(rsi_storage *storage, int number)
{
    char key[32];
    char json[128];
    snprintf(key, sizeof key, "s%05d", number);
    snprintf(json, sizeof json, "{\"session_id\":\"%s\",\"entity_id\":\"acme\"}", key);
    return put_one(storage, RSI_SPACE_SESSIONS, key, json);
}

static inline int put_chunk(rsi_storage *storage, uint64_t number, const char *json)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    return status == RAGSTORE_OK
               ? storage_end(tx, storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, number, json))
               : status;
}

/* Both hold the same, and so does what is opened when all are closed. */
static inline void assert_same(rsi_storage *a, rsi_storage *b)
{
    assert_good(rsi_storage_follow(a));
    assert_good(rsi_storage_follow(b));
    char *left = storage_text(a);
    char *right = storage_text(b);
    assert_string_equal(left, right);
    free(left);
    free(right);
}

static inline void assert_has(rsi_storage *storage, const char *space, const char *key)
{
    rsi_bytes value = {0};
    assert_good(rsi_storage_follow(storage));
    int status = rsi_storage_get(&value, storage, space, key);
    if (status != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    rsi_bytes_free(&value);
}

static inline void assert_sessions(rsi_storage *storage, size_t count)
{
    assert_good(rsi_storage_follow(storage));
    assert_int_equal(rsi_storage_count(storage, RSI_SPACE_SESSIONS), count);
}

#endif
