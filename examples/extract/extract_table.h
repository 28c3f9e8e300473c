/*
 * Rows of tables as texts that can be understood alone: "Country: Chad; Capital: N'Djamena". The
 * first row of a table names its columns.
 */
#ifndef EXTRACT_TABLE_H
#define EXTRACT_TABLE_H

#include "extract_emit.h"

enum { TABLE_COLUMNS = 256 };

struct table {
    struct text names[TABLE_COLUMNS];
    struct text cells[TABLE_COLUMNS]; /* of the row that is being read */
    size_t columns;
    size_t count; /* of cells */
    size_t rows;
};

struct table *table_new(void);
void table_free(struct table *table);

/* The next cell of the row, or the one in that column; NULL when the row is too wide. */
struct text *table_next_cell(struct table *table);
struct text *table_cell(struct table *table, size_t column);

/* End a row: write it, unless it is the one with the names and more may come. */
void table_end_row(struct table *table, int page);
/* End the table: a table of one row is written as it stands. */
void table_end(struct table *table, int page);

#endif
