/* What lately asked filters let pass: see filter_cache.h. */
#include "entities/filter_cache.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

void rsi_filter_cache_init(rsi_filter_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    pthread_mutex_init(&cache->mutex, NULL);
}

static void free_kept(rsi_kept_filter *kept)
{
    rsi_free(kept->text);
    rsi_bitset_free(&kept->passed);
    memset(kept, 0, sizeof *kept);
}

void rsi_filter_cache_forget(rsi_filter_cache *cache, int64_t chunk)
{
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < RSI_FILTERS_KEPT; i++)
        if (cache->kept[i].until > chunk)
            free_kept(&cache->kept[i]);
    pthread_mutex_unlock(&cache->mutex);
}

void rsi_filter_cache_free(rsi_filter_cache *cache)
{
    rsi_filter_cache_forget(cache, 0);
    pthread_mutex_destroy(&cache->mutex);
}

size_t rsi_filter_cache_memory(rsi_filter_cache *cache)
{
    size_t bytes = 0;
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < RSI_FILTERS_KEPT; i++)
        if (cache->kept[i].text != NULL)
            bytes += strlen(cache->kept[i].text) + 1 +
                     cache->kept[i].passed.capacity * sizeof *cache->kept[i].passed.words;
    pthread_mutex_unlock(&cache->mutex);
    return bytes;
}

static rsi_kept_filter *find(rsi_filter_cache *cache, const char *text)
{
    for (size_t i = 0; i < RSI_FILTERS_KEPT; i++)
        if (cache->kept[i].text != NULL && strcmp(cache->kept[i].text, text) == 0)
            return &cache->kept[i];
    return NULL;
}

int rsi_filter_cache_get(rsi_bitset *passed, int64_t *until, rsi_filter_cache *cache,
                         const char *text)
{
    int status = RAGSTORE_OK;
    memset(passed, 0, sizeof *passed);
    *until = 0;
    pthread_mutex_lock(&cache->mutex);
    rsi_kept_filter *kept = find(cache, text);
    if (kept != NULL) {
        kept->last_use = ++cache->uses;
        status = rsi_bitset_copy(passed, &kept->passed);
        *until = status == RAGSTORE_OK ? kept->until : 0;
    }
    pthread_mutex_unlock(&cache->mutex);
    return status;
}

/* A free place, or that of the one that was not used for longest. */
static rsi_kept_filter *make_place(rsi_filter_cache *cache)
{
    rsi_kept_filter *oldest = &cache->kept[0];
    for (size_t i = 1; i < RSI_FILTERS_KEPT && oldest->text != NULL; i++)
        if (cache->kept[i].text == NULL || cache->kept[i].last_use < oldest->last_use)
            oldest = &cache->kept[i];
    free_kept(oldest);
    return oldest;
}

int rsi_filter_cache_put(rsi_filter_cache *cache, const char *text, const rsi_bitset *passed,
                         int64_t until)
{
    if (strlen(text) > RSI_FILTER_TEXT_MAX)
        return RAGSTORE_OK;
    rsi_kept_filter made = {.text = rsi_strdup(text), .until = until};
    int status = made.text == NULL ? RAGSTORE_E_NO_MEMORY : rsi_bitset_copy(&made.passed, passed);
    if (status != RAGSTORE_OK) {
        free_kept(&made);
        return status;
    }
    pthread_mutex_lock(&cache->mutex);
    rsi_kept_filter *kept = find(cache, text);
    if (kept != NULL)
        free_kept(kept);
    else
        kept = make_place(cache);
    made.last_use = ++cache->uses;
    *kept = made;
    pthread_mutex_unlock(&cache->mutex);
    return RAGSTORE_OK;
}
