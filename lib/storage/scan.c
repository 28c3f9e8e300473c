/* Walking through a space in pieces: see rsi_scan in storage.h. */
#include "storage/tx.h"

#include "base/status.h"

#include <string.h>

int rsi_tx_visit_item(const rsi_table_item *item, rsi_storage *storage, const rsi_tx *tx,
                      const char *space, rsi_record_visitor *visit, void *user)
{
    const rsi_overlay *overlay = tx == NULL ? NULL : rsi_tx_overlay(storage, space, item->key);
    if (overlay != NULL && overlay->delta.json != NULL)
        return visit(user, item->key, overlay->delta.json, overlay->delta.size);
    if (overlay != NULL && overlay->dropped)
        return RAGSTORE_OK;
    return visit(user, item->key, item->json, item->size);
}

/* Visit what the transaction changed and the walk through the table has not shown. */
static int visit_changed(const rsi_tx *tx, const rsi_space *from, const char *space,
                         bool with_replaced, rsi_record_visitor *visit, void *user)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < tx->overlay_count; i++) {
        const rsi_overlay *overlay = tx->overlays[i];
        rsi_sight sight;
        if (strcmp(overlay->space, space) != 0 || overlay->delta.json == NULL)
            continue;
        int found = with_replaced ? 0 : rsi_table_look(&sight, &from->table, overlay->delta.key);
        if (found < 0)
            status = found;
        else if (found == 0)
            status = visit(user, overlay->delta.key, overlay->delta.json, overlay->delta.size);
    }
    return status;
}

static int scan_all(rsi_scan *scan, rsi_storage *storage, rsi_table_walk *walk, const rsi_tx *tx,
                    const char *space, size_t max_records, rsi_record_visitor *visit, void *user)
{
    rsi_table_item item;
    int status = RAGSTORE_OK;
    for (; status == RAGSTORE_OK && max_records > 0; max_records--) {
        int found = rsi_table_walk_next(&item, walk);
        scan->ended = found == 0;
        if (found <= 0)
            return found;
        scan->next = item.order + 1;
        status = rsi_tx_visit_item(&item, storage, tx, space, visit, user);
    }
    return status;
}

static int scan_listed(rsi_scan *scan, rsi_storage *storage, rsi_table_walk *walk, const rsi_tx *tx,
                       const char *space, size_t max_records, rsi_record_visitor *visit, void *user)
{
    rsi_table_item item;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && scan->next < scan->count && max_records > 0) {
        int found = rsi_table_walk_to(&item, walk, scan->orders[scan->next]);
        if (found < 0)
            return found;
        scan->next++;
        max_records--;
        if (found > 0 && (tx == NULL || rsi_tx_overlay(storage, space, item.key) == NULL))
            status = visit(user, item.key, item.json, item.size);
    }
    scan->ended = scan->next == scan->count;
    return status;
}

int rsi_scan_listed_locked(rsi_scan *scan, rsi_storage *storage, const rsi_space *from,
                           const rsi_tx *tx, const char *space, rsi_record_visitor *visit,
                           void *user)
{
    rsi_table_walk *walk;
    if (tx != NULL && tx->overlay_count == 0)
        tx = NULL; /* it has changed nothing yet */
    int status = rsi_table_walk_begin(&walk, &from->table, 0);
    if (status == RAGSTORE_OK)
        status = scan_listed(scan, storage, walk, tx, space, SIZE_MAX, visit, user);
    rsi_table_walk_end(walk);
    if (status == RAGSTORE_OK && tx != NULL)
        status = visit_changed(tx, from, space, true, visit, user);
    return status;
}

int rsi_storage_scan(rsi_scan *scan, rsi_storage *storage, const char *space, size_t max_records,
                     rsi_record_visitor *visit, void *user)
{
    const rsi_tx *tx = rsi_tx_view_all(storage);
    const bool in_tx = tx != NULL;
    rsi_space *from;
    if (scan->ended)
        return RAGSTORE_OK;
    if (in_tx)
        max_records = SIZE_MAX;
    if (in_tx && tx->overlay_count == 0)
        tx = NULL; /* it has changed nothing yet */
    int status = rsi_space_lock_for_reading(storage, space, "", &from);
    if (status != RAGSTORE_OK)
        return status;
    rsi_table_walk *walk;
    status = rsi_table_walk_begin(&walk, &from->table, scan->orders == NULL ? scan->next : 0);
    if (status == RAGSTORE_OK)
        status = scan->orders == NULL
                     ? scan_all(scan, storage, walk, tx, space, max_records, visit, user)
                     : scan_listed(scan, storage, walk, tx, space, max_records, visit, user);
    rsi_table_walk_end(walk);
    if (status == RAGSTORE_OK && tx != NULL)
        status = visit_changed(tx, from, space, scan->orders != NULL, visit, user);
    pthread_rwlock_unlock(&storage->state);
    if (in_tx)
        scan->ended = true;
    return status;
}

int rsi_storage_each_committed(rsi_storage *storage, const char *space, rsi_order_visitor *visit,
                               void *user)
{
    rsi_space *from;
    int status = rsi_space_lock_for_reading(storage, space, "", &from);
    if (status != RAGSTORE_OK)
        return status;
    rsi_table_walk *walk;
    rsi_table_item item;
    int found = 0;
    status = rsi_table_walk_begin(&walk, &from->table, 0);
    while (status == RAGSTORE_OK && (found = rsi_table_walk_next(&item, walk)) > 0)
        status = visit(user, item.order, item.json, item.size);
    rsi_table_walk_end(walk);
    pthread_rwlock_unlock(&storage->state);
    return status == RAGSTORE_OK ? found : status;
}
