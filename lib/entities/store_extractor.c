/*
 * Who can take text out of a job's document: each of the store's users that gave a callback. A user
 * that leaves is not called any more, which leaving waits for.
 */
#include "entities/job_internal.h"

void rsi_store_extractor_add(rsi_store *store, rsi_store_extractor *extractor)
{
    pthread_mutex_lock(&store->extractors_mutex);
    extractor->next = store->extractors;
    store->extractors = extractor;
    pthread_mutex_unlock(&store->extractors_mutex);
    /* jobs may have waited for it: look again */
    __atomic_add_fetch(&store->jobs->changes, 1, __ATOMIC_RELEASE);
}

void rsi_store_extractor_remove(rsi_store *store, rsi_store_extractor *extractor)
{
    pthread_mutex_lock(&store->extractors_mutex);
    for (rsi_store_extractor **at = &store->extractors; *at != NULL; at = &(*at)->next) {
        if (*at == extractor) {
            *at = extractor->next;
            break;
        }
    }
    extractor->leaves = true;
    while (extractor->uses > 0)
        pthread_cond_wait(&store->extractor_returned, &store->extractors_mutex);
    pthread_mutex_unlock(&store->extractors_mutex);
}

bool rsi_store_has_extractor(rsi_store *store)
{
    pthread_mutex_lock(&store->extractors_mutex);
    bool has = store->extractors != NULL;
    pthread_mutex_unlock(&store->extractors_mutex);
    return has;
}

rsi_store_extractor *rsi_store_extractor_borrow(rsi_store *store)
{
    pthread_mutex_lock(&store->extractors_mutex);
    rsi_store_extractor *extractor = store->extractors;
    if (extractor != NULL)
        extractor->uses++;
    pthread_mutex_unlock(&store->extractors_mutex);
    return extractor;
}

bool rsi_store_extractor_leaves(rsi_store *store, const rsi_store_extractor *extractor)
{
    pthread_mutex_lock(&store->extractors_mutex);
    bool leaves = extractor->leaves;
    pthread_mutex_unlock(&store->extractors_mutex);
    return leaves;
}

void rsi_store_extractor_return(rsi_store *store, rsi_store_extractor *extractor)
{
    if (extractor == NULL)
        return;
    pthread_mutex_lock(&store->extractors_mutex);
    if (--extractor->uses == 0)
        pthread_cond_broadcast(&store->extractor_returned);
    pthread_mutex_unlock(&store->extractors_mutex);
}
