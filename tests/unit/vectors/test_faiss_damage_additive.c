/*
 * Indexes of FAISS's in files: what is not believed of additive quantisers, RQ and LSQ, and of
 * their codes. The rest: test_faiss_damage.c.
 */
#include "faiss_saved_fixture.h"

/* Where the parts of a quantiser lie. */
typedef struct parts {
    size_t bits, trained, centroids, search;
    size_t rest; /* behind what all of them have */
} parts;

static parts find_parts(const saved_index *s, size_t at)
{
    parts is = {.bits = at + 16};
    is.trained = behind_array(s->whole.bytes, is.bits, 8);
    is.centroids = is.trained + 1;
    is.search = behind_array(s->whole.bytes, is.centroids, 4);
    is.rest = is.search + 12;
    return is;
}

static void vectors_faiss_damage__of_residual_quantisers_is_named(void **state)
{
    saved_index s;
    saved_begin(&s, state, "RQ2x4_Nqint8", 200);
    const parts at = find_parts(&s, INSIDE);
    assert_int_equal(number_at(&s, at.rest + 8), 2); /* bytes of a code */
    const forgery forgeries[] = {
        {"does not fit", INSIDE, 8, 8},
        {"does not fit", INSIDE + 8, 0, 8},
        {"128 codebooks", INSIDE + 8, 129, 8},
        {"128 codebooks", INSIDE + 8, UINT64_MAX, 8},
        {"more or fewer codebooks", INSIDE + 8, 1, 8},
        {"more or fewer codebooks", at.bits, 3, 8},
        {"no size", at.bits + 8, 0, 8},
        {"no size", at.bits + 8, 17, 8},
        {"no size", at.bits + 8, 64, 8},
        {"8192 centroids", at.bits + 8, 14, 8}, /* of a table of their squared number */
        {"more or fewer centroids", at.bits + 8, 5, 8},
        {"not trained", at.trained, 0, 1},
        {"yes nor no", at.trained, 2, 1},
        {"no room", at.centroids, (uint64_t)1 << 60, 8},
        {"not finite", at.centroids + 8, 0x7FC00000, 4},
        {"too large", at.centroids + 8, 0x5D5E0B6B, 4}, /* 1e18 */
        {"table of lengths", at.search, 6, 4},
        {"table of lengths", at.search, 9, 4},
        {"table of lengths", at.search, 2, 4},
        {"table of lengths", at.search, UINT32_MAX, 4},
        {"length that is not finite", at.search + 4, 0x7FC00000, 4},
        {"length that is not finite", at.search + 8, 0x7F800000, 4},
        {"effort", at.rest + 4, 0, 4},
        {"effort", at.rest + 4, 9, 4},
        {"effort", at.rest + 4, UINT32_MAX, 4},
        {"other codes", at.search, 0, 4}, /* without lengths */
        {"other codes", at.search, 3, 4},
        {"other codes", at.rest + 8, 1, 8},
        {"more or fewer codes", at.rest + 16, 399, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_local_quantisers_is_named(void **state)
{
    saved_index s;
    saved_begin(&s, state, "LSQ2x4", 200);
    const parts at = find_parts(&s, INSIDE);
    const forgery forgeries[] = {
        {"does not fit", at.rest, 32, 8},
        {"does not fit", at.rest, 0, 8},
        {"does not fit", at.bits + 8, 3, 8},
        {"effort", at.rest + 16, 65, 8},
        {"effort", at.rest + 32, UINT64_MAX, 8},
        {"effort", at.rest + 48, 0, 8}, /* FAISS divides by it */
        {"effort", at.rest + 48, UINT64_MAX, 8},
        {"effort", at.rest + 60, 3, 8},
        {"yes nor no", at.rest + 68, 3, 1},
        {"other codes", at.rest + 69, 2, 8},
    };
    assert_int_equal(number_at(&s, at.rest + 48), 10000);
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_quantisers_of_parts_is_named(void **state)
{
    saved_index s;
    saved_begin(&s, state, "PRQ2x2x4", 200);
    const parts whole = find_parts(&s, INSIDE);
    const size_t part = whole.rest + 8;
    const parts at = find_parts(&s, part);
    assert_int_equal(number_at(&s, whole.rest), 2);
    const forgery forgeries[] = {
        {"more or fewer parts", whole.rest, 0, 8},
        {"more or fewer parts", whole.rest, 3, 8},
        {"more or fewer parts", whole.rest, UINT64_MAX, 8},
        {"more or fewer centroids", whole.rest, 1, 8},
        {"more or fewer centroids", whole.rest, 4, 8},
        {"does not fit", part, 16, 8},
        {"more or fewer codebooks", part + 8, 1, 8},
        {"more or fewer centroids", at.bits + 8, 3, 8},
        {"does not fit it", at.search, 4, 4}, /* lengths, for which its codes have no room */
        {"effort", at.rest + 4, 0, 4},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_lists_of_sums_is_named(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF16,RQ2x4", 200);
    const size_t centroids = INSIDE + 16 + HEAD + 8; /* of the lists */
    const size_t size = behind_array(s.whole.bytes, centroids - 8, 4) + 9;
    const parts at = find_parts(&s, size + 8);
    const forgery forgeries[] = {
        /* what differs from it has to have a length */
        {"too large", centroids, 0x5D5E0B6B, 4},
        {"another size", size, 2, 8},
        {"does not fit", size + 8, 15, 8},
        {"yes nor no", at.rest + 8, 2, 1},
        {"nobody asked for", at.rest + 9, 1, 4},
        {"fit the index", at.rest + 13, 0x6C626C69, 4}, /* "ilbl" */
        {"fit the index", at.rest + 13 + 12, 2, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_blocks_of_sums_is_named(void **state)
{
    saved_index s;
    saved_begin_of(&s, state, "RQ4x4fs", 200, RSI_METRIC_INNER_PRODUCT, 1);
    const parts at = find_parts(&s, INSIDE);
    const size_t form = at.rest + 8;
    const forgery forgeries[] = {
        {"another quantiser", HEAD + 33, 1, 4}, /* L2 */
        {"another quantiser", at.search, 0, 4},
        {"another quantiser", at.search, 4, 4},
        {"nobody asked for", form, 2, 4},
        {"do not fit", form + 4, 0, 4},
        {"do not fit", form + 4, 192, 4},
        {"blocks of more or fewer", form + 4, 160, 4},
        {"nobody asked for", form + 8, 1, 4},
        {"another quantiser", form + 12, 3, 8},
        {"another quantiser", form + 20, 8, 8},
        {"another quantiser", form + 28, 256, 8},
        {"another quantiser", form + 36, 1, 8},
        {"blocks of more or fewer", form + 44, 256, 8},
        {"do not fit", form + 52, 2, 8},
        {"yes nor no", form + 60, 2, 1},
        {"more or fewer codes", form + 73, 200 * 2, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_lists_of_blocks_of_sums_is_named(void **state)
{
    saved_index s;
    saved_begin_of(&s, state, "IVF16,RQ4x4fs", 200, RSI_METRIC_INNER_PRODUCT, 1);
    const size_t quantiser = behind_array(s.whole.bytes, INSIDE + 16 + HEAD, 4) + 9;
    const size_t form = find_parts(&s, quantiser).rest + 8;
    const forgery forgeries[] = {
        {"differs from a list", form, 1, 1}, /* FAISS looks for the centroid of no list */
        {"yes nor no", form, 2, 1},
        {"nobody asked for", form + 1, 1, 4},
        {"do not fit", form + 5, 31, 4},
        {"another quantiser", form + 13, 5, 8},
        {"nobody asked for", form + 45, 1, 8},
        {"do not fit", form + 53, 6, 8},
        {"fit the index", form + 74, 0x72616C69, 4},
        {"fit the index", form + 74 + 28, 32, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* What would be read back as damaged is not written: numbers may be too large for it. */
static void vectors_faiss_damage__sums_of_too_long_vectors_are_not_kept(void **state)
{
    enum { LONG_ROWS = 4097 };
    static float vectors[LONG_ROWS * DIMENSION];
    fixture f;
    rsi_faiss_index *index;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2); /* in the same directory */
    const rsi_faiss_about about = about_of("RQ2x4", RSI_METRIC_L2);
    make_vectors(vectors, LONG_ROWS);
    for (size_t i = 0; i < LONG_ROWS * DIMENSION; i++)
        vectors[i] *= 1e16f;
    assert_int_equal(rsi_faiss_index_new(&index, about.factory, DIMENSION, about.metric), 0);
    assert_int_equal(rsi_faiss_index_train(index, vectors, LONG_ROWS), 0);
    assert_int_equal(
        rsi_faiss_saved_write(index, f.root, INDEX, &about, &(rsi_faiss_probe){0}, STAMP),
        RAGSTORE_E_UNSUPPORTED);
    assert_non_null(strstr(rsi_error_message(), "too large"));
    assert_false(rsi_faiss_saved_is_possible(index));
    rsi_faiss_index_free(index);
    rsi_rows_close(rows);
    fixture_end(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    use_one_thread();
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_damage__of_residual_quantisers_is_named),
        TEST(vectors_faiss_damage__of_local_quantisers_is_named),
        TEST(vectors_faiss_damage__of_quantisers_of_parts_is_named),
        TEST(vectors_faiss_damage__of_lists_of_sums_is_named),
        TEST(vectors_faiss_damage__of_blocks_of_sums_is_named),
        TEST(vectors_faiss_damage__of_lists_of_blocks_of_sums_is_named),
        TEST(vectors_faiss_damage__sums_of_too_long_vectors_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
