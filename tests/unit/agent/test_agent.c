/* Answers: what agent.h promises, whatever way they are found. */
#include "agent_fixture.h"

static const char wings[] =
    "Wings lift the aircraft when air flows over them.\n\n"
    "The angle of attack of a wing decides how much it lifts. A wing stalls at fifteen degrees.\n\n"
    "Paint is chosen by the owner.\n";
static const char jets[] =
    "Jet engines burn kerosene.\n\nThe thrust of the jet engine is 90 kilonewtons at sea level.\n";

typedef struct heard {
    size_t sources;
    char text[4096];
    size_t size;
    int cancel_at; /* which call of on_text cancels; 0: none */
    int calls;
    bool cancel_sources;
} heard;

static int hear_sources(void *user, const rsi_result *sources)
{
    heard *h = user;
    assert_int_equal(h->size, 0); /* before any text */
    h->sources = sources->count;
    return h->cancel_sources;
}

static int hear_text(void *user, const char *text, size_t size)
{
    heard *h = user;
    assert_true(h->size + size < sizeof h->text);
    memcpy(h->text + h->size, text, size);
    h->size += size;
    return ++h->calls == h->cancel_at;
}

static int ask(rsi_agent_answer *answer, open_store *s, const rsi_agent_question *question,
               heard *h)
{
    rsi_agent_listener listener = {hear_sources, hear_text, h};
    return rsi_agent_answer_question(answer, s->store, ACME, s->incarnation, question,
                                     h == NULL ? NULL : &listener);
}

/* Citations, sources and text must tell the same; true when something was answered. */
static bool expect_sound(const rsi_agent_answer *answer)
{
    rsi_json *metadata;
    char mark[16];
    assert_non_null(answer->text);
    assert_int_equal(rsi_json_parse(&metadata, answer->metadata, strlen(answer->metadata), 16), 0);
    assert_string_equal(rsi_json_get_text(metadata, "mode"), "extractive");
    bool answered = rsi_json_true(rsi_json_get(metadata, "answered"));
    const rsi_json *citations = rsi_json_get(metadata, "citations");
    assert_true(rsi_json_is_array(citations));
    assert_int_equal(rsi_json_count(citations) > 0, answered);
    size_t quoted = 0;
    for (size_t i = 0; i < rsi_json_count(citations); i++) {
        const rsi_json *citation = rsi_json_at(citations, i);
        int64_t n = rsi_json_get_integer(citation, "n", 0);
        assert_in_range(n, 1, answer->sources->count);
        const rsi_found *source = &answer->sources->items[n - 1];
        const char *quote = rsi_json_get_text(citation, "quote");
        assert_string_equal(rsi_json_get_text(citation, "doc_id"), source->doc_id);
        assert_int_equal(rsi_json_get_integer(citation, "chunk_number", -1), source->chunk);
        assert_non_null(strstr(source->content, quote));
        assert_int_equal(rsi_json_get_integer(citation, "end", 0) -
                             rsi_json_get_integer(citation, "start", 0),
                         strlen(quote));
        snprintf(mark, sizeof mark, "[%d]", (int)n);
        assert_non_null(strstr(answer->text, mark));
        quoted += strlen(quote);
    }
    assert_true(quoted <= 400);
    rsi_json_free(metadata);
    return answered;
}

static void agent_agent__quotes_the_sentence_that_answers(void **state)
{
    open_store s;
    rsi_agent_answer answer;
    heard h = {0};
    rsi_agent_question question = {.message = "How much thrust does the jet engine have?", .k = 8};
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    rsi_added added = open_store_add_text(&s, "jets.txt", jets, NULL);
    assert_int_equal(ask(&answer, &s, &question, &h), 0);
    assert_true(expect_sound(&answer));
    assert_non_null(strstr(answer.text, "90 kilonewtons"));
    assert_string_equal(answer.sources->items[0].doc_id, added.doc_id);
    h.text[h.size] = '\0';
    assert_string_equal(h.text, answer.text);
    assert_int_equal(h.sources, answer.sources->count);
    rsi_agent_answer_free(&answer);
    assert_null(answer.text);
    assert_int_equal(ask(&answer, &s, &question, NULL), 0); /* without a listener */
    assert_true(expect_sound(&answer));
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

static void agent_agent__says_that_nothing_answers(void **state)
{
    open_store s;
    rsi_agent_answer answer;
    rsi_agent_question question = {.message = "Who won the chess tournament in Vienna?", .k = 8};
    open_store_begin(&s, state, NULL);
    assert_int_equal(ask(&answer, &s, &question, NULL), 0);
    assert_false(expect_sound(&answer));
    assert_non_null(strstr(answer.text, "no documents yet"));
    assert_int_equal(answer.sources->count, 0);
    rsi_agent_answer_free(&answer);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    assert_int_equal(ask(&answer, &s, &question, NULL), 0);
    assert_false(expect_sound(&answer));
    assert_int_equal(answer.sources->count, 0);
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

static void agent_agent__draws_on_the_allowed_documents_only(void **state)
{
    open_store s;
    rsi_agent_answer answer;
    open_store_begin(&s, state, NULL);
    rsi_added of_wings = open_store_add_text(&s, "wings.txt", wings, "{\"part\": \"wing\"}");
    open_store_add_text(&s, "jets.txt", jets, "{\"part\": \"jet\"}");
    const char *ids[] = {of_wings.doc_id};
    rsi_agent_question question = {.message = "How much thrust does the jet engine have?",
                                   .k = 8,
                                   .doc_ids = ids,
                                   .doc_ids_count = 1};
    assert_int_equal(ask(&answer, &s, &question, NULL), 0);
    expect_sound(&answer);
    assert_null(strstr(answer.text, "kilonewtons"));
    rsi_agent_answer_free(&answer);
    question.doc_ids = NULL;
    question.filter_json = "{\"part\": \"jet\"}";
    assert_int_equal(ask(&answer, &s, &question, NULL), 0);
    assert_true(expect_sound(&answer));
    rsi_agent_answer_free(&answer);
    question.filter_json = "{\"$what\": 1}";
    assert_int_equal(ask(&answer, &s, &question, NULL), RAGSTORE_E_QUERY);
    assert_null(answer.text);
    assert_null(answer.sources);
    assert_null(answer.metadata);
    open_store_end(&s);
}

static void agent_agent__understands_a_short_message_by_what_was_said_before(void **state)
{
    static const struct rsi_agent_turn history[] = {
        {true, "How much thrust does the jet engine have?"}, {false, "It has 90 kilonewtons. [1]"}};
    open_store s;
    rsi_agent_answer answer;
    rsi_agent_question question = {
        .message = "And at sea level?", .history = history, .history_count = 2, .k = 8};
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    open_store_add_text(&s, "jets.txt", jets, NULL);
    assert_int_equal(ask(&answer, &s, &question, NULL), 0);
    assert_true(expect_sound(&answer));
    assert_non_null(strstr(answer.text, "sea level"));
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

static void agent_agent__keeps_what_was_said_when_the_listener_cancels(void **state)
{
    open_store s;
    rsi_agent_answer answer;
    heard h = {.cancel_at = 1};
    rsi_agent_question question = {.message = "At how many degrees does a wing stall?", .k = 8};
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    assert_int_equal(ask(&answer, &s, &question, &h), RAGSTORE_E_INTERRUPTED);
    assert_non_null(answer.text);
    assert_non_null(answer.metadata);
    assert_non_null(answer.sources);
    h.text[h.size] = '\0';
    assert_string_equal(answer.text, h.text);
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

static void agent_agent__answers_with_nothing_when_the_sources_are_refused(void **state)
{
    open_store s;
    rsi_agent_answer answer;
    heard h = {.cancel_sources = true};
    rsi_agent_question question = {.message = "At how many degrees does a wing stall?", .k = 8};
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    assert_int_equal(ask(&answer, &s, &question, &h), RAGSTORE_E_INTERRUPTED);
    assert_int_equal(h.calls, 0);
    assert_non_null(answer.text);
    assert_string_equal(answer.text, "");
    rsi_agent_answer_free(&answer);
    open_store_end(&s);
}

static void agent_agent__finds_no_entity_that_is_not_there(void **state)
{
    open_store s;
    rsi_agent_answer answer;
    rsi_agent_question question = {.message = "What?", .k = 1};
    open_store_begin(&s, state, NULL);
    assert_int_equal(
        rsi_agent_answer_question(&answer, s.store, "nobody", s.incarnation, &question, NULL),
        RAGSTORE_E_NOT_FOUND);
    assert_int_equal(rsi_agent_answer_question(&answer, s.store, ACME, "other", &question, NULL),
                     RAGSTORE_E_NOT_FOUND);
    question.message = "";
    assert_int_equal(ask(&answer, &s, &question, NULL), RAGSTORE_E_INVALID_ARGUMENT);
    question.message = "\x80";
    assert_int_equal(ask(&answer, &s, &question, NULL), RAGSTORE_E_INVALID_DATA);
    assert_null(answer.text);
    open_store_end(&s);
}

static int answer_once(void *user)
{
    static const struct rsi_agent_turn history[] = {{true, "At how many degrees does it stall?"}};
    open_store *s = user;
    rsi_agent_answer answer;
    rsi_agent_question question = {
        .message = "And the wing?", .history = history, .history_count = 1, .k = 8};
    int status = ask(&answer, s, &question, NULL);
    assert_true((status == RAGSTORE_OK) == (answer.text != NULL));
    if (status == RAGSTORE_OK)
        assert_true(expect_sound(&answer));
    rsi_agent_answer_free(&answer);
    return status;
}

static void agent_agent__survives_each_failing_allocation(void **state)
{
    open_store s;
    open_store_begin(&s, state, NULL);
    open_store_add_text(&s, "wings.txt", wings, NULL);
    open_store_add_text(&s, "jets.txt", jets, NULL);
    assert_int_equal(answer_once(&s), 0);
    assert_true(each_allocation_fails(answer_once, &s, 0) > 20);
    open_store_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(agent_agent__quotes_the_sentence_that_answers),
        FRESH(agent_agent__says_that_nothing_answers),
        FRESH(agent_agent__draws_on_the_allowed_documents_only),
        FRESH(agent_agent__understands_a_short_message_by_what_was_said_before),
        FRESH(agent_agent__keeps_what_was_said_when_the_listener_cancels),
        FRESH(agent_agent__answers_with_nothing_when_the_sources_are_refused),
        FRESH(agent_agent__finds_no_entity_that_is_not_there),
        FRESH(agent_agent__survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
