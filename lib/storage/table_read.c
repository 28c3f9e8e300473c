/* Reading tables: what is in memory over what is in the file. See table.h. */
#include "storage/table_internal.h"

#include "base/memory.h"
#include "base/status.h"
#include "storage/segment.h"

#include <string.h>

#define WALK_AHEAD ((size_t)256 << 10)
#define ROWS_AHEAD ((size_t)32 << 10)

/* ---- one record ---- */

/* What shows of a record that is in memory: 1, or 0 when it is absent. */
static int see_record(rsi_sight *sight, const rsi_record *record)
{
    sight->record = record;
    sight->base = record->continues ? record->base : 0;
    return record->json != NULL || sight->base != 0 || record->row_total > record->row_drops;
}

/* `reader` is one of the table's base, or of none. */
static int look(rsi_sight *sight, const rsi_table *table, rsi_base_reader *reader, const char *key)
{
    *sight = (rsi_sight){0};
    const rsi_record *record = rsi_map_get(&table->records, key, strlen(key));
    if (record != NULL)
        return see_record(sight, record);
    if (table->base == NULL)
        return 0;
    size_t number;
    int found = rsi_base_find(&number, reader, key);
    if (found > 0)
        sight->base = number + 1;
    return found;
}

static int append_value(rsi_bytes *out, rsi_base_reader *reader, const rsi_sight *sight)
{
    if (sight->record != NULL && sight->record->json != NULL) {
        rsi_bytes_append(out, sight->record->json, sight->record->size);
        return rsi_bytes_status(out);
    }
    if (sight->base == 0)
        return rsi_fail(RAGSTORE_E_NOT_FOUND, "storage", "there is no value");
    rsi_slice key;
    rsi_slice json;
    int status = rsi_base_read_record(reader, sight->base - 1, &key, &json);
    if (status != RAGSTORE_OK)
        return status;
    rsi_bytes_append(out, json.data, json.size);
    return rsi_bytes_status(out);
}

int rsi_table_look(rsi_sight *sight, const rsi_table *table, const char *key)
{
    rsi_base_reader reader = rsi_base_reader_of(table->base, 0);
    int found = look(sight, table, &reader, key);
    rsi_base_reader_free(&reader);
    return found;
}

int rsi_table_value(rsi_bytes *out, const rsi_table *table, const rsi_sight *sight)
{
    rsi_base_reader reader = rsi_base_reader_of(table->base, 0);
    int status = append_value(out, &reader, sight);
    rsi_base_reader_free(&reader);
    return status;
}

int rsi_table_get(rsi_bytes *out, const rsi_table *table, const char *key)
{
    rsi_base_reader reader = rsi_base_reader_of(table->base, 0);
    rsi_sight sight;
    int found = look(&sight, table, &reader, key);
    int status = found > 0 ? append_value(out, &reader, &sight) : found;
    rsi_base_reader_free(&reader);
    return status == RAGSTORE_OK ? found : status;
}

/* ---- all records ---- */

struct rsi_table_walk {
    const rsi_table *table;
    rsi_base_reader reader;
    size_t base_count;
    size_t next_base; /* those of the base come first */
    size_t next_in_sequence;
};

static void go_to(rsi_table_walk *walk, uint64_t order)
{
    walk->next_base = walk->base_count == 0 ? 0 : rsi_base_from_order(walk->table->base, order);
    walk->next_in_sequence = rsi_table_position(walk->table, order);
}

int rsi_table_walk_begin(rsi_table_walk **out, const rsi_table *table, uint64_t from_order)
{
    rsi_table_walk *walk = rsi_alloc_zeroed(sizeof *walk);
    *out = walk;
    if (walk == NULL)
        return RAGSTORE_E_NO_MEMORY;
    walk->table = table;
    walk->reader = rsi_base_reader_of(table->base, WALK_AHEAD);
    walk->base_count = table->base == NULL ? 0 : rsi_base_count(table->base);
    go_to(walk, from_order);
    return RAGSTORE_OK;
}

void rsi_table_walk_end(rsi_table_walk *walk)
{
    if (walk != NULL)
        rsi_base_reader_free(&walk->reader);
    rsi_free(walk);
}

static void show_record(rsi_table_item *item, const rsi_record *record)
{
    *item = (rsi_table_item){record->key, record->json, record->size, record->order};
}

/* A record of the base as it is now: 1, 0 when it is gone, or an error. */
static int show_base(rsi_table_item *item, rsi_table_walk *walk, size_t number)
{
    const rsi_table *table = walk->table;
    if (rsi_table_covers(table, number)) {
        const rsi_record *record = rsi_map_get(&table->over_base, &number, sizeof number);
        if (record == NULL || !record->continues)
            return 0;
        if (record->json != NULL) {
            show_record(item, record);
            return 1;
        }
    }
    rsi_slice key;
    rsi_slice json;
    int status = rsi_base_read_record(&walk->reader, number, &key, &json);
    if (status != RAGSTORE_OK)
        return status;
    *item = (rsi_table_item){key.data, json.data, json.size, rsi_base_order(table->base, number)};
    return 1;
}

int rsi_table_walk_next(rsi_table_item *item, rsi_table_walk *walk)
{
    const rsi_table *table = walk->table;
    while (walk->next_base < walk->base_count) {
        int found = show_base(item, walk, walk->next_base++);
        if (found != 0)
            return found;
    }
    while (walk->next_in_sequence < table->sequence_count) {
        const rsi_record *record = table->sequence[walk->next_in_sequence++].record;
        if (record == NULL)
            continue;
        show_record(item, record);
        return 1;
    }
    return 0;
}

int rsi_table_walk_to(rsi_table_item *item, rsi_table_walk *walk, uint64_t order)
{
    const rsi_table *table = walk->table;
    walk->reader.ahead = 0;
    go_to(walk, order);
    if (walk->next_base < walk->base_count)
        return rsi_base_order(table->base, walk->next_base) == order
                   ? show_base(item, walk, walk->next_base)
                   : 0;
    if (walk->next_in_sequence == table->sequence_count ||
        table->sequence[walk->next_in_sequence].order != order ||
        table->sequence[walk->next_in_sequence].record == NULL)
        return 0;
    show_record(item, table->sequence[walk->next_in_sequence].record);
    return 1;
}

/* ---- rows ---- */

/* Three lists of rows, each hiding what the one below has of the same number. */
typedef struct row_merge {
    rsi_base *base;
    rsi_base_reader reader;
    size_t position; /* in the base */
    size_t end;
    uint64_t number; /* of the base's next row */
    rsi_row_walk at; /* in memory */
    rsi_row_walk over_at;
    rsi_segment_reader segments;
} row_merge;

static int move_base(row_merge *merge, size_t position)
{
    merge->position = position;
    return position < merge->end ? rsi_base_row_number(&merge->number, merge->base, position)
                                 : RAGSTORE_OK;
}

static int merge_begin(row_merge *merge, const rsi_table *table, const rsi_sight *sight,
                       const rsi_record *over, uint64_t from, size_t ahead)
{
    *merge = (row_merge){.at = rsi_record_walk(sight->record, from),
                         .over_at = rsi_record_walk(over, from)};
    if (sight->base == 0)
        return RAGSTORE_OK;
    rsi_base_rows rows;
    size_t position = 0;
    merge->base = table->base;
    merge->reader = rsi_base_reader_of(table->base, ahead);
    int status = rsi_base_rows_of(&rows, table->base, sight->base - 1);
    if (status == RAGSTORE_OK)
        status = rsi_base_row_from(&position, table->base, &rows, from);
    merge->end = rows.end;
    return status == RAGSTORE_OK ? move_base(merge, position) : status;
}

/* The next row, json NULL when it is dropped: 1, 0 at the end, or an error. */
static int merge_next(row_merge *merge, uint64_t *number, rsi_slice *json)
{
    rsi_row row;
    rsi_row over;
    const bool has_row = rsi_row_walk_get(&row, &merge->at);
    const bool has_over = rsi_row_walk_get(&over, &merge->over_at);
    const bool in_base = merge->position < merge->end;
    if (!has_row && !has_over && !in_base)
        return 0;
    *number = in_base ? merge->number : UINT64_MAX;
    if (has_row && row.number < *number)
        *number = row.number;
    if (has_over && over.number < *number)
        *number = over.number;
    const bool from_base = in_base && merge->number == *number;
    const bool from_row = has_row && row.number == *number;
    const bool from_over = has_over && over.number == *number;
    if (from_row)
        rsi_row_walk_step(&merge->at);
    if (from_over)
        rsi_row_walk_step(&merge->over_at);
    int status = RAGSTORE_OK;
    if (from_over)
        status = rsi_row_value(json, &merge->segments, &over);
    else if (from_row)
        status = rsi_row_value(json, &merge->segments, &row);
    else
        status = rsi_base_read_row(&merge->reader, merge->position, number, json);
    if (status == RAGSTORE_OK && from_base)
        status = move_base(merge, merge->position + 1);
    return status == RAGSTORE_OK ? 1 : status;
}

int rsi_table_rows(const rsi_table *table, const rsi_sight *sight, const rsi_record *over,
                   uint64_t from, uint64_t limit, rsi_row_visitor *visit, void *user)
{
    row_merge merge;
    uint64_t number;
    rsi_slice json;
    int status = merge_begin(&merge, table, sight, over, from, limit > 1 ? ROWS_AHEAD : 0);
    while (status == RAGSTORE_OK && limit > 0) {
        int found = merge_next(&merge, &number, &json);
        if (found <= 0) {
            status = found;
            break;
        }
        if (json.data == NULL)
            continue;
        status = visit(user, number, json.data, json.size);
        limit--;
    }
    rsi_segment_reader_free(&merge.segments);
    if (merge.base != NULL)
        rsi_base_reader_free(&merge.reader);
    return status;
}

/* Is there a row of this number in the base? */
static int base_has_row(bool *has, rsi_base *base, const rsi_base_rows *rows, uint64_t number)
{
    size_t position;
    uint64_t found = 0;
    *has = false;
    int status = rsi_base_row_from(&position, base, rows, number);
    if (status != RAGSTORE_OK || position == rows->end)
        return status;
    status = rsi_base_row_number(&found, base, position);
    *has = status == RAGSTORE_OK && found == number;
    return status;
}

/* The largest number of the base's rows that no row in memory drops, plus 1. */
static int last_of_base(uint64_t *next, rsi_base *base, const rsi_base_rows *rows,
                        const rsi_record *record)
{
    *next = 0;
    for (size_t position = rows->end; position > rows->first; position--) {
        uint64_t number;
        int status = rsi_base_row_number(&number, base, position - 1);
        if (status != RAGSTORE_OK)
            return status;
        rsi_row row;
        const rsi_row_walk at = rsi_record_walk(record, number);
        if (rsi_row_walk_get(&row, &at) && row.number == number && rsi_row_is_dropped(&row))
            continue;
        *next = number + 1;
        return RAGSTORE_OK;
    }
    return RAGSTORE_OK;
}

int rsi_table_row_count(uint64_t *count, uint64_t *next, const rsi_table *table,
                        const rsi_sight *sight)
{
    const rsi_record *record = sight->record;
    rsi_base_rows rows = {0};
    int status = RAGSTORE_OK;
    *count = 0;
    *next = 0;
    if (sight->base != 0)
        status = rsi_base_rows_of(&rows, table->base, sight->base - 1);
    if (status != RAGSTORE_OK)
        return status;
    *count = rows.end - rows.first;
    *next = rows.next;
    if (record == NULL || record->row_count == 0)
        return RAGSTORE_OK;
    *count += record->row_total - record->row_drops;
    rsi_row row;
    rsi_row_walk walk = rsi_record_walk(record, 0);
    for (; rsi_row_walk_get(&row, &walk) && row.number < rows.next; rsi_row_walk_step(&walk)) {
        bool has;
        status = base_has_row(&has, table->base, &rows, row.number);
        if (status != RAGSTORE_OK)
            return status;
        *count -= has; /* hidden, or counted twice */
    }
    status = last_of_base(next, table->base, &rows, record);
    for (size_t i = record->row_count; status == RAGSTORE_OK && i > 0; i--) {
        if (rsi_row_is_dropped(&record->rows[i - 1]))
            continue;
        if (rsi_row_end(&record->rows[i - 1]) > *next)
            *next = rsi_row_end(&record->rows[i - 1]);
        break;
    }
    return status;
}
