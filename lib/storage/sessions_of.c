/*
 * The sessions of an entity, without a look at all others.
 *
 *   entity id ─► places in the order of the table     acme: [3][7·gone][12]     other: [4]
 *
 * Made from the table when somebody first asks, and kept in step by a watcher (table.h) from then
 * on: derived, in memory only. A place that is gone is marked, so that dropping many costs no more
 * than each one; half of a list gone is reason to write it again. Without memory all of it is
 * thrown away and made anew when it is next asked for.
 *
 * Locking: changed under the state lock held exclusively, and by whoever fills it, who holds that
 * lock shared and `filling`; read under the state lock held shared.
 */
#include "storage/tx.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json_view.h"

#include <string.h>

#define FIELD "entity_id"
#define GONE ((uint64_t)1 << 63)

typedef struct places {
    uint64_t *items; /* ascending, but for GONE */
    size_t count;
    size_t capacity;
    size_t gone;
} places;

typedef struct sessions_of {
    pthread_mutex_t filling;
    bool is_filled; /* atomic */
    rsi_map by_entity;
} sessions_of;

static void free_places(void *user)
{
    places *list = user;
    rsi_free(list->items);
    rsi_free(list);
}

static void empty(sessions_of *index)
{
    rsi_map_free(&index->by_entity, free_places);
    rsi_map_init(&index->by_entity);
    __atomic_store_n(&index->is_filled, false, __ATOMIC_RELEASE);
}

static void free_index(void *user)
{
    sessions_of *index = user;
    empty(index);
    pthread_mutex_destroy(&index->filling);
    rsi_free(index);
}

/* ---- one list ---- */

/* The first position whose place is not before `order`. */
static size_t find_place(const places *list, uint64_t order)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((list->items[middle] & ~GONE) < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int add_place(places *list, uint64_t order)
{
    const size_t at = find_place(list, order);
    if (at < list->count && (list->items[at] & ~GONE) == order) {
        list->gone -= (list->items[at] & GONE) != 0;
        list->items[at] = order;
        return RAGSTORE_OK;
    }
    if (!rsi_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return RAGSTORE_E_NO_MEMORY;
    memmove(list->items + at + 1, list->items + at, (list->count - at) * sizeof *list->items);
    list->items[at] = order;
    list->count++;
    return RAGSTORE_OK;
}

static void remove_place(places *list, uint64_t order)
{
    const size_t at = find_place(list, order);
    if (at == list->count || list->items[at] != order)
        return;
    list->items[at] |= GONE;
    if (++list->gone * 2 <= list->count)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if ((list->items[i] & GONE) == 0)
            list->items[kept++] = list->items[i];
    list->count = kept;
    list->gone = 0;
}

/* ---- in step with the table ---- */

/* Whose session is it? */
typedef struct owner {
    rsi_slice id;      /* in the session's text, or in `decoded`; of size 0: nobody's */
    rsi_bytes decoded; /* freed by the caller */
} owner;

/* Only an id with escapes needs memory. */
static int read_owner(owner *of, const char *json, size_t size)
{
    rsi_json_view session;
    rsi_json_view field;
    of->id = (rsi_slice){NULL, 0};
    rsi_bytes_clear(&of->decoded);
    if (json == NULL || rsi_json_view_of_text(&session, json, size) != RAGSTORE_OK ||
        rsi_json_view_get(&field, &session, (rsi_slice){FIELD, sizeof FIELD - 1}) <= 0 ||
        field.kind != RSI_JSON_TEXT)
        return RAGSTORE_OK;
    if (!field.escaped) {
        of->id = (rsi_slice){field.text, (size_t)(field.end - field.text)};
        return RAGSTORE_OK;
    }
    rsi_json_view_append_text(&of->decoded, &field);
    of->id = (rsi_slice){of->decoded.data, of->decoded.size};
    return rsi_bytes_status(&of->decoded);
}

static bool same_owner(const owner *a, const owner *b)
{
    return a->id.size == b->id.size &&
           (a->id.size == 0 || memcmp(a->id.data, b->id.data, a->id.size) == 0);
}

static int add_session(sessions_of *index, const owner *of, uint64_t order)
{
    if (of->id.size == 0)
        return RAGSTORE_OK;
    places *list = rsi_map_get(&index->by_entity, of->id.data, of->id.size);
    if (list == NULL) {
        list = rsi_alloc_zeroed(sizeof *list);
        if (list == NULL)
            return RAGSTORE_E_NO_MEMORY;
        int status = rsi_map_put(&index->by_entity, of->id.data, of->id.size, list, NULL);
        if (status != RAGSTORE_OK) {
            rsi_free(list);
            return status;
        }
    }
    return add_place(list, order);
}

static void remove_session(sessions_of *index, const owner *of, uint64_t order)
{
    places *list =
        of->id.size == 0 ? NULL : rsi_map_get(&index->by_entity, of->id.data, of->id.size);
    if (list == NULL)
        return;
    remove_place(list, order);
    if (list->count == 0)
        free_places(rsi_map_remove(&index->by_entity, of->id.data, of->id.size));
}

/* The storage's callback: see rsi_table_watcher. */
static void follow(void *user, uint64_t order, const char *old_json, size_t old_size,
                   const char *new_json, size_t new_size)
{
    sessions_of *index = user;
    owner old = {0};
    owner new = {0};
    rsi_saved_error error;
    if (!__atomic_load_n(&index->is_filled, __ATOMIC_RELAXED))
        return;
    if (order == RSI_ORDER_ALL) {
        empty(index);
        return;
    }
    rsi_error_save(&error);
    int status = read_owner(&old, old_json, old_size);
    if (status == RAGSTORE_OK)
        status = read_owner(&new, new_json, new_size);
    if (status == RAGSTORE_OK && !same_owner(&old, &new)) {
        remove_session(index, &old, order);
        status = add_session(index, &new, order);
    }
    if (status != RAGSTORE_OK)
        empty(index);
    rsi_bytes_free(&old.decoded);
    rsi_bytes_free(&new.decoded);
    rsi_error_restore(&error);
}

static int attach(rsi_storage *storage)
{
    void *user = rsi_storage_watcher(storage, RSI_SPACE_SESSIONS);
    if (user != NULL)
        return RAGSTORE_OK;
    sessions_of *made = rsi_alloc_zeroed(sizeof *made);
    if (made == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (pthread_mutex_init(&made->filling, NULL) != 0) {
        rsi_free(made);
        return rsi_fail_no_memory();
    }
    user = made;
    return rsi_storage_watch(&user, storage, RSI_SPACE_SESSIONS, follow, free_index);
}

static int fill(sessions_of *index, const rsi_table *table)
{
    rsi_table_walk *walk;
    rsi_table_item item;
    owner of = {0};
    int found = 0;
    int status = rsi_table_walk_begin(&walk, table, 0);
    while (status == RAGSTORE_OK && (found = rsi_table_walk_next(&item, walk)) > 0) {
        status = read_owner(&of, item.json, item.size);
        if (status == RAGSTORE_OK)
            status = add_session(index, &of, item.order);
    }
    rsi_table_walk_end(walk);
    rsi_bytes_free(&of.decoded);
    if (status == RAGSTORE_OK)
        status = found;
    if (status != RAGSTORE_OK)
        empty(index);
    else
        __atomic_store_n(&index->is_filled, true, __ATOMIC_RELEASE);
    return status;
}

/* Leave with the state lock held shared, and the list of an entity (NULL: it has none); on failure
 * the lock is not held. */
static int lock_with_places(const places **list, rsi_space **from, rsi_storage *storage,
                            const char *entity_id)
{
    int status = attach(storage);
    if (status == RAGSTORE_OK)
        status = rsi_space_lock_for_reading(storage, RSI_SPACE_SESSIONS, "", from);
    if (status != RAGSTORE_OK)
        return status;
    sessions_of *index = (*from)->table.watch_user;
    if (!__atomic_load_n(&index->is_filled, __ATOMIC_ACQUIRE)) {
        pthread_mutex_lock(&index->filling);
        if (!__atomic_load_n(&index->is_filled, __ATOMIC_ACQUIRE))
            status = fill(index, &(*from)->table);
        pthread_mutex_unlock(&index->filling);
    }
    if (status != RAGSTORE_OK) {
        pthread_rwlock_unlock(&storage->state);
        return status;
    }
    *list = rsi_map_get(&index->by_entity, entity_id, strlen(entity_id));
    return RAGSTORE_OK;
}

/* ---- asking ---- */

typedef struct asking {
    const char *entity_id;
    owner of;
    rsi_record_visitor *visit;
    void *user;
} asking;

/* What a transaction has changed may be anybody's. */
static int visit_own(void *user, const char *key, const char *json, size_t size)
{
    asking *in = user;
    const owner asked = {.id = {in->entity_id, strlen(in->entity_id)}};
    int status = read_owner(&in->of, json, size);
    return status == RAGSTORE_OK && same_owner(&in->of, &asked)
               ? in->visit(in->user, key, json, size)
               : status;
}

int rsi_storage_sessions_of(rsi_storage *storage, const char *entity_id, rsi_record_visitor *visit,
                            void *user)
{
    asking in = {.entity_id = entity_id, .visit = visit, .user = user};
    const rsi_tx *tx = rsi_tx_view_all(storage);
    const places *list;
    rsi_space *from;
    int status = lock_with_places(&list, &from, storage, entity_id);
    if (status != RAGSTORE_OK)
        return status;
    rsi_scan scan = {0};
    uint64_t *orders = rsi_alloc_array((list == NULL ? 0 : list->count) + 1, sizeof *orders);
    for (size_t i = 0; orders != NULL && list != NULL && i < list->count; i++)
        if ((list->items[i] & GONE) == 0)
            orders[scan.count++] = list->items[i];
    scan.orders = orders;
    status = orders == NULL ? RAGSTORE_E_NO_MEMORY
                            : rsi_scan_listed_locked(&scan, storage, from, tx, RSI_SPACE_SESSIONS,
                                                     visit_own, &in);
    pthread_rwlock_unlock(&storage->state);
    rsi_free(orders);
    rsi_bytes_free(&in.of.decoded);
    return status;
}

static int count_one(void *user, const char *key, const char *json, size_t size)
{
    (void)key;
    (void)json;
    (void)size;
    ++*(uint64_t *)user;
    return RAGSTORE_OK;
}

int rsi_storage_count_sessions_of(uint64_t *count, rsi_storage *storage, const char *entity_id)
{
    const rsi_tx *tx = rsi_tx_view_all(storage);
    const places *list;
    rsi_space *from;
    *count = 0;
    if (tx != NULL && tx->overlay_count > 0)
        return rsi_storage_sessions_of(storage, entity_id, count_one, count);
    int status = lock_with_places(&list, &from, storage, entity_id);
    if (status != RAGSTORE_OK)
        return status;
    if (list != NULL)
        *count = list->count - list->gone;
    pthread_rwlock_unlock(&storage->state);
    return RAGSTORE_OK;
}
