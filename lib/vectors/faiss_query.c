/*
 * One query to an index of FAISS's: which lists it looks into, and which rows it leaves out.
 *
 *   FAISS with search parameters    both are told with the query: it looks for allowed rows only,
 *                                   and
 *   (1.7.4 and later)               queries with different settings do not wait for each other
 *   without                         the lists are a setting of the index, changed while nobody
 *                                   searches; what is not allowed is left out of what it finds
 *
 * Kinds that take no filter are noticed once, and asked as before.
 */
#include "vectors/faiss_index_internal.h"

#include "base/status.h"

#if __has_include(<faiss/c_api/Index_c.h>)
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexPreTransform_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#else
#include <c_api/IndexIVF_c.h>
#include <c_api/IndexPreTransform_c.h>
#include <c_api/impl/AuxIndexStructures_c.h>
#endif

#include <math.h>

/* The lists below IDMap and transformations, or NULL. */
static FaissIndexIVF *lists_of(FaissIndex *inside)
{
    FaissIndexIDMap *map = faiss_IndexIDMap_cast(inside);
    FaissIndex *index = map == NULL ? inside : faiss_IndexIDMap_sub_index(map);
    FaissIndexPreTransform *transform = faiss_IndexPreTransform_cast(index);
    if (transform != NULL)
        index = faiss_IndexPreTransform_index(transform);
    return faiss_IndexIVF_cast(index);
}

static size_t default_probes(size_t lists)
{
    const size_t probes = (size_t)(sqrt((double)lists) * 1.5) + 1;
    return probes < lists ? probes : lists;
}

static size_t probes_of(const FaissIndexIVF *lists, size_t probes)
{
    const size_t all = lists == NULL ? 1 : faiss_IndexIVF_nlist(lists);
    return probes == 0 ? default_probes(all) : probes < all ? probes : all;
}

#ifdef FAISS_DECLARE_SEARCH_PARAMETERS_DOWNCAST /* headers of a FAISS that has them */

bool rsi_faiss_query_can_filter(const rsi_faiss_index *index)
{
    return !__atomic_load_n(&index->takes_no_filter, __ATOMIC_RELAXED);
}

/* Its parameters; they, and the set, have to live as long as the query. */
typedef struct parameters {
    FaissIDSelectorBitmap *allowed;
    FaissSearchParameters *plain;
    FaissSearchParametersIVF *of_lists;
} parameters;

static void free_parameters(parameters *with)
{
    faiss_SearchParameters_free(with->plain);
    faiss_SearchParametersIVF_free(with->of_lists);
    faiss_IDSelectorBitmap_free(with->allowed);
}

static int make_parameters(parameters *with, const FaissIndexIVF *lists, size_t probes,
                           const rsi_bitset *allowed)
{
    *with = (parameters){0};
    int status = RAGSTORE_OK;
    /* a set's words, byte by byte on a little-endian machine */
    if (allowed != NULL)
        status = rsi_faiss_result(
            faiss_IDSelectorBitmap_new(&with->allowed, allowed->capacity * sizeof *allowed->words,
                                       (const uint8_t *)allowed->words),
            "make a filter");
    FaissIDSelector *filter = (FaissIDSelector *)with->allowed;
    if (status == RAGSTORE_OK && lists != NULL)
        status = rsi_faiss_result(faiss_SearchParametersIVF_new_with(&with->of_lists, filter,
                                                                     probes_of(lists, probes), 0),
                                  "make parameters");
    else if (status == RAGSTORE_OK && filter != NULL)
        status =
            rsi_faiss_result(faiss_SearchParameters_new(&with->plain, filter), "make parameters");
    return status;
}

static int ask(rsi_faiss_index *index, const rsi_faiss_query *query, const rsi_bitset *allowed)
{
    parameters with;
    const FaissIndexIVF *lists = lists_of(index->inside);
    int status = make_parameters(&with, lists, query->probes, allowed);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_result(
            faiss_Index_search_with_params(
                index->inside, 1, query->vector, (idx_t)query->wanted,
                with.of_lists != NULL ? (FaissSearchParameters *)with.of_lists : with.plain,
                query->distances, query->ids),
            "search that index");
    free_parameters(&with);
    return status;
}

int rsi_faiss_query_ask(rsi_faiss_index *index, const rsi_faiss_query *query)
{
    pthread_rwlock_rdlock(&index->lock);
    int status = RAGSTORE_E_UNSUPPORTED;
    if (query->allowed != NULL && rsi_faiss_query_can_filter(index)) {
        status = ask(index, query, query->allowed);
        if (status == RAGSTORE_E_UNSUPPORTED)
            __atomic_store_n(&index->takes_no_filter, true, __ATOMIC_RELAXED);
    }
    if (status == RAGSTORE_E_UNSUPPORTED)
        status = ask(index, query, NULL);
    pthread_rwlock_unlock(&index->lock);
    return status;
}

#else

bool rsi_faiss_query_can_filter(const rsi_faiss_index *index)
{
    (void)index;
    return false;
}

/* Parameters of FAISS are not to be changed while it searches. */
static void settle_probes(rsi_faiss_index *index, size_t probes)
{
    pthread_rwlock_rdlock(&index->lock);
    FaissIndexIVF *lists = lists_of(index->inside);
    const size_t wanted = probes_of(lists, probes);
    const bool is_settled = lists == NULL || index->probes == wanted;
    pthread_rwlock_unlock(&index->lock);
    if (is_settled)
        return;
    pthread_rwlock_wrlock(&index->lock);
    faiss_IndexIVF_set_nprobe(lists, wanted);
    index->probes = wanted;
    pthread_rwlock_unlock(&index->lock);
}

int rsi_faiss_query_ask(rsi_faiss_index *index, const rsi_faiss_query *query)
{
    settle_probes(index, query->probes);
    pthread_rwlock_rdlock(&index->lock);
    int status =
        rsi_faiss_result(faiss_Index_search(index->inside, 1, query->vector, (idx_t)query->wanted,
                                            query->distances, query->ids),
                         "search that index");
    pthread_rwlock_unlock(&index->lock);
    return status;
}

#endif
