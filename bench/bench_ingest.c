/*
 * From rows with text to durable and searchable, and what it costs to change them afterwards.
 *
 *   bench_ingest FOLDER [rows [durability]]
 *
 * Durability: "full", the default, or "normal", which flushes a little later.
 * FOLDER has rows.f32 and queries.f32 as bench_vectors writes them (384 numbers each); the store is
 * made in FOLDER/store.ragstore, and what was there goes. Through the public calls only:
 *
 *   bulk      10,000 chunks a call, text and vector, until the last call has returned: each is
 *             durable and found by exact search from then on
 *   tier      what is made in the background afterwards; recall is that of the ten nearest
 *   disk      all files, beside the bytes of the texts and of the rows
 *   single    a chunk a call, each durable; by one thread, then by several
 *   delete    a document a call, each durable, with a search after it; what came one by one has its
 *             codes by then, as with background work it would
 *
 * One JSON object a line. rivals_ingest.py does the same with other libraries.
 */
#include <ragstore.h>

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIMENSION 384
#define K 10
#define BATCH 10000
#define SINGLE 1000
#define THREADS 8
#define DELETED 100

static void check(int status, const char *what)
{
    if (status == RAGSTORE_OK)
        return;
    fprintf(stderr, "bench_ingest: %s: %s\n", what, ragstore_error_message());
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- input ---- */

static float *read_floats(const char *folder, const char *name, size_t *count)
{
    char path[1200];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        perror(path);
        exit(1);
    }
    float *numbers = malloc((size_t)info.st_size);
    *count = (size_t)info.st_size / sizeof *numbers / DIMENSION;
    if (numbers == NULL || fread(numbers, sizeof *numbers * DIMENSION, *count, file) != *count)
        exit(1);
    fclose(file);
    return numbers;
}

/* The text of a row; rivals_ingest.py has the same. */
static size_t make_text(char *text, size_t row)
{
    return (size_t)sprintf(
        text,
        "Passage %zu. The keeper noted wind from %zu degrees and %zu ships in the bay; the lamp "
        "burned %zu hours. Nothing else was seen until the morning watch, when fog came in from "
        "the north and the bell was rung every %zu minutes.",
        row, row * 37 % 360, row * 11 % 29, row * 7 % 14 + 1, row * 5 % 9 + 1);
}

static size_t text_bytes; /* of what is added in bulk */

static char *make_chunks(size_t first, size_t count)
{
    char *json = malloc(count * 400 + 3);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += (size_t)sprintf(json + size, "%c{\"text\":\"", i == 0 ? '[' : ',');
        const size_t text = make_text(json + size, first + i);
        size += text;
        size += (size_t)sprintf(json + size, "\"}");
    }
    sprintf(json + size, "]");
    return json;
}

/* ---- measuring ---- */

static uint64_t disk_bytes;

static int add_size(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)path;
    (void)at;
    if (kind == FTW_F)
        disk_bytes += (uint64_t)info->st_blocks * 512;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static int compare_doubles(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* Median milliseconds of a query; the ten nearest of each into `found`. */
static double search_all(ragstore_index *index, const float *queries, size_t count, int64_t *found)
{
    double *times = malloc(count * sizeof *times);
    for (size_t i = 0; i < count; i++) {
        float scores[K];
        const double start = now_s();
        check(ragstore_index_search(found + i * K, scores, index, queries + i * DIMENSION, 1,
                                    DIMENSION, K),
              "search");
        times[i] = (now_s() - start) * 1e3;
    }
    const double middle = median(times, count);
    free(times);
    return middle;
}

static double recall_of(const int64_t *found, const int64_t *truth, size_t queries)
{
    size_t hits = 0;
    for (size_t q = 0; q < queries; q++)
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < K; j++)
                hits += found[q * K + i] == truth[q * K + j];
    return (double)hits / (double)(queries * K);
}

static void add_in_bulk(ragstore_entity *entity, const float *rows, size_t count)
{
    const double start = now_s();
    for (size_t done = 0; done < count; done += BATCH) {
        const size_t part = count - done < BATCH ? count - done : BATCH;
        char *json = make_chunks(done, part);
        text_bytes += strlen(json) - 1 - part * strlen(",{\"text\":\"\"}");
        check(ragstore_document_add_chunks(NULL, entity, json, rows + done * DIMENSION, DIMENSION,
                                           NULL),
              "add");
        free(json);
    }
    const double seconds = now_s() - start;
    printf("{\"bench\":\"ingest\",\"what\":\"bulk\",\"rows\":%zu,\"seconds\":%.2f,"
           "\"rows_per_s\":%.0f}\n",
           count, seconds, (double)count / seconds);
    fflush(stdout);
}

static void make_tier(ragstore_store *store, ragstore_index *index, const float *queries,
                      size_t query_count, size_t rows)
{
    int64_t *truth = malloc(query_count * K * sizeof *truth);
    int64_t *found = malloc(query_count * K * sizeof *found);
    const double exact = search_all(index, queries, query_count, truth);
    const double start = now_s();
    check(ragstore_store_maintain(store, 3600 * 1000), "maintain");
    const double seconds = now_s() - start;
    const double ms = search_all(index, queries, query_count, found);
    printf("{\"bench\":\"ingest\",\"what\":\"tier\",\"rows\":%zu,\"exact_ms\":%.3f,"
           "\"background_s\":%.2f,\"ms\":%.3f,\"recall\":%.4f}\n",
           rows, exact, seconds, ms, recall_of(found, truth, query_count));
    fflush(stdout);
    free(truth);
    free(found);
}

/* What one thread adds: chunks first … first + count - 1. */
typedef struct adder {
    pthread_t thread;
    ragstore_entity *entity;
    const float *rows;
    size_t first;
    size_t count;
} adder;

static void *add_ones(void *user)
{
    const adder *a = user;
    for (size_t i = 0; i < a->count; i++) {
        char *json = make_chunks(a->first + i, 1);
        float vector[DIMENSION];
        memcpy(vector, a->rows + (a->first + i) % SINGLE * DIMENSION, sizeof vector);
        vector[(a->first + i) % DIMENSION] += 0.1f;
        check(ragstore_document_add_chunks(NULL, a->entity, json, vector, DIMENSION, NULL),
              "add one");
        free(json);
    }
    return NULL;
}

static void add_one_by_one(ragstore_entity *entity, const float *rows, size_t first,
                           size_t threads)
{
    adder adders[THREADS];
    const double start = now_s();
    for (size_t i = 0; i < threads; i++) {
        const size_t part = SINGLE / threads;
        adders[i] = (adder){
            .entity = entity, .rows = rows, .first = first + i * part, .count = part};
        check(pthread_create(&adders[i].thread, NULL, add_ones, &adders[i]), "start a thread");
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(adders[i].thread, NULL);
    const double seconds = now_s() - start;
    printf("{\"bench\":\"ingest\",\"what\":\"single\",\"threads\":%zu,\"adds_per_s\":%.0f}\n",
           threads, SINGLE / seconds);
    fflush(stdout);
}

/* Document ids of the newest documents, out of the listing's JSON. */
static void delete_and_search(ragstore_entity *entity, ragstore_index *index, const float *queries,
                              size_t query_count)
{
    ragstore_buffer *list;
    ragstore_list_options options = RAGSTORE_LIST_OPTIONS_INIT;
    double times[DELETED];
    double delete_times[DELETED];
    options.limit = DELETED;
    options.offset = 2 * SINGLE - DELETED;
    check(ragstore_document_list(&list, entity, &options), "list");
    const char *at = ragstore_buffer_data(list);
    size_t count = 0;
    while (count < DELETED && (at = strstr(at, "\"doc_id\"")) != NULL) {
        char doc_id[64] = "";
        int64_t found[K];
        float scores[K];
        sscanf(at, "\"doc_id\"%*[ :]\"%63[^\"]", doc_id);
        const double start = now_s();
        check(ragstore_document_delete(entity, doc_id), "delete");
        delete_times[count] = (now_s() - start) * 1e3;
        check(ragstore_index_search(found, scores, index,
                                    queries + count % query_count * DIMENSION, 1, DIMENSION, K),
              "search");
        times[count++] = (now_s() - start) * 1e3;
        at++;
    }
    ragstore_buffer_free(list);
    if (count == 0)
        return;
    printf("{\"bench\":\"ingest\",\"what\":\"delete\",\"deleted\":%zu,\"delete_ms\":%.3f,"
           "\"delete_search_ms\":%.3f}\n",
           count, median(delete_times, count), median(times, count));
}

int main(int argc, char **argv)
{
    char path[1200];
    size_t count;
    size_t query_count;
    ragstore_store *store;
    ragstore_entity *entity;
    ragstore_index *index;
    ragstore_store_open_options options = RAGSTORE_STORE_OPEN_OPTIONS_INIT;
    if (argc < 2) {
        fprintf(stderr, "bench_ingest: not measured: name a folder of bench_vectors\n");
        return 0; /* `make bench` runs every program without arguments */
    }
    float *rows = read_floats(argv[1], "rows.f32", &count);
    float *queries = read_floats(argv[1], "queries.f32", &query_count);
    if (argc > 2 && strtoul(argv[2], NULL, 10) < count)
        count = strtoul(argv[2], NULL, 10);
    snprintf(path, sizeof path, "%s/store.ragstore", argv[1]);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    options.flags = RAGSTORE_OPEN_NO_BACKGROUND;
    if (argc > 3 && strcmp(argv[3], "normal") == 0)
        options.durability = RAGSTORE_DURABILITY_NORMAL;
    check(ragstore_store_open(&store, path, &options), "open");
    check(ragstore_entity_create(&entity, store, "bench", NULL), "create");
    add_in_bulk(entity, rows, count);
    check(ragstore_index_open(&index, entity), "index");
    make_tier(store, index, queries, query_count, count);
    check(ragstore_store_compact(NULL, store, NULL), "compact");
    nftw(path, add_size, 16, FTW_PHYS);
    printf("{\"bench\":\"ingest\",\"what\":\"disk\",\"mb\":%.0f,\"share\":%.3f}\n",
           (double)disk_bytes / 1e6,
           (double)disk_bytes / ((double)text_bytes + (double)count * DIMENSION * sizeof(float)));
    add_one_by_one(entity, rows, count, 1);
    add_one_by_one(entity, rows, count + SINGLE, THREADS);
    check(ragstore_store_maintain(store, 3600 * 1000), "maintain"); /* codes of what came, too */
    delete_and_search(entity, index, queries, query_count);
    ragstore_index_free(index);
    ragstore_entity_free(entity);
    check(ragstore_store_close(store), "close");
    free(rows);
    free(queries);
    return 0;
}
