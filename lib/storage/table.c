/* Tables: what is in memory, and changing it. See table.h; reading is in table_read.c. */
#include "storage/table_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/segment.h"

#include <stddef.h>
#include <string.h>

_Static_assert(offsetof(rsi_row, number) == 0 && offsetof(rsi_place_in_order, order) == 0,
               "first_from() finds the number of an element at its beginning");

static bool has_values(const rsi_table *table)
{
    return table->base == NULL || rsi_base_layout(table->base)->rows_field != NULL ||
           rsi_base_layout(table->base)->id_field != NULL;
}

bool rsi_record_has_value(const rsi_table *table, const rsi_record *record)
{
    return record->json != NULL || (record->continues && has_values(table));
}

void rsi_row_clear(rsi_row *row)
{
    rsi_free(row->json);
    rsi_segment_release(row->segment);
    row->json = NULL;
    row->segment = NULL;
}

bool rsi_row_extend(rsi_row *last, rsi_row *row)
{
    const bool same_kind = last->json == NULL && row->json == NULL && last->segment == row->segment;
    const bool follows = last->segment == NULL || last->place + last->count == row->place;
    if (!same_kind || !follows || rsi_row_end(last) != row->number ||
        last->changed != row->changed || row->count > UINT32_MAX - last->count)
        return false;
    last->count += row->count;
    rsi_row_clear(row); /* its reference is one too many */
    return true;
}

void rsi_record_clear_rows(rsi_record *record)
{
    for (size_t i = 0; i < record->row_count; i++)
        rsi_row_clear(&record->rows[i]);
    record->row_count = 0;
    record->row_total = 0;
    record->row_drops = 0;
}

void rsi_record_free_members(rsi_record *record)
{
    rsi_record_clear_rows(record);
    rsi_free(record->rows);
    rsi_free(record->json);
    rsi_free(record->key);
}

static void free_record(void *value)
{
    rsi_record_free_members(value);
    rsi_free(value);
}

void rsi_table_free(rsi_table *table)
{
    rsi_map_free(&table->over_base, NULL);
    rsi_map_free(&table->records, free_record);
    rsi_free(table->sequence);
    rsi_free(table->covered);
    rsi_base_release(table->base);
    *table = (rsi_table){.watch = table->watch, .watch_user = table->watch_user};
}

int rsi_table_begin(rsi_table *table, rsi_base *base)
{
    const size_t count = rsi_base_count(base);
    table->covered = rsi_alloc_array(count / 8 + 1, 1);
    if (table->covered == NULL) {
        rsi_base_release(base);
        return RAGSTORE_E_NO_MEMORY;
    }
    table->base = base;
    table->next_order = rsi_base_next_order(base);
    table->present = has_values(table) ? count : 0;
    return RAGSTORE_OK;
}

/* ---- places ---- */

/* Have the value of a record in memory that continues one of the base. */
static int take_value(rsi_record *record, rsi_base_reader *reader)
{
    rsi_slice key;
    rsi_slice json;
    int status = rsi_base_read_record(reader, record->base - 1, &key, &json);
    if (status != RAGSTORE_OK)
        return status;
    record->json = rsi_memdup0(json.data, json.size);
    record->size = json.size;
    return record->json == NULL ? RAGSTORE_E_NO_MEMORY : RAGSTORE_OK;
}

/* Lay a new record over that of the base with its key, if there is one. */
static int lay_over(rsi_table *table, rsi_record *record)
{
    rsi_base_reader reader = rsi_base_reader_of(table->base, 0);
    size_t number;
    int found = table->base == NULL ? 0 : rsi_base_find(&number, &reader, record->key);
    int status = found < 0 ? found : RAGSTORE_OK;
    if (found > 0) {
        record->base = number + 1;
        record->continues = true;
        record->order = rsi_base_order(table->base, number);
        if (table->watch != NULL)
            status = take_value(record, &reader);
        if (status == RAGSTORE_OK)
            status = rsi_map_put(&table->over_base, &number, sizeof number, record, NULL);
        if (status == RAGSTORE_OK)
            table->covered[number / 8] |= (unsigned char)(1u << number % 8);
    }
    rsi_base_reader_free(&reader);
    return status;
}

static void leave_base(rsi_table *table, const rsi_record *record)
{
    const size_t number = record->base - 1;
    if (record->base == 0 || rsi_map_remove(&table->over_base, &number, sizeof number) == NULL)
        return;
    table->covered[number / 8] &= (unsigned char)~(1u << number % 8);
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
    if (record->key == NULL || lay_over(table, record) != RAGSTORE_OK ||
        rsi_map_put(&table->records, key, key_size, record, NULL) != RAGSTORE_OK) {
        leave_base(table, record);
        free_record(record);
        return NULL;
    }
    return record;
}

int rsi_table_watch(rsi_table *table, rsi_table_watcher *watch, void *user)
{
    rsi_base_reader reader = rsi_base_reader_of(table->base, 0);
    size_t position = 0;
    void *value;
    int status = RAGSTORE_OK;
    while (status == RAGSTORE_OK && rsi_map_next(&table->records, &position, NULL, &value)) {
        rsi_record *record = value;
        if (record->json == NULL && record->continues)
            status = take_value(record, &reader);
    }
    rsi_base_reader_free(&reader);
    if (status != RAGSTORE_OK)
        return status;
    table->watch = watch;
    table->watch_user = user;
    return RAGSTORE_OK;
}

int rsi_table_replace(rsi_table *table, rsi_table *fresh)
{
    int status = RAGSTORE_OK;
    if (table->watch != NULL)
        status = rsi_table_watch(fresh, table->watch, table->watch_user);
    if (status != RAGSTORE_OK)
        return status;
    const rsi_table old = *table;
    *table = *fresh;
    *fresh = old;
    fresh->watch = NULL;
    fresh->watch_user = NULL;
    if (table->watch != NULL)
        table->watch(table->watch_user, RSI_ORDER_ALL, NULL, 0, NULL, 0);
    return RAGSTORE_OK;
}

int rsi_record_reserve(rsi_record *record, size_t more)
{
    size_t needed; /* a put may cut one element into two */
    if (!rsi_mul_size(more, 2, &needed) || !rsi_add_size(record->row_count, needed, &needed))
        return rsi_fail_no_memory();
    if (!rsi_grow((void **)&record->rows, &record->row_capacity, needed, sizeof *record->rows))
        return RAGSTORE_E_NO_MEMORY;
    return RAGSTORE_OK;
}

/* ---- order ---- */

/* The first of `count` elements whose number is not below `wanted`; their numbers, which come first in
 * each, ascend. */
static size_t first_from(const void *elements, size_t count, size_t size, uint64_t wanted)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t number;
        memcpy(&number, (const char *)elements + middle * size, sizeof number);
        if (number < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t rsi_table_position(const rsi_table *table, uint64_t order)
{
    return first_from(table->sequence, table->sequence_count, sizeof *table->sequence, order);
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

static void leave_sequence(rsi_table *table, const rsi_record *record)
{
    size_t at = rsi_table_position(table, record->order);
    if (at < table->sequence_count && table->sequence[at].record == record)
        table->sequence[at].record = NULL;
}

/* ---- values ---- */

static void tell_watcher(const rsi_table *table, const rsi_record *record, const char *json,
                         size_t size)
{
    if (table->watch != NULL)
        table->watch(table->watch_user, record->order, record->json, record->size, json, size);
}

void rsi_table_set(rsi_table *table, rsi_record *record, char *json, size_t size,
                   uint64_t sequence)
{
    if (!rsi_record_has_value(table, record)) {
        record->order = table->next_order++;
        table->present++;
        append_to_sequence(table, record);
    }
    tell_watcher(table, record, json, size);
    rsi_free(record->json);
    record->json = json;
    record->size = size;
    record->changed = sequence;
}

void rsi_table_drop(rsi_table *table, rsi_record *record, uint64_t sequence)
{
    if (rsi_record_has_value(table, record)) {
        table->present--;
        leave_sequence(table, record);
        tell_watcher(table, record, NULL, 0);
    }
    rsi_free(record->json);
    record->json = NULL;
    record->size = 0;
    record->continues = false;
    record->changed = sequence;
    record->dropped = sequence;
    rsi_record_clear_rows(record);
}

/* ---- rows ---- */

/* The first element that ends behind `number`. */
static size_t element_from(const rsi_record *record, uint64_t number)
{
    size_t at = record->row_count;
    if (at == 0 || rsi_row_end(&record->rows[at - 1]) <= number)
        return at;
    at = first_from(record->rows, record->row_count, sizeof *record->rows, number);
    return at > 0 && rsi_row_end(&record->rows[at - 1]) > number ? at - 1 : at;
}

rsi_row_walk rsi_record_walk(const rsi_record *record, uint64_t number)
{
    rsi_row_walk walk = {.record = record};
    if (record == NULL)
        return walk;
    walk.at = element_from(record, number);
    if (walk.at < record->row_count && record->rows[walk.at].number < number)
        walk.within = (uint32_t)(number - record->rows[walk.at].number);
    return walk;
}

bool rsi_row_walk_get(rsi_row *row, const rsi_row_walk *walk)
{
    if (walk->record == NULL || walk->at >= walk->record->row_count)
        return false;
    *row = walk->record->rows[walk->at];
    row->number += walk->within;
    row->place += walk->within;
    row->count = 1;
    return true;
}

void rsi_row_walk_step(rsi_row_walk *walk)
{
    if (++walk->within < walk->record->rows[walk->at].count)
        return;
    walk->at++;
    walk->within = 0;
}

/* So many rows of the kind of `row` came, or went. */
static void tally(rsi_record *record, const rsi_row *row, uint64_t came, uint64_t went)
{
    record->row_total += (size_t)came - (size_t)went; /* modulo 2^64 */
    if (rsi_row_is_dropped(row))
        record->row_drops += (size_t)came - (size_t)went;
}

static void cut_front(rsi_record *record, rsi_row *row, uint64_t number)
{
    const uint32_t cut = (uint32_t)(number - row->number);
    tally(record, row, 0, cut);
    row->number = number;
    row->place += cut;
    row->count -= cut;
}

static void cut_end(rsi_record *record, rsi_row *row, uint64_t number)
{
    const uint32_t kept = (uint32_t)(number - row->number);
    tally(record, row, 0, row->count - kept);
    row->count = kept;
}

/* Take [number, end) out of the elements from `at` on, the first that may have some of it; returns where
 * an element for it belongs. There is room for one more. */
static size_t make_gap(rsi_record *record, size_t at, uint64_t number, uint64_t end)
{
    rsi_row *rows = record->rows;
    if (at < record->row_count && rows[at].number < number) {
        if (rsi_row_end(&rows[at]) > end) { /* one on both sides */
            memmove(rows + at + 1, rows + at, (record->row_count - at) * sizeof *rows);
            record->row_count++;
            rsi_segment_retain(rows[at].segment);
            tally(record, &rows[at], rows[at].count, 0);
        }
        cut_end(record, &rows[at], number);
        at++;
    }
    size_t behind = at;
    for (; behind < record->row_count && rsi_row_end(&rows[behind]) <= end; behind++) {
        tally(record, &rows[behind], 0, rows[behind].count);
        rsi_row_clear(&rows[behind]);
    }
    if (behind < record->row_count && rows[behind].number < end)
        cut_front(record, &rows[behind], end);
    memmove(rows + at, rows + behind, (record->row_count - behind) * sizeof *rows);
    record->row_count -= behind - at;
    return at;
}

void rsi_record_set_row(rsi_record *record, rsi_row *row)
{
    rsi_row *rows = record->rows;
    size_t at = element_from(record, row->number);
    record->changed = row->changed;
    if (at < record->row_count && rows[at].number == row->number && rows[at].count == 1 &&
        row->count == 1) {
        tally(record, &rows[at], 0, 1);
        tally(record, row, 1, 0);
        rsi_row_clear(&rows[at]);
        rows[at] = *row;
    } else {
        at = make_gap(record, at, row->number, rsi_row_end(row));
        tally(record, row, row->count, 0);
        if (at > 0 && rsi_row_extend(&rows[at - 1], row))
            return;
        memmove(rows + at + 1, rows + at, (record->row_count - at) * sizeof *rows);
        record->row_count++;
        rows[at] = *row;
    }
    row->json = NULL;
    row->segment = NULL;
}
