/*
 * A hash map from byte strings to pointers, and nothing more.
 *
 * Open addressing with linear probing and back-shift deletion. Keys are copied. Iteration order is
 * unspecified. Not locked: the owner's lock rules.
 */
#ifndef RSI_BASE_MAP_H
#define RSI_BASE_MAP_H

#include "base/bytes.h"

typedef struct rsi_map_slot {
    char *key; /* NULL: free */
    uint32_t key_size;
    uint32_t hash;
    void *value;
} rsi_map_slot;

typedef struct rsi_map {
    rsi_map_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} rsi_map;

void rsi_map_init(rsi_map *map); /* same as zero-initialising */
/* Frees keys and slots; calls free_value (may be NULL) on each value. */
void rsi_map_free(rsi_map *map, void (*free_value)(void *value));
void *rsi_map_get(const rsi_map *map, const void *key, size_t key_size); /* NULL: absent */
/* Insert or replace; *old (may be NULL) receives the replaced value or NULL. value != NULL. */
int rsi_map_put(rsi_map *map, const void *key, size_t key_size, void *value, void **old);
void *rsi_map_remove(rsi_map *map, const void *key, size_t key_size); /* the value, or NULL */
/* Walk: position starts at 0; false at the end. The map must not change meanwhile. */
bool rsi_map_next(const rsi_map *map, size_t *position, rsi_slice *key, void **value);

#endif
