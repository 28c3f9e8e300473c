/* Codes of rows that are not as embeddings are: far away, all the same, zero, huge, short. */
#include "quantised_fixture.h"

#define ODD_COUNT 6000

/* ---- rows of any dimension ---- */

typedef struct odd {
    fixture f;
    rsi_rows *rows;
    rsi_bitset all;
    rsi_quantised *index;
    uint32_t dimension;
    rsi_quantised_effort effort; /* zeros: the default */
} odd;

typedef void maker(float *vector, uint32_t dimension, size_t number);

static void odd_begin(odd *at, void **state, rsi_metric metric, uint32_t dimension, size_t lists,
                      maker *make)
{
    float *vectors = malloc(ODD_COUNT * (size_t)dimension * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count, count;
    float *sample, *centroids;
    bool done = false;
    memset(at, 0, sizeof *at);
    at->dimension = dimension;
    fixture_begin(&at->f, state);
    at->rows = open_rows(&at->f, dimension);
    rsi_rows_set_metric(at->rows, metric);
    assert_non_null(vectors);
    for (size_t i = 0; i < ODD_COUNT; i++) {
        make(vectors + i * dimension, dimension, i);
        assert_null(rsi_metric_prepare(vectors + i * dimension, dimension, metric));
        assert_int_equal(rsi_bitset_add(&at->all, (int64_t)i), 0);
    }
    for (size_t i = 0; i < ODD_COUNT; i += 1000)
        assert_int_equal(rsi_rows_append(at->rows, (int64_t)i, vectors + i * dimension, 1000,
                                         extents, EXTENTS_MAX, &extents_count),
                         0);
    free(vectors);
    assert_int_equal(rsi_centroids_sample(&sample, &count, at->rows, &at->all, lists), 0);
    assert_int_equal(rsi_centroids_train(&centroids, sample, count, dimension, lists, NULL, NULL),
                     0);
    assert_int_equal(rsi_quantised_new(&at->index, dimension, metric, centroids, lists), 0);
    rsi_free(sample);
    rsi_free(centroids);
    while (!done)
        assert_int_equal(rsi_quantised_absorb(at->index, &done, at->rows, &at->all, 4000), 0);
}

static void odd_end(odd *at)
{
    rsi_quantised_free(at->index);
    rsi_bitset_free(&at->all);
    rsi_rows_close(at->rows);
    assert_int_equal(rsi_directory_remove(at->f.root, DIRECTORY), 0);
    fixture_end(&at->f);
}

/* K of K are found, in order, with scores that are numbers; the share of the true ones, by score. */
static double search(odd *at, const float *query)
{
    rsi_hit truth[K], hits[K];
    size_t true_count, count;
    double found = 0;
    assert_int_equal(rsi_rows_search(truth, &true_count, at->rows, query, K, &at->all), 0);
    assert_int_equal(
        rsi_quantised_search(hits, &count, at->index, at->rows, query, K, &at->all,
                             &at->effort),
        0);
    assert_int_equal(count, K);
    for (size_t i = 0; i < K; i++) {
        assert_true(isfinite(hits[i].score));
        assert_true(i == 0 || rsi_hit_before(hits[i - 1], hits[i]));
        found += hits[i].score >= truth[K - 1].score - 1e-6f * fabsf(truth[K - 1].score);
    }
    return found / K;
}

static double search_each(odd *at, maker *make)
{
    double sum = 0;
    float *query = malloc(at->dimension * sizeof *query);
    assert_non_null(query);
    for (size_t q = 0; q < QUERIES; q++) {
        make(query, at->dimension, q * 97 + 1);
        assert_null(rsi_metric_prepare(query, at->dimension, rsi_rows_metric(at->rows)));
        sum += search(at, query);
    }
    free(query);
    return sum / QUERIES;
}

/* ---- what they are ---- */

static void make_normal(float *vector, uint32_t dimension, size_t number)
{
    (void)number;
    for (uint32_t d = 0; d < dimension; d++)
        vector[d] = normal();
}

static void make_same(float *vector, uint32_t dimension, size_t number)
{
    (void)number;
    for (uint32_t d = 0; d < dimension; d++)
        vector[d] = (float)d + 0.3f;
}

static void make_zero(float *vector, uint32_t dimension, size_t number)
{
    (void)number;
    memset(vector, 0, dimension * sizeof *vector);
}

/* As long as rows may be. */
static void make_huge(float *vector, uint32_t dimension, size_t number)
{
    double squares = 0;
    make_normal(vector, dimension, number);
    for (uint32_t d = 0; d < dimension; d++)
        squares += (double)vector[d] * (double)vector[d];
    for (uint32_t d = 0; d < dimension; d++)
        vector[d] = (float)(vector[d] / sqrt(squares) * 0.999e18);
}

/* As those of the fixture. */
static void make_clustered(float *vector, uint32_t dimension, size_t number)
{
    assert_int_equal(dimension, DIMENSION);
    (void)number;
    make_vector(vector);
}

/* A few that are huge among others; the first row is in each sample. */
static void make_huge_or_not(float *vector, uint32_t dimension, size_t number)
{
    if (number % 600 == 0)
        make_huge(vector, dimension, number);
    else
        make_clustered(vector, dimension, number);
}

/* ---- tests ---- */

static void vectors_quantised__finds_rows_that_lie_far_from_the_origin(void **state)
{
    static const float offsets[] = {10, 30000};
    for (size_t i = 0; i < 2; i++) {
        ground at;
        offset_of_all = offsets[i];
        ground_begin(&at, state);
        for (size_t lists = 1; lists <= 128; lists *= 128) {
            rsi_quantised *index = make_index(&at, lists);
            absorb_all(index, &at);
            expect_recall(recall(&at, index, &at.all, NULL), lists == 1 ? 0.99 : 0.95, "far rows");
            rsi_quantised_free(index);
        }
        assert_int_equal(rsi_directory_remove(at.f.root, DIRECTORY), 0);
        ground_end(&at);
    }
    offset_of_all = 0;
}

static void vectors_quantised__lets_no_row_far_away_spoil_the_others(void **state)
{
    make_clusters();
    for (size_t lists = 1; lists <= 16; lists *= 16) {
        odd at;
        odd_begin(&at, state, RSI_METRIC_L2, DIMENSION, lists, make_huge_or_not);
        expect_recall(search_each(&at, make_clustered), lists == 1 ? 0.99 : 0.9, "the others");
        odd_end(&at);
    }
}

static void vectors_quantised__takes_rows_of_any_length_and_dimension(void **state)
{
    static const uint32_t dimensions[] = {1, 2, 3, 16, 17, 100, 1000, 2048};
    static maker *const makers[] = {make_normal, make_same, make_zero, make_huge};
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        for (size_t m = 0; m < sizeof makers / sizeof *makers; m++) {
            odd at;
            const size_t lists = (d + m) % 2 == 0 ? 1 : 8;
            odd_begin(&at, state, RSI_METRIC_L2, dimensions[d], lists, makers[m]);
            /* equal rows are found whatever there is to choose from; so are others of enough numbers */
            const double found = search_each(&at, makers[m]);
            if (makers[m] == make_same || makers[m] == make_zero)
                expect_recall(found, 1, "equal rows");
            else if (lists == 1 && dimensions[d] >= 1000)
                expect_recall(found, 0.8, "rows of any length");
            search_each(&at, make_huge);
            search_each(&at, make_zero);
            odd_end(&at);
        }
    }
}

/* Rows without clusters: each list has some of the nearest, so none is given up. */
static void vectors_quantised__looks_on_while_lists_yield(void **state)
{
    odd at;
    odd_begin(&at, state, RSI_METRIC_COSINE, 48, 64, make_normal);
    state_of_random = 11;
    const double by_default = search_each(&at, make_normal);
    at.effort.probes = 49; /* what the default may go through: 6 × √64 + 1 */
    state_of_random = 11;
    const double by_all = search_each(&at, make_normal);
    assert_true(by_all > 0.9);
    expect_recall(by_default, by_all - 0.02, "lists that yield");
    odd_end(&at);
}

static void vectors_quantised__leaves_rows_of_another_metric_to_exact_search(void **state)
{
    odd at;
    float query[16];
    odd_begin(&at, state, RSI_METRIC_L2, 16, 1, make_normal);
    rsi_rows_set_metric(at.rows, RSI_METRIC_INNER_PRODUCT);
    make_normal(query, 16, 0);
    assert_true(search(&at, query) == 1);
    odd_end(&at);
}

static void vectors_centroids__find_the_middle_of_most(void **state)
{
    float middle[2];
    const float five[] = {1, 9, 2, 8, 3, 7, 4, 6, 1e18f, -1e18f};
    (void)state;
    rsi_centroids_middle(middle, five, 5, 2);
    assert_true(middle[0] == 3 && middle[1] == 7);
    rsi_centroids_middle(middle, five, 4, 2);
    assert_true(middle[0] == 2.5f && middle[1] == 7.5f);
    rsi_centroids_middle(middle, five, 1, 2);
    assert_true(middle[0] == 1 && middle[1] == 9);
}

/* The mean of the rows' squared distances to the nearest of their centroids. */
static double spread_of(const float *sample, size_t count, const float *centroids, size_t lists)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double least = INFINITY;
        for (size_t c = 0; c < lists; c++) {
            const double apart =
                -exact_score(sample + i * DIMENSION, centroids + c * DIMENSION);
            least = apart < least ? apart : least;
        }
        sum += least;
    }
    return sum / (double)count;
}

static void vectors_centroids__part_rows_that_lie_far_from_the_origin(void **state)
{
    enum { LISTS = 60, ROWS = 3000 };
    double spreads[2];
    (void)state;
    make_clusters();
    for (int far = 0; far < 2; far++) {
        float *sample = malloc(ROWS * DIMENSION * sizeof *sample);
        float *copy = malloc(ROWS * DIMENSION * sizeof *copy);
        float *centroids;
        assert_true(sample != NULL && copy != NULL);
        offset_of_all = far == 0 ? 0 : 30000;
        for (size_t i = 0; i < ROWS; i++)
            make_vector_in(sample + i * DIMENSION, (unsigned)(i % CLUSTERS));
        memcpy(copy, sample, ROWS * DIMENSION * sizeof *copy);
        assert_int_equal(rsi_centroids_train(&centroids, copy, ROWS, DIMENSION, LISTS, NULL, NULL),
                         0);
        spreads[far] = spread_of(sample, ROWS, centroids, LISTS);
        rsi_free(centroids);
        free(sample);
        free(copy);
    }
    offset_of_all = 0;
    assert_true(spreads[1] < 1.1 * spreads[0]);
}

static int setup_l2(void **state)
{
    metric_of_all = RSI_METRIC_L2;
    return temporary_setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_l2, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_quantised__finds_rows_that_lie_far_from_the_origin),
        TEST(vectors_quantised__lets_no_row_far_away_spoil_the_others),
        TEST(vectors_quantised__takes_rows_of_any_length_and_dimension),
        TEST(vectors_quantised__looks_on_while_lists_yield),
        TEST(vectors_quantised__leaves_rows_of_another_metric_to_exact_search),
        cmocka_unit_test(vectors_centroids__find_the_middle_of_most),
        cmocka_unit_test(vectors_centroids__part_rows_that_lie_far_from_the_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
