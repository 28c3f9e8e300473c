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
    const rsi_record *record = from == NULL ? NULL : rsi_table_find(&from->table, key);
    if (record != NULL && record->json != NULL)
        rsi_bytes_append(value, record->json, record->size);
    else
        status = no_record(space, key);
    pthread_rwlock_unlock(&storage->state);
    return status == RAGSTORE_OK ? rsi_bytes_status(value) : status;
}

/* ---- all records ---- */

/* Visit a table's records, as the transaction (or NULL) has them. */
static int visit_table(const rsi_space *space, rsi_storage *storage, const rsi_tx *tx,
                       const char *name, rsi_record_visitor *visit, void *user)
{
    rsi_record **records;
    size_t count;
    int status = rsi_table_sorted(&records, &count, &space->table);
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        const rsi_record *record = records[i];
        const rsi_overlay *overlay =
            tx == NULL ? NULL : rsi_tx_overlay(storage, name, record->key);
        if (overlay != NULL && overlay->delta.json != NULL)
            status = visit(user, record->key, overlay->delta.json, overlay->delta.size);
        else if (overlay == NULL || !overlay->dropped)
            status = visit(user, record->key, record->json, record->size);
    }
    rsi_free(records);
    return status;
}

int rsi_storage_each(rsi_storage *storage, const char *space, rsi_record_visitor *visit,
                     void *user)
{
    const rsi_tx *tx = rsi_tx_view_all(storage);
    rsi_space *from;
    int status = rsi_space_lock_for_reading(storage, space, "", &from);
    if (status != RAGSTORE_OK)
        return status;
    status = visit_table(from, storage, tx, space, visit, user);
    /* then what the transaction adds */
    for (size_t i = 0; tx != NULL && status == RAGSTORE_OK && i < tx->overlay_count; i++) {
        const rsi_overlay *overlay = tx->overlays[i];
        if (strcmp(overlay->space, space) == 0 && overlay->delta.json != NULL &&
            rsi_table_find(&from->table, overlay->delta.key) == NULL)
            status = visit(user, overlay->delta.key, overlay->delta.json, overlay->delta.size);
    }
    pthread_rwlock_unlock(&storage->state);
    return status;
}

typedef struct where_visit {
    const char *field;
    const char *value;
    rsi_bytes literal; /* `"field":"value"` as compact JSON has it */
    rsi_record_visitor *visit;
    void *user;
} where_visit;

static int visit_if_equal(void *user, const char *key, const char *json, size_t size)
{
    const where_visit *where = user;
    if (memmem(json, size, where->literal.data, where->literal.size) == NULL)
        return RAGSTORE_OK;
    rsi_json *value;
    int status = rsi_json_parse(&value, json, size, RSI_JSON_DEPTH_STORED);
    if (status != RAGSTORE_OK)
        return status;
    const char *found = rsi_json_get_text(value, where->field);
    bool equal = found != NULL && strcmp(found, where->value) == 0;
    rsi_json_free(value);
    return equal ? where->visit(where->user, key, json, size) : RAGSTORE_OK;
}

int rsi_storage_each_where(rsi_storage *storage, const char *space, const char *field,
                           const char *value, rsi_record_visitor *visit, void *user)
{
    where_visit where = {.field = field, .value = value, .visit = visit, .user = user};
    rsi_json_writer writer = rsi_json_writer_of(&where.literal);
    rsi_json_text_value(&writer, field, strlen(field));
    rsi_bytes_append_char(&where.literal, ':');
    writer.needs_comma = false;
    rsi_json_text_value(&writer, value, strlen(value));
    int status = rsi_bytes_status(&where.literal);
    if (status == RAGSTORE_OK)
        status = rsi_storage_each(storage, space, visit_if_equal, &where);
    rsi_bytes_free(&where.literal);
    return status;
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
        bool was = rsi_table_find(&from->table, overlay->delta.key) != NULL;
        bool is = overlay->delta.json != NULL || (was && !overlay->dropped);
        count += is;
        count -= was;
    }
    pthread_rwlock_unlock(&storage->state);
    return count;
}

/* ---- rows ---- */

/* Visit the rows of two lists, both ascending; `over` hides what has its number. */
static int merge_rows(const rsi_record *base, const rsi_record *over, uint64_t from,
                      uint64_t limit, rsi_row_visitor *visit, void *user)
{
    size_t b = base == NULL ? 0 : rsi_record_row_from(base, from);
    size_t o = over == NULL ? 0 : rsi_record_row_from(over, from);
    const size_t base_end = base == NULL ? 0 : base->row_count;
    const size_t over_end = over == NULL ? 0 : over->row_count;
    while (limit > 0 && (b < base_end || o < over_end)) {
        const rsi_row *row;
        if (o < over_end && (b >= base_end || over->rows[o].number <= base->rows[b].number)) {
            if (b < base_end && base->rows[b].number == over->rows[o].number)
                b++;
            row = &over->rows[o++];
        } else {
            row = &base->rows[b++];
        }
        if (row->json == NULL)
            continue; /* dropped */
        int status = visit(user, row->number, row->json, row->size);
        if (status != RAGSTORE_OK)
            return status;
        limit--;
    }
    return RAGSTORE_OK;
}

int rsi_storage_rows(rsi_storage *storage, const char *space, const char *key, uint64_t from,
                     uint64_t limit, rsi_row_visitor *visit, void *user)
{
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    rsi_space *in;
    int status = rsi_space_lock_for_reading(storage, space, key, &in);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_record *base = in == NULL ? NULL : rsi_table_find(&in->table, key);
    if (overlay != NULL && overlay->dropped)
        base = NULL;
    status = merge_rows(base, overlay == NULL ? NULL : &overlay->delta, from, limit, visit, user);
    pthread_rwlock_unlock(&storage->state);
    return status;
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

int rsi_storage_row_count(uint64_t *count, uint64_t *next, rsi_storage *storage,
                          const char *space, const char *key)
{
    const rsi_overlay *overlay = rsi_tx_overlay(storage, space, key);
    row_tally tally = {0, 0};
    int status = RAGSTORE_OK;
    if (overlay != NULL) {
        status = rsi_storage_rows(storage, space, key, 0, UINT64_MAX, tally_row, &tally);
    } else {
        rsi_space *in;
        status = rsi_space_lock_for_reading(storage, space, key, &in);
        if (status != RAGSTORE_OK)
            return status;
        const rsi_record *record = in == NULL ? NULL : rsi_table_find(&in->table, key);
        if (record != NULL && record->row_count > 0) {
            tally.count = record->row_count;
            tally.next = record->rows[record->row_count - 1].number + 1;
        }
        pthread_rwlock_unlock(&storage->state);
    }
    if (count != NULL)
        *count = tally.count;
    if (next != NULL)
        *next = tally.next;
    return status;
}

typedef struct one_row {
    rsi_bytes *out;
    uint64_t number;
    bool found;
} one_row;

static int take_one_row(void *user, uint64_t number, const char *json, size_t size)
{
    one_row *one = user;
    if (number == one->number) {
        one->found = true;
        rsi_bytes_append(one->out, json, size);
    }
    return RAGSTORE_OK;
}

int rsi_storage_row_get(rsi_bytes *row, rsi_storage *storage, const char *space, const char *key,
                        uint64_t number)
{
    one_row one = {row, number, false};
    int status = rsi_storage_rows(storage, space, key, number, 1, take_one_row, &one);
    if (status == RAGSTORE_OK && !one.found)
        status = rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "%s of \"%s\" has no row %" PRIu64,
                          space, key, number);
    return status == RAGSTORE_OK ? rsi_bytes_status(row) : status;
}
