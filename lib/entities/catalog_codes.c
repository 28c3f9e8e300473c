/*
 * The quantised index of a catalog (vectors/quantised.h): when it is made, and by whom.
 *
 *   rows                what searches them
 *   up to CODES_FROM    the rows themselves: exact
 *   more                codes of all rows: nearly always exact
 *   PARTITION_FROM …    codes in lists, about as many as the square root of the rows
 *
 * It is made in the background, a slice at a time, while searches go on with what there is, and
 * made again with more lists when there are four times as many rows as it was made for, or without
 * the dead when they are most. Slices hold the catalog's lock shared for milliseconds; training holds
 * none. One slice at a time in a store.
 *
 * bench_vectors measures where each pays.
 */
#include "entities/catalog.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define CODES_FROM 8192
#define PARTITION_FROM 65536
#define DEAD_SHARE 2 /* of that many times the living, most are dead, and scanned for nothing */
#define SLICE_ROWS 2048
#define BEHIND_MAX 1024 /* rows that a search scores exactly, because they are not coded yet */

static size_t lists_for(size_t rows)
{
    size_t lists = 16;
    if (rows < CODES_FROM)
        return 0;
    if (rows < PARTITION_FROM)
        return 1;
    while (lists * lists * 4 < rows * 3) /* the nearest power of two, about */
        lists *= 2;
    return lists;
}

/* Are other codes wanted than those there are: more lists, or none of so many dead rows? Under the
 * lock, in either way. */
static bool wants_others(const rsi_catalog *catalog)
{
    const size_t wanted = lists_for(catalog->alive.count);
    const size_t lists = catalog->codes == NULL ? 0 : rsi_quantised_lists(catalog->codes);
    if (wanted > lists && (lists <= 1 || wanted >= 2 * lists))
        return true;
    return lists > 0 && wanted > 0 &&
           rsi_quantised_count(catalog->codes) > DEAD_SHARE * catalog->alive.count;
}

/* Is there something to do? Under the lock, in either way. */
static bool needs_work(const rsi_catalog *catalog)
{
    if (catalog->rows == NULL || catalog->codes_refused ||
        rsi_rows_dimension(catalog->rows) > RSI_QUANTISED_DIMENSION_MAX)
        return false;
    if (wants_others(catalog))
        return true;
    /* dead rows are never coded: only those that live can be behind */
    return catalog->codes != NULL && rsi_bitset_next(&catalog->alive,
                                        rsi_quantised_covered(catalog->codes) + BEHIND_MAX) >= 0;
}

void rsi_catalog_note_rows_locked(rsi_catalog *catalog)
{
    if (catalog->codes != NULL && lists_for(catalog->alive.count) == 0 &&
        rsi_quantised_count(catalog->codes) > DEAD_SHARE * catalog->alive.count)
        rsi_catalog_drop_codes_locked(catalog); /* it has become small: exact is faster */
    if (needs_work(catalog))
        __atomic_store_n(&catalog->wants_codes, true, __ATOMIC_RELAXED);
}

void rsi_catalog_drop_codes_locked(rsi_catalog *catalog)
{
    rsi_quantised_free(catalog->codes);
    catalog->codes = NULL;
    rsi_quantised_free(catalog->next_codes);
    catalog->next_codes = NULL;
    catalog->codes_refused = false;
}

int rsi_catalog_search_locked(rsi_hit *hits, size_t *count, rsi_catalog *catalog,
                              const float *query, size_t k, const rsi_bitset *allowed)
{
    return catalog->codes == NULL ? rsi_rows_search(hits, count, catalog->rows, query, k, allowed)
                                  : rsi_quantised_search(hits, count, catalog->codes, catalog->rows,
                                                         query, k, allowed, NULL);
}

/* ---- a slice ---- */

typedef struct slice {
    rsi_store *store;
    rsi_catalog *catalog;
} slice;

static bool store_closes(void *user)
{
    rsi_store *store = ((slice *)user)->store;
    pthread_mutex_lock(&store->upkeep_mutex);
    bool closes = store->upkeep_stops;
    pthread_mutex_unlock(&store->upkeep_mutex);
    return closes;
}

/* Put an index without rows beside the one that is used. */
static int begin_codes(slice *in)
{
    rsi_catalog *catalog = in->catalog;
    float *sample = NULL;
    float *centroids = NULL;
    size_t count = 0;
    rsi_quantised *made = NULL;
    pthread_rwlock_rdlock(&catalog->lock);
    const size_t lists = lists_for(catalog->alive.count);
    const bool usable = catalog->is_loaded && catalog->rows != NULL && lists > 0;
    const uint32_t dimension = usable ? rsi_rows_dimension(catalog->rows) : 0;
    int status = usable
                     ? rsi_centroids_sample(&sample, &count, catalog->rows, &catalog->alive, lists)
                     : RAGSTORE_OK;
    pthread_rwlock_unlock(&catalog->lock);
    if (status == RAGSTORE_OK && count >= lists && usable)
        status = rsi_centroids_train(&centroids, sample, count, dimension, lists, store_closes, in);
    rsi_free(sample);
    if (status == RAGSTORE_OK && centroids != NULL)
        status = rsi_quantised_new(&made, dimension, centroids, lists);
    rsi_free(centroids);
    if (made == NULL && status == RAGSTORE_OK && usable) /* too few of the chunks have a row */
        status = rsi_fail(RAGSTORE_E_UNSUPPORTED, "entities", "it has %zu vectors", count);
    if (made == NULL)
        return status;
    pthread_rwlock_wrlock(&catalog->lock);
    rsi_quantised_free(catalog->next_codes);
    catalog->next_codes = made;
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

static int absorb(slice *in, bool *done)
{
    rsi_catalog *catalog = in->catalog;
    int status = RAGSTORE_OK;
    *done = true;
    pthread_rwlock_rdlock(&catalog->lock);
    rsi_quantised *codes = catalog->next_codes != NULL ? catalog->next_codes : catalog->codes;
    if (codes != NULL && catalog->rows != NULL)
        status = rsi_quantised_absorb(codes, done, catalog->rows, &catalog->alive, SLICE_ROWS);
    pthread_rwlock_unlock(&catalog->lock);
    if (status != RAGSTORE_OK || !*done)
        return status;
    pthread_rwlock_wrlock(&catalog->lock);
    if (catalog->next_codes != NULL) {
        rsi_quantised_free(catalog->codes);
        catalog->codes = catalog->next_codes;
        catalog->next_codes = NULL;
    }
    __atomic_store_n(&catalog->wants_codes, needs_work(catalog), __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

static bool needs_new_codes(rsi_catalog *catalog)
{
    pthread_rwlock_rdlock(&catalog->lock);
    const bool needs = catalog->next_codes == NULL && wants_others(catalog);
    pthread_rwlock_unlock(&catalog->lock);
    return needs;
}

/* Rows that cannot be read, or no memory: exact search goes on until the catalog is made again. */
static void give_up(slice *in)
{
    rsi_catalog *catalog = in->catalog;
    rsi_storage_log(in->store->storage, RAGSTORE_LOG_WARNING,
                    "entity \"%s\" is searched without codes: %s", catalog->entity_id,
                    rsi_error_message());
    pthread_rwlock_wrlock(&catalog->lock);
    rsi_catalog_drop_codes_locked(catalog);
    catalog->codes_refused = true;
    pthread_rwlock_unlock(&catalog->lock);
    __atomic_store_n(&catalog->wants_codes, false, __ATOMIC_RELAXED);
}

static int do_slice(slice *in)
{
    bool done;
    int status = needs_new_codes(in->catalog) ? begin_codes(in) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = absorb(in, &done);
    if (status == RAGSTORE_OK || status == RAGSTORE_E_INTERRUPTED)
        return status;
    give_up(in);
    return RAGSTORE_OK;
}

/* One catalog that has something to do, with a reference; NULL: none. */
static rsi_catalog *take_catalog(rsi_store *store)
{
    size_t position = 0;
    void *value;
    rsi_catalog *found = NULL;
    pthread_mutex_lock(&store->catalogs_mutex);
    while (found == NULL && rsi_map_next(&store->catalogs, &position, NULL, &value)) {
        rsi_catalog *catalog = value;
        if (__atomic_load_n(&catalog->wants_codes, __ATOMIC_RELAXED)) {
            catalog->references++;
            found = catalog;
        }
    }
    pthread_mutex_unlock(&store->catalogs_mutex);
    return found;
}

int rsi_catalogs_code(rsi_store *store, bool *did)
{
    slice in = {store, NULL};
    int status = RAGSTORE_OK;
    *did = false;
    if (pthread_mutex_trylock(&store->codes_mutex) != 0)
        return RAGSTORE_OK; /* another thread is at it */
    in.catalog = take_catalog(store);
    if (in.catalog != NULL) {
        *did = true;
        status = do_slice(&in);
        rsi_catalog_release(store, in.catalog);
    }
    pthread_mutex_unlock(&store->codes_mutex);
    return status;
}
