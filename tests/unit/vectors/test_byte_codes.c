/* With byte codes exact search finds what it finds without them: the same chunks, the same
 * scores. */
#include "rows_fixture.h"

#include "vectors/byte_codes.h"

#include <math.h>
#include <pthread.h>

#define K_MAX 200

static uint64_t state_of_random = 11;

static double uniform(void)
{
    state_of_random =
        state_of_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(state_of_random >> 11) / 9007199254740992.0;
}

static float normal(void)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += uniform();
    return (float)(sum - 6);
}

/* ---- rows ---- */

typedef void make_row(float *row, uint32_t dimension, size_t number);

typedef struct ground {
    fixture f;
    rsi_rows *rows;
    rsi_byte_codes *codes;
    rsi_bitset all;
    uint32_t dimension;
    make_row *make;
    size_t threads; /* 0: one */
} ground;

static void append_rows(ground *at, size_t count)
{
    float *vectors = malloc(count * at->dimension * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    const int64_t first = rsi_rows_next_chunk(at->rows);
    assert_non_null(vectors);
    for (size_t i = 0; i < count; i++) {
        at->make(vectors + i * at->dimension, at->dimension, (size_t)first + i);
        assert_int_equal(rsi_bitset_add(&at->all, first + (int64_t)i), 0);
    }
    assert_int_equal(rsi_rows_append(at->rows, first, vectors, count, extents, EXTENTS_MAX,
                                     &extents_count),
                     0);
    free(vectors);
}

static void absorb_all(ground *at)
{
    bool done = false;
    while (!done)
        assert_int_equal(rsi_byte_codes_absorb(at->codes, &done, at->rows, &at->all, 1000), 0);
}

static void ground_begin(ground *at, void **state, make_row *make, uint32_t dimension, size_t count,
                         rsi_metric metric)
{
    memset(at, 0, sizeof *at);
    at->dimension = dimension;
    at->make = make;
    fixture_begin(&at->f, state);
    at->rows = open_rows(&at->f, dimension);
    rsi_rows_set_metric(at->rows, metric);
    append_rows(at, count);
    assert_int_equal(rsi_byte_codes_new(&at->codes, dimension), 0);
    absorb_all(at);
    assert_int_equal(rsi_byte_codes_count(at->codes), count / 32 * 32);
}

static void ground_end(ground *at)
{
    rsi_byte_codes_free(at->codes);
    rsi_bitset_free(&at->all);
    rsi_rows_close(at->rows);
    fixture_end(&at->f);
}

/* ---- comparing ---- */

static make_row make_endless;

static double score_in_float64(const float *query, const float *row, uint32_t dimension,
                               rsi_metric metric)
{
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        const double apart = (double)query[i] - (double)row[i];
        sum += metric == RSI_METRIC_L2 ? -apart * apart : (double)query[i] * (double)row[i];
    }
    return sum;
}

/* No row that is allowed and was not found is better than the last that was found. */
static void expect_the_best(ground *at, const float *query, const rsi_hit *hits, size_t count,
                            const rsi_bitset *allowed)
{
    const rsi_metric metric = rsi_rows_metric(at->rows);
    double largest = 0;
    double worst = INFINITY;
    if (at->make == make_endless) /* their scores are no floats */
        return;
    for (size_t i = 0; i < count; i++) {
        const float *row;
        assert_int_equal(rsi_rows_get(&row, at->rows, hits[i].chunk), 0);
        const double score = score_in_float64(query, row, at->dimension, metric);
        worst = score < worst ? score : worst;
    }
    for (int64_t chunk = rsi_bitset_next(allowed, 0); chunk >= 0;
         chunk = rsi_bitset_next(allowed, chunk + 1)) {
        const float *row;
        bool was_found = false;
        for (size_t i = 0; i < count; i++)
            was_found |= hits[i].chunk == chunk;
        assert_int_equal(rsi_rows_get(&row, at->rows, chunk), 0);
        const double score = score_in_float64(query, row, at->dimension, metric);
        largest = fabs(score) > largest ? fabs(score) : largest;
        assert_true(was_found || score <= worst + 1e-5 * largest + 1e-30);
    }
}

static void expect_same(ground *at, const float *queries, size_t count, size_t k,
                        const rsi_bitset *allowed)
{
    rsi_hit *found = calloc(count * k + 1, sizeof *found);
    rsi_hit *expected = calloc(k + 1, sizeof *expected);
    size_t *counts = calloc(count, sizeof *counts);
    size_t expected_count;
    assert_int_equal(rsi_byte_codes_search(found, counts, at->codes, at->rows, queries, count, k,
                                           allowed, at->threads),
                     0);
    for (size_t q = 0; q < count; q++) {
        const float *query = queries + q * at->dimension;
        assert_int_equal(
            rsi_rows_search(expected, &expected_count, at->rows, query, k, allowed), 0);
        assert_int_equal(counts[q], expected_count);
        for (size_t i = 0; i < expected_count; i++) {
            assert_int_equal(found[q * k + i].chunk, expected[i].chunk);
            assert_memory_equal(&found[q * k + i].score, &expected[i].score, sizeof(float));
        }
        if (q == 0)
            expect_the_best(at, query, found, counts[0], allowed);
    }
    free(found);
    free(expected);
    free(counts);
}

static void expect_same_for_many_k(ground *at, const float *query)
{
    static const size_t ks[] = {1, 2, 10, 33, K_MAX};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        expect_same(at, query, 1, ks[i], &at->all);
}

/* ---- kinds of rows ---- */

static void make_random(float *row, uint32_t dimension, size_t number)
{
    (void)number;
    for (uint32_t i = 0; i < dimension; i++)
        row[i] = normal();
}

/* Of 20 clusters, so that many rows are nearly as good as the best. */
static void make_clustered(float *row, uint32_t dimension, size_t number)
{
    uint64_t kept = state_of_random;
    state_of_random = number % 20 * 1000 + 1;
    make_random(row, dimension, number);
    state_of_random = kept;
    for (uint32_t i = 0; i < dimension; i++)
        row[i] += 0.02f * normal();
}

/* Each of them a hundred times: ties go by chunk number. */
static void make_doubles(float *row, uint32_t dimension, size_t number)
{
    uint64_t kept = state_of_random;
    state_of_random = number % 37 + 1;
    make_random(row, dimension, number);
    state_of_random = kept;
}

/* From denormal to as long as a row may be, zeros among them. */
static void make_lengths(float *row, uint32_t dimension, size_t number)
{
    const int exponent = (int)(number % 117) - 100;
    for (uint32_t i = 0; i < dimension; i++)
        row[i] = number % 50 == 0 ? 0 : ldexpf(normal(), exponent / 2 * 3);
}

/* Longer than rows may be, so that their scores leave the floats. */
static void make_endless(float *row, uint32_t dimension, size_t number)
{
    for (uint32_t i = 0; i < dimension; i++)
        row[i] = number % 3 == 0 ? normal() * 5e37f : normal();
}

/*
 * Whole numbers, which codes hold without a residual, and products over 2²⁴, where floats hold only
 * every second whole number and more: nothing but rounding tells rows apart. A row is a little less
 * than the largest where its number has a bit, and there the query has 1, 2, 3, …
 */
static void make_whole(float *row, uint32_t dimension, size_t number)
{
    for (uint32_t i = 0; i < dimension; i++)
        row[i] = (float)(100 + i * 7 % 27);
    row[0] = 127;
    for (uint32_t bit = 0; bit < 11; bit++)
        row[1 + bit * (dimension / 12)] -= (float)(number >> bit & 1);
}

static void make_whole_query(float *query, uint32_t dimension)
{
    make_whole(query, dimension, 0);
    for (uint32_t bit = 0; bit < 11; bit++)
        query[1 + bit * (dimension / 12)] = (float)(bit + 1);
}

static void compare_kind(void **state, make_row *make, uint32_t dimension, size_t count)
{
    static const rsi_metric metrics[] = {RSI_METRIC_INNER_PRODUCT, RSI_METRIC_L2};
    char path[TEMPORARY_PATH_MAX];
    for (size_t m = 0; m < 2; m++) {
        ground at;
        float *queries = malloc(40 * dimension * sizeof *queries);
        ground_begin(&at, state, make, dimension, count, metrics[m]);
        for (size_t q = 0; q < 40; q++)
            make(queries + q * dimension, dimension, q * 13);
        for (size_t q = 0; q < 6; q++)
            expect_same_for_many_k(&at, queries + q * dimension);
        if (make != make_endless) /* queries without bounds go together, where rounding differs */
            expect_same(&at, queries, 40, 10, &at.all); /* more than go into one scan */
        memset(queries, 0, dimension * sizeof *queries);
        expect_same_for_many_k(&at, queries);
        free(queries);
        ground_end(&at);
        temporary_remove_all(temporary_join(path, state, "entity"));
    }
}

static void vectors_byte_codes__find_what_is_found_without(void **state)
{
    compare_kind(state, make_random, 100, 5000);
    compare_kind(state, make_clustered, 96, 5000);
    compare_kind(state, make_doubles, 33, 3700);
    compare_kind(state, make_lengths, 40, 4000);
    compare_kind(state, make_endless, 24, 3000);
    compare_kind(state, make_random, 1, 2000);
}

/* Rows and queries of length 1, as they are compared by cosine. */
static void make_unit(float *row, uint32_t dimension, size_t number)
{
    make_clustered(row, dimension, number);
    assert_null(rsi_metric_prepare(row, dimension, RSI_METRIC_COSINE));
}

static void vectors_byte_codes__find_the_same_by_cosine(void **state)
{
    ground at;
    float query[64];
    ground_begin(&at, state, make_unit, 64, 4000, RSI_METRIC_COSINE);
    for (size_t q = 0; q < 20; q++) {
        make_unit(query, 64, q);
        expect_same_for_many_k(&at, query);
    }
    ground_end(&at);
}

/*
 * What codes say turned round: every third row is a little better than the others, but all that it
 * has is just too little for its codes, and what they have is just enough.
 */
static void make_misleading_row(float *row, uint32_t dimension, size_t number)
{
    for (uint32_t i = 0; i < dimension; i++) {
        if (number % 3 == 0)
            row[i] = 10.45f;
        else
            row[i] = i % 2 == 0 ? 10.55f : 10.3f;
    }
    row[0] = 127;
}

/* The best row is one of every third, by inner product and, since the query is far off, by
 * distance. */
static void expect_every_third(void **state, make_row *make, const float *query)
{
    static const rsi_metric metrics[] = {RSI_METRIC_INNER_PRODUCT, RSI_METRIC_L2};
    char path[TEMPORARY_PATH_MAX];
    for (size_t m = 0; m < 2; m++) {
        ground at;
        rsi_hit hit;
        size_t count;
        ground_begin(&at, state, make, 64, 640, metrics[m]);
        expect_same_for_many_k(&at, query);
        assert_int_equal(
            rsi_byte_codes_search(&hit, &count, at.codes, at.rows, query, 1, 1, &at.all, 1), 0);
        assert_int_equal(hit.chunk % 3, 0);
        ground_end(&at);
        temporary_remove_all(temporary_join(path, state, "entity"));
    }
}

static void vectors_byte_codes__are_not_misled_by_what_rows_lose(void **state)
{
    float query[64];
    for (size_t i = 0; i < 64; i++)
        query[i] = 127;
    expect_every_third(state, make_misleading_row, query);
}

/* The same by the query: its codes see only the half that counts less. */
static void make_row_of_halves(float *row, uint32_t dimension, size_t number)
{
    for (uint32_t i = 0; i < dimension; i++)
        row[i] = (number % 3 == 0) == (i % 2 == 0) ? 0 : number % 3 == 0 ? 127 : 101;
    row[0] = 0;
}

static void vectors_byte_codes__are_not_misled_by_what_the_query_loses(void **state)
{
    float query[64];
    for (size_t i = 0; i < 64; i++)
        query[i] = i % 2 == 0 ? 5500 : 4500;
    query[0] = 1270000;
    expect_every_third(state, make_row_of_halves, query);
}

static void vectors_byte_codes__allow_for_rounding(void **state)
{
    static const rsi_metric metrics[] = {RSI_METRIC_INNER_PRODUCT, RSI_METRIC_L2};
    static float query[4096];
    char path[TEMPORARY_PATH_MAX];
    make_whole_query(query, 4096);
    for (size_t m = 0; m < 2; m++) {
        ground at;
        ground_begin(&at, state, make_whole, 4096, 2048, metrics[m]);
        expect_same_for_many_k(&at, query);
        ground_end(&at);
        temporary_remove_all(temporary_join(path, state, "entity"));
    }
}

/* Enough codes for three threads; the rest of the rows is scored by the first of them. */
static void vectors_byte_codes__find_the_same_by_threads(void **state)
{
    ground at;
    float *queries = malloc(5 * 512 * sizeof *queries);
    ground_begin(&at, state, make_clustered, 512, 24000, RSI_METRIC_L2);
    append_rows(&at, 100);
    for (size_t q = 0; q < 5; q++)
        make_clustered(queries + q * 512, 512, q * 13);
    for (at.threads = 1; at.threads <= 100; at.threads = at.threads * 3 + 1)
        expect_same(&at, queries, 5, 20, &at.all);
    free(queries);
    ground_end(&at);
}

/* ---- which rows ---- */

static void vectors_byte_codes__obey_filters_and_deletes(void **state)
{
    static const double shares[] = {0, 0.001, 0.1, 0.26, 0.5, 0.9};
    ground at;
    float queries[3 * 48];
    ground_begin(&at, state, make_clustered, 48, 6000, RSI_METRIC_L2);
    for (size_t q = 0; q < 3; q++)
        make_clustered(queries + q * 48, 48, q);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        rsi_bitset some = {0};
        for (int64_t chunk = 0; chunk < 6000; chunk++)
            if (uniform() < shares[i])
                assert_int_equal(rsi_bitset_add(&some, chunk), 0);
        expect_same(&at, queries, 3, 10, &some);
        rsi_bitset_free(&some);
    }
    for (int64_t chunk = 0; chunk < 6000; chunk += 20) /* the cluster where the first query lies */
        rsi_bitset_remove(&at.all, chunk);
    expect_same(&at, queries, 3, 10, &at.all);
    expect_same(&at, queries, 3, 3000, &at.all); /* nearly all of them */
    expect_same(&at, queries, 3, 7000, &at.all);
    ground_end(&at);
}

static void vectors_byte_codes__find_rows_that_came_since(void **state)
{
    ground at;
    float query[48];
    ground_begin(&at, state, make_random, 48, 2010, RSI_METRIC_INNER_PRODUCT);
    assert_int_equal(rsi_byte_codes_count(at.codes), 1984); /* whole blocks */
    assert_int_equal(rsi_byte_codes_seen(at.codes), 2010);
    make_random(query, 48, 0);
    expect_same_for_many_k(&at, query);
    append_rows(&at, 700);
    expect_same_for_many_k(&at, query);
    absorb_all(&at);
    assert_int_equal(rsi_byte_codes_count(at.codes), 2688);
    assert_int_equal(rsi_byte_codes_seen(at.codes), 2710);
    expect_same_for_many_k(&at, query);
    ground_end(&at);
}

static void vectors_byte_codes__pass_over_chunks_without_a_row(void **state)
{
    ground at;
    float query[16];
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    ground_begin(&at, state, make_random, 16, 1000, RSI_METRIC_INNER_PRODUCT);
    float *more = malloc(500 * 16 * sizeof *more);
    for (size_t i = 0; i < 500; i++)
        make_random(more + i * 16, 16, i);
    assert_int_equal(
        rsi_rows_append(at.rows, 5000, more, 500, extents, EXTENTS_MAX, &extents_count), 0);
    for (int64_t chunk = 1000; chunk < 7000; chunk++)
        assert_int_equal(rsi_bitset_add(&at.all, chunk), 0);
    absorb_all(&at);
    assert_int_equal(rsi_byte_codes_count(at.codes), 1472);
    assert_int_equal(rsi_byte_codes_seen(at.codes), 7000);
    make_random(query, 16, 0);
    rsi_hit found[10], expected[10];
    size_t count, expected_count;
    assert_int_equal(
        rsi_byte_codes_search(found, &count, at.codes, at.rows, query, 1, 10, &at.all, 1), 0);
    assert_int_equal(rsi_rows_search(expected, &expected_count, at.rows, query, 10, &at.all), 0);
    assert_int_equal(count, 10);
    assert_memory_equal(found, expected, sizeof found);
    free(more);
    ground_end(&at);
}

/* ---- what goes wrong ---- */

static void vectors_byte_codes__answer_odd_questions(void **state)
{
    ground at;
    float query[24] = {1};
    rsi_hit hits[5];
    size_t count = 7;
    bool done;
    rsi_byte_codes *other;
    ground_begin(&at, state, make_random, 24, 2000, RSI_METRIC_COSINE);
    assert_int_equal(
        rsi_byte_codes_search(hits, &count, at.codes, at.rows, query, 1, 0, &at.all, 1), 0);
    assert_int_equal(count, 0);
    const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        query[17] = odd[i];
        assert_int_equal(
            rsi_byte_codes_search(hits, &count, at.codes, at.rows, query, 1, 5, &at.all, 1),
            RAGSTORE_E_INVALID_ARGUMENT);
        assert_int_equal(count, 0);
    }
    query[17] = 1e25f; /* longer than a query may be */
    expect_same(&at, query, 1, 5, &at.all);
    assert_int_equal(rsi_byte_codes_search(hits, &count, at.codes, at.rows, NULL, 1, 5, &at.all, 1),
                     RAGSTORE_E_INVALID_ARGUMENT);
    query[17] = 0;
    assert_int_equal(rsi_byte_codes_search(hits, &count, NULL, at.rows, query, 1, 5, &at.all, 1),
                     0);
    assert_int_equal(count, 5);
    assert_int_equal(rsi_byte_codes_new(&other, 0), RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(other);
    assert_int_equal(rsi_byte_codes_new(&other, RSI_DIMENSION_MAX + 1),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(rsi_byte_codes_new(&other, 25), 0);
    assert_int_equal(rsi_byte_codes_absorb(other, &done, at.rows, &at.all, 100),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_false(done);
    rsi_byte_codes_free(other);
    rsi_byte_codes_free(NULL);
    ground_end(&at);
}

static void damage(void **state, long offset)
{
    char path[TEMPORARY_PATH_MAX];
    FILE *file = fopen(segment_path(path, state, 1), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(0x55, file), 0x55);
    assert_int_equal(fclose(file), 0);
}

static void vectors_byte_codes__refuse_damaged_rows(void **state)
{
    ground at;
    bool done;
    rsi_byte_codes *codes;
    ground_begin(&at, state, make_random, 24, 2000, RSI_METRIC_COSINE);
    append_rows(&at, 10); /* so that the damage is not at the end */
    rsi_rows_close(at.rows);
    damage(state, 20000);
    at.rows = open_rows(&at.f, 24);
    assert_int_equal(rsi_byte_codes_new(&codes, 24), 0);
    assert_int_equal(rsi_byte_codes_absorb(codes, &done, at.rows, &at.all, 5000),
                     RAGSTORE_E_DAMAGED);
    assert_false(done);
    assert_int_equal(rsi_byte_codes_count(codes), 0);
    rsi_byte_codes_free(codes);
    ground_end(&at);
}

static void vectors_byte_codes__survive_each_allocation_that_fails(void **state)
{
    ground at;
    float query[24];
    rsi_hit hits[5];
    size_t count;
    ground_begin(&at, state, make_random, 24, 3000, RSI_METRIC_L2);
    make_random(query, 24, 0);
    fault_memory_install();
    for (unsigned n = 1;; n++) {
        rsi_byte_codes *codes;
        bool done = false;
        fault_memory_fail(n, false);
        int status = rsi_byte_codes_new(&codes, 24);
        if (status == 0)
            status = rsi_byte_codes_absorb(codes, &done, at.rows, &at.all, 5000);
        if (status == 0)
            status =
                rsi_byte_codes_search(hits, &count, codes, at.rows, query, 1, 5, &at.all, 1);
        const bool failed = fault_memory_failed();
        fault_memory_disarm();
        rsi_byte_codes_free(codes);
        assert_int_equal(fault_memory_alive(), 0);
        if (!failed)
            break;
        assert_int_equal(status, RAGSTORE_E_NO_MEMORY);
    }
    fault_memory_restore();
    ground_end(&at);
}

/* ---- at the same time ---- */

typedef struct searching {
    ground *at;
    const float *query;
    rsi_hit expected[10];
} searching;

static void *search_again_and_again(void *argument)
{
    const searching *in = argument;
    for (int i = 0; i < 60; i++) {
        rsi_hit hits[10];
        size_t count;
        int status = rsi_byte_codes_search(hits, &count, in->at->codes, in->at->rows, in->query, 1,
                                           10, &in->at->all, 1);
        if (status != 0 || count != 10 || memcmp(hits, in->expected, sizeof hits) != 0)
            return argument;
    }
    return NULL;
}

static void vectors_byte_codes__are_searched_while_they_are_made(void **state)
{
    ground at;
    float query[48];
    pthread_t threads[2];
    size_t count;
    bool done = false;
    ground_begin(&at, state, make_clustered, 48, 20000, RSI_METRIC_L2);
    make_clustered(query, 48, 5);
    searching in = {.at = &at, .query = query};
    assert_int_equal(rsi_rows_search(in.expected, &count, at.rows, query, 10, &at.all), 0);
    rsi_byte_codes_free(at.codes);
    assert_int_equal(rsi_byte_codes_new(&at.codes, 48), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_again_and_again, &in), 0);
    while (!done)
        assert_int_equal(rsi_byte_codes_absorb(at.codes, &done, at.rows, &at.all, 64), 0);
    for (size_t i = 0; i < 2; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    ground_end(&at);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_byte_codes__find_what_is_found_without),
        TEST(vectors_byte_codes__find_the_same_by_cosine),
        TEST(vectors_byte_codes__are_not_misled_by_what_rows_lose),
        TEST(vectors_byte_codes__are_not_misled_by_what_the_query_loses),
        TEST(vectors_byte_codes__allow_for_rounding),
        TEST(vectors_byte_codes__find_the_same_by_threads),
        TEST(vectors_byte_codes__obey_filters_and_deletes),
        TEST(vectors_byte_codes__find_rows_that_came_since),
        TEST(vectors_byte_codes__pass_over_chunks_without_a_row),
        TEST(vectors_byte_codes__answer_odd_questions),
        TEST(vectors_byte_codes__refuse_damaged_rows),
        TEST(vectors_byte_codes__survive_each_allocation_that_fails),
        TEST(vectors_byte_codes__are_searched_while_they_are_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
