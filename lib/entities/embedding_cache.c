/* Vectors of texts that were embedded lately: see embedding_cache.h. */
#include "entities/embedding_cache.h"

#include "base/digest.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define KEY_SIZE 32
#define SLOT_BYTES 64 /* of the map, and what the allocator adds, about */

typedef struct entry {
    struct entry *newer;
    struct entry *older;
    unsigned char key[KEY_SIZE];
    float vector[];
} entry;

struct rsi_embedding_cache {
    uint32_t dimension;
    size_t most;           /* entries */
    pthread_mutex_t mutex; /* guards the rest */
    rsi_map entries;       /* key → entry */
    entry *newest;
    entry *oldest;
};

static size_t entry_bytes(uint32_t dimension)
{
    return sizeof(entry) + dimension * sizeof(float) + KEY_SIZE + SLOT_BYTES;
}

int rsi_embedding_cache_make(rsi_embedding_cache **out, uint32_t dimension, size_t max_bytes)
{
    *out = rsi_alloc_zeroed(sizeof **out);
    if (*out == NULL)
        return RAGSTORE_E_NO_MEMORY;
    (*out)->dimension = dimension;
    (*out)->most = max_bytes / entry_bytes(dimension);
    pthread_mutex_init(&(*out)->mutex, NULL);
    return RAGSTORE_OK;
}

void rsi_embedding_cache_free(rsi_embedding_cache *cache)
{
    if (cache == NULL)
        return;
    rsi_map_free(&cache->entries, rsi_free);
    pthread_mutex_destroy(&cache->mutex);
    rsi_free(cache);
}

size_t rsi_embedding_cache_memory(rsi_embedding_cache *cache)
{
    if (cache == NULL)
        return 0;
    pthread_mutex_lock(&cache->mutex);
    size_t bytes = cache->entries.count * entry_bytes(cache->dimension);
    pthread_mutex_unlock(&cache->mutex);
    return bytes;
}

/* ---- the list, with the mutex held ---- */

static void unlink_locked(rsi_embedding_cache *cache, entry *one)
{
    *(one->newer == NULL ? &cache->newest : &one->newer->older) = one->older;
    *(one->older == NULL ? &cache->oldest : &one->older->newer) = one->newer;
}

static void push_locked(rsi_embedding_cache *cache, entry *one)
{
    one->newer = NULL;
    one->older = cache->newest;
    *(cache->newest == NULL ? &cache->oldest : &cache->newest->newer) = one;
    cache->newest = one;
}

static bool take_locked(float *vector, rsi_embedding_cache *cache, const unsigned char *key)
{
    entry *found = rsi_map_get(&cache->entries, key, KEY_SIZE);
    if (found == NULL)
        return false;
    unlink_locked(cache, found);
    push_locked(cache, found);
    memcpy(vector, found->vector, cache->dimension * sizeof *vector);
    return true;
}

/* Without memory it is not kept. */
static void keep_locked(rsi_embedding_cache *cache, const unsigned char *key, const float *vector)
{
    if (cache->most == 0 || rsi_map_get(&cache->entries, key, KEY_SIZE) != NULL)
        return;
    while (cache->entries.count >= cache->most) {
        entry *oldest = cache->oldest;
        unlink_locked(cache, oldest);
        rsi_map_remove(&cache->entries, oldest->key, KEY_SIZE);
        rsi_free(oldest);
    }
    entry *made = rsi_alloc(sizeof *made + cache->dimension * sizeof *vector);
    if (made == NULL)
        return;
    memcpy(made->key, key, KEY_SIZE);
    memcpy(made->vector, vector, cache->dimension * sizeof *vector);
    if (rsi_map_put(&cache->entries, key, KEY_SIZE, made, NULL) != RAGSTORE_OK)
        rsi_free(made);
    else
        push_locked(cache, made);
}

/* ---- embedding ---- */

/* What is worked on: the texts that the cache does not have, and where their vectors go. */
typedef struct misses {
    unsigned char (*keys)[KEY_SIZE]; /* of all texts */
    rsi_slice *texts;
    size_t *places;
    float *vectors;
    size_t count;
} misses;

static void make_key(unsigned char key[KEY_SIZE], rsi_embed_role role, const rsi_slice *text)
{
    const unsigned char mark = (unsigned char)role;
    rsi_sha256 sha;
    rsi_sha256_begin(&sha);
    rsi_sha256_add(&sha, &mark, 1);
    rsi_sha256_add(&sha, text->data, text->size);
    rsi_sha256_end(&sha, key);
}

static void look_up(misses *not_there, float *vectors, rsi_embedding_cache *cache,
                    rsi_embed_role role, const rsi_slice *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        make_key(not_there->keys[i], role, &texts[i]);
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < count; i++) {
        if (take_locked(vectors + i * cache->dimension, cache, not_there->keys[i]))
            continue;
        not_there->texts[not_there->count] = texts[i];
        not_there->places[not_there->count++] = i;
    }
    pthread_mutex_unlock(&cache->mutex);
}

static void keep_all(rsi_embedding_cache *cache, float *vectors, const misses *not_there)
{
    const size_t dimension = cache->dimension;
    pthread_mutex_lock(&cache->mutex);
    for (size_t i = 0; i < not_there->count; i++) {
        const size_t place = not_there->places[i];
        memcpy(vectors + place * dimension, not_there->vectors + i * dimension,
               dimension * sizeof *vectors);
        keep_locked(cache, not_there->keys[place], not_there->vectors + i * dimension);
    }
    pthread_mutex_unlock(&cache->mutex);
}

int rsi_embed_cached(float *vectors, rsi_embedding_cache *cache, const rsi_embedder *embedder,
                     rsi_embed_role role, const rsi_slice *texts, size_t count)
{
    misses not_there = {0};
    if (cache == NULL || cache->most == 0 || count == 0)
        return rsi_embedder_embed(vectors, embedder, role, texts, count);
    not_there.keys = rsi_alloc_array(count, sizeof *not_there.keys);
    not_there.texts = rsi_alloc_array(count, sizeof *not_there.texts);
    not_there.places = rsi_alloc_array(count, sizeof *not_there.places);
    int status = not_there.keys == NULL || not_there.texts == NULL || not_there.places == NULL
                     ? RAGSTORE_E_NO_MEMORY
                     : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        look_up(&not_there, vectors, cache, role, texts, count);
    if (status == RAGSTORE_OK && not_there.count > 0) {
        not_there.vectors =
            rsi_alloc_array(not_there.count * cache->dimension, sizeof *not_there.vectors);
        status = not_there.vectors == NULL ? RAGSTORE_E_NO_MEMORY
                                           : rsi_embedder_embed(not_there.vectors, embedder, role,
                                                                not_there.texts, not_there.count);
        if (status == RAGSTORE_OK)
            keep_all(cache, vectors, &not_there);
    }
    rsi_free(not_there.keys);
    rsi_free(not_there.texts);
    rsi_free(not_there.places);
    rsi_free(not_there.vectors);
    return status;
}
