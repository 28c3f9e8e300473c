/*
 * Embedding with the machine's model: batches of mixed lengths, one short query, and a process from
 * its start to its first vector.
 *
 *   bench_embed                                   all figures, one JSON object a line
 *   bench_embed start [--precision float32|int16|int8]
 *                                                 open the model, embed the query, end: what
 *                                                 rivals_embed.py takes the time of
 *
 * Texts are questions, titles, halves and wholes of abstracts of the Cranfield collection in turn.
 * Times are medians with minimum and maximum. rivals_embed.py embeds the same texts beside
 * onnxruntime.
 */
#include "harness/cranfield.h"
#include "ragstore.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEXTS 256
#define BATCH_ROUNDS 5
#define QUERY_ROUNDS 101
#define START_ROUNDS 11

static const char query[] = "which wing gives the most lift at high speed?";

static void check(int status)
{
    if (status >= 0)
        return;
    fprintf(stderr, "bench_embed: %s\n", ragstore_error_message());
    exit(1);
}

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

static const char *const precision_names[] = {[RAGSTORE_PRECISION_FLOAT32] = "float32",
                                              [RAGSTORE_PRECISION_INT8] = "int8",
                                              [RAGSTORE_PRECISION_INT16] = "int16"};

static const char *precision_name(uint32_t precision)
{
    return precision_names[precision];
}

/* One figure; sorts the times. */
static void say(const char *job, uint32_t precision, uint32_t threads, size_t tokens, double *ms,
                size_t rounds)
{
    qsort(ms, rounds, sizeof *ms, compare_numbers);
    const double median = ms[rounds / 2];
    printf("{\"bench\": \"embed\", \"job\": \"%s\", \"precision\": \"%s\", \"threads\": %u, "
           "\"tokens\": %zu, \"ms\": %.3f, \"min_ms\": %.3f, \"max_ms\": %.3f, "
           "\"tokens_per_s\": %.0f}\n",
           job, precision_name(precision), threads, tokens, median, ms[0], ms[rounds - 1],
           (double)tokens / median * 1e3);
    fflush(stdout);
}

static ragstore_model *open_model(uint32_t precision, uint32_t threads)
{
    ragstore_model_open_options options = RAGSTORE_MODEL_OPEN_OPTIONS_INIT;
    ragstore_buffer *path = NULL;
    ragstore_model *model = NULL;
    options.precision = precision;
    options.threads = threads;
    check(ragstore_model_locate(&path));
    check(ragstore_model_open_with(&model, ragstore_buffer_data(path), &options));
    ragstore_buffer_free(path);
    return model;
}

static void embed_query(ragstore_model *model, float *vector)
{
    const char *text = query;
    check(ragstore_model_embed_queries(vector, model, &text, 1));
}

/* The texts of the collection in turn; owned. */
static size_t take_texts(char *texts[TEXTS], const cranfield *collection)
{
    size_t count = 0;
    for (size_t i = 1; count + 4 <= TEXTS && i < CRANFIELD_QUERIES_MAX; i++) {
        const cranfield_document *document = &collection->documents[i];
        if (document->title == NULL || collection->queries[i] == NULL)
            continue;
        texts[count++] = strdup(collection->queries[i]);
        texts[count++] = strdup(document->title);
        texts[count++] = strndup(document->text, strlen(document->text) / 2);
        texts[count++] = strdup(document->text);
    }
    return count;
}

static size_t count_tokens(ragstore_model *model, char *const *texts, size_t count)
{
    size_t all = 0;
    for (size_t i = 0; i < count; i++) {
        size_t tokens;
        check(ragstore_model_tokenize(NULL, &tokens, NULL, model, 0, texts[i], strlen(texts[i])));
        all += tokens;
    }
    return all;
}

static void measure(char *const *texts, size_t count, uint32_t precision, uint32_t threads)
{
    ragstore_model *model = open_model(precision, threads);
    float *vectors = malloc((count + 1) * ragstore_model_dimension(model) * sizeof *vectors);
    double ms[QUERY_ROUNDS];
    if (vectors == NULL)
        exit(1);
    embed_query(model, vectors); /* packs the weights */
    for (size_t round = 0; round < BATCH_ROUNDS && count > 0; round++) {
        const double start = now_ms();
        check(ragstore_model_embed(vectors, model, (const char *const *)texts, count));
        ms[round] = now_ms() - start;
    }
    if (count > 0)
        say("batch", precision, threads, count_tokens(model, texts, count), ms, BATCH_ROUNDS);
    for (size_t round = 0; round < QUERY_ROUNDS; round++) {
        const double start = now_ms();
        embed_query(model, vectors);
        ms[round] = now_ms() - start;
    }
    char *text = strdup(query);
    say("query", precision, threads, count_tokens(model, &text, 1), ms, QUERY_ROUNDS);
    free(text);
    free(vectors);
    ragstore_model_free(model);
}

/* What a process does that is measured from its start. */
static void start_and_embed(uint32_t precision)
{
    ragstore_model *model = open_model(precision, 1);
    float *vector = malloc(ragstore_model_dimension(model) * sizeof *vector);
    if (vector == NULL)
        exit(1);
    embed_query(model, vector);
    free(vector);
    ragstore_model_free(model);
}

static void measure_start(const char *program, uint32_t precision)
{
    double ms[START_ROUNDS];
    for (size_t round = 0; round < START_ROUNDS; round++) {
        const double start = now_ms();
        const pid_t child = fork();
        int status = -1;
        if (child == 0) {
            execl(program, program, "start", "--precision", precision_name(precision), (char *)0);
            _exit(127);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            fprintf(stderr, "bench_embed: a process of its own failed\n");
            exit(1);
        }
        ms[round] = now_ms() - start;
    }
    say("start", precision, 1, 0, ms, START_ROUNDS);
}

/* What "start [--precision NAME]" asks for; 0: it is something else. */
static uint32_t start_precision(int count, char **arguments)
{
    if (strcmp(arguments[1], "start") != 0 || (count != 2 && count != 4))
        return 0;
    if (count == 2)
        return RAGSTORE_PRECISION_FLOAT32;
    for (uint32_t i = RAGSTORE_PRECISION_FLOAT32; i <= RAGSTORE_PRECISION_INT16; i++)
        if (strcmp(arguments[2], "--precision") == 0 && strcmp(arguments[3], precision_names[i]) == 0)
            return i;
    return 0;
}

int main(int count, char **arguments)
{
    static const uint32_t precisions[] = {RAGSTORE_PRECISION_FLOAT32, RAGSTORE_PRECISION_INT16,
                                          RAGSTORE_PRECISION_INT8};
    if (count > 1) {
        const uint32_t precision = start_precision(count, arguments);
        if (precision == 0) {
            fprintf(stderr, "usage: bench_embed [start [--precision float32|int16|int8]]\n");
            return 2;
        }
        start_and_embed(precision);
        return 0;
    }
    ragstore_buffer *path = NULL;
    if (ragstore_model_locate(&path) != RAGSTORE_OK) {
        printf("NOT RUN: %s\n", ragstore_error_message());
        return 0;
    }
    ragstore_buffer_free(path);
    char *texts[TEXTS];
    size_t taken = 0;
    char why[256];
    cranfield *collection = cranfield_read(why, sizeof why);
    if (collection == NULL)
        printf("NOT RUN: batches: %s\n", why);
    else
        taken = take_texts(texts, collection);
    cranfield_free(collection);
    for (size_t p = 0; p < sizeof precisions / sizeof precisions[0]; p++) {
        for (uint32_t threads = 1; threads <= 2; threads++)
            measure(texts, taken, precisions[p], threads);
        measure_start(arguments[0], precisions[p]);
    }
    for (size_t i = 0; i < taken; i++)
        free(texts[i]);
    return 0;
}
