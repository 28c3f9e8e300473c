/* Models that are functions of the application, and the hashing one. */
#include "api_fixture.h"

#include <pthread.h>

#define DIMENSION 4

/* What the callback is to do, and what it saw. */
typedef struct behaviour {
    int32_t fails_with; /* 0: it does not */
    const char *reason;
    bool leaves_one_out; /* the last number of the last vector */
    float last;          /* written in its place otherwise, unless 0 */
    bool is_zero;
    ragstore_entity *searched; /* while it runs, another thread does */
    unsigned calls;
    size_t most_texts;
    size_t texts;
    uint32_t roles[3]; /* how many texts, by role */
    unsigned releases;
} behaviour;

static void *search_beside(void *user)
{
    assert_int_equal(count_hits(user, "limestone"), 1);
    return NULL;
}

/* Direction 0: texts with "granite"; 1: with "marble"; 2: others. */
static int32_t embed(void *user, float *vectors, const char *const *texts, size_t count,
                     uint32_t role, char *reason, size_t reason_size)
{
    behaviour *how = user;
    how->calls++;
    how->texts += count;
    how->most_texts = count > how->most_texts ? count : how->most_texts;
    how->roles[role] += (uint32_t)count;
    if (how->searched != NULL) {
        pthread_t thread;
        ragstore_entity *entity = how->searched;
        how->searched = NULL; /* the search calls us, too */
        assert_int_equal(pthread_create(&thread, NULL, search_beside, entity), 0);
        pthread_join(thread, NULL);
    }
    if (how->fails_with != 0) {
        snprintf(reason, reason_size, "%s", how->reason);
        return how->fails_with;
    }
    for (size_t i = 0; i < count; i++) {
        float *vector = vectors + i * DIMENSION;
        const bool last = i + 1 == count;
        vector[0] = strstr(texts[i], "granite") != NULL ? 5.0f : 0.0f;
        vector[1] = strstr(texts[i], "marble") != NULL ? 5.0f : 0.0f;
        vector[2] = vector[0] == 0 && vector[1] == 0 && !how->is_zero ? 5.0f : 0.0f;
        if (!last || !how->leaves_one_out)
            vector[3] = last ? how->last : 0.0f;
    }
    return 0;
}

static void release(void *user)
{
    ((behaviour *)user)->releases++;
}

static ragstore_model_callback_options options_of(behaviour *how)
{
    ragstore_model_callback_options options = RAGSTORE_MODEL_CALLBACK_OPTIONS_INIT;
    options.fingerprint = "rocks/4/1";
    options.dimension = DIMENSION;
    options.embed = embed;
    options.release = release;
    options.user = how;
    return options;
}

static ragstore_model *open_model(behaviour *how)
{
    ragstore_model *model;
    const ragstore_model_callback_options options = options_of(how);
    assert_ok(ragstore_model_open_callback(&model, &options));
    return model;
}

/* ---- the model by itself ---- */

static void model_callback__gives_vectors_of_length_one(void **state)
{
    static const char *const texts[] = {"granite", "marble", "granite and marble"};
    behaviour how = {0};
    float vectors[3 * DIMENSION];
    (void)state;
    ragstore_model *model = open_model(&how);
    assert_int_equal(ragstore_model_dimension(model), DIMENSION);
    assert_string_equal(ragstore_model_fingerprint(model), "rocks/4/1");
    assert_ok(ragstore_model_embed(vectors, model, texts, 3));
    assert_float_equal(vectors[0], 1, 1e-6);
    assert_float_equal(vectors[DIMENSION + 1], 1, 1e-6);
    assert_float_equal(vectors[2 * DIMENSION], sqrt(0.5), 1e-6);
    assert_int_equal(how.calls, 1);
    assert_ok(ragstore_model_embed(vectors, model, texts, 0));
    assert_int_equal(how.calls, 1);
    assert_int_equal(how.releases, 0);
    ragstore_model_free(model);
    assert_int_equal(how.releases, 1);
}

static void model_callback__gets_at_most_a_batch(void **state)
{
    const char *texts[70];
    float vectors[70 * DIMENSION];
    behaviour how = {0};
    ragstore_model_callback_options options = options_of(&how);
    ragstore_model *model;
    (void)state;
    options.batch_size = 32;
    for (size_t i = 0; i < COUNT(texts); i++)
        texts[i] = i % 2 == 0 ? "granite" : "marble";
    assert_ok(ragstore_model_open_callback(&model, &options));
    assert_ok(ragstore_model_embed(vectors, model, texts, COUNT(texts)));
    assert_int_equal(how.calls, 3);
    assert_int_equal(how.most_texts, 32);
    assert_int_equal(how.texts, COUNT(texts));
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_float_equal(vectors[i * DIMENSION + i % 2], 1, 1e-6);
    ragstore_model_free(model);
}

static void model_callback__that_fails_is_an_embedder_error_with_its_reason(void **state)
{
    static const char *const texts[] = {"granite", "marble"};
    float vectors[2 * DIMENSION];
    behaviour how = {.fails_with = 7, .reason = "quota is used up\nask again"};
    (void)state;
    ragstore_model *model = open_model(&how);
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_model_embed(vectors, model, texts, 2));
    assert_message_has("rocks/4/1");
    assert_message_has("quota is used up ask again");
    how.reason = "bad \xff bytes";
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_model_embed(vectors, model, texts, 2));
    assert_message_has("bad ");
    how.reason = "";
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_model_embed(vectors, model, texts, 2));
    assert_message_has("did not say why");
    how.fails_with = RAGSTORE_E_INTERRUPTED;
    assert_fails(RAGSTORE_E_INTERRUPTED, ragstore_model_embed(vectors, model, texts, 2));
    how.fails_with = RAGSTORE_E_NO_MEMORY;
    assert_fails(RAGSTORE_E_NO_MEMORY, ragstore_model_embed(vectors, model, texts, 2));
    ragstore_model_free(model);
}

static void model_callback__must_give_vectors(void **state)
{
    static const char *const texts[] = {"granite", "sand"};
    float vectors[2 * DIMENSION];
    behaviour how = {.leaves_one_out = true};
    (void)state;
    ragstore_model *model = open_model(&how);
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_model_embed(vectors, model, texts, 2));
    assert_message_has("text 1");
    how = (behaviour){.last = INFINITY};
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_model_embed(vectors, model, texts, 2));
    how = (behaviour){.is_zero = true};
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_model_embed(vectors, model, texts, 2));
    assert_message_has("length 0");
    ragstore_model_free(model);
}

static void model_callback__has_no_tokens(void **state)
{
    int32_t ids[8];
    size_t count = 7;
    behaviour how = {0};
    (void)state;
    ragstore_model *model = open_model(&how);
    assert_fails(RAGSTORE_E_UNSUPPORTED,
                 ragstore_model_tokenize(ids, &count, NULL, model, 8, "granite", 7));
    assert_int_equal(count, 0);
    ragstore_model_free(model);
}

static void model_open_callback__refuses_what_makes_no_sense(void **state)
{
    behaviour how = {0};
    ragstore_model *model = (ragstore_model *)&how;
    ragstore_model_callback_options good = options_of(&how);
    char *long_name = long_text(257);
    const int bad = RAGSTORE_E_INVALID_ARGUMENT;
    (void)state;
    assert_fails(bad, ragstore_model_open_callback(NULL, &good));
    assert_fails(bad, ragstore_model_open_callback(&model, NULL));
    assert_null(model);
#define WITH(member, value, code)                                                                  \
    do {                                                                                           \
        ragstore_model_callback_options options = good;                                            \
        options.member = value;                                                                    \
        assert_fails(code, ragstore_model_open_callback(&model, &options));                        \
        assert_null(model);                                                                        \
    } while (0)
    WITH(embed, NULL, bad);
    WITH(fingerprint, NULL, bad);
    WITH(fingerprint, "", bad);
    WITH(fingerprint, long_name, bad);
    WITH(fingerprint, "\xff", bad);
    WITH(fingerprint, "own/4", bad);
    WITH(dimension, 0, bad);
    WITH(dimension, 65537, bad);
    WITH(batch_size, 257, bad);
    WITH(max_tokens, 15, bad);
    WITH(reserved, 1, RAGSTORE_E_UNSUPPORTED);
    WITH(struct_size, 1, bad);
#undef WITH
    assert_int_equal(how.releases, 0);
    free(long_name);
}

/* ---- with a store ---- */

static void model_callback__embeds_documents_and_queries_by_their_role(void **state)
{
    behaviour how = {0};
    ragstore_model *model = open_model(&how);
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_model_free(model); /* the store keeps it */
    assert_int_equal(how.releases, 0);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    add_text(entity, "b.txt", "All about marble, which was limestone.");
    assert_int_equal(how.roles[RAGSTORE_ROLE_DOCUMENT], 2);
    json_t *described = describe_entity(entity);
    assert_text(described, "embedder", "rocks/4/1");
    assert_text(described, "search_mode", "hybrid");
    json_decref(described);

    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.k = 1;
    assert_ok(ragstore_entity_search(&result, entity, "granite", &options));
    assert_string_equal(ragstore_result_content(result, 0), "All about granite.");
    ragstore_result_free(result);
    assert_int_equal(how.roles[RAGSTORE_ROLE_QUERY], 1);
    assert_ok(ragstore_entity_search(&result, entity, "granite", &options));
    ragstore_result_free(result);
    assert_int_equal(how.roles[RAGSTORE_ROLE_QUERY], 1); /* asked before */
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    assert_int_equal(how.releases, 1);
}

/* The words of the question that both documents have answer too little of it; one of them is about
 * the same, whatever the metric. */
static void model_callback__embeds_the_question_of_an_answer_and_nothing_else(void **state)
{
    static const char *const metrics[] = {"cosine", "inner_product", "l2"};
    behaviour how = {0};
    ragstore_model *model = open_model(&how);
    ragstore_store *store = open_store_with(state, 0, model);
    for (size_t i = 0; i < COUNT(metrics); i++) {
        ragstore_entity_create_options creating = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
        char question[64];
        ragstore_entity *entity;
        ragstore_session *session;
        ragstore_answer *answer;
        creating.metric = metrics[i];
        assert_ok(ragstore_entity_create(&entity, store, metrics[i], &creating));
        add_text(entity, "a.txt", "Harbour walls stand on xgranitex.");
        add_text(entity, "b.txt", "Harbour gulls stand on xmarblex.");
        assert_ok(ragstore_session_create(&session, entity, NULL));
        snprintf(question, sizeof question, "Which granite quarry opened by the harbour? (%zu)", i);
        how.texts = 0;
        assert_ok(ragstore_session_ask(&answer, session, question, NULL));
        assert_int_equal(how.texts, 1);
        assert_string_equal(ragstore_answer_text(answer), "Harbour walls stand on xgranitex. [1]");
        ragstore_answer_free(answer);
        ragstore_session_free(session);
        ragstore_entity_free(entity);
    }
    assert_ok(ragstore_store_close(store));
    ragstore_model_free(model);
}

static void model_callback__that_fails_adds_nothing(void **state)
{
    behaviour how = {.fails_with = 1, .reason = "no route to host"};
    ragstore_model *model = open_model(&how);
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_upload *upload;
    ragstore_job *job;
    assert_fails(RAGSTORE_E_EMBEDDER,
                 ragstore_document_add(NULL, entity, "All about granite.", 18, NULL));
    assert_message_has("no route to host");
    assert_ok(ragstore_upload_begin(&upload, entity, NULL));
    assert_ok(ragstore_upload_write(upload, "All about granite.", 18));
    assert_ok(ragstore_upload_submit(&job, upload));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_job_wait(job, 20000));
    assert_message_has("no route to host");
    ragstore_job_free(job);
    json_t *documents = list_documents(entity, NULL);
    assert_int_equal(json_array_size(documents), 0);
    json_decref(documents);
    how.fails_with = 0;
    add_text(entity, "a.txt", "All about granite.");
    ragstore_model_free(model);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void model_callback__that_fails_leaves_search_by_keyword(void **state)
{
    behaviour how = {0};
    ragstore_model *model = open_model(&how);
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *result;
    add_text(entity, "b.txt", "All about limestone.");
    how.fails_with = 1;
    how.reason = "no route to host";
    assert_ok(ragstore_entity_search(&result, entity, "limestone", NULL));
    assert_int_equal(ragstore_result_count(result), 1);
    assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_KEYWORD);
    ragstore_result_free(result);
    options.mode = RAGSTORE_MODE_VECTOR;
    assert_fails(RAGSTORE_E_EMBEDDER,
                 ragstore_entity_search(&result, entity, "limestone", &options));
    assert_message_has("no route to host");
    assert_null(result);
    how.fails_with = RAGSTORE_E_INTERRUPTED;
    assert_fails(RAGSTORE_E_INTERRUPTED,
                 ragstore_entity_search(&result, entity, "limestone", NULL));
    how.fails_with = 0;
    assert_ok(ragstore_entity_search(&result, entity, "limestone", NULL));
    assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_HYBRID);
    ragstore_result_free(result);
    ragstore_model_free(model);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void model_callback__holds_up_no_search(void **state)
{
    behaviour how = {0};
    ragstore_model *model = open_model(&how);
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "b.txt", "All about limestone.");
    how.searched = entity;
    add_text(entity, "a.txt", "All about granite.");
    assert_null(how.searched);
    ragstore_model_free(model);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static int stop_at_embed(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)total;
    (void)user;
    return strcmp(stage, "embed") == 0 && done > 0;
}

static void model_callback__is_not_called_again_after_a_cancel(void **state)
{
    behaviour how = {0};
    ragstore_model_callback_options with = options_of(&how);
    ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
    ragstore_model *model;
    with.batch_size = 1;
    assert_ok(ragstore_model_open_callback(&model, &with));
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    options.progress = stop_at_embed;
    assert_fails(RAGSTORE_E_INTERRUPTED,
                 ragstore_document_add_chunks(
                     NULL, entity, "[{\"text\":\"one\"},{\"text\":\"two\"},{\"text\":\"three\"}]",
                     NULL, 0, &options));
    assert_int_equal(how.calls, 1);
    ragstore_model_free(model);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void entity__of_another_model_is_searched_by_keyword_and_refuses_uploads(void **state)
{
    behaviour how = {0};
    ragstore_model_callback_options other = options_of(&how);
    ragstore_upload *upload;
    ragstore_result *result;
    ragstore_model *model = open_model(&how);
    ragstore_store *store = open_store_with(state, 0, model);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    ragstore_model_free(model);

    other.fingerprint = "rocks/4/2";
    assert_ok(ragstore_model_open_callback(&model, &other));
    store = open_store_with(state, 0, model);
    entity = open_entity(store, "acme");
    result = search(entity, "granite");
    assert_int_equal(ragstore_result_count(result), 1);
    assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_KEYWORD);
    ragstore_result_free(result);
    json_t *described = describe_entity(entity);
    assert_text(described, "search_mode", "keyword");
    assert_non_null(
        strstr(json_string_value(json_object_get(described, "notice")), "another embedding model"));
    json_decref(described);
    assert_fails(RAGSTORE_E_EMBEDDER,
                 ragstore_document_add(NULL, entity, "All about marble.", 17, NULL));
    assert_message_has("rocks/4/1");
    assert_message_has("rocks/4/2");
    assert_message_has("reembed");
    assert_ok(ragstore_upload_begin(&upload, entity, NULL));
    assert_ok(ragstore_upload_write(upload, "All about marble.", 17));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_upload_submit(NULL, upload));
    ragstore_model_free(model);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- hashing ---- */

static void model_hashing__finds_texts_of_the_same_words(void **state)
{
    static const char *const texts[] = {"The keeper climbs the stairs", "the Keeper climbs stairs!",
                                        "Marble is limestone", "", "?!"};
    float vectors[5 * 256];
    ragstore_model *model;
    (void)state;
    assert_ok(ragstore_model_open_hashing(&model, 0));
    assert_int_equal(ragstore_model_dimension(model), 256);
    assert_string_equal(ragstore_model_fingerprint(model), "hashing/256/1");
    assert_ok(ragstore_model_embed(vectors, model, texts, COUNT(texts)));
    double same = 0;
    double other = 0;
    for (size_t d = 0; d < 256; d++) {
        same += (double)vectors[d] * (double)vectors[256 + d];
        other += (double)vectors[d] * (double)vectors[512 + d];
    }
    assert_true(same > 0.8);
    assert_true(fabs(other) < 0.4);
    ragstore_model_free(model);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_open_hashing(&model, 7));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_open_hashing(&model, 4097));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_model_open_hashing(NULL, 0));
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(model_callback__gives_vectors_of_length_one),
        TEST(model_callback__gets_at_most_a_batch),
        TEST(model_callback__that_fails_is_an_embedder_error_with_its_reason),
        TEST(model_callback__must_give_vectors),
        TEST(model_callback__has_no_tokens),
        TEST(model_open_callback__refuses_what_makes_no_sense),
        TEST(model_callback__embeds_documents_and_queries_by_their_role),
        TEST(model_callback__embeds_the_question_of_an_answer_and_nothing_else),
        TEST(model_callback__that_fails_adds_nothing),
        TEST(model_callback__that_fails_leaves_search_by_keyword),
        TEST(model_callback__holds_up_no_search),
        TEST(model_callback__is_not_called_again_after_a_cancel),
        TEST(entity__of_another_model_is_searched_by_keyword_and_refuses_uploads),
        TEST(model_hashing__finds_texts_of_the_same_words),
    };
    return cmocka_run_group_tests_name("model_callback", tests, NULL, NULL);
}
