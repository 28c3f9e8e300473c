/* Exact search against a plain sort in float64. */
#include "rows_fixture.h"

#include <math.h>
#include <pthread.h>

#define DIMENSION 20u
#define COUNT 1000

static uint32_t random_state = 1;

static float random_number(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state / 2147483648.0f;
}

/* The chunk of a row: seven numbers are left out after each hundred. */
static int64_t chunk_of(size_t row)
{
    return (int64_t)row + 7 * (int64_t)(row / 100);
}

/* Blocks of 1, 99 and 100 rows. */
static float *make_rows(rsi_rows *rows)
{
    float *vectors = malloc(COUNT * DIMENSION * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < COUNT * DIMENSION; i++)
        vectors[i] = random_number();
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    for (size_t row = 0; row < COUNT;) {
        size_t count = row % 200 == 0 ? 1 : 100 - row % 100;
        assert_int_equal(rsi_rows_append(rows, chunk_of(row), vectors + row * DIMENSION, count,
                                         extents, EXTENTS_MAX, &extents_count),
                         0);
        row += count;
    }
    return vectors;
}

static int compare_hits(const void *a, const void *b)
{
    const rsi_hit *left = a, *right = b;
    return left->score > right->score ? -1 : left->score < right->score;
}

static void check_search(rsi_rows *rows, const float *vectors, const rsi_bitset *allowed, size_t k)
{
    float query[DIMENSION];
    rsi_hit hits[COUNT + 1], expected[COUNT];
    size_t count = 0, expected_count = 0;
    for (size_t i = 0; i < DIMENSION; i++)
        query[i] = random_number();
    for (size_t row = 0; row < COUNT; row++) {
        if (!rsi_bitset_has(allowed, chunk_of(row)))
            continue;
        double sum = 0;
        for (size_t i = 0; i < DIMENSION; i++)
            sum += (double)query[i] * vectors[row * DIMENSION + i];
        expected[expected_count].chunk = chunk_of(row);
        expected[expected_count++].score = (float)sum;
    }
    qsort(expected, expected_count, sizeof *expected, compare_hits);
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, k, allowed), 0);
    assert_int_equal(count, k < expected_count ? k : expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_true(fabsf(hits[i].score - expected[i].score) < 1e-5f);
        assert_true(rsi_bitset_has(allowed, hits[i].chunk));
        assert_true(i == 0 || rsi_hit_before(hits[i - 1], hits[i]));
    }
}

static void vectors_rows_search__finds_the_nearest_among_the_allowed(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    rows->block_limit = 4096;
    rows->segment_limit = 20000;
    float *vectors = make_rows(rows);
    for (unsigned keep_of_100 = 0; keep_of_100 <= 100; keep_of_100 += 10) {
        rsi_bitset allowed = {0};
        for (int64_t chunk = 0; chunk < chunk_of(COUNT) + 500; chunk++)
            if ((random_number() + 1) * 50 < (float)keep_of_100 || keep_of_100 == 100)
                assert_int_equal(rsi_bitset_add(&allowed, chunk), 0);
        check_search(rows, vectors, &allowed, 1);
        check_search(rows, vectors, &allowed, 10);
        check_search(rows, vectors, &allowed, COUNT + 1);
        check_search(rows, vectors, &allowed, 0);
        rsi_bitset_free(&allowed);
    }
    /* A long stretch, its ends inside words of the set. */
    rsi_bitset stretch = set_of(70, 900);
    check_search(rows, vectors, &stretch, 25);
    rsi_bitset_free(&stretch);
    free(vectors);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_search__stops_where_the_set_ends(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 2);
    assert_int_equal(append(rows, 0, 3000, NULL, NULL), 0);
    rsi_hit *hits = calloc(3000, sizeof *hits);
    assert_non_null(hits);
    for (int64_t words = 1; words <= 32; words++) {
        for (int64_t end = words * 64 - 1; end <= words * 64 + 1; end++) {
            rsi_bitset allowed = set_of(0, end);
            const float query[2] = {1, 1};
            size_t count;
            assert_int_equal(rsi_rows_search(hits, &count, rows, query, 3000, &allowed), 0);
            assert_int_equal(count, end);
            assert_int_equal(hits[0].chunk, end - 1);
            rsi_bitset_free(&allowed);
        }
    }
    free(hits);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_search__gives_ties_to_the_smaller_chunk(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 3);
    float vectors[300 * 3];
    for (size_t i = 0; i < 900; i++)
        vectors[i] = 1;
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    assert_int_equal(rsi_rows_append(rows, 5, vectors, 300, extents, EXTENTS_MAX, &count), 0);
    rsi_bitset allowed = set_of(0, 400);
    rsi_hit hits[4];
    assert_int_equal(rsi_rows_search(hits, &count, rows, vectors, 4, &allowed), 0);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(hits[i].chunk, 5 + i);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_search__refuses_what_is_not_finite(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 3);
    assert_int_equal(append(rows, 0, 5, NULL, NULL), 0);
    rsi_bitset allowed = set_of(0, 5);
    static const float bad_numbers[] = {NAN, INFINITY, -INFINITY};
    rsi_hit hits[4];
    size_t count = 9;
    for (size_t i = 0; i < 3; i++) {
        float query[3] = {1, 1, bad_numbers[i]};
        assert_int_equal(rsi_rows_search(hits, &count, rows, query, 4, &allowed),
                         RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(count, 0);
    }
    const float query[3] = {1, 1, 1};
    assert_int_equal(rsi_rows_search(hits, &count, rows, NULL, 4, &allowed),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, 4, NULL),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_rows_search(NULL, &count, rows, query, 4, &allowed),
                     RAGSTORE_E_INVALID_ARGUMENT);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_search__leaves_out_scores_that_are_not_numbers(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 16);
    float vectors[3 * 16];
    for (size_t i = 0; i < 48; i++)
        vectors[i] = i < 16 ? (i % 2 == 0 ? 3e38f : -3e38f) : i < 32 ? 1.0f : -3e38f;
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    assert_int_equal(rsi_rows_append(rows, 0, vectors, 3, extents, EXTENTS_MAX, &count), 0);
    float query[16];
    for (size_t i = 0; i < 16; i++)
        query[i] = 3e38f;
    rsi_bitset allowed = set_of(0, 3);
    rsi_hit hits[3];
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, 3, &allowed), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(isnan(hits[i].score) ? 1 : 0, 0);
    assert_true(count >= 2); /* minus infinity is a rank, the last */
    assert_int_equal(hits[0].chunk, 1);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_search__allocates_nothing(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 3);
    assert_int_equal(append(rows, 0, 5, NULL, NULL), 0);
    rsi_bitset allowed = set_of(0, 5);
    const float query[3] = {1, 1, 1};
    rsi_hit hits[4];
    size_t count;
    fault_memory_install();
    fault_memory_fail(1, true);
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, 4, &allowed), 0);
    assert_int_equal(count, 4);
    assert_row(rows, 3);
    assert_int_equal(fault_memory_calls(), 0);
    fault_memory_restore();
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_rows_missing__fails_cleanly_without_memory(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, 3);
    rsi_bitset wanted = set_of(0, 500);
    fault_memory_install();
    fault_memory_fail(1, true);
    rsi_bitset missing;
    assert_int_equal(rsi_rows_missing(&missing, rows, &wanted), RAGSTORE_E_NO_MEMORY);
    assert_null(missing.words);
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
    rsi_bitset_free(&wanted);
    rsi_rows_close(rows);
    fixture_end(&f);
}

typedef struct searcher {
    rsi_rows *rows;
    const rsi_bitset *allowed;
    rsi_hit hits[10];
    size_t count;
    int status;
} searcher;

static void *search_rows(void *user)
{
    searcher *mine = user;
    float query[DIMENSION];
    for (uint32_t i = 0; i < DIMENSION; i++)
        query[i] = (float)i - 8;
    mine->status = rsi_rows_search(mine->hits, &mine->count, mine->rows, query, 10, mine->allowed);
    return NULL;
}

static void vectors_rows_search__many_threads_share_the_first_check(void **state)
{
    fixture f;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, DIMENSION);
    free(make_rows(rows));
    rsi_bitset allowed = set_of(0, chunk_of(COUNT));
    pthread_t threads[4];
    searcher searchers[4];
    for (size_t i = 0; i < 4; i++) {
        searchers[i] = (searcher){.rows = rows, .allowed = &allowed};
        assert_int_equal(pthread_create(&threads[i], NULL, search_rows, &searchers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(searchers[i].status, 0);
        assert_int_equal(searchers[i].count, 10);
        for (size_t j = 0; j < 10; j++)
            assert_int_equal(searchers[i].hits[j].chunk, searchers[0].hits[j].chunk);
    }
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

/* Each of many queries gets what it would get alone, to the bit. */
static void vectors_rows_search_many__is_like_one_after_the_other(void **state)
{
    enum { ROWS = 1500, WIDE = 20, QUERIES = 71, K = 7 };
    static const rsi_metric metrics[] = {RSI_METRIC_COSINE, RSI_METRIC_INNER_PRODUCT,
                                         RSI_METRIC_L2};
    static float queries[QUERIES * WIDE];
    static rsi_hit many[QUERIES * K];
    static size_t counts[QUERIES];
    fixture f;
    uint32_t seed = 5;
    fixture_begin(&f, state);
    rsi_rows *rows = open_rows(&f, WIDE);
    float *vectors = malloc(ROWS * WIDE * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    assert_non_null(vectors);
    for (size_t i = 0; i < ROWS * WIDE; i++)
        vectors[i] = (float)(int32_t)(seed = seed * 1664525u + 1013904223u) / 2147483648.0f;
    for (size_t i = 0; i < QUERIES * WIDE; i++)
        queries[i] = (float)(int32_t)(seed = seed * 1664525u + 1013904223u) / 2147483648.0f;
    assert_int_equal(rsi_rows_append(rows, 0, vectors, ROWS, extents, EXTENTS_MAX, &extents_count),
                     0);
    rsi_bitset allowed = set_of(0, ROWS);
    for (int64_t chunk = 100; chunk < 300; chunk += 3)
        rsi_bitset_remove(&allowed, chunk);
    for (size_t m = 0; m < 3; m++) {
        rsi_rows_set_metric(rows, metrics[m]);
        for (size_t count = 0; count <= QUERIES; count += 1 + count / 2) {
            assert_int_equal(rsi_rows_search_many(many, counts, rows, queries, count, K, &allowed),
                             0);
            for (size_t q = 0; q < count; q++) {
                rsi_hit alone[K];
                size_t found;
                assert_int_equal(
                    rsi_rows_search(alone, &found, rows, queries + q * WIDE, K, &allowed), 0);
                assert_int_equal(counts[q], found);
                for (size_t i = 0; i < found; i++) {
                    assert_int_equal(many[q * K + i].chunk, alone[i].chunk);
                    assert_true(many[q * K + i].score == alone[i].score);
                }
            }
        }
    }
    queries[3] = NAN;
    rsi_rows_set_metric(rows, RSI_METRIC_COSINE);
    assert_int_equal(rsi_rows_search_many(many, counts, rows, queries, QUERIES, K, &allowed),
                     RAGSTORE_E_INVALID_ARGUMENT);
    queries[3] = 0;
    fault_memory_install();
    fault_memory_fail(1, false);
    assert_int_equal(rsi_rows_search_many(many, counts, rows, queries, QUERIES, K, &allowed),
                     RAGSTORE_E_NO_MEMORY);
    assert_int_equal(counts[0], 0);
    fault_memory_restore();
    free(vectors);
    rsi_bitset_free(&allowed);
    rsi_rows_close(rows);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_rows_search_many__is_like_one_after_the_other),
        TEST(vectors_rows_search__finds_the_nearest_among_the_allowed),
        TEST(vectors_rows_search__stops_where_the_set_ends),
        TEST(vectors_rows_search__gives_ties_to_the_smaller_chunk),
        TEST(vectors_rows_search__refuses_what_is_not_finite),
        TEST(vectors_rows_search__leaves_out_scores_that_are_not_numbers),
        TEST(vectors_rows_search__allocates_nothing),
        TEST(vectors_rows_missing__fails_cleanly_without_memory),
        TEST(vectors_rows_search__many_threads_share_the_first_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
