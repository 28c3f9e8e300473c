/* Tables and checkpoints: what a file is to hold, and taking it as the new base. See table.h. */
#include "storage/table_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/segment.h"

#include <stdlib.h>
#include <string.h>

/* ---- freezing ---- */

static int copy_rows(rsi_record *copy, const rsi_record *record)
{
    if (rsi_record_reserve(copy, record->row_count) != RAGSTORE_OK)
        return RAGSTORE_E_NO_MEMORY;
    for (size_t i = 0; i < record->row_count; i++) {
        rsi_row row = record->rows[i];
        if (row.json != NULL && (row.json = rsi_memdup0(row.json, row.size)) == NULL)
            return RAGSTORE_E_NO_MEMORY;
        rsi_segment_retain(row.segment);
        rsi_record_set_row(copy, &row);
    }
    return RAGSTORE_OK;
}

static rsi_record *add_copy(rsi_frozen *frozen, const rsi_record *record)
{
    rsi_record *copy = &frozen->records[frozen->count++];
    *copy = (rsi_record){.order = record->order, .base = record->base};
    return copy;
}

static int copy_record(rsi_frozen *frozen, const rsi_record *record)
{
    const bool is_gone =
        record->json == NULL && !record->continues && record->row_total == record->row_drops;
    if (record->continues && record->json == NULL && record->row_count == 0)
        return RAGSTORE_OK; /* as in the base */
    if (record->base != 0 && !record->continues) {
        add_copy(frozen, record); /* that of the base is left out */
        frozen->over_count++;
    }
    if (is_gone)
        return RAGSTORE_OK;
    rsi_record *copy = add_copy(frozen, record);
    copy->continues = record->continues;
    if (!record->continues)
        copy->base = 0;
    frozen->over_count += copy->base != 0;
    copy->key = rsi_strdup(record->key);
    if (copy->key == NULL)
        return RAGSTORE_E_NO_MEMORY;
    if (record->json != NULL) {
        copy->json = rsi_memdup0(record->json, record->size);
        copy->size = record->size;
        if (copy->json == NULL)
            return RAGSTORE_E_NO_MEMORY;
    }
    return copy_rows(copy, record);
}

static int compare_records(const void *a, const void *b)
{
    const rsi_record *left = a;
    const rsi_record *right = b;
    if ((left->base == 0) != (right->base == 0))
        return left->base == 0 ? 1 : -1;
    const uint64_t l = left->base != 0 ? left->base : left->order;
    const uint64_t r = right->base != 0 ? right->base : right->order;
    return l < r ? -1 : l > r;
}

int rsi_table_freeze(rsi_frozen *frozen, const rsi_table *table)
{
    size_t position = 0;
    void *value;
    *frozen = (rsi_frozen){.base = rsi_base_retain(table->base)};
    frozen->records = rsi_alloc_array(table->records.count * 2 + 1, sizeof *frozen->records);
    int status = frozen->records == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&table->records, &position, NULL, &value))
        status = copy_record(frozen, value);
    if (status != RAGSTORE_OK)
        rsi_frozen_free(frozen);
    else if (frozen->count > 1)
        qsort(frozen->records, frozen->count, sizeof *frozen->records, compare_records);
    return status;
}

void rsi_frozen_free(rsi_frozen *frozen)
{
    for (size_t i = 0; i < frozen->count; i++)
        rsi_record_free_members(&frozen->records[i]);
    rsi_free(frozen->records);
    rsi_base_release(frozen->base);
    *frozen = (rsi_frozen){0};
}

/* ---- a new base ---- */

typedef struct rebase {
    rsi_map records;
    rsi_map over_base;
    unsigned char *covered;
} rebase;

/* Keep a record that a later commit changed. */
static int keep(rebase *to, rsi_base_reader *reader, rsi_record *record)
{
    size_t number;
    int found = rsi_base_find(&number, reader, record->key);
    int status = found < 0 ? found : RAGSTORE_OK;
    if (status == RAGSTORE_OK)
        status = rsi_map_put(&to->records, record->key, strlen(record->key), record, NULL);
    if (status == RAGSTORE_OK && found > 0) {
        status = rsi_map_put(&to->over_base, &number, sizeof number, record, NULL);
        to->covered[number / 8] |= (unsigned char)(1u << number % 8);
    }
    return status;
}

/* Of the rows in memory only those stay that the file does not have. */
static void keep_new_rows(rsi_record *record, uint64_t sequence)
{
    size_t kept = 0;
    record->row_total = 0;
    record->row_drops = 0;
    for (size_t i = 0; i < record->row_count; i++) {
        if (record->rows[i].changed <= sequence) {
            rsi_row_clear(&record->rows[i]);
            continue;
        }
        record->row_total += record->rows[i].count;
        record->row_drops += rsi_row_is_dropped(&record->rows[i]) ? record->rows[i].count : 0;
        record->rows[kept++] = record->rows[i];
    }
    record->row_count = kept;
}

/* From here on nothing fails. */
static void settle_records(rsi_table *table, const rebase *to, rsi_base *base, uint64_t sequence)
{
    size_t position = 0;
    rsi_slice key;
    void *value;
    while (rsi_map_next(&to->records, &position, NULL, &value)) {
        rsi_record *record = value;
        record->base = 0;
        if (record->continues)
            record->continues = false;
    }
    position = 0;
    while (rsi_map_next(&to->over_base, &position, &key, &value)) {
        rsi_record *record = value;
        size_t number;
        memcpy(&number, key.data, sizeof number);
        record->base = number + 1;
        record->continues = record->dropped <= sequence;
        if (!record->continues)
            continue;
        record->order = rsi_base_order(base, number);
        keep_new_rows(record, sequence);
    }
    size_t kept = 0;
    for (size_t i = 0; i < table->sequence_count; i++) {
        const rsi_record *record = table->sequence[i].record;
        if (record != NULL && record->changed > sequence && !record->continues)
            table->sequence[kept++] = table->sequence[i];
    }
    table->sequence_count = kept;
}

static void free_older(rsi_table *table, uint64_t sequence)
{
    size_t position = 0;
    void *value;
    while (rsi_map_next(&table->records, &position, NULL, &value)) {
        rsi_record *record = value;
        if (record->changed > sequence)
            continue;
        rsi_record_free_members(record);
        rsi_free(record);
    }
    rsi_map_free(&table->records, NULL);
}

int rsi_table_rebase(rsi_table *table, rsi_base *base, uint64_t sequence)
{
    rebase to = {.covered = rsi_alloc_array(rsi_base_count(base) / 8 + 1, 1)};
    rsi_base_reader reader = rsi_base_reader_of(base, 0);
    size_t position = 0;
    void *value;
    int status = to.covered == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&table->records, &position, NULL, &value))
        if (((const rsi_record *)value)->changed > sequence)
            status = keep(&to, &reader, value);
    rsi_base_reader_free(&reader);
    if (status != RAGSTORE_OK) {
        rsi_map_free(&to.records, NULL);
        rsi_map_free(&to.over_base, NULL);
        rsi_free(to.covered);
        rsi_base_release(base);
        return status;
    }
    settle_records(table, &to, base, sequence);
    free_older(table, sequence);
    rsi_map_free(&table->over_base, NULL);
    rsi_free(table->covered);
    rsi_base_release(table->base);
    table->base = base;
    table->records = to.records;
    table->over_base = to.over_base;
    table->covered = to.covered;
    if (table->next_order < rsi_base_next_order(base))
        table->next_order = rsi_base_next_order(base);
    return RAGSTORE_OK;
}
