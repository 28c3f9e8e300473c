/*
 * Exact top-10 over 100,000 × 384 rows on one thread, beside a plain read of the same bytes.
 *
 *   bench_exact [rows [dimension]]
 *
 * A second object tells of MANY queries, in one call and one by one.
 *
 * Prints one JSON object: medians with minimum and maximum over the rounds, in milliseconds. Each
 * round searches once and reads once, taking turns in who goes first. The rows lie in the page
 * cache; `first_search_ms` is the search that also checks every block.
 */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/kernel.h"
#include "vectors/rows_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 41
#define K 10
#define MANY 64
#define MANY_ROUNDS 7
#define SLICE 10000 /* rows of one append */
#define DIRECTORY "vector_store"
#define INCARNATION "00000000000000000000000000000000"

typedef struct series {
    double ms[ROUNDS];
} series;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void sort_times(series *times)
{
    qsort(times->ms, ROUNDS, sizeof times->ms[0], compare_numbers);
}

/* A vector of length 1. */
static void fill_vector(float *vector, uint32_t dimension, uint64_t *seed)
{
    double length = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        vector[i] = (float)((double)(*seed >> 40) / (1 << 24) - 0.5);
        length += (double)vector[i] * (double)vector[i];
    }
    for (uint32_t i = 0; i < dimension; i++)
        vector[i] = (float)(vector[i] / sqrt(length));
}

static int fill_rows(rsi_rows *rows, size_t count)
{
    uint32_t dimension = rsi_rows_dimension(rows);
    float *vectors = rsi_alloc_array((size_t)SLICE * dimension, sizeof *vectors);
    rsi_rows_extent extents[4096];
    uint64_t seed = 1;
    int status = vectors == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t done = 0; status == RAGSTORE_OK && done < count;) {
        size_t slice = count - done < SLICE ? count - done : SLICE;
        size_t extents_count;
        for (size_t i = 0; i < slice; i++)
            fill_vector(vectors + i * dimension, dimension, &seed);
        status =
            rsi_rows_append(rows, (int64_t)done, vectors, slice, extents, 4096, &extents_count);
        done += slice;
    }
    rsi_free(vectors);
    return status;
}

/* Add up all words of all rows; the sum keeps the compiler from leaving the read out. */
static uint64_t read_rows(rsi_rows *rows, const rsi_bitset *all)
{
    rsi_rows_cursor cursor;
    rsi_rows_stretch stretch;
    uint64_t sums[4] = {0};
    rsi_rows_cursor_init(&cursor, rows, all);
    while (rsi_rows_cursor_next(&cursor, &stretch) > 0) {
        const char *bytes = (const char *)stretch.first;
        size_t size = stretch.count * rsi_rows_dimension(rows) * sizeof(float);
        for (size_t i = 0; i + 32 <= size; i += 32) {
            uint64_t words[4];
            memcpy(words, bytes + i, sizeof words);
            for (size_t j = 0; j < 4; j++)
                sums[j] += words[j];
        }
    }
    return sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
}

static int measure(rsi_rows *rows, size_t count)
{
    uint32_t dimension = rsi_rows_dimension(rows);
    float *query = rsi_alloc_array(dimension, sizeof *query);
    rsi_bitset all = {0};
    series search, read;
    rsi_hit hits[K];
    size_t found;
    uint64_t seed = 99, sum = 0;
    int status = query == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = count; status == RAGSTORE_OK && i-- > 0;)
        status = rsi_bitset_add(&all, (int64_t)i);
    if (status != RAGSTORE_OK)
        goto cleanup;

    fill_vector(query, dimension, &seed);
    double begin = now_ms();
    status = rsi_rows_search(hits, &found, rows, query, K, &all);
    double first = now_ms() - begin;
    for (size_t round = 0; status == RAGSTORE_OK && round < ROUNDS; round++) {
        for (size_t turn = 0; turn < 2; turn++) {
            begin = now_ms();
            if (turn == round % 2) {
                fill_vector(query, dimension, &seed);
                status = rsi_rows_search(hits, &found, rows, query, K, &all);
                search.ms[round] = now_ms() - begin;
            } else {
                sum += read_rows(rows, &all);
                read.ms[round] = now_ms() - begin;
            }
        }
    }
    if (status != RAGSTORE_OK)
        goto cleanup;
    sort_times(&search);
    sort_times(&read);
    double gigabytes = (double)count * dimension * sizeof(float) / 1e9;
    double search_p50 = search.ms[ROUNDS / 2], read_p50 = read.ms[ROUNDS / 2];
    printf("{\"bench\": \"exact\", \"rows\": %zu, \"dimension\": %" PRIu32 ", \"k\": %d, "
           "\"threads\": 1, \"kernel\": \"%s\", \"rounds\": %d, "
           "\"search_ms\": {\"p50\": %.3f, \"min\": %.3f, \"max\": %.3f}, "
           "\"read_ms\": {\"p50\": %.3f, \"min\": %.3f, \"max\": %.3f}, "
           "\"search_gb_per_s\": %.2f, \"read_gb_per_s\": %.2f, \"search_over_read\": %.3f, "
           "\"first_search_ms\": %.3f, \"sum\": %u}\n",
           count, dimension, K, rsi_kernel_best()->name, ROUNDS, search_p50, search.ms[0],
           search.ms[ROUNDS - 1], read_p50, read.ms[0], read.ms[ROUNDS - 1],
           gigabytes / search_p50 * 1e3, gigabytes / read_p50 * 1e3, search_p50 / read_p50, first,
           (unsigned)(sum & 0xFFFF));

cleanup:
    rsi_bitset_free(&all);
    rsi_free(query);
    return status;
}

/* Many queries in one call, and one by one, taking turns. */
static int measure_many(rsi_rows *rows, size_t count)
{
    const uint32_t dimension = rsi_rows_dimension(rows);
    float *queries = rsi_alloc_array((size_t)MANY * dimension, sizeof *queries);
    rsi_hit *hits = rsi_alloc_array((size_t)MANY * K, sizeof *hits);
    rsi_bitset all = {0};
    double ms[2][MANY_ROUNDS];
    size_t found[MANY];
    uint64_t seed = 7;
    int status = queries == NULL || hits == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    for (size_t i = count; status == RAGSTORE_OK && i-- > 0;)
        status = rsi_bitset_add(&all, (int64_t)i);
    for (size_t q = 0; status == RAGSTORE_OK && q < MANY; q++)
        fill_vector(queries + q * dimension, dimension, &seed);
    for (size_t round = 0; status == RAGSTORE_OK && round < MANY_ROUNDS; round++) {
        for (size_t turn = 0; turn < 2; turn++) {
            const bool together = turn == round % 2;
            const double begin = now_ms();
            if (together)
                status = rsi_rows_search_many(hits, found, rows, queries, MANY, K, &all);
            for (size_t q = 0; !together && status == RAGSTORE_OK && q < MANY; q++)
                status = rsi_rows_search(hits + q * K, &found[q], rows, queries + q * dimension, K,
                                         &all);
            ms[together][round] = now_ms() - begin;
        }
    }
    for (size_t i = 0; i < 2; i++)
        qsort(ms[i], MANY_ROUNDS, sizeof ms[i][0], compare_numbers);
    if (status == RAGSTORE_OK)
        printf("{\"bench\": \"exact, many\", \"rows\": %zu, \"dimension\": %" PRIu32
               ", \"k\": %d, \"queries\": %d, \"rounds\": %d, "
               "\"one_call_ms\": {\"p50\": %.2f, \"min\": %.2f, \"max\": %.2f}, "
               "\"one_by_one_ms\": {\"p50\": %.2f, \"min\": %.2f, \"max\": %.2f}, "
               "\"one_by_one_over_one_call\": %.2f}\n",
               count, dimension, K, MANY, MANY_ROUNDS, ms[1][MANY_ROUNDS / 2], ms[1][0],
               ms[1][MANY_ROUNDS - 1], ms[0][MANY_ROUNDS / 2], ms[0][0], ms[0][MANY_ROUNDS - 1],
               ms[0][MANY_ROUNDS / 2] / ms[1][MANY_ROUNDS / 2]);
    rsi_bitset_free(&all);
    rsi_free(queries);
    rsi_free(hits);
    return status;
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    unsigned long dimension = argc > 2 ? strtoul(argv[2], NULL, 10) : 384;
    if (count == 0 || count > 10000000 || dimension == 0 || dimension > 4096) {
        fprintf(stderr, "usage: bench_exact [rows [dimension]]\n");
        return 2;
    }
    const char *parent = getenv("TMPDIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/bench_exact-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(path) == NULL) {
        fprintf(stderr, "bench_exact: %s: %s\n", path, strerror(errno));
        return 1;
    }

    rsi_root *root = NULL;
    rsi_rows *rows = NULL;
    int status = rsi_root_open(&root, NULL, path, false);
    if (status == RAGSTORE_OK)
        status = rsi_rows_open(&rows, root, DIRECTORY, INCARNATION, (uint32_t)dimension);
    if (status == RAGSTORE_OK)
        status = fill_rows(rows, count);
    rsi_rows_close(rows);
    rows = NULL;
    if (status == RAGSTORE_OK)
        status = rsi_rows_open(&rows, root, DIRECTORY, INCARNATION, (uint32_t)dimension);
    if (status == RAGSTORE_OK)
        status = measure(rows, count);
    if (status == RAGSTORE_OK)
        status = measure_many(rows, count);
    if (status != RAGSTORE_OK)
        fprintf(stderr, "bench_exact: %s\n", rsi_error_message());
    rsi_rows_close(rows);
    if (root != NULL)
        rsi_directory_remove(root, DIRECTORY);
    rsi_root_close(root);
    rmdir(path);
    return status == RAGSTORE_OK ? 0 : 1;
}
