/* Tables in memory: see table.h. */
#include "storage/table.h"

#include "base/memory.h"
#include "base/status.h"

#include <string.h>

static bool is_absent(const rsi_record *record)
{
    return record->json == NULL && record->row_count == 0;
}

static void free_record(void *value)
{
    rsi_record *record = value;
    rsi_record_drop_rows(record);
    rsi_free(record->rows);
    rsi_free(record->json);
    rsi_free(record->key);
    rsi_free(record);
}

void rsi_table_free(rsi_table *table)
{
    rsi_map_free(&table->records, free_record);
    rsi_free(table->sequence);
    *table = (rsi_table){.watch = table->watch, .watch_user = table->watch_user};
}

rsi_record *rsi_table_find(const rsi_table *table, const char *key)
{
    rsi_record *record = rsi_map_get(&table->records, key, strlen(key));
    return record == NULL || is_absent(record) ? NULL : record;
}

rsi_record *rsi_table_place(rsi_table *table, const char *key)
{
    size_t key_size = strlen(key);
    rsi_record *record = rsi_map_get(&table->records, key, key_size);
    if (record != NULL)
        return record;
    size_t needed;
    if (!rsi_mul_size(table->records.count + 1, 2, &needed)) {
        rsi_fail_no_memory();
        return NULL;
    }
    if (!rsi_grow((void **)&table->sequence, &table->sequence_capacity, needed,
                  sizeof *table->sequence))
        return NULL;
    record = rsi_alloc_zeroed(sizeof *record);
    if (record == NULL)
        return NULL;
    record->key = rsi_memdup0(key, key_size);
    if (record->key == NULL || rsi_map_put(&table->records, key, key_size, record, NULL) != 0) {
        free_record(record);
        return NULL;
    }
    return record;
}

int rsi_record_reserve(rsi_record *record, size_t more)
{
    size_t needed;
    if (!rsi_add_size(record->row_count, more, &needed))
        return rsi_fail_no_memory();
    if (!rsi_grow((void **)&record->rows, &record->row_capacity, needed, sizeof *record->rows))
        return RAGSTORE_E_NO_MEMORY;
    return RAGSTORE_OK;
}

size_t rsi_table_position(const rsi_table *table, uint64_t order)
{
    size_t low = 0;
    size_t high = table->sequence_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->sequence[middle].order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Put a record at the end. There is room: at most half of all places are taken by living ones. */
static void append_to_sequence(rsi_table *table, rsi_record *record)
{
    if (table->sequence_count == table->sequence_capacity) {
        size_t kept = 0;
        for (size_t i = 0; i < table->sequence_count; i++)
            if (table->sequence[i].record != NULL)
                table->sequence[kept++] = table->sequence[i];
        table->sequence_count = kept;
    }
    table->sequence[table->sequence_count++] = (rsi_place_in_order){record->order, record};
}

static void tell_watcher(const rsi_table *table, const rsi_record *record, const char *json,
                         size_t size)
{
    if (table->watch != NULL)
        table->watch(table->watch_user, record->order, record->json, record->size, json, size);
}

void rsi_table_set(rsi_table *table, rsi_record *record, char *json, size_t size)
{
    if (record->json == NULL) {
        record->order = table->next_order++;
        table->present++;
        append_to_sequence(table, record);
    }
    tell_watcher(table, record, json, size);
    rsi_free(record->json);
    record->json = json;
    record->size = size;
}

size_t rsi_record_row_from(const rsi_record *record, uint64_t number)
{
    size_t low = 0;
    size_t high = record->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (record->rows[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void rsi_record_set_row(rsi_record *record, uint64_t number, char *json, size_t size)
{
    size_t at = record->row_count;
    if (at > 0 && record->rows[at - 1].number >= number)
        at = rsi_record_row_from(record, number);
    if (at < record->row_count && record->rows[at].number == number) {
        rsi_free(record->rows[at].json);
    } else {
        memmove(record->rows + at + 1, record->rows + at,
                (record->row_count - at) * sizeof *record->rows);
        record->row_count++;
    }
    record->rows[at] = (rsi_row){number, json, size};
}

void rsi_record_drop_row(rsi_record *record, uint64_t number)
{
    size_t at = rsi_record_row_from(record, number);
    if (at == record->row_count || record->rows[at].number != number)
        return;
    rsi_free(record->rows[at].json);
    record->row_count--;
    memmove(record->rows + at, record->rows + at + 1,
            (record->row_count - at) * sizeof *record->rows);
}

void rsi_record_drop_rows(rsi_record *record)
{
    for (size_t i = 0; i < record->row_count; i++)
        rsi_free(record->rows[i].json);
    record->row_count = 0;
}

void rsi_table_drop(rsi_table *table, rsi_record *record)
{
    if (record->json != NULL) {
        table->present--;
        table->sequence[rsi_table_position(table, record->order)].record = NULL;
        tell_watcher(table, record, NULL, 0);
    }
    rsi_free(record->json);
    record->json = NULL;
    record->size = 0;
    rsi_record_drop_rows(record);
}

int rsi_table_sorted(rsi_record ***records, size_t *count, const rsi_table *table)
{
    *count = 0;
    *records = rsi_alloc_array(table->present + 1, sizeof **records);
    if (*records == NULL)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < table->sequence_count; i++)
        if (table->sequence[i].record != NULL)
            (*records)[(*count)++] = table->sequence[i].record;
    return RAGSTORE_OK;
}
