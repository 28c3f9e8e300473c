/*
 * FAISS's file of an entity: importing one, writing one, and finding that the one that is there is
 * right; writing beside FAISS's own writer, which copies the vectors into an index first.
 *
 *   bench_faiss_file [rows] [dimension] [directory] [rounds]      100000 384 /tmp 3
 *
 * Prints one JSON object a line: milliseconds (median of the rounds) and megabytes a second; both
 * writers flush. The directory should be on a real disk. Where this processor cannot run FAISS, its
 * line is left out. Our own file is read back from the page cache.
 */
#include "harness/temporary.h"
#include "ragstore.h"
#include "vectors/vectors.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>
#else
#include <c_api/Index_c.h>
#include <c_api/index_factory_c.h>
#include <c_api/index_io_c.h>
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 31

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_faiss_file: %s: %s\n", what, why);
    exit(1);
}

static void must(int status, const char *what)
{
    if (status != RAGSTORE_OK)
        fail(what, ragstore_error_message());
}

static int compare_times(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double report(const char *what, double *times, size_t rounds, size_t rows, size_t dimension)
{
    const double megabytes = (double)(rows * (dimension * sizeof(float) + sizeof(int64_t))) / 1e6;
    qsort(times, rounds, sizeof *times, compare_times);
    const double median = times[rounds / 2];
    printf("{\"bench\": \"faiss_file\", \"what\": \"%s\", \"rows\": %zu, \"dimension\": %zu, "
           "\"ms\": %.1f, \"smallest_ms\": %.1f, \"largest_ms\": %.1f, \"mb_per_s\": %.0f, "
           "\"rows_per_s\": %.0f}\n",
           what, rows, dimension, median, times[0], times[rounds - 1], megabytes / median * 1e3,
           (double)rows / median * 1e3);
    fflush(stdout);
    return median;
}

static float *make_vectors(size_t rows, size_t dimension)
{
    float *vectors = malloc(rows * dimension * sizeof *vectors);
    uint32_t seed = 1;
    if (vectors == NULL)
        fail("vectors", "no memory");
    for (size_t i = 0; i < rows * dimension; i++) {
        seed = seed * 1664525u + 1013904223u;
        vectors[i] = (float)(int32_t)seed / 2147483648.0f;
    }
    return vectors;
}

static void write_with_faiss(const char *path, const float *vectors, size_t rows, size_t dimension)
{
    FaissIndex *index = NULL;
    idx_t *ids = malloc(rows * sizeof *ids);
    FILE *file = fopen(path, "w");
    if (ids == NULL || file == NULL)
        fail(path, "cannot be made");
    for (size_t i = 0; i < rows; i++)
        ids[i] = (idx_t)i;
    if (faiss_index_factory(&index, (int)dimension, "IDMap,Flat", METRIC_INNER_PRODUCT) != 0 ||
        faiss_Index_add_with_ids(index, (idx_t)rows, vectors, ids) != 0 ||
        faiss_write_index(index, file) != 0 || fflush(file) != 0 || fsync(fileno(file)) != 0)
        fail(path, "FAISS could not write it");
    fclose(file);
    faiss_Index_free(index);
    free(ids);
}

/* The same vectors as a Flat file, by hand, so that importing needs no FAISS. */
static void write_flat(const char *path, const float *vectors, size_t rows, size_t dimension)
{
    unsigned char head[45] = "IxFI";
    const int32_t numbers_in_row = (int32_t)dimension;
    const uint64_t count = rows;
    const uint64_t numbers = rows * dimension;
    FILE *file = fopen(path, "w");
    memcpy(head + 4, &numbers_in_row, 4);
    memcpy(head + 8, &count, 8);
    head[32] = 1;
    memcpy(head + 37, &numbers, 8);
    if (file == NULL || fwrite(head, sizeof head, 1, file) != 1 ||
        fwrite(vectors, sizeof *vectors, numbers, file) != numbers || fclose(file) != 0)
        fail(path, "cannot be written");
}

int main(int argc, char **argv)
{
    const size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    const size_t dimension = argc > 2 ? strtoull(argv[2], NULL, 10) : 384;
    const char *parent = argc > 3 ? argv[3] : "/tmp";
    const size_t rounds = argc > 4 ? strtoull(argv[4], NULL, 10) : 3;
    char directory[1000], store_path[1100], given[1100], index_path[1300], rival[1100];
    double import_ms[ROUNDS_MAX], write_ms[ROUNDS_MAX], check_ms[ROUNDS_MAX], rival_ms[ROUNDS_MAX];
    const char *reason;
    if (rows < 1 || dimension < 1 || rounds < 1 || rounds > ROUNDS_MAX)
        fail("arguments", "[rows] [dimension] [directory] [rounds], at most 31 rounds");
    snprintf(directory, sizeof directory, "%s/bench-faiss-XXXXXX", parent);
    if (mkdtemp(directory) == NULL)
        fail(directory, "cannot be made");
    snprintf(store_path, sizeof store_path, "%s/store", directory);
    snprintf(given, sizeof given, "%s/given.faiss", directory);
    snprintf(rival, sizeof rival, "%s/rival.faiss", directory);
    snprintf(index_path, sizeof index_path,
             "%s/entity_scoped/entities/acme/vector_store/index.faiss", store_path);
    float *vectors = make_vectors(rows, dimension);
    write_flat(given, vectors, rows, dimension);
    const bool has_faiss = rsi_faiss_available(&reason);
    for (size_t round = 0; round < rounds; round++) {
        ragstore_store *store;
        ragstore_entity *entity;
        ragstore_index *index;
        ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
        options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
        temporary_remove_all(store_path);
        must(ragstore_store_open(&store, store_path, &options), "open the store");
        must(ragstore_entity_create(&entity, store, "acme", NULL), "make an entity");
        double begun = now_ms();
        must(ragstore_index_import(NULL, entity, given, NULL, NULL), "import");
        import_ms[round] = now_ms() - begun;
        must(ragstore_index_open(&index, entity), "open the index");
        (void)remove(index_path);
        begun = now_ms();
        must(ragstore_index_export(index), "export");
        write_ms[round] = now_ms() - begun;
        begun = now_ms();
        must(ragstore_index_export(index), "export again");
        check_ms[round] = now_ms() - begun;
        if (has_faiss) {
            (void)remove(rival);
            begun = now_ms();
            write_with_faiss(rival, vectors, rows, dimension);
            rival_ms[round] = now_ms() - begun;
        }
        ragstore_index_free(index);
        ragstore_entity_free(entity);
        must(ragstore_store_close(store), "close the store");
    }
    report("import", import_ms, rounds, rows, dimension);
    const double ours = report("write", write_ms, rounds, rows, dimension);
    report("check", check_ms, rounds, rows, dimension);
    if (has_faiss) {
        const double theirs = report("write by FAISS", rival_ms, rounds, rows, dimension);
        printf("{\"bench\": \"faiss_file\", \"what\": \"ratio of writing\", \"faiss_over_ours\": "
               "%.2f}\n",
               theirs / ours);
    }
    temporary_remove_all(directory);
    free(vectors);
    return 0;
}
