/*
 * How well and how fast keyword search works.
 *
 *   bench_lexical [--language NAME] [--passages N] [--write DIR]
 *
 * Quality and speed on the Cranfield collection, read in place from $RAGSTORE_SHARED_DATA (or
 * ../shared/data); then speed over N passages (default 100000; 0: none) of 60 words, put
 * together from random stretches of the collection and some rare words, always the same ones.
 * With --write nothing is measured: the passages and the queries go to passages.txt and
 * queries.txt in the folder, one a line, for rivals_lexical.py.
 * One JSON object a line for each figure.
 */
#include "base/bytes.h"
#include "base/memory.h"
#include "base/status.h"
#include "lexical/lexical.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DOCUMENTS_MAX 2000
#define QUERIES_MAX 300
#define DEPTH 100 /* hits asked for */

struct text {
    char *data;
    size_t size;
};

static struct {
    struct text documents[DOCUMENTS_MAX]; /* by id */
    struct text queries[QUERIES_MAX];     /* by id */
    unsigned char relevant[QUERIES_MAX][DOCUMENTS_MAX];
    size_t document_count;
    size_t query_count;
} collection;

static const char *language = "english";
static uint64_t random_state = 1;

static void die(const char *what)
{
    fprintf(stderr, "bench_lexical: %s: %s\n", what, rsi_error_message());
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const char *figure, const char *unit, double value)
{
    printf("{\"bench\": \"lexical\", \"language\": \"%s\", \"figure\": \"%s\", \"value\": %.6g, "
           "\"unit\": \"%s\"}\n",
           language, figure, value, unit);
    fflush(stdout);
}

/* ---- the collection ----------------------------------------------------------------- */

static FILE *open_file(const char *name)
{
    const char *shared = getenv("RAGSTORE_SHARED_DATA");
    char path[4096];
    snprintf(path, sizeof path, "%s/cranfield/%s", shared != NULL ? shared : "../shared/data",
             name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "bench_lexical: no %s: set RAGSTORE_SHARED_DATA\n", path);
        exit(1);
    }
    return file;
}

/* The texts of a file of lines {"id", "title"?, "text"}, by id; returns the highest id + 1. */
static size_t read_texts(const char *name, struct text *texts, size_t max)
{
    FILE *file = open_file(name);
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    size_t end = 0;
    while ((length = getline(&line, &room, file)) > 0) {
        rsi_json *object;
        if (rsi_json_parse(&object, line, (size_t)length, RSI_JSON_DEPTH_REQUEST) != RAGSTORE_OK)
            die(name);
        size_t id = (size_t)strtoul(rsi_json_get_text(object, "id"), NULL, 10);
        const char *title = rsi_json_get_text(object, "title");
        if (id >= max)
            die("id out of range");
        rsi_bytes text = {0};
        if (title != NULL) {
            rsi_bytes_append_text(&text, title);
            rsi_bytes_append_char(&text, ' ');
        }
        rsi_bytes_append_text(&text, rsi_json_get_text(object, "text"));
        texts[id].data = rsi_bytes_take(&text, &texts[id].size);
        if (texts[id].data == NULL)
            die(name);
        end = id + 1 > end ? id + 1 : end;
        rsi_json_free(object);
    }
    free(line);
    fclose(file);
    return end;
}

static void read_collection(void)
{
    collection.document_count = read_texts("corpus.jsonl", collection.documents, DOCUMENTS_MAX);
    collection.query_count = read_texts("queries.jsonl", collection.queries, QUERIES_MAX);
    FILE *file = open_file("qrels.tsv");
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned query;
        unsigned document;
        int grade;
        if (sscanf(line, "%u\t%u\t%d", &query, &document, &grade) == 3 && grade > 0 &&
            query < QUERIES_MAX && document < DOCUMENTS_MAX)
            collection.relevant[query][document] = (unsigned char)grade;
    }
    fclose(file);
}

/* ---- quality ------------------------------------------------------------------------ */

struct quality {
    double ndcg;
    double recall_10;
    double recall_100;
};

static void judge(struct quality *quality, size_t query, const rsi_hit *hits, size_t count)
{
    const unsigned char *relevant = collection.relevant[query];
    double gain = 0;
    double best_gain = 0;
    double total = 0;
    double found_10 = 0;
    double found_100 = 0;
    for (size_t d = 0; d < DOCUMENTS_MAX; d++)
        total += relevant[d] > 0;
    for (size_t i = 0; i < count; i++) {
        bool found = relevant[hits[i].chunk] > 0;
        if (i < 10)
            gain += relevant[hits[i].chunk] / log2((double)i + 2);
        found_10 += found && i < 10;
        found_100 += found;
    }
    for (size_t i = 0; i < 10 && (double)i < total; i++) /* grades are 0 and 1 */
        best_gain += 1 / log2((double)i + 2);
    quality->ndcg += gain / best_gain;
    quality->recall_10 += found_10 / total;
    quality->recall_100 += found_100 / total;
}

static bool has_relevant(size_t query)
{
    return memchr(collection.relevant[query], 1, DOCUMENTS_MAX) != NULL;
}

static rsi_lexical *index_texts(const struct text *texts, size_t count, const char *figure)
{
    rsi_lexical *index;
    if (rsi_lexical_create(&index, language) != RAGSTORE_OK)
        die("create");
    size_t added = 0;
    double start = seconds();
    for (size_t i = 0; i < count; i++) {
        if (texts[i].data == NULL)
            continue;
        if (rsi_lexical_add(index, (int64_t)i, texts[i].data, texts[i].size) != RAGSTORE_OK)
            die("add");
        added++;
    }
    report(figure, "texts/s", (double)added / (seconds() - start));
    return index;
}

static void measure_quality(const rsi_lexical *index)
{
    struct quality sum = {0, 0, 0};
    double judged = 0;
    for (size_t q = 0; q < collection.query_count; q++) {
        rsi_hit hits[DEPTH];
        size_t count;
        float ideal;
        if (!has_relevant(q))
            continue;
        if (rsi_lexical_search(hits, &count, &ideal, index, collection.queries[q].data,
                               collection.queries[q].size, DEPTH, NULL) != RAGSTORE_OK)
            die("search");
        judge(&sum, q, hits, count);
        judged++;
    }
    report("nDCG@10", "1", sum.ndcg / judged);
    report("recall@10", "1", sum.recall_10 / judged);
    report("recall@100", "1", sum.recall_100 / judged);
}

/* ---- speed -------------------------------------------------------------------------- */

static int compare_times(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

/* words: how many of each query's words to ask with; 0: all. */
static void measure_queries(const rsi_lexical *index, size_t k, size_t words, const char *figure)
{
    static double times[QUERIES_MAX];
    size_t asked = 0;
    for (size_t q = 0; q < collection.query_count; q++) {
        const struct text *query = &collection.queries[q];
        size_t size = query->size;
        if (query->data == NULL)
            continue;
        for (size_t i = 0, spaces = 0; words > 0 && i < query->size; i++) {
            spaces += query->data[i] == ' ';
            if (spaces == words) {
                size = i;
                break;
            }
        }
        double best = INFINITY;
        for (int round = 0; round < 3; round++) {
            rsi_hit hits[DEPTH];
            size_t count;
            float ideal;
            double start = seconds();
            if (rsi_lexical_search(hits, &count, &ideal, index, query->data, size, k, NULL) !=
                RAGSTORE_OK)
                die("search");
            best = fmin(best, seconds() - start);
        }
        times[asked++] = best;
    }
    qsort(times, asked, sizeof *times, compare_times);
    report(figure, "ms", times[asked / 2] * 1000);
}

static size_t random_below(size_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % limit;
}

/* So many words from anywhere in the collection. */
static void append_stretch(rsi_bytes *text, size_t words)
{
    const struct text *from = &collection.documents[random_below(collection.document_count)];
    if (from->size < 500)
        return;
    size_t i = random_below(from->size - 400);
    for (size_t spaces = 0; i < from->size && spaces < words + 1; i++) {
        spaces += from->data[i] == ' ';
        if (spaces > 0)
            rsi_bytes_append_char(text, from->data[i]);
    }
}

static void append_rare_word(rsi_bytes *text, size_t passages)
{
    rsi_bytes_append_char(text, ' ');
    for (size_t number = random_below(passages) + 26; number > 0; number /= 26)
        rsi_bytes_append_char(text, (char)('a' + number % 26));
}

static struct text *make_passages(size_t count, size_t *bytes)
{
    struct text *passages = rsi_alloc_array(count, sizeof *passages);
    if (passages == NULL)
        die("passages");
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        rsi_bytes text = {0};
        for (int part = 0; part < 5; part++)
            append_stretch(&text, 11);
        append_rare_word(&text, count);
        passages[i].data = rsi_bytes_take(&text, &passages[i].size);
        if (passages[i].data == NULL)
            die("passages");
        *bytes += passages[i].size;
    }
    return passages;
}

static void free_texts(struct text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rsi_free(texts[i].data);
}

/* One text a line. */
static void write_lines(const char *folder, const char *name, const struct text *texts,
                        size_t count)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        if (texts[i].data == NULL)
            continue;
        for (size_t at = 0; at < texts[i].size; at++)
            putc(texts[i].data[at] == '\n' ? ' ' : texts[i].data[at], file);
        putc('\n', file);
    }
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_passages(const char *folder, size_t count)
{
    size_t bytes;
    struct text *passages = make_passages(count, &bytes);
    write_lines(folder, "passages.txt", passages, count);
    write_lines(folder, "queries.txt", collection.queries, QUERIES_MAX);
    free_texts(passages, count);
    rsi_free(passages);
}

static void measure_passages(size_t count)
{
    size_t bytes;
    struct text *passages = make_passages(count, &bytes);
    report("passages", "1", (double)count);
    report("passages, mean size", "B", (double)bytes / (double)count);
    rsi_lexical *index = index_texts(passages, count, "passages, indexing");
    report("passages, index size", "B/passage", (double)rsi_lexical_memory(index) / (double)count);
    measure_queries(index, 10, 0, "passages, whole query, k 10, p50");
    measure_queries(index, 100, 0, "passages, whole query, k 100, p50");
    measure_queries(index, 10, 6, "passages, 6-word query, k 10, p50");
    double start = seconds();
    for (size_t i = 0; i < count / 2; i++)
        rsi_lexical_remove(index, (int64_t)i);
    report("passages, removing half", "chunks/s", (double)(count / 2) / (seconds() - start));
    free_texts(passages, count);
    rsi_free(passages);
    rsi_lexical_free(index);
}

static void measure_collection(void)
{
    rsi_lexical *index =
        index_texts(collection.documents, collection.document_count, "collection, indexing");
    measure_quality(index);
    measure_queries(index, 10, 0, "collection, whole query, k 10, p50");
    rsi_lexical_free(index);
}

int main(int argc, char **argv)
{
    size_t passages = 100000;
    const char *folder = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--language") == 0 && i + 1 < argc) {
            language = argv[++i];
        } else if (strcmp(argv[i], "--passages") == 0 && i + 1 < argc) {
            passages = (size_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--write") == 0 && i + 1 < argc) {
            folder = argv[++i];
        } else {
            fprintf(stderr,
                    "usage: bench_lexical [--language NAME] [--passages N] [--write DIR]\n");
            return 2;
        }
    }
    read_collection();
    if (folder != NULL) {
        write_passages(folder, passages);
    } else {
        measure_collection();
        if (passages > 0)
            measure_passages(passages);
    }
    free_texts(collection.documents, DOCUMENTS_MAX);
    free_texts(collection.queries, QUERIES_MAX);
    return 0;
}
