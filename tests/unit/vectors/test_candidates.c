/* The best of a stream are kept, whatever order they come in and however many are equal; lists are
 * given out by the distance of their centroids, each once. */
#include "quantised_fixture.h"

#include "vectors/candidates.h"
#include "vectors/quantised_internal.h"

#include <float.h>

#define MANY 700

static int compare_floats(const void *a, const void *b)
{
    const float left = *(const float *)a, right = *(const float *)b;
    return (left < right) - (left > right); /* the largest first */
}

/* Numbers of a kind: all different, few different ones, all equal, rising, falling, infinite. */
static float some_number(unsigned kind, size_t i)
{
    switch (kind) {
    case 0: return normal();
    case 1: return (float)(int)(uniform() * 4);
    case 2: return -1;
    case 3: return (float)i;
    case 4: return -(float)i;
    default: return i % 3 == 0 ? INFINITY : i % 3 == 1 ? -INFINITY : normal();
    }
}

static void vectors_candidates__selects_the_kth(void **state)
{
    (void)state;
    float sorted[MANY], numbers[MANY], spare[MANY];
    for (unsigned kind = 0; kind < 6; kind++)
        for (size_t count = 1; count <= MANY; count += count < 20 ? 1 : 97) {
            float given[MANY];
            for (size_t i = 0; i < count; i++)
                sorted[i] = given[i] = some_number(kind, i);
            qsort(sorted, count, sizeof *sorted, compare_floats);
            for (size_t k = 1; k <= count; k += count < 20 ? 1 : 13) {
                memcpy(numbers, given, count * sizeof *numbers);
                assert_true(rsi_kth_largest(numbers, spare, count, k) == sorted[k - 1]);
            }
        }
}

static void vectors_candidates__keeps_the_best(void **state)
{
    (void)state;
    static const size_t limits[] = {1, 2, 10, 168, MANY};
    for (unsigned kind = 0; kind < 6; kind++)
        for (size_t n = 0; n < 5; n++) {
            const size_t limit = limits[n];
            float sorted[MANY];
            bool is_seen[MANY] = {false};
            rsi_candidates best;
            assert_int_equal(rsi_candidates_begin(&best, limit), 0);
            for (size_t i = 0; i < MANY; i++) {
                sorted[i] = some_number(kind, i);
                rsi_candidates_offer(&best, (rsi_candidate){sorted[i], 0, (uint32_t)i});
            }
            rsi_candidates_shrink(&best);
            assert_int_equal(best.count, limit);
            float given[MANY];
            memcpy(given, sorted, sizeof given);
            qsort(sorted, MANY, sizeof *sorted, compare_floats);
            for (size_t first = 0; first <= limit; first += 1 + limit / 5) {
                rsi_candidates_bring(&best, first);
                for (size_t i = 0; i < limit; i++) {
                    assert_true(best.items[i].estimate == given[best.items[i].chunk]);
                    assert_true(best.items[i].estimate >= sorted[limit - 1]);
                    assert_true(i >= first || best.items[i].estimate >= sorted[first - 1]);
                }
            }
            for (size_t i = 0; i < limit; i++) {
                assert_false(is_seen[best.items[i].chunk]);
                is_seen[best.items[i].chunk] = true;
            }
            assert_true(limit == MANY || best.least == sorted[limit - 1]);
            rsi_candidates_end(&best);
        }
}

static void vectors_candidates__survives_lack_of_memory(void **state)
{
    (void)state;
    rsi_candidates best;
    assert_int_equal(rsi_candidates_begin(&best, SIZE_MAX / 2), RAGSTORE_E_NO_MEMORY);
    rsi_candidates_end(&best);
}

/* ---- ranking ---- */

static rsi_quantised *make_lists(float **centroids, size_t lists)
{
    rsi_quantised *index;
    *centroids = malloc(lists * DIMENSION * sizeof **centroids);
    for (size_t i = 0; i < lists; i++)
        make_vector(*centroids + i * DIMENSION);
    assert_int_equal(rsi_quantised_new(&index, DIMENSION, metric_of_all, *centroids, lists), 0);
    return index;
}

static double nearness(const rsi_quantised *index, uint32_t list, const float *moved)
{
    double sum = 0;
    for (size_t d = 0; d < DIMENSION; d++) {
        const double way = (double)index->centroids[list * DIMENSION + d] - (double)moved[d];
        sum -= way * way;
    }
    return sum;
}

/* So many at a time, until none is left: each once, the nearest first. */
static void expect_order(const rsi_quantised *index, const float *moved, size_t want)
{
    rsi_list_ranking ranking;
    bool *is_seen = calloc(index->list_count, sizeof *is_seen);
    size_t seen = 0, count, late = 0;
    double before = DBL_MAX;
    assert_int_equal(rsi_list_ranking_begin(&ranking, index, moved), 0);
    while ((count = rsi_list_ranking_next(&ranking, want)) > 0) {
        assert_true(count == want || seen + count == index->list_count);
        for (size_t i = 0; i < count; i++) {
            const uint32_t list = ranking.chosen[i].number;
            const double near = nearness(index, list, moved);
            assert_true(list < index->list_count && !is_seen[list]);
            is_seen[list] = true;
            late += near > before + 1e-3;
            before = near;
            seen++;
        }
    }
    assert_int_equal(seen, index->list_count);
    assert_true(late <= seen / 50); /* by codes, at the end of what is given out at once */
    rsi_list_ranking_end(&ranking);
    free(is_seen);
}

static void vectors_ranking__gives_each_list_once_the_nearest_first(void **state)
{
    static const size_t counts[] = {1, 2, 127, 128, 129, 700};
    (void)state;
    for (size_t n = 0; n < 6; n++) {
        float *centroids;
        float query[DIMENSION];
        rsi_quantised *index = make_lists(&centroids, counts[n]);
        assert_true((index->coded != NULL) == (counts[n] >= 128));
        for (unsigned q = 0; q < 20; q++) {
            make_vector(query);
            rsi_quantised_move(index, query);
            expect_order(index, query, 1 + q * 3);
            expect_order(index, query, counts[n]);
        }
        rsi_quantised_free(index);
        free(centroids);
    }
}

/* Centroids and queries that have no codes, or whose products are over what a float can say. */
static void vectors_ranking__gives_each_list_once_whatever_they_are(void **state)
{
    static const float sizes[] = {0, 1e-38f, 1e15f, 3e18f, 3e38f};
    (void)state;
    if (metric_of_all == RSI_METRIC_COSINE)
        return; /* all have length 1 */
    for (size_t c = 0; c < 5; c++)
        for (size_t q = 0; q < 5; q++) {
            float *centroids = malloc(200 * DIMENSION * sizeof *centroids);
            float query[DIMENSION];
            rsi_quantised *index;
            rsi_list_ranking ranking;
            bool is_seen[200] = {false};
            size_t seen = 0, count;
            for (size_t i = 0; i < 200 * DIMENSION; i++)
                centroids[i] = sizes[c] * (float)(uniform() * 2 - 1);
            for (size_t d = 0; d < DIMENSION; d++)
                query[d] = sizes[q] * (float)(uniform() * 2 - 1);
            assert_int_equal(
                rsi_quantised_new(&index, DIMENSION, metric_of_all, centroids, 200), 0);
            assert_int_equal(rsi_list_ranking_begin(&ranking, index, query), 0);
            while ((count = rsi_list_ranking_next(&ranking, 7)) > 0)
                for (size_t i = 0; i < count; i++, seen++) {
                    assert_false(is_seen[ranking.chosen[i].number]);
                    is_seen[ranking.chosen[i].number] = true;
                }
            assert_int_equal(seen, 200);
            rsi_list_ranking_end(&ranking);
            rsi_quantised_free(index);
            free(centroids);
        }
}

static int with_inner_products(void **state)
{
    (void)state;
    metric_of_all = RSI_METRIC_INNER_PRODUCT;
    return 0;
}

static int with_l2(void **state)
{
    (void)state;
    metric_of_all = RSI_METRIC_L2;
    return 0;
}

int main(void)
{
    make_clusters();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_candidates__selects_the_kth),
        cmocka_unit_test(vectors_candidates__keeps_the_best),
        cmocka_unit_test(vectors_candidates__survives_lack_of_memory),
        cmocka_unit_test_setup(vectors_ranking__gives_each_list_once_the_nearest_first,
                               with_inner_products),
        cmocka_unit_test_setup(vectors_ranking__gives_each_list_once_whatever_they_are,
                               with_inner_products),
        {"vectors_ranking__gives_each_list_once_the_nearest_first (l2)",
         vectors_ranking__gives_each_list_once_the_nearest_first, with_l2, NULL, NULL},
        {"vectors_ranking__gives_each_list_once_whatever_they_are (l2)",
         vectors_ranking__gives_each_list_once_whatever_they_are, with_l2, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
