/*
 * Tables that are read again: each record keeps the place in the order that it had, so that walks
 * which have begun, and lists of places that an index gave, go on.
 *
 *   old     10  11  12  13  14              some have gone since, some have come
 *   fresh    0       1   2       3   4
 *   then    10      12  13      15  16
 *
 * A record that was dropped and put again in between has a place behind its new neighbours.
 */
#include "storage/table_internal.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

#define READ_AHEAD ((size_t)64 << 10)
#define UNKNOWN UINT64_MAX

static int order_in(uint64_t *order, const rsi_table *old, const char *key)
{
    rsi_sight sight;
    int found = rsi_table_look(&sight, old, key);
    *order = found <= 0               ? UNKNOWN
             : sight.record == NULL   ? rsi_base_order(old->base, sight.base - 1)
                                      : sight.record->order;
    return found == RAGSTORE_E_NO_MEMORY ? found : RAGSTORE_OK; /* what is damaged has none */
}

/* The orders of a base's records in the old table, or UNKNOWN. */
static int look_up_base(uint64_t *orders, size_t count, const rsi_table *fresh,
                        const rsi_table *old)
{
    rsi_base_reader reader = rsi_base_reader_of(fresh->base, READ_AHEAD);
    rsi_slice key;
    rsi_slice json;
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < count; i++) {
        orders[i] = UNKNOWN;
        status = rsi_base_read_record(&reader, i, &key, &json);
        if (status == RAGSTORE_OK)
            status = order_in(&orders[i], old, key.data);
        else if (status == RAGSTORE_E_DAMAGED) /* told of by who reads it */
            status = RAGSTORE_OK;
    }
    rsi_base_reader_free(&reader);
    return status;
}

/* Those of the records in memory that have a place of their own. */
static int look_up_sequence(uint64_t *orders, const rsi_table *fresh, const rsi_table *old)
{
    int status = RAGSTORE_OK;
    for (size_t i = 0; status == RAGSTORE_OK && i < fresh->sequence_count; i++) {
        const rsi_record *record = fresh->sequence[i].record;
        orders[i] = UNKNOWN;
        if (record != NULL)
            status = order_in(&orders[i], old, record->key);
    }
    return status;
}

/* Make them ascend; what came behind all that was known goes behind all that there was. */
static uint64_t settle(uint64_t *orders, size_t count, uint64_t end)
{
    size_t known = count;
    uint64_t next = 0;
    while (known > 0 && orders[known - 1] == UNKNOWN)
        known--;
    for (size_t i = 0; i < count; i++) {
        if (i == known && next < end)
            next = end;
        if (orders[i] == UNKNOWN || orders[i] < next)
            orders[i] = next;
        next = orders[i] + 1;
    }
    return next < end ? end : next;
}

static void take_orders(rsi_table *fresh, const uint64_t *orders, size_t base_count)
{
    size_t position = 0;
    void *value;
    for (size_t i = 0; i < fresh->sequence_count; i++) {
        fresh->sequence[i].order = orders[base_count + i];
        if (fresh->sequence[i].record != NULL)
            fresh->sequence[i].record->order = orders[base_count + i];
    }
    while (rsi_map_next(&fresh->records, &position, NULL, &value)) {
        rsi_record *record = value;
        if (record->continues)
            record->order = orders[record->base - 1];
    }
}

int rsi_table_keep_orders(rsi_table *fresh, const rsi_table *old)
{
    const size_t base_count = fresh->base == NULL ? 0 : rsi_base_count(fresh->base);
    const size_t count = base_count + fresh->sequence_count;
    uint64_t *orders = rsi_alloc_array(count + 1, sizeof *orders);
    if (orders == NULL)
        return RAGSTORE_E_NO_MEMORY;
    int status = base_count == 0 ? RAGSTORE_OK : look_up_base(orders, base_count, fresh, old);
    if (status == RAGSTORE_OK)
        status = look_up_sequence(orders + base_count, fresh, old);
    if (status == RAGSTORE_OK) {
        const uint64_t next = settle(orders, count, old->next_order);
        if (base_count > 0)
            status = rsi_base_set_orders(fresh->base, orders, base_count);
        if (status == RAGSTORE_OK) {
            take_orders(fresh, orders, base_count);
            fresh->next_order = next;
        }
    }
    rsi_free(orders);
    return status;
}
