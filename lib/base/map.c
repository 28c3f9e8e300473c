/* Hash map: see map.h. */
#include "base/map.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

/* FNV-1a with a final avalanche (splitmix64's). */
static uint32_t hash_of(const void *key, size_t size)
{
    const unsigned char *bytes = key;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    hash ^= hash >> 30;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    hash ^= hash >> 27;
    return (uint32_t)(hash ^ (hash >> 32));
}

void rsi_map_init(rsi_map *map)
{
    memset(map, 0, sizeof *map);
}

void rsi_map_free(rsi_map *map, void (*free_value)(void *value))
{
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key == NULL)
            continue;
        if (free_value != NULL)
            free_value(map->slots[i].value);
        rsi_free(map->slots[i].key);
    }
    rsi_free(map->slots);
    rsi_map_init(map);
}

/* The slot that holds the key, or the free slot where it belongs. capacity > 0. */
static rsi_map_slot *slot_for(const rsi_map *map, const void *key, size_t size, uint32_t hash)
{
    size_t mask = map->capacity - 1;
    size_t i = hash & mask;
    while (map->slots[i].key != NULL) {
        const rsi_map_slot *slot = &map->slots[i];
        if (slot->hash == hash && slot->key_size == size &&
            (size == 0 || memcmp(slot->key, key, size) == 0))
            break;
        i = (i + 1) & mask;
    }
    return &map->slots[i];
}

static bool grow_slots(rsi_map *map)
{
    size_t capacity = map->capacity == 0 ? 16 : map->capacity * 2;
    rsi_map_slot *slots = rsi_alloc_array(capacity, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].key == NULL)
            continue;
        size_t j = map->slots[i].hash & (capacity - 1);
        while (slots[j].key != NULL)
            j = (j + 1) & (capacity - 1);
        slots[j] = map->slots[i];
    }
    rsi_free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

void *rsi_map_get(const rsi_map *map, const void *key, size_t key_size)
{
    if (map->count == 0)
        return NULL;
    const rsi_map_slot *slot = slot_for(map, key, key_size, hash_of(key, key_size));
    return slot->key == NULL ? NULL : slot->value;
}

int rsi_map_put(rsi_map *map, const void *key, size_t key_size, void *value, void **old)
{
    if (old != NULL)
        *old = NULL;
    if (key_size > UINT32_MAX)
        return rsi_fail(RAGSTORE_E_TOO_LARGE, "base", "a key of %zu bytes", key_size);
    if ((map->count + 1) * 4 > map->capacity * 3 && !grow_slots(map))
        return RAGSTORE_E_NO_MEMORY;
    uint32_t hash = hash_of(key, key_size);
    rsi_map_slot *slot = slot_for(map, key, key_size, hash);
    if (slot->key != NULL) {
        if (old != NULL)
            *old = slot->value;
        slot->value = value;
        return RAGSTORE_OK;
    }
    char *copy = rsi_memdup0(key, key_size);
    if (copy == NULL)
        return RAGSTORE_E_NO_MEMORY;
    slot->key = copy;
    slot->key_size = (uint32_t)key_size;
    slot->hash = hash;
    slot->value = value;
    map->count++;
    return RAGSTORE_OK;
}

void *rsi_map_remove(rsi_map *map, const void *key, size_t key_size)
{
    if (map->count == 0)
        return NULL;
    rsi_map_slot *slot = slot_for(map, key, key_size, hash_of(key, key_size));
    if (slot->key == NULL)
        return NULL;
    void *value = slot->value;
    rsi_free(slot->key);
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].key != NULL; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        /* move it back unless its home lies cyclically in (hole, i] */
        bool stays = hole <= i ? (home > hole && home <= i) : (home > hole || home <= i);
        if (stays)
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    memset(&map->slots[hole], 0, sizeof map->slots[hole]);
    map->count--;
    return value;
}

bool rsi_map_next(const rsi_map *map, size_t *position, rsi_slice *key, void **value)
{
    while (*position < map->capacity) {
        const rsi_map_slot *slot = &map->slots[(*position)++];
        if (slot->key == NULL)
            continue;
        if (key != NULL) {
            key->data = slot->key;
            key->size = slot->key_size;
        }
        if (value != NULL)
            *value = slot->value;
        return true;
    }
    return false;
}
