/* An index of FAISS's that is searched while it grows, is written, and loses its dead: for the
 * thread sanitizer, too. */
#include "rows_fixture.h"

#include "vectors/faiss_saved.h"

#include <pthread.h>

#define DIMENSION 8u
#define ROWS 9000
#define FIRST 5000 /* are in it from the beginning: fewer would be searched exactly */
#define INDEX DIRECTORY "/index.faiss"

typedef struct crowd {
    rsi_root *root;
    rsi_rows *rows;
    rsi_faiss_index *index;
    rsi_bitset alive;
    rsi_faiss_about about;
    bool ends; /* atomic */
    int status;
} crowd;

static float random_number(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

static rsi_rows *make_rows(fixture *f)
{
    static float vectors[ROWS * DIMENSION];
    rsi_rows *rows = open_rows(f, DIMENSION);
    rsi_rows_extent extents[EXTENTS_MAX];
    size_t count;
    uint32_t seed = 3;
    for (size_t i = 0; i < ROWS * DIMENSION; i++)
        vectors[i] = random_number(&seed);
    assert_int_equal(rsi_rows_append(rows, 0, vectors, ROWS, extents, EXTENTS_MAX, &count), 0);
    rsi_rows_set_metric(rows, RSI_METRIC_L2);
    return rows;
}

static void *search(void *user)
{
    crowd *in = user;
    for (uint32_t seed = 1; !__atomic_load_n(&in->ends, __ATOMIC_RELAXED); seed++) {
        float query[DIMENSION];
        rsi_hit hits[10];
        size_t count;
        const rsi_quantised_effort effort = {.probes = seed % 3 * 4};
        for (size_t i = 0; i < DIMENSION; i++)
            query[i] = random_number(&seed);
        assert_int_equal(rsi_faiss_index_search(hits, &count, in->index, in->rows, query, 10,
                                                &in->alive, &effort),
                         0);
        assert_int_equal(count, 10);
        for (size_t i = 0; i < count; i++)
            assert_true(rsi_bitset_has(&in->alive, hits[i].chunk) &&
                        (i == 0 || hits[i - 1].score >= hits[i].score));
    }
    return NULL;
}

static void *save_and_read(void *user)
{
    crowd *in = user;
    while (in->status == RAGSTORE_OK && !__atomic_load_n(&in->ends, __ATOMIC_RELAXED)) {
        rsi_faiss_index *read = NULL;
        rsi_faiss_probe probe;
        in->status = rsi_faiss_probe_index(&probe, in->index, in->rows, &in->alive);
        if (in->status == RAGSTORE_OK)
            in->status =
                rsi_faiss_saved_write(in->index, in->root, INDEX, &in->about, &probe, "now");
        rsi_faiss_index_forget_dead(in->index, &in->alive);
        if (in->status == RAGSTORE_OK)
            in->status = rsi_faiss_saved_read(&read, &probe, in->root, INDEX, &in->about);
        if (in->status == RAGSTORE_OK)
            in->status = rsi_faiss_saved_verify(read, &probe, in->rows, &in->alive);
        rsi_faiss_index_free(read);
    }
    return NULL;
}

static void grow(crowd *in, rsi_bitset *all)
{
    bool done = false;
    while (!done) /* a few at a time, as under searches */
        assert_int_equal(rsi_faiss_index_absorb(in->index, &done, in->rows, all, 16), 0);
}

static void vectors_faiss_index__serves_while_it_changes(void **state)
{
    static const char *const kinds[] = {"IVF16,SQ8", "HNSW8"};
    fixture f;
    const char *reason;
    if (!rsi_faiss_available(&reason))
        skip();
    fixture_begin(&f, state);
    crowd in = {.root = f.root, .rows = make_rows(&f)};
    rsi_bitset first = set_of(0, FIRST);
    rsi_bitset all = set_of(0, ROWS);
    in.alive = set_of(0, ROWS);
    for (int64_t chunk = 0; chunk < ROWS; chunk += 11) /* what is dead is not found */
        rsi_bitset_remove(&in.alive, chunk);
    for (size_t kind = 0; kind < 2; kind++) {
        static float sample[FIRST * DIMENSION];
        pthread_t threads[3];
        uint32_t seed = 3;
        in.about = (rsi_faiss_about){kinds[kind], INCARNATION, "own/8", DIMENSION, RSI_METRIC_L2};
        in.ends = false;
        for (size_t i = 0; i < FIRST * DIMENSION; i++)
            sample[i] = random_number(&seed);
        assert_int_equal(rsi_faiss_index_new(&in.index, kinds[kind], DIMENSION, RSI_METRIC_L2), 0);
        if (!rsi_faiss_index_is_trained(in.index))
            assert_int_equal(rsi_faiss_index_train(in.index, sample, FIRST), 0);
        grow(&in, &first);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? search : save_and_read, &in),
                             0);
        grow(&in, &all);
        __atomic_store_n(&in.ends, true, __ATOMIC_RELAXED);
        for (size_t i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(in.status, 0);
        assert_int_equal(rsi_faiss_index_count(in.index), ROWS);
        rsi_faiss_index_free(in.index);
    }
    rsi_bitset_free(&first);
    rsi_bitset_free(&all);
    rsi_bitset_free(&in.alive);
    rsi_rows_close(in.rows);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors_faiss_index__serves_while_it_changes,
                                        temporary_setup, temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
