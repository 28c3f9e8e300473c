/* Tables: see extract_table.h. */
#include "extract_table.h"

#include <stdlib.h>

struct table *table_new(void)
{
    return get_memory(1, sizeof(struct table));
}

void table_free(struct table *table)
{
    for (size_t i = 0; table != NULL && i < TABLE_COLUMNS; i++) {
        free(table->names[i].bytes);
        free(table->cells[i].bytes);
    }
    free(table);
}

struct text *table_cell(struct table *table, size_t column)
{
    if (column >= TABLE_COLUMNS) {
        return NULL;
    }
    if (column >= table->count) {
        table->count = column + 1;
    }
    return &table->cells[column];
}

struct text *table_next_cell(struct table *table)
{
    return table_cell(table, table->count);
}

static void write_row(const struct table *table, const struct text *names, const struct text *cells,
                      size_t count, int page)
{
    struct text row = {0};

    (void)table;
    for (size_t i = 0; i < count; i++) {
        if (text_is_blank(&cells[i])) {
            continue;
        }
        if (row.size > 0) {
            text_append_string(&row, "; ");
        }
        if (names != NULL && !text_is_blank(&names[i])) {
            text_append(&row, names[i].bytes, names[i].size);
            text_append_string(&row, ": ");
        }
        text_append(&row, cells[i].bytes, cells[i].size);
    }
    emit_text(BLOCK_TABLE_ROW, 0, page, &row);
    free(row.bytes);
}

/* A row that could name columns has something in at least two of them. */
static bool names_columns(const struct table *table)
{
    size_t filled = 0;

    for (size_t i = 0; i < table->count; i++) {
        filled += !text_is_blank(&table->cells[i]);
    }
    return filled >= 2;
}

void table_end_row(struct table *table, int page)
{
    if (table->rows == 0 && names_columns(table)) {
        for (size_t i = 0; i < table->count; i++) {
            struct text kept = table->names[i];

            table->names[i] = table->cells[i];
            table->cells[i] = kept;
        }
        table->columns = table->count;
        table->rows++;
    } else if (table->count > 0) {
        write_row(table, table->rows == 0 ? NULL : table->names, table->cells, table->count, page);
        table->rows += table->rows > 0;
    }
    for (size_t i = 0; i < table->count; i++) {
        text_clear(&table->cells[i]);
    }
    table->count = 0;
}

void table_end(struct table *table, int page)
{
    if (table->count > 0) {
        table_end_row(table, page);
    }
    if (table->rows == 1) {
        write_row(table, NULL, table->names, table->columns, page);
    }
    for (size_t i = 0; i < TABLE_COLUMNS; i++) {
        text_clear(&table->names[i]);
    }
    table->columns = 0;
    table->rows = 0;
}
