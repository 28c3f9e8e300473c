/*
 * The index of FAISS's (vectors/faiss_index.h) of an entity that asks for one: when it is made.
 *
 *   nothing ─┬► trained on a sample ─┬► filled ──► in place ──► rows that come are added
 *      ▲     └► read from its file ──┘               faiss │
 *      │              next_faiss                           │
 *      └── another kind is asked for, or most of its rows are dead
 *
 * It is made in the background, a slice at a time, while searches go on with what there is: codes, or
 * the rows themselves. Slices hold the catalog's lock shared for some milliseconds; training holds
 * none, nor does reading the file, which export_faiss.c wrote (vectors/faiss_saved.h). One that is
 * damaged is told of once, removed, and the index made. What cannot be made is told of once, and tried
 * again when there are twice as many chunks.
 */
#include "entities/catalog.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "files/paths.h"

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
    catalog->faiss_sheds_dead = false;
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
           catalog->faiss_sheds_dead ||
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

/* The kind that is asked for, and what the record says; the dimension is 0 when there are no rows. */
static void asked_for(char factory[RSI_FAISS_FACTORY_MAX], rsi_faiss_about *about,
                      rsi_catalog *catalog)
{
    pthread_rwlock_rdlock(&catalog->lock);
    memcpy(factory, catalog->settings.factory, RSI_FAISS_FACTORY_MAX);
    *about = (rsi_faiss_about){
        .factory = factory,
        .incarnation = catalog->incarnation,
        .dimension = catalog->rows == NULL ? 0 : rsi_rows_dimension(catalog->rows),
        .metric = catalog->metric,
    };
    pthread_rwlock_unlock(&catalog->lock);
}

/* An index without rows. */
static int make(rsi_faiss_index **out, rsi_catalog *catalog, const rsi_faiss_about *about)
{
    int status = rsi_faiss_index_new(out, about->factory, about->dimension, about->metric);
    if (status == RAGSTORE_OK)
        status = train(*out, catalog);
    if (status != RAGSTORE_OK) {
        rsi_faiss_index_free(*out);
        *out = NULL;
    }
    return status;
}

/* NOT_FOUND also for one of which most is dead. */
static int verify_saved(rsi_faiss_index *read, const rsi_faiss_probe *probe, rsi_catalog *catalog)
{
    int status = RAGSTORE_E_NOT_FOUND;
    pthread_rwlock_rdlock(&catalog->lock);
    if (catalog->rows != NULL && rsi_faiss_index_count(read) / DEAD_SHARE <= catalog->alive.count)
        status = rsi_faiss_saved_verify(read, probe, catalog->rows, &catalog->alive);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

/* The index from its file; NULL when it has to be made, for whatever reason. */
static int read_saved(rsi_faiss_index **out, rsi_store *store, rsi_catalog *catalog,
                      rsi_faiss_about *about)
{
    rsi_entity_record record;
    rsi_faiss_probe probe;
    rsi_faiss_index *read = NULL;
    rsi_root *root = rsi_storage_root(store->storage);
    const rsi_path path = rsi_path_in_entity(catalog->entity_id, "vector_store/index.faiss");
    *out = NULL;
    int status = rsi_entity_read(&record, store, catalog->entity_id, catalog->incarnation);
    if (status != RAGSTORE_OK)
        return status;
    about->embedder = record.embedder == NULL ? "" : record.embedder;
    status = rsi_faiss_saved_read(&read, &probe, root, path.text, about);
    if (status == RAGSTORE_OK)
        status = verify_saved(read, &probe, catalog);
    about->embedder = NULL;
    rsi_entity_record_free(&record);
    if (status == RAGSTORE_OK) {
        *out = read;
        return RAGSTORE_OK;
    }
    rsi_faiss_index_free(read);
    if (status == RAGSTORE_E_NO_MEMORY)
        return status;
    if (status != RAGSTORE_E_NOT_FOUND) {
        rsi_storage_log(store->storage, RAGSTORE_LOG_WARNING,
                        "%s is damaged; it is made again from the vectors: %s", path.text,
                        rsi_error_message());
        if (!rsi_storage_is_read_only(store->storage))
            rsi_faiss_remove(root, path.text); /* or it is told of again */
    }
    return RAGSTORE_OK;
}

/* Put one that is not complete yet beside the one that is used. */
static int begin(rsi_store *store, rsi_catalog *catalog, bool may_be_read)
{
    char factory[RSI_FAISS_FACTORY_MAX];
    rsi_faiss_about about;
    rsi_faiss_index *made = NULL;
    int status = RAGSTORE_OK;
    asked_for(factory, &about, catalog);
    if (about.dimension == 0)
        return RAGSTORE_OK;
    if (may_be_read)
        status = read_saved(&made, store, catalog, &about);
    if (status == RAGSTORE_OK && made == NULL)
        status = make(&made, catalog, &about);
    if (status != RAGSTORE_OK)
        return status;
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

/* Add a few rows. The lock is given up after them, for those who change the catalog. */
static int add_few(bool *done, rsi_catalog *catalog)
{
    int status = RAGSTORE_OK;
    pthread_rwlock_rdlock(&catalog->lock);
    rsi_faiss_index *index = catalog->next_faiss != NULL ? catalog->next_faiss : catalog->faiss;
    *done = index == NULL || catalog->rows == NULL;
    if (!*done)
        status = rsi_faiss_index_absorb(index, done, catalog->rows, &catalog->alive,
                                        index == catalog->faiss ? ADD_LIVE : ADD_NEXT);
    pthread_rwlock_unlock(&catalog->lock);
    return status;
}

/* Add rows for a moment. */
static int fill(bool *done, rsi_catalog *catalog)
{
    const int64_t until = rsi_monotonic_ms() + SLICE_MS;
    int status = RAGSTORE_OK;
    *done = false;
    while (status == RAGSTORE_OK && !*done && rsi_monotonic_ms() < until)
        status = add_few(done, catalog);
    return status;
}

int rsi_catalog_complete_faiss(rsi_catalog *catalog, const rsi_faiss_index *index)
{
    bool done = false;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && !done) {
        pthread_rwlock_rdlock(&catalog->lock);
        done = catalog->faiss != index || catalog->rows == NULL;
        if (!done)
            status = rsi_faiss_index_absorb(catalog->faiss, &done, catalog->rows, &catalog->alive,
                                            ADD_LIVE);
        pthread_rwlock_unlock(&catalog->lock);
    }
    return status;
}

/* The one that was made takes its place, and that of the codes; its file can be written. */
static void take_over(rsi_store *store, rsi_catalog *catalog)
{
    bool is_new = false;
    pthread_rwlock_wrlock(&catalog->lock);
    if (catalog->next_faiss != NULL) {
        rsi_faiss_index *made = catalog->next_faiss;
        catalog->next_faiss = NULL;
        rsi_catalog_drop_codes_locked(catalog); /* and the index before it */
        catalog->faiss = made;
        is_new = true;
    }
    pthread_rwlock_unlock(&catalog->lock);
    if (is_new)
        rsi_upkeep_mark(store, catalog->entity_id);
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

static int do_slice(rsi_store *store, rsi_catalog *catalog)
{
    bool done = false;
    pthread_rwlock_rdlock(&catalog->lock);
    const bool is_asked = catalog->settings.kind == RSI_INDEX_FAISS;
    const bool begins =
        is_asked && catalog->rows != NULL && catalog->next_faiss == NULL && wants_another(catalog);
    const bool is_first = catalog->faiss == NULL;
    pthread_rwlock_unlock(&catalog->lock);
    if (!is_asked) {
        drop(catalog);
        return RAGSTORE_OK;
    }
    /* what closing finishes has its file, and need not be made again */
    if (begins ? rsi_store_is_closing(store) : rsi_store_closes_now(store))
        return rsi_fail(RAGSTORE_E_INTERRUPTED, "entities", "the store is being closed");
    int status = begins ? begin(store, catalog, is_first) : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = fill(&done, catalog);
    if (status == RAGSTORE_OK && done)
        take_over(store, catalog);
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
    int status = begin(store, catalog, false);
    while (status == RAGSTORE_OK && !done) {
        status = rsi_rebuild_report(rebuild, store, "vectors", count_added(catalog), total);
        if (status == RAGSTORE_OK) /* not for a time: what is told does not depend on the load */
            status = add_few(&done, catalog);
    }
    if (status == RAGSTORE_OK)
        take_over(store, catalog);
    else
        drop_next(catalog);
    return status;
}

int rsi_catalog_do_faiss(rsi_store *store, rsi_catalog *catalog)
{
    const int status = do_slice(store, catalog);
    if (status != RAGSTORE_OK && status != RAGSTORE_E_INTERRUPTED)
        give_up(store, catalog);
    pthread_rwlock_wrlock(&catalog->lock);
    __atomic_store_n(&catalog->wants_codes, rsi_catalog_wants_work_locked(catalog),
                     __ATOMIC_RELAXED);
    pthread_rwlock_unlock(&catalog->lock);
    return status == RAGSTORE_E_INTERRUPTED ? status : RAGSTORE_OK;
}
