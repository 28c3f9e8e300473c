/* The core of an open store: see store.h. */
#include "entities/store.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "entities/catalog.h"

#define CACHE_SHARE 16 /* of the memory limit, for vectors of texts that may come again */
#define CACHE_MAX ((uint64_t)64 << 20)
#define CLOSE_MS 2000 /* for an index that is being made */

static int take_embedder(rsi_store *store, rsi_embedder *embedder)
{
    const uint64_t share = store->memory_limit_bytes / CACHE_SHARE;
    store->embedder = rsi_embedder_retain(embedder);
    return rsi_embedding_cache_make(&store->embedded, rsi_embedder_dimension(embedder),
                                    (size_t)(share < CACHE_MAX ? share : CACHE_MAX));
}

int rsi_store_open(rsi_store **out, const char *path, const rsi_store_options *options)
{
    rsi_storage_options storage_options = options->storage;
    *out = NULL;
    rsi_store *store = rsi_alloc_zeroed(sizeof *store);
    if (store == NULL)
        return RAGSTORE_E_NO_MEMORY;
    pthread_mutex_init(&store->catalogs_mutex, NULL);
    pthread_mutex_init(&store->codes_mutex, NULL);
    pthread_mutex_init(&store->upkeep_mutex, NULL);
    pthread_mutex_init(&store->offers_mutex, NULL);
    pthread_mutex_init(&store->log_mutex, NULL);
    pthread_mutex_init(&store->adding.mutex, NULL);
    pthread_cond_init(&store->adding.moved, NULL);
    store->opens = 1;
    store->users = 1;
    storage_options.keep_lease = options->background;
    storage_options.followed = rsi_catalogs_follow;
    storage_options.followed_user = store;
    storage_options.restore_vectors = rsi_catalog_restore_vectors;
    store->logs = options->log;
    if (options->log != NULL) {
        storage_options.log = rsi_store_log_pass;
        storage_options.log_user = store;
    }
    store->memory_limit_bytes = options->memory_limit_bytes;
    store->offer_jobs = options->offer_jobs;
    store->path = rsi_strdup(path);
    int status = store->path == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_storage_open(&store->storage, path, &storage_options);
    if (status == RAGSTORE_OK)
        status = rsi_jobs_create(&store->jobs, store->storage, options->run_job, store);
    if (status == RAGSTORE_OK && options->embedder != NULL)
        status = take_embedder(store, options->embedder);
    if (status == RAGSTORE_OK && options->background && !rsi_storage_is_read_only(store->storage))
        status = rsi_upkeep_start(store);
    if (status != RAGSTORE_OK) {
        rsi_saved_error error;
        rsi_error_save(&error);
        if (store->storage != NULL)
            rsi_storage_close(store->storage);
        rsi_store_free(store);
        rsi_error_restore(&error);
        return status;
    }
    *out = store;
    return RAGSTORE_OK;
}

bool rsi_store_is_closing(const rsi_store *store)
{
    return __atomic_load_n(&store->close_until, __ATOMIC_RELAXED) != 0;
}

bool rsi_store_closes_now(const rsi_store *store)
{
    const int64_t until = __atomic_load_n(&store->close_until, __ATOMIC_RELAXED);
    return until != 0 && rsi_monotonic_ms() >= until;
}

int rsi_store_close(rsi_store *store)
{
    __atomic_store_n(&store->close_until, rsi_monotonic_ms() + CLOSE_MS, __ATOMIC_RELAXED);
    rsi_upkeep_stop(store);
    rsi_jobs_stop(store->jobs);
    int status = RAGSTORE_OK;
    if (!rsi_storage_is_read_only(store->storage)) {
        bool did = true;
        while (status == RAGSTORE_OK && did)
            status = rsi_upkeep_step(store, true, &did);
        if (status == RAGSTORE_E_BUSY)
            status = RAGSTORE_OK; /* another process goes on, and will do it */
        if (status == RAGSTORE_E_DISK_FULL)
            status = RAGSTORE_OK; /* what is derived can wait; commits are in the journal */
    }
    rsi_saved_error error;
    rsi_error_save(&error);
    rsi_catalogs_free(store);
    rsi_error_restore(&error);
    int closed = rsi_storage_close(store->storage);
    return closed == RAGSTORE_OK ? status : closed;
}

void rsi_store_free(rsi_store *store)
{
    if (store == NULL)
        return;
    rsi_catalogs_free(store);
    rsi_storage_free(store->storage);
    rsi_jobs_free(store->jobs);
    rsi_embedding_cache_free(store->embedded);
    rsi_embedder_release(store->embedder);
    rsi_map_free(&store->stale_indexes, NULL);
    rsi_map_free(&store->offered, NULL);
    pthread_mutex_destroy(&store->catalogs_mutex);
    pthread_mutex_destroy(&store->codes_mutex);
    pthread_mutex_destroy(&store->upkeep_mutex);
    pthread_mutex_destroy(&store->offers_mutex);
    pthread_mutex_destroy(&store->log_mutex);
    pthread_mutex_destroy(&store->adding.mutex);
    pthread_cond_destroy(&store->adding.moved);
    rsi_free(store->path);
    rsi_free(store);
}

uint64_t rsi_store_epoch(const rsi_store *store)
{
    return __atomic_load_n(&store->interrupts, __ATOMIC_RELAXED);
}

int rsi_store_check_interrupt(const rsi_store *store, uint64_t epoch)
{
    if (rsi_store_epoch(store) == epoch)
        return RAGSTORE_OK;
    return rsi_fail(RAGSTORE_E_INTERRUPTED, "entities", "the store was interrupted");
}

void rsi_store_interrupt(rsi_store *store)
{
    __atomic_add_fetch(&store->interrupts, 1, __ATOMIC_RELAXED);
}
