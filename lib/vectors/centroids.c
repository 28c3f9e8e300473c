/*
 * Centroids of rows: Lloyd's k-means over a sample, by Euclidean distance. See quantised.h.
 *
 *   start     rows of the sample, evenly spread over it
 *   round     each row to its nearest centroid; each centroid to the mean of its rows; one without
 *             rows takes a place beside the centroid that has most
 *
 * The nearest of many centroids is found with one product of matrices: ‖r − c‖² is least where
 * r·c − ‖c‖²/2 is largest. That loses all that distances say when rows lie together far from the
 * origin, so they are brought there first. One centroid is the middle of most rows, not the mean:
 * one row far away from the others would take it with it.
 */
#include "vectors/quantised_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "matrix/product.h"
#include "vectors/rows_internal.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 10
#define SAMPLE_PER_LIST 64
#define PART 8192 /* rows between two looks whether it was cancelled */
#define READ_AT_ONCE 4096 /* numbers of chunks of which a sample is taken before they are let go of */
#define MIDDLE_OF 255 /* vectors */

/* ---- the nearest ---- */

int rsi_centroid_table_make(rsi_centroid_table *out, const float *centroids, size_t lists,
                            uint32_t dimension)
{
    *out = (rsi_centroid_table){.lists = lists, .dimension = dimension};
    out->packed =
        rsi_alloc_array(rsi_product_packed_size(lists, dimension), sizeof *out->packed);
    out->shortness = rsi_alloc_array(lists, sizeof *out->shortness);
    if (out->packed == NULL || out->shortness == NULL) {
        rsi_centroid_table_free(out);
        return RAGSTORE_E_NO_MEMORY;
    }
    rsi_product_pack(out->packed, centroids, lists, dimension, dimension);
    for (size_t i = 0; i < lists; i++) {
        double squares = 0;
        for (uint32_t d = 0; d < dimension; d++)
            squares += (double)centroids[i * dimension + d] * centroids[i * dimension + d];
        out->shortness[i] = (float)(-squares / 2);
    }
    return RAGSTORE_OK;
}

void rsi_centroid_table_free(rsi_centroid_table *table)
{
    rsi_free(table->packed);
    rsi_free(table->shortness);
    table->packed = table->shortness = NULL;
}

static uint32_t largest(const float *numbers, size_t count)
{
    uint32_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (numbers[i] > numbers[best])
            best = (uint32_t)i;
    return best;
}

int rsi_centroids_assign(uint32_t *nearest, const rsi_centroid_table *table, const float *vectors,
                         size_t count)
{
    const size_t inputs =
        table->dimension < RSI_PRODUCT_INPUTS ? table->dimension : RSI_PRODUCT_INPUTS;
    if (table->lists == 1) {
        memset(nearest, 0, count * sizeof *nearest);
        return RAGSTORE_OK;
    }
    float *products = rsi_alloc_array(RSI_PRODUCT_ROWS * table->lists, sizeof *products);
    float *scratch = rsi_alloc_array(RSI_PRODUCT_ROWS * inputs, sizeof *scratch);
    const bool good = products != NULL && scratch != NULL;
    for (size_t done = 0; good && done < count; done += RSI_PRODUCT_ROWS) {
        const size_t part = count - done < RSI_PRODUCT_ROWS ? count - done : RSI_PRODUCT_ROWS;
        rsi_product(rsi_product_kernel_best(), scratch, products, table->lists,
                    vectors + done * table->dimension, table->dimension, part, table->packed,
                    table->shortness, table->lists, table->dimension);
        for (size_t i = 0; i < part; i++)
            nearest[done + i] = largest(products + i * table->lists, table->lists);
    }
    rsi_free(products);
    rsi_free(scratch);
    return good ? RAGSTORE_OK : RAGSTORE_E_NO_MEMORY;
}

/* ---- the middle ---- */

static int compare_floats(const void *a, const void *b)
{
    const float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

void rsi_centroids_middle(float *middle, const float *vectors, size_t count, uint32_t dimension)
{
    float numbers[MIDDLE_OF];
    const size_t some = count < MIDDLE_OF ? count : MIDDLE_OF;
    for (uint32_t d = 0; d < dimension; d++) {
        for (size_t i = 0; i < some; i++)
            numbers[i] = vectors[i * count / some * dimension + d];
        qsort(numbers, some, sizeof *numbers, compare_floats);
        middle[d] = numbers[some / 2] / 2 + numbers[(some - 1) / 2] / 2;
    }
}

/* ---- training ---- */

typedef struct training {
    uint32_t dimension;
    size_t lists;
    float *sample; /* count × dimension, without the middle */
    float *middle;
    size_t count;
    uint32_t *nearest;
    float *centroids;
    size_t *members; /* of each list */
} training;

int rsi_centroids_sample(float **out, size_t *count, rsi_rows *rows, const rsi_bitset *wanted,
                         size_t lists)
{
    const uint32_t dimension = rsi_rows_dimension(rows);
    const size_t most = lists * SAMPLE_PER_LIST;
    const size_t step = wanted->count > most ? wanted->count / most : 1;
    const size_t room = wanted->count / step + 1;
    size_t number = 0;
    int64_t begun = 0;
    int status = RAGSTORE_OK;
    *count = 0;
    *out = rsi_alloc_array(room * dimension, sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (int64_t chunk = rsi_bitset_next(wanted, 0);
         status == RAGSTORE_OK && chunk >= 0 && *count < room;
         chunk = rsi_bitset_next(wanted, chunk + 1)) {
        const float *row;
        if (chunk - begun >= READ_AT_ONCE) {
            rsi_rows_let_go(rows, begun, chunk);
            begun = chunk;
        }
        if (number++ % step != 0)
            continue;
        status = rsi_rows_get(&row, rows, chunk);
        if (status == RAGSTORE_OK)
            memcpy(*out + (*count)++ * dimension, row, dimension * sizeof *row);
        else if (status == RAGSTORE_E_NOT_FOUND)
            status = RAGSTORE_OK;
    }
    rsi_rows_let_go(rows, begun, INT64_MAX);
    if (status != RAGSTORE_OK) {
        rsi_free(*out);
        *out = NULL;
    }
    return status;
}

static void begin(training *in)
{
    for (size_t i = 0; i < in->lists; i++)
        memcpy(in->centroids + i * in->dimension,
               in->sample + i * in->count / in->lists * in->dimension,
               in->dimension * sizeof *in->sample);
}

/* A centroid without rows: half of those of the largest list will come to it. */
static void split_largest(training *in, size_t empty)
{
    size_t most = 0;
    for (size_t i = 1; i < in->lists; i++)
        if (in->members[i] > in->members[most])
            most = i;
    float *from = in->centroids + most * in->dimension;
    float *to = in->centroids + empty * in->dimension;
    for (uint32_t d = 0; d < in->dimension; d++) {
        const float away = d % 2 == 0 ? 1.0f / 1024 : -1.0f / 1024;
        to[d] = from[d] * (1 + away);
        from[d] *= 1 - away;
    }
    in->members[empty] = in->members[most] / 2;
    in->members[most] -= in->members[empty];
}

static void move_to_means(training *in)
{
    memset(in->centroids, 0, in->lists * in->dimension * sizeof *in->centroids);
    memset(in->members, 0, in->lists * sizeof *in->members);
    for (size_t i = 0; i < in->count; i++) {
        float *centroid = in->centroids + (size_t)in->nearest[i] * in->dimension;
        const float *row = in->sample + i * in->dimension;
        for (uint32_t d = 0; d < in->dimension; d++)
            centroid[d] += row[d];
        in->members[in->nearest[i]]++;
    }
    for (size_t i = 0; i < in->lists; i++)
        for (uint32_t d = 0; d < in->dimension && in->members[i] > 0; d++)
            in->centroids[i * in->dimension + d] /= (float)in->members[i];
    for (size_t i = 0; i < in->lists; i++)
        if (in->members[i] == 0)
            split_largest(in, i);
}

/* All rows to their nearest centroids, in parts, so that it can be cancelled. */
static int assign_all(training *in, bool (*cancelled)(void *user), void *user)
{
    rsi_centroid_table table;
    int status = rsi_centroid_table_make(&table, in->centroids, in->lists, in->dimension);
    for (size_t done = 0; status == RAGSTORE_OK && done < in->count; done += PART) {
        const size_t part = in->count - done < PART ? in->count - done : PART;
        if (cancelled != NULL && cancelled(user))
            status = rsi_fail(RAGSTORE_E_INTERRUPTED, "vectors", "training was cancelled");
        else
            status = rsi_centroids_assign(in->nearest + done, &table,
                                          in->sample + done * in->dimension, part);
    }
    rsi_centroid_table_free(&table);
    return status;
}

/* Add the middle to each of the vectors so many times. */
static void shift(float *vectors, size_t count, const training *in, float times)
{
    for (size_t i = 0; i < count; i++)
        for (uint32_t d = 0; d < in->dimension; d++)
            vectors[i * in->dimension + d] += times * in->middle[d];
}

static int train(training *in, bool (*cancelled)(void *user), void *user)
{
    int status = RAGSTORE_OK;
    rsi_centroids_middle(in->middle, in->sample, in->count, in->dimension);
    if (in->lists == 1) {
        memcpy(in->centroids, in->middle, in->dimension * sizeof *in->centroids);
        return RAGSTORE_OK;
    }
    shift(in->sample, in->count, in, -1);
    begin(in);
    for (int round = 0; status == RAGSTORE_OK && round < ROUNDS; round++) {
        status = assign_all(in, cancelled, user);
        if (status == RAGSTORE_OK)
            move_to_means(in);
    }
    shift(in->centroids, in->lists, in, 1);
    return status;
}

int rsi_centroids_train(float **out, float *sample, size_t count, uint32_t dimension, size_t lists,
                        bool (*cancelled)(void *user), void *user)
{
    training in = {.dimension = dimension, .lists = lists, .sample = sample, .count = count};
    *out = NULL;
    if (lists == 0 || lists > RSI_QUANTISED_LISTS_MAX || count < lists)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "%zu centroids of %zu vectors; 1 to %u, and a vector for each", lists,
                        count, RSI_QUANTISED_LISTS_MAX);
    in.nearest = rsi_alloc_array(count, sizeof *in.nearest);
    in.middle = rsi_alloc_array(dimension, sizeof *in.middle);
    in.centroids = rsi_alloc_array(lists * dimension, sizeof *in.centroids);
    in.members = rsi_alloc_array(lists, sizeof *in.members);
    int status = in.nearest == NULL || in.middle == NULL || in.centroids == NULL ||
                         in.members == NULL
                     ? RAGSTORE_E_NO_MEMORY
                     : train(&in, cancelled, user);
    if (status == RAGSTORE_OK) {
        *out = in.centroids;
        in.centroids = NULL;
    }
    rsi_free(in.nearest);
    rsi_free(in.middle);
    rsi_free(in.centroids);
    rsi_free(in.members);
    return rsi_wrap(status, "train centroids");
}
