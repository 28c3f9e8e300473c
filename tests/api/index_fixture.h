/*
 * What the tests of indexes share: points in clusters, put into an entity in parts, and the truth
 * about which are nearest, in float64.
 *
 * Point 0 has chunk number 0 as long as nothing else was added before.
 */
#ifndef TESTS_API_INDEX_FIXTURE_H
#define TESTS_API_INDEX_FIXTURE_H

#include "api_fixture.h"

#include <stdbool.h>

#ifndef WIDE
#define WIDE 32 /* numbers of a point; "auto" makes codes of longer ones only */
#endif
#define PART 1500 /* points of a document */
#define CLUSTERS 40

/* -1 to 1. */
static inline float next_number(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((double)(*seed >> 40) / (1 << 23) - 1.0);
}

/* A point lies around the middle of its cluster; lengths differ. */
static inline void make_point(float point[WIDE], uint64_t number)
{
    uint64_t cluster = number % CLUSTERS * 7919 + 1;
    uint64_t own = number * 31 + 5;
    next_number(&own);
    for (size_t i = 0; i < WIDE; i++)
        point[i] = 2 * next_number(&cluster) + next_number(&own);
}

/* Points first … first + PART - 1 as one document. Their metadata: {"n": number}. */
static inline void add_part(ragstore_entity *entity, uint64_t first, char doc_id[64])
{
    ragstore_document *document;
    float *points = malloc(PART * WIDE * sizeof *points);
    char *json = malloc(PART * 64);
    size_t size = 0;
    assert_non_null(points);
    assert_non_null(json);
    for (uint64_t i = 0; i < PART; i++) {
        make_point(points + i * WIDE, first + i);
        size += (size_t)sprintf(json + size, "%s{\"text\":\"p%d\",\"metadata\":{\"n\":%d}}",
                                i == 0 ? "[" : ",", (int)(first + i), (int)(first + i));
    }
    sprintf(json + size, "]");
    assert_ok(ragstore_document_add_chunks(&document, entity, json, points, WIDE, NULL));
    if (doc_id != NULL)
        snprintf(doc_id, 64, "%s", ragstore_document_id(document));
    ragstore_document_free(document);
    free(points);
    free(json);
}

static inline ragstore_entity *make_entity_with(ragstore_store *store, const char *id,
                                                const char *metric, const char *kind)
{
    ragstore_entity *entity;
    ragstore_entity_create_options options = RAGSTORE_ENTITY_CREATE_OPTIONS_INIT;
    options.metric = metric;
    options.index_kind = kind;
    assert_ok(ragstore_entity_create(&entity, store, id, &options));
    return entity;
}

static inline json_t *describe_index(ragstore_index *index)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_index_describe(&buffer, index));
    return take_json(buffer);
}

static inline void expect_described(ragstore_index *index, const char *member, const char *text)
{
    json_t *description = describe_index(index);
    assert_text(description, member, text);
    json_decref(description);
}

static inline void expect_setting(ragstore_index *index, const char *key, const char *text)
{
    ragstore_buffer *buffer;
    assert_ok(ragstore_index_get(&buffer, index, key));
    assert_string_equal(ragstore_buffer_data(buffer), text);
    ragstore_buffer_free(buffer);
}

/* ---- the truth ---- */

static inline double true_score(const char *metric, const float *query, const float *point)
{
    double product = 0, squares = 0, query_square = 0, point_square = 0;
    for (size_t i = 0; i < WIDE; i++) {
        const double apart = (double)query[i] - point[i];
        product += (double)query[i] * point[i];
        squares += apart * apart;
        query_square += (double)query[i] * query[i];
        point_square += (double)point[i] * point[i];
    }
    return strcmp(metric, "l2") == 0       ? -squares
           : strcmp(metric, "cosine") == 0 ? product / sqrt(query_square * point_square)
                                           : product;
}

typedef bool is_wanted(uint64_t number);

/* Point `number`, kept for the next time. */
static inline const float *the_point(uint64_t number)
{
    enum { MOST = 20000 };
    static float *points;
    static uint64_t made;
    assert_true(number < MOST);
    if (points == NULL) {
        points = malloc(MOST * WIDE * sizeof *points);
        assert_non_null(points);
    }
    for (; made <= number; made++)
        make_point(points + made * WIDE, made);
    return points + number * WIDE;
}

static inline int compare_scores(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left < right) - (left > right);
}

/* The score of the k-th nearest of points 0 … count - 1 that are wanted. */
static inline double score_of_kth(const char *metric, const float *query, uint64_t count,
                                  is_wanted *wanted, size_t k)
{
    size_t found = 0;
    double *scores = malloc((count + 1) * sizeof *scores);
    assert_non_null(scores);
    for (uint64_t number = 0; number < count; number++)
        if (wanted == NULL || wanted(number))
            scores[found++] = true_score(metric, query, the_point(number));
    qsort(scores, found, sizeof *scores, compare_scores);
    const double kth = k <= found && k > 0 ? scores[k - 1] : -HUGE_VAL;
    free(scores);
    return kth;
}

/* Of k hits, how many belong there: are as near as the k-th nearest, but for rounding. Checks that
 * each is wanted, that none is there twice, that scores are true, and their order. */
static inline size_t count_right(const char *metric, const float *query, uint64_t count,
                                 is_wanted *wanted, const int64_t *chunks, const float *scores,
                                 size_t k)
{
    size_t right = 0;
    const double kth = score_of_kth(metric, query, count, wanted, k);
    for (size_t i = 0; i < k; i++) {
        assert_true(chunks[i] >= 0 && (uint64_t)chunks[i] < count);
        assert_true(wanted == NULL || wanted((uint64_t)chunks[i]));
        for (size_t j = 0; j < i; j++)
            assert_true(chunks[i] != chunks[j]);
        const double truth = true_score(metric, query, the_point((uint64_t)chunks[i]));
        assert_true(fabs(truth - (double)scores[i]) <= 1e-4 * (1 + fabs(truth)));
        assert_true(i == 0 || scores[i - 1] >= scores[i]);
        right += truth >= kth - 1e-5 * (1 + fabs(kth));
    }
    return right;
}

/* The share of right hits over some queries that are not points themselves. */
static inline double measure_recall(ragstore_index *index, const char *metric, uint64_t count,
                                    is_wanted *wanted, size_t k)
{
    enum { QUERIES = 20 };
    size_t right = 0;
    for (uint64_t q = 0; q < QUERIES; q++) {
        float query[WIDE];
        int64_t chunks[64];
        float scores[64];
        make_point(query, count + q * 13);
        assert_ok(ragstore_index_search(chunks, scores, index, query, 1, WIDE, k));
        right += count_right(metric, query, count, wanted, chunks, scores, k);
    }
    return (double)right / (double)(QUERIES * k);
}

#endif
