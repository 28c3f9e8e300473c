/*
 * Secondary indexes: for each, the keys of a field with the places of the documents in the
 * collection's order (rsi_table_watcher).
 *
 *   api_storage/collections/_indexes.json    which there are: {"_id":"books","paths":["year",…]}
 *   rsi_indexes of a collection              made from that and from the documents, in memory
 *
 * A watcher of the definitions counts their changes, so that those of other processes are seen,
 * too.
 * An index is filled when it is first wanted. While that goes on, and ever after, the watcher puts
 * in and takes out what commits change; both may do the same twice. An index that could not follow
 * for want of memory is thrown away and filled anew.
 *
 * Locks: `building`, then the storage's state, then `lock`. The watcher is called with the state
 * locked.
 */
#ifndef RSI_COLLECTIONS_INDEX_H
#define RSI_COLLECTIONS_INDEX_H

#include "collections/collections_internal.h"
#include "collections/ordered_keys.h"

#define RSI_INDEXES_MAX 64

typedef struct rsi_index {
    char *path;
    rsi_ordered_keys keys;
    bool is_filled; /* or being filled: the watcher keeps it in step */
    bool is_ready;
    bool has_several; /* some document has or had several keys */
} rsi_index;

struct rsi_indexes {
    pthread_mutex_t building; /* one thread looks for definitions and fills; guards which there
                                 are */
    pthread_rwlock_t lock;    /* guards the three below */
    rsi_index *items;
    size_t count;
    size_t capacity;
    bool is_stale; /* atomic: the definitions may have changed */
    const uint64_t *changes; /* atomic: how often the definitions changed, also in other
                                processes */
    uint64_t seen_changes;   /* atomic: of those, when the definitions were looked at */
};

/* Know the definitions that are committed, and have the indexes filled that a predicate can use. */
int rsi_indexes_prepare(const rsi_collection *collection, const rsi_predicate *predicate);
/* Put the best index for a predicate into a plan, if one is of help. */
int rsi_indexes_choose(rsi_plan *plan, const rsi_collection *collection,
                       const rsi_predicate *predicate);

#endif
