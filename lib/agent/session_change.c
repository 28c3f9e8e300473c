/* A session's record again, with other members. See session.h. */
#include "agent/session.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

static void put_member(rsi_json_writer *writer, const char *key, const rsi_json *value,
                       const rsi_session_change *change)
{
    if (change->last_activity != NULL && strcmp(key, "last_activity") == 0)
        rsi_json_put_text(writer, key, change->last_activity);
    else if (change->name != NULL && strcmp(key, "session_name") == 0)
        rsi_json_put_text(writer, key, change->name);
    else if (change->metadata_json != NULL && strcmp(key, "metadata") == 0)
        rsi_json_put_raw(writer, key, change->metadata_json);
    else
        rsi_json_put_value(writer, key, value);
}

/* Records of other programs may lack them. */
static void put_missing(rsi_json_writer *writer, const rsi_json *session,
                        const rsi_session_change *change)
{
    if (change->name != NULL && rsi_json_get(session, "session_name") == NULL)
        rsi_json_put_text(writer, "session_name", change->name);
    if (change->metadata_json != NULL && rsi_json_get(session, "metadata") == NULL)
        rsi_json_put_raw(writer, "metadata", change->metadata_json);
}

int rsi_session_put(rsi_tx *tx, const rsi_session_record *record, const rsi_session_change *change)
{
    rsi_bytes text = {0};
    rsi_json_writer writer = rsi_json_writer_of(&text);
    void *iterator = NULL;
    const char *key;
    rsi_json *value;
    rsi_json_begin_object(&writer);
    while (rsi_json_each(record->json, &iterator, &key, &value))
        put_member(&writer, key, value, change);
    put_missing(&writer, record->json, change);
    rsi_json_end_object(&writer);
    int status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_tx_put(tx, RSI_SPACE_SESSIONS, record->id, text.data, text.size);
    rsi_bytes_free(&text);
    return status;
}

int rsi_session_version(char version[RSI_SESSION_VERSION_SIZE], rsi_store *store,
                        const char *session_id)
{
    char digest[RSI_SHA256_HEX];
    rsi_session_record record = {0};
    rsi_bytes text = {0};
    uint64_t next = 0;
    version[0] = '\0';
    int status = rsi_session_read(&record, store, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_storage_row_count(NULL, &next, store->storage, RSI_SPACE_SESSIONS, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_json_dump(&text, record.json);
    if (status == RAGSTORE_OK) {
        rsi_bytes_printf(&text, " %llu", (unsigned long long)next);
        status = rsi_bytes_status(&text);
    }
    if (status == RAGSTORE_OK) {
        rsi_sha256_hex(text.data, text.size, digest);
        memcpy(version, digest, RSI_SESSION_VERSION_SIZE - 1);
        version[RSI_SESSION_VERSION_SIZE - 1] = '\0';
    }
    rsi_bytes_free(&text);
    rsi_session_record_free(&record);
    return status;
}

static int check_version(rsi_store *store, const char *session_id, const char *version)
{
    char current[RSI_SESSION_VERSION_SIZE];
    if (version == NULL)
        return RAGSTORE_OK;
    int status = rsi_session_version(current, store, session_id);
    if (status != RAGSTORE_OK || strcmp(current, version) == 0)
        return status;
    return rsi_fail(RAGSTORE_E_CONFLICT, "agent",
                    "session \"%s\" was changed meanwhile: it has version %s; read it again",
                    session_id, current);
}

static int update_in_tx(rsi_tx *tx, rsi_store *store, const char *session_id,
                        const rsi_session_change *change, const char *version)
{
    rsi_session_record record = {0};
    int status = rsi_session_read(&record, store, session_id);
    if (status == RAGSTORE_OK)
        status = check_version(store, session_id, version);
    if (status == RAGSTORE_OK)
        status = rsi_session_put(tx, &record, change);
    rsi_session_record_free(&record);
    return status;
}

int rsi_session_update(rsi_store *store, const char *session_id, const rsi_session_change *change,
                       const char *version)
{
    rsi_session_change checked = *change;
    rsi_bytes metadata = {0};
    rsi_tx *tx;
    int status =
        change->name == NULL ? RAGSTORE_OK : rsi_text_check(change->name, RSI_NAME_MAX, "the name");
    if (status == RAGSTORE_OK && change->metadata_json != NULL) {
        status = rsi_metadata_check(&metadata, change->metadata_json);
        checked.metadata_json = metadata.data;
    }
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status == RAGSTORE_OK) {
        status = update_in_tx(tx, store, session_id, &checked, version);
        if (status == RAGSTORE_OK)
            status = rsi_tx_commit(tx);
        else
            rsi_tx_abort(tx);
    }
    rsi_bytes_free(&metadata);
    return status;
}
