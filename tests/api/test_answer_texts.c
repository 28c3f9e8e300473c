/* Answers from texts of every kind: scripts, no words at all, bytes of no text, and ten million
 * bytes on one line. */
#include "api_fixture.h"

#define MIB ((size_t)1 << 20)
#define ANSWER_BYTES 400

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_session *session;
    ragstore_model *model; /* NULL: by keyword */
} stage;

static void set_stage(stage *on, void **state, bool by_vector)
{
    on->model = NULL;
    if (by_vector)
        assert_ok(ragstore_model_open_hashing(&on->model, 0));
    on->store = open_store_with(state, 0, on->model);
    on->entity = make_entity(on->store, by_vector ? "by vector" : "by keyword");
    assert_ok(ragstore_session_create(&on->session, on->entity, NULL));
}

static void strike_stage(stage *on)
{
    ragstore_session_free(on->session);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
    ragstore_model_free(on->model);
}

/* UTF-8 without control characters, as the JSON of the stored message must be. */
static void expect_text(const char *text)
{
    json_t *value = json_string(text); /* refuses what is not UTF-8 */
    assert_non_null(value);
    json_decref(value);
    for (const char *at = text; *at != '\0'; at++)
        assert_true((unsigned char)*at >= 0x20 || *at == '\n');
}

/* Ask; `expected` NULL: nothing answers. */
static void expect_answer(stage *on, const char *question, const char *expected)
{
    ragstore_answer *answer;
    ragstore_buffer *buffer;
    assert_ok(ragstore_session_ask(&answer, on->session, question, NULL));
    const char *text = ragstore_answer_text(answer);
    assert_in_range(strlen(text), 1, ANSWER_BYTES);
    expect_text(text);
    assert_ok(ragstore_answer_message(&buffer, answer));
    json_t *message = take_json(buffer);
    assert_text(message, "content", text);
    assert_member(json_object_get(message, "metadata"), "answered",
                  expected == NULL ? "false" : "true");
    if (expected != NULL && strstr(text, expected) == NULL)
        fail_msg("%s: \"%s\" is not in: %s", question, expected, text);
    json_decref(message);
    ragstore_answer_free(answer);
}

static void answer_texts__may_be_of_any_script(void **state)
{
    static const struct {
        const char *text;
        const char *question;
        const char *expected;
    } cases[] = {
        {"המגדלור עומד על הצוק. הנמל ישן.", "היכן עומד המגדלור?", "המגדלור עומד על הצוק."},
        {"تقف المنارة على الجرف. الميناء قديم.", "أين تقف المنارة؟", "المنارة على الجرف"},
        {"Маяк стоит на скале. Порт старый.", "Где стоит маяк?", "Маяк стоит на скале."},
        {"灯台は崖の上に立っている。港は古い。", "灯台はどこに立っている？", "灯台は崖の上に立っている。"},
        {"The beacon מגדלור stands at 灯台 point. Nothing else.", "Where does the beacon stand?",
         "beacon מגדלור stands at 灯台"},
    };
    for (int by_vector = 0; by_vector < 2; by_vector++) {
        stage on;
        set_stage(&on, state, by_vector);
        for (size_t i = 0; i < COUNT(cases); i++)
            add_text(on.entity, "a.txt", cases[i].text);
        for (size_t i = 0; i < COUNT(cases); i++)
            expect_answer(&on, cases[i].question, cases[i].expected);
        strike_stage(&on);
    }
}

static void answer_texts__without_words_answer_nothing(void **state)
{
    for (int by_vector = 0; by_vector < 2; by_vector++) {
        stage on;
        set_stage(&on, state, by_vector);
        expect_answer(&on, "Where is the lamp?", NULL); /* there is no document yet */
        add_text(on.entity, "emoji.txt", "🚀🎉 😀 👨‍👩‍👧‍👦");
        assert_fails(RAGSTORE_E_NOT_EXTRACTABLE,
                     ragstore_document_add(NULL, on.entity, "... --- !!! ???", 15, NULL));
        expect_answer(&on, "🚀🎉", NULL);
        expect_answer(&on, "???", NULL);
        expect_answer(&on, "Where is the lamp?", NULL);
        add_text(on.entity, "lamp.txt", "The lamp 🚀 is in the tower.");
        expect_answer(&on, "Where is the lamp? 🚀", "The lamp 🚀 is in the tower.");
        strike_stage(&on);
    }
}

static void answer_texts__of_bytes_that_are_no_text_are_refused_or_quoted_as_text(void **state)
{
    static const char nul[] = "The lamp\0 is in the tower.";
    static const char broken[] = "The lamp \xff\xc3 is in the tower.";
    static const char controls[] = "The lamp\x1b[31m is\x07 in the\x7f tower.";
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
    } files[] = {{"nul.txt", nul, sizeof nul - 1},
                 {"broken.txt", broken, sizeof broken - 1},
                 {"controls.txt", controls, sizeof controls - 1},
                 {"empty.txt", "", 0},
                 {"white.txt", " \n\t \n", 5}};
    for (size_t i = 0; i < COUNT(files); i++) {
        char id[32];
        stage on;
        ragstore_document_add_options adding = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        on.model = NULL;
        on.store = open_store(state);
        snprintf(id, sizeof id, "entity %zu", i);
        on.entity = make_entity(on.store, id);
        assert_ok(ragstore_session_create(&on.session, on.entity, NULL));
        adding.filename = files[i].name;
        const int status =
            ragstore_document_add(NULL, on.entity, files[i].bytes, files[i].size, &adding);
        if (status != RAGSTORE_OK)
            assert_int_equal(status, RAGSTORE_E_NOT_EXTRACTABLE);
        assert_true(status != RAGSTORE_OK || files[i].size > 5);
        expect_answer(&on, "Where is the lamp, in which tower?",
                      status == RAGSTORE_OK ? "tower" : NULL);
        assert_fails(RAGSTORE_E_INVALID_DATA,
                     ragstore_session_ask(NULL, on.session, "lamp\xff?", NULL));
        strike_stage(&on);
    }
}

/* Ten million bytes without an end of a line, nor, if so wished, of a sentence. */
static char *make_long_line(const char *filler, const char *needle)
{
    char *text = malloc(10 * MIB + 1);
    const size_t step = strlen(filler);
    size_t at = 0;
    assert_non_null(text);
    for (; at + step <= 10 * MIB; at += step)
        memcpy(text + at, filler, step);
    memset(text + at, 'x', 10 * MIB - at);
    memcpy(text + step * (at / step / 2), needle, strlen(needle));
    text[10 * MIB] = '\0';
    return text;
}

static void answer_texts__may_be_ten_million_bytes_on_one_line(void **state)
{
    static const char *const fillers[] = {
        "The tide came in and the gulls went out over the old harbour wall again today. ",
        "tide and gulls and wall and rope and tar and sail and oar and mast and hull or ",
    };
    for (size_t i = 0; i < COUNT(fillers); i++) {
        stage on;
        char *text = make_long_line(fillers[i], i == 0 ? "Zanzibar keeps the beacon lit. "
                                                       : "zanzibar keeps the beacon lit ");
        set_stage(&on, state, false);
        ragstore_document_free(add_document(on.entity, "line.txt", text));
        expect_answer(&on, "Who keeps the beacon lit?", "anzibar keeps the beacon lit");
        free(text);
        ragstore_session_free(on.session);
        ragstore_entity_free(on.entity);
        assert_ok(ragstore_entity_delete(NULL, on.store, "by keyword"));
        assert_ok(ragstore_store_close(on.store));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answer_texts__may_be_of_any_script),
        TEST(answer_texts__without_words_answer_nothing),
        TEST(answer_texts__of_bytes_that_are_no_text_are_refused_or_quoted_as_text),
        TEST(answer_texts__may_be_ten_million_bytes_on_one_line),
    };
    return cmocka_run_group_tests_name("answer texts", tests, NULL, NULL);
}
