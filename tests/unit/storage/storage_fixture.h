/* A small store on a disk in memory, for the tests of storage.h as a black box. */
#ifndef TESTS_UNIT_STORAGE_FIXTURE_H
#define TESTS_UNIT_STORAGE_FIXTURE_H

#include "base/status.h"
#include "files/paths.h"
#include "harness/power_disk.h"
#include "harness/power_model.h"
#include "ragstore.h"
#include "storage/storage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTITY "acme"
#define INCARNATION "0123456789abcdef0123456789abcdef"
#define ENTITY_JSON "{\"_id\":\"acme\",\"incarnation\":\"" INCARNATION "\",\"name\":\"Acme\"}"
#define SESSION_JSON "{\"session_id\":\"s1\",\"entity_id\":\"acme\"}"
#define DOCUMENT_JSON "{\"doc_id\":\"d1\",\"title\":\"Report\"}"
#define CHUNK_JSON "{\"doc_id\":\"d1\",\"text\":\"The first chunk.\"}"
#define MESSAGE_JSON "{\"role\":\"user\",\"content\":\"hello\"}"

static inline int storage_open_on(rsi_storage **storage, const rsi_file_table *table,
                                  uint32_t flags)
{
    const rsi_storage_options options = {
        .flags = flags, .durability = RAGSTORE_DURABILITY_FULL, .files = table};
    return rsi_storage_open(storage, "/store", &options);
}

static inline rsi_storage *storage_open_good(power_disk *disk)
{
    rsi_storage *storage = NULL;
    if (storage_open_on(&storage, power_disk_table(disk), 0) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return storage;
}

static inline int storage_put_text(rsi_tx *tx, const char *space, const char *key, const char *json)
{
    return rsi_tx_put(tx, space, key, json, strlen(json));
}

static inline int storage_row_text(rsi_tx *tx, const char *space, const char *key, uint64_t number,
                                   const char *json)
{
    return rsi_tx_row_put(tx, space, key, number, json, strlen(json));
}

/* Commit a transaction, or take it back when `status` is a failure. */
static inline int storage_end(rsi_tx *tx, int status)
{
    if (status == RAGSTORE_OK)
        return rsi_tx_commit(tx);
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_tx_abort(tx);
    rsi_error_restore(&error);
    return status;
}

/* The first commit: an entity with a document and a chunk. */
static inline int storage_commit_entity(rsi_storage *storage)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    status = storage_put_text(tx, RSI_SPACE_ENTITIES, ENTITY, ENTITY_JSON);
    if (status == RAGSTORE_OK)
        status = rsi_tx_come(tx, ENTITY, INCARNATION);
    if (status == RAGSTORE_OK)
        status = storage_row_text(tx, RSI_SPACE_ENTITIES, ENTITY, 2, DOCUMENT_JSON);
    if (status == RAGSTORE_OK)
        status = storage_row_text(tx, RSI_SPACE_CHUNKS, ENTITY, 0, CHUNK_JSON);
    return storage_end(tx, status);
}

/* The second: a session with a message. */
static inline int storage_commit_session(rsi_storage *storage)
{
    rsi_tx *tx;
    int status = rsi_tx_begin(&tx, storage);
    if (status != RAGSTORE_OK)
        return status;
    status = storage_put_text(tx, RSI_SPACE_SESSIONS, "s1", SESSION_JSON);
    if (status == RAGSTORE_OK)
        status = storage_row_text(tx, RSI_SPACE_SESSIONS, "s1", 0, MESSAGE_JSON);
    return storage_end(tx, status);
}

/* A disk with a store that holds both commits; closed cleanly, or left as by a kill. */
static inline power_disk *storage_make(bool clean)
{
    power_disk *disk = power_disk_new();
    rsi_storage *storage = storage_open_good(disk);
    assert_int_equal(storage_commit_entity(storage), RAGSTORE_OK);
    assert_int_equal(storage_commit_session(storage), RAGSTORE_OK);
    if (clean)
        assert_int_equal(rsi_storage_close(storage), RAGSTORE_OK);
    rsi_storage_free(storage);
    return disk;
}

static inline char *storage_text(rsi_storage *storage)
{
    char *text;
    if (power_storage_text(&text, storage) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return text;
}

/* Overwrite, cut or remove a file of the store behind its back. */
static inline int storage_file(power_disk *disk, const char *path, unsigned flags)
{
    char full[RSI_PATH_MAX + 8];
    snprintf(full, sizeof full, "/store/%s", path);
    int handle = power_disk_table(disk)->open(disk, -1, full, RSI_OPEN_ROOT | flags);
    assert_true(handle >= 0);
    return handle;
}

static inline void storage_remove(power_disk *disk, const char *path)
{
    int root = storage_file(disk, ".", RSI_OPEN_DIRECTORY);
    assert_int_equal(power_disk_table(disk)->remove(disk, root, path, false), 0);
    power_disk_table(disk)->close(disk, root);
}

static inline size_t storage_read_file(power_disk *disk, const char *path, char *out, size_t size)
{
    int handle = storage_file(disk, path, RSI_OPEN_READ);
    int64_t count = power_disk_table(disk)->read(disk, handle, out, size - 1, 0);
    assert_true(count >= 0);
    out[count] = '\0';
    power_disk_table(disk)->close(disk, handle);
    return (size_t)count;
}

static inline void storage_write_file(power_disk *disk, const char *path, const char *data,
                                      size_t size)
{
    int handle = storage_file(disk, path, RSI_OPEN_WRITE);
    power_disk_table(disk)->truncate(disk, handle, 0);
    assert_int_equal(power_disk_table(disk)->write(disk, handle, data, size, 0), size);
    power_disk_table(disk)->close(disk, handle);
}

#endif
