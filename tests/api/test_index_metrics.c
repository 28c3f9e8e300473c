/* How vectors are compared: cosine, inner product and squared distance. */
#include "index_fixture.h"

#include <fcntl.h>

#define PARTS 3

static const char *const metrics[] = {"cosine", "inner_product", "l2"};

typedef struct stage {
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
} stage;

static void set_stage(stage *on, void **state, const char *metric, const char *kind, int parts)
{
    on->store = open_store_with(state, RAGSTORE_OPEN_NO_BACKGROUND, NULL);
    on->entity = make_entity_with(on->store, "points", metric, kind);
    for (int part = 0; part < parts; part++)
        add_part(on->entity, (uint64_t)part * PART, NULL);
    assert_ok(ragstore_index_open(&on->index, on->entity));
}

static void strike_stage(stage *on)
{
    ragstore_index_free(on->index);
    assert_ok(ragstore_entity_delete(NULL, on->store, "points"));
    ragstore_entity_free(on->entity);
    assert_ok(ragstore_store_close(on->store));
}

static void index_metric__decides_who_is_nearest(void **state)
{
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        set_stage(&on, state, metrics[m], NULL, PARTS);
        expect_described(on.index, "metric", metrics[m]);
        assert_true(measure_recall(on.index, metrics[m], PARTS * PART, NULL, 10) == 1);
        ragstore_index_free(on.index);
        ragstore_entity_free(on.entity);
        on.store = reopen_store(on.store, state);
        on.entity = open_entity(on.store, "points");
        assert_ok(ragstore_index_open(&on.index, on.entity));
        expect_described(on.index, "metric", metrics[m]);
        assert_true(measure_recall(on.index, metrics[m], PARTS * PART, NULL, 10) == 1);
        strike_stage(&on);
    }
}

static void index_metric__is_the_same_by_codes(void **state)
{
    static const char *const kinds[][2] = {
        {"codes", "codes"}, {"partition", "partition"}, {"auto", "exact"}};
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        set_stage(&on, state, metrics[m], NULL, PARTS);
        for (size_t i = 0; i < COUNT(kinds); i++) {
            assert_ok(ragstore_index_set(on.index, "kind", kinds[i][0]));
            assert_ok(ragstore_store_maintain(on.store, 60000));
            expect_described(on.index, "state", "ready");
            expect_described(on.index, "tier", kinds[i][1]);
            assert_true(measure_recall(on.index, metrics[m], PARTS * PART, NULL, 10) >= 0.95);
        }
        strike_stage(&on);
    }
}

static void index_metric__keeps_vectors_as_they_are_unless_it_is_cosine(void **state)
{
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        float point[WIDE], found[WIDE];
        double length = 0;
        set_stage(&on, state, metrics[m], NULL, 1);
        make_point(point, 17);
        for (size_t i = 0; i < WIDE; i++)
            length += (double)point[i] * point[i];
        assert_ok(ragstore_index_vector(found, on.index, 17, WIDE));
        for (size_t i = 0; i < WIDE; i++) {
            const double expected = m == 0 ? point[i] / sqrt(length) : (double)point[i];
            assert_true(fabs(expected - (double)found[i]) <= (m == 0 ? 1e-6 : 0));
        }
        strike_stage(&on);
    }
}

static int add_one(ragstore_entity *entity, const float *vector)
{
    return ragstore_document_add_chunks(NULL, entity, "[{\"text\":\"one\"}]", vector, WIDE, NULL);
}

static int search_by(ragstore_entity *entity, const float *vector)
{
    ragstore_result *result;
    ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
    options.mode = RAGSTORE_MODE_VECTOR;
    options.vector = vector;
    options.dimension = WIDE;
    int status = ragstore_entity_search(&result, entity, "", &options);
    ragstore_result_free(result);
    return status;
}

/* What has no score is refused where it comes in, by each of the ways. */
static void index_metric__refuses_vectors_that_it_cannot_compare(void **state)
{
    const float zero[WIDE] = {0};
    float others[4][WIDE] = {{0}};
    others[0][3] = NAN;
    others[1][31] = -INFINITY;
    others[2][0] = 1.1e18f; /* longer than 1e18: fine for a cosine */
    others[3][5] = 3e38f;
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        int64_t chunk = 0;
        float score;
        set_stage(&on, state, metrics[m], NULL, 1);
        const int of_zero = m == 0 ? RAGSTORE_E_INVALID_DATA : RAGSTORE_OK;
        assert_int_equal(add_one(on.entity, zero), of_zero);
        if (m == 0)
            assert_message_has("length 0");
        assert_int_equal(ragstore_index_search(&chunk, &score, on.index, zero, 1, WIDE, 1),
                         m == 0 ? RAGSTORE_E_INVALID_ARGUMENT : RAGSTORE_OK);
        assert_int_equal(search_by(on.entity, zero),
                         m == 0 ? RAGSTORE_E_INVALID_ARGUMENT : RAGSTORE_OK);
        for (size_t i = 0; i < COUNT(others); i++) {
            const bool fine = i >= 2 && m == 0;
            assert_int_equal(add_one(on.entity, others[i]),
                             fine ? RAGSTORE_OK : RAGSTORE_E_INVALID_DATA);
            if (!fine)
                assert_message_has(i < 2 ? "not finite" : "longer than 1e18");
            assert_int_equal(ragstore_index_search(&chunk, &score, on.index, others[i], 1, WIDE, 1),
                             fine ? RAGSTORE_OK : RAGSTORE_E_INVALID_ARGUMENT);
            assert_int_equal(search_by(on.entity, others[i]),
                             fine ? RAGSTORE_OK : RAGSTORE_E_INVALID_ARGUMENT);
        }
        strike_stage(&on);
    }
}

/* The longest that are taken have scores, too. */
static void index_metric__bounds_scores(void **state)
{
    float longest[2][WIDE] = {{0}};
    longest[0][0] = 9.9e17f;
    longest[1][0] = -9.9e17f;
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        static int64_t chunks[PART + 2];
        static float scores[PART + 2];
        set_stage(&on, state, metrics[m], NULL, 1);
        assert_ok(add_one(on.entity, longest[0]));
        assert_ok(add_one(on.entity, longest[1]));
        assert_ok(ragstore_index_search(chunks, scores, on.index, longest[0], 1, WIDE, PART + 2));
        assert_int_equal(chunks[0], PART);
        assert_int_equal(chunks[PART + 1], PART + 1);
        for (size_t i = 0; i < PART + 2; i++)
            assert_true(isfinite(scores[i]));
        strike_stage(&on);
    }
}

static bool is_seventh(uint64_t number)
{
    return number % 7 == 3 && number < 2000;
}

/* By the entity's own call: filtered, with the scores of results. */
static void index_metric__is_what_an_entity_is_searched_by(void **state)
{
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        float query[WIDE];
        int64_t chunks[20];
        float scores[20];
        ragstore_result *result;
        ragstore_entity_search_options options = RAGSTORE_ENTITY_SEARCH_OPTIONS_INIT;
        set_stage(&on, state, metrics[m], NULL, PARTS);
        make_point(query, 100000);
        options.mode = RAGSTORE_MODE_VECTOR;
        options.vector = query;
        options.dimension = WIDE;
        options.k = 20;
        options.filter_json = "{\"n\":{\"$mod\":[7,3],\"$lt\":2000}}";
        assert_ok(ragstore_entity_search(&result, on.entity, "", &options));
        assert_int_equal(ragstore_result_count(result), 20);
        assert_int_equal(ragstore_result_copy(chunks, NULL, result, 20), 20);
        for (size_t i = 0; i < 20; i++) {
            const float score = ragstore_result_score(result, i);
            scores[i] = ragstore_result_vector_score(result, i);
            assert_true(score >= 0 && score <= 1);
            if (m == 2)
                assert_float_equal(score, 1 / (1 + sqrtf(-scores[i])), 1e-6);
        }
        assert_int_equal(
            count_right(metrics[m], query, PARTS * PART, is_seventh, chunks, scores, 20), 20);
        ragstore_result_free(result);
        options.mode = RAGSTORE_MODE_HYBRID;
        assert_ok(ragstore_entity_search(&result, on.entity, "p17", &options));
        assert_int_equal(ragstore_result_count(result), 20);
        for (size_t i = 0; i < 20; i++) {
            float point[WIDE];
            assert_int_equal(ragstore_result_copy(chunks, NULL, result, 20), 20);
            make_point(point, (uint64_t)chunks[i]);
            const double truth = true_score(metrics[m], query, point);
            assert_true(fabs(truth - (double)ragstore_result_vector_score(result, i)) <=
                        1e-4 * (1 + fabs(truth)));
        }
        ragstore_result_free(result);
        strike_stage(&on);
    }
}

/* FAISS numbers its metrics: 0 inner product, 1 L2. */
static void index_metric__is_written_into_the_file(void **state)
{
    for (size_t m = 0; m < COUNT(metrics); m++) {
        stage on;
        char path[TEMPORARY_PATH_MAX];
        unsigned char head[45];
        set_stage(&on, state, metrics[m], NULL, 1);
        assert_ok(ragstore_index_export(on.index));
        snprintf(path, sizeof path, "%s/entity_scoped/entities/points/vector_store/index.faiss",
                 store_path(state));
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(file >= 0);
        assert_int_equal(read(file, head, sizeof head), sizeof head);
        close(file);
        assert_memory_equal(head, "IxMp", 4);
        assert_int_equal(head[33], m == 2);
        assert_memory_equal(head + 37, m == 2 ? "IxF2" : "IxFI", 4);
        strike_stage(&on);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(index_metric__decides_who_is_nearest),
        TEST(index_metric__is_the_same_by_codes),
        TEST(index_metric__keeps_vectors_as_they_are_unless_it_is_cosine),
        TEST(index_metric__refuses_vectors_that_it_cannot_compare),
        TEST(index_metric__bounds_scores),
        TEST(index_metric__is_what_an_entity_is_searched_by),
        TEST(index_metric__is_written_into_the_file),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
