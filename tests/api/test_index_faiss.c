/* Kinds of index that FAISS makes: search, filters, deletions, changes of kind, bad factory strings. */
#include "index_fixture.h"

#define PARTS 7 /* half of them are more than are searched exactly anyway */
#define ALL ((uint64_t)(PARTS * PART))

static const char *const kinds[] = {"faiss:HNSW32",          "faiss:IVF64,Flat",
                                    "faiss:IVF64,SQ8",       "faiss:IVF64,PQ16x4",
                                    "faiss:PCA24,IVF64,SQ8", "faiss:SQ8"};

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
    char doc_ids[PARTS][64];
} stage;

static void set_stage(stage *on, void **state, const char *metric, int parts)
{
    on->store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    on->entity = make_entity_with(on->store, "points", metric, NULL);
    for (int part = 0; part < parts; part++)
        add_part(on->entity, (uint64_t)part * PART, on->doc_ids[part]);
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void strike_stage(stage *on)
{
    ragstore_index_free(on->index);
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

/* Set a kind, and have it made. */
static void make_kind(stage *on, const char *kind, const char *tier)
{
    const int status = ragstore_index_set(on->index, "kind", kind);
    if (status == RAGSTORE_E_UNSUPPORTED) {
        print_message("%s\n", ragstore_error_message());
        skip();
    }
    assert_ok(status);
    assert_ok(ragstore_store_maintain(on->store, 120000));
    expect_described(on->index, "kind", kind);
    expect_described(on->index, "state", "ready");
    expect_described(on->index, "tier", tier);
}

static void index_faiss__finds_what_is_nearest_by_each_metric(void **state)
{
    static const char *const metrics[] = {"cosine", "l2", "inner_product"};
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        set_stage(&on, state, metrics[m], PARTS);
        for (size_t i = 0; i < (m == 0 ? COUNT(kinds) : 2); i++) {
            make_kind(&on, kinds[i], "faiss");
            json_t *description = describe_index(on.index);
            assert_number(description, "coded", (json_int_t)ALL);
            assert_true(json_is_null(json_object_get(description, "problem")));
            json_decref(description);
            assert_true(measure_recall(on.index, metrics[m], ALL, NULL, 10) >= 0.95);
        }
        make_kind(&on, "exact", "exact");
        assert_true(measure_recall(on.index, metrics[m], ALL, NULL, 10) == 1);
        assert_ok(ragstore_entity_delete(NULL, on.store, "points"));
        strike_stage(&on);
    }
}

/* It would take as long as it takes, while whoever ends the process waits. */
static void index_faiss__is_not_begun_by_closing(void **state)
{
    stage on;
    char path[TEMPORARY_PATH_MAX];
    set_stage(&on, state, "cosine", PARTS);
    const int status = ragstore_index_set(on.index, "kind", kinds[0]);
    if (status != RAGSTORE_E_UNSUPPORTED)
        assert_ok(status);
    strike_stage(&on);
    temporary_join(path, state, "store/entity_scoped/entities/points/vector_store/index.faiss.sum");
    if (temporary_exists(path)) {
        char *sum = temporary_read(path, NULL);
        assert_null(strstr(sum, "\nkind HNSW32\n"));
        free(sum);
    }
    on.store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    on.entity = open_entity(on.store, "points");
    assert_ok(ragstore_index_open(&on.index, on.entity));
    make_kind(&on, kinds[0], "faiss");
    strike_stage(&on);
}

static bool is_left(uint64_t number)
{
    return number < PART || number >= 3 * PART;
}

static bool is_left_of_more(uint64_t number)
{
    return is_left(number) && (number < (PARTS - 1) * PART || number >= ALL);
}

/* What was deleted never comes back, what was added is there at once. */
static void index_faiss__follows_what_is_added_and_deleted(void **state)
{
    stage on;
    char more[64];
    set_stage(&on, state, "cosine", PARTS);
    make_kind(&on, kinds[0], "faiss");
    assert_ok(ragstore_document_delete(on.entity, on.doc_ids[1]));
    assert_ok(ragstore_document_delete(on.entity, on.doc_ids[2]));
    assert_true(measure_recall(on.index, "cosine", ALL, is_left, 10) >= 0.95);
    add_part(on.entity, ALL, more);
    assert_true(measure_recall(on.index, "cosine", ALL + PART, is_left, 10) >= 0.95);
    assert_ok(ragstore_store_maintain(on.store, 120000));
    assert_true(measure_recall(on.index, "cosine", ALL + PART, is_left, 10) >= 0.95);
    for (size_t i = 0; i < COUNT(kinds); i += 2) {
        make_kind(&on, kinds[i], "faiss");
        assert_true(measure_recall(on.index, "cosine", ALL + PART, is_left, 10) >= 0.95);
    }
    assert_ok(ragstore_document_delete(on.entity, on.doc_ids[PARTS - 1]));
    assert_true(measure_recall(on.index, "cosine", ALL + PART, is_left_of_more, 10) >= 0.95);
    strike_stage(&on);
}

/* ---- filters ---- */

static uint64_t share; /* of a thousand points, so many are wanted */

static bool is_wanted_by_chance(uint64_t number)
{
    return number * 2654435761u % 1000003 % 1000 < share;
}

/* Those of some clusters, so that what is wanted lies together, and mostly elsewhere. */
static bool is_wanted_by_cluster(uint64_t number)
{
    return number % CLUSTERS < (share * CLUSTERS + 999) / 1000 && number % 1000 < share * 10;
}

static void expect_filtered(stage *on, is_wanted *wanted, double least)
{
    enum { K = 10, QUERIES = 8 };
    char *filter = malloc(ALL * 8 + 64);
    size_t size = 0, right = 0;
    uint64_t matching = 0;
    assert_non_null(filter);
    size = (size_t)sprintf(filter, "{\"n\":{\"$in\":[");
    for (uint64_t number = 0; number < ALL; number++)
        if (wanted(number))
            size += (size_t)sprintf(filter + size, "%s%d", matching++ == 0 ? "" : ",", (int)number);
    sprintf(filter + size, "]}}");
    const size_t k = matching < K ? (size_t)matching : K;
    for (uint64_t q = 0; q < QUERIES; q++) {
        float query[WIDE];
        int64_t chunks[K];
        float scores[K];
        ragstore_result *result;
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        make_point(query, ALL + q * 17);
        options.mode = RAGSTORE_MODE_VECTOR;
        options.vector = query;
        options.dimension = WIDE;
        options.k = K;
        options.filter_json = filter;
        assert_ok(ragstore_entity_search(&result, on->entity, "", &options));
        assert_int_equal(ragstore_result_copy(chunks, NULL, result, K), k);
        for (size_t i = 0; i < k; i++)
            scores[i] = ragstore_result_vector_score(result, i);
        right += count_right("cosine", query, ALL, wanted, chunks, scores, k);
        ragstore_result_free(result);
    }
    assert_true((double)right >= least * (double)(QUERIES * k));
    free(filter);
}

static void index_kind__finds_k_of_k_under_any_filter(void **state)
{
    static const uint64_t shares[] = {1, 10, 100, 500};
    static const char *const all_kinds[][2] = {{"exact", "exact"},
                                               {"codes", "codes"},
                                               {"partition", "partition"},
                                               {"faiss:HNSW32", "faiss"},
                                               {"faiss:IVF64,SQ8", "faiss"}};
    stage on;
    set_stage(&on, state, "cosine", PARTS);
    for (size_t i = 0; i < COUNT(all_kinds); i++) {
        make_kind(&on, all_kinds[i][0], all_kinds[i][1]);
        for (size_t s = 0; s < COUNT(shares); s++) {
            share = shares[s];
            expect_filtered(&on, is_wanted_by_chance, share <= 10 ? 0.99 : 0.95);
            expect_filtered(&on, is_wanted_by_cluster, share <= 10 ? 0.99 : 0.95);
        }
    }
    strike_stage(&on);
}

/* ---- what cannot be made ---- */

static void index_faiss__refuses_bad_factory_strings(void **state)
{
    static const char *const bad[][2] = {
        {"faiss:", "1 to 120"},
        {"faiss:Nonsense", "Nonsense"},
        {"faiss:IVF", "IVF"},
        {"faiss:HNSWx", "HNSWx"},
        {"faiss:IVF64,PQ7", "PQ7"}, /* 32 numbers do not make 7 equal pieces */
        {"faiss:IVF70000,Flat", "too large"},
        {"faiss:HNSW100000", "too large"},
        {"faiss:IVF99999999999999999999999,Flat", "too large"},
        {"faiss:IMI2x14,Flat", "too large"},
        {"faiss:RQ1000", "too large"},
        {"faiss:PQ8x32", "too large"},
        {"faiss:IDMap,Flat", "IDMap"},
        {"faiss:Flat; rm", "character"},
        {"faiss:%s%n", "character"},
        {"FAISS:Flat", "\"faiss:\""},
    };
    char long_one[200] = "faiss:";
    stage on;
    set_stage(&on, state, "cosine", 1);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_set(on.index, "kind", bad[i][0]));
        assert_message_has(bad[i][1]);
    }
    memset(long_one + 6, 'F', sizeof long_one - 7);
    assert_fails(RAGSTORE_E_INVALID_ARGUMENT, ragstore_index_set(on.index, "kind", long_one));
    expect_setting(on.index, "kind", "auto");
    strike_stage(&on);
}

/* A kind may be known, and still not come about: exact search goes on, and says why. */
static void index_faiss__that_cannot_be_made_is_told_of(void **state)
{
    stage on;
    on.store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    on.entity =
        make_entity_with(on.store, "points", NULL, "faiss:PQ7x4"); /* of what, is not known */
    for (int part = 0; part < 3; part++)
        add_part(on.entity, (uint64_t)part * PART, NULL);
    assert_ok(ragstore_index_open(&on.index, on.entity));
    assert_ok(ragstore_store_maintain(on.store, 60000));
    expect_described(on.index, "tier", "exact");
    expect_described(on.index, "state", "ready");
    json_t *description = describe_index(on.index);
    const char *problem = json_string_value(json_object_get(description, "problem"));
    assert_non_null(problem);
    assert_non_null(strstr(problem, "PQ7x4"));
    json_decref(description);
    assert_true(measure_recall(on.index, "cosine", 3 * PART, NULL, 10) == 1);
    make_kind(&on, "faiss:SQ8", "faiss");
    assert_true(measure_recall(on.index, "cosine", 3 * PART, NULL, 10) >= 0.95);
    strike_stage(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_faiss__finds_what_is_nearest_by_each_metric),
        TEST(index_faiss__is_not_begun_by_closing),
        TEST(index_faiss__follows_what_is_added_and_deleted),
        TEST(index_kind__finds_k_of_k_under_any_filter),
        TEST(index_faiss__refuses_bad_factory_strings),
        TEST(index_faiss__that_cannot_be_made_is_told_of),
    };
    return cmocka_run_group_tests_name("FAISS kinds", tests, NULL, NULL);
}
