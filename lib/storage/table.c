/* Tables in memory: see table.h. */
#include "storage/table.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
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
    memset(table, 0, sizeof *table);
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

void rsi_table_set(rsi_table *table, rsi_record *record, char *json, size_t size)
{
    if (record->json == NULL) {
        record->order = table->next_order++;
        table->present++;
    }
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
    if (record->json != NULL)
        table->present--;
    rsi_free(record->json);
    record->json = NULL;
    record->size = 0;
    rsi_record_drop_rows(record);
}

static int compare_order(const void *a, const void *b)
{
    const rsi_record *left = *(rsi_record *const *)a;
    const rsi_record *right = *(rsi_record *const *)b;
    return left->order < right->order ? -1 : left->order > right->order;
}

int rsi_table_sorted(rsi_record ***records, size_t *count, const rsi_table *table)
{
    *count = 0;
    *records = rsi_alloc_array(table->records.count + 1, sizeof **records);
    if (*records == NULL)
        return RAGSTORE_E_NO_MEMORY;
    size_t position = 0;
    void *value;
    while (rsi_map_next(&table->records, &position, NULL, &value))
        if (!is_absent(value))
            (*records)[(*count)++] = value;
    qsort(*records, *count, sizeof **records, compare_order);
    return RAGSTORE_OK;
}
