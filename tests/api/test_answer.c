/* Asking a session: answers, sources, callbacks, and what is stored of it. */
#include "api_fixture.h"

#define KIB 1024

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_session *session;
} stage;

static void set_stage(stage *on, void **state, ragstore_model *model)
{
    on->store = open_store_with(state, 0, model);
    on->entity = make_entity(on->store, "acme");
    assert_ok(ragstore_session_create(&on->session, on->entity, NULL));
}

static void add_rocks(stage *on)
{
    add_text(on->entity, "granite.txt", "Granite forms when magma cools slowly below the surface.");
    add_text(on->entity, "marble.txt", "Marble is limestone that heat and pressure have changed.");
}

static void strike_stage(stage *on)
{
    ragstore_session_free(on->session);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

static json_t *all_messages(stage *on)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_session_messages(&buffer, on->session, NULL));
    return take_json(buffer);
}

static void expect_message_count(stage *on, size_t count)
{
    json_t *messages = all_messages(on);
    assert_int_equal(json_array_size(messages), count);
    json_decref(messages);
}

static void answer__cites_its_sources_and_is_stored(void **state)
{
    stage on;
    ragstore_answer *answer;
    ragstore_buffer *buffer;
    set_stage(&on, state, NULL);
    add_rocks(&on);
    assert_ok(ragstore_session_ask(&answer, on.session, "How does granite form?", NULL));
    const char *text = ragstore_answer_text(answer);
    assert_non_null(strstr(text, "magma cools slowly"));
    assert_non_null(strstr(text, "[1]"));
    const ragstore_result *sources = ragstore_answer_sources(answer);
    assert_int_equal(ragstore_result_count(sources), 1);
    assert_string_equal(ragstore_result_doc_name(sources, 0), "granite.txt");
    assert_ok(ragstore_answer_message(&buffer, answer));
    json_t *message = take_json(buffer);
    assert_text(message, "role", "assistant");
    assert_text(message, "content", text);
    const json_t *metadata = json_object_get(message, "metadata");
    assert_text(metadata, "mode", "extractive");
    assert_member(metadata, "answered", "true");
    const json_t *citation = json_array_get(json_object_get(metadata, "citations"), 0);
    assert_number(citation, "n", 1);
    assert_text(citation, "doc_id", ragstore_result_doc_id(sources, 0));

    json_t *messages = all_messages(&on);
    assert_int_equal(json_array_size(messages), 2);
    assert_text(json_array_get(messages, 0), "role", "user");
    assert_text(json_array_get(messages, 0), "content", "How does granite form?");
    assert_true(json_equal(json_array_get(messages, 1), message));
    json_decref(messages);
    json_decref(message);
    strike_stage(&on); /* the answer outlives all handles */
    assert_non_null(strstr(ragstore_answer_text(answer), "magma"));
    assert_string_equal(ragstore_result_doc_name(ragstore_answer_sources(answer), 0),
                        "granite.txt");
    ragstore_answer_free(answer);
}

static void answer__says_so_when_nothing_answers(void **state)
{
    stage on;
    ragstore_answer *answer;
    set_stage(&on, state, NULL);
    assert_ok(ragstore_session_ask(&answer, on.session, "How does granite form?", NULL));
    assert_true(strlen(ragstore_answer_text(answer)) > 0);
    assert_int_equal(ragstore_result_count(ragstore_answer_sources(answer)), 0);
    ragstore_answer_free(answer);
    add_rocks(&on);
    assert_ok(ragstore_session_ask(&answer, on.session, "Who won the chess tournament?", NULL));
    assert_null(strstr(ragstore_answer_text(answer), "[1]"));
    assert_int_equal(ragstore_result_count(ragstore_answer_sources(answer)), 0);
    ragstore_answer_free(answer);
    assert_ok(ragstore_session_ask(NULL, on.session, "And marble, what is it?", NULL));
    expect_message_count(&on, 6);
    strike_stage(&on);
}

static void answer__keeps_to_the_documents_asked(void **state)
{
    stage on;
    ragstore_answer *answer;
    ragstore_session_ask_options options = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
    set_stage(&on, state, NULL);
    add_rocks(&on);
    ragstore_document *only =
        add_document(on.entity, "only.txt", "Granite is a word of six letters.");
    const char *id = ragstore_document_id(only);
    options.doc_ids = &id;
    options.doc_ids_count = 1;
    assert_ok(ragstore_session_ask(&answer, on.session, "What is granite?", &options));
    const ragstore_result *sources = ragstore_answer_sources(answer);
    assert_int_equal(ragstore_result_count(sources), 1);
    assert_string_equal(ragstore_result_doc_id(sources, 0), id);
    ragstore_answer_free(answer);

    options.doc_ids_count = 0; /* no documents at all */
    assert_ok(ragstore_session_ask(&answer, on.session, "What is granite?", &options));
    assert_int_equal(ragstore_result_count(ragstore_answer_sources(answer)), 0);
    ragstore_answer_free(answer);

    options.doc_ids = NULL;
    options.filter_json = "{\"year\": 2024}";
    assert_ok(ragstore_session_ask(&answer, on.session, "What is granite?", &options));
    assert_int_equal(ragstore_result_count(ragstore_answer_sources(answer)), 0);
    ragstore_answer_free(answer);
    ragstore_document_free(only);
    strike_stage(&on);
}

static void answer__of_one_entity_never_quotes_another(void **state)
{
    stage on;
    ragstore_answer *answer;
    set_stage(&on, state, NULL);
    ragstore_entity *other = make_entity(on.store, "other");
    add_text(other, "secret.txt", "The password of the vault is granite.");
    add_text(on.entity, "a.txt", "Nothing of interest stands here.");
    assert_ok(
        ragstore_session_ask(&answer, on.session, "What is the password of the vault?", NULL));
    assert_null(strstr(ragstore_answer_text(answer), "granite"));
    ragstore_answer_free(answer);
    ragstore_entity_free(other);
    strike_stage(&on);
}

/* ---- callbacks ---- */

typedef struct heard {
    size_t sources_calls;
    size_t sources;
    bool text_came_first;
    char text[4096];
    bool cancel_sources;
    bool cancel_text;
} heard;

static int32_t on_sources(void *user, const ragstore_result *sources)
{
    heard *it = user;
    it->sources_calls++;
    it->sources = ragstore_result_count(sources);
    it->text_came_first = it->text[0] != '\0';
    return it->cancel_sources;
}

static int32_t on_text(void *user, const char *text, size_t size)
{
    heard *it = user;
    size_t used = strlen(it->text);
    snprintf(it->text + used, sizeof it->text - used, "%.*s", (int)size, text);
    return it->cancel_text;
}

static ragstore_session_ask_options listening(heard *it)
{
    ragstore_session_ask_options options = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
    options.on_sources = on_sources;
    options.on_text = on_text;
    options.user = it;
    return options;
}

static void answer__comes_through_the_callbacks_as_it_grows(void **state)
{
    stage on;
    heard it = {.sources = 99};
    ragstore_answer *answer;
    ragstore_session_ask_options options = listening(&it);
    set_stage(&on, state, NULL);
    add_rocks(&on);
    assert_ok(ragstore_session_ask(&answer, on.session, "How does granite form?", &options));
    assert_int_equal(it.sources_calls, 1);
    assert_int_equal(it.sources, ragstore_result_count(ragstore_answer_sources(answer)));
    assert_false(it.text_came_first);
    assert_string_equal(it.text, ragstore_answer_text(answer));
    ragstore_answer_free(answer);
    strike_stage(&on);
}

static void answer__that_a_callback_cancels_is_stored_as_far_as_it_was_said(void **state)
{
    for (int which = 0; which < 2; which++) {
        stage on;
        heard it = {.cancel_sources = which == 0, .cancel_text = which == 1};
        ragstore_answer *answer = (ragstore_answer *)(uintptr_t)1;
        ragstore_session_ask_options options = listening(&it);
        set_stage(&on, state, NULL);
        add_rocks(&on);
        assert_fails(RAGSTORE_E_INTERRUPTED,
                     ragstore_session_ask(&answer, on.session, "How does granite form?", &options));
        assert_null(answer);
        json_t *messages = all_messages(&on);
        assert_int_equal(json_array_size(messages), 2);
        const json_t *stored = json_array_get(messages, 1);
        assert_text(stored, "role", "assistant");
        assert_text(stored, "content", it.text);
        assert_member(json_object_get(stored, "metadata"), "partial", "true");
        json_decref(messages);
        strike_stage(&on);
        temporary_remove_all(store_path(state));
    }
}

/* ---- conversation ---- */

static void answer__of_a_short_question_minds_what_was_asked_before(void **state)
{
    stage on;
    ragstore_answer *answer;
    set_stage(&on, state, NULL);
    add_rocks(&on);
    assert_ok(ragstore_session_ask(NULL, on.session, "How does granite form?", NULL));
    assert_ok(ragstore_session_ask(&answer, on.session, "And why?", NULL));
    assert_non_null(strstr(ragstore_answer_text(answer), "magma"));
    ragstore_answer_free(answer);
    strike_stage(&on);
}

static void answer__after_a_very_long_message_still_comes(void **state)
{
    stage on;
    ragstore_answer *answer;
    char *before = malloc(200 * KIB + 2);
    assert_non_null(before);
    set_stage(&on, state, NULL);
    add_rocks(&on);
    before[0] = 'x'; /* so that a cut at an even place splits a character */
    for (size_t i = 0; i < 100 * KIB; i++)
        memcpy(before + 1 + 2 * i, "é", 3);
    assert_ok(ragstore_session_append(NULL, on.session, "user", before, NULL));
    assert_ok(ragstore_session_ask(&answer, on.session, "What is marble?", NULL));
    assert_non_null(strstr(ragstore_answer_text(answer), "limestone"));
    ragstore_answer_free(answer);
    free(before);
    strike_stage(&on);
}

/* ---- refusing ---- */

static void answer_ask__refuses_bad_questions_and_stores_nothing(void **state)
{
    stage on;
    static const char *const ids[] = {"doc_1", NULL};
    char *too_long = long_text(32 * KIB + 1);
    set_stage(&on, state, NULL);
    add_rocks(&on);
    const struct {
        const char *message;
        ragstore_session_ask_options options;
        int code;
    } cases[] = {
        {"", {0}, RAGSTORE_E_INVALID_ARGUMENT},
        {NULL, {0}, RAGSTORE_E_INVALID_ARGUMENT},
        {too_long, {0}, RAGSTORE_E_TOO_LARGE},
        {"caf\xe9?", {0}, RAGSTORE_E_INVALID_DATA},
        {"What is it?", {.k = 51}, RAGSTORE_E_INVALID_ARGUMENT},
        {"What is it?", {.k = UINT32_MAX}, RAGSTORE_E_INVALID_ARGUMENT},
        {"What is it?", {.doc_ids_count = 1}, RAGSTORE_E_INVALID_ARGUMENT},
        {"What is it?", {.doc_ids = ids, .doc_ids_count = 2}, RAGSTORE_E_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_answer *answer = (ragstore_answer *)(uintptr_t)1;
        ragstore_session_ask_options options = cases[i].options;
        options.struct_size = sizeof options;
        assert_fails(cases[i].code,
                     ragstore_session_ask(&answer, on.session, cases[i].message, &options));
        assert_null(answer);
    }
    expect_message_count(&on, 0);
    too_long[32 * KIB] = '\0';
    assert_ok(ragstore_session_ask(NULL, on.session, too_long, NULL));
    free(too_long);
    strike_stage(&on);
}

static void answer_ask__with_a_bad_filter_says_that_the_message_is_stored(void **state)
{
    static const char *const filters[] = {"[]", "{\"a\": {\"$near\": 1}}", "{\"$or\": []}"};
    stage on;
    set_stage(&on, state, NULL);
    add_rocks(&on);
    for (size_t i = 0; i < COUNT(filters); i++) {
        ragstore_session_ask_options options = RAGSTORE_SESSION_ASK_OPTIONS_INIT;
        options.filter_json = filters[i];
        assert_fails(RAGSTORE_E_QUERY,
                     ragstore_session_ask(NULL, on.session, "What is granite?", &options));
        assert_message_has("the message is stored");
        expect_message_count(&on, i + 1);
    }
    strike_stage(&on);
}

static void answer_calls__refuse_null(void **state)
{
    stage on;
    ragstore_buffer *buffer = (ragstore_buffer *)(uintptr_t)1;
    ragstore_answer *answer = (ragstore_answer *)(uintptr_t)1;
    const int wrong = RAGSTORE_E_INVALID_ARGUMENT;
    set_stage(&on, state, NULL);
    assert_fails(wrong, ragstore_session_ask(&answer, NULL, "What?", NULL));
    assert_null(answer);
    assert_null(ragstore_answer_text(NULL));
    assert_null(ragstore_answer_sources(NULL));
    assert_fails(wrong, ragstore_answer_message(&buffer, NULL));
    assert_null(buffer);
    ragstore_answer_free(NULL);
    assert_ok(ragstore_session_ask(&answer, on.session, "What?", NULL));
    assert_fails(wrong, ragstore_answer_message(NULL, answer));
    ragstore_answer_free(answer);
    strike_stage(&on);
}

static void answer__finds_by_meaning_with_a_model(void **state)
{
    stage on;
    ragstore_answer *answer;
    set_stage(&on, state, the_model());
    add_rocks(&on);
    assert_ok(
        ragstore_session_ask(&answer, on.session, "Which rock forms from cooling magma?", NULL));
    assert_non_null(strstr(ragstore_answer_text(answer), "Granite forms"));
    float similarity = ragstore_result_vector_score(ragstore_answer_sources(answer), 0);
    assert_true(similarity > 0.3f && similarity <= 1.001f);
    ragstore_answer_free(answer);
    strike_stage(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer__cites_its_sources_and_is_stored),
        TEST(answer__says_so_when_nothing_answers),
        TEST(answer__keeps_to_the_documents_asked),
        TEST(answer__of_one_entity_never_quotes_another),
        TEST(answer__comes_through_the_callbacks_as_it_grows),
        TEST(answer__that_a_callback_cancels_is_stored_as_far_as_it_was_said),
        TEST(answer__of_a_short_question_minds_what_was_asked_before),
        TEST(answer__after_a_very_long_message_still_comes),
        TEST(answer_ask__refuses_bad_questions_and_stores_nothing),
        TEST(answer_ask__with_a_bad_filter_says_that_the_message_is_stored),
        TEST(answer_calls__refuse_null),
        TEST(answer__finds_by_meaning_with_a_model),
    };
    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
