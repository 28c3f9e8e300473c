/* Indexes of FAISS's: factory strings, the rows they need, search beside the rows, failures. */
#include "rows_fixture.h"

#include "vectors/faiss_index_internal.h"

#include <math.h>

#define DIMENSION 16u
#define COUNT_OF_ROWS 6000

static float random_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

static rsi_rows *make_rows(fixture *f, rsi_metric metric)
{
    rsi_rows *rows = open_rows(f, DIMENSION);
    float *vectors = malloc(COUNT_OF_ROWS * DIMENSION * sizeof *vectors);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t extents_count;
    uint32_t seed = 3;
    assert_non_null(vectors);
    for (size_t i = 0; i < COUNT_OF_ROWS * DIMENSION; i++)
        vectors[i] = random_number(&seed);
    for (size_t i = 0; i < COUNT_OF_ROWS; i++)
        assert_null(rsi_metric_prepare(vectors + i * DIMENSION, DIMENSION, metric));
    assert_int_equal(
        rsi_rows_append(rows, 0, vectors, COUNT_OF_ROWS, extents, EXTENTS_MAX, &extents_count), 0);
    rsi_rows_set_metric(rows, metric);
    free(vectors);
    return rows;
}

static void skip_without_faiss(void)
{
    const char *reason;
    if (!rsi_faiss_available(&reason)) {
        print_message("%s\n", reason);
        skip();
    }
}

static void absorb_all(rsi_faiss_index *index, rsi_rows *rows, const rsi_bitset *wanted)
{
    bool done = false;
    while (!done)
        assert_int_equal(rsi_faiss_index_absorb(index, &done, rows, wanted, 512), 0);
}

static void vectors_faiss_factory__says_how_many_rows_it_needs(void **state)
{
    static const struct {
        const char *factory;
        size_t rows;
    } known[] = {{"Flat", 4097},
                 {"HNSW32", 4097},
                 {"IVF64,Flat", 4097},
                 {"IVF4096,Flat", 4096 * 39},
                 {"IVF65536_HNSW32,Flat", 65536 * 39},
                 {"PQ8", 256 * 39},
                 {"IVF64,PQ8x4fs", 4097},
                 {"IVF64,PQ8x4fsr_160", 4097},
                 {"RQ8x4fs_64_Nrq2x4", 4097},
                 {"PQ16x10np", 1024 * 39},
                 {"OPQ8_64,IVF64,PQ8x4", 256 * 39},
                 {"SQ8", 4097},
                 {"PCA24,SQfp16", 4097}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(rsi_faiss_factory_check(known[i].factory), 0);
        assert_int_equal(rsi_faiss_factory_rows(known[i].factory), known[i].rows);
    }
}

static void vectors_faiss_factory__bounds_each_number(void **state)
{
    static const char *const bad[] = {"",
                                      "IVF65537,Flat",
                                      "HNSW513",
                                      "NSG8,Flat",
                                      "IVF64_NSG8,Flat", /* would divide by 0 in FAISS */
                                      "SQ8,RFlat",
                                      "SQ4,Refine(SQ8)",
                                      "MinMax,SQ8",
                                      "ZnLattice2x4_2",
                                      "Residual16,PQ4x4",
                                      "PQ8x17",
                                      "PQ8x4fs_0", /* would divide by it, too */
                                      "IVF64,PQ8x4fsr_0",
                                      "PQ8x4fs_48",
                                      "IVF64,PQ8x4fs_192", /* cannot be searched */
                                      "RQ8x4fs_4294967296_Nrq2x4",
                                      "RQ65",
                                      "LSQ65x8",
                                      "IMI3x4,Flat",
                                      "IMI2x9,Flat",
                                      "IDMap,Flat",
                                      "PCA99999999999999999999,Flat",
                                      "Flat Flat",
                                      "Flat\n",
                                      "Fl\xc3\xa4t"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rsi_faiss_factory_check(bad[i]), RAGSTORE_E_INVALID_ARGUMENT);
}

static void expect_like_rows(rsi_faiss_index *index, rsi_rows *rows, const rsi_bitset *allowed,
                             double least)
{
    size_t same = 0;
    uint32_t seed = 77;
    for (int q = 0; q < 20; q++) {
        float query[DIMENSION];
        rsi_hit expected[10], found[10];
        size_t expected_count, count;
        for (size_t i = 0; i < DIMENSION; i++)
            query[i] = random_number(&seed);
        assert_null(rsi_metric_prepare(query, DIMENSION, rsi_rows_metric(rows)));
        assert_int_equal(rsi_rows_search(expected, &expected_count, rows, query, 10, allowed), 0);
        assert_int_equal(
            rsi_faiss_index_search(found, &count, index, rows, query, 10, allowed, NULL), 0);
        assert_int_equal(count, expected_count);
        for (size_t i = 0; i < count; i++) {
            assert_true(rsi_bitset_has(allowed, found[i].chunk));
            for (size_t j = 0; j < count; j++)
                same += found[i].chunk == expected[j].chunk && found[i].score == expected[j].score;
        }
    }
    assert_true((double)same >= least * 200);
}

static void vectors_faiss_index__finds_what_the_rows_do(void **state)
{
    static const rsi_metric metrics[] = {RSI_METRIC_L2, RSI_METRIC_INNER_PRODUCT};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    for (size_t m = 0; m < 2; m++) {
        rsi_bitset first = set_of(0, 5500);
        rsi_bitset all = set_of(0, COUNT_OF_ROWS);
        rsi_faiss_index *index;
        rsi_rows_set_metric(rows, metrics[m]);
        assert_int_equal(rsi_faiss_index_new(&index, "HNSW32", DIMENSION, metrics[m]), 0);
        assert_true(rsi_faiss_index_is_trained(index));
        expect_like_rows(index, rows, &all, 1); /* nothing is in it yet */
        absorb_all(index, rows, &first);
        assert_int_equal(rsi_faiss_index_count(index), 5500);
        assert_int_equal(rsi_faiss_index_covered(index), 5500);
        expect_like_rows(index, rows, &all, 0.95); /* some are not in it */
        absorb_all(index, rows, &all);
        assert_int_equal(rsi_faiss_index_count(index), COUNT_OF_ROWS);
        expect_like_rows(index, rows, &all, 0.95);
        for (int64_t chunk = 0; chunk < COUNT_OF_ROWS; chunk += 5)
            rsi_bitset_remove(&all, chunk);
        expect_like_rows(index, rows, &all, 0.95);
        expect_like_rows(index, rows, &first, 0.95);
        rsi_faiss_index_free(index);
        rsi_bitset_free(&first);
        rsi_bitset_free(&all);
    }
    rsi_rows_close(rows);
    fixture_end(&f);
}

static void vectors_faiss_index__is_trained_on_enough(void **state)
{
    float few[4096] = {0};
    rsi_faiss_index *index;
    (void)state;
    skip_without_faiss();
    assert_int_equal(rsi_faiss_index_new(&index, "IVF64,Flat", DIMENSION, RSI_METRIC_L2), 0);
    assert_false(rsi_faiss_index_is_trained(index));
    assert_int_equal(rsi_faiss_index_train(index, few, 4096 / DIMENSION),
                     RAGSTORE_E_INVALID_ARGUMENT);
    rsi_faiss_index_free(index);
    assert_int_equal(rsi_faiss_index_new(&index, "PQ7", DIMENSION, RSI_METRIC_L2),
                     RAGSTORE_E_INVALID_ARGUMENT);
    assert_null(index);
    assert_non_null(strstr(rsi_error_message(), "PQ7"));
    rsi_faiss_index_free(NULL);
}

/* ---- queries ---- */

enum { ASKED = 50 };

static size_t ask(idx_t ids[ASKED], rsi_faiss_index *index, const float *vector, size_t probes,
                  const rsi_bitset *allowed)
{
    float distances[ASKED];
    size_t right = 0;
    const rsi_faiss_query query = {.vector = vector,
                                   .wanted = ASKED,
                                   .probes = probes,
                                   .allowed = allowed,
                                   .distances = distances,
                                   .ids = ids};
    assert_int_equal(rsi_faiss_query_ask(index, &query), 0);
    for (size_t i = 0; i < ASKED; i++)
        right += ids[i] >= 0 && (allowed == NULL || rsi_bitset_has(allowed, ids[i]));
    return right;
}

static rsi_faiss_index *make_whole(const char *factory, rsi_rows *rows, const rsi_bitset *all)
{
    rsi_faiss_index *index;
    float *sample = malloc(COUNT_OF_ROWS * DIMENSION * sizeof *sample);
    uint32_t seed = 3;
    assert_non_null(sample);
    for (size_t i = 0; i < COUNT_OF_ROWS * DIMENSION; i++)
        sample[i] = random_number(&seed);
    assert_int_equal(rsi_faiss_index_new(&index, factory, DIMENSION, RSI_METRIC_L2), 0);
    if (!rsi_faiss_index_is_trained(index))
        assert_int_equal(rsi_faiss_index_train(index, sample, COUNT_OF_ROWS), 0);
    absorb_all(index, rows, all);
    free(sample);
    return index;
}

/* With search parameters FAISS finds none but allowed rows; without, or of a kind that takes no
 * filter, it finds what there is. */
static void vectors_faiss_query__leaves_out_what_is_not_allowed_where_it_can(void **state)
{
    static const char *const factories[] = {"HNSW16", "SQ8", "IVF16,Flat", "PQ4x4"};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    rsi_bitset all = set_of(0, COUNT_OF_ROWS);
    rsi_bitset some = {0};
    for (int64_t chunk = 0; chunk < COUNT_OF_ROWS; chunk += 7)
        assert_int_equal(rsi_bitset_add(&some, chunk), 0);
    for (size_t i = 0; i < 4; i++) {
        idx_t ids[ASKED];
        const float query[DIMENSION] = {0.1f, -0.2f, 0.3f};
        rsi_faiss_index *index = make_whole(factories[i], rows, &all);
        const size_t right = ask(ids, index, query, 8, &some);
        if (rsi_faiss_query_can_filter(index))
            assert_int_equal(right, ASKED);
        else
            assert_true(right > 0 && right < ASKED);
        if (i == 3)
            assert_false(rsi_faiss_query_can_filter(index));
        assert_int_equal(ask(ids, index, query, 8, NULL), ASKED);
        rsi_faiss_index_free(index);
    }
    rsi_bitset_free(&all);
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* A query that looks into fewer lists changes no other. */
static void vectors_faiss_query__looks_into_as_many_lists_as_it_says(void **state)
{
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    rsi_bitset all = set_of(0, COUNT_OF_ROWS);
    rsi_faiss_index *index = make_whole("IVF64,Flat", rows, &all);
    idx_t by_one[ASKED], by_all[ASKED], again[ASKED];
    rsi_hit hits[ASKED];
    size_t count;
    const float query[DIMENSION] = {0.1f, -0.2f, 0.3f};
    ask(by_all, index, query, 64, NULL);
    ask(by_one, index, query, 1, NULL);
    ask(again, index, query, 1000, NULL);
    assert_memory_equal(by_all, again, sizeof again);
    assert_memory_not_equal(by_all, by_one, sizeof by_one);
    assert_int_equal(rsi_rows_search(hits, &count, rows, query, ASKED, &all), 0);
    for (size_t i = 0; i < ASKED; i++)
        assert_int_equal(hits[i].chunk, by_all[i]);
    rsi_faiss_index_free(index);
    rsi_bitset_free(&all);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* ---- faults ---- */

typedef struct job {
    rsi_rows *rows;
    rsi_bitset all;
    rsi_faiss_index *index; /* filled */
} job;

static int make_some(job *with)
{
    rsi_faiss_index *index;
    bool done;
    rsi_bitset some = {0};
    int status = rsi_faiss_index_new(&index, "HNSW8", DIMENSION, RSI_METRIC_COSINE);
    if (status == RAGSTORE_OK)
        status = rsi_bitset_add(&some, 17);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_index_absorb(index, &done, with->rows, &some, 10);
    rsi_faiss_index_free(index);
    rsi_bitset_free(&some);
    return status;
}

static int search_once(job *with)
{
    float query[DIMENSION] = {1};
    rsi_hit hits[5];
    size_t count;
    const int status =
        rsi_faiss_index_search(hits, &count, with->index, with->rows, query, 5, &with->all, NULL);
    assert_int_equal(count, status == RAGSTORE_OK ? 5 : 0);
    return status;
}

static void vectors_faiss_index__survives_each_failing_allocation(void **state)
{
    int (*const calls[])(job * with) = {make_some, search_once};
    fixture f;
    skip_without_faiss();
    fixture_begin(&f, state);
    job with = {.rows = make_rows(&f, RSI_METRIC_COSINE), .all = set_of(0, COUNT_OF_ROWS)};
    rsi_bitset most = set_of(0, 5000); /* so that a search goes to the rest as well */
    assert_int_equal(rsi_faiss_index_new(&with.index, "HNSW8", DIMENSION, RSI_METRIC_COSINE), 0);
    absorb_all(with.index, with.rows, &most);
    fault_memory_install();
    for (size_t i = 0; i < 2; i++) {
        bool failed = true;
        for (int64_t n = 1; failed; n++) {
            fault_memory_fail((uint64_t)n, false);
            const int status = calls[i](&with);
            failed = fault_memory_failed();
            fault_memory_disarm();
            assert_int_equal(status, failed ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK);
        }
    }
    assert_int_equal(fault_memory_alive(), 0);
    fault_memory_restore();
    rsi_faiss_index_free(with.index);
    rsi_bitset_free(&with.all);
    rsi_bitset_free(&most);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

static void vectors_faiss_index__refuses_queries_that_are_not_finite(void **state)
{
    fixture f;
    float query[DIMENSION] = {NAN};
    rsi_hit hits[5];
    size_t count;
    skip_without_faiss();
    fixture_begin(&f, state);
    job with = {.rows = make_rows(&f, RSI_METRIC_COSINE), .all = set_of(0, COUNT_OF_ROWS)};
    assert_int_equal(rsi_faiss_index_new(&with.index, "Flat", DIMENSION, RSI_METRIC_COSINE), 0);
    absorb_all(with.index, with.rows, &with.all);
    assert_int_equal(
        rsi_faiss_index_search(hits, &count, with.index, with.rows, query, 5, &with.all, NULL),
        RAGSTORE_E_INVALID_ARGUMENT);
    assert_int_equal(
        rsi_faiss_index_search(NULL, &count, with.index, with.rows, query, 5, &with.all, NULL),
        RAGSTORE_E_INVALID_ARGUMENT);
    rsi_faiss_index_free(with.index);
    rsi_bitset_free(&with.all);
    rsi_rows_close(with.rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_factory__says_how_many_rows_it_needs),
        TEST(vectors_faiss_factory__bounds_each_number),
        TEST(vectors_faiss_index__finds_what_the_rows_do),
        TEST(vectors_faiss_index__is_trained_on_enough),
        TEST(vectors_faiss_query__leaves_out_what_is_not_allowed_where_it_can),
        TEST(vectors_faiss_query__looks_into_as_many_lists_as_it_says),
        TEST(vectors_faiss_index__survives_each_failing_allocation),
        TEST(vectors_faiss_index__refuses_queries_that_are_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
