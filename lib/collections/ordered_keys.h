/*
 * A sorted set of (key, number), for an index: a skip list.
 *
 *   level 2   ●───────────────────►●──────────►
 *   level 1   ●──────►●───────────►●──────────►
 *   level 0   ●──►●──►●──►●──►●──►●──►●──►●──►
 *                a,7 a,9 b,2 …                     by the bytes of the key, then by the number
 *
 * Not locked: the owner's lock rules.
 */
#ifndef RSI_COLLECTIONS_ORDERED_KEYS_H
#define RSI_COLLECTIONS_ORDERED_KEYS_H

#include "base/bytes.h"

#define RSI_ORDERED_LEVELS 20

typedef struct rsi_ordered_key {
    uint64_t number;
    size_t size;
    struct rsi_ordered_key **next; /* one for each of its levels */
    const char *key;
} rsi_ordered_key;

typedef struct rsi_ordered_keys {
    rsi_ordered_key *first[RSI_ORDERED_LEVELS];
    uint64_t random;
    size_t count;
} rsi_ordered_keys;

void rsi_ordered_keys_free(rsi_ordered_keys *keys); /* leaves it empty and usable */
int rsi_ordered_keys_add(rsi_ordered_keys *keys, rsi_slice key,
                         uint64_t number); /* twice is fine */
void rsi_ordered_keys_remove(rsi_ordered_keys *keys, rsi_slice key, uint64_t number);
/* The first entry with a key >= `key`, or > it; NULL at the end. Go on with ->next[0]. */
const rsi_ordered_key *rsi_ordered_keys_from(const rsi_ordered_keys *keys, rsi_slice key,
                                             bool included);

int rsi_keys_compare(rsi_slice a, rsi_slice b);

#endif
