/*
 * Vector search by tier: all rows, exact with byte codes, a scan over 1-bit codes, and partitions of
 * them, with recall against the exact answer.
 *
 *   bench_vectors [rows [dimension [directory [threads [tiers [metric]]]]]]
 *
 * Rows are clustered as embeddings are: clusters in a space of 48 dimensions, mapped into all of
 * them, with noise; of length 1 with the metric "cosine", the default, and as they come with
 * "inner_product" and "l2". With a directory ("-": none) the rows and queries are also written
 * there as raw float32 (rows.f32, queries.f32) for bench/rivals_vectors.py, which searches the same
 * with other libraries; or read from there, when they are there. Tiers: "exact", or all of them.
 *
 * Prints one JSON object a line; 0 probes or candidates are the library's default. With one thread a time is the median of single queries; with more,
 * so many threads ask their own queries one by one, and it is the time that has passed for each query
 * answered. cpu_ms is the median time that a query took of its thread.
 */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/byte_codes.h"
#include "vectors/byte_scan.h"
#include "vectors/code_scan.h"
#include "vectors/kernel.h"
#include "vectors/quantised.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define K 10
#define QUERIES 200
#define THREADS_MAX 64
#define LATENT 48
#define CLUSTERS 1000
#define SLICE 10000
#define INCARNATION "00000000000000000000000000000000"

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_vectors: %s: %s\n", what, rsi_error_message());
    exit(1);
}

static void check(int status, const char *what)
{
    if (status != RAGSTORE_OK)
        fail(what);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* What this thread has computed: on a machine that others use too, steadier than what has passed. */
static double now_cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- data ---- */

static uint64_t seed = 1;

static double uniform(void)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(seed >> 11) / 9007199254740992.0;
}

static float normal(void)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += uniform();
    return (float)(sum - 6);
}

static float centres[CLUSTERS][LATENT];
static float *map; /* LATENT × dimension */
static rsi_metric metric;

static void make_clusters(uint32_t dimension)
{
    map = rsi_alloc_array((size_t)LATENT * dimension, sizeof *map);
    if (map == NULL)
        fail("memory");
    for (size_t i = 0; i < (size_t)LATENT * dimension; i++)
        map[i] = normal();
    for (size_t c = 0; c < CLUSTERS; c++)
        for (size_t i = 0; i < LATENT; i++)
            centres[c][i] = normal();
}

static void make_vector(float *vector, uint32_t dimension)
{
    float latent[LATENT];
    const size_t cluster = (size_t)(uniform() * uniform() * CLUSTERS); /* some are larger */
    for (size_t i = 0; i < LATENT; i++)
        latent[i] = centres[cluster][i] + 0.7f * normal();
    for (uint32_t d = 0; d < dimension; d++)
        vector[d] = 1.5f * normal();
    for (size_t i = 0; i < LATENT; i++)
        for (uint32_t d = 0; d < dimension; d++)
            vector[d] += latent[i] * map[i * dimension + d];
    if (rsi_metric_prepare(vector, dimension, metric) != NULL)
        fail("make a vector");
}

/* A file of `count` vectors: to be read when it is there and has them, otherwise to be written.
 * NULL: there is no directory. */
static FILE *open_copy(const char *directory, const char *name, size_t count, uint32_t dimension,
                       bool *is_there)
{
    char path[1200];
    struct stat info;
    *is_there = false;
    if (directory == NULL || strcmp(directory, "-") == 0)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    *is_there = stat(path, &info) == 0 &&
                (uint64_t)info.st_size == (uint64_t)count * dimension * sizeof(float);
    FILE *file = fopen(path, *is_there ? "rb" : "wb");
    if (file == NULL) {
        fprintf(stderr, "bench_vectors: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    return file;
}

/* Make vectors and write them to the copy, or read them from there. */
static void get_vectors(float *vectors, size_t count, uint32_t dimension, FILE *copy, bool is_there)
{
    const size_t bytes = dimension * sizeof *vectors;
    for (size_t i = 0; !is_there && i < count; i++)
        make_vector(vectors + i * dimension, dimension);
    if (copy == NULL)
        return;
    if ((is_there ? fread(vectors, bytes, count, copy) : fwrite(vectors, bytes, count, copy)) !=
        count)
        fail("read or write the copy");
}

static void fill_rows(rsi_rows *rows, size_t count, const char *directory)
{
    bool is_there;
    FILE *copy =
        open_copy(directory, "rows.f32", count, rsi_rows_dimension(rows), &is_there);
    const uint32_t dimension = rsi_rows_dimension(rows);
    float *vectors = rsi_alloc_array((size_t)SLICE * dimension, sizeof *vectors);
    rsi_rows_extent extents[4096];
    size_t extents_count;
    for (size_t done = 0; vectors != NULL && done < count;) {
        const size_t slice = count - done < SLICE ? count - done : SLICE;
        get_vectors(vectors, slice, dimension, copy, is_there);
        check(rsi_rows_append(rows, (int64_t)done, vectors, slice, extents, 4096, &extents_count),
              "append");
        done += slice;
    }
    rsi_free(vectors);
    if (copy != NULL)
        fclose(copy);
}

static void fill_queries(float *queries, uint32_t dimension, const char *directory)
{
    bool is_there;
    FILE *copy = open_copy(directory, "queries.f32", QUERIES, dimension, &is_there);
    get_vectors(queries, QUERIES, dimension, copy, is_there);
    if (copy != NULL)
        fclose(copy);
}

/* ---- measuring ---- */

typedef struct stage {
    rsi_rows *rows;
    uint32_t dimension;
    size_t threads;
    float *queries;
    rsi_bitset all;
    rsi_hit truth[QUERIES][K];
    double exact_ms;
} stage;

static int compare_numbers(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    return numbers[count / 2];
}

static double recall_of(const rsi_hit *truth, const rsi_hit *hits, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += hits[i].score >= truth[K - 1].score - 1e-6f * fmaxf(1, fabsf(truth[K - 1].score));
    return (double)found / K;
}

/* A way to search, and what it took and found. */
typedef struct way {
    const stage *s;
    const char *tier;
    rsi_byte_codes *bytes;
    rsi_quantised *index;
    rsi_quantised_effort effort;
    size_t threads; /* of one search by byte codes */
    double ms[QUERIES];
    double cpu_ms[QUERIES];
    rsi_hit hits[QUERIES][K];
} way;

static void search_once(way *by, size_t q)
{
    const stage *s = by->s;
    const float *query = s->queries + q * s->dimension;
    rsi_hit *hits = by->hits[q];
    size_t count;
    int status;
    const double begin = now_ms();
    const double cpu_begin = now_cpu_ms();
    if (by->index != NULL)
        status = rsi_quantised_search(hits, &count, by->index, s->rows, query, K, &s->all,
                                      &by->effort);
    else if (by->bytes != NULL)
        status = rsi_byte_codes_search(hits, &count, by->bytes, s->rows, query, 1, K, &s->all,
                                       by->threads);
    else
        status = rsi_rows_search(hits, &count, s->rows, query, K, &s->all);
    by->cpu_ms[q] = now_cpu_ms() - cpu_begin;
    by->ms[q] = now_ms() - begin;
    check(status, "search");
    if (count != K)
        fail("too few were found");
}

typedef struct asker {
    way *by;
    size_t first;
} asker;

static void *ask(void *own)
{
    const asker *from = own;
    for (size_t q = from->first; q < QUERIES; q += from->by->s->threads)
        search_once(from->by, q);
    return NULL;
}

/* Milliseconds a query. */
static double ask_all(way *by)
{
    pthread_t threads[THREADS_MAX];
    asker askers[THREADS_MAX];
    const size_t count = by->s->threads;
    const double begin = now_ms();
    for (size_t i = 0; i < count; i++) {
        askers[i] = (asker){by, i};
        if (count > 1 && pthread_create(&threads[i], NULL, ask, &askers[i]) != 0)
            fail("start a thread");
    }
    if (count == 1)
        ask(&askers[0]);
    for (size_t i = 0; count > 1 && i < count; i++)
        pthread_join(threads[i], NULL);
    const double passed = (now_ms() - begin) / QUERIES;
    return count == 1 ? median(by->ms, QUERIES) : passed;
}

static void say(way *by, double ms, const char *inner_loop)
{
    const stage *s = by->s;
    double recall = 0;
    for (size_t q = 0; q < QUERIES; q++)
        recall += recall_of(s->truth[q], by->hits[q], K);
    printf("{\"bench\":\"vectors\",\"tier\":\"%s\",\"metric\":\"%s\",\"rows\":%zu,"
           "\"dimension\":%u,\"processor\":\"%s\",\"lists\":%u,\"probes\":%zu,\"candidates\":%zu,\"k\":%d,\"threads\":%zu,"
           "\"ms\":%.4f,\"cpu_ms\":%.4f,\"recall\":%.4f,\"ratio_to_rows\":%.2f}\n",
           by->tier, rsi_metric_name(metric), s->all.count, s->dimension, inner_loop,
           by->index == NULL ? 0 : rsi_quantised_lists(by->index), by->effort.probes,
           by->effort.candidates, K, s->threads, ms, median(by->cpu_ms, QUERIES), recall / QUERIES,
           s->exact_ms / ms);
    fflush(stdout);
}

static void search_rows(stage *s)
{
    static way by;
    by = (way){.s = s, .tier = "rows"};
    search_once(&by, 0); /* the first time also checks the blocks */
    s->exact_ms = ask_all(&by);
    memcpy(s->truth, by.hits, sizeof s->truth);
    say(&by, s->exact_ms, rsi_kernel_best()->name);
}

static void search_codes(const stage *s, rsi_quantised *index, size_t probes, size_t candidates)
{
    static way by;
    by = (way){.s = s, .index = index, .effort = {probes, candidates}};
    by.tier = rsi_quantised_lists(index) == 1 ? "codes" : "partition";
    say(&by, ask_all(&by), rsi_code_scanner_best()->name);
}

/* ---- building ---- */

static void say_built(const stage *s, const char *tier, size_t lists, double train_ms,
                      double code_ms, size_t bytes)
{
    printf("{\"bench\":\"vectors\",\"tier\":\"%s\",\"rows\":%zu,\"lists\":%zu,"
           "\"train_ms\":%.0f,\"code_ms\":%.0f,\"rows_per_s\":%.0f,\"bytes_per_row\":%.1f}\n",
           tier, s->all.count, lists, train_ms, code_ms,
           (double)s->all.count / (train_ms + code_ms) * 1e3, (double)bytes / (double)s->all.count);
    fflush(stdout);
}

static void search_byte_codes(const stage *s)
{
    static way by;
    bool done = false;
    const double begin = now_ms();
    by = (way){.s = s, .tier = "exact"};
    check(rsi_byte_codes_new(&by.bytes, s->dimension), "make codes");
    while (!done)
        check(rsi_byte_codes_absorb(by.bytes, &done, s->rows, &s->all, 100000), "code the rows");
    say_built(s, "build exact", 0, 0, now_ms() - begin, rsi_byte_codes_memory(by.bytes));
    say(&by, ask_all(&by), rsi_byte_scanner_best()->name);
    by.tier = "exact, two threads a query";
    by.threads = 2;
    if (s->threads == 1)
        say(&by, ask_all(&by), rsi_byte_scanner_best()->name);
    rsi_byte_codes_free(by.bytes);
}

static rsi_quantised *build(const stage *s, size_t lists)
{
    float *centroids;
    rsi_quantised *index;
    bool done = false;
    const double begin = now_ms();
    float *sample;
    size_t count;
    check(rsi_centroids_sample(&sample, &count, s->rows, &s->all, lists), "sample");
    check(rsi_centroids_train(&centroids, sample, count, s->dimension, lists, NULL, NULL), "train");
    rsi_free(sample);
    const double trained = now_ms();
    check(rsi_quantised_new(&index, s->dimension, metric, centroids, lists), "make an index");
    rsi_free(centroids);
    while (!done)
        check(rsi_quantised_absorb(index, &done, s->rows, &s->all, 100000), "code the rows");
    say_built(s, "build", lists, trained - begin, now_ms() - trained, rsi_quantised_memory(index));
    return index;
}

static void measure(stage *s, bool is_exact_only)
{
    static const size_t candidates[] = {0, 50, 100, 200, 400};
    static const size_t probes[] = {0, 4, 8, 16, 32, 64};
    search_rows(s);
    search_byte_codes(s);
    if (is_exact_only)
        return;
    rsi_quantised *index = build(s, 1);
    for (size_t i = 0; i < 5; i++)
        search_codes(s, index, 1, candidates[i]);
    rsi_quantised_free(index);
    size_t lists = 16;
    while (lists * lists < s->all.count)
        lists *= 2;
    for (int finer = 0; finer < 2; finer++, lists *= 2) {
        index = build(s, lists / 2);
        for (size_t i = 0; i < 6; i++)
            for (size_t c = 0; c < 4; c++)
                search_codes(s, index, probes[i], candidates[c]);
        rsi_quantised_free(index);
    }
}

int main(int count, char **arguments)
{
    const size_t rows = count > 1 ? strtoull(arguments[1], NULL, 10) : 100000;
    const uint32_t dimension = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 384;
    const char *copies = count > 3 ? arguments[3] : NULL;
    const size_t threads = count > 4 ? strtoul(arguments[4], NULL, 10) : 1;
    char path[] = "/tmp/bench-vectors-XXXXXX";
    static stage s;
    rsi_root *root;
    if (rows < 1000 || dimension == 0 || threads == 0 || threads > THREADS_MAX ||
        !rsi_metric_parse(&metric, count > 6 ? arguments[6] : "cosine") || mkdtemp(path) == NULL) {
        fprintf(stderr, "usage: bench_vectors [rows [dimension [directory [threads [tiers "
                        "[metric]]]]]]\n");
        return 2;
    }
    make_clusters(dimension);
    s.dimension = dimension;
    s.threads = threads;
    s.queries = rsi_alloc_array((size_t)QUERIES * dimension, sizeof *s.queries);
    check(rsi_root_open(&root, NULL, path, true), "open a directory");
    check(rsi_directory_make(root, "vector_store"), "make a directory");
    check(rsi_rows_open(&s.rows, root, "vector_store", INCARNATION, dimension), "open rows");
    rsi_rows_set_metric(s.rows, metric);
    fill_rows(s.rows, rows, copies);
    for (size_t i = rows; i-- > 0;)
        check(rsi_bitset_add(&s.all, (int64_t)i), "make a set");
    fill_queries(s.queries, dimension, copies);
    measure(&s, count > 5 && strcmp(arguments[5], "exact") == 0);
    rsi_rows_close(s.rows);
    check(rsi_directory_remove(root, "vector_store"), "clean up");
    rsi_root_close(root);
    rmdir(path);
    rsi_free(s.queries);
    rsi_bitset_free(&s.all);
    rsi_free(map);
    return 0;
}
