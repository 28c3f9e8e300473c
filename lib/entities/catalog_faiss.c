/*
 * The index of FAISS's (vectors/faiss_index.h) of an entity that asks for one: when it is made.
 *
 *   nothing ──► trained on a sample ──► filled ──► in place ──► rows that come are added
 *      ▲              next_faiss                     faiss │
 *      └── another kind is asked for, or most of its rows are dead
 *
 * It is made in the background, a slice at a time, while searches go on with what there is: codes, or
 * the rows themselves. Slices hold the catalog's lock shared for some milliseconds; training holds
 * none. What cannot be made is told of once, and tried again when there are twice as many chunks.
 */
#include "entities/catalog.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define SAMPLE_MIN 16384
#define SAMPLE_PER_LIST 64 /* of rsi_centroids_sample() */
#define ADD_NEXT 128       /* rows at a time, to an index that nobody searches yet */
#define ADD_LIVE 16        /* searches wait for these */
#define SLICE_MS 50
#define BEHIND_MAX 1024 /* rows that a search scores exactly, because they are not in it yet */
#define DEAD_SHARE 2    /* with that many times the living in it, most are dead */

void rsi_catalog_drop_faiss_locked(rsi_catalog *catalog)
{
    rsi_faiss_index_free(catalog->faiss);
    catalog->faiss = NULL;
    rsi_faiss_index_free(catalog->next_faiss);
    catalog->next_faiss = NULL;
    catalog->faiss_failed_at = 0;
    rsi_free(catalog->index_problem);
    catalog->index_problem = NULL;
}

bool rsi_catalog_has_faiss_locked(const rsi_catalog *catalog)
{
    return catalog->settings.kind == RSI_INDEX_FAISS || catalog->faiss != NULL ||
           catalog->next_faiss != NULL;
}

static bool is_asked_for(const rsi_catalog *catalog, const rsi_faiss_index *index)
{
    return strcmp(rsi_faiss_index_factory(index), catalog->settings.factory) == 0;
}

/* Is one to be made, although there may be one? */
static bool wants_another(const rsi_catalog *catalog)
{
    const size_t alive = catalog->alive.count;
    if (alive < rsi_faiss_factory_rows(catalog->settings.factory) ||
        (catalog->faiss_failed_at > 0 && alive / 2 < catalog->faiss_failed_at))
        return false;
    return catalog->faiss == NULL || !is_asked_for(catalog, catalog->faiss) ||
           rsi_faiss_index_count(catalog->faiss) / DEAD_SHARE > alive;
}

bool rsi_catalog_faiss_wants_work_locked(const rsi_catalog *catalog)
{
    if (catalog->settings.kind != RSI_INDEX_FAISS)
        return true; /* to be thrown away */
    if (catalog->rows == NULL)
        return false;
    if (catalog->next_faiss != NULL || wants_another(catalog))
        return true;
    return catalog->faiss != NULL &&
           rsi_bitset_next(&catalog->alive, rsi_faiss_index_covered(catalog->faiss) + BEHIND_MAX) >=
               0;
}

/* ---- one slice ---- */

static int train(rsi_faiss_index *index, rsi_catalog *catalog)
{
    float *sample = NULL;
    size_t count = 0;
    size_t wanted = rsi_faiss_factory_rows(rsi_faiss_index_factory(index));
    int status = RAGSTORE_OK;
    if (rsi_faiss_index_is_trained(index))
        return RAGSTORE_OK;
    if (wanted < SAMPLE_MIN)
        wanted = SAMPLE_MIN;
    pthread_rwlock_rdlock(&catalog->lock);
    if (catalog->rows != NULL)
        status = rsi_centroids_sample(&sample, &count, catalog->rows, &catalog->alive,
                                      wanted / SAMPLE_PER_LIST + 1);
    pthread_rwlock_unlock(&catalog->lock);
    if (status == RAGSTORE_OK)
        status = rsi_faiss_index_train(index, sample, count);
    rsi_free(sample);
    return status;
}

/* Put an index without rows beside the one that is used. */
static int begin(rsi_catalog *catalog)
{
    rsi_index_settings settings;
    rsi_faiss_index *made = NULL;
    uint32_t dimension;
    pthread_rwlock_rdlock(&catalog->lock);
    settings = catalog->settings;
    dimension = catalog->rows == NULL ? 0 : rsi_rows_dimension(catalog->rows);
    pthread_rwlock_unlock(&catalog->lock);
    if (dimension == 0)
        return RAGSTORE_OK;
    int status = rsi_faiss_index_new(&made, settings.factory, dimension, catalog->metric);
    if (status == RAGSTORE_OK)
        status = train(made, catalog);
    if (status != RAGSTORE_OK) {
        rsi_faiss_index_free(made);
        return status;
    }
    pthread_rwlock_wrlock(&catalog->lock);
    rsi_faiss_index_free(catalog->next_faiss);
    catalog->next_faiss = made;
    if (!is_asked_for(catalog, made)) { /* not any more */
        rsi_faiss_index_free(made);
        catalog->next_faiss = NULL;
    }
    pthread_rwlock_unlock(&catalog->lock);
    return RAGSTORE_OK;
}

/* Add rows for a moment. The lock is given up now and then, for those who change the catalog. */
static int fill(bool *done, rsi_catalog *catalog)
{
    const int64_t until = rsi_monotonic_ms() + SLICE_MS;
    int status = RAGSTORE_OK;
    *done = false;
    while (status == RAGSTORE_OK && !*done && rsi_monotonic_ms() < until) {
        pthread_rwlock_rdlock(&catalog->lock);
        rsi_faiss_index *index = catalog->next_faiss != NULL ? catalog->next_faiss : catalog->faiss;
        *done = index == NULL || catalog->rows == NULL;
        if (!*done)
            status = rsi_faiss_index_absorb(index, done, catalog->rows, &catalog->alive,
                                            index == catalog->faiss ? ADD_LIVE : ADD_NEXT);
        pthread_rwlock_unlock(&catalog->lock);
    }
    return status;
}

/* The one that was made takes its place, and that of the codes. */
static void take_over(rsi_catalog *catalog)
{
    pthread_rwlock_wrlock(&catalog->lock);
    if (catalog->next_faiss != NULL) {
        rsi_faiss_index *made = catalog->next_faiss;
        catalog->next_faiss = NULL;
        rsi_catalog_drop_codes_locked(catalog); /* and the index before it */
        catalog->faiss = made;
    }
    pthread_rwlock_unlock(&catalog->lock);
}

static void drop(rsi_catalog *catalog)
{
    pthread_rwlock_wrlock(&catalog->lock);
    if (catalog->settings.kind != RSI_INDEX_FAISS)
        rsi_catalog_drop_faiss_locked(catalog);
    pthread_rwlock_unlock(&catalog->lock);
}

/* Rows that cannot be read, no memory, or a kind that FAISS cannot make of these vectors. */
static void give_up(rsi_store *store, rsi_catalog *catalog)
{
    rsi_storage_log(store->storage, RAGSTORE_LOG_WARNING,
                    "entity \"%s\" is searched without FAISS: %s", catalog->entity_id,
                    rsi_error_message());
    pthread_rwlock_wrlock(&catalog->lock);
    const size_t alive = catalog->alive.count;
    rsi_catalog_drop_faiss_locked(catalog);
    catalog->faiss_failed_at = alive > 0 ? alive : 1;
    catalog->index_problem = rsi_strdup(rsi_error_message()); /* or not told of */
    pthread_rwlock_unlock(&catalog->lock);
}

static int do_slice(rsi_catalog *catalog)
{
    bool done = false;
    pthread_rwlock_rdlock(&catalog->lock);
    const bool is_asked = catalog->settings.kind == RSI_INDEX_FAISS;
    const bool begins =
        is_asked && catalog->rows != NULL && catalog->next_faiss == NULL && wants_another(catalog);
    pthread_rwlock_unlock(&catalog->lock);
    if (!is_asked) {
        drop(catalog);
        return RAGSTORE_OK;
    }
    int status = begins ? begin(catalog) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = fill(&done, catalog);
    if (status == RAGSTORE_OK && done)
        take_over(catalog);
    return status;
}

/* ---- at once ---- */

static size_t count_added(rsi_catalog *catalog)
{
    pthread_rwlock_rdlock(&catalog->lock);
    const size_t count =
        catalog->next_faiss == NULL ? 0 : rsi_faiss_index_count(catalog->next_faiss);
    pthread_rwlock_unlock(&catalog->lock);
    return count;
}

static void drop_next(rsi_catalog *catalog)
{
    pthread_rwlock_wrlock(&catalog->lock);
    rsi_faiss_index_free(catalog->next_faiss);
    catalog->next_faiss = NULL;
    pthread_rwlock_unlock(&catalog->lock);
}

int rsi_catalog_rebuild_faiss(rsi_store *store, rsi_catalog *catalog, const rsi_rebuild *rebuild)
{
    bool done = false;
    pthread_rwlock_rdlock(&catalog->lock);
    const size_t total = catalog->alive.count;
    const bool wanted = total >= rsi_faiss_factory_rows(catalog->settings.factory);
    pthread_rwlock_unlock(&catalog->lock);
    if (!wanted) /* the rows themselves are searched */
        return RAGSTORE_OK;
    drop_next(catalog);
    int status = begin(catalog);
    while (status == RAGSTORE_OK && !done) {
        status = rsi_rebuild_report(rebuild, store, "vectors", count_added(catalog), total);
        if (status == RAGSTORE_OK)
            status = fill(&done, catalog);
    }
    if (status == RAGSTORE_OK)
        take_over(catalog);
    else
        drop_next(catalog);
    return status;
}

int rsi_catalog_do_faiss(rsi_store *store, rsi_catalog *catalog)
{
    if (do_slice(catalog) != RAGSTORE_OK)
        give_up(store, catalog);
    pthread_rwlock_wrlock(&catalog->lock);
    __atomic_store_n(&catalog->wants_codes, rsi_catalog_wants_work_locked(catalog),
                     __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&catalog->lock);
    return RAGSTORE_OK;
}
