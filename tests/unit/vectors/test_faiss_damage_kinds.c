/*
 * Indexes of FAISS's in files: what is not believed of codes in blocks, of lists without doubles,
 * of signs in lists. The rest: test_faiss_damage.c.
 */
#include "faiss_saved_fixture.h"

/* Of 16 numbers in 4 pieces of 4 bits: three sizes, and centroids. */
enum { PRODUCT = 3 * 8 + 8 + DIMENSION * 16 * 4 };

/* Behind the number of lists and of those that are looked into, their centroids, and a map. */
static size_t behind_lists_head(const saved_index *s)
{
    return behind_array(s->whole.bytes, INSIDE + 16 + HEAD, 4) + 9;
}

/* ---- codes in blocks ---- */

static void vectors_faiss_damage__of_blocks_is_named(void **state)
{
    enum { FORM = INSIDE + PRODUCT };
    static const forgery forgeries[] = {
        {"does not fit", INSIDE, 8, 8},
        {"does not fit", INSIDE + 8, 3, 8},
        {"more or fewer centroids", INSIDE + 16, 5, 8},
        {"nobody asked for", FORM, 2, 4}, /* a way that needs codes that it has not */
        {"nobody asked for", FORM, 14, 4},
        {"do not fit", FORM + 4, 0, 4},
        {"do not fit", FORM + 4, 31, 4},
        {"do not fit", FORM + 4, 192, 4},
        {"do not fit", FORM + 4, (uint32_t)-32, 4},
        {"blocks of more or fewer", FORM + 4, 64, 4},
        {"nobody asked for", FORM + 8, 1, 4},
        {"blocks of more or fewer", FORM + 12, 256, 8},
        {"blocks of more or fewer", FORM + 12, 200, 8},
        {"do not fit", FORM + 20, 2, 8},
        {"do not fit", FORM + 20, 6, 8},
        {"more or fewer codes", FORM + 28, 200 * 2, 8},
        {"no room", FORM + 28, UINT64_MAX, 8},
    };
    saved_index s;
    saved_begin(&s, state, "PQ4x4fs", 200);
    assert_int_equal(number_at(&s, FORM + 12), 224);
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* The codes of 8 bits that would be half as many pieces of 4. */
static void vectors_faiss_damage__blocks_have_codes_of_4_bits(void **state)
{
    saved_index s;
    saved_begin(&s, state, "PQ4x8np", 200);
    char *bytes = malloc(s.whole.size);
    assert_non_null(bytes);
    memcpy(bytes, s.whole.bytes, s.whole.size);
    memcpy(bytes + HEAD, "IPfs", 4);
    write_resealed(&s.whole, bytes, s.whole.size);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "have not 4 bits"));
    free(bytes);
    saved_end(&s);
}

static void vectors_faiss_damage__of_lists_of_blocks_is_named(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF16,PQ4x4fs", 200);
    const size_t form = behind_lists_head(&s);
    const size_t lists = form + 33 + PRODUCT;
    const size_t first = lists + 36; /* its numbers, then its codes */
    const uint64_t count = number_at(&s, first);
    const size_t codes = behind_array(s.whole.bytes, first, 8);
    assert_true(count > 1 && count <= 32);
    const forgery forgeries[] = {
        {"yes nor no", form, 2, 1},
        {"another size", form + 1, 4, 8},
        {"do not fit", form + 9, 0, 4},
        {"do not fit", form + 9, 320, 4},
        {"fit the index", form + 9, 64, 4},
        {"do not fit", form + 13, 2, 8},
        {"nobody asked for", form + 21, 1, 4},
        {"nobody asked for", form + 25, 25, 8},
        {"fit the index", lists, 0x72616C69, 4}, /* "ilar" */
        {"fit the index", lists + 4, 15, 8},
        {"fit the index", lists + 12, 1, 8},
        {"fit the index", lists + 20, 33, 8},
        {"fit the index", lists + 28, 32, 8},
        {"no room", first, (uint64_t)1 << 60, 8},
        {"list that", first + 8, 200, 8},
        {"list that", first + 8, UINT64_MAX, 8},
        {"list that", first + 8, number_at(&s, first + 16), 8},
        {"in a list", codes, 32, 8},
        {"in a list", codes, 128, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* A list that ends, and the next that begins, one vector too early. */
static void vectors_faiss_damage__lists_of_blocks_have_all_vectors(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF1,PQ4x4fs", 200);
    const size_t numbers = behind_lists_head(&s) + 33 + PRODUCT + 36;
    const size_t last = behind_array(s.whole.bytes, numbers, 8) - 8;
    char *bytes = malloc(s.whole.size);
    assert_non_null(bytes);
    memcpy(bytes, s.whole.bytes, last);
    memcpy(bytes + numbers, &(uint64_t){199}, 8);
    memcpy(bytes + last, s.whole.bytes + last + 8, s.whole.size - last - 8);
    write_resealed(&s.whole, bytes, s.whole.size - 8);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "fewer vectors"));
    free(bytes);
    saved_end(&s);
}

/* ---- doubles ---- */

static void vectors_faiss_damage__of_doubles_is_named(void **state)
{
    saved_index s;
    saved_begin_of(&s, state, "IVF16,FlatDedup", 200, RSI_METRIC_L2, 2);
    assert_int_equal(saved_load(&s), 0);
    const size_t pairs = behind_lists_head(&s);
    const size_t lists = behind_array(s.whole.bytes, pairs, 8);
    assert_int_equal(number_at(&s, pairs), 200); /* numbers, not pairs */
    const uint64_t second = number_at(&s, pairs + 16);
    const forgery forgeries[] = {
        {"lacks one", pairs, 199, 8},
        {"no room", pairs, (uint64_t)1 << 61, 8},
        {"a pair with a vector", pairs + 8, 200, 8},
        {"a pair with a vector", pairs + 8, UINT64_MAX, 8}, /* found where nothing is */
        {"in no list", pairs + 8, second, 8},
        {"list that", pairs + 16, 200, 8},
        {"list that", pairs + 16, UINT64_MAX, 8},
        {"list that", pairs + 16, number_at(&s, pairs + 32), 8},
        {"in no list", pairs + 16, number_at(&s, pairs + 8) == 0 ? 2 : 0, 8}, /* of another pair */
        {"fit the index", lists + 12, 16, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* ---- signs ---- */

static void vectors_faiss_damage__of_signs_in_lists_is_named(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF16,PCA8,SH4c", 200);
    const size_t transform = behind_lists_head(&s);
    size_t sizes = transform + 4 + 13; /* behind three arrays that only training needs */
    for (int i = 0; i < 3; i++)
        sizes = behind_array(s.whole.bytes, sizes, 4);
    sizes = behind_array(s.whole.bytes, sizes + 1, 4);
    sizes = behind_array(s.whole.bytes, sizes, 4);
    const size_t bits = sizes + 9;
    const forgery forgeries[] = {
        {"kind is not read back", transform, 0x6d715643, 4},
        {"does not fit", sizes + 4, 16, 4},
        {"does not fit", sizes + 8, 0, 1},
        {"signs of more or fewer", bits, 9, 4},
        {"signs of more or fewer", bits, (uint32_t)-8, 4},
        {"no way to make signs", bits + 4, 0, 4},
        {"no way to make signs", bits + 4, 0x7FC00000, 4},
        {"no way to make signs", bits + 8, 4, 4},
        {"no way to make signs", bits + 8, (uint32_t)-1, 4},
        {"more or fewer thresholds", bits + 8, 0, 4},
        {"more or fewer thresholds", bits + 12, 8 * 15, 8},
        {"no room", bits + 12, (uint64_t)1 << 62, 8},
        {"not finite", bits + 20, 0x7F800000, 4},
        {"fit the index", bits + 20 + 4 * 8 * 16 + 12, 2, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* FAISS keeps as many medians as it was trained on vectors, and reads those of the lists. */
static void vectors_faiss_damage__medians_are_there_for_each_list(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF16,PCA8,SH4c", 200);
    const size_t transform = behind_lists_head(&s);
    size_t bits = transform + 4 + 13;
    for (int i = 0; i < 3; i++)
        bits = behind_array(s.whole.bytes, bits, 4);
    bits = behind_array(s.whole.bytes, bits + 1, 4);
    bits = behind_array(s.whole.bytes, bits, 4) + 9;
    const forgery forgeries[] = {{"more or fewer thresholds", bits + 12, 8 * 16 - 1, 8}};
    s.whole.bytes[bits + 8] = 3; /* a median */
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), 0);
    expect_refused(&s, forgeries, 1);
    saved_end(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_damage__of_blocks_is_named),
        TEST(vectors_faiss_damage__blocks_have_codes_of_4_bits),
        TEST(vectors_faiss_damage__of_lists_of_blocks_is_named),
        TEST(vectors_faiss_damage__lists_of_blocks_have_all_vectors),
        TEST(vectors_faiss_damage__of_doubles_is_named),
        TEST(vectors_faiss_damage__of_signs_in_lists_is_named),
        TEST(vectors_faiss_damage__medians_are_there_for_each_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
