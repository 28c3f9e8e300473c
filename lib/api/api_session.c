/* Session and answer. */
#include "api/handles.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define DEFAULT_PASSAGES 8
#define DEFAULT_FOUND 20
#define DEFAULT_ANSWER_TOKENS 800
#define DEFAULT_PROMPT_TOKENS 3000
#define DEFAULT_TIMEOUT_MS 120000
#define MAX_PASSAGES 50
#define QUESTION_MAX ((size_t)32 << 10)

static int make_handle(ragstore_session **out, rsi_core *core, const char *session_id,
                       const char *entity_id)
{
    ragstore_session *session = rsi_alloc_zeroed(sizeof *session);
    if (session == NULL)
        return RAGSTORE_E_NO_MEMORY;
    session->entity_id = rsi_strdup(entity_id);
    if (session->entity_id == NULL) {
        rsi_free(session);
        return RAGSTORE_E_NO_MEMORY;
    }
    strncpy(session->session_id, session_id, sizeof session->session_id - 1);
    session->magic = RSI_MAGIC_SESSION;
    session->core = core;
    rsi_core_retain(core);
    *out = session;
    return RAGSTORE_OK;
}

static int enter(const ragstore_session *session, const char *function)
{
    int status = rsi_check_handle(session, RSI_MAGIC_SESSION, function);
    return status == RAGSTORE_OK ? rsi_core_enter(session->core, function) : status;
}

static int enter_to_write(const ragstore_session *session, const char *function)
{
    int status = rsi_check_handle(session, RSI_MAGIC_SESSION, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(session->core, function) : status;
}

static int enter_entity_to_write(const ragstore_entity *entity, const char *function)
{
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, function);
    return status == RAGSTORE_OK ? rsi_core_enter_to_write(entity->core, function) : status;
}

static int enter_entity(const ragstore_entity *entity, const char *function)
{
    int status = rsi_check_handle(entity, RSI_MAGIC_ENTITY, function);
    return status == RAGSTORE_OK ? rsi_core_enter(entity->core, function) : status;
}

int ragstore_session_create(ragstore_session **out, ragstore_entity *entity,
                            const ragstore_session_create_options *options)
{
    ragstore_session_create_options given;
    char session_id[RSI_SESSION_ID_MAX];
    if (out != NULL)
        *out = NULL;
    int status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_entity_to_write(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_create(session_id, entity->core->store, entity->id, entity->incarnation,
                                given.name, given.metadata_json);
    if (status == RAGSTORE_OK && out != NULL)
        status = make_handle(out, entity->core, session_id, entity->id);
    return rsi_core_leave(entity->core, rsi_wrap(status, "create a session"));
}

int ragstore_session_open(ragstore_session **out, ragstore_store *store, const char *session_id)
{
    rsi_session_record record = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(session_id, __func__, "session_id");
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = store->core;
    if (strlen(session_id) >= sizeof(((ragstore_session *)0)->session_id))
        status = rsi_fail(RAGSTORE_E_NOT_FOUND, "api", "there is no session with such a long id");
    if (status == RAGSTORE_OK)
        status = rsi_session_read(&record, core->store, session_id);
    if (status == RAGSTORE_OK)
        status = make_handle(out, core, session_id, record.entity_id);
    rsi_session_record_free(&record);
    return rsi_core_leave(core, status);
}

void ragstore_session_free(ragstore_session *session)
{
    if (session == NULL || rsi_check_handle(session, RSI_MAGIC_SESSION, __func__) != RAGSTORE_OK)
        return;
    rsi_core *core = session->core;
    session->magic = RSI_MAGIC_FREED;
    rsi_free(session->entity_id);
    rsi_free(session);
    rsi_core_release(core);
}

const char *ragstore_session_id(const ragstore_session *session)
{
    return rsi_check_handle(session, RSI_MAGIC_SESSION, __func__) == RAGSTORE_OK
               ? session->session_id
               : NULL;
}

const char *ragstore_session_entity_id(const ragstore_session *session)
{
    return rsi_check_handle(session, RSI_MAGIC_SESSION, __func__) == RAGSTORE_OK
               ? session->entity_id
               : NULL;
}

int ragstore_session_describe(ragstore_buffer **out, ragstore_session *session)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(session, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_describe(&text, session->core->store, session->session_id);
    return rsi_core_leave_with(out, session->core, &text, status);
}

int ragstore_session_list(ragstore_buffer **out, ragstore_entity *entity,
                          const ragstore_list_options *options)
{
    ragstore_list_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_list_options(&given, options, RAGSTORE_LIST_NEWEST_FIRST, __func__);
    if (status == RAGSTORE_OK)
        status = enter_entity(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_session_page page = {given.limit == 0 ? UINT64_MAX : given.limit, given.offset,
                                   given.match, (given.flags & RAGSTORE_LIST_NEWEST_FIRST) != 0};
    status = rsi_session_list(&text, entity->core->store, entity->id, entity->incarnation, &page);
    return rsi_core_leave_with(out, entity->core, &text, status);
}

int ragstore_session_update(ragstore_session *session,
                            const ragstore_session_update_options *options)
{
    ragstore_session_update_options given;
    int status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_to_write(session, __func__);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_session_change change = {.name = given.name, .metadata_json = given.metadata_json};
    status = rsi_session_update(session->core->store, session->session_id, &change, given.version);
    return rsi_core_leave(session->core, rsi_wrap(status, "update a session"));
}

int ragstore_session_version(ragstore_buffer **out, ragstore_session *session)
{
    char version[RSI_SESSION_VERSION_SIZE];
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = enter(session, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_version(version, session->core->store, session->session_id);
    if (status == RAGSTORE_OK) {
        rsi_bytes_append_text(&text, version);
        status = rsi_bytes_status(&text);
    }
    return rsi_core_leave_with(out, session->core, &text, status);
}

int ragstore_session_search(ragstore_buffer **out, ragstore_entity *entity, const char *query,
                            const ragstore_session_search_options *options)
{
    ragstore_session_search_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(query, __func__, "query");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter_entity(entity, __func__);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_session_page page = {.limit = given.limit == 0 ? DEFAULT_FOUND : given.limit,
                                   .offset = given.offset};
    status = rsi_session_search(&text, entity->core->store, entity->id, entity->incarnation, query,
                                given.session_id, &page);
    return rsi_core_leave_with(out, entity->core, &text, rsi_wrap(status, "search the history"));
}

int ragstore_session_delete(ragstore_store *store, const char *session_id)
{
    int status = rsi_check_not_null(session_id, __func__, "session_id");
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(store, RSI_MAGIC_STORE, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_core_enter_to_write(store->core, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_delete(store->core->store, session_id);
    return rsi_core_leave(store->core, rsi_wrap(status, "delete a session"));
}

int ragstore_session_append(uint64_t *number, ragstore_session *session, const char *role,
                            const char *content, const char *metadata_json)
{
    if (number != NULL)
        *number = 0;
    int status = rsi_check_not_null(role, __func__, "role");
    if (status == RAGSTORE_OK)
        status = rsi_check_not_null(content, __func__, "content");
    if (status == RAGSTORE_OK)
        status = enter_to_write(session, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_append(number, NULL, session->core->store, session->session_id, role,
                                content, metadata_json);
    return rsi_core_leave(session->core, rsi_wrap(status, "append a message"));
}

int ragstore_session_messages(ragstore_buffer **out, ragstore_session *session,
                              const ragstore_session_messages_options *options)
{
    ragstore_session_messages_options given;
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = enter(session, __func__);
    if (status != RAGSTORE_OK)
        return status;
    status = rsi_session_messages(&text, session->core->store, session->session_id,
                                  given.limit == 0 ? UINT64_MAX : given.limit,
                                  given.before == 0 ? UINT64_MAX : given.before);
    return rsi_core_leave_with(out, session->core, &text, status);
}

/* ---- asking ---- */

/* The caller's callbacks, behind the inside's. */
typedef struct forwarding {
    const ragstore_session_ask_options *options;
} forwarding;

static int forward_sources(void *user, const rsi_result *sources)
{
    const forwarding *to = user;
    ragstore_result shown = {RSI_MAGIC_RESULT, (rsi_result *)(uintptr_t)sources};
    return to->options->on_sources == NULL ? 0
                                           : to->options->on_sources(to->options->user, &shown);
}

static int forward_text(void *user, const char *text, size_t size)
{
    const forwarding *to = user;
    return to->options->on_text == NULL ? 0 : to->options->on_text(to->options->user, text, size);
}

static int check_question(const char *message, const ragstore_session_ask_options *given,
                          const char *function)
{
    if (message[0] == '\0')
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: the message is empty", function);
    if (strlen(message) > QUESTION_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "api", "%s: the message is over %zu bytes", function,
                        QUESTION_MAX);
    if (given->k > MAX_PASSAGES)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: k is over %d", function,
                        MAX_PASSAGES);
    if (given->doc_ids == NULL && given->doc_ids_count > 0)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api",
                        "%s: doc_ids is NULL, but doc_ids_count is not 0", function);
    for (size_t i = 0; i < given->doc_ids_count; i++)
        if (given->doc_ids[i] == NULL)
            return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "api", "%s: one of doc_ids is NULL",
                            function);
    return RAGSTORE_OK;
}

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static int ask(ragstore_answer *answer, ragstore_session *session, const char *message,
               const ragstore_session_ask_options *given)
{
    rsi_bytes stored = {0};
    forwarding to = {given};
    const rsi_agent_model model = {
        .generate = given->generate,
        .user = given->generate_user,
        .max_answer_tokens = or_default(given->max_answer_tokens, DEFAULT_ANSWER_TOKENS),
        .max_prompt_tokens = or_default(given->max_prompt_tokens, DEFAULT_PROMPT_TOKENS),
        .timeout_ms = or_default(given->timeout_ms, DEFAULT_TIMEOUT_MS)};
    rsi_agent_listener listener = {forward_sources, forward_text, &to};
    rsi_session_question question = {.message = message,
                                     .doc_ids = given->doc_ids,
                                     .doc_ids_count = given->doc_ids_count,
                                     .filter_json = given->filter_json,
                                     .k = given->k == 0 ? DEFAULT_PASSAGES : given->k,
                                     .model = given->generate == NULL ? NULL : &model};
    int status = rsi_session_ask(&answer->inside, &stored, session->core->store,
                                 session->session_id, &question, &listener);
    if (status == RAGSTORE_OK) {
        answer->message = rsi_bytes_take(&stored, NULL);
        if (answer->message == NULL)
            status = RAGSTORE_E_NO_MEMORY;
    }
    rsi_bytes_free(&stored);
    answer->sources = (ragstore_result){RSI_MAGIC_RESULT, answer->inside.sources};
    answer->magic = RSI_MAGIC_ANSWER;
    return status;
}

int ragstore_session_ask(ragstore_answer **out, ragstore_session *session, const char *message,
                         const ragstore_session_ask_options *options)
{
    ragstore_session_ask_options given;
    if (out != NULL)
        *out = NULL;
    int status = rsi_check_not_null(message, __func__, "message");
    if (status == RAGSTORE_OK)
        status = rsi_take_options(&given, sizeof given, options, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_reserved(given.reserved, __func__);
    if (status == RAGSTORE_OK)
        status = check_question(message, &given, __func__);
    if (status == RAGSTORE_OK)
        status = enter_to_write(session, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_core *core = session->core;
    ragstore_answer *answer = rsi_alloc_zeroed(sizeof *answer);
    if (answer == NULL)
        return rsi_core_leave(core, RAGSTORE_E_NO_MEMORY);
    status = ask(answer, session, message, &given);
    if (status == RAGSTORE_OK && out != NULL) {
        *out = answer;
    } else {
        rsi_saved_error error;
        rsi_error_save(&error);
        ragstore_answer_free(answer);
        rsi_error_restore(&error);
    }
    return rsi_core_leave(core, rsi_wrap(status, "ask"));
}

void ragstore_answer_free(ragstore_answer *answer)
{
    if (answer == NULL || rsi_check_handle(answer, RSI_MAGIC_ANSWER, __func__) != RAGSTORE_OK)
        return;
    answer->magic = RSI_MAGIC_FREED;
    rsi_agent_answer_free(&answer->inside);
    rsi_free(answer->message);
    rsi_free(answer);
}

const char *ragstore_answer_text(const ragstore_answer *answer)
{
    return rsi_check_handle(answer, RSI_MAGIC_ANSWER, __func__) == RAGSTORE_OK
               ? answer->inside.text
               : NULL;
}

const ragstore_result *ragstore_answer_sources(const ragstore_answer *answer)
{
    return rsi_check_handle(answer, RSI_MAGIC_ANSWER, __func__) == RAGSTORE_OK ? &answer->sources
                                                                               : NULL;
}

int ragstore_answer_message(ragstore_buffer **out, const ragstore_answer *answer)
{
    rsi_bytes text = {0};
    int status = rsi_clear_out(out, __func__);
    if (status == RAGSTORE_OK)
        status = rsi_check_handle(answer, RSI_MAGIC_ANSWER, __func__);
    if (status != RAGSTORE_OK)
        return status;
    rsi_bytes_append_text(&text, answer->message);
    status = rsi_bytes_status(&text);
    if (status == RAGSTORE_OK)
        status = rsi_buffer_from(out, &text);
    rsi_bytes_free(&text);
    return status;
}
