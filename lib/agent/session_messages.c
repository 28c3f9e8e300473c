/* The messages of a session, and asking it. See session.h. */
#include "agent/session.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define HISTORY_TURNS 8 /* messages before the question that the agent is shown */

/* ---- appending ---- */

static int encode_message(rsi_bytes *out, const char *role, const char *content,
                          const rsi_bytes *metadata)
{
    char now[RSI_TIME_TEXT];
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_time_now_text(now);
    rsi_json_begin_object(&writer);
    rsi_json_put_text(&writer, "role", role);
    rsi_json_put_text(&writer, "content", content);
    rsi_json_put_text(&writer, "timestamp", now);
    rsi_json_put_raw(&writer, "metadata", metadata->data);
    rsi_json_end_object(&writer);
    return rsi_bytes_status(out);
}

static int touch_session(rsi_tx *tx, const rsi_session_record *record)
{
    char now[RSI_TIME_TEXT];
    const rsi_session_change change = {.last_activity = now};
    rsi_time_now_text(now);
    return rsi_session_put(tx, record, &change);
}

static int check_message(const char *role, const char *content)
{
    if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 && strcmp(role, "system") != 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "agent",
                        "the role \"%.40s\" is none of user, assistant, system", role);
    return rsi_text_check(content, RSI_MESSAGE_BYTES_MAX, "the message");
}

static int append_in_tx(uint64_t *number, rsi_store *store, const char *session_id,
                        const rsi_bytes *message, rsi_tx *tx)
{
    rsi_session_record record;
    int status = rsi_session_read(&record, store, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_storage_row_count(NULL, number, store->storage, RSI_SPACE_SESSIONS,
                                       session_id);
    if (status == RAGSTORE_OK)
        status = rsi_tx_row_put(tx, RSI_SPACE_SESSIONS, session_id, *number, message->data,
                                message->size);
    if (status == RAGSTORE_OK)
        status = touch_session(tx, &record);
    rsi_session_record_free(&record);
    return status;
}

int rsi_session_append(uint64_t *number, rsi_bytes *json, rsi_store *store,
                       const char *session_id, const char *role, const char *content,
                       const char *metadata_json)
{
    rsi_bytes metadata = {0};
    rsi_bytes message = {0};
    rsi_tx *tx;
    uint64_t place = 0;
    int status = check_message(role, content);
    if (status == RAGSTORE_OK)
        status = rsi_metadata_check(&metadata, metadata_json);
    if (status == RAGSTORE_OK)
        status = encode_message(&message, role, content, &metadata);
    if (status == RAGSTORE_OK && json != NULL && !rsi_bytes_reserve(json, message.size))
        status = RAGSTORE_E_NO_MEMORY; /* now: what is stored must not be reported as failed */
    if (status == RAGSTORE_OK)
        status = rsi_tx_begin(&tx, store->storage);
    if (status == RAGSTORE_OK) {
        status = append_in_tx(&place, store, session_id, &message, tx);
        if (status == RAGSTORE_OK)
            status = rsi_tx_commit(tx);
        else
            rsi_tx_abort(tx);
    }
    if (status == RAGSTORE_OK && number != NULL)
        *number = place;
    if (status == RAGSTORE_OK && json != NULL)
        rsi_bytes_append(json, message.data, message.size);
    rsi_bytes_free(&message);
    rsi_bytes_free(&metadata);
    return status;
}

/* ---- reading ---- */

static int put_message(void *user, uint64_t number, const char *json, size_t size)
{
    (void)number;
    rsi_json_raw_value(user, json, size);
    return RAGSTORE_OK;
}

int rsi_session_messages(rsi_bytes *out, rsi_store *store, const char *session_id, uint64_t limit,
                         uint64_t before)
{
    rsi_session_record record;
    uint64_t next = 0;
    int status = rsi_session_read(&record, store, session_id);
    rsi_session_record_free(&record);
    if (status == RAGSTORE_OK)
        status =
            rsi_storage_row_count(NULL, &next, store->storage, RSI_SPACE_SESSIONS, session_id);
    if (status != RAGSTORE_OK)
        return status;
    uint64_t end = before < next ? before : next;
    uint64_t from = limit < end ? end - limit : 0;
    rsi_json_writer writer = rsi_json_writer_of(out);
    rsi_json_begin_array(&writer);
    status = rsi_storage_rows(store->storage, RSI_SPACE_SESSIONS, session_id, from, end - from,
                              put_message, &writer);
    rsi_json_end_array(&writer);
    return status == RAGSTORE_OK ? rsi_bytes_status(out) : status;
}

/* ---- asking ---- */

/* The conversation before a question, as the agent takes it. */
typedef struct history {
    struct rsi_agent_turn turns[HISTORY_TURNS];
    rsi_json *messages[HISTORY_TURNS]; /* own the texts */
    size_t count;
} history;

static void free_history(history *past)
{
    for (size_t i = 0; i < past->count; i++)
        rsi_json_free(past->messages[i]);
    past->count = 0;
}

static int remember_message(void *user, uint64_t number, const char *json, size_t size)
{
    history *past = user;
    rsi_json *message;
    (void)number;
    int status = rsi_json_parse(&message, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *role = rsi_json_get_text(message, "role");
    const char *content = rsi_json_get_text(message, "content");
    if (role == NULL || content == NULL || strcmp(role, "system") == 0 ||
        past->count == HISTORY_TURNS) {
        rsi_json_free(message);
        return RAGSTORE_OK;
    }
    past->messages[past->count] = message;
    past->turns[past->count].is_user = strcmp(role, "user") == 0;
    past->turns[past->count].content = content;
    past->count++;
    return RAGSTORE_OK;
}

/* The messages before number `before`. */
static int read_history(history *past, rsi_store *store, const char *session_id, uint64_t before)
{
    uint64_t from = before > HISTORY_TURNS ? before - HISTORY_TURNS : 0;
    return rsi_storage_rows(store->storage, RSI_SPACE_SESSIONS, session_id, from, before - from,
                            remember_message, past);
}

static int answer_question(rsi_agent_answer *answer, rsi_store *store, const char *session_id,
                           uint64_t number, const rsi_session_question *question,
                           const rsi_agent_listener *listener)
{
    rsi_session_record record = {0};
    rsi_entity_record entity = {0};
    history past = {.count = 0};
    int status = rsi_session_read(&record, store, session_id);
    if (status == RAGSTORE_OK)
        status = rsi_entity_read(&entity, store, record.entity_id, record.incarnation);
    if (status == RAGSTORE_OK)
        status = read_history(&past, store, session_id, number);
    if (status == RAGSTORE_OK) {
        rsi_agent_question asked = {.message = question->message,
                                    .history = past.turns,
                                    .history_count = past.count,
                                    .doc_ids = question->doc_ids,
                                    .doc_ids_count = question->doc_ids_count,
                                    .filter_json = question->filter_json,
                                    .k = question->k,
                                    .model = question->model};
        status = rsi_agent_answer_question(answer, store, entity.id, entity.incarnation, &asked,
                                           listener);
    }
    free_history(&past);
    rsi_entity_record_free(&entity);
    rsi_session_record_free(&record);
    return status;
}

/* The answer's metadata, marked when it was cut short. */
static int mark_metadata(rsi_bytes *out, const rsi_agent_answer *answer, bool is_partial)
{
    const char *metadata = answer->metadata == NULL ? "{}" : answer->metadata;
    size_t size = strlen(metadata);
    if (!is_partial) {
        rsi_bytes_append(out, metadata, size);
        return rsi_bytes_status(out);
    }
    rsi_bytes_append(out, metadata, size - 1);
    rsi_bytes_append_text(out, size > 2 ? ",\"partial\":true}" : "\"partial\":true}");
    return rsi_bytes_status(out);
}

int rsi_session_ask(rsi_agent_answer *answer, rsi_bytes *message_json, rsi_store *store,
                    const char *session_id, const rsi_session_question *question,
                    const rsi_agent_listener *listener)
{
    uint64_t number;
    rsi_bytes metadata = {0};
    memset(answer, 0, sizeof *answer);
    int status = rsi_session_append(&number, NULL, store, session_id, "user", question->message,
                                    NULL);
    if (status != RAGSTORE_OK)
        return status;
    int answered = answer_question(answer, store, session_id, number, question, listener);
    if (answered != RAGSTORE_OK && answered != RAGSTORE_E_INTERRUPTED &&
        answered != RAGSTORE_E_MODEL)
        return rsi_wrap(answered, "answer (the message is stored)");
    if (answer->text == NULL)
        return answered;
    rsi_saved_error error;
    rsi_error_save(&error);
    status = mark_metadata(&metadata, answer, answered != RAGSTORE_OK);
    if (status == RAGSTORE_OK)
        status = rsi_session_append(NULL, message_json, store, session_id, "assistant",
                                    answer->text, metadata.data);
    rsi_bytes_free(&metadata);
    if (status != RAGSTORE_OK) {
        rsi_agent_answer_free(answer);
        return rsi_wrap(status, "store the answer");
    }
    rsi_error_restore(&error);
    return answered;
}
