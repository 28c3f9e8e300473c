/*
 * Answers without a language model: where no passage would answer, its best sentences are asked for
 * themselves, a few of them, and only there.
 */
#include "api_fixture.h"

#define DIMENSION 4
#define SENTENCES_MAX 4 /* that are embedded for one answer */

/* What the model is asked for; it fails with texts of documents when it is told to. */
typedef struct asked_model {
    unsigned passages;
    unsigned sentences;
    unsigned questions;
    bool fails;
} asked_model;

static bool is_passage(const char *text)
{
    const char *end = strchr(text, '.');
    return end != NULL && end[1] != '\0';
}

/* Of all texts the questions and the sentence about magma alone are alike. */
static int32_t embed(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size)
{
    asked_model *model = user;
    memset(vectors, 0, count * DIMENSION * sizeof *vectors);
    if (model->fails && role == RAGSTORE_ROLE_DOCUMENT) {
        snprintf(reason, reason_size, "out of quota");
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        const bool is_question = role == RAGSTORE_ROLE_QUERY;
        const bool is_whole = !is_question && is_passage(texts[i]);
        const bool is_alike = is_question || (!is_whole && strstr(texts[i], "magma") != NULL);
        model->questions += is_question;
        model->passages += is_whole;
        model->sentences += !is_question && !is_whole;
        vectors[i * DIMENSION + (is_alike ? 0 : is_whole ? 1 : 2)] = 1;
    }
    return 0;
}

typedef struct stage {
    asked_model model;
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_session *session;
} stage;

static const char lecture[] = "Our topic today is stone and how it came to be. "
                              "It all begins with magma under a mountain. "
                              "Then there is sand that rivers carry away. "
                              "Wind takes what is left of the heights. "
                              "Ice breaks boulders in the long winters. "
                              "Plants do the same with their roots.";

static void set_stage(stage *on, void **state)
{
    ragstore_model *model;
    ragstore_model_callback_options options = RAGSTORE_MODEL_CALLBACK_OPTIONS_INIT;
    memset(on, 0, sizeof *on);
    options.fingerprint = "sentences/1";
    options.dimension = DIMENSION;
    options.embed = embed;
    options.user = &on->model;
    assert_ok(ragstore_model_open_callback(&model, &options));
    on->store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, model);
    ragstore_model_free(model);
    on->entity = make_entity(on->store, "acme");
    assert_ok(ragstore_session_create(&on->session, on->entity, NULL));
    add_text(on->entity, "lecture.txt", lecture);
    assert_int_equal(on->model.passages, 1);
    on->model = (asked_model){0};
}

static void strike_stage(stage *on)
{
    ragstore_session_free(on->session);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

static void expect_answer(stage *on, const char *question, const char *part)
{
    ragstore_answer *answer;
    assert_ok(ragstore_session_ask(&answer, on->session, question, NULL));
    if (strstr(ragstore_answer_text(answer), part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, ragstore_answer_text(answer));
    ragstore_answer_free(answer);
}

static void answer_sentences__are_embedded_where_no_passage_answers(void **state)
{
    stage on;
    set_stage(&on, state);
    expect_answer(&on, "Where do volcanoes get lava from?", "begins with magma");
    assert_int_equal(on.model.passages, 0);
    assert_int_equal(on.model.sentences, SENTENCES_MAX);
    strike_stage(&on);
}

static void answer_sentences__cost_nothing_where_words_answer(void **state)
{
    stage on;
    set_stage(&on, state);
    expect_answer(&on, "What breaks boulders in long winters?", "Ice breaks boulders");
    assert_int_equal(on.model.passages + on.model.sentences, 0);
    assert_int_equal(on.model.questions, 1);
    strike_stage(&on);
}

static void answer_sentences__that_are_not_alike_are_not_quoted(void **state)
{
    stage on;
    ragstore_document *document = NULL;
    set_stage(&on, state);
    json_t *list = list_documents(on.entity, NULL);
    const char *id = json_string_value(json_object_get(json_array_get(list, 0), "doc_id"));
    assert_ok(ragstore_document_delete(on.entity, id));
    json_decref(list);
    expect_answer(&on, "Where do volcanoes get lava from?", "There are no documents yet");
    assert_int_equal(on.model.sentences, 0);
    document = add_document(on.entity, "rest.txt", strstr(lecture, "Then"));
    expect_answer(&on, "Where do volcanoes get lava from?", "Nothing in these documents");
    assert_int_equal(on.model.sentences, SENTENCES_MAX);
    ragstore_document_free(document);
    strike_stage(&on);
}

static void answer_sentences__without_vectors_are_no_failure(void **state)
{
    stage on;
    set_stage(&on, state);
    on.model.fails = true;
    expect_answer(&on, "Where do volcanoes get lava from?", "Nothing in these documents");
    strike_stage(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_sentences__are_embedded_where_no_passage_answers),
        TEST(answer_sentences__cost_nothing_where_words_answer),
        TEST(answer_sentences__that_are_not_alike_are_not_quoted),
        TEST(answer_sentences__without_vectors_are_no_failure),
    };
    return cmocka_run_group_tests_name("answer sentences", tests, NULL, NULL);
}
