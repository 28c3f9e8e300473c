/* Whoever reads all rows once leaves none of them in memory. */
#include "rows_fixture.h"

#include "vectors/byte_codes.h"
#include "vectors/quantised.h"

#define DIMENSION 384u
#define COUNT 5000
#define BYTES ((size_t)COUNT * DIMENSION * sizeof(float))
#define LITTLE (BYTES / 16)
#define STAMP "stamp"

typedef struct ground {
    fixture f;
    rsi_rows *rows;
    rsi_bitset all;
} ground;

/* How much of the mapped files of rows is in this process's memory. */
static size_t resident(void)
{
    char line[4096];
    bool is_rows = false;
    size_t kib;
    size_t sum = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        if (strchr(line, ':') > strchr(line, '-') && strchr(line, '-') != NULL)
            is_rows = strstr(line, "/rows-") != NULL;
        if (is_rows && sscanf(line, "Rss: %zu kB", &kib) == 1)
            sum += kib << 10;
    }
    fclose(maps);
    return sum;
}

static void look_at_all(ground *at)
{
    for (int64_t chunk = 0; chunk < COUNT; chunk++)
        assert_row(at->rows, chunk);
}

static void ground_begin(ground *at, void **state)
{
    memset(at, 0, sizeof *at);
    fixture_begin(&at->f, state);
    at->rows = open_rows(&at->f, DIMENSION);
    for (int64_t chunk = 0; chunk < COUNT; chunk += 1000)
        assert_int_equal(append(at->rows, chunk, 1000, NULL, NULL), 0);
    at->all = set_of(0, COUNT);
}

/* They were not looked at since they were opened. */
static void ground_again(ground *at)
{
    rsi_rows_close(at->rows);
    at->rows = open_rows(&at->f, DIMENSION);
}

static void ground_end(ground *at)
{
    rsi_bitset_free(&at->all);
    rsi_rows_close(at->rows);
    fixture_end(&at->f);
}

static void vectors_rows_let_go__gives_pages_back_and_rows_again(void **state)
{
    ground at;
    ground_begin(&at, state);
    look_at_all(&at);
    assert_true(resident() >= BYTES);
    rsi_rows_let_go(at.rows, 1000, 4000);
    assert_true(resident() < BYTES / 2);
    look_at_all(&at);
    assert_true(resident() >= BYTES);
    rsi_rows_let_go(at.rows, 0, INT64_MAX);
    assert_true(resident() < LITTLE);
    rsi_rows_let_go(at.rows, COUNT, COUNT + 1);
    look_at_all(&at);
    ground_end(&at);
}

static void vectors_rows_let_go__keeps_what_is_in_no_file(void **state)
{
    ground at;
    static float vectors[64 * DIMENSION];
    ground_begin(&at, state);
    fill(vectors, COUNT, 64, DIMENSION);
    const rsi_rows_copy copy = {1, UINT64_C(1) << 40, COUNT, 64, vectors};
    assert_int_equal(rsi_rows_hold(at.rows, &copy), 0);
    rsi_rows_let_go(at.rows, 0, INT64_MAX);
    for (int64_t chunk = COUNT; chunk < COUNT + 64; chunk++)
        assert_row(at.rows, chunk);
    ground_end(&at);
}

static void code_bits(ground *at)
{
    float *sample;
    float *centroids;
    size_t count;
    bool done = false;
    rsi_quantised *index;
    assert_int_equal(rsi_centroids_sample(&sample, &count, at->rows, &at->all, 16), 0);
    assert_true(count >= 1000);
    assert_true(resident() < LITTLE);
    assert_int_equal(rsi_centroids_train(&centroids, sample, count, DIMENSION, 16, NULL, NULL), 0);
    assert_int_equal(rsi_quantised_new(&index, DIMENSION, RSI_METRIC_COSINE, centroids, 16), 0);
    while (!done)
        assert_int_equal(rsi_quantised_absorb(index, &done, at->rows, &at->all, 700), 0);
    assert_int_equal(rsi_quantised_count(index), COUNT);
    rsi_quantised_free(index);
    rsi_free(sample);
    rsi_free(centroids);
}

static void code_bytes(ground *at)
{
    bool done = false;
    rsi_byte_codes *codes;
    assert_int_equal(rsi_byte_codes_new(&codes, DIMENSION), 0);
    while (!done)
        assert_int_equal(rsi_byte_codes_absorb(codes, &done, at->rows, &at->all, 700), 0);
    assert_true(rsi_byte_codes_count(codes) > COUNT - 64);
    rsi_byte_codes_free(codes);
}

static void write_index(ground *at)
{
    rsi_faiss_state now;
    assert_int_equal(rsi_faiss_write(at->f.root, "index.faiss", at->rows, &at->all, STAMP), 0);
    assert_true(resident() < LITTLE);
    assert_int_equal(
        rsi_faiss_check(&now, at->f.root, "index.faiss", at->rows, &at->all, STAMP), 0);
    assert_int_equal(now, RSI_FAISS_CURRENT);
}

static void check_all(ground *at)
{
    rsi_bitset missing;
    assert_int_equal(rsi_rows_missing(&missing, at->rows, &at->all), 0);
    assert_int_equal(missing.count, 0);
    rsi_bitset_free(&missing);
}

static void measure_all(ground *at)
{
    rsi_rows_usage usage;
    assert_int_equal(rsi_rows_usage_of(&usage, at->rows, 0, &at->all), 0);
    assert_false(usage.has_dead);
}

static void vectors_rows_let_go__is_done_by_each_pass(void **state)
{
    static void (*const passes[])(ground *at) = {code_bits, code_bytes, write_index, check_all,
                                                 measure_all};
    ground at;
    ground_begin(&at, state);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        ground_again(&at);
        passes[i](&at);
        if (resident() >= LITTLE)
            fail_msg("pass %zu left %zu bytes of %zu", i, resident(), BYTES);
        look_at_all(&at);
    }
    ground_end(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors_rows_let_go__gives_pages_back_and_rows_again,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows_let_go__keeps_what_is_in_no_file,
                                        temporary_setup, temporary_teardown),
        cmocka_unit_test_setup_teardown(vectors_rows_let_go__is_done_by_each_pass, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests_name("letting rows go", tests, NULL, NULL);
}
