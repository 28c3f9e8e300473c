/* Making an index of FAISS's: see faiss_index.h. */
#include "vectors/faiss_index_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "vectors/rows_internal.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#else
#include <c_api/error_c.h>
#include <c_api/index_factory_c.h>
#endif

#include <stdio.h>
#include <string.h>

#define FACTORY_AROUND "IDMap,"

static pthread_rwlock_t *lock_of(const rsi_faiss_index *index)
{
    return (pthread_rwlock_t *)(uintptr_t)&index->lock;
}

int rsi_faiss_result(int code, const char *doing)
{
    if (code == 0)
        return RAGSTORE_OK;
    const char *why = faiss_get_last_error();
    if (why != NULL && strstr(why, "bad_alloc") != NULL)
        return rsi_fail_no_memory();
    return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors", "FAISS cannot %s: %.300s", doing,
                    why == NULL ? "it does not say why" : why);
}

/* ---- making ---- */

int rsi_faiss_index_wrap(rsi_faiss_index **out, FaissIndex *inside, const char *factory,
                         uint32_t dimension, rsi_metric metric)
{
    rsi_faiss_index *index = rsi_alloc_zeroed(sizeof *index);
    *out = NULL;
    if (index == NULL || pthread_rwlock_init(&index->lock, NULL) != 0) {
        rsi_free(index);
        faiss_Index_free(inside);
        return rsi_fail_no_memory();
    }
    snprintf(index->factory, sizeof index->factory, "%s", factory);
    index->dimension = dimension;
    index->metric = metric;
    index->inside = inside;
    index->holders = 1;
    *out = index;
    return RAGSTORE_OK;
}

int rsi_faiss_index_new(rsi_faiss_index **out, const char *factory, uint32_t dimension,
                        rsi_metric metric)
{
    char around[sizeof FACTORY_AROUND + RSI_FAISS_FACTORY_MAX];
    FaissIndex *inside = NULL;
    const char *reason;
    *out = NULL;
    if (!rsi_faiss_available(&reason))
        return rsi_fail(RAGSTORE_E_UNSUPPORTED, "vectors", "FAISS cannot be used: %s", reason);
    int status = rsi_faiss_factory_check(factory);
    if (status != RAGSTORE_OK)
        return status;
    snprintf(around, sizeof around, FACTORY_AROUND "%s", factory);
    status = rsi_faiss_result(
        faiss_index_factory(&inside, (int)dimension, around,
                            metric == RSI_METRIC_L2 ? METRIC_L2 : METRIC_INNER_PRODUCT),
        "make that index");
    if (status == RAGSTORE_E_UNSUPPORTED)
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "there is no FAISS kind \"%.120s\" of %u numbers: %s", factory, dimension,
                        rsi_error_message());
    return status != RAGSTORE_OK ? status
                                 : rsi_faiss_index_wrap(out, inside, factory, dimension, metric);
}

rsi_faiss_index *rsi_faiss_index_hold(rsi_faiss_index *index)
{
    __atomic_add_fetch(&index->holders, 1, __ATOMIC_RELAXED);
    return index;
}

void rsi_faiss_index_free(rsi_faiss_index *index)
{
    if (index == NULL || __atomic_sub_fetch(&index->holders, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    faiss_Index_free(index->inside);
    pthread_rwlock_destroy(&index->lock);
    rsi_free(index);
}

const char *rsi_faiss_index_factory(const rsi_faiss_index *index)
{
    return index->factory;
}

size_t rsi_faiss_index_count(const rsi_faiss_index *index)
{
    pthread_rwlock_rdlock(lock_of(index));
    size_t count = index->count;
    pthread_rwlock_unlock(lock_of(index));
    return count;
}

int64_t rsi_faiss_index_covered(const rsi_faiss_index *index)
{
    pthread_rwlock_rdlock(lock_of(index));
    int64_t covered = index->covered;
    pthread_rwlock_unlock(lock_of(index));
    return covered;
}

/* FAISS does not tell; a graph of 32 neighbours takes 256 bytes more than its rows. */
size_t rsi_faiss_index_memory(const rsi_faiss_index *index)
{
    return sizeof *index +
           rsi_faiss_index_count(index) * (index->dimension * sizeof(float) + 256 + 8);
}

/* ---- filling ---- */

bool rsi_faiss_index_is_trained(const rsi_faiss_index *index)
{
    return faiss_Index_is_trained(index->inside) != 0;
}

int rsi_faiss_index_train(rsi_faiss_index *index, const float *sample, size_t count)
{
    if (count < rsi_faiss_factory_rows(index->factory))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "the FAISS kind \"%s\" needs %zu vectors, not %zu", index->factory,
                        rsi_faiss_factory_rows(index->factory), count);
    return rsi_faiss_result(faiss_Index_train(index->inside, (idx_t)count, sample),
                            "train that index");
}

typedef struct batch {
    float *vectors;
    idx_t *ids;
    size_t count;
    int64_t covered; /* behind the last that was looked at */
} batch;

static int gather(batch *some, bool *done, rsi_rows *rows, const rsi_bitset *wanted, int64_t from,
                  size_t limit)
{
    const size_t dimension = rsi_rows_dimension(rows);
    int64_t chunk = rsi_bitset_next(wanted, from);
    for (; chunk >= 0 && some->count < limit; chunk = rsi_bitset_next(wanted, chunk + 1)) {
        const float *row;
        int status = rsi_rows_get(&row, rows, chunk);
        if (status == RAGSTORE_OK) {
            memcpy(some->vectors + some->count * dimension, row, dimension * sizeof *row);
            some->ids[some->count++] = chunk;
        } else if (status != RAGSTORE_E_NOT_FOUND) {
            return status;
        }
        some->covered = chunk + 1;
    }
    *done = chunk < 0;
    rsi_rows_let_go(rows, from, some->covered);
    return RAGSTORE_OK;
}

int rsi_faiss_index_absorb(rsi_faiss_index *index, bool *done, rsi_rows *rows,
                           const rsi_bitset *wanted, size_t limit)
{
    const int64_t from = rsi_faiss_index_covered(index);
    batch some = {.covered = from};
    *done = false;
    if (index->dimension != rsi_rows_dimension(rows))
        return rsi_fail(RAGSTORE_E_INVALID_ARGUMENT, "vectors",
                        "rows of %u numbers, a FAISS index of %u", rsi_rows_dimension(rows),
                        index->dimension);
    some.vectors = rsi_alloc_array(limit * index->dimension + 1, sizeof *some.vectors);
    some.ids = rsi_alloc_array(limit + 1, sizeof *some.ids);
    int status = some.vectors == NULL || some.ids == NULL
                     ? RAGSTORE_E_NO_MEMORY
                     : gather(&some, done, rows, wanted, from, limit);
    if (status == RAGSTORE_OK) {
        pthread_rwlock_wrlock(&index->lock);
        if (some.count > 0)
            status = rsi_faiss_result(
                faiss_Index_add_with_ids(index->inside, (idx_t)some.count, some.vectors, some.ids),
                "add to that index");
        if (status == RAGSTORE_OK) {
            index->count += some.count;
            index->covered = some.covered;
        }
        pthread_rwlock_unlock(&index->lock);
    }
    *done = *done && status == RAGSTORE_OK;
    rsi_free(some.vectors);
    rsi_free(some.ids);
    return status;
}
