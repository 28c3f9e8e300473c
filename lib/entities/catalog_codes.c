/*
 * The quantised index of a catalog (vectors/quantised.h), or the byte codes of one that is searched
 * exactly (vectors/byte_codes.h): when they are made, and by whom.
 *
 * index_plan.h says in how many lists. It is made in the background, a slice at a time, while
 * searches go on with what there is, and made again when more lists are wanted, or without the dead
 * when they are most. Byte codes serve from their first slice on, and are made where there is room
 * for them among those of other entities (rsi_catalog_take_room). Slices hold the catalog's lock
 * shared for milliseconds; training holds none. One slice at a time in a store.
 */
#include "entities/catalog.h"

#include "base/memory.h"
#include "base/status.h"
#include "entities/index_plan.h"

#include <string.h>

#define DEAD_SHARE 2 /* of that many times the living, most are dead, and scanned for nothing */
#define SLICE_ROWS 2048
#define BEHIND_MAX 256 /* rows that a search scores exactly, because they are not coded yet */

/* How many lists there should be. Under the lock, in either way, as all of these. */
static size_t wanted_lists(const rsi_catalog *catalog)
{
    if (catalog->rows == NULL || rsi_rows_dimension(catalog->rows) > RSI_QUANTISED_DIMENSION_MAX)
        return 0;
    return rsi_index_lists(&catalog->settings, catalog->metric, rsi_rows_dimension(catalog->rows),
                           catalog->alive.count);
}

static rsi_index_change due_change(const rsi_catalog *catalog)
{
    const size_t lists = catalog->codes == NULL ? 0 : rsi_quantised_lists(catalog->codes);
    const size_t alive = catalog->alive.count;
    if (catalog->rows == NULL || rsi_rows_dimension(catalog->rows) > RSI_QUANTISED_DIMENSION_MAX)
        return RSI_INDEX_KEEP;
    const rsi_index_change due = rsi_index_due(&catalog->settings, catalog->metric,
                                               rsi_rows_dimension(catalog->rows), alive, lists);
    const bool most_are_dead =
        lists > 0 && rsi_quantised_count(catalog->codes) > DEAD_SHARE * alive;
    return due == RSI_INDEX_KEEP && most_are_dead && wanted_lists(catalog) > 0 ? RSI_INDEX_MAKE
                                                                               : due;
}

/* Should there be byte codes? */
static bool wants_bytes(const rsi_catalog *catalog)
{
    const size_t alive = catalog->alive.count;
    return catalog->rows != NULL && catalog->codes == NULL &&
           !__atomic_load_n(&catalog->bytes_spared, __ATOMIC_RELAXED) &&
           rsi_index_wants_bytes(&catalog->settings, wanted_lists(catalog), alive) &&
           rsi_byte_codes_bytes(rsi_rows_dimension(catalog->rows), alive) <=
               catalog->memory_limit / RSI_BYTES_SHARE;
}

static bool bytes_are_mostly_dead(const rsi_catalog *catalog)
{
    return rsi_byte_codes_count(catalog->bytes) > DEAD_SHARE * catalog->alive.count;
}

static bool bytes_want_work(const rsi_catalog *catalog)
{
    const bool wanted = wants_bytes(catalog);
    if (!wanted || catalog->bytes == NULL)
        return wanted;
    return bytes_are_mostly_dead(catalog) ||
           rsi_bitset_next(&catalog->alive, rsi_byte_codes_seen(catalog->bytes) + BEHIND_MAX) >= 0;
}

bool rsi_catalog_wants_work_locked(const rsi_catalog *catalog)
{
    if (rsi_catalog_has_faiss_locked(catalog))
        return rsi_catalog_faiss_wants_work_locked(catalog);
    if (catalog->rows == NULL || catalog->codes_refused)
        return false;
    if (due_change(catalog) != RSI_INDEX_KEEP || bytes_want_work(catalog))
        return true;
    /* dead rows are never coded: only those that live can be behind */
    return catalog->codes != NULL &&
           rsi_bitset_next(&catalog->alive, rsi_quantised_covered(catalog->codes) + BEHIND_MAX) >= 0;
}

void rsi_catalog_drop_bytes_locked(rsi_catalog *catalog)
{
    rsi_byte_codes_free(catalog->bytes);
    catalog->bytes = NULL;
    __atomic_store_n(&catalog->bytes_memory, 0, __ATOMIC_RELAXED);
}

void rsi_catalog_note_rows_locked(rsi_catalog *catalog)
{
    if (catalog->codes != NULL && wanted_lists(catalog) == 0 &&
        rsi_quantised_count(catalog->codes) > DEAD_SHARE * catalog->alive.count)
        rsi_catalog_drop_codes_locked(catalog); /* it has become small: exact is faster */
    if (catalog->bytes != NULL &&
        (rsi_index_spares_bytes(catalog->alive.count) ||
         (!wants_bytes(catalog) && bytes_are_mostly_dead(catalog))))
        rsi_catalog_drop_bytes_locked(catalog);
    if (rsi_catalog_wants_work_locked(catalog))
        __atomic_store_n(&catalog->wants_codes, true, __ATOMIC_RELAXED);
}

void rsi_catalog_drop_codes_locked(rsi_catalog *catalog)
{
    rsi_quantised_free(catalog->codes);
    catalog->codes = NULL;
    rsi_quantised_free(catalog->next_codes);
    catalog->next_codes = NULL;
    rsi_catalog_drop_bytes_locked(catalog);
    catalog->codes_refused = false;
    rsi_catalog_drop_faiss_locked(catalog);
}

void rsi_catalog_settle_locked(rsi_catalog *catalog, const rsi_index_settings *settings)
{
    const bool is_other = catalog->settings.kind != settings->kind ||
                          strcmp(catalog->settings.factory, settings->factory) != 0;
    catalog->settings = *settings;
    if (!is_other)
        return;
    rsi_quantised_free(catalog->next_codes); /* it may be in the way of what is wanted now */
    catalog->next_codes = NULL;
    catalog->codes_refused = false;
    catalog->faiss_failed_at = 0;
    rsi_free(catalog->index_problem);
    catalog->index_problem = NULL;
    rsi_catalog_note_rows_locked(catalog);
}

int rsi_catalog_search_locked(rsi_hit *hits, size_t *count, rsi_catalog *catalog,
                              const float *query, size_t k, const rsi_bitset *allowed)
{
    const rsi_index_settings *settings = &catalog->settings;
    const rsi_quantised_effort effort = {settings->probes, settings->candidates};
    if (settings->kind == RSI_INDEX_FAISS && catalog->faiss != NULL)
        return rsi_faiss_index_search(hits, count, catalog->faiss, catalog->rows, query, k, allowed,
                                      &effort);
    if (catalog->codes == NULL || settings->kind == RSI_INDEX_EXACT)
        return rsi_byte_codes_search(hits, count, catalog->bytes, catalog->rows, query, 1, k,
                                     allowed, settings->threads);
    return rsi_quantised_search(hits, count, catalog->codes, catalog->rows, query, k, allowed,
                                &effort);
}

int rsi_catalog_search_many_locked(rsi_hit *hits, size_t *counts, rsi_catalog *catalog,
                                   const float *queries, size_t count, size_t k,
                                   const rsi_bitset *allowed)
{
    const size_t dimension = rsi_rows_dimension(catalog->rows);
    const bool is_exact = catalog->settings.kind == RSI_INDEX_EXACT ||
                          (catalog->codes == NULL && catalog->faiss == NULL);
    int status = RAGSTORE_OK;
    if (is_exact)
        return rsi_byte_codes_search(hits, counts, catalog->bytes, catalog->rows, queries, count, k,
                                     allowed, catalog->settings.threads);
    for (size_t q = 0; status == RAGSTORE_OK && q < count; q++)
        status = rsi_catalog_search_locked(hits + q * k, &counts[q], catalog,
                                           queries + q * dimension, k, allowed);
    return status;
}

/* ---- a slice ---- */

typedef struct slice {
    rsi_store *store;
    rsi_catalog *catalog;
    const rsi_rebuild *rebuild; /* who asked for it; NULL: the background */
} slice;

int rsi_rebuild_report(const rsi_rebuild *rebuild, const rsi_store *store, const char *stage,
                       uint64_t done, uint64_t total)
{
    if (rebuild->progress != NULL &&
        rebuild->progress(rebuild->progress_user, stage, done, total) != 0)
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "entities", "the rebuild was cancelled");
    return rsi_store_check_interrupt(store, rebuild->epoch);
}

static bool is_cancelled(void *user)
{
    const slice *in = user;
    rsi_store *store = in->store;
    if (in->rebuild != NULL)
        return rsi_rebuild_report(in->rebuild, store, "train", 0, 0) != RAGSTORE_OK;
    pthread_mutex_lock(&store->upkeep_mutex);
    bool stops = store->upkeep_stops;
    pthread_mutex_unlock(&store->upkeep_mutex);
    return stops || rsi_store_is_closing(store);
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
    const size_t lists = wanted_lists(catalog);
    const bool usable = catalog->is_loaded && catalog->rows != NULL && lists > 0;
    const uint32_t dimension = usable ? rsi_rows_dimension(catalog->rows) : 0;
    int status = usable
                     ? rsi_centroids_sample(&sample, &count, catalog->rows, &catalog->alive, lists)
                     : RAGSTORE_OK;
    pthread_rwlock_unlock(&catalog->lock);
    if (status == RAGSTORE_OK && count >= lists && usable)
        status = rsi_centroids_train(&centroids, sample, count, dimension, lists, is_cancelled, in);
    rsi_free(sample);
    if (status == RAGSTORE_OK && centroids != NULL)
        status = rsi_quantised_new(&made, dimension, catalog->metric, centroids, lists);
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

/* How much room they need beyond what they have; 0: they have it, or are not wanted. */
static size_t bytes_to_come(rsi_catalog *catalog)
{
    size_t size = 0;
    pthread_rwlock_rdlock(&catalog->lock);
    if (wants_bytes(catalog))
        size = (size_t)rsi_byte_codes_bytes(rsi_rows_dimension(catalog->rows),
                                            catalog->alive.count);
    if (catalog->bytes != NULL && !bytes_are_mostly_dead(catalog) &&
        size <= __atomic_load_n(&catalog->bytes_memory, __ATOMIC_RELAXED))
        size = 0;
    pthread_rwlock_unlock(&catalog->lock);
    return size;
}

static int make_bytes(slice *in)
{
    rsi_catalog *catalog = in->catalog;
    rsi_byte_codes *made = NULL;
    int status = RAGSTORE_OK;
    const size_t size = bytes_to_come(catalog);
    if (size == 0 || !rsi_catalog_take_room(in->store, catalog, size))
        return RAGSTORE_OK;
    pthread_rwlock_wrlock(&catalog->lock);
    if (wants_bytes(catalog) && (catalog->bytes == NULL || bytes_are_mostly_dead(catalog))) {
        status = rsi_byte_codes_new(&made, rsi_rows_dimension(catalog->rows));
        rsi_catalog_drop_bytes_locked(catalog);
        catalog->bytes = made;
        if (made != NULL)
            __atomic_store_n(&catalog->bytes_memory, size, __ATOMIC_RELAXED);
    }
    if (catalog->bytes == NULL)
        __atomic_store_n(&catalog->bytes_memory, 0, __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

/* The byte codes, if there should be any. */
static int absorb_bytes(slice *in, bool *done)
{
    rsi_catalog *catalog = in->catalog;
    *done = true;
    int status = make_bytes(in);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_rdlock(&catalog->lock);
    if (wants_bytes(catalog) && catalog->bytes != NULL)
        status = rsi_byte_codes_absorb(catalog->bytes, done, catalog->rows, &catalog->alive,
                                       SLICE_ROWS);
    if (status == RAGSTORE_OK && *done)
        __atomic_store_n(&catalog->wants_codes, rsi_catalog_wants_work_locked(catalog),
                         __ATOMIC_RELAXED);
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
        rsi_catalog_drop_bytes_locked(catalog);
    }
    __atomic_store_n(&catalog->wants_codes, rsi_catalog_wants_work_locked(catalog),
                     __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

/* What is to be done before rows can be coded. Codes that nobody wants any more go here. */
static rsi_index_change begin_slice(rsi_catalog *catalog)
{
    pthread_rwlock_rdlock(&catalog->lock);
    const rsi_index_change due = catalog->next_codes != NULL ? RSI_INDEX_KEEP : due_change(catalog);
    pthread_rwlock_unlock(&catalog->lock);
    if (due != RSI_INDEX_DROP)
        return due;
    pthread_rwlock_wrlock(&catalog->lock);
    if (due_change(catalog) == RSI_INDEX_DROP) {
        rsi_quantised_free(catalog->codes);
        catalog->codes = NULL;
    }
    pthread_rwlock_unlock(&catalog->lock);
    return due;
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
    pthread_rwlock_rdlock(&in->catalog->lock);
    const bool by_faiss = rsi_catalog_has_faiss_locked(in->catalog);
    pthread_rwlock_unlock(&in->catalog->lock);
    if (by_faiss)
        return rsi_catalog_do_faiss(in->store, in->catalog);
    if (rsi_store_is_closing(in->store)) /* codes are in memory only */
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "entities", "the store is being closed");
    int status = begin_slice(in->catalog) == RSI_INDEX_MAKE ? begin_codes(in) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = absorb(in, &done);
    if (status == RAGSTORE_OK && done)
        status = absorb_bytes(in, &done);
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
            rsi_catalog_count_locked(store, catalog);
            found = catalog;
        }
    }
    pthread_mutex_unlock(&store->catalogs_mutex);
    return found;
}

/* ---- at once ---- */

static size_t count_coded(rsi_catalog *catalog)
{
    size_t count = 0;
    pthread_rwlock_rdlock(&catalog->lock);
    const rsi_quantised *codes = catalog->next_codes != NULL ? catalog->next_codes : catalog->codes;
    if (codes != NULL)
        count = rsi_quantised_count(codes);
    else if (catalog->bytes != NULL)
        count = rsi_byte_codes_count(catalog->bytes);
    pthread_rwlock_unlock(&catalog->lock);
    return count;
}

/* Code all rows, by `step`. */
static int code_all(slice *in, uint64_t total, int (*step)(slice *in, bool *done))
{
    bool done = false;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && !done) {
        status = rsi_rebuild_report(in->rebuild, in->store, "vectors", count_coded(in->catalog), total);
        if (status == RAGSTORE_OK)
            status = step(in, &done);
    }
    return status;
}

static int rebuild_codes(slice *in)
{
    rsi_catalog *catalog = in->catalog;
    pthread_rwlock_wrlock(&catalog->lock);
    const uint64_t total = catalog->alive.count;
    const bool wanted = catalog->rows != NULL && wanted_lists(catalog) > 0;
    catalog->codes_refused = false;
    __atomic_store_n(&catalog->bytes_spared, false, __ATOMIC_RELAXED);
    if (!wanted)
        rsi_catalog_drop_codes_locked(catalog);
    pthread_rwlock_unlock(&catalog->lock);
    if (!wanted) /* the rows themselves are searched */
        return code_all(in, total, absorb_bytes);
    int status = begin_codes(in);
    if (status == RAGSTORE_OK)
        status = code_all(in, total, absorb);
    if (status != RAGSTORE_OK) {
        pthread_rwlock_wrlock(&catalog->lock);
        rsi_quantised_free(catalog->next_codes);
        catalog->next_codes = NULL;
        pthread_rwlock_unlock(&catalog->lock);
    }
    return status;
}

int rsi_catalog_rebuild(rsi_store *store, rsi_catalog *catalog, const rsi_rebuild *rebuild)
{
    slice in = {store, catalog, rebuild};
    pthread_mutex_lock(&store->codes_mutex);
    pthread_rwlock_rdlock(&catalog->lock);
    const uint64_t total = catalog->alive.count;
    const bool by_faiss = catalog->settings.kind == RSI_INDEX_FAISS;
    pthread_rwlock_unlock(&catalog->lock);
    int status = rsi_rebuild_report(rebuild, store, "train", 0, 0);
    if (status == RAGSTORE_OK)
        status = by_faiss ? rsi_catalog_rebuild_faiss(store, catalog, rebuild) : rebuild_codes(&in);
    if (status == RAGSTORE_OK) {
        rsi_upkeep_mark(store, catalog->entity_id); /* index.faiss is looked at again */
        status = rsi_rebuild_report(rebuild, store, "vectors", total, total);
    }
    pthread_mutex_unlock(&store->codes_mutex);
    return status;
}

int rsi_catalogs_code(rsi_store *store, bool *did)
{
    slice in = {.store = store};
    int status = RAGSTORE_OK;
    *did = false;
    if (pthread_mutex_trylock(&store->codes_mutex) != 0)
        return RAGSTORE_OK; /* another thread is at it */
    in.catalog = take_catalog(store);
    if (in.catalog != NULL) {
        bool is_cut;
        *did = true;
        status = rsi_catalog_notice_cuts(&is_cut, in.catalog, store);
        if (is_cut)
            rsi_catalog_drop(store, in.catalog);
        else if (status == RAGSTORE_OK)
            status = do_slice(&in);
        rsi_catalog_release(store, in.catalog);
    }
    pthread_mutex_unlock(&store->codes_mutex);
    return status;
}
