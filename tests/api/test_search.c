/* Searching: modes, limits, filters, and a store without a model. */
#include "api_fixture.h"

#define KIB 1024

static ragstore_result *search_with(ragstore_entity *entity, const char *query,
                                    const ragstore_entity_search_options *options)
{
    ragstore_result *result;
    assert_ok(ragstore_entity_search(&result, entity, query, options));
    return result;
}

/* Documents "d0", "d1", …, each with the word granite and metadata {"n": i, "even": …}. */
static void add_numbered(ragstore_entity *entity, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[32];
        char text[64];
        char metadata[96];
        ragstore_document_add_options options = RAGSTORE_DOCUMENT_ADD_OPTIONS_INIT;
        snprintf(name, sizeof name, "d%zu", i);
        snprintf(text, sizeof text, "granite of sort %zu", i);
        snprintf(metadata, sizeof metadata, "{\"n\": %zu, \"even\": %s}", i,
                 i % 2 == 0 ? "true" : "false");
        options.filename = name;
        options.media_type = "text/plain";
        options.metadata_json = metadata;
        assert_ok(ragstore_document_add(NULL, entity, text, strlen(text), &options));
    }
}

/* ---- how many ---- */

static void search__gives_k_hits_when_k_exist(void **state)
{
    static const struct {
        uint32_t k;
        size_t count;
    } cases[] = {{0, 5}, {1, 1}, {7, 7}, {8, 8}, {9, 8}, {200, 8}};
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_numbered(entity, 8);
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        options.k = cases[i].k;
        ragstore_result *result = search_with(entity, "granite", &options);
        assert_int_equal(ragstore_result_count(result), cases[i].count);
        for (size_t at = 0; at < cases[i].count; at++)
            for (size_t other = 0; other < at; other++)
                assert_int_not_equal(ragstore_result_chunk_number(result, at),
                                     ragstore_result_chunk_number(result, other));
        ragstore_result_free(result);
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__filters_before_it_ranks(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_numbered(entity, 40);
    ragstore_document *weak =
        add_document(entity, "weak.txt",
                     "A long text in which many other things are said before granite comes.");
    const char *id = ragstore_document_id(weak);
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.k = 1;
    options.doc_ids = &id;
    options.doc_ids_count = 1;
    ragstore_result *result = search_with(entity, "granite", &options);
    assert_int_equal(ragstore_result_count(result), 1);
    assert_string_equal(ragstore_result_doc_id(result, 0), id);
    ragstore_result_free(result);
    options.doc_ids_count = 0; /* a list without documents allows none */
    result = search_with(entity, "granite", &options);
    assert_int_equal(ragstore_result_count(result), 0);
    ragstore_result_free(result);
    ragstore_document_free(weak);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__of_an_empty_entity_finds_nothing(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    assert_int_equal(count_hits(entity, "granite"), 0);
    add_text(entity, "a.txt", "marble");
    assert_int_equal(count_hits(entity, "granite"), 0);
    assert_int_equal(count_hits(entity, "?!… 😀"), 0);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__leaves_out_what_scores_too_low(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "good.txt", "granite quarry");
    add_text(entity, "fair.txt",
             "granite, and many words about other things that matter more here");
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    ragstore_result *all = search_with(entity, "granite quarry", &options);
    assert_int_equal(ragstore_result_count(all), 2);
    float best = ragstore_result_score(all, 0);
    float worst = ragstore_result_score(all, 1);
    assert_true(best > worst);
    options.min_score = (best + worst) / 2;
    ragstore_result *some = search_with(entity, "granite quarry", &options);
    assert_int_equal(ragstore_result_count(some), 1);
    assert_string_equal(ragstore_result_doc_name(some, 0), "good.txt");
    options.min_score = 1.5f;
    ragstore_result *none = search_with(entity, "granite quarry", &options);
    assert_int_equal(ragstore_result_count(none), 0);
    ragstore_result_free(all);
    ragstore_result_free(some);
    ragstore_result_free(none);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- metadata ---- */

static void search__filters_by_metadata(void **state)
{
    static const struct {
        const char *filter;
        size_t count;
    } cases[] = {
        {"{}", 6},
        {"{\"n\": 3}", 1},
        {"{\"n\": 3.0}", 1},
        {"{\"n\": \"3\"}", 0},
        {"{\"even\": true}", 3},
        {"{\"n\": {\"$gte\": 2, \"$lt\": 4}}", 2},
        {"{\"n\": {\"$in\": [0, 5, 77]}}", 2},
        {"{\"n\": {\"$nin\": [0, 5, 77]}}", 4},
        {"{\"n\": {\"$ne\": 0}}", 5},
        {"{\"n\": {\"$not\": {\"$gt\": 0}}}", 1},
        {"{\"missing\": null}", 6},
        {"{\"missing\": {\"$exists\": true}}", 0},
        {"{\"$or\": [{\"n\": 0}, {\"n\": 1}]}", 2},
        {"{\"$nor\": [{\"n\": 0}, {\"n\": 1}]}", 4},
        {"{\"$and\": [{\"even\": true}, {\"n\": {\"$gt\": 0}}]}", 2},
        {"{\"n\": {\"$mod\": [3, 1]}}", 2},
        {"{\"n\": {\"$type\": \"number\"}}", 6},
    };
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_numbered(entity, 6);
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        options.k = 50;
        options.filter_json = cases[i].filter;
        ragstore_result *result = search_with(entity, "granite", &options);
        if (ragstore_result_count(result) != cases[i].count)
            fail_msg("%s: %zu hits, not %zu", cases[i].filter, ragstore_result_count(result),
                     cases[i].count);
        ragstore_result_free(result);
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__never_ignores_a_filter_that_it_does_not_understand(void **state)
{
    static const struct {
        const char *text;
        int code;
    } filters[] = {
        {"", RAGSTORE_E_INVALID_DATA},
        {"{", RAGSTORE_E_INVALID_DATA},
        {"{\"n\": \"\xff\"}", RAGSTORE_E_INVALID_DATA},
        {"[]", RAGSTORE_E_QUERY},
        {"null", RAGSTORE_E_QUERY},
        {"\"n\"", RAGSTORE_E_QUERY},
        {"{\"$where\": \"1\"}", RAGSTORE_E_QUERY},
        {"{\"n\": {\"$gtee\": 1}}", RAGSTORE_E_QUERY},
        {"{\"n\": {\"$in\": 1}}", RAGSTORE_E_QUERY},
        {"{\"n\": {\"$gt\": 1, \"m\": 2}}", RAGSTORE_E_QUERY},
        {"{\"$or\": []}", RAGSTORE_E_QUERY},
        {"{\"$or\": {\"n\": 1}}", RAGSTORE_E_QUERY},
        {"{\"n\": {\"$exists\": \"yes\"}}", RAGSTORE_E_QUERY},
        {"{\"n\": {\"$not\": 7}}", RAGSTORE_E_QUERY},
    };
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    for (int with_documents = 0; with_documents < 2; with_documents++) {
        for (size_t i = 0; i < COUNT(filters); i++) {
            ragstore_result *result = (ragstore_result *)(uintptr_t)1;
            ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
            options.filter_json = filters[i].text;
            int status = ragstore_entity_search(&result, entity, "granite", &options);
            if (status != filters[i].code)
                fail_msg("%s: %s", filters[i].text, ragstore_status_name(status));
            assert_null(result);
        }
        add_numbered(entity, 2);
    }
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- refusing ---- */

static void search__refuses_bad_arguments(void **state)
{
    static const char *const ids[] = {"doc_1", NULL};
    static const float vector[] = {1, 0};
    char *too_long = long_text(32 * KIB + 1);
    const struct {
        const char *query;
        ragstore_entity_search_options options;
        int code;
    } cases[] = {
        {"", {0}, RAGSTORE_E_INVALID_ARGUMENT},
        {NULL, {0}, RAGSTORE_E_INVALID_ARGUMENT},
        {too_long, {0}, RAGSTORE_E_TOO_LARGE},
        {"caf\xe9", {0}, RAGSTORE_E_INVALID_DATA},
        {"\xed\xa0\x80", {0}, RAGSTORE_E_INVALID_DATA},
        {"a", {.k = 201}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.k = UINT32_MAX}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.mode = 4}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.mode = UINT32_MAX}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.neighbors = 11}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.neighbors = UINT32_MAX}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.min_score = NAN}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.doc_ids_count = 1}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.doc_ids = ids, .doc_ids_count = 2}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.vector = vector}, RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.dimension = 2}, RAGSTORE_E_INVALID_ARGUMENT},
        {"", {.mode = RAGSTORE_MODE_KEYWORD, .vector = vector, .dimension = 2},
         RAGSTORE_E_INVALID_ARGUMENT},
        {"a", {.vector = vector, .dimension = 2}, RAGSTORE_E_EMBEDDER},
        {"a", {.mode = RAGSTORE_MODE_VECTOR}, RAGSTORE_E_EMBEDDER},
    };
    ragstore_result *result = (ragstore_result *)(uintptr_t)1;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "granite");
    for (size_t i = 0; i < COUNT(cases); i++) {
        ragstore_entity_search_options options = cases[i].options;
        options.struct_size = sizeof options;
        int status = ragstore_entity_search(&result, entity, cases[i].query, &options);
        if (status != cases[i].code)
            fail_msg("case %zu: %s, not %s", i, ragstore_status_name(status),
                     ragstore_status_name(cases[i].code));
        assert_null(result);
    }
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_search(NULL, entity, "a", NULL));
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_entity_search(&result, NULL, "a", NULL));
    too_long[32 * KIB] = '\0';
    ragstore_result_free(search_with(entity, too_long, NULL));
    free(too_long);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

/* ---- with and without a model ---- */

static void search__without_a_model_is_by_keyword(void **state)
{
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_result *result = search(entity, "granite");
    assert_int_equal(ragstore_result_count(result), 1);
    assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_KEYWORD);
    assert_true(isnan(ragstore_result_vector_score(result, 0)) != 0);
    assert_true(ragstore_result_keyword_score(result, 0) > 0);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__with_a_model_finds_by_meaning(void **state)
{
    static const uint32_t modes[] = {0, RAGSTORE_MODE_HYBRID, RAGSTORE_MODE_VECTOR};
    ragstore_store *store = open_store_with(state, 0, the_model());
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "cat.txt", "The cat sleeps on the sofa all day.");
    add_text(entity, "bank.txt", "The central bank raised its interest rates.");
    for (size_t i = 0; i < COUNT(modes); i++) {
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        options.mode = modes[i];
        ragstore_result *result = search_with(entity, "a dozing pet", &options);
        assert_string_equal(ragstore_result_doc_name(result, 0), "cat.txt");
        assert_int_equal(ragstore_result_mode(result),
                         modes[i] == 0 ? RAGSTORE_MODE_HYBRID : modes[i]);
        float similarity = ragstore_result_vector_score(result, 0);
        assert_true(similarity > 0.2f && similarity <= 1.0001f);
        ragstore_result_free(result);
    }
    json_t *description = describe_entity(entity);
    assert_text(description, "search_mode", "hybrid");
    assert_null_member(description, "notice");
    assert_text(description, "embedder", ragstore_model_fingerprint(the_model()));
    json_decref(description);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__when_the_model_is_missing_never_makes_vectors_up(void **state)
{
    ragstore_result *result;
    ragstore_entity_search_options by_vector = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    by_vector.mode = RAGSTORE_MODE_VECTOR;
    ragstore_store *store = open_store_with(state, 0, the_model());
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_entity_free(entity);
    store = reopen_store(store, state); /* without the model */
    entity = open_entity(store, "acme");
    result = search(entity, "granite");
    assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_KEYWORD);
    assert_int_equal(ragstore_result_count(result), 1);
    ragstore_result_free(result);
    assert_fails(RAGSTORE_E_EMBEDDER,
                 ragstore_entity_search(&result, entity, "granite", &by_vector));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_document_add(NULL, entity, "marble", 6, NULL));
    assert_fails(RAGSTORE_E_EMBEDDER, ragstore_document_add_chunks(
                                          NULL, entity, "[{\"text\":\"marble\"}]", NULL, 0, NULL));
    json_t *description = describe_entity(entity);
    assert_text(description, "search_mode", "keyword");
    assert_true(json_is_string(json_object_get(description, "notice")));
    assert_number(description, "total_documents", 1);
    json_decref(description);
    ragstore_entity_free(entity);

    assert_ok(ragstore_store_close(store)); /* and with it again */
    store = open_store_with(state, 0, the_model());
    entity = open_entity(store, "acme");
    result = search_with(entity, "granite", &by_vector);
    assert_int_equal(ragstore_result_count(result), 1);
    ragstore_result_free(result);
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

static void search__of_an_entity_made_without_a_model_stays_by_keyword(void **state)
{
    ragstore_result *result;
    ragstore_entity_search_options by_vector = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    by_vector.mode = RAGSTORE_MODE_VECTOR;
    ragstore_store *store = open_store(state);
    ragstore_entity *entity = make_entity(store, "acme");
    add_text(entity, "a.txt", "All about granite.");
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
    store = open_store_with(state, 0, the_model());
    entity = open_entity(store, "acme");
    add_text(entity, "b.txt", "More about granite.");
    result = search(entity, "granite");
    assert_int_equal(ragstore_result_count(result), 2);
    assert_int_equal(ragstore_result_mode(result), RAGSTORE_MODE_KEYWORD);
    ragstore_result_free(result);
    assert_fails(RAGSTORE_E_EMBEDDER,
                 ragstore_entity_search(&result, entity, "granite", &by_vector));
    ragstore_entity_free(entity);
    assert_ok(ragstore_store_close(store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(search__gives_k_hits_when_k_exist),
        TEST(search__filters_before_it_ranks),
        TEST(search__of_an_empty_entity_finds_nothing),
        TEST(search__leaves_out_what_scores_too_low),
        TEST(search__filters_by_metadata),
        TEST(search__never_ignores_a_filter_that_it_does_not_understand),
        TEST(search__refuses_bad_arguments),
        TEST(search__without_a_model_is_by_keyword),
        TEST(search__with_a_model_finds_by_meaning),
        TEST(search__when_the_model_is_missing_never_makes_vectors_up),
        TEST(search__of_an_entity_made_without_a_model_stays_by_keyword),
    };
    return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
