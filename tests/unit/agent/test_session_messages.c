/* The messages of a session, and asking it. */
#include "agent_fixture.h"

#include <stdlib.h>

static void agent_session_messages__come_back_in_order_with_what_was_given(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    uint64_t number = 99;
    rsi_bytes json = {0};
    open_store_begin(&s, state, NULL);
    new_session(&s, id, NULL);
    assert_int_equal(rsi_session_append(&number, &json, s.store, id, "user", "one \xe2\x82\xac",
                                        "{\"k\":[1,2]}"),
                     0);
    assert_int_equal(number, 0);
    assert_non_null(strstr(json.data, "\"metadata\":{\"k\":[1,2]}"));
    rsi_bytes_free(&json);
    assert_int_equal(rsi_session_append(NULL, NULL, s.store, id, "assistant", "two", NULL), 0);
    assert_int_equal(rsi_session_append(&number, NULL, s.store, id, "system", "", NULL), 0);
    assert_int_equal(number, 2);
    for (int again = 0; again < 2; again++) {
        rsi_json *list = messages(&s, id, UINT64_MAX, UINT64_MAX);
        assert_int_equal(rsi_json_count(list), 3);
        assert_string_equal(content_at(list, 0), "one \xe2\x82\xac");
        assert_string_equal(rsi_json_get_text(rsi_json_at(list, 1), "role"), "assistant");
        assert_string_equal(content_at(list, 2), "");
        assert_int_equal(strlen(rsi_json_get_text(rsi_json_at(list, 0), "timestamp")), 26);
        rsi_json_free(list);
        rsi_json *session = describe(&s, id);
        assert_int_equal(rsi_json_get_integer(session, "message_count", 0), 3);
        assert_true(strcmp(rsi_json_get_text(session, "created_at"),
                           rsi_json_get_text(session, "last_activity")) <= 0);
        rsi_json_free(session);
        open_store_again(&s);
    }
    open_store_end(&s);
}

static void agent_session_messages__are_paged_from_the_newest(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    char content[16];
    open_store_begin(&s, state, NULL);
    new_session(&s, id, NULL);
    for (int i = 0; i < 5; i++) {
        snprintf(content, sizeof content, "m%d", i);
        assert_int_equal(rsi_session_append(NULL, NULL, s.store, id, "user", content, NULL), 0);
    }
    const struct {
        uint64_t limit, before;
        size_t count;
        const char *first;
    } pages[] = {{2, UINT64_MAX, 2, "m3"}, {2, 3, 2, "m1"},          {2, 1, 1, "m0"},
                 {2, 0, 0, NULL},          {0, UINT64_MAX, 0, NULL}, {UINT64_MAX, 4, 4, "m0"},
                 {9, 9, 5, "m0"}};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        rsi_json *list = messages(&s, id, pages[i].limit, pages[i].before);
        assert_int_equal(rsi_json_count(list), pages[i].count);
        if (pages[i].count > 0)
            assert_string_equal(content_at(list, 0), pages[i].first);
        rsi_json_free(list);
    }
    open_store_end(&s);
}

static void agent_session_messages__refuses_bad_ones_and_stores_nothing(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    rsi_bytes out = {0};
    char *large = malloc(RSI_MESSAGE_BYTES_MAX + 2);
    assert_non_null(large);
    memset(large, 'a', RSI_MESSAGE_BYTES_MAX + 1);
    large[RSI_MESSAGE_BYTES_MAX + 1] = '\0';
    open_store_begin(&s, state, NULL);
    new_session(&s, id, NULL);
    const struct {
        const char *role;
        const char *content;
        const char *metadata;
        int status;
    } bad[] = {{"User", "a", NULL, RAGSTORE_E_INVALID_ARGUMENT},
               {"", "a", NULL, RAGSTORE_E_INVALID_ARGUMENT},
               {"user", large, NULL, RAGSTORE_E_TOO_LARGE},
               {"user", "\xed\xa0\x80", NULL, RAGSTORE_E_INVALID_DATA},
               {"user", "a", "7", RAGSTORE_E_INVALID_DATA}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rsi_session_append(NULL, NULL, s.store, id, bad[i].role, bad[i].content,
                                            bad[i].metadata),
                         bad[i].status);
    assert_int_equal(rsi_session_append(NULL, NULL, s.store, "nobody", "user", "a", NULL),
                     RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_session_messages(&out, s.store, "nobody", 1, 1), RAGSTORE_E_NOT_FOUND);
    rsi_json *list = messages(&s, id, UINT64_MAX, UINT64_MAX);
    assert_int_equal(rsi_json_count(list), 0);
    rsi_json_free(list);
    large[RSI_MESSAGE_BYTES_MAX] = '\0'; /* the most */
    assert_int_equal(rsi_session_append(NULL, NULL, s.store, id, "user", large, NULL), 0);
    free(large);
    open_store_end(&s);
}

/* ---- asking ---- */

static const char wings[] =
    "Wings lift the aircraft when air flows over them.\n\n"
    "The angle of attack of a wing decides how much it lifts. A wing stalls at fifteen degrees.\n\n"
    "Paint is chosen by the owner.\n";

static void agent_session_messages__asking_stores_question_and_cited_answer(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    rsi_agent_answer answer;
    rsi_bytes json = {0};
    rsi_session_question question = {.message = "At how many degrees does a wing stall?", .k = 8};
    open_store_begin(&s, state, NULL);
    rsi_added added = open_store_add_text(&s, "wings.txt", wings, NULL);
    new_session(&s, id, NULL);
    assert_int_equal(rsi_session_ask(&answer, &json, s.store, id, &question, NULL), 0);
    assert_non_null(strstr(answer.text, "stalls at fifteen degrees. [1]"));
    assert_int_equal(answer.sources->count, 1);
    assert_string_equal(answer.sources->items[0].doc_id, added.doc_id);
    assert_non_null(strstr(json.data, "\"role\":\"assistant\""));
    assert_non_null(strstr(json.data, added.doc_id));
    rsi_bytes_free(&json);
    open_store_again(&s);
    rsi_json *list = messages(&s, id, UINT64_MAX, UINT64_MAX);
    assert_int_equal(rsi_json_count(list), 2);
    assert_string_equal(content_at(list, 0), question.message);
    assert_string_equal(content_at(list, 1), answer.text);
    rsi_json_free(list);
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

static void agent_session_messages__a_failed_search_keeps_the_question(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    rsi_agent_answer answer;
    rsi_bytes json = {0};
    rsi_session_question question = {
        .message = "What is a wing?", .k = 8, .filter_json = "{\"a\": {\"$nearly\": 1}}"};
    open_store_begin(&s, state, NULL);
    new_session(&s, id, NULL);
    assert_int_equal(rsi_session_ask(&answer, &json, s.store, id, &question, NULL),
                     RAGSTORE_E_QUERY);
    expect_message("the message is stored");
    assert_null(answer.text);
    assert_null(answer.sources);
    assert_int_equal(json.size, 0);
    question.filter_json = NULL;
    question.message = "\xff";
    assert_int_equal(rsi_session_ask(&answer, &json, s.store, id, &question, NULL),
                     RAGSTORE_E_INVALID_DATA);
    assert_int_equal(rsi_session_ask(&answer, &json, s.store, "nobody", &question, NULL),
                     RAGSTORE_E_INVALID_DATA);
    question.message = "x";
    assert_int_equal(rsi_session_ask(&answer, &json, s.store, "nobody", &question, NULL),
                     RAGSTORE_E_NOT_FOUND);
    assert_null(answer.text);
    rsi_json *list = messages(&s, id, UINT64_MAX, UINT64_MAX);
    assert_int_equal(rsi_json_count(list), 1);
    rsi_json_free(list);
    open_store_end(&s);
}

static int cancel_text(void *user, const char *text, size_t size)
{
    int *calls = user;
    assert_true(size > 0 && text != NULL);
    ++*calls;
    return 1;
}

static void agent_session_messages__a_cancelled_answer_is_stored_as_far_as_it_went(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    int calls = 0;
    rsi_agent_answer answer;
    rsi_bytes json = {0};
    rsi_session_question question = {.message = "At how many degrees does a wing stall?", .k = 8};
    rsi_agent_listener listener = {.on_text = cancel_text, .user = &calls};
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    new_session(&s, id, NULL);
    assert_int_equal(rsi_session_ask(&answer, &json, s.store, id, &question, &listener),
                     RAGSTORE_E_INTERRUPTED);
    assert_int_equal(calls, 1);
    assert_non_null(answer.text);
    rsi_json *list = messages(&s, id, UINT64_MAX, UINT64_MAX);
    assert_int_equal(rsi_json_count(list), 2);
    assert_string_equal(content_at(list, 1), answer.text);
    assert_true(
        rsi_json_true(rsi_json_get(rsi_json_get(rsi_json_at(list, 1), "metadata"), "partial")));
    rsi_json_free(list);
    rsi_bytes_free(&json);
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

/* ---- faults ---- */

typedef struct job {
    open_store *s;
    const char *id;
} job;

static uint64_t count_messages(const job *j)
{
    uint64_t count;
    assert_int_equal(
        rsi_storage_row_count(&count, NULL, j->s->store->storage, RSI_SPACE_SESSIONS, j->id), 0);
    return count;
}

static int append_once(void *user)
{
    const job *j = user;
    rsi_bytes json = {0};
    uint64_t number = 77;
    uint64_t before = count_messages(j);
    int status =
        rsi_session_append(&number, &json, j->s->store, j->id, "user", "hello", "{\"a\":1}");
    assert_int_equal(number, status == RAGSTORE_OK ? before : 77);
    rsi_bytes_free(&json);
    return status;
}

static int read_once(void *user)
{
    const job *j = user;
    rsi_bytes out = {0};
    int status = rsi_session_messages(&out, j->s->store, j->id, 10, UINT64_MAX);
    rsi_bytes_free(&out);
    return status;
}

static int ask_once(void *user)
{
    const job *j = user;
    rsi_agent_answer answer;
    rsi_bytes json = {0};
    rsi_session_question question = {.message = "At how many degrees does a wing stall?", .k = 8};
    int status = rsi_session_ask(&answer, &json, j->s->store, j->id, &question, NULL);
    assert_true((status == RAGSTORE_OK) == (answer.text != NULL));
    rsi_agent_answer_free(&answer);
    rsi_bytes_free(&json);
    return status;
}

static void agent_session_messages__survives_each_failing_allocation(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    new_session(&s, id, NULL);
    job j = {&s, id};
    assert_true(each_allocation_fails(append_once, &j, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 5);
    assert_int_equal(count_messages(&j), 1);
    assert_true(each_allocation_fails(read_once, &j, 0) > 1);
    assert_true(each_allocation_fails(ask_once, &j, EACH_MAY_KEEP | EACH_MAY_SUCCEED) > 20);
    uint64_t count = count_messages(&j);
    open_store_again(&s);
    assert_int_equal(count_messages(&j), count);
    open_store_end(&s);
}

static void agent_session_messages__are_there_or_not_after_each_failing_file_call(void **state)
{
    open_store s;
    char id[RSI_SESSION_ID_MAX];
    open_store_begin(&s, state, NULL);
    new_session(&s, id, NULL);
    job j = {&s, id};
    uint64_t at_least = 0;
    for (int64_t n = 1;; n++) {
        fault_files_fail(&s.faults, FAULT_ANY, n, EIO, false);
        int status = rsi_session_append(NULL, NULL, s.store, id, "user", "hello", NULL);
        bool struck = fault_files_struck(&s.faults);
        fault_files_disarm(&s.faults);
        assert_true(status == RAGSTORE_OK || struck);
        at_least += status == RAGSTORE_OK;
        (void)rsi_store_close(s.store); /* may say again what failed */
        rsi_store_free(s.store);
        assert_int_equal(open_store_open(&s, RAGSTORE_OPEN_MUST_EXIST), 0);
        assert_in_range(count_messages(&j), at_least, at_least + (uint64_t)n);
        at_least = count_messages(&j);
        if (!struck)
            break;
    }
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(agent_session_messages__come_back_in_order_with_what_was_given),
        FRESH(agent_session_messages__are_paged_from_the_newest),
        FRESH(agent_session_messages__refuses_bad_ones_and_stores_nothing),
        FRESH(agent_session_messages__asking_stores_question_and_cited_answer),
        FRESH(agent_session_messages__a_failed_search_keeps_the_question),
        FRESH(agent_session_messages__a_cancelled_answer_is_stored_as_far_as_it_went),
        FRESH(agent_session_messages__survives_each_failing_allocation),
        FRESH(agent_session_messages__are_there_or_not_after_each_failing_file_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
