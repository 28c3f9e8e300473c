/*
 * Asking indexes: which documents can match a predicate?
 *
 * Each index that the predicate says something about is asked how many documents it would name; the
 * fewest win. A range over a good part of the collection is no help and is left to a scan.
 */
#include "collections/collection_index.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* A range that may hold more than so many documents and a half of all is no help. */
#define RANGE_ALWAYS 64

typedef struct orders {
    uint64_t *items; /* NULL: only counting */
    size_t count;
    size_t limit; /* counting: stop beyond it */
} orders;

static bool take(orders *to, const rsi_ordered_key *entry)
{
    if (to->items != NULL)
        to->items[to->count] = entry->number;
    to->count++;
    return to->count <= to->limit;
}

static rsi_slice slice_of(const rsi_bytes *bytes)
{
    return (rsi_slice){bytes->data, bytes->size};
}

/* False when there are more than the limit. */
static bool walk(orders *to, const rsi_index *index, const rsi_constraint *constraint)
{
    const rsi_ordered_key *entry;
    to->count = 0;
    if (constraint->kind == RSI_CONSTRAINT_RANGE) {
        const rsi_slice upper = slice_of(&constraint->upper);
        entry = rsi_ordered_keys_from(&index->keys, slice_of(&constraint->lower),
                                      constraint->lower_included);
        for (; entry != NULL; entry = entry->next[0]) {
            int order = rsi_keys_compare((rsi_slice){entry->key, entry->size}, upper);
            if (order > 0 || (order == 0 && !constraint->upper_included))
                break;
            if (!take(to, entry))
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < constraint->key_count; i++) {
        const rsi_slice key = slice_of(&constraint->keys[i]);
        entry = rsi_ordered_keys_from(&index->keys, key, true);
        for (; entry != NULL && rsi_keys_compare((rsi_slice){entry->key, entry->size}, key) == 0;
             entry = entry->next[0])
            if (!take(to, entry))
                return false;
    }
    return true;
}

static int compare_orders(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* A document may be named by several of its keys. */
static size_t sort_once_each(uint64_t *items, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(items, count, sizeof *items, compare_orders);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || items[i] != items[kept - 1])
            items[kept++] = items[i];
    return kept;
}

static int use_index(rsi_plan *plan, const rsi_index *index, const rsi_constraint *constraint,
                     size_t count)
{
    orders to = {.limit = SIZE_MAX};
    to.items = rsi_alloc_array(count + 1, sizeof *to.items);
    plan->index = rsi_strdup(index->path);
    if (to.items == NULL || plan->index == NULL) {
        rsi_free(to.items);
        return RAGSTORE_E_NO_MEMORY;
    }
    walk(&to, index, constraint);
    plan->kind = RSI_PLAN_INDEX;
    plan->orders = to.items;
    plan->order_count = sort_once_each(to.items, to.count);
    return RAGSTORE_OK;
}

/* Is it better than what was found so far, which names `best` documents? */
static int look_at_index(bool *is_better, size_t *best, rsi_constraint *constraint,
                         const rsi_index *index, const rsi_predicate *predicate, size_t documents)
{
    *is_better = false;
    int status = rsi_predicate_constraint(constraint, predicate, index->path, strlen(index->path),
                                          index->has_several);
    if (status != RAGSTORE_OK || constraint->kind == RSI_CONSTRAINT_NONE)
        return status;
    orders counted = {.limit = *best};
    if (constraint->kind == RSI_CONSTRAINT_RANGE && RANGE_ALWAYS + documents / 2 < *best)
        counted.limit = RANGE_ALWAYS + documents / 2;
    if (walk(&counted, index, constraint) && counted.count < *best) {
        *is_better = true;
        *best = counted.count;
    }
    return RAGSTORE_OK;
}

int rsi_indexes_choose(rsi_plan *plan, const rsi_collection *collection,
                       const rsi_predicate *predicate)
{
    rsi_indexes *indexes = collection->indexes;
    rsi_constraint best_constraint = {.kind = RSI_CONSTRAINT_NONE};
    const rsi_index *best_index = NULL;
    size_t best = SIZE_MAX;
    const size_t documents = rsi_storage_count(collection->store->storage, collection->space);
    int status = rsi_indexes_prepare(collection, predicate);
    if (status != RAGSTORE_OK)
        return status;
    pthread_rwlock_rdlock(&indexes->lock);
    for (size_t i = 0; status == RAGSTORE_OK && i < indexes->count; i++) {
        const rsi_index *index = &indexes->items[i];
        rsi_constraint constraint = {.kind = RSI_CONSTRAINT_NONE};
        bool is_better = false;
        if (index->is_ready)
            status = look_at_index(&is_better, &best, &constraint, index, predicate, documents);
        if (is_better) {
            rsi_constraint_free(&best_constraint);
            best_constraint = constraint;
            best_index = index;
        } else {
            rsi_constraint_free(&constraint);
        }
    }
    if (status == RAGSTORE_OK && best_index != NULL)
        status = use_index(plan, best_index, &best_constraint, best);
    pthread_rwlock_unlock(&indexes->lock);
    rsi_constraint_free(&best_constraint);
    return status;
}
