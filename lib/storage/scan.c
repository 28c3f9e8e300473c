/* Walking through a space in pieces: see rsi_scan in storage.h. */
#include "storage/tx.h"

#include "base/status.h"

#include <string.h>

/* A record of the table, as the transaction (or NULL) has it. */
static int visit_record(const rsi_record *record, rsi_storage *storage, const rsi_tx *tx,
                        const char *space, rsi_record_visitor *visit, void *user)
{
    const rsi_overlay *overlay =
        tx == NULL ? NULL : rsi_tx_overlay(storage, space, record->key);
    if (overlay != NULL && overlay->delta.json != NULL)
        return visit(user, record->key, overlay->delta.json, overlay->delta.size);
    if (overlay != NULL && overlay->dropped)
        return RAGSTORE_OK;
    return visit(user, record->key, record->json, record->size);
}

/* Visit what the transaction changed and the walk through the table has not shown. */
static int visit_changed(const rsi_tx *tx, const rsi_space *from, const char *space,
                         bool with_replaced, rsi_record_visitor *visit, void *user)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < tx->overlay_count; i++) {
        const rsi_overlay *overlay = tx->overlays[i];
        if (strcmp(overlay->space, space) == 0 && overlay->delta.json != NULL &&
            (with_replaced || rsi_table_find(&from->table, overlay->delta.key) == NULL))
            status = visit(user, overlay->delta.key, overlay->delta.json, overlay->delta.size);
    }
    return status;
}

static int scan_all(rsi_scan *scan, rsi_storage *storage, const rsi_space *from, const rsi_tx *tx,
                    const char *space, size_t max_records, rsi_record_visitor *visit, void *user)
{
    const rsi_table *table = &from->table;
    int status = RAGSTORE_OK;
    size_t i = rsi_table_position(table, scan->next);
    for (; status == RAGSTORE_OK && i < table->sequence_count && max_records > 0; i++) {
        const rsi_place_in_order *place = &table->sequence[i];
        scan->next = place->order + 1;
        if (place->record == NULL)
            continue;
        status = visit_record(place->record, storage, tx, space, visit, user);
        max_records--;
    }
    scan->ended = i == table->sequence_count;
    return status;
}

static int scan_listed(rsi_scan *scan, rsi_storage *storage, const rsi_space *from,
                       const rsi_tx *tx, const char *space, size_t max_records,
                       rsi_record_visitor *visit, void *user)
{
    const rsi_table *table = &from->table;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && scan->next < scan->count && max_records > 0) {
        uint64_t order = scan->orders[scan->next++];
        size_t at = rsi_table_position(table, order);
        max_records--;
        if (at == table->sequence_count || table->sequence[at].order != order ||
            table->sequence[at].record == NULL)
            continue; /* dropped meanwhile */
        const rsi_record *record = table->sequence[at].record;
        if (tx == NULL || rsi_tx_overlay(storage, space, record->key) == NULL)
            status = visit(user, record->key, record->json, record->size);
    }
    scan->ended = scan->next == scan->count;
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
    status = scan->orders == NULL
                 ? scan_all(scan, storage, from, tx, space, max_records, visit, user)
                 : scan_listed(scan, storage, from, tx, space, max_records, visit, user);
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
    const rsi_table *table = &from->table;
    for (size_t i = 0; status == RAGSTORE_OK && i < table->sequence_count; i++) {
        const rsi_record *record = table->sequence[i].record;
        if (record != NULL)
            status = visit(user, record->order, record->json, record->size);
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}
