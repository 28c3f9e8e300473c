/* A quantised index finds what exact search finds: by tier, by filter, while it is built, and when
 * something fails. */
#include "quantised_fixture.h"

#include "harness/fault_memory.h"
#include "vectors/rotation.h"

#include <pthread.h>

/* ---- tests ---- */

static void vectors_rotation__keeps_lengths_and_products(void **state)
{
    (void)state;
    static const size_t dimensions[] = {1, 2, 3, 5, 7, 8, 31, 64, 100, 384, 1000, 1536, 4096};
    for (size_t n = 0; n < sizeof dimensions / sizeof *dimensions; n++) {
        const size_t dimension = dimensions[n];
        rsi_rotation *rotation;
        double before[3] = {0}, after[3] = {0};
        float *a = malloc(dimension * sizeof *a), *b = malloc(dimension * sizeof *b);
        assert_int_equal(rsi_rotation_new(&rotation, dimension), 0);
        for (size_t i = 0; i < dimension; i++) {
            a[i] = normal();
            b[i] = normal();
            before[0] += (double)a[i] * a[i];
            before[1] += (double)b[i] * b[i];
            before[2] += (double)a[i] * b[i];
        }
        rsi_rotation_apply(rotation, a);
        rsi_rotation_apply(rotation, b);
        for (size_t i = 0; i < dimension; i++) {
            after[0] += (double)a[i] * a[i];
            after[1] += (double)b[i] * b[i];
            after[2] += (double)a[i] * b[i];
        }
        for (size_t i = 0; i < 3; i++)
            assert_true(fabs(after[i] - before[i]) < 1e-4 * (before[0] + before[1]));
        rsi_rotation_free(rotation);
        free(a);
        free(b);
    }
    rsi_rotation *none;
    assert_int_equal(rsi_rotation_new(&none, 0), RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(none);
    rsi_rotation_free(NULL);
}

/* One number alone is spread over all of them: that is what makes signs say something. */
static void vectors_rotation__spreads_a_single_number(void **state)
{
    (void)state;
    rsi_rotation *rotation;
    float vector[384];
    assert_int_equal(rsi_rotation_new(&rotation, 384), 0);
    for (size_t at = 0; at < 384; at++) {
        float most = 0;
        memset(vector, 0, sizeof vector);
        vector[at] = 1;
        rsi_rotation_apply(rotation, vector);
        for (size_t i = 0; i < 384; i++)
            most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
        assert_true(most < 0.35f);
    }
    rsi_rotation_free(rotation);
}

static void vectors_quantised__finds_what_exact_search_finds(void **state)
{
    ground at;
    ground_begin(&at, state);
    rsi_quantised *index = make_index(&at, 1);
    absorb_all(index, &at);
    assert_int_equal(rsi_quantised_count(index), COUNT);
    assert_true(rsi_quantised_memory(index) < (size_t)COUNT * DIMENSION);
    expect_recall(recall(&at, index, &at.all, NULL), 0.995, "codes");
    rsi_quantised_free(index);
    index = make_index(&at, 32); /* the default may look into all of them, the nearest first */
    absorb_all(index, &at);
    expect_recall(recall(&at, index, &at.all, NULL), 0.99, "a coarse partition");
    rsi_quantised_free(index);
    index = make_index(&at, 128);
    absorb_all(index, &at);
    expect_recall(recall(&at, index, &at.all, NULL), 0.95, "a partition");
    const rsi_quantised_effort all = {.probes = 128};
    expect_recall(recall(&at, index, &at.all, &all), 0.995, "all lists");
    rsi_quantised_free(index);
    ground_end(&at);
}

static rsi_bitset choose(const rsi_bitset *from, double share)
{
    rsi_bitset chosen = {0};
    for (int64_t i = rsi_bitset_next(from, 0); i >= 0; i = rsi_bitset_next(from, i + 1))
        if (uniform() < share)
            assert_int_equal(rsi_bitset_add(&chosen, i), 0);
    return chosen;
}

static void vectors_quantised__fills_k_under_every_filter(void **state)
{
    static const double shares[] = {0.0002, 0.001, 0.01, 0.1, 0.5, 0.9};
    ground at;
    ground_begin(&at, state);
    for (size_t lists = 1; lists <= 64; lists *= 64) {
        rsi_quantised *index = make_index(&at, lists);
        absorb_all(index, &at);
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
            rsi_bitset some = choose(&at.all, shares[i]);
            expect_recall(recall(&at, index, &some, NULL), shares[i] <= 0.01 ? 0.99 : 0.95,
                          "a filter");
            rsi_bitset_free(&some);
        }
        /* what is allowed lies together, and mostly far from the query */
        expect_recall(recall(&at, index, &at.few, NULL), 0.99, "a few clusters");
        expect_recall(recall(&at, index, &at.third, NULL), 0.99, "a third of the clusters");
        const rsi_quantised_effort few_lists = {.probes = 4}; /* not so few, where a filter is */
        expect_recall(recall(&at, index, &at.third, &few_lists), 0.99, "whatever the lists");
        rsi_bitset none = {0};
        expect_recall(recall(&at, index, &none, NULL), 1, "nothing");
        rsi_quantised_free(index);
    }
    ground_end(&at);
}

static void vectors_quantised__never_shows_what_was_deleted(void **state)
{
    ground at;
    ground_begin(&at, state);
    rsi_quantised *index = make_index(&at, 64);
    absorb_all(index, &at);
    rsi_bitset left;
    assert_int_equal(rsi_bitset_copy(&left, &at.all), 0);
    for (int64_t i = rsi_bitset_next(&at.few, 0); i >= 0; i = rsi_bitset_next(&at.few, i + 1))
        rsi_bitset_remove(&left, i);         /* whole lists are dead */
    for (unsigned q = 0; q < QUERIES; q++) { /* and the query lies there */
        const rsi_quantised_effort least = {.probes = 1};
        float query[DIMENSION];
        rsi_hit hits[K];
        size_t count;
        make_vector_in(query, q % 6);
        assert_int_equal(
            rsi_quantised_search(hits, &count, index, at.rows, query, K, &left, &least), 0);
        assert_int_equal(count, K);
        for (size_t i = 0; i < count; i++)
            assert_true(rsi_bitset_has(&left, hits[i].chunk));
    }
    for (int64_t i = 0; i < COUNT; i += 7)
        rsi_bitset_remove(&left, i);
    expect_recall(recall(&at, index, &left, NULL), 0.95, "what is left");
    rsi_bitset_free(&left);
    rsi_quantised_free(index);
    ground_end(&at);
}

static void vectors_quantised__finds_rows_that_came_since(void **state)
{
    ground at;
    ground_begin(&at, state);
    rsi_quantised *index = make_index(&at, 64);
    bool done;
    assert_int_equal(rsi_quantised_absorb(index, &done, at.rows, &at.all, 15000), 0);
    assert_false(done);
    assert_int_equal(rsi_quantised_covered(index), 15000);
    expect_recall(recall(&at, index, &at.all, NULL), 0.95, "half of the rows");
    absorb_all(index, &at);
    append_rows(&at, 500);
    expect_recall(recall(&at, index, &at.all, NULL), 0.95, "new rows");
    for (int64_t chunk = COUNT; chunk < COUNT + 500; chunk += 50) { /* each finds itself first */
        const float *row;
        float query[DIMENSION];
        rsi_hit hits[3];
        size_t count;
        assert_int_equal(rsi_rows_get(&row, at.rows, chunk), 0);
        memcpy(query, row, sizeof query);
        assert_int_equal(
            rsi_quantised_search(hits, &count, index, at.rows, query, 3, &at.all, NULL), 0);
        assert_int_equal(hits[0].chunk, chunk);
    }
    absorb_all(index, &at);
    assert_int_equal(rsi_quantised_count(index), COUNT + 500);
    assert_int_equal(rsi_quantised_covered(index), COUNT + 500);
    rsi_quantised_free(index);
    ground_end(&at);
}

static void vectors_quantised__answers_odd_questions(void **state)
{
    ground at;
    float query[DIMENSION] = {0};
    static rsi_hit hits[COUNT + 1];
    size_t count;
    bool done;
    rsi_quantised *index;
    const float centroid[DIMENSION] = {0};
    ground_begin(&at, state);
    index = make_index(&at, 1);
    absorb_all(index, &at);
    assert_int_equal(rsi_quantised_search(hits, &count, index, at.rows, query, 0, &at.all, NULL),
                     0);
    assert_int_equal(count, 0);
    assert_int_equal(
        rsi_quantised_search(hits, &count, index, at.rows, query, COUNT + 1, &at.all, NULL), 0);
    assert_int_equal(count, COUNT);
    assert_int_equal(rsi_quantised_search(hits, &count, index, at.rows, query, 5, &at.all, NULL),
                     0);
    assert_int_equal(count, 5); /* of a query without direction all are worth the same */
    for (unsigned i = 0; i < 3; i++) {
        const float odd[] = {NAN, INFINITY, -INFINITY};
        query[17] = odd[i];
        assert_int_equal(
            rsi_quantised_search(hits, &count, index, at.rows, query, 5, &at.all, NULL),
            RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(count, 0);
    }
    assert_int_equal(rsi_quantised_search(hits, &count, index, at.rows, NULL, 5, &at.all, NULL),
                     RAGSTORE_E_INVALID_ARGUMENT);
    rsi_quantised_free(index);
    rsi_quantised_free(NULL);
    assert_int_equal(rsi_quantised_new(&index, 0, metric_of_all, centroid, 1), RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(index);
    assert_int_equal(rsi_quantised_new(&index, 5000, metric_of_all, centroid, 1),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_quantised_new(&index, DIMENSION, metric_of_all, NULL, 1),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_quantised_new(&index, DIMENSION, metric_of_all, centroid, 0),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_quantised_new(&index, DIMENSION / 2, metric_of_all, centroid, 1), 0);
    assert_int_equal(rsi_quantised_absorb(index, &done, at.rows, &at.all, 10),
                     RAGSTORE_E_INVALID_ARGUMENT); /* rows of another dimension */
    rsi_quantised_free(index);
    ground_end(&at);
}

static bool at_once(void *user)
{
    (void)user;
    return true;
}

static void vectors_centroids__can_be_cancelled_and_refuse_too_few(void **state)
{
    ground at;
    float *sample;
    float *centroids;
    size_t count;
    ground_begin(&at, state);
    assert_int_equal(rsi_centroids_sample(&sample, &count, at.rows, &at.all, 16), 0);
    assert_int_equal(rsi_centroids_train(&centroids, sample, count, DIMENSION, 16, at_once, NULL),
                     RAGSTORE_E_INTERRUPTED);
    assert_null(centroids);
    assert_int_equal(rsi_centroids_train(&centroids, sample, 15, DIMENSION, 16, NULL, NULL),
                     RAGSTORE_E_INVALID_ARGUMENT);
    memset(sample, 0, count * DIMENSION * sizeof *sample); /* all the same: lists stay empty */
    assert_int_equal(rsi_centroids_train(&centroids, sample, count, DIMENSION, 16, NULL, NULL), 0);
    for (size_t i = 0; i < 16 * DIMENSION; i++)
        assert_true(isfinite(centroids[i]));
    rsi_free(sample);
    rsi_free(centroids);
    ground_end(&at);
}

static void vectors_quantised__survives_each_allocation_that_fails(void **state)
{
    ground at;
    ground_begin(&at, state);
    rsi_quantised *good = make_index(&at, 16);
    absorb_all(good, &at);
    for (uint64_t n = 1;; n++) {
        float *sample = NULL;
        float *centroids = NULL;
        float query[DIMENSION];
        rsi_quantised *index = NULL;
        rsi_hit hits[K];
        size_t count = 0;
        bool done;
        make_vector(query);
        fault_memory_install();
        fault_memory_fail(n, false);
        int status = rsi_centroids_sample(&sample, &count, at.rows, &at.all, 4);
        if (status == RAGSTORE_OK)
            status = rsi_centroids_train(&centroids, sample, count, DIMENSION, 4, NULL, NULL);
        if (status == RAGSTORE_OK)
            status = rsi_quantised_new(&index, DIMENSION, metric_of_all, centroids, 4);
        if (status == RAGSTORE_OK)
            status = rsi_quantised_absorb(index, &done, at.rows, &at.all, 500);
        if (status == RAGSTORE_OK)
            status = rsi_quantised_search(hits, &count, good, at.rows, query, K, &at.all, NULL);
        const bool struck = fault_memory_failed();
        rsi_free(sample);
        rsi_free(centroids);
        rsi_quantised_free(index);
        assert_int_equal(fault_memory_alive(), 0);
        fault_memory_restore();
        assert_int_equal(status, struck ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        if (!struck)
            break;
        assert_true(n < 1000);
    }
    rsi_quantised_free(good);
    ground_end(&at);
}

static void flip_byte(void **state, long offset)
{
    char path[TEMPORARY_PATH_MAX];
    FILE *file = fopen(segment_path(path, state, 1), "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    const int byte = fgetc(file);
    fseek(file, offset, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void vectors_quantised__leaves_damage_to_exact_search(void **state)
{
    ground at;
    bool done;
    ground_begin(&at, state);
    rsi_rows_close(at.rows);
    flip_byte(state, 5000);
    at.rows = open_rows(&at.f, DIMENSION);
    float centroid[DIMENSION] = {0};
    rsi_quantised *index;
    assert_int_equal(rsi_quantised_new(&index, DIMENSION, metric_of_all, centroid, 1), 0);
    assert_int_equal(rsi_quantised_absorb(index, &done, at.rows, &at.all, COUNT),
                     RAGSTORE_E_DAMAGED);
    assert_false(done);
    rsi_quantised_free(index);
    ground_end(&at);
}

/* ---- beside each other ---- */

typedef struct beside {
    ground *at;
    rsi_quantised *index;
    bool ended; /* atomic */
} beside;

static void *search_on(void *user)
{
    beside *in = user;
    float query[DIMENSION];
    for (size_t d = 0; d < DIMENSION; d++)
        query[d] = d % 3 == 0 ? 0.1f : -0.05f;
    do {
        rsi_hit hits[K];
        size_t count;
        assert_int_equal(rsi_quantised_search(hits, &count, in->index, in->at->rows, query, K,
                                              &in->at->all, NULL),
                         0);
        assert_int_equal(count, K);
    } while (!__atomic_load_n(&in->ended, __ATOMIC_RELAXED));
    return NULL;
}

static void vectors_quantised__searches_while_it_is_built(void **state)
{
    ground at;
    pthread_t threads[2];
    ground_begin(&at, state);
    beside in = {&at, make_index(&at, 16), false};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, &in), 0);
    absorb_all(in.index, &at);
    __atomic_store_n(&in.ended, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    rsi_quantised_free(in.index);
    ground_end(&at);
}

/* ---- both forms of codes ---- */

static int setup_cosine(void **state)
{
    metric_of_all = RSI_METRIC_COSINE;
    return temporary_setup(state);
}

static int setup_l2(void **state)
{
    metric_of_all = RSI_METRIC_L2;
    return temporary_setup(state);
}

#define TEST(name)                                                                                 \
    {#name, name, setup_cosine, temporary_teardown, NULL},                                         \
    {                                                                                              \
        #name " (l2)", name, setup_l2, temporary_teardown, NULL                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_rotation__keeps_lengths_and_products),
        cmocka_unit_test(vectors_rotation__spreads_a_single_number),
        TEST(vectors_quantised__finds_what_exact_search_finds),
        TEST(vectors_quantised__fills_k_under_every_filter),
        TEST(vectors_quantised__never_shows_what_was_deleted),
        TEST(vectors_quantised__finds_rows_that_came_since),
        TEST(vectors_quantised__answers_odd_questions),
        TEST(vectors_centroids__can_be_cancelled_and_refuse_too_few),
        TEST(vectors_quantised__survives_each_allocation_that_fails),
        TEST(vectors_quantised__leaves_damage_to_exact_search),
        TEST(vectors_quantised__searches_while_it_is_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
