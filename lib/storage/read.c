/*
 * Reading: the tables, with the calling thread's transaction laid over them.
 */
#include "storage/tx.h"

#include "base/memory.h"
#include "base/status.h"
#include "json/json.h"

#include <inttypes.h>
#include <string.h>

static int no_record(const char *space, const char *key)
{
    return rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "there is no \"%s\" in %s", key, space);
}

int rsi_storage_get(rsi_bytes *value, rsi_storage *storage, const char *space, const char *key)
{
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    if (overlay != NULL && overlay->delta.json != NULL) {
        rsi_bytes_append(value, overlay->delta.json, overlay->delta.size);
        return rsi_bytes_status(value);
    }
    if (overlay != NULL && overlay->dropped)
        return no_record(space, key);
    rsi_space *from;
    int status = rsi_space_lock_for_reading(storage, space, key, &from);
    if (status != RAGSTORE_OK)
        return status;
    int found = from == NULL ? 0 : rsi_table_get(value, &from->table, key);
    status = found > 0 ? RAGSTORE_OK : found;
    if (found == 0 || found == RAGSTORE_E_NOT_FOUND)
        status = no_record(space, key);
    pthread_rwlock_unlock(&storage->state);
    return status;
}

/* ---- all records ---- */

/* Visit a table's records, as the transaction (or NULL) has them. */
static int visit_table(const rsi_space *space, rsi_storage *storage, const rsi_tx *tx,
                       const char *name, size_t *unreadable, rsi_record_visitor *visit,
                       void *user)
{
    rsi_table_walk *walk;
    rsi_table_item item;
    int status = rsi_table_walk_begin(&walk, &space->table, 0);
    while (status == RAGSTORE_OK) {
        int found = rsi_table_walk_next(&item, walk);
        if (found == RAGSTORE_E_DAMAGED && unreadable != NULL) {
            ++*unreadable;
            continue;
        }
        if (found <= 0) {
            status = found;
            break;
        }
        status = rsi_tx_visit_item(&item, storage, tx, name, visit, user);
    }
    rsi_table_walk_end(walk);
    return status;
}

static int visit_all(rsi_storage *storage, const char *space, size_t *unreadable,
                     rsi_record_visitor *visit, void *user)
{
    const rsi_tx *tx = rsi_tx_view_all(storage);
    rsi_space *from;
    int status = rsi_space_lock_for_reading(storage, space, "", &from);
    if (status != RAGSTORE_OK)
        return status;
    status = visit_table(from, storage, tx, space, unreadable, visit, user);
    /* then what the transaction adds */
    for (size_t i = 0; tx != NULL && status == RAGSTORE_OK && i < tx->overlay_count; i++) {
        const rsi_overlay *overlay = tx->overlays[i];
        rsi_sight sight;
        if (strcmp(overlay->space, space) != 0 || overlay->delta.json == NULL)
            continue;
        int found = rsi_table_look(&sight, &from->table, overlay->delta.key);
        status = found;
        if (found == 0)
            status = visit(user, overlay->delta.key, overlay->delta.json, overlay->delta.size);
        else if (found > 0)
            status = RAGSTORE_OK; /* visited in its place */
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}

int rsi_storage_each(rsi_storage *storage, const char *space, rsi_record_visitor *visit,
                     void *user)
{
    return visit_all(storage, space, NULL, visit, user);
}

int rsi_storage_each_readable(size_t *unreadable, rsi_storage *storage, const char *space,
                              rsi_record_visitor *visit, void *user)
{
    *unreadable = 0;
    return visit_all(storage, space, unreadable, visit, user);
}

static int collect_key(void *user, const char *key, const char *json, size_t size)
{
    (void)json;
    (void)size;
    rsi_bytes_append(user, key, strlen(key) + 1);
    return rsi_bytes_status(user);
}

int rsi_storage_keys(rsi_bytes *keys, size_t *unreadable, rsi_storage *storage, const char *space)
{
    return visit_all(storage, space, unreadable, collect_key, keys);
}

size_t rsi_storage_count(rsi_storage *storage, const char *space)
{
    const rsi_tx *tx = rsi_tx_view_all(storage);
    rsi_space *from;
    if (rsi_space_lock_for_reading(storage, space, "", &from) != RAGSTORE_OK)
        return 0;
    size_t count = from->table.present;
    for (size_t i = 0; tx != NULL && i < tx->overlay_count; i++) {
        const rsi_overlay *overlay = tx->overlays[i];
        if (strcmp(overlay->space, space) != 0)
            continue;
        rsi_sight sight;
        bool was = rsi_table_look(&sight, &from->table, overlay->delta.key) > 0;
        bool is = overlay->delta.json != NULL || (was && !overlay->dropped);
        count += is;
        count -= was;
    }
    pthread_rwlock_unlock(&storage->state);
    return count;
}

/* ---- rows ---- */

int rsi_storage_rows(rsi_storage *storage, const char *space, const char *key, uint64_t from,
                     uint64_t limit, rsi_row_visitor *visit, void *user)
{
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    rsi_space *in;
    int status = rsi_space_lock_for_reading(storage, space, key, &in);
    if (status != RAGSTORE_OK)
        return status;
    static const rsi_table nothing;
    const rsi_table *table = in == NULL ? &nothing : &in->table;
    rsi_sight sight = {0};
    int found = 0;
    if (in != NULL && (overlay == NULL || !overlay->dropped))
        found = rsi_table_look(&sight, table, key);
    status = found < 0 ? found
                       : rsi_table_rows(table, &sight, overlay == NULL ? NULL : &overlay->delta,
                                        from, limit, visit, user);
    pthread_rwlock_unlock(&storage->state);
    return status;
}

int rsi_storage_own_rows(rsi_storage *storage, const char *space, const char *key,
                         rsi_row_visitor *visit, void *user)
{
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    int status = RAGSTORE_OK;
    for (size_t i = 0; overlay != NULL && status == RAGSTORE_OK && i < overlay->delta.row_count;
         i++) {
        const rsi_row *row = &overlay->delta.rows[i];
        if (row->json != NULL)
            status = visit(user, row->number, row->json, row->size);
    }
    return status;
}

bool rsi_storage_has_own_row(rsi_storage *storage, const char *space, const char *key,
                             uint64_t number)
{
    rsi_row row;
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    const rsi_row_walk walk = rsi_record_walk(overlay == NULL ? NULL : &overlay->delta, number);
    return rsi_row_walk_get(&row, &walk) && row.number == number && !rsi_row_is_dropped(&row);
}

typedef struct row_tally {
    uint64_t count;
    uint64_t next;
} row_tally;

static int tally_row(void *user, uint64_t number, const char *json, size_t size)
{
    row_tally *tally = user;
    (void)json;
    (void)size;
    tally->count++;
    tally->next = number + 1;
    return RAGSTORE_OK;
}

/* Lay a transaction's rows over the tally of those below. False: rows of both are mixed so that only a
 * look at all of them tells. Several documents of one transaction ask again and again. */
static bool tally_over(row_tally *tally, const rsi_record *delta, bool wants_count)
{
    if (delta->row_count == 0)
        return true;
    const rsi_row *last = &delta->rows[delta->row_count - 1];
    const bool only_appends = delta->row_drops == 0 && delta->rows[0].number >= tally->next;
    const bool ends_them = !rsi_row_is_dropped(last) && last->number >= tally->next;
    if (!only_appends && (wants_count || !ends_them))
        return false;
    tally->count += delta->row_total;
    tally->next = rsi_row_end(last);
    return true;
}

int rsi_storage_row_count(uint64_t *count, uint64_t *next, rsi_storage *storage,
                          const char *space, const char *key)
{
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    row_tally tally = {0, 0};
    rsi_space *in;
    int status = rsi_space_lock_for_reading(storage, space, key, &in);
    if (status != RAGSTORE_OK)
        return status;
    rsi_sight sight;
    int found = 0;
    if (in != NULL && (overlay == NULL || !overlay->dropped))
        found = rsi_table_look(&sight, &in->table, key);
    status = found > 0 ? rsi_table_row_count(&tally.count, &tally.next, &in->table, &sight) : found;
    pthread_rwlock_unlock(&storage->state);
    if (status == RAGSTORE_OK && overlay != NULL &&
        !tally_over(&tally, &overlay->delta, count != NULL)) {
        tally = (row_tally){0, 0};
        status = rsi_storage_rows(storage, space, key, 0, UINT64_MAX, tally_row, &tally);
    }
    if (count != NULL)
        *count = tally.count;
    if (next != NULL)
        *next = tally.next;
    return status;
}

typedef struct one_row {
    uint64_t number;
    rsi_row_visitor *see;
    void *user;
    bool found;
} one_row;

static int see_one_row(void *user, uint64_t number, const char *json, size_t size)
{
    one_row *one = user;
    if (number != one->number)
        return RAGSTORE_OK;
    one->found = true;
    return one->see(one->user, number, json, size);
}

int rsi_storage_row_see(rsi_storage *storage, const char *space, const char *key, uint64_t number,
                        rsi_row_visitor *see, void *user)
{
    one_row one = {number, see, user, false};
    int status = rsi_storage_rows(storage, space, key, number, 1, see_one_row, &one);
    if (status == RAGSTORE_OK && !one.found)
        status = rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "%s of \"%s\" has no row %" PRIu64,
                          space, key, number);
    return status;
}

static int append_row(void *user, uint64_t number, const char *json, size_t size)
{
    (void)number;
    rsi_bytes_append(user, json, size);
    return rsi_bytes_status(user);
}

int rsi_storage_row_get(rsi_bytes *row, rsi_storage *storage, const char *space, const char *key,
                        uint64_t number)
{
    return rsi_storage_row_see(storage, space, key, number, append_row, row);
}
