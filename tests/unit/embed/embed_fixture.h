/* What several tests of the embedder need. Include after cmocka.h. */
#ifndef TESTS_UNIT_EMBED_EMBED_FIXTURE_H
#define TESTS_UNIT_EMBED_EMBED_FIXTURE_H

#include "base/status.h"
#include "embed/embed.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In floats: what small models compute is compared with a definition. */
static inline rsi_embedder *open_ok(const char *directory)
{
    const rsi_model_options options = {.precision = RSI_PRECISION_FLOAT32};
    rsi_embedder *embedder;
    if (rsi_embedder_open_model(&embedder, directory, &options) != RAGSTORE_OK)
        fail_msg("%s", rsi_error_message());
    return embedder;
}

static inline void open_fails(const char *directory, int code, const char *why)
{
    rsi_embedder *embedder = (rsi_embedder *)1;
    assert_int_equal(rsi_embedder_open_model(&embedder, directory, NULL), code);
    assert_null(embedder);
    if (strstr(rsi_error_message(), why) == NULL)
        fail_msg("\"%s\" is not in: %s", why, rsi_error_message());
}

static inline double largest_difference(const float *a, const float *b, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

/* Text of `words` words, which differ. */
static inline char *words_text(size_t words, unsigned seed)
{
    static const char *const pieces[] = {"wing", "lifts", "unable", "the", "a", "fly,", "dab", "?"};
    char *text = malloc(words * 8 + 1);
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < words; i++) {
        seed = seed * 1664525u + 1013904223u;
        size += (size_t)sprintf(text + size, "%s ", pieces[seed >> 24 & 7]);
    }
    return text;
}

typedef struct embed_job {
    const rsi_embedder *embedder;
    const rsi_slice *texts;
    size_t count;
    float *vectors;
    const char *fingerprint;
    int status;
} embed_job;

static inline void *run_job(void *user)
{
    embed_job *job = user;
    job->fingerprint = rsi_embedder_fingerprint(job->embedder);
    job->status =
        rsi_embedder_embed(job->vectors, job->embedder, RSI_EMBED_DOCUMENT, job->texts, job->count);
    return NULL;
}

/* Four threads with the same texts get the same vectors as one. */
static inline void embed_from_four_threads(const rsi_embedder *embedder, const rsi_slice *texts,
                                           size_t count)
{
    size_t floats = count * rsi_embedder_dimension(embedder);
    float *expected = malloc(floats * sizeof *expected);
    pthread_t threads[4];
    embed_job jobs[4];
    for (size_t t = 0; t < 4; t++) {
        jobs[t] = (embed_job){embedder, texts, count, malloc(floats * sizeof(float)), NULL, 1};
        assert_int_equal(pthread_create(&threads[t], NULL, run_job, &jobs[t]), 0);
    }
    for (size_t t = 0; t < 4; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(rsi_embedder_embed(expected, embedder, RSI_EMBED_DOCUMENT, texts, count),
                     RAGSTORE_OK);
    for (size_t t = 0; t < 4; t++) {
        assert_int_equal(jobs[t].status, RAGSTORE_OK);
        assert_string_equal(jobs[t].fingerprint, rsi_embedder_fingerprint(embedder));
        assert_true(largest_difference(jobs[t].vectors, expected, floats) < 1e-5);
        free(jobs[t].vectors);
    }
    free(expected);
}

#endif
