/* Building a quantised index: see quantised.h. */
#include "vectors/quantised_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/byte_codes_internal.h"
#include "vectors/rows_internal.h"

#include <math.h>
#include <string.h>

#define BATCH 256 /* rows that are coded before the lock is taken */

/* ---- making ---- */

void rsi_quantised_move(const rsi_quantised *index, float *vector)
{
    for (uint32_t d = 0; index->origin != NULL && d < index->dimension; d++)
        vector[d] -= index->origin[d];
}

static void half_square(float *out, const float *vector, uint32_t dimension)
{
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++)
        sum += (double)vector[i] * vector[i];
    *out = (float)(sum / 2);
}

/* With l2: the origin, in the middle of the centroids, and room for the rotated ones. */
static int take_origin(rsi_quantised *index)
{
    if (index->metric != RSI_METRIC_L2)
        return RAGSTORE_OK;
    index->origin = rsi_alloc_array(index->dimension, sizeof *index->origin);
    index->rotated = rsi_alloc_array((size_t)index->list_count * index->dimension,
                                     sizeof *index->rotated);
    if (index->origin == NULL || index->rotated == NULL)
        return RAGSTORE_E_NO_MEMORY;
    rsi_centroids_middle(index->origin, index->centroids, index->list_count, index->dimension);
    return RAGSTORE_OK;
}

static void rotate_centroids(rsi_quantised *index)
{
    const size_t numbers = (size_t)index->list_count * index->dimension;
    if (index->rotated == NULL)
        return;
    memcpy(index->rotated, index->centroids, numbers * sizeof *index->rotated);
    for (size_t i = 0; i < index->list_count; i++)
        rsi_rotation_apply(index->rotation, index->rotated + i * index->dimension);
}

static int take_centroids(rsi_quantised *index, const float *centroids)
{
    const size_t lists = index->list_count;
    index->centroids = rsi_alloc_array(lists * index->dimension, sizeof *index->centroids);
    index->half_norms = rsi_alloc_array(lists, sizeof *index->half_norms);
    index->lists = rsi_alloc_zeroed(lists * sizeof *index->lists);
    if (index->centroids == NULL || index->half_norms == NULL || index->lists == NULL)
        return RAGSTORE_E_NO_MEMORY;
    memcpy(index->centroids, centroids, lists * index->dimension * sizeof *centroids);
    int status = take_origin(index);
    if (status == RAGSTORE_OK)
        status = rsi_rotation_new(&index->rotation, index->dimension);
    if (status != RAGSTORE_OK)
        return status;
    for (size_t i = 0; i < lists; i++) {
        float *centroid = index->centroids + i * index->dimension;
        rsi_quantised_move(index, centroid);
        half_square(&index->half_norms[i], centroid, index->dimension);
    }
    rotate_centroids(index);
    return rsi_quantised_code_centroids(index);
}

int rsi_quantised_new(rsi_quantised **out, uint32_t dimension, rsi_metric metric,
                      const float *centroids, size_t lists)
{
    *out = NULL;
    if (dimension == 0 || dimension > RSI_QUANTISED_DIMENSION_MAX || lists == 0 ||
        lists > RSI_QUANTISED_LISTS_MAX || centroids == NULL)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "quantise: %u dimensions, %zu lists; at most %u and %u", dimension, lists,
                        RSI_QUANTISED_DIMENSION_MAX, RSI_QUANTISED_LISTS_MAX);
    rsi_quantised *index = rsi_alloc_zeroed(sizeof *index);
    if (index == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (pthread_rwlock_init(&index->lock, NULL) != 0) {
        rsi_free(index);
        return rsi_fail_no_memory();
    }
    index->dimension = dimension;
    index->metric = metric;
    index->nibbles = (dimension + 15) / 16 * 4;
    index->list_count = (uint32_t)lists;
    int status = take_centroids(index, centroids);
    if (status != RAGSTORE_OK) {
        rsi_quantised_free(index);
        return status;
    }
    *out = index;
    return RAGSTORE_OK;
}

void rsi_quantised_free(rsi_quantised *index)
{
    if (index == NULL)
        return;
    for (size_t i = 0; index->lists != NULL && i < index->list_count; i++) {
        rsi_free(index->lists[i].codes);
        rsi_free(index->lists[i].factors);
        rsi_free(index->lists[i].addends);
        rsi_free(index->lists[i].chunks);
    }
    rsi_free(index->lists);
    rsi_free(index->origin);
    rsi_free(index->centroids);
    rsi_free(index->rotated);
    rsi_free(index->half_norms);
    rsi_free(index->coded);
    rsi_rotation_free(index->rotation);
    pthread_rwlock_destroy(&index->lock);
    rsi_free(index);
}

uint32_t rsi_quantised_lists(const rsi_quantised *index)
{
    return index->list_count;
}

static pthread_rwlock_t *lock_of(const rsi_quantised *index)
{
    return (pthread_rwlock_t *)(uintptr_t)&index->lock;
}

size_t rsi_quantised_count(const rsi_quantised *index)
{
    pthread_rwlock_rdlock(lock_of(index));
    size_t count = index->count;
    pthread_rwlock_unlock(lock_of(index));
    return count;
}

int64_t rsi_quantised_covered(const rsi_quantised *index)
{
    pthread_rwlock_rdlock(lock_of(index));
    int64_t covered = index->covered;
    pthread_rwlock_unlock(lock_of(index));
    return covered;
}

size_t rsi_quantised_memory(const rsi_quantised *index)
{
    size_t blocks = 0;
    pthread_rwlock_rdlock(lock_of(index));
    for (size_t i = 0; i < index->list_count; i++)
        blocks += index->lists[i].blocks;
    pthread_rwlock_unlock(lock_of(index));
    const bool is_l2 = index->metric == RSI_METRIC_L2;
    const size_t row_numbers = is_l2 ? 2 : 1; /* factor and addend */
    const size_t centroid_numbers = (size_t)index->dimension * (is_l2 ? 2 : 1);
    return sizeof *index + index->list_count * (sizeof *index->lists + sizeof(float)) +
           index->list_count * centroid_numbers * sizeof(float) +
           (index->coded == NULL ? 0 : index->list_count * rsi_byte_stride(index->dimension)) +
           blocks * (index->nibbles * 16 +
                     RSI_CODE_BLOCK * (row_numbers * sizeof(float) + sizeof(uint32_t)));
}

/* ---- coding ---- */

/* What a row's list keeps of it. */
typedef struct coded {
    float factor;
    float addend; /* with l2 */
    uint32_t chunk;
    uint32_t list;
} coded;

/* The code of the residual of a row of out->list, a bit to a byte's place as code_scan.h has them:
 * nibbles of one row, each in a byte. The residual is rotated in place. */
static void encode(coded *out, uint8_t *nibbles, const rsi_quantised *index, float *residual)
{
    float squares = 0;
    float sum = 0;
    rsi_rotation_apply(index->rotation, residual);
    memset(nibbles, 0, index->nibbles);
    for (uint32_t i = 0; i < index->dimension; i++) {
        squares += residual[i] * residual[i];
        sum += fabsf(residual[i]);
        nibbles[i / 4] |= (uint8_t)((unsigned)(residual[i] > 0) << i % 4);
    }
    out->factor = sum > 0 ? squares / sum : 0;
    out->addend = 0;
    if (index->rotated == NULL)
        return;
    const float *centroid = index->rotated + (size_t)out->list * index->dimension;
    float along = 0;
    for (uint32_t i = 0; i < index->dimension; i++)
        along += residual[i] > 0 ? centroid[i] : -centroid[i];
    out->factor *= 2;
    out->addend = -out->factor * along - squares;
}

/* ---- adding, with the lock held exclusively ---- */

/* A longer copy, zeros behind what was there. */
static int lengthen(void **bytes, size_t old_size, size_t new_size)
{
    void *longer = rsi_alloc_zeroed(new_size);
    if (longer == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (old_size > 0)
        memcpy(longer, *bytes, old_size);
    rsi_free(*bytes);
    *bytes = longer;
    return RAGSTORE_OK;
}

static int make_room(rsi_code_list *list, size_t nibbles, bool has_addends)
{
    if (list->count < list->blocks * RSI_CODE_BLOCK)
        return RAGSTORE_OK;
    const size_t old = list->blocks;
    const size_t blocks = old + old / 2 + 1;
    const size_t rows = blocks * RSI_CODE_BLOCK;
    int status = lengthen((void **)&list->codes, old * nibbles * 16, blocks * nibbles * 16);
    if (status == RAGSTORE_OK)
        status = lengthen((void **)&list->factors, list->count * sizeof *list->factors,
                          rows * sizeof *list->factors);
    if (status == RAGSTORE_OK && has_addends)
        status = lengthen((void **)&list->addends, list->count * sizeof *list->addends,
                          rows * sizeof *list->addends);
    if (status == RAGSTORE_OK)
        status = lengthen((void **)&list->chunks, list->count * sizeof *list->chunks,
                          rows * sizeof *list->chunks);
    if (status == RAGSTORE_OK)
        list->blocks = blocks;
    return status;
}

static int add_code(rsi_quantised *index, const coded *row_code, const uint8_t *nibbles)
{
    rsi_code_list *list = &index->lists[row_code->list];
    int status = make_room(list, index->nibbles, index->rotated != NULL);
    if (status != RAGSTORE_OK)
        return status;
    const size_t row = list->count % RSI_CODE_BLOCK;
    uint8_t *block = list->codes + list->count / RSI_CODE_BLOCK * index->nibbles * 16;
    for (size_t i = 0; i < index->nibbles; i++)
        block[i * 16 + row % 16] |= (uint8_t)(nibbles[i] << (row < 16 ? 0 : 4));
    list->factors[list->count] = row_code->factor;
    if (list->addends != NULL)
        list->addends[list->count] = row_code->addend;
    list->chunks[list->count] = row_code->chunk;
    list->count++;
    index->count++;
    return RAGSTORE_OK;
}

/* ---- absorbing ---- */

typedef struct batch {
    float *vectors;   /* BATCH × dimension: rows, then their residuals */
    uint8_t *nibbles; /* BATCH × nibbles */
    coded coded[BATCH];
    uint32_t nearest[BATCH];
    size_t count;
} batch;

static int encode_batch(const rsi_quantised *index, batch *rows, const rsi_centroid_table *table)
{
    for (size_t i = 0; i < rows->count; i++)
        rsi_quantised_move(index, rows->vectors + i * index->dimension);
    int status = rsi_centroids_assign(rows->nearest, table, rows->vectors, rows->count);
    for (size_t i = 0; status == RAGSTORE_OK && i < rows->count; i++) {
        float *residual = rows->vectors + i * index->dimension;
        const float *centroid = index->centroids + (size_t)rows->nearest[i] * index->dimension;
        for (uint32_t d = 0; d < index->dimension; d++)
            residual[d] -= centroid[d];
        rows->coded[i].list = rows->nearest[i];
        encode(&rows->coded[i], rows->nibbles + i * index->nibbles, index, residual);
    }
    return status;
}

static int add_batch(rsi_quantised *index, batch *rows, const rsi_centroid_table *table,
                     int64_t covered)
{
    int status = encode_batch(index, rows, table);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_wrlock(&index->lock);
    size_t added = 0;
    while (status == RAGSTORE_OK && added < rows->count) {
        status = add_code(index, &rows->coded[added], rows->nibbles + added * index->nibbles);
        if (status == RAGSTORE_OK)
            index->covered = (int64_t)rows->coded[added++].chunk + 1;
    }
    if (status == RAGSTORE_OK && covered > index->covered)
        index->covered = covered;
    pthread_rwlock_unlock(&index->lock);
    rows->count = 0;
    return status;
}

/* The next rows, at most `limit`; *passed is the number behind the last member that was looked at.
 */
static int fill_batch(batch *rows, int64_t *passed, rsi_rows_cursor *cursor, uint32_t dimension,
                      size_t limit)
{
    *passed = 0;
    while (rows->count < limit && cursor->chunk >= 0) {
        const float *row;
        const int64_t chunk = cursor->chunk;
        if (chunk > UINT32_MAX)
            return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors", "quantise: chunk numbers over %u",
                            UINT32_MAX);
        int status = rsi_rows_get(&row, cursor->rows, chunk);
        if (status == RAGSTORE_OK) {
            memcpy(rows->vectors + rows->count * dimension, row, dimension * sizeof *row);
            rows->coded[rows->count++].chunk = (uint32_t)chunk;
        } else if (status != RAGSTORE_E_NOT_FOUND) {
            return status;
        }
        *passed = chunk + 1;
        cursor->chunk = rsi_bitset_next(cursor->allowed, chunk + 1);
    }
    return RAGSTORE_OK;
}

/* The next rows from `begun` on, at most `limit`; *done when there are no more. */
static int absorb(rsi_quantised *index, bool *done, batch *some, rsi_rows *rows,
                  const rsi_bitset *wanted, int64_t begun, size_t limit)
{
    rsi_centroid_table table;
    rsi_rows_cursor cursor;
    rsi_rows_cursor_init(&cursor, rows, wanted);
    cursor.chunk = rsi_bitset_next(wanted, begun);
    int status = rsi_centroid_table_make(&table, index->centroids, index->list_count,
                                         index->dimension);
    while (status == RAGSTORE_OK && limit > 0 && cursor.chunk >= 0) {
        const size_t most = limit < BATCH ? limit : BATCH;
        int64_t passed;
        status = fill_batch(some, &passed, &cursor, index->dimension, most);
        limit -= some->count;
        if (status == RAGSTORE_OK)
            status = add_batch(index, some, &table, passed);
    }
    *done = status == RAGSTORE_OK && cursor.chunk < 0;
    rsi_centroid_table_free(&table);
    return status;
}

int rsi_quantised_absorb(rsi_quantised *index, bool *done, rsi_rows *rows, const rsi_bitset *wanted,
                         size_t limit)
{
    batch *some = rsi_alloc_zeroed(sizeof *some);
    const int64_t begun = rsi_quantised_covered(index);
    int status = RAGSTORE_OK;
    *done = false;
    if (some == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (index->dimension != rsi_rows_dimension(rows))
        status = rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                          "quantise: rows of %u numbers, codes of %u", rsi_rows_dimension(rows),
                          index->dimension);
    some->vectors = rsi_alloc_array((size_t)BATCH * index->dimension, sizeof *some->vectors);
    some->nibbles = rsi_alloc_array(BATCH, index->nibbles);
    if (status == RAGSTORE_OK && (some->vectors == NULL || some->nibbles == NULL))
        status = RAGSTORE_E_NO_MEMORY;
    if (status == RAGSTORE_OK)
        status = absorb(index, done, some, rows, wanted, begun, limit);
    rsi_rows_let_go(rows, begun, rsi_quantised_covered(index));
    rsi_free(some->vectors);
    rsi_free(some->nibbles);
    rsi_free(some);
    return status;
}
