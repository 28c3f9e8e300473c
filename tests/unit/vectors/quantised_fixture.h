/*
 * What the tests of quantised indexes share: clustered rows of a metric, and the recall of an index
 * over them.
 */
#ifndef TESTS_UNIT_VECTORS_QUANTISED_FIXTURE_H
#define TESTS_UNIT_VECTORS_QUANTISED_FIXTURE_H

#include "rows_fixture.h"

#include "vectors/quantised.h"

#include <math.h>

#define DIMENSION 100u /* no multiple of a block's numbers */
#define COUNT 24000
#define LATENT 16
#define CLUSTERS 60
#define K 10
#define QUERIES 50

static uint64_t state_of_random = 3;

static inline double uniform(void)
{
    state_of_random =
        state_of_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state_of_random >> 11) / 9007199254740992.0;
}

static inline float normal(void)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += uniform();
    return (float)(sum - 6);
}

/* ---- clustered rows ---- */

static rsi_metric metric_of_all; /* with the cosine, rows and queries have length 1 */
static float offset_of_all;      /* how far from the origin they lie, in each number */
static float centres[CLUSTERS][LATENT];
static float map[LATENT][DIMENSION];

static inline void make_clusters(void)
{
    for (size_t i = 0; i < CLUSTERS * LATENT; i++)
        (&centres[0][0])[i] = normal();
    for (size_t i = 0; i < LATENT * DIMENSION; i++)
        (&map[0][0])[i] = normal();
}

static inline void make_vector_in(float *vector, unsigned cluster)
{
    for (size_t d = 0; d < DIMENSION; d++)
        vector[d] = normal();
    for (size_t i = 0; i < LATENT; i++) {
        const float latent = centres[cluster][i] + 0.7f * normal();
        for (size_t d = 0; d < DIMENSION; d++)
            vector[d] += latent * map[i][d];
    }
    for (size_t d = 0; d < DIMENSION; d++)
        vector[d] += offset_of_all;
    assert_null(rsi_metric_prepare(vector, DIMENSION, metric_of_all));
}

static inline unsigned make_vector(float *vector)
{
    const unsigned cluster = (unsigned)(uniform() * CLUSTERS);
    make_vector_in(vector, cluster);
    return cluster;
}

typedef struct ground {
    fixture f;
    rsi_rows *rows;
    rsi_bitset all;
    rsi_bitset third; /* those of every third cluster */
    rsi_bitset few;   /* those of the first six */
} ground;

static inline void append_rows(ground *at, size_t count)
{
    float *vectors = malloc(count * DIMENSION * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    const int64_t first = rsi_rows_next_chunk(at->rows);
    assert_non_null(vectors);
    for (size_t i = 0; i < count; i++) {
        const unsigned cluster = make_vector(vectors + i * DIMENSION);
        if (cluster % 3 == 0)
            assert_int_equal(rsi_bitset_add(&at->third, first + (int64_t)i), 0);
        if (cluster < 6)
            assert_int_equal(rsi_bitset_add(&at->few, first + (int64_t)i), 0);
        assert_int_equal(rsi_bitset_add(&at->all, first + (int64_t)i), 0);
    }
    for (size_t done = 0; done < count; done += 1000)
        assert_int_equal(rsi_rows_append(at->rows, first + (int64_t)done,
                                         vectors + done * DIMENSION,
                                         count - done < 1000 ? count - done : 1000, extents,
                                         EXTENTS_MAX, &extents_count),
                         0);
    free(vectors);
}

static inline void ground_begin(ground *at, void **state)
{
    memset(at, 0, sizeof *at);
    make_clusters();
    fixture_begin(&at->f, state);
    at->rows = open_rows(&at->f, DIMENSION);
    rsi_rows_set_metric(at->rows, metric_of_all);
    append_rows(at, COUNT);
}

static inline void ground_end(ground *at)
{
    rsi_bitset_free(&at->all);
    rsi_bitset_free(&at->third);
    rsi_bitset_free(&at->few);
    rsi_rows_close(at->rows);
    fixture_end(&at->f);
}

static inline rsi_quantised *make_index(ground *at, size_t lists)
{
    float *sample;
    float *centroids;
    size_t count;
    rsi_quantised *index;
    assert_int_equal(rsi_centroids_sample(&sample, &count, at->rows, &at->all, lists), 0);
    assert_int_equal(rsi_centroids_train(&centroids, sample, count, DIMENSION, lists, NULL, NULL),
                     0);
    assert_int_equal(rsi_quantised_new(&index, DIMENSION, metric_of_all, centroids, lists), 0);
    rsi_free(sample);
    rsi_free(centroids);
    return index;
}

static inline void absorb_all(rsi_quantised *index, ground *at)
{
    bool done = false;
    while (!done)
        assert_int_equal(rsi_quantised_absorb(index, &done, at->rows, &at->all, 5000), 0);
}

static inline double exact_score(const float *row, const float *query)
{
    double product = 0, squares = 0;
    for (size_t d = 0; d < DIMENSION; d++) {
        product += (double)row[d] * (double)query[d];
        squares += ((double)row[d] - (double)query[d]) * ((double)row[d] - (double)query[d]);
    }
    return metric_of_all == RSI_METRIC_L2 ? -squares : product;
}

/* The mean share of the true K that is found. All that is found is allowed, exact and in order. */
static inline double recall(ground *at, rsi_quantised *index, const rsi_bitset *allowed,
                     const rsi_quantised_effort *effort)
{
    double sum = 0;
    const size_t expected_count = allowed->count < K ? allowed->count : K;
    for (unsigned q = 0; q < QUERIES; q++) {
        float query[DIMENSION];
        rsi_hit truth[K], hits[K];
        size_t true_count, count;
        make_vector(query);
        assert_int_equal(rsi_rows_search(truth, &true_count, at->rows, query, K, allowed), 0);
        assert_int_equal(
            rsi_quantised_search(hits, &count, index, at->rows, query, K, allowed, effort), 0);
        assert_int_equal(count, expected_count); /* k of k */
        for (size_t i = 0; i < count; i++) {
            const float *row;
            assert_true(rsi_bitset_has(allowed, hits[i].chunk));
            assert_int_equal(rsi_rows_get(&row, at->rows, hits[i].chunk), 0);
            const double exact = exact_score(row, query);
            assert_true(fabs(exact - (double)hits[i].score) < 1e-5 * fmax(1, fabs(exact)));
            assert_true(i == 0 || rsi_hit_before(hits[i - 1], hits[i]));
            const float least = truth[true_count - 1].score;
            sum += hits[i].score >= least - 1e-6f * fmaxf(1, fabsf(least));
        }
    }
    return expected_count == 0 ? 1 : sum / (QUERIES * (double)expected_count);
}

static inline void expect_recall(double found, double least, const char *what)
{
    if (found < least)
        fail_msg("recall of %s is %.4f, less than %.3f", what, found, least);
}

#endif
