/* Indexes of FAISS's in files: what is not believed, and harms nobody. */
#include "faiss_saved_fixture.h"

/* ---- damage at chance ---- */

static void vectors_faiss_damage__is_found_by_the_digests(void **state)
{
    fixture f;
    rsi_faiss_index *again;
    uint32_t seed = 5;
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    const rsi_faiss_about about = about_of("HNSW8", RSI_METRIC_L2);
    rsi_faiss_index *index = make_index(&about, rows, &some);
    assert_int_equal(save(&f, index, &about, rows, &some), 0);
    pair whole = read_pair(state);
    for (int i = 0; i < 300; i++) {
        const size_t at =
            (size_t)(random_number(&seed) * 0.5f * (float)whole.size + 0.5f * (float)whole.size);
        const char bit = (char)(1 << i % 8);
        whole.bytes[at] ^= bit;
        write_pair(&whole);
        assert_int_equal(load(&again, &f, &about, rows, &some), RAGSTORE_E_DAMAGED);
        assert_int_equal(rsi_faiss_saved_check(f.root, INDEX, &about), RAGSTORE_E_DAMAGED);
        whole.bytes[at] ^= bit;
        const pair cut = {
            .bytes = whole.bytes, .sum = whole.sum, .size = at, .sum_size = whole.sum_size};
        temporary_write(whole.path, cut.bytes, cut.size);
        assert_int_equal(load(&again, &f, &about, rows, &some), RAGSTORE_E_DAMAGED);
    }
    /* what is wrong in the .sum makes it the .sum of nothing */
    for (size_t at = 0; at < whole.sum_size; at++) {
        whole.sum[at] ^= 4;
        write_pair(&whole);
        const int status = load(&again, &f, &about, rows, &some);
        assert_true(status == RAGSTORE_E_NOT_FOUND);
        whole.sum[at] ^= 4;
    }
    write_pair(&whole);
    assert_int_equal(load(&again, &f, &about, rows, &some), 0);
    rsi_faiss_index_free(again);
    rsi_faiss_index_free(index);
    free_pair(&whole);
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* With digests made anew: it never ends the process, and what is found is a member, or nothing. */
static void expect_harmless(fixture *f, const rsi_faiss_about *about, rsi_rows *rows,
                            const rsi_bitset *members)
{
    rsi_faiss_index *read;
    bool done = false;
    const int status = load(&read, f, about, rows, members);
    if (status != RAGSTORE_OK) {
        assert_true(status == RAGSTORE_E_DAMAGED || status == RAGSTORE_E_NOT_FOUND);
        return;
    }
    rsi_bitset more = set_of(0, 260);
    for (uint32_t seed = 0; seed < 4; seed++) {
        idx_t found[FOUND];
        float distances[FOUND];
        find(found, distances, read, seed);
        for (size_t i = 0; i < FOUND; i++)
            assert_true(found[i] == -1 || rsi_bitset_has(members, found[i]));
        if (seed == 1) /* and it can be added to */
            while (!done)
                assert_int_equal(rsi_faiss_index_absorb(read, &done, rows, &more, 100), 0);
        if (seed >= 1)
            members = &more;
    }
    rsi_bitset_free(&more);
    rsi_faiss_index_free(read);
}

static void damage_at_chance(char *bytes, size_t *size, uint32_t *seed)
{
    static const uint64_t words[] = {0,
                                     1,
                                     2,
                                     199,
                                     200,
                                     201,
                                     255,
                                     INT32_MAX,
                                     0x80000000u,
                                     UINT32_MAX,
                                     (uint64_t)1 << 32,
                                     (uint64_t)1 << 40,
                                     INT64_MAX,
                                     UINT64_MAX};
    for (int32_t left = 1 + (int32_t)(*seed >> 20) % 3; left > 0; left--) {
        random_number(seed);
        /* half of the damage among the numbers that lead somewhere */
        const size_t within = *seed >> 16 & 1 && *size > 400 ? 400 : *size - 8;
        const size_t at = (*seed >> 8) % within;
        random_number(seed);
        switch (*seed >> 28 & 3) {
        case 0:
            bytes[at] ^= (char)(1u << (*seed >> 24 & 7));
            break;
        case 1:
            memcpy(bytes + at, &words[(*seed >> 12) % (sizeof words / sizeof *words)],
                   *seed >> 23 & 1 ? 4 : 8);
            break;
        case 2:
            memcpy(bytes + at, seed, 4);
            break;
        default:
            if ((*seed >> 20 & 7) == 0)
                *size = at + 8;
            else
                bytes[at] = (char)(*seed >> 10);
        }
    }
}

static void vectors_faiss_damage__with_new_digests_is_harmless(void **state)
{
    fixture f;
    uint32_t seed = 11;
    const char *rounds = getenv("RAGSTORE_FUZZ_ROUNDS");
    const int each = rounds == NULL ? 60 : atoi(rounds);
    skip_without_faiss();
    fixture_begin(&f, state);
    rsi_bitset some = set_of(0, 200);
    rsi_rows *rows = make_rows(&f, RSI_METRIC_L2);
    for (size_t kind = 0; kind < FAST_KINDS; kind++) {
        const rsi_metric metric = metric_for(kinds[kind], RSI_METRIC_L2);
        const rsi_faiss_about about = about_of(kinds[kind], metric);
        rsi_rows_set_metric(rows, metric);
        rsi_faiss_index *index = make_index(&about, rows, &some);
        assert_int_equal(save(&f, index, &about, rows, &some), 0);
        pair whole = read_pair(state);
        char *bytes = malloc(whole.size);
        assert_non_null(bytes);
        for (int i = 0; i < each; i++) {
            size_t size = whole.size;
            memcpy(bytes, whole.bytes, size);
            damage_at_chance(bytes, &size, &seed);
            write_resealed(&whole, bytes, size);
            expect_harmless(&f, &about, rows, &some);
        }
        free(bytes);
        free_pair(&whole);
        rsi_faiss_index_free(index);
    }
    rsi_bitset_free(&some);
    rsi_rows_close(rows);
    fixture_end(&f);
}

/* ---- one number after the other ---- */

/* Where the arrays of a graph begin. */
typedef struct graph_arrays {
    size_t room;
    size_t levels;
    size_t offsets;
    size_t neighbours;
    size_t entry; /* behind them */
} graph_arrays;

static graph_arrays find_arrays(const char *bytes)
{
    graph_arrays at;
    at.room = behind_array(bytes, INSIDE, 8);
    at.levels = behind_array(bytes, at.room, 4);
    at.offsets = behind_array(bytes, at.levels, 4);
    at.neighbours = behind_array(bytes, at.offsets, 8);
    at.entry = behind_array(bytes, at.neighbours, 4);
    return at;
}

static void vectors_faiss_damage__each_number_of_a_graph_is_checked(void **state)
{
    saved_index s;
    saved_begin(&s, state, "HNSW8", 200);
    const graph_arrays at = find_arrays(s.whole.bytes);
    const size_t flat = at.entry + 20;
    const size_t ids = behind_array(s.whole.bytes, flat + HEAD, 4);
    uint32_t level_of_first;
    memcpy(&level_of_first, s.whole.bytes + at.levels + 8, 4);
    size_t first_low = 0; /* a vector on the lowest level alone */
    while (level_of_first != 1 || first_low == 0)
        memcpy(&level_of_first, s.whole.bytes + at.levels + 8 + 4 * ++first_low, 4);
    const forgery forgeries[] = {
        {"dimension", 4, 0, 4},
        {"dimension", 4, 65537, 4},
        {"no room", 8, (uint64_t)1 << 31, 8},
        {"no room", 8, UINT64_MAX, 8},
        {"yes nor no", 32, 2, 1},
        {"not trained", 32, 0, 1},
        {"metric", 33, 2, 4},
        {"other vectors", HEAD + 8, 199, 8},
        {"other vectors", HEAD + 4, 8, 4},
        {"levels", INSIDE, 0, 8},
        {"levels", INSIDE, 65, 8},
        {"room", INSIDE, (uint64_t)1 << 61, 8},
        {"probability", INSIDE + 8, UINT64_MAX, 8},
        {"levels", at.room, 3, 8},
        {"number of neighbours", at.room + 8, 1, 4},
        {"number of neighbours", at.room + 12, 2000000, 4},
        {"number of neighbours", at.room + 12, 0, 4},
        {"number of neighbours", at.room + 16, 23, 4},
        {"levels for", at.levels, 199, 8},
        {"level that", at.levels + 8, 0, 4},
        {"level that", at.levels + 8, 60, 4},
        {"places", at.offsets, 200, 8},
        {"another place", at.offsets + 8, 1, 8},
        {"another place", at.offsets + 16, (uint64_t)1 << 40, 8},
        {"more or fewer neighbours", at.neighbours, 8, 8},
        {"neighbour that", at.neighbours + 8, 200, 4},
        {"neighbour that", at.neighbours + 8, INT32_MAX, 4},
        {"neighbour that", at.neighbours + 8, (uint32_t)-2, 4},
        {"entered", at.entry, 200, 4},
        {"entered", at.entry, (uint32_t)-1, 4},
        {"entered", at.entry, first_low, 4}, /* is not on the highest level */
        {"entered", at.entry + 4, 60, 4},
        {"effort", at.entry + 8, 0, 4},
        {"effort", at.entry + 12, INT32_MAX, 4},
        {"effort", at.entry + 16, 2, 4},
        {"not read back", flat, 0x4C465849, 4}, /* "IXFL" */
        {"kind and its metric", flat + 33, 0, 4},
        {"more or fewer numbers", flat + HEAD, 199 * DIMENSION, 8},
        {"not finite", flat + HEAD + 8, 0x7FC00000, 4},
        {"not finite", flat + HEAD + 12, 0xFF800000, 4},
        {"not finite", flat + HEAD + 12, 0x7F000000, 4}, /* 1.7e38 */
        {"ids than", ids, 199, 8},
        {"none of its chunks", ids + 8, 200, 8},
        {"none of its chunks", ids + 8, 5, 8}, /* again */
        {"none of its chunks", ids + 8, (uint64_t)-2, 8},
        {"lacks", ids + 8, (uint64_t)-1, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size - 1);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), 0);
    saved_end(&s);
}

/* A neighbour on a level where it is not: FAISS would read the neighbours of others, or none at
 * all. */
static void vectors_faiss_damage__neighbours_are_on_the_level_that_they_are_named_on(void **state)
{
    saved_index s;
    saved_begin(&s, state, "HNSW8", 200);
    const graph_arrays at = find_arrays(s.whole.bytes);
    int32_t level[200];
    memcpy(level, s.whole.bytes + at.levels + 8, sizeof level);
    int32_t high = 0, low = 0;
    while (level[high] < 2)
        high++;
    while (level[low] > 1)
        low++;
    uint64_t begin;
    memcpy(&begin, s.whole.bytes + at.offsets + 8 + 8 * (size_t)high, sizeof begin);
    const size_t first = at.neighbours + 8 + 4 * (begin + 16); /* of its neighbours on level 1 */
    memcpy(s.whole.bytes + first, &low, 4);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "neighbour that"));
    saved_end(&s);
}

/* A graph that is whole and leads nowhere: rows are not found as they were. */
static void vectors_faiss_damage__has_to_find_rows_as_before(void **state)
{
    saved_index s;
    saved_begin(&s, state, "HNSW8", 3000);
    const graph_arrays at = find_arrays(s.whole.bytes);
    memset(s.whole.bytes + at.neighbours + 8, 0xFF, at.entry - at.neighbours - 8);
    write_resealed(&s.whole, s.whole.bytes, s.whole.size);
    assert_int_equal(saved_load(&s), RAGSTORE_E_DAMAGED);
    assert_non_null(strstr(rsi_error_message(), "find"));
    saved_end(&s);
}

static void vectors_faiss_damage__each_number_of_lists_is_checked(void **state)
{
    saved_index s;
    saved_begin(&s, state, "IVF16,SQ8", 200);
    const size_t lists = 2 * HEAD; /* number, probes */
    const size_t map = behind_array(s.whole.bytes, lists + 16 + HEAD, 4);
    const size_t quantiser = map + 9;
    const size_t code = behind_array(s.whole.bytes, quantiser + 28, 4);
    const size_t inverted = code + 9; /* kind, lists, code size, kind of sizes, sizes */
    const size_t sizes = inverted + 24;
    uint64_t size_of_first;
    memcpy(&size_of_first, s.whole.bytes + sizes + 8, 8);
    assert_true(size_of_first > 1);
    const size_t first = behind_array(s.whole.bytes, sizes, 8);
    const size_t numbers = first + (size_t)size_of_first * DIMENSION;
    uint64_t second;
    memcpy(&second, s.whole.bytes + numbers + 8, 8);
    const forgery forgeries[] = {
        {"number of lists", lists, 0, 8},
        {"number of lists", lists, 65537, 8},
        {"number of lists", lists + 8, 17, 8},
        {"other vectors", lists, 15, 8}, /* than its quantiser */
        {"map", map, 1, 1},
        {"room", map + 1, (uint64_t)1 << 50, 8},
        {"does not fit", quantiser, 9, 4},
        {"does not fit", quantiser, 1, 4}, /* 4 bits */
        {"does not fit", quantiser + 12, 8, 8},
        {"does not fit", quantiser + 20, 15, 8},
        {"learnt", quantiser + 28, 31, 8},
        {"other codes", code, 17, 8},
        {"yes nor no", code + 8, 7, 1},
        {"fit the index", inverted, 0x30306C69, 4}, /* "il00": none */
        {"fit the index", inverted + 4, 15, 8},
        {"fit the index", inverted + 12, 17, 8},
        {"form", inverted + 20, 0, 4},
        {"more or fewer lists", sizes, 15, 8},
        {"more vectors", sizes + 8, 201, 8},
        {"more vectors", sizes + 8, UINT64_MAX - 1, 8},
        {"fewer vectors", sizes + 8, size_of_first - 1, 8},
        {"list that", numbers, 200, 8},
        {"list that", numbers, UINT64_MAX, 8},
        {"list that", numbers, second, 8},
    };
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

/* ---- signs, halves of centroids, transformations of parts ---- */

static void vectors_faiss_damage__of_signs_is_named(void **state)
{
    static const forgery forgeries[] = {
        {"signs of more or fewer numbers", INSIDE, 8, 4},
        {"neither yes nor no", INSIDE + 4, 2, 1},
        {"a rotation that does not fit", INSIDE + 4, 1, 1}, /* there is none */
        {"thresholds", INSIDE + 5, 1, 1},
        {"thresholds", INSIDE + 6, 1, 8},
        {"signs of more or fewer numbers", INSIDE + 14, 3, 4},
        {"a rotation that does not fit", INSIDE + 39, 8, 4},
        {"a transformation that does not fit", INSIDE + 47, 1, 1},
        {"more or fewer codes", INSIDE + 48, 399, 8},
    };
    saved_index s;
    saved_begin(&s, state, "LSH", 200);
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_halves_is_named(void **state)
{
    enum { QUANTISER = INSIDE + 16 }; /* behind two sizes */
    static const forgery forgeries[] = {
        {"another number of them", QUANTISER + 8, 63, 8},
        {"halves of more or fewer centroids", QUANTISER + HEAD + 8, 4, 8},
        {"more or fewer centroids", QUANTISER + HEAD + 16, 2, 8},
    };
    saved_index s;
    saved_begin(&s, state, "IMI2x3,Flat", 200);
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

static void vectors_faiss_damage__of_transformations_of_parts_is_named(void **state)
{
    enum { PART = INSIDE + 4 + 4 + 8 + DIMENSION * 4 + 1 }; /* behind the means */
    static const forgery forgeries[] = {
        {"a transformation with parts itself", PART, 0x74716956, 4},
        {"a transformation that does not fit", PART + 285, 7, 4},
        {"a transformation that does not fit", PART + 293, 0, 1}, /* not trained */
        {"parts of a transformation", PART + 294, 0x746f7272, 4}, /* another kind */
    };
    saved_index s;
    saved_begin(&s, state, "ITQ8,SQ8", 200);
    expect_refused(&s, forgeries, sizeof forgeries / sizeof *forgeries);
    saved_end(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    use_one_thread();
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_damage__is_found_by_the_digests),
        TEST(vectors_faiss_damage__with_new_digests_is_harmless),
        TEST(vectors_faiss_damage__of_signs_is_named),
        TEST(vectors_faiss_damage__of_halves_is_named),
        TEST(vectors_faiss_damage__of_transformations_of_parts_is_named),
        TEST(vectors_faiss_damage__each_number_of_a_graph_is_checked),
        TEST(vectors_faiss_damage__neighbours_are_on_the_level_that_they_are_named_on),
        TEST(vectors_faiss_damage__has_to_find_rows_as_before),
        TEST(vectors_faiss_damage__each_number_of_lists_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
