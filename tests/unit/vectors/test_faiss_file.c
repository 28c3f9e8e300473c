/* Reading FAISS's files: lib/vectors/{faiss_file,faiss_layout}.c, beside what FAISS itself writes.
 */
#include "rows_fixture.h"

#include "harness/faiss_bytes.h"
#include "vectors/faiss_file.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#else
#include <c_api/Index_c.h>
#include <c_api/index_factory_c.h>
#include <c_api/index_io_c.h>
#endif

#define DIMENSION 8
#define COUNT 300

static void make_vectors(float vectors[COUNT * DIMENSION], int64_t ids[COUNT])
{
    for (size_t i = 0; i < COUNT; i++) {
        ids[i] = (int64_t)(COUNT - i) * 1000003;
        for (size_t d = 0; d < DIMENSION; d++)
            vectors[i * DIMENSION + d] = (float)(i * 31 % 17) - (float)d;
    }
}

static const char *file_path(void **state)
{
    static char path[TEMPORARY_PATH_MAX];
    return temporary_join(path, state, "given.faiss");
}

/* A file of COUNT vectors as FAISS writes it; IDMaps have ids of their own. */
static void write_with_faiss(void **state, const char *kind, FaissMetricType metric)
{
    float vectors[COUNT * DIMENSION];
    int64_t ids[COUNT];
    FaissIndex *index = NULL;
    char *bytes = NULL;
    size_t size;
    make_vectors(vectors, ids);
    assert_int_equal(faiss_index_factory(&index, DIMENSION, kind, metric), 0);
    assert_int_equal(faiss_Index_train(index, COUNT, vectors), 0);
    if (strncmp(kind, "IDMap", 5) == 0)
        assert_int_equal(faiss_Index_add_with_ids(index, COUNT, vectors, ids), 0);
    else
        assert_int_equal(faiss_Index_add(index, COUNT, vectors), 0);
    FILE *stream = open_memstream(&bytes, &size);
    assert_non_null(stream);
    assert_int_equal(faiss_write_index(index, stream), 0);
    assert_int_equal(fclose(stream), 0);
    faiss_Index_free(index);
    temporary_write(file_path(state), bytes, size);
    free(bytes);
}

static void expect_message(const char *part)
{
    if (strstr(rsi_error_message(), part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, rsi_error_message());
}

static void vectors_faiss_file__reads_what_faiss_writes(void **state)
{
    static const struct {
        const char *kind;
        FaissMetricType metric;
    } kinds[] = {{"Flat", METRIC_INNER_PRODUCT},        {"Flat", METRIC_L2},
                 {"IDMap,Flat", METRIC_INNER_PRODUCT},  {"IDMap,Flat", METRIC_L2},
                 {"IDMap2,Flat", METRIC_INNER_PRODUCT}, {"IDMap2,Flat", METRIC_L2}};
    float vectors[COUNT * DIMENSION], found[COUNT * DIMENSION];
    int64_t ids[COUNT], found_ids[COUNT];
    rsi_faiss_file file;
    fixture f;
    fixture_begin(&f, state);
    make_vectors(vectors, ids);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        write_with_faiss(state, kinds[i].kind, kinds[i].metric);
        assert_int_equal(rsi_faiss_file_open(&file, f.root, file_path(state)), 0);
        assert_int_equal(file.layout.dimension, DIMENSION);
        assert_int_equal(file.layout.count, COUNT);
        assert_int_equal(file.layout.metric, (int)kinds[i].metric);
        assert_int_equal(file.layout.has_ids, kinds[i].kind[0] == 'I');
        for (uint64_t at = 0; at < COUNT; at += 100)
            assert_int_equal(rsi_faiss_file_vectors(found + at * DIMENSION, &file, at, 100), 0);
        assert_memory_equal(found, vectors, sizeof vectors);
        assert_int_equal(rsi_faiss_file_ids(found_ids, &file), 0);
        for (size_t k = 0; k < COUNT; k++)
            assert_int_equal(found_ids[k], file.layout.has_ids ? ids[k] : (int64_t)k);
        rsi_faiss_file_close(&file);
    }
    fixture_end(&f);
}

static void vectors_faiss_file__names_the_kinds_that_it_does_not_read(void **state)
{
    static const char *const kinds[][2] = {{"HNSW8", "IHNf"},      {"IVF4,Flat", "IwFl"},
                                           {"SQ8", "IxSQ"},        {"IDMap,HNSW8", "IHNf"},
                                           {"IDMap2,SQ8", "IxSQ"}, {"LSH", "IxHe"}};
    rsi_faiss_file file;
    fixture f;
    fixture_begin(&f, state);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        write_with_faiss(state, kinds[i][0], METRIC_L2);
        assert_int_equal(rsi_faiss_file_open(&file, f.root, file_path(state)),
                         RAGSTORE_E_UNSUPPORTED);
        assert_null(file.file);
        expect_message(kinds[i][1]);
        expect_message("given.faiss");
    }
    write_with_faiss(state, "Flat", METRIC_L1);
    assert_int_equal(rsi_faiss_file_open(&file, f.root, file_path(state)), RAGSTORE_E_UNSUPPORTED);
    expect_message("FAISS's number 2");
    fixture_end(&f);
}

/* Whatever number stands in a head, nothing of that size is asked for. */
static void vectors_faiss_file__believes_no_number_in_a_head(void **state)
{
    static const int64_t numbers[] = {
        0,         1,         -1,      INT32_MAX,        INT32_MIN,        UINT32_MAX,
        INT64_MAX, INT64_MIN, 1 << 20, (int64_t)1 << 40, (int64_t)1 << 61, (int64_t)1 << 62};
    static const float vectors[] = {1, 2, 3, 4};
    static const int64_t ids[] = {8, 9};
    size_t size;
    rsi_faiss_file file;
    fixture f;
    fixture_begin(&f, state);
    const faiss_bytes of = {"IxMp", "IxFI", 0, 2, 2, vectors, ids};
    unsigned char *good = faiss_bytes_make(&size, &of);
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t at = 0; at + 8 <= size; at++)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            for (size_t width = 4; width <= 8; width += 4) {
                int64_t found[2];
                float rows[4];
                memcpy(bytes, good, size);
                memcpy(bytes + at, &numbers[i], width);
                temporary_write(file_path(state), bytes, size);
                int status = rsi_faiss_file_open(&file, f.root, file_path(state));
                if (status != RAGSTORE_OK) {
                    assert_true(status == RAGSTORE_E_INVALID_DATA ||
                                status == RAGSTORE_E_UNSUPPORTED);
                    continue;
                }
                /* only what is no size can have another value */
                assert_int_equal(file.layout.count, 2);
                assert_int_equal(file.layout.dimension, 2);
                assert_int_equal(rsi_faiss_file_vectors(rows, &file, 0, 2), 0);
                status = rsi_faiss_file_ids(found, &file);
                assert_true(status == RAGSTORE_OK || status == RAGSTORE_E_INVALID_DATA);
                assert_true(status != RAGSTORE_OK || (found[0] >= 0 && found[1] >= 0));
                rsi_faiss_file_close(&file);
            }
    free(bytes);
    free(good);
    fixture_end(&f);
}

/* Numbers that agree with each other, but not with the size of the file. */
static void vectors_faiss_file__of_another_size_than_it_says_is_refused(void **state)
{
    static const float vectors[] = {1, 2, 3, 4};
    static const int64_t ids[] = {8, 9};
    static const int64_t counts[] = {0, 1, 3, (int64_t)1 << 40, INT64_MAX / 8, INT64_MAX};
    size_t size;
    rsi_faiss_file file;
    fixture f;
    fixture_begin(&f, state);
    const faiss_bytes of = {"IxMp", "IxFI", 0, 2, 2, vectors, ids};
    unsigned char *bytes = faiss_bytes_make(&size, &of);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const uint64_t numbers = (uint64_t)counts[i] * 2;
        memcpy(bytes + 8, &counts[i], sizeof counts[i]);
        memcpy(bytes + 45, &counts[i], sizeof counts[i]);
        memcpy(bytes + 74, &numbers, sizeof numbers);
        temporary_write(file_path(state), bytes, size);
        assert_int_equal(rsi_faiss_file_open(&file, f.root, file_path(state)),
                         RAGSTORE_E_INVALID_DATA);
        expect_message(counts[i] < 2 ? "need fewer" : "need more");
    }
    free(bytes);
    fixture_end(&f);
}

static void vectors_faiss_file__whose_map_and_index_disagree_is_refused(void **state)
{
    static const float vectors[] = {1, 2, 3, 4};
    static const int64_t ids[] = {8, 9};
    static const struct {
        size_t at;
        int32_t value;
    } changes[] = {{4, 1}, {8, 1}, {33, 1}};
    size_t size;
    rsi_faiss_file file;
    fixture f;
    fixture_begin(&f, state);
    const faiss_bytes of = {"IxMp", "IxFI", 0, 2, 2, vectors, ids};
    unsigned char *bytes = faiss_bytes_make(&size, &of);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        unsigned char kept[4];
        memcpy(kept, bytes + changes[i].at, 4);
        memcpy(bytes + changes[i].at, &changes[i].value, 4);
        temporary_write(file_path(state), bytes, size);
        assert_int_equal(rsi_faiss_file_open(&file, f.root, file_path(state)),
                         RAGSTORE_E_INVALID_DATA);
        expect_message("disagree");
        memcpy(bytes + changes[i].at, kept, 4);
    }
    free(bytes);
    fixture_end(&f);
}

static void vectors_faiss_file__that_is_cut_while_it_is_read_is_an_error(void **state)
{
    static const float vectors[] = {1, 2, 3, 4};
    static const int64_t ids[] = {8, 9};
    size_t size;
    float rows[4];
    int64_t found[2];
    rsi_faiss_file file;
    fixture f;
    fixture_begin(&f, state);
    const faiss_bytes of = {"IxM2", "IxF2", 1, 2, 2, vectors, ids};
    unsigned char *bytes = faiss_bytes_make(&size, &of);
    temporary_write(file_path(state), bytes, size);
    assert_int_equal(rsi_faiss_file_open(&file, f.root, file_path(state)), 0);
    temporary_write(file_path(state), bytes, 90);
    assert_int_equal(rsi_faiss_file_vectors(rows, &file, 0, 2), RAGSTORE_E_DAMAGED);
    assert_int_equal(rsi_faiss_file_ids(found, &file), RAGSTORE_E_DAMAGED);
    rsi_faiss_file_close(&file);
    free(bytes);
    fixture_end(&f);
}

static void vectors_faiss_layout__of_impossible_sizes_is_too_large(void **state)
{
    (void)state;
    rsi_faiss_layout layout;
    assert_int_equal(rsi_faiss_layout_make(&layout, 65536, (uint64_t)1 << 44, RSI_FAISS_L2), 0);
    assert_int_equal(rsi_faiss_layout_make(&layout, 65536, (uint64_t)1 << 45, RSI_FAISS_L2),
                     RAGSTORE_E_TOO_LARGE);
    assert_int_equal(rsi_faiss_layout_make(&layout, 1, UINT64_MAX, RSI_FAISS_L2),
                     RAGSTORE_E_TOO_LARGE);
    assert_int_equal(rsi_faiss_layout_make(&layout, 4, 0, RSI_FAISS_L2), 0);
    assert_int_equal(layout.file_size, RSI_FAISS_HEAD_MAX + 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_faiss_file__believes_no_number_in_a_head),
        TEST(vectors_faiss_file__of_another_size_than_it_says_is_refused),
        TEST(vectors_faiss_file__whose_map_and_index_disagree_is_refused),
        TEST(vectors_faiss_file__that_is_cut_while_it_is_read_is_an_error),
        cmocka_unit_test(vectors_faiss_layout__of_impossible_sizes_is_too_large),
    };
    const struct CMUnitTest with_faiss[] = {
        TEST(vectors_faiss_file__reads_what_faiss_writes),
        TEST(vectors_faiss_file__names_the_kinds_that_it_does_not_read),
    };
    const char *reason;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    if (rsi_faiss_available(&reason))
        return failures + cmocka_run_group_tests(with_faiss, NULL, NULL);
    print_message("FAISS's own files are not tested: %s\n", reason);
    return failures;
}
